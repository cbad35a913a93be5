"""One state in which a simulated home can start, as data."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Literal

from msgspec import Struct, field

from plexops.lab.base import ForwardSeed, MappingSeed, PinholeSeed, ReservationSeed, Seed
from plexops.lab.isp import ISPS, IspKind
from plexops.lab.network import OUTSIDE_ADDRESS
from plexops.lab.plex_seed import PlexCondition
from plexops.lab.plex_tv import Listing
from plexops.lab.routers import ROUTERS, RouterName
from plexops.lab.server import MAC, OWN_RULES
from plexops.lab.server_condition import ServerCondition
from plexops.lab.ufw_rule import Rule
from plexops.structs import replace

EXTERNAL_PORT = 32500
PLEX_PORT = 32400
#: What Plex let the router map when it last did so by itself.
AUTOMATIC_PORT = 18444
RESERVED = IPv4Address("192.168.1.50")
OLD = IPv4Address("192.168.1.83")
#: What the home calls itself where a reverse proxy leads in.
OWN_NAME = "plex.example.net"
#: Where a reverse proxy stands that is not at home.
PROXY_ADDRESS = IPv4Address("198.51.100.200")
Value = bool | int | str


def lan(last: int) -> IPv4Address:
    """Give a LAN address by its last number."""
    return IPv4Address(f"192.168.1.{last}")


NAS, PI = lan(20), lan(21)
#: What the family forwards beside Plex: written as people write.
FOREIGN_FORWARDS = (
    ForwardSeed("John's NAS (https)", "8443", NAS, "443", "both", enabled=False),
    ForwardSeed('Küche "Cam"', "8081", lan(31), "80", "tcp", source="93.184.216.0/24"),
    ForwardSeed("Minecraft", "25565-25575", lan(22), "", "both"),
    ForwardSeed("WireGuard", "51820", PI, "", "udp"),
    ForwardSeed("git over ssh", "2222", NAS, "22", "tcp"),
    ForwardSeed("BitTorrent", "6881-6889", NAS, "", "both"),
    ForwardSeed("old web server; do not use", "8080", lan(22), "80", "tcp", enabled=False),
)
FOREIGN_RESERVATIONS = (
    ReservationSeed("printer", ("F8:25:51:09:38:38",), lan(10)),
    ReservationSeed("laptop", ("aa:21:e7:a7:28:e4", "5C:E9:1E:22:33:44"), lan(11)),
    ReservationSeed("nas", ("00:11:32:AA:BB:01",), NAS),
    ReservationSeed("pi", ("b8:27:eb:10:20:30",), PI),
    ReservationSeed("gaming-pc", ("04:D4:C4:55:66:77",), lan(22)),
    ReservationSeed("kueche-cam", ("9c:8e:cd:01:02:03",), lan(31)),
    ReservationSeed("tv", ("A8:23:FE:0A:0B:0C",), lan(40)),
)
MAPPINGS = (
    MappingSeed(3074, lan(160), 3074, "udp", "Xbox (192.168.1.160:3074) 3074 UDP"),
    MappingSeed(9308, lan(161), 9308, "udp", "PS5 9308 UDP"),
)
#: Hosts beside the server: name → (MAC, address at the start).
NEIGHBOURS: Mapping[str, tuple[str, IPv4Address]] = {
    "nas": ("00:11:32:aa:bb:01", NAS),
    "pi": ("b8:27:eb:10:20:30", PI),
    "gaming-pc": ("04:d4:c4:55:66:77", lan(22)),
    "kueche-cam": ("9c:8e:cd:01:02:03", lan(31)),
    "xbox": ("98:5f:d3:a1:a2:a3", lan(160)),
    "ps5": ("2c:9e:00:b1:b2:b3", lan(161)),
}
PLEX_RULE = Rule("allow", "tcp", str(PLEX_PORT), "any", "any", comment="Plex")
FORWARD = ForwardSeed("Plex remote", str(EXTERNAL_PORT), RESERVED, str(PLEX_PORT), "tcp")
RESERVATION = ReservationSeed("media", (MAC,), RESERVED)
MANUAL: Mapping[str, Value] = {
    "PublishServerOnPlexOnlineKey": True,
    "ManualPortMappingMode": True,
    "ManualPortMappingPort": EXTERNAL_PORT,
    "LastAutomaticMappedPort": 0,
}
AUTOMATIC: Mapping[str, Value] = {
    "PublishServerOnPlexOnlineKey": True,
    "ManualPortMappingMode": False,
    "ManualPortMappingPort": PLEX_PORT,
    "LastAutomaticMappedPort": AUTOMATIC_PORT,
}


class Vantage(Struct, frozen=True):
    """A host from which the port is tried. `inside` is one in the LAN itself: what it sees proves nothing."""

    role: Literal["outside", "outside2", "inside"] = "outside"
    address: IPv4Address = OUTSIDE_ADDRESS
    #: Ports that its own carrier does not let out.
    blocked_ports: frozenset[int] = frozenset()


OUTSIDE = Vantage()
INSIDE = Vantage("inside", PI)


class Rival(Struct, frozen=True):
    """Another host with the server's address; it answers the router first. `by_hand`: it was set on the host itself."""

    name: str
    mac: str
    by_hand: bool = False


class Scenario(Struct, frozen=True):
    """One state. `in-order` is the default of every field."""

    name: str
    about: str
    isp: IspKind = "public"
    address: IPv4Address = RESERVED
    reservations: tuple[ReservationSeed, ...] = (RESERVATION,)
    forwards: tuple[ForwardSeed, ...] = (FORWARD,)
    rules: tuple[Rule, ...] = (PLEX_RULE,)
    plex: Mapping[str, Value] = field(default_factory=lambda: MANUAL)
    blocked_ports: frozenset[int] = frozenset()
    #: Whether the vantage outside can be reached, and whether plex.tv still answers Plex.
    outside: bool = True
    #: How outsiders are meant to get in, as the inventory says.
    access: Literal["forward", "relay", "vpn", "proxy"] = "forward"
    #: The families that can show it; with another one the home starts, and lacks what makes the scenario.
    routers: tuple[RouterName, ...] = ROUTERS
    #: Forwards before the family's own: the first that matches wins.
    earlier: tuple[ForwardSeed, ...] = ()
    pinholes: tuple[PinholeSeed, ...] = ()
    strict_filter: bool = False
    #: Rules of a chain that somebody has on the router before its forwards, in nft's words.
    early_filter: tuple[str, ...] = ()
    #: Whether a Linux router loads /etc/nftables.d when it starts.
    loads_at_start: bool = True
    #: `usual`: as the router is delivered.
    upnp: Literal["usual", "on", "off", "none"] = "usual"
    mappings: tuple[MappingSeed, ...] = MAPPINGS
    #: Whether the router's packet filter was loaded anew since, without the rules for them.
    mappings_flushed: bool = False
    #: Whether the router says yes to Plex's own mapping request, and keeps nothing of it.
    forgets_mappings: bool = False
    server: ServerCondition = field(default_factory=ServerCondition)
    #: Whether the inventory names the router's family and a login. Without them a person sets it by hand.
    router_login: bool = True
    #: Whether the inventory has a login to the server. Without one Plex's token comes from a file.
    server_login: bool = True
    condition: PlexCondition = field(default_factory=PlexCondition)
    #: What plex.tv tells apps.
    listing: Listing = field(default_factory=Listing)
    vantages: tuple[Vantage, ...] = (OUTSIDE,)
    #: What an address echo answers instead of the public address.
    echoes: Mapping[str, str] = {}
    #: To where the reverse proxy passes on; none: there is no proxy.
    proxy_to: IPv4Address | None = None
    #: Where it stands: on the Pi, by the home's name, or by a name that is gone; or elsewhere, with a tunnel to the Pi.
    proxy: Literal["at home", "no name", "elsewhere"] = "at home"
    #: Whether everybody's authorities vouch for its certificate.
    proxy_trusted: bool = True
    #: Ports that the ISP's box answers itself, with another Plex server.
    intercepted: frozenset[int] = frozenset()
    #: Whether the inventory says that the box before the router passes on.
    upstream_told: bool = False
    rival: Rival | None = None
    #: Another DHCP server in the LAN: it gives the server its address, and the router is silent.
    dhcp_server: IPv4Address | None = None
    #: What the DHCP server still has for the server, whose address has since been set on the server itself.
    earlier_lease: IPv4Address | None = None

    def seed(self) -> Seed:
        """Give how the router starts."""
        isp = ISPS[self.isp]
        return Seed(
            forwards=self.earlier + FOREIGN_FORWARDS + self.forwards,
            reservations=FOREIGN_RESERVATIONS + self.reservations,
            upnp=None if self.upnp == "usual" else self.upnp == "on",
            upnp_installed=self.upnp != "none",
            mappings=self.mappings if self.upnp in ("on", "usual") else (),
            mappings_flushed=self.mappings_flushed,
            pinholes=self.pinholes,
            strict_filter=self.strict_filter,
            early_filter=self.early_filter,
            wan_up=isp.up,
            wan_address=isp.wan,
            wan_gateway=isp.gateway,
            wan_prefix=isp.prefix,
            second_way=None if isp.policy else isp.second,
            policy=(self.address, isp.second) if isp.policy and isp.second else None,
            loads_at_start=self.loads_at_start,
            ipv6=self.server.ipv6,
            serves_dhcp=self.dhcp_server is None,
        )

    @property
    def plex_condition(self) -> PlexCondition:
        """What becomes of Plex: it ends where another program has its port."""
        if not self.server.port_taken_by:
            return self.condition
        return replace(self.condition, running=False, port_taken=True)

    def server_rules(self) -> tuple[Rule, ...]:
        """Give the host firewall's rules."""
        return OWN_RULES + self.rules
