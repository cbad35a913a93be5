"""What a viewer's packet meets: the router's own filter behind a forward, and the host's."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from plexops.model.snapshot import Kind, KindState, Role
from plexops.runbook.filtering import InboundPacket, Passes, Walk, walk
from plexops.runbook.view import SiteView


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


def host_walk(view: SiteView, port: int, family: int = 4) -> Walk:
    """Send a viewer's packet through the server's own firewall, over IPv4 or IPv6."""
    server = view.of(Role.SERVER)
    address = view.server_address or IPv4Address("0.0.0.0")  # noqa: S104 - no socket: any address of the host
    interface = server.text("host.interface")
    arrives = frozenset({interface}) if interface else frozenset()
    destination = address if family == 4 else None
    packet = InboundPacket(destination, port, arrives, translated=False, family=family)
    return walk(server.of(Kind.FILTER_RULE), packet)
