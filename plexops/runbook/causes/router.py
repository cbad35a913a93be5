"""Causes on the router: forwards, reservations, its own filter, what it exposes."""

from __future__ import annotations

from plexops.model.entries import Lease
from plexops.model.matches import InterfaceIs, PortIn, Side
from plexops.model.resources import PortForward, Reservation
from plexops.model.snapshot import Entry, Kind, KindState
from plexops.packets.reach import AnswerKind
from plexops.packets.why import Reason, Why
from plexops.runbook import conditions
from plexops.runbook.causes.cause import Sign, comes_back, sign, unclear
from plexops.runbook.condition import Holds
from plexops.runbook.exposures import Exposure
from plexops.runbook.situation import Situation
from plexops.runbook.way_in import entry_of, says, translation


def no_forward(situation: Situation) -> Sign | None:
    """Is the port forwarded nowhere, and Plex by no other port?"""
    port = situation.port
    if port is None or not situation.forwards_known or not situation.targets or _may_be_open(situation):
        return None
    if any(situation.forwards(port, enabled=on, tcp=tcp) for on in (True, False) for tcp in (True, False)):
        return None
    mappings = situation.router.state(Kind.UPNP_MAPPING)
    if situation.leads_to_plex or mappings is KindState.UNKNOWN or situation.mappings:
        return None
    if _near_misses(situation):
        return None
    shown = [entry.exhibit for entry in situation.router.of(Kind.PORT_FORWARD)] or ["router.forwards"]
    return sign(f"no forward of port {port} exists", *shown)


def _may_be_open(situation: Situation) -> bool:
    """Whether the router lets a viewer through to Plex, or that is not known: then none of its forwards is to blame."""
    way = situation.way
    return way is not None and way.answer.kind in (AnswerKind.EVERYBODY, AnswerKind.UNKNOWN)


def forward_disabled(situation: Situation) -> Sign | None:
    """Is there a forward that is switched off?"""
    port = situation.port
    if port is None or situation.forwards(port) or _may_be_open(situation):
        return None
    for entry in situation.forwards(port, enabled=False):
        return sign(f"the forward {entry.called} of port {port} is switched off", entry)
    return None


def forward_udp_only(situation: Situation) -> Sign | None:
    """Is only UDP forwarded? Plex speaks TCP."""
    port = situation.port
    if port is None or situation.forwards(port) or situation.forwards(port, enabled=False):
        return None
    if _may_be_open(situation):
        return None
    for entry in situation.forwards(port, tcp=False):
        return sign(f"the forward {entry.called} carries UDP only, and Plex speaks TCP", entry)
    return None


#: Why a forward that names the port, or leads to Plex, is not met by a viewer's connection.
_NOT_MET = (Why.NO_MATCH, Why.NOT_ENTERED, Why.NARROWED, Why.OFF, Why.UNTRACKED)


def forward_not_met(situation: Situation) -> Sign | None:
    """Is a forward there that a viewer's connection does not meet: for another address, interface or sender?"""
    way = situation.way
    if way is None or way.answer.kind not in (AnswerKind.NOBODY, AnswerKind.SOME):
        return None
    if not situation.forwards_known:
        return None
    if situation.router_stops or forward_disabled(situation) or forward_udp_only(situation):
        return None
    for reason, entry in _near_misses(situation):
        shown = "" if reason.rule is None else reason.rule.exhibit
        return sign(says(reason), entry, shown, soft=reason.why is Why.NARROWED)
    rule = translation(way) if way.answer.kind is AnswerKind.SOME and not way.open else None
    if rule is None:
        return None
    some = f"{rule.called} is for a few senders only: “{rule.words}”"
    return sign(some, entry_of(rule, situation.router.of(Kind.PORT_FORWARD)), rule.exhibit, soft=True)


def _near_misses(situation: Situation) -> list[tuple[Reason, Entry | None]]:
    """Give what would lead a viewer to Plex if one of its conditions were another, with its entry.

    A rule for another port, or for the home's side only, is no such forward.
    """
    found: list[tuple[Reason, Entry | None]] = []
    for reason in () if situation.way is None else situation.way.reasons:
        entry = entry_of(reason.rule, situation.router.of(Kind.PORT_FORWARD))
        test = None if reason.match is None else reason.match.test
        another = isinstance(test, PortIn) and test.side is Side.DESTINATION
        inside = entry is None and (isinstance(test, InterfaceIs) or reason.why is Why.NOT_ENTERED)
        if reason.why in _NOT_MET and not another and not inside:
            found.append((reason, entry))
    return found


def shadowed(dmz: bool, situation: Situation) -> Sign | None:
    """Does an earlier forward, or a DMZ, take the port before Plex's own forward is asked?"""
    found = _shadow(situation)
    if found is None or found[0].values.external_port.everything is not dmz:
        return None
    first, ours = found
    takes = f"{first.called} ({first.values.external_port}) takes port {situation.port}"
    if dmz:
        takes = f"the DMZ {first.called} ({first.values.address}) takes every port"
    return sign(f"{takes} before {ours.called}", first, ours)


def _shadow(situation: Situation) -> tuple[Entry[PortForward], Entry[PortForward]] | None:
    first, port = situation.effective, situation.port
    if first is None or port is None or first.values.address in situation.targets or not situation.targets:
        return None
    if situation.router_stops is not None and not situation.router_stops.translated:
        return None
    later = [e for e in situation.forwards(port) if e is not first and e in situation.leads_to_plex]
    return (first, later[0]) if later else None


def forward_foreign(situation: Situation) -> Sign | None:
    """Does the port belong to another host of this home?"""
    entry = _misled(situation)
    if entry is None:
        return None
    address, mac = entry.values.address, situation.view.server_mac
    leased = (lease for lease in situation.router.held(Lease) if lease.values.mac != mac)
    reserved = (held for held in situation.router.held(Reservation) if mac not in held.values.macs)
    others: tuple[Entry[Lease | Reservation], ...] = (*leased, *reserved)
    for other in others:
        if other.values.address == address:
            who = f"{other.values.name or other.values.mac} ({address})"
            return sign(f"port {situation.port} is forwarded to {who} by {entry.called}", entry, other)
    return None


def forward_old_address(situation: Situation) -> Sign | None:
    """Does the forward lead to an address that is not the Plex host's?"""
    entry = _misled(situation)
    if entry is None:
        return None
    now = ", ".join(str(address) for address in sorted(situation.held))
    return sign(
        f"{entry.called} leads to {entry.values.address}; the Plex host is at {now}",
        entry,
        _held_at(situation),
    )


def four_addresses(situation: Situation) -> Sign | None:
    """Do reservation, the host's own address and the forward's target disagree? (R4)"""
    reserved = {e.values.address for e in situation.reservations if e.values.enabled and e.values.address}
    entry = _misled(situation)
    if not reserved or reserved & situation.held or not situation.held or entry is None:
        return None
    now = ", ".join(str(address) for address in sorted(situation.held))
    kept = ", ".join(str(address) for address in sorted(reserved))
    says = f"reserved is {kept}, the host has {now}, and {entry.called} leads to {entry.values.address}"
    return sign(says, *situation.reservations, entry, _held_at(situation))


def _misled(situation: Situation) -> Entry[PortForward] | None:
    """Give the forward of the port where it leads to no address that the Plex host is known to have."""
    entry = situation.effective
    if entry is None or not situation.held or _shadow(situation) is not None:
        return None
    return None if entry.values.address in situation.targets else entry


def _held_at(situation: Situation) -> str:
    return situation.server.shows("host.addresses") or next((e.exhibit for e in situation.leases), "")


def forward_wrong_port(situation: Situation) -> Sign | None:
    """Does the forward lead to a port of the host at which Plex does not listen?"""
    entry = situation.effective
    if entry is None or entry.values.address not in situation.targets:
        return None
    inner = _inner_port(entry, situation.port or 0)
    if inner is None or inner == situation.view.plex_port:
        return None
    says = f"{entry.called} leads to port {inner}; Plex listens at {situation.view.plex_port}"
    return sign(says, entry)


def _inner_port(entry: Entry[PortForward], port: int) -> int | None:
    """Give where a port comes out; a range keeps its distance from the start, as routers do it."""
    values = entry.values
    if values.port.single is not None:
        return values.port.single
    if values.external_port == values.port:
        return port
    if len(values.external_port.ranges) == 1 and len(values.port.ranges) == 1:
        return values.port.ranges[0][0] + port - values.external_port.ranges[0][0]
    return None


def router_filter(situation: Situation) -> Sign | None:
    """Does the router's own filter drop what it forwards, where an accept of plexops's could let it through?"""
    stopped, entry = situation.router_stops, situation.forwarded_to_plex
    if stopped is None or entry is None or not stopped.translated or not _opens(situation):
        return None
    says = f"“{stopped.where}” of the router's own filter drops what {entry.called} forwards"
    return sign(f"{says} ({stopped.called})", entry, stopped.exhibit, outside=comes_back(stopped.rule))


def _opens(situation: Situation) -> bool | None:
    """Tell whether plexops could let it through by an accept of its own; None where that was not read."""
    state = situation.router.state(Kind.PASSAGE)
    return None if state is KindState.UNKNOWN else state is KindState.PRESENT


def other_filter_of_router(situation: Situation) -> Sign | None:
    """Does another filter of the router drop what is to be forwarded, or may a rule do so that is not understood?"""
    stopped, entry = situation.router_stops, situation.effective
    if stopped is None:
        return unclear(situation.way, f"of the router may stop port {situation.port}")
    if stopped.translated and _opens(situation) is not False:
        return None
    if not stopped.translated and entry is None:
        return None  # without a forward of this port it is what a router does with any
    forward = "it" if entry is None else entry.called
    what = (
        f"what {forward} forwards"
        if stopped.translated
        else f"port {situation.port} before {forward} forwards it"
    )
    says = f"“{stopped.where}” of the router drops {what} ({stopped.called})"
    return sign(says, entry, stopped.exhibit, outside=comes_back(stopped.rule))


def not_persistent(situation: Situation) -> Sign | None:
    """Would a forward of ours be gone after a restart of the router?"""
    found = conditions.persists(situation.view)
    ours = [entry for entry in situation.leads_to_plex if entry.owner.ours]
    return sign(found.says, *found.exhibits, *ours) if found.holds is Holds.NO and ours else None


def no_reservation(situation: Situation) -> Sign | None:
    """Has the host no fixed address? (R4)"""
    if situation.view.server_is_static or not situation.view.server_mac:
        return None
    if situation.router.state(Kind.DHCP_RESERVATION) is not KindState.PRESENT:
        return None
    if any(e.values is None for e in situation.router.of(Kind.DHCP_RESERVATION)):
        return None
    if any(entry.values.enabled for entry in situation.reservations):
        return None
    shown = [entry.exhibit for entry in situation.router.of(Kind.DHCP_RESERVATION)][:1]
    says = f"no address is reserved for the Plex host ({situation.view.server_mac}): it can move at any time"
    return sign(says, *shown, situation.server.shows("host.address_source"))


def two_reservations(situation: Situation) -> Sign | None:
    """Do two reservations name the host, or its address?"""
    mine = [e for e in situation.reservations if e.values.enabled and e.values.address is not None]
    if len({e.values.address for e in mine}) > 1:
        where = ", ".join(str(e.values.address) for e in mine)
        return sign(f"the Plex host is reserved twice: {where}", *mine)
    for entry in mine:
        for other in situation.router.held(Reservation):
            rival = other.values.enabled and other not in mine
            if rival and other.values.address == entry.values.address:
                says = f"{entry.values.address} is reserved for the Plex host and for {other.called}"
                return sign(says, entry, other)
    return None


def exposed(every_port: bool, situation: Situation) -> Sign | None:
    """Is 32400 itself open to the internet, or the Plex host handed every port? (R5)"""
    found = [one for one in _exposures(situation, 4) if one.every_port is every_port]
    if not found:
        return None
    what = "every port is handed to the Plex host" if every_port else "32400 itself is forwarded to"
    return sign(f"{what} {found[0].address} by {found[0].called}", *(one.exhibit for one in found))


def ipv6_pinhole(situation: Situation) -> Sign | None:
    """Is Plex's port open over IPv6?"""
    return next((sign(one.says(), one.exhibit) for one in _exposures(situation, 6)), None)


def _exposures(situation: Situation, family: int) -> list[Exposure]:
    return [one for one in situation.exposures or () if one.family == family and one.certain]
