"""A Linux box's own addresses and routes: `ip -j`, OpenWrt's `ubus`.

Sources: ip-address(8), ip-route(8), iproute2's JSON (6.1); `network.interface dump` of OpenWrt's netifd; rtnetlink(7).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network

from msgspec import Struct

from plexops.drivers.rulesets.nft_words import listed, members
from plexops.model.exchange import Json
from plexops.model.intervals import Numbers, subtract, unite
from plexops.model.matches import Family
from plexops.model.packets import LocalAddress, Route
from plexops.parsers.base import ParseError
from plexops.structs import replace

#: An address that the kernel does not answer for. A deprecated one it does (tried with Linux 6.18; RFC 4862, 5.5.4).
_NOT_YET = ("tentative", "dadfailed")
#: Routes by which a packet goes nowhere: names of iproute2, numbers of rtnetlink.
_NOWHERE = frozenset({"blackhole", "unreachable", "prohibit", "throw", "6", "7", "8", "9"})
_ONWARD = frozenset({"unicast", "1", ""})
_DUMP = "network.interface dump"
_MAIN = frozenset({"main", "254", ""})
_EVERYTHING: Mapping[Family, str] = {4: "0.0.0.0/0", 6: "::/0"}
_NO_GATEWAY = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - netifd's way to say that there is none


class _Way(Struct, frozen=True):
    """A route with what orders it. `nowhere`: a packet that takes it is lost."""

    route: Route
    metric: int
    nowhere: bool


def read_addresses(document: Json) -> tuple[LocalAddress, ...]:
    """Read `ip -j addr show`, with `-4`, `-6` or neither. Raises ValueError."""
    return tuple(
        _local(str(address["local"]), str(link.get("ifname")))
        for link in _objects(document, "ip -j addr")
        for address in _objects(link.get("addr_info", ()), "ip -j addr")
        if "local" in address and not any(address.get(flag) for flag in _NOT_YET)
    )


def read_routes(document: Json, family: Family = 4) -> tuple[Route, ...]:
    """Read `ip -j route` (with `-6`: family 6), or `ip -j route show table all`: the main table, first what is asked first.

    What a route to nowhere covers is left out of the routes behind it. Raises ValueError.
    """
    return _ordered(way for row in _objects(document, "ip -j route") for way in _ways(row, family))


def read_netifd(document: Json) -> tuple[tuple[LocalAddress, ...], tuple[Route, ...]]:
    """Read `ubus call network.interface dump`: addresses and routes of the interfaces that are up. Raises ValueError."""
    addresses: dict[LocalAddress, None] = {}
    ways: dict[_Way, None] = {}
    for interface in _objects(members(document).get("interface"), _DUMP):
        if interface.get("up") is not True:
            continue
        device = str(interface.get("l3_device"))
        for own in _of_interface(interface):
            addresses[_local(str(own.get("address")), device)] = None
            # Of a line between two (PPP) only the other end is connected.
            connected = str(own.get("ptpaddress") or f"{own.get('address')}/{own.get('mask')}")
            ways[_way(connected, device)] = None
        for row in _objects(interface.get("route", ()), _DUMP):
            if str(row.get("table", "")) in _MAIN:
                target, gateway = f"{row.get('target')}/{row.get('mask')}", str(row.get("nexthop", ""))
                nowhere = str(row.get("type", "")) not in _ONWARD
                way = _way(
                    target, device, "" if gateway in _NO_GATEWAY else gateway, row.get("metric"), nowhere
                )
                ways[way] = None
    return tuple(addresses), _ordered(ways)


def _of_interface(interface: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    rows = [
        row for kind in ("ipv4-address", "ipv6-address") for row in _objects(interface.get(kind, ()), _DUMP)
    ]
    prefixes = _objects(interface.get("ipv6-prefix-assignment", ()), _DUMP)
    return rows + [own for prefix in prefixes if isinstance(own := prefix.get("local-address"), Mapping)]


def _ways(row: Mapping[str, Json], family: Family) -> Iterator[_Way]:
    kind, target = str(row.get("type", "")), str(row.get("dst"))
    if str(row.get("table", "")) not in _MAIN or kind not in _ONWARD | _NOWHERE:
        return
    if target == "default":
        # Only routes of IPv6 have a preference (RFC 4191).
        target = _EVERYTHING[6 if "pref" in row else family]
    for hop in _objects(row.get("nexthops", ()), "ip -j route") or [row]:
        if "dead" not in listed(hop.get("flags", ())):
            gateway = str(hop.get("gateway") or members(hop.get("via")).get("host", ""))
            yield _way(target, str(hop.get("dev", "")), gateway, row.get("metric"), kind in _NOWHERE)


def _way(target: str, device: str, gateway: str = "", metric: Json = 0, nowhere: bool = False) -> _Way:
    route = Route.to(ip_network(target, strict=False), device, gateway)
    return _Way(route, metric if isinstance(metric, int) else 0, nowhere)


def _ordered(ways: Iterable[_Way]) -> tuple[Route, ...]:
    """Give routes in the order in which they are asked: the longest first, then the lowest metric."""
    found: list[Route] = []
    lost: dict[Family, Numbers] = {4: (), 6: ()}
    for way in sorted(ways, key=lambda way: (-way.route.length, way.metric)):
        route = way.route
        if way.nowhere:
            lost[route.family] = unite(lost[route.family], route.numbers)
        elif left := subtract(route.numbers, lost[route.family]):
            found.append(route if left == route.numbers else replace(route, numbers=left))
    return tuple(found)


def _local(text: str, interface: str) -> LocalAddress:
    address = ip_address(text)
    return LocalAddress(4 if address.version == 4 else 6, int(address), interface)


def _objects(value: Json, what: str) -> list[Mapping[str, Json]]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise ParseError(f"no answer of `{what}`", str(value))
    return [one for one in value if isinstance(one, Mapping)]
