"""What one packet of a connection takes from those before it."""

from __future__ import annotations

from plexops.model.intervals import subtract
from plexops.model.matches import State
from plexops.packets.packet import Leg, Packet, Tracking
from plexops.structs import replace


def as_first(packet: Packet) -> Packet:
    """Give a packet as the first one of a connection: so it came to the box."""
    return replace(
        packet,
        original_source=packet.source,
        original_source_port=packet.source_port,
        original_destination=packet.destination,
        original_port=packet.port,
    )


def undone(packet: Packet, *, source: bool) -> Packet:
    """Put back what the connection's translation changed, in an answer."""
    if not packet.connection:
        return packet
    if source and packet.snat:
        return replace(packet, destination=packet.original_source, port=packet.original_source_port)
    if not source and packet.dnat:
        return replace(packet, source=packet.original_destination, source_port=packet.original_port)
    return packet


def as_known(packet: Packet, first: Packet, *, source: bool) -> Packet:
    """Translate what follows as the connection's first packet was."""
    if not packet.connection or packet.leg.goes_back:
        return packet
    if source:
        return replace(packet, source=first.source, source_port=first.source_port) if first.snat else packet
    return replace(packet, destination=first.destination, port=first.port) if first.dnat else packet


def following(first: Packet, answer: Packet) -> Packet:
    """Give the packet after an answer that came through: as the first came, with what the answer cut away gone."""
    return replace(
        _setting_out(answer, Leg.ACK),
        entered=first.entered,
        leaves="",
        source=first.original_source,
        source_port=first.original_source_port,
        destination=first.original_destination,
        port=first.original_port,
        dnat=False,
        snat=False,
        tag="",
        routed=False,
        trail=first.trail,
    )


def _setting_out(packet: Packet, leg: Leg) -> Packet:
    """Give a later packet of a connection: tracking has not seen it yet, and it bears no mark."""
    unseen = replace(packet, tracking=Tracking.BEFORE, state=State.INVALID, connection=False)
    return replace(unseen, leg=leg, mark=0, mark_name="")


def for_whom(first: Packet, later: Packet) -> Packet:
    """Give a packet for those for whom a later one of the connection got through."""
    return replace(
        first,
        viewers=later.viewers,
        viewer_ports=later.viewer_ports,
        asked=later.asked,
        asked_ports=later.asked_ports,
        answers=later.answers,
        noted=later.noted,
        trail=later.trail,
    )


def reply_to(first: Packet, leg: Leg, *, local: bool) -> Packet:
    """Give the answer to a packet that came through, as it sets out: from the box itself, or arriving there."""
    return replace(
        _setting_out(first, leg),
        entered="" if local else first.leaves,
        leaves=first.entered if local else "",
        source=first.destination,
        source_port=first.port,
        destination=first.source,
        port=first.source_port,
    )


def is_answer(packet: Packet) -> bool:
    """Tell whether an answer comes from where the first packet was sent to, and goes to where that came from."""
    pairs = (
        (packet.source, packet.original_destination),
        (packet.source_port, packet.original_port),
        (packet.destination, packet.original_source),
        (packet.port, packet.original_source_port),
    )
    return not any(
        here != asked and subtract(packet.numbers(here), packet.numbers(asked)) for here, asked in pairs
    )


def bearing(first: Packet, second: Packet) -> Packet:
    """Give the first packet for those whose second one came through as well, with what that one changed."""
    return replace(
        for_whom(first, second),
        joined=second.joined,
        connection_mark=second.connection_mark,
        connection_mark_name=second.connection_mark_name,
    )
