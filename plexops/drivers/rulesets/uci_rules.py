"""What firewall4 makes of one rule, redirect, nat or forwarding section: in which chain, with which matches and effects.

Source: openwrt/firewall4 b6e5157, root/usr/share/ucode/fw4.uc. Harmless here, so without rules: the targets `helper` and
`dscp`; reflection (it is asked from inside only, except where it names the zone that the redirect itself is for).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from types import MappingProxyType

from plexops.drivers.rulesets import uci_matches as m
from plexops.drivers.rulesets import uci_values as v
from plexops.drivers.rulesets.uci_sections import Known, Section, Skipped, read
from plexops.drivers.rulesets.uci_sets import SetDefinition, set_match
from plexops.drivers.rulesets.uci_zones import Zone
from plexops.model.packets import (
    Effect,
    FamilyIs,
    Jump,
    Match,
    NoTracking,
    Other,
    PortIn,
    ProtocolIs,
    Rule,
    SetMark,
    Side,
    TranslateDestination,
    TranslateSource,
    Verdict,
)
from plexops.parsers.base import Row

TABLE = "inet fw4"


def chain_id(name: str) -> str:
    """Give a chain's id."""
    return f"{TABLE} {name}"


@dataclass(frozen=True, slots=True)
class Made:
    """One rule: its chain (without the table), what it asks, what it does."""

    chain: str
    matches: m.Matches
    effects: tuple[Effect, ...]


@dataclass(slots=True)
class Ruleset:
    """What has been made so far. `flags`: (zone, `dnat`, `snat` or `notrack`), which decide on chains of the zone."""

    known: Known
    zones: Mapping[str, Zone]
    sets: Mapping[str, SetDefinition]
    rules: dict[str, list[Rule]] = field(default_factory=dict)
    flags: set[tuple[str, str]] = field(default_factory=set)
    refused: list[tuple[Section, str]] = field(default_factory=list)
    off: list[tuple[Section, str]] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Make rules of a section, or one that says why it is not in force."""
        section, refused = read(row, self.known), len(self.refused)
        try:
            if section.off:
                raise Skipped(section.off)
            made = _MAKERS[section.type](section, self)
        except Skipped as skipped:
            del self.refused[refused:]
            self.off.append((section, str(skipped)))
            self.put(section, Made(_home(section, self), (), ()), str(skipped))
            return
        if made or section.type == "rule":
            self.refused += [(section, why) for why in m.refusals(section, self.known.networks)]
        for one in made:
            self.put(section, one)

    def put(self, section: Section, made: Made, off: str = "") -> None:
        """Append a rule to its chain."""
        rule = Rule(made.matches, made.effects, section.words, section.name, section.handle, off=off)
        self.rules.setdefault(made.chain, []).append(rule)

    def zone(self, name: str) -> Zone | None:
        """Give a zone; None for any, or for none."""
        return self.zones.get(name)

    def bound(
        self, section: Section, *found: tuple[Sequence[v.Subnet], str]
    ) -> list[tuple[v.AnyFamily, str]]:
        """Give what a section refers to with its family, in firewall4's order."""
        named = self.sets.get(_set_name(section))
        families: list[tuple[v.AnyFamily, str]] = [(named.family if named else 0, "set")]
        families += [(m.only_family(subnets), what) for subnets, what in found]
        for option in ("src", "dest"):
            zone = self.zone(section.text(option))
            families.append((zone.family if zone else 0, f"zone {section.text(option)}"))
        return families

    def networks(self, section: Section, option: str) -> list[v.Subnet]:
        """Give the addresses of an option."""
        return m.networks(section, option, self.known.networks)

    def protocols(self, section: Section, default: str) -> list[str]:
        """Give the protocols of a section; a set that has ports binds it to TCP and UDP."""
        found = m.protocols(section, default)
        name = _set_name(section)
        if name and name not in self.sets:
            raise Skipped(f"firewall4 skips this section: there is no set {name} in force")
        if name and self.sets[name].has_port:
            found = _with_ports(found, "its set has ports, and it is neither TCP nor UDP")
            if set(found) - {"tcp", "udp"}:
                self.refused.append((section, "a set with ports for a protocol that has none"))
        return found


def _with_ports(protocols: list[str], otherwise: str) -> list[str]:
    if {"tcp", "udp"} & set(protocols):
        return protocols
    if set(protocols) - {""}:
        raise Skipped(f"firewall4 skips this section: {otherwise}")
    return ["tcp", "udp"]


def _set_name(section: Section) -> str:
    parted = v.negation(section.text("ipset")) if section.type != "nat" else None
    return parted[1].split()[0] if parted else ""


def _home(section: Section, made: Ruleset) -> str:
    """Give the chain in which a section that is not in force would stand."""
    src = section.text("src") if made.zone(section.text("src")) else ""
    if section.type in ("redirect", "nat"):
        snat = section.type == "nat" or _target(section, "dnat") == "snat"
        return "srcnat" if snat else f"dstnat_{src}" if src else "dstnat"
    way = "input" if section.type == "rule" and not section.text("dest") else "forward"
    return f"{way}_{src}" if src else way


def _target(section: Section, default: str) -> str:
    return (v.choice(section.text("target"), v.TARGETS) or "") if section.text("target") else default


def _by_protocol(protocols: Sequence[str], make: Callable[[str], Iterator[Made]]) -> list[Made]:
    """Make the rules of each protocol; skipped is a section only where none of them can be made."""
    found: list[Made] = []
    why: Skipped | None = None
    for protocol in protocols:
        try:
            found += list(make(protocol))
        except Skipped as skipped:
            why = skipped
    if why is not None and not found:
        raise why
    return found


def _asked_family(section: Section, protocol: str) -> v.AnyFamily | None:
    if protocol == "ipv6-icmp":
        return 6
    return v.family(section.text("family")) if section.text("family") else None


def _addresses(
    section: Section, family: v.AnyFamily, *ends: tuple[str, Sequence[v.Subnet]]
) -> Iterator[m.Matches]:
    """Match the family and the addresses (option, value) of source and destination, each combination of their groups."""
    if family == 0:
        yield ()
        return
    groups = [
        m.address_groups(side, family, m.by_family(found, family), section.said(option))
        for side, (option, found) in zip((Side.SOURCE, Side.DESTINATION), ends, strict=True)
    ]
    for sources, destinations in product(*groups):
        yield (*m.family_match(family), *sources, *destinations)


def _has(subnets: Sequence[Sequence[v.Subnet]], family: int) -> bool:
    return any(one.family == family for listed in subnets for one in listed)


# --- rule ---------------------------------------------------------------------------------------------------------


def _rule(section: Section, made: Ruleset) -> list[Made]:
    target = _target(section, "")
    chain, devices, effects = _place(section, made, target)
    protocols = made.protocols(section, "tcpudp")
    if not chain or target == "mark":
        # Where firewall4 marks, and so which ports and addresses are meant, is not followed: perhaps, and before all.
        return [Made(chain, _perhaps(section), effects)] if chain else []

    def make(protocol: str) -> Iterator[Made]:
        source, destination = made.networks(section, "src_ip"), made.networks(section, "dest_ip")
        bound = made.bound(section, (source, "source address"), (destination, "destination address"))
        family = m.inferred(_asked_family(section, protocol), bound)
        both = bool(section.text("dscp"))
        has = {of: both or _has((source, destination), of) for of in (4, 6)}
        if family is None and has[4] is not has[6]:
            family = 4 if has[4] else 6
        families: list[v.AnyFamily] = [4, 6] if has[4] or has[6] else [0]
        for of in [family] if family else families:
            for addresses in _addresses(section, of, ("src_ip", source), ("dest_ip", destination)):
                ports = m.port_matches(section, "src_port", "dest_port") if protocol in ("tcp", "udp") else ()
                matches = (*m.protocol_match(protocol, section.said("proto")), *devices, *addresses, *ports)
                in_set = set_match(section, protocol, made.sets, made.known)
                yield Made(chain, (*matches, *m.common_matches(section), *in_set), effects)

    return _by_protocol(protocols, make)


def _place(section: Section, made: Ruleset, target: str) -> tuple[str, m.Matches, tuple[Effect, ...]]:
    """Give the chain of a rule (none where its target is harmless), its interfaces, what it does."""
    src, dest = section.text("src"), section.text("dest")
    devices = _device(section)
    match target:
        case "notrack" | "helper" if made.zone(src) is None:
            raise Skipped(f"firewall4 skips this section: target {target} needs a source zone")
        case "helper" | "dscp":
            needed = "set_helper" if target == "helper" else "set_dscp"
            if not section.text(needed):
                raise Skipped(f"firewall4 skips this section: target {target} needs {needed}")
            if target == "helper":
                made.refused.append((section, "whether this helper's module is loaded was not read"))
            return "", (), ()
        case "notrack":
            made.flags.add((src, "notrack"))
            return f"notrack_{src}", devices, (NoTracking(),)
        case "mark" if not section.text("set_mark") and not section.text("set_xmark"):
            raise Skipped("firewall4 skips this section: target mark needs set_mark or set_xmark")
        case "mark":
            return "mangle_prerouting", (), (SetMark(unknown=True),)
    way = "input" if src and not dest else "forward" if src else "output"
    zone = src or dest
    chain = way if zone in ("", "*") else f"{way}_{zone}"
    return chain, devices, _verdict(section, made, target)


def _perhaps(section: Section) -> m.Matches:
    return (Match(Other(section.words), words=section.words),)


def _device(section: Section) -> m.Matches:
    device = section.text("device").strip()
    if device == "*":
        raise Skipped("firewall4 skips this section: device must not be '*'")
    out = section.text("direction") in ("out", "egress")
    return m.interface_match(Side.DESTINATION if out else Side.SOURCE, (device,) if device else ())


def _verdict(section: Section, made: Ruleset, target: str) -> tuple[Effect, ...]:
    source, destination = made.zone(section.text("src")), made.zone(section.text("dest"))
    if not target:
        return ()
    if target not in v.POLICIES:
        made.refused.append((section, f"{section.said('target')} in a rule"))
        return ()
    if destination is not None:
        return (Jump(chain_id(f"{target}_to_{destination.name}")),)
    if source is not None and target != "accept" and v.number(source.section.text("log", "0")):
        return (Jump(chain_id(f"{target}_from_{source.name}")),)
    return (Verdict(target),)


# --- redirect -----------------------------------------------------------------------------------------------------


def _redirect(section: Section, made: Ruleset) -> list[Made]:
    protocols = made.protocols(section, "tcpudp")
    if _target(section, "dnat") == "snat":
        return _source_nat(section, made, "dest")
    source, destination = _redirect_zones(section, made)
    chain = f"dstnat_{source.name}"
    made.flags.add((source.name, "dnat"))
    to_port = "dest_port" if section.text("dest_port") else "src_dport"
    reflected = destination is not None and section.flag("reflection", True)
    if reflected and destination is not None and 4 in source.masquerades:
        made.flags |= {(destination.name, "dnat"), (destination.name, "snat")}
    found = _by_protocol(protocols, lambda protocol: _translating(section, made, protocol, chain, to_port))
    if reflected and destination is not None:
        return [*_reflected(section, made, (source, destination), found), *found]
    return found


def _reflected(section: Section, made: Ruleset, zones: tuple[Zone, Zone], found: list[Made]) -> list[Made]:
    """Give what reflection adds for those outside: nothing, but where it is asked in the redirect's own zone."""
    source, destination = zones
    back = section.texts("reflection_zone") or [destination.name]
    if "*" in back:
        made.refused.append((section, section.said("reflection_zone")))
    if len(f"!fw4: {section.name} (reflection)".encode()) > m.COMMENT:
        made.refused.append((section, "its name is too long"))
    if source.name not in back:
        return []
    words = section.said("dest", "reflection_zone")
    mirrored: list[Made] = []
    for one in found:
        kept = (match for match in one.matches if isinstance(match.test, (FamilyIs, ProtocolIs, PortIn)))
        mirrored.append(Made(one.chain, (*kept, Match(Other(words), words=words)), one.effects))
    return mirrored


def _redirect_zones(section: Section, made: Ruleset) -> tuple[Zone, Zone | None]:
    """Give the zones of a DNAT. Raises Skipped where it cannot be one."""
    source = made.zone(section.text("src"))
    to = made.networks(section, "dest_ip")
    if source is None:
        wrong = "src must not be '*'" if section.text("src") else "it has no src"
        raise Skipped(f"firewall4 skips this section: {wrong}")
    if section.text("dest_ip").lstrip(" \t").startswith("!"):
        raise Skipped("firewall4 skips this section: dest_ip must not be negated")
    if any(one.masked for one in to):
        raise Skipped("firewall4 skips this section: dest_ip must not have a mask with gaps")
    if section.text("dest"):
        return source, made.zone(section.text("dest"))
    for zone in made.zones.values():
        for address, bits in zone.addresses:
            shift = address.max_prefixlen - bits
            if any(
                one.family == address.version and one.host[0][0] >> shift == int(address) >> shift
                for one in to
            ):
                return source, zone
    return source, None


def _translating(section: Section, made: Ruleset, protocol: str, chain: str, to_port: str) -> Iterator[Made]:
    """Make the rules of a DNAT for one protocol; without an address it leads to the router itself."""
    source, destination, to = (made.networks(section, option) for option in ("src_ip", "src_dip", "dest_ip"))
    bound = ((source, "source address"), (destination, "destination address"), (to, "new address"))
    family = m.inferred(_asked_family(section, protocol), made.bound(section, *bound))
    any_address = bool(source or destination or to)
    families: list[v.AnyFamily] = [4 if family is None else 0]
    if family or any_address:
        named = {of: _has((source, destination, to), of) for of in (4, 6)}
        families = [of for of in (4, 6) if family in (None, 0, of) and (named[of] or not any_address)]
    ports: m.Matches = ()
    new_port = None
    if protocol in ("tcp", "udp"):
        ports, new_port = m.port_matches(section, "src_port", "src_dport"), v.port(section.text(to_port))
    if new_port is not None and not ports:
        made.refused.append((section, f"{section.said(to_port)} without a port that is knocked at"))
    for of in families:
        new = m.target_numbers(m.by_family(to, of))
        effect = TranslateDestination(new, new_port[1] if new_port else None, to_itself=new is None)
        for addresses in _addresses(section, of, ("src_ip", source), ("src_dip", destination)):
            in_set = set_match(section, protocol, made.sets, made.known)
            matches = (*m.protocol_match(protocol, section.said("proto")), *addresses, *ports)
            yield Made(chain, (*matches, *m.common_matches(section), *in_set), (effect,))


# --- nat and forwarding -------------------------------------------------------------------------------------------


def _source_nat(section: Section, made: Ruleset, zone_option: str) -> list[Made]:
    """Say that a source may be translated: who gets in never hangs on it, what a filter behind sees may."""
    zone = made.zone(section.text(zone_option))
    if zone is None and zone_option == "dest":
        raise Skipped("firewall4 skips this section: dest is not one zone")
    if zone is not None:
        made.flags.add((zone.name, "snat"))
    return [Made(f"srcnat_{zone.name}" if zone else "srcnat", _perhaps(section), (TranslateSource(),))]


def _forwarding(section: Section, made: Ruleset) -> list[Made]:
    src, dest = section.text("src"), section.text("dest")
    family = m.inferred(v.family(section.text("family", "any")), made.bound(section))
    effect: Effect = Verdict.ACCEPT if dest == "*" else Jump(chain_id(f"accept_to_{dest}"))
    unknown = tuple(Match(Other(words), words=words) for words in section.unknown)
    chain = "forward" if src == "*" else f"forward_{src}"
    return [Made(chain, (*m.family_match(family or 0), *unknown), (effect,))]


_MAKERS: Mapping[str, Callable[[Section, Ruleset], list[Made]]] = MappingProxyType(
    {
        "rule": _rule,
        "redirect": _redirect,
        "nat": lambda section, made: _source_nat(section, made, "src"),
        "forwarding": _forwarding,
    }
)
