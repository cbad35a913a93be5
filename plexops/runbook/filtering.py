"""Does a packet filter let the packets for Plex through? An ordered walk through rules, with "maybe" as an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network

from plexops.model.entries import FilterRule, FilterVerdict
from plexops.model.snapshot import Entry
from plexops.model.values import Protocol

_EVERYBODY = IPv4Network("0.0.0.0/0")
#: Jumps in a row that a sane ruleset never reaches.
_DEEPEST = 16


class Passes(StrEnum):
    """What becomes of the packet."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class InboundPacket:
    """The first packet of a viewer's connection: TCP, new, from some public address that nobody knows before."""

    destination: IPv4Address
    port: int
    in_interfaces: frozenset[str]
    translated: bool


@dataclass(frozen=True, slots=True)
class Walk:
    """What a set of base chains decides, and the entry that stood in the way."""

    passes: Passes
    chain: str = ""
    stopped_by: Entry | None = None


def walk(entries: Sequence[Entry], packet: InboundPacket) -> Walk:
    """Send a packet through every base chain: each of them has to accept it.

    Chains without a matching rule accept, unless their last rule (their policy) says otherwise. Entries without
    values make the answer unknown.
    """
    if any(entry.values is None for entry in entries):
        return Walk(Passes.UNKNOWN)
    chains: list[str] = []
    for entry in entries:
        if entry.values.base and entry.values.chain not in chains:
            chains.append(entry.values.chain)
    unknown = Walk(Passes.YES)
    for chain in chains:
        passes, stopper = _run(entries, chain, packet, 0)
        if passes is Passes.NO:
            return Walk(Passes.NO, chain, stopper)
        if passes is Passes.UNKNOWN:
            unknown = Walk(Passes.UNKNOWN, chain, stopper)
    return unknown


def _run(
    entries: Sequence[Entry], chain: str, packet: InboundPacket, depth: int
) -> tuple[Passes | None, Entry | None]:
    """Walk one chain. None: it came to its end without a verdict (for a base chain that is an accept)."""
    if depth > _DEEPEST:
        return Passes.UNKNOWN, None
    doubt: tuple[Passes, Entry] | None = None
    for entry in entries:
        rule: FilterRule = entry.values
        if rule.chain != chain:
            continue
        hit = _matches(rule, packet)
        if hit is False:
            continue
        verdict = _verdict(entries, entry, packet, depth)
        if verdict is None:
            if rule.verdict is FilterVerdict.RETURN and hit:
                break
            continue
        if hit is None:
            doubt = doubt or (verdict, entry)
            continue
        if doubt is not None and doubt[0] is not verdict:
            return Passes.UNKNOWN, doubt[1]
        return verdict, entry
    ending = Passes.YES if depth == 0 else None
    if doubt is not None and doubt[0] is not ending:
        return Passes.UNKNOWN, doubt[1]
    return ending, None


def _verdict(entries: Sequence[Entry], entry: Entry, packet: InboundPacket, depth: int) -> Passes | None:
    rule: FilterRule = entry.values
    match rule.verdict:
        case FilterVerdict.ACCEPT:
            return Passes.YES
        case FilterVerdict.DROP | FilterVerdict.REJECT:
            return Passes.NO
        case FilterVerdict.JUMP:
            return _run(entries, rule.target, packet, depth + 1)[0]
        case FilterVerdict.RETURN | FilterVerdict.CONTINUE:
            return None


def _matches(rule: FilterRule, packet: InboundPacket) -> bool | None:
    """Tell whether a rule matches; None for maybe."""
    surely_not = (
        rule.family == 6,
        rule.protocol is not None and rule.protocol not in (Protocol.TCP, Protocol.BOTH, Protocol.ANY),
        rule.ports is not None and packet.port not in rule.ports,
        rule.destination is not None and packet.destination not in rule.destination,
        rule.source is not None and rule.source != _EVERYBODY,
        rule.translated is not None and rule.translated is not packet.translated,
        rule.new is False,
        not _interface_matches(rule.in_interfaces, packet.in_interfaces),
    )
    if any(surely_not):
        return False
    return None if not rule.understood else True


def _interface_matches(wanted: tuple[str, ...] | None, arrived: frozenset[str]) -> bool:
    if wanted is None:
        return True
    if all(name.startswith("!") for name in wanted):
        return not any(name[1:] in arrived for name in wanted)
    return any(name in arrived for name in wanted)
