"""What the tests of scenarios share: each scenario is diagnosed once for all of them."""

from __future__ import annotations

import pytest

from tests.runbook.recorded import Diagnosed, Expected, diagnose, table


@pytest.fixture(scope="session", params=table(), ids=lambda row: row.scenario)
def row(request: pytest.FixtureRequest) -> Expected:
    """A row of the table."""
    expected: Expected = request.param
    return expected


@pytest.fixture(scope="session")
def diagnosed(row: Expected, tmp_path_factory: pytest.TempPathFactory) -> Diagnosed:
    """The diagnosis of its home, with a recording."""
    return diagnose(row.scenario, tmp_path_factory.mktemp(row.scenario))
