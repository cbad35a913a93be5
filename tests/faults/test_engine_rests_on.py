"""One change rests on another: what stays keeps what it needs, and what cannot be made takes nothing with it."""

from __future__ import annotations

import pytest

from plexops.lab.scenario import RESERVED
from tests.faults.engine_bench import Bench, Homes


def by_hand(bench: Bench, *commands: str) -> None:
    """Do something on the router, past plexops."""
    for command in commands:
        assert bench.home.router.execute(command, b"", "root").status == 0, command


def drift(bench: Bench, forward: str) -> None:
    """Take our reservation away, and set one option of our forward otherwise."""
    by_hand(
        bench,
        f"uci set firewall.plexops_plex.{forward}",
        "uci commit firewall",
        "/etc/init.d/firewall reload",
    )
    by_hand(bench, "uci delete dhcp.plexops_plex", "uci commit dhcp", "/etc/init.d/dnsmasq reload")


@pytest.mark.parametrize(
    ("forward", "why"),
    [
        # A forward to an address that nothing holds: as a whole the old state is none that guards let be made.
        ("src_dport=32600", "192.168.1.50 is neither reserved nor static"),
        # It led to a port where Plex is not: it stays, and so does what it needs.
        ("dest_port=8096", "router/port_forward/plex stays, and leads to the address that this keeps"),
    ],
)
def test_a_rollback_takes_no_reservation_from_under_a_forward(homes: Homes, forward: str, why: str) -> None:
    with homes() as bench:
        assert bench("apply", "--yes").status == 0
        drift(bench, forward)
        assert bench("apply", "--yes").status == 0
        after = bench.state()
        back = bench("rollback", "last", "--yes")
        assert back.status == 3, back
        assert why in " ".join(back.out.split()), back
        assert "stays closed" not in back.out
        assert bench.state() == after
        assert RESERVED in bench.home.router.reservations().values()


def another_takes(bench: Bench, port: int) -> None:
    """Forward a port to another device."""
    options = {"target": "DNAT", "src": "wan", "src_dport": port, "dest_ip": "192.168.1.9", "proto": "tcp"}
    by_hand(bench, "uci set firewall.other=redirect")
    by_hand(bench, *(f"uci set firewall.other.{name}={value}" for name, value in options.items()))
    by_hand(bench, "uci commit firewall", "/etc/init.d/firewall reload")


@pytest.mark.parametrize(("how", "status"), [("--yes", 1), ("--dry-run", 0)])
def test_plex_is_not_told_a_port_that_another_forward_has(homes: Homes, how: str, status: int) -> None:
    """The home worked by its old port; told the new one, Plex would be out of reach."""
    with homes("openwrt", "in-order") as bench:
        another_takes(bench, 32600)
        before, sent = bench.state(), len(bench.writes())
        ended = bench("apply", how, "-e", "external_port=32600")
        assert "conflict" in ended.out
        assert ended.status == status, ended
        assert bench.state() == before
        assert len(bench.writes()) == sent
