"""Reads one rule of nftables' language: matches, statements, verdict, comment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import ip_address
from itertools import takewhile
from typing import Literal, TypeVar, cast

from msgspec import Struct

from plexops.lab.routers.nft_cursor import Cursor
from plexops.lab.routers.nft_language import (
    FLAG_KINDS,
    NFPROTOCOLS,
    SELECTORS,
    TCP_FLAGS,
    Match,
    Selector,
    Value,
    ValueFault,
    concatenated,
    joined,
    masked_flags,
    raw_payload,
    read_value,
)
from plexops.lab.routers.nft_statements import (
    CLAMP_SIZE,
    NO_TRACKING,
    Counter,
    Fixed,
    Limit,
    Log,
    Part,
    Reject,
    Translate,
    Verdict,
    VerdictMap,
    VerdictName,
)
from plexops.lab.routers.nft_tokens import NftError, Token

Element = TypeVar("Element")
#: Statements that begin like a match.
_PHRASES = (
    ("ct", "helper", "set"),
    ("tcp", "flags"),
    ("tcp", "option", "maxseg", "size", "set", "rt", "mtu"),
)
#: Of each family: what selectors call it, and its own control protocol.
_LAYERS = {"ipv4": ("ip", "icmp"), "ipv6": ("ip6", "ipv6-icmp")}
VERDICTS = ("accept", "drop", "return", "continue", "jump", "goto")
MAX_COMMENT = 128


class Body(Struct, frozen=True):
    """What a rule says. `sets` counts the anonymous sets: the kernel gives each a handle of its own."""

    parts: tuple[Part, ...]
    comment: str = ""
    sets: int = 0
    #: The chain that a jump names, where the kernel may complain about it.
    target: Token | None = None


class RuleReader:
    """Reads the rule at which a parser stands."""

    def __init__(self, parser: Cursor, family: str) -> None:
        self._parser = parser
        self._family = family
        self._parts: list[Part] = []
        self._sets = 0
        self._target: Token | None = None
        self._transport = False

    def body(self) -> Body:
        """Read up to the rule's end.

        Raises NftError.
        """
        comment = ""
        if self._parser.at_separator():
            self._parser.unexpected()
        while not self._parser.at_separator() and self._parser.peek().text != "}":
            if self._parser.accept("comment"):
                comment = self._comment()
                break
            self._statement()
        return Body(_without_implied(self._parts), comment, self._sets, self._target)

    def _comment(self) -> str:
        token = self._parser.next()
        if token.kind not in ("quoted", "word"):
            raise NftError(f"syntax error, unexpected {token.called}", token)
        if len(token.text.encode()) > MAX_COMMENT:
            raise NftError(f"comment too long, {MAX_COMMENT} characters maximum allowed", token)
        return token.text

    def _statement(self) -> None:
        parser = self._parser
        start = parser.peek()
        if any(isinstance(part, (Verdict, Reject, Translate)) for part in self._parts):
            raise NftError("Statement after terminal statement has no effect", start)
        if verdict := parser.accept(*VERDICTS):
            self._parts.append(self._verdict(verdict))
        elif parser.accept("counter"):
            self._parts.append(self._counter())
        elif parser.accept("reject"):
            self._parts.append(self._reject())
        elif parser.accept("log"):
            prefix = parser.next().text if parser.accept("prefix") else ""
            self._parts.append(Log(prefix))
        elif parser.accept("limit"):
            self._parts.append(self._limit())
        elif parser.accept("notrack"):
            self._parts.append(NO_TRACKING)
        elif name := parser.accept("dnat", "snat", "masquerade", "redirect"):
            self._parts.append(self._translate(name))
        elif words := next((words for words in _PHRASES if parser.at(*words)), None):
            for _ in words:
                parser.next()
            self._parts.append(self._phrase(words))
        else:
            self._parts.append(self._match())

    def _verdict(self, verdict: Token) -> Verdict:
        target = self._parser.word() if verdict.text in ("jump", "goto") else None
        self._target = target or self._target
        return Verdict(cast(VerdictName, verdict.text), target.text if target else "")

    def _phrase(self, words: tuple[str, ...]) -> Part:
        if words == ("ct", "helper", "set"):
            name = self._parser.next().text
            return Fixed(f'ct helper set "{name}"', {"ct helper": name})
        if words == ("tcp", "flags"):
            return self._flags()
        return CLAMP_SIZE

    def _flags(self) -> Match:
        """Read `syn / fin,syn,rst,ack`, or `& (fin | syn | rst | ack) == syn`."""
        parser = self._parser
        if parser.accept("&"):
            parser.expect("(")
            mask = self._flag_names("|")
            parser.expect(")")
            parser.expect("==")
            return masked_flags(mask, self._flag_names("|"))
        bits = self._flag_names(",")
        parser.expect("/")
        return masked_flags(self._flag_names(","), bits)

    def _flag_names(self, mark: str) -> tuple[str, ...]:
        found = [self._parser.word()]
        while self._parser.accept(mark):
            found.append(self._parser.word())
        if wrong := [token for token in found if token.text not in TCP_FLAGS]:
            raise NftError("syntax error, unexpected string", wrong[0])
        return tuple(token.text for token in found)

    def _limit(self) -> Limit:
        parser = self._parser
        parser.expect("rate", "rate")
        over = parser.accept("over") is not None
        rate, _, per = parser.word().text.partition("/")
        burst = 5
        if parser.accept("burst"):
            burst = int(parser.word().text)
            parser.expect("packets", "packets")
        return Limit(int(rate), per, burst, over)

    def _counter(self) -> Counter:
        parser = self._parser
        if not parser.accept("packets"):
            return Counter()
        packets = int(parser.word().text)
        parser.expect("bytes")
        return Counter(packets, int(parser.word().text))

    def _reject(self) -> Reject:
        parser = self._parser
        if not parser.accept("with"):
            return Reject("", self._refusal(), "port-unreachable")
        if parser.accept("tcp"):
            parser.expect("reset")
            if not any(isinstance(p, Match) and _is_tcp(p) for p in self._parts):
                self._parts.append(_only("tcp"))
            return Reject("tcp reset", "tcp reset")
        kind = parser.word().text
        parser.accept("type")
        reason = parser.word().text
        default = (kind, reason) == (self._refusal(), "port-unreachable")
        return Reject("" if default else f"{kind} {reason}", kind, reason)

    def _refusal(self) -> str:
        return {"inet": "icmpx", "ip6": "icmpv6"}.get(self._family, "icmp")

    def _translate(self, name: Token) -> Translate:
        parser = self._parser
        kind = cast(Literal["dnat", "snat", "masquerade", "redirect"], name.text)
        if kind in ("masquerade", "redirect"):
            ports = self._ports() if parser.accept("to") else None
            return Translate(kind, ports=ports)
        written = parser.accept("ip", "ip6")
        parser.accept("to")
        family = written.text if written else self._known_family()
        if self._family == "inet" and not family:
            raise NftError("ip or ip6 must be specified with address for inet tables.", name)
        bracket = parser.accept("[")
        token = parser.word()
        if bracket:
            parser.expect("]")
        try:
            address = "-".join(str(ip_address(text)) for text in token.text.split("-"))
        except ValueError:
            raise NftError("Could not resolve hostname: Name or service not known", token) from None
        ports = self._ports() if parser.peek().text == ":" else None
        return Translate(kind, family if self._family == "inet" else "", address, ports)

    def _known_family(self) -> str:
        """Give the family that the matches before leave."""
        for part in self._parts:
            if isinstance(part, Match) and part.selector.network:
                return part.selector.network
            if isinstance(part, Match) and part.selector.kind == "nfproto" and len(part.values) == 1:
                return "ip" if part.values[0].first == NFPROTOCOLS["ipv4"] else "ip6"
        return ""

    def _ports(self) -> tuple[int, int]:
        self._parser.accept(":")
        token = self._parser.word()
        if not self._transport:
            message = "transport protocol mapping is only valid after transport protocol match"
            raise NftError(message, token)
        value = self._value(PORT, token)
        return value.first, value.last

    def _match(self) -> Match | VerdictMap:
        parser = self._parser
        selector = self._selector()
        if selector.protocol in ("tcp", "udp") or selector.text.startswith("th "):
            self._transport = True
        if parser.accept("vmap"):
            return self._map(selector)
        negated = parser.accept("!=") is not None
        parser.accept("==")
        if parser.accept("{"):
            return self._set(selector, negated=negated)
        if parser.peek().kind not in ("word", "quoted"):
            parser.unexpected()
        values = [self._element(selector)]
        while selector.kind in FLAG_KINDS and parser.accept(","):
            values.append(self._element(selector))
        match = Match(selector, tuple(sorted(values, key=lambda v: v.first)), negated)
        if selector.text == "meta l4proto" and not negated and values[0].text in ("tcp", "udp"):
            self._transport = True
        return match

    def _selector(self) -> Selector:
        parser = self._parser
        fields = [self._field()]
        while parser.at("."):
            parser.next()
            fields.append(self._field())
        return concatenated(tuple(fields)) if len(fields) > 1 else fields[0]

    def _field(self) -> Selector:
        parser = self._parser
        first = parser.next()
        selector: Selector | None = raw_payload(first.text) if first.kind == "raw" else None
        if first.kind == "word":
            selector = SELECTORS.get((first.text,))
            if selector is None and parser.peek().kind == "word":
                selector = SELECTORS.get((first.text, parser.peek().text))
                if selector is not None:
                    parser.next()
        if selector is None:
            # nft takes an unknown word for the start of an expression, and stumbles over what follows.
            if first.kind == "word" and first.text not in _OBJECTS:
                parser.unexpected()
            raise NftError(f"syntax error, unexpected {first.called}", first)
        if selector.kind == "fib":
            parser.expect("type", "type")
        return selector

    def _set(self, selector: Selector, *, negated: bool) -> Match:
        values = elements(self._parser, lambda: self._element(selector))
        if len(values) == 1 and not selector.fields:
            return Match(selector, tuple(values), negated)
        self._sets += 1
        if selector.text == "meta l4proto":
            self._transport = True
        return Match(selector, merged(values), negated, as_set=True)

    def _map(self, selector: Selector) -> VerdictMap:
        parser = self._parser

        def pair() -> tuple[Value, Verdict]:
            value = self._element(selector)
            parser.expect(":")
            return value, self._verdict(parser.next())

        parser.expect("{")
        pairs = elements(parser, pair)
        self._sets += 1
        return VerdictMap(selector, tuple(sorted(pairs, key=lambda p: p[0].first)))

    def _element(self, selector: Selector) -> Value:
        """Read one value, or as many as a concatenation has fields."""
        return read_element(self._parser, selector, self._value)

    def _value(self, selector: Selector, token: Token) -> Value:
        if token.kind not in ("word", "quoted") or token.text in VERDICTS:
            raise NftError(f"syntax error, unexpected {token.called}", token)
        try:
            return read_value(selector.kind, token.text, quoted=token.kind == "quoted")
        except ValueFault as fault:
            raise NftError(str(fault), token) from None


PORT = SELECTORS[("tcp", "dport")]
_OBJECTS = frozenset({"table", "chain", "rule", "set", "policy", "type"})


def _is_tcp(match: Match) -> bool:
    by_protocol = match.selector.text == "meta l4proto" and match.values[0].text == "tcp"
    return match.selector.protocol == "tcp" or by_protocol


def _only(protocol: str) -> Match:
    selector = SELECTORS[("meta", "l4proto")]
    return Match(selector, (read_value("protocol", protocol, quoted=False),))


def read_element(parser: Cursor, selector: Selector, read: Callable[[Selector, Token], Value]) -> Value:
    """Read one value, or as many as a concatenation has fields; `@NAME` stands for all of them."""
    if not selector.fields or parser.peek().text.startswith("@"):
        return read(selector, parser.next())
    values = []
    for place, field in enumerate(selector.fields):
        if place:
            parser.expect(".", ".")
        values.append(read(field, parser.next()))
    return joined(tuple(values))


def elements(parser: Cursor, read: Callable[[], Element]) -> list[Element]:
    """Read what stands between the braces of a set, behind the first one; the last comma may lead nowhere."""
    found: list[Element] = []
    while True:
        parser.newlines()
        if found and parser.accept("}"):
            return found
        found.append(read())
        parser.newlines()
        if parser.accept("}"):
            return found
        parser.expect(",")


def merged(values: Sequence[Value]) -> tuple[Value, ...]:
    """Sort a set's elements and leave out those that another one holds, as nft does."""
    kept: list[Value] = []
    for value in sorted(values, key=lambda v: (v.first, -v.last)):
        if not kept or value.last > kept[-1].last:
            kept.append(value)
    return tuple(kept)


def _without_implied(parts: list[Part]) -> tuple[Part, ...]:
    """Leave out `meta l4proto tcp` where a later `tcp dport` says it already, and the family likewise."""
    return tuple(part for index, part in enumerate(parts) if not _is_implied(part, parts[index + 1 :]))


def _is_implied(part: Part, later: Sequence[Part]) -> bool:
    if not isinstance(part, Match) or part.negated or part.as_set:
        return False
    # What stands behind another statement does not count.
    matches = list(takewhile(lambda p: isinstance(p, (Match, VerdictMap)), later))
    said = [p.selector for p in matches if isinstance(p, (Match, VerdictMap))]
    if part.selector.text == "meta l4proto":
        return any(selector.protocol == part.values[0].text for selector in said)
    network, control = _LAYERS.get(part.values[0].text, ("", ""))
    controls = [
        p for p in matches if isinstance(p, Match) and p.selector.text == "meta l4proto" and not p.as_set
    ]
    return part.selector.kind == "nfproto" and (
        any(selector.network == network for selector in said)
        or any(p.values[0].text == control and not p.negated for p in controls)
    )
