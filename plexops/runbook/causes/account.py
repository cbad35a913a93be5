"""Causes in what plex.tv tells apps: its list of the account's servers, and where it says that each is found."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Address

from plexops.model.snapshot import Role, Snapshot
from plexops.model.values import Endpoint, is_public
from plexops.runbook.causes.cause import Sign, sign
from plexops.runbook.condition import Holds
from plexops.runbook.endpoints import custom_urls
from plexops.runbook.situation import Situation


def _outside(situation: Situation) -> Snapshot:
    return situation.view.of(Role.OUTSIDE)


def not_online(situation: Situation) -> Sign | None:
    """Does Plex say that it is signed in, and plex.tv not list it, or not see it online?"""
    outside, plex = _outside(situation), situation.plex
    if plex.text("plex.sign_in") != "ok" or plex.text("plex.mapping_error") == "badauth":
        return None
    if outside.flag("account.listed") is False:
        says = "Plex says that it is signed in; plex.tv's list of the account's servers does not hold it"
        return sign(says, outside.shows("account.listed"), plex.shows("plex.sign_in"))
    if outside.flag("account.online") is False:
        says = "Plex says that it is signed in; plex.tv does not see it online"
        return sign(says, outside.shows("account.online"), plex.shows("plex.sign_in"))
    return None


def stale_announcement(situation: Situation) -> Sign | None:
    """Does plex.tv send apps to addresses of which none is the way in?"""
    outside, values = _outside(situation), situation.remote_access
    direct = outside.texts("account.direct")
    known = "plex.custom_connections" in situation.plex.facts
    mapped = situation.plex.text("plex.mapping_state") == "mapped"
    if direct is None or values is None or not values.enabled or not known or not mapped:
        return None
    address, port, shown = _right_door(situation)
    custom = [one.at for one in custom_urls(situation.view)]
    listed = [Endpoint.parse(text) for text in direct]
    doors = [door for door in listed if _is_ours(door, custom)]
    if not doors or port is None:
        return None
    if any(door.port == port and address in (None, door.host) for door in doors):
        return None
    right = f"port {port}" if address is None else f"{address}:{port}"
    return sign(
        f"plex.tv sends apps to {', '.join(map(str, doors))}; the way in is {right}",
        outside.shows("account.direct"),
        situation.settings,
        *shown,
    )


def _right_door(situation: Situation) -> tuple[str | None, int | None, tuple[str, ...]]:
    """Give address and port of the way in, and who says so: Plex where plex.tv got through, else WAN and settings."""
    plex = situation.plex
    reached = plex.facts.get("plex.public_port")
    if situation.observed.claimed and reached is not None and isinstance(reached.value, int):
        if reached.value:
            return plex.text("plex.public_address"), reached.value, (reached.exhibit,)
        return None, None, ()
    wan = situation.wan
    address = situation.router.text("wan.address") if wan.holds is Holds.YES else None
    return address, situation.announced, () if address is None else wan.exhibits


def _is_ours(door: Endpoint, custom: Collection[Endpoint]) -> bool:
    """Tell whether Plex itself announces it as its public IPv4 address; what an owner had it announce is another's."""
    address = door.address
    return isinstance(address, IPv4Address) and is_public(address) and door not in custom
