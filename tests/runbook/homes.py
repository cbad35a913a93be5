"""Homes as people described them, and what a person who knows how it ended says of each."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

from msgspec import Struct

from plexops.model.entries import Listener, LogEvent, LogWord, Probe, ProbeAnswer
from plexops.model.intervals import ALL_V4, ALL_V6
from plexops.model.packets import Chain, LocalAddress, Route
from plexops.model.resources.dhcp_reservation import Reservation
from plexops.model.resources.plex_remote_access import RemoteAccess
from plexops.model.resources.port_forward import PortForward
from plexops.model.snapshot import FOREIGN, Entry, FactValue, Kind, KindState, Role
from plexops.model.values import Ports
from plexops.runbook.verdict import Outcome
from plexops.runbook.view import SiteView
from plexops.structs import replace
from tests.packets.handmade import (
    DNAT,
    DROP,
    TCP,
    WAN,
    arrives,
    base,
    destination,
    dnat,
    dport,
    number,
    other,
    router,
    rule,
    server,
    source,
)
from tests.unit.runbook.sound_case import (
    IDENTIFIER,
    MAC,
    OUTSIDE,
    PLEX,
    PLEX_ROLE,
    ROUTER,
    SERVER,
    echo,
    entry,
    facts,
    sound_view,
    with_entries,
    with_facts,
    with_state,
    without,
)

NOW = "2026-11-22T20:00:00"
NEXT_HOP = "203.0.113.1"
HAIRPIN = "198.51.100.50"
MANUAL = RemoteAccess(enabled=True, manual=True, manual_port=32500, last_automatic_port=0)
AUTOMATIC = RemoteAccess(enabled=True, manual=False, manual_port=32400, last_automatic_port=0)
FAILED: dict[str, FactValue | None] = {
    "plex__mapping_error": "unreachable", "plex__public_address": "", "plex__public_port": 0
}  # fmt: skip


def healthy(*chains: Chain) -> SiteView:
    """A home in which all is read and all is in order: the router forwards 32500, and a vantage has got in."""
    view = sound_view()
    view = without(without(view, Kind.ECHO, OUTSIDE), Kind.PLEX_REMOTE_ACCESS, PLEX_ROLE)
    view = with_facts(
        view,
        ROUTER,
        wan__address=WAN,
        wan__interface="wan0",
        wan__ways=("0 wan0",),
        persists=True,
        firmware="x",
    )
    view = view.with_snapshot(replace(view.of(ROUTER), box=router(*(chains or (DNAT,)))))
    values = PortForward(Ports.of(32500), PLEX, Ports.of(32400))
    reserved = entry(Kind.DHCP_RESERVATION, Reservation((MAC,), PLEX), handle="r-plex", label="plex")
    view = with_entries(view, entry(Kind.PORT_FORWARD, values, handle="f-plex", label="Plex"), reserved)
    view = with_facts(
        view, SERVER, host__egress="eth0", host__time=NOW, host__interface="eth0", host__gateway="192.168.1.1",
        container__engine="", host__hops=(NEXT_HOP, "198.51.100.1"),
    )  # fmt: skip
    kinds = {**view.of(SERVER).kinds, Kind.LISTENER: KindState.PRESENT, Kind.LOG_EVENT: KindState.PRESENT}
    view = view.with_snapshot(replace(view.of(SERVER), box=server(), kinds=kinds))
    view = with_entries(view, entry(Kind.LISTENER, Listener("0.0.0.0", 32400)), role=SERVER)
    view = with_facts(
        view, PLEX_ROLE, plex__claimed=True, plex__sign_in="ok", plex__mapping_state="mapped", plex__mapping_error="",
        plex__public_address=WAN, plex__public_port=32500, plex__relay=True, plex__subscription=True,
        plex__relayed_sessions=0, plex__custom_connections="", plex__private_address=str(PLEX),
    )  # fmt: skip
    view = with_entries(view, entry(Kind.PLEX_REMOTE_ACCESS, MANUAL, handle="prefs"), role=PLEX_ROLE)
    view = with_entries(view, echo(WAN), echo(WAN, "other.example"), tried(ProbeAnswer.OPEN), role=OUTSIDE)
    outside = view.of(OUTSIDE)
    told = facts(
        OUTSIDE, account__listed=True, account__online=True, account__direct=(f"{WAN}:32500",), account__relay=True,
        outside__failure="",
    )  # fmt: skip
    kinds = {Kind.ECHO: KindState.PRESENT, Kind.PROBE: KindState.PRESENT}
    return view.with_snapshot(replace(outside, facts=told, kinds=kinds))


def tried(answer: ProbeAnswer, vantage: str = "vps", port: int = 32500) -> Entry[Probe]:
    """What a vantage met at the WAN address."""
    identifier = IDENTIFIER if answer is ProbeAnswer.OPEN else ""
    values = Probe(vantage, IPv4Address(WAN), port, answer, identifier)
    return Entry(Kind.PROBE, values, {}, FOREIGN, vantage, f"outside.probe.{vantage}")


def unprobed(view: SiteView, *attempts: Entry) -> SiteView:
    """The home with other attempts from outside, or none."""
    return with_entries(without(view, Kind.PROBE, OUTSIDE), *attempts, role=OUTSIDE)


def silent(view: SiteView) -> SiteView:
    """The home of which a vantage and plex.tv get no answer."""
    view = unprobed(view, tried(ProbeAnswer.TIMED_OUT))
    return logged(with_facts(view, PLEX_ROLE, **FAILED), LogWord.REACHABILITY, number=0, milliseconds=5034)


def logged(view: SiteView, word: LogWord, time: str = "2026-11-22T19:50:00", **more: int | str) -> SiteView:
    """The home with a line of Plex's log, ten minutes old."""
    values: dict[str, int | str] = {"address": WAN, "port": 32500, **more}
    event = LogEvent(word, time, **values)  # type: ignore[arg-type]
    seen = len(view.of(SERVER).of(Kind.LOG_EVENT))
    line = Entry(Kind.LOG_EVENT, event, {}, FOREIGN, f"l{seen}", "server.log", seen)
    return with_entries(view, line, role=SERVER)


def settings(view: SiteView, values: RemoteAccess) -> SiteView:
    """The home with other settings in Plex."""
    view = without(view, Kind.PLEX_REMOTE_ACCESS, PLEX_ROLE)
    return with_entries(view, entry(Kind.PLEX_REMOTE_ACCESS, values, handle="prefs"), role=PLEX_ROLE)


def not_asked(view: SiteView, *roles: Role) -> SiteView:
    """The home whose inventory gives no access to some stops."""
    snapshots = {role: snapshot for role, snapshot in view.snapshots.items() if role not in roles}
    return replace(view, snapshots=snapshots, asked=view.asked - set(roles))


class Home(Struct, frozen=True):
    """One home: what it comes to, and the verdict or the first candidate. `decided` is False where it must stay open."""

    name: str
    make: Callable[[], SiteView]
    cause: str
    outcome: Outcome
    decided: bool = True
    never: tuple[str, ...] = ()


def auto_but_forwarded(port: int) -> SiteView:
    view = settings(healthy(), AUTOMATIC)
    values = PortForward(Ports.of(port), PLEX, Ports.of(32400))
    view = with_entries(without(view, Kind.PORT_FORWARD), entry(Kind.PORT_FORWARD, values, label="by hand"))
    return with_facts(
        view, PLEX_ROLE, plex__mapping_state="failed", plex__public_address="", plex__public_port=0
    )


def container_in_vpn() -> SiteView:
    view = with_facts(silent(healthy()), SERVER, container__engine="docker", container__network="container")
    return with_facts(view, SERVER, container__published=())


def sent_by_vpn() -> SiteView:
    view = silent(without(healthy(), Kind.ECHO, OUTSIDE))
    view = with_entries(view, echo("198.51.100.9"), echo("198.51.100.9", "other.example"), role=OUTSIDE)
    return with_facts(view, SERVER, host__hops=("10.8.0.1", "-"))


def upstream_passes_on() -> SiteView:
    view = with_facts(healthy(), ROUTER, wan__address="192.168.178.20")
    box = view.of(ROUTER).box
    assert box is not None
    own = (replace(box.addresses[0], number=int(IPv4Address("192.168.178.20"))), *box.addresses[1:])  # type: ignore[index]
    return view.with_snapshot(replace(view.of(ROUTER), box=replace(box, addresses=own)))


def address_of_its_own() -> SiteView:
    own = IPv4Address("192.168.1.60")
    view = with_state(healthy(), Kind.LISTENER, KindState.PRESENT, SERVER)
    return replace(view, plex_address=own, plex_answered_at=(str(own), 32400))


def by_another_way() -> SiteView:
    view = with_facts(healthy(), PLEX_ROLE, plex__public_address="198.51.100.77")
    return with_facts(view, OUTSIDE, account__direct=("198.51.100.77:32500",))


def stream_proxy(dated: bool) -> SiteView:
    to_another = base(
        "prerouting", rule(arrives("wan0"), TCP, dport(32500), dnat("192.168.1.20"), words="Plex"), nat=True
    )
    view = unprobed(healthy(to_another))
    values = PortForward(Ports.of(32500), IPv4Address("192.168.1.20"), Ports.of(32400))
    view = with_entries(
        without(view, Kind.PORT_FORWARD), entry(Kind.PORT_FORWARD, values, handle="f", label="Plex")
    )
    return logged(view, LogWord.REACHABILITY, number=1) if dated else view


def conditioned(*parts: object, view: Callable[[SiteView], SiteView] = silent) -> SiteView:
    return view(healthy(base("prerouting", rule(*parts, dnat(), words="Plex", name="Plex"), nat=True)))  # type: ignore[arg-type]


def checker_kept_out() -> SiteView:
    keeps = base("forward", rule(source("198.51.100.128/25"), DROP, words="drop the checker"))
    return with_facts(healthy(DNAT, keeps), PLEX_ROLE, **FAILED)


def manual_box(change: Callable[[SiteView], SiteView], *, login: bool = True) -> SiteView:
    return not_asked(change(unprobed(healthy())), ROUTER, *(() if login else (SERVER,)))


def not_ticked(view: SiteView) -> SiteView:
    view = settings(view, AUTOMATIC)
    return with_facts(
        view, PLEX_ROLE, plex__mapping_state="failed", plex__public_address="", plex__public_port=0
    )


def refused_at_once(view: SiteView) -> SiteView:
    return logged(with_facts(view, PLEX_ROLE, **FAILED), LogWord.REACHABILITY, number=0, milliseconds=61)


def filtered(view: SiteView) -> SiteView:
    return logged(with_facts(view, PLEX_ROLE, **FAILED), LogWord.REACHABILITY, number=0, milliseconds=5034)


def two_nats_by_log(view: SiteView) -> SiteView:
    view = with_facts(view, SERVER, host__hops=("192.168.178.1", NEXT_HOP))
    view = logged(
        filtered(view), LogWord.ROUTER_ADDRESS, "2026-11-22T19:50:01", address="192.168.178.20", text="UPnP"
    )
    return logged(view, LogWord.ROUTER_ADDRESS_PRIVATE, "2026-11-22T19:50:02", address="")


def confirmed(view: SiteView) -> SiteView:
    return logged(view, LogWord.REACHABILITY, number=1)


def stale_yes() -> SiteView:
    return unprobed(healthy(), tried(ProbeAnswer.TIMED_OUT))


def port_taken() -> SiteView:
    view = with_facts(silent(healthy()), PLEX_ROLE, plex__identifier=None)
    view = replace(view, plex_answered_at=None)
    return logged(view, LogWord.BIND_FAILED, address="", text="An attempt was made to access a socket")


def proxy_not_announced() -> SiteView:
    return replace(unprobed(healthy()), access="proxy")


def unclear_on_the_router() -> SiteView:
    return silent(healthy(DNAT, base("forward", rule(TCP, dport(32400), other(), DROP, words="unclear"))))


def unclear_on_the_server() -> SiteView:
    view = silent(healthy())
    box = server(base("input", rule(TCP, dport(32400), other(), DROP, words="unclear")))
    return view.with_snapshot(replace(view.of(SERVER), box=box))


def plex_tv_blocked(*answer: str) -> SiteView:
    """The home whose resolver filters plex.tv: Plex can announce nothing, and drops off plex.tv's list."""
    view = with_facts(
        unprobed(healthy()),
        PLEX_ROLE,
        plex__mapping_error="myplexgone",
        plex__public_address="",
        plex__public_port=0,
    )
    view = with_facts(view, SERVER, host__plex_tv=answer, host__resolvers=("192.168.1.21",))
    return with_facts(view, OUTSIDE, account__online=False)


PLEX_6 = "2001:db8:a::50"
AT_6 = f"[{PLEX_6}]:32400"


def behind_carrier_nat(*, told: str = AT_6, closed: bool = False, listens: str = "*") -> SiteView:
    """Carrier NAT; the host has IPv6 as well, and plex.tv tells apps of `told`. `closed`: the router keeps it shut."""
    shut = base("forward", rule(arrives("wan0"), DROP, words="no viewer"), families=frozenset({6}))
    view = with_facts(
        unprobed(healthy(DNAT, *([shut] if closed else []))), ROUTER, wan__address="100.72.13.5"
    )
    box = view.of(ROUTER).box
    assert box is not None
    assert box.addresses is not None
    own = (replace(box.addresses[0], number=int(IPv4Address("100.72.13.5"))), *box.addresses[1:])
    view = view.with_snapshot(replace(view.of(ROUTER), box=replace(box, addresses=own)))
    over_6 = server(
        addresses=(LocalAddress(4, number(str(PLEX)), "eth0"), LocalAddress(6, number(PLEX_6), "eth0")),
        routes=(Route(4, ALL_V4, 0, "eth0", "192.168.1.1"), Route(6, ALL_V6, 0, "eth0", "fe80::1")),
    )
    view = view.with_snapshot(replace(view.of(SERVER), box=over_6))
    view = with_entries(
        without(view, Kind.LISTENER, SERVER), entry(Kind.LISTENER, Listener(listens, 32400)), role=SERVER
    )
    view = with_facts(view, PLEX_ROLE, **FAILED)
    return with_facts(view, OUTSIDE, account__ipv6=(told,) if told else (), account__direct=())


def tried_over_ipv6(answer: ProbeAnswer, at: str = PLEX_6) -> Entry[Probe]:
    identifier = IDENTIFIER if answer is ProbeAnswer.OPEN else ""
    values = Probe("vps", IPv6Address(at), 32400, answer, identifier)
    return Entry(Kind.PROBE, values, {}, FOREIGN, "vps", "outside.probe.vps.ipv6")


FAILS, UNKNOWN = Outcome.FAILS, Outcome.UNKNOWN
HOMES = (
    Home("all in order", healthy, "in-order", Outcome.IN_ORDER),
    Home("auto but forwarded, 32400", lambda: auto_but_forwarded(32400), "automatic-unmapped", FAILS),
    Home("auto but forwarded, a vantage gets in", lambda: auto_but_forwarded(32500), "automatic-unmapped", FAILS),
    Home("container in a VPN container",
         container_in_vpn, "container-in-vpn", FAILS, never=("no-forward", "isp-blocks")),
    Home("the router sends the server by a VPN", sent_by_vpn, "other-way-out", FAILS, never=("wan-differs",)),
    Home("the ISP's box passes everything on", upstream_passes_on, "in-order", Outcome.IN_ORDER),
    Home("an address of its own", address_of_its_own, "in-order", Outcome.IN_ORDER, never=("nothing-listens",)),
    Home("plex.tv by another way", by_another_way, "announces-other-way", FAILS, never=("in-order",)),
    Home("a stream proxy, plex.tv got in just now", lambda: stream_proxy(True), "in-order", Outcome.IN_ORDER),
    Home("a stream proxy, plex.tv got in once",
         lambda: stream_proxy(False), "forward-foreign", UNKNOWN, decided=False),
    Home("bound to the old address",
         lambda: conditioned(destination("203.0.113.99"), TCP, dport(32500)), "forward-not-met", FAILS),
    Home("on the old interface", lambda: conditioned(arrives("eth9"), TCP, dport(32500)), "forward-not-met", FAILS),
    Home("only some senders",
         lambda: conditioned(source("198.51.100.7"), TCP, dport(32500)), "forward-not-met", FAILS),
    Home("plex.tv's checker is kept out", checker_kept_out, "checker-kept-out", FAILS, decided=False),
    Home("box without API: not ticked", lambda: manual_box(not_ticked), "mapping-failed", FAILS),
    Home("box without API: refused", lambda: manual_box(refused_at_once), "isp.address", FAILS, decided=False),
    Home("box without API: filtered",
         lambda: manual_box(filtered), "isp.address", FAILS, decided=False, never=("isp-blocks",)),
    Home("box without API: two NATs", lambda: manual_box(two_nats_by_log), "double-nat", Outcome.STOP, decided=False),
    Home("box without API, nobody logs in",
         lambda: manual_box(filtered, login=False), "isp.address", FAILS, decided=False),
    Home("box without API, plex.tv confirms", lambda: manual_box(confirmed), "in-order", Outcome.IN_ORDER),
    Home("box without API, plex.tv confirmed once",
         lambda: manual_box(lambda view: view), "reachable", UNKNOWN, decided=False),
    Home("a rule of the router is not understood", unclear_on_the_router, "router-other-filter", FAILS, decided=False),
    Home("a rule of the server is not understood", unclear_on_the_server, "host-other-filter", FAILS, decided=False),
    Home("another program has the port", port_taken, "port-taken", FAILS),
    Home("plex.tv's names are filtered",
         lambda: plex_tv_blocked("0.0.0.0"), "plex-tv-blocked", FAILS, never=("not-online", "sign-in-broken")),
    Home("plex.tv's names do not exist at home", plex_tv_blocked, "plex-tv-blocked", FAILS, never=("not-online",)),
    Home("the proxy is not announced", proxy_not_announced, "proxy-not-announced", FAILS),
    Home("carrier NAT, and a vantage gets in over IPv6",
         lambda: unprobed(behind_carrier_nat(), tried_over_ipv6(ProbeAnswer.OPEN)),
         "in-order-over-ipv6", Outcome.IN_ORDER),
    Home("carrier NAT, open over IPv6, not tried",
         behind_carrier_nat, "open-over-ipv6", UNKNOWN, decided=False),
    Home("carrier NAT, and a vantage is refused over IPv6",
         lambda: unprobed(behind_carrier_nat(), tried_over_ipv6(ProbeAnswer.REFUSED)), "carrier-nat", Outcome.STOP),
    Home("carrier NAT, and a vantage tried an old address of IPv6",
         lambda: unprobed(behind_carrier_nat(), tried_over_ipv6(ProbeAnswer.OPEN, "2001:db8:a::99")),
         "open-over-ipv6", UNKNOWN, decided=False),
    Home("carrier NAT, the router closed over IPv6",
         lambda: behind_carrier_nat(closed=True), "carrier-nat", Outcome.STOP),
    Home("carrier NAT, Plex not listening over IPv6",
         lambda: behind_carrier_nat(listens="0.0.0.0"), "carrier-nat", Outcome.STOP),
    Home("carrier NAT, apps told of an address of IPv6 that is gone",
         lambda: behind_carrier_nat(told="[2001:db8:b::50]:32400"), "carrier-nat", Outcome.STOP),
    Home("carrier NAT, no IPv6", lambda: behind_carrier_nat(told=""), "carrier-nat", Outcome.STOP),
    Home("carrier NAT, no IPv6 of the router's read",
         lambda: not_asked(behind_carrier_nat(), SERVER), "carrier-nat", Outcome.STOP),
    Home("nothing is known", lambda: SiteView("home"), "unknown", UNKNOWN, decided=False),
    Home("a stale yes", stale_yes, "contradiction", UNKNOWN, decided=False),
)  # fmt: skip
