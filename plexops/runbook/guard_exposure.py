"""Guards of what faces the internet: 32400, DMZ, firewalls, carrier NAT and second NAT (G1 to G5)."""

from __future__ import annotations

from plexops.model.change import Change
from plexops.model.snapshot import Kind, Role
from plexops.model.values import PLEX_PORT
from plexops.runbook.case import Case, forwards, passages
from plexops.runbook.condition import Condition, Holds, WanCause
from plexops.runbook.conditions import wan
from plexops.runbook.moving import brings_to
from plexops.runbook.way_in import A_HOST, Exposure

_FILTERS = (Kind.FIREWALL_RULE, Kind.PASSAGE)
#: What gives the Plex host an address: a reservation, and the lease that it asks for again.
_ADDRESSES = (Kind.DHCP_RESERVATION, Kind.LEASE)


def no_external_32400(case: Case) -> str | None:
    """G1: 32400 itself is never open to the internet: as a port, in a range, by UPnP, over IPv6, or perhaps."""
    for change, forward in forwards(case):
        if PLEX_PORT in forward.external_port:
            return f"{change.id} would open 32400 itself to the internet"
    for one in case.newly_exposed:
        if not one.every_port:
            return _would(one, f"{one.called} would open 32400 itself to the internet")
    for change in case.changes:
        reason = _announces(case, change) or _lets_exposure_in(case, change)
        if reason:
            return reason
    return None


def _would(one: Exposure, text: str) -> str:
    if one.family == 6:
        text = f"{text} over IPv6"
    return text if one.certain else f"{text}: plexops does not know that rule well enough"


def _announces(case: Case, change: Change) -> str | None:
    """Plex's settings open no port by themselves: going back, it gets what it had, unless that was 32400 for all we know."""
    if case.restoring:
        return None
    if change.kind is not Kind.PLEX_REMOTE_ACCESS or change.want is None or not change.want.enabled:
        return None
    if not change.want.manual and case.undoing and change.want.last_automatic_port != PLEX_PORT:
        return None
    if not change.want.manual:
        return f"{change.id} would have Plex choose a port by itself, 32400 perhaps"
    if change.want.manual_port == PLEX_PORT:
        return f"{change.id} would have Plex announce 32400 itself"
    return None


def _lets_exposure_in(case: Case, change: Change) -> str | None:
    """A filter, or the host's other address, may be all that still keeps the internet from what leads to 32400 already."""
    if change.want is None or change.kind not in (*_FILTERS, *_ADDRESSES):
        return None
    at = brings_to(case.before, change)
    for one in case.exposed_after:
        perhaps = "" if one.certain else ", perhaps"
        if change.kind in _ADDRESSES:
            if at is not None and one.family == 4 and one.address in (str(at), A_HOST):
                there = f"{at}, where {one.called} forwards 32400{perhaps}"
                return f"{change.id} would bring the Plex host to {there}: remove that first"
        elif change.kind is Kind.FIREWALL_RULE or one.address in (str(change.want.address), A_HOST):
            what = "lets in over IPv6" if one.family == 6 else "forwards from 32400"
            return f"{change.id} would let in what {one.called} {what}{perhaps}: remove that first"
    return None


def no_dmz(case: Case) -> str | None:
    """G2: the Plex host is nobody's DMZ, at none of its addresses."""
    for change, forward in forwards(case):
        if forward.is_dmz and forward.address in case.before.plex_host:
            return f"{change.id} would hand every port to the Plex host"
    for one in case.newly_exposed:
        if one.every_port:
            return _would(one, f"{one.called} would hand every port to the Plex host")
    return None


def no_loosened_firewall(case: Case) -> str | None:
    """G3: firewalls stay on, and get one allow rule at most: TCP, to the Plex port."""
    for change in case.changes:
        if change.kind in (Kind.HOST_FIREWALL, Kind.HOST_RULE):
            return f"{change.id} would change a firewall as a whole"
        reason = None if change.want is None else _loosens(case, change)
        if reason:
            return reason
    was, is_ = (view.of(Role.SERVER).flag("firewall.active") for view in (case.before, case.after))
    return "the host firewall would be switched off" if was and is_ is False else None


def _loosens(case: Case, change: Change) -> str | None:
    plex = (case.before.plex_address, case.before.plex_port)
    if change.kind is Kind.FIREWALL_RULE and change.want.port != plex[1]:
        return f"{change.id} would admit port {change.want.port}, which is not Plex's"
    if change.kind is Kind.PASSAGE and (change.want.address, change.want.port) != plex:
        return f"{change.id} would let packets pass to {change.want.address}:{change.want.port}, which is not Plex"
    if change.kind is Kind.UPNP and change.want.enabled:
        return f"{change.id} would let every host in the LAN open ports by itself"
    return None


def public_address_proven(case: Case) -> str | None:
    """G4: no forward behind carrier NAT, or while nobody proved that the WAN address is the public one."""
    condition = _wan_of_what_opens(case)
    if condition is None or condition.holds is Holds.YES or condition.cause is WanCause.SECOND_NAT:
        return None
    return condition.says


def no_second_nat(case: Case) -> str | None:
    """G5: no forward through a second NAT, unless it passes on: by an attempt that got in, or by the inventory's word."""
    condition = _wan_of_what_opens(case)
    if condition is None or condition.cause is not WanCause.SECOND_NAT or condition.holds is not Holds.NO:
        return None
    return f"{condition.says} (where it passes on: `upstream: {{passes_on: true}}` in the inventory)"


def _wan_of_what_opens(case: Case) -> Condition | None:
    """Judge the WAN address where a change opens a way in; None where none does."""
    opens = any(True for _ in forwards(case)) or any(True for _ in passages(case))
    return wan(case.before) if opens else None
