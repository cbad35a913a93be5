"""Causes on the Plex host: what listens, containers, firewalls, VPNs, its own way to the internet."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Literal

from plexops.model.entries import Echo
from plexops.model.snapshot import Role
from plexops.model.values import is_public
from plexops.runbook.causes.cause import Sign, comes_back, sign, unclear
from plexops.runbook.observations import PlexTv
from plexops.runbook.situation import Situation
from plexops.runbook.view import ipv4, tunnel
from plexops.runbook.way_in import admits


def nothing_listens(situation: Situation) -> Sign | None:
    """Does nothing listen at Plex's port?"""
    if situation.listeners is None or situation.listeners or situation.answers_in_the_lan:
        return None
    return sign(f"nothing listens at port {situation.view.plex_port} of the server", "server.listeners")


def loopback_only(situation: Situation) -> Sign | None:
    """Does Plex listen to the server itself alone?"""
    found, reached = situation.listeners, situation.answers_in_the_lan
    if not found or reached or not all(_is_loopback(entry.values.address) for entry in found):
        return None
    where = ", ".join(entry.values.address for entry in found)
    return sign(f"Plex listens on {where} only: the server itself alone reaches it", *found)


def port_taken(situation: Situation) -> Sign | None:
    """Could Plex not open its port, because another program has it?"""
    failed = situation.story.bind_failed
    if failed is None or not failed.fresh or situation.plex.text("plex.identifier"):
        return None
    reason = f" ({failed.event.text})" if failed.event.text else ""
    says = f"Plex could not open port {situation.view.plex_port}, its log says{reason}"
    return sign(says, situation.exhibit_of(failed))


def _is_loopback(text: str) -> bool:
    try:
        return ip_address(text.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        return False


def firewall_blocks_v6(situation: Situation) -> Sign | None:
    """Does it stop one over IPv6, and not over IPv4?"""
    way = situation.host_way()
    over_ipv4 = situation.observed.met or (way is not None and way.open)
    return firewall_blocks(6, situation) if over_ipv4 else None


def firewall_order(situation: Situation) -> Sign | None:
    """Is Plex allowed by a rule that stands behind one that drops?"""
    stopped = situation.firewall_stops()
    if stopped is None or stopped.rule is None:
        return None
    for chain in (situation.server.box.chains if situation.server.box is not None else {}).values():
        behind = chain.rules[chain.rules.index(stopped.rule) + 1 :] if stopped.rule in chain.rules else ()
        for rule in behind:
            if admits(rule, situation.view.plex_port):
                port = situation.view.plex_port
                says = f"{stopped.called} stops port {port} before {rule.called} would let it in"
                return sign(says, stopped.exhibit, outside=comes_back(stopped.rule))
    return None


def firewall_blocks(family: Literal[4, 6], situation: Situation) -> Sign | None:
    """Does the host's firewall stop a viewer's connection?"""
    stopped = situation.firewall_stops(family)
    if stopped is None:
        return None
    kind = situation.server.text("firewall.kind") or "the host's firewall"
    says = f"{kind} stops tcp {situation.view.plex_port} over IPv{family} ({stopped.called})"
    shown = (stopped.exhibit, situation.server.shows("firewall.active"))
    return sign(says, *shown, outside=comes_back(stopped.rule))


def other_filter_of_host(situation: Situation) -> Sign | None:
    """Does a filter beside the host's firewall stop a viewer's connection, or may a rule do so that is not understood?"""
    port, stopped = situation.view.plex_port, situation.host_stops()
    if stopped is None:
        return unclear(situation.host_way(), f"of the server may stop tcp {port}")
    if situation.firewall_stops() is not None:
        return None
    says = f"“{stopped.where}” of the server stops tcp {port} ({stopped.called})"
    says = f"{says}, beside the firewall that plexops changes"
    return sign(says, stopped.exhibit, outside=comes_back(stopped.rule))


def firewall_not_as_said(situation: Situation) -> Sign | None:
    """Does ufw's own switch say another thing than the kernel holds?"""
    said, loaded = situation.server.flag("firewall.active"), situation.server.flag("firewall.loaded")
    if situation.server.text("firewall.kind") != "ufw" or None in (said, loaded) or said is loaded:
        return None
    shown = (situation.server.shows("firewall.active"), situation.server.shows("firewall.loaded"))
    if said:
        return sign("ufw is switched on, and the kernel holds none of its rules", *shown)
    return sign("ufw is switched off, and the kernel still holds its rules", *shown)


def firewall_off(situation: Situation) -> Sign | None:
    """Is the host's firewall off?"""
    kind = situation.server.text("firewall.kind")
    if situation.server.flag("firewall.active") is not False or kind == "none":
        return None
    return sign(f"{kind or 'the firewall'} of the server is off", situation.server.shows("firewall.active"))


def docker_unpublished(situation: Situation) -> Sign | None:
    """Does Plex run in a container of which nothing is published?"""
    published = _published(situation)
    if published is None or any(_inner(text) == 32400 for text in published):
        return None
    network = situation.server.text("container.network")
    says = f"Plex runs in a container (network {network}) that does not publish port 32400"
    return sign(says, situation.server.shows("container.published"))


def docker_loopback(situation: Situation) -> Sign | None:
    """Is the container's port published to the host itself alone?"""
    published = [text for text in _published(situation) or () if _inner(text) == 32400]
    addresses = (text.rpartition("->")[0].rpartition(":")[0] for text in published)
    if not published or not all(map(_is_loopback, addresses)):
        return None
    says = f"the container publishes its port to the host alone ({', '.join(published)})"
    return sign(says, situation.server.shows("container.published"))


def _published(situation: Situation) -> tuple[str, ...] | None:
    """Give what a container publishes; None where none runs, it needs none, or it or its network is not known."""
    told, network = situation.server.texts("container.published"), situation.server.text("container.network")
    if told is None or not situation.contained or network in (None, "container"):
        return None
    return tuple(text for text in told if "->" in text)


def _inner(text: str) -> int | None:
    port = text.rpartition("->")[2].partition("/")[0]
    return int(port) if port.isdigit() else None


def server_offline(situation: Situation) -> Sign | None:
    """Has the server no way to the internet: as it found itself, else as Plex's log says?"""
    found = cut_off("no route", "the server reaches nothing on the internet", situation)
    lost = situation.story.offline
    if found is not None or situation.tried_outside or lost is None or not lost.fresh:
        return found
    says = f"Plex has no internet since {lost.event.time[:16]}, its log says"
    return sign(says, situation.exhibit_of(lost), suspect=True)


def cut_off(failure: str, says: str, situation: Situation) -> Sign | None:
    """Does a failure of this kind keep the server from what is outside, as it found itself?"""
    outside = situation.tried_outside
    if outside is None or outside.text("outside.failure") != failure:
        return None
    return sign(says, outside.shows("outside.failure"))


def finds_plex_tv(situation: Situation) -> bool:
    """Whether the server is known to find plex.tv at an address that exists on the internet."""
    found = (ipv4(text) for text in situation.server.texts("host.plex_tv") or ())
    return any(address is not None and is_public(address) for address in found)


def plex_tv_blocked(situation: Situation) -> Sign | None:
    """Does the server's resolver keep plex.tv from it, while it reaches others by their names?

    In a container that has a network of its own Plex may ask another resolver: there it is shown only where Plex does
    not reach plex.tv.
    """
    answer, outside = situation.server.texts("host.plex_tv"), situation.view.of(Role.OUTSIDE)
    # Who was asked at an address proves nothing of names.
    echoes = [
        entry
        for entry in outside.held(Echo)
        if entry.values.asked_from == "server" and ipv4(entry.values.source.partition(":")[0]) is None
    ]
    if answer is None or finds_plex_tv(situation) or not echoes or outside.flag("account.online"):
        return None
    if situation.observed.plex_tv is PlexTv.DATED_YES:
        return None
    resolvers = situation.server.texts("host.resolvers")
    who = f"the server's resolver ({', '.join(resolvers)})" if resolvers else "the server's resolver"
    what = f"answers {', '.join(answer)} for plex.tv" if answer else "does not find plex.tv"
    apart = (
        outside.flag("account.online") is False or situation.plex.text("plex.mapping_error") == "myplexgone"
    )
    shown = (situation.server.shows("host.plex_tv"), situation.server.shows("host.resolvers"), echoes[0])
    says = f"{who} {what}, and {echoes[0].values.source} answers the server"
    return sign(says, *shown, suspect=not (situation.shares_the_host or apart))


def vpn_egress(situation: Situation) -> Sign | None:
    """Does the server's traffic leave through a VPN, so that plex.tv looks for it there?"""
    interface = tunnel(situation.view)
    if interface is None:
        return None
    says = f"the server's traffic leaves through {interface}: plex.tv looks for Plex at the VPN's address"
    shown = (situation.server.shows("host.egress"), situation.plex.shows("plex.public_address"))
    return sign(says, *shown, suspect=not situation.observed.fails)


def container_in_another(situation: Situation) -> Sign | None:
    """Does Plex's container share the network of another one, so that its answers leave by that one?"""
    network = situation.server.text("container.network") or ""
    if not situation.server.text("container.engine") or network != "container":
        return None
    says = (
        "Plex's container has the network of another container: its ports, its filters and its way out count"
    )
    return sign(says, situation.server.shows("container.network"), suspect=not situation.observed.fails)


def vpn_provider(situation: Situation) -> Sign | None:
    """Do viewers get in through the VPN provider?"""
    interface, observed = tunnel(situation.view), situation.observed
    if interface is None or not (observed.met or observed.claimed):
        return None
    says = f"Plex is reached through the VPN ({interface}), not through the router"
    return sign(says, situation.server.shows("host.egress"), *observed.exhibits)
