"""The words of nftables' own language, as far as a home's router says them, and how nft 1.0.6 prints them.

Texts and JSON are those of the real nft: a test runs both side by side on the same input.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Literal

PROTOCOLS: Mapping[str, int] = {
    "icmp": 1,
    "igmp": 2,
    "tcp": 6,
    "udp": 17,
    "esp": 50,
    "icmpv6": 58,
    "sctp": 132,
}
STATES: Mapping[str, int] = {"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64}
STATUSES: Mapping[str, int] = {
    "expected": 1, "seen-reply": 2, "assured": 4, "confirmed": 8, "snat": 16, "dnat": 32, "dying": 512,
}  # fmt: skip
NFPROTOCOLS: Mapping[str, int] = {"ipv4": 2, "ipv6": 10}
ICMP_TYPES: Mapping[str, int] = {
    "echo-reply": 0, "destination-unreachable": 3, "redirect": 5, "echo-request": 8, "time-exceeded": 11,
}  # fmt: skip
SERVICES: Mapping[str, int] = {"ssh": 22, "domain": 53, "bootps": 67, "bootpc": 68, "http": 80, "https": 443}
PRIORITIES: Mapping[str, int] = {
    "raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100,
}  # fmt: skip
PRIORITY_REACH = 10

Kind = Literal["ifname", "port", "address", "protocol", "state", "status", "nfproto", "icmp", "raw"]
#: These are bits in one word: several are written with commas, and JSON says "in".
FLAG_KINDS = frozenset({"state", "status"})
NAMES: Mapping[str, Mapping[str, int]] = {
    "protocol": PROTOCOLS,
    "state": STATES,
    "status": STATUSES,
    "nfproto": NFPROTOCOLS,
    "icmp": ICMP_TYPES,
}


@dataclass(frozen=True, slots=True)
class Selector:
    """What a match looks at: its words, what JSON calls it, and which values it takes."""

    text: str
    json: Mapping[str, Any]
    kind: Kind
    #: The transport protocol that the words imply (`tcp dport` only looks at TCP).
    protocol: str = ""


def _meta(key: str, kind: Kind, *, bare: bool = False) -> Selector:
    return Selector(key if bare else f"meta {key}", {"meta": {"key": key}}, kind)


def _payload(protocol: str, field: str, kind: Kind, transport: str = "") -> Selector:
    json = {"payload": {"protocol": protocol, "field": field}}
    return Selector(f"{protocol} {field}", json, kind, transport)


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
    ("icmp", "type"): _payload("icmp", "type", "icmp", "icmp"),
    **{
        (protocol, field): _payload(protocol, field, "port", "" if protocol == "th" else protocol)
        for protocol in ("tcp", "udp", "th")
        for field in ("sport", "dport")
    },
    ("ct", "state"): Selector("ct state", {"ct": {"key": "state"}}, "state"),
    ("ct", "status"): Selector("ct status", {"ct": {"key": "status"}}, "status"),
}


@dataclass(frozen=True, slots=True)
class Value:
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
    if quoted:
        raise ValueFault("syntax error, unexpected quoted string")
    if kind == "port":
        return _ranged(word, _port)
    if kind == "address":
        return _address(word)
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


def _address(word: str) -> Value:
    try:
        if "/" in word:
            network = IPv4Network(word, strict=False)
            address, length = str(network.network_address), network.prefixlen
            if length == 32:
                return Value(address, address, int(network[0]), int(network[0]))
            json = {"prefix": {"addr": address, "len": length}}
            return Value(str(network), json, int(network[0]), int(network[-1]))
        first_text, dash, last_text = word.partition("-")
        first = IPv4Address(first_text)
        if not dash:
            return Value(str(first), str(first), int(first), int(first))
        last = IPv4Address(last_text)
        return Value(f"{first}-{last}", {"range": [str(first), str(last)]}, int(first), int(last))
    except ValueError:
        raise ValueFault("Could not resolve hostname: Name or service not known") from None


@dataclass(frozen=True, slots=True)
class Match:
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


@dataclass(slots=True)
class Counter:
    """Counts the packets that came this far in a rule."""

    packets: int = 0
    octets: int = 0

    def text(self, *, stateless: bool) -> str:
        """Give it as nft prints it."""
        return "counter" if stateless else f"counter packets {self.packets} bytes {self.octets}"

    def json(self) -> dict[str, Any]:
        """Give it as `nft -j` does."""
        return {"counter": {"packets": self.packets, "bytes": self.octets}}


VerdictName = Literal["accept", "drop", "return", "continue", "jump", "goto"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a packet that came this far."""

    name: VerdictName
    target: str = ""

    def text(self, *, stateless: bool) -> str:
        """Give it as nft prints it."""
        return f"{self.name} {self.target}".rstrip()

    def json(self) -> dict[str, Any]:
        """Give it as `nft -j` does."""
        return {self.name: {"target": self.target} if self.target else None}


@dataclass(frozen=True, slots=True)
class Reject:
    """Refuses a packet so that its sender hears of it."""

    words: str
    type: str
    reason: str = ""

    def text(self, *, stateless: bool) -> str:
        """Give it as nft prints it."""
        return f"reject with {self.words}" if self.words else "reject"

    def json(self) -> dict[str, Any]:
        """Give it as `nft -j` does."""
        return {"reject": {"type": self.type, "expr": self.reason} if self.reason else {"type": self.type}}


@dataclass(frozen=True, slots=True)
class Translate:
    """dnat, snat, masquerade and redirect. `family` is written in inet tables only."""

    name: Literal["dnat", "snat", "masquerade", "redirect"]
    family: str = ""
    address: str = ""
    ports: tuple[int, int] | None = None

    def text(self, *, stateless: bool) -> str:
        """Give it as nft prints it."""
        ports = "" if self.ports is None else f":{self._ports()}"
        if not self.address:
            return f"{self.name} to {ports}" if ports else self.name
        return f"{self.name} {f'{self.family} ' if self.family else ''}to {self.address}{ports}"

    def _ports(self) -> str:
        assert self.ports is not None  # noqa: S101 (only asked where there are some)
        first, last = self.ports
        return str(first) if first == last else f"{first}-{last}"

    def json(self) -> dict[str, Any]:
        """Give it as `nft -j` does."""
        inner: dict[str, Any] = {}
        if self.family:
            inner["family"] = self.family
        if self.address:
            inner["addr"] = self.address
        if self.ports is not None:
            first, last = self.ports
            inner["port"] = first if first == last else {"range": [first, last]}
        return {self.name: inner or None}


@dataclass(frozen=True, slots=True)
class Log:
    """Writes a line into the kernel's log."""

    prefix: str = ""

    def text(self, *, stateless: bool) -> str:
        """Give it as nft prints it."""
        return f'log prefix "{self.prefix}"' if self.prefix else "log"

    def json(self) -> dict[str, Any]:
        """Give it as `nft -j` does."""
        return {"log": {"prefix": self.prefix} if self.prefix else None}


Part = Match | Counter | Verdict | Reject | Translate | Log


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
