"""Guards of the values that are written: reservations, external ports, targets (G6 to G8)."""

from __future__ import annotations

from ipaddress import IPv4Network

from plexops.model.change import Change
from plexops.model.entries import Lease, UpnpMapping
from plexops.model.resources import PortForward, Reservation
from plexops.model.snapshot import Kind, KindState, Role
from plexops.model.values import Ports, Protocol
from plexops.runbook.guards.address_change import brings_to, left_behind, ways_out
from plexops.runbook.guards.case import Case, forwards, is_given_back, is_own
from plexops.runbook.view import SiteView, ipv4, never_arrives

#: Ports above 1023 that belong to well-known services or to routers' own management.
WELL_KNOWN_PORTS = frozenset(
    {1080, 1194, 1433, 1723, 1883, 1900, 2049, 2082, 2083, 2222, 2375, 2376, 3128, 3306}
    | {3389, 4443, 5000, 5001, 5060, 5061, 5353, 5432, 5555, 5900, 5985, 5986, 6379, 7547}
    | {8000, 8080, 8081, 8088, 8123, 8291, 8443, 8728, 8729, 8883, 8888, 9000, 9090, 9100}
    | {9200, 10000, 11211, 27017, 49000, 51820}
)


def sound_reservation(case: Case) -> str | None:
    """G6: a reservation lies in the LAN, collides with no other, and a MAC has one."""
    for change in case.changes:
        if isinstance(change.want, Reservation):
            reason = _misplaced(case.after, change.want) or _collides(case.after, change, change.want)
            if reason:
                return f"{change.id}: {reason}"
    return None


def _misplaced(view: SiteView, want: Reservation) -> str | None:
    router = view.of(Role.ROUTER)
    lan = _network(router.text("lan.network"))
    if lan is None or want.address is None:
        return "the router's LAN is unknown"
    if not want.macs:
        return "it names no host"
    if want.address not in lan:
        return f"{want.address} is not in the LAN {lan}"
    if want.address in (lan.network_address, lan.broadcast_address):
        return f"{want.address} is no host's address"
    managed = view.management.get(Role.ROUTER, ("", 0))[0]
    if str(want.address) in (router.text("lan.address"), managed):
        return f"{want.address} is the router's own address"
    return None


def _network(text: str | None) -> IPv4Network | None:
    try:
        return None if text is None else IPv4Network(text, strict=False)
    except ValueError:
        return None


def _collides(view: SiteView, change: Change, want: Reservation) -> str | None:
    router = view.of(Role.ROUTER)
    if router.state(Kind.DHCP_RESERVATION) is not KindState.PRESENT:
        return "the router's reservations could not be read"
    if router.state(Kind.LEASE) is KindState.UNKNOWN:
        return "the router's leases could not be read: another device may hold the address"
    for entry in router.of(Kind.DHCP_RESERVATION):
        if is_own(change, entry):
            continue
        if not isinstance(entry.values, Reservation):
            return f"the reservation {entry.called} cannot be read"
        shared = set(want.macs) & set(entry.values.macs)
        if shared:
            return f"{min(shared)} has another reservation, {entry.called}"
        if entry.values.address == want.address:
            return f"{want.address} is reserved for {entry.called}"
    for lease in router.held(Lease):
        if lease.values.address == want.address and lease.values.mac not in want.macs:
            return f"{want.address} is leased to {lease.values.mac} now"
    return None


def sound_external_port(case: Case) -> str | None:
    """G7: the external port is 1024 to 65535, free, and no well-known service's."""
    for change, forward in forwards(case):
        if is_given_back(case, change):
            continue
        reason = _unsound_port(forward, case.after.port_share)
        if reason:
            return f"{change.id}: {reason}"
        taken = _taken_by(case.after, change, forward)
        if taken:
            return f"{change.id}: port {forward.external_port} is taken by {taken}"
    return None


def _unsound_port(forward: PortForward, share: Ports | None) -> str | None:
    port = forward.external_port.single
    if port is None:
        return f"{forward.external_port} is not one port"
    if not 1024 <= port <= 65535:
        return f"port {port} is not between 1024 and 65535"
    if port in WELL_KNOWN_PORTS:
        return f"port {port} belongs to a well-known service"
    return never_arrives(port, share)


def _taken_by(view: SiteView, change: Change, forward: PortForward) -> str | None:
    router = view.of(Role.ROUTER)
    if router.state(Kind.PORT_FORWARD) is not KindState.PRESENT:
        return "by whom is not known: the router's forwards could not be read"
    if router.state(Kind.UPNP_MAPPING) is KindState.UNKNOWN:
        return "by whom is not known: the router's UPnP mappings could not be read"
    for entry in router.of(Kind.PORT_FORWARD):
        if is_own(change, entry):
            continue
        if not isinstance(entry.values, PortForward):
            return f"{entry.called}, perhaps: it cannot be read"
        if entry.values.enabled and _meets(entry.values, forward):
            return f"the forward {entry.called}"
    for entry in router.of(Kind.UPNP_MAPPING):
        if not isinstance(entry.values, UpnpMapping):
            return f"the UPnP mapping {entry.called}, perhaps: it cannot be read"
        if _meets(entry.values, forward):
            return f"a UPnP mapping of {entry.values.address}"
    return None


def _meets(other: PortForward | UpnpMapping, forward: PortForward) -> bool:
    return other.external_port.overlaps(forward.external_port) and other.protocol.meets(forward.protocol)


def forward_reaches_plex(case: Case) -> str | None:
    """G8: a forward goes to the Plex host's fixed address, TCP, to the port where Plex itself answered."""
    for change, forward in forwards(case):
        reason = None if is_given_back(case, change) else _misses(case, forward)
        if reason:
            return f"{change.id}: {reason}"
    return _leaves_behind(case)


def _leaves_behind(case: Case) -> str | None:
    """What leads to Plex keeps leading there: a host is not moved away from what leads to it."""
    for change in case.changes:
        to = brings_to(case.before, change)
        if to is not None:
            address, name = left_behind(case.before, case.in_the_end or case.after, to)
            if name:
                return f"{change.id} would bring the host to {to}: {ways_out(address, name)}"
    return None


def _misses(case: Case, forward: PortForward) -> str | None:
    view = case.before
    reason = _aims_elsewhere(view, forward) or _would_move(case.after)
    if reason:
        return reason
    answered = view.plex_answered_at
    if answered is None or not view.of(Role.PLEX).text("plex.identifier"):
        return "no Plex server answered"
    if answered != (str(forward.address), forward.port.single):
        return (
            f"Plex answered at {answered[0]}:{answered[1]}, and not where the forward goes, {forward.address}"
        )
    return None


def _aims_elsewhere(view: SiteView, forward: PortForward) -> str | None:
    if forward.protocol is not Protocol.TCP:
        return f"Plex needs TCP alone, not {forward.protocol}"
    if forward.address != view.plex_address or forward.port.single != view.plex_port:
        return f"{forward.address}:{forward.port} is not where Plex is ({view.plex_address}:{view.plex_port})"
    return None


def _would_move(view: SiteView) -> str | None:
    """A static server keeps its address; what has an address of its own beside the server's (a container) may not."""
    router, address = view.of(Role.ROUTER), view.plex_address
    separate = address != view.server_address
    served = router.state(Kind.DHCP_RESERVATION) is KindState.PRESENT
    for entry in router.held(Reservation) if served else ():
        if not entry.values.enabled or entry.values.address != address:
            continue
        if separate or not view.server_mac or view.server_mac in entry.values.macs:
            return None
        return f"{address} is reserved for {entry.called}, not for {view.server_mac}"
    if not view.server_is_static:
        unseen = (
            ". This router does not show its reservations: where you made one on its own page, write "
            "`address_by: static` for the server"
        )
        shows = Kind.DHCP_RESERVATION in router.kinds
        return f"{address} is neither reserved nor static: it would move{'' if shows else unseen}"
    first, last = (ipv4(router.text(name)) for name in ("pool.first", "pool.last"))
    if separate and address and first and last and first <= address <= last:
        return f"{address} is not the server's own, and the router's DHCP may give it to another device"
    return None


def unsound_on_paper(case: Case) -> tuple[str, ...]:
    """Give what G7 and G8 refuse whatever the devices say."""
    found = []
    for change, forward in forwards(case):
        reasons = (_unsound_port(forward, case.before.port_share), _aims_elsewhere(case.before, forward))
        found += [f"{change.id}: {reason}" for reason in reasons if reason]
    return tuple(found)
