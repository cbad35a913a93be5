"""docs/verdicts.md is what the rules say, every row of the runbook has a verdict, and no text gives forbidden advice."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from plexops.runbook.rule import Rule, Weight
from plexops.runbook.rules import IN_ORDER, RULES

from plexops.runbook.page import verdict_page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "verdicts.md"
#: Every row but M2, the log, which serves all of them.
ROWS = (
    *(f"R{n}" for n in range(1, 6)),
    *(f"D{n}" for n in range(1, 6)),
    "E1",
    "E2",
    "E3",
    "E4",
    "M1",
    "M3",
    "M4",
)
#: As shared with the runbook: what an evening of despair leads people to.
FORBIDDEN = re.compile(
    r"\b(?:buy|new router|exposed host|disable the firewall|as the DMZ host of the router)\b", re.IGNORECASE
)


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == verdict_page(), "python -m scripts.verdict_page"


@pytest.mark.parametrize("row", ROWS)
def test_every_row_of_the_runbook_has_a_verdict(row: str) -> None:
    assert any(row in rule.rows for rule in RULES)


def test_ids_are_unique_and_covers_names_rules() -> None:
    ids = [rule.id for rule in RULES]
    assert len(ids) == len(set(ids))
    assert all(set(rule.covers) <= set(ids) for rule in RULES)
    assert set(ids) >= IN_ORDER


@pytest.mark.parametrize("rule", RULES, ids=[rule.id for rule in RULES])
def test_what_a_rule_covers_comes_after_it(rule: Rule) -> None:
    """Or else the covered cause would be the verdict, and this one its echo."""
    if rule.weight is Weight.NOTE:
        return
    later = [other.id for other in RULES[RULES.index(rule) + 1 :]]
    assert set(rule.covers) <= set(later)


@pytest.mark.parametrize("rule", RULES, ids=[rule.id for rule in RULES])
def test_no_advice_to_buy_or_to_open(rule: Rule) -> None:
    assert rule.action
    assert not FORBIDDEN.search(" ".join(rule.action))
