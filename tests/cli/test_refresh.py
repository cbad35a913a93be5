"""`plexops diagnose --refresh`: plex.tv tries the port again, once, and the verdict is the new one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plexops.lab.home import HomeOptions
from plexops.lab.plex_seed import PlexSeed
from plexops.structs import replace
from tests.cli.process import Ended, House, house

NUDGE = "PUT /myplex/refreshReachability"
#: Whoever looks twice a second sees Plex wait for plex.tv.
SLOW = PlexSeed(delay_seconds=0.8, refresh_window_seconds=0.1)
MAY_BE_OLD = "it may be an old one"


def site(ended: Ended) -> Any:
    return json.loads(ended.out)["sites"][0]


def requests(home: House) -> list[str]:
    return [line for line in home.home.commands("plex") if not line.startswith("GET ")]


def mended(home: House) -> None:
    """Let plex.tv fail first, and then open its way: Plex goes on telling of the failure."""
    home.home.plex.settle()
    assert home.home.plex.verdict().error == "unreachable"
    home.home.network.blocked_ports = frozenset()


def test_the_verdict_is_fresh_after_exactly_one_request(tmp_path: Path) -> None:
    with house(tmp_path, "no-direct-way", options=HomeOptions(plex=SLOW)) as home:
        mended(home)
        before = home.exports()
        old = home("diagnose", "--format", "json")
        assert (old.status, site(old)["verdict"]["id"]) == (1, "no-direct-way")
        assert requests(home) == []

        ended = home("diagnose", "--refresh", "--format", "json", "--record", "recording")
        assert requests(home) == [NUDGE]
        assert (ended.status, site(ended)["verdict"]["id"]) == (0, "in-order"), ended.said
        assert site(ended)["verdict"]["missing"] == []
        told = [moment["text"] for moment in site(ended)["timeline"]]
        assert f"asked plex.tv to try again: {NUDGE} (a nudge: it changes no setting)" in told
        assert "plex.tv's verdict is new" in told
        exhibit = next(one for one in site(ended)["exhibits"] if one["source"].startswith(NUDGE))
        assert exhibit["text"].splitlines()[0] == "before: mapped (unreachable)"
        assert home.exports() == before

        replayed = home("diagnose", "--replay", "recording", "--format", "json")
        # A recording holds what was seen, and not that plex.tv had just been asked.
        assert (replayed.status, site(replayed)["verdict"]["id"]) == (4, "reachable")
        assert requests(home) == [NUDGE]


def test_a_verdict_that_may_be_old_is_marked(tmp_path: Path) -> None:
    seed = replace(SLOW, throttled=True)
    with house(tmp_path, "no-direct-way", options=HomeOptions(plex=seed)) as home:
        mended(home)
        ended = home("diagnose", "--refresh", "--format", "json")
        assert requests(home) == [NUDGE]
        assert (ended.status, site(ended)["verdict"]["id"]) == (1, "no-direct-way")
        assert MAY_BE_OLD in " ".join(site(ended)["verdict"]["missing"])
        assert any(MAY_BE_OLD in moment["text"] for moment in site(ended)["timeline"])


def test_nothing_is_sent_where_it_would_come_to_nothing(tmp_path: Path) -> None:
    with house(tmp_path, "publishing-off") as home:
        ended = home("diagnose", "--refresh", "--format", "json")
        assert requests(home) == []
        assert site(ended)["verdict"]["id"] == "publishing-off"
        why = "plex.tv was not asked to try again: remote access is switched off in Plex"
        assert why in site(ended)["verdict"]["missing"]


def test_a_stop_that_keeps_silent_does_not_keep_plex_tv_from_trying(tmp_path: Path) -> None:
    with house(tmp_path, "no-direct-way", options=HomeOptions(plex=SLOW)) as home:
        mended(home)
        home.home.network.router_services.clear()
        ended = home("diagnose", "--refresh", "--format", "json")
        assert requests(home) == [NUDGE]
        assert "plex.tv's verdict is new" in [moment["text"] for moment in site(ended)["timeline"]]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--quick",), "--quick logs in nowhere"),
        (("--offline",), "--offline asks nothing of the internet"),
        (("--replay", "."), "--replay asks no device"),
    ],
)
def test_with_what_it_makes_no_sense(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    with house(tmp_path, "in-order") as home:
        before = len(home.home.log("plex"))
        ended = home("diagnose", "--refresh", *words)
        assert (ended.status, says in ended.said) == (2, True), ended.said
        assert len(home.home.log("plex")) == before
        assert not home.state.exists() or not list(home.state.glob("home/runs/*"))
