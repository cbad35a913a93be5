"""One run at a time on a site. The lock ends with the process that holds it, however that dies."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from plexops.evidence.files import open_file, unwritable, write_all
from plexops.model.errors import PlexopsError, Problem

#: More than any owner record holds; Windows locks this byte, so that the record before it stays readable.
_RECORD_BYTES = 4096

if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> None:
        os.lseek(descriptor, _RECORD_BYTES, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def site_lock(path: Path, site: str, command: str) -> Iterator[None]:
    """Hold a site while the block runs.

    Raises PlexopsError PLX-R120 (exit 7) naming the holder if another run has it; PLX-R101 if the lock file was
    replaced by a link.
    """
    try:
        # Never truncated before it is held: the file belongs to the other run until then.
        descriptor = open_file(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        try:
            _take(descriptor)
        except OSError as error:
            raise _busy(descriptor, site) from error
        _sign(descriptor, path, command)
        yield
    finally:
        os.close(descriptor)


def _sign(descriptor: int, path: Path, command: str) -> None:
    """Write who holds the lock, for the message that the next one gets."""
    record = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command[:200],
    }
    try:
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        write_all(descriptor, json.dumps(record).encode())
    except OSError as error:
        raise unwritable(path, error) from error


def _busy(descriptor: int, site: str) -> PlexopsError:
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        owner = json.loads(os.read(descriptor, _RECORD_BYTES))
        holder = f"`{owner['command']}`, process {owner['pid']} on {owner['host']}, since {owner['since']}"
    except (ValueError, KeyError, TypeError, OSError):
        holder = "another plexops that has only just started"
    return PlexopsError(
        Problem(
            "PLX-R120", f"site {site} is held by {holder}", cure="wait until it ends, or end that process"
        )
    )
