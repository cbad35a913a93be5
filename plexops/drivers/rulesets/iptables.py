"""`iptables-save` and `ip6tables-save`, of either kernel part, as chains: one rule a line, in order.

Modelled: see `iptables_matches` and `iptables_targets`. A table that the text does not hold whole is *not read*.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

from msgspec import Struct

from plexops.drivers.rulesets.base import NAT_PRIORITIES, Part, unknown
from plexops.drivers.rulesets.iptables_lines import split_line
from plexops.drivers.rulesets.iptables_matches import read_matches
from plexops.drivers.rulesets.iptables_targets import read_effects
from plexops.model.intervals import Numbers, network, normalise, subtract, unite
from plexops.model.matches import Family, Match
from plexops.model.packets import Chain, Effect, Hook, NamedSet, Rule, UnknownEffect, Verdict
from plexops.pattern import Pattern

#: Each table's priority, and the chains in which packets enter it.
_BUILTIN: Mapping[str, tuple[int, tuple[str, ...]]] = {
    "raw": (-300, ("PREROUTING", "OUTPUT")),
    "mangle": (-150, ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")),
    "nat": (-100, ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING")),
    "filter": (0, ("INPUT", "FORWARD", "OUTPUT")),
    "security": (50, ("INPUT", "FORWARD", "OUTPUT")),
}
_POLICIES = {"ACCEPT": Verdict.ACCEPT, "DROP": Verdict.DROP}
_CHAIN = Pattern(r":(\S+) (\S+)(?: \[[0-9]+:[0-9]+\])?")
_RULE = Pattern(r"(?:\[[0-9]+:[0-9]+\] )?(-A (\S+)(.*))")
#: What iptables-save says of a table in which nft made what iptables cannot have.
_ONLY_NFT = Pattern(r"# Table `(\S+)' is incompatible, use 'nft' tool\.")
_ALSO_NFT = Pattern(r"# Table `(\S+)' contains incompatible base-chains, use 'nft' tool to list them\.")
_CUT = "the answer ends in the middle of the table"


class _Table(Struct):
    """One table of the text: its chains' policies (`-` for people's own) and, by chain, the lines as they stand and
    what of them is behind the chain. `trouble`: why it is not read."""

    name: str
    trouble: str = _CUT
    policies: dict[str, str] = {}
    lines: dict[str, list[tuple[str, str]]] = {}


def read_iptables(
    text: str, family: Family, legacy: bool, ipsets: Mapping[str, NamedSet], exhibit: str
) -> Part:
    """Read a whole text. `ipsets` are what `read_ipsets` gave; `exhibit` names the answer.

    Chain ids are `ip filter INPUT`, `ip6 nat PREROUTING`, for the old kernel part `legacy ip filter INPUT`. A text
    without any table that is not empty makes all tables *not read*.
    """
    tables, said = _tables(text)
    if not tables and said:
        tables = [_Table(name, f"iptables-save did not list it: {said[0]:.120}") for name in _BUILTIN]
    prefix = f"{'legacy ' if legacy else ''}{'ip' if family == 4 else 'ip6'}"
    chains = [chain for table in tables for chain in _chains(table, prefix, family, exhibit)]
    return Part(tuple(chains), ipsets, tuple(f"{prefix}: {line:.120}" for line in said[:5]))


def _tables(text: str) -> tuple[list[_Table], list[str]]:
    """Part the text into tables, and what it says beside them that a reader should know."""
    tables: list[_Table] = []
    said: list[str] = []
    table: _Table | None = None
    for line in map(str.strip, text.split("\n")):
        if line.startswith("*"):
            table = _Table(line[1:])
            tables.append(table)
        elif not line:
            continue
        elif line.startswith("#"):
            if (only := _ONLY_NFT.fullmatch(line)) is not None:
                tables.append(_Table(only[1], "it has rules that only nft shows"))
            elif _ALSO_NFT.fullmatch(line) is not None:
                said.append(line.strip("# "))
        elif table is None:
            said.append(line)
        elif line == "COMMIT":
            table.trouble = table.trouble.removeprefix(_CUT)
            table = None
        elif line.startswith(":") and (chain := _CHAIN.fullmatch(line)) is not None:
            table.policies[chain[1]] = chain[2]
        elif (rule := _RULE.fullmatch(line)) is not None and rule[2] in table.policies:
            table.lines.setdefault(rule[2], []).append((rule[1], rule[3]))
        else:
            table.trouble = f"a line is not understood: {line}"
    return tables, said


def _chains(table: _Table, prefix: str, family: Family, exhibit: str) -> Iterator[Chain]:
    priority, builtin = _BUILTIN.get(table.name, (0, ()))
    for chain in dict.fromkeys((*table.policies, *builtin)):
        policy, trouble, hook = table.policies.get(chain, "ACCEPT"), table.trouble, None
        if policy != "-" and (chain not in builtin or policy not in _POLICIES):
            trouble = trouble or f"iptables has no chain {chain} with the policy {policy} here"
        if policy != "-" and chain in builtin:
            stage, nat = chain.lower(), table.name == "nat"
            verdict = _POLICIES.get(policy, Verdict.ACCEPT)
            hook = Hook(stage, NAT_PRIORITIES[stage] if nat else priority, nat, verdict, frozenset({family}))
        own = f"{prefix} {table.name} "
        lines = () if table.trouble else tuple(table.lines.get(chain, ()))
        rules = _rules(lines, frozenset(table.policies), own, chain, family, exhibit) if lines else ()
        yield Chain(own + chain, rules, hook, trouble)


@lru_cache(maxsize=1024)
def _rules(
    lines: tuple[tuple[str, str], ...],
    chains: frozenset[str],
    own: str,
    chain: str,
    family: Family,
    exhibit: str,
) -> tuple[Rule, ...]:
    """Read one chain. What ufw and Docker write is the same in home after home, and is read once."""
    return tuple(
        Rule(*_read(words, text, chains, own, chain, family), str(number), exhibit)
        for number, (words, text) in enumerate(lines, 1)
    )


def _read(
    words: str, text: str, chains: frozenset[str], own: str, chain: str, family: Family
) -> tuple[tuple[Match, ...], tuple[Effect, ...], str, str]:
    """Give what a rule asks, what it does, its words, and what its owner wrote on it."""
    try:
        line = split_line(text, family)
    except ValueError:
        return (unknown(words),), (UnknownEffect(words),), words, ""
    effects = read_effects(line.target, chains, own, chain, goto=line.goto)
    comments = [option for module in line.modules if module.name == "comment" for option in module.options]
    name = "; ".join(option.value for option in comments if option.values)
    return read_matches(line), effects, words, name


# --- `ipset save`: the sets that `-m set` asks. Source: ipset(8), and what version 7.17 writes --------------------------

#: Sets of addresses only; others look at a port, an interface or a hardware address too.
_OF_ADDRESSES = frozenset({"hash:ip", "hash:net", "bitmap:ip"})

_COMMENT = Pattern(r' comment "[^"]*"')


class _Set(Struct):
    """A set on its way: what `create` says of it, and the elements."""

    kind: str
    options: Mapping[str, str]
    elements: list[Sequence[str]] = []


def read_ipsets(text: str) -> Mapping[str, NamedSet]:
    """Read `ipset save`. A set of another kind, or with an element that cannot be read, is `unread`."""
    sets: dict[str, _Set] = {}
    for line in text.splitlines():
        match _COMMENT.sub("", line).split():
            case ["create", name, kind, *options]:
                sets[name] = _Set(kind, dict(pairwise(options)))
            case ["add", name, *element] if name in sets and element:
                sets[name].elements.append(element)
    return {name: _named(found, sets, frozenset({name})) for name, found in sets.items()}


def _named(found: _Set, sets: Mapping[str, _Set], seen: frozenset[str]) -> NamedSet:
    if found.kind == "list:set":
        return _union(found, sets, seen)
    if found.kind not in _OF_ADDRESSES or "bitmask" in found.options:
        return NamedSet(unread=f"a set of the kind {found.kind}")
    netmask = found.options.get("netmask")
    by_size: dict[int, tuple[list[tuple[int, int]], list[tuple[int, int]]]] = {}
    try:
        for element, *options in found.elements:
            ((first, last),) = network(f"{element}/{netmask}" if netmask else element)[1]
            by_size.setdefault(last - first, ([], []))["nomatch" in options].append((first, last))
    except ValueError as error:
        return NamedSet(unread=str(error))
    # Of networks the narrowest decides, and `nomatch` takes it out (ipset(8)).
    numbers: Numbers = ()
    for _, (members, exceptions) in sorted(by_size.items(), reverse=True):
        numbers = subtract(unite(numbers, normalise(members)), normalise(exceptions))
    return NamedSet(v6=numbers) if found.options.get("family") == "inet6" else NamedSet(v4=numbers)


def _union(found: _Set, sets: Mapping[str, _Set], seen: frozenset[str]) -> NamedSet:
    v4: Numbers = ()
    v6: Numbers = ()
    for name, *_ in found.elements:
        if name not in sets or name in seen:
            return NamedSet(unread=f"its member {name} was not read")
        part = _named(sets[name], sets, seen | {name})
        if part.unread:
            return part
        v4, v6 = unite(v4, part.v4), unite(v6, part.v6)
    return NamedSet(v4, v6)
