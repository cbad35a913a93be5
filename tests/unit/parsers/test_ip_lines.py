"""`ip addr show` and `ip route show` as lines, judged by what `ip -j` of the same kernel says: iproute2's and busybox's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence

import pytest

from plexops.drivers.rulesets.network import read_addresses, read_routes
from plexops.model.exchange import Json
from plexops.parsers import ParseError
from plexops.parsers.ip_lines import parse_ip_address_lines, parse_ip_route_lines

#: Interfaces and routes as a home's router may have them, and odd ones.
LAID_OUT = """
ip link set lo up
ip tuntap add wan0 mode tap; ip tuntap add lan0 mode tap; ip tuntap add ppp0 mode tun
for name in wan0 lan0 ppp0; do ip link set $name up; done
ip addr add 203.0.113.31/24 dev wan0
ip addr add 192.168.1.1/24 brd + dev lan0; ip addr add 192.168.2.1/24 dev lan0; ip addr add 192.168.1.9/24 dev lan0
ip addr add 10.0.0.2 peer 10.0.0.1 dev ppp0
ip -6 addr add 2001:db8::1/64 dev lan0 nodad; ip -6 addr add fd00::1/64 dev lan0 nodad preferred_lft 0
ip route add default via 203.0.113.1 metric 10
ip route add default dev ppp0 metric 20
ip route add blackhole 10.9.0.0/16; ip route add unreachable 10.8.0.1; ip route add prohibit 10.7.0.0/16
ip route add 192.0.2.7 via 203.0.113.9 onlink dev wan0 mtu 1400
ip -6 route add default via 2001:db8::ff metric 1024; ip -6 route add blackhole 2001:db8:9::/48
sleep 0.2
"""
SEVERAL_HOPS = (
    "ip route add 198.51.100.0/24 nexthop via 203.0.113.2 weight 1 nexthop via 203.0.113.3 weight 2\n"
)
PROGRAMS = (("json", "ip -j"), ("ip", "ip"), ("busybox", "busybox ip"))
ASKED = {"addr": "addr show", "route": "route show", "route6": "-6 route show"}

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "ip", "busybox"))),
    reason="a network namespace takes root, iproute2 and busybox",
)


@pytest.fixture(scope="module")
def said() -> dict[str, str]:
    """What both programs say of one kernel's addresses and routes, and iproute2's own JSON."""
    asks = [
        f"echo '=== {name} {what}'; {program} {words}"
        for what, words in ASKED.items()
        for name, program in PROGRAMS
    ]
    several = "".join(f"\necho '=== {name} several'; {how} route show" for name, how in PROGRAMS)
    script = LAID_OUT + "\n".join(asks) + "\n" + SEVERAL_HOPS + several
    done = subprocess.run(
        ["unshare", "-n", "sh", "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    parts = [part.partition("\n") for part in done.stdout.split("=== ")[1:]]
    return {head: body for head, _, body in parts}


@pytest.mark.parametrize("program", ["ip", "busybox"])
def test_addresses_are_those_of_the_json(program: str, said: dict[str, str]) -> None:
    wanted = read_addresses(json.loads(said["json addr"]))
    assert len(wanted) > 8
    assert read_addresses(parse_ip_address_lines(said[f"{program} addr"])) == wanted


@pytest.mark.parametrize("program", ["ip", "busybox"])
@pytest.mark.parametrize(("what", "family"), [("route", 4), ("route6", 6)])
def test_routes_are_those_of_the_json(program: str, what: str, family: int, said: dict[str, str]) -> None:
    wanted = read_routes(json.loads(said[f"json {what}"]), 4 if family == 4 else 6)
    assert len(wanted) > 2
    assert read_routes(parse_ip_route_lines(said[f"{program} {what}"]), 4 if family == 4 else 6) == wanted


def test_a_route_with_several_hops_is_read_where_they_are_said(said: dict[str, str]) -> None:
    wanted = read_routes(json.loads(said["json several"]))
    assert {"203.0.113.2", "203.0.113.3"} <= {route.gateway for route in wanted}
    assert read_routes(parse_ip_route_lines(said["ip several"])) == wanted
    with pytest.raises(ParseError, match="where a route leads is not said"):
        parse_ip_route_lines(said["busybox several"])


def test_networks_have_their_lengths(said: dict[str, str]) -> None:
    def lengths(document: Json) -> list[tuple[Json, Json, Json]]:
        links: Sequence[Json] = document if isinstance(document, Sequence) else ()
        return [
            (row["local"], row["prefixlen"], row.get("scope"))
            for link in links
            if isinstance(link, dict)
            for row in link["addr_info"]
        ]

    wanted = lengths(json.loads(said["json addr"]))
    assert lengths(parse_ip_address_lines(said["ip addr"])) == wanted
    assert lengths(parse_ip_address_lines(said["busybox addr"])) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sh: ip: not found\n",
        "<html><body>Login</body></html>",
        "1: lo: <UP> mtu 1\n    what is this\n",
        "    inet 1.2.3.4/8\n",
    ],
)
def test_what_is_no_list_of_interfaces_is_not_understood(text: str) -> None:
    with pytest.raises(ParseError):
        parse_ip_address_lines(text)


@pytest.mark.parametrize(
    "text",
    [
        "sh: ip: not found\n",
        "default via\n",
        "default colour red\n",
        "nexthop via 192.0.2.1 dev wan0\n",
        "blackhole\n",
    ],
)
def test_what_is_no_route_is_not_understood(text: str) -> None:
    with pytest.raises(ParseError):
        parse_ip_route_lines(text)
