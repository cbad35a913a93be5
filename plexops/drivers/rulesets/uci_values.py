"""Single values of /etc/config/firewall as firewall4 reads them. None is what it calls an invalid value.

Source: openwrt/firewall4 b6e5157, root/usr/share/ucode/fw4.uc (its `parse_…` functions) and nft 1.0.6, which is fed with
what firewall4 makes of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from types import MappingProxyType
from typing import Literal

from plexops.model.exchange import Json
from plexops.model.intervals import Numbers
from plexops.model.packets import Family, Side

AnyFamily = Literal[0, 4, 6]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_FLAGS: Mapping[str, bool] = MappingProxyType(
    dict.fromkeys(("1", "on", "true", "yes"), True) | dict.fromkeys(("0", "off", "false", "no"), False)
)
POLICIES = ("accept", "reject", "drop")
TARGETS = (*POLICIES, "notrack", "helper", "mark", "dscp", "dnat", "snat", "masquerade")
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_UNITS = ("second", "minute", "hour", "day")
_A_MINUTE: Mapping[str, float] = MappingProxyType(
    {"second": 60, "minute": 1, "hour": 1 / 60, "day": 1 / 1440}
)
SET_FIELDS = ("ip", "port", "mac", "net", "set")
_PROTOCOL_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"all": ("",), "any": ("",), "*": ("",), "tcpudp": ("tcp", "udp"), "6": ("tcp",), "17": ("udp",)}
    | {"1": ("icmp",), "58": ("ipv6-icmp",), "icmpv6": ("ipv6-icmp",)}
)
#: Protocols that nft knows by name on every OpenWrt (/etc/protocols of base-files).
KNOWN_PROTOCOLS = _words(
    "ip icmp igmp ipencap tcp egp udp ipv6 ipv6-route ipv6-frag rsvp gre esp ah ipv6-icmp ipv6-nonxt ipv6-opts ospf "
    "ipip pim vrrp l2tp isis sctp udplite mpls-in-ip dccp"
)
#: Names of ICMP types in OpenWrt's own rules; what a longer list would call them decides nothing for TCP.
_ICMP_TYPES: frozenset[str] = _words(
    "any echo-reply echo-request ping destination-unreachable packet-too-big time-exceeded bad-header router-solicitation "
    "unknown-header-type router-advertisement neighbour-solicitation neighbour-advertisement parameter-problem"
)
#: Helpers for connection tracking in firewall4's own list; others may be added on the router.
HELPERS = _words("amanda ftp RAS Q.931 irc netbios-ns pptp sane sip snmp tftp rtsp")
_DSCP = re.compile(r"cs[0-7]|be|le|ef|af[1-4][1-3]", re.IGNORECASE)


def flag(text: str) -> bool | None:
    """Read yes or no; nothing but eight spellings, in small letters."""
    return _FLAGS.get(text)


def family(text: str) -> AnyFamily | None:
    """Read a family: any, or what has a 4, or a 6, somewhere."""
    if text in ("any", "all", "*"):
        return 0
    return 4 if text == "inet" or "4" in text else 6 if "6" in text else None


def choice(text: str, words: Sequence[str]) -> str | None:
    """Give the first word that begins like the text, in any case of letters."""
    return next((word for word in words if word.startswith(text.lower())), None)


def negation(text: str) -> tuple[bool, str] | None:
    """Part `! value`."""
    negated = text.lstrip(" \t").startswith("!")
    bare = (text.lstrip(" \t")[1:] if negated else text).strip()
    return (negated, bare) if bare else None


def number(text: str) -> int | float | None:
    """Read what ucode makes a number of; a whole one is an int. Leading zeros mean nothing."""
    if re.fullmatch(r"[+-]?(0[xX][0-9a-fA-F]+|[0-9]+)|", text):
        return int(text, 16) if "x" in text.lower() else int(text or "0")
    return float(text) if re.fullmatch(r"[+-]?[0-9]*\.?[0-9]+([eE][+-]?[0-9]+)?", text) else None


def port(text: str) -> tuple[bool, Numbers] | None:
    """Read `32400`, `32400-32410` or `32400:32410`, perhaps negated."""
    match = re.fullmatch(r"([ \t]*!)?\s*([0-9]{1,5})(?:[-:]([0-9]{1,5}))?\s*", text)
    if match is None:
        return None
    first, last = int(match[2]), int(match[3] or match[2])
    return (match[1] is not None, ((first, last),)) if first <= last <= 65535 else None


def protocol(text: str) -> tuple[str, ...] | None:
    """Read a protocol; `` is any. Its negation is read, and has no effect on what firewall4 makes of it."""
    parted = negation(text)
    return None if parted is None else _PROTOCOL_NAMES.get(parted[1].lower(), (parted[1].lower(),))


def mac(text: str) -> tuple[bool, str] | None:
    """Read a hardware address."""
    parted = negation(text)
    if (
        parted is None
        or re.fullmatch(r"([0-9a-f]{1,2}[:-]){5}[0-9a-f]{1,2}", parted[1], re.IGNORECASE) is None
    ):
        return None
    return parted[0], ":".join(f"{int(byte, 16):02x}" for byte in re.split("[:-]", parted[1]))


def per_minute(text: str) -> float | None:
    """Read `10/minute`; its negation is read, and has no effect."""
    parted = negation(text)
    match = re.fullmatch(r"([0-9]+)(?:/([a-z]+))?", parted[1]) if parted else None
    unit = choice(match[2] or "second", _UNITS) if match else None
    return int(match[1]) * _A_MINUTE[unit] if match and unit else None


def mark(text: str) -> tuple[bool, int, int] | None:
    """Read `value/mask`: whether it is negated, value, mask."""
    parted = negation(text)
    if parted is None or re.fullmatch(r"0?x?[0-9a-f]+(/0?x?[0-9a-f]+)?", parted[1], re.IGNORECASE) is None:
        return None
    value, _, mask = parted[1].partition("/")
    read = [number(value), number(mask or "0xffffffff")]
    value_mask = [n for n in read if isinstance(n, int) and n <= 0xFFFFFFFF]
    return (parted[0], *value_mask) if len(value_mask) == 2 else None  # type: ignore[return-value]


def weekdays(text: str) -> tuple[bool, frozenset[str]] | None:
    """Read days: whether they are negated, and which."""
    parted = negation(text)
    days = [choice(word, _DAYS) for word in parted[1].split()] if parted else []
    found = frozenset(day for day in days if day)
    return (parted[0], found) if parted and days and None not in days else None


def clock(text: str) -> bool:
    """Tell whether this is a time of day."""
    match = re.fullmatch(r"([0-9]{1,2})(?::([0-9]{1,2})(?::([0-9]{1,2}))?)?", text)
    return match is not None and int(match[1]) <= 23 and int(match[2] or 0) <= 59 and int(match[3] or 0) <= 59


def date(text: str) -> tuple[int, ...] | None:
    """Read a date: numbers that compare as dates do."""
    match = re.fullmatch(r"([0-9]{4})(?:-([0-9]{1,2})(?:-([0-9]{1,2})(?:T([0-9:]+))?)?)?", text)
    if match is None or not clock(match[4] or "0"):
        return None
    year, month, day = int(match[1]), int(match[2] or 1) or 1, int(match[3] or 1) or 1
    if not 1970 <= year <= 2038 or month > 12 or day > 31:
        return None
    return (year, month, day, *(int(part) for part in (match[4] or "0").split(":")))


def is_date(numbers: Sequence[int]) -> bool:
    """Tell whether the calendar has this day (firewall4 does not ask, nft does)."""
    try:
        datetime(numbers[0], numbers[1], numbers[2])  # noqa: DTZ001 - only the calendar is asked
    except ValueError:
        return False
    return True


def is_icmp_type(text: str) -> bool | None:
    """Tell whether this is a type of ICMP, `130/0` or a name; None for a name that may be one."""
    match = re.fullmatch(r"([0-9]+)(?:/([0-9]+))?", text)
    if match is None:
        return text in _ICMP_TYPES or None
    return int(match[1]) <= 255 and int(match[2] or 0) <= 255


def is_dscp(text: str) -> bool:
    """Tell whether this is a class of service."""
    parted = negation(text)
    value = number(parted[1]) if parted else None
    return parted is not None and (
        _DSCP.fullmatch(parted[1]) is not None or (value is not None and 0 <= value <= 63)
    )


def set_field(text: str) -> tuple[Side, str] | None:
    """Read what a set holds: `src_ip`, `dest_port`, `mac`."""
    side, bar, rest = text.partition("_")
    known = bool(bar) and side in ("src", "dst", "dest") and bool(rest)
    kind = choice(rest if known else text, SET_FIELDS)
    return None if kind is None else (Side.DESTINATION if known and side != "src" else Side.SOURCE, kind)


# --- Addresses and networks ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Subnet:
    """An address, a network or a range. `host` is the address that a translation to it takes.

    `masked`: under a mask with gaps or without the first bits, so that it is no interval. `refused`: why nft refuses it.
    """

    family: Family
    numbers: Numbers
    host: Numbers
    negated: bool = False
    masked: bool = False
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Network:
    """A logical interface: its kernel device, its addresses with their prefix lengths, the zone that it asks for."""

    device: str
    addresses: tuple[tuple[IPv4Address | IPv6Address, int], ...]
    zone: str


Networks = Mapping[str, Network]


def subnets(text: str, networks: Networks | None) -> tuple[bool, tuple[Subnet, ...]] | None:
    """Read an address, a network, a range, or the name of a logical interface: its networks, perhaps none.

    Without knowledge of the networks (None) every name that is no address counts as one without addresses.
    """
    parted = negation(text)
    if parted is None:
        return None
    negated, value = parted
    first, slash, rest = value.partition("/")
    if slash:
        found = None if "/" in rest else _with_mask(first, rest, negated)
        return None if found is None else (negated, (found,))
    low, dash, high = value.partition("-")
    start, end = address(low), address(high) if dash else address(low)
    if start is not None and end is not None and start.version == end.version:
        numbers = ((int(start), int(end)),)
        refused = "a range that ends before it begins" if int(end) < int(start) else ""
        return negated, (Subnet(_family(start), numbers, numbers, negated, refused=refused),)
    network = (networks or {}).get(value)
    if network is not None:
        return negated, tuple(_network(a, bits, negated) for a, bits in network.addresses)
    named = networks is None and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", value) is not None
    return (negated, ()) if named else None


def _with_mask(first: str, rest: str, negated: bool) -> Subnet | None:
    start, mask = address(first), address(rest)
    if start is None:
        return None
    width = start.max_prefixlen
    if mask is None:
        bits = number(rest)
        if not isinstance(bits, int):
            return None
        if bits < 0:
            return Subnet(_family(start), (), (), negated, masked=True)
        if bits > width:
            return Subnet(_family(start), (), (), negated, refused=f"a prefix of {bits} bits")
        return _network(start, bits, negated)
    if mask.version != start.version:
        return None
    ones = f"{int(mask):0{width}b}".rstrip("0")
    if "0" in ones:
        return Subnet(_family(start), (), (), negated, masked=True)
    return _network(start, len(ones), negated)


def _network(of: IPv4Address | IPv6Address, bits: int, negated: bool) -> Subnet:
    free = (1 << (of.max_prefixlen - bits)) - 1
    low = int(of) & ~free
    return Subnet(_family(of), ((low, low | free),), ((low, low),), negated)


def _family(of: IPv4Address | IPv6Address) -> Family:
    return 4 if of.version == 4 else 6


def address(text: str) -> IPv4Address | IPv6Address | None:
    """Read an address, as strictly as inet_pton does."""
    try:
        return None if "%" in text else ip_address(text)
    except ValueError:
        return None


def networks_of(dump: Json) -> dict[str, Network]:
    """Read `ubus call network.interface dump`: the logical interfaces by name."""
    return {str(one["interface"]): _logical(one) for one in interfaces_of(dump)}


def interfaces_of(dump: Json) -> list[Mapping[str, Json]]:
    """Give the objects of the dump that name a logical interface."""
    listed = dump.get("interface") if isinstance(dump, Mapping) else None
    return [
        one for one in _list(listed) if isinstance(one, Mapping) and isinstance(one.get("interface"), str)
    ]


def _logical(one: Mapping[str, Json]) -> Network:
    device, data = one.get("l3_device") or one.get("device"), one.get("data")
    listed = [*_list(one.get("ipv4-address")), *_list(one.get("ipv6-address"))]
    listed += [
        p.get("local-address") for p in _list(one.get("ipv6-prefix-assignment")) if isinstance(p, Mapping)
    ]
    found: list[tuple[IPv4Address | IPv6Address, int]] = []
    for entry in listed:
        if isinstance(entry, Mapping):
            of, bits = address(str(entry.get("address"))), entry.get("mask")
            if of is not None and isinstance(bits, int):
                found.append((of, bits))
    zone = data.get("zone") if isinstance(data, Mapping) else None
    return Network(str(device or ""), tuple(found), zone if isinstance(zone, str) else "")


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()
