"""Point 3 of the job, in a real home: where nothing can help nothing is sent, and what does not help is put back."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import pytest

from .owner import (
    PORT,
    armed_windows,
    mark,
    plexops,
    say_how_long,
    state_of,
    without_vantage,
    writes_since,
)
from .realhome import Seen, real_home, why_not

pytestmark = [pytest.mark.namespaces, pytest.mark.skipif(bool(why_not()), reason=why_not() or "can run here")]


@dataclass(frozen=True, slots=True)
class Unwitnessed:
    """What an apply came to whose effect nobody could judge."""

    done: subprocess.CompletedProcess[str]
    outside: Seen
    identity: str | None
    machine_identifier: str
    windows: list[str]


def apply_unwitnessed() -> Unwitnessed:
    with real_home(outside_cut=True, plex_throttled=True) as home:
        started = time.monotonic()
        done = plexops(home, "apply --yes")
        say_how_long("plexops apply --yes, with no witness", started)
        seen = home.connect_from_outside(PORT, 2)
        return Unwitnessed(
            done, seen, home.identity_from_outside(PORT), home.machine_identifier, armed_windows(home)
        )


@pytest.fixture(scope="module", autouse=True)
def unwitnessed() -> Iterator[Future[Unwitnessed]]:
    """Begun before the other tests of this file: it waits a whole minute for a verdict of Plex that never comes."""
    with ThreadPoolExecutor(1) as beside:
        yield beside.submit(apply_unwitnessed)


@pytest.mark.parametrize("wan", ["cgnat", "double"])
def test_a_safe_stop_sends_nothing(wan: Literal["cgnat", "double"]) -> None:
    with real_home(wan) as home:
        before, marked = state_of(without_vantage(home)), mark(home)
        for command in ("audit", "apply --dry-run", "apply --yes"):
            done = plexops(home, command)
            assert done.returncode == 3, done.stdout + done.stderr
            assert "safe stop" in done.stdout.lower()
            assert {"cgnat": "100.64.7.20", "double": "192.168.100.2"}[wan] in done.stdout
        assert writes_since(home, marked) == {}
        assert state_of(home).differs(before) == []


def test_what_the_provider_swallows_is_refuted_and_put_back() -> None:
    with real_home(isp_drops_port=PORT) as home:
        before, marked, started = state_of(home), mark(home), time.monotonic()
        done = plexops(home, "apply --yes")
        say_how_long("plexops apply --yes, refuted", started)
        assert done.returncode == 5, done.stdout + done.stderr
        assert any("nft -f" in text for text in writes_since(home, marked)["router"]), "it was tried"
        assert state_of(home).differs(before) == []
        assert armed_windows(home) == []
        proofs = [line for line in done.stdout.splitlines() if line.startswith("refuted")]
        assert any("plex" in line for line in proofs), done.stdout
        assert any("outside" in line for line in proofs), done.stdout


def test_an_effect_that_nobody_can_judge_is_kept_and_said(unwitnessed: Future[Unwitnessed]) -> None:
    seen = unwitnessed.result()
    assert seen.done.returncode == 4, seen.done.stdout + seen.done.stderr
    assert "unknown" in seen.done.stdout
    assert "kept" in seen.done.stdout
    assert seen.outside == "open", "it is really there; only nobody could say so"
    assert f'machineIdentifier="{seen.machine_identifier}"' in (seen.identity or "")
    assert seen.windows == [], "an undo that still stands would take it away again"
