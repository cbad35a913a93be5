"""A Linux box's own addresses, routes and neighbours. The shapes are what iproute2 6.1 and netifd write."""

from __future__ import annotations

import json
from ipaddress import ip_address
from typing import Any

import pytest

from plexops.drivers.rulesets.network import read_addresses, read_netifd, read_routes
from plexops.model.exchange import Json
from plexops.model.intervals import ALL_V4, ALL_V6, network, show_addresses
from plexops.model.packets import LocalAddress, Route
from plexops.parsers.proc_net import parse_proc_arp
from tests.packets.nft_home import CAPTURES


def address(text: str, interface: str) -> LocalAddress:
    found = ip_address(text)
    return LocalAddress(4 if found.version == 4 else 6, int(found), interface)


def shown(routes: tuple[Route, ...]) -> list[str]:
    return [
        f"{show_addresses(r.family, r.numbers)} {r.interface} {r.gateway}".strip()
        for r in routes
        if r.length == (32 if r.family == 4 else 128) - (r.numbers[-1][1] - r.numbers[0][0]).bit_length()
    ]


def link(name: str, *addresses: dict[str, Json]) -> dict[str, Any]:
    return {"ifname": name, "flags": ["UP"], "addr_info": [{"scope": "global", **one} for one in addresses]}


# --- ip -j addr -------------------------------------------------------------------------------------------------------


def test_a_recorded_address() -> None:
    document = json.loads((CAPTURES / "linux" / "ip_j_addr_show_wan0.json").read_text())
    assert read_addresses(document) == (address("203.0.113.10", "wan0"),)


def test_addresses_that_the_kernel_answers_for() -> None:
    document = [
        {},
        link("lo", {"local": "127.0.0.1", "prefixlen": 8}, {"local": "::1", "prefixlen": 128}),
        link(
            "wan0",
            {"local": "10.1.1.1", "address": "10.1.1.2", "prefixlen": 32},
            {"local": "2001:db8:1::5", "prefixlen": 64, "deprecated": True, "preferred_life_time": 0},
            {"local": "2001:db8:2::5", "prefixlen": 64, "tentative": True},
            {"local": "2001:db8:3::5", "prefixlen": 64, "tentative": True, "dadfailed": True},
            {"local": "2001:db8:4::5", "prefixlen": 64, "temporary": True},
        ),
    ]
    assert read_addresses(document) == (
        address("127.0.0.1", "lo"),
        address("::1", "lo"),
        address("10.1.1.1", "wan0"),
        address("2001:db8:1::5", "wan0"),
        address("2001:db8:4::5", "wan0"),
    )


# --- ip -j route ------------------------------------------------------------------------------------------------------


def test_recorded_routes() -> None:
    document = json.loads((CAPTURES / "linux" / "ip_j_route_show.json").read_text())
    assert read_routes(document) == (
        Route(4, network("192.168.1.0/24")[1], 24, "lan0"),
        Route(4, network("203.0.113.0/24")[1], 24, "wan0"),
        Route(4, ALL_V4, 0, "wan0", "203.0.113.1"),
    )


def test_the_main_table_of_both_families_longest_first_then_by_metric() -> None:
    document: Json = [
        {"dst": "10.5.0.0/16", "dev": "tun0", "table": "100", "flags": []},
        {"dst": "default", "gateway": "192.168.1.254", "dev": "d0", "metric": 20, "flags": []},
        {"dst": "default", "dev": "ppp0", "metric": 10, "flags": []},
        {"dst": "default", "gateway": "192.168.9.254", "dev": "gone", "flags": ["dead", "linkdown"]},
        {"dst": "10.7.0.0/16", "via": {"family": "inet6", "host": "fe80::9"}, "dev": "d0", "flags": []},
        {"dst": "10.1.1.2", "dev": "d0", "scope": "link", "flags": ["linkdown"]},
        {
            "dst": "10.8.0.0/16",
            "flags": [],
            "nexthops": [
                {"gateway": "192.168.1.2", "dev": "d0", "weight": 1, "flags": []},
                {"gateway": "192.168.1.3", "dev": "d1", "weight": 1, "flags": []},
            ],
        },
        {"type": "local", "dst": "10.1.1.1", "dev": "d0", "table": "local", "flags": []},
        {"type": "broadcast", "dst": "192.168.1.255", "dev": "d0", "table": "local", "flags": []},
        {"dst": "2001:db8::/64", "dev": "d0", "metric": 256, "flags": [], "pref": "medium"},
        {"dst": "default", "gateway": "fe80::1", "dev": "d0", "metric": 1024, "flags": [], "pref": "medium"},
        {"dst": "default", "dev": "d1", "metric": 5, "flags": [], "pref": "medium"},
        {
            "type": "multicast",
            "dst": "ff00::/8",
            "dev": "d0",
            "table": "local",
            "flags": [],
            "pref": "medium",
        },
    ]
    assert shown(read_routes(document)) == [
        "2001:db8::/64 d0",
        "10.1.1.2 d0",
        "10.7.0.0/16 d0 fe80::9",
        "10.8.0.0/16 d0 192.168.1.2",
        "10.8.0.0/16 d1 192.168.1.3",
        "::/0 d1",
        "0.0.0.0/0 ppp0",
        "0.0.0.0/0 d0 192.168.1.254",
        "::/0 d0 fe80::1",
    ]
    assert read_routes([{"dst": "default", "dev": "d0"}], 6)[0].numbers == ALL_V6


@pytest.mark.parametrize("kind", ["blackhole", "unreachable", "prohibit", "throw"])
def test_a_route_to_nowhere_takes_what_is_behind_it(kind: str) -> None:
    routes = read_routes(
        [
            {"dst": "default", "dev": "wan0", "flags": []},
            {"type": kind, "dst": "10.0.0.0/8", "flags": []},
            {"dst": "10.1.0.0/16", "dev": "lan0", "flags": []},
            {"type": "unreachable", "dst": "default", "dev": "lo", "metric": 4278198272, "flags": []},
        ]
    )
    before, after = network("0.0.0.0-9.255.255.255")[1], network("11.0.0.0-255.255.255.255")[1]
    assert routes == (
        Route(4, network("10.1.0.0/16")[1], 16, "lan0"),
        Route(4, (*before, *after), 0, "wan0"),
    )


# --- /proc/net/arp ------------------------------------------------------------------------------------------------


def test_neighbours_that_answered() -> None:
    text = """IP address       HW type     Flags       HW address            Mask     Device
192.168.1.254    0x1         0x2         00:11:22:AA:BB:CC     *        d0
192.168.1.2      0x1         0x0         00:00:00:00:00:00     *        d0
192.168.1.3      0x1         0x6         02:00:00:00:00:01     *        d0
"""
    found = {str(address): mac for address, mac in parse_proc_arp(text).items()}
    assert found == {"192.168.1.254": "00:11:22:aa:bb:cc", "192.168.1.3": "02:00:00:00:00:01"}
    assert parse_proc_arp("") == {}


# --- OpenWrt ------------------------------------------------------------------------------------------------------


def test_a_recorded_openwrt() -> None:
    lines = (CAPTURES / "openwrt" / "live_ubus_network_interface_dump.txt").read_text().splitlines()
    addresses, routes = read_netifd(json.loads("\n".join(one for one in lines if one[:1] not in ("$", "#"))))
    assert set(addresses) == {
        address("127.0.0.1", "lo"),
        address("192.168.1.1", "br-lan"),
        address("fd3c:d721:b50f::1", "br-lan"),
        address("62.155.240.55", "eth1"),
    }
    assert shown(routes) == [
        "fd3c:d721:b50f::/60 br-lan",
        "192.168.1.0/24 br-lan",
        "62.155.240.0/24 eth1",
        "127.0.0.0/8 lo",
        "0.0.0.0/0 eth1 62.155.240.1",
    ]


def test_interfaces_of_openwrt_that_share_a_line_or_are_down() -> None:
    document: Json = {
        "interface": [
            {
                "interface": "wan",
                "up": True,
                "l3_device": "pppoe-wan",
                "device": "eth1",
                "ipv4-address": [{"address": "203.0.113.7", "mask": 32, "ptpaddress": "203.0.113.1"}],
                "route": [
                    {"target": "0.0.0.0", "mask": 0, "nexthop": "203.0.113.1", "metric": 10},
                    {"target": "10.9.0.0", "mask": 16, "nexthop": "0.0.0.0", "type": 6},
                    {"target": "10.8.0.0", "mask": 16, "nexthop": "0.0.0.0", "table": 77},
                ],
                "inactive": {"route": [{"target": "10.7.0.0", "mask": 16, "nexthop": "0.0.0.0"}]},
            },
            {
                "interface": "wan6",
                "up": True,
                "l3_device": "pppoe-wan",
                "ipv6-address": [{"address": "2001:db8:54::2", "mask": 64}],
                "ipv6-prefix": [{"address": "2001:db8:1000::", "mask": 48}],
                "route": [
                    {"target": "::", "mask": 0, "nexthop": "::", "source": "2001:db8:1000::/48"},
                    {"target": "::", "mask": 0, "nexthop": "::", "source": "2001:db8:54::2/64"},
                ],
            },
            {
                "interface": "vpn",
                "up": False,
                "pending": True,
                "ipv4-address": [{"address": "10.6.0.1", "mask": 24}],
            },
        ]
    }
    addresses, routes = read_netifd(document)
    assert addresses == (address("203.0.113.7", "pppoe-wan"), address("2001:db8:54::2", "pppoe-wan"))
    assert shown(routes)[:2] == ["2001:db8:54::/64 pppoe-wan", "203.0.113.1 pppoe-wan"]
    last = [one for one in routes if one.length == 0]
    assert [(one.family, one.gateway) for one in last] == [(6, ""), (4, "203.0.113.1")]
    # What goes nowhere is missing in the default route.
    assert not any(first <= int(ip_address("10.9.0.1")) <= end for first, end in last[1].numbers)


@pytest.mark.parametrize(
    "document", [None, {}, "Command failed: Not found", {"interface": "x"}, [{"addr_info": 5}]]
)
def test_what_is_no_answer_raises(document: Json) -> None:
    with pytest.raises(ValueError):
        read_addresses(document)
    with pytest.raises(ValueError):
        read_netifd(document)
