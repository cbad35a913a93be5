"""OpenWrt's firewall zones, as firewall4 reads them. Source: openwrt/firewall4 b6e5157, root/usr/share/ucode/fw4.uc."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from plexops.drivers.rulesets import uci_values as v
from plexops.drivers.rulesets.uci_matches import (
    Matches,
    address_groups,
    by_family,
    family_match,
    inferred,
    interface_match,
    networks,
    only_family,
)
from plexops.drivers.rulesets.uci_sections import Known, Section, Skipped, read
from plexops.model.packets import Family, Match, Other, Side
from plexops.parsers.base import Row

DEFAULT_POLICY = "drop"


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone. `family` 0: both. Each of `groups` makes a rule of its own; the names in `not_devices` belong to each."""

    section: Section
    family: v.AnyFamily
    groups: tuple[tuple[str, ...], ...]
    not_devices: tuple[tuple[str, ...], ...]
    subnets: tuple[v.Subnet, ...]
    addresses: tuple[tuple[IPv4Address | IPv6Address, int], ...]
    defaults: Section

    @property
    def name(self) -> str:
        """Its name, as chains bear it."""
        return self.section.name

    def policy(self, way: str) -> str:
        """Give what becomes of what no rule took: `input`, `output` or `forward`."""
        return policy(self.section, way) or policy(self.defaults, way) or DEFAULT_POLICY

    @property
    def masquerades(self) -> tuple[Family, ...]:
        """Give the families of which what leaves by this zone takes the router's address."""
        families: tuple[Family, ...] = (4, 6)
        return tuple(of for of in families if self.section.flag("masq" if of == 4 else "masq6"))

    def entries(self, side: Side) -> list[Matches]:
        """Give the matches of each rule that stands for “from this zone” or “to this zone”."""
        families: tuple[v.AnyFamily, ...] = (4, 6)
        if self.family or not self.subnets:
            families = (self.family,)
        return [
            (*family_match(family), *self._devices(side, names), *subnets)
            for names in self.groups
            for family in families
            for subnets in self._subnets(side, family)
        ]

    def _subnets(self, side: Side, family: v.AnyFamily) -> list[Matches]:
        if family == 0:
            return [()]
        return address_groups(side, family, by_family(self.subnets, family), self.section.said("subnet"))

    def _devices(self, side: Side, names: Sequence[str]) -> Matches:
        found = list(interface_match(side, names))
        for listed in self.not_devices:
            found += interface_match(side, listed, negated=True)
        return (*found, *(Match(Other(words), words=words) for words in self.section.unknown))


def policy(section: Section, way: str) -> str:
    """Give the policy that a section sets, else nothing."""
    value = section.text(way)
    return (v.choice(value, v.POLICIES) or "") if value else ""


def read_zone(row: Row, known: Known, defaults: Section) -> Zone:
    """Read a zone. Raises Skipped where firewall4 leaves it out."""
    section = read(row, known)
    if section.off:
        raise Skipped(section.off)
    there = known.networks or {}
    listed = [*_negations(section, "network"), *((False, n) for n in there if there[n].zone == section.name)]
    logical = [(negated, there[name]) for negated, name in listed if name in there]
    devices = [(negated, network.device) for negated, network in logical if network.device]
    devices += _negations(section, "device")
    subnets = networks(section, "subnet", known.networks)
    family = inferred(v.family(section.text("family", "any")), [(only_family(subnets), "subnet")]) or 0
    groups, not_devices = _groups(devices)
    addresses = tuple(pair for _, network in logical for pair in network.addresses)
    groups = groups if devices or subnets else ()
    return Zone(section, family, groups, not_devices, tuple(subnets), addresses, defaults)


def _negations(section: Section, option: str) -> list[tuple[bool, str]]:
    return [parted for text in section.texts(option) if (parted := v.negation(text)) is not None]


def _groups(
    devices: Iterable[tuple[bool, str]],
) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...]]:
    """Group as firewall4 does: each wildcard is a rule of its own; `+` alone is any, `!+` none; a `*` counts for nothing."""
    plain: list[str] = []
    wild: list[str] = []
    not_these: list[tuple[str, ...]] = []
    for negated, name in devices:
        if "+" in name[:-1] or name == "*" or (name == "+" and not negated):
            continue
        named = f"{name[:-1]}*" if name.endswith("+") else name
        if name == "+":
            wild.append("/never/")
        elif negated:
            not_these.append((named,))
        else:
            (plain if named == name else wild).append(named)
    return (*((name,) for name in wild), *((tuple(plain),) if plain or not wild else ())), tuple(not_these)
