"""`nft -j list ruleset`, read without `-t`: chains, rules and sets of every table, as the model has them.

Modelled, harmless and not known: see `nft_keys`, `nft_matches`, `nft_effects`. Sources: nft(8), libnftables-json(5).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from plexops.drivers.rulesets.base import Part
from plexops.drivers.rulesets.nft_keys import KeyReader
from plexops.drivers.rulesets.nft_matches import UNREADABLE, Table
from plexops.drivers.rulesets.nft_rules import read_rule
from plexops.drivers.rulesets.nft_values import Values, address_numbers, bare, number_of
from plexops.drivers.rulesets.nft_words import listed, members, one_member
from plexops.model.exchange import Json
from plexops.model.packets import BOTH_FAMILIES, Chain, Family, Hook, Match, NamedSet, Other, Rule, Verdict
from plexops.parsers.base import ParseError

_FAMILIES: Mapping[str, frozenset[Family]] = MappingProxyType(
    {"ip": frozenset({4}), "ip6": frozenset({6}), "inet": BOTH_FAMILIES, "netdev": BOTH_FAMILIES}
)
#: Hooks at which a chain belongs to certain interfaces.
_ON_DEVICES = frozenset({"ingress", "egress"})
_ADDRESSES: Mapping[str, Family] = MappingProxyType({"ipv4_addr": 4, "ipv6_addr": 6})
#: How nft lists, in its own language, a statement that it cannot write as JSON.
_WRITES_TO = re.compile(r"(?:add|update|delete) @(\S+)")


@dataclass(slots=True)
class _Found:
    """What the listing holds of one table."""

    family: str
    name: str
    #: Dormant: none of its chains is asked. None: not known.
    asleep: bool | None = False
    sets: dict[str, Mapping[str, Json]] = field(default_factory=dict)
    maps: dict[str, Mapping[str, Json]] = field(default_factory=dict)
    limits: dict[str, Json] = field(default_factory=dict)
    flowtables: list[str] = field(default_factory=list)
    #: Chains with their place in the listing: what was made later stands later.
    chains: dict[str, tuple[int, Mapping[str, Json]]] = field(default_factory=dict)
    rules: dict[str, list[Mapping[str, Json]]] = field(default_factory=dict)


def read_nft(document: Json, saved: Mapping[str, Sequence[Rule]], exhibit: str) -> Part:
    """Read a whole listing. Chain ids are `inet fw4 dstnat_wan`; sets are named alike.

    `saved` are the rules of `iptables-save` by chain id: what iptables wrote is taken from there, place by place, where
    both know as many rules of a chain. Raises ParseError for what is no listing of nft.
    """
    objects = members(document).get("nftables")
    if not isinstance(objects, Sequence) or isinstance(objects, str):
        raise ParseError("no answer of `nft -j`", str(document))
    chains: list[Chain] = []
    sets: dict[str, NamedSet] = {}
    outside: list[str] = []
    for found in _tables(objects):
        outside += _outside(found)
        if found.family not in _FAMILIES:
            continue
        written = _written(found)
        named = dict(_named_sets(found, written))
        table = Table(
            found.family,
            found.name,
            {name: _elements(body) for name, body in found.sets.items()},
            {name: _elements(body) for name, body in found.maps.items()},
            found.limits,
            frozenset(named),
            written,
        )
        sets |= {table.id_of(name): named_set for name, named_set in named.items()}
        for name, (order, body) in found.chains.items():
            rules = found.rules.get(name, [])
            chains.append(_chain(table, found.asleep, order, body, rules, saved, exhibit))
    return Part(tuple(chains), MappingProxyType(sets), tuple(outside))


def _tables(objects: Sequence[Json]) -> list[_Found]:
    tables: dict[tuple[str, str], _Found] = {}
    for order, item in enumerate(objects):
        kind, whole = one_member(item)
        body = members(whole)
        family, name = str(body.get("family")), str(body.get("name"))
        if kind == "metainfo":
            continue
        wanted = ("family", "table", "chain") if kind == "rule" else ("family", "name")
        if not all(isinstance(body.get(word), str) for word in wanted):
            raise ParseError("no object of `nft -j`", str(item))
        table = str(body.get("table", name))
        found = tables.setdefault((family, table), _Found(family, table))
        match kind:
            case "table":
                found.asleep = _asleep(body.get("flags"))
            case "chain":
                found.chains[name] = (order, body)
            case "rule":
                found.rules.setdefault(str(body.get("chain")), []).append(body)
            case "set":
                found.sets[name] = body
            case "map":
                found.maps[name] = body
            case "limit":
                found.limits[name] = body
            case "flowtable":
                found.flowtables.append(name)
    for found in tables.values():
        if not found.rules.keys() <= found.chains.keys():
            raise ParseError("rules of a chain that is not listed", str(sorted(found.rules)))
    return list(tables.values())


def _asleep(flags: Json) -> bool | None:
    """Tell whether a table is dormant. Where it has one flag only, version 1.0.6 writes anything in its place."""
    names = set() if flags is None else {str(flag) for flag in listed(flags)}
    return True if "dormant" in names else False if names <= {"owner", "persist"} else None


def _elements(body: Mapping[str, Json]) -> Values:
    found = body.get("elem")
    return [] if found is None else listed(found)


def _outside(found: _Found) -> Iterator[str]:
    """Say what stands in a table and is not modelled."""
    if found.family not in _FAMILIES:
        drops = any(body.get("policy") == "drop" for _, body in found.chains.values())
        if found.rules or drops:
            yield f"the table {found.family} {found.name} filters below IP, which was not followed"
    for name in found.flowtables:
        yield f"the flow table {found.family} {found.name} {name} lets known connections past the filter"


# --- Sets ---------------------------------------------------------------------------------------------------------


def _written(found: _Found) -> frozenset[str]:
    """Give the sets and maps that rules change otherwise than by adding one of the packet's own addresses."""
    names: set[str] = set()
    for rules in found.rules.values():
        for rule in rules:
            for statement in listed(rule.get("expr")):
                kind, body = one_member(statement)
                if isinstance(statement, str):
                    names |= set(_WRITES_TO.findall(statement))
                elif kind in ("set", "map") and "op" in members(body) and not _adds_address(body, found):
                    names.add(str(members(body).get(kind)).removeprefix("@"))
    # A set whose elements are counted one by one is asked more than whether it has an element.
    for name, body in found.sets.items():
        if any(one_member(one)[0] not in ("counter", "last") for one in listed(body.get("stmt", ()))):
            names.add(name)
    return frozenset(names)


def _adds_address(body: Json, found: _Found) -> bool:
    element = members(members(body).get("elem"))
    value = members(element.get("elem")).get("val", element)
    try:
        address = KeyReader(found.family).read(value).address
    except UNREADABLE:
        return False
    return address is not None and members(body).get("op") in ("add", "update")


def _named_sets(found: _Found, written: frozenset[str]) -> Iterator[tuple[str, NamedSet]]:
    """Give the sets of addresses."""
    for name, body in found.sets.items():
        family = _family_of(body.get("type"), found.family)
        if family is None:
            continue
        if name in written:
            yield name, NamedSet(unread="rules change it, or count what they find in it")
            continue
        try:
            numbers = address_numbers([bare(element) for element in _elements(body)], family)
        except UNREADABLE:
            yield name, NamedSet(unread="an element of it was not understood")
            continue
        yield name, NamedSet(v4=numbers) if family == 4 else NamedSet(v6=numbers)


def _family_of(kind: Json, table: str) -> Family | None:
    """Give the family of a set of addresses: it is declared by its type, or by what is looked up in it."""
    if isinstance(kind, str):
        return _ADDRESSES.get(kind)
    try:
        address = KeyReader(table).read(members(kind).get("typeof")).address
    except UNREADABLE:
        return None
    return None if address is None else address[1]


# --- Chains -------------------------------------------------------------------------------------------------------


def _chain(
    table: Table,
    asleep: bool | None,
    order: int,
    body: Mapping[str, Json],
    found: Sequence[Mapping[str, Json]],
    saved: Mapping[str, Sequence[Rule]],
    exhibit: str,
) -> Chain:
    name = table.id_of(str(body.get("name")))
    same = saved.get(name, ())
    rules: list[Rule] = []
    for place, rule in enumerate(found):
        foreign = any(one_member(one)[0] == "xt" for one in listed(rule.get("expr")))
        if foreign and len(same) == len(found):
            rules.append(replace(same[place], handle=str(rule.get("handle", ""))))
        else:
            rules += read_rule(rule, table, exhibit)
    if "hook" not in body or asleep:
        return Chain(name, tuple(rules))
    try:
        hook = _hook(table.family, order, body)
    except UNREADABLE:
        return Chain(
            name, tuple(rules), Hook(str(body["hook"])), "what nft says of the chain was not understood"
        )
    if asleep is None:
        return _doubted(name, rules, hook, f"the table {table.family} {table.name} is not dormant")
    if hook.stage in _ON_DEVICES and not hook.devices:
        return _doubted(name, rules, hook, f"{name} is for the interface where the packet is")
    return Chain(name, tuple(rules), hook)


def _hook(family: str, order: int, body: Mapping[str, Json]) -> Hook:
    device = body.get("dev")
    return Hook(
        stage=str(body["hook"]),
        priority=number_of(body.get("prio", 0)),
        nat=body.get("type") == "nat",
        policy={"accept": Verdict.ACCEPT, "drop": Verdict.DROP}[str(body.get("policy", "accept"))],
        families=_FAMILIES[family],
        order=order,
        devices=() if device is None else tuple(str(one) for one in listed(device)),
    )


def _doubted(name: str, rules: Sequence[Rule], hook: Hook, words: str) -> Chain:
    """Give a chain that may see the packet or not: 1.0.6 does not name its interfaces, or hides its table's flag."""
    doubt = Match(Other(words))
    doubted = [replace(rule, matches=(doubt, *rule.matches)) for rule in rules]
    if hook.policy is not Verdict.ACCEPT:
        doubted.append(Rule((doubt,), (hook.policy,), f"policy {hook.policy}"))
    return Chain(name, tuple(doubted), replace(hook, policy=Verdict.ACCEPT))
