"""The timing of the walk works, and the page has it. No time is asserted: the machine may be busy."""

from __future__ import annotations

import pytest

from tests.bench.document import WALK_BUDGETS, walks
from tests.bench.walking import WALKS, measure_walks

pytestmark = pytest.mark.bench


def test_one_round_of_every_walk_and_its_row_and_budget() -> None:
    found = measure_walks(1)
    assert [one.name for one in found] == [walk.name for walk in WALKS] == list(WALK_BUDGETS)
    assert all(len(one.seconds) == 1 and one.seconds[0] > 0 for one in found)
    rows = walks(found)
    for name, most in WALK_BUDGETS.items():
        (row,) = [row for row in rows if row.startswith(f"| {name} |")]
        assert f"| ≤ {most:,} |" in row
        assert "held" in row
