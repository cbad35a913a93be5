"""What the parts of a simulated home expect of each other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import Literal, Protocol, runtime_checkable

from msgspec import Struct, field

from plexops.structs import replace


class Packet(Struct, frozen=True):
    """The first packet of a connection, on its way."""

    source: IPv4Address
    destination: IPv4Address
    port: int
    protocol: Literal["tcp", "udp"] = "tcp"
    #: Set by a router that rewrote the destination.
    translated: bool = False

    def to(self, destination: IPv4Address, port: int) -> Packet:
        """Give the packet as destination NAT leaves it."""
        return replace(self, destination=destination, port=port, translated=True)


Fate = Literal["dropped", "refused"]
#: What a host's own filter says to a connection; `unreachable` is told by ICMP.
Admission = Literal["accepted", "dropped", "refused", "unreachable"]


class Lease(Struct, frozen=True):
    """An address that the DHCP server gave."""

    mac: str
    address: IPv4Address
    hostname: str


class ExecResult(Struct, frozen=True):
    """What an exec channel answered."""

    stdout: bytes
    stderr: bytes
    status: int


class HttpRequest(Struct, frozen=True):
    """One request as a simulated device gets it; header names in lower case, `query` as it was sent."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


class HttpResponse(Struct, frozen=True):
    """What it answers."""

    status: int
    body: bytes
    content_type: str = "application/json; charset=UTF-8"
    #: The device's clock in seconds, where it dates its answers.
    date: float | None = None
    #: Further headers, as they are sent.
    headers: Mapping[str, str] = {}


class Router(Protocol):
    """A simulated router. Its whole configuration is its own state, in its own vendor's terms."""

    lock: threading.RLock

    def execute(self, command: str, stdin: bytes, username: str) -> ExecResult:
        """Run one SSH exec request; routers without SSH answer status 127."""

    def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer one HTTPS request; routers without a web API answer 404."""

    def inbound(self, packet: Packet) -> Packet | Fate:
        """Carry a packet that arrived on the WAN side: translated and filtered by the *configured* state."""

    def reservations(self) -> Mapping[str, IPv4Address]:
        """Give MAC (lower case, colons) → address as the DHCP server would honour it now."""

    def pool(self) -> tuple[IPv4Address, IPv4Address]:
        """Give the first and last address of the dynamic pool."""

    def set_leases(self, leases: tuple[Lease, ...], answering: tuple[Lease, ...] | None = None) -> None:
        """Let the router's lease file or table show these; `answering` are its neighbours, where others answer."""

    def export(self) -> str:
        """Give the whole configuration as the vendor's own export, without counters, times and leases."""


@runtime_checkable
class ReflectingRouter(Protocol):
    """A router that can lead the LAN's own packets for the public address back inside."""

    def reflect(self, packet: Packet) -> Packet | Fate:
        """Carry a packet that a LAN host sent to the public address, by the configured state."""


class DeviceLog(Struct):
    """Every request that a simulated device got, in order: the proof of what was and was not sent."""

    lines: list[str] = []
    lock: threading.Lock = field(default_factory=threading.Lock)
    sink: Callable[[str], None] | None = None

    def add(self, line: str) -> None:
        """Append one request, with the seconds since the epoch in front."""
        with self.lock:
            self.lines.append(line)
            if self.sink is not None:
                self.sink(f"{time.time():.3f} {line}")


class ForwardSeed(Struct, frozen=True):
    """A port forward that a home has from the start, in no vendor's terms.

    `external` and `port` are a port or a range (`5000-5010`); `port` is empty where it equals `external`, and
    `external` is empty for all ports. `protocol` is `both` where the vendor can say so in one entry, else the router
    makes two of it; `any` is every protocol.
    """

    name: str
    external: str
    address: IPv4Address
    port: str = ""
    protocol: Literal["tcp", "udp", "both", "any"] = "tcp"
    enabled: bool = True
    #: Only from this address or network, as `203.0.113.7` or `203.0.113.0/24`; empty: from anywhere.
    source: str = ""
    #: Bears the tag that plexops gives its own entries (for `plexops:<key>`, key = the name).
    ours: bool = False
    #: Whether the router's filter, where it has one of its own, lets through what this translates.
    passage: bool = True
    #: A rule for the LAN alone: it answers who asks for the public address from inside, and nobody outside.
    inside: bool = False


class PinholeSeed(Struct, frozen=True):
    """A rule that lets connections over IPv6 through; it has no address where it is for every host."""

    name: str
    port: int
    address: str = ""


class ReservationSeed(Struct, frozen=True):
    """A DHCP reservation that a home has from the start. `macs` is written as the owner typed it."""

    name: str
    macs: tuple[str, ...]
    address: IPv4Address
    ours: bool = False


class MappingSeed(Struct, frozen=True):
    """A port mapping that a console asked for by UPnP."""

    external: int
    address: IPv4Address
    port: int
    protocol: Literal["tcp", "udp"]
    description: str


#: What a provider with IPv6 gives: an address for the router, and a prefix of which the LAN has the first network.
WAN_ADDRESS6 = IPv6Address("2003:e5:3fff:10::55")
PREFIX6 = IPv6Network("2003:e5:3f0a:1d00::/56")
#: The hardware addresses of the next hop outside, and of the router's own LAN side.
GATEWAY_MAC = "00:1e:49:7a:10:01"
ROUTER_MAC = "94:83:c4:2b:77:01"
#: A documentation range would be refused by tools as "not public": this is a real network of a German ISP.
WAN_ADDRESS = IPv4Address("62.155.240.55")
WAN_GATEWAY = IPv4Address("62.155.240.1")
LAN_ADDRESS = IPv4Address("192.168.1.1")
POOL_FIRST = IPv4Address("192.168.1.100")
POOL_LAST = IPv4Address("192.168.1.249")


class WayOut(Struct, frozen=True):
    """A second way to the Internet, beside the WAN side. The lowest metric wins; the WAN side's own is 0."""

    address: IPv4Address
    gateway: IPv4Address
    prefix: int = 24
    metric: int = 0


class Seed(Struct, frozen=True):
    """How a router is configured when the home starts; each router class says it in its vendor's terms."""

    forwards: tuple[ForwardSeed, ...] = ()
    reservations: tuple[ReservationSeed, ...] = ()
    #: None: as the vendor delivers it, on where it is a part of the router, and off where it is put in by its owner.
    upnp: bool | None = None
    #: Whether the router has a UPnP service at all, be it on or off.
    upnp_installed: bool = True
    mappings: tuple[MappingSeed, ...] = ()
    #: Whether the packet filter has lost the rules for the mappings, and UPnP's list has not.
    mappings_flushed: bool = False
    pinholes: tuple[PinholeSeed, ...] = ()
    #: The owner's filter drops everything from outside that has no accept of its own, where the vendor's does not.
    strict_filter: bool = False
    #: Rules in nft's words, of a chain that somebody has before the forwards (OpenWrt and Linux alone).
    early_filter: tuple[str, ...] = ()
    #: Without it the WAN side has a cable and no address.
    wan_up: bool = True
    wan_address: IPv4Address = WAN_ADDRESS
    wan_prefix: int = 24
    wan_gateway: IPv4Address = WAN_GATEWAY
    second_way: WayOut | None = None
    #: A host whose traffic a rule sends by a tunnel.
    policy: tuple[IPv4Address, WayOut] | None = None
    #: Whether what is written into /etc/nftables.d is loaded when the router starts (Linux alone).
    loads_at_start: bool = True
    #: Whether the provider gives the home IPv6 as well.
    ipv6: bool = False
    #: Whether the router gives the home its addresses; else another DHCP server in the LAN does.
    serves_dhcp: bool = True
    lan_address: IPv4Address = LAN_ADDRESS
    lan_prefix: int = 24
    pool_first: IPv4Address = POOL_FIRST
    pool_last: IPv4Address = POOL_LAST
    hostname: str = "router"

    @property
    def has_upnp(self) -> bool:
        """Whether UPnP is on, where it is a part of the router."""
        return self.upnp is not False


class Clock(Protocol):
    """Time as the home's devices feel it."""

    def sleep(self, seconds: float) -> None:
        """Wait that many *simulated* seconds; returns early when the home stops."""

    def time(self) -> float:
        """Give simulated seconds since the epoch."""


class RouterHooks(Struct, frozen=True):
    """What a router gets from its home."""

    log: DeviceLog
    clock: Clock
