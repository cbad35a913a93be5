"""Plans for a real router and a real host: what all guards let pass is written there, and real connections look for more."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.guards.judged import Figures
from tests.guards.real import run
from tests.packets.test_packets_judge import why_not

pytestmark = [pytest.mark.namespaces, pytest.mark.skipif(bool(why_not()), reason=why_not())]

SHARE, NIGHTLY = 20, 270


def held(figures: Figures) -> None:
    """Nothing new reaches the host, over IPv4 and IPv6; and some plans open what they name."""
    assert not figures.violated, "\n\n".join(map(str, figures.violated[:5])) + f"\n\n{figures}"
    counts = figures.counts["linux"]
    assert 0.15 < counts["allowed"] / counts["plans"] < 0.8, str(figures)
    assert counts["works"] >= 0.05 * counts["plans"], str(figures)


@pytest.mark.timeout(300)
def test_nothing_new_reaches_a_real_host_but_the_port_that_the_plan_named() -> None:
    held(run(range(SHARE)))


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_nothing_new_reaches_a_real_host_in_homes_of_today() -> None:
    today = datetime.now(UTC).toordinal() * 10_000
    figures = run(range(today, today + NIGHTLY))
    held(figures)
    assert figures.total("plans") >= 200, str(figures)
