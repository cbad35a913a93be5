"""A router and a host whose filters are read from iptables-save, and who reaches what through them."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from plexops.drivers.rulesets.base import Part
from plexops.drivers.rulesets.iptables import read_ipsets, read_iptables
from plexops.model.intervals import ALL_V4, ALL_V6
from plexops.model.matches import AnyOf, Family, Match, Other, Side
from plexops.model.packets import Box, LocalAddress, Route, UnknownEffect
from plexops.packets.reach import Answer, AnswerKind, who_reaches
from tests.packets.handmade import asked, n, plex

DATA = Path(__file__).parent / "data" / "iptables"
SRC, DST = Side.SOURCE, Side.DESTINATION
VIEWER = "192.0.2.9"
NEVER = AnyOf(())


def read(text: str, family: Family = 4, *, legacy: bool = False, sets: str = "") -> Part:
    return read_iptables(text, family, legacy, read_ipsets(sets), "the answer")


def stored(name: str, family: Family = 4, *, legacy: bool = False) -> Part:
    return read((DATA / f"{name}.v{family}.txt").read_text(), family, legacy=legacy)


def box(part: Part, *addresses: tuple[str, str, int], wan: str = "wan0") -> Box:
    """A box with these addresses (address, interface, prefix length), and its default route by `wan`."""
    own = [(ip_address(address), interface, length) for address, interface, length in addresses]
    routes = [
        Route(a.version, n(f"{a}/{length}"), length, interface)
        for a, interface, length in sorted(own, key=lambda one: -one[2])
    ]
    routes += [Route(4, ALL_V4, 0, wan), Route(6, ALL_V6, 0, wan)]
    return Box(
        "netfilter",
        {chain.id: chain for chain in part.chains},
        tuple(LocalAddress(a.version, int(a), interface) for a, interface, _ in own),
        tuple(routes),
        wan,
        sets=part.sets,
        gateway_mac="02:00:00:00:01:01",
    )


ROUTER = (
    ("203.0.113.20", "wan0", 24),
    ("2001:db8:a::20", "wan0", 64),
    ("192.168.1.1", "lan0", 24),
    ("2001:db8:1::1", "lan0", 64),
)
HOST = (("192.168.1.50", "eth0", 24), ("2001:db8:1::50", "eth0", 64))


def ask(here: Box, to: str, port: int, end: str = "", end_port: int = 0, sender: str = "") -> Answer:
    """Ask who reaches `end` by knocking at `to`; without `end`: that very address and port."""
    return who_reaches([here], asked(port, at=to, by=sender), plex(end or to, end_port or port))


def at_host(part: Part, to: str = "192.168.1.50", port: int = 32400) -> AnswerKind:
    return ask(box(part, *HOST, wan="eth0"), to, port).kind


def unknown_in(part: Part) -> Iterator[str]:
    """Give all that was not modelled."""

    def inside(matches: tuple[Match, ...]) -> Iterator[str]:
        for match in matches:
            if isinstance(match.test, Other):
                yield match.test.words
            elif isinstance(match.test, AnyOf):
                for branch in match.test.branches:
                    yield from inside(branch)

    for chain in part.chains:
        if chain.unread:
            yield chain.unread
        for one in chain.rules:
            yield from inside(one.matches)
            yield from (effect.words for effect in one.effects if isinstance(effect, UnknownEffect))
