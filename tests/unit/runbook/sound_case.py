"""A complete home and a complete plan for it, on which every guard holds; and how to alter one thing of it."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address
from types import MappingProxyType
from typing import Any

from plexops.model.change import Action, Change
from plexops.model.entries import Echo, Lease, Neighbour, Probe, ProbeAnswer, UpnpMapping
from plexops.model.resources import KINDS
from plexops.model.resources.dhcp_reservation import Reservation
from plexops.model.resources.firewall_rule import FirewallRule
from plexops.model.resources.passage import Passage
from plexops.model.resources.plex_remote_access import RemoteAccess
from plexops.model.resources.port_forward import PortForward
from plexops.model.resources.upnp import Upnp
from plexops.model.snapshot import FOREIGN, Entry, Fact, FactValue, Kind, KindState, Owner, Role, Snapshot
from plexops.model.values import Ports, Protocol
from plexops.runbook.guards.judge import Case
from plexops.runbook.view import SiteView
from plexops.runbook.way_after import after_change
from plexops.structs import replace

PUBLIC = IPv4Address("203.0.113.7")
PLEX = IPv4Address("192.168.1.50")
OLD = IPv4Address("192.168.1.83")
NAS = IPv4Address("192.168.1.20")
MAC = "52:54:00:12:34:56"
NAS_MAC = "00:11:32:aa:bb:01"
IDENTIFIER = "0123456789abcdef0123456789abcdef01234567"
ROUTER, SERVER, PLEX_ROLE, OUTSIDE = Role.ROUTER, Role.SERVER, Role.PLEX, Role.OUTSIDE


def entry(kind: Kind, values: Any, *, handle: str = "e1", key: str = "", label: str = "") -> Entry:
    """An entry of somebody's, or with `key` one of ours."""
    return Entry(
        kind, values, {"raw": str(values)}, Owner(key) if key else FOREIGN, handle, "router.x", 1, label
    )


def forward(
    external: int | tuple[int, int] = 32500,
    address: IPv4Address | None = PLEX,
    port: int | tuple[int, int] = 32400,
    protocol: Protocol = Protocol.TCP,
    *,
    enabled: bool = True,
) -> PortForward:
    """A forward of one port or range."""
    return PortForward(Ports.of(external), address, Ports.of(port), protocol, enabled)


def mapping(external: int, address: IPv4Address, protocol: Protocol = Protocol.TCP) -> Entry:
    """A UPnP mapping that a host asked for."""
    values = UpnpMapping(Ports.of(external), address, Ports.of(external), protocol)
    return entry(Kind.UPNP_MAPPING, values, handle=f"m{external}", label="Console")


def lease(mac: str, address: IPv4Address) -> Entry:
    """An address that the router gave."""
    return entry(Kind.LEASE, Lease(mac, address), handle=f"lease {mac}")


def neighbour(mac: str, address: IPv4Address, *, current: bool = True) -> Entry:
    """Who answered the router at an address."""
    return entry(Kind.NEIGHBOUR, Neighbour(mac, address, current), handle=f"neighbour {mac}")


def echo(address: str, source: str = "echo.example") -> Entry:
    """What a service outside says our public address is."""
    values = Echo(source, IPv4Address(address), "server")
    return Entry(Kind.ECHO, values, {}, FOREIGN, source, f"outside.{source}")


def probe(
    answer: ProbeAnswer,
    port: int = 32500,
    identifier: str = "",
    vantage: str = "vps",
    *,
    inside: bool = False,
) -> Entry[Probe]:
    """What a vantage met at our public address."""
    values = Probe(vantage, PUBLIC, port, answer, identifier, inside=inside)
    return Entry(Kind.PROBE, values, {}, FOREIGN, vantage, f"outside.probe.{vantage}")


def facts(role: Role, **values: FactValue) -> MappingProxyType[str, Fact]:
    """Facts by name, with `__` for the dot."""
    named = {name.replace("__", "."): value for name, value in values.items()}
    return MappingProxyType({name: Fact(name, value, f"{role}.facts") for name, value in named.items()})


def sound_view() -> SiteView:
    """A home in which everything was read just now, and the WAN address is proven."""
    router = Snapshot(
        ROUTER,
        facts(
            ROUTER,
            wan__address=str(PUBLIC),
            lan__address="192.168.1.1",
            lan__network="192.168.1.0/24",
            pool__first="192.168.1.100",
            pool__last="192.168.1.249",
            pending="",
        ),
        (
            entry(Kind.DHCP_RESERVATION, Reservation((NAS_MAC,), NAS), handle="r-nas", label="nas"),
            entry(Kind.PORT_FORWARD, forward(2222, NAS, 22), handle="f-git", label="git over ssh"),
            entry(Kind.UPNP, Upnp(enabled=True), handle="upnp"),
            lease(NAS_MAC, NAS),
            lease(MAC, PLEX),
            neighbour(MAC, PLEX),
        ),
        dict.fromkeys(
            (
                Kind.DHCP_RESERVATION,
                Kind.PORT_FORWARD,
                Kind.UPNP,
                Kind.LEASE,
                Kind.NEIGHBOUR,
                Kind.UPNP_MAPPING,
                Kind.PASSAGE,
            ),
            KindState.PRESENT,
        ),
    )
    server = Snapshot(
        SERVER,
        facts(
            SERVER,
            host__addresses=("192.168.1.50",),
            host__macs=(f"{MAC} {PLEX}",),
            firewall__kind="ufw",
            firewall__active=True,
        ),
        (),
        {Kind.FIREWALL_RULE: KindState.PRESENT, Kind.HOST_RULE: KindState.PRESENT},
    )
    plex = Snapshot(
        PLEX_ROLE,
        facts(PLEX_ROLE, plex__identifier=IDENTIFIER, plex__public_address=str(PUBLIC)),
        (entry(Kind.PLEX_REMOTE_ACCESS, RemoteAccess(True, False, 32400, 18444), handle="prefs"),),
        {Kind.PLEX_REMOTE_ACCESS: KindState.PRESENT},
    )
    outside = Snapshot(OUTSIDE, {}, (echo(str(PUBLIC)), echo(str(PUBLIC), "other.example")))
    asked = frozenset({ROUTER, SERVER, PLEX_ROLE})
    return SiteView(
        name="home",
        server_mac=MAC,
        server_address=PLEX,
        plex_address=PLEX,
        named_ports=frozenset({32500}),
        snapshots=MappingProxyType({ROUTER: router, SERVER: server, PLEX_ROLE: plex, OUTSIDE: outside}),
        ages=MappingProxyType(dict.fromkeys(asked, 3.0)),
        asked=asked,
        management=MappingProxyType({ROUTER: ("192.168.1.1", 22), SERVER: (str(PLEX), 22)}),
        plex_answered_at=(str(PLEX), 32400),
    )


def change(
    kind: Kind, action: Action, want: Any = None, *, key: str = "plex", before: Entry | None = None
) -> Change:
    """A change of one entry, at the stop that has its kind."""
    role = KINDS[kind].role if kind in KINDS else SERVER
    return Change(role, kind, key, action, before, want)


RESERVE = change(Kind.DHCP_RESERVATION, Action.CREATE, Reservation((MAC,), PLEX, "plex"))
RENEW = change(Kind.LEASE, Action.RENEW, PLEX)
ADMIT = change(Kind.FIREWALL_RULE, Action.CREATE, FirewallRule(32400))
FORWARD = change(Kind.PORT_FORWARD, Action.CREATE, forward())
PASS = change(Kind.PASSAGE, Action.CREATE, Passage(PLEX, 32400, "inet filter forward"))
ANNOUNCE = change(Kind.PLEX_REMOTE_ACCESS, Action.UPDATE, RemoteAccess(True, True, 32500))
UPNP_OFF = change(Kind.UPNP, Action.UPDATE, Upnp(enabled=False))
WHOLE_PLAN = (RESERVE, ADMIT, FORWARD, PASS, ANNOUNCE, UPNP_OFF)


def case_of(
    view: SiteView,
    changes: Iterable[Change] = WHOLE_PLAN,
    *,
    adopted: Iterable[str] = (),
    undoing: bool = False,
) -> Case:
    """A case as the engine makes it: `after` is what the changes, one after the other, leave."""
    after, made = view, tuple(changes)
    for each in made:
        if each.kind in KINDS:
            after = after.with_snapshot(after_change(after.of(each.role), each))
    return Case(view, after, made, frozenset(adopted), undoing)


def with_facts(view: SiteView, role: Role, **values: FactValue | None) -> SiteView:
    """The view with facts of one stop set; None takes one away."""
    snapshot = view.of(role)
    gone = {name.replace("__", ".") for name, value in values.items() if value is None}
    kept = {name: fact for name, fact in snapshot.facts.items() if name not in gone}
    new = facts(role, **{name: value for name, value in values.items() if value is not None})
    return view.with_snapshot(replace(snapshot, facts=MappingProxyType({**kept, **new})))


def with_entries(view: SiteView, *more: Entry, role: Role = ROUTER) -> SiteView:
    """The view with more entries at one stop."""
    snapshot = view.of(role)
    return view.with_snapshot(replace(snapshot, entries=(*snapshot.entries, *more)))


def without(view: SiteView, kind: Kind, role: Role = ROUTER) -> SiteView:
    """The view without the entries of a kind."""
    snapshot = view.of(role)
    return view.with_snapshot(
        replace(snapshot, entries=tuple(e for e in snapshot.entries if e.kind is not kind))
    )


def with_state(view: SiteView, kind: Kind, state: KindState, role: Role = ROUTER) -> SiteView:
    """The view in which what is known of a kind is another thing; what could not be read has no entries."""
    view = without(view, kind, role)
    snapshot = view.of(role)
    return view.with_snapshot(replace(snapshot, kinds={**snapshot.kinds, kind: state}))
