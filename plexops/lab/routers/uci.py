"""OpenWrt's configuration files and what is staged for them, over a simulated device's files.

Formats are those of the real program (openwrt/uci, main of 2026), seen in captures.
"""

from __future__ import annotations

import re
import shlex
from contextlib import suppress
from functools import lru_cache

from msgspec import Struct

from plexops.lab.filesystem import FileError, FileSystem

CONFIG = "/etc/config"
STAGED = "/tmp/.uci"  # noqa: S108 - the path on the device
NAME = re.compile(r"[A-Za-z0-9_]+")
_TUPLE = re.compile(r"([A-Za-z0-9_-]+)(?:\.([^.=]*(?:\[[^]]*\])?)(?:\.([^=]*))?)?(?:=(.*))?", re.DOTALL)
_EXTENDED = re.compile(r"@([^\[\]]*)\[(-?\d+)\]")

Value = str | list[str]


class UciError(Exception):
    """`Entry not found`, `Invalid argument`, `Parse error`."""


NOT_FOUND = "Entry not found"
INVALID = "Invalid argument"


class Section(Struct):
    """One section; `name` is made up (`cfg0a3837`) where the file gives none."""

    type: str
    name: str
    anonymous: bool
    options: dict[str, Value] = {}

    def text(self, option: str, default: str = "") -> str:
        """Give an option as one string, lists joined by a space."""
        value = self.options.get(option, default)
        return value if isinstance(value, str) else " ".join(value)


class Change(Struct):
    """One staged change: `mark` is how uci writes it in its delta file."""

    mark: str
    section: str
    option: str | None
    value: str | None


class Package(Struct):
    """One configuration file with the changes that are staged for it."""

    name: str
    sections: list[Section] = []
    staged: list[Change] = []
    #: What is staged in the place that uci always reads, when it was called with another one.
    brought: list[Change] = []
    count: int = 0

    def find(self, name: str) -> Section | None:
        """Give the section of that (real or made up) name."""
        return next((s for s in self.sections if s.name == name), None)

    def of(self, kind: str) -> list[Section]:
        """Give the sections of one type, in order."""
        return [s for s in self.sections if s.type == kind]

    def add(self, kind: str, name: str = "") -> Section:
        """Append a section, with a made-up name where none is given."""
        self.count += 1
        section = Section(kind, name or made_up_name(self.count, kind), not name)
        self.sections.append(section)
        return section


def made_up_name(count: int, kind: str) -> str:
    """Name an anonymous section as libuci does: its number and a hash of its type."""
    value = 5381
    for byte in kind.encode():
        value = (value * 33 + byte) & 0xFFFFFFFF
    return f"cfg{count:02x}{(value & 0x7FFFFFFF) % 65536:04x}"


def quoted(text: str) -> str:
    """Quote as `uci show` does."""
    return "'" + text.replace("'", "'\\''") + "'"


def parse(name: str, text: str) -> Package:
    """Read a configuration file.

    Raises UciError on what uci would not read.
    """
    package = Package(name)
    section: Section | None = None
    for words in statements(text):
        keyword = words[0]
        if keyword == "package":
            continue
        if keyword == "config" and len(words) in (2, 3):
            given = words[2] if len(words) > 2 else ""
            section = package.find(given) if given else None
            section = section or package.add(words[1], given)
        elif keyword == "option" and section is not None:
            section.options[words[1]] = words[2]
        elif keyword == "list" and section is not None:
            held = section.options.setdefault(words[1], [])
            if isinstance(held, str):
                held = section.options[words[1]] = [held]
            held.append(words[2])
        else:
            raise UciError("Parse error")
    return package


@lru_cache(maxsize=32)
def statements(text: str) -> tuple[tuple[str, ...], ...]:
    """Give the words of each line; a quoted value may span lines. A device reads its few files again and again.

    Raises UciError.
    """
    found: list[tuple[str, ...]] = []
    pending = ""
    for line in text.split("\n"):
        pending += line
        try:
            words = shlex.split(pending, comments=True)
        except ValueError:  # a quoted value that goes on in the next line
            pending += "\n"
            continue
        pending = ""
        if words:
            found.append(tuple(words))
    if pending:
        raise UciError("Parse error")
    return tuple(found)


def render(package: Package, *, header: bool = False) -> str:
    """Write a package as `uci commit` (or, with its header, `uci export`) does: comments are gone."""
    out = [f"package {package.name}\n"] if header else []
    for section in package.sections:
        name = "" if section.anonymous else f" {quoted(section.name)}"
        out.append(f"\nconfig {section.type}{name}\n")
        for option, value in section.options.items():
            if isinstance(value, str):
                out.append(f"\toption {option} {quoted(value)}\n")
            else:
                out.extend(f"\tlist {option} {quoted(item)}\n" for item in value)
    return "".join(out) + "\n"


class Target(Struct, frozen=True):
    """What a tuple `package.section.option=value` names."""

    package: Package
    section: Section | None
    section_name: str | None
    option: str | None
    value: str | None

    @property
    def complete(self) -> bool:
        """Tell whether all that it names is there."""
        if self.section_name is not None and self.section is None:
            return False
        return self.option is None or (self.section is not None and self.option in self.section.options)


class Uci:
    """The configuration of one device: files under /etc/config, staged changes under /tmp/.uci.

    Another place to stage (`-t`) is read beside that one and not instead of it, by `commit` too (seen with the real
    program of 2026: libuci keeps /tmp/.uci in its list of places, and moves the other behind it).
    """

    def __init__(self, files: FileSystem, config: str = CONFIG, staging: str = STAGED) -> None:
        self.files = files
        self._config = config
        self._staging = staging

    def load(self, name: str) -> Package:
        """Read a package and lay the staged changes over it.

        Raises UciError when there is no such file or it cannot be parsed.
        """
        package = self.committed(name)
        if self._staging != STAGED:
            package.brought = self.staged(name, STAGED)
        package.staged = self.staged(name, self._staging)
        for change in (*package.brought, *package.staged):
            _replay(package, change)
        return package

    def committed(self, name: str) -> Package:
        """Read a package as its file says, without staged changes.

        Raises UciError.
        """
        try:
            text = self.files.read(f"{self._config}/{name}").decode("utf-8", "surrogateescape")
        except FileError as error:
            raise UciError(NOT_FOUND) from error
        return parse(name, text)

    def names(self) -> list[str]:
        """Give the names of all packages."""
        return [name for name in self.files.names(self._config) if not name.startswith(".")]

    def staged(self, name: str, staging: str) -> list[Change]:
        """Give the staged changes of a package."""
        try:
            text = self.files.read(f"{staging}/{name}").decode("utf-8", "surrogateescape")
        except FileError:
            return []
        pattern = re.compile(
            rf"([-+@^|~]?){re.escape(name)}\.([^.=\n]+)(?:\.([^=\n]+))?(?:=(.*))?", re.DOTALL
        )
        changes = []
        for line in _delta_lines(text):
            match = pattern.fullmatch(line)
            if match:
                changes.append(Change(match[1], match[2], match[3], match[4]))
        return changes

    def stage(self, name: str, changes: list[Change]) -> None:
        """Write the staged changes of a package."""
        if not self.files.is_dir(self._staging):
            self.files.make_dir(self._staging, parents=True)
        path = f"{self._staging}/{name}"
        if not changes:
            if self.files.exists(path):
                self.files.write(path, b"")
            return
        lines = []
        for change in changes:
            option = f".{change.option}" if change.option else ""
            value = "" if change.value is None else "=" + quoted(change.value)
            lines.append(f"{change.mark}{name}.{change.section}{option}{value}\n")
        self.files.write(path, "".join(lines).encode("utf-8", "surrogateescape"))

    def commit(self, name: str) -> None:
        """Write a package with its staged changes into its file; do nothing when none are staged.

        It goes by a file beside, and where no room is left an empty one is renamed: nothing is checked (libuci's file.c).
        """
        package = self.load(name)
        if package.staged or package.brought:
            text = render(package).encode("utf-8", "surrogateescape")
            beside = f"{self._config}/.{name}.uci"
            with suppress(FileError):
                self.files.write(beside, text)
            self.files.move(beside, f"{self._config}/{name}")
            self.stage(name, [])

    def target(self, text: str) -> Target:
        """Resolve a tuple.

        Raises UciError.
        """
        match = _TUPLE.fullmatch(text)
        if match is None:
            raise UciError(INVALID)
        name, section_name, option, value = match.groups()
        if option is not None and not NAME.fullmatch(option):
            raise UciError(INVALID)
        package = self.load(name)
        section: Section | None = None
        if section_name is not None:
            if NAME.fullmatch(section_name):
                section = package.find(section_name)
            else:
                section = _extended(package, section_name)
                section_name = section.name if section else section_name
        return Target(package, section, section_name, option, value)


def _delta_lines(text: str) -> list[str]:
    """Give the lines of a delta file with their quotes taken off; a value may span lines."""
    found: list[str] = []
    pending = ""
    for line in text.split("\n"):
        pending += line
        try:
            found += shlex.split(pending)
            pending = ""
        except ValueError:
            pending += "\n"
    return found


def _extended(package: Package, text: str) -> Section | None:
    match = _EXTENDED.fullmatch(text)
    if match is None:
        raise UciError(INVALID)
    sections = package.of(match[1]) if match[1] else package.sections
    index = int(match[2])
    index += len(sections) if index < 0 else 0
    return sections[index] if 0 <= index < len(sections) else None


def _replay(package: Package, change: Change) -> None:
    section = package.find(change.section)
    value = change.value or ""
    if change.mark == "+" and section is None:
        section = package.add(value)
        section.name = change.section
    elif section is None:
        if change.mark == "" and change.option is None:
            package.add(value, change.section)
    elif change.mark == "-":
        _delete(package, section, change.option, change.value)
    elif change.mark == "@":
        _rename(section, change.option, value)
    elif change.mark == "^":
        _reorder(package, section, int(value))
    elif change.option is None:
        section.type = value
    elif change.mark == "|":
        _add_item(section, change.option, value)
    elif change.mark == "~":
        _remove_item(section, change.option, value)
    else:
        section.options[change.option] = value


def _delete(package: Package, section: Section, option: str | None, index: str | None) -> None:
    if option is None:
        package.sections.remove(section)
        return
    held = section.options.get(option)
    if index and isinstance(held, list):
        if int(index) < len(held):
            del held[int(index)]
        return
    section.options.pop(option, None)


def _rename(section: Section, option: str | None, name: str) -> None:
    if option is None:
        section.name, section.anonymous = name, False
        return
    section.options = {name if key == option else key: value for key, value in section.options.items()}


def _reorder(package: Package, section: Section, position: int) -> None:
    package.sections.remove(section)
    package.sections.insert(position, section)


def _add_item(section: Section, option: str, value: str) -> None:
    held = section.options.get(option)
    if isinstance(held, list):
        held.append(value)
    else:
        section.options[option] = [value] if held is None else [held, value]


def _remove_item(section: Section, option: str, value: str) -> None:
    held = section.options.get(option)
    if isinstance(held, list):
        held[:] = [item for item in held if item != value]
        if not held:
            del section.options[option]
