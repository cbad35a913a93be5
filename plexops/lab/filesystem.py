"""The files of a simulated device, in memory."""

from __future__ import annotations

import fnmatch
import posixpath
import threading
from collections.abc import Callable, Mapping

from msgspec import Struct

DIRECTORY_MODE = 0o755
FILE_MODE = 0o644


class FileError(Exception):
    """What the kernel would answer, in its own words (`No such file or directory`)."""


class File(Struct):
    """One file; `owner` is a user's name. `live` gives what a running program has written so far, instead."""

    content: bytes
    mode: int = FILE_MODE
    owner: str = "root"
    live: Callable[[], bytes] | None = None


class Directory(Struct):
    """One directory."""

    mode: int = DIRECTORY_MODE
    owner: str = "root"


class FileSystem:
    """Absolute path → file or directory, with owners and modes but without groups and links.

    `watch` is told the path of each file that was written, moved or removed.
    """

    def __init__(self, watch: Callable[[str], None] | None = None) -> None:
        self.lock = threading.RLock()
        self._nodes: dict[str, File | Directory] = {"/": Directory()}
        self._watch = watch
        #: Bytes that are still free below a directory; elsewhere there is no end.
        self.free: dict[str, int] = {}
        for path, mode in (("/tmp", 0o1777), ("/dev", 0o755), ("/root", 0o700), ("/run", 0o755)):  # noqa: S108
            self._nodes[path] = Directory(mode)

    def exists(self, path: str) -> bool:
        """Tell whether something is at `path`."""
        return path == "/dev/null" or path in self._nodes

    def is_dir(self, path: str) -> bool:
        """Tell whether `path` is a directory."""
        return isinstance(self._nodes.get(path), Directory)

    def stat(self, path: str) -> File | Directory:
        """Give the node itself.

        Raises FileError when nothing is there.
        """
        node = self._nodes.get(path)
        if node is None:
            raise FileError("No such file or directory")
        return node

    def read(self, path: str, user: str = "root") -> bytes:
        """Give a file's content.

        Raises FileError when there is none, it is a directory, or the user may not read it.
        """
        if path == "/dev/null":
            return b""
        with self.lock:
            self._enter(path, user)
            node = self.stat(path)
            if isinstance(node, Directory):
                raise FileError("Is a directory")
            if not _allows(node, user, 4):
                raise FileError("Permission denied")
            return node.content if node.live is None else node.live()

    def write(
        self, path: str, content: bytes, user: str = "root", *, append: bool = False, mode: int = FILE_MODE
    ) -> None:
        """Create or overwrite a file, as `>` does, or append to it, as `>>` does.

        Raises FileError when the directory is missing or the user may not write.
        """
        if path == "/dev/null":
            return
        with self.lock:
            self._enter(path, user)
            node = self._nodes.get(path)
            if isinstance(node, Directory):
                raise FileError("Is a directory")
            if node is None:
                self._allow_change(path, user)
                node = self._nodes[path] = File(b"", mode, user)
            elif not _allows(node, user, 2):
                raise FileError("Permission denied")
            elif not append:
                self._take(path, -len(node.content))
                node.content = b""
            self._take(path, len(content))
            node.content += content
        self._tell(path)

    def _take(self, path: str, size: int) -> None:
        """Use room; raises FileError where it is not there."""
        for directory, free in self.free.items():
            if path.startswith(directory + "/"):
                if size > free:
                    raise FileError("No space left on device")
                self.free[directory] = free - size

    def remove(self, path: str, user: str = "root") -> None:
        """Unlink a file.

        Raises FileError when there is none, it is a directory, or the user may not.
        """
        with self.lock:
            if isinstance(self.stat(path), Directory):
                raise FileError("Is a directory")
            self._allow_change(path, user)
            del self._nodes[path]
        self._tell(path)

    def remove_tree(self, path: str, user: str = "root") -> None:
        """Remove a file, or a directory with all below it."""
        with self.lock:
            self._allow_change(path, user)
            for name in [n for n in self._nodes if n == path or n.startswith(path + "/")]:
                del self._nodes[name]
        self._tell(path)

    def move(self, source: str, target: str, user: str = "root") -> None:
        """Rename a file, replacing what `target` was."""
        with self.lock:
            node = self.stat(source)
            if isinstance(node, Directory):
                raise FileError("Is a directory")
            self._allow_change(source, user)
            self._allow_change(target, user)
            self._nodes[target] = node
            del self._nodes[source]
        self._tell(source)
        self._tell(target)

    def make_dir(self, path: str, user: str = "root", *, parents: bool = False) -> None:
        """Make a directory.

        Raises FileError when the parent is missing (without `parents`) or something is there already.
        """
        with self.lock:
            if path in self._nodes:
                if parents and self.is_dir(path):
                    return
                raise FileError("File exists")
            parent = posixpath.dirname(path)
            if parent not in self._nodes:
                if not parents:
                    raise FileError("No such file or directory")
                self.make_dir(parent, user, parents=True)
            self._allow_change(path, user)
            self._nodes[path] = Directory(owner=user)

    def names(self, path: str) -> list[str]:
        """Give the names in a directory, sorted."""
        with self.lock:
            if not self.is_dir(path):
                raise FileError("Not a directory" if path in self._nodes else "No such file or directory")
            prefix = path.rstrip("/") + "/"
            names = {
                n[len(prefix) :].split("/", 1)[0] for n in self._nodes if n.startswith(prefix) and n != "/"
            }
            return sorted(names - {""})

    def glob(self, pattern: str) -> list[str]:
        """Give the paths that match; `*` does not cross a slash, and hidden names need a dot."""
        with self.lock:
            paths = sorted(self._nodes)
        parts = pattern.split("/")
        return [p for p in paths if _matches(p.split("/"), parts)]

    def install(self, files: Mapping[str, str | bytes], owner: str = "root", mode: int = FILE_MODE) -> None:
        """Put files there as the device's installation did: parents are made, nobody is told."""
        with self.lock:
            for path, content in files.items():
                self.make_dir(posixpath.dirname(path), parents=True)
                data = content.encode() if isinstance(content, str) else content
                self._nodes[path] = File(data, mode, owner)

    def install_live(self, path: str, live: Callable[[], bytes], owner: str = "root") -> None:
        """Put a file there whose content is asked for at each reading."""
        self.install({path: b""}, owner=owner)
        with self.lock:
            node = self._nodes[path]
            assert isinstance(node, File)  # noqa: S101 (it was installed right before)
            node.live = live

    def _enter(self, path: str, user: str) -> None:
        parent = posixpath.dirname(path)
        while parent not in ("/", ""):
            node = self._nodes.get(parent)
            if isinstance(node, File):
                raise FileError("Not a directory")
            if node is not None and not _allows(node, user, 1):
                raise FileError("Permission denied")
            parent = posixpath.dirname(parent)

    def _allow_change(self, path: str, user: str) -> None:
        parent = self._nodes.get(posixpath.dirname(path))
        if parent is None:
            raise FileError("No such file or directory")
        if isinstance(parent, File):
            raise FileError("Not a directory")
        if not _allows(parent, user, 2):
            raise FileError("Permission denied")

    def _tell(self, path: str) -> None:
        if self._watch is not None:
            self._watch(path)


def _allows(node: File | Directory, user: str, bit: int) -> bool:
    """Judge by owner and others; nobody is in a group here."""
    if user == "root":
        return True
    return bool(node.mode & (bit << 6 if node.owner == user else bit))


def _matches(path: list[str], pattern: list[str]) -> bool:
    if len(path) != len(pattern):
        return False
    return all(
        fnmatch.fnmatchcase(name, part) and (not name.startswith(".") or part.startswith("."))
        for name, part in zip(path, pattern, strict=True)
    )
