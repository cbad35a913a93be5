"""What a run has begun and not put back, heard from its own records: told at once to whoever interrupts it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

from plexops.evidence.journal import Record
from plexops.model.errors import PlexopsError

#: Tells a person what is under way, in one line; no result.
Tell = Callable[[str], None]
#: Takes one record of the journal; it is on the disk when this returns. Raises PlexopsError where it cannot be kept. What
#: it gives, such as its hash, is nothing to a run.
Recorder = Callable[[str, Mapping[str, object]], object]


def silent(_text: str) -> None:
    """Tell nothing."""


class OpenChanges:
    """A recorder that knows what the records say. Once a run goes back, it does not stop for want of a record.

    Nothing is sent on the way forth without its record on the disk. The way back is written down beforehand, with
    each change: to leave a change on a device because the disk is full would help nobody.
    """

    def __init__(self, append: Recorder, tell: Tell = silent, before: Iterable[Record] = ()) -> None:
        self._append = append
        self._tell = tell
        self._names: dict[int, str] = {}
        self._fires: dict[int, datetime] = {}
        self._unwritten = False
        self.going_back = False
        for record in before:
            self._hear(record.kind, record.data, datetime.fromisoformat(record.time))

    def __call__(self, kind: str, data: Mapping[str, object]) -> None:
        """Append a record. Raises PlexopsError where it cannot be kept, except on the way back."""
        self.going_back = self.going_back or kind == "undo"
        try:
            self._append(kind, data)
        except PlexopsError as error:
            if not self.going_back:
                raise
            if not self._unwritten:
                self._tell(
                    f"what follows is not written down ({error}): the changes are put back all the same"
                )
            self._unwritten = True
        self._hear(kind, data, datetime.now(UTC))
        self._say(kind, data)

    def first(self) -> str:
        """What the first interruption means."""
        if not self._names:
            return "interrupted: nothing was changed"
        names = ", ".join(self._names[step] for step in sorted(self._names, reverse=True))
        return f"interrupted: putting back {names}. Ctrl-C once more stops at once"

    def second(self) -> str:
        """What stands when it is stopped without putting back."""
        said = [f"{self._names[step]}: {self.until(step)}" for step in sorted(self._names)]
        return f"stopped. Not put back: {'; '.join(said) or 'nothing'}. Settle it: plexops recover"

    def until(self, step: int) -> str:
        """When the device puts a step back by itself, in words."""
        if step not in self._fires:
            return "nothing on the device puts it back by itself"
        return f"the device puts it back by itself at {self._fires[step].astimezone():%H:%M:%S} at the latest"

    def _hear(self, kind: str, data: Mapping[str, object], at: datetime) -> None:
        step = data.get("step")
        if not isinstance(step, int):
            return
        change, seconds = data.get("change"), data.get("seconds")
        if kind == "intent" and isinstance(change, Mapping):
            self._names[step] = f"{change.get('role')}/{change.get('kind')}/{change.get('key')}"
        elif kind == "armed" and isinstance(seconds, (int, float)):
            self._fires[step] = at + timedelta(seconds=seconds)
        elif kind == "confirmed":
            self._fires.pop(step, None)
        elif kind == "undone":
            self._names.pop(step, None)

    def _say(self, kind: str, data: Mapping[str, object]) -> None:
        step = data.get("step")
        if not isinstance(step, int) or step not in self._names:
            return
        if kind == "undo":
            self._tell(f"putting back {self._names[step]}")
        elif kind == "undo failed":
            waiting = "waiting for that" if step in self._fires else "looking once more"
            self._tell(f"{self._names[step]} was not seen put back; {self.until(step)}: {waiting}")


@contextmanager
def interruptible(open_changes: OpenChanges, tell: Tell) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM (a service that is stopped) put back first what was made, and stop at the second time."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    times = 0

    def interrupted(_signal: int, _frame: object) -> None:
        nonlocal times
        times += 1
        with suppress(RuntimeError):  # it came within the printing of another line
            tell(open_changes.first() if times == 1 else open_changes.second())
        if times > 1 or not open_changes.going_back:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupted) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
