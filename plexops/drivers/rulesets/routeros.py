"""RouterOS's firewall as a box: what its menus answered, as chains, lists and places.

The order in which a packet meets the chains is MikroTik's packet flow (plumbing `routeros`); here each base chain only
gets its stage. Every chain accepts at its end; a chain of the owner's returns. Menus of IPv6 make chains of their own,
which see IPv6 alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from types import MappingProxyType

from plexops.drivers.rulesets import routeros_places as places
from plexops.drivers.rulesets.routeros_matches import Reading
from plexops.drivers.rulesets.routeros_rules import chain_id, rules_of
from plexops.model.intervals import ALL_V6
from plexops.model.packets import Box, Chain, Family, Hook, LocalAddress, NamedSet, Route, Rule

#: Menu → its base chains. In `nat` the stages are what is translated.
_BASE: Mapping[str, tuple[str, ...]] = {
    "raw": ("prerouting", "output"),
    "mangle": ("prerouting", "input", "forward", "output", "postrouting"),
    "nat": ("dstnat", "srcnat"),
    "filter": ("input", "forward", "output"),
}
_FAMILIES: tuple[Family, ...] = (4, 6)
_SET_FIELDS = ("src-address-list", "dst-address-list", "address-list")


@dataclass(frozen=True, slots=True)
class Rows:
    """What one menu answered. `rows` None: it was not read, `why` says why. `exhibit` is the answer that shows it."""

    rows: tuple[Mapping[str, str], ...] | None = None
    why: str = "was not read"
    exhibit: str = ""


_UNREAD = Rows()


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterOsAnswers:
    """What was read of a device; the fields bear the names of the profile's reads. Rows are those of `routeros_rows`.

    `nat_rule_ids`, `filter_rule_ids`: the ids of all rules in order, as `find` gives them. `internet_side`: what the
    owner calls it, for a device that has no way to the internet now.
    """

    nat_rules: Rows = _UNREAD
    filter_rules: Rows = _UNREAD
    raw_rules: Rows = _UNREAD
    mangle_rules: Rows = _UNREAD
    nat_rules_v6: Rows = _UNREAD
    filter_rules_v6: Rows = _UNREAD
    raw_rules_v6: Rows = _UNREAD
    mangle_rules_v6: Rows = _UNREAD
    nat_rule_ids: tuple[str, ...] = ()
    filter_rule_ids: tuple[str, ...] = ()
    address_lists: Rows = _UNREAD
    address_lists_v6: Rows = _UNREAD
    interfaces: Rows = _UNREAD
    interface_lists: Rows = _UNREAD
    list_members: Rows = _UNREAD
    addresses: Rows = _UNREAD
    addresses_v6: Rows = _UNREAD
    routes: Rows = _UNREAD
    routes_v6: Rows = _UNREAD
    arp: Rows = _UNREAD
    bridge_rules: Rows = _UNREAD
    version: str = ""
    internet_side: str = ""


def routeros_box(answers: RouterOsAnswers) -> Box:
    """Give the device as a box."""
    classes, unsure = places.classes_of(answers.interfaces.rows)
    own = _local_addresses(answers)
    routes, tables = _routes(answers)
    side = _internet_side(answers, routes)
    chains: dict[str, Chain] = {}
    sets: dict[str, NamedSet] = {}
    for family in _FAMILIES:
        reading = Reading(family, unsure)
        menus = {table: _menu(answers, table, family) for table in _BASE}
        for table, menu in menus.items():
            for chain in _chains(table, menu, reading, own or ()):
                chains[chain.id] = chain
        listed = answers.address_lists if family == 4 else answers.address_lists_v6
        sets |= _sets(menus, places.address_sets(listed.rows, listed.why or _UNREAD.why, family), reading)
    return Box(
        "routeros",
        MappingProxyType(chains),
        own,
        routes,
        side,
        places.lists_of(answers.interface_lists.rows, answers.list_members.rows, answers.interfaces.rows),
        classes,
        MappingProxyType(sets),
        places.gateway_mac(answers.arp.rows, routes or (), side),
        tuple(_outside_model(answers, routes or (), tables)),
    )


def announced_address(answers: RouterOsAnswers) -> IPv4Address | None:
    """Give the address under which the device stands on the internet side; None where it was not read or has none."""
    rows = answers.addresses.rows
    return None if rows is None else places.wan_address(rows, _internet_side(answers, _routes(answers)[0]))


def _local_addresses(answers: RouterOsAnswers) -> tuple[LocalAddress, ...] | None:
    rows = answers.addresses.rows
    return None if rows is None else places.local_addresses((*rows, *(answers.addresses_v6.rows or ())))


def _routes(answers: RouterOsAnswers) -> tuple[tuple[Route, ...] | None, bool]:
    """Give the routes, and whether there are other tables. Where IPv6's were not read one stands for all of them."""
    if answers.routes.rows is None:
        return None, False
    addresses = (*(answers.addresses.rows or ()), *(answers.addresses_v6.rows or ()))
    rows = (*answers.routes.rows, *(answers.routes_v6.rows or ()))
    routes, tables = places.routes_of(rows, addresses, answers.interfaces.rows)
    if routes is not None and _v6_unread(answers):
        routes = (*routes, Route(6, ALL_V6, 0, ""))
    return routes, tables


def _v6_unread(answers: RouterOsAnswers) -> str:
    """Give why it is not known where the device stands in IPv6. Its chains of IPv6 are then not known either."""
    unread = (menu.why for menu in (answers.addresses_v6, answers.routes_v6) if menu.rows is None)
    return next((f"the addresses or routes of IPv6: {why}" for why in unread), "")


def _internet_side(answers: RouterOsAnswers, routes: tuple[Route, ...] | None) -> str:
    """Give the interface of the default route."""
    ways = [r.interface for family in (4, 6) for r in routes or () if r.length == 0 and r.family == family]
    return next((way for way in ways if way), answers.internet_side)


def _menu(answers: RouterOsAnswers, table: str, family: Family) -> Rows:
    """Give a menu's rows, with their ids where as many were found as there are rows."""
    menu: Rows = getattr(answers, f"{table}_rules" if family == 4 else f"{table}_rules_v6")
    if family == 6 and (why := _v6_unread(answers)):
        return Rows(None, why)
    if menu.rows is None:
        # IPv6 is translated from version 7 on.
        return Rows(()) if (table, family) == ("nat", 6) and answers.version.startswith("6.") else menu
    ids = (
        {"nat": answers.nat_rule_ids, "filter": answers.filter_rule_ids}.get(table, ()) if family == 4 else ()
    )
    known = ids if len(ids) == len(menu.rows) else ("",) * len(menu.rows)
    named = zip(menu.rows, known, strict=True)
    return Rows(
        tuple({**row, ".exhibit": menu.exhibit, ".id": id_} for row, id_ in named), menu.why, menu.exhibit
    )


def _chains(table: str, menu: Rows, reading: Reading, own: tuple[LocalAddress, ...]) -> Iterator[Chain]:
    """Give a menu's chains. A row of which the chain is not known may be in any of them."""
    base, family = _BASE[table], reading.family
    rows = menu.rows or ()
    named = dict.fromkeys([*base, *(row["chain"] for row in rows if row.get("chain"))])
    named |= dict.fromkeys(row["jump-target"] for row in rows if row.get("jump-target"))
    rules: dict[str, list[Rule]] = {name: [] for name in named}
    for row in rows:
        made = rules_of(row, table, reading, own)
        for name in _perhaps_of(row, named):
            rules[name] += made
    for name, found in rules.items():
        stage = f"{table}/{name}"
        hook = Hook(stage, nat=table == "nat", families=frozenset({family})) if name in base else None
        unread = (menu.why or _UNREAD.why) if menu.rows is None else ""
        yield Chain(chain_id(family, table, name), tuple(found), hook, unread)


def _perhaps_of(row: Mapping[str, str], chains: Iterable[str]) -> Iterable[str]:
    """Give the chains in which a row may stand: its own, those that an unclear row names, or all."""
    if row.get("chain"):
        return [row["chain"]]
    words = set(re.findall(r"(?:^|\s)chain=(\S+)", row.get(".odd", "")))
    return [name for name in chains if name in words or not words]


def _sets(
    menus: Mapping[str, Rows], listed: Mapping[str, NamedSet] | str, reading: Reading
) -> dict[str, NamedSet]:
    """Give every list that a rule names, or that is there. What was read and does not occur is empty."""
    rows = [row for menu in menus.values() for row in menu.rows or ()]
    named = {row[key].removeprefix("!") for row in rows for key in _SET_FIELDS if row.get(key)}
    if isinstance(listed, str):
        return {reading.set_name(name): NamedSet(unread=listed) for name in named}
    return {reading.set_name(name): listed.get(name, NamedSet()) for name in named | listed.keys()}


def _outside_model(answers: RouterOsAnswers, routes: tuple[Route, ...], tables: bool) -> Iterator[str]:
    """Say what was seen and is not modelled."""
    if tables:
        yield "several routing tables"
    if len({route.interface for route in routes if route.length == 0 and route.family == 4}) > 1:
        yield "several ways to the internet at once"
    if any(places.in_force(row) for row in answers.bridge_rules.rows or ()):
        yield "rules of the bridge's own filter"
    for name in ("nat_rules", "nat_rules_v6"):
        menu: Rows = getattr(answers, name)
        if any(row.get("chain") in ("input", "output") and places.in_force(row) for row in menu.rows or ()):
            yield "translation of what is for the router itself (chains input and output of nat)"
            return
