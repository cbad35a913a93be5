"""Every scenario of the table in the simulated home: verdict, layer, what else is seen, and that nothing is written."""

from __future__ import annotations

from plexops.runbook.causes.table import CAUSES
from plexops.runbook.situation import Situation
from plexops.runbook.verdict import judge
from tests.runbook.homes import HOMES
from tests.runbook.recorded import Diagnosed, Expected, table

ROWS = table()


def test_the_verdict_is_right(row: Expected, diagnosed: Diagnosed) -> None:
    assert diagnosed.ended.status == row.exit, diagnosed.ended.said
    verdict = diagnosed.site["verdict"]
    also = {seen["id"] for seen in verdict["also"]}
    assert (verdict["id"], verdict["layer"]) == (row.verdict, row.layer), verdict
    assert set(row.also) <= also, verdict
    assert not set(row.never) & {verdict["id"], *also}, verdict
    assert (diagnosed.site["safe_stop"] is not None) is row.stop
    if row.first:
        assert verdict["candidates"][0]["causes"][0] == row.first


def test_the_verdict_says_what_decided_it(row: Expected, diagnosed: Diagnosed) -> None:
    verdict = diagnosed.site["verdict"]
    if row.verdict == "unknown":
        assert verdict["missing"]
        return
    ids = {exhibit["id"] for exhibit in diagnosed.site["exhibits"]}
    assert verdict["exhibits"], "a verdict without an exhibit is a guess"
    assert set(verdict["exhibits"]) <= ids
    assert verdict["because"]
    assert verdict["rows"]
    assert verdict["overturned_by"]
    assert diagnosed.site["next_steps"]


def test_nothing_is_written(diagnosed: Diagnosed) -> None:
    assert diagnosed.unchanged
    assert not [line for line in diagnosed.commands["plex"] if not line.startswith("GET ")]


def test_every_cause_is_a_verdict_or_seen_beside_one() -> None:
    """One that no scenario and no home shows may be wrong, and it would never be known."""
    shown = {row.verdict for row in ROWS} | {name for row in ROWS for name in row.also}
    shown |= {judge(Situation(home.make(), 32500)).id for home in HOMES}
    shown |= {name for cause in CAUSES if cause.id in shown for name in cause.covers}
    assert {cause.id for cause in CAUSES} - shown == set()
    assert len(ROWS) >= 45
