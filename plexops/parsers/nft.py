"""`nft -j list ruleset`: the packet filter's own account, flattened to rows (libnftables-json(5))."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address

from plexops.model.exchange import Json
from plexops.parsers.base import ParseError
from plexops.parsers.plain import parse_json

_Object = Mapping[str, Json]

#: Fields of matches that become a column, by (what is matched, which part of it).
_META = {
    "iifname": "iifname", "oifname": "oifname", "iif": "iifname", "oif": "oifname",
    "l4proto": "protocol", "nfproto": "nfproto",
}  # fmt: skip
_CT = {"state": "ct_state", "status": "ct_status"}
_IP = {"saddr": "saddr", "daddr": "daddr", "protocol": "protocol", "nexthdr": "protocol"}
_PORTS = frozenset({"sport", "dport"})
#: Raw places in the IPv4 header, in bits (miniupnpd writes such rules): base, offset, length.
_RAW = {
    ("nh", 72, 8): "protocol",
    ("nh", 96, 32): "saddr",
    ("nh", 128, 32): "daddr",
    ("th", 0, 16): "sport",
    ("th", 16, 16): "dport",
}
_PROTOCOL_NUMBERS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "ipv6-icmp"}

_FINAL = frozenset({"accept", "drop", "return", "continue", "queue", "reject", "masquerade"})
#: The priority at which destinations are translated.
_DSTNAT = -100
#: Statements that decide nothing about the packet.
_HARMLESS = frozenset({"counter", "log", "ct helper"})


def parse_nft(text: str) -> dict[str, Json]:
    """Read the ruleset as `tables`, `chains` and `rules`; every value is text, what is absent has no key.

    tables: family, name, handle. chains: family, table, name, handle, and for base chains type, hook, prio, policy.
    rules, in order: family, table, chain, handle, position (from 1, in its chain), comment; the columns iifname,
    oifname, protocol, nfproto, saddr, daddr, sport, dport (`32500`, `1000-2000`, `22,8096`), icmp_type, ct_state,
    ct_status; verdict (accept, drop, reject, jump, goto, return, continue, queue, dnat, snat, redirect, masquerade;
    absent when the rule has none), target of a jump, dnat_address, dnat_port, snat_address.

    filter: see `_filter_rows`. nat: see `_nat_rows`.

    `understood` is `1` only if the row says all that decides what the rule does. `negated` names columns that are
    matched by "not": such a row is not understood. What it is not stands in `not_saddr` and so on, where it is plain,
    and `only_negated` is `1` where nothing else is left open. A rule with a verdict map becomes one row per verdict,
    with one handle and position. Raises ParseError for anything but nft's JSON.
    """
    document = parse_json(text)
    objects = document.get("nftables") if isinstance(document, Mapping) else None
    if not isinstance(objects, list):
        raise ParseError("no answer of `nft -j`", text.strip())
    tables: list[Json] = []
    chains: list[Json] = []
    rules: list[Json] = []
    positions: dict[tuple[str, str, str], int] = {}
    for item in objects:
        if not isinstance(item, Mapping):
            raise ParseError("no object of nft", str(item))
        if isinstance(table := item.get("table"), Mapping):
            tables.append(_texts(table, ("family", "name", "handle")))
        elif isinstance(chain := item.get("chain"), Mapping):
            keys = ("family", "table", "name", "handle", "type", "hook", "prio", "policy")
            _place(chain, "name")
            chains.append(_texts(chain, keys))
        elif isinstance(rule := item.get("rule"), Mapping):
            where = _place(rule, "chain")
            positions[where] = positions.get(where, 0) + 1
            rules.extend(_rows(rule, positions[where]))
    return {
        "tables": tables,
        "chains": chains,
        "rules": rules,
        "filter": _filter_rows(chains, rules),
        "nat": _nat_rows(chains, rules),
    }


def _by_chain(rules: list[Json]) -> dict[tuple[str, str, str], list[_Object]]:
    found: dict[tuple[str, str, str], list[_Object]] = {}
    for rule in rules:
        if isinstance(rule, Mapping):
            found.setdefault(_place(rule, "chain"), []).append(rule)
    return found


def _nat_rows(chains: list[Json], rules: list[Json]) -> list[Json]:
    """Give the rules of chains that translate addresses, as the first packet from outside meets them.

    Chains of the prerouting hook by priority; of those with the same one the kernel asks the newest first (tried with
    Linux 6.18: the last that was made wins). A chain that is jumped to stands where the jump is. What is not met that
    way stands at the end, in its own order. A rule comes once, where it is met first.
    """
    by_chain = _by_chain(rules)
    bases = [
        (int(str(chain.get("prio", "0"))), -index, _place(chain, "name"))
        for index, chain in enumerate(chains)
        if isinstance(chain, Mapping) and chain.get("type") == "nat" and chain.get("hook") == "prerouting"
    ]
    order: list[tuple[str, str, str]] = []
    found: list[Json] = []

    def follow(where: tuple[str, str, str]) -> None:
        if where in order:
            return
        order.append(where)
        for rule in by_chain.get(where, ()):
            found.append({**rule, **_protocol(rule)})
            if rule.get("verdict") in ("jump", "goto"):
                follow((where[0], where[1], str(rule.get("target"))))

    for _, _, where in sorted(bases):
        follow(where)
    filtering = {
        _place(chain, "name")
        for chain in chains
        if isinstance(chain, Mapping) and chain.get("type", "nat") != "nat"
    }
    for where in by_chain:
        if where not in filtering:
            follow(where)
    return found


def _filter_rows(chains: list[Json], rules: list[Json]) -> list[Json]:
    """Give what decides about packets, chain by chain: the rules in order, then a base chain's policy as its last.

    Each row also has `chain_id` (`inet filter forward`), `hook` (empty for a chain that is only jumped to), `base`,
    and its `target` as a chain_id. `early` is `true` in base chains that are asked before addresses are translated, and
    absent elsewhere. A goto is followed by a row that returns. Chains that translate addresses do not filter and are
    left out.
    """
    found: list[Json] = []
    by_chain = _by_chain(rules)
    for chain in chains:
        if not isinstance(chain, Mapping) or chain.get("type", "filter") != "filter":
            continue
        where = _place(chain, "name")
        common: dict[str, Json] = {
            "chain_id": " ".join(where),
            "hook": chain.get("hook", ""),
            "base": "true" if "hook" in chain else "false",
            **({"early": "true"} if _is_early(chain) else {}),
        }
        for rule in by_chain.get(where, ()):
            target = rule.get("target")
            full = {} if target is None else {"target": f"{where[0]} {where[1]} {target}"}
            row = {**rule, **common, **_protocol(rule), **full}
            found.append(row)
            if rule.get("verdict") == "goto":
                # Nothing comes back from a goto: what its target lets through has left this chain too.
                found.append({**{k: v for k, v in row.items() if k != "target"}, "verdict": "return"})
        if "policy" in chain:
            found.append({"family": where[0], "verdict": chain["policy"], "handle": "policy", **common})
    return found


def _is_early(chain: _Object) -> bool:
    """Tell whether a base chain is asked before the kernel translates destinations, at priority -100."""
    priority = str(chain.get("prio", "0"))
    return chain.get("hook") == "ingress" or (
        chain.get("hook") == "prerouting" and priority.lstrip("-").isdigit() and int(priority) < _DSTNAT
    )


def _protocol(rule: _Object) -> dict[str, Json]:
    """Give a filter row's protocol where it has another word there: `tcp udp` for every set that holds tcp."""
    written = rule.get("protocol")
    if written is None:
        return {"protocol": "icmp"} if "icmp_type" in rule else {}
    words = str(written).split(",")
    return {"protocol": "tcp udp"} if "tcp" in words and len(words) > 1 else {}


def _place(source: _Object, name: str) -> tuple[str, str, str]:
    """Give the family, table and chain of a chain or rule; ParseError when one is missing."""
    family, table, chain = (source.get(key) for key in ("family", "table", name))
    if not (isinstance(family, str) and isinstance(table, str) and isinstance(chain, str)):
        raise ParseError("a chain or rule without its place", str(source))
    return family, table, chain


def _texts(source: _Object, keys: tuple[str, ...]) -> dict[str, Json]:
    return {key: str(source[key]) for key in keys if source.get(key) is not None}


def _rows(rule: _Object, position: int) -> Iterator[dict[str, Json]]:
    statements = rule.get("expr")
    if not isinstance(statements, list):
        raise ParseError("a rule without its expression", str(rule))
    row = _Flat()
    for statement in statements:
        if not isinstance(statement, Mapping) or len(statement) != 1:
            raise ParseError("a statement that is no object", str(statement))
        ((kind, content),) = statement.items()
        row.take(kind, content)
    head = _texts(rule, ("family", "table", "chain", "handle"))
    head["position"] = str(position)
    head.update(_texts(rule, ("comment",)))
    for columns in row.finished():
        yield {**head, **columns}


class _Flat:
    """One rule on its way to rows."""

    def __init__(self) -> None:
        self.columns: dict[str, str] = {}
        #: What is matched by "not", with its value where that is plain.
        self.negated: dict[str, str] = {}
        self.understood = True
        #: Of a verdict map: the column that it looks at, and what it does for which values.
        self.map: list[tuple[str, str, dict[str, str]]] = []

    def take(self, kind: str, content: Json) -> None:
        """Take one statement in; what is not known makes the row not understood."""
        if kind == "match" and isinstance(content, Mapping):
            self._match(content)
        elif kind == "vmap" and isinstance(content, Mapping):
            self._verdict_map(content)
        elif kind == "xt" and isinstance(content, Mapping):
            # A match or target of iptables-nft, whose content nft does not show.
            self.understood = False
            if content.get("type") == "target" and content.get("name") == "REJECT":
                self.columns["verdict"] = "reject"
        elif (verdict := _verdict(kind, content)) is not None:
            self.understood = (
                self.understood and verdict.pop("understood", "1") == "1" and "verdict" not in self.columns
            )
            self.columns.update(verdict)
        elif kind not in _HARMLESS:
            self.understood = False

    def _match(self, match: _Object) -> None:
        column, protocol = _column(match.get("left"))
        operator = match.get("op")
        if protocol:
            self._put("protocol", protocol)
        if column is None or operator not in {"==", "in", "!="}:
            self.understood = False
        elif operator == "!=":
            self._put_negated(column, _value(match.get("right"), column))
        else:
            value = _value(match.get("right"), column)
            self._put(column, value)
            self.understood = self.understood and _is_plain(value)

    def _put(self, column: str, value: str) -> None:
        present = self.columns.get(column)
        if column == "protocol" and present is not None and value in present.split(","):
            self.columns[column] = value
        elif present is not None and present != value:
            self.understood = False
        else:
            self.columns[column] = value

    def _put_negated(self, column: str, value: str) -> None:
        if column in self.negated or not _is_plain(value):
            self.understood = False
            value = ""
        self.negated[column] = value

    def _verdict_map(self, content: _Object) -> None:
        column, protocol = _column(content.get("key"))
        data = content.get("data")
        pairs = data.get("set") if isinstance(data, Mapping) else None
        if protocol:
            self._put("protocol", protocol)
        if column is None or column in self.columns or self.map or not isinstance(pairs, list):
            self.understood = False
            return
        for pair in pairs:
            if (
                not isinstance(pair, list)
                or len(pair) != 2
                or not isinstance(pair[1], Mapping)
                or len(pair[1]) != 1
            ):
                self.understood = False
                continue
            ((kind, target),) = pair[1].items()
            verdict = _verdict(kind, target)
            value = _value(pair[0], column)
            if verdict is None or not _is_plain(value):
                self.understood = False
            else:
                self.map.append((column, value, verdict))

    def finished(self) -> Iterator[dict[str, Json]]:
        """Give the rows: one, or one per verdict of a map."""
        tail = {"negated": ",".join(self.negated)} if self.negated else {}
        tail |= {f"not_{column}": value for column, value in self.negated.items() if value}
        if self.negated and self.understood:
            tail["only_negated"] = "1"
        tail["understood"] = "1" if self.understood and not self.negated else "0"
        grouped: dict[tuple[tuple[str, str], ...], list[str]] = {}
        for _, value, verdict in self.map:
            grouped.setdefault(tuple(verdict.items()), []).append(value)
        for verdict_items, values in grouped.items():
            yield {**self.columns, self.map[0][0]: ",".join(values), **dict(verdict_items), **tail}
        if not grouped:
            yield {**self.columns, **tail}


def _column(left: Json) -> tuple[str | None, str]:
    """Give the column that a match looks at, and the protocol that it implies (`tcp dport`)."""
    if not isinstance(left, Mapping) or len(left) != 1:
        return None, ""
    ((kind, content),) = left.items()
    if not isinstance(content, Mapping):
        return None, ""
    if kind in {"meta", "ct"} and set(content) == {"key"}:
        return (_META if kind == "meta" else _CT).get(str(content["key"])), ""
    return _payload(content) if kind == "payload" else (None, "")


def _payload(content: _Object) -> tuple[str | None, str]:
    if "base" in content:
        offset, length = content.get("offset"), content.get("len")
        if isinstance(offset, int) and isinstance(length, int):
            return _RAW.get((str(content["base"]), offset, length)), ""
        return None, ""
    protocol, name = str(content.get("protocol")), str(content.get("field"))
    if protocol in {"ip", "ip6"}:
        return _IP.get(name), ""
    if protocol in {"tcp", "udp", "th"}:
        return (name if name in _PORTS else None), ("" if protocol == "th" else protocol)
    if protocol in {"icmp", "icmpv6"}:
        return ("icmp_type" if name == "type" else None), ("icmp" if protocol == "icmp" else "ipv6-icmp")
    return None, ""


def _value(right: Json, column: str) -> str:
    """Write a value as text: `a,b` for sets, `a-b` for ranges, `a/len` for prefixes, `@name` for named sets.

    What has no such form is written as `?`.
    """
    if isinstance(right, list):
        return ",".join(_value(item, column) for item in right)
    if isinstance(right, bool):
        return "1" if right else "0"
    if isinstance(right, int):
        return _number(right, column)
    if isinstance(right, str):
        return _PROTOCOL_NUMBERS.get(right, right) if column == "protocol" else right
    if isinstance(right, Mapping) and len(right) == 1:
        ((kind, content),) = right.items()
        if kind == "set" and isinstance(content, list):
            return ",".join(_value(item, column) for item in content)
        if kind == "range" and isinstance(content, list) and len(content) == 2:
            return f"{_value(content[0], column)}-{_value(content[1], column)}"
        if kind == "prefix" and isinstance(content, Mapping):
            return f"{content.get('addr')}/{content.get('len')}"
        if kind == "elem" and isinstance(content, Mapping):
            return _value(content.get("val"), column)
    return "?"


def _number(number: int, column: str) -> str:
    if column in {"saddr", "daddr"} and 0 <= number < 2**32:
        return str(IPv4Address(number))
    text = str(number)
    return _PROTOCOL_NUMBERS.get(text, text) if column == "protocol" else text


def _is_plain(value: str) -> bool:
    return "?" not in value and "@" not in value and value != ""


def _verdict(kind: str, content: Json) -> dict[str, str] | None:
    """Give the columns of a verdict; None when the statement is none."""
    if kind in _FINAL:
        return {"verdict": kind}
    details = content if isinstance(content, Mapping) else {}
    if kind in {"jump", "goto"}:
        return {"verdict": kind, "target": str(details.get("target"))}
    if kind not in {"dnat", "snat", "redirect"}:
        return None
    row = {"verdict": kind}
    prefix = "snat" if kind == "snat" else "dnat"
    for key, column in (("addr", f"{prefix}_address"), ("port", f"{prefix}_port")):
        if key not in details:
            continue
        value = _value(details[key], column)
        if _is_plain(value):
            row[column] = value
        else:
            row["understood"] = "0"
    return row
