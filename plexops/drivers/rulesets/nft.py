"""`nft -j list ruleset`, read without `-t`: chains, rules and sets of every table, as the model has them.

Modelled, harmless and not known: see `nft_keys`, `nft_matches`, `nft_effects`. Sources: nft(8), libnftables-json(5).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from plexops.drivers.rulesets.base import Part
from plexops.drivers.rulesets.nft_effects import element_of
from plexops.drivers.rulesets.nft_keys import key_of
from plexops.drivers.rulesets.nft_matches import Body, Table, elements_of
from plexops.drivers.rulesets.nft_rules import read_rule
from plexops.drivers.rulesets.nft_words import (
    UNREADABLE,
    address_numbers,
    bare,
    listed,
    members,
    number_of,
    one_member,
)
from plexops.model.exchange import Json
from plexops.model.matches import BOTH_FAMILIES, Family, Match, Other
from plexops.model.packets import Chain, Hook, NamedSet, Rule, Verdict
from plexops.parsers.base import ParseError
from plexops.pattern import Pattern
from plexops.structs import replace

_FAMILIES: Mapping[str, frozenset[Family]] = {
    "ip": frozenset({4}),
    "ip6": frozenset({6}),
    "inet": BOTH_FAMILIES,
    "netdev": BOTH_FAMILIES,
}
#: Hooks at which a chain belongs to certain interfaces.
_ON_DEVICES = frozenset({"ingress", "egress"})
_ADDRESSES: Mapping[str, Family] = {"ipv4_addr": 4, "ipv6_addr": 6}
#: How nft lists, in its own language, a statement that it cannot write as JSON.
_WRITES_TO = Pattern(r"(?:add|update|delete) @(\S+)")


def read_nft(document: Json, saved: Mapping[str, Sequence[Rule]], exhibit: str) -> Part:
    """Read a whole listing. Chain ids are `inet fw4 dstnat_wan`; sets are named alike.

    `saved` are the rules of `iptables-save` by chain id: what iptables wrote is taken from there, place by place, where
    both know as many rules of a chain. Raises ParseError for what is no listing of nft.
    """
    objects = members(document).get("nftables")
    if not isinstance(objects, Sequence) or isinstance(objects, str):
        raise ParseError("no answer of `nft -j`", str(document))
    if not objects:
        # Without any table it still tells its own version.
        raise ParseError("nft listed nothing at all")
    chains: list[Chain] = []
    sets: dict[str, NamedSet] = {}
    outside: list[str] = []
    for table in _tables(objects):
        outside += _outside(table)
        if table.family in _FAMILIES:
            table.written = frozenset(_written(table))
            named = dict(_named_sets(table))
            table.addresses = frozenset(named)
            sets |= {table.id_of(name): found for name, found in named.items()}
            chains += [_chain(table, name, saved, exhibit) for name in table.chains]
    return Part(tuple(chains), sets, tuple(outside))


def _tables(objects: Sequence[Json]) -> list[Table]:
    tables: dict[tuple[str, str], Table] = {}
    for order, item in enumerate(objects):
        kind, whole = one_member(item)
        body = members(whole)
        if kind == "metainfo":
            continue
        wanted = ("family", "table", "chain") if kind == "rule" else ("family", "name")
        if not all(isinstance(body.get(word), str) for word in wanted):
            raise ParseError("no object of `nft -j`", str(item))
        family, name = str(body["family"]), str(body.get("name"))
        place = (family, str(body.get("table", name)))
        table = tables.setdefault(place, Table(*place))
        match kind:
            case "table":
                table.asleep = _asleep(body.get("flags"))
            case "chain":
                table.chains[name] = (order, body)
            case "rule":
                table.rules.setdefault(str(body["chain"]), []).append(body)
            case _:
                table.objects[kind][name] = body
    for table in tables.values():
        if not table.rules.keys() <= table.chains.keys():
            raise ParseError("rules of a chain that is not listed", str(sorted(table.rules)))
    return list(tables.values())


def _asleep(flags: Json) -> bool | None:
    """Tell whether a table is dormant. Where it has one flag only, version 1.0.6 writes anything in its place."""
    names = set() if flags is None else {str(flag) for flag in listed(flags)}
    return True if "dormant" in names else False if names <= {"owner", "persist"} else None


def _outside(table: Table) -> Iterator[str]:
    """Say what stands in a table and is not modelled."""
    if table.family not in _FAMILIES:
        drops = any(body.get("policy") == "drop" for _, body in table.chains.values())
        if table.rules or drops:
            yield f"the table {table.family} {table.name} filters below IP, which was not followed"
    for name in table.objects["flowtable"]:
        yield f"the flow table {table.id_of(name)} lets known connections past the filter"


# --- Sets ---------------------------------------------------------------------------------------------------------


def _written(table: Table) -> Iterator[str]:
    """Give the sets and maps that rules change otherwise than by adding one of the packet's own addresses."""
    for statement in (
        one for rules in table.rules.values() for rule in rules for one in listed(rule.get("expr"))
    ):
        if isinstance(statement, str):
            yield from _WRITES_TO.findall(statement)
            continue
        kind, whole = one_member(statement)
        body = members(whole) if kind in ("set", "map") else {}
        if "op" in body:
            address = key_of(element_of(body), table.family).address
            if address is None or body["op"] not in ("add", "update"):
                yield str(body.get(kind)).removeprefix("@")
    # A set whose elements are counted one by one is asked more than whether it has an element.
    for name, body in table.objects["set"].items():
        if any(one_member(one)[0] not in ("counter", "last") for one in listed(body.get("stmt", ()))):
            yield name


def _named_sets(table: Table) -> Iterator[tuple[str, NamedSet]]:
    """Give the sets of addresses. The family is declared by a set's type, or by what is looked up in it."""
    for name, body in table.objects["set"].items():
        kind = body.get("type")
        if isinstance(kind, str):
            family = _ADDRESSES.get(kind)
        else:
            address = key_of(members(kind).get("typeof"), table.family).address
            family = None if address is None else address[1]
        if family is None:
            continue
        if name in table.written:
            yield name, NamedSet(unread="rules change it, or count what they find in it")
            continue
        try:
            numbers = address_numbers([bare(element) for element in elements_of(body)], family)
        except UNREADABLE:
            yield name, NamedSet(unread="an element of it was not understood")
            continue
        yield name, NamedSet(v4=numbers) if family == 4 else NamedSet(v6=numbers)


# --- Chains -------------------------------------------------------------------------------------------------------


def _chain(table: Table, name: str, saved: Mapping[str, Sequence[Rule]], exhibit: str) -> Chain:
    (order, body), listing, own = table.chains[name], table.rules.get(name, []), table.id_of(name)
    same = saved.get(own, ())
    rules: list[Rule] = []
    for place, rule in enumerate(listing):
        # "xt" is what iptables alone can say.
        if len(same) == len(listing) and any(one_member(one)[0] == "xt" for one in listed(rule.get("expr"))):
            rules.append(replace(same[place], handle=str(rule.get("handle", ""))))
        else:
            rules += read_rule(rule, table, exhibit)
    if "hook" not in body or table.asleep:
        return Chain(own, tuple(rules))
    try:
        hook = _hook(table.family, order, body)
    except UNREADABLE:
        why = "what nft says of the chain was not understood"
        return Chain(own, tuple(rules), Hook(str(body["hook"])), why)
    if table.asleep is None:
        return _doubted(own, rules, hook, f"the table {table.family} {table.name} is not dormant")
    if hook.stage in _ON_DEVICES and not hook.devices:
        return _doubted(own, rules, hook, f"{own} is for the interface where the packet is")
    return Chain(own, tuple(rules), hook)


def _hook(family: str, order: int, body: Body) -> Hook:
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
