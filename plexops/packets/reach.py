"""Who reaches what: the answer that audit, guards, proof and diagnosis ask for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import partial

from msgspec import Struct

from plexops.model.intervals import (
    ALL_V4,
    Numbers,
    edges,
    intersect,
    normalise,
    show_ports,
    size,
    subtract,
    unite,
)
from plexops.model.matches import Family
from plexops.model.packets import Box
from plexops.model.values import NOT_PUBLIC_NETWORKS
from plexops.packets.chains import End, EndKind
from plexops.packets.connection import connect
from plexops.packets.packet import Packet, Question, afresh, cut_place, each, reduced
from plexops.structs import replace

PUBLIC_V4: Numbers = subtract(ALL_V4, normalise(map(edges, NOT_PUBLIC_NETWORKS)))
#: Global unicast (RFC 4291).
PUBLIC_V6: Numbers = ((0x2000 << 112, (0x4000 << 112) - 1),)
#: A viewer's own ports; a part under a hundredth of them is left out of the answer.
VIEWER_PORTS: Numbers = ((1024, 65535),)
_FEW = size(VIEWER_PORTS) // 100


class AnswerKind(StrEnum):
    """Who gets through."""

    EVERYBODY = "everybody"
    NOBODY = "nobody"
    SOME = "some"
    UNKNOWN = "not known"


class Asked(Struct, frozen=True):
    """A TCP connection of viewers, from `senders` (None: every public address), to these addresses and ports."""

    family: Family
    addresses: Numbers
    ports: Numbers
    senders: Numbers | None = None
    entered: str | None = None


class Target(Struct, frozen=True):
    """Where the connection shall end: an address and a port of each pair."""

    places: tuple[tuple[Numbers, Numbers], ...]

    @classmethod
    def at(cls, addresses: Numbers, ports: Numbers) -> Target:
        """One place."""
        return cls(((addresses, ports),))


class Answer(Struct, frozen=True):
    """Who reaches the target. `senders` surely do, `doubtful` perhaps: `questions` are what would decide that.

    `reached` are the ends at the target, `missed` all others.
    """

    kind: AnswerKind
    senders: Numbers
    doubtful: Numbers
    questions: tuple[Question, ...]
    reached: tuple[End, ...]
    missed: tuple[End, ...]

    @property
    def ends(self) -> tuple[End, ...]:
        return (*self.reached, *self.missed)


def first_packet(box: Box | None, asked: Asked) -> Packet:
    """Give the packet with which viewers knock."""
    everybody = PUBLIC_V4 if asked.family == 4 else PUBLIC_V6
    entered = asked.entered if asked.entered is not None else (box.internet_side if box is not None else "")
    return Packet(
        family=asked.family,
        viewers=everybody if asked.senders is None else asked.senders,
        viewer_ports=VIEWER_PORTS,
        asked=asked.addresses,
        asked_ports=asked.ports,
        entered=entered or None,
    )


def who_reaches(path: Sequence[Box], asked: Asked, target: Target) -> Answer:
    """Ask who of the senders gets to the target. Over several asked ports: by any of them."""
    packet = first_packet(path[0] if path else None, asked)
    reached: list[End] = []
    missed: list[End] = []
    for end in connect(path, packet):
        hit, rest = at_target(end, target)
        reached += hit
        missed += rest
    own = normalise(pair for box in path for pair in box.own(asked.family))
    return _answer(packet.viewers, own, reached, missed)


def at_target(end: End, target: Target) -> tuple[list[End], list[End]]:
    """Part an end: what is at the target, and what is not. Only what was delivered or sent can be."""
    if end.kind not in (EndKind.DELIVERED, EndKind.SENT):
        return [], [end]
    hit, rest = list[Packet](), [end.packet]
    for addresses, ports in target.places:
        there, rest = each(rest, partial(cut_place, addresses=addresses, ports=ports))
        hit += there
    return [replace(end, packet=packet) for packet in hit], [replace(end, packet=packet) for packet in rest]


def _answer(everybody: Numbers, own: Numbers, reached: list[End], missed: list[End]) -> Answer:
    """Sum up. What only holds for the boxes' own addresses, which no viewer has, does not decide."""
    counting, against = that_count(reached), that_count(missed)
    sure: Numbers = ()
    for end in counting:
        sure = unite(sure, _surely(end.packet, against))
    # What is not known at all may lead there as well.
    perhaps: Numbers = ()
    for end in (*counting, *(end for end in against if end.kind is EndKind.NOT_KNOWN)):
        perhaps = unite(perhaps, end.packet.viewers)
    doubtful = subtract(subtract(perhaps, sure), own) if perhaps != sure else ()
    wanted = subtract(everybody, own)
    if doubtful:
        kind = AnswerKind.UNKNOWN
    elif intersect(sure, own) == sure:
        kind = AnswerKind.NOBODY
    else:
        kind = AnswerKind.EVERYBODY if intersect(wanted, sure) == wanted else AnswerKind.SOME
    asked = _questions(counting, against, doubtful)
    return Answer(kind, sure, doubtful, asked, tuple(reached), tuple(missed))


def that_count(ends: Iterable[End]) -> list[End]:
    """Leave out what holds for a few of a viewer's own ports only."""
    found = list(ends)
    many = [end for end in found if size(end.packet.viewer_ports) > _FEW]
    few = (end.packet.viewer_ports for end in found if size(end.packet.viewer_ports) <= _FEW)
    # Each of several may be few, and all of them together many.
    return found if size(normalise(pair for ports in few for pair in ports)) > _FEW else many


def _surely(packet: Packet, against: Iterable[End]) -> Numbers:
    """Give the senders who get there by one of the asked ports, whatever is not known."""
    rivals = [
        end.packet
        for end in against
        if intersect(end.packet.asked_ports, packet.asked_ports) and intersect(end.packet.asked, packet.asked)
    ]
    found: Numbers = ()
    for ports in _cells(packet.asked_ports, (rival.asked_ports for rival in rivals)):
        for addresses in _cells(packet.asked, (rival.asked for rival in rivals)):
            left = packet.viewers
            for rival in rivals:
                if intersect(rival.asked_ports, ports) and intersect(rival.asked, addresses):
                    left = subtract(left, rival.viewers)
            found = unite(found, left)
    return found


def _cells(numbers: Numbers, by: Iterable[Numbers]) -> list[Numbers]:
    """Part a set so that each part is inside or outside of each of the others."""
    cells = [numbers] if numbers else []
    for other in by:
        parts = ((intersect(cell, other), subtract(cell, other)) for cell in cells)
        cells = [part for pair in parts for part in pair if part]
    return cells


def _questions(reached: Sequence[End], missed: Sequence[End], doubtful: Numbers) -> tuple[Question, ...]:
    """Give what was assumed on the way to ends of which it is not known whether they happen."""
    found: dict[Question, None] = {}
    for ends in (reached, missed):
        # Of ends that come to the same only what tells them from the others counts.
        bare = (replace(afresh(e.packet, ""), viewers=intersect(e.packet.viewers, doubtful)) for e in ends)
        for packet in reduced(bare):
            if packet.viewers:
                found |= dict.fromkeys(sorted((question for question, _ in packet.answers), key=str))
    for end in missed:
        if not intersect(end.packet.viewers, doubtful):
            continue
        if end.kind is EndKind.NOT_KNOWN:
            found[Question("what this does:", end.step.words)] = None
        if subtract(VIEWER_PORTS, end.packet.viewer_ports):
            shown = show_ports(end.packet.viewer_ports)
            found[Question("from which of its own ports a viewer's device connects", shown)] = None
    # Some are told apart by what is no word for a person: about which packet, or box.
    return tuple(dict.fromkeys(Question(question.about, question.words) for question in found))
