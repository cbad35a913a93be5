"""A whole simulated home in memory, without sockets: the product looks, plans and writes, and packets judge."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from threading import Event
from types import MappingProxyType

from plexops.drivers.plex.driver import PlexDriver
from plexops.drivers.server.driver import ServerDriver
from plexops.engine.look.site_state import Drivers
from plexops.lab.base import DeviceLog, Packet
from plexops.lab.clock import ScaledClock
from plexops.lab.isp import ISPS
from plexops.lab.network import JUMP_ADDRESS, Network
from plexops.lab.network import Host as LanHost
from plexops.lab.scenario import NEIGHBOURS
from plexops.lab.server import MAC, OWN_RULES, USER, DebianServer, ServerHooks, ServerOptions
from plexops.lab.server_condition import Container, ServerCondition
from plexops.lab.server_network import public_address6
from plexops.model.change import Action, Change
from plexops.model.entries import Echo
from plexops.model.exchange import Command, Read, Reply, Write
from plexops.model.resources.plex_remote_access import RemoteAccess
from plexops.model.snapshot import FOREIGN, Entry, Fact, Kind, KindState, Role, Snapshot
from plexops.packets.reach import AnswerKind, Asked, Target, who_reaches
from plexops.runbook.view import SiteView
from plexops.structs import replace
from tests.conformance.conformance_bench import PLEX, Bench, bench
from tests.conformance.test_ufw_rules import Host
from tests.guards.homes import SECOND, Home

#: Somebody in a network that some rules single out, and somebody else.
VIEWERS = (IPv4Address("198.51.100.77"), IPv4Address("93.184.216.9"))
IDENTIFIER = "4f8a1c0de5b64fd2a1f09c7be21d7a5310c4e9aa"
#: Ports that are tried whatever a home names.
USUAL = (1, 2, 22, 80, 443, 445, 8443, 32399, 32400, 32401, 32500, 40000, 60001)
_GETS_IN = (AnswerKind.SOME, AnswerKind.EVERYBODY)
OVER_IPV6 = "::"
#: A viewer, the external port (or the port at the host itself, over IPv6), and the host's port that it gets to.
Way = tuple[str, int, int]


@dataclass(slots=True)
class Running:
    """One home in memory."""

    home: Home
    router: Bench
    host: Host
    network: Network
    plex: Snapshot
    drivers: Drivers
    #: Set once the host has asked for its address again.
    renewed: Event
    #: What was seen since the last write.
    seen: dict[Role, Snapshot] = field(default_factory=dict)

    @property
    def address(self) -> IPv4Address:
        """Where the host is now."""
        return self.network.hosts[USER].address or PLEX

    def snapshot(self, role: Role) -> Snapshot:
        """Look at one stop; nothing changes there without a write."""
        if role is Role.PLEX:
            return self.plex
        if role not in self.seen:
            self.seen[role] = self.router.look() if role is Role.ROUTER else self.host.look()
        return self.seen[role]

    def send(self, change: Change, write: Write) -> Reply:
        """Send one write as the product does. Plex itself takes what the plan says of it at once."""
        self.seen.pop(change.role, None)
        if change.role is Role.ROUTER:
            return self.router.send(write)
        if change.role is Role.SERVER and isinstance(write.ask, Command):
            out, errors, status = self.host.execute(write.ask.text)
            if change.action is Action.RENEW:
                # The host asks in the background.
                assert self.renewed.wait(5)
                self.seen.clear()
            return Reply("write", status, out, errors)
        return Reply("write", next(iter(write.expect.statuses), 200), "")

    def view(self) -> SiteView:
        """Look at everything."""
        shots = {role: self.snapshot(role) for role in (Role.ROUTER, Role.SERVER, Role.PLEX)}
        return view_of(self.home, shots, self._plex_answers_at())

    def _plex_answers_at(self) -> tuple[str, int] | None:
        """Where Plex answers a computer at home; only inside the host, where its firewall lets nobody there in."""
        admitted = self.host.server.admits(JUMP_ADDRESS, self.home.port) == "accepted"
        if admitted:
            return str(self.address), self.home.port
        # Else it is looked for on the host itself, where the inventory says that it is.
        return ("127.0.0.1", self.home.told) if self.home.told == self.home.port else None

    def ports(self) -> tuple[int, ...]:
        """Every port that says anything: those that the home names, and their neighbours."""
        seed = self.home.seed
        texts = [text for f in seed.forwards for text in (*f.external.split("-"), f.port) if text.isdigit()]
        named = {int(text) for text in texts} | {m.external for m in seed.mappings}
        return tuple(sorted(named | set(USUAL) | {self.home.named or 1, self.home.told, self.home.port}))

    def reached(self) -> frozenset[Way]:
        """Send packets to all these ports, and tell which of them get to any port of the Plex host."""
        return frozenset(self._over_ipv4()) | frozenset(self._over_ipv6())

    def _over_ipv4(self) -> Iterator[Way]:
        here = {self.address, *([SECOND] if self.home.second else [])}
        for port in self.ports():
            for viewer in VIEWERS:
                fate = self.router.router.inbound(Packet(viewer, self.home.seed.wan_address, port))
                if not isinstance(fate, Packet) or fate.destination not in here:
                    continue
                if self.host.server.admits(viewer, fate.port) == "accepted":
                    yield str(viewer), port, fate.port

    def _over_ipv6(self) -> Iterator[Way]:
        """The simulated devices carry no IPv6: of what they hold, the walk says what it lets through."""
        address = public_address6(self.host.server.options.condition, MAC)
        if address is None:
            return
        boxes = [self.snapshot(role).box for role in (Role.ROUTER, Role.SERVER)]
        if boxes[0] is None or boxes[0].plumbing == "list" or boxes[1] is None:
            return
        path = [box for box in boxes if box is not None]
        at = ((int(IPv6Address(address)),) * 2,)
        for port in (22, 32400):
            asked = Asked(6, at, ((port, port),))
            # While edits are staged some routers do not tell what acts: only what surely gets in counts.
            if who_reaches(path, asked, Target.at(at, ((port, port),))).kind in _GETS_IN:
                yield OVER_IPV6, port, port


def view_of(home: Home, shots: Mapping[Role, Snapshot], answered: tuple[str, int] | None) -> SiteView:
    """Put together what the inventory says and what every stop said, as the product does."""
    return SiteView(
        name="home",
        server_mac=MAC,
        server_address=PLEX,
        server_is_static=home.static,
        plex_address=PLEX,
        plex_port=home.told,
        named_ports=frozenset() if home.named is None else frozenset({home.named}),
        snapshots=MappingProxyType({**shots, Role.OUTSIDE: _outside(home.echoes)}),
        ages=MappingProxyType(dict.fromkeys(shots, 3.0)),
        asked=frozenset(shots),
        management=MappingProxyType({Role.ROUTER: ("192.168.1.1", 22), Role.SERVER: (str(PLEX), 22)}),
        plex_answered_at=answered,
    )


def _outside(echoes: Sequence[str]) -> Snapshot:
    said = [Echo(f"echo{n}.example", IPv4Address(text), "server") for n, text in enumerate(echoes)]
    entries = tuple(Entry(Kind.ECHO, one, {}, FOREIGN, one.source, f"outside.{one.source}") for one in said)
    return Snapshot(Role.OUTSIDE, MappingProxyType({}), entries, {Kind.ECHO: KindState.PRESENT})


def new_plex() -> Snapshot:
    settings = RemoteAccess(enabled=True, manual=False, manual_port=32400, last_automatic_port=0)
    facts = {"plex.identifier": Fact("plex.identifier", IDENTIFIER, "plex.identity")}
    entry = Entry(Kind.PLEX_REMOTE_ACCESS, settings, {}, FOREIGN, "prefs", "plex.prefs")
    return Snapshot(
        Role.PLEX, MappingProxyType(facts), (entry,), {Kind.PLEX_REMOTE_ACCESS: KindState.PRESENT}
    )


def _second_address(read: Read, reply: Reply) -> Reply:
    """Give what the host with two addresses answers."""
    if read.id != "addresses":
        return reply
    links = json.loads(reply.body)
    own = next(link for link in links if link["ifname"] == "eth0")["addr_info"]
    own.append({**own[0], "local": str(SECOND)})
    return replace(reply, body=json.dumps(links))


@contextmanager
def running(home: Home) -> Iterator[Running]:
    """Start a home; it ends with the context."""
    with bench(home.family, home.seed) as router:
        network = Network(router=router.router, isp=ISPS[home.isp], lan_address=home.seed.lan_address)
        for name, (mac, address) in NEIGHBOURS.items():
            network.add(LanHost(name, mac, address))
        at = network.add(LanHost(USER, MAC, home.address))
        container = Container(published=(("0.0.0.0", home.port, 32400),)) if home.port != 32400 else None
        renewed = Event()

        def renew() -> IPv4Address | None:
            found = network.renew(USER)
            renewed.set()
            return found

        hooks = ServerHooks(
            DeviceLog(),
            ScaledClock(),
            lambda: at.address,
            renew,
            lambda _host, _port: "refused",
        )
        options = ServerOptions(
            ufw_installed=home.ufw != "none",
            ufw_enabled=home.ufw == "on",
            rules=(*OWN_RULES, *home.rules),
            condition=ServerCondition(ipv6=home.seed.ipv6, container=container),
        )
        server = DebianServer(options, hooks)
        driver = ServerDriver()
        host = Host(server, hooks.log, ScaledClock(), driver)
        if home.second:
            host.distort = _second_address
        try:
            drivers = Drivers(router.driver, driver, PlexDriver())
            yield Running(home, router, host, network, new_plex(), drivers, renewed)
        finally:
            server.stop()
            network.stop()
