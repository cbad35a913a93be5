"""What the fault tests of the engine share: a process that forks plexops, and homes to run it on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.engine_bench import ENGINE_CHILD, Homes
from tests.forking import Forker, forker


@pytest.fixture(scope="session")
def forking() -> Iterator[Forker]:
    """One process for all tests: it has plexops loaded and forks a child for every command."""
    with forker(ENGINE_CHILD) as process:
        yield process


@pytest.fixture
def homes(forking: Forker, tmp_path: Path) -> Iterator[Homes]:
    """Start homes with plexops beside them."""
    yield Homes(forking, tmp_path)
    forking.tidy()
