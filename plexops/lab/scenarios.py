"""The states in which a simulated home can start, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from plexops.lab.base import WAN_ADDRESS, WAN_GATEWAY, ForwardSeed, MappingSeed, ReservationSeed, Seed
from plexops.lab.network import IspKind
from plexops.lab.server import MAC, OWN_RULES
from plexops.lab.ufw import Rule

EXTERNAL_PORT = 32500
PLEX_PORT = 32400
RESERVED = IPv4Address("192.168.1.50")
OLD = IPv4Address("192.168.1.83")


def _lan(last: int) -> IPv4Address:
    return IPv4Address(f"192.168.1.{last}")


#: What the family forwards beside Plex: written as people write.
FOREIGN_FORWARDS = (
    ForwardSeed("John's NAS (https)", "8443", _lan(20), "443", "both", enabled=False),
    ForwardSeed('Küche "Cam"', "8081", _lan(31), "80", "tcp", source="93.184.216.0/24"),
    ForwardSeed("Minecraft", "25565-25575", _lan(22), "", "both"),
    ForwardSeed("WireGuard", "51820", _lan(21), "", "udp"),
    ForwardSeed("git over ssh", "2222", _lan(20), "22", "tcp"),
    ForwardSeed("BitTorrent", "6881-6889", _lan(20), "", "both"),
    ForwardSeed("old web server; do not use", "8080", _lan(22), "80", "tcp", enabled=False),
)
FOREIGN_RESERVATIONS = (
    ReservationSeed("printer", ("F8:25:51:09:38:38",), _lan(10)),
    ReservationSeed("laptop", ("aa:21:e7:a7:28:e4", "5C:E9:1E:22:33:44"), _lan(11)),
    ReservationSeed("nas", ("00:11:32:AA:BB:01",), _lan(20)),
    ReservationSeed("pi", ("b8:27:eb:10:20:30",), _lan(21)),
    ReservationSeed("gaming-pc", ("04:D4:C4:55:66:77",), _lan(22)),
    ReservationSeed("kueche-cam", ("9c:8e:cd:01:02:03",), _lan(31)),
    ReservationSeed("tv", ("A8:23:FE:0A:0B:0C",), _lan(40)),
)
MAPPINGS = (
    MappingSeed(3074, _lan(160), 3074, "udp", "Xbox (192.168.1.160:3074) 3074 UDP"),
    MappingSeed(9308, _lan(161), 9308, "udp", "PS5 9308 UDP"),
)
#: Hosts beside the server: name → (MAC, address at the start).
NEIGHBOURS: Mapping[str, tuple[str, IPv4Address]] = {
    "nas": ("00:11:32:aa:bb:01", _lan(20)),
    "pi": ("b8:27:eb:10:20:30", _lan(21)),
    "gaming-pc": ("04:d4:c4:55:66:77", _lan(22)),
    "kueche-cam": ("9c:8e:cd:01:02:03", _lan(31)),
    "xbox": ("98:5f:d3:a1:a2:a3", _lan(160)),
    "ps5": ("2c:9e:00:b1:b2:b3", _lan(161)),
}
PLEX_RULE = Rule("allow", "tcp", str(PLEX_PORT), "any", "any", comment="Plex")
FORWARD = ForwardSeed("Plex remote", str(EXTERNAL_PORT), RESERVED, str(PLEX_PORT), "tcp")
RESERVATION = ReservationSeed("media", (MAC,), RESERVED)
MANUAL: Mapping[str, bool | int | str] = {
    "PublishServerOnPlexOnlineKey": True,
    "ManualPortMappingMode": True,
    "ManualPortMappingPort": EXTERNAL_PORT,
    "LastAutomaticMappedPort": 0,
}
AUTOMATIC: Mapping[str, bool | int | str] = {
    "PublishServerOnPlexOnlineKey": True,
    "ManualPortMappingMode": False,
    "ManualPortMappingPort": PLEX_PORT,
    "LastAutomaticMappedPort": 18444,
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """One state. `in-order` is the default of every field."""

    name: str
    about: str
    isp: IspKind = "public"
    address: IPv4Address = RESERVED
    reservations: tuple[ReservationSeed, ...] = (RESERVATION,)
    forwards: tuple[ForwardSeed, ...] = (FORWARD,)
    rules: tuple[Rule, ...] = (PLEX_RULE,)
    plex: Mapping[str, bool | int | str] = field(default_factory=lambda: MANUAL)
    blocked_ports: frozenset[int] = frozenset()
    #: Whether the vantage outside can be reached, and whether plex.tv still answers Plex.
    outside: bool = True

    def seed(self) -> Seed:
        """Give how the router starts."""
        address, gateway, prefix = _WAN[self.isp]
        return Seed(
            forwards=FOREIGN_FORWARDS + self.forwards,
            reservations=FOREIGN_RESERVATIONS + self.reservations,
            upnp=True,
            mappings=MAPPINGS,
            wan_address=address,
            wan_gateway=gateway,
            wan_prefix=prefix,
        )

    def server_rules(self) -> tuple[Rule, ...]:
        """Give the host firewall's rules."""
        return OWN_RULES + self.rules


_WAN: Mapping[IspKind, tuple[IPv4Address, IPv4Address, int]] = {
    "public": (WAN_ADDRESS, WAN_GATEWAY, 24),
    "isp_blocks": (WAN_ADDRESS, WAN_GATEWAY, 24),
    "cgnat": (IPv4Address("100.72.13.5"), IPv4Address("100.72.0.1"), 10),
    "double_nat": (IPv4Address("192.168.178.20"), IPv4Address("192.168.178.1"), 24),
}
_STALE = ForwardSeed("Plex", str(EXTERNAL_PORT), OLD, str(PLEX_PORT), "tcp")
_WEB_CAM = ForwardSeed("Web cam", str(EXTERNAL_PORT), _lan(20), "443", "tcp")
_EXPOSED = ForwardSeed("Plex direct", str(PLEX_PORT), RESERVED, str(PLEX_PORT), "tcp")

SCENARIOS: Mapping[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "drifted",
            "nothing was ever set up: dynamic address, host firewall closed, no forward, Plex on automatic",
            address=OLD,
            reservations=(),
            forwards=(),
            rules=(),
            plex=AUTOMATIC,
        ),
        Scenario("in-order", "everything is as the playbook wants it, made by hand"),
        Scenario("cgnat", "all in order at home, but the ISP shares one public address", isp="cgnat"),
        Scenario("double-nat", "all in order at home, but the ISP's box is a router too", isp="double_nat"),
        Scenario("stale-forward", "the forward still leads to the server's old address", forwards=(_STALE,)),
        Scenario("foreign-rule", "the port is taken by a forward to another host", forwards=(_WEB_CAM,)),
        Scenario("host-firewall", "only the host's firewall lacks its rule", rules=()),
        Scenario("exposed-32400", "a second forward exposes 32400", forwards=(FORWARD, _EXPOSED)),
        Scenario(
            "isp-blocks",
            "all in order, but the ISP drops the port",
            isp="isp_blocks",
            blocked_ports=frozenset({EXTERNAL_PORT}),
        ),
        Scenario(
            "outside-cut",
            "drifted, and nobody outside can say whether the port is open: no vantage, Plex is throttled",
            address=OLD,
            reservations=(),
            forwards=(),
            rules=(),
            plex=AUTOMATIC,
            outside=False,
        ),
    )
}
