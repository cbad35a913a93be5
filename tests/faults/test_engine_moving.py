"""A host whose forward works is not moved for tidiness, and a renewal is called undone only where it was seen so."""

from __future__ import annotations

import pytest

from plexops.lab.routers import RouterName
from plexops.lab.routers.opnsense import OpnSenseRouter
from tests.faults.engine_bench import Bench, Homes
from tests.faults.test_engine_devices import apply, outcomes, put_back
from tests.faults.test_engine_stays_closed import LINUX_FILE

OLD = "192.168.1.83"
BY_HAND: dict[RouterName, str] = {
    "openwrt": (
        "uci set firewall.mine=redirect; uci set firewall.mine.name=mine; uci set firewall.mine.target=DNAT;"
        "uci set firewall.mine.src=wan; uci set firewall.mine.dest=lan; uci set firewall.mine.proto=tcp;"
        f"uci set firewall.mine.src_dport=32500; uci set firewall.mine.dest_ip={OLD};"
        "uci set firewall.mine.dest_port=32400; uci commit firewall; /etc/init.d/firewall reload"
    ),
    "routeros": (
        "/ip firewall nat add chain=dstnat action=dst-nat protocol=tcp in-interface-list=WAN dst-port=32500 "
        f"to-addresses={OLD} to-ports=32400 comment=mine"
    ),
    "linux": f"cat >{LINUX_FILE.replace('plexops_plex', 'mine')} && nft -f {LINUX_FILE.replace('plexops_plex', 'mine')}",
}
LINUX_RULE = f"""table inet mine {{
  chain prerouting {{
    type nat hook prerouting priority dstnat; policy accept;
    iifname "eth1" tcp dport 32500 counter dnat ip to {OLD}:32400 comment "mine"
  }}
}}
"""


def forward_by_hand(bench: Bench) -> None:
    device = bench.home.router
    if isinstance(device, OpnSenseRouter):
        rules = device._config.rules
        row = dict(next(iter(rules.rows.values())))
        row |= {
            "descr": "mine",
            "destination.port": "32500",
            "target": OLD,
            "local-port": "32400",
            "disabled": "0",
        }
        rules.rows["11111111-2222-4333-8444-555555555555"] = row
        rules.apply()
        return
    result = device.execute(BY_HAND[bench.home.router_name], LINUX_RULE.encode(), "root")
    assert result.status == 0, result


@pytest.mark.parametrize("name", ["linux", "openwrt", "opnsense", "routeros"])
def test_no_renewal_while_a_forward_needs_the_old_address(homes: Homes, name: RouterName) -> None:
    with homes(name) as bench:
        forward_by_hand(bench)
        before, sent = bench.state(), bench.writes()
        ended = apply(bench)
        assert ended.status == 3, ended
        assert "G8" in ended.document["outcome"]
        reason = next(guard["reason"] for guard in ended.document["guards"] if guard["id"] == "G8")
        assert f"server.address: {OLD}" in reason
        assert "--adopt" in reason
        assert bench.state() == before
        assert bench.writes() == sent
        audit = bench("audit", "--format", "json").document["findings"]
        assert any(OLD in finding["why"] for finding in audit if finding["kind"] == "dhcp_reservation")


def test_a_renewal_that_was_not_seen_undone_is_not_called_so(homes: Homes) -> None:
    """The DHCP server lets the host keep what it holds: the report says where it is."""
    with homes() as bench:
        bench.home.network.blocked_ports |= {32500}
        plan = bench("apply", "--dry-run", "--format", "json").document["changes"]
        assert [change["kind"] for change in plan].index("firewall_rule") == 1
        assert "cannot be undone for sure" in next(c["window"] for c in plan if c["kind"] == "lease")
        ended = apply(bench)
        assert ended.status == 6, ended
        assert outcomes(ended)["lease"] == "undo-failed"
        assert put_back(ended)
        card = next(step for step in ended.document["next_steps"] if "the host was not seen back" in step)
        assert OLD in card
        assert f"it holds {bench.home.host.address}" in card, (
            "where its lease says, and that is a third address"
        )
        assert str(bench.home.host.address) not in (OLD, "192.168.1.50")
