"""What is under way, on the standard error: in plain lines, and for several homes as a bar that counts."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from plexops.cli.output import note
from plexops.model.status import ExitStatus

#: So often a person at a terminal is told that it still goes on, in seconds.
_EVERY = 5.0


class Progress:
    """Tells what begins; at a terminal it says every few seconds that it still goes on. Nowhere else is there a clock."""

    def __init__(self) -> None:
        self._now = ""
        self._since = 0.0
        self._changed = threading.Event()
        if sys.stderr.isatty():
            threading.Thread(target=self._go_on, daemon=True, name="plexops-progress").start()

    def __call__(self, text: str) -> None:
        """Tell that something begins."""
        note(text)
        self._now, self._since = text, time.monotonic()
        self._changed.set()

    def at_a_terminal(self, text: str) -> None:
        """Tell what only somebody who waits for it wants to know."""
        if sys.stderr.isatty():
            self(text)

    def pause(self) -> None:
        """Say nothing more until something else begins: a person is asked, or it is over."""
        self._now = ""

    def _go_on(self) -> None:
        while True:
            if self._changed.wait(_EVERY):
                self._changed.clear()
            elif self._now:
                note(f"… {self._now} ({time.monotonic() - self._since:.0f} s)")


@contextmanager
def homes_done(total: int) -> Iterator[Callable[[int], None]]:
    """Give what is called with the exit status of each home that is done. It draws only at a terminal."""
    if total < 2 or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    counts: Counter[str] = Counter()
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)

        def done(status: int) -> None:
            counts[ExitStatus(status).name.lower().replace("_", " ")] += 1
            said = " · ".join(f"{number} {word}" for word, number in counts.items())
            bar.update(task, advance=1, description=said)

        yield done
