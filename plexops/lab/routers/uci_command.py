"""The `uci` command of a simulated OpenWrt; texts and statuses are those that the real one showed."""

from __future__ import annotations

import re
from typing import BinaryIO

from plexops.lab.base import ExecResult
from plexops.lab.routers.uci import (
    CONFIG,
    INVALID,
    NAME,
    NOT_FOUND,
    STAGED,
    Change,
    Package,
    Section,
    Target,
    Uci,
    UciError,
    quoted,
    render,
    statements,
)

_TYPE = re.compile(r"[!-~]+")


class UciCommand:
    """`uci` itself. One instance serves one call."""

    def __init__(self, uci: Uci, stdin: BinaryIO) -> None:
        self._uci = uci
        self._stdin = stdin
        self._out: list[str] = []
        self._errors: list[str] = []
        self._quiet = False
        self._internal_names = False
        self._no_commit = False
        self._delimiter = " "
        self._config, self._staging = CONFIG, STAGED

    def run(self, argv: list[str]) -> ExecResult:
        """Run it with its whole argument list."""
        words = list(argv[1:])
        while words and words[0].startswith("-") and len(words[0]) > 1:
            word = words.pop(0)
            for letter in word[1:]:
                if letter in "cdfpPt":
                    self._option(letter, words.pop(0) if words else "")
                    break
                self._quiet |= letter == "q"
                self._internal_names |= letter == "X"
        self._uci = Uci(self._uci.files, self._config, self._staging)
        status = self._dispatch(words) if words else 255
        if status == 255:
            self._errors.append("Usage: uci [<options>] <command> [<arguments>]\n")
        encode = ("utf-8", "surrogateescape")
        errors = "" if self._quiet else "".join(self._errors)
        return ExecResult("".join(self._out).encode(*encode), errors.encode(*encode), status)

    def _option(self, letter: str, value: str) -> None:
        if letter == "d":
            self._delimiter = value
        elif letter == "c":
            self._config = value
        elif letter in "tP":
            self._staging = value
            # -P silently turns `commit` into nothing (seen with the real program).
            self._no_commit = letter == "P"

    def _dispatch(self, words: list[str], *, batch: bool = False) -> int:
        command, arguments = words[0], words[1:]
        try:
            if command == "batch" and not batch:
                return self._batch()
            if command in ("show", "export", "commit", "changes"):
                return self._package_command(command, arguments)
            if command == "add":
                return self._add(arguments)
            if command in (
                "get",
                "set",
                "delete",
                "del",
                "add_list",
                "del_list",
                "rename",
                "ren",
                "reorder",
                "revert",
            ):
                return self._section_command(command, arguments)
        except UciError as error:
            self._errors.append(f"uci: {error}\n")
            return 1
        return 255

    def _batch(self) -> int:
        """Run lines from stdin; go on after a bad one and answer 0, as uci does."""
        text = self._stdin.read().decode("utf-8", "surrogateescape")
        for words in statements(text):
            if words[0] == "exit":
                return 0
            if self._dispatch([*words], batch=True) == 255:
                self._errors.append("Unknown command\n")
        return 0

    def _package_command(self, command: str, arguments: list[str]) -> int:
        if len(arguments) > 1:
            return 255
        if not arguments:
            for name in self._uci.names():
                self._one_package(command, name)
            return 0
        return self._one_package(command, arguments[0])

    def _one_package(self, command: str, text: str) -> int:
        target = self._uci.target(text)
        package = target.package
        if command == "changes":
            self._out += [
                _shown_change(package.name, change) for change in (*package.brought, *package.staged)
            ]
        elif command == "commit" and not self._no_commit:
            self._uci.commit(package.name)
        elif command == "export":
            self._out.append(render(package, header=True))
        elif command == "show":
            if not target.complete:
                raise UciError(NOT_FOUND)
            self._show(target)
        return 0

    def _show(self, target: Target) -> None:
        package, section = target.package, target.section
        if section is None:
            counts: dict[str, int] = {}
            for each in package.sections:
                index = counts.get(each.type, 0)
                counts[each.type] = index + 1
                extended = each.anonymous and not self._internal_names
                self._show_section(package, each, f"@{each.type}[{index}]" if extended else each.name)
        elif target.option is None:
            self._show_section(package, section, section.name)
        else:
            self._show_option(package, section, section.name, target.option)

    def _show_section(self, package: Package, section: Section, name: str) -> None:
        self._out.append(f"{package.name}.{name}={section.type}\n")
        for option in section.options:
            self._show_option(package, section, name, option)

    def _show_option(self, package: Package, section: Section, name: str, option: str) -> None:
        value = section.options[option]
        items = [value] if isinstance(value, str) else value
        shown = self._delimiter.join(quoted(item) for item in items)
        self._out.append(f"{package.name}.{name}.{option}={shown}\n")

    def _add(self, arguments: list[str]) -> int:
        if len(arguments) != 2:
            return 255
        name, kind = arguments
        package = self._uci.load(name)
        section = package.add(kind)
        self._uci.stage(name, [*package.staged, Change("+", section.name, None, kind)])
        self._out.append(section.name + "\n")
        return 0

    def _section_command(self, command: str, arguments: list[str]) -> int:
        if len(arguments) != 1:
            return 255
        target = self._uci.target(arguments[0])
        if command == "get":
            return self._get(target)
        if command == "revert":
            self._revert(target)
            return 0
        if target.section_name is None:
            raise UciError(INVALID)
        changes = _staged_by(command, target)
        if changes:
            self._uci.stage(target.package.name, [*target.package.staged, *changes])
        return 0

    def _get(self, target: Target) -> int:
        if target.value is not None:
            return 1
        if not target.complete:
            raise UciError(NOT_FOUND)
        if target.section is None:
            return 0
        if target.option is None:
            self._out.append(target.section.type + "\n")
            return 0
        value = target.section.options[target.option]
        if isinstance(value, str):
            self._out.append(value + "\n")
        else:
            items = [quoted(item) if re.search(r"[ \t\r\n]", item) else item for item in value]
            self._out.append(self._delimiter.join(items) + "\n")
        return 0

    def _revert(self, target: Target) -> None:
        kept = [
            change
            for change in target.package.staged
            if (target.section_name is not None and change.section != target.section_name)
            or (target.option is not None and change.option != target.option)
        ]
        self._uci.stage(target.package.name, kept)


def _staged_by(command: str, target: Target) -> list[Change]:
    """Give what a write stages.

    Raises UciError.
    """
    name = target.section_name or ""
    section, option, value = target.section, target.option, target.value
    if command == "set":
        return _set(target)
    if command in ("delete", "del"):
        if not target.complete:
            raise UciError(NOT_FOUND)
        return [Change("-", name, option, value)]
    if value is None:
        raise UciError(INVALID)
    if command in ("rename", "ren"):
        if not target.complete:
            raise UciError(NOT_FOUND)
        if not NAME.fullmatch(value):
            raise UciError(INVALID)
        return [Change("@", name, option, value)]
    if section is None:
        raise UciError(NOT_FOUND if command == "reorder" else INVALID)
    if command == "reorder":
        return [Change("^", name, None, value)]
    if option is None:
        raise UciError(INVALID)
    if command == "add_list":
        return [Change("|", name, option, value)]
    return [Change("~", name, option, value)] if isinstance(section.options.get(option), list) else []


def _set(target: Target) -> list[Change]:
    name, section, option, value = target.section_name or "", target.section, target.option, target.value
    if value is None or (section is None and option is not None):
        raise UciError(INVALID)
    if section is None and not NAME.fullmatch(name):
        raise UciError(INVALID)
    if option is None:
        if value and not _TYPE.fullmatch(value):
            raise UciError(INVALID)
        if section is not None and section.type == value:
            return []
    if value == "":
        return [Change("-", name, option, None)] if target.complete else []
    if section is not None and option is not None and section.options.get(option) == value:
        return []
    return [Change("", name, option, value)]


def _shown_change(package: str, change: Change) -> str:
    option = f".{change.option}" if change.option else ""
    if change.mark == "-":
        return f"-{package}.{change.section}{option}\n"
    operator = {"|": "+=", "~": "-="}.get(change.mark, "=")
    return f"{package}.{change.section}{option}{operator}{quoted(change.value or '')}\n"
