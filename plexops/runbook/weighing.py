"""Weighing: what was read at the stops of the three ways, less what observations refute."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from plexops.runbook.causes.cause import StopName, Way, Weight
from plexops.runbook.causes.table import CAUSES
from plexops.runbook.condition import WanCause
from plexops.runbook.ipv6 import OverIpv6, over_ipv6
from plexops.runbook.missing import unread_kinds
from plexops.runbook.observations import Observed, PlexTv
from plexops.runbook.situation import Situation
from plexops.runbook.stops import Found, State, Stop, walk
from plexops.runbook.view import tunnel
from plexops.structs import replace

#: What only a viewer over IPv4 meets.
OVER_IPV4 = frozenset(
    {StopName.ISP_ADDRESS, StopName.UPSTREAM, StopName.ISP_FILTER, StopName.ROUTER_FORWARD}
    | {StopName.ROUTER_FILTER, StopName.LAN, StopName.SERVER_FILTER, StopName.ROUTER_WAY_OUT}
    | {StopName.ANNOUNCEMENT}
)
#: With these the way in may work all the same.
_BESIDE = (Weight.PARTS, Weight.POLICY, Weight.WEAKNESS)
_TRANSLATED = (WanCause.CARRIER_NAT, WanCause.TRANSITION, WanCause.SECOND_NAT)


class Weighing(Struct, frozen=True):
    """What there is to weigh: the stops after observations struck out what they refute, and what stands beside."""

    situation: Situation
    observed: Observed
    stops: tuple[Stop, ...]
    struck: tuple[Found, ...]
    beside: tuple[Found, ...]
    notes: tuple[Found, ...]
    missing: tuple[str, ...]
    over_ipv6: OverIpv6

    @property
    def shown(self) -> tuple[Found, ...]:
        """Causes that show, from the outside in, without those that another explains."""
        found = [one for stop in self.stops for one in stop.shown]
        covered = {name for one in found for name in one.cause.covers}
        return tuple(one for one in found if one.cause.id not in covered)

    @property
    def possible(self) -> frozenset[str]:
        """Causes that are suspected, or may hide where nothing was read."""
        hidden = {cause.id for stop in self.stops for cause in stop.hidden}
        return frozenset(hidden | {one.cause.id for stop in self.stops for one in stop.suspects})


def weigh(situation: Situation) -> Weighing:
    """Follow the ways, strike out what observations refute, and look beside them."""
    access, observed = situation.view.access, situation.observed
    looked = [
        Found(cause, found)
        for cause in CAUSES
        if cause.place is StopName.BESIDE and access in cause.access
        if (found := cause.look(situation)) is not None
    ]
    stops, struck = _strike(walk(situation), situation)
    beside = tuple(f for weight in _BESIDE for f in looked if f.cause.weight is weight)
    notes = tuple(f for f in looked if f.cause.weight is Weight.NOTE)
    ipv6 = over_ipv6(situation)
    if ipv6.met:
        # The rule that lets viewers in over IPv6 is the home's way in where IPv4 is closed: known, and no exposure.
        closed = [one for stop in stops for one in stop.shown if stop.place in OVER_IPV4]
        beside = tuple(one for one in beside if not closed or one.cause.id != "ipv6-pinhole")
    return Weighing(situation, observed, stops, struck, beside, notes, unread_kinds(situation), ipv6)


# --- what observations strike out -----------------------------------------------------------------------------------


def _strike(stops: Sequence[Stop], situation: Situation) -> tuple[tuple[Stop, ...], tuple[Found, ...]]:
    """Take out what observations refute. Second: causes that were read, and do not keep viewers out."""
    observed = situation.observed
    kept: list[Stop] = []
    struck: list[Found] = []
    for stop in stops:
        on_the_way = stop.place.way is not Way.ANNOUNCED
        # All that shows there sends packets on to another host or port, which demonstrably passes them on.
        soft = bool(stop.shown) and all(one.cause.soft for one in stop.shown)
        if on_the_way and (observed.met or _not_on_the_way(stop, situation)):
            # One connection that got in says nothing of the next, where devices say so now.
            stays = tuple(one for one in stop.shown if one.cause.current and observed.met)
            struck += [one for one in stop.shown if one not in stays]
            passed = _passes(stop, observed)
            kept.append(replace(stop, shown=stays, suspects=(), hidden=()) if stays else passed)
        elif on_the_way and observed.plex_tv is PlexTv.DATED_YES and not observed.failed and soft:
            struck += stop.shown
            kept.append(
                replace(stop, state=State.PASSES, shown=(), says=f"{stop.says}: it is passed on to Plex")
            )
        elif stop.place is StopName.ANNOUNCEMENT and observed.met:
            struck += [one for one in stop.shown if one.cause.id == "port-mismatch"]
            kept.append(_without(stop, frozenset({"port-mismatch"})))
        elif on_the_way and (observed.fails or observed.listens):
            kept.append(_fitting(stop, observed))
            struck += [one for one in stop.shown if one not in kept[-1].shown]
        else:
            kept.append(stop)
    if observed.plex_tv is PlexTv.DATED_YES and not observed.failed:
        kept = _cleared_by_plex_tv(kept)
    return tuple(kept), tuple(struck)


def _not_on_the_way(stop: Stop, situation: Situation) -> bool:
    """Whether viewers do not come by the router: plex.tv got in at the address of the server's tunnel.

    Where the router's own address is none of the internet's, plex.tv sees another one whichever way viewers come.
    """
    home = (StopName.CONTAINER, StopName.SERVER_FILTER, StopName.SOCKET, StopName.SERVER_WAY_OUT)
    elsewhere = situation.observed.elsewhere and situation.wan.cause not in _TRANSLATED
    round_it = tunnel(situation.view) is not None or elsewhere
    return (
        stop.place not in home and round_it and situation.observed.claimed and not situation.observed.failed
    )


def _passes(stop: Stop, observed: Observed) -> Stop:
    if not observed.met:
        return Stop(stop.place, State.NOT_HERE, "viewers do not come by here", against=stop.against)
    who = observed.met[0]
    return Stop(stop.place, State.PASSES, f"{who.who} got through", (who.exhibit,), against=stop.against)


def _without(stop: Stop, ids: frozenset[str]) -> Stop:
    shown = tuple(one for one in stop.shown if one.cause.id not in ids)
    state = State.PASSES if stop.shown and not shown else stop.state
    return replace(stop, state=state, shown=shown, hidden=tuple(c for c in stop.hidden if c.id not in ids))


def _fitting(stop: Stop, observed: Observed) -> Stop:
    """Leave what may have given the answers that came back."""
    fits = observed.fits_proxy if stop.place is StopName.PROXY else observed.fits
    shown = tuple(one for one in stop.shown if fits(one.sign.outside or one.cause.outside))
    suspects = tuple(one for one in stop.suspects if fits(one.sign.outside or one.cause.outside))
    hidden = tuple(cause for cause in stop.hidden if fits(cause.outside))
    return replace(stop, shown=shown, suspects=suspects, hidden=hidden)


def _cleared_by_plex_tv(stops: list[Stop]) -> list[Stop]:
    """plex.tv got in within the hour: what was unread or suspected lets packets through, if nothing shows otherwise."""
    on_the_way = [stop for stop in stops if stop.place.way is not Way.ANNOUNCED]
    if any(stop.shown for stop in on_the_way):
        return stops
    return [
        replace(stop, state=State.PASSES, says="plex.tv got through", suspects=(), hidden=())
        if stop in on_the_way and (stop.suspects or stop.hidden)
        else stop
        for stop in stops
    ]
