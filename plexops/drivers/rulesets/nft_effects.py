"""What a statement of nft does. Sources: nft(8), libnftables-json(5), the kernel's `net/netfilter/nft_*.c`."""

from __future__ import annotations

from msgspec import Struct

from plexops.drivers.rulesets.base import ALL_ONES
from plexops.drivers.rulesets.nft_keys import CONNECTED, FAMILIES, OF_FAMILY
from plexops.drivers.rulesets.nft_matches import Body, MatchReader
from plexops.drivers.rulesets.nft_words import (
    UNREADABLE,
    NotModelledError,
    address_numbers,
    listed,
    members,
    number_of,
    one_member,
    ranges,
    show_statement,
)
from plexops.model import packets
from plexops.model.exchange import Json
from plexops.model.intervals import single
from plexops.model.matches import Match, ProtocolIs

#: What must hold for a statement to do what it does, and what it does.
Done = tuple[list[Match], tuple[packets.Effect, ...]]

#: After these the next statement is met, and what they change decides nothing.
HARMLESS = frozenset({"counter", "log", "comment", "ct helper", "ct timeout", "flow", "last", "secmark"})
#: What is written into the packet or its connection without deciding anything.
_HARMLESS_WRITES = frozenset({
    "meta priority", "meta nftrace", "meta secmark", "ct label", "ct event", "ct secmark", "ip dscp", "ip6 dscp",
    "ip ecn", "ip6 ecn", "ip6 flowlabel", "tcp option maxseg",
})  # fmt: skip
#: Targets of iptables of which nft only tells the name.
_HARMLESS_TARGETS = frozenset({"LOG", "NFLOG", "TCPMSS", "TOS", "DSCP", "CHECKSUM", "TRACE", "CLASSIFY"})
#: What they do with a packet is not modelled, but it is they that do it.
_UNKNOWN = frozenset({"vmap", "queue", "tproxy", "synproxy", "fwd", "dup", "ct expectation"})
#: Statements that a packet may fail.
ASKING = frozenset({"match", "limit", "ct count", "quota"})
_RANDOM = frozenset({"random", "fully-random"})


class EffectReader(Struct, frozen=True):
    """Reads what the statements of one rule do."""

    matches: MatchReader

    def read(self, statement: Json) -> Done:
        """Read one statement. One that is not known at all may also be one that a packet fails."""
        kind, body = one_member(statement)
        words = show_statement(statement)
        if kind in HARMLESS:
            return [], ()
        if isinstance(statement, str) and statement.startswith(("jump {", "goto {")):
            # A chain without a name: version 1.0.6 writes it as text, which is not read.
            sides = (False, True) if " set " in words else ()
            return [], (*(packets.SetMark(connection=ct, unknown=True) for ct in sides), self.unknown(words))
        try:
            return self._done(kind, members(body), words)
        except UNREADABLE:
            return [], (self.unknown(words),)

    def unknown(self, words: str) -> packets.Effect:
        """Give an effect of which it is not known what it does."""
        return packets.UnknownEffect(self.matches.here(words))

    def _done(self, kind: str, found: Body, words: str) -> Done:
        match kind:
            case "accept" | "drop" | "return" | "continue":
                return [], (packets.Verdict(kind),)
            case "jump" | "goto":
                return [], (
                    packets.Jump(self.matches.table.id_of(str(found["target"])), goto=kind == "goto"),
                )
            case "reject":
                return self._rejected(found, words), (packets.Verdict.REJECT,)
            case "dnat" | "redirect" | "snat":
                return self._translated(kind, found, words)
            case "masquerade":
                return [], (packets.TranslateSource(),)
            case "notrack":
                return [], (packets.NoTracking(),)
            case "mangle":
                return self._written(found, words)
            case "set":
                return self._added(found, words)
            case "meter":
                return self.matches.needs(found.get("key"), words), ()
            case "xt":
                return self._of_iptables(found, words)
        return ([], (self.unknown(words),)) if kind in _UNKNOWN else ([self.matches.unknown(words)], ())

    def _family(self, name: str, words: str) -> list[Match]:
        return [] if name == self.matches.table.family else [Match(OF_FAMILY[name], words=words)]

    def _rejected(self, found: Body, words: str) -> list[Match]:
        """Give what must hold for a refusal: nft does not list that its kind is for one family or protocol only."""
        match found.get("type"):
            case "icmp" | "icmpv6" as kind:
                return self._family("ip" if kind == "icmp" else "ip6", words)
            case "tcp reset":
                return [Match(ProtocolIs(frozenset({"tcp"})), words=words)]
        return []

    def _translated(self, kind: str, found: Body, words: str) -> Done:
        """Read where to. Of several ports by chance none is known."""
        name = str(found.get("family") or self.matches.table.family)
        family = FAMILIES.get(name)
        address, port = found.get("addr"), found.get("port")
        addresses = ports = None
        if address is not None:
            if family is None:
                raise NotModelledError("an address of which family is not said")
            addresses = address_numbers([address], family)
        if port is not None:
            ports = tuple(ranges([port]))
            if single(ports) is None and _RANDOM & {str(flag) for flag in listed(found.get("flags"))}:
                raise NotModelledError("one of several ports by chance")
        needs = self._family(name, words) if family else []
        if kind == "snat":
            if addresses is None:
                raise NotModelledError("only the port is translated")
            return needs, (packets.TranslateSource(addresses),)
        to_itself = kind == "redirect"
        addresses = None if to_itself else addresses
        return needs, (packets.TranslateDestination(addresses, ports, to_itself, family=family or 0),)

    def _written(self, found: Body, words: str) -> Done:
        kind, body = one_member(found.get("key"))
        key = members(body)
        name = str(key.get("key") or key.get("field"))
        if name == "mark" and kind in ("meta", "ct"):
            return _marked(kind == "ct", found.get("value"), words)
        # What has no such header is not written to, and the rule ends.
        needs = self.matches.needs(found.get("key"), words)
        about = f"{key.get('protocol')} {name}" if kind == "payload" else f"{kind} {key.get('name') or name}"
        return needs, () if about in _HARMLESS_WRITES else (self.unknown(words),)

    def _added(self, found: Body, words: str) -> Done:
        """Read an element's way into a set, or out of it: see `Table.written`."""
        value = element_of(found)
        needs, address = self.matches.needs(value, words), self.matches.key(value).address
        if address is None or found.get("op") == "delete":
            return needs, ()
        name = str(found.get("set")).removeprefix("@")
        return needs, (packets.AddToSet(address[0], self.matches.table.id_of(name)),)

    def _of_iptables(self, found: Body, words: str) -> Done:
        """Read what iptables wrote and only iptables shows whole."""
        match found.get("type"), found.get("name"):
            case "match", _:
                return self.matches.read({"xt": found}), ()
            case "target", name if name in _HARMLESS_TARGETS:
                return [], ()
            case "target", "REJECT":
                return [], (packets.Verdict.REJECT,)
            case "target", _:
                return [], (self.unknown(words),)
        return [self.matches.unknown(words)], (self.unknown(words),)


def element_of(body: Body) -> Json:
    """Give what a rule puts into a set, without its timeout and the like."""
    element = members(body.get("elem"))
    return members(element.get("elem")).get("val", element)


def _marked(connection: bool, value: Json, words: str) -> Done:
    """Read a mark: a number, or what a mark has with some bits kept and some turned over."""
    unknown = packets.SetMark(connection=connection, unknown=True)
    try:
        source, keep, turned = _bits(value)
    except UNREADABLE:
        return [], (unknown,)
    # Where there is no connection it has no mark, and the rule ends.
    needs = [Match(CONNECTED, words=words)] if source == "ct" else []
    if not keep or source == ("ct" if connection else "meta"):
        return needs, (packets.SetMark(turned, keep, connection),)
    return needs, (packets.CopyMark(connection) if keep == ALL_ONES and not turned else unknown,)


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
