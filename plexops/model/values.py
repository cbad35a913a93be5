"""Small values that several words share: MAC addresses, port sets, protocols, keys."""

from __future__ import annotations

import re
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from msgspec import Struct

from plexops.model.intervals import Numbers, normalise, show_ports, single
from plexops.pattern import Pattern

PLEX_PORT = 32400

#: What `ipaddress.is_private` cannot tell apart (it calls documentation ranges private and 100.64/10 not).
PRIVATE_NETWORKS: tuple[IPv4Network, ...] = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
)
CARRIER_NAT_NETWORKS: tuple[IPv4Network, ...] = (IPv4Network("100.64.0.0/10"),)
#: DS-Lite (RFC 6333) and 464XLAT (RFC 7335): there is no way in over IPv4 at all.
TRANSITION_NETWORKS: tuple[IPv4Network, ...] = (IPv4Network("192.0.0.0/29"),)
UNUSABLE_NETWORKS: tuple[IPv4Network, ...] = (
    IPv4Network("0.0.0.0/8"),
    IPv4Network("127.0.0.0/8"),
    IPv4Network("169.254.0.0/16"),
    IPv4Network("224.0.0.0/3"),
)
#: No host on the internet has such an address. Documentation ranges are not among them: they are the lab's internet.
NOT_PUBLIC_NETWORKS = (*PRIVATE_NETWORKS, *CARRIER_NAT_NETWORKS, *TRANSITION_NETWORKS, *UNUSABLE_NETWORKS)

#: Global unicast: all that is given out of IPv6 (RFC 4291).
_PUBLIC_IPV6 = IPv6Network("2000::/3")

_MAC = Pattern(r"^([0-9A-Fa-f]{2})[:-]([0-9A-Fa-f]{2})[:-]([0-9A-Fa-f]{2})[:-]([0-9A-Fa-f]{2})[:-]"
                  r"([0-9A-Fa-f]{2})[:-]([0-9A-Fa-f]{2})$")  # fmt: skip
_KEY = Pattern(r"[a-z][a-z0-9_]{0,19}")


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether an address can be one on the internet."""
    if isinstance(address, IPv6Address):
        return address in _PUBLIC_IPV6
    return not any(address in network for network in NOT_PUBLIC_NETWORKS)


class Endpoint(Struct, frozen=True):
    """Where a connection goes: an address or a name, and a port."""

    host: str
    port: int

    @property
    def address(self) -> IPv4Address | IPv6Address | None:
        """The address; None for a name."""
        try:
            return ip_address(self.host)
        except ValueError:
            return None

    @property
    def over_ipv6(self) -> bool:
        """Whether it is an address of IPv6."""
        return ":" in self.host

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Read `203.0.113.20:32500`, `[2001:db8::50]:32400` or `name:443`. ValueError: it is none."""
        host, _, port = text.rpartition(":")
        if not host or not port.isdecimal():
            raise ValueError(f"{text!r} is no address and port")
        return cls(host.removeprefix("[").removesuffix("]"), int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if self.over_ipv6 else f"{self.host}:{self.port}"


def parse_mac(text: str) -> str:
    """Normalise a MAC address to lower case with colons.

    Raises ValueError for anything else, and for group addresses and the all-zero address, which no host owns.
    """
    match = _MAC.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a MAC address (six pairs of hexadecimal digits)")
    mac = ":".join(match.groups()).lower()
    if int(mac[:2], 16) & 1 or mac == "00:00:00:00:00:00":
        raise ValueError(f"{text!r} is no single host's MAC address")
    return mac


def is_key(text: str) -> bool:
    """Tell whether a text may be an entry's key: it becomes part of our tag on the device."""
    return _KEY.fullmatch(text) is not None


class Protocol(StrEnum):
    """What a forward carries."""

    TCP = "tcp"
    UDP = "udp"
    BOTH = "both"
    OTHER = "other"
    ANY = "any"

    def meets(self, other: Protocol) -> bool:
        """Tell whether a packet exists that both carry (`other` and `any` may hold everything)."""
        wide = {Protocol.BOTH, Protocol.ANY, Protocol.OTHER}
        return self is other or self in wide or other in wide


class Ports(Struct, frozen=True):
    """A set of port numbers as sorted, merged, inclusive ranges."""

    ranges: Numbers

    @classmethod
    def of(cls, *items: int | tuple[int, int]) -> Ports:
        """Build from numbers and (first, last) pairs; overlapping and adjacent ones are merged."""
        pairs = sorted((item, item) if isinstance(item, int) else item for item in items)
        for first, last in pairs:
            if not 0 <= first <= last <= 65535:
                raise ValueError(f"{first}-{last} is not a range of ports")
        return cls(normalise(pairs))

    @classmethod
    def parse(cls, text: str) -> Ports:
        """Read the ways in which devices write ports: `32500`, `1000-2000`, `1000:2000`, `25,465`.

        Digits only: signs, hexadecimal and underscores are refused (ValueError). An empty text is a ValueError
        too: what it means differs between devices, so the profile says it.
        """
        items: list[tuple[int, int]] = []
        for part in re.split(r"[,\s]+", text.strip()):
            match = re.fullmatch(r"([0-9]{1,5})(?:[-:]([0-9]{1,5}))?", part)
            if match is None:
                raise ValueError(f"{text!r} is not a port or a range of ports")
            first = int(match[1])
            items.append((first, int(match[2]) if match[2] else first))
        return cls.of(*items)

    def __contains__(self, port: int) -> bool:
        return any(first <= port <= last for first, last in self.ranges)

    def overlaps(self, other: Ports) -> bool:
        """Tell whether any port is in both sets."""
        return any(a <= d and c <= b for a, b in self.ranges for c, d in other.ranges)

    @property
    def single(self) -> int | None:
        """The only port of this set, if it is just one."""
        return single(self.ranges)

    @property
    def everything(self) -> bool:
        """Whether no port is left out (0 does not count: it is never on the wire)."""
        return len(self.ranges) == 1 and self.ranges[0][0] <= 1 and self.ranges[0][1] == 65535

    def __str__(self) -> str:
        return show_ports(self.ranges)


ALL_PORTS = Ports.of((1, 65535))
