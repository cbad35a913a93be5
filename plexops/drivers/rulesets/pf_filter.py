"""OPNsense's filter: the last match decides, or a `quick` one, and what no rule passes is dropped.

Sources: `FilterRule.php`, `FilterRuleField.php`, `filter.lib.inc` and `FilterController.php` of OPNsense core 26.1 to 26.7,
and pf.conf(5).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from plexops.drivers.rulesets.pf_loaded import Beside
from plexops.drivers.rulesets.pf_match import Shape, keys_of, matches, tags_of, words_of
from plexops.drivers.rulesets.pf_words import Names, Row, Rows, listed, on, text
from plexops.model.matches import ConnectionsWithin, FlagsAre, Match, RateWithin, TimeIs, other
from plexops.model.packets import Chain, Effect, Hook, Rule, UnknownEffect, Verdict

_MODELLED = """
enabled disabled action quick floating interface interfacenot direction ipprotocol protocol source_net source_not
source_port destination_net destination_not destination_port tag tagged tcpflags1 tcpflags2 tcpflags_any flags statetype
sched gateway replyto divert-to max max-src-states max-src-conn max-src-conn-rate max-src-conn-rates max-pkt-rate-number
max-pkt-rate-seconds sort_order prio_group
"""
#: ICMP's types do not touch TCP; options of states, priorities and shapers let the same packets through; without
#: `reply-to` an answer leaves by the default route.
_HARMLESS = """
uuid sequence log allowopts nosync nopfsync statetimeout udp-first udp-multiple udp-single adaptivestart adaptiveend
state-policy set-prio set-prio-low shaper1 shaper2 overload icmptype icmp6type icmp6-type icmp-type disablereplyto
categories category category_colors description ref legacy is_automatic #priority seq from_not to_not created updated
associated-rule-id label evaluations packets bytes states pf_rules @attributes
"""
_SHAPE = Shape("_", "net", frozenset(listed(_MODELLED + _HARMLESS)))
_STATES = frozenset({"", "keep", "sloppy", "modulate", "synproxy"})
_FLAG_BITS = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ece": 64, "cwr": 128}
_VERDICTS: Mapping[str, Verdict] = {
    "": Verdict.ACCEPT, "pass": Verdict.ACCEPT, "block": Verdict.DROP, "reject": Verdict.REJECT,
}  # fmt: skip
_NO_INTERFACE = 600_000


def filter_chain(rows: Rows | None, names: Names, exhibit: str, more: Beside) -> Chain:
    """Give the rules for packets that come in. Where they were not read, all is stopped or goes on."""
    hook = Hook("filter", policy=Verdict.DROP, last_match=True)
    why = "the filter's rules were not read" if rows is None else _missing(rows, names)
    if rows is None or why:
        return Chain("filter", (Rule((), (UnknownEffect(why),), why, quick=True),), hook)
    coming = (row for row in sorted(rows, key=_place) if text(row, "direction") in ("", "in", "any"))
    own = (rule for row in coming for rule in _rules(row, names, exhibit))
    return Chain("filter", (*more.before_filter, *own, *more.behind_filter), hook)


def _missing(rows: Rows, names: Names) -> str:
    """Say where not all rules were shown: before 26.1.10 automatic ones come only with `show_all`, and 26.1 itself shows
    those of one interface only when asked for that."""
    automatic = any(on(row, "legacy") for row in rows)
    if automatic and any(len(keys_of(row, names)) == 1 and not on(row, "interfacenot") for row in rows):
        return ""
    return "this version shows only some of the filter's rules"


def _place(row: Row) -> tuple[int, int]:
    """Give where a rule stands: floating ones (200000), groups, interfaces, then what belongs to forwards (500000)."""
    group, _, number = text(row, "sort_order").partition(".")
    return (int(group), int(number)) if group.isdigit() and number.isdigit() else (0, 0)


def _rules(row: Row, names: Names, exhibit: str) -> Iterator[Rule]:
    found = tuple(matches(row, names, _SHAPE) + _narrowing(row))
    action = text(row, "action").lower()
    off = "" if on(row, "enabled") and not on(row, "disabled") else "it is switched off"
    off = "its interface does not exist" if not off and _place(row)[0] >= _NO_INTERFACE else off
    # Where nothing is said, all are quick but floating ones (`FilterRule.php`).
    quick = on(row, "quick") if row.get("quick") is not None else not on(row, "floating")
    words = words_of(row, f"{action or 'pass'} in{' quick' if quick else ''}", _SHAPE)
    tag: tuple[Effect, ...] = tags_of(row)
    given = (words, text(row, "description"), text(row, "uuid"), exhibit, off)
    if tag and not quick:
        # pf.conf(5): tags are sticky, "even if the rule is not the last matching rule".
        yield Rule(found, tag, *given, quick=True)
        tag = ()
    yield Rule(found, (*tag, _effect(row, action)), *given, quick)


def _effect(row: Row, action: str) -> Effect:
    verdict = _VERDICTS.get(action)
    if verdict is None:
        return UnknownEffect(action)
    # A packet that is sent by another way, or whose answers no state passes. What blocks has neither (`FilterRule.php`).
    turns = [name for name in ("gateway", "replyto", "divert-to") if on(row, name)]
    if text(row, "statetype").partition(" ")[0] not in _STATES:
        turns.append("statetype")
    if verdict is Verdict.ACCEPT and turns:
        return UnknownEffect(", ".join(f"{name} {text(row, name)}" for name in turns))
    return verdict


def _narrowing(row: Row) -> list[Match]:
    """Give the matches that only the filter has."""
    found: list[Match] = []
    if on(row, "sched"):
        found.append(Match(TimeIs(f"sched {text(row, 'sched')}")))
    if text(row, "protocol").lower() == "tcp" and on(row, "tcpflags2") and not on(row, "tcpflags_any"):
        set_, of = (listed(text(row, name).lower()) for name in ("tcpflags1", "tcpflags2"))
        mask, bits = (sum(_FLAG_BITS.get(flag, 0) for flag in flags) for flags in (of, set_))
        found.append(Match(FlagsAre(mask, bits), words=f"flags {','.join(set_)}/{','.join(of)}"))
    if text(row, "flags") not in ("", "any", "S/SA", "S/S"):
        found.append(other(f"flags {text(row, 'flags')}"))
    for name in ("max", "max-src-states", "max-src-conn"):
        many, words = text(row, name), f"{name} {text(row, name)}"
        if many.isdigit():
            found.append(Match(ConnectionsWithin(int(many), over=False, words=words), words=words))
        elif many:
            found.append(other(words))
    for name, per in (
        ("max-src-conn-rate", "max-src-conn-rates"),
        ("max-pkt-rate-number", "max-pkt-rate-seconds"),
    ):
        many, seconds = text(row, name), text(row, per)
        words = f"{name} {many}/{seconds}"
        if many.isdigit() and seconds.isdigit() and int(seconds):
            found.append(Match(RateWithin(60 * int(many) / int(seconds), int(many), over=False, words=words)))
        elif many:
            found.append(other(words))
    return found


def stops_what_leaves(rows: Rows) -> Iterator[str]:
    """Name the rules that stop packets where they leave: only those for packets that come in are walked."""
    for row in rows:
        stops = _effect(row, text(row, "action").lower()) is not Verdict.ACCEPT
        if text(row, "direction") in ("out", "any") and on(row, "enabled") and stops:
            called = text(row, "description") or words_of(row, f"{text(row, 'action')} out", _SHAPE)
            yield f"a rule for packets that leave: “{called}”"
