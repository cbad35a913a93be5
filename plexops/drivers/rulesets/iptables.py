"""`iptables-save` and `ip6tables-save`, of either kernel part, as chains: one rule a line, in order.

Modelled: see `iptables_matches` and `iptables_targets`. A table that the text does not hold whole is *not read*.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from plexops.drivers.rulesets.base import Part
from plexops.drivers.rulesets.iptables_lines import split_line
from plexops.drivers.rulesets.iptables_matches import comment_of, read_matches
from plexops.drivers.rulesets.iptables_options import unknown
from plexops.drivers.rulesets.iptables_sets import read_ipsets
from plexops.drivers.rulesets.iptables_targets import read_effects
from plexops.model.packets import Chain, Family, Hook, NamedSet, Rule, UnknownEffect, Verdict

__all__ = ["read_ipsets", "read_iptables"]

#: The chains in which packets enter each table.
_BUILTIN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "raw": ("PREROUTING", "OUTPUT"),
        "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
        "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
        "filter": ("INPUT", "FORWARD", "OUTPUT"),
        "security": ("INPUT", "FORWARD", "OUTPUT"),
    }
)
_PRIORITIES: Mapping[str, int] = MappingProxyType(
    {"raw": -300, "mangle": -150, "nat": -100, "filter": 0, "security": 50}
)
_POLICIES: Mapping[str, Verdict] = MappingProxyType({"ACCEPT": Verdict.ACCEPT, "DROP": Verdict.DROP})
_CHAIN = re.compile(r":(\S+) (\S+)(?: \[[0-9]+:[0-9]+\])?")
_RULE = re.compile(r"(?:\[[0-9]+:[0-9]+\] )?(-A (\S+)(.*))")
#: What iptables-save says of a table in which nft made what iptables cannot have.
_ONLY_NFT = re.compile(r"# Table `(\S+)' is incompatible, use 'nft' tool\.")
_ALSO_NFT = re.compile(r"# Table `(\S+)' contains incompatible base-chains, use 'nft' tool to list them\.")


@dataclass(slots=True)
class _Table:
    """One table of the text: its chains' policies (`-` for people's own) and lines. `trouble`: why it is not read."""

    name: str
    policies: dict[str, str] = field(default_factory=dict)
    lines: list[tuple[str, str, str]] = field(default_factory=list)
    trouble: str = ""
    whole: bool = False


def read_iptables(
    text: str, family: Family, legacy: bool, ipsets: Mapping[str, NamedSet], exhibit: str
) -> Part:
    """Read a whole text. `ipsets` are what `read_ipsets` gave; `exhibit` names the answer.

    Chain ids are `ip filter INPUT`, `ip6 nat PREROUTING`, for the old kernel part `legacy ip filter INPUT`. A text
    without any table that is not empty makes all tables *not read*.
    """
    tables, said = _tables(text)
    if not tables and said:
        tables = [_Table(name, trouble=f"iptables-save did not list it: {said[0]:.120}") for name in _BUILTIN]
    prefix = f"{'legacy ' if legacy else ''}{'ip' if family == 4 else 'ip6'}"
    chains = [chain for table in tables for chain in _chains(table, prefix, family, exhibit)]
    return Part(tuple(chains), ipsets, tuple(f"{prefix}: {line:.120}" for line in said[:5]))


def _tables(text: str) -> tuple[list[_Table], list[str]]:
    """Part the text into tables, and what it says beside them that a reader should know."""
    tables: list[_Table] = []
    said: list[str] = []
    table: _Table | None = None
    for line in (line.strip() for line in text.split("\n")):
        if line.startswith("*"):
            table = _Table(line[1:])
            tables.append(table)
        elif (only := _ONLY_NFT.fullmatch(line)) is not None:
            tables.append(_Table(only[1], trouble="it has rules that only nft shows"))
        elif _ALSO_NFT.fullmatch(line) is not None:
            said.append(line.strip("# "))
        elif not line or line.startswith("#"):
            continue
        elif table is None:
            said.append(line)
        elif line == "COMMIT":
            table.whole = True
            table = None
        else:
            _take(table, line)
    for found in tables:
        if not found.whole and not found.trouble:
            found.trouble = "the answer ends in the middle of the table"
    return tables, said


def _take(table: _Table, line: str) -> None:
    if (chain := _CHAIN.fullmatch(line)) is not None:
        table.policies[chain[1]] = chain[2]
    elif (rule := _RULE.fullmatch(line)) is not None and rule[2] in table.policies:
        table.lines.append((rule[2], rule[1], rule[3]))
    else:
        table.trouble = f"a line is not understood: {line}"


def _chains(table: _Table, prefix: str, family: Family, exhibit: str) -> Iterator[Chain]:
    own = f"{prefix} {table.name} "
    builtin = _BUILTIN.get(table.name, ())
    rules: dict[str, list[Rule]] = {}
    if not table.trouble:
        for chain, words, text in table.lines:
            found = rules.setdefault(chain, [])
            found.append(_rule(words, text, table, (own, chain, str(len(found) + 1), exhibit), family))
    for chain in dict.fromkeys((*table.policies, *builtin)):
        policy = table.policies.get(chain, "ACCEPT")
        trouble = table.trouble
        if policy != "-" and (chain not in builtin or policy not in _POLICIES):
            trouble = trouble or f"iptables has no chain {chain} with the policy {policy} here"
        yield Chain(
            own + chain, tuple(rules.get(chain, ())), _hook(table.name, chain, policy, family), trouble
        )


def _hook(table: str, chain: str, policy: str, family: Family) -> Hook | None:
    if policy == "-" or chain not in _BUILTIN.get(table, ()):
        return None
    priority = 100 if table == "nat" and chain in ("INPUT", "POSTROUTING") else _PRIORITIES[table]
    verdict = _POLICIES.get(policy, Verdict.ACCEPT)
    return Hook(chain.lower(), priority, table == "nat", verdict, frozenset({family}))


def _rule(words: str, text: str, table: _Table, place: tuple[str, str, str, str], family: Family) -> Rule:
    own, chain, handle, exhibit = place
    try:
        line = split_line(text, family)
    except ValueError:
        return Rule((unknown(words),), (UnknownEffect(words),), words, handle=handle, exhibit=exhibit)
    effects = read_effects(line.target, table.policies, own, chain, goto=line.goto)
    return Rule(read_matches(line, family), effects, words, comment_of(line), handle, exhibit)
