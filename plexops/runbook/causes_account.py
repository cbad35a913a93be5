"""Causes in what plex.tv tells apps: its list of the account's servers, and where it says that each is found."""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address
from urllib.parse import urlsplit

from plexops.model.snapshot import Fact, Role, Snapshot
from plexops.model.values import is_public
from plexops.runbook.cause import Sign, of_fact, sign
from plexops.runbook.conditions import Holds
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
        return sign(says, of_fact(outside, "account.listed"), of_fact(plex, "plex.sign_in"))
    if outside.flag("account.online") is False:
        says = "Plex says that it is signed in; plex.tv does not see it online"
        return sign(says, of_fact(outside, "account.online"), of_fact(plex, "plex.sign_in"))
    return None


def stale_announcement(situation: Situation) -> Sign | None:
    """Does plex.tv send apps to addresses of which none is the way in?"""
    fact, values = _direct(situation), situation.remote_access
    custom = situation.plex.text("plex.custom_connections")
    mapped = situation.plex.text("plex.mapping_state") == "mapped"
    if fact is None or values is None or not values.enabled or custom is None or not mapped:
        return None
    address, port, shown = _right_door(situation)
    offered = [door for door in fact.value if _is_ours(door, custom)]  # type: ignore[union-attr]
    doors = [door.rpartition(":") for door in offered]
    if not doors or port is None:
        return None
    if any(int(number) == port and address in (None, host) for host, _, number in doors):
        return None
    right = f"port {port}" if address is None else f"{address}:{port}"
    return sign(
        f"plex.tv sends apps to {', '.join(offered)}; the way in is {right}",
        fact.exhibit,
        situation.settings,
        *shown,
    )


def _direct(situation: Situation) -> Fact | None:
    fact = _outside(situation).facts.get("account.direct")
    return fact if fact is not None and isinstance(fact.value, tuple) else None


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


def _is_ours(door: str, custom: str) -> bool:
    """Tell whether Plex itself announces it as its public IPv4 address; what a person had it announce is another's."""
    host, _, port = door.rpartition(":")
    try:
        if not is_public(IPv4Address(host)):
            return False
    except AddressValueError:
        return False
    return (host, int(port)) not in {_place(text) for text in custom.split(",")}


def _place(text: str) -> tuple[str, int]:
    """Give host and port of a custom connection; what is none has neither."""
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        return "", 0
    return parts.hostname or "", port or (443 if parts.scheme == "https" else 80)


def rebinding(situation: Situation) -> Sign | None:
    """Does the home's resolver keep Plex's addresses at home from apps, as plex.tv found?"""
    outside = _outside(situation)
    if outside.flag("account.rebinding") is not True:
        return None
    says = "plex.tv found that the resolver at home keeps back private addresses (DNS rebinding protection)"
    return sign(says, of_fact(outside, "account.rebinding"))
