"""A first look without inventory and without login: what this computer alone can say about the way in."""

from __future__ import annotations

import time
from collections.abc import Mapping
from ipaddress import IPv4Address
from types import MappingProxyType

from msgspec import Struct, field

from plexops.drivers.around.outside import USUAL_ECHOES, USUAL_STUN, OwnViewDriver
from plexops.engine.bootstrap.discovery import Reach, Surroundings, look_around, runs_here
from plexops.model.entries import Echo, Probe, ProbeAnswer, UpnpMapping
from plexops.model.quick import QuickReport, QuickVerdict, SeenGateway
from plexops.model.site import Checker
from plexops.model.snapshot import FOREIGN, Entry, Fact, Kind, KindState, Role, Snapshot
from plexops.runbook.condition import Condition, Holds, WanCause
from plexops.runbook.conditions import wan
from plexops.runbook.exposures import exposures
from plexops.runbook.view import SiteView
from plexops.runbook.way_in import entry_of
from plexops.structs import replace
from plexops.transport.around.local_queries import HereLink
from plexops.transport.here import SOMEWHERE, HereSettings, address_towards
from plexops.transport.workers import workers

_CAUSES: Mapping[WanCause, tuple[str, str]] = MappingProxyType(
    {
        WanCause.CARRIER_NAT: ("carrier-nat", "ISP"),
        WanCause.TRANSITION: ("ds-lite", "ISP"),
        WanCause.SECOND_NAT: ("double-nat", "upstream gateway"),
        WanCause.DOWN: ("wan-down", "ISP"),
        WanCause.DIFFERS: ("wan-differs", "ISP"),
    }
)
_NEXT = (
    "Describe the home, so that router, server and Plex can be asked: plexops init, then plexops diagnose",
    "Try the port from outside, such as a phone's hotspot: plexops probe HOST:PORT",
)
_ON_THE_HOST = (
    "Plex runs on this computer, so that more can be seen without an inventory: plexops diagnose, as root"
)
_NEVER_SEEN = (
    "forwards made by hand and the router's filter: that takes a login on the router",
    "the Plex host's own firewall: that takes a login there",
    "Plex's remote access settings and plex.tv's verdict: that takes Plex's token",
)
_UNJUDGED = QuickVerdict("", False, "", "")
_UNTRIED = "whether the port answers from outside: that takes a computer outside (plexops probe)"
_UNKNOWN_SERVER = "which server answers at the port: that takes a computer outside (plexops probe)"


class QuickSettings(Struct, frozen=True):
    """How a quick look is made. `offline`: nothing on the internet is asked. Times are in seconds."""

    offline: bool = False
    reach: Reach = field(default_factory=Reach)
    echoes: tuple[str, ...] = USUAL_ECHOES
    stun: tuple[str, ...] = USUAL_STUN
    echo_seconds: float = 4.0
    somewhere: IPv4Address = SOMEWHERE
    #: Services that try the port, and the port, where UPnP shows none that leads to Plex.
    checkers: tuple[Checker, ...] = ()
    port: int | None = None


class _Outside(Struct, frozen=True):
    """What services on the internet said, and why others did not."""

    echoes: tuple[Echo, ...] = ()
    unseen: str = ""


def look_quick(settings: QuickSettings) -> QuickReport:
    """Look from this computer, in some seconds, and judge as far as that goes. Changes nothing, logs in nowhere."""
    begin = time.monotonic()
    with workers(1, "plexops-outside") as pool:
        outside = pool.submit(_ask_outside, settings)
        around = look_around(settings.reach)
        world = outside.result()
    world = _by_the_router(world, around, settings)
    found = (around.network, around.gateways, around.plex, world.echoes)
    draft = _tried_from_outside(QuickReport(*found, settings.offline, (), _UNJUDGED), settings)
    verdict = judge(draft)
    if any(runs_here(server, settings.reach) for server in around.plex):
        verdict = replace(verdict, do=(*verdict.do, _ON_THE_HOST))
    return replace(
        draft,
        unseen=(*_not_seen(draft, world), *_NEVER_SEEN, _UNTRIED if not draft.probes else _UNKNOWN_SERVER),
        verdict=verdict,
        seconds=round(time.monotonic() - begin, 2),
    )


def _tried_from_outside(draft: QuickReport, settings: QuickSettings) -> QuickReport:
    """Let the services that the user named try the port, where it and our one public address are known."""
    if not settings.checkers:
        return draft
    from plexops.engine.look.checkers import account_of, ask_from_here

    port = settings.port or next((m.external_port.single for m in _leading(draft)), None)
    addresses = {echo.address for echo in draft.echoes}
    outside = Snapshot(Role.OUTSIDE)
    if port is not None and len(addresses) == 1:
        outside = ask_from_here(settings.checkers, addresses.pop(), port)
    probes = tuple(entry.values for entry in outside.held(Probe))
    no_port, no_address = "no port to try is known (--port NUMBER)", "no one public address of ours is known"
    why = no_port if port is None else no_address
    return replace(draft, probes=probes, asked=account_of(settings.checkers, outside, why))


def _ask_outside(settings: QuickSettings) -> _Outside:
    if settings.offline:
        return _Outside((), "our public address: no service on the internet was asked (--offline)")
    driver = OwnViewDriver(settings.echoes, settings.stun, settings.echo_seconds)
    said = driver.understand(HereLink(HereSettings("here")).ask(driver.reads()))
    echoes = tuple(Echo(one.source, one.address, "controller") for one in said if one.address is not None)
    if echoes:
        return _Outside(echoes)
    why = ", ".join(f"{one.source}: {one.failure}" for one in said)
    return _Outside((), f"our public address: no service on the internet gave it ({why or 'none was asked'})")


def _by_the_router(world: _Outside, around: Surroundings, settings: QuickSettings) -> _Outside:
    """What a VPN's far end looks like says nothing about this home: such answers do not count."""
    if around.network is None or not world.echoes:
        return world
    used = address_towards(settings.somewhere)
    if used in (None, around.network.address):
        return world
    return _Outside(
        (),
        f"our public address: this computer reaches the internet by {used}, not by its gateway "
        f"{around.network.gateway} (a VPN?), so that the services see another way",
    )


def _not_seen(report: QuickReport, world: _Outside) -> list[str]:
    found: list[str] = []
    router = report.router
    if report.network is None:
        found.append(
            "this computer's gateway: it has none, or this system does not tell (only Linux does so far)"
        )
    elif router is None:
        gateway = report.network.gateway
        found.append(
            f"the router's address on the internet side: {gateway} does not answer by UPnP or NAT-PMP "
            "(they are off there, or a firewall here drops the answers)"
        )
    elif router.wan is None:
        found.append(f"the router's address on the internet side: {router.why}")
    elif router.mappings is None or not router.whole:
        found.append(f"all UPnP mappings: {router.why}")
    if world.unseen:
        found.append(world.unseen)
    if not report.plex:
        found.append(
            "Plex: none runs on this computer, and none answered in this network (GDM, UDP port "
            "32414; a firewall here or there may drop that)"
        )
    return found


def judge(report: QuickReport) -> QuickVerdict:
    """Say the outermost cause that was seen; without one, what is missing. Never that all is in order."""
    view = _view(report)
    router = report.router
    if router is not None and router.wanless:
        return _without_wan(report)
    condition = wan(view)
    if condition.holds is Holds.NO:
        name, layer = _CAUSES[condition.cause]
        return QuickVerdict(name, True, layer, condition.says, _sources(report), condition.stop)
    exposed = [one for one in exposures(view) or () if one.certain]
    if exposed:
        entry = entry_of(exposed[0].rule, view.of(Role.ROUTER).held(UpnpMapping))
        leads = exposed[0].address if entry is None else _arrow(entry.values)
        cause = f"port 32400 is open to the internet: a UPnP mapping leads {leads}"
        do = (
            "Give Plex a manual port, and switch its automatic mapping off: plexops init, then plexops apply",
        )
        return QuickVerdict("exposed-32400", True, "router", cause, _sources(report), do)
    return _plex_verdict(report, condition)


def _without_wan(report: QuickReport) -> QuickVerdict:
    """Judge a gateway that says that it has no address on the internet side, by whether the internet answers."""
    says = "the gateway says by UPnP that it has no address on the internet side"
    if not report.echoes:
        cause = f"not decided: {says}, and no service on the internet answered"
        do = ("Look on the router's own page whether it has an internet connection", *_NEXT)
        return QuickVerdict("undecided", False, "ISP", cause, (), do)
    cause = f"carrier NAT or a second NAT is likely: {says}, yet the internet answers. That is no proof"
    look = (
        "Read the WAN address on the router's own page: 100.64.x.x to 100.127.x.x is carrier NAT; 192.168.x.x, 10.x.x.x "
        "or 172.16.x.x to 172.31.x.x is a second NAT; the address that services see is neither"
    )
    return QuickVerdict("nat-likely", False, "ISP", cause, _sources(report), (look, *_NEXT))


def _plex_verdict(report: QuickReport, condition: Condition) -> QuickVerdict:
    if not report.plex:
        cause = "no Plex server was found from here"
        do = ("Start Plex, or run this on the Plex host or in its network", *_NEXT)
        return QuickVerdict("plex-not-found", False, "Plex", cause, (condition.says,), do)
    unclaimed = [server for server in report.plex if server.claimed is False]
    if len(unclaimed) == len(report.plex):
        at = f"{unclaimed[0].address}:{unclaimed[0].port}"
        cause = f"the Plex server at {at} belongs to no account: remote access needs one"
        sign_in = f"Sign in on the Plex host itself: http://{at}/web"
        return QuickVerdict("not-claimed", True, "Plex", cause, (), (sign_in,))
    if tried := _from_outside(report, condition):
        return tried
    if condition.holds is Holds.UNKNOWN:
        cause = f"not decided: {condition.says}"
        return QuickVerdict("undecided", False, "ISP", cause, _sources(report), _NEXT)
    return _way_in(report, condition)


def _from_outside(report: QuickReport, condition: Condition) -> QuickVerdict | None:
    """Say what services outside met. They do not ask who answers: even “open” is no proof of Plex."""
    told = [probe for probe in report.probes if probe.answer is not ProbeAnswer.UNKNOWN and not probe.inside]
    if not told:
        return None
    port, because = told[0].port, (condition.says, *report.asked)
    name, cause = "closed-outside", f"port {port} is closed from outside, and this look does not see why"
    if any(probe.answer is ProbeAnswer.LISTENS for probe in told):
        name = "nothing-found"
        cause = f"so far nothing stands in the way: something listens at port {port} from outside. That is no proof"
    return QuickVerdict(name, False, "", cause, because, _NEXT)


def _leading(report: QuickReport) -> list[UpnpMapping]:
    """Give the UPnP mappings that lead to a Plex server that was found."""
    mappings = () if report.router is None else report.router.mappings or ()
    return [m for m in mappings if any(server.address == m.address for server in report.plex)]


def _way_in(report: QuickReport, condition: Condition) -> QuickVerdict:
    router = report.router
    mappings = None if router is None else router.mappings
    ports = {server.port for server in report.plex}
    strays = [mapping for mapping in mappings or () if mapping.port.single in ports]
    name, layer, cause = "nothing-found", "", "so far nothing stands in the way. That is no proof"
    if leading := _leading(report):
        cause = (
            f"so far nothing stands in the way: a UPnP mapping leads {_arrow(leading[0])}. That is no proof"
        )
    elif strays:
        name, layer = "upnp-old-address", "router"
        cause = f"a UPnP mapping leads {_arrow(strays[0])}, where this look found no Plex"
    elif router is not None and mappings is not None and router.whole:
        name, layer = "no-mapping", "router"
        cause = "no UPnP mapping leads to Plex: unless a forward was made by hand, no viewer comes in"
    return QuickVerdict(name, False, layer, cause, (condition.says,), _NEXT)


def _view(report: QuickReport) -> SiteView:
    """Put what was seen where the runbook looks for it: its one answer to "is the WAN public?" holds here too."""
    entries = tuple(Entry(Kind.ECHO, echo, {}, FOREIGN, echo.source, "") for echo in report.echoes)
    outside = Snapshot(Role.OUTSIDE, {}, entries, {Kind.ECHO: KindState.PRESENT})
    snapshots = {Role.OUTSIDE: outside, Role.ROUTER: _router(report.router)}
    plex = report.plex[0] if report.plex else None
    return SiteView(
        name="",
        plex_address=None if plex is None else plex.address,
        plex_port=32400 if plex is None else plex.port,
        snapshots=MappingProxyType(snapshots),
    )


def _router(router: SeenGateway | None) -> Snapshot:
    if router is None:
        return Snapshot(Role.ROUTER, reasons={"wan.address": "no gateway tells it by UPnP or NAT-PMP"})
    entries = tuple(
        Entry(Kind.UPNP_MAPPING, mapping, {}, FOREIGN, str(number), "", number, mapping.name)
        for number, mapping in enumerate(router.mappings or ())
    )
    facts = {} if router.wan is None else {"wan.address": Fact("wan.address", str(router.wan), "")}
    reasons = {"wan.address": router.why} if router.why else {}
    return Snapshot(Role.ROUTER, facts, entries, {Kind.UPNP_MAPPING: KindState.PRESENT}, reasons)


def _sources(report: QuickReport) -> tuple[str, ...]:
    router = report.router
    seen = tuple(f"{echo.source} sees {echo.address}" for echo in report.echoes)
    if router is None or router.wan is None:
        return seen
    return (f"the router says by {router.wan_by}: {router.wan}", *seen)


def _arrow(mapping: UpnpMapping) -> str:
    return f"{mapping.external_port} → {mapping.address}:{mapping.port}"
