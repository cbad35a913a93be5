"""The log that a simulated Plex Media Server writes: local time, the zone only in the banner."""

from __future__ import annotations

import io
import threading
import time
import zipfile

#: Real servers show decimal thread numbers on Linux.
_THREAD = 140213


class PlexLog:
    """Lines of `Plex Media Server.log`, in order. `debug` may be false: then the deciding lines are missing."""

    def __init__(self, version: str) -> None:
        self.debug = True
        self._lines: list[str] = []
        self._lock = threading.Lock()
        offset = time.strftime("%z")
        banner = (
            f"Plex Media Server v{version} - Ubuntu PC x86_64 - build: linux-x86_64 debian"
            f" - GMT {offset[:3]}:{offset[3:]}"
        )
        self.info(banner)

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

    def zipped(self) -> bytes:
        """Give what `/diagnostics/logs` answers."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("Plex Media Server.log", self.text())
        return buffer.getvalue()

    def _add(self, level: str, text: str) -> None:
        now = time.time()
        stamp = time.strftime("%b %d, %Y %H:%M:%S", time.localtime(now))
        with self._lock:
            self._lines.append(f"{stamp}.{int(now % 1 * 1000):03d} [{_THREAD}] {level} - {text}")
