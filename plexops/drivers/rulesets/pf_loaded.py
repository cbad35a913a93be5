"""pf's own list of its rules, beside the rows that OPNsense's API shows: rules that no row shows, and what is not in force.

The API shows what is saved of destination NAT, and pf's list what pf holds: of that the rules of anchors, and one-to-one
NAT, stand in no row. Sources: OPNsense core 26.1 to 26.7 (`FirewallController::pfStatisticsAction`, `pfstatistics.py`: the
lines of `pfctl -vvsnat` with their counters; `ForwardRule.php` and `Rule.php`: what text a row becomes; `filter.inc`:
anchors stand at the head or the tail of the rules of their kind); pfctl(8) and FreeBSD's `pfctl_parser.c`: `(igb1:1)` is
an interface with its number of addresses, `<name:2>` a table with its entries, and a port may be told by its service's
name; pf.conf(5) (what an anchor holds is put in from outside: UPnP's daemon, for one); OPNsense's plugin for UPnP,
`miniupnpd.inc`: it has anchors only while it is switched on; FreeBSD's `pf_get_translation`: of what comes in, `binat` is
asked where no `rdr` matched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, product

from msgspec import Struct

from plexops.drivers.rulesets.pf_words import Row, Rows, listed, loaded_lines, on, text, words_of_line
from plexops.model.exchange import Json
from plexops.model.packets import Rule, UnknownEffect
from plexops.pattern import Pattern

_ANCHOR = Pattern(r"@\d+ (?:(?P<kind>nat|rdr|binat)-)?anchor .*")
_ONE_TO_ONE = Pattern(
    r"@\d+ binat(?: pass)?(?: log)? on \S+(?: (?P<family>inet6?))? from (?P<inner>[\da-f.:]+) to any"
    r" -> (?P<outer>[\da-f.:]+)"
)
_OWN = Pattern(r"@\d+ (?:no rdr|rdr|pass|block)\b(?!-).*")
_LINE = Pattern(
    r"@(\d+) rdr(?P<passes> pass)?(?: log(?: \([^)]*\))?)?(?: on (?P<side>(?:! )?\S+))?(?: (?P<family>inet6?))?"
    r"(?: proto (?P<protocol>\S+))?(?: all| from (?P<source>(?:! )?\S+)(?: port .+?)? to (?P<to>(?:! )?\S+)"
    r"(?: port (?P<port>= \S+|\d+:\d+|\S+ .+?))?)(?: tag \S+)?(?: tagged \S+)?"
    r"(?: -> (?P<target>\S+|\{.+?\})(?: port (?P<inner>\S+))?(?: .*)?)?"
)
#: One `rdr` of pf's: its words as a whole, and what they name; what they do not name is empty.
Loaded = Mapping[str, str]
_ADDRESS = Pattern(r"\d{1,3}(?:\.\d{1,3}){3}(?:/\d+)?")


def not_in_force(rows: Rows, interfaces: Rows, told: Json, wan: str) -> tuple[str, ...]:
    """Say what is saved and not in force, and what is in force and not saved; empty where they agree.

    `told` is the answer of pf's own list, `wan` OPNsense's word for the internet side. What stands behind an alias or a
    service's name is taken to agree. Raises ValueError where pf's list is none.
    """
    loaded = list(_loaded(told))
    devices = {text(row, "identifier"): text(row, "device") for row in interfaces}
    enabled = [row for row in rows if not on(row, "disabled")]
    explained: dict[str, list[Row]] = {
        one["words"]: [r for r in enabled if _agrees(r, one, devices)] for one in loaded
    }
    found = [
        f"“{text(row, 'descr') or text(row, 'uuid')}” is saved and not applied: "
        f"{text(row, 'destination.port')} → {text(row, 'target')}:{text(row, 'local-port')}"
        for row in enabled
        if not on(row, "nordr")
        and not on(row, "is_automatic")
        and _is_plain(row, devices)
        and not all(any(_agrees(part, one, devices) for one in loaded) for part in _parts(row))
    ]
    found += [
        f"pf goes by what is not saved: {one['words']}"
        for one in loaded
        if one["side"] in ("", devices.get(wan, wan))
        and one["family"] != "inet6"
        and not explained[one["words"]]
    ]
    alone = [explained[one["words"]][0] for one in loaded if len(explained[one["words"]]) == 1]
    order = [int(number) for row in alone if (number := text(row, "sequence")).isdigit()]
    if not found and any(after < before for before, after in pairwise(order)):
        found.append("the rules are saved in another order than pf goes by")
    return tuple(found)


def _loaded(told: Json) -> Iterator[Loaded]:
    lines = loaded_lines(told, "nat rules")
    if not lines:
        # Even without a forward there is `no rdr proto carp`, and the anchors.
        raise ValueError("pf did not list its rules")
    for line in lines:
        if re.match(r"@\d+ rdr(?!-)", line):
            match = _LINE.fullmatch(line)
            if match is None:
                raise ValueError(f"a rule of pf is not understood: {line}")
            yield {**match.groupdict(default=""), "words": words_of_line(line)}


def _parts(row: Row) -> Iterator[Row]:
    """Take a row apart as OPNsense and pf do: a rule each for every interface and protocol."""
    sides = listed(text(row, "interface")) or [""]
    for side, protocol in product(sides, text(row, "protocol").lower().split("/")):
        yield {**row, "interface": side, "protocol": protocol}


def _is_plain(row: Row, devices: Mapping[str, str]) -> bool:
    """Tell whether a row must be in pf's list: one with an alias that is not there is not, and that is not seen here."""
    words = (text(row, "destination.port"), text(row, "local-port"))
    return (
        _ADDRESS.fullmatch(text(row, "target")) is not None
        and all(re.fullmatch(r"[\d-]*", word) for word in words)
        and text(row, "ipprotocol") != "inet6"
        and all(devices.get(side) for side in listed(text(row, "interface")))
        and all(_ADDRESS.fullmatch(word) or word in ("", "any") for word in [text(row, "source.network")])
    )


def _agrees(row: Row, one: Loaded, devices: Mapping[str, str]) -> bool:
    """Tell whether a row may have become this rule. What is no number and no address is not compared."""
    if on(row, "nordr"):
        return False
    if on(row, "is_automatic"):
        return True
    sides = [devices.get(side, one["side"]) for side in listed(text(row, "interface"))]
    return (
        (one["side"] in sides if sides else not one["side"])
        and one["family"]
        in ({"inet46": ["inet", "inet6"]}.get(text(row, "ipprotocol"), [text(row, "ipprotocol"), ""]))
        and one["protocol"] in text(row, "protocol").lower().split("/")
        and _same(text(row, "source.network") or "any", one["source"] or "any", negated=on(row, "source.not"))
        and _same_ports(text(row, "destination.port"), one["port"].removeprefix("= "))
        and _same(text(row, "target"), one["target"])
        and _same_ports(_inner(row), one["inner"])
        and bool(one["passes"]) is (text(row, "pass") not in ("", "rule"))
    )


def _same(saved: str, held: str, *, negated: bool = False) -> bool:
    if saved != "any" and _ADDRESS.fullmatch(saved) is None:
        return True
    return held == (f"! {saved}" if negated else saved).removesuffix("/32")


def _same_ports(saved: str, held: str) -> bool:
    if re.fullmatch(r"[\d-]*", saved) is None or re.fullmatch(r"[\d:]*", held) is None:
        return True
    return saved.replace("-", ":") == held


def _inner(row: Row) -> str:
    """Give the port behind, as pf has it: behind a range it is a range as long."""
    inner, (first, dash, last) = text(row, "local-port"), text(row, "destination.port").partition("-")
    if not dash or not inner.isdigit() or not (first + last).isdigit():
        return inner
    return f"{inner}-{int(inner) + int(last) - int(first)}"


# --- rules that no row shows ----------------------------------------------------------------------------------------


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
