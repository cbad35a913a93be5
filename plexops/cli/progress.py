"""What is under way, in plain lines on the standard error."""

from __future__ import annotations

import sys
import threading
import time

from plexops.cli.output import note

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
