"""Homes in which a trap is set, and what the tests of traps ask of them."""

from __future__ import annotations

from ipaddress import IPv4Address

from plexops.model.entries import LogWord, ProbeAnswer
from plexops.model.resources.port_forward import PortForward
from plexops.model.snapshot import FactValue, Kind
from plexops.model.values import Ports
from plexops.runbook.causes.cause import StopName
from plexops.runbook.situation import Situation
from plexops.runbook.stops import Stop
from plexops.runbook.verdict import Verdict, judge
from plexops.runbook.view import SiteView
from plexops.runbook.weighing import weigh
from tests.packets.handmade import TCP, arrives, base, dnat, dport, rule
from tests.runbook.homes import healthy, logged
from tests.unit.runbook.sound_case import PLEX_ROLE, entry, with_entries, with_facts, without

PORT = 32500
OPEN, SILENT, REFUSED, LISTENS = (
    ProbeAnswer.OPEN,
    ProbeAnswer.TIMED_OUT,
    ProbeAnswer.REFUSED,
    ProbeAnswer.LISTENS,
)
OTHER_HOST = base(
    "prerouting", rule(arrives("wan0"), TCP, dport(PORT), dnat("192.168.1.20"), words="Plex"), nat=True
)
NO_FORWARD = base("prerouting", nat=True)


def verdict_of(view: SiteView) -> Verdict:
    return judge(Situation(view, PORT))


def stop_at(view: SiteView, place: StopName) -> Stop:
    return next(stop for stop in weigh(Situation(view, PORT)).stops if stop.place is place)


def possible(view: SiteView) -> set[str]:
    """What may be wrong at all: shown, suspected or hidden, after observations struck out what they refute."""
    weighing = weigh(Situation(view, PORT))
    return {one.cause.id for stop in weighing.stops for one in stop.shown} | weighing.possible


def beside(verdict: Verdict) -> set[str]:
    return {one.cause.id for one in verdict.also}


def misled() -> SiteView:
    """The home whose forward leads to another host."""
    view = healthy(OTHER_HOST)
    values = PortForward(Ports.of(PORT), IPv4Address("192.168.1.20"), Ports.of(32400))
    return with_entries(
        without(view, Kind.PORT_FORWARD), entry(Kind.PORT_FORWARD, values, handle="f", label="Plex")
    )


def unforwarded() -> SiteView:
    return without(healthy(NO_FORWARD), Kind.PORT_FORWARD)


def dated(view: SiteView) -> SiteView:
    """The home whose log has a success of plex.tv at this port, ten minutes old."""
    return logged(view, LogWord.REACHABILITY, number=1)


def plex_tv(view: SiteView, **changed: FactValue | None) -> SiteView:
    return with_facts(view, PLEX_ROLE, **changed)
