"""Homes as people described them: decided as a person decides, or the truth among the candidates."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plexops.runbook.cause import Place
from plexops.runbook.situation import Situation
from plexops.runbook.stops import State
from plexops.runbook.verdict import Confidence, Verdict, judge
from tests.packets.handmade import DROP, TCP, base, dport, rule, server
from tests.runbook.homes import (
    HOMES,
    Home,
    checker_kept_out,
    filtered,
    healthy,
    manual_box,
    not_asked,
    refused_at_once,
    silent,
)
from tests.unit.runbook.sound_case import ROUTER, SERVER


def first_of(verdict: Verdict) -> set[str]:
    """Give what stands first: the verdict, or the headline with the first candidate."""
    first = verdict.candidates[:1]
    return {
        verdict.id,
        *(cause.id for one in first for cause in one.causes),
        *(str(one.stop.place) for one in first),
    }


@pytest.mark.parametrize("home", HOMES, ids=[home.name for home in HOMES])
def test_a_home_is_read_right(home: Home) -> None:
    verdict = judge(Situation(home.make(), 32500))
    assert verdict.outcome is home.outcome, verdict
    assert verdict.decided is home.decided, verdict
    assert home.cause in ({verdict.id} if home.decided else first_of(verdict)), verdict
    assert not {verdict.id, *(found.cause.id for found in verdict.also)} & set(home.never)


def test_what_keeps_the_checker_out_is_named() -> None:
    assert "drop the checker" in judge(Situation(checker_kept_out(), 32500)).says


def test_a_refusal_leaves_no_filter_that_drops() -> None:
    refused, silence = (judge(Situation(manual_box(how), 32500)) for how in (refused_at_once, filtered))
    assert not any("vpn-egress" in {c.id for c in one.causes} for one in refused.candidates)
    assert any(one.stop.place is Place.ROUTER_FORWARD for one in refused.candidates)
    assert refused.confidence is silence.confidence is Confidence.NONE


def test_no_stop_further_in_is_certain_while_one_further_out_is_unread() -> None:
    stopped = base("input", rule(TCP, dport(32400), DROP, words="no Plex"))
    view = silent(healthy())
    view = view.with_snapshot(replace(view.of(SERVER), box=server(stopped)))
    full = judge(Situation(view, 32500))
    assert (full.id, full.confidence) == ("host-other-filter", Confidence.CERTAIN), full
    without_router = judge(Situation(not_asked(view, ROUTER), 32500))
    assert without_router.confidence is not Confidence.CERTAIN
    assert without_router.before or without_router.candidates


def test_every_stop_says_what_it_is() -> None:
    for stop in judge(Situation(healthy(), 32500)).stops:
        assert stop.says
        assert stop.state in (State.PASSES, State.NOT_HERE, State.NEVER), stop
