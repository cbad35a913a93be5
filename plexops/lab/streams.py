"""Streams between connections and services."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from plexops.lab.network import Answer, Service
from plexops.lab.ssh import Stream


class ServerForwarder(Struct, frozen=True):
    """What the server's sshd connects to for its user (AllowTcpForwarding is on by default)."""

    connect: Callable[[str, int], Service | Answer | None]

    def open(self, host: str, port: int) -> Callable[[Stream], None] | None:
        """Give what serves a forwarded connection, or None where it is refused."""
        found = self.connect(host, port)
        return found.serve if isinstance(found, Service) else None


class Peeked:
    """A stream whose first byte was looked at and is given again."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._first = b""

    def is_tls(self) -> bool:
        """Tell whether a TLS handshake begins here."""
        try:
            self._first = self._stream.recv(1)
        except OSError:
            return False
        return self._first == b"\x16"

    def settimeout(self, timeout: float | None, /) -> None:
        """Set the time limit in seconds, as a socket does."""
        self._stream.settimeout(timeout)

    def recv(self, size: int, /) -> bytes:
        """Receive, the first byte included."""
        if self._first:
            first, self._first = self._first, b""
            return first
        return self._stream.recv(size)

    def sendall(self, data: bytes, /) -> object:
        """Send, as a socket does."""
        return self._stream.sendall(data)

    def close(self) -> object:
        """Close it."""
        return self._stream.close()
