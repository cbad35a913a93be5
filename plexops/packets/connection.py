"""A whole connection through the boxes of a home: the first packet, its answer, and what follows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from msgspec import Struct, field

from plexops.model.intervals import intersect
from plexops.model.matches import AddressKind, InterfaceIs, Match, Side, State
from plexops.model.packets import Box, Chain, Hook
from plexops.packets.chains import ChainWalk, End, EndKind, Outcome, Steps
from plexops.packets.hook_order import PLUMBING, TRANSLATING, Plumbing, priorities
from plexops.packets.legs import as_first, as_known, bearing, following, for_whom, is_answer, reply_to, undone
from plexops.packets.packet import (
    Leg,
    Packet,
    Parts,
    Question,
    Step,
    Tracking,
    afresh,
    assume,
    cut,
    each,
    merge,
    next_leg,
    recalled,
)
from plexops.packets.split import own_addresses, split
from plexops.packets.translation import same_place
from plexops.structs import replace

_STOPPED = (EndKind.DROPPED, EndKind.REJECTED)
_THROUGH = (EndKind.DELIVERED, EndKind.SENT)
_FOREIGN = "the answer is not tracked: it bears another address or port than the one that was asked"
_LOOSE = "a packet of a connection whose start was not tracked may be translated"

_Base = tuple[Chain, Hook]
#: Which of what came of a chain is walked on with.
_Take = Callable[[Outcome], list[Packet]]


class _Known(Struct, frozen=True):
    """How a connection's first packet left the box, and whether tracking saw it, its answer, and what followed that."""

    packet: Packet
    tracked: bool
    answered: bool = True
    followed: bool = True


class BoxWalk(Struct):
    """Walks one box's plumbing. `index` is its place on the way."""

    box: Box
    index: int = 0
    steps: Steps = field(default_factory=Steps)
    known: _Known | None = None
    #: The box's base chains by stage, and whether they translate, in the order in which they are asked.
    hooked: dict[tuple[str, bool], list[_Base]] = {}

    def __post_init__(self) -> None:
        if not self.hooked:
            found = ((chain, chain.hook) for chain in self.box.chains.values() if chain.hook is not None)
            for chain, hook in sorted(found, key=lambda one: (one[1].priority, -one[1].order)):
                self.hooked.setdefault((hook.stage, hook.nat), []).append((chain, hook))

    @property
    def plumbing(self) -> Plumbing:
        return PLUMBING[self.box.plumbing]

    def first_packet(self, packet: Packet) -> list[End]:
        """Walk the first packet: where it is delivered, sent, or stopped.

        So goes the packet after the answer, too: no translation is decided any more, the known one is applied.
        """
        live, ends = self.through(self.plumbing.first, [packet])
        for local, parts in self._routed(live, ends):
            more, stopped = self.through(self.plumbing.local if local else self.plumbing.away, parts)
            ends += stopped
            kind = EndKind.DELIVERED if local else EndKind.SENT
            ends += [_end(kind, p, self.index) for p in more]
        return ends

    def connection(self, packet: Packet) -> list[End]:
        """Walk the first packet and, where it gets through, its answer and the packet after that."""
        first = self.first_packet(packet)
        if not self.plumbing.local_reply:
            return first
        ends = [end for end in first if end.kind not in _THROUGH]
        for kind in _THROUGH:
            # The mark of the first packet is not that of any other.
            left = (replace(end.packet, mark=0, mark_name="") for end in first if end.kind is kind)
            for sent in next_leg(left):
                ends += self._after(_end(kind, sent, self.index))
        return [replace(end, packet=recalled(end.packet)) for end in ends]

    def _after(self, first: End) -> list[End]:
        known = _Known(first.packet, first.packet.tracking is Tracking.TRACKED)
        walker = BoxWalk(self.box, self.index, self.steps, known, self.hooked)
        answered, stopped = walker.answer(first)
        ends = [_unanswered(end) for end in stopped]
        for tracked in (True, False):
            walker.known = replace(known, answered=tracked)
            came = [packet for packet in answered if (packet.tracking is Tracking.TRACKED) is tracked]
            whole: dict[bool, list[Packet]] = {True: [], False: []}
            for packet in next_leg(following(first.packet, packet) for packet in came):
                for second in walker.first_packet(packet):
                    if lost := _elsewhere(first, second):
                        ends.append(lost)
                    else:
                        seen = second.packet.tracking is Tracking.TRACKED
                        whole[seen].append(bearing(first.packet, second.packet))
            for seen, packets in whole.items():
                walker.known = replace(known, answered=tracked, followed=seen)
                ends += walker._later(first, packets)
        return [replace(end, first=first.packet) for end in ends]

    def _later(self, first: End, whole: Sequence[Packet]) -> list[End]:
        """Walk what the server sends next: the second packet may have set a mark or filled a set that stops it."""
        ends: list[End] = []
        for packet in next_leg(whole):
            live, stopped = self.answer(replace(first, packet=packet), Leg.LATER)
            ends += [replace(first, packet=for_whom(packet, later)) for later in live]
            ends += [_unanswered(end) for end in stopped]
        return ends

    def answer(self, first: End, leg: Leg = Leg.ANSWER) -> tuple[list[Packet], list[End]]:
        """Walk the answer to a packet that got through."""
        local = first.kind is EndKind.DELIVERED
        reply = reply_to(first.packet, leg, local=local)
        if local:
            live, ends = self.through(self.plumbing.local_reply, [reply])
        else:
            before, after = _around(self.plumbing.away_reply)
            live, ends = self.through(before, [reply])
            live, stopped = self.through(after, [replace(p, leaves=first.packet.entered) for p in live])
            ends += stopped
        # What the viewer did not ask for it does not take.
        ends += [_end(EndKind.DROPPED, p, self.index, _FOREIGN) for p in live if not is_answer(p)]
        return [p for p in live if is_answer(p)], ends

    # --- steps -----------------------------------------------------------------------------------------

    def through(self, steps: Sequence[str], packets: list[Packet]) -> tuple[list[Packet], list[End]]:
        """Walk some steps of the plumbing; give what comes through, and what ended on the way."""
        ends, live = list[End](), packets
        for step in steps:
            if not live:
                break
            if step in ("route", "deliver", "leave"):
                continue
            if step.startswith("nat "):
                live = self._nat(step[4:], live, ends)
            elif step == "track":
                live = [self._tracked(packet) for packet in live]
            elif step.startswith("undo-"):
                source = step == "undo-snat"
                live = [undone(packet, source=source) for packet in live]
                way = self.plumbing.first if source else self.plumbing.away
                stage = next(one[4:] for one in way if one.startswith("nat "))
                live = self._picked_up(stage, live, ends)
            else:
                stage, low, high = priorities(step)
                for base in self.hooked.get((stage, False), ()):
                    if low <= base[1].priority < high:
                        live = self._asked(base, live, ends, lambda outcome: outcome.accepted)
        return live, ends

    def _nat(self, stage: str, packets: list[Packet], ends: list[End]) -> list[Packet]:
        """Ask the chains that translate, until one does. What follows the first packet is not asked again."""
        if self.known is not None:
            source = stage not in TRANSLATING.values()
            live = [as_known(p, self.known.packet, source=source) for p in packets]
            return self._picked_up(stage, live, ends)
        done = [p for p in packets if not p.connection]
        live = [p for p in packets if p.connection]
        for base in self.hooked.get((stage, True), ()):

            def left(outcome: Outcome) -> list[Packet]:
                done.extend(replace(p, taken=False) for p in outcome.accepted if p.taken)
                return [*outcome.through, *(p for p in outcome.accepted if not p.taken)]

            live = self._asked(base, live, ends, left)
        return [*done, *live]

    def _picked_up(self, stage: str, packets: list[Packet], ends: list[End]) -> list[Packet]:
        """Of a connection whose start was not seen tracking may take a later packet for a new one, and translate it."""
        if self.known is None or self.known.tracked:
            return packets
        left: list[Packet] = []
        for packet in packets:
            if packet.tracking is not Tracking.TRACKED or packet.state is not None:
                left.append(packet)
                continue
            live, stopped = [replace(packet, state=State.NEW, connection=True)], list[End]()
            for base in self.hooked.get((stage, True), ()):
                live = self._asked(base, live, stopped, lambda come: [*come.through, *come.accepted])
            for one in live:
                if one.taken:
                    ends.append(_end(EndKind.NOT_KNOWN, one, self.index, _LOOSE))
                else:
                    left.append(replace(one, state=packet.state, connection=packet.connection))
            ends += [replace(end, kind=EndKind.NOT_KNOWN) for end in stopped]
        return left

    def _asked(self, base: _Base, packets: list[Packet], ends: list[End], take: _Take) -> list[Packet]:
        """Ask one base chain those packets that it sees."""
        chain, hook = base
        seen, past = each(packets, partial(self._met, hook))
        if not seen:
            return packets
        outcome = ChainWalk(self.box, self.index, self.steps).base(chain, seen)
        ends += outcome.ended
        return merge([*past, *take(outcome)])

    def _met(self, hook: Hook, packet: Packet) -> Parts:
        """Part what a chain sees from what it does not."""
        if packet.family not in hook.families or (packet.skips_filter and not hook.nat):
            return [], [packet]
        if not hook.devices:
            return [packet], []
        side = Side.DESTINATION if hook.stage == "egress" else Side.SOURCE
        return split(Match(InterfaceIs(side, hook.devices)), packet, self.box)

    def _tracked(self, packet: Packet) -> Packet:
        if packet.tracking is Tracking.UNTRACKED:
            return packet
        if self.known is None:
            return replace(as_first(packet), tracking=Tracking.TRACKED, connection=True, state=State.NEW)
        known = self.known
        tracked = replace(packet, tracking=Tracking.TRACKED, connection=False)
        if not known.tracked:
            # Of a connection whose start it did not see an answer is invalid; the rest depends on a setting.
            return replace(tracked, state=State.INVALID if packet.leg is Leg.ANSWER else None)
        if not known.answered and packet.leg is Leg.ACK:
            # It waits for the answer, which it did not see (tcp_conntracks of nf_conntrack_proto_tcp.c: sSS, ack, sIV).
            return replace(tracked, state=State.INVALID)
        if packet.leg is Leg.LATER and not (known.answered and known.followed):
            # It acknowledges what tracking did not see, and is invalid by that where a setting is not liberal.
            return replace(tracked, state=None)
        dnat, snat = known.packet.dnat, known.packet.snat
        return replace(tracked, connection=True, state=State.ESTABLISHED, dnat=dnat, snat=snat)

    def _routed(self, packets: list[Packet], ends: list[End]) -> Iterator[tuple[bool, list[Packet]]]:
        """Part what is for the box itself from what goes on, and say by which interface."""
        if self.box.addresses is None:
            kinds = frozenset({AddressKind.LOCAL})
            local, others = each(
                packets, lambda packet: assume(packet, own_addresses(packet.destination, kinds))
            )
        else:
            local, others = each(packets, lambda p: cut(p, "destination", self.box.own(p.family)))
        away = [self._by_interface(replace(packet, routed=True), ends) for packet in others]
        yield True, [replace(packet, leaves="", routed=True) for packet in local]
        yield False, [packet for some in away for packet in some]

    def _by_interface(self, packet: Packet, ends: list[End]) -> list[Packet]:
        if self.box.routes is None:
            return [replace(packet, leaves=None)]
        found, left = list[Packet](), [packet]
        for route in sorted(self.box.routes, key=lambda route: -route.length):
            if route.family == packet.family:
                inside, left = each(left, partial(cut, name="destination", numbers=route.numbers))
                found += [replace(one, leaves=route.interface) for one in inside]
        ends += [_end(EndKind.DROPPED, one, self.index, "no route leads there") for one in left]
        return found


def _around(steps: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Part an answer's way where it is routed: before the first chain that only what goes on meets."""
    for place, step in enumerate(steps):
        if "forward" in step:
            return steps[:place], steps[place:]
    return steps, ()


def _elsewhere(first: End, second: End) -> End | None:
    """Give the end of a second packet that does not end where the first did; None where it does."""
    if second.kind in _STOPPED:
        return replace(second, kind=EndKind.ACK_DROPPED)
    if second.kind is EndKind.NOT_KNOWN:
        return second
    there = second.kind is first.kind and same_place(second.packet, first.packet)
    return None if there else replace(second, kind=EndKind.ACK_ELSEWHERE)


def _unanswered(end: End) -> End:
    return replace(end, kind=EndKind.ANSWER_DROPPED) if end.kind in _STOPPED else end


def _end(kind: EndKind, packet: Packet, index: int, words: str = "") -> End:
    return End(kind, packet, Step(index, packet.leg, None, None, words), index)


def connect(path: Sequence[Box], packet: Packet) -> list[End]:
    """Walk a connection through boxes in a row: what the first sends to an address of the next goes on there."""
    if not path:
        return [_end(EndKind.SENT, packet, 0)]
    return _from(path, 0, packet, Steps())


def _from(path: Sequence[Box], index: int, packet: Packet, steps: Steps) -> list[End]:
    ends: list[End] = []
    for end in BoxWalk(path[index], index, steps).connection(packet):
        if end.kind is not EndKind.SENT or index + 1 >= len(path):
            ends.append(end)
            continue
        box, sent = path[index + 1], end.packet
        if box.addresses is None:
            inside, outside = assume(sent, Question(f"whether box {index + 2} on the way has that address"))
        else:
            inside, outside = cut(sent, "destination", box.own(sent.family))
        ends += [replace(end, packet=one) for one in outside]
        for one in inside:
            ends += _from(path, index + 1, _arriving(one, box), steps)
    return ends


def _arriving(packet: Packet, box: Box) -> Packet:
    """Give the packet as it arrives at the next box, which knows nothing of it yet."""
    at = packet.numbers(packet.destination)
    own = {a.number: a.interface for a in box.addresses or () if a.family == packet.family}
    interfaces = {interface for number, interface in own.items() if intersect(at, ((number, number),))}
    arrived = replace(
        afresh(packet, interfaces.pop() if len(interfaces) == 1 else None),
        box=packet.box + 1,
        source=packet.source,
        source_port=packet.source_port,
        destination=packet.destination,
        port=packet.port,
        trail=packet.trail,
    )
    return as_first(arrived)
