"""Files and folders that no other user can read, swap or redirect.

Every folder of our own tree is opened without following links and checked through the open descriptor. None of them
may be writable by others, so only the owner and the administrator can exchange a part between check and use.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

from plexops.model.errors import PlexopsError, Problem

#: Windows has neither; there the profile folder's access list keeps others out.
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_BINARY = getattr(os, "O_BINARY", 0)
#: Else opening a named pipe that another user put there would wait for ever.
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)
#: What a link, a file, a missing part and foreign rights say; all else is the disk's.
_OTHERS_DOING = (errno.ELOOP, errno.ENOTDIR, errno.ENOENT, errno.EACCES, errno.EPERM)
_POSIX = os.name == "posix"


def unsafe(path: Path, reason: str) -> PlexopsError:
    """Give the refusal to use a part of the state folder."""
    return PlexopsError(
        Problem(
            "PLX-R101",
            f"{path} {reason}",
            cure="find out who changed it; plexops uses it only when it is yours alone",
        )
    )


def unwritable(path: Path, error: OSError) -> PlexopsError:
    """Give the failure to keep evidence; nothing may be sent after it."""
    return PlexopsError(
        Problem(
            "PLX-R102",
            f"{path} could not be written: {error.strerror or error}",
            cure="make room, or set XDG_STATE_HOME to a folder that can be written",
        )
    )


def unreadable(path: Path, error: OSError) -> PlexopsError:
    """Give the failure to read evidence: the disk's, not anybody's doing."""
    return PlexopsError(
        Problem(
            "PLX-R108",
            f"{path} could not be read: {error.strerror or error}",
            cure="see the disk's health and the file's rights; nothing was decided from it",
        )
    )


def make_folder(path: Path) -> None:
    """Make one folder with mode 0700, or check the one that is there.

    Raises PlexopsError PLX-R101 if it is a symbolic link, not a folder, another user's, or writable by others.
    """
    try:
        path.mkdir(mode=0o700)
        sync_folder(path.parent)
    except FileExistsError:
        pass
    except OSError as error:
        raise unwritable(path, error) from error
    check_folder(path)


def check_folder(path: Path) -> None:
    """Check one folder of our tree and take away what others may do in it."""
    if not _POSIX:
        if path.is_symlink() or not path.is_dir():
            raise unsafe(path, "is not a real folder")
        return
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | _NO_FOLLOW)
    except OSError as error:
        if error.errno not in _OTHERS_DOING:
            raise unreadable(path, error) from error
        raise unsafe(path, "is not a real folder (a symbolic link, a file, or not readable)") from error
    try:
        state = os.fstat(descriptor)
        if state.st_uid != os.geteuid():
            raise unsafe(path, f"belongs to user {state.st_uid}, not to you")
        if state.st_mode & 0o022:
            raise unsafe(path, f"can be written by others (mode {stat.S_IMODE(state.st_mode):04o})")
        if state.st_mode & 0o077:
            os.fchmod(descriptor, 0o700)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        os.close(descriptor)


def check_parent(path: Path) -> None:
    """Refuse a folder in which others could replace ours; a sticky one (/tmp) protects what is in it."""
    if not _POSIX:
        return
    state = path.stat()
    if state.st_mode & 0o022 and not state.st_mode & stat.S_ISVTX:
        raise unsafe(path, f"can be written by others (mode {stat.S_IMODE(state.st_mode):04o})")


def open_file(path: Path, flags: int) -> int:
    """Open a file of ours without following a link; it is created with mode 0600 where `flags` say so.

    Raises PlexopsError PLX-R101 if it is a link, no regular file, or another user's; OSError for all else.
    """
    try:
        descriptor = os.open(path, flags | _NO_FOLLOW | _BINARY | _NO_WAIT, 0o600)
    except OSError as error:
        if path.is_symlink():
            raise unsafe(path, "is a symbolic link") from error
        raise
    try:
        _check_file(path, os.fstat(descriptor))
    except PlexopsError:
        os.close(descriptor)
        raise
    return descriptor


def _check_file(path: Path, state: os.stat_result) -> None:
    if not stat.S_ISREG(state.st_mode):
        raise unsafe(path, "is not a regular file")
    if _POSIX and (state.st_uid != os.geteuid() or state.st_mode & 0o022):
        raise unsafe(path, "belongs to or can be written by another user")
    if _POSIX and state.st_nlink > 1:
        raise unsafe(path, "has a second name (hard link)")


def read_file(path: Path) -> bytes:
    """Read a file of ours. Raises FileNotFoundError, and PlexopsError PLX-R101 as `open_file`, PLX-R108."""
    try:
        with os.fdopen(open_file(path, os.O_RDONLY), "rb") as file:
            return file.read()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise unreadable(path, error) from error


def write_file(path: Path, content: bytes) -> None:
    """Write a file so that a crash leaves the old or the new content, never a part.

    Temporary file beside it, fsync, rename, fsync of the folder. Raises PlexopsError PLX-R101 or PLX-R102.
    """
    write_files({path: content})


def write_files(contents: Mapping[Path, bytes]) -> None:
    """Write several files, each as `write_file` does, and wait for the disk once for all of them.

    After a crash some may be new and some old. Raises as `write_file`.
    """
    held: dict[Path, tuple[Path, int]] = {}
    path, renamed = Path(), False
    try:
        for path, content in contents.items():
            if path.is_symlink():
                raise unsafe(path, "is a symbolic link")
            temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
            held[path] = temporary, open_file(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            write_all(held[path][1], content)
        # The first of these carries nearly all of them to the disk.
        for path, (_, descriptor) in held.items():  # noqa: B007 - an error names it
            os.fsync(descriptor)
        for path, (temporary, _) in held.items():
            temporary.replace(path)
        renamed = True
        for folder in dict.fromkeys(path.parent for path in contents):
            sync_folder(folder)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        for temporary, descriptor in held.values():
            os.close(descriptor)
            if not renamed:
                with contextlib.suppress(OSError):
                    temporary.unlink()


def write_all(descriptor: int, content: bytes) -> None:
    """Write all bytes; the kernel may take fewer at a time."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_folder(path: Path) -> None:
    """Make a name that was just created or replaced survive a power cut."""
    if not _POSIX:
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
