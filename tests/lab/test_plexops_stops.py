"""Point 3 of the job, in a real home: where nothing can help nothing is sent, and what does not help is put back."""

from __future__ import annotations

import time
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
from .realhome import real_home, why_not

pytestmark = [pytest.mark.namespaces, pytest.mark.skipif(bool(why_not()), reason=why_not() or "can run here")]


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
