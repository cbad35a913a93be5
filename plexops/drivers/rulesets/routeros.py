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
    why: str = "was not read"
    exhibit: str = ""

    @property
    def seen(self) -> tuple[Mapping[str, str], ...]:
        """The rows; none where they were not read."""
        return self.rows or ()


_UNREAD = Rows()


class RouterOsAnswers(Struct, frozen=True, kw_only=True):
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
    addresses = (*answers.addresses.seen, *answers.addresses_v6.seen)
    own = None if answers.addresses.rows is None else places.local_addresses(addresses)
    routes, tables = _routes(answers, addresses)
    # IPv4's default route comes first.
    ways = sorted((route for route in routes or () if route.length == 0), key=lambda route: route.family)
    side = next((way.interface for way in ways if way.interface), answers.internet_side)
    chains: dict[str, Chain] = {}
    sets: dict[str, NamedSet] = {}
    for family in _FAMILIES:
        reading = Reading(family, unsure)
        menus = {table: _menu(answers, table, family) for table in _BASE}
        for table, menu in menus.items():
            chains |= {chain.id: chain for chain in _chains(table, menu, reading, own or ())}
        listed = answers.address_lists if family == 4 else answers.address_lists_v6
        sets |= _sets(menus, places.address_sets(listed.rows, listed.why or _UNREAD.why, family), reading)
    return Box(
        "routeros",
        chains,
        own,
        routes,
        side,
        places.lists_of(answers.interface_lists.rows, answers.list_members.rows, answers.interfaces.rows),
        classes,
        sets,
        places.gateway_mac(answers.arp.seen, ways, side),
        tuple(_outside_model(answers, ways, tables)),
    )


def _routes(answers: RouterOsAnswers, addresses: places.Rows) -> tuple[tuple[Route, ...] | None, bool]:
    """Give the routes, and whether there are other tables. Where IPv6's were not read one stands for all of them."""
    if answers.routes.rows is None:
        return None, False
    rows = (*answers.routes.rows, *answers.routes_v6.seen)
    routes, tables = places.routes_of(rows, addresses, answers.interfaces.seen)
    if routes is not None and _v6_unread(answers):
        routes = (*routes, Route(6, ALL_V6, 0, ""))
    return routes, tables


def _v6_unread(answers: RouterOsAnswers) -> str:
    """Give why it is not known where the device stands in IPv6. Its chains of IPv6 are then not known either."""
    unread = (menu.why for menu in (answers.addresses_v6, answers.routes_v6) if menu.rows is None)
    return next((f"the addresses or routes of IPv6: {why}" for why in unread), "")


def _menu(answers: RouterOsAnswers, table: str, family: Family) -> Rows:
    """Give a menu's rows, with their ids where as many were found as there are rows."""
    menu: Rows = getattr(answers, f"{table}_rules" if family == 4 else f"{table}_rules_v6")
    if family == 6 and (why := _v6_unread(answers)):
        return Rows(None, why)
    if menu.rows is None:
        # IPv6 is translated from version 7 on.
        return Rows(()) if (table, family) == ("nat", 6) and answers.version.startswith("6.") else menu
    named = {"nat": answers.nat_rule_ids, "filter": answers.filter_rule_ids} if family == 4 else {}
    ids = named.get(table, ())
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
        unread = (menu.why or _UNREAD.why) if menu.rows is None else ""
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


def _outside_model(answers: RouterOsAnswers, ways: Sequence[Route], tables: bool) -> Iterator[str]:
    """Say what was seen and is not modelled. `ways` are the default routes."""
    if tables:
        yield "several routing tables"
    if len({way.interface for way in ways if way.family == 4}) > 1:
        yield "several ways to the internet at once"
    if any(places.in_force(row) for row in answers.bridge_rules.seen):
        yield "rules of the bridge's own filter"
    nat = (row for row in (*answers.nat_rules.seen, *answers.nat_rules_v6.seen) if places.in_force(row))
    if any(row.get("chain") in ("input", "output") for row in nat):
        yield "translation of what is for the router itself (chains input and output of nat)"
