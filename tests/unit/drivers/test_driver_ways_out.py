"""How many ways to the internet a router shows, as each family says it; and what it loads when it starts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plexops.config.profiles import load_profile
from plexops.drivers.router.compile import compile_profile
from plexops.drivers.router.profiled import ProfiledDriver
from plexops.model.snapshot import Snapshot
from tests.captures.capture_files import DATA, answer
from tests.unit.drivers.driver_bench import Said, observe


def look(family: str, **said: Said) -> Snapshot:
    driver = ProfiledDriver(compile_profile(load_profile(family, Path())))
    return observe(driver.observe(), said, missing=404 if family == "opnsense" else 1)


def ways(snapshot: Snapshot) -> object:
    return snapshot.facts["wan.ways"].value


def route(device: str, **more: Any) -> dict[str, Any]:
    return {"dst": "default", "gateway": "203.0.113.1", "dev": device, "flags": [], **more}


@pytest.mark.parametrize(
    ("routes", "found"),
    [
        ([route("wan0")], ("0 wan0",)),
        ([route("wan0", metric=100), route("lte0", metric=700)], ("100 wan0", "700 lte0")),
        (
            # as iproute2 prints `default proto static nexthop … nexthop …`
            [
                {
                    "dst": "default",
                    "protocol": "static",
                    "flags": [],
                    "nexthops": [
                        {"gateway": "203.0.113.1", "dev": "wan0", "weight": 1, "flags": []},
                        {"gateway": "198.51.100.1", "dev": "wan1", "weight": 1, "flags": []},
                    ],
                }
            ],
            ("0 wan0 wan1",),
        ),
        ([route("wan0"), route("wan1", flags=["dead", "linkdown"])], ("0 wan0",)),
        (
            [route("wan0"), {"type": "unreachable", "dst": "default", "metric": 4278198272, "flags": []}],
            ("0 wan0",),
        ),
        ([], ()),
    ],
)
def test_linux(routes: list[dict[str, Any]], found: tuple[str, ...]) -> None:
    assert ways(look("linux", routes=json.dumps(routes))) == found


def interface(name: str, device: str, *routes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"interface": name, "up": True, "l3_device": device, "metric": 0, "route": list(routes), **more}


DEFAULT = {"target": "0.0.0.0", "mask": 0, "nexthop": "203.0.113.1", "source": "203.0.113.7/32"}
LAN = interface("lan", "br-lan")


@pytest.mark.parametrize(
    ("others", "found"),
    [
        ([interface("wan", "eth1", DEFAULT)], ("0 eth1",)),
        (
            [
                interface("wan", "pppoe-wan", DEFAULT, metric=10),
                interface("wwan", "wwan0", DEFAULT, metric=20),
            ],
            ("10 pppoe-wan", "20 wwan0"),
        ),
        # The route's own metric wins over its interface's.
        ([interface("wan", "eth1", {**DEFAULT, "metric": 5}, metric=10)], ("5 eth1",)),
        # A table of its own is for those whom a rule sends there.
        (
            [interface("wan", "eth1", DEFAULT), interface("vpn", "wg0", {**DEFAULT, "table": 100})],
            ("0 eth1",),
        ),
        ([interface("wan", "eth1", DEFAULT), interface("b", "eth2", DEFAULT, up=False)], ("0 eth1",)),
        ([interface("wan", "eth1", {**DEFAULT, "target": "10.0.0.0", "mask": 8})], ()),
        ([interface("wan6", "eth1", {**DEFAULT, "target": "::"})], ()),
        ([{"interface": "wan", "up": False, "pending": True}], ()),
    ],
)
def test_openwrt(others: list[dict[str, Any]], found: tuple[str, ...]) -> None:
    assert ways(look("openwrt", network=json.dumps({"interface": [LAN, *others]}))) == found


def test_openwrt_as_a_real_one_said() -> None:
    path = DATA / "openwrt/live_ubus_network_interface_dump.txt"
    dump = answer(path, "ubus call network.interface dump")
    assert ways(look("openwrt", network=dump)) == ("0 eth1",)
    assert look("openwrt", network=dump).text("upstream.address") == "62.155.240.1", "the box before it"


@pytest.mark.parametrize(
    ("ids", "found"), [("*1\n", ("0 -",)), ("*1;*80000002\n", ("0 -", "0 -")), ("\n", ())]
)
def test_routeros(ids: str, found: tuple[str, ...]) -> None:
    assert ways(look("routeros", default_routes=ids)) == found


def row(name: str, device: str, *gateways: str, **more: Any) -> dict[str, Any]:
    one = {"identifier": name, "device": device, "status": "up", "ipv4": [{"ipaddr": "203.0.113.7/24"}]}
    return {**one, "gateways": list(gateways), **more}


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([row("wan", "igb0", "203.0.113.1"), row("lan", "igb1")], ("0 igb0",)),
        ([row("wan", "igb0", "203.0.113.1"), row("opt1", "igb2", "198.51.100.1")], ("0 igb0", "0 igb2")),
        (
            [row("wan", "igb0", "203.0.113.1"), row("opt1", "igb2", "198.51.100.1", status="down")],
            ("0 igb0",),
        ),
        ([row("wan", "igb0", "fe80::1")], ()),
        ([row("wan", "igb0", "203.0.113.1", ipv4=[])], ()),
    ],
)
def test_opnsense(rows: list[dict[str, Any]], found: tuple[str, ...]) -> None:
    assert ways(look("opnsense", interfaces=json.dumps({"rows": rows}))) == found


@pytest.mark.parametrize(
    ("said", "there"),
    [
        ('include "/etc/nftables.d/*.nft"\n', True),
        ('  include "/etc/nftables.d/*.nft"\n', True),
        ('include "/etc/nftables/other.nft"\n', False),
        ((1, ""), False),
    ],
)
def test_what_a_linux_router_loads_when_it_starts(said: Said, there: bool) -> None:
    assert look("linux", includes=said, nft='{"nftables": []}').flag("persists") is there


def test_of_a_linux_router_that_restores_iptables_it_is_not_said() -> None:
    said = {"nft": '{"nftables": []}', "includes": 'include "/etc/nftables.d/*.nft"\n'}
    snapshot = look("linux", **said, restores="UnitFileState=\n\nUnitFileState=enabled\n")
    assert snapshot.text("x.filter") == "iptables"
    assert snapshot.flag("persists") is None
    assert look("linux", nft=(127, ""), restores=(127, "")).text("x.filter") == "iptables"
    assert look("linux", **said, restores=(127, "")).text("x.filter") == "nft"
