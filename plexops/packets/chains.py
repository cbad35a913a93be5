"""A packet's way through one chain, and what a rule that holds does to it. Bounded; what goes beyond is not known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from plexops.model.packets import (
    AddToSet,
    Box,
    Chain,
    CopyMark,
    Effect,
    Jump,
    NameMark,
    NoTracking,
    Rule,
    SetMark,
    SetTag,
    SkipFilter,
    TranslateDestination,
    TranslateSource,
    UnknownEffect,
    Verdict,
)
from plexops.packets.packet import (
    CONNECTION_MARK,
    PACKET_MARK,
    Packet,
    Question,
    Slot,
    Step,
    Tracking,
    assume,
    clouded,
    everything,
    forgotten,
    merge,
)
from plexops.packets.split import split_all
from plexops.packets.translation import translated

JUMP_DEPTH = 40
RULE_STEPS = 60_000


class EndKind(StrEnum):
    """How a connection may end."""

    DELIVERED = "delivered"
    SENT = "sent"
    DROPPED = "dropped"
    REJECTED = "rejected"
    ANSWER_DROPPED = "answer dropped"
    ACK_DROPPED = "second packet dropped"
    ACK_ELSEWHERE = "second packet goes elsewhere"
    NOT_KNOWN = "not known"


@dataclass(frozen=True, slots=True)
class End:
    """An end, the packet (with its sets) for which it holds, and what decided it.

    `first`: how the connection's first packet had come through, where it is a later one that ended.
    """

    kind: EndKind
    packet: Packet
    step: Step
    box: int = 0
    first: Packet | None = None


@dataclass(slots=True)
class Outcome:
    """What came of some packets in one chain: they came to its end, were accepted, or ended."""

    through: list[Packet] = field(default_factory=list)
    accepted: list[Packet] = field(default_factory=list)
    ended: list[End] = field(default_factory=list)


@dataclass(slots=True)
class Steps:
    """How many rules have been asked in one walk."""

    used: int = 0

    def spend(self, packets: int) -> bool:
        """Count one rule; False when the limit is reached."""
        self.used += packets
        return self.used <= RULE_STEPS


@dataclass(frozen=True, slots=True)
class ChainWalk:
    """Walks chains of one box. `index` is the box's place on the way, for the trail."""

    box: Box
    index: int
    steps: Steps
    #: The walk is in chains that translate: what is not modelled there may send a packet anywhere.
    nat: bool = False

    def base(self, chain: Chain, packets: list[Packet]) -> Outcome:
        """Walk a base chain: who comes to its end meets its policy."""
        hook = chain.hook
        walker = self if hook is None or hook.nat is self.nat else replace(self, nat=hook.nat)
        outcome = walker.walk(chain, packets, 0)
        if hook is None or hook.policy not in (Verdict.DROP, Verdict.REJECT):
            outcome.accepted += outcome.through
        else:
            kind = EndKind.DROPPED if hook.policy is Verdict.DROP else EndKind.REJECTED
            for packet in outcome.through:
                end = self._end(kind, packet, chain, None, f"policy {hook.policy}")
                outcome.ended.append(_based(end, chain, None))
        outcome.through = []
        return outcome

    def walk(self, chain: Chain, packets: list[Packet], depth: int) -> Outcome:
        """Walk one chain, without its policy."""
        outcome = Outcome()
        if chain.unread:
            for packet in packets:
                outcome.through += self._unknown(outcome, chain, None, f"{chain.id}: {chain.unread}", packet)
            return outcome
        live = packets
        for rule in _in_order(chain):
            if not live:
                break
            if not self.steps.spend(len(live)):
                self._stop(outcome, live, chain, rule, "the rules go on for too long")
                return outcome
            held: list[Packet] = []
            rest: list[Packet] = []
            for packet in live:
                yes, no = split_all(rule.matches, packet, self.box)
                held += yes
                rest += no
            if not held:
                # Nothing was decided; what was cut on the way to "no" is the same as before.
                continue
            known = len(outcome.ended)
            for packet in held:
                rest += self._apply(outcome, chain, rule, packet, depth)
            if depth == 0:
                outcome.ended[known:] = [_based(end, chain, rule) for end in outcome.ended[known:]]
            live = merge(rest) if len(rest) > 1 else rest
        outcome.through += live
        return outcome

    def _apply(self, outcome: Outcome, chain: Chain, rule: Rule, packet: Packet, depth: int) -> list[Packet]:
        """Let a rule that holds do what it does; give the packets that go on to the next rule."""
        live = [packet]
        for effect in rule.effects:
            after: list[Packet] = []
            for one in live:
                after += self._effect(outcome, chain, rule, effect, one, depth)
            live = after
        return live

    def _effect(
        self, outcome: Outcome, chain: Chain, rule: Rule, effect: Effect, packet: Packet, depth: int
    ) -> list[Packet]:
        match effect:
            case Verdict.ACCEPT:
                outcome.accepted.append(self._noted(packet, chain, rule))
            case Verdict.DROP:
                outcome.ended.append(self._end(EndKind.DROPPED, packet, chain, rule, rule.words))
            case Verdict.REJECT:
                outcome.ended.append(self._end(EndKind.REJECTED, packet, chain, rule, rule.words))
            case Verdict.RETURN:
                outcome.through.append(self._noted(packet, chain, rule))
            case Verdict.CONTINUE:
                return [packet]
            case Jump():
                return self._jump(outcome, chain, rule, effect, packet, depth)
            case TranslateDestination():
                if effect.family not in (0, packet.family):
                    return [packet]
                for moved in translated(effect, packet, self.box):
                    outcome.accepted.append(self._noted(moved, chain, rule))
            case TranslateSource(addresses):
                numbers = addresses if addresses is not None else self._own(packet, packet.leaves)
                moved = replace(packet, source=numbers, snat=True, taken=True)
                outcome.accepted.append(self._noted(moved, chain, rule))
            case UnknownEffect(words):
                return self._unknown(outcome, chain, rule, words, packet)
            case _:
                return [self._changed(effect, packet)]
        return []

    def _changed(self, effect: Effect, packet: Packet) -> Packet:
        """Change what a packet bears."""
        match effect:
            case NoTracking():
                untracked = packet.tracking is Tracking.BEFORE
                return replace(packet, tracking=Tracking.UNTRACKED) if untracked else packet
            case SetMark(connection=True) | CopyMark() | NameMark(kind="connection") if not packet.connection:
                return packet
            case SetMark(value, keep, connection, unknown):
                old = packet.connection_mark if connection else packet.mark
                mark = None if unknown or (old is None and keep) else ((old or 0) & keep) ^ value
                return _marked(packet, mark, connection=connection)
            case CopyMark(to_connection):
                mark = packet.mark if to_connection else packet.connection_mark
                return _marked(packet, mark, connection=to_connection)
            case NameMark(name, kind):
                if kind == "packet":
                    return replace(packet, mark_name=name)
                return replace(packet, connection_mark_name=name)
            case SetTag(word):
                return replace(packet, tag=word)
            case AddToSet(side, name):
                return replace(packet, joined=packet.joined | {(packet.slot(side)[1], name)})
            case SkipFilter():
                return replace(packet, skips_filter=True)
        return packet

    def _jump(
        self, outcome: Outcome, chain: Chain, rule: Rule, jump: Jump, packet: Packet, depth: int
    ) -> list[Packet]:
        target = self.box.chains.get(jump.chain)
        if target is None:
            goes_on = self._unknown(outcome, chain, rule, f"the chain {jump.chain} was not read", packet)
            if not jump.goto:
                return goes_on
            outcome.through += goes_on
            return []
        if depth >= JUMP_DEPTH:
            self._stop(outcome, [packet], chain, rule, "jumps go round in circles")
            return []
        inner = self.walk(target, [packet], depth + 1)
        outcome.accepted += inner.accepted
        outcome.ended += inner.ended
        if jump.goto:
            outcome.through += inner.through
            return []
        return inner.through

    def _unknown(
        self, outcome: Outcome, chain: Chain, rule: Rule | None, words: str, packet: Packet
    ) -> list[Packet]:
        """Not modelled: a filter stops a packet or lets it go; what translates may also send it anywhere.

        Gives what goes on to the next rule. That is nothing in a filter: what any rule behind makes of a packet is to
        stop it, or to let it go with something set on it; and all that is followed.
        """
        stopped, spared = assume(packet, Question("what this does:", words))
        if stopped is not None:
            kind = EndKind.NOT_KNOWN if self.nat else EndKind.DROPPED
            outcome.ended.append(self._end(kind, stopped, chain, rule, words))
        if spared is None or self.nat:
            return [] if spared is None else [spared]
        untracked = (
            [replace(spared, tracking=Tracking.UNTRACKED)] if spared.tracking is Tracking.BEFORE else []
        )
        outcome.accepted += [self._noted(clouded(one), chain, rule) for one in (spared, *untracked)]
        return []

    def _stop(
        self, outcome: Outcome, packets: Sequence[Packet], chain: Chain, rule: Rule, words: str
    ) -> None:
        for packet in packets:
            outcome.ended.append(self._end(EndKind.NOT_KNOWN, packet, chain, rule, words))

    def _own(self, packet: Packet, interface: str | None) -> Slot:
        """Give the box's own address on an interface; any address where that was not read."""
        found = {
            a.number
            for a in self.box.addresses or ()
            if a.family == packet.family and interface in (None, a.interface)
        }
        if found:
            return tuple(sorted((n, n) for n in found))
        return everything(packet.family)

    def _noted(self, packet: Packet, chain: Chain, rule: Rule | None) -> Packet:
        step = Step(self.index, packet.leg, chain, rule, chain.id if rule is None else rule.words)
        return replace(packet, trail=(*packet.trail, step))

    def _end(self, kind: EndKind, packet: Packet, chain: Chain, rule: Rule | None, words: str) -> End:
        return End(kind, packet, Step(self.index, packet.leg, chain, rule, words), self.index)


def _based(end: End, base: Chain, at: Rule | None) -> End:
    return replace(end, step=replace(end.step, base=base, at=at))


def _marked(packet: Packet, mark: int | None, *, connection: bool) -> Packet:
    """Set a mark; if to what is not known, then what was found out about the old one does not hold for it."""
    known = packet.answers
    if connection:
        answers = known if mark is not None else forgotten(packet, CONNECTION_MARK)
        return replace(packet, connection_mark=mark, answers=answers)
    return replace(packet, mark=mark, answers=known if mark is not None else forgotten(packet, PACKET_MARK))


def _in_order(chain: Chain) -> Sequence[Rule]:
    """Give the rules in force. Where the last match decides, a quick one outranks all that are not: those, backwards."""
    rules = [rule for rule in chain.rules if not rule.off]
    if chain.hook is None or not chain.hook.last_match:
        return rules
    return [r for r in rules if r.quick] + [r for r in reversed(rules) if not r.quick]
