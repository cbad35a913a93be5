"""A viewer's packet as sets: every sender, port and address that it may stand for at once.

A header field is a set of numbers, or refers to one of four free sets (who knocks, from which ports, at which address
and port): cutting a field that refers to one cuts that set, so that an end says exactly for whom it holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from functools import partial
from operator import attrgetter

from msgspec import Struct

from plexops.model.intervals import (
    ALL_V4,
    ALL_V6,
    Numbers,
    intersect,
    shift,
    show_addresses,
    show_ports,
    subtract,
    unite,
)
from plexops.model.matches import Family, Side, State
from plexops.model.packets import Chain, Rule
from plexops.structs import replace


class Free(StrEnum):
    """What is asked about as a whole set. The value is the packet's field that holds it."""

    VIEWER = "viewers"
    VIEWER_PORT = "viewer_ports"
    ASKED = "asked"
    ASKED_PORT = "asked_ports"


class Ref(Struct, frozen=True):
    """A header field that equals a free set, moved by `offset`."""

    free: Free
    offset: int = 0


Slot = Ref | Numbers


class Leg(StrEnum):
    """Which packet of the connection is walked."""

    SYN = "way in"
    ANSWER = "answer"
    ACK = "second packet"
    LATER = "later answer"

    @property
    def goes_back(self) -> bool:
        """Whether it goes from the server to the viewer."""
        return self in (Leg.ANSWER, Leg.LATER)


class Tracking(StrEnum):
    """What connection tracking has done with the packet so far."""

    BEFORE = "before"
    TRACKED = "tracked"
    UNTRACKED = "untracked"


class Question(Struct, frozen=True):
    """What would have to be known: a field and its value in the device's words.

    `of` sets it apart from one in the same words: about another address or box. `leg`: it is about one packet only of
    the connection; the next one is asked anew.
    """

    about: str
    words: str = ""
    of: tuple[object, ...] = ()
    leg: Leg | None = None

    def __str__(self) -> str:
        return f"{self.about} “{self.words}”" if self.words else self.about


#: Questions, and how each of them is taken to be answered.
Answers = frozenset[tuple[Question, bool]]


class Step(Struct, frozen=True):
    """A rule (or None for a chain's policy) that decided something about a packet, and where."""

    box: int
    leg: Leg
    chain: Chain | None
    rule: Rule | None
    words: str
    #: The base chain, and its own rule by which the packet came to be asked here.
    base: Chain | None = None
    at: Rule | None = None


class Packet(Struct, frozen=True):
    """One packet, standing for all that its sets hold. None means not known; `leaves` is empty before routing."""

    family: Family
    viewers: Numbers
    viewer_ports: Numbers
    asked: Numbers
    asked_ports: Numbers
    entered: str | None
    leaves: str | None = ""
    #: Which box on the way it is at.
    box: int = 0
    source: Slot = Ref(Free.VIEWER)
    source_port: Slot = Ref(Free.VIEWER_PORT)
    destination: Slot = Ref(Free.ASKED)
    port: Slot = Ref(Free.ASKED_PORT)
    leg: Leg = Leg.SYN
    tracking: Tracking = Tracking.BEFORE
    state: State | None = State.INVALID
    #: Connection tracking knows the connection that it belongs to.
    connection: bool = False
    dnat: bool = False
    snat: bool = False
    #: A chain that translates has taken the packet, even if that changed nothing: no other one of the stage is asked.
    taken: bool = False
    mark: int | None = 0
    connection_mark: int | None = 0
    mark_name: str | None = ""
    connection_mark_name: str | None = ""
    tag: str | None = ""
    skips_filter: bool = False
    #: The box has decided whether it is for itself or goes on.
    routed: bool = False
    joined: frozenset[tuple[Slot, str]] = frozenset()
    #: How the connection's first packet came to this box, before any translation there.
    original_source: Slot = Ref(Free.VIEWER)
    original_source_port: Slot = Ref(Free.VIEWER_PORT)
    original_destination: Slot = Ref(Free.ASKED)
    original_port: Slot = Ref(Free.ASKED_PORT)
    #: Questions, and which answer this packet stands for.
    answers: Answers = frozenset()
    #: The same of packets before it in the connection: never asked again.
    noted: Answers = frozenset()
    trail: tuple[Step, ...] = ()

    def __eq__(self, other: object) -> bool:
        """Say whether both stand for the same packets; what was noted on their way does not count."""
        return isinstance(other, Packet) and _ALL(self) == _ALL(other)

    def __hash__(self) -> int:
        return hash(_ALL(self))

    def slot(self, side: Side, *, port: bool = False, original: bool = False) -> tuple[str, Slot]:
        """Give the name and the value of a header field."""
        name = "port" if port and side is Side.DESTINATION else f"{side}_port" if port else str(side)
        name = f"original_{name}" if original else name
        value: Slot = getattr(self, name)
        return name, value

    def numbers(self, slot: Slot) -> Numbers:
        """Give the numbers that a field may have."""
        if isinstance(slot, Ref):
            free: Numbers = getattr(self, slot.free)
            return shift(free, slot.offset)
        return slot


def afresh(packet: Packet, entered: str | None) -> Packet:
    """Give a packet of which is known for whom it is and what was assumed, and nothing else."""
    whose = (packet.viewers, packet.viewer_ports, packet.asked, packet.asked_ports)
    return Packet(packet.family, *whose, entered, answers=packet.answers)


#: More packets than this that differ only in what was assumed or set are not told apart any more.
MOST = 64
TOO_MANY = Question("more possibilities than are followed")
#: Which sets were joined on the way is not known.
ANY_SET: frozenset[tuple[Slot, str]] = frozenset({((), "")})


def everything(family: Family) -> Numbers:
    """Give every address of a family."""
    return ALL_V4 if family == 4 else ALL_V6


#: The packets for which something holds, and those for which it does not.
Parts = tuple[list[Packet], list[Packet]]


def each(packets: Iterable[Packet], part: Callable[[Packet], Parts]) -> Parts:
    """Part every packet alike."""
    yes, no = list[Packet](), list[Packet]()
    for packet in packets:
        more, less = part(packet)
        yes += more
        no += less
    return yes, no


def cut(packet: Packet, name: str, numbers: Numbers) -> Parts:
    """Split a packet by one field: the part inside the set, and the part outside."""
    slot: Slot = getattr(packet, name)
    whole = packet.numbers(slot)
    inside = intersect(whole, numbers)
    if inside == whole:
        return [packet], []
    if not inside:
        return [], [packet]
    outside = subtract(whole, numbers)
    if isinstance(slot, Ref):
        inside, outside = shift(inside, -slot.offset), shift(outside, -slot.offset)
        return [_with(packet, slot.free, inside)], [_with(packet, slot.free, outside)]
    # One of several addresses, and which one is not known.
    shown = show_ports(inside) if "port" in name else show_addresses(packet.family, inside)
    yes, no = assume(packet, Question(f"which {name} of several is taken:", shown, (slot, inside)))
    return [_with(one, name, inside) for one in yes], [_with(one, name, outside) for one in no]


def cut_place(packet: Packet, addresses: Numbers | None, ports: Numbers | None) -> Parts:
    """Split a packet by its destination: at one of these addresses (None: any) and ports, and elsewhere."""
    there, elsewhere = ([packet], []) if addresses is None else cut(packet, "destination", addresses)
    if ports is None:
        return there, elsewhere
    there, other_port = each(there, partial(cut, name="port", numbers=ports))
    return there, elsewhere + other_port


def _with(packet: Packet, name: str, value: Slot) -> Packet:
    return replace(packet, **{str(name): value})  # type: ignore[arg-type]


def assume(packet: Packet, question: Question) -> Parts:
    """Follow both answers to a question; one that was answered before keeps its answer."""
    question = replace(question, of=(packet.box, *question.of))
    if (question, True) in packet.answers:
        return [packet], []
    if (question, False) in packet.answers:
        return [], [packet]
    if (TOO_MANY, True) in packet.answers:
        return [packet], [packet]
    yes, no = (replace(packet, answers=packet.answers | {(question, answer)}) for answer in (True, False))
    return [yes], [no]


PACKET_MARK, CONNECTION_MARK, TAG = "the packet's mark", "the connection's mark", "the packet's tag"


def forgotten(packet: Packet, *about: str) -> Answers:
    """Give a packet's answers when what they are about changes: what is asked from now on is another question."""
    return frozenset(
        (replace(question, of=("before",)) if question.about in about else question, answer)
        for question, answer in packet.answers
    )


def clouded(packet: Packet) -> Packet:
    """Give a packet of which it is not known any more what was set on it, and which sets it joined."""
    return replace(
        packet,
        mark=None,
        connection_mark=None,
        mark_name=None,
        connection_mark_name=None,
        tag=None,
        joined=packet.joined | ANY_SET,
        state=None if packet.tracking is Tracking.BEFORE else packet.state,
        answers=forgotten(packet, PACKET_MARK, CONNECTION_MARK, TAG),
    )


def merge(packets: Iterable[Packet]) -> list[Packet]:
    """Unite equal packets, and beyond `MOST` of them those that only differ in what was set or assumed."""
    left = reduced(packets)
    if len(left) <= MOST:
        return left
    answers: Answers = frozenset({(TOO_MANY, True)})
    return _united(replace(clouded(packet), joined=ANY_SET, answers=answers) for packet in left)


def reduced(packets: Iterable[Packet]) -> list[Packet]:
    """Unite packets that only differ in senders, and drop questions that made no difference."""
    left = _united(packets)
    return _settled(left) if len(left) > 1 else left


def next_leg(packets: Iterable[Packet]) -> list[Packet]:
    """Unite packets with which a leg of the connection sets out alike. What was asked about those before is noted."""
    alike: dict[Packet, Packet] = {}
    for packet in reduced(packets):
        asked = frozenset(pair for pair in packet.answers if pair[0].leg is not None)
        fresh = replace(packet, answers=packet.answers - asked, noted=packet.noted | asked)
        known = alike.get(fresh, fresh)
        # Where one of them sets out in any case, nothing that was asked about the others matters.
        noted = known.noted | fresh.noted if known.noted and fresh.noted else frozenset()
        alike[fresh] = replace(known, noted=noted)
    return list(alike.values())


def recalled(packet: Packet) -> Packet:
    """Give a packet with all that was assumed on the way of the connection."""
    return replace(packet, answers=packet.answers | packet.noted, noted=frozenset())


def _all_but(*names: str) -> Callable[[Packet], tuple[object, ...]]:
    return attrgetter(*(name for name in Packet.__struct_fields__ if name not in {"noted", "trail", *names}))


_ALL, _BUT_VIEWERS, _BUT_ANSWERS = _all_but(), _all_but("viewers"), _all_but("answers")


def _united(packets: Iterable[Packet]) -> list[Packet]:
    by_rest: dict[tuple[object, ...], Packet] = {}
    for packet in packets:
        rest = _BUT_VIEWERS(packet)
        if rest in by_rest:
            known = by_rest[rest]
            viewers = unite(known.viewers, packet.viewers)
            packet = replace(known, viewers=viewers, noted=known.noted | packet.noted)  # noqa: PLW2901
        by_rest[rest] = packet
    return list(by_rest.values())


def _settled(packets: Iterable[Packet]) -> list[Packet]:
    """Drop a question where both of its answers came to the same."""
    alike: dict[tuple[object, ...], dict[Answers, Packet]] = {}
    for packet in packets:
        alike.setdefault(_BUT_ANSWERS(packet), {})[packet.answers] = packet
    for group in alike.values():
        _agree(group)
    return [packet for group in alike.values() for packet in group.values()]


def _agree(group: dict[Answers, Packet]) -> None:
    """Settle packets that only differ in what was assumed."""
    waiting = list(group) if len(group) > 1 else []
    while waiting:
        answers = waiting.pop()
        if answers not in group:
            continue
        pairs = ((answers - {one}, answers - {one} | {(one[0], not one[1])}, one[0]) for one in answers)
        twins = [
            (str(about), rest, twin) for rest, twin, about in pairs if about != TOO_MANY and twin in group
        ]
        if twins:
            _, rest, twin = min(twins, key=lambda found: found[0])
            packet, same = group.pop(answers), group.pop(twin)
            group[rest] = replace(packet, answers=rest, noted=packet.noted | same.noted)
            waiting.append(rest)
    # What comes in any case comes as well where more is assumed.
    for answers in [one for one in group if any(less < one for less in group)]:
        del group[answers]
