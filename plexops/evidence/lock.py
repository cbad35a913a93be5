"""One run at a time on a site. The lock ends with the process that holds it, however that dies."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from plexops.files import open_file, unwritable, write_all
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
    descriptor = _open(path)
    try:
        try:
            _take(descriptor)
        except OSError as error:
            raise _busy(descriptor, site) from error
        _sign(descriptor, command)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def short_lock(path: Path, what: str, patience: float = 10.0) -> Iterator[None]:
    """Hold what is only ever held for a moment, waiting for it at most `patience` seconds.

    Raises PlexopsError PLX-R120 where it stays held, as by a process that was stopped; PLX-R101 for a link.
    """
    descriptor = _open(path)
    deadline = time.monotonic() + patience
    try:
        while True:
            try:
                _take(descriptor)
                break
            except OSError as error:
                if time.monotonic() >= deadline:
                    reason = f"the {what} has been held by another plexops for {patience:.0f} s"
                    cure = "see whether a plexops was stopped (Ctrl-Z), and end or continue it"
                    raise PlexopsError(Problem("PLX-R120", reason, cure, where=str(path))) from error
                time.sleep(0.01)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        # Never truncated before it is held: the file belongs to the other run until then.
        return open_file(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise unwritable(path, error) from error


def _sign(descriptor: int, command: str) -> None:
    """Write who holds the lock, for the message that the next one gets. A full disk takes nothing from the lock."""
    record = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command[:200],
    }
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        write_all(descriptor, json.dumps(record).encode())


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
