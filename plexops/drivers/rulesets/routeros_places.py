"""Where a RouterOS device stands: its addresses, routes, interface lists and kinds of interfaces.

Sources: MikroTik's manual (IP addressing, IP routing, Interface lists), and ntc-templates' captures of 6 and 7 for what
rows look like.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from ipaddress import ip_address, ip_interface, ip_network

from plexops.drivers.rulesets.base import addresses_of
from plexops.model.errors import WhyNot
from plexops.model.intervals import normalise
from plexops.model.matches import Family
from plexops.model.packets import LocalAddress, NamedSet, Route
from plexops.model.values import parse_mac

Row = Mapping[str, str]
Rows = Sequence[Row]

#: `all-…`: kinds of interfaces that surely belong to it, and those that surely do not. The manual names neither.
_PPP = frozenset(
    f"{kind}-{way}" for kind in ("ppp", "pppoe", "pptp", "l2tp", "ovpn", "sstp") for way in ("in", "out")
)
_TUNNELS = {"gre-tunnel", "gre6-tunnel", "ipip-tunnel", "ipipv6-tunnel", "6to4-tunnel"}
_NO_ETHERNET = _PPP | _TUNNELS | {"wg", "loopback"}
_IN_CLASS: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "all-ethernet": (frozenset({"ether"}), _NO_ETHERNET),
    "all-ppp": (
        _PPP,
        frozenset({"ether", "bridge", "vlan", "bond", "wlan", "wifi", "wg", "loopback", "veth"}),
    ),
    "all-vlan": (frozenset({"vlan"}), _NO_ETHERNET | {"ether", "bridge", "bond", "wlan", "wifi", "lte"}),
    "all-wireless": (frozenset({"wlan"}), _NO_ETHERNET | {"ether", "bridge", "vlan", "bond", "veth"}),
}
_YES = ("yes", "true")


def in_force(row: Row) -> bool:
    """Tell whether an address, a route, a member takes part: neither disabled nor invalid."""
    return not is_disabled(row) and not is_invalid(row)


def is_disabled(row: Row) -> bool:
    """Tell whether the owner switched a row off."""
    return "X" in row.get(".flags", "") or row.get("disabled") in _YES


def is_invalid(row: Row) -> bool:
    """Tell whether the router itself cannot do what a row says."""
    return "I" in row.get(".flags", "") or row.get("invalid") in _YES


def classes_of(
    interfaces: Rows | None,
) -> tuple[Mapping[str, frozenset[str]] | None, Mapping[str, tuple[str, ...]]]:
    """Give the interfaces of each `all-…`, and those of which nothing says whether they belong to it."""
    if interfaces is None or any("name" not in row for row in interfaces):
        return None, {}
    sure, unsure = {}, {}
    for name, (inside, outside) in _IN_CLASS.items():
        sure[name] = frozenset(row["name"] for row in interfaces if row.get("type") in inside)
        unsure[name] = tuple(row["name"] for row in interfaces if row.get("type") not in inside | outside)
    return sure, unsure


def lists_of(
    definitions: Rows | None, members: Rows | None, interfaces: Rows | None
) -> Mapping[str, frozenset[str]]:
    """Give every interface list that is known.

    “Include members are added, exclude members are removed, statically configured members are added.” A list that
    takes over one that is not known is left out: a question.
    """
    known: dict[str, frozenset[str]] = {"none": frozenset()}
    if interfaces is not None and all("name" in row for row in interfaces):
        named = {row["name"]: "D" in row.get(".flags", "") for row in interfaces}
        known["all"] = frozenset(named)
        known["dynamic"] = frozenset(name for name, dynamic in named.items() if dynamic)
        known["static"] = known["all"] - known["dynamic"]
    if definitions is None or members is None or any("list" not in row for row in members):
        return known
    own: dict[str, set[str]] = {}
    for row in members:
        if in_force(row):
            own.setdefault(row["list"], set()).add(row.get("interface", ""))
    waiting = {row["name"]: row for row in definitions if row.get("name") and row["name"] not in known}
    while ready := [
        name for name, row in waiting.items() if known.keys() >= _parts(row, "include", "exclude")
    ]:
        for name in ready:
            row = waiting.pop(name)
            added, gone = (
                frozenset().union(*(known[part] for part in _parts(row, key)))
                for key in ("include", "exclude")
            )
            known[name] = (added - gone) | own.get(name, set())
    return known


def _parts(row: Row, *keys: str) -> set[str]:
    return {part for key in keys for part in row.get(key, "").split(",") if part}


def local_addresses(rows: Rows) -> tuple[LocalAddress, ...] | None:
    """Give the addresses in use; None where a row can't be read: it may be the one that is asked about.

    A port of a bridge bears those of the bridge (`actual-interface`).
    """
    try:
        own = [(ip_interface(row["address"]), interface_of(row)) for row in rows if in_force(row)]
    except (KeyError, ValueError):
        return None
    return tuple(LocalAddress(at.version, int(at.ip), interface) for at, interface in own)


def interface_of(row: Row) -> str:
    """Give the interface that carries an address."""
    return row.get("actual-interface") or row.get("interface", "")


def routes_of(rows: Rows, addresses: Rows, interfaces: Rows) -> tuple[tuple[Route, ...] | None, bool]:
    """Give the active routes of the main table, the longest first, and whether there are other tables.

    None where a way's interface can't be told: which packets it takes would be a guess.
    """
    found: list[Route] = []
    others = False
    for row in rows:
        if "A" not in row.get(".flags", "") or not in_force(row):
            continue
        if any(row.get(key, "") not in ("", "main") for key in ("routing-table", "routing-mark")):
            others = True
            continue
        by = _way_out(row, addresses, interfaces)
        try:
            to = ip_network(row["dst-address"], strict=False)
        except (KeyError, ValueError):
            return None, others
        nowhere = row.get("type") in ("blackhole", "unreachable", "prohibit")
        if not by and not nowhere and set("BUP").isdisjoint(row.get(".flags", "")):
            return None, others
        gateway = row.get("gateway", "").partition(",")[0].partition("%")[0]
        is_address = re.fullmatch(r"[0-9a-fA-F:.]+", gateway) and not gateway.isdigit()
        found.append(Route.to(to, by, gateway if is_address else ""))
    return tuple(sorted(found, key=lambda route: -route.length)), others


def _way_out(row: Row, addresses: Rows, interfaces: Rows) -> str:
    """Give a route's interface: 7 says it (`192.0.2.1%ether1`), 6 tells it (`192.0.2.1 reachable via  ether1`)."""
    if row.get("immediate-gw"):
        gateway = row["immediate-gw"].partition(",")[0]
        return gateway.rpartition("%")[2].strip("[]")
    for part in row.get("gateway-status", "").split(","):
        if told := re.search(r"(?: reachable via|recursive via \S+) +(\S.*)$|^(.+) reachable$", part):
            return (told[1] or told[2]).strip()
    first = row.get("gateway", "").partition(",")[0]
    gateway, _, interface = first.partition("%")
    if interface or any(one.get("name") == first for one in interfaces):
        return interface or first
    return _on_link(gateway, addresses)


def _on_link(gateway: str, addresses: Rows) -> str:
    for row in addresses:
        try:
            if in_force(row) and ip_address(gateway) in ip_interface(row.get("address", "")).network:
                return interface_of(row)
        except ValueError:
            continue
    return ""


def gateway_mac(arp: Rows, ways: Sequence[Route], interface: str) -> str | None:
    """Give the hardware address of the next hop on an interface. `ways` are the default routes."""
    hops = {way.gateway for way in ways if way.interface == interface} - {""}
    for row in arp:
        if row.get("address") in hops and in_force(row) and row.get("interface") == interface:
            try:
                return parse_mac(row.get("mac-address", ""))
            except ValueError:
                continue
    return None


def address_sets(rows: Rows | None, why: str, family: Family) -> Mapping[str, NamedSet] | WhyNot:
    """Give the address lists by name; or why none of them is known.

    A list's name that stands for a host is no element: what it means now stands beside it as dynamic rows that bear
    the name as their comment. Without such a row it is not known what the list holds.
    """
    if rows is None:
        return WhyNot(why)
    if any(".odd" in row or not row.get("list") or not row.get("address") for row in rows):
        return WhyNot("a row of the address lists can't be read")
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
    return {
        name: NamedSet(**{f"v{family}": normalise(pairs)}, unread=unread.get(name, ""))
        for name, pairs in found.items()
    }
