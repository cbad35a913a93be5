"""What pf goes by beside the rows that OPNsense's API shows: the rules of anchors, and one-to-one NAT.

Sources: pf.conf(5) (what an anchor holds is put in from outside: UPnP's daemon, for one); OPNsense core 26.1 to 26.7,
where anchors stand (`filter.inc`: at the head or the tail of the rules of their kind) and how pf's list is handed on
(`pfstatistics.py`); OPNsense's plugin for UPnP, `miniupnpd.inc`: it has anchors only while it is switched on; FreeBSD's
`pf_get_translation`: of what comes in, `binat` is asked where no `rdr` matched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from plexops.drivers.rulesets.pf_words import Row, loaded_lines, words_of_line
from plexops.model.exchange import Json
from plexops.model.packets import Rule, UnknownEffect
from plexops.pattern import Pattern

_ANCHOR = Pattern(r"@\d+ (?:(?P<kind>nat|rdr|binat)-)?anchor .*")
_ONE_TO_ONE = Pattern(
    r"@\d+ binat(?: pass)?(?: log)? on \S+(?: (?P<family>inet6?))? from (?P<inner>[\da-f.:]+) to any"
    r" -> (?P<outer>[\da-f.:]+)"
)
_OWN = Pattern(r"@\d+ (?:no rdr|rdr|pass|block)\b(?!-).*")


class Beside(Struct, frozen=True):
    """Rules that no row shows, by where they are asked. `one_to_one` are rows as those of destination NAT."""

    before_forwards: tuple[Rule, ...] = ()
    behind_forwards: tuple[Rule, ...] = ()
    one_to_one: tuple[Row, ...] = ()
    before_filter: tuple[Rule, ...] = ()
    behind_filter: tuple[Rule, ...] = ()


def beside(told: Json, exhibit: str) -> Beside:
    """Read pf's own list. Where it was not told, rules that no row shows may stand behind all others."""
    nat, filters = (loaded_lines(told, name) for name in ("nat rules", "filter rules"))
    if not nat or not filters:
        unread = (_unknown("pf's own list of its rules was not read", exhibit),)
        return Beside(behind_forwards=unread, behind_filter=unread)
    before, behind = _anchors(nat, ("rdr", "binat"), exhibit)
    first, last = _anchors(filters, (None,), exhibit)
    plain = {line: _ONE_TO_ONE.fullmatch(line) for line in nat if re.match(r"@\d+ binat (?!-)", line)}
    strange = (_unknown(words_of_line(line), exhibit) for line, match in plain.items() if match is None)
    rows = tuple(_row(line, match) for line, match in plain.items() if match is not None)
    return Beside(before, (*behind, *strange), rows, first, last)


def _anchors(
    lines: Sequence[str], kinds: Sequence[str | None], exhibit: str
) -> tuple[tuple[Rule, ...], tuple[Rule, ...]]:
    """Give the anchors of these kinds, before all rules and behind them."""
    first = next((at for at, line in enumerate(lines) if _OWN.fullmatch(line)), len(lines))

    def among(some: Sequence[str]) -> Iterator[Rule]:
        for line in some:
            match = _ANCHOR.fullmatch(line)
            if match is not None and match["kind"] in kinds:
                yield _unknown(words_of_line(line), exhibit)

    return tuple(among(lines[:first])), tuple(among(lines[first:]))


def _row(line: str, match: re.Match[str]) -> Row:
    return {
        "ipprotocol": match["family"] or ("inet6" if ":" in match["inner"] else "inet"),
        "destination.network": match["outer"],
        "target": match["inner"],
        "descr": words_of_line(line),
    }


def _unknown(words: str, exhibit: str) -> Rule:
    # Rules in an anchor may be quick, whatever the anchor is.
    name = f"UPnP: {words}" if "miniupnpd" in words else ""
    return Rule((), (UnknownEffect(words),), words, name, exhibit=exhibit, quick=True)
