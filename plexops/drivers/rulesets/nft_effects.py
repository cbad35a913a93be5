"""What a statement of nft does. Sources: nft(8), libnftables-json(5), the kernel's `net/netfilter/nft_*.c`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from plexops.drivers.rulesets.nft_keys import ALL_ONES, CONNECTED
from plexops.drivers.rulesets.nft_matches import UNREADABLE, MatchReader
from plexops.drivers.rulesets.nft_values import NotModelledError, address_numbers, number_of, ranges
from plexops.drivers.rulesets.nft_words import listed, members, one_member, show_statement
from plexops.model.exchange import Json
from plexops.model.intervals import Numbers
from plexops.model.packets import (
    AddToSet,
    CopyMark,
    Effect,
    Family,
    FamilyIs,
    Jump,
    Match,
    NoTracking,
    ProtocolIs,
    SetMark,
    TranslateDestination,
    TranslateSource,
    UnknownEffect,
    Verdict,
)

#: What must hold for a statement to do what it does, and what it does.
Done = tuple[list[Match], tuple[Effect, ...]]

#: After these the next statement is met, and what they change decides nothing.
HARMLESS = frozenset({"counter", "log", "comment", "ct helper", "ct timeout", "flow", "last", "secmark"})
#: What is written into the packet or its connection without deciding anything.
_HARMLESS_WRITES = frozenset(
    {
        "meta priority", "meta nftrace", "meta secmark", "ct label", "ct event", "ct secmark", "ip dscp", "ip6 dscp",
        "ip ecn", "ip6 ecn", "ip6 flowlabel", "tcp option maxseg",
    }
)  # fmt: skip
#: Targets of iptables of which nft only tells the name.
_HARMLESS_TARGETS = frozenset({"LOG", "NFLOG", "TCPMSS", "TOS", "DSCP", "CHECKSUM", "TRACE", "CLASSIFY"})
_VERDICTS: Mapping[str, Verdict] = MappingProxyType(
    {word: Verdict(word) for word in ("accept", "drop", "return", "continue")}
)
#: What they do with a packet is not modelled, but it is they that do it.
_UNKNOWN = frozenset({"vmap", "queue", "tproxy", "synproxy", "fwd", "dup", "ct expectation"})
#: Statements that a packet may fail.
ASKING = frozenset({"match", "limit", "ct count", "quota"})
_FAMILIES: Mapping[str, Family] = MappingProxyType({"ip": 4, "ip6": 6})
_RANDOM = frozenset({"random", "fully-random"})


@dataclass(frozen=True, slots=True)
class EffectReader:
    """Reads what the statements of one rule do."""

    matches: MatchReader

    def read(self, statement: Json) -> Done:
        """Read one statement. One that is not known at all may also be one that a packet fails."""
        kind, body = one_member(statement)
        words = show_statement(statement)
        if kind in HARMLESS:
            return [], ()
        if kind in _VERDICTS:
            return [], (_VERDICTS[kind],)
        if isinstance(statement, str) and statement.startswith(("jump {", "goto {")):
            return [], self.nameless(words)
        reader = _READERS.get(kind)
        if reader is None:
            return ([], (self.unknown(words),)) if kind in _UNKNOWN else ([self.matches.unknown(words)], ())
        try:
            return reader(self, members(body), words)
        except UNREADABLE:
            return [], (self.unknown(words),)

    def unknown(self, words: str) -> Effect:
        """Give an effect of which it is not known what it does."""
        return UnknownEffect(f"{words} # handle {self.matches.handle}")

    def nameless(self, words: str) -> tuple[Effect, ...]:
        """Give what a chain without a name may do: version 1.0.6 writes it as text, which is not read."""
        marks = (
            tuple(SetMark(connection=ct, unknown=True) for ct in (False, True)) if " set " in words else ()
        )
        return (*marks, self.unknown(words))

    def family(self, name: str, words: str) -> tuple[list[Match], Family]:
        """Give what makes sure of a family, and which it is."""
        family = _FAMILIES[name]
        same = self.matches.table.family == name
        return [] if same else [Match(FamilyIs(frozenset({family})), words=words)], family


def _jump(reader: EffectReader, found: Mapping[str, Json], _words: str) -> Done:
    return [], (Jump(reader.matches.table.id_of(str(found["target"]))),)


def _goto(reader: EffectReader, found: Mapping[str, Json], _words: str) -> Done:
    return [], (Jump(reader.matches.table.id_of(str(found["target"])), goto=True),)


def _reject(reader: EffectReader, found: Mapping[str, Json], words: str) -> Done:
    """Read a refusal. nft does not list that its kind holds for one family or protocol only."""
    needs: list[Match] = []
    match found.get("type"):
        case "icmp" | "icmpv6" as kind:
            needs, _ = reader.family("ip" if kind == "icmp" else "ip6", words)
        case "tcp reset":
            needs = [Match(ProtocolIs(frozenset({"tcp"})), words=words)]
    return needs, (Verdict.REJECT,)


def _place(
    reader: EffectReader, found: Mapping[str, Json], words: str
) -> tuple[list[Match], Family | None, Numbers | None, Numbers | None]:
    """Read where to: the family that this is for, addresses, ports. Of several ports by chance none is known."""
    name = str(found.get("family") or reader.matches.table.family)
    needs, family = reader.family(name, words) if name in _FAMILIES else ([], None)
    address, port = found.get("addr"), found.get("port")
    addresses = ports = None
    if address is not None:
        if family is None:
            raise NotModelledError("an address of which family is not said")
        addresses = address_numbers([address], family)
    if port is not None:
        ports = tuple(ranges([port]))
        if ports[0][0] != ports[0][1] and _RANDOM & {str(flag) for flag in listed(found.get("flags"))}:
            raise NotModelledError("one of several ports by chance")
    return needs, family, addresses, ports


def _dnat(reader: EffectReader, found: Mapping[str, Json], words: str) -> Done:
    needs, family, addresses, ports = _place(reader, found, words)
    return needs, (TranslateDestination(addresses, ports, family=family or 0),)


def _redirect(reader: EffectReader, found: Mapping[str, Json], words: str) -> Done:
    needs, family, _, ports = _place(reader, found, words)
    return needs, (TranslateDestination(ports=ports, to_itself=True, family=family or 0),)


def _snat(reader: EffectReader, found: Mapping[str, Json], words: str) -> Done:
    needs, _, addresses, _ = _place(reader, found, words)
    if addresses is None:
        raise NotModelledError("only the port is translated")
    return needs, (TranslateSource(addresses),)


def _masquerade(_reader: EffectReader, _found: Mapping[str, Json], _words: str) -> Done:
    return [], (TranslateSource(),)


def _notrack(_reader: EffectReader, _found: Mapping[str, Json], _words: str) -> Done:
    return [], (NoTracking(),)


def _write(reader: EffectReader, found: Mapping[str, Json], words: str) -> Done:
    kind, body = one_member(found.get("key"))
    key = members(body)
    name = str(key.get("key") or key.get("field"))
    if name == "mark" and kind in ("meta", "ct"):
        return _mark(kind == "ct", found.get("value"), words)
    # What has no such header is not written to, and the rule ends.
    needs = reader.matches.needs(found.get("key"), words)
    about = f"{key.get('protocol')} {name}" if kind == "payload" else f"{kind} {key.get('name') or name}"
    return needs, () if about in _HARMLESS_WRITES else (reader.unknown(words),)


def _mark(connection: bool, value: Json, words: str) -> Done:
    """Read a mark: a number, or what a mark has with some bits kept and some turned over."""
    try:
        source, keep, turned = _bits(value)
    except UNREADABLE:
        return [], (SetMark(connection=connection, unknown=True),)
    # Where there is no connection it has no mark, and the rule ends.
    needs = [Match(CONNECTED, words=words)] if source == "ct" else []
    if not keep or source == ("ct" if connection else "meta"):
        return needs, (SetMark(turned, keep, connection),)
    if keep == ALL_ONES and not turned:
        return needs, (CopyMark(to_connection=connection),)
    return needs, (SetMark(connection=connection, unknown=True),)


def _bits(value: Json) -> tuple[str, int, int]:
    """Give whose mark a value is made of, and (mark & keep) ^ turned."""
    kind, body = one_member(value)
    if kind in ("meta", "ct") and members(body).get("key") == "mark":
        return kind, ALL_ONES, 0
    if kind not in ("&", "|", "^"):
        return "", 0, number_of(value)
    first, *others = listed(body)
    source, keep, turned = _bits(first)
    for other in others:
        bits = number_of(other)
        if kind == "&":
            keep, turned = keep & bits, turned & bits
        elif kind == "|":
            keep, turned = keep & ~bits, turned | bits
        else:
            turned ^= bits
    return source, keep, turned


def _to_set(reader: EffectReader, found: Mapping[str, Json], words: str) -> Done:
    """Read an element's way into a set, or out of it: see `Table.written`."""
    element = members(found.get("elem"))
    value = members(element.get("elem")).get("val", element)
    needs = reader.matches.needs(value, words)
    key, name = reader.matches.key(value), str(found.get("set")).removeprefix("@")
    if key.address is None or found.get("op") == "delete":
        return needs, ()
    return needs, (AddToSet(key.address[0], reader.matches.table.id_of(name)),)


def _meter(reader: EffectReader, found: Mapping[str, Json], words: str) -> Done:
    return reader.matches.needs(found.get("key"), words), ()


def _xt(reader: EffectReader, found: Mapping[str, Json], words: str) -> Done:
    """Read what iptables wrote and only iptables shows whole."""
    name = found.get("name")
    match found.get("type"):
        case "match":
            return reader.matches.read({"xt": found}), ()
        case "target" if name in _HARMLESS_TARGETS:
            return [], ()
        case "target" if name == "REJECT":
            return [], (Verdict.REJECT,)
        case "target":
            return [], (reader.unknown(words),)
    return [reader.matches.unknown(words)], (reader.unknown(words),)


_Reader = Callable[[EffectReader, Mapping[str, Json], str], Done]
_READERS: Mapping[str, _Reader] = MappingProxyType(
    {
        "jump": _jump,
        "goto": _goto,
        "reject": _reject,
        "dnat": _dnat,
        "snat": _snat,
        "redirect": _redirect,
        "masquerade": _masquerade,
        "notrack": _notrack,
        "mangle": _write,
        "set": _to_set,
        "meter": _meter,
        "xt": _xt,
    }
)
