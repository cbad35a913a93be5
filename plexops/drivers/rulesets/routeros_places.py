"""Where a RouterOS device stands: its addresses, routes, interface lists and kinds of interfaces.

Sources: MikroTik's manual (IP addressing, IP routing, Interface lists), and ntc-templates' captures of 6 and 7 for what
rows look like.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, ip_interface
from types import MappingProxyType

from plexops.drivers.rulesets.routeros_matches import CLASSES, addresses_of
from plexops.model.intervals import network, normalise
from plexops.model.packets import Family, LocalAddress, NamedSet, Route
from plexops.model.values import is_public, parse_mac

Row = Mapping[str, str]
Rows = Sequence[Row]

#: `all-…`: kinds of interfaces that surely belong to it, and those that surely do not. The manual names neither.
_PPP = frozenset(
    f"{kind}-{way}" for kind in ("ppp", "pppoe", "pptp", "l2tp", "ovpn", "sstp") for way in ("in", "out")
)
_NO_ETHERNET = _PPP | {
    "wg",
    "loopback",
    "gre-tunnel",
    "gre6-tunnel",
    "ipip-tunnel",
    "ipipv6-tunnel",
    "6to4-tunnel",
}
_IN_CLASS: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "all-ethernet": (frozenset({"ether"}), frozenset(_NO_ETHERNET)),
    "all-ppp": (
        _PPP,
        frozenset({"ether", "bridge", "vlan", "bond", "wlan", "wifi", "wg", "loopback", "veth"}),
    ),
    "all-vlan": (
        frozenset({"vlan"}),
        frozenset({"ether", "bridge", "bond", "wlan", "wifi", "lte", *_NO_ETHERNET}),
    ),
    "all-wireless": (
        frozenset({"wlan"}),
        frozenset({"ether", "bridge", "vlan", "bond", "veth", *_NO_ETHERNET}),
    ),
}


def in_force(row: Row) -> bool:
    """Tell whether an address, a route, a member takes part: neither disabled nor invalid."""
    off = {"X", "I"} & set(row.get(".flags", ""))
    return (
        not off and row.get("disabled") not in ("yes", "true") and row.get("invalid") not in ("yes", "true")
    )


def classes_of(
    interfaces: Rows | None,
) -> tuple[Mapping[str, frozenset[str]] | None, Mapping[str, tuple[str, ...]]]:
    """Give the interfaces of each `all-…`, and those of which nothing says whether they belong to it."""
    if interfaces is None or any("name" not in row for row in interfaces):
        return None, {}
    sure: dict[str, frozenset[str]] = {}
    unsure: dict[str, tuple[str, ...]] = {}
    for name in CLASSES:
        inside, outside = _IN_CLASS[name]
        sure[name] = frozenset(
            row["name"] for row in interfaces if "name" in row and row.get("type") in inside
        )
        unsure[name] = tuple(row["name"] for row in interfaces if row.get("type") not in inside | outside)
    return MappingProxyType(sure), MappingProxyType(unsure)


def lists_of(
    definitions: Rows | None, members: Rows | None, interfaces: Rows | None
) -> Mapping[str, frozenset[str]] | None:
    """Give every interface list that is known.

    “Include members are added, exclude members are removed, statically configured members are added.” A list that
    takes over one that is not known is left out: a question. None: nothing of it was read.
    """
    known: dict[str, frozenset[str]] = {"none": frozenset()}
    if interfaces is not None and all("name" in row for row in interfaces):
        named = {row["name"]: "D" in row.get(".flags", "") for row in interfaces}
        known["all"] = frozenset(named)
        known["dynamic"] = frozenset(name for name, dynamic in named.items() if dynamic)
        known["static"] = known["all"] - known["dynamic"]
    if definitions is None or members is None or any("list" not in row for row in members):
        return MappingProxyType(known)
    own: dict[str, set[str]] = {}
    for row in members:
        if in_force(row):
            own.setdefault(row["list"], set()).add(row.get("interface", ""))
    waiting = {row["name"]: row for row in definitions if row.get("name") and row["name"] not in known}
    while ready := [name for name, row in waiting.items() if all(part in known for part in _parts(row))]:
        for name in ready:
            row = waiting.pop(name)
            added = frozenset().union(*(known[part] for part in _parts(row, "include")))
            gone = frozenset().union(*(known[part] for part in _parts(row, "exclude")))
            known[name] = (added - gone) | own.get(name, set())
    return MappingProxyType(known)


def _parts(row: Row, *keys: str) -> list[str]:
    return [part for key in keys or ("include", "exclude") for part in row.get(key, "").split(",") if part]


def local_addresses(rows: Rows) -> tuple[LocalAddress, ...] | None:
    """Give the addresses in use; None where a row can't be read: it may be the one that is asked about.

    A port of a bridge bears those of the bridge (`actual-interface`).
    """
    found = []
    for row in rows:
        if in_force(row):
            try:
                at = ip_interface(row["address"])
            except (KeyError, ValueError):
                return None
            family: Family = 4 if at.version == 4 else 6
            found.append(LocalAddress(family, int(at.ip), interface_of(row)))
    return tuple(found)


def interface_of(row: Row) -> str:
    """Give the interface that carries an address."""
    return row.get("actual-interface") or row.get("interface", "")


def wan_address(rows: Rows, interface: str) -> IPv4Address | None:
    """Give the address on the internet side: one in use, a public one where there are several."""
    own = [a for a in local_addresses(rows) or () if a.family == 4 and a.interface == interface]
    public = [a for a in own if is_public(IPv4Address(a.number))]
    return IPv4Address((public or own)[0].number) if own else None


def routes_of(
    rows: Rows, addresses: Rows | None, interfaces: Rows | None
) -> tuple[tuple[Route, ...] | None, bool]:
    """Give the active routes of the main table, the longest first, and whether there are other tables.

    None where a way's interface can't be told: which packets it takes would be a guess.
    """
    found: list[Route] = []
    others = False
    for row in rows:
        if "A" not in row.get(".flags", "") or not in_force(row):
            continue
        if row.get("routing-table", "main") not in ("main", "") or row.get("routing-mark", "") not in (
            "",
            "main",
        ):
            others = True
            continue
        try:
            version, numbers = network(row["dst-address"])
        except (KeyError, ValueError):
            return None, others
        by = _way_out(row, addresses or (), interfaces or ())
        if not by and not _leads_nowhere(row):
            return None, others
        family: Family = 4 if version == 4 else 6
        length = int(row["dst-address"].partition("/")[2] or (32 if family == 4 else 128))
        found.append(Route(family, numbers, length, by, _next_hop(row)))
    return tuple(sorted(found, key=lambda route: -route.length)), others


def _leads_nowhere(row: Row) -> bool:
    return bool({"B", "U", "P"} & set(row.get(".flags", ""))) or row.get("type") in (
        "blackhole",
        "unreachable",
        "prohibit",
    )


def _next_hop(row: Row) -> str:
    gateway = row.get("gateway", "").partition(",")[0].partition("%")[0]
    return gateway if re.fullmatch(r"[0-9a-fA-F:.]+", gateway) and not gateway.isdigit() else ""


def _way_out(row: Row, addresses: Rows, interfaces: Rows) -> str:
    """Give a route's interface: 7 says it (`192.0.2.1%ether1`), 6 tells it (`192.0.2.1 reachable via  ether1`)."""
    if row.get("immediate-gw"):
        gateway = row["immediate-gw"].partition(",")[0]
        return gateway.rpartition("%")[2].strip("[]")
    for part in row.get("gateway-status", "").split(","):
        told = re.search(r"(?: reachable via|recursive via \S+) +(\S.*)$", part) or re.match(
            r"(.+) reachable$", part
        )
        if told:
            return told[1].strip()
    first = row.get("gateway", "").partition(",")[0]
    gateway, _, interface = first.partition("%")
    if interface or any(one.get("name") == first for one in interfaces):
        return interface or first
    return _on_link(gateway, addresses)


def _on_link(gateway: str, addresses: Rows) -> str:
    for row in addresses:
        try:
            if in_force(row) and ip_interface(gateway).ip in ip_interface(row.get("address", "")).network:
                return interface_of(row)
        except (ValueError, TypeError):
            continue
    return ""


def gateway_mac(arp: Rows | None, routes: Sequence[Route], interface: str) -> str | None:
    """Give the hardware address of the default route's next hop."""
    hops = {
        route.gateway
        for route in routes
        if route.length == 0 and route.interface == interface and route.gateway
    }
    for row in arp or ():
        if row.get("address") in hops and in_force(row) and row.get("interface") == interface:
            try:
                return parse_mac(row.get("mac-address", ""))
            except ValueError:
                continue
    return None


def address_sets(rows: Rows | None, why: str, family: Family) -> Mapping[str, NamedSet] | str:
    """Give the address lists by name; or why none of them is known.

    A list's name that stands for a host is no element: what it means now stands beside it as dynamic rows that bear
    the name as their comment. Without such a row it is not known what the list holds.
    """
    if rows is None:
        return why
    if any(".odd" in row or not row.get("list") or not row.get("address") for row in rows):
        return "a row of the address lists can't be read"
    found: dict[str, list[tuple[int, int]]] = {}
    unread: dict[str, str] = {}
    resolved = {row.get(".comment") or row.get("comment", "") for row in rows if "D" in row.get(".flags", "")}
    for row in rows:
        if not in_force(row):
            continue
        elements = found.setdefault(row["list"], [])
        try:
            elements += addresses_of(row["address"], family)
        except ValueError:
            if row["address"] not in resolved:
                unread[row["list"]] = f"what {row['address']} means was not read"
    return MappingProxyType(
        {
            name: NamedSet(**{f"v{family}": normalise(pairs)}, unread=unread.get(name, ""))
            for name, pairs in found.items()
        }
    )
