"""Reads one rule of nftables' language: matches, statements, verdict, comment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Literal, cast

from plexops.lab.routers.nft_language import (
    FLAG_KINDS,
    SELECTORS,
    Counter,
    Log,
    Match,
    Part,
    Reject,
    Selector,
    Translate,
    Value,
    ValueFault,
    Verdict,
    VerdictName,
    raw_payload,
    read_value,
)
from plexops.lab.routers.nft_tokens import NftError, Token

if TYPE_CHECKING:
    from plexops.lab.routers.nft_parser import Parser

VERDICTS = ("accept", "drop", "return", "continue", "jump", "goto")
MAX_COMMENT = 128


@dataclass(frozen=True, slots=True)
class Body:
    """What a rule says. `sets` counts the anonymous sets: the kernel gives each a handle of its own."""

    parts: tuple[Part, ...]
    comment: str = ""
    sets: int = 0
    #: The chain that a jump names, where the kernel may complain about it.
    target: Token | None = None


class RuleReader:
    """Reads the rule at which a parser stands."""

    def __init__(self, parser: Parser, family: str) -> None:
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
            if verdict.text in ("jump", "goto"):
                self._target = parser.word()
            target = self._target.text if self._target else ""
            self._parts.append(Verdict(cast(VerdictName, verdict.text), target))
        elif parser.accept("counter"):
            self._parts.append(self._counter())
        elif parser.accept("reject"):
            self._parts.append(self._reject())
        elif parser.accept("log"):
            prefix = parser.next().text if parser.accept("prefix") else ""
            self._parts.append(Log(prefix))
        elif name := parser.accept("dnat", "snat", "masquerade", "redirect"):
            self._parts.append(self._translate(name))
        else:
            self._parts.append(self._match())

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
            return Reject("", "icmpx" if self._family == "inet" else "icmp", "port-unreachable")
        if parser.accept("tcp"):
            parser.expect("reset")
            if not any(isinstance(p, Match) and _is_tcp(p) for p in self._parts):
                self._parts.append(_only("tcp"))
            return Reject("tcp reset", "tcp reset")
        kind = parser.word().text
        parser.accept("type")
        reason = parser.word().text
        default = (kind, reason) == ("icmpx" if self._family == "inet" else "icmp", "port-unreachable")
        return Reject("" if default else f"{kind} {reason}", kind, reason)

    def _translate(self, name: Token) -> Translate:
        parser = self._parser
        kind = cast(Literal["dnat", "snat", "masquerade", "redirect"], name.text)
        if kind in ("masquerade", "redirect"):
            ports = self._ports() if parser.accept("to") else None
            return Translate(kind, ports=ports)
        family = parser.accept("ip")
        parser.accept("to")
        if self._family == "inet" and family is None:
            raise NftError("ip or ip6 must be specified with address for inet tables.", name)
        token = parser.word()
        try:
            address = str(IPv4Address(token.text))
        except ValueError:
            raise NftError("Could not resolve hostname: Name or service not known", token) from None
        ports = self._ports() if parser.peek().text == ":" else None
        return Translate(kind, "ip" if self._family == "inet" else "", address, ports)

    def _ports(self) -> tuple[int, int]:
        self._parser.expect(":")
        token = self._parser.word()
        if not self._transport:
            message = "transport protocol mapping is only valid after transport protocol match"
            raise NftError(message, token)
        value = self._value(PORT, token)
        return value.first, value.last

    def _match(self) -> Match:
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
        if selector.protocol in ("tcp", "udp") or selector.text.startswith("th "):
            self._transport = True
        negated = parser.accept("!=") is not None
        parser.accept("==")
        if parser.accept("{"):
            return self._set(selector, negated=negated)
        if parser.peek().kind not in ("word", "quoted"):
            parser.unexpected()
        values = [self._value(selector, parser.next())]
        while selector.kind in FLAG_KINDS and parser.accept(","):
            values.append(self._value(selector, parser.next()))
        match = Match(selector, tuple(sorted(values, key=lambda v: v.first)), negated)
        if selector.text == "meta l4proto" and not negated and values[0].text in ("tcp", "udp"):
            self._transport = True
        return match

    def _set(self, selector: Selector, *, negated: bool) -> Match:
        parser = self._parser
        values: list[Value] = []
        while True:
            while parser.peek().kind == "newline":
                parser.next()
            values.append(self._value(selector, parser.next()))
            while parser.peek().kind == "newline":
                parser.next()
            if parser.accept("}"):
                break
            parser.expect(",")
        if len(values) == 1:
            return Match(selector, tuple(values), negated)
        self._sets += 1
        if selector.text == "meta l4proto":
            self._transport = True
        return Match(selector, _merged(values), negated, as_set=True)

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


def _merged(values: Sequence[Value]) -> tuple[Value, ...]:
    """Sort a set's elements and leave out those that another one holds, as nft does."""
    kept: list[Value] = []
    for value in sorted(values, key=lambda v: (v.first, -v.last)):
        if not kept or value.last > kept[-1].last:
            kept.append(value)
    return tuple(kept)


def _without_implied(parts: list[Part]) -> tuple[Part, ...]:
    """Leave out `meta l4proto tcp` where a later `tcp dport` says it already: nft does not print it."""
    return tuple(
        part
        for index, part in enumerate(parts)
        if not (
            isinstance(part, Match)
            and part.selector.text == "meta l4proto"
            and not part.negated
            and not part.as_set
            and any(
                isinstance(p, Match) and p.selector.protocol == part.values[0].text
                for p in parts[index + 1 :]
            )
        )
    )
