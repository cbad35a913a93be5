"""A packet's way through one chain, and what a rule that holds does to it. Bounded; what goes beyond is not known."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from functools import partial

from msgspec import Struct

from plexops.model import packets as model
from plexops.model.packets import Box, Chain, Effect, Jump, Rule, Verdict
from plexops.packets.packet import (
    CONNECTION_MARK,
    PACKET_MARK,
    Packet,
    Question,
    Step,
    Tracking,
    assume,
    clouded,
    each,
    everything,
    forgotten,
    merge,
)
from plexops.packets.split import split_all
from plexops.packets.translation import translated
from plexops.structs import replace

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


class End(Struct, frozen=True):
    """An end, the packet (with its sets) for which it holds, and what decided it.

    `first`: how the connection's first packet had come through, where it is a later one that ended.
    """

    kind: EndKind
    packet: Packet
    step: Step
    box: int = 0
    first: Packet | None = None


class Outcome(Struct):
    """What came of some packets in one chain: they came to its end, were accepted, or ended. `depth`: jumps so far."""

    chain: Chain
    depth: int = 0
    through: list[Packet] = []
    accepted: list[Packet] = []
    ended: list[End] = []


class Steps(Struct):
    """How many rules have been asked in one walk."""

    used: int = 0

    def spend(self, packets: int) -> bool:
        """Count one rule; False when the limit is reached."""
        self.used += packets
        return self.used <= RULE_STEPS


class ChainWalk(Struct, frozen=True):
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
        outcome = walker.walk(chain, packets)
        if hook is None or hook.policy not in (Verdict.DROP, Verdict.REJECT):
            outcome.accepted += outcome.through
        else:
            kind = EndKind.DROPPED if hook.policy is Verdict.DROP else EndKind.REJECTED
            stopped = [self._end(kind, one, chain, None, f"policy {hook.policy}") for one in outcome.through]
            outcome.ended += [_based(end, chain, None) for end in stopped]
        outcome.through = []
        return outcome

    def walk(self, chain: Chain, packets: list[Packet], depth: int = 0) -> Outcome:
        """Walk one chain, without its policy."""
        outcome = Outcome(chain, depth)
        if chain.unread:
            for packet in packets:
                outcome.through += self._unknown(outcome, None, f"{chain.id}: {chain.unread}", packet)
            return outcome
        live = packets
        for rule in _in_order(chain):
            if not live:
                break
            if not self.steps.spend(len(live)):
                self._stop(outcome, live, rule, "the rules go on for too long")
                return outcome
            held, rest = each(live, partial(split_all, rule.matches, box=self.box))
            if not held:
                # Nothing was decided; what was cut on the way to "no" is the same as before.
                continue
            known = len(outcome.ended)
            for packet in held:
                after = [packet]
                for effect in rule.effects:
                    after = [more for one in after for more in self._effect(outcome, rule, effect, one)]
                rest += after
            if depth == 0:
                outcome.ended[known:] = [_based(end, chain, rule) for end in outcome.ended[known:]]
            live = merge(rest) if len(rest) > 1 else rest
        outcome.through += live
        return outcome

    def _effect(self, outcome: Outcome, rule: Rule, effect: Effect, packet: Packet) -> list[Packet]:
        chain = outcome.chain
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
                return self._jump(outcome, rule, effect, packet)
            case model.TranslateDestination():
                if effect.family not in (0, packet.family):
                    return [packet]
                moved = translated(effect, packet, self.box)
                outcome.accepted += [self._noted(one, chain, rule) for one in moved]
            case model.TranslateSource(addresses):
                # Where its own address was not read it is any.
                own = self.box.own(packet.family, packet.leaves) or everything(packet.family)
                source = own if addresses is None else addresses
                masked = replace(packet, source=source, snat=True, taken=True)
                outcome.accepted.append(self._noted(masked, chain, rule))
            case model.UnknownEffect(words):
                return self._unknown(outcome, rule, words, packet)
            case _:
                return [self._changed(effect, packet)]
        return []

    def _changed(self, effect: Effect, packet: Packet) -> Packet:
        match effect:
            case model.NoTracking():
                untracked = packet.tracking is Tracking.BEFORE
                return replace(packet, tracking=Tracking.UNTRACKED) if untracked else packet
            case model.SetMark(connection=True) | model.CopyMark() | model.NameMark(kind="connection") if (
                not packet.connection
            ):
                return packet
            case model.SetMark(value, keep, connection, unknown):
                old = packet.connection_mark if connection else packet.mark
                mark = None if unknown or (old is None and keep) else ((old or 0) & keep) ^ value
                return _marked(packet, mark, connection=connection)
            case model.CopyMark(to_connection):
                mark = packet.mark if to_connection else packet.connection_mark
                return _marked(packet, mark, connection=to_connection)
            case model.NameMark(name, kind):
                if kind == "packet":
                    return replace(packet, mark_name=name)
                return replace(packet, connection_mark_name=name)
            case model.SetTag(word):
                return replace(packet, tag=word)
            case model.AddToSet(side, name):
                return replace(packet, joined=packet.joined | {(packet.slot(side)[1], name)})
            case model.SkipFilter():
                return replace(packet, skips_filter=True)
        return packet

    def _jump(self, outcome: Outcome, rule: Rule, jump: Jump, packet: Packet) -> list[Packet]:
        target = self.box.chains.get(jump.chain)
        if target is None:
            through = self._unknown(outcome, rule, f"the chain {jump.chain} was not read", packet)
        elif outcome.depth >= JUMP_DEPTH:
            self._stop(outcome, [packet], rule, "jumps go round in circles")
            return []
        else:
            inner = self.walk(target, [packet], outcome.depth + 1)
            outcome.accepted += inner.accepted
            outcome.ended += inner.ended
            through = inner.through
        if not jump.goto:
            return through
        outcome.through += through
        return []

    def _unknown(self, outcome: Outcome, rule: Rule | None, words: str, packet: Packet) -> list[Packet]:
        """Not modelled: a filter stops a packet or lets it go; what translates may also send it anywhere.

        Gives what goes on to the next rule. That is nothing in a filter: what any rule behind makes of a packet is to
        stop it, or to let it go with something set on it; and all that is followed.
        """
        chain = outcome.chain
        stopped, spared = assume(packet, Question("what this does:", words))
        kind = EndKind.NOT_KNOWN if self.nat else EndKind.DROPPED
        outcome.ended += [self._end(kind, one, chain, rule, words) for one in stopped]
        if self.nat:
            return spared
        early = [one for one in spared if one.tracking is Tracking.BEFORE]
        untracked = [replace(one, tracking=Tracking.UNTRACKED) for one in early]
        outcome.accepted += [self._noted(clouded(one), chain, rule) for one in (*spared, *untracked)]
        return []

    def _stop(self, outcome: Outcome, packets: Sequence[Packet], rule: Rule, words: str) -> None:
        outcome.ended += [self._end(EndKind.NOT_KNOWN, one, outcome.chain, rule, words) for one in packets]

    def _noted(self, packet: Packet, chain: Chain, rule: Rule | None) -> Packet:
        step = Step(self.index, packet.leg, chain, rule, chain.id if rule is None else rule.words)
        return replace(packet, trail=(*packet.trail, step))

    def _end(self, kind: EndKind, packet: Packet, chain: Chain, rule: Rule | None, words: str) -> End:
        return End(kind, packet, Step(self.index, packet.leg, chain, rule, words), self.index)


def _based(end: End, base: Chain, at: Rule | None) -> End:
    return replace(end, step=replace(end.step, base=base, at=at))


def _marked(packet: Packet, mark: int | None, *, connection: bool) -> Packet:
    """Set a mark; if to what is not known, then what was found out about the old one does not hold for it."""
    about = CONNECTION_MARK if connection else PACKET_MARK
    answers = packet.answers if mark is not None else forgotten(packet, about)
    if connection:
        return replace(packet, connection_mark=mark, answers=answers)
    return replace(packet, mark=mark, answers=answers)


def _in_order(chain: Chain) -> Sequence[Rule]:
    """Give the rules in force. Where the last match decides, a quick one outranks all that are not: those, backwards."""
    rules = [rule for rule in chain.rules if not rule.off]
    if chain.hook is None or not chain.hook.last_match:
        return rules
    return [r for r in rules if r.quick] + [r for r in reversed(rules) if not r.quick]
