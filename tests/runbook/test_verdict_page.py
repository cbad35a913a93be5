"""docs/verdicts.md is what the rules say, every row of the runbook has a verdict, and no text gives forbidden advice."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from plexops.runbook.causes.cause import Cause
from plexops.runbook.causes.table import CAUSES, IN_ORDER
from scripts.verdict_page import verdict_page

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
    assert any(row in cause.rows for cause in CAUSES)


def test_ids_are_unique_and_rows_name_rows() -> None:
    ids = {cause.id for cause in CAUSES}
    assert len(ids) == len(CAUSES)
    assert all(cause.covers | cause.follows <= ids for cause in CAUSES)
    assert ids >= IN_ORDER


@pytest.mark.parametrize("cause", CAUSES, ids=[cause.id for cause in CAUSES])
def test_what_covers_a_cause_does_not_follow_from_it(cause: Cause) -> None:
    """Or else each would hide the other."""
    assert not cause.covers & cause.follows
    assert cause.id not in cause.covers | cause.follows


@pytest.mark.parametrize("cause", CAUSES, ids=[cause.id for cause in CAUSES])
def test_no_advice_to_buy_or_to_open(cause: Cause) -> None:
    assert cause.action
    assert not FORBIDDEN.search(" ".join(cause.action))
