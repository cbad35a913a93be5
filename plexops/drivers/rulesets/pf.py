"""What OPNsense's API tells of pf, as one box: its rows for destination NAT and for the filter.

Sources: pf.conf(5) (of translation rules the first match decides, and the filter sees what is translated), and how
OPNsense core 26.1 to 26.7 writes pf's text: `ForwardRule.php`, `DNatController.php`, `filter.inc`.
"""

from __future__ import annotations

from collections.abc import Mapping

from plexops.drivers.rulesets import pf_words
from plexops.drivers.rulesets.base import BoxInput
from plexops.drivers.rulesets.pf_filter import filter_chain, stops_what_leaves
from plexops.drivers.rulesets.pf_loaded import Beside, beside
from plexops.drivers.rulesets.pf_match import WITH_PORTS, Shape, families_of, matches, tags_of, words_of
from plexops.drivers.rulesets.pf_words import ByFamily, Names, Pairs, Row, Rows, listed, on, text
from plexops.model import packets
from plexops.model.intervals import single
from plexops.model.matches import Family, FamilyIs, Match
from plexops.model.packets import Box, Chain, Effect, Hook, Rule, SkipFilter, Verdict

_MODELLED = """
disabled nordr interface ipprotocol protocol target local-port poolopts tag tagged pass sequence prio_group
source.network source.address source.port source.not
destination.network destination.address destination.port destination.not
"""
_HARMLESS = """
uuid log category categories category_colors descr nosync natreflection associated-rule-id sort_order is_automatic ref
created.username created.time created.description updated.username updated.time updated.description
"""
_SHAPE = Shape(".", "network", frozenset(listed(_MODELLED + _HARMLESS)))


def pf_box(device: BoxInput) -> Box:
    """Give the box. The internet side is OPNsense's own word for it; `pf` is pf's own list of its rules."""
    wan = device.internet_side
    filters = _rows(device, "filter_rules")
    overview = _rows(device, "interfaces")
    interfaces = pf_words.read_interfaces(overview, wan)
    names = pf_words.read_names(_rows(device, "aliases"), interfaces, filters or ())
    more = beside(device.value("pf"), f"{device.role}.pf")
    chains = (
        _nat_chain(device, names, more),
        filter_chain(filters, names, f"{device.role}.filter_rules", more),
    )
    return Box(
        plumbing="pf",
        chains={chain.id: chain for chain in chains},
        addresses=interfaces.local,
        routes=pf_words.read_routes(overview, interfaces),
        internet_side=interfaces.internet_side,
        sets=names.sets,
        gateway_mac=_gateway_mac(_rows(device, "arp") or (), overview or (), wan),
        outside_model=tuple(stops_what_leaves(filters or ())),
    )


def _rows(device: BoxInput, name: str) -> Rows | None:
    """Give the rows of a read; None: it was not answered."""
    value = device.value(name)
    return value.get("rows") if isinstance(value, Mapping) else None


def _gateway_mac(arp: Rows, interfaces: Rows, wan: str) -> str | None:
    known = {text(row, "ip"): text(row, "mac").lower() for row in arp}
    rows = [row for row in interfaces if text(row, "identifier") == wan]
    found = [known[word] for row in rows for word in listed(text(row, "gateways")) if known.get(word)]
    return found[0] if found else None


def _nat_chain(device: BoxInput, names: Names, more: Beside) -> Chain:
    hook, rows = Hook("rdr", nat=True), _rows(device, "forwards")
    if rows is None:
        return Chain("nat", hook=hook, unread="the rules for destination NAT were not read")
    # Automatic rules have no sequence and stand before all others (`filter.inc`: 300, 600).
    ordered = sorted(rows, key=lambda row: int(number) if (number := text(row, "sequence")).isdigit() else 0)
    own = (_nat_rule(row, names, f"{device.role}.forwards") for row in ordered)
    one_to_one = (_nat_rule(row, names, f"{device.role}.pf") for row in more.one_to_one)
    rules = (*more.before_forwards, *own, *more.behind_forwards, *one_to_one)
    return Chain("nat", rules, hook)


def _nat_rule(row: Row, names: Names, exhibit: str) -> Rule:
    target, port, stays = text(row, "target"), text(row, "local-port"), on(row, "nordr")
    found = matches(row, names, _SHAPE)
    effects: tuple[Effect, ...] = (Verdict.ACCEPT,)
    off = "it is switched off" if on(row, "disabled") else ""
    if not off and text(row, "prio_group").startswith("6"):
        off = "its interface does not exist"
    if not stays and not target:
        off = off or "it has no target"
    elif not stays:
        effects = _translation(row, names)
        found += _of_target(effects)
    verb = "no rdr" if stays else "rdr pass" if _passes(row) else "rdr"
    words = (
        words_of(row, verb, _SHAPE) + (f" -> {target}" if target else "") + (f" port {port}" if port else "")
    )
    return Rule(tuple(found), effects, words, text(row, "descr"), text(row, "uuid"), exhibit, off)


def _passes(row: Row) -> bool:
    """Tell whether the filter is not asked. With `rule` OPNsense adds a rule to the filter instead."""
    return text(row, "pass") not in ("", "rule")


def _of_target(effects: tuple[Effect, ...]) -> list[Match]:
    """A rule is of the family of its target, whatever else it says."""
    of = {effect.family for effect in effects if isinstance(effect, packets.TranslateDestination)}
    families: frozenset[Family] = frozenset(family for family in of if family != 0)
    return [Match(FamilyIs(families), words="the target's family")] if len(families) == 1 else []


def _translation(row: Row, names: Names) -> tuple[Effect, ...]:
    """Give what a forward does. What ends the walk through the chain comes last."""
    words = " ".join(text(row, name) for name in ("target", "local-port", "poolopts") if text(row, name))
    wanted = _targets(row, names)
    ports = _inner_ports(row, names)
    if not wanted or ports is None or on(row, "is_automatic"):
        # Of an automatic rule it is not told whether the filter is asked.
        return (packets.UnknownEffect(f"-> {words}"),)
    skip: tuple[Effect, ...] = (SkipFilter(),) if _passes(row) else ()
    inner, start = ports
    to = (
        packets.TranslateDestination(a, inner or None, shift_from=start, family=f) for f, a in wanted.items()
    )
    return (*tags_of(row), *skip, *to)


def _targets(row: Row, names: Names) -> ByFamily:
    """Give the addresses that are taken, of an alias in turn. Empty: not known, as with other ways to take one of many."""
    found, plain = names.addresses(text(row, "target")), True
    if isinstance(found, str):
        alias, plain = names.sets[found], on(row, "poolopts")
        found = {} if alias.unread else {4: alias.v4, 6: alias.v6}
    known = found or {}
    wanted = {family: known[family] for family in sorted(families_of(row)) if known.get(family)}
    return {} if plain and any(single(numbers) is None for numbers in wanted.values()) else wanted


def _inner_ports(row: Row, names: Names) -> tuple[Pairs, int | None] | None:
    """Give the ports behind a forward (empty: as they came) and from where they shift; None: not known.

    `ForwardRule.php`: a port behind a written range becomes a range as long, and pf shifts; of an alias the first one
    counts, and the alias by which packets are chosen keeps the port; without TCP or UDP no port is named at all.
    """
    word, outer_word = text(row, "local-port"), text(row, "destination.port")
    if not word or text(row, "protocol").lower() not in WITH_PORTS or word == outer_word in names.ports:
        return (), None
    inner = names.pairs(word)
    if not inner:
        return None
    first, last = inner[0]
    outer = None if outer_word in names.ports else names.pairs(outer_word)
    low, high = outer[0] if outer else (0, 0)
    if first == last:
        return (((first, first + high - low),), low) if high > low else (((first, first),), None)
    return (((first, last),), low) if outer and high - low <= last - first else None
