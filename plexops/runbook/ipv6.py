"""The way in over IPv6: the same stops without a translation. A home needs it to be open only where IPv4 is not."""

from __future__ import annotations

from ipaddress import IPv6Address

from msgspec import Struct

from plexops.model.snapshot import Role
from plexops.model.values import Endpoint, is_public
from plexops.packets.reach import AnswerKind
from plexops.runbook import endpoints
from plexops.runbook.attempts import Attempt, Came
from plexops.runbook.causes.cause import StopName, Way
from plexops.runbook.situation import Situation
from plexops.runbook.stops import State, Stop, not_read
from plexops.runbook.way_in import WayIn, router_box, router_over_ipv6, rule_exhibits, server_box, stopping


class OverIpv6(Struct, frozen=True):
    """The way in over IPv6, from the outside in, as far as it goes: after a stop nothing more is read."""

    stops: tuple[Stop, ...] = ()
    at: Endpoint | None = None
    met: tuple[Attempt, ...] = ()
    failed: tuple[Attempt, ...] = ()

    @property
    def open(self) -> bool:
        """Whether apps are told of it, every stop lets viewers in, and no attempt says otherwise."""
        return self.at is not None and not self.failed and all(s.state is State.PASSES for s in self.stops)


def over_ipv6(situation: Situation) -> OverIpv6:
    """Follow it to the address that plex.tv tells apps. With another access than a forward it is no way of its own."""
    if situation.view.access != "forward":
        return OverIpv6()
    tried = situation.observed.over_ipv6
    met = tuple(attempt for attempt in tried if attempt.came is Came.MET)
    failed = tuple(attempt for attempt in tried if attempt.came is not Came.MET)
    if met:
        says, shown = f"{met[0].who} got through", (met[0].exhibit,)
        stops = tuple(
            Stop(name, State.PASSES, says, shown) for name in StopName if name.way is Way.IN_OVER_IPV6
        )
        return OverIpv6(stops, met[0].probe.tried, met, failed)
    at, first = _told_to_apps(situation)
    if at is None or first.state is not State.PASSES:
        return OverIpv6((first,), None, met, failed)
    router, server = "the router's filters over IPv6", "the server's filters over IPv6"
    by_router = None if router_box(situation.view) is None else router_over_ipv6(situation.view, at)
    by_server = situation.host_way(6) if at.port == situation.view.plex_port else None
    stops = (
        first,
        _of_way(situation, StopName.IPV6_ROUTER, Role.ROUTER, by_router, router),
        _of_way(situation, StopName.IPV6_SERVER, Role.SERVER, by_server, server),
        _socket(situation, at),
    )
    return OverIpv6(stops, at, met, failed)


def _told_to_apps(situation: Situation) -> tuple[Endpoint | None, Stop]:
    """Give the address that apps are told, with the stop that says so: it must be the server's own of now."""
    found, place, held = endpoints.over_ipv6(situation.view), StopName.IPV6_ADDRESS, _held(situation)
    if found is None and held is not None and not held:
        return None, Stop(place, State.NOT_HERE, "the server has no public address of IPv6")
    if found is None:
        return None, Stop(place, State.NOT_ASKED, "whether apps get an address of IPv6: not asked")
    shown = (situation.view.of(Role.OUTSIDE).shows("account.ipv6"),)
    if not found:
        return None, Stop(place, State.NOT_HERE, "plex.tv tells apps no address of IPv6", shown)
    now = [one for one in found if held is None or one.address in held]
    if not now:
        says = f"plex.tv tells apps {found[0].host}, which the server does not have now"
        return found[0], Stop(place, State.STOPS, says, shown)
    return now[0], Stop(place, State.PASSES, f"plex.tv tells apps {now[0]}", shown)


def _held(situation: Situation) -> frozenset[IPv6Address] | None:
    """Give the server's public addresses of IPv6; None where they were not read, or Plex has a network of its own."""
    box = server_box(situation.view)
    if box is None or box.addresses is None or situation.contained:
        return None
    own = (IPv6Address(one.number) for one in box.addresses if one.family == 6)
    return frozenset(address for address in own if is_public(address))


def _of_way(situation: Situation, place: StopName, role: Role, way: WayIn | None, what: str) -> Stop:
    if way is None or way.answer.kind is AnswerKind.UNKNOWN:
        return Stop(place, *not_read(situation, role, what))
    if way.open:
        return Stop(place, State.PASSES, f"{what} let it through", rule_exhibits(way))
    stopped = stopping(way)
    by = f" ({stopped.called})" if stopped is not None else ""
    return Stop(place, State.STOPS, f"{what} stop it{by}")


def _socket(situation: Situation, at: Endpoint) -> Stop:
    if situation.listeners is None:
        return Stop(StopName.IPV6_SOCKET, *not_read(situation, Role.SERVER, "what listens over IPv6"))
    for one in situation.listeners:
        if one.values.address in ("*", "::", at.host):
            says = f"Plex listens at {at.port} over IPv6"
            return Stop(StopName.IPV6_SOCKET, State.PASSES, says, (one.exhibit,))
    return Stop(StopName.IPV6_SOCKET, State.STOPS, f"nothing listens at port {at.port} over IPv6")
