"""What the rules of a diagnosis share: which port outsiders use, where it leads, where Plex is, and who said what."""

from __future__ import annotations

from functools import cached_property
from ipaddress import IPv4Address
from typing import Literal

from msgspec import Struct

from plexops.model.answers import Topic
from plexops.model.entries import Lease, Listener, LogEvent, UpnpMapping
from plexops.model.matches import BOTH_FAMILIES
from plexops.model.resources import PortForward, RemoteAccess, Reservation
from plexops.model.snapshot import FOREIGN, Entry, Kind, KindState, Role, Snapshot
from plexops.model.values import Ports, Protocol
from plexops.packets.projection import with_host_accept
from plexops.packets.reach import AnswerKind
from plexops.packets.why import Reason
from plexops.runbook import conditions, way_in
from plexops.runbook.answers import Heard, counting, hear
from plexops.runbook.condition import Condition, Holds
from plexops.runbook.endpoints import CustomUrl, proxy
from plexops.runbook.exposures import Exposure, exposures
from plexops.runbook.log.story import LogStatement, LogStory, local_time, tell_story
from plexops.runbook.observations import Observed, observe
from plexops.runbook.view import SiteView, held_by_server, ipv4, leased_to_server, second_hop, told_by_server
from plexops.runbook.way_in import WayIn

_BEHIND_THE_HOST = frozenset({"host", "macvlan", "ipvlan"})
TCP = frozenset({Protocol.TCP, Protocol.BOTH, Protocol.ANY})


class Situation(Struct, frozen=True, dict=True):
    """One site's view, and what follows from it. `wanted` is the port that the playbook wants open, if it names one."""

    view: SiteView
    wanted: int | None = None

    @property
    def router(self) -> Snapshot:
        return self.view.of(Role.ROUTER)

    @property
    def server(self) -> Snapshot:
        return self.view.of(Role.SERVER)

    @property
    def plex(self) -> Snapshot:
        return self.view.of(Role.PLEX)

    @cached_property
    def wan(self) -> Condition:
        """Is the WAN address the public one?"""
        return conditions.wan(self.view)

    @property
    def wan_address(self) -> str | None:
        """The router's WAN address: by its own word, else as you say; None where neither is there."""
        word = None if "wan.address" in self.router.facts else counting(self.view, Topic.WAN_ADDRESS)
        address = None if word is None else word.said.address
        return self.router.text("wan.address") if address is None else str(address)

    @cached_property
    def heard(self) -> tuple[Heard, ...]:
        """What your answers say, each once."""
        return hear(self.view, self.port)

    @property
    def before_the_router(self) -> str:
        """The box before the router, by its name, where it has told one, and address; empty where none was seen."""
        upstream = self.view.of(Role.UPSTREAM)
        title, address = upstream.text("upstream.title"), upstream.text("upstream.address")
        return " at ".join(part for part in (title, address) if part)

    @property
    def next_hop(self) -> str:
        """The one box to which the router sends what is for the internet; empty where that is not known."""
        box = self.router.box
        ways = [r for r in (box.routes or () if box is not None else ()) if r.family == 4 and r.length == 0]
        gateways = {route.gateway for route in ways if route.gateway}
        if not ways:
            gateways = {self.view.of(Role.UPSTREAM).text("upstream.address") or ""}
        return gateways.pop() if len(gateways) == 1 else ""

    @property
    def leaves_elsewhere(self) -> bool:
        """Whether the server's traffic is known to go on by another box than the router's own next hop."""
        hop, own = second_hop(self.view), self.next_hop
        return bool(hop and own) and hop != own

    # --- Plex ----------------------------------------------------------------------------------------

    @cached_property
    def settings(self) -> Entry[RemoteAccess] | None:
        """Plex's settings of remote access; None where they are unknown."""
        found = self.plex.held(RemoteAccess)
        return found[0] if len(found) == 1 else None

    @property
    def remote_access(self) -> RemoteAccess | None:
        return None if self.settings is None else self.settings.values

    @property
    def automatic(self) -> bool:
        """Whether Plex is known to ask the router for a port by itself (UPnP, NAT-PMP)."""
        return self.remote_access is not None and self.remote_access.enabled and not self.remote_access.manual

    @property
    def announced(self) -> int | None:
        """The port that Plex tells plex.tv, where it is known: the manual one, or the last that was mapped."""
        values, logged = self.remote_access, self.story.announced
        if values is None:
            return (logged.event.port or None) if logged is not None and logged.fresh else None
        if values.manual:
            return values.manual_port
        return values.last_automatic_port or None

    @property
    def believed(self) -> str:
        """The public address that Plex believes to be its own: its own word, else its log's; empty where unknown."""
        own = self.plex.text("plex.public_address")
        told = (self.story.announced, self.story.public_address)
        logged = (one.event.address for one in told if one is not None and one.fresh)
        return own or next((address for address in logged if address), "")

    @property
    def port(self) -> int | None:
        """The port that outsiders use: what Plex announces; where that is not known, what the playbook wants."""
        return self.announced if self.announced is not None else self.wanted

    @property
    def door(self) -> int | None:
        """The port at which outsiders knock: with `access: proxy` the proxy's."""
        if self.view.access != "proxy":
            return self.port
        return None if self.proxy is None else self.proxy.at.port

    @cached_property
    def proxy(self) -> CustomUrl | None:
        """The proxy's URL, with `access: proxy`; None where Plex announces none."""
        return proxy(self.view)

    # --- reaching it ---------------------------------------------------------------------------------

    @cached_property
    def observed(self) -> Observed:
        """What was tried from outside, and what plex.tv says."""
        return observe(self.view, self.door, self.story, self.exhibit_of(self.story.verdict))

    @property
    def plex_web_says(self) -> str:
        """What Plex Web shows under Remote Access, word for word (M1); empty where Plex's state is unknown.

        The text alone cannot tell “switched off” from “unreachable”: Plex Web shows the same for both.
        """
        if self.remote_access is None or self.plex.text("plex.mapping_state") is None:
            return ""
        healthy = conditions.plex_verdict(self.view, None).holds is Holds.YES
        if self.remote_access.enabled and healthy:
            return "Fully accessible outside your network"
        return "Not available outside your network"

    # --- addresses -----------------------------------------------------------------------------------

    @cached_property
    def held(self) -> frozenset[IPv4Address]:
        """The addresses that the Plex host is known to have now: its own word, else the router's lease."""
        told = told_by_server(self.view) is not None
        return held_by_server(self.view) if told else frozenset(leased_to_server(self.view))

    @property
    def leases(self) -> tuple[Entry[Lease], ...]:
        """The router's leases for the Plex host."""
        mac = self.view.server_mac
        return tuple(e for e in self.router.held(Lease) if mac and e.values.mac == mac)

    @property
    def reservations(self) -> tuple[Entry[Reservation], ...]:
        """The router's reservations for the Plex host."""
        mac = self.view.server_mac
        if self.router.state(Kind.DHCP_RESERVATION) is not KindState.PRESENT:
            return ()  # What is written there and not served keeps no address.
        return tuple(e for e in self.router.held(Reservation) if mac and mac in e.values.macs)

    @cached_property
    def targets(self) -> frozenset[IPv4Address]:
        """Where packets for Plex may rightly be sent: what the host has, its container's own, and where Plex answers."""
        own, at = self.view.plex_address, self.view.plex_answered_at
        apart = own is not None and own != self.view.server_address
        met = ipv4(at[0]) if at is not None and self.answers_in_the_lan else None
        return self.held | {address for address in (own if apart else None, met) if address is not None}

    @cached_property
    def answers_in_the_lan(self) -> bool:
        """Whether Plex has just answered at its own address and port in the LAN: then a socket is there."""
        at = self.view.plex_answered_at
        address = None if at is None else ipv4(at[0])
        there = address is not None and not address.is_loopback and address in self.view.plex_host
        return there and at is not None and at[1] == self.view.plex_port

    # --- the way through the router ------------------------------------------------------------------

    @property
    def forwards_known(self) -> bool:
        """Whether the router told its forwards. One that cannot be read is a question of the way in, not of the list."""
        return self.router.state(Kind.PORT_FORWARD) is KindState.PRESENT

    def forwards(
        self, port: int, *, enabled: bool = True, tcp: bool = True
    ) -> tuple[Entry[PortForward], ...]:
        """Give the forwards of a port that can be read, in the router's order."""
        return tuple(
            entry
            for entry in self.router.held(PortForward)
            if port in entry.values.external_port
            and entry.values.enabled is enabled
            and (entry.values.protocol in TCP) is tcp
        )

    @cached_property
    def way(self) -> WayIn | None:
        """What a viewer's connection to the port meets on the router; None where that cannot be asked."""
        targets = self.targets or self.view.plex_host
        if self.port is None or not targets:
            return None
        return way_in.through_router(self.view, self.port, targets, self.view.plex_port)

    @cached_property
    def effective(self) -> Entry[PortForward] | None:
        """The forward that a viewer's connection meets: what translates it, else the first that names the port."""
        port = self.port
        if port is None or not self.forwards_known:
            return None
        if self.way is None:
            return next(iter(self.forwards(port)), None)
        made = way_in.translation_of(self.way)
        if made is None:
            # Stopped before it: what would take it, if it came through.
            before = self.router_stops is not None and not self.router_stops.translated
            return next(iter(self.forwards(port)), None) if before else None
        rule, address, inner = made
        entry = way_in.entry_of(rule, self.router.held(PortForward))
        if entry is not None:
            return entry
        if self.router.state(Kind.UPNP_MAPPING) is KindState.UNKNOWN:
            return None  # it may be a host's own mapping
        mappings = (entry.values for entry in self.router.held(UpnpMapping))
        if any(one.address == address and port in one.external_port for one in mappings):
            return None
        values = PortForward(Ports.of(port), address, Ports.of(inner) if inner else Ports.of(port))
        return Entry(
            Kind.PORT_FORWARD, values, {}, FOREIGN, rule.handle, rule.exhibit, label=rule.name or rule.words
        )

    @cached_property
    def leads_to_plex(self) -> tuple[Entry[PortForward], ...]:
        """Enabled TCP forwards whose target is the Plex host and Plex's port, whatever their external port is."""
        return tuple(
            entry
            for entry in self.router.held(PortForward)
            if entry.values.enabled and entry.values.protocol in TCP and self._is_plex(entry.values)
        )

    @property
    def forwarded_to_plex(self) -> Entry[PortForward] | None:
        """The forward that a viewer's connection meets, where it leads to Plex."""
        found = self.effective
        return found if found is not None and self._is_plex(found.values) else None

    def _is_plex(self, one: PortForward | UpnpMapping) -> bool:
        return one.address in self.targets and self.view.plex_port in one.port

    @cached_property
    def mappings(self) -> tuple[Entry[UpnpMapping], ...]:
        """UPnP's mappings that were asked for on behalf of Plex's host, or of the port that Plex announces."""
        port, found = self.announced, self.router.held(UpnpMapping)
        return tuple(
            e
            for e in found
            if (port is not None and port in e.values.external_port) or self._is_plex(e.values)
        )

    @cached_property
    def router_stops(self) -> Reason | None:
        """What the router's filters stop of it, before or after it is translated."""
        return None if self.way is None else way_in.stopping(self.way)

    @cached_property
    def exposures(self) -> tuple[Exposure, ...] | None:
        """Every way to the Plex host that the runbook forbids; None where the router was not read."""
        return exposures(self.view)

    # --- the server ----------------------------------------------------------------------------------

    @property
    def contained(self) -> bool:
        """Whether a published port goes round the host's own rules: it is translated before they are asked."""
        engine, network = self.server.text("container.engine"), self.server.text("container.network")
        return bool(engine) and network not in _BEHIND_THE_HOST

    @property
    def shares_the_host(self) -> bool:
        """Whether Plex is known to have the addresses of its host, and none of a container's own."""
        engine = self.server.text("container.engine")
        return engine == "" or (bool(engine) and self.server.text("container.network") == "host")

    def host_way(self, family: Literal[4, 6] = 4) -> WayIn | None:
        """What a viewer's connection meets on the server; None where that is not known."""
        return self._host_ways[family]

    @cached_property
    def _host_ways(self) -> dict[int, WayIn | None]:
        return {f: way_in.into_server(self.view, self.view.plex_port, f) for f in BOTH_FAMILIES}

    def firewall_stops(self, family: Literal[4, 6] = 4) -> Reason | None:
        """What stops it on the server where one rule in the firewall that plexops changes would let it in."""
        stopped = self.host_stops(family)
        if stopped is None:
            return None
        box, port = self.server.box, self.view.plex_port
        allowed = None if box is None else with_host_accept(box, port, "plex", family)
        opened = None if allowed is None else way_in.into_server(self.view, port, family, allowed)
        return stopped if opened is not None and opened.open else None

    def host_stops(self, family: Literal[4, 6] = 4) -> Reason | None:
        """What stops it on the server."""
        way = self.host_way(family)
        return None if way is None or way.answer.kind is not AnswerKind.NOBODY else way_in.stopping(way)

    @cached_property
    def listeners(self) -> tuple[Entry[Listener], ...] | None:
        """What listens at Plex's port; None where that is unknown: the host's sockets say nothing of an address not its."""
        own = self.view.plex_address
        apart = own is not None and own != self.view.server_address and own not in self.held
        if apart or self.server.state(Kind.LISTENER) is not KindState.PRESENT:
            return None
        return tuple(e for e in self.server.held(Listener) if e.values.port == self.view.plex_port)

    @cached_property
    def story(self) -> LogStory:
        """What Plex's log tells."""
        events = tuple(entry.values for entry in self._log)
        now = self.server.text("host.time") or local_time(self.plex.text("plex.time"), events)
        return tell_story(events, now)

    @cached_property
    def _log(self) -> tuple[Entry[LogEvent], ...]:
        return (*self.server.held(LogEvent), *self.plex.held(LogEvent))

    @property
    def tried_outside(self) -> Snapshot | None:
        """The snapshot that says whether the server reached what is outside; None where that was not tried."""
        return next((s for s in self.view.snapshots.values() if "outside.failure" in s.facts), None)

    def exhibit_of(self, told: LogStatement | None) -> str:
        """Give the exhibit that shows a statement of the log; empty where there is none."""
        if told is None:
            return ""
        return next((entry.exhibit for entry in self._log if entry.values == told.event), "")
