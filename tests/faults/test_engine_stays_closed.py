"""What an apply closed is not opened again on the way back: not by a rollback, an undo, or a device's own undo."""

from __future__ import annotations

import pytest

from plexops.lab.routers import RouterName
from plexops.lab.routers.opnsense import OpnSenseRouter
from tests.faults.engine_bench import Bench, Homes
from tests.faults.test_engine_devices import apply, outcomes

LINUX_FILE = "/etc/nftables.d/plexops_plex.nft"
#: Our own forward, given Plex's own port outside by the router's administrator.
BY_HAND: dict[RouterName, str] = {
    "openwrt": "uci set firewall.plexops_plex.src_dport=32400; uci commit firewall; /etc/init.d/firewall reload",
    "routeros": '/ip firewall nat set [find where comment="plexops:plex"] dst-port=32400',
    "linux": f"cat >{LINUX_FILE} && nft -f {LINUX_FILE}",
}


def open_32400(bench: Bench) -> None:
    device = bench.home.router
    if isinstance(device, OpnSenseRouter):
        rules = device._config.rules
        for row in rules.rows.values():
            if row["descr"] == "plexops:plex":
                row["destination.port"] = "32400"
        rules.apply()
    else:
        held = device.execute(f"cat {LINUX_FILE}", b"", "root").stdout.replace(b"32500", b"32400")
        result = device.execute(BY_HAND[bench.home.router_name], held, "root")
        assert result.status == 0, result
    assert bench.is_open(32400)


@pytest.mark.parametrize("name", ["linux", "openwrt", "opnsense", "routeros"])
def test_what_was_closed_stays_closed(homes: Homes, name: RouterName) -> None:
    with homes(name) as bench:
        bench.window_seconds = 3
        assert apply(bench).status == 0
        open_32400(bench)
        dry = bench("apply", "--dry-run", "--format", "json").document["changes"]
        window = next(change["window"] for change in dry if change["kind"] == "port_forward")
        assert "No way back: G1" in window
        assert apply(bench).status == 0
        state, sent = bench.state(), bench.writes()

        back = bench("rollback", "last", "--yes", "--format", "json")
        assert back.status == 3, back
        assert "stays as it is: G1" in back.document["outcome"]
        assert outcomes(back)["port_forward"] == "stays"
        assert (bench.state(), bench.writes()) == (state, sent)
        assert not bench.is_open(32400)

        open_32400(bench)
        bench.home.network.blocked_ports |= {32500}
        refuted = apply(bench)
        assert refuted.status == 5, refuted
        assert outcomes(refuted)["port_forward"] == "stays"
        assert "undone" not in refuted.document["outcome"]
        assert not bench.is_open(32400)
