"""How firewall4 reads the options of a section: one value that it does not take, and it skips the whole section.

What it takes is that of openwrt/firewall4, main of 2026, tried side by side with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface
from typing import TypeVar

from msgspec import Struct

from plexops.lab.routers.uci import Section

T = TypeVar("T")
Family = int | None
#: Interfaces by their name in netifd: the kernel's device and the addresses.
Networks = Mapping[str, tuple[str, tuple["Spot", ...]]]
IcmpType = Mapping[int, tuple[int, int | None]]
_BOOLEANS: Mapping[str, bool] = {
    **dict.fromkeys(("1", "on", "true", "yes"), True), **dict.fromkeys(("0", "off", "false", "no"), False),
}  # fmt: skip
_NUMBERS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "ipv6-icmp", "icmpv6": "ipv6-icmp"}
_POLICIES = ("accept", "reject", "drop")
_TARGETS = (*_POLICIES, "notrack", "helper", "mark", "dscp", "dnat", "snat", "masquerade")
_PORTS = re.compile(r"(\d{1,5})(?:[-:](\d{1,5}))?")
_MAC = re.compile(r"(?:[0-9a-fA-F]{1,2}[:-]){5}[0-9a-fA-F]{1,2}")
#: Type, and code where it is but one, by family.
ICMP: Mapping[str, IcmpType] = {
    "echo-reply": {4: (0, None), 6: (129, None)},
    "echo-request": {4: (8, None), 6: (128, None)},
    "destination-unreachable": {4: (3, None), 6: (1, None)},
    "time-exceeded": {4: (11, None), 6: (3, None)},
    "parameter-problem": {4: (12, None), 6: (4, None)},
    "packet-too-big": {6: (2, 0)},
    "bad-header": {6: (4, 0)},
    "unknown-header-type": {6: (4, 1)},
    "router-solicitation": {4: (10, None), 6: (133, None)},
    "router-advertisement": {4: (9, None), 6: (134, None)},
    "neighbour-solicitation": {6: (135, 0)},
    "neighbour-advertisement": {6: (136, 0)},
}


class Skipped(Exception):
    """The section has a value that firewall4 does not take, or lacks what it needs."""


class Spot(Struct, frozen=True):
    """An address, a network or a range of one family. `held` keeps the bits behind the prefix."""

    family: int
    text: str
    held: IPv4Interface | IPv6Interface | None = None
    negated: bool = False

    @property
    def host(self) -> str:
        """The address alone, as the interface has it."""
        return str(self.held.ip) if self.held else self.text

    @property
    def target(self) -> str:
        """What packets are sent to: the first address of a network."""
        return str(self.held.network.network_address) if self.held else self.text

    def encloses(self, other: Spot) -> bool:
        """Tell whether another address is in this one's network."""
        first = ip_address(other.text.partition("-")[0]) if other.held is None else other.held.ip
        return bool(self.held and self.family == other.family and first in self.held.network)


class Port(Struct, frozen=True):
    """A port or a range, as nft writes it."""

    text: str
    negated: bool


class Options(Struct, frozen=True):
    """One section. `networks` gives addresses for the names of interfaces."""

    section: Section
    networks: Networks

    def word(self, name: str, default: str = "") -> str:
        """Give an option that may not be a list; an empty one is not there.

        Raises Skipped.
        """
        value = self.section.options.get(name) or default
        if isinstance(value, list):
            raise Skipped(f"option '{name}' must not be a list")
        return value

    def words(self, name: str, default: str = "") -> Sequence[str]:
        """Give the items of an option that may be a list, or one text with blanks."""
        value = self.section.options.get(name) or default
        return value if isinstance(value, list) else value.split()

    def one(self, name: str, read: Callable[[str], T | None], default: str = "") -> T | None:
        """Read an option by a function that gives None for what it does not take.

        Raises Skipped.
        """
        text = self.word(name, default)
        return self._taken(name, text, read) if text else None

    def many(self, name: str, read: Callable[[str], T | None], default: str = "") -> tuple[T, ...]:
        """Read every item of an option.

        Raises Skipped.
        """
        return tuple(self._taken(name, text, read) for text in self.words(name, default))

    def each(
        self, name: str, read: Callable[[str], tuple[T, ...] | None], default: str = ""
    ) -> tuple[T, ...]:
        """Read every item of an option where one may stand for several.

        Raises Skipped.
        """
        return tuple(one for several in self.many(name, read, default) for one in several)

    def switch(self, name: str, default: str = "") -> bool:
        """Read a switch."""
        return self.one(name, _BOOLEANS.get, default) is True

    def spots(self, name: str) -> tuple[Spot, ...]:
        """Read addresses and networks of a list."""
        return self.each(name, self._spots)

    def spot(self, name: str) -> tuple[Spot, ...]:
        """Read one address, network or interface's name: these may have several addresses."""
        return self.one(name, self._spots) or ()

    def _spots(self, text: str) -> tuple[Spot, ...] | None:
        negated, rest = inverted(text)
        if rest in self.networks:
            return tuple(Spot(s.family, s.text, s.held, negated) for s in self.networks[rest][1])
        try:
            return (spot(rest, negated=negated),)
        except ValueError:
            return None

    def _taken(self, name: str, text: str, read: Callable[[str], T | None]) -> T:
        value = read(text)
        if value is None:
            raise Skipped(f"option '{name}' specifies invalid value '{text}'")
        return value


def inverted(text: str) -> tuple[bool, str]:
    """Take the exclamation mark off."""
    rest = text.strip()
    return rest.startswith("!"), rest.removeprefix("!").strip()


def spot(text: str, *, negated: bool = False) -> Spot:
    """Read `192.0.2.1`, `192.0.2.0/24` or `192.0.2.1-192.0.2.9`.

    Raises ValueError.
    """
    first, dash, last = text.partition("-")
    if dash:
        low, high = ip_address(first), ip_address(last)
        if low.version != high.version:
            raise ValueError(text)
        return Spot(low.version, f"{low}-{high}", negated=negated)
    held = ip_interface(text)
    single = held.network.prefixlen == held.max_prefixlen
    return Spot(held.version, str(held.ip if single else held.network), held, negated)


def port(text: str) -> Port | None:
    """Read a port or a range of them."""
    negated, rest = inverted(text)
    match = _PORTS.fullmatch(rest)
    if match is None:
        return None
    first, last = int(match[1]), int(match[2] or match[1])
    if first > last or last > 65535:
        return None
    return Port(str(first) if first == last else f"{first}-{last}", negated)


def mac(text: str) -> Port | None:
    """Read a hardware address."""
    negated, rest = inverted(text)
    if not _MAC.fullmatch(rest):
        return None
    return Port(":".join(f"{int(byte, 16):02x}" for byte in re.split("[:-]", rest)), negated)


def family(text: str) -> int | None:
    """Read a family: 0 for any."""
    if text in ("any", "all", "*"):
        return 0
    if text == "inet" or "4" in text:
        return 4
    return 6 if "6" in text else None


def protocols(text: str) -> tuple[str, ...] | None:
    """Read a protocol: empty for any."""
    name = inverted(text)[1].lower()
    if name in ("all", "any", "*"):
        return ("",)
    if name == "tcpudp":
        return ("tcp", "udp")
    return (_NUMBERS.get(name, name),) if name else None


def policy(text: str) -> str | None:
    """Read a policy, which may be abbreviated."""
    return next((name for name in _POLICIES if name.startswith(text.lower())), None)


def target(text: str) -> str | None:
    """Read a target, which may be abbreviated."""
    return next((name for name in _TARGETS if name.startswith(text.lower())), None)


def limit(text: str) -> str | None:
    """Read `1000/sec` as nft writes it."""
    match = re.fullmatch(r"(\d+)(?:/([a-z]+))?", text)
    units = ("second", "minute", "hour", "day")
    unit = next((u for u in units if match and u.startswith(match[2] or "second")), None)
    return f"{match[1]}/{unit}" if match and unit else None


def icmp_type(text: str) -> IcmpType | None:
    """Read a type of ICMP by name, or by number with its code."""
    if text in ICMP:
        return ICMP[text]
    match = re.fullmatch(r"(\d+)(?:/(\d+))?", text)
    if match is None or int(match[1]) > 255:
        return None
    both = (int(match[1]), int(match[2]) if match[2] else None)
    return {4: both, 6: both}


def inferred(wanted: Family, *of: Family) -> Family:
    """Give the family that a section is for, by what it names.

    Raises Skipped where two of these contradict each other.
    """
    for other in of:
        if not other or other == wanted:
            continue
        if wanted:
            raise Skipped(f"references IPv{other} only but is restricted to IPv{wanted}")
        wanted = other
    return wanted


def family_of(spots: Sequence[Spot]) -> Family:
    """Give the family of addresses: 0 where there are both, None where there are none."""
    found = {spot.family for spot in spots}
    return found.pop() if len(found) == 1 else 0 if found else None
