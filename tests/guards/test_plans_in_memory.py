"""Thousands of homes and wishes in memory: what all guards let pass is carried out, and packets look for anything new."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.guards.judged import ROUTERS, Figures, run

#: Homes of each family.
SHARE, NIGHTLY = 25, 575


def held(figures: Figures) -> None:
    """Nothing new reaches a host; and guards that refuse everything, or plans that open nothing, would prove nothing."""
    assert not figures.violated, "\n\n".join(map(str, figures.violated[:5])) + f"\n\n{figures}"
    for family, counts in figures.counts.items():
        assert 0.15 < counts["allowed"] / counts["plans"] < 0.75, (family, str(figures))
        assert counts["works"] >= 0.05 * counts["plans"], (family, str(figures))


@pytest.mark.timeout(300)
def test_nothing_new_reaches_a_host_but_the_port_that_the_plan_named() -> None:
    figures = run((family, number) for number in range(SHARE) for family in ROUTERS)
    held(figures)
    assert figures.total("plans") >= 75, str(figures)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_nothing_new_reaches_a_host_in_homes_of_today() -> None:
    today = datetime.now(UTC).toordinal() * 10_000
    figures = run((family, today + number) for number in range(NIGHTLY) for family in ROUTERS)
    held(figures)
    assert figures.total("plans") >= 2000, str(figures)
