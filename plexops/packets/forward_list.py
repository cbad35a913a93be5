"""A box of which only a list is known: forwards and mappings in order, and whatever is forwarded also passes.

So are the boxes that show a page of port forwards and no packet filter, and what a router tells anybody over UPnP.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

from plexops.model import packets
from plexops.model.entries import UpnpMapping
from plexops.model.intervals import Numbers, network
from plexops.model.matches import AddressIn, FamilyIs, Match, Other, PortIn, ProtocolIs, Side, other
from plexops.model.resources.port_forward import ANYBODY, PortForward, narrowed
from plexops.model.snapshot import Entry, Kind, KindState, Snapshot
from plexops.model.values import Ports, Protocol

_CHAIN = "forwards"
_KINDS = (Kind.PORT_FORWARD, Kind.UPNP_MAPPING)
_TCP = frozenset({Protocol.TCP, Protocol.BOTH, Protocol.ANY})
_V4 = Match(FamilyIs(frozenset({4})))


def listed_box(snapshot: Snapshot) -> packets.Box | None:
    """Make a box of a router's entries. None where its forwards and mappings were not read."""
    read = any(snapshot.state(kind) is KindState.PRESENT for kind in _KINDS)
    return box_of_list(snapshot) if read else None


def box_of_list(snapshot: Snapshot) -> packets.Box:
    """Make a box of a router's entries, those that were read.

    An entry that cannot be read may do anything. A DMZ, whatever its place in the list, takes what is left.
    """
    entries = [entry for kind in _KINDS for entry in snapshot.of(kind)]
    every = (PortIn, Other)
    rules = sorted(
        map(_rule, entries),
        key=lambda rule: rule.translates and not any(isinstance(m.test, every) for m in rule.matches),
    )
    chains = {_CHAIN: packets.Chain(_CHAIN, tuple(rules), packets.Hook("forwards", nat=True))}
    for kind, what in zip(_KINDS, ("forwards", "UPnP mappings"), strict=True):
        state = snapshot.state(kind)
        # A router that has no UPnP, or is of a family of which it cannot be asked, has no mappings.
        if state is KindState.UNKNOWN or (kind is Kind.PORT_FORWARD and state is not KindState.PRESENT):
            why = snapshot.reasons.get(kind, "") or f"the router's {what} were not read"
            chains[f"unread {what}"] = packets.Chain(
                f"unread {what}", (), packets.Hook("forwards", nat=True, priority=1), why
            )
    return packets.Box("list", chains, tuple(_own(snapshot)), internet_side="internet")


def _own(snapshot: Snapshot) -> Iterator[packets.LocalAddress]:
    for fact, interface in (("wan.address", "internet"), ("lan.address", "lan")):
        try:
            yield packets.LocalAddress(4, int(IPv4Address(snapshot.text(fact) or "")), interface)
        except ValueError:
            continue


def _rule(entry: Entry) -> packets.Rule:
    name, values = entry.label or entry.handle, entry.values
    if not isinstance(values, PortForward | UpnpMapping):
        unknown: tuple[packets.Effect, ...] = (packets.UnknownEffect(f"“{name}” cannot be read"),)
        return packets.Rule((), unknown, name, entry.label, entry.handle, entry.exhibit)
    matches = [_V4]
    if values.protocol not in _TCP:
        words = "UDP only" if values.protocol is Protocol.UDP else f"protocol {values.protocol}"
        test = Other(words) if values.protocol is Protocol.OTHER else ProtocolIs(frozenset({"udp"}))
        matches.append(Match(test, words=words))
    if not values.external_port.everything:
        words = f"port {values.external_port}"
        matches.append(Match(PortIn(Side.DESTINATION, values.external_port.ranges), words=words))
    source = values.source if isinstance(values, PortForward) else ANYBODY
    if source != ANYBODY:
        matches.append(_from(source))
    switched_off = isinstance(values, PortForward) and not values.enabled
    return packets.Rule(
        tuple(matches),
        (_translation(values.address, values.external_port, values.port),),
        name,
        entry.label,
        entry.handle,
        entry.exhibit,
        off="it is switched off" if switched_off else "",
    )


def _from(source: str) -> Match:
    words = narrowed(source)
    try:
        family, numbers = network(source)
    except ValueError:
        return other(words)
    return Match(AddressIn(Side.SOURCE, family, numbers), words=words)


def _translation(address: IPv4Address | None, outer: Ports, inner: Ports) -> packets.TranslateDestination:
    to: Numbers | None = None if address is None else ((int(address), int(address)),)
    if outer == inner or inner.everything:
        return packets.TranslateDestination(to, to_itself=address is None)
    single = inner.single is not None or len(outer.ranges) != 1
    shift_from = None if single else outer.ranges[0][0]
    return packets.TranslateDestination(to, inner.ranges, to_itself=address is None, shift_from=shift_from)
