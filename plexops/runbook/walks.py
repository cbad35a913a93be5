"""What a viewer's packet meets: the router's own filter behind a forward, and the host's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

from plexops.model.snapshot import Entry, Kind, KindState, Role
from plexops.runbook.filtering import InboundPacket, Passes, Walk, walk
from plexops.runbook.view import SiteView, ipv4


def forwarded_packet(view: SiteView, address: IPv4Address, port: int) -> InboundPacket:
    """Give a packet that the router has translated. Where it leaves is only known for what is in the router's LAN."""
    lan = view.of(Role.ROUTER).text("lan.network")
    inside = lan is not None and address in IPv4Network(lan, strict=False)
    return InboundPacket(
        address,
        port,
        view.wan_names,
        translated=True,
        out_interfaces=view.lan_names if inside else frozenset(),
    )


def router_walk(view: SiteView, address: IPv4Address, port: int) -> Walk:
    """Send a forwarded packet through the router's own filter; passes where the family lets forwards through."""
    router = view.of(Role.ROUTER)
    state = router.state(Kind.FILTER_RULE)
    if state is KindState.UNSUPPORTED:
        return Walk(Passes.YES)
    if state is not KindState.PRESENT:
        return Walk(Passes.UNKNOWN)
    return walk(router.of(Kind.FILTER_RULE), forwarded_packet(view, address, port))


def router_other_walk(view: SiteView, outer: int, address: IPv4Address, port: int) -> Walk:
    """Send a viewer's packet through the router's other filters: those before it is translated, and those after.

    UNKNOWN without a chain: they were not all read, and what was read lets the packet through.
    """
    router = view.of(Role.ROUTER)
    state = router.state(Kind.OTHER_FILTER)
    if state is KindState.UNSUPPORTED:
        return Walk(Passes.YES)
    rules = router.of(Kind.OTHER_FILTER)
    interface = router.text("wan.interface")
    # A family may call that side by another name than its kernel, which is whom these rules are for.
    arrives = frozenset({interface}) if interface else frozenset()
    wan = ipv4(router.text("wan.address"))
    before = InboundPacket(wan, outer, arrives, translated=False)
    # What the filter calls the side where it leaves is not told.
    after = replace(forwarded_packet(view, address, port), in_interfaces=arrives, out_interfaces=frozenset())
    first = walk(_at(rules, early=True), before)
    second = walk(_at(rules, early=False), after)
    return _worst(first, second, known=state is KindState.PRESENT)


def _at(rules: Sequence[Entry], *, early: bool) -> tuple[Entry, ...]:
    """Give the base chains of one stage, and all that is jumped to."""
    return tuple(
        entry
        for entry in rules
        if entry.values is None or not entry.values.base or entry.values.early is early
    )


def _worst(*walks: Walk, known: bool) -> Walk:
    """Give the walk that stops the packet, else one that may, else whether all that there is was read."""
    for fate in (Passes.NO, Passes.UNKNOWN):
        for found in walks:
            if found.passes is fate:
                return found
    return Walk(Passes.YES if known else Passes.UNKNOWN)


def host_other_walk(view: SiteView, port: int, *, contained: bool) -> Walk:
    """Send a viewer's packet through the server's other filters, over IPv4; as `router_other_walk`.

    `contained`: a container's published port is translated before the host's own chains are asked.
    """
    server = view.of(Role.SERVER)
    state = server.state(Kind.OTHER_FILTER)
    rules = server.of(Kind.OTHER_FILTER)
    packet = _host_packet(view, port, 4)
    walks = [walk(_at(rules, early=True), packet)]
    if not contained:
        walks.append(walk(_at(rules, early=False), packet))
    return _worst(*walks, known=state is KindState.PRESENT)


def host_walk(view: SiteView, port: int, family: int = 4) -> Walk:
    """Send a viewer's packet through the server's own firewall, over IPv4 or IPv6."""
    return walk(view.of(Role.SERVER).of(Kind.FILTER_RULE), _host_packet(view, port, family))


def _host_packet(view: SiteView, port: int, family: int) -> InboundPacket:
    server = view.of(Role.SERVER)
    address = view.server_address or IPv4Address("0.0.0.0")  # noqa: S104 - no socket: any address of the host
    interface = server.text("host.interface")
    arrives = frozenset({interface}) if interface else frozenset()
    destination = address if family == 4 else None
    return InboundPacket(destination, port, arrives, translated=False, family=family)
