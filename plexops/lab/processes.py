"""The processes of a simulated device: enough of them for background jobs and `kill`."""

from __future__ import annotations

import itertools
import threading

from msgspec import Struct, field

from plexops.lab.filesystem import FileSystem


class KilledError(Exception):
    """The process that was running got a signal, or the home stopped."""


class Process(Struct, eq=False):
    """One process; `words` is its command line."""

    pid: int
    group: int
    words: str
    killed: threading.Event = field(default_factory=threading.Event)
    finished: threading.Event = field(default_factory=threading.Event)


class ProcessTable:
    """All that run on one device, with what its /proc says of each."""

    def __init__(self, files: FileSystem) -> None:
        self._files = files
        self._numbers = itertools.count(1203)
        self._running: dict[int, Process] = {}
        self._lock = threading.Lock()

    def start(self, words: str, group: int | None = None) -> Process:
        """Add a process, in its own group unless one is given."""
        with self._lock:
            pid = next(self._numbers)
            process = Process(pid, group if group is not None else pid, words)
            self._running[pid] = process
            self._files.install({f"/proc/{pid}/cmdline": words.replace(" ", "\0")})
            return process

    def finish(self, process: Process) -> None:
        """Take it out."""
        with self._lock:
            if self._running.pop(process.pid, None) is not None:
                self._files.remove_tree(f"/proc/{process.pid}")
        process.finished.set()

    def find(self, pid: int) -> list[Process]:
        """Give the process with that id, or the group's processes for a negative id."""
        with self._lock:
            if pid < 0:
                return [p for p in self._running.values() if p.group == -pid]
            return [self._running[pid]] if pid in self._running else []

    def running(self) -> list[Process]:
        """Give all of them, oldest first."""
        with self._lock:
            return list(self._running.values())
