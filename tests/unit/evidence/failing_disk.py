"""A disk that fails, and a process that dies, at one call to the system: chosen by its number."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from unittest.mock import patch


class Fault(StrEnum):
    """What happens at the call."""

    KILLED_BEFORE = "killed before"
    KILLED_AFTER = "killed after"
    KILLED_WITHIN = "killed within"  # half of a write is on the disk
    FULL = "no space left"
    FULL_WITHIN = "no space left within"  # half of a write is on the disk
    FULL_FROM_NOW = "no space left from now on"
    BROKEN = "input/output error"
    BROKEN_FROM_NOW = "input/output error from now on"
    READ_ONLY_FROM_NOW = "read-only from now on"
    SHORT = "short write"


class Killed(BaseException):
    """SIGKILL: nothing of the product catches it. What `finally` closes, a dead process has closed too."""


#: Each call by which evidence is kept, or read.
CALLS = ("open", "write", "fsync", "replace", "rename", "mkdir", "unlink", "rmdir", "ftruncate", "fchmod")
_ERRORS = {
    Fault.FULL: errno.ENOSPC,
    Fault.FULL_WITHIN: errno.ENOSPC,
    Fault.FULL_FROM_NOW: errno.ENOSPC,
    Fault.BROKEN: errno.EIO,
    Fault.BROKEN_FROM_NOW: errno.EIO,
    Fault.READ_ONLY_FROM_NOW: errno.EROFS,
}
_LASTING = (Fault.FULL_FROM_NOW, Fault.BROKEN_FROM_NOW, Fault.READ_ONLY_FROM_NOW)
#: What takes no room and writes nothing works on a full disk.
_HARMLESS = {"unlink", "rmdir", "fchmod"}


@dataclass(slots=True)
class Disk:
    """Counts calls from 1; at `at`, `fault` happens."""

    at: int = 0
    fault: Fault | None = None
    calls: int = 0
    hit: str = ""

    def call(self, name: str, real: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Do one call, or what the fault makes of it."""
        self.calls += 1
        if name == "fsync":
            real = _nothing  # a fault of this suite is not a power cut, and real ones take their time
        now = self.calls == self.at or (0 < self.at < self.calls and self.fault in _LASTING)
        if not now or self.fault is None:
            return real(*arguments, **named)
        self.hit = self.hit or name
        return self._fail(name, self.fault, real, arguments, named)

    def _fail(self, name: str, fault: Fault, real: Callable[..., Any], arguments: Any, named: Any) -> Any:
        if fault in (Fault.KILLED_WITHIN, Fault.FULL_WITHIN, Fault.SHORT) and name == "write":
            taken = real(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2], **named)
            if fault is Fault.SHORT:
                return taken
        elif fault in (Fault.KILLED_AFTER, Fault.SHORT) or (
            name in _HARMLESS and fault in (Fault.FULL, Fault.FULL_WITHIN, Fault.FULL_FROM_NOW)
        ):
            result = real(*arguments, **named)
            if fault is not Fault.KILLED_AFTER:
                return result
        if fault in _ERRORS:
            raise OSError(_ERRORS[fault], os.strerror(_ERRORS[fault]))
        raise Killed

    @contextmanager
    def fitted(self) -> Iterator[None]:
        """Put this disk under everything that uses `os`."""
        patches = [patch.object(os, name, self._standing_for(name)) for name in CALLS]
        for each in patches:
            each.start()
        try:
            yield
        finally:
            for each in reversed(patches):
                each.stop()

    def _standing_for(self, name: str) -> Callable[..., Any]:
        real = getattr(os, name)
        return lambda *arguments, **named: self.call(name, real, *arguments, **named)


def _nothing(*_: object) -> None:
    return None
