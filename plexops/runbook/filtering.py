"""Does a packet filter let the packets for Plex through? An ordered walk through rules, with "maybe" as an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network

from plexops.model.entries import FilterRule, FilterVerdict
from plexops.model.snapshot import Entry, Kind
from plexops.model.values import Protocol

#: The handle of a base chain's policy, where the device has policies: what returns from a base chain meets it.
POLICY = "policy"

_EVERYBODY = IPv4Network("0.0.0.0/0")
_TCP = frozenset({Protocol.TCP, Protocol.BOTH, Protocol.ANY})


class Passes(StrEnum):
    """What becomes of the packet."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class InboundPacket:
    """The first packet of a viewer's connection: TCP, new, from some public address that nobody knows before.

    `in_interfaces` are all names of the interface where it arrives, with the lists that hold it; empty: unknown.
    `out_interfaces` likewise, for the side on which the router sends it on.
    """

    destination: IPv4Address | None
    port: int
    in_interfaces: frozenset[str]
    translated: bool
    out_interfaces: frozenset[str] = frozenset()
    #: 4 or 6; over IPv6 the destination is None, and no rule for an IPv4 network matches.
    family: int = 4


@dataclass(frozen=True, slots=True)
class Walk:
    """What a set of base chains decides, and the entry of the base chain that stands, or may stand, in the way."""

    passes: Passes
    chain: str = ""
    stopped_by: Entry | None = None


def is_rule_of(rule: Entry, made: Entry) -> bool:
    """Tell whether a filter rule and a passage (or a host's rule) are one thing on the device, read as two kinds."""
    if rule.kind is not Kind.FILTER_RULE or (rule.owner, rule.handle) != (made.owner, made.handle):
        return False
    return all(rule.raw.get(name, word) == word for name, word in made.raw.items())


class _End(StrEnum):
    """How the way through one chain may end."""

    ACCEPTED = "accepted"
    DROPPED = "dropped"
    THROUGH = "through"  # it came to the chain's end, or returned
    LOST = "lost"  # jumps go round in circles


@dataclass(frozen=True, slots=True)
class _Way:
    """All ends that are possible, and the first entry that may keep the packet from being accepted."""

    ends: frozenset[_End]
    stopper: Entry | None = None


def walk(entries: Sequence[Entry], packet: InboundPacket) -> Walk:
    """Send a packet through every base chain: each of them has to accept it.

    Chains without a matching rule accept, unless their last rule (their policy) says otherwise. Entries without
    values make the answer unknown. A rule that may match leaves both ways open, so that the answer is known only
    where all of them end alike.
    """
    if any(entry.values is None for entry in entries):
        return Walk(Passes.UNKNOWN)
    answer = Walk(Passes.YES)
    known: dict[str, _Way] = {}
    for chain in dict.fromkeys(entry.values.chain for entry in entries if entry.values.base):
        way = _base_chain(entries, chain, packet, known)
        if way.ends == {_End.DROPPED}:
            return Walk(Passes.NO, chain, way.stopper)
        if way.ends != {_End.ACCEPTED}:
            answer = Walk(Passes.UNKNOWN, chain, way.stopper)
    return answer


def _base_chain(entries: Sequence[Entry], chain: str, packet: InboundPacket, known: dict[str, _Way]) -> _Way:
    """Walk a base chain: who returns from it meets its policy, and where there is none, is accepted."""
    way = _chain(entries, chain, packet, known)
    if _End.THROUGH not in way.ends:
        return way
    policy = next((e for e in entries if e.values.chain == chain and e.handle == POLICY), None)
    drops = policy is not None and policy.values.verdict in (FilterVerdict.DROP, FilterVerdict.REJECT)
    if policy is None or not drops or _matches(policy.values, packet) is False:
        return _Way(way.ends - {_End.THROUGH} | {_End.ACCEPTED}, way.stopper)
    return _Way(way.ends - {_End.THROUGH} | {_End.DROPPED}, way.stopper or policy)


def _chain(entries: Sequence[Entry], chain: str, packet: InboundPacket, known: dict[str, _Way]) -> _Way:
    """Give every end that the way through one chain may have."""
    if chain in known:
        return known[chain]
    known[chain] = _Way(frozenset({_End.LOST}))
    ends: set[_End] = set()
    stopper: Entry | None = None
    for entry in entries:
        hit = _matches(entry.values, packet) if entry.values.chain == chain else False
        if hit is False:
            continue
        leads, goes_on = _leads(entries, entry.values, packet, known)
        ends |= leads
        if stopper is None and leads - {_End.ACCEPTED}:
            stopper = entry
        if hit and not goes_on:
            break
    else:
        ends.add(_End.THROUGH)
    known[chain] = _Way(frozenset(ends), stopper)
    return known[chain]


def _leads(
    entries: Sequence[Entry], rule: FilterRule, packet: InboundPacket, known: dict[str, _Way]
) -> tuple[frozenset[_End], bool]:
    """Give where a rule that matches leads, and whether the next rule may be asked after it."""
    match rule.verdict:
        case FilterVerdict.ACCEPT:
            return frozenset({_End.ACCEPTED}), False
        case FilterVerdict.DROP | FilterVerdict.REJECT:
            return frozenset({_End.DROPPED}), False
        case FilterVerdict.RETURN:
            return frozenset({_End.THROUGH}), False
        case FilterVerdict.JUMP:
            ends = _chain(entries, rule.target, packet, known).ends
            return ends - {_End.THROUGH}, _End.THROUGH in ends
        case FilterVerdict.CONTINUE:
            return frozenset(), True


def _matches(rule: FilterRule, packet: InboundPacket) -> bool | None:
    """Tell whether a rule matches; None for maybe."""
    arrives = _interface_matches(rule.in_interfaces, packet.in_interfaces, frozenset())
    leaves = _interface_matches(rule.out_interfaces, packet.out_interfaces, packet.in_interfaces)
    surely_not = (
        rule.family not in (0, packet.family),
        rule.protocol is not None and rule.protocol not in _TCP,
        rule.ports is not None and packet.port not in rule.ports,
        rule.destination is not None
        and (packet.destination is None or packet.destination not in rule.destination),
        rule.source is not None and rule.source != _EVERYBODY,
        rule.translated is not None and rule.translated is not packet.translated,
        rule.new is False,
        arrives is False,
        leaves is False,
    )
    if any(surely_not):
        return False
    return None if None in (arrives, leaves) or not rule.understood else True


def _interface_matches(
    wanted: tuple[str, ...] | None, names: frozenset[str], never: frozenset[str]
) -> bool | None:
    """Tell whether a rule's interfaces are the packet's. Of one that nobody named, only what it is not is known."""
    if wanted is None:
        return True
    negated = bool(wanted) and all(name.startswith("!") for name in wanted)
    plain = [name.removeprefix("!") for name in wanted]
    if any(_is_named(name, names) for name in plain):
        return not negated
    if names or all(_is_named(name, never) for name in plain):
        return negated
    return None


def _is_named(wanted: str, names: frozenset[str]) -> bool:
    if wanted.endswith("*"):
        return any(name.startswith(wanted[:-1]) for name in names)
    return wanted in names
