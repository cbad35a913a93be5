"""OpenWrt's named sets (ipset sections) and what is matched against them.

Source: openwrt/firewall4 b6e5157, root/usr/share/ucode/fw4.uc. A set without entries, with a timeout or with options that
are not known is one that the running router fills.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from plexops.drivers.rulesets import uci_values as v
from plexops.drivers.rulesets.uci_matches import Matches, by_family
from plexops.drivers.rulesets.uci_sections import Known, Section, Skipped, read
from plexops.model.intervals import Numbers, normalise
from plexops.model.packets import AddressIn, AnyOf, MacIn, Match, NamedSet, Other, PortIn, SetHas, Side
from plexops.parsers.base import Row


@dataclass(frozen=True, slots=True)
class SetDefinition:
    """A named set: the kinds of its fields with their sides, its entries by field. `unread`: why those are not all."""

    name: str
    family: v.AnyFamily
    fields: tuple[tuple[Side, str], ...]
    entries: tuple[tuple[str, ...], ...]
    unread: str
    refused: str

    @property
    def has_port(self) -> bool:
        """Whether only TCP and UDP can be matched against it."""
        return any(kind == "port" for _, kind in self.fields)


def read_set(row: Row, known: Known) -> SetDefinition:
    """Read an ipset section. Raises Skipped where firewall4 leaves it out."""
    section = read(row, known)
    fields = tuple(field for text in section.texts("match") if (field := v.set_field(text)) is not None)
    kinds = {kind for _, kind in fields}
    family = v.family(section.text("family", "4")) or 0
    if section.off or not fields or "set" in kinds or (family == 0 and kinds & {"ip", "net"}):
        raise Skipped(section.off or "no fields that firewall4 can match")
    unread = ""
    if section.text("loadfile"):
        unread = f"filled from {section.text('loadfile')}"
    elif not section.texts("entry") or (v.number(section.text("timeout", "-1")) or 0) >= 0 or section.unknown:
        unread = "filled while the router runs"
    parted = [tuple(text.split()) for text in section.texts("entry")]
    read_entries = (_entry(entry, fields, family, known) for entry in parted)
    entries = tuple(entry for entry in read_entries if entry is not None)
    ranges = "net" in kinds and any("-" in part for entry in entries for part in entry)
    return SetDefinition(section.name, family, fields, entries, unread, "a range in a set" if ranges else "")


def _entry(
    entry: Sequence[str], fields: Sequence[tuple[Side, str]], family: int, known: Known
) -> tuple[str, ...] | None:
    """Give an entry where firewall4 takes it."""
    if len(entry) != len(fields):
        return None
    for text, (_, kind) in zip(entry, fields, strict=True):
        if kind in ("ip", "net"):
            read_networks = v.subnets(text, known.networks)
            if read_networks is None or read_networks[0] or not by_family(read_networks[1], family):
                return None
        elif kind == "port":
            read_port = v.port(text)
            if read_port is None or read_port[0] or read_port[1][0][0] != read_port[1][0][1]:
                return None
        elif (read_mac := v.mac(text)) is None or read_mac[0]:
            return None
    return tuple(entry)


def _element(text: str, side: Side, kind: str, definition: SetDefinition, known: Known) -> Match:
    if kind == "mac":
        read_mac = v.mac(text)
        return Match(MacIn(frozenset({read_mac[1]} if read_mac else ())), words=text)
    if kind == "port":
        read_port = v.port(text)
        return Match(PortIn(side, read_port[1] if read_port else ()), words=text)
    family = 4 if definition.family == 4 else 6
    return Match(AddressIn(side, family, _numbers(text, definition, known)), words=text)  # type: ignore[arg-type]


def _numbers(text: str, definition: SetDefinition, known: Known) -> Numbers:
    """Give the address of an entry, or the network where the set holds networks."""
    read_networks = v.subnets(text, known.networks)
    found = by_family(read_networks[1] if read_networks else (), definition.family)[:1]
    if any(kind == "net" for _, kind in definition.fields):
        return normalise(pair for one in found for pair in one.numbers)
    first = text.partition("/")[0].partition("-")[0]
    alone = v.address(first)
    if alone is not None:
        return ((int(alone), int(alone)),)
    own = [a for a, _ in (known.networks or {})[text].addresses if a.version == definition.family][:1]
    return tuple((int(a), int(a)) for a in own)


def named_set(definition: SetDefinition, known: Known) -> NamedSet:
    """Give the addresses of a set with one field of addresses."""
    numbers = normalise(pair for (text,) in definition.entries for pair in _numbers(text, definition, known))
    if definition.family == 4:
        return NamedSet(v4=numbers, unread=definition.unread)
    return NamedSet(v6=numbers, unread=definition.unread)


def is_named(definition: SetDefinition) -> bool:
    """Tell whether a set is one of addresses only."""
    return len(definition.fields) == 1 and definition.fields[0][1] in ("ip", "net")


def set_match(
    section: Section, protocol: str, definitions: Mapping[str, SetDefinition], known: Known
) -> Matches:
    """Match the set that a section names. Raises Skipped where firewall4 cannot."""
    parted = v.negation(section.text("ipset"))
    if parted is None:
        return ()
    negated, words = parted[0], section.said("ipset")
    name, *wanted = parted[1].replace(",", " ").split() if " " in parted[1] else [parted[1]]
    definition = definitions[name]
    sides = _sides(definition, wanted)
    if (Side.DESTINATION, "mac") in sides:
        raise Skipped("firewall4 skips this section: it cannot match a destination's hardware address")
    if definition.has_port and protocol not in ("tcp", "udp"):
        return (Match(Other(words), words=words),)
    if is_named(definition):
        return (Match(SetHas(sides[0][0], set_id(name)), negated, words),)
    if definition.unread:
        return (Match(Other(words), words=words),)
    branches = tuple(
        tuple(_element(text, *field, definition, known) for text, field in zip(entry, sides, strict=True))
        for entry in definition.entries
    )
    return (Match(AnyOf(branches), negated, words),)


def _sides(definition: SetDefinition, wanted: Sequence[str]) -> list[tuple[Side, str]]:
    """Give the fields with the sides that a section wants, else with the set's own."""
    found: list[tuple[Side, str]] = []
    for index, (side, kind) in enumerate(definition.fields):
        word = wanted[index] if index < min(len(wanted), 3) else ""
        said = {"src": Side.SOURCE, "dst": Side.DESTINATION, "dest": Side.DESTINATION}.get(word, side)
        found.append((said, kind))
    return found


def set_id(name: str) -> str:
    """Give the name of a set as the box's sets bear it."""
    return f"inet fw4 {name}"
