"""Causes on the Plex host: what listens, containers, firewalls, VPNs, its own way to the internet."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Literal

from plexops.model.entries import Echo, Listener
from plexops.model.snapshot import Entry, Role
from plexops.model.values import is_public
from plexops.runbook.causes.cause import Sign, comes_back, of_fact, sign, unclear
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
    found = situation.listeners
    if (
        not found
        or situation.answers_in_the_lan
        or not all(_is_loopback(entry.values.address) for entry in found)
    ):
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


def plex_listens_to_all(situation: Situation) -> Entry[Listener] | None:
    """Give a listener at Plex's port that the network reaches, where one is known."""
    for entry in situation.listeners or ():
        if not _is_loopback(entry.values.address):
            return entry
    return None


def _is_loopback(text: str) -> bool:
    try:
        return ip_address(text.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        return False


def firewall_blocks(situation: Situation) -> Sign | None:
    """Does the host's firewall stop a viewer's connection over IPv4?"""
    return _blocked(situation, 4)


def firewall_blocks_v6(situation: Situation) -> Sign | None:
    """Does it stop one over IPv6, and not over IPv4?"""
    over_ipv4 = situation.host_admits or bool(situation.observed.met)
    return _blocked(situation, 6) if over_ipv4 else None


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


def _blocked(situation: Situation, family: Literal[4, 6]) -> Sign | None:
    stopped = situation.firewall_stops(family)
    if stopped is None:
        return None
    kind = situation.server.text("firewall.kind") or "the host's firewall"
    says = f"{kind} stops tcp {situation.view.plex_port} over IPv{family} ({stopped.called})"
    shown = (stopped.exhibit, of_fact(situation.server, "firewall.active"))
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
    shown = (of_fact(situation.server, "firewall.active"), of_fact(situation.server, "firewall.loaded"))
    if said:
        return sign("ufw is switched on, and the kernel holds none of its rules", *shown)
    return sign("ufw is switched off, and the kernel still holds its rules", *shown)


def firewall_off(situation: Situation) -> Sign | None:
    """Is the host's firewall off?"""
    if situation.server.flag("firewall.active") is not False:
        return None
    if situation.server.text("firewall.kind") == "none":
        return None
    name = situation.server.text("firewall.kind") or "the firewall"
    return sign(f"{name} of the server is off", of_fact(situation.server, "firewall.active"))


def docker_unpublished(situation: Situation) -> Sign | None:
    """Does Plex run in a container of which nothing is published?"""
    published = _published(situation)
    if published is None or any(_inner(text) == 32400 for text in published):
        return None
    network = situation.server.text("container.network")
    says = f"Plex runs in a container (network {network}) that does not publish port 32400"
    return sign(says, of_fact(situation.server, "container.published"))


def docker_loopback(situation: Situation) -> Sign | None:
    """Is the container's port published to the host itself alone?"""
    published = [text for text in _published(situation) or () if _inner(text) == 32400]
    if not published or not all(
        _is_loopback(text.rpartition("->")[0].rpartition(":")[0]) for text in published
    ):
        return None
    says = f"the container publishes its port to the host alone ({', '.join(published)})"
    return sign(says, of_fact(situation.server, "container.published"))


def _published(situation: Situation) -> tuple[str, ...] | None:
    """Give what a container publishes; None where none runs, it needs none, or it or its network is not known."""
    fact = situation.server.facts.get("container.published")
    if fact is None or not isinstance(fact.value, tuple) or not situation.contained:
        return None
    if situation.server.text("container.network") in (None, "container"):
        return None
    return tuple(text for text in fact.value if "->" in text)


def _inner(text: str) -> int | None:
    port = text.rpartition("->")[2].partition("/")[0]
    return int(port) if port.isdigit() else None


def server_dns(situation: Situation) -> Sign | None:
    """Can the server look no name up?"""
    return _cut_off(situation, "dns", "the server cannot look up names: plex.tv cannot be found")


def server_offline(situation: Situation) -> Sign | None:
    """Has the server no way to the internet: as it found itself, else as Plex's log says?"""
    found = _cut_off(situation, "no route", "the server reaches nothing on the internet")
    lost = situation.story.offline
    asked = any("outside.failure" in snapshot.facts for snapshot in situation.view.snapshots.values())
    if found is not None or asked or lost is None or not lost.fresh:
        return found
    says = f"Plex has no internet since {lost.event.time[:16]}, its log says"
    return sign(says, situation.exhibit_of(lost), suspect=True)


def _cut_off(situation: Situation, failure: str, says: str) -> Sign | None:
    outside = next((s for s in situation.view.snapshots.values() if "outside.failure" in s.facts), None)
    if outside is None or outside.text("outside.failure") != failure:
        return None
    return sign(says, of_fact(outside, "outside.failure"))


def plex_tv_answer(situation: Situation) -> tuple[str, ...] | None:
    """Give what plex.tv's name is for the server: no address where it is not found; None where that was not read."""
    fact = situation.server.facts.get("host.plex_tv")
    return fact.value if fact is not None and isinstance(fact.value, tuple) else None


def finds_plex_tv(situation: Situation) -> bool:
    """Whether the server is known to find plex.tv at an address that exists on the internet."""
    found = (ipv4(text) for text in plex_tv_answer(situation) or ())
    return any(address is not None and is_public(address) for address in found)


def plex_tv_blocked(situation: Situation) -> Sign | None:
    """Does the server's resolver keep plex.tv from it, while it reaches others by their names?

    In a container that has a network of its own Plex may ask another resolver: there it is shown only where Plex does
    not reach plex.tv.
    """
    answer, outside = plex_tv_answer(situation), situation.view.of(Role.OUTSIDE)
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
    fact = situation.server.facts.get("host.resolvers")
    resolvers = fact.value if fact is not None and isinstance(fact.value, tuple) else ()
    who = f"the server's resolver ({', '.join(resolvers)})" if resolvers else "the server's resolver"
    what = f"answers {', '.join(answer)} for plex.tv" if answer else "does not find plex.tv"
    apart = (
        outside.flag("account.online") is False or situation.plex.text("plex.mapping_error") == "myplexgone"
    )
    shown = (
        of_fact(situation.server, "host.plex_tv"),
        of_fact(situation.server, "host.resolvers"),
        echoes[0],
    )
    says = f"{who} {what}, and {echoes[0].values.source} answers the server"
    return sign(says, *shown, suspect=not (situation.shares_the_host or apart))


def leaves_by_vpn(situation: Situation) -> str | None:
    """Give the tunnel by which the server's traffic leaves; None where it does not, or that is not known."""
    return tunnel(situation.view)


def vpn_egress(situation: Situation) -> Sign | None:
    """Does the server's traffic leave through a VPN, so that plex.tv looks for it there?"""
    interface = leaves_by_vpn(situation)
    if interface is None:
        return None
    says = f"the server's traffic leaves through {interface}: plex.tv looks for Plex at the VPN's address"
    shown = (of_fact(situation.server, "host.egress"), of_fact(situation.plex, "plex.public_address"))
    return sign(says, *shown, suspect=not situation.observed.fails)


def container_in_another(situation: Situation) -> Sign | None:
    """Does Plex's container share the network of another one, so that its answers leave by that one?"""
    network = situation.server.text("container.network") or ""
    if not situation.server.text("container.engine") or network != "container":
        return None
    says = (
        "Plex's container has the network of another container: its ports, its filters and its way out count"
    )
    return sign(says, of_fact(situation.server, "container.network"), suspect=not situation.observed.fails)


def vpn_provider(situation: Situation) -> Sign | None:
    """Do viewers get in through the VPN provider?"""
    interface, observed = leaves_by_vpn(situation), situation.observed
    if interface is None or not (observed.met or observed.claimed):
        return None
    says = f"Plex is reached through the VPN ({interface}), not through the router"
    return sign(says, of_fact(situation.server, "host.egress"), *observed.exhibits)
