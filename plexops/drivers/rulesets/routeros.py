"""RouterOS's firewall as a box: what its menus answered, as chains, lists and places.

The order in which a packet meets the chains is MikroTik's packet flow (plumbing `routeros`); here each base chain only
gets its stage. Every chain accepts at its end; a chain of the owner's returns. Menus of IPv6 make chains of their own,
which see IPv6 alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from plexops.drivers.rulesets import routeros_places as places
from plexops.drivers.rulesets.base import BoxInput
from plexops.drivers.rulesets.routeros_matches import Reading
from plexops.drivers.rulesets.routeros_rules import chain_id, rules_of
from plexops.model.errors import WhyNot
from plexops.model.intervals import ALL_V6
from plexops.model.matches import Family
from plexops.model.packets import Box, Chain, Hook, LocalAddress, NamedSet, Route, Rule
from plexops.structs import replace

#: Menu → its base chains. In `nat` the stages are what is translated.
_BASE: Mapping[str, tuple[str, ...]] = {
    "raw": ("prerouting", "output"),
    "mangle": ("prerouting", "input", "forward", "output", "postrouting"),
    "nat": ("dstnat", "srcnat"),
    "filter": ("input", "forward", "output"),
}
_FAMILIES: tuple[Family, ...] = (4, 6)
_SET_FIELDS = ("src-address-list", "dst-address-list", "address-list")


class Rows(Struct, frozen=True):
    """What one menu answered. `rows` None: it was not read, `why` says why. `exhibit` is the answer that shows it."""

    rows: tuple[Mapping[str, str], ...] | None = None
    why: str = ""
    exhibit: str = ""

    @property
    def seen(self) -> tuple[Mapping[str, str], ...]:
        """The rows; none where they were not read."""
        return self.rows or ()


def _read(device: BoxInput, name: str) -> Rows:
    """Give what a menu answered, by the name of the profile's read; its rows are those of `routeros_rows`."""
    value = device.value(name)
    rows = None if value is None else tuple(value)
    return Rows(rows, device.why(name) or "was not read", f"{device.role}.{name}")


def routeros_box(device: BoxInput) -> Box:
    """Give the device as a box. `nat_rule_ids`, `filter_rule_ids`: the ids of all rules in order, as `find` gives them."""
    interfaces, of_v4 = _read(device, "interfaces").rows, _read(device, "addresses")
    classes, unsure = places.classes_of(interfaces)
    addresses = (*of_v4.seen, *_read(device, "addresses_v6").seen)
    own = None if of_v4.rows is None else places.local_addresses(addresses)
    routes, tables = _routes(device, addresses, interfaces or ())
    # IPv4's default route comes first.
    ways = sorted((route for route in routes or () if route.length == 0), key=lambda route: route.family)
    side = next((way.interface for way in ways if way.interface), device.internet_side)
    chains: dict[str, Chain] = {}
    sets: dict[str, NamedSet] = {}
    for family in _FAMILIES:
        reading = Reading(family, unsure)
        menus = {table: _menu(device, table, family) for table in _BASE}
        for table, menu in menus.items():
            chains |= {chain.id: chain for chain in _chains(table, menu, reading, own or ())}
        listed = _read(device, "address_lists" if family == 4 else "address_lists_v6")
        sets |= _sets(menus, places.address_sets(listed.rows, listed.why, family), reading)
    return Box(
        "routeros",
        chains,
        own,
        routes,
        side,
        places.lists_of(
            _read(device, "interface_lists").rows, _read(device, "list_members").rows, interfaces
        ),
        classes,
        sets,
        places.gateway_mac(_read(device, "arp").seen, ways, side),
        tuple(_outside_model(device, ways, tables)),
    )


def _routes(
    device: BoxInput, addresses: places.Rows, interfaces: places.Rows
) -> tuple[tuple[Route, ...] | None, bool]:
    """Give the routes, and whether there are other tables. Where IPv6's were not read one stands for all of them."""
    over_v4 = _read(device, "routes")
    if over_v4.rows is None:
        return None, False
    rows = (*over_v4.rows, *_read(device, "routes_v6").seen)
    routes, tables = places.routes_of(rows, addresses, interfaces)
    if routes is not None and _v6_unread(device):
        routes = (*routes, Route(6, ALL_V6, 0, ""))
    return routes, tables


def _v6_unread(device: BoxInput) -> str:
    """Give why it is not known where the device stands in IPv6. Its chains of IPv6 are then not known either."""
    menus = (_read(device, name) for name in ("addresses_v6", "routes_v6"))
    return next((f"the addresses or routes of IPv6: {one.why}" for one in menus if one.rows is None), "")


def _menu(device: BoxInput, table: str, family: Family) -> Rows:
    """Give a menu's rows, with their ids where as many were found as there are rows."""
    menu = _read(device, f"{table}_rules" if family == 4 else f"{table}_rules_v6")
    if family == 6 and (why := _v6_unread(device)):
        return Rows(None, why)
    if menu.rows is None:
        # IPv6 is translated from version 7 on.
        old = (table, family) == ("nat", 6) and str(device.value("version")).startswith("6.")
        return Rows(()) if old else menu
    ids = device.value(f"{table}_rule_ids") or () if family == 4 else ()
    known = ids if len(ids) == len(menu.rows) else ("",) * len(menu.rows)
    rows = ({**row, ".exhibit": menu.exhibit, ".id": id_} for row, id_ in zip(menu.rows, known, strict=True))
    return replace(menu, rows=tuple(rows))


def _chains(table: str, menu: Rows, reading: Reading, own: tuple[LocalAddress, ...]) -> Iterator[Chain]:
    """Give a menu's chains. A row of which the chain is not known may be in any of them."""
    base, family = _BASE[table], reading.family
    named = [row[key] for key in ("chain", "jump-target") for row in menu.seen if row.get(key)]
    rules: dict[str, list[Rule]] = {name: [] for name in (*base, *named)}
    for row in menu.seen:
        made = rules_of(row, table, reading, own)
        for name in _perhaps_of(row, rules):
            rules[name] += made
    for name, found in rules.items():
        stage = f"{table}/{name}"
        hook = Hook(stage, nat=table == "nat", families=frozenset({family})) if name in base else None
        unread = menu.why if menu.rows is None else ""
        yield Chain(chain_id(family, table, name), tuple(found), hook, unread)


def _perhaps_of(row: Mapping[str, str], chains: Iterable[str]) -> Iterable[str]:
    """Give the chains in which a row may stand: its own, those that an unclear row names, or all."""
    if row.get("chain"):
        return [row["chain"]]
    words = set(re.findall(r"(?:^|\s)chain=(\S+)", row.get(".odd", "")))
    return [name for name in chains if name in words or not words]


def _sets(
    menus: Mapping[str, Rows], listed: Mapping[str, NamedSet] | WhyNot, reading: Reading
) -> dict[str, NamedSet]:
    """Give every list that a rule names, or that is there. What was read and does not occur is empty."""
    named = {
        row[key].removeprefix("!")
        for menu in menus.values()
        for row in menu.seen
        for key in _SET_FIELDS
        if row.get(key)
    }
    if isinstance(listed, WhyNot):
        return {reading.set_name(name): NamedSet(unread=listed.text) for name in named}
    return {reading.set_name(name): listed.get(name, NamedSet()) for name in named | listed.keys()}


def _outside_model(device: BoxInput, ways: Sequence[Route], tables: bool) -> Iterator[str]:
    """Say what was seen and is not modelled. `ways` are the default routes."""
    if tables:
        yield "several routing tables"
    if len({way.interface for way in ways if way.family == 4}) > 1:
        yield "several ways to the internet at once"
    if any(places.in_force(row) for row in _read(device, "bridge_rules").seen):
        yield "rules of the bridge's own filter"
    nat = (row for name in ("nat_rules", "nat_rules_v6") for row in _read(device, name).seen)
    if any(row.get("chain") in ("input", "output") and places.in_force(row) for row in nat):
        yield "translation of what is for the router itself (chains input and output of nat)"
