"""iptables on nf_tables (1.8.9): its rules as `iptables-save` prints them, and as the kernel and nft have them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import BinaryIO, Literal

from msgspec import Struct

from plexops.lab.base import ExecResult
from plexops.lab.routers.nft import Chain, Rule, Ruleset, Table
from plexops.lab.routers.nft_language import SELECTORS, Match, Selector, Value, masked_flags, read_value
from plexops.lab.routers.nft_parser import Base
from plexops.lab.routers.nft_statements import (
    Counter,
    Extension,
    Limit,
    Part,
    Reject,
    Translate,
    Verdict,
    VerdictName,
)
from plexops.lab.shell import Context, fail, say

Family = Literal[4, 6]
LAYERS: Mapping[Family, str] = {4: "ip", 6: "ip6"}
#: The tables in the order in which they are printed, and the hooks of their own chains with their priorities.
TABLES: Mapping[str, tuple[int, tuple[str, ...]]] = {
    "mangle": (-150, ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")),
    "security": (50, ("INPUT", "FORWARD", "OUTPUT")),
    "raw": (-300, ("PREROUTING", "OUTPUT")),
    "filter": (0, ("INPUT", "FORWARD", "OUTPUT")),
    "nat": (-100, ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING")),
}
NO_GENERATION = "Could not fetch rule set generation id: Permission denied (you must be root)"
NO_NAMES = "Failed to list table names in /proc/net/{}_tables_names: Permission denied"
_STAMP = "Mon Nov 17 19:02:11 2025"
_VERDICTS: Mapping[str, VerdictName] = {"ACCEPT": "accept", "DROP": "drop", "RETURN": "return"}
_OPTION = re.compile(r"-[a-z]|--[a-z][a-z0-9-]*")
_MODULE_OPTIONS = frozenset({"--dport", "--sport", "--tcp-flags", "--limit", "--limit-burst"})


class OldTable(Struct):
    """One table: its chains in the order in which they were made, with policies (`-`: none), and its rules."""

    chains: dict[str, str] = {}
    rules: list[tuple[str, str]] = []


def restored(text: str) -> dict[str, OldTable]:
    """Read what iptables-restore takes; rules are written as iptables-save writes them. `-I`: at the head."""
    tables: dict[str, OldTable] = {}
    table = OldTable()
    for line in text.splitlines():
        if line.startswith("*"):
            table = tables.setdefault(line[1:], OldTable())
        elif line.startswith(":"):
            name, policy, *_ = line[1:].split()
            table.chains[name] = policy
        elif line.startswith(("-A ", "-I ")):
            chain, _, spec = line[3:].partition(" ")
            place = len(table.rules)
            if line.startswith("-I"):
                place = next((n for n, (name, _) in enumerate(table.rules) if name == chain), place)
            table.rules.insert(place, (chain, spec))
    return tables


def load(ruleset: Ruleset, family: Family, tables: Mapping[str, OldTable]) -> None:
    """Put the tables into the kernel, instead of all that iptables had there."""
    layer = LAYERS[family]
    for name in TABLES:
        ruleset.tables.pop((layer, name), None)
    for name, old in tables.items():
        ruleset.last_table += 1
        table = Table(layer, name, ruleset.last_table)
        for chain, policy in old.chains.items():
            table.chains[chain] = Chain(chain, table.new_handle(), _base(name, chain, policy))
        for chain, spec in old.rules:
            table.chains[chain].rules.append(Rule(table.new_handle(), tuple(parts(spec, family))))
        ruleset.tables[layer, name] = table


def _base(table: str, chain: str, policy: str) -> Base | None:
    if policy == "-":
        return None
    priority = 100 if table == "nat" and chain in ("INPUT", "POSTROUTING") else TABLES[table][0]
    kind = "nat" if table == "nat" else "route" if (table, chain) == ("mangle", "OUTPUT") else "filter"
    return Base(kind, chain.lower(), priority, policy.lower())


# --- what a rule says -----------------------------------------------------------------------------------


def parts(spec: str, family: Family) -> Iterator[Part]:
    """Give a rule as iptables-nft writes it: interfaces, protocol, addresses, matches, counter, target."""
    words = list(_words(spec))
    plain = {option: (negated, values) for negated, option, values in words if option in _PLAIN}
    protocol = plain["-p"][1][0] if "-p" in plain else ""
    native = protocol in ("tcp", "udp") and any(
        o in ("--dport", "--sport", "--tcp-flags") for _, o, _ in words
    )
    for option, (selector, kind) in _PLAIN.items():
        if option not in plain or (option == "-p" and native):
            continue
        negated, values = plain[option]
        name = (selector[0].replace("ip", LAYERS[family]), *selector[1:]) if kind == "address" else selector
        yield _match(SELECTORS[name], values[0].replace("+", "*"), negated=negated)
    yield from _modules(words, protocol)
    yield Counter()
    yield from _target(words, family)


#: Options of the rule itself, in the kernel's order.
_PLAIN: Mapping[str, tuple[tuple[str, ...], str]] = {
    "-i": (("iifname",), "name"),
    "-o": (("oifname",), "name"),
    "-p": (("meta", "l4proto"), "protocol"),
    "-s": (("ip", "saddr"), "address"),
    "-d": (("ip", "daddr"), "address"),
}
_Word = tuple[bool, str, list[str]]


def _words(spec: str) -> Iterator[_Word]:
    """Give the options with their values, and whether they are negated."""
    negated = False
    rest = shlex.split(spec)
    while rest:
        word = rest.pop(0)
        if word == "!":
            negated = True
            continue
        values = []
        while rest and rest[0] != "!" and not _OPTION.fullmatch(rest[0]):
            values.append(rest.pop(0))
        yield negated, word, values
        negated = False


def _match(selector: Selector, text: str, *, negated: bool) -> Match:
    value = read_value(selector.kind, text, quoted=False)
    return Match(selector, (value,), negated)


def _modules(words: list[_Word], protocol: str) -> Iterator[Part]:
    module = ""
    held: list[_Word] = []
    for negated, option, values in [*words, (False, "-m", [""])]:
        if option in ("-j", "-g", "-m"):
            if module:
                yield from _module(module, held, protocol)
            module, held = values[0] if option == "-m" else "", []
        elif module:
            held.append((negated, option, values))


def _module(name: str, words: list[_Word], protocol: str) -> Iterator[Part]:
    given = {option: values for _, option, values in words}
    if name in ("tcp", "udp"):
        for negated, option, values in words:
            if option == "--tcp-flags":
                yield masked_flags(tuple(values[0].lower().split(",")), tuple(values[1].lower().split(",")))
            else:
                selector = SELECTORS[protocol, option.strip("-")]
                yield _match(selector, values[0].replace(":", "-"), negated=negated)
    elif name == "limit":
        rate, _, per = given["--limit"][0].partition("/")
        unit = next(u for u in ("second", "minute", "hour", "day") if u.startswith(per))
        yield Limit(int(rate), unit, int(given.get("--limit-burst", ["5"])[0]))
    else:
        negated = any(negated for negated, _, _ in words)
        yield _EXTENSIONS.get(name, _unknown)(name, given, protocol, negated)


def _unknown(name: str, _given: Mapping[str, list[str]], _protocol: str, _negated: bool) -> Extension:
    return Extension("match", name, f"xt match {name}")


def _conntrack(name: str, given: Mapping[str, list[str]], _protocol: str, negated: bool) -> Extension:
    states = given["--ctstate"][0].lower().split(",")
    selector = SELECTORS["ct", "state"]
    match = Match(selector, tuple(read_value("state", state, quoted=False) for state in states), negated)
    return Extension("match", name, f"ct state {'!= ' if negated else ''}{','.join(states)}", match)


def _addrtype(name: str, given: Mapping[str, list[str]], _protocol: str, negated: bool) -> Extension:
    kind = given["--dst-type"][0].lower()
    match = _match(SELECTORS["fib", "daddr"], kind, negated=negated)
    return Extension("match", name, match.text(stateless=True), match)


def _multiport(name: str, given: Mapping[str, list[str]], protocol: str, negated: bool) -> Extension:
    (option, (ports, *_)), *_ = given.items()
    values = tuple(_port(text) for text in ports.split(","))
    match = Match(SELECTORS[protocol, option.strip("-").rstrip("s")], values, negated, as_set=len(values) > 1)
    return Extension("match", name, match.text(stateless=True), match)


def _port(text: str) -> Value:
    return read_value("port", text.replace(":", "-"), quoted=False)


def _icmp(name: str, given: Mapping[str, list[str]], _protocol: str, negated: bool) -> Extension:
    selector = SELECTORS["icmpv6" if name == "icmp6" else "icmp", "type"]
    match = _match(selector, next(iter(given.values()))[0], negated=negated)
    # iptables' translation has no words for the newer types, and nft shows their number where it does not know them.
    known = name == "icmp" or match.values[0].first in (*range(1, 5), *range(128, 130), *range(133, 138))
    return Extension("match", name, match.text(stateless=True) if known else f"xt match {name}", match)


def _recent(name: str, given: Mapping[str, list[str]], _protocol: str, _negated: bool) -> Extension:
    # Who comes for the first time was not seen often yet.
    return Extension("match", name, f"xt match {name}", holds="--hitcount" not in given)


def _said(words: str, holds: bool) -> Callable[..., Extension]:
    def make(name: str, given: Mapping[str, list[str]], _protocol: str, _negated: bool) -> Extension:
        value = next(iter(given.values()))[0]
        return Extension("match", name, words.format(value), holds=holds)

    return make


_EXTENSIONS: Mapping[str, Callable[[str, Mapping[str, list[str]], str, bool], Extension]] = {
    "conntrack": _conntrack, "addrtype": _addrtype, "multiport": _multiport, "icmp": _icmp, "icmp6": _icmp,
    "recent": _recent, "comment": _said("", holds=True), "hl": _said("ip6 hoplimit {}", holds=True),
    "rt": _said("rt type {}", holds=False),
}  # fmt: skip


def _target(words: list[_Word], family: Family) -> Iterator[Part]:
    found = next((n for n, (_, option, _) in enumerate(words) if option in ("-j", "-g")), None)
    if found is None:
        return
    _, option, (name, *_) = words[found]
    given = {option: values for _, option, values in words[found + 1 :]}
    if name in _VERDICTS:
        yield Verdict(_VERDICTS[name])
    elif name == "REJECT":
        reset = given.get("--reject-with") == ["tcp-reset"]
        kind = "icmp" if family == 4 else "icmpv6"
        final = Reject("tcp reset", "tcp reset") if reset else Reject("", kind, "port-unreachable")
        yield Extension("target", name, final.text(stateless=True), final=final)
    elif name == "LOG":
        yield Extension("target", name, f'log prefix "{given["--log-prefix"][0]}"')
    elif name == "DNAT":
        address, _, port = given["--to-destination"][0].rpartition(":")
        translate = Translate("dnat", "", address, (int(port), int(port)))
        yield Extension("target", name, translate.text(stateless=True), final=translate)
    elif name == "MASQUERADE":
        yield Extension("target", name, "masquerade", final=Translate("masquerade"))
    else:
        yield Verdict("goto" if option == "-g" else "jump", name)


# --- the commands ---------------------------------------------------------------------------------------


class Save(Struct, frozen=True):
    """`iptables-save` or `ip6tables-save`."""

    family: Family
    tables: Callable[[], Mapping[str, OldTable]]
    ruleset: Ruleset

    def run(self, argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
        """Answer one call; `-c` shows what was counted, `-t` one table."""
        program = "iptables-save" if self.family == 4 else "ip6tables-save"
        counts, only = False, ""
        words = argv[1:]
        while words:
            word = words.pop(0)
            if word in ("-c", "--counters"):
                counts = True
            elif word in ("-t", "--table") and words:
                only = words.pop(0)
            elif word.startswith("-"):
                return fail(
                    f"{program}: unrecognized option '{word}'\nLook at manual page `{program}.8' for more information."
                )
            else:
                return fail("Unknown arguments found on commandline")
        if context.user != "root":
            return fail(f"{program} v1.8.9 (nf_tables): {NO_GENERATION}", 4)
        if only and only not in TABLES:
            return fail(f"Table `{only}' does not exist")
        tables = self.tables()
        wanted = [only] if only else [name for name in TABLES if name in tables]
        shown = (self._table(name, tables.get(name) or _empty(name), counts=counts) for name in wanted)
        stamp = (f"# Generated by {program} v1.8.9 (nf_tables) on {_STAMP}\n", f"# Completed on {_STAMP}\n")
        return say("".join(f"{stamp[0]}*{text}COMMIT\n{stamp[1]}" for text in shown))

    def _table(self, name: str, old: OldTable, *, counts: bool) -> str:
        order = [*TABLES[name][1], *sorted(chain for chain, policy in old.chains.items() if policy == "-")]
        chains = [chain for chain in order if chain in old.chains]
        lines = [f":{chain} {old.chains[chain]} [0:0]" for chain in chains]
        lines += [line for chain in chains for line in self._rules(name, chain, old.rules, counts=counts)]
        return f"{name}\n" + "".join(f"{line}\n" for line in lines)

    def _rules(
        self, name: str, chain: str, rules: Iterable[tuple[str, str]], *, counts: bool
    ) -> Iterator[str]:
        table = self.ruleset.tables.get((LAYERS[self.family], name))
        held = table.chains[chain].rules if table is not None and chain in table.chains else []
        for place, spec in enumerate(spec for where, spec in rules if where == chain):
            counter = next(part for part in held[place].parts if isinstance(part, Counter))
            yield f"[{counter.packets}:{counter.octets}] " * counts + f"-A {chain} {spec}"


def _empty(name: str) -> OldTable:
    return OldTable(dict.fromkeys(TABLES[name][1], "ACCEPT"))


def legacy_save(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    """Answer `iptables-legacy-save` or its like for IPv6: there is none of its tables."""
    if context.user != "root":
        return fail(NO_NAMES.format("ip6" if "ip6" in argv[0] else "ip"))
    return say("")
