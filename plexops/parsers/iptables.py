"""`iptables-save`: the rules of the old tool, whichever of its two kernels holds them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from plexops.model.exchange import Json
from plexops.parsers.base import ParseError, lines_of

#: Where a packet for the host itself meets a table, beside the table that translates addresses.
_HOOKS: Mapping[str, str] = MappingProxyType(
    {"PREROUTING": "prerouting", "INPUT": "input", "FORWARD": "forward", "OUTPUT": "output"}
)
#: These are asked before addresses are translated.
_EARLY = frozenset({("raw", "PREROUTING"), ("mangle", "PREROUTING")})
_CHAIN = re.compile(r":(\S+) (\S+)(?: \[[0-9]+:[0-9]+\])?")
_RULE = re.compile(r"(?:\[[0-9]+:[0-9]+\] )?-A (\S+)(.*)")
_TABLES = frozenset({"raw", "mangle", "nat", "filter", "security"})

_VERDICTS: Mapping[str, str] = MappingProxyType(
    {"ACCEPT": "accept", "DROP": "drop", "REJECT": "reject", "RETURN": "return", "TARPIT": "drop"}
)
#: Targets after which the next rule is asked.
_HARMLESS = frozenset(
    {
        "LOG", "NFLOG", "ULOG", "MARK", "CONNMARK", "CT", "NOTRACK", "TRACE", "SET", "TCPMSS", "DSCP", "TOS",
        "CHECKSUM", "AUDIT", "CLASSIFY", "SECMARK", "CONNSECMARK", "RATEEST", "TTL", "HL", "LED", "TEE",
    }
)  # fmt: skip
#: Options of which the value is a column.
_COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "-s": "saddr", "-d": "daddr", "-i": "iifname", "-o": "oifname", "-p": "protocol",
        "--dport": "dport", "--dports": "dport", "--sport": "sport", "--sports": "sport",
        "--ctstate": "ct_state", "--state": "ct_state", "--comment": "comment",
    }
)  # fmt: skip
#: What only names the match whose options follow.
_SILENT = frozenset({"-m"})
#: Every packet for a host has one of these, and the first packet of a connection from outside the first.
_TYPES = frozenset({"LOCAL", "BROADCAST", "MULTICAST", "UNICAST", "ANYCAST", "BLACKHOLE"})


def parse_iptables_save(text: str) -> dict[str, Json]:
    """Read all tables: `variant` (`nf_tables` or `legacy`), `tables` by name, and `filter`, the rules in order.

    The rows of `filter` are those of `parse_nft`, with chain_ids such as `ip filter INPUT`; a base chain's policy is
    its last row. The table that translates addresses is named in `tables` and has no rows. Raises ParseError for
    anything but an answer of iptables-save.
    """
    variant = "legacy"
    tables: list[Json] = []
    chains: dict[str, dict[str, str]] = {}
    rules: dict[tuple[str, str], list[str]] = {}
    table = ""
    for line in lines_of(text):
        if line.startswith("#"):
            if "(nf_tables)" in line or "iptables-nft-save" in line:
                variant = "nf_tables"
        elif line.startswith("*"):
            table = line[1:]
            if table not in _TABLES:
                raise ParseError("a table that iptables does not have", line)
            tables.append(table)
            chains[table] = {}
        elif line == "COMMIT" or not line:
            continue
        elif table and (chain := _CHAIN.fullmatch(line)):
            chains[table][chain[1]] = chain[2]
        elif table and (rule := _RULE.fullmatch(line)) and rule[1] in chains[table]:
            rules.setdefault((table, rule[1]), []).append(rule[2])
        else:
            raise ParseError("no answer of iptables-save", line)
    if text.strip() and not tables and not text.lstrip().startswith("#"):
        raise ParseError("no answer of iptables-save", text.strip())
    rows = [
        row
        for name, found in chains.items()
        if name != "nat"
        for chain, policy in found.items()
        for row in _chain_rows(name, chain, policy, rules.get((name, chain), []), found)
    ]
    return {"variant": variant, "tables": tables, "filter": rows}


def _chain_rows(
    table: str, chain: str, policy: str, rules: list[str], chains: Mapping[str, str]
) -> Iterator[dict[str, Json]]:
    base = policy != "-"
    common: dict[str, Json] = {
        "family": "ip",
        "table": table,
        "chain": chain,
        "chain_id": f"ip {table} {chain}",
        "hook": _HOOKS.get(chain, "") if base else "",
        "base": "true" if base else "false",
        **({"early": "true"} if (table, chain) in _EARLY else {}),
    }
    for position, rule in enumerate(rules, 1):
        row = {**_rule(rule, table, chains), **common, "handle": str(position), "position": str(position)}
        yield row
        if row.get("verdict") == "goto":
            # Nothing comes back from a goto: what its target lets through has left this chain too.
            yield {**{k: v for k, v in row.items() if k != "target"}, "verdict": "return"}
    if base:
        yield {**common, "verdict": policy.lower(), "handle": "policy", "understood": "1"}


@dataclass(slots=True)
class _Flat:
    """One rule on its way to a row."""

    columns: dict[str, Json] = field(default_factory=dict)
    negated: dict[str, str] = field(default_factory=dict)
    understood: bool = True

    def put(self, column: str, value: str, *, negated: bool) -> None:
        """Take one match in; two of one column are not understood."""
        if column in self.columns or column in self.negated:
            self.understood = False
        elif negated:
            self.negated[column] = value
        else:
            self.columns[column] = value

    def row(self) -> dict[str, Json]:
        """Give the row."""
        tail: dict[str, Json] = {f"not_{column}": value for column, value in self.negated.items()}
        if self.negated:
            tail["negated"] = ",".join(self.negated)
            if self.understood:
                tail["only_negated"] = "1"
        tail["understood"] = "1" if self.understood and not self.negated else "0"
        return {**self.columns, **tail}


def _rule(text: str, table: str, chains: Mapping[str, str]) -> dict[str, Json]:
    try:
        words = shlex.split(text)
    except ValueError:
        raise ParseError("a rule whose quotes are not closed", text) from None
    flat = _Flat()
    negated = False
    while words:
        word = words.pop(0)
        if word == "!":
            negated = True
            continue
        values: list[str] = []
        while words and words[0] != "!" and not _is_option(words[0]):
            values.append(words.pop(0))
        value = " ".join(values)
        if word in ("-j", "-g"):
            flat.columns |= _target(word, value, table, chains, flat)
            # What follows belongs to the target: how it rejects, what it logs.
            break
        _take(flat, word, value, negated=negated)
        negated = False
    return flat.row()


def _is_option(word: str) -> bool:
    return re.fullmatch(r"-[a-z]|--[a-z][a-z0-9-]*", word) is not None


def _take(flat: _Flat, word: str, value: str, *, negated: bool) -> None:
    column = _COLUMNS.get(word)
    if column in {"protocol", "ct_state"}:
        flat.put(column, value.lower(), negated=negated)
    elif column in {"dport", "sport"}:
        flat.put(column, value.replace(":", "-"), negated=negated)
    elif column in ("iifname", "oifname"):
        flat.put(column, value[:-1] + "*" if value.endswith("+") else value, negated=negated)
    elif column is not None:
        flat.put(column, value, negated=negated)
    elif word == "--dst-type" and value in _TYPES:
        flat.put("daddr_type", value.lower(), negated=negated)
    elif word == "--tcp-flags" and not negated and value in ("FIN,SYN,RST,ACK SYN", "SYN,RST,ACK SYN"):
        return  # the first packet of every connection
    elif word not in _SILENT:
        flat.understood = False


def _target(word: str, name: str, table: str, chains: Mapping[str, str], flat: _Flat) -> dict[str, Json]:
    if name in chains:
        return {"verdict": "goto" if word == "-g" else "jump", "target": f"ip {table} {name}"}
    if name in _VERDICTS:
        return {"verdict": _VERDICTS[name]}
    if name not in _HARMLESS:
        flat.understood = False
        return {"verdict": "queue"}
    return {}
