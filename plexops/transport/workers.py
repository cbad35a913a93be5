"""Threads for what waits on devices."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def workers(count: int, name: str = "plexops-worker") -> Iterator[ThreadPoolExecutor]:
    """Give threads that a person who interrupts does not wait for: a silent device may take its whole time limit."""
    pool = ThreadPoolExecutor(count, name)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
