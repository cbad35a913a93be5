"""Point 3 of the job, in a real home: where nothing can help nothing is sent, and what does not help is put back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Literal

import pytest

from .owner import PORT, armed_windows, mark, plexops, say_how_long, state_of, writes_since
from .realhome import RealHome, real_home, why_not

pytestmark = [pytest.mark.namespaces, pytest.mark.skipif(bool(why_not()), reason=why_not() or "can run here")]


@pytest.fixture(scope="module", params=["cgnat", "double"])
def behind_nat(request: pytest.FixtureRequest) -> Iterator[tuple[str, RealHome]]:
    wan: Literal["cgnat", "double"] = request.param
    with real_home(wan) as home:
        yield wan, home


@pytest.mark.parametrize("command", ["audit", "apply --dry-run", "apply --yes"])
def test_a_safe_stop_sends_nothing(behind_nat: tuple[str, RealHome], command: str) -> None:
    wan, home = behind_nat
    before, marked = state_of(home), mark(home)
    done = plexops(home, command)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "safe stop" in done.stdout
    assert {"cgnat": "100.64.7.20", "double": "192.168.100.2"}[wan] in done.stdout
    assert writes_since(home, marked) == {}
    assert state_of(home).differs(before) == []


def test_an_effect_that_nobody_can_judge_is_kept_and_said() -> None:
    """The vantage is cut off and plex.tv answers Plex nothing: the whole time for a verdict passes, a minute."""
    with real_home(outside_cut=True, plex_throttled=True) as home:
        started = time.monotonic()
        done = plexops(home, "apply --yes")
        say_how_long("apply with no witness", started)
        assert done.returncode == 4, done.stdout + done.stderr
        assert "unknown" in done.stdout
        assert "kept" in done.stdout
        assert home.connect_from_outside(PORT) == "open", "it is really there; only nobody could say so"
        assert home.machine_identifier in (home.identity_from_outside(PORT) or "")
        assert armed_windows(home) == [], "a device whose undo still stands would take it away again"


def test_what_the_provider_swallows_is_refuted_and_put_back() -> None:
    with real_home(isp_drops_port=PORT) as home:
        before, marked, started = state_of(home), mark(home), time.monotonic()
        done = plexops(home, "apply --yes")
        say_how_long("apply, refuted", started)
        assert done.returncode == 5, done.stdout + done.stderr
        assert any("nft -f" in text for text in writes_since(home, marked)["router"]), "it was tried"
        assert state_of(home).differs(before) == []
        assert armed_windows(home) == []
        proofs = [line for line in done.stdout.splitlines() if line.startswith("refuted")]
        assert any("plex" in line for line in proofs), done.stdout
        assert any("outside" in line for line in proofs), done.stdout
