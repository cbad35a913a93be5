"""The log that a simulated Plex Media Server writes: local time, the zone only in the banner."""

from __future__ import annotations

import io
import threading
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

#: Real servers show decimal thread numbers on Linux.
_THREAD = 140213
NAME = "Plex Media Server.log"
#: What other programs of the server log. None of it is the server's own word, whatever it looks like.
_BESIDE: Mapping[str, str] = {
    "PMS Plugin Logs/com.plexapp.system.log": "2025-11-22 17:00:01,204 (7f8e) :  INFO (core:349) - Starting\n",
    "Plex Tuner Service.log": (
        "Nov 22, 2025 17:00:03.000 [140213] DEBUG - MyPlex: mapping state set to 'Mapped - Not Published'.\n"
    ),
}
Level = Literal["DEBUG", "INFO", "WARN", "ERROR"]


class LogLine(Struct, frozen=True):
    """A line that the server wrote before the home starts, so many seconds ago."""

    ago_seconds: float
    text: str
    level: Level = "DEBUG"


class PlexLog:
    """Lines of `Plex Media Server.log`, in order. `debug` may be false: then the deciding lines are missing.

    With a `history` the server was started right before the first of its lines. `rotated` is the log of the run
    before that.
    """

    def __init__(
        self,
        version: str,
        *,
        port: int = 32400,
        history: Sequence[LogLine] = (),
        rotated: Sequence[LogLine] = (),
        port_taken: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.debug = True
        self._now = now
        self._lines: list[str] = []
        self._lock = threading.Lock()
        opened = now()
        self._rotated = [_line(opened - line.ago_seconds, line.level, line.text) for line in rotated]
        started = opened - (history[0].ago_seconds + 1 if history else 0)
        offset = time.strftime("%z")
        banner = (
            f"Plex Media Server v{version} - Ubuntu PC x86_64 - build: linux-x86_64 debian"
            f" - GMT {offset[:3]}:{offset[3:]}"
        )
        self._lines.append(_line(started, "INFO", banner))
        if port_taken:
            self._lines.append(_line(started, "ERROR", "HttpServer: Error binding acceptor: Address in use"))
            self._lines.append(_line(started, "DEBUG", "Exiting due to bind address already in use"))
        else:
            self._lines.append(_line(started, "INFO", f"HttpServer: Listening on port {port}."))
        self._lines += [_line(opened - line.ago_seconds, line.level, line.text) for line in history]

    def info(self, text: str) -> None:
        """Write an INFO line."""
        self._add("INFO", text)

    def warn(self, text: str) -> None:
        """Write a WARN line."""
        self._add("WARN", text)

    def error(self, text: str) -> None:
        """Write an ERROR line."""
        self._add("ERROR", text)

    def note(self, text: str) -> None:
        """Write a DEBUG line, unless debug logging is off."""
        if self.debug:
            self._add("DEBUG", text)

    def text(self) -> str:
        """Give the file's content."""
        with self._lock:
            return "".join(f"{line}\n" for line in self._lines)

    def rotations(self) -> dict[str, str]:
        """Give the older files, by name."""
        if not self._rotated:
            return {}
        return {"Plex Media Server.1.log": "".join(f"{line}\n" for line in self._rotated)}

    def zipped(self) -> bytes:
        """Give what `/diagnostics/logs` answers: all logs of the server, of which there are more than its own."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in {**_BESIDE, NAME: self.text(), **self.rotations()}.items():
                archive.writestr(name, text)
        return buffer.getvalue()

    def _add(self, level: Level, text: str) -> None:
        line = _line(self._now(), level, text)
        with self._lock:
            self._lines.append(line)


def _line(moment: float, level: Level, text: str) -> str:
    stamp = time.strftime("%b %d, %Y %H:%M:%S", time.localtime(moment))
    return f"{stamp}.{int(moment % 1 * 1000):03d} [{_THREAD}] {level} - {text}"
