"""Files that a repository or a person named, read regular, bounded and without waiting; and what comes with plexops."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

_NO_WAIT = getattr(os, "O_NONBLOCK", 0)
_BINARY = getattr(os, "O_BINARY", 0)
#: What a shell makes of <(…), and standard input: a person's own, and never a name in a repository.
_GIVEN = (Path("/dev/fd"), Path("/dev/stdin"), Path("/proc/self/fd"))


def shipped(folder: str) -> Path:
    """Give a folder of what comes with plexops: inside the wheel, or beside the package in a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "data" / folder
    return inside if inside.is_dir() else package.parent / folder


def read_regular(path: Path, most: int) -> bytes:
    """Read at most `most` bytes. Raises OSError, also for a named pipe, a device or a socket, which are not opened.

    A link is followed here: whether one may lead there is for those who know whose file it is.
    """
    if any(path == given or path.is_relative_to(given) for given in _GIVEN):
        with path.open("rb") as file:
            return file.read(most)
    _require_regular(path.stat())
    # Between the two another program may have exchanged it: a pipe would wait for ever.
    with os.fdopen(os.open(path, os.O_RDONLY | _NO_WAIT | _BINARY), "rb") as file:
        _require_regular(os.fstat(file.fileno()))
        return file.read(most)


def _require_regular(state: os.stat_result) -> None:
    if stat.S_ISDIR(state.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(state.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file, but a pipe or a device")
