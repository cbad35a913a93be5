"""The profile's reads, asked of the simulated device in both versions: the walk says what its packets meet."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Literal

import pytest

from plexops.config.profiles import load_profile
from plexops.drivers.router.reads import asked, steps_of
from plexops.drivers.rulesets.base import BoxInput
from plexops.drivers.rulesets.routeros import Rows, routeros_box
from plexops.lab.base import (
    DeviceLog,
    ForwardSeed,
    MappingSeed,
    Packet,
    PinholeSeed,
    RouterHooks,
    Seed,
)
from plexops.lab.clock import ScaledClock
from plexops.lab.routers.routeros import RouterOsRouter
from plexops.languages.routeros_reads import refuse_read
from plexops.model.exchange import shown
from plexops.packets.reach import AnswerKind, Asked, Target, who_reaches
from plexops.parsers import PARSERS
from tests.packets.routeros_home import MENUS, announced, device

PROFILE = load_profile("routeros", Path())
READS = {name: (asked(spec)[0].ask, steps_of(spec)[0].parser) for name, spec in PROFILE.reads.items()}
PARTS = [
    *MENUS.values(),
    "nat_rule_ids",
    "filter_rule_ids",
    "interfaces",
    "routes",
    "routes_v6",
    "arp",
    "bridge_rules",
    "version",
]
PLEX = IPv4Address("192.168.1.50")
HOME = Seed(
    forwards=(
        ForwardSeed("Plex", "32500", PLEX, "32400"),
        ForwardSeed(
            "alte Kamera in-interface=ether9", "8080", IPv4Address("192.168.1.30"), "80", enabled=False
        ),
        ForwardSeed("Firma", "2222", PLEX, "22", source="203.0.113.0/24"),
    ),
    mappings=(MappingSeed(9308, PLEX, 9308, "tcp", "PS5: a chain=dstnat"),),
    pinholes=(PinholeSeed("Plex", 32400),),
)
Major = Literal[6, 7]


@pytest.fixture(params=[6, 7])
def router(request: pytest.FixtureRequest) -> Iterator[RouterOsRouter]:
    clock = ScaledClock()
    made = RouterOsRouter(HOME, RouterHooks(DeviceLog(), clock), major=request.param)
    yield made
    made.stop()
    clock.stop()


def run(router: RouterOsRouter, command: str) -> str:
    return router.execute(command, b"", "admin").stdout.decode().replace("\r\n", "\n")


def answers(router: RouterOsRouter) -> BoxInput:
    """Ask the device all that decides about packets."""
    told: dict[str, Rows | str | tuple[str, ...]] = {}
    for part in PARTS:
        text = run(router, shown(READS[part][0]))
        if text.startswith("bad command name"):
            told[part] = Rows(None, text.strip())
        elif part == "version":
            told[part] = text.strip()
        else:
            found = PARSERS["routeros_rows" if part == "addresses" else READS[part][1]](text)
            assert isinstance(found, list)
            rows = tuple(row for row in found if isinstance(row, dict))
            told[part] = Rows(rows) if "ids" not in part else tuple(map(str, found))
    return device(told)


def test_every_part_is_a_read_that_only_reads() -> None:
    assert [part for part in PARTS if part not in READS] == []
    assert [refuse_read(shown(READS[part][0])) for part in PARTS] == [None] * len(PARTS)


def test_what_the_device_tells_of_itself(router: RouterOsRouter) -> None:
    said = answers(router)
    box = routeros_box(said)
    assert announced(said) == HOME.wan_address
    assert (box.internet_side, box.gateway_mac) == ("ether1", "00:1e:49:7a:10:01")
    assert box.lists is not None
    assert [box.lists[name] for name in ("WAN", "LAN")] == [{"ether1"}, {"bridge"}]
    assert box.classes is not None
    assert box.classes["all-ethernet"] == {"ether1", "ether2", "ether3", "ether4", "ether5"}
    names = {rule.name: rule.off for rule in box.chains["nat dstnat"].rules}
    assert names["alte Kamera in-interface=ether9"] == "disabled"
    assert [rule.handle for rule in box.chains["nat dstnat"].rules][:3] == ["*2", "*3", "*4"]
    assert not [chain.unread for chain in box.chains.values() if chain.unread]


BLOCKED = (
    "/ip firewall address-list add list=blocked address=198.51.100.0/24;"
    "/ip firewall filter add chain=forward action=drop src-address-list=blocked place-before=0"
)
JUMP = (
    "/ip firewall filter add chain=forward action=jump jump-target=x place-before=0;"
    "/ip firewall filter add chain=x action=drop protocol=tcp dst-port=32400"
)
#: What an owner types, and who then reaches which port.
CHANGES = [
    ("", 32500),
    ("", 8080),
    ("", 2222),
    ("", 9308),
    ("", 443),
    ("/ip firewall nat disable [find where comment=Plex]", 32500),
    (
        "/ip firewall nat add chain=dstnat action=accept protocol=tcp dst-port=32000-33000 place-before=0",
        32500,
    ),
    (
        "/ip firewall raw add chain=prerouting action=drop dst-address=62.155.240.55 protocol=tcp dst-port=32500",
        32500,
    ),
    (BLOCKED, 32500),
    ("/ip firewall filter add chain=forward action=drop in-interface=all-ethernet place-before=0", 32500),
    ("/ip firewall filter add chain=forward action=drop in-interface-list=!LAN place-before=0", 32500),
    (JUMP, 32500),
    ("/interface list member remove [find where list=WAN]", 32500),
]
VIEWERS = [IPv4Address("198.51.100.20"), IPv4Address("203.0.113.9")]


@pytest.mark.parametrize(("typed", "port"), CHANGES)
def test_the_walk_says_what_the_devices_packets_meet(router: RouterOsRouter, typed: str, port: int) -> None:
    assert run(router, typed) == ""
    box = routeros_box(answers(router))
    wan = HOME.wan_address
    for viewer in VIEWERS:
        met = router.inbound(Packet(viewer, wan, port))
        end = (met.destination, met.port) if isinstance(met, Packet) else (PLEX, port)
        sender = ((int(viewer), int(viewer)),)
        asked = Asked(4, ((int(wan), int(wan)),), ((port, port),), senders=sender)
        target = Target.at(((int(end[0]), int(end[0])),), ((end[1], end[1]),))
        answer = who_reaches([box], asked, target)
        assert answer.kind is (AnswerKind.EVERYBODY if isinstance(met, Packet) else AnswerKind.NOBODY)


def test_a_pinhole_is_read_through_the_menus_of_ipv6(router: RouterOsRouter) -> None:
    box = routeros_box(answers(router))
    rules = box.chains["ipv6 filter forward"].rules
    assert [rule.words for rule in rules if rule.name == "Plex"] == [
        "action=accept chain=forward dst-port=32400 protocol=tcp"
    ]
    assert box.sets["bad_ipv6 (IPv6)"].v6
