"""Who is where in a simulated home, and what becomes of a packet that is sent there."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from typing import Literal

from msgspec import Struct

from plexops.lab.base import (
    Admission,
    HttpRequest,
    HttpResponse,
    Lease,
    Packet,
    ReflectingRouter,
    Router,
)
from plexops.lab.https import TlsFiles, serve_http
from plexops.lab.isp import Isp
from plexops.lab.ssh import Stream

#: `unresolved`: the name could not be looked up.
Answer = Literal["dropped", "refused", "unreachable", "unresolved"]

OUTSIDE_ADDRESS = IPv4Address("198.51.100.77")
#: From where plex.tv tries the port.
PLEX_TV_ADDRESS = IPv4Address("52.49.12.7")
JUMP_ADDRESS = IPv4Address("192.168.1.2")
BREAK_SECONDS = 0.05


class Service(Struct, frozen=True, eq=False):
    """What listens on a port: `serve` a real connection, or `http` a request that a simulated curl makes."""

    serve: Callable[[Stream], None]
    http: Callable[[HttpRequest], HttpResponse] | None = None
    #: `known`: TLS, with a certificate that everybody's authorities vouch for.
    tls: Literal["plain", "tls", "both", "known"] = "plain"


def _open_firewall(_source: IPv4Address, _port: int) -> Admission:
    return "accepted"


def _answers_everybody(_source: IPv4Address) -> bool:
    return True


class Host(Struct, eq=False):
    """A device in the LAN; `address` is None while it has no lease."""

    name: str
    mac: str
    address: IPv4Address | None
    services: dict[int, Service] = {}
    firewall: Callable[[IPv4Address, int], Admission] = _open_firewall
    #: Whether its answers find their way back to an address: not where its way out leads elsewhere.
    answers: Callable[[IPv4Address], bool] = _answers_everybody
    #: Its address was set on the host itself: the DHCP server knows nothing of it.
    by_hand: bool = False
    #: What the DHCP server still has for it from before.
    leased: IPv4Address | None = None


class Listener:
    """A port, of the loopback where nothing else is said (`::`: both families); each connection has a thread of its own."""

    def __init__(
        self, serve: Callable[[Stream], None], name: str, at: tuple[str, int] = ("127.0.0.1", 0)
    ) -> None:
        self._serve = serve
        self._name = name
        both = ":" in at[0]
        family = socket.AF_INET6 if both else socket.AF_INET
        self._socket = socket.create_server(at, family=family, backlog=64, dualstack_ipv6=both)
        self.address: tuple[str, int] = self._socket.getsockname()[:2]
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._thread = threading.Thread(target=self._accept, name=f"lab-{name}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening and cut what is connected."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._socket.close()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open.add(connection)
            name = f"lab-{self._name}-{next(self._numbers)}"
            threading.Thread(target=self._one, args=(connection,), name=name, daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        try:
            self._serve(connection)
        finally:
            connection.close()
            with self._lock:
                self._open.discard(connection)


class Network:
    """The LAN, the router and the ISP's way to the Internet. Everything is computed when it is asked."""

    def __init__(
        self,
        *,
        router: Router,
        isp: Isp,
        lan_address: IPv4Address,
        blocked_ports: frozenset[int] = frozenset(),
    ) -> None:
        self.router = router
        self.router_services: dict[int, Service] = {}
        self.isp = isp
        self.wan_address = isp.wan
        self.lan_address = lan_address
        self.public_address = isp.public
        self.blocked_ports = blocked_ports
        #: Ports that the ISP's box answers itself, before anything comes to the router.
        self.intercepted: dict[int, Service] = {}
        #: Names on the Internet, and other addresses there.
        self.internet: dict[str, dict[int, Service]] = {}
        #: Names of the home itself, which everybody looks up as its public address.
        self.own_names: set[str] = set()
        self.hosts: dict[str, Host] = {}
        self._lock = threading.RLock()
        self._streams: dict[IPv4Address, set[Stream]] = {}
        self._breaking: list[threading.Timer] = []

    def add(self, host: Host) -> Host:
        """Put a host into the LAN."""
        with self._lock:
            self.hosts[host.name] = host
            self._tell_leases()
        return host

    def at(self, address: IPv4Address) -> Host | None:
        """Give the host that has this address now; of two, the one that the others at home know."""
        with self._lock:
            return next((h for h in reversed(self.hosts.values()) if h.address == address), None)

    def before_the_router(self, address: IPv4Address) -> Host | None:
        """Give the host that answers the router at an address: of two, the one that was there first."""
        with self._lock:
            return next((h for h in self.hosts.values() if h.address == address), None)

    def inbound(
        self, public: IPv4Address, port: int, source: IPv4Address = OUTSIDE_ADDRESS
    ) -> Service | Answer:
        """Follow a TCP connection from the Internet to a public address and port, to whatever listens."""
        if not self.isp.up or not self.isp.leads_home(public, port):
            return "dropped"  # nobody upstream has a mapping for us
        if port in self.blocked_ports:
            return "dropped"
        if port in self.intercepted:
            return self.intercepted[port]
        carried = self.router.inbound(Packet(source, self.wan_address, port))
        if isinstance(carried, str):
            return carried
        host = self.before_the_router(carried.destination)
        if host is not None and not host.answers(source):
            return "dropped"
        at_home = host is not None or carried.destination == self.lan_address
        return self._deliver(carried, host) if at_home else "dropped"

    def from_lan(self, source: IPv4Address, host: str, port: int) -> Service | Answer:
        """Follow a connection from a LAN address to a LAN address, a name or an Internet address."""
        if host in self.internet and not (self.isp.up or self.at_gateway(host)):
            return "unreachable" if _is_address(host) else "unresolved"
        if host in self.internet:
            return self.internet[host].get(port, "refused")
        if host in self.own_names and self.isp.up:
            return self._hairpin(source, port)
        try:
            address = IPv4Address(host)
        except ValueError:
            return "unresolved"
        if address in (self.wan_address, self.public_address):
            return self._hairpin(source, port)
        return self._deliver(Packet(source, address, port), self.at(address))

    def at_gateway(self, host: str) -> bool:
        """Tell whether an address is the box's right behind the router."""
        return host == str(self.isp.gateway)

    def _hairpin(self, source: IPv4Address, port: int) -> Service | Answer:
        """Follow a connection from the LAN to the public address: most routers do nothing with it."""
        if not isinstance(self.router, ReflectingRouter):
            return "dropped"
        carried = self.router.reflect(Packet(source, self.wan_address, port))
        if isinstance(carried, str) or carried.destination == self.lan_address:
            return "dropped"
        return self._deliver(carried, self.before_the_router(carried.destination))

    def open(self, host: str, port: int) -> Callable[[Stream], None] | None:
        """Give what serves a connection from the jump host to there; None when none comes about."""
        answer = self.from_lan(JUMP_ADDRESS, host, port)
        if isinstance(answer, str):
            return None
        return lambda stream: self._tracked(host, answer, stream)

    def renew(self, name: str) -> IPv4Address | None:
        """Let a host renew its lease: a reservation wins, else it keeps what it has while nobody else owns it.

        Connections to an address that it loses break shortly after, as they do in a real home.
        """
        with self._lock:
            host = self.hosts[name]
            before = host.address
            host.address = self._offer(host)
            self._tell_leases()
        if before is not None and before != host.address:
            timer = threading.Timer(BREAK_SECONDS, self._break, (before,))
            timer.daemon = True
            self._breaking.append(timer)
            timer.start()
        return host.address

    def stop(self) -> None:
        """Cut what is still open."""
        for timer in self._breaking:
            timer.cancel()
            timer.join()
        for address in list(self._streams):
            self._break(address)

    def _deliver(self, packet: Packet, host: Host | None) -> Service | Answer:
        if packet.destination == self.lan_address:
            return self.router_services.get(packet.port, "refused")
        if host is None:
            return "unreachable"
        verdict = host.firewall(packet.source, packet.port)
        if verdict != "accepted":
            return verdict
        return host.services.get(packet.port, "refused")

    def _offer(self, host: Host) -> IPv4Address | None:
        reservations = self.router.reservations()
        if host.mac.lower() in reservations:
            return reservations[host.mac.lower()]
        taken = {h.address for h in self.hosts.values() if h is not host} | set(reservations.values())
        first, last = self.router.pool()
        if host.address is not None and host.address not in taken and first <= host.address <= last:
            return host.address
        return next((address for address in _between(first, last) if address not in taken), None)

    def _tell_leases(self) -> None:
        given = [(h, h.leased or (None if h.by_hand else h.address)) for h in self.hosts.values()]
        leases = [Lease(h.mac.lower(), address, h.name) for h, address in given if address is not None]
        answering = {h.address: h for h in reversed(self.hosts.values()) if h.address is not None}
        neighbours = [Lease(h.mac.lower(), address, h.name) for address, h in reversed(answering.items())]
        self.router.set_leases(tuple(leases), tuple(neighbours))

    def _tracked(self, host: str, service: Service, stream: Stream) -> None:
        try:
            address = IPv4Address(host)
        except ValueError:
            service.serve(stream)
            return
        with self._lock:
            self._streams.setdefault(address, set()).add(stream)
        try:
            service.serve(stream)
        finally:
            with self._lock:
                self._streams[address].discard(stream)

    def _break(self, address: IPv4Address) -> None:
        with self._lock:
            streams = list(self._streams.get(address, ()))
        for stream in streams:
            with contextlib.suppress(OSError, EOFError):
                stream.close()


def _is_address(text: str) -> bool:
    return all(part.isdigit() for part in text.split("."))


def _between(first: IPv4Address, last: IPv4Address) -> Iterator[IPv4Address]:
    return (first + offset for offset in range(int(last) - int(first) + 1))


def text_service(answer: Callable[[], str], content_type: str, tls: TlsFiles | None = None) -> Service:
    """Make a web service that answers every request with one text."""

    def handle(_request: HttpRequest) -> HttpResponse:
        return HttpResponse(200, answer().encode(), content_type)

    return Service(lambda stream: serve_http(stream, handle, tls), handle, "tls" if tls else "plain")
