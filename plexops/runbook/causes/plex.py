"""Causes in Plex itself: its account, its settings, and how it asks the router for a port by itself."""

from __future__ import annotations

import re
from ipaddress import IPv6Network, ip_network

from plexops.model.entries import Echo, UpnpMapping
from plexops.model.resources.upnp import Upnp
from plexops.model.snapshot import Kind, KindState, Role
from plexops.model.values import NOT_PUBLIC_NETWORKS, PLEX_PORT
from plexops.packets.reach import AnswerKind
from plexops.packets.why import Why
from plexops.runbook.causes.cause import Sign, sign
from plexops.runbook.situation import Situation
from plexops.runbook.view import ipv4
from plexops.runbook.way_in import through_router

#: Words of Plex's sign-in state with which nothing is wrong; `none` is an unclaimed server's.
_SIGNED_IN = frozenset({"ok", "", "none", "unknown"})


def not_claimed(situation: Situation) -> Sign | None:
    """Does the server belong to no account: by its own answer, else by its log?"""
    claimed, logged = situation.plex.flag("plex.claimed"), situation.story.unclaimed
    if claimed is None and logged is not None and logged.fresh:
        return sign("this Plex belongs to no account, its log says", situation.exhibit_of(logged))
    if claimed is not False:
        return None
    return sign("this Plex belongs to no account", situation.plex.shows("plex.claimed"))


def sign_in_broken(situation: Situation) -> Sign | None:
    """Does plex.tv not take the server's login?"""
    state, error = situation.plex.text("plex.sign_in"), situation.plex.text("plex.mapping_error")
    if situation.plex.flag("plex.claimed") is False:
        return None
    if error == "badauth" or (state is not None and state not in _SIGNED_IN):
        says = f"plex.tv does not accept this server's login ({error or state})"
        return sign(says, situation.plex.shows("plex.sign_in"), situation.plex.shows("plex.mapping_error"))
    lost = situation.story.sign_in_lost
    if state is not None or lost is None or not lost.fresh or situation.story.unclaimed is not None:
        return None
    return sign("plex.tv does not accept this server's login, its log says", situation.exhibit_of(lost))


def publishing_off(situation: Situation) -> Sign | None:
    """Is remote access switched off?"""
    values = situation.remote_access
    if values is None or values.enabled:
        return None
    return sign("remote access is switched off in Plex", situation.settings)


def manual_off(situation: Situation) -> Sign | None:
    """Is a port set by hand, and the switch that makes it count off?"""
    values = situation.remote_access
    if values is None or values.manual or not values.enabled or values.manual_port == PLEX_PORT:
        return None
    says = f"port {values.manual_port} is entered in Plex, but “manually specify public port” is off: it does not count"
    return sign(says, situation.settings)


def automatic_unmapped(situation: Situation) -> Sign | None:
    """Does Plex map by itself and has no mapping, while the router leads a port to it by hand?"""
    values, forwards = situation.remote_access, situation.leads_to_plex
    if values is None or not situation.automatic or not forwards or situation.mappings:
        return None
    failed = situation.plex.text("plex.mapping_state") == "failed"
    if not failed or values.last_automatic_port or values.manual_port != PLEX_PORT:
        return None
    forward = forwards[0]
    says = (
        f"Plex asks the router for a port by itself and has none; port {forward.values.external_port}, which"
        f" {forward.called} leads to it by hand, is not announced"
    )
    return sign(says, forward, situation.settings, situation.plex.shows("plex.mapping_state"))


def announces_other_way(situation: Situation) -> Sign | None:
    """Does Plex believe in another address than the one that the router has and that others see?"""
    believed, wan = ipv4(situation.believed), situation.router.text("wan.address")
    echoes = situation.view.of(Role.OUTSIDE).held(Echo)
    others = {str(entry.values.address) for entry in echoes}
    if believed is None or wan is None or others != {wan} or str(believed) == wan:
        return None
    says = f"Plex believes that its address is {believed}; the router has {wan}, and the world sees that one"
    own = bool(situation.plex.text("plex.public_address"))
    logged = situation.exhibit_of(situation.story.announced or situation.story.public_address)
    shown = situation.plex.shows("plex.public_address") if own else logged
    return sign(says, shown, *(entry.exhibit for entry in echoes), suspect=True)


def port_mismatch(situation: Situation) -> Sign | None:
    """Does Plex announce a port that the router does not forward, while another one leads to it?"""
    port, found = situation.announced, situation.leads_to_plex
    if port is None or not found or situation.mappings:
        return None
    if any(port in entry.values.external_port for entry in found):
        return None
    ports = ", ".join(str(entry.values.external_port) for entry in found)
    says = f"Plex announces port {port}; the router forwards {ports} to it ({found[0].called})"
    return sign(says, situation.settings, *found)


def entitlement(situation: Situation) -> Sign | None:
    """Is all in order, and the owner without Plex Pass? Then Plex itself refuses remote video. (D5)"""
    if situation.plex.flag("plex.subscription") is not False:
        return None
    if not (situation.observed.met or situation.observed.claimed):
        return None
    says = "without Plex Pass of the owner, remote video needs a Remote Watch Pass of the viewer since April 2025"
    return sign(says, situation.plex.shows("plex.subscription"))


# --- what Plex announces, and whom it lets in -----------------------------------------------------------


def prefers_other_interface(situation: Situation) -> Sign | None:
    """Does Plex prefer an interface that it does not have, or whose address is not where the router forwards to?"""
    name, address = situation.plex.text("plex.interface"), situation.plex.text("plex.interface_address")
    if not name or address is None:
        return None
    shown = situation.plex.shows("plex.interface_address")
    if not address:
        return sign(
            f"Plex prefers the interface {name}, and its own list of interfaces does not have it", shown
        )
    forward = situation.forwarded_to_plex
    if forward is None or not situation.shares_the_host:
        return None
    if ipv4(address) in (None, forward.values.address):
        return None
    says = f"Plex prefers {name} ({address}); {forward.called} leads to {forward.values.address}"
    return sign(says, shown, forward)


def announces_other_address(situation: Situation) -> Sign | None:
    """Does Plex tell plex.tv an address at home that its host does not have? (E2, R4)"""
    address = ipv4(situation.plex.text("plex.private_address"))
    shown = situation.server.shows("host.addresses")
    if address is None or not shown or not situation.shares_the_host or address in situation.targets:
        return None
    now = ", ".join(str(held) for held in sorted(situation.held))
    says = f"Plex announces {address} as its address at home; the host has {now}"
    return sign(says, situation.plex.shows("plex.private_address"), shown)


def no_login(situation: Situation) -> Sign | None:
    """Does Plex let viewers on the internet in without a login?"""
    text = situation.plex.text("plex.allowed_networks") or ""
    found = [part for part in re.split(r"[,;\s]+", text) if part and _reaches_the_internet(part)]
    if not found:
        return None
    says = f"Plex asks for no login from {', '.join(found)}: that is no network at home"
    return sign(says, situation.plex.shows("plex.allowed_networks"))


def _reaches_the_internet(text: str) -> bool:
    """Whether a network holds public addresses; a single one is one host's, and what cannot be read is none."""
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return False
    if network.num_addresses == 1:
        return False
    if isinstance(network, IPv6Network):
        return network.is_global or network.prefixlen == 0
    return not any(network.subnet_of(inner) for inner in NOT_PUBLIC_NETWORKS)


# --- a port that Plex asks the router for ------------------------------------------------------------


def upnp_off(situation: Situation) -> Sign | None:
    """Does Plex ask for a port by UPnP, and the router's UPnP is switched off?"""
    switch = situation.router.held(Upnp)
    if not _needs_upnp(situation) or not switch or switch[0].values.enabled:
        return None
    return sign(
        "Plex maps its port by UPnP, and UPnP is switched off on the router", switch[0], situation.settings
    )


def no_igd(situation: Situation) -> Sign | None:
    """Does Plex ask for a port by UPnP, and the router knows no UPnP?"""
    if not _needs_upnp(situation) or situation.router.state(Kind.UPNP) is not KindState.ABSENT:
        return None
    shown = situation.exhibit_of(situation.story.no_igd)
    return sign("Plex maps its port by UPnP, and the router has no UPnP", situation.settings, shown)


def upnp_conflict(situation: Situation) -> Sign | None:
    """Did the router refuse the mapping because another host has the port? (718)"""
    conflict = situation.story.conflict
    if not _needs_upnp(situation) or conflict is None or not conflict.fresh:
        return None
    port = conflict.event.port or situation.announced
    says = f"the router refused to map port {port} for Plex: another host holds it"
    for entry in situation.router.held(UpnpMapping):
        if port is not None and port in entry.values.external_port:
            says = f"port {port} is mapped for {entry.values.address} by UPnP: Plex's own mapping was refused"
            return sign(says, entry, situation.exhibit_of(conflict))
    return sign(says, situation.exhibit_of(conflict), situation.settings)


def upnp_old_address(situation: Situation) -> Sign | None:
    """Does Plex's mapping lead to an address that it no longer has?"""
    if not _needs_upnp(situation) or not situation.held:
        return None
    for entry in situation.mappings:
        if entry.values.address not in situation.targets:
            now = ", ".join(str(address) for address in sorted(situation.held))
            says = f"UPnP's mapping of port {entry.values.external_port} leads to {entry.values.address}; Plex is at {now}"
            return sign(says, entry, situation.server.shows("host.addresses"))
    return None


def upnp_stale(situation: Situation) -> Sign | None:
    """Does Plex think that it has a mapping, and the router's table, or its packet filter, has none? (E2)"""
    values = situation.remote_access
    if _needs_upnp(situation) and situation.mappings:
        return _flushed(situation)
    if not _needs_upnp(situation) or values is None or not values.last_automatic_port or situation.mappings:
        return None
    if situation.router.state(Kind.UPNP_MAPPING) not in (KindState.PRESENT, KindState.ABSENT):
        return None
    says = (
        f"Plex counts on a UPnP mapping of port {values.last_automatic_port}, and the router's table has none"
    )
    shown = [entry.exhibit for entry in situation.router.of(Kind.UPNP_MAPPING)][:1] or ["router.mappings"]
    return sign(says, situation.settings, situation.plex.shows("plex.mapping_state"), *shown)


def _flushed(situation: Situation) -> Sign | None:
    """Did the packet filter lose what UPnP's list still names? A firewall that is loaded anew does that."""
    for entry in situation.mappings:
        mapping = entry.values
        port, inner = mapping.external_port.single, mapping.port.single
        if port is None or inner is None or mapping.address not in situation.targets:
            continue
        way = through_router(situation.view, port, (mapping.address,), inner)
        if situation.router.box is None or way is None or way.answer.kind is not AnswerKind.NOBODY:
            continue
        if all(reason.why is Why.NO_RULE for reason in way.reasons):
            says = (
                f"UPnP's list maps port {port} to {mapping.address}:{inner}, "
                "and the router's packet filter has no rule for it"
            )
            return sign(says, entry, situation.settings)
    return None


def mapping_failed(situation: Situation) -> Sign | None:
    """Does Plex say that it got no mapping? That stands also where the router is not asked: nothing is announced."""
    unread = situation.router.state(Kind.UPNP_MAPPING) is KindState.UNKNOWN
    failed = situation.automatic and situation.plex.text("plex.mapping_state") == "failed"
    if situation.remote_access is None:
        return _mapping_failed_by_log(situation)
    if not failed or (Role.ROUTER in situation.view.asked and (unread or not _needs_upnp(situation))):
        return None
    if situation.mappings:
        return None
    says = "Plex asked the router for a port by itself and got none"
    return sign(says, situation.plex.shows("plex.mapping_state"), situation.settings)


def _mapping_failed_by_log(situation: Situation) -> Sign | None:
    """Did the mapping fail, so that Plex had no address to announce? With a manual port it would have had one."""
    failed, announced = situation.story.mapping_failed, situation.story.announced
    if failed is None or not failed.fresh or announced is None or not announced.fresh or announced.event.port:
        return None
    says = "no router mapped a port for Plex, and it had nothing to announce, its log says"
    return sign(says, situation.exhibit_of(failed), situation.exhibit_of(announced))


def _needs_upnp(situation: Situation) -> bool:
    """Whether Plex asks for its port by itself, and no forward made by hand leads to it at the port it announces."""
    if not situation.automatic or not situation.forwards_known or not situation.targets:
        return False
    values = situation.remote_access
    ports = {situation.announced, None if values is None else values.manual_port}
    return not any(port in e.values.external_port for port in ports if port for e in situation.leads_to_plex)
