"""Linux's own tables of this computer: /proc/net/route and /proc/net/arp."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network

from msgspec import Struct

from plexops.model.values import parse_mac
from plexops.parsers.base import ParseError, lines_of
from plexops.pattern import Pattern

_HEX = Pattern(r"[0-9A-Fa-f]{8}")
_UP = 0x1
_GATEWAY = 0x2
_COMPLETE = 0x2


class Route(Struct, frozen=True):
    """One route. `gateway` is None for a network that is on the interface itself."""

    interface: str
    network: IPv4Network
    gateway: IPv4Address | None
    metric: int


def parse_proc_route(text: str) -> list[Route]:
    """Read /proc/net/route: addresses are hexadecimal, in the order of the machine's bytes (little endian everywhere).

    Routes that are not up are left out. Raises ParseError.
    """
    routes: list[Route] = []
    for line in lines_of(text)[1:]:
        fields = line.split()
        if (
            len(fields) < 8
            or not all(_HEX.fullmatch(fields[n]) for n in (1, 2, 7))
            or not fields[6].isdigit()
        ):
            raise ParseError("no line of /proc/net/route", line)
        flags = int(fields[3], 16)
        if not flags & _UP:
            continue
        try:
            network = IPv4Network(f"{_address(fields[1])}/{_address(fields[7])}", strict=False)
        except ValueError:
            raise ParseError("no network in /proc/net/route", line) from None
        gateway = _address(fields[2]) if flags & _GATEWAY else None
        routes.append(Route(fields[0], network, gateway, int(fields[6])))
    return routes


def default_route(routes: Sequence[Route]) -> Route | None:
    """Give the route to everywhere else that is used; None where there is none."""
    found = [route for route in routes if not route.network.prefixlen and route.gateway is not None]
    return min(found, key=lambda route: route.metric, default=None)


def _address(text: str) -> IPv4Address:
    return IPv4Address(int.from_bytes(bytes.fromhex(text), "little"))


def parse_proc_arp(text: str) -> dict[IPv4Address, str]:
    """Read /proc/net/arp: the MAC addresses of neighbours that answered. Lines that are no neighbour's are left out."""
    found: dict[IPv4Address, str] = {}
    for line in lines_of(text)[1:]:
        fields = line.split()
        try:
            if int(fields[2], 16) & _COMPLETE:
                found[IPv4Address(fields[0])] = parse_mac(fields[3])
        except (IndexError, ValueError):
            continue
    return found
