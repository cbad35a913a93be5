"""Every part of every guard, taken out, turns a test red."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_of_every_guard_and_each_part_of_it_a_test_sees_that_it_is_gone() -> None:
    """In a process of its own: children are forked there by the hundred."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.guards.mutants"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
