"""Why not? The rule that keeps a connection from its target, in the device's words.

Asked in this order: what stops it on the way; what sends it elsewhere; for each rule that would lead to the target, the
first reason why it does not; else that there is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from plexops.model.intervals import intersect, size
from plexops.model.packets import (
    AddressIn,
    AddressIs,
    Box,
    Chain,
    FamilyIs,
    InterfaceIs,
    Jump,
    MacIn,
    MarkIs,
    MarkNamed,
    Match,
    PortIn,
    ProtocolIs,
    Rule,
    SetHas,
    Side,
    StateIs,
    TagIs,
    TranslateDestination,
)
from plexops.packets.chains import End, EndKind
from plexops.packets.connection import BoxWalk
from plexops.packets.packet import Leg, Packet, Step, Tracking
from plexops.packets.plumbing import PLUMBING, TRANSLATING
from plexops.packets.reach import VIEWER_PORTS, Answer, Asked, Target, first_packet
from plexops.packets.split import split


class Why(StrEnum):
    """What keeps a connection from its target."""

    STOPPED = "stopped"  # a rule or policy on the way
    ELSEWHERE = "elsewhere"  # translated, and not to the target
    OFF = "off"  # the rule is not in force
    UNTRACKED = "untracked"  # connection tracking, and so translation, was switched off for it
    NO_MATCH = "no match"  # one of the rule's matches says no
    NOT_ENTERED = "not entered"  # the rule's chain is not entered
    NARROWED = "narrowed"  # the rule holds for some senders, times or rates
    TAKEN = "taken before"  # another rule is asked first
    NO_RULE = "no rule"


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason. `rule` is the rule that would lead there, or that stops; `by` the one that takes the packet first.

    `match` is what says no, or narrows. `box` is the place on the way, `leg` which packet of the connection it was.
    """

    why: Why
    box: int = 0
    rule: Rule | None = None
    chain: Chain | None = None
    match: Match | None = None
    by: Rule | None = None
    words: str = ""
    leg: Leg = Leg.SYN
    #: Where a rule of ours would have to stand so that it is asked before what stops: base chain, and its rule.
    base: Chain | None = None
    at: Rule | None = None


_ORDER: Sequence[type[object]] = (
    FamilyIs, ProtocolIs, InterfaceIs, AddressIn, AddressIs, PortIn, SetHas, MacIn, MarkIs, MarkNamed, StateIs, TagIs,
)  # fmt: skip
_STOPPING = (
    EndKind.DROPPED,
    EndKind.REJECTED,
    EndKind.ANSWER_DROPPED,
    EndKind.ACK_DROPPED,
    EndKind.ACK_ELSEWHERE,
)


def why_not(path: Sequence[Box], asked: Asked, target: Target, answer: Answer) -> tuple[Reason, ...]:
    """Give every reason, the first that counts in front; empty where everybody gets through."""
    missed = [end for end in answer.missed if size(end.packet.viewer_ports) * 100 > size(VIEWER_PORTS)]
    if not missed and not answer.doubtful:
        return ()
    found = [*_stopped(missed), *_elsewhere(missed)]
    untranslated = any(not end.packet.dnat for end in missed)
    if path and (untranslated or not found):
        found += _rules(path[0], asked, target, missed)
    return tuple(dict.fromkeys(found)) or (Reason(Why.NO_RULE),)


def _stopped(missed: Iterable[End]) -> Iterator[Reason]:
    """What was stopped after its translation, before any, or behind the first box."""
    for end in missed:
        packet = end.packet
        on_the_way = packet.dnat or not packet.routed or end.box > 0 or packet.leaves
        if end.kind in _STOPPING and (on_the_way or packet.leg is not Leg.SYN):
            step = end.step
            yield Reason(
                Why.STOPPED,
                end.box,
                step.rule,
                step.chain,
                words=step.words,
                leg=step.leg,
                base=step.base,
                at=step.at,
            )


def _elsewhere(missed: Iterable[End]) -> Iterator[Reason]:
    for end in missed:
        if end.kind not in (EndKind.DELIVERED, EndKind.SENT) or not end.packet.dnat:
            continue
        step = _translation(end.packet.trail)
        if step is not None:
            yield Reason(Why.ELSEWHERE, step.box, step.rule, step.chain, words=step.words)


def _translation(trail: Sequence[Step]) -> Step | None:
    for step in reversed(trail):
        effects = () if step.rule is None else step.rule.effects
        if any(isinstance(effect, TranslateDestination) for effect in effects):
            return step
    return None


def translating(box: Box) -> Iterator[tuple[Chain, Rule, TranslateDestination]]:
    """Give every rule of a box that translates destinations, with its chain, in the box's order of chains."""
    for chain in box.chains.values():
        for rule in chain.rules:
            for effect in rule.effects:
                if isinstance(effect, TranslateDestination):
                    yield chain, rule, effect


def leads_to(effect: TranslateDestination, asked: Asked, target: Target) -> bool:
    """Tell whether a translation would end at the target."""
    if effect.to_itself or effect.addresses is None or effect.family not in (0, asked.family):
        return False
    for addresses, ports in target.places:
        there = effect.ports if effect.ports is not None else asked.ports
        if effect.shift_from is not None and effect.ports is not None:
            by = effect.ports[0][0] - effect.shift_from
            there = tuple((a + by, b + by) for a, b in asked.ports)
        if intersect(effect.addresses, addresses) and intersect(there, ports):
            return True
    return False


def _rules(box: Box, asked: Asked, target: Target, missed: Sequence[End]) -> list[Reason]:
    packets = _before_translation(box, asked)
    leading = [(c, r) for c, r, effect in translating(box) if leads_to(effect, asked, target)]
    takers = [end.packet.trail for end in missed]
    found = [_of_rule(box, chain, rule, packets, takers) for chain, rule in leading]
    if found:
        return found
    named = [
        _of_rule(box, chain, rule, packets, takers)
        for chain, rule, _ in translating(box)
        if any(_names(match, asked) for match in rule.matches)
    ]
    return named or [Reason(Why.NO_RULE)]


def _names(match: Match, asked: Asked) -> bool:
    test = match.test
    return (
        isinstance(test, PortIn)
        and test.side is Side.DESTINATION
        and not match.negated
        and bool(intersect(test.numbers, asked.ports))
    )


def _before_translation(box: Box, asked: Asked) -> list[Packet]:
    """Give the first packet as it is when destinations are about to be translated."""
    walk = BoxWalk(box)
    stage = TRANSLATING[box.plumbing]
    steps = PLUMBING[box.plumbing].first
    return walk.through(steps[: steps.index(f"nat {stage}")], [first_packet(box, asked)])[0]


def _of_rule(
    box: Box, chain: Chain, rule: Rule, packets: Sequence[Packet], trails: Sequence[Sequence[Step]]
) -> Reason:
    """Say why a rule that would lead to the target does not."""
    if rule.off:
        return Reason(Why.OFF, rule=rule, chain=chain, words=rule.off)
    if packets and all(packet.tracking is Tracking.UNTRACKED for packet in packets):
        return Reason(Why.UNTRACKED, rule=rule, chain=chain)
    no, narrowing = _first_no(box, rule, packets)
    if no is not None:
        return Reason(Why.NO_MATCH, rule=rule, chain=chain, match=no, words=no.words)
    barred = _not_entered(box, chain, packets, frozenset())
    if barred is not None:
        return Reason(Why.NOT_ENTERED, rule=rule, chain=chain, match=barred, words=barred.words)
    if narrowing is not None:
        return Reason(Why.NARROWED, rule=rule, chain=chain, match=narrowing, words=narrowing.words)
    by = next((s.rule for t in trails for s in t if s.rule is not None and s.rule is not rule), None)
    return Reason(Why.TAKEN, rule=rule, chain=chain, by=by, words="" if by is None else by.words)


def _first_no(box: Box, rule: Rule, packets: Sequence[Packet]) -> tuple[Match | None, Match | None]:
    """Give the first match that nobody passes, and the first that only some pass."""
    live = list(packets)
    narrowing: Match | None = None
    for match in sorted(rule.matches, key=_place):
        passed: list[Packet] = []
        for packet in live:
            yes, no = split(match, packet, box)
            passed += yes
            if yes and no and narrowing is None:
                narrowing = match
        if live and not passed:
            return match, narrowing
        live = passed
    return None, narrowing


def _place(match: Match) -> int:
    for place, kind in enumerate(_ORDER):
        if isinstance(match.test, kind):
            is_source = getattr(match.test, "side", None) is Side.SOURCE and kind is not InterfaceIs
            return place + (len(_ORDER) if is_source else 0)
    return 3 * len(_ORDER)


_NOWHERE = Match(FamilyIs(frozenset()), words="no rule leads to its chain")


def _not_entered(box: Box, chain: Chain, packets: Sequence[Packet], asked: frozenset[str]) -> Match | None:
    """Give the match that keeps packets out of a chain; None where they get in."""
    if chain.hook is not None or chain.id in asked:
        return None
    barred: Match | None = _NOWHERE
    for other in box.chains.values():
        for rule in other.rules:
            if rule.off or not any(isinstance(e, Jump) and e.chain == chain.id for e in rule.effects):
                continue
            no, _ = _first_no(box, rule, packets)
            no = no or _not_entered(box, other, packets, asked | {chain.id})
            if no is None:
                return None
            barred = no
    return barred
