"""The words of nftables' own language, as far as a home's router says them, and how nft 1.0.6 prints them.

Texts and JSON are those of the real nft: a test runs both side by side on the same input.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, Literal

from msgspec import Struct

#: Of two names for one number nft prints the first.
PROTOCOLS: Mapping[str, int] = {
    "icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "ah": 51, "ipv6-icmp": 58, "icmpv6": 58,
    "ospf": 89, "sctp": 132, "udplite": 136,
}  # fmt: skip
STATES: Mapping[str, int] = {"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64}
STATUSES: Mapping[str, int] = {
    "expected": 1, "seen-reply": 2, "assured": 4, "confirmed": 8, "snat": 16, "dnat": 32, "dying": 512,
}  # fmt: skip
NFPROTOCOLS: Mapping[str, int] = {"ipv4": 2, "ipv6": 10}
ICMP_TYPES: Mapping[str, int] = {
    "echo-reply": 0, "destination-unreachable": 3, "source-quench": 4, "redirect": 5, "echo-request": 8,
    "router-advertisement": 9, "router-solicitation": 10, "time-exceeded": 11, "parameter-problem": 12,
    "timestamp-request": 13, "timestamp-reply": 14,
}  # fmt: skip
ICMPV6_TYPES: Mapping[str, int] = {
    "destination-unreachable": 1, "packet-too-big": 2, "time-exceeded": 3, "parameter-problem": 4,
    "echo-request": 128, "echo-reply": 129, "mld-listener-query": 130, "mld-listener-report": 131,
    "mld-listener-done": 132, "nd-router-solicit": 133, "nd-router-advert": 134, "nd-neighbor-solicit": 135,
    "nd-neighbor-advert": 136, "nd-redirect": 137, "router-renumbering": 138, "ind-neighbor-solicit": 141,
    "ind-neighbor-advert": 142, "mld2-listener-report": 143,
}  # fmt: skip
ICMPV6_CODES: Mapping[str, int] = {
    "no-route": 0, "admin-prohibited": 1, "addr-unreachable": 3, "port-unreachable": 4, "policy-fail": 5,
    "reject-route": 6,
}  # fmt: skip
#: What an address is to the host itself (`fib daddr type`).
ADDRESS_TYPES: Mapping[str, int] = {"unicast": 1, "local": 2, "broadcast": 3, "multicast": 5}
TCP_FLAGS: Mapping[str, int] = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32}
SERVICES: Mapping[str, int] = {"ssh": 22, "domain": 53, "bootps": 67, "bootpc": 68, "http": 80, "https": 443}
PRIORITIES: Mapping[str, int] = {
    "raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100,
}  # fmt: skip
PRIORITY_REACH = 10

Kind = Literal[
    "ifname", "port", "address", "address6", "mac", "protocol", "state", "status", "nfproto", "icmp", "icmp6",
    "code6", "fib", "flags", "raw", "concat", "text",
]  # fmt: skip
#: These are bits in one word: several are written with commas, and JSON says "in".
FLAG_KINDS = frozenset({"state", "status"})
NAMES: Mapping[str, Mapping[str, int]] = {
    "protocol": PROTOCOLS,
    "state": STATES,
    "status": STATUSES,
    "nfproto": NFPROTOCOLS,
    "icmp": ICMP_TYPES,
    "icmp6": ICMPV6_TYPES,
    "code6": ICMPV6_CODES,
    "fib": ADDRESS_TYPES,
}


class Selector(Struct, frozen=True):
    """What a match looks at: its words, what JSON calls it, and which values it takes."""

    text: str
    json: Mapping[str, Any]
    kind: Kind
    #: The transport protocol that the words imply (`tcp dport` only looks at TCP).
    protocol: str = ""
    #: `ip` or `ip6`, where the words imply one.
    network: str = ""
    #: Of a concatenation: what it is made of.
    fields: tuple[Selector, ...] = ()
    #: The TCP flags that are looked at.
    mask: int = 0


def _meta(key: str, kind: Kind, *, bare: bool = False) -> Selector:
    return Selector(key if bare else f"meta {key}", {"meta": {"key": key}}, kind)


def _payload(protocol: str, field: str, kind: Kind, transport: str = "") -> Selector:
    json = {"payload": {"protocol": protocol, "field": field}}
    network = {"icmp": "ip", "icmpv6": "ip6"}.get(protocol, protocol if protocol in ("ip", "ip6") else "")
    return Selector(f"{protocol} {field}", json, kind, transport, network)


def concatenated(fields: tuple[Selector, ...]) -> Selector:
    """Give the selector for `ip saddr . tcp dport`."""
    json = {"concat": [dict(field.json) for field in fields]}
    protocol, network = (next(filter(None, found), "") for found in (
        [field.protocol for field in fields], [field.network for field in fields]))  # fmt: skip
    return Selector(" . ".join(field.text for field in fields), json, "concat", protocol, network, fields)


def masked_flags(mask: tuple[str, ...], bits: tuple[str, ...]) -> Match:
    """Give the match for `tcp flags syn / fin,syn,rst,ack`; nft orders flags by their bits."""
    mask, bits = (tuple(sorted(names, key=TCP_FLAGS.__getitem__)) for names in (mask, bits))
    left = {"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, list(mask)]}
    selector = Selector("tcp flags", left, "flags", "tcp", mask=sum(TCP_FLAGS[name] for name in mask))
    number = sum(TCP_FLAGS[name] for name in bits)
    json = list(bits) if len(bits) > 1 else bits[0]
    return Match(selector, (Value(f"{','.join(bits)} / {','.join(mask)}", json, number, number),))


def raw_payload(text: str) -> Selector:
    """Give the selector for `@nh,72,8`: so nft shows what miniupnpd made."""
    base, offset, length = text[1:].split(",")
    return Selector(text, {"payload": {"base": base, "offset": int(offset), "len": int(length)}}, "raw")


SELECTORS: Mapping[tuple[str, ...], Selector] = {
    **{(key,): _meta(key, "ifname", bare=True) for key in ("iifname", "oifname", "iif", "oif")},
    **{("meta", key): _meta(key, "ifname", bare=True) for key in ("iifname", "oifname", "iif", "oif")},
    ("meta", "l4proto"): _meta("l4proto", "protocol"),
    ("meta", "nfproto"): _meta("nfproto", "nfproto"),
    ("ip", "saddr"): _payload("ip", "saddr", "address"),
    ("ip", "daddr"): _payload("ip", "daddr", "address"),
    ("ip", "protocol"): _payload("ip", "protocol", "protocol"),
    ("ip6", "saddr"): _payload("ip6", "saddr", "address6"),
    ("ip6", "daddr"): _payload("ip6", "daddr", "address6"),
    ("ether", "saddr"): _payload("ether", "saddr", "mac"),
    ("icmp", "type"): _payload("icmp", "type", "icmp", "icmp"),
    ("icmpv6", "type"): _payload("icmpv6", "type", "icmp6", "ipv6-icmp"),
    ("icmpv6", "code"): _payload("icmpv6", "code", "code6", "ipv6-icmp"),
    **{
        (protocol, field): _payload(protocol, field, "port", "" if protocol == "th" else protocol)
        for protocol in ("tcp", "udp", "th")
        for field in ("sport", "dport")
    },
    ("ct", "state"): Selector("ct state", {"ct": {"key": "state"}}, "state"),
    ("ct", "status"): Selector("ct status", {"ct": {"key": "status"}}, "status"),
    ("ct", "helper"): Selector("ct helper", {"ct": {"key": "helper"}}, "text"),
    ("fib", "daddr"): Selector("fib daddr type", {"fib": {"result": "type", "flags": ["daddr"]}}, "fib"),
}


class Value(Struct, frozen=True):
    """One value or range, as nft prints it, as JSON has it, and as numbers to compare."""

    text: str
    json: Any
    first: int
    last: int


class ValueFault(Exception):
    """A value that nft does not take, in nft's words."""


def read_value(kind: Kind, word: str, *, quoted: bool) -> Value:
    """Read one value of a selector's kind.

    Raises ValueFault.
    """
    if kind == "ifname":
        # nft keeps names in host byte order, so that is how it sorts them.
        number = int.from_bytes(word.encode(), "little")
        return Value(f'"{word}"', word, number, number)
    if kind == "text":
        return Value(f'"{word}"', word, 0, 0)
    if kind == "protocol" and quoted:
        quoted = False  # the names of protocols may be quoted
    if quoted:
        raise ValueFault("syntax error, unexpected quoted string")
    if word.startswith("@"):
        return Value(word, word, -1, -1)
    if kind == "port":
        return _ranged(word, _port)
    if kind in ("address", "address6"):
        return _address(word, 4 if kind == "address" else 6)
    if kind == "mac":
        return Value(word.lower(), word.lower(), *[int(word.replace(":", ""), 16)] * 2)
    if kind == "raw":
        number = int(word, 0)
        return Value(hex(number), number, number, number)
    return _named(word, NAMES[kind])


def _named(word: str, names: Mapping[str, int]) -> Value:
    if word.isdigit():
        number = int(word)
        word = next((name for name, value in names.items() if value == number), word)
    if word.isdigit():
        return Value(word, int(word), int(word), int(word))
    if word not in names:
        raise ValueFault(
            "Could not resolve protocol name" if names is PROTOCOLS else "syntax error, unexpected string"
        )
    return Value(word, word, names[word], names[word])


def _port(word: str) -> int:
    if word in SERVICES:
        return SERVICES[word]
    if not word.isdigit():
        raise ValueFault("Could not resolve service: Servname not supported for ai_socktype")
    if int(word) > 65535:
        raise ValueFault("Service out of range")
    return int(word)


def _ranged(word: str, read: Any) -> Value:
    first_text, dash, last_text = word.partition("-")
    first = read(first_text)
    if not dash:
        return Value(str(first), first, first, first)
    last = read(last_text)
    if last < first:
        raise ValueFault("Range has zero or negative size")
    return Value(f"{first}-{last}", {"range": [first, last]}, first, last)


def _address(word: str, family: int) -> Value:
    address, network = (IPv4Address, IPv4Network) if family == 4 else (IPv6Address, IPv6Network)
    try:
        if "/" in word:
            net = network(word, strict=False)
            start, length = str(net.network_address), net.prefixlen
            if length == net.max_prefixlen:
                return Value(start, start, int(net[0]), int(net[0]))
            json = {"prefix": {"addr": start, "len": length}}
            return Value(str(net), json, int(net[0]), int(net[-1]))
        first_text, dash, last_text = word.partition("-")
        first = address(first_text)
        if not dash:
            return Value(str(first), str(first), int(first), int(first))
        last = address(last_text)
        return Value(f"{first}-{last}", {"range": [str(first), str(last)]}, int(first), int(last))
    except ValueError:
        raise ValueFault("Could not resolve hostname: Name or service not known") from None


def joined(values: tuple[Value, ...]) -> Value:
    """Give one element of a concatenation; nft sorts such by their last field first."""
    number = sum(value.first << (128 * place) for place, value in enumerate(values))
    return Value(" . ".join(v.text for v in values), {"concat": [v.json for v in values]}, number, number)


class Match(Struct, frozen=True):
    """`iifname "wan"`, `tcp dport { 22, 80 }`, `ct state established,related`."""

    selector: Selector
    values: tuple[Value, ...]
    negated: bool = False
    as_set: bool = False

    def text(self, *, stateless: bool) -> str:
        """Give it as nft prints it."""
        operator = "!= " if self.negated else ""
        if self.as_set:
            return f"{self.selector.text} {operator}{{ {', '.join(v.text for v in self.values)} }}"
        return f"{self.selector.text} {operator}{','.join(v.text for v in self.values)}"

    def json(self) -> dict[str, Any]:
        """Give it as `nft -j` does."""
        right: Any = [value.json for value in self.values]
        if self.as_set:
            right = {"set": right}
        elif len(self.values) == 1:
            right = right[0]
        operator = "!=" if self.negated else "=="
        if self.selector.kind in FLAG_KINDS and not self.as_set and not self.negated:
            operator = "in"
        return {"match": {"op": operator, "left": dict(self.selector.json), "right": right}}


def priority_text(priority: int, hook: str) -> str:
    """Write a chain's priority as nft does: by the nearest name that this hook knows."""
    for name, value in PRIORITIES.items():
        if (name, hook) not in ALLOWED_PRIORITIES and name in ("dstnat", "srcnat"):
            continue
        offset = priority - value
        if abs(offset) <= PRIORITY_REACH:
            return name if not offset else f"{name} {'+' if offset > 0 else '-'} {abs(offset)}"
    return str(priority)


ALLOWED_PRIORITIES = frozenset({("dstnat", "prerouting"), ("srcnat", "postrouting")})
