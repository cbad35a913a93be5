"""What carries a driver's reads and an authorized plan's writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from plexops.model.exchange import Read, Reply, Write


class ReadLink(Protocol):
    """A way to one device that can only ask. It connects at the first `ask`; one thread uses it at a time."""

    @property
    def identity(self) -> str:
        """Who answered: `SHA256:…` of an SSH host key, `sha256//…` of a TLS key, "" for plain HTTP and before the
        first answer."""
        ...

    def ask(self, reads: Sequence[Read]) -> tuple[Reply, ...]:
        """Ask all questions and give the answers in the same order.

        An answer that was cut off has `whole=False`. Raises PlexopsError where nobody, or the wrong one, answered.
        """
        ...

    def close(self) -> None:
        """Let go of the connection. Never raises; a closed link is not used again."""
        ...


def only_reads(reads: Sequence[Read]) -> None:
    """Let nothing but reads through: a Write looks like a Read to whoever only takes its `ask`.

    Raises TypeError.
    """
    for read in reads:
        if not isinstance(read, Read):
            raise TypeError(f"{type(read).__name__} is no read")


class WriteLink(ReadLink, Protocol):
    """A way to one device for the one step that was authorized."""

    def send(self, write: Write) -> Reply:
        """Send one request, once. It is never repeated.

        Raises PlexopsError PLX-D109 when the request left and its outcome is unknown; any other PlexopsError means
        that it never left.
        """
        ...
