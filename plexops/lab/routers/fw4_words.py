"""The parts of firewall4's rules in nft's words, in the order in which it writes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from plexops.lab.routers.fw4_values import Family, IcmpType, Options, Port, Spot
from plexops.structs import replace

OFF = frozenset({"0", "no", "off", "false", "disabled"})
HUMAN = {4: "IPv4", 6: "IPv6"}
_NAMES = {4: "ipv4", 6: "ipv6"}
_LAYERS = {4: "ip", 6: "ip6"}


class Zone(Struct):
    """A zone; `sources` and `flags` are which chains of its own others need."""

    name: str
    devices: tuple[str, ...]
    subnets: tuple[Spot, ...]
    policies: Mapping[str, str]
    masquerades: frozenset[int]
    allows_invalid: bool
    clamps: bool
    counter: str
    sources: set[str] = set()
    flags: set[str] = set()


class NamedSet(Struct, frozen=True):
    """A named set: the side (`s`, `d`) and the kind of each of its fields, and its elements in nft's words."""

    name: str
    family: int
    fields: tuple[tuple[str, str], ...]
    elements: tuple[str, ...]

    def match(self, protocol: str, sides: Sequence[str]) -> str:
        """Write what is looked up in it; a rule may name other sides."""
        words = []
        for place, (side, kind) in enumerate(self.fields):
            asked = sides[place] if place < len(sides) else ""
            letter = {"src": "s", "dst": "d", "dest": "d"}.get(asked, side)
            layer = {"port": protocol, "mac": "ether"}.get(kind, _LAYERS[self.family])
            words.append(f"{layer} {letter}{'port' if kind == 'port' else 'addr'}")
        return " . ".join(words)

    def text(self) -> str:
        """Write its definition."""
        address = "ipv4_addr" if self.family == 4 else "ipv6_addr"
        types = [{"port": "inet_service", "mac": "ether_addr"}.get(kind, address) for _, kind in self.fields]
        spans = any(kind == "net" for _, kind in self.fields)
        lines = [f"type {' . '.join(types)}", *(["auto-merge", "flags interval"] if spans else [])]
        if self.elements:
            lines.append("elements = {")
            lines += [f"\t{' . '.join(entry.split())}," for entry in self.elements]
            lines.append("}")
        return f"\tset {self.name} {{\n" + "".join(f"\t\t{line}\n" for line in lines) + "\t}\n"


class Matches(Struct, frozen=True):
    """What a rule asks of packets, in the order in which firewall4 writes it."""

    family: Family
    protocol: str
    sources: Sequence[Spot] = ()
    destinations: Sequence[Spot] = ()
    source_ports: Sequence[Port] = ()
    ports: Sequence[Port] = ()
    macs: Sequence[Port] = ()
    icmp: str = ""
    more: str = ""

    def text(self, *, translates: bool = False) -> str:
        """Write it; a rule that translates a port names its protocol by that port already."""
        words = []
        layer = _LAYERS.get(self.family or 0, "")
        if self.family and not (self.sources or self.destinations):
            words.append(f"meta nfproto {_NAMES[self.family]}")
        if self.protocol and not (self.ports or self.source_ports or self.icmp or translates):
            both = self.protocol == "icmp" and not self.family
            six = self.protocol == "icmp" and self.family == 6
            words.append(
                f"meta l4proto {'{ icmp, ipv6-icmp }' if both else 'ipv6-icmp' if six else self.protocol}"
            )
        words += sided(f"{layer} saddr", [(s.text, s.negated) for s in self.sources])
        words += sided(f"{layer} daddr", [(s.text, s.negated) for s in self.destinations])
        words += sided(f"{self.protocol} sport", [(p.text, p.negated) for p in self.source_ports])
        words += sided(f"{self.protocol} dport", [(p.text, p.negated) for p in self.ports])
        words += sided("ether saddr", [(m.text, m.negated) for m in self.macs])
        return " ".join([*words, *filter(None, (self.icmp, self.more))])


def sided(what: str, found: Sequence[tuple[str, bool]]) -> list[str]:
    """Write those that shall match, then those that shall not."""
    words = []
    for wanted, operator in ((False, ""), (True, "!= ")):
        texts = list(dict.fromkeys(text for text, negated in found if negated is wanted))
        if texts:
            value = texts[0] if len(texts) == 1 else "{ " + ", ".join(texts) + " }"
            words.append(f"{what} {operator}{value}")
    return words


def comment(text: str) -> str:
    """Write a rule's comment; nft has no way to write a double quote in it."""
    return f'comment "!fw4: {text.replace(chr(34), chr(39))}"'


def sentence(*words: str) -> str:
    """Put the parts of a rule together."""
    return " ".join(filter(None, words))


def counted(options: Options, name: str) -> str:
    """Write a section's counter and log."""
    words = ["counter"] if options.switch("counter", "1") else []
    log = options.word("log")
    if log and log not in OFF:
        prefix = f"{name}: " if log in ("1", "on", "true", "yes") else log
        words.append(f'log prefix "{prefix.replace(chr(34), chr(39))}"')
    return " ".join(words)


def of_family(spots: Sequence[Spot], family: Family) -> tuple[Spot, ...]:
    """Give the addresses of one family."""
    return tuple(spot for spot in spots if spot.family == family)


def by_family(
    asked: Matches, sources: Sequence[Spot], destinations: Sequence[Spot], icmp: Sequence[IcmpType]
) -> Iterator[Matches]:
    """Give a traffic rule's matches: one for both families, or one or two for each."""
    special = {
        f for f in (4, 6) if of_family((*sources, *destinations), f) or any(f in types for types in icmp)
    }
    if not asked.family and not special:
        yield asked
        return
    family = asked.family
    if family is None:
        family = special.pop() if len(special) == 1 else 0
    for one in (4, 6):
        if family not in (0, one):
            continue
        found = [types[one] for types in icmp if one in types]
        plain = [str(number) for number, code in found if code is None]
        coded = [f"{number} . {code}" for number, code in found if code is not None]
        base = replace(
            asked, family=one, sources=of_family(sources, one), destinations=of_family(destinations, one)
        )
        layer = "icmp" if one == 4 else "icmpv6"
        if plain or not coded:
            yield replace(base, icmp=" ".join(sided(f"{layer} type", [(text, False) for text in plain])))
        if coded:
            yield replace(base, icmp=f"{layer} type . {layer} code {{ {', '.join(coded)} }}")
