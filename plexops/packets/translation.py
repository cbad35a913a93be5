"""Where a translated packet goes: DNAT to addresses and ports, to the box itself, with ports that shift."""

from __future__ import annotations

from dataclasses import replace

from plexops.model.intervals import Numbers, intersect, normalise, single, subtract
from plexops.model.packets import Box, TranslateDestination
from plexops.packets.packet import Packet, Ref, Slot, cut, everything


def translated(effect: TranslateDestination, packet: Packet, box: Box) -> list[Packet]:
    """Give a packet a new destination. Of a port range it keeps a port inside, else takes the first.

    What already goes there is taken, and not translated (nf_nat_core.c sets the status where something changes).
    """
    packet = replace(packet, taken=True)
    there, away = _already_there(effect, packet, box)
    return [*there, *(moved for one in away for moved in _moved(effect, one, box))]


def _already_there(
    effect: TranslateDestination, packet: Packet, box: Box
) -> tuple[list[Packet], list[Packet]]:
    """Part what already has the address and the port from the rest."""
    there: Packet | None = packet
    rest: list[Packet | None] = []
    addresses = _new_destination(effect, packet, box)
    if addresses is not None:
        if single(addresses) is None:
            return [], [packet]
        there, elsewhere = cut(packet, "destination", packet.destination, addresses)
        rest.append(elsewhere)
    if there is not None and effect.ports is not None:
        if effect.shift_from not in (None, effect.ports[0][0]):
            return [], [packet]
        there, elsewhere = cut(there, "port", there.port, effect.ports)
        rest.append(elsewhere)
    return [p for p in (there,) if p is not None], [p for p in rest if p is not None]


def _new_destination(effect: TranslateDestination, packet: Packet, box: Box) -> Numbers | None:
    """Give where a packet is sent; None where it keeps its address."""
    if not effect.to_itself:
        return effect.addresses
    own = [a for a in box.addresses or () if a.family == packet.family]
    here = [(a.number, a.number) for a in own if a.interface == packet.entered]
    return tuple(here[:1]) or normalise((a.number, a.number) for a in own) or everything(packet.family)


def _moved(effect: TranslateDestination, packet: Packet, box: Box) -> list[Packet]:
    addresses = _new_destination(effect, packet, box)
    destination: Slot = packet.destination if addresses is None else addresses
    moved = replace(packet, destination=destination, dnat=True)
    if effect.ports is None:
        return [moved]
    if effect.shift_from is not None:
        start, width = effect.shift_from, effect.ports[0][1] - effect.ports[0][0]
        inside, outside = cut(moved, "port", moved.port, ((start, start + width),))
        return [
            *([] if inside is None else [_shifted(inside, effect.ports, start)]),
            *([] if outside is None else [_wrapped(outside, effect.ports, start)]),
        ]
    only = single(effect.ports)
    if only is not None:
        return [replace(moved, port=effect.ports)]
    inside, outside = cut(moved, "port", moved.port, effect.ports)
    first: Numbers = ((effect.ports[0][0], effect.ports[0][0]),)
    return [p for p in (inside, None if outside is None else replace(outside, port=first)) if p is not None]


def _shifted(packet: Packet, ports: Numbers, start: int) -> Packet:
    slot = packet.port
    by = ports[0][0] - start
    if isinstance(slot, Ref):
        return replace(packet, port=Ref(slot.free, slot.offset + by))
    return replace(packet, port=tuple((a + by, b + by) for a, b in slot))


def _wrapped(packet: Packet, ports: Numbers, start: int) -> Packet:
    """Shift a port that is not among the first ones: the distance is taken modulo the range (nf_nat_core.c)."""
    port = single(packet.numbers(packet.port))
    if port is None:
        return replace(packet, port=ports)
    first, last = ports[0]
    shifted = first + (port - start) % 65536 % (last - first + 1)
    return replace(packet, port=((shifted, shifted),))


def same_place(packet: Packet, other: Packet) -> bool:
    """Tell whether two packets go to the same address and port."""

    def numbers(one: Packet) -> tuple[Numbers, Numbers]:
        return one.numbers(one.destination), one.numbers(one.port)

    mine, theirs = numbers(packet), numbers(other)
    return all(not subtract(a, b) and bool(intersect(a, b)) for a, b in zip(mine, theirs, strict=True))
