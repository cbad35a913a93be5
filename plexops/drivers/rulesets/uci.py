"""OpenWrt's /etc/config/firewall as the chains that firewall4 makes of it.

Modelled: what the tables in `uci_sections` name. Harmless: log, counter, flow offloading, helpers, DSCP. Ignored by
firewall4: `extra`, `utc_time`, `monthdays`, `_name`, a protocol's `!`. Not seen here, so asked of the loaded ruleset: files
below /etc/nftables.d and /usr/share/nftables.d, what services hand to procd, miniupnpd's rules. A list of one value for
an option that takes no list makes firewall4 skip a section; `uci show` prints it like a single value.
Source: openwrt/firewall4 b6e5157, root/usr/share/firewall4/templates/ruleset.uc.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from types import MappingProxyType

from plexops.drivers.rulesets import uci_matches as m
from plexops.drivers.rulesets import uci_values as v
from plexops.drivers.rulesets.base import Part
from plexops.drivers.rulesets.uci_rules import Ruleset, chain_id
from plexops.drivers.rulesets.uci_sections import INCLUDES, POSITIONS, Known, Section, Skipped, read, rows_of
from plexops.drivers.rulesets.uci_sets import SetDefinition, is_named, named_set, read_set, set_id
from plexops.drivers.rulesets.uci_zones import DEFAULT_POLICY, Zone, policy, read_zone
from plexops.model.exchange import Json
from plexops.model.packets import (
    Chain,
    Effect,
    FlagsAre,
    Hook,
    InterfaceIs,
    Jump,
    Match,
    RateWithin,
    Rule,
    Side,
    State,
    StateIs,
    TranslatedIs,
    TranslateSource,
    UnknownEffect,
    Verdict,
)
from plexops.parsers.base import Row

_FILTERS = ("input", "forward", "output")
_BASE: Mapping[str, Hook] = MappingProxyType(
    {
        "raw_prerouting": Hook("prerouting", -300),
        "mangle_prerouting": Hook("prerouting", -150),
        "dstnat": Hook("prerouting", -100, nat=True),
        "srcnat": Hook("postrouting", 100, nat=True),
        **{name: Hook(name) for name in _FILTERS},
    }
)
#: How a zone's own chain begins, by the base chain that jumps to it, and the flag that a zone needs for one.
_OWN: Mapping[str, tuple[str, str]] = MappingProxyType(
    {"raw_prerouting": ("notrack", "notrack"), "dstnat": ("dstnat", "dnat"), "srcnat": ("srcnat", "snat")}
    | {name: (name, "") for name in _FILTERS}
)
#: firewall4 runs a script of this name only where it is told that the script is made for it.
_OLD_SCRIPT = "/etc/firewall.user"
_REFUSED = "nft refuses what firewall4 makes of the configuration, so this is not what is loaded"
#: FIN, SYN, RST and ACK; of them SYN alone.
_SYN = FlagsAre(1 | 2 | 4 | 16, 2)
_INVALID = Match(StateIs(frozenset({State.INVALID})), words="ct state invalid")


@dataclass(frozen=True, slots=True)
class NotInForce:
    """A redirect that is configured and that firewall4 does not put in force."""

    handle: str
    name: str
    words: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Include:
    section: Section
    position: str
    chain: str


@dataclass(slots=True)
class _Firewall:
    """All sections as read, and the chains as they are put together."""

    made: Ruleset
    defaults: Section
    includes: list[_Include] = field(default_factory=list)


def uci_box_part(rows: Iterable[Row], networks: Json, exhibit: str = "") -> Part:
    """Give firewall4's chains for `uci show firewall` (rows of `parse_uci`).

    `networks` is the answer of `ubus call network.interface dump`, None where it was not read. Where nft would refuse
    the ruleset, or firewall4 stops, every base chain is *unread*. `exhibit` is what shows the rows.
    """
    firewall = _read(rows, networks)
    chains = tuple(
        replace(chain, rules=tuple(replace(rule, exhibit=exhibit) for rule in chain.rules))
        for chain in _chains(firewall)
    )
    unread = "" if networks is not None else "which devices a zone has was not read"
    for section, why in firewall.made.refused:
        unread = unread or f"{_REFUSED} ({section.handle}: {why})"
    if unread:
        names = (*_FILTERS, "dstnat")
        chains = tuple(Chain(chain_id(name), hook=_BASE[name], unread=unread) for name in names)
    sets = {
        set_id(one.name): named_set(one, firewall.made.known)
        for one in firewall.made.sets.values()
        if is_named(one)
    }
    outside = tuple(f"what is included by {one.section.words}" for one in firewall.includes)
    return Part(chains, MappingProxyType(sets), outside)


def skipped_sections(rows: Iterable[Row], networks: Json = None) -> tuple[NotInForce, ...]:
    """Give every redirect that is not in force, and why. Without `networks` no name of a network counts as wrong."""
    made = _read(rows, networks).made
    refused = [(section, f"{_REFUSED}: {why}") for section, why in made.refused]
    found = {section.handle: (section, why) for section, why in [*made.off, *refused]}
    return tuple(
        NotInForce(handle, section.name, section.words, why)
        for handle, (section, why) in found.items()
        if section.type == "redirect"
    )


# --- Reading ------------------------------------------------------------------------------------------------------


def _read(rows: Iterable[Row], dump: Json) -> _Firewall:
    """Read all sections in firewall4's order."""
    listed = rows_of(rows, dump)
    known = Known(None if dump is None else v.networks_of(dump))
    refused: list[tuple[Section, str]] = []
    defaults = read(next(_of(listed, "defaults"), {".type": "defaults", ".name": "defaults"}), known)
    if defaults.off:
        refused.append((defaults, "firewall4 stops at an option of the defaults that is not valid"))
    sets = _read_sets(listed, known, refused)
    zones = _read_zones(listed, known, defaults, refused)
    made = Ruleset(Known(known.networks, frozenset(zones)), zones, sets, refused=refused)
    for kind in ("rule", "forwarding", "redirect", "nat"):
        for row in _of(listed, kind):
            made.add(row)
    return _Firewall(made, defaults, list(_read_includes(listed, known, refused)))


def _of(rows: Iterable[Row], kind: str) -> Iterator[Row]:
    return (row for row in rows if row.get(".type") == kind)


def _read_sets(rows: list[Row], known: Known, refused: list[tuple[Section, str]]) -> dict[str, SetDefinition]:
    found: dict[str, SetDefinition] = {}
    for row in _of(rows, "ipset"):
        try:
            one = read_set(row, known)
        except Skipped:
            continue
        why = "a second set of this name" if one.name in found else one.refused
        if why:
            refused.append((Section(row), why))
        found.setdefault(one.name, one)
    return found


def _read_zones(
    rows: list[Row], known: Known, defaults: Section, refused: list[tuple[Section, str]]
) -> dict[str, Zone]:
    found: dict[str, Zone] = {}
    for row in _of(rows, "zone"):
        try:
            zone = read_zone(row, known, defaults)
        except Skipped:
            continue
        refused += [(zone.section, why) for why in m.refusals(zone.section, known.networks)]
        if len(zone.masquerades) == 1 and {one.family for one in zone.subnets} - set(zone.masquerades):
            refused.append((zone.section, "masquerading and subnets of two families"))
        if zone.name in found:
            refused.append((zone.section, "a second zone of this name"))
        found.setdefault(zone.name, zone)
    return found


def _read_includes(rows: list[Row], known: Known, refused: list[tuple[Section, str]]) -> Iterator[_Include]:
    """Give the includes that are in force, if their files are there."""
    for row in _of(rows, "include"):
        section = read(row, known)
        if section.off and v.flag(section.text("enabled", "1")) is not False:
            refused.append((section, "firewall4 stops at an include that is not valid"))
        kind = v.choice(section.text("type", INCLUDES[0]), INCLUDES)
        position = v.choice(section.text("position", "table-append"), POSITIONS) or ""
        position = position.replace("postpend", "append")
        in_chain = position.startswith("chain")
        if section.off or (in_chain and not section.text("chain")):
            continue
        if kind == "script":
            if not section.flag("fw4_compatible", section.text("path") != _OLD_SCRIPT):
                continue
            if section.text("position") or section.text("chain"):
                continue
        yield _Include(section, position, section.text("chain") if in_chain else "")


# --- Putting together ---------------------------------------------------------------------------------------------


def _chains(firewall: _Firewall) -> Iterator[Chain]:
    """Give base chains, the chains of each zone, and those that they jump to for a verdict."""
    found: list[Chain] = []
    for name, hook in _BASE.items():
        rules = tuple(_base_rules(firewall, name))
        if rules or name in _FILTERS:
            accepts = name not in _FILTERS or _default_policy(firewall, name) == "accept"
            hook = replace(hook, policy=Verdict.ACCEPT if accepts else Verdict.DROP)  # noqa: PLW2901
            found.append(Chain(chain_id(name), rules, hook))
    for zone in firewall.made.zones.values():
        for name in _own_chains(firewall, zone):
            own = f"{_OWN[name][0]}_{zone.name}"
            found.append(Chain(chain_id(own), tuple(_zone_rules(firewall, name, own, zone))))
    yield from found
    wanted = {e.chain for chain in found for rule in chain.rules for e in rule.effects if isinstance(e, Jump)}
    for zone in firewall.made.zones.values():
        for verdict in Verdict.ACCEPT, Verdict.REJECT, Verdict.DROP:
            for way, side in (("from", Side.SOURCE), ("to", Side.DESTINATION)):
                name = chain_id(f"{verdict}_{way}_{zone.name}")
                if name in wanted:
                    yield Chain(name, tuple(_verdict_rules(firewall, zone, verdict, side)))
    yield Chain(chain_id("syn_flood"), tuple(_syn_flood(firewall.defaults)))


def _default_policy(firewall: _Firewall, way: str) -> str:
    return policy(firewall.defaults, way) or DEFAULT_POLICY


def _own_chains(firewall: _Firewall, zone: Zone) -> Iterator[str]:
    """Give the base chains for which a zone has a chain of its own."""
    for name, (prefix, flag) in _OWN.items():
        translates = name == "srcnat" and zone.masquerades
        flagged = (zone.name, flag) in firewall.made.flags
        if not flag or flagged or translates or f"{prefix}_{zone.name}" in firewall.made.rules:
            yield name


def _base_rules(firewall: _Firewall, name: str) -> Iterator[Rule]:
    defaults, is_filter = firewall.defaults, name in _FILTERS
    if is_filter or name == "dstnat":
        yield from _anywhere(firewall)
    if is_filter:
        side = Side.DESTINATION if name == "output" else Side.SOURCE
        lo = Match(InterfaceIs(side, ("lo",)), words="lo")
        yield _built_in("accept what stays in the router", (lo,), Verdict.ACCEPT)
    yield from _included(firewall, name, "prepend")
    if is_filter:
        yield from _tracked(defaults)
    protected = "synflood_protect" if defaults.text("synflood_protect") else "syn_flood"
    if name == "input" and defaults.flag(protected):
        syn = (*m.protocol_match("tcp", "tcp"), Match(_SYN, words="tcp flags syn"))
        yield _built_in(defaults.said(protected), syn, Jump(chain_id("syn_flood")))
    yield from firewall.made.rules.get(name, ())
    for zone in firewall.made.zones.values():
        if name in _own_chains(firewall, zone):
            out = name in ("output", "srcnat")
            for entry in zone.entries(Side.DESTINATION if out else Side.SOURCE):
                yield _of_zone(zone, entry, Jump(chain_id(f"{_OWN[name][0]}_{zone.name}")))
    reject = is_filter and _default_policy(firewall, name) == "reject"
    rejecting = [_built_in(defaults.said(name), (), Verdict.REJECT)] if reject else []
    # In `input` the general reject stands before what is appended, in the others behind it.
    yield from rejecting if name == "input" else ()
    yield from _included(firewall, name, "append")
    yield from rejecting if name != "input" else ()


def _tracked(defaults: Section) -> Iterator[Rule]:
    known = Match(
        StateIs(frozenset({State.ESTABLISHED, State.RELATED})), words="ct state established, related"
    )
    yield _built_in("ct state established, related accept", (known,), Verdict.ACCEPT)
    if defaults.flag("drop_invalid"):
        yield _built_in(defaults.said("drop_invalid"), (_INVALID,), Verdict.DROP)


def _zone_rules(firewall: _Firewall, name: str, own: str, zone: Zone) -> Iterator[Rule]:
    yield from _included(firewall, own, "prepend")
    yield from firewall.made.rules.get(own, ())
    if name in ("input", "forward") and (zone.name, "dnat") in firewall.made.flags:
        translated = (Match(TranslatedIs(Side.DESTINATION), words="ct status dnat"),)
        yield _built_in("ct status dnat accept", translated, Verdict.ACCEPT)
    if name == "srcnat":
        yield from _masquerading(firewall, zone)
    yield from _included(firewall, own, "append")
    if name in _FILTERS:
        way = "from" if name == "input" else "to"
        yield _of_zone(zone, (), Jump(chain_id(f"{zone.policy(name)}_{way}_{zone.name}")))


def _masquerading(firewall: _Firewall, zone: Zone) -> Iterator[Rule]:
    known, section = firewall.made.known.networks, zone.section
    for family in zone.masquerades:
        sources, destinations = (
            m.address_groups(side, family, m.by_family(m.networks(section, option, known), family), option)
            for side, option in ((Side.SOURCE, "masq_src"), (Side.DESTINATION, "masq_dest"))
        )
        for source, destination in product(sources, destinations):
            yield _of_zone(zone, (*m.family_match(family), *source, *destination), TranslateSource())


def _verdict_rules(firewall: _Firewall, zone: Zone, verdict: Verdict, side: Side) -> Iterator[Rule]:
    """Give the rules of `accept_to_wan` and its likes. Accepting to a zone that masquerades drops what has no connection."""
    leaks = (
        (verdict, side) == (Verdict.ACCEPT, Side.DESTINATION)
        and zone.masquerades
        and not firewall.defaults.flag("drop_invalid")
        and not zone.section.flag("masq_allow_invalid")
    )
    for entry in zone.entries(side):
        if leaks:
            families = m.family_match(zone.masquerades[0] if len(zone.masquerades) == 1 else 0)
            yield _of_zone(zone, (*families, *entry, _INVALID), Verdict.DROP)
        yield _of_zone(zone, entry, verdict)


def _syn_flood(defaults: Section) -> Iterator[Rule]:
    per_minute = v.per_minute(defaults.text("synflood_rate", "25/second")) or 0
    burst = int(v.number(defaults.text("synflood_burst", "50")) or 5)
    words = defaults.said("synflood_rate", "synflood_burst") or "25 SYN packets a second"
    rate = Match(RateWithin(per_minute, burst, over=False, words=words), words=words)
    yield _built_in(words, (rate,), Verdict.RETURN)
    yield _built_in(words, (), Verdict.DROP)


def _anywhere(firewall: _Firewall) -> Iterator[Rule]:
    """Give what may do anything at the head of a chain: includes that are bound to no chain, options not known."""
    for one in firewall.includes:
        if not one.chain:
            yield _unknown(one.section)
    if firewall.defaults.unknown:
        yield _unknown(firewall.defaults)


def _included(firewall: _Firewall, chain: str, how: str) -> Iterator[Rule]:
    for one in firewall.includes:
        if one.chain == chain and one.position.endswith(how):
            yield _unknown(one.section)


def _unknown(section: Section) -> Rule:
    return Rule((), (UnknownEffect(section.words),), section.words, section.name, section.handle)


def _of_zone(zone: Zone, matches: m.Matches, effect: Effect) -> Rule:
    section = zone.section
    return Rule(matches, (effect,), section.words, f"zone {zone.name}", section.handle)


def _built_in(words: str, matches: m.Matches, effect: Effect) -> Rule:
    return Rule(matches, (effect,), f"{words} (firewall4)")
