"""Time inside a simulated home, which a test can let run faster."""

from __future__ import annotations

import threading
import time

#: How long a change of the scale may go unnoticed by who sleeps, in real seconds.
POLL_SECONDS = 0.05


class ScaledClock:
    """Simulated seconds: `scale` of them pass in each real one.

    `scale` may be changed while the home runs; the simulated time never jumps back.
    """

    def __init__(self, scale: float = 1.0) -> None:
        self._scale = scale
        self._lock = threading.Lock()
        self._real = time.monotonic()
        self._simulated = time.time()
        self.stopped = threading.Event()

    @property
    def scale(self) -> float:
        """Give simulated seconds per real second."""
        return self._scale

    @scale.setter
    def scale(self, value: float) -> None:
        with self._lock:
            self._simulated, self._real = self._now(), time.monotonic()
            self._scale = value

    def time(self) -> float:
        """Give simulated seconds since the epoch."""
        with self._lock:
            return self._now()

    def sleep(self, seconds: float) -> None:
        """Wait that many simulated seconds, however the scale changes meanwhile; return early when the home stops."""
        end = self.time() + seconds
        while (left := end - self.time()) > 0 and not self.stopped.wait(
            min(left / self._scale, POLL_SECONDS)
        ):
            pass

    def stop(self) -> None:
        """End all waiting."""
        self.stopped.set()

    def _now(self) -> float:
        return self._simulated + (time.monotonic() - self._real) * self._scale
