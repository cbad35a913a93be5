"""Why not? The rule that keeps a connection from its target, in the device's words.

Asked in this order: what stops it on the way; what sends it elsewhere; for each rule that would lead to the target, the
first reason why it does not; else that there is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum

from msgspec import Struct

from plexops.model import matches
from plexops.model.intervals import intersect, shift
from plexops.model.matches import InterfaceIs, Match, Side
from plexops.model.packets import Box, Chain, Jump, Rule, TranslateDestination, UnknownEffect
from plexops.packets.chains import End, EndKind
from plexops.packets.connection import BoxWalk
from plexops.packets.hook_order import PLUMBING, TRANSLATING
from plexops.packets.packet import Leg, Packet, Step, Tracking
from plexops.packets.reach import Answer, Asked, Target, first_packet, that_count
from plexops.packets.split import split
from plexops.structs import replace


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


class Reason(Struct, frozen=True):
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
    #: The destination had been translated when the packet met what stops it.
    translated: bool = False

    @property
    def called(self) -> str:
        """How texts name what stops."""
        return f"“{self.words}”" if self.rule is None else self.rule.called

    @property
    def where(self) -> str:
        """The chain that packets enter there."""
        chain = self.base or self.chain
        return "" if chain is None else chain.id

    @property
    def exhibit(self) -> str:
        return "" if self.rule is None else self.rule.exhibit


#: In which order matches are named; without a side: either.
_ORDER: Sequence[tuple[type[object], Side | None]] = (
    (matches.FamilyIs, None), (matches.ProtocolIs, None), (matches.InterfaceIs, None),
    (matches.AddressIn, Side.DESTINATION), (matches.AddressIs, Side.DESTINATION), (matches.PortIn, Side.DESTINATION),
    (matches.AddressIn, Side.SOURCE), (matches.AddressIs, Side.SOURCE), (matches.SetHas, None),
    (matches.PortIn, Side.SOURCE), (matches.MacIn, None), (matches.MarkIs, None), (matches.MarkNamed, None),
    (matches.StateIs, None), (matches.TagIs, None),
)  # fmt: skip


def why_not(path: Sequence[Box], asked: Asked, target: Target, answer: Answer) -> tuple[Reason, ...]:
    """Give every reason, the first that counts in front; empty where everybody gets through."""
    missed = that_count(answer.missed)
    if not missed and not answer.doubtful:
        return ()
    ended = [end for end in missed if end.kind is not EndKind.NOT_KNOWN]
    on_the_way = [end for end in ended if _on_the_way(end, target)]
    others = [end for end in ended if not _on_the_way(end, target)]
    found = [*_stopped(on_the_way), *_elsewhere(others)]
    if path and (not found or any(not _first(end).dnat for end in others)):
        found += _rules(path[0], asked, target)
    by_what = {(r.why, r.box, id(r.rule), id(r.match), id(r.by), id(r.at), r.words, r.leg): r for r in found}
    return tuple(by_what.values()) or (Reason(Why.NO_RULE),)


def _first(end: End) -> Packet:
    return end.packet if end.first is None else end.first


def _on_the_way(end: End, target: Target) -> bool:
    """Tell whether a connection's first packet was on its way to the target: before it was translated, or after."""
    packet = _first(end)
    if end.kind in (EndKind.DELIVERED, EndKind.SENT):
        return False
    at, port = packet.numbers(packet.destination), packet.numbers(packet.port)
    there = any(intersect(at, addresses) and intersect(port, ports) for addresses, ports in target.places)
    return there or end.box > 0 or not (packet.routed or packet.dnat)


def _stopped(ends: Iterable[End]) -> Iterator[Reason]:
    # What is known to stop comes before what only may.
    for end in sorted(ends, key=lambda end: _is_guess(end.step)):
        step = end.step
        stopped = Reason(Why.STOPPED, end.box, step.rule, step.chain, words=step.words, leg=step.leg)
        yield replace(stopped, base=step.base, at=step.at, translated=_first(end).dnat)


def _is_guess(step: Step) -> bool:
    """Tell whether it is not known what decided: a chain that was not read, an effect that is not modelled."""
    unread = step.rule is None and step.chain is not None and bool(step.chain.unread)
    return unread or (step.rule is not None and any(isinstance(e, UnknownEffect) for e in step.rule.effects))


def _elsewhere(ends: Iterable[End]) -> Iterator[Reason]:
    for end in ends:
        step = translated_by(end.packet.trail) if _first(end).dnat else None
        if step is not None:
            yield Reason(Why.ELSEWHERE, step.box, step.rule, step.chain, words=step.words)


def translated_by(trail: Sequence[Step]) -> Step | None:
    """Give the step that translated a packet's destination last; None where none did."""
    return next((step for step in reversed(trail) if step.rule is not None and step.rule.translates), None)


def translating(box: Box) -> Iterator[tuple[Chain, Rule, TranslateDestination]]:
    """Give every rule of a box that translates destinations, with its chain, in the box's order of chains."""
    for chain in box.chains.values():
        for rule in chain.rules:
            for effect in rule.effects:
                if isinstance(effect, TranslateDestination):
                    yield chain, rule, effect


def leads_to(box: Box, effect: TranslateDestination, asked: Asked, target: Target) -> bool:
    """Tell whether a translation would end at the target."""
    if effect.family not in (0, asked.family):
        return False
    to = asked.addresses if effect.addresses is None else effect.addresses
    if effect.to_itself:
        to = box.own(asked.family)
    there = asked.ports if effect.ports is None else effect.ports
    if effect.shift_from is not None and effect.ports is not None:
        there = shift(asked.ports, effect.ports[0][0] - effect.shift_from)
    return any(intersect(to, addresses) and intersect(there, ports) for addresses, ports in target.places)


def _rules(box: Box, asked: Asked, target: Target) -> list[Reason]:
    steps = PLUMBING[box.plumbing].first
    before = steps[: steps.index(f"nat {TRANSLATING[box.plumbing]}")]
    # The first packet as it is when destinations are about to be translated.
    packets = BoxWalk(box).through(before, [first_packet(box, asked)])[0]
    found = [(c, r) for c, r, effect in translating(box) if leads_to(box, effect, asked, target)]
    if not found:
        found = [(c, r) for c, r, _ in translating(box) if any(_names(match, asked) for match in r.matches)]

    def for_another_interface(one: tuple[Chain, Rule]) -> bool:
        barred = _not_entered(box, one[0], packets, frozenset())
        return barred is not None and isinstance(barred.test, InterfaceIs)

    # Those (the way back of those inside) stand behind.
    found.sort(key=for_another_interface)
    return [_of_rule(box, chain, rule, packets) for chain, rule in found] or [Reason(Why.NO_RULE)]


def _names(match: Match, asked: Asked) -> bool:
    test = match.test
    return (
        isinstance(test, matches.PortIn)
        and test.side is Side.DESTINATION
        and not match.negated
        and bool(intersect(test.numbers, asked.ports))
    )


def _of_rule(box: Box, chain: Chain, rule: Rule, packets: Sequence[Packet]) -> Reason:
    """Say why a rule that would lead to the target does not."""
    if rule.off:
        return Reason(Why.OFF, rule=rule, chain=chain, words=rule.off)
    if packets and all(packet.tracking is Tracking.UNTRACKED for packet in packets):
        return Reason(Why.UNTRACKED, rule=rule, chain=chain)
    no, narrowing = _first_no(box, rule, packets)
    barred = None if no is not None else _not_entered(box, chain, packets, frozenset())
    for why, match in ((Why.NO_MATCH, no), (Why.NOT_ENTERED, barred), (Why.NARROWED, narrowing)):
        if match is not None:
            return Reason(why, rule=rule, chain=chain, match=match, words=match.words)
    by = _taken_by(box, chain, rule, packets)
    return Reason(Why.TAKEN, rule=rule, chain=chain, by=by, words="" if by is None else by.words)


def _taken_by(box: Box, chain: Chain, rule: Rule, packets: Sequence[Packet]) -> Rule | None:
    """Give what decides before a rule: in its own chain, else whatever translates, accepts or stops."""
    found: list[Step] = []
    for packet in packets:
        after, ends = BoxWalk(box).through((f"nat {TRANSLATING[box.plumbing]}",), [packet])
        found += [step for one in after for step in one.trail[len(packet.trail) :]]
        found += [end.step for end in ends]
    others = [step for step in found if step.rule is not None and step.rule is not rule]
    near = [step for step in others if step.chain is chain]
    return next((step.rule for step in (*near, *reversed(others))), None)


def _first_no(box: Box, rule: Rule, packets: Sequence[Packet]) -> tuple[Match | None, Match | None]:
    """Give the first match that nobody passes, and the first that only some pass."""
    live = list(packets)
    narrowing: Match | None = None
    for match in sorted(rule.matches, key=_place):
        parts = [split(match, packet, box) for packet in live]
        if narrowing is None and any(yes and no for yes, no in parts):
            narrowing = match
        passed = [packet for yes, _ in parts for packet in yes]
        if live and not passed:
            return match, narrowing
        live = passed
    return None, narrowing


def _place(match: Match) -> int:
    test = match.test
    if isinstance(test, matches.AnyOf):
        return min((_place(one) for branch in test.branches for one in branch), default=len(_ORDER))
    for place, (kind, side) in enumerate(_ORDER):
        if isinstance(test, kind) and side in (None, getattr(test, "side", None)):
            return place
    return len(_ORDER)


_NOWHERE = Match(matches.FamilyIs(frozenset()), words="packets from outside do not come to its chain")


def _not_entered(box: Box, chain: Chain, packets: Sequence[Packet], asked: frozenset[str]) -> Match | None:
    """Give the match that keeps packets out of a chain; None where they get in."""
    if chain.hook is not None:
        return None if chain.hook.nat and chain.hook.stage == TRANSLATING[box.plumbing] else _NOWHERE
    if chain.id in asked:
        return _NOWHERE
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
