"""A match splits a packet: the part that it holds for, and the part that it does not.

What is known leaves one part empty; a set of addresses or ports is cut exactly; what is not known makes both parts the
whole packet, with the assumption written on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from plexops.model import matches
from plexops.model.intervals import Numbers, normalise, subtract
from plexops.model.matches import AddressKind, AnyOf, Match, Side, State, Test
from plexops.model.packets import Box
from plexops.packets.packet import (
    ANY_SET,
    CONNECTION_MARK,
    PACKET_MARK,
    TAG,
    Leg,
    Packet,
    Parts,
    Question,
    Slot,
    Tracking,
    assume,
    cut,
    each,
    everything,
)

#: SYN; SYN and ACK; then ACK, with PSH where a packet carries data: a connection needs both.
_FLAGS: Mapping[Leg, tuple[int, ...]] = {
    Leg.SYN: (2,),
    Leg.ANSWER: (18,),
    Leg.ACK: (16, 24),
    Leg.LATER: (16, 24),
}
#: What may come to a question.
_DOUBTFUL: frozenset[type[Test]] = frozenset(
    {matches.Other, matches.TimeIs, matches.RateWithin, matches.ConnectionsWithin, matches.MacIn, AnyOf}
)
_MULTICAST: Mapping[int, Numbers] = {
    4: ((0xE0 << 24, (0xF0 << 24) - 1),),
    6: ((0xFF << 120, (1 << 128) - 1),),
}


def split_all(wanted: Sequence[Match], packet: Packet, box: Box) -> Parts:
    """Give the parts for which all matches hold, and those for which one does not."""
    yes, no = [packet], list[Packet]()
    # What is known comes first, so that no question is asked that does not matter.
    doubtful = len(wanted) > 1 and any(map(_is_doubtful, wanted))
    for match in sorted(wanted, key=_is_doubtful) if doubtful else wanted:
        if not yes:
            break
        left, yes = yes, []
        for one in left:
            held, less = split(match, one, box)
            yes += held
            no += less
    return yes, no


def _is_doubtful(match: Match) -> bool:
    return type(match.test) in _DOUBTFUL


def split(match: Match, packet: Packet, box: Box) -> Parts:
    """Give the parts for which a match holds, and does not."""
    test = match.test
    if isinstance(test, AnyOf):
        yes, no = [], [packet]
        for branch in test.branches:
            held, no = each(no, partial(split_all, branch, box=box))
            yes += held
    elif _never_holds(test, packet):
        return [], [packet]
    else:
        known = _picked_up(match, packet) or _decided(test, packet, box)
        if isinstance(known, bool):
            yes, no = ([packet], []) if known else ([], [packet])
        else:
            yes, no = assume(packet, known) if isinstance(known, Question) else cut(packet, *known)
    return (no, yes) if match.negated else (yes, no)


def _never_holds(test: Test, packet: Packet) -> bool:
    """Tell whether neither the test nor its negation can hold."""
    if isinstance(test, matches.AddressIn) and test.family != packet.family:
        return True
    return not packet.connection and _needs_connection(test) and packet.state is not None


def _picked_up(match: Match, packet: Packet) -> Question | None:
    """Ask what a rule sees of a connection whose start was not tracked: it may be taken for a new one, or for none."""
    if packet.connection or packet.state is not None or not _needs_connection(match.test):
        return None
    return Question(
        "what connection tracking knows of the packet:", match.words or str(match.test), (packet.leg,)
    )


def _needs_connection(test: Test) -> bool:
    match test:
        case matches.TranslatedIs() | matches.DirectionIs():
            return True
        case (
            matches.MarkIs(connection=True) | matches.AddressIn(original=True) | matches.PortIn(original=True)
        ):
            return True
        case matches.MarkNamed(kind="connection"):
            return True
    return False


#: Yes or no, the question that would decide it, or a field and the set to cut it by.
_Decision = bool | Question | tuple[str, Numbers]


def _decided(test: Test, packet: Packet, box: Box) -> _Decision:  # noqa: PLR0912 - one table of tests
    match test:
        case matches.PortIn(side, numbers, original):
            return packet.slot(side, port=True, original=original)[0], numbers
        case matches.ProtocolIs(names):
            return "tcp" in names
        case matches.FamilyIs(families):
            return packet.family in families
        case matches.InterfaceIs(side, names):
            return _interface(packet, side, names, box)
        case matches.AddressIn(side, _, numbers, original):
            return packet.slot(side, original=original)[0], numbers
        case matches.StateIs(states):
            return _state(packet, states)
        case matches.SetHas(side, name):
            return _in_set(packet, side, name, box)
        case matches.AddressIs(side, kinds, unknown):
            return _kind(packet, side, kinds, unknown, box)
        case matches.TranslatedIs(side):
            return packet.dnat if side is Side.DESTINATION else packet.snat
        case matches.DirectionIs(original):
            return (not packet.leg.goes_back) is original
        case matches.MarkIs(value, mask, connection):
            mark = packet.connection_mark if connection else packet.mark
            what, leg = (CONNECTION_MARK, None) if connection else (PACKET_MARK, packet.leg)
            return Question(what, f"{value:#x}/{mask:#x}", leg=leg) if mark is None else mark & mask == value
        case matches.MarkNamed(name, kind):
            of_packet = kind == "packet"
            found = packet.mark_name if of_packet else packet.connection_mark_name
            leg = packet.leg if of_packet else None
            return Question(f"the {kind}'s mark", name, leg=leg) if found is None else found == name
        case matches.FlagsAre(mask, bits):
            held = {flags & mask == bits for flags in _FLAGS[packet.leg]}
            if len(held) == 1:
                return held.pop()
            return Question("whether what carries data has the flags", f"{bits:#x}/{mask:#x}", leg=packet.leg)
        case matches.TagIs(word):
            return Question(TAG, word) if packet.tag is None else packet.tag == word
        case matches.LinkIs(kinds):
            return "host" in kinds
        case matches.ReversePathHolds():
            return _reverse_path(packet, box)
        case matches.MacIn(addresses):
            return _mac(packet, addresses, box)
        case matches.RateWithin(per_minute, burst, over, words):
            enough = per_minute >= 60 and burst >= (5 if packet.leg is Leg.SYN else 20)
            return not over if enough else Question("how many packets come", words, leg=packet.leg)
        case matches.ConnectionsWithin(most, over, words):
            return not over if most >= 5 else Question("how many connections there are", words)
        case matches.TimeIs(words):
            return Question("what time it is", words)
        case matches.Other(words):
            # What holds for one packet of a connection need not hold for the next.
            return Question(
                "whether this holds:", words, (packet.source, packet.destination, packet.port), packet.leg
            )
    raise AssertionError(f"{test} is no test")  # pragma: no cover - the union is complete


def _interface(packet: Packet, side: Side, wanted: Sequence[str], box: Box) -> bool | Question:
    """Tell whether an interface is among the wanted ones. Before routing a packet leaves by none."""
    name = packet.entered if side is Side.SOURCE else packet.leaves
    if name == "":
        return False
    doubts: list[str] = []
    for pattern in wanted:
        if pattern[:1] in ("@", "%"):
            groups = box.lists if pattern[0] == "@" else box.classes
            members = None if groups is None else groups.get(pattern[1:])
            if members is None or (name is None and members):
                doubts.append(pattern)
            elif name in members:
                return True
        elif pattern == "*":
            return True
        elif name is None:
            doubts.append(pattern)
        elif name == pattern or (pattern.endswith("*") and name.startswith(pattern[:-1])):
            return True
    if not doubts:
        return False
    if name is not None:
        return Question(f"whether the interface {name} is in", " ".join(doubts))
    way, to = ("arrive", ()) if side is Side.SOURCE else ("leave", (packet.destination,))
    return Question(f"whether packets {way} by the interface", " ".join(doubts), (packet.leg.goes_back, *to))


def _state(packet: Packet, states: frozenset[State]) -> bool | Question:
    if packet.tracking is Tracking.UNTRACKED:
        return State.UNTRACKED in states
    if packet.state is None:
        what = "whether connection tracking calls the packet"
        return Question(what, ", ".join(sorted(states)), (packet.tracking,), packet.leg)
    return packet.state in states


def _in_set(packet: Packet, side: Side, name: str, box: Box) -> _Decision:
    field, slot = packet.slot(side)
    if (slot, name) in packet.joined:
        return True
    found = box.sets.get(name)
    blurred = packet.joined >= ANY_SET
    if found is None or found.unread or blurred:
        why = f" ({found.unread})" if found is not None and found.unread else ""
        return Question(f"which addresses are in the set{why}", name, (slot, blurred))
    return field, found.v4 if packet.family == 4 else found.v6


def _kind(packet: Packet, side: Side, kinds: frozenset[AddressKind], unknown: str, box: Box) -> _Decision:
    field, slot = packet.slot(side)
    if box.addresses is None:
        return own_addresses(slot, kinds)
    if unknown:
        return Question("whether the address is", unknown, (slot,))
    local, multicast = box.own(packet.family), _MULTICAST[packet.family]
    unicast = subtract(subtract(everything(packet.family), local), multicast)
    of_kind = {AddressKind.LOCAL: local, AddressKind.MULTICAST: multicast, AddressKind.UNICAST: unicast}
    return field, normalise(pair for kind in kinds for pair in of_kind.get(kind, ()))


def own_addresses(slot: Slot, kinds: frozenset[AddressKind]) -> Question:
    """Ask what an address is to a box of which the addresses were not read."""
    return Question("which addresses are the box's own", of=(slot, kinds))


def _reverse_path(packet: Packet, box: Box) -> bool | Question:
    """The way back to every viewer is the default route's."""
    if packet.leg.goes_back:
        return True
    if box.routes is not None and packet.entered:
        ways = [r.interface for r in box.routes if r.family == packet.family and r.length == 0]
        if ways and ways[0] == packet.entered:
            return True
    return Question("by which interface the way back to the sender leaves", of=(packet.source,))


def _mac(packet: Packet, addresses: frozenset[str], box: Box) -> bool | Question:
    if packet.leg.goes_back or box.gateway_mac is None or packet.entered != box.internet_side:
        back = packet.leg.goes_back
        return Question("the sender's hardware address", ", ".join(sorted(addresses)), (back,))
    return box.gateway_mac in addresses
