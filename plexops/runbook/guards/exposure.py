"""Guards of what faces the internet: 32400, DMZ, firewalls, carrier NAT and second NAT (G1 to G5)."""

from __future__ import annotations

from functools import partial
from ipaddress import IPv4Address

from plexops.model.change import Change
from plexops.model.intervals import intersect, show_ports
from plexops.model.resources import FirewallRule, Passage, RemoteAccess, Upnp
from plexops.model.snapshot import Kind, Role
from plexops.model.values import PLEX_PORT
from plexops.packets.reach import AnswerKind
from plexops.runbook.condition import Condition, Holds, WanCause
from plexops.runbook.conditions import wan
from plexops.runbook.exposures import A_HOST, Exposure, admitted_ports, forbidden
from plexops.runbook.guards.address_change import brings_to
from plexops.runbook.guards.case import Case, forwards, passages
from plexops.runbook.view import SiteView, held_by_server, ipv4
from plexops.runbook.way_in import into_server


def no_external_32400(case: Case) -> str | None:
    """G1: 32400 itself is never open to the internet, and nothing is that the plan does not name: by whatever door."""
    for change, forward in forwards(case):
        if PLEX_PORT in forward.external_port:
            return f"{change.id} would open 32400 itself to the internet"
    for one in case.newly_arriving:
        reason = None if _is_dmz(one) or _is_at_new_address(case, one) else _newly(case, one)
        if reason:
            return reason
    for change in case.changes:
        reason = _announces(case, change) or _lets_in(case, change)
        if reason:
            return reason
    return None


def _is_dmz(one: Exposure) -> bool:
    return one.every_port and one.family == 4


def _newly(case: Case, one: Exposure) -> str | None:
    if forbidden(one) is not None:
        return _would(one, f"{one.called} would open 32400 itself to the internet")
    if not _gets_in(case, one):
        return None
    return _would(
        one, f"{one.called} would open port {show_ports(one.external)}, which the plan does not name"
    )


def _gets_in(case: Case, one: Exposure) -> bool:
    """Tell whether the server's own filters let a way in, perhaps; where they were not read, they let in all."""
    return one.inner is None or bool(intersect(one.inner, admitted_ports(case.after, one.family)))


def _is_at_new_address(case: Case, one: Exposure) -> bool:
    places = (*map(str, case.new_addresses), A_HOST) if case.new_addresses else ()
    return one.family == 4 and one.address in places


def _would(one: Exposure, text: str) -> str:
    if one.family == 6:
        text = f"{text} over IPv6"
    return text if one.certain else f"{text}: plexops does not know that rule well enough"


def _announces(case: Case, change: Change) -> str | None:
    """Plex's settings open no port by themselves: going back, it gets what it had, unless that was 32400 for all we know."""
    if case.restoring:
        return None
    if not isinstance(change.want, RemoteAccess) or not change.want.enabled:
        return None
    if change.want.manual:
        announced = change.want.manual_port == PLEX_PORT
        return f"{change.id} would have Plex announce 32400 itself" if announced else None
    if case.undoing and change.want.last_automatic_port != PLEX_PORT:
        return None
    return f"{change.id} would have Plex choose a port by itself, 32400 perhaps"


def _lets_in(case: Case, change: Change) -> str | None:
    """A filter, or the host's other address, may be all that still keeps the internet from what leads there already."""
    want, at = change.want, brings_to(case.before, change)
    over_ipv6 = isinstance(want, FirewallRule) and want.over_ipv6
    if at is not None:
        does = partial(_brings_under, case, at)
    elif isinstance(want, (FirewallRule, Passage)):
        does = partial(_lets_through, want)
    else:
        return None
    if _only_narrows(case.before, change):
        return None
    if case.arriving is None:
        return _not_read(case.before, change)
    for one in case.arriving:
        bad = forbidden(one) is not None
        ports = "32400" if bad else f"port {show_ports(one.external)}, which the plan does not name"
        reason = None if one.family == 6 and not over_ipv6 else does(one, ports, bad=bad)
        if reason:
            return f"{change.id} would {reason}{'' if one.certain else ', perhaps'}: remove that first"
    return None


def _brings_under(case: Case, at: IPv4Address, one: Exposure, ports: str, *, bad: bool) -> str | None:
    """Say what leads already to the address that the host would get; None: nothing that must not."""
    if one.address in (str(at), A_HOST) and (bad or _gets_in(case, one)):
        return f"bring the Plex host to {at}, where {one.called} forwards {ports}"
    return None


def _lets_through(want: FirewallRule | Passage, one: Exposure, ports: str, *, bad: bool) -> str | None:
    """Say what a rule would let in of one way that is there already; None: nothing that must not."""
    there = isinstance(want, FirewallRule) or one.address in (str(want.address), A_HOST)
    leads = one.inner is None or bool(intersect(one.inner, ((want.port, want.port),)))
    return f"let in what {one.called} forwards from {ports}" if there and (bad or leads) else None


def _only_narrows(view: SiteView, change: Change) -> bool:
    """Tell whether a rule of ours stays for the port at which all senders get in by it already, with less beside it."""
    had, want = None if change.before is None else change.before.values, change.want
    if not isinstance(want, FirewallRule) or not isinstance(had, FirewallRule) or had.port != want.port:
        return False
    way = into_server(view, want.port)
    return way is not None and way.answer.kind is AnswerKind.EVERYBODY and not want.over_ipv6


def _not_read(view: SiteView, change: Change) -> str | None:
    """What leads to the host is not known. A router that plexops gets no access to is yours to look at: the plan says so."""
    router = view.of(Role.ROUTER)
    if Role.ROUTER not in view.asked:
        return None
    why = router.reasons.get("packets") or router.reasons.get(Kind.PORT_FORWARD) or "it was not read"
    return f"{change.id} may let in what the router forwards already, and what that is is not known: {why}"


def no_dmz(case: Case) -> str | None:
    """G2: the Plex host is no DMZ, at none of its addresses."""
    for change, forward in forwards(case):
        if forward.is_dmz and forward.address in case.before.plex_host:
            return f"{change.id} would hand every port to the Plex host"
    for one in case.newly_arriving:
        if _is_dmz(one) and not _is_at_new_address(case, one):
            return _would(one, f"{one.called} would hand every port to the Plex host")
    return None


def no_loosened_firewall(case: Case) -> str | None:
    """G3: firewalls stay on, and get one allow rule at most: TCP, to the port at which this Plex was met."""
    return loosened_on_paper(case) or (None if case.restoring else _opens_what_is_not_plex(case))


def loosened_on_paper(case: Case) -> str | None:
    """What G3 refuses whatever the devices say."""
    for change in case.changes:
        if change.kind in (Kind.HOST_FIREWALL, Kind.HOST_RULE):
            return f"{change.id} would change a firewall as a whole"
        reason = _loosens(case, change)
        if reason:
            return reason
    was, is_ = (view.of(Role.SERVER).flag("firewall.active") for view in (case.before, case.after))
    return "the host firewall would be switched off" if was and is_ is False else None


def _loosens(case: Case, change: Change) -> str | None:
    plex = (case.before.plex_address, case.before.plex_port)
    match change.want:
        case FirewallRule(port=port) if port != plex[1]:
            return f"{change.id} would admit port {port}, which is not Plex's"
        case Passage(address=address, port=port) if (address, port) != plex:
            return f"{change.id} would let packets pass to {address}:{port}, which is not Plex"
        case Upnp(enabled=True):
            return f"{change.id} would let every host in the LAN open ports by itself"
        case _:
            return None


def _opens_what_is_not_plex(case: Case) -> str | None:
    """What a filter lets in is where this very Plex was met in this run: which port is Plex's the inventory only claims."""
    view, met = case.before, case.before.plex_answered_at
    known = view.of(Role.PLEX).text("plex.identifier")
    renewed = {change.want for change in case.changes if change.kind is Kind.LEASE}
    own = held_by_server(view) | renewed
    for change in case.changes:
        want = change.want
        if not isinstance(want, (FirewallRule, Passage)):
            continue
        opens = f"{change.id} would open port {want.port}"
        if met is None or not known:
            return f"{opens}, and no Plex server answered"
        at = ipv4(met[0])
        # What answered at the server's loopback is at each of its addresses, once its firewall lets in.
        places = own if at is not None and at.is_loopback else {at}
        wanted = {want.address} if isinstance(want, Passage) else own
        if met[1] != want.port or not places & wanted:
            return f"{opens}, and Plex answered at {met[0] or 'a loopback'}:{met[1]}"
    return None


def public_address_proven(case: Case) -> str | None:
    """G4: no forward behind carrier NAT, or while it is not proven that the WAN address is the public one."""
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
