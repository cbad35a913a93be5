"""Rows as OPNsense 26.7 answered them, and the text that it made of them for pf: both lead to the same place."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from plexops.model.intervals import intersect, subtract
from plexops.packets.reach import PUBLIC_V4, AnswerKind
from tests.packets.handmade import n
from tests.packets.pf_home import PLEX, WAN, ask, box, rule

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "data/pf/found.json").read_text("utf-8"))
ASKS = [pytest.param(case, one, id=f"{case['name']} {one['port']}") for case in CASES for one in case["asks"]]


@pytest.mark.parametrize(("case", "one"), ASKS)
def test_who_gets_in(case: dict[str, Any], one: dict[str, Any]) -> None:
    answer = ask(box(*case["rows"], aliases=case["aliases"]), one["port"], one["to"], one["address"])
    assert answer.kind.value == one["kind"]
    if "but" in one:
        assert answer.senders == subtract(PUBLIC_V4, n(one["but"]))
    if "only" in one:
        assert answer.senders == n(one["only"])


@dataclass(frozen=True)
class Line:
    """One line of pf's text, read by itself: first match decides."""

    device: str
    source: str
    destination: str
    port: str
    verb: str
    target: str

    def meets(self, device: str, source: str, destination: str, port: int, macros: dict[str, str]) -> bool:
        def holds(field: str, address: str) -> bool:
            where = {"(vtnet1)": WAN, "(vtnet0)": "192.168.1.1"}.get(field.lstrip("!"), field.lstrip("!"))
            inside = where == "any" or bool(intersect(n(where), n(address)))
            return inside is not field.startswith("!")

        named = macros.get(self.port.lstrip("$"), self.port)
        return (
            self.device in ("", device)
            and holds(self.source, source)
            and holds(self.destination, destination)
            and int(named) == port
        )


LINE = re.compile(
    r"(no rdr|rdr pass|rdr)(?: on (\S+))?(?: inet)? proto tcp from \{(\S+)\} to \{(\S+)\} port (?:\{(\d+)\}|(\$\w+))"
    r"(?: -> (\S+) port (\d+))? #"
)


def by_text(case: dict[str, Any], source: str, destination: str, port: int) -> str:
    """Say where pf's text sends a packet from the internet side, where the filter only has its default deny."""
    macros = {alias["name"]: alias["content"] for alias in case["aliases"]}
    for text in case["pf"]:
        found = LINE.match(text)
        assert found, text
        verb, device, source_, to, plain, macro, target, inner = found.groups()
        line = Line(device or "", source_, to, plain or macro, verb, target or "")
        if line.meets("vtnet1", source, destination, port, macros):
            place = macros.get(str(target).lstrip("$"), target)
            return f"{place} {inner}" if verb == "rdr pass" else ""
    return ""


@pytest.mark.parametrize("case", [pytest.param(c, id=c["name"]) for c in CASES if c["pf"]])
def test_rows_and_pf_text_agree(case: dict[str, Any]) -> None:
    of = box(*case["rows"], aliases=case["aliases"])
    places = [f"{PLEX} 32400", "192.168.1.60 8096"]
    for source in ("198.51.100.9", "203.0.113.77"):
        for destination in (WAN, "203.0.113.99"):
            for port in (32400, 32500, 443):
                right = by_text(case, source, destination, port)
                for place in places:
                    answer = ask(of, port, place, destination, n(source))
                    wanted = AnswerKind.EVERYBODY if place == right else AnswerKind.NOBODY
                    assert answer.kind is wanted, (source, destination, port, place)


def case_of(name: str) -> dict[str, Any]:
    return next(case for case in CASES if case["name"] == name)


def test_without_the_aliases_rows_only_the_row_that_names_them_is_not_known() -> None:
    """`summary` holds the right words here; it is display text, and is cut after ten."""
    rows = case_of("S2-good-forward-by-aliases")["rows"]
    plain = case_of("S2-good-forward-on-interface-list")["rows"][-1]
    assert ask(box(*rows)).kind is AnswerKind.UNKNOWN
    other = plain | {"sequence": "900", "destination.port": "32501"}
    # It may take any port; what stands before it is still sure.
    assert ask(box(*rows, other), 32501).kind is AnswerKind.UNKNOWN
    assert ask(box(*rows, other | {"sequence": "100"}), 32501).kind is AnswerKind.EVERYBODY


def test_what_is_only_translated_needs_the_filter() -> None:
    rows = case_of("S1-pass-manual")["rows"]
    assert ask(box(*rows)).kind is AnswerKind.NOBODY
    assert ask(box(*rows, filters=[rule()])).kind is AnswerKind.EVERYBODY
    # It sees what is translated, not what was asked for.
    assert ask(box(*rows, filters=[rule(destination_net="wanip")])).kind is AnswerKind.NOBODY
    assert ask(box(*rows, filters=[rule(destination_port="32500")])).kind is AnswerKind.NOBODY
