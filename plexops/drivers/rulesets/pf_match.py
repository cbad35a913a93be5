"""What a row of OPNsense's rules matches on, whether it is of destination NAT or of the filter.

Sources: `Rule.php` and `ForwardRule.php` of OPNsense core 26.1 to 26.7, and pf.conf(5).
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from plexops.drivers.rulesets.pf_words import ByFamily, Names, Row, listed, on, text
from plexops.model import matches as model
from plexops.model.intervals import Numbers, normalise, size, unite
from plexops.model.matches import BOTH_FAMILIES, AnyOf, Family, Match, Side, other
from plexops.model.packets import SetTag

WITH_PORTS = frozenset({"tcp", "udp", "tcp/udp"})
FAMILIES: Mapping[str, frozenset[Family]] = {
    "inet": frozenset({4}),
    "inet6": frozenset({6}),
    "inet46": BOTH_FAMILIES,
    "": BOTH_FAMILIES,
}
_NUMBERED: Mapping[str, str] = {"6": "tcp", "17": "udp"}


class Shape(Struct, frozen=True):
    """How one kind of rows names its fields. `joint` stands between a side and what is said of it; `known` are all
    fields that are modelled, or that let the same packets through whatever they say."""

    joint: str
    network: str
    known: frozenset[str]

    def address(self, row: Row, side: Side) -> str:
        """Give what a row says of an address: `network`, or what an older version calls `address`."""
        return text(row, f"{side}{self.joint}{self.network}") or text(row, f"{side}{self.joint}address")

    def port(self, row: Row, side: Side) -> str:
        """Give what a row says of a port."""
        return text(row, f"{side}{self.joint}port")

    def negated(self, row: Row, side: Side) -> bool:
        """Tell whether the address is turned round."""
        return on(row, f"{side}{self.joint}not")


def families_of(row: Row) -> frozenset[Family]:
    """Give the families that a row is for."""
    return FAMILIES.get(text(row, "ipprotocol"), BOTH_FAMILIES)


def tags_of(row: Row) -> tuple[SetTag, ...]:
    """Give what a row writes on a packet."""
    return (SetTag(text(row, "tag")),) if text(row, "tag") else ()


def keys_of(row: Row, names: Names | None = None) -> list[str]:
    """Give the interfaces that a row names. Older rules are shown with descriptions, in which a comma may stand."""
    written = text(row, "interface")
    if names is not None and names.interfaces.devices(written) is not None:
        return [written]
    return [key.strip() for key in written.split(",") if key.strip()]


def matches(row: Row, names: Names, shape: Shape) -> list[Match]:
    """Give what both kinds of rows match on."""
    families = families_of(row)
    found = _on_interfaces(row, names)
    if text(row, "ipprotocol") not in FAMILIES:
        found.append(other(f"ipprotocol {text(row, 'ipprotocol')}"))
    if families != BOTH_FAMILIES:
        found.append(Match(model.FamilyIs(families), words=text(row, "ipprotocol")))
    protocol = text(row, "protocol").lower()
    if protocol not in ("", "any"):
        of = frozenset(_NUMBERED.get(name, name) for name in protocol.split("/"))
        found.append(Match(model.ProtocolIs(of), words=f"proto {protocol}"))
    for side in Side:
        found += _addresses(row, names, families, side, shape)
        word = shape.port(row, side)
        # For other protocols destination NAT leaves the ports out (`legacyMoveAddressFields`).
        if word in ("", "any") or (protocol not in WITH_PORTS and shape.joint == "."):
            continue
        pairs = names.pairs(word) if protocol in WITH_PORTS else None
        words = f"{side} port {word}"
        found.append(
            other(words) if pairs is None else Match(model.PortIn(side, normalise(pairs)), words=words)
        )
    if text(row, "tagged"):
        found.append(Match(model.TagIs(text(row, "tagged")), words=f"tagged {text(row, 'tagged')}"))
    return found + [other(f"{name} {row[name]}") for name in row if _strange(row, name, shape)]


def _strange(row: Row, name: str, shape: Shape) -> bool:
    """Tell whether a field is not known here; `%…` and `alias_meta_…` are what the web interface shows."""
    if name in shape.known or name.startswith(("%", "alias_meta_")):
        return False
    return on(row, name) or (isinstance(row[name], Mapping) and bool(row[name]))


def _one_of(branches: list[Match], words: str) -> Match:
    """Put alternatives into one match; without any it never holds."""
    return branches[0] if len(branches) == 1 else Match(AnyOf(tuple((one,) for one in branches)), words=words)


def _on_interfaces(row: Row, names: Names) -> list[Match]:
    """Give the match on where a packet arrives. None named: everywhere. `Rule.php` writes one rule for each that is
    named, also where they are inverted."""
    inverted = on(row, "interfacenot")
    words = f"on {'! ' if inverted else ''}{text(row, 'interface')}"
    found = [names.interfaces.devices(key) for key in keys_of(row, names)]
    known = [devices for devices in found if devices is not None]
    if not found:
        return []
    if len(known) == len(found) and not inverted:
        together = tuple(dict.fromkeys(name for devices in known for name in devices))
        return [Match(model.InterfaceIs(Side.SOURCE, together), words=words)]
    branches = [Match(model.InterfaceIs(Side.SOURCE, devices), inverted, words) for devices in known]
    return [_one_of(branches + [other(words)] * (len(known) < len(found)), words)]


def _addresses(row: Row, names: Names, families: frozenset[Family], side: Side, shape: Shape) -> list[Match]:
    """Give the match on an address. A list is one rule for each in it, and so is a list that is turned round."""
    written, negated = shape.address(row, side), shape.negated(row, side)
    items = [item.strip("<>") for item in listed(written)]
    if not items or "any" in items:
        return []
    words = f"{side} {'! ' if negated else ''}{written}"
    plain: dict[Family, Numbers] = {}
    branches: list[Match] = []
    for item in items:
        found = names.addresses(item)
        if found is None:
            branches.append(other(words))
        elif isinstance(found, str):
            branches.append(Match(model.SetHas(side, found), negated, words))
        elif negated:
            branches += _in(side, found, families, words, negated=True)
        else:
            for family, numbers in found.items():
                plain[family] = unite(plain.get(family, ()), numbers)
    branches += _in(side, plain, families, words, negated=False)
    return [_one_of(branches, words)]


def _in(
    side: Side, found: ByFamily, families: frozenset[Family], words: str, *, negated: bool
) -> list[Match]:
    return [
        Match(model.AddressIn(side, family, numbers), negated, words)
        for family, numbers in sorted(found.items())
        if family in families and (negated or size(numbers))
    ]


def words_of(row: Row, verb: str, shape: Shape) -> str:
    """Write a rule as pf's text has it, with OPNsense's own words in it."""
    interface, family, protocol = (text(row, name) for name in ("interface", "ipprotocol", "protocol"))
    parts = [verb]
    if interface:
        parts.append(f"on {'! ' if on(row, 'interfacenot') else ''}{interface}")
    parts += [family] * bool(family) + [f"proto {protocol.lower()}"] * bool(protocol)
    for side, word in ((Side.SOURCE, "from"), (Side.DESTINATION, "to")):
        turned = "! " if shape.negated(row, side) else ""
        parts.append(f"{word} {turned}{shape.address(row, side) or 'any'}")
        if port := shape.port(row, side):
            parts.append(f"port {port}")
    return " ".join(parts)
