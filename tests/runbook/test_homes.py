"""Homes as people described them: decided as a person decides, or the truth among the candidates."""

from __future__ import annotations

import pytest

from plexops.model.snapshot import FactValue, Kind
from plexops.runbook.causes.cause import StopName
from plexops.runbook.causes.server import plex_tv_blocked
from plexops.runbook.situation import Situation
from plexops.runbook.stops import State
from plexops.runbook.verdict import Confidence, Verdict, judge
from plexops.structs import replace
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
from tests.runbook.homes import plex_tv_blocked as blocked_home
from tests.unit.runbook.sound_case import OUTSIDE, ROUTER, SERVER, echo, with_entries, with_facts, without


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
    assert any(one.stop.place is StopName.ROUTER_FORWARD for one in refused.candidates)
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


@pytest.mark.parametrize(
    ("changed", "seen"),
    [
        ({}, "shown"),
        ({"host__plex_tv": None}, "no"),
        ({"host__plex_tv": ("0.0.0.0", "99.81.213.198")}, "no"),
        # In a network of its own a container may ask another resolver.
        ({"container__engine": "docker", "container__network": "bridge"}, "suspect"),
    ],
)
def test_the_resolver_is_blamed_for_what_it_said_alone(
    changed: dict[str, FactValue | None], seen: str
) -> None:
    view = with_facts(healthy(), SERVER, **{"host__plex_tv": ("0.0.0.0",), **changed})
    view = with_facts(view, OUTSIDE, account__online=None)
    found = plex_tv_blocked(Situation(view, 32500))
    assert ("no" if found is None else "suspect" if found.suspect else "shown") == seen


@pytest.mark.parametrize("source", ["198.51.100.80", "198.51.100.80:8080"])
def test_who_was_asked_at_an_address_proves_nothing_of_names(source: str) -> None:
    view = with_facts(without(blocked_home(), Kind.ECHO, OUTSIDE), OUTSIDE, outside__failure="")
    assert plex_tv_blocked(Situation(with_entries(view, echo("203.0.113.20", source), role=OUTSIDE))) is None
    by_name = with_entries(view, echo("203.0.113.20", "echo.example"), role=OUTSIDE)
    sign = plex_tv_blocked(Situation(by_name))
    assert sign is not None
    assert "(192.168.1.21) does not find plex.tv" in sign.says


def test_plex_tv_is_reached_where_its_name_is_found_or_it_sees_plex_online() -> None:
    view = with_facts(healthy(), OUTSIDE, account__online=None)
    found = with_facts(view, SERVER, host__plex_tv=("99.81.213.198",))
    for home, state in ((view, State.UNREAD), (found, State.PASSES), (healthy(), State.PASSES)):
        stops = judge(Situation(home, 32500)).stops
        assert next(stop for stop in stops if stop.place is StopName.REACHES_PLEX_TV).state is state
