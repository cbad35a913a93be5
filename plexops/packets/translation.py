"""Where a translated packet goes: DNAT to addresses and ports, to the box itself, with ports that shift."""

from __future__ import annotations

from plexops.model.intervals import Numbers, intersect, shift, single, subtract
from plexops.model.packets import Box, TranslateDestination
from plexops.packets.packet import Packet, Parts, Ref, cut, cut_place, everything
from plexops.structs import replace


def translated(effect: TranslateDestination, packet: Packet, box: Box) -> list[Packet]:
    """Give a packet a new destination. Of a port range it keeps a port inside, else takes the first.

    What already goes there is taken, and not translated (nf_nat_core.c sets the status where something changes).
    """
    packet = replace(packet, taken=True)
    there, away = _already_there(effect, packet, box)
    return [*there, *(moved for one in away for moved in _moved(effect, one, box))]


def _already_there(effect: TranslateDestination, packet: Packet, box: Box) -> Parts:
    """Part what already has the address and the port from the rest."""
    addresses, ports = _new_destination(effect, packet, box), effect.ports
    if addresses is not None and single(addresses) is None:
        return [], [packet]
    if ports is not None and effect.shift_from not in (None, ports[0][0]):
        return [], [packet]
    return cut_place(packet, addresses, ports)


def _new_destination(effect: TranslateDestination, packet: Packet, box: Box) -> Numbers | None:
    """Give where a packet is sent; None where it keeps its address."""
    if not effect.to_itself:
        return effect.addresses
    own = (a for a in box.addresses or () if (a.family, a.interface) == (packet.family, packet.entered))
    here = next(own, None)
    if here is not None:
        return ((here.number, here.number),)
    return box.own(packet.family) or everything(packet.family)


def _moved(effect: TranslateDestination, packet: Packet, box: Box) -> list[Packet]:
    addresses, ports = _new_destination(effect, packet, box), effect.ports
    moved = replace(packet, destination=packet.destination if addresses is None else addresses, dnat=True)
    if ports is None:
        return [moved]
    if single(ports) is not None and effect.shift_from is None:
        return [replace(moved, port=ports)]
    if (start := effect.shift_from) is not None:
        inside, outside = cut(moved, "port", ((start, start + ports[0][1] - ports[0][0]),))
        return [_shifted(p, ports, start) for p in inside] + [_wrapped(p, ports, start) for p in outside]
    inside, outside = cut(moved, "port", ports)
    first: Numbers = ((ports[0][0], ports[0][0]),)
    return inside + [replace(p, port=first) for p in outside]


def _shifted(packet: Packet, ports: Numbers, start: int) -> Packet:
    slot, by = packet.port, ports[0][0] - start
    return replace(
        packet, port=Ref(slot.free, slot.offset + by) if isinstance(slot, Ref) else shift(slot, by)
    )


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
    pairs = (
        (packet.numbers(packet.destination), other.numbers(other.destination)),
        (packet.numbers(packet.port), other.numbers(other.port)),
    )
    return all(not subtract(mine, theirs) and intersect(mine, theirs) for mine, theirs in pairs)
