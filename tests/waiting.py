"""Waiting for what happens elsewhere: generous, for a busy machine, and over as soon as it has happened."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(happened: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something is so; fail where it is not by then."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
