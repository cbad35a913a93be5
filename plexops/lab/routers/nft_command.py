"""The command `nft` of a simulated Linux router."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Sequence
from typing import BinaryIO

from msgspec import Struct

from plexops.lab.base import ExecResult
from plexops.lab.filesystem import FileError
from plexops.lab.routers.nft import VERSION, Ruleset, Style, Table, json_rule, json_tables, list_tables
from plexops.lab.routers.nft_parser import Command, Parser
from plexops.lab.routers.nft_statements import Extension
from plexops.lab.routers.nft_tokens import NftError, Source
from plexops.lab.shell import Context, fail, say

NOT_ROOT = (
    "Operation not permitted (you must be root)\n"
    "netlink: Error: cache initialization failed: Operation not permitted"
)
NOT_FOUND = "No such file or directory"
WARNING = "# Warning: table {0.family} {0.name} is managed by iptables-nft, do not touch!\n"
FLAGS = {
    "c": "check",
    "a": "handle",
    "s": "stateless",
    "n": "numeric",
    "j": "json",
    "e": "echo",
    "f": "file",
    "t": "terse",
}
LONG = {f"--{word}": letter for letter, word in FLAGS.items()}


class Invocation(Struct, frozen=True):
    """What a command line asks for."""

    flags: frozenset[str]
    file: str
    words: tuple[str, ...]


class NftCommand:
    """Runs `nft` on a ruleset; files are those of the device."""

    def __init__(self, ruleset: Ruleset) -> None:
        self.ruleset = ruleset

    def run(self, argv: list[str], stdin: BinaryIO, context: Context) -> ExecResult:
        """Run one invocation."""
        try:
            asked = _arguments(argv[1:])
        except ValueError as unknown:
            return fail(f"nft: invalid option -- '{unknown}'")
        if asked.words[:1] == ("--version",):
            return say(VERSION)
        if context.user != "root":
            return fail(NOT_ROOT)
        try:
            source = self._source(asked, stdin, context)
            commands = Parser(source, lambda pattern: self._included(pattern, context)).program()
        except FileError as error:
            return fail(f'internal:0:0-0: Error: Could not open file "{asked.file}": {error}\n\n')
        except NftError as error:
            return _complain([error])
        if not asked.file and not asked.words:
            return fail("nft: no command specified")
        return self._perform(commands, asked)

    def load(self, path: str, context: Context) -> ExecResult:
        """Do what `nft -f PATH` does, as the system does at boot."""
        return self.run(["nft", "-f", path], _nothing(), context)

    def _source(self, asked: Invocation, stdin: BinaryIO, context: Context) -> Source:
        if not asked.file:
            return Source("", " ".join(asked.words) + "\n")
        if asked.file in ("-", "/dev/stdin"):
            return Source("/dev/stdin", stdin.read().decode("utf-8", "replace"))
        content = context.files.read(context.path(asked.file), context.user)
        return Source(asked.file, content.decode("utf-8", "replace"))

    def _included(self, pattern: str, context: Context) -> Sequence[Source]:
        directory = posixpath.dirname(pattern)
        paths = context.files.glob(pattern if directory else posixpath.join("/etc", pattern))
        files = [path for path in paths if not context.files.is_dir(path)]
        return [Source(path, context.files.read(path).decode("utf-8", "replace")) for path in files]

    def _perform(self, commands: Sequence[Command], asked: Invocation) -> ExecResult:
        changes = [command for command in commands if command.verb != "list"]
        lists = [command for command in commands if command.verb == "list"]
        if changes:
            complaints = self.ruleset.run(changes, check="c" in asked.flags)
            if complaints:
                return _complain(complaints)
        printed = self._echo(changes, asked) if "e" in asked.flags and "c" not in asked.flags else ""
        warnings = ""
        for command in lists:
            try:
                printed += self._list(command, asked)
            except NftError as error:
                return _complain([error])
            if "j" not in asked.flags and command.object != "tables":
                warnings += "".join(WARNING.format(t) for t in self.ruleset.of(command.family) if _is_old(t))
        return ExecResult(printed.encode(), warnings.encode(), 0)

    def _echo(self, changes: Sequence[Command], asked: Invocation) -> str:
        out = ""
        for command in changes:
            if command.object != "rule" or command.verb == "delete":
                continue
            assert command.table is not None and command.chain is not None  # noqa: S101, PT018
            table = self.ruleset.tables[command.family, command.table.text]
            chain = table.chains[command.chain.text]
            rule = max(chain.rules, key=lambda r: r.handle)
            if "j" in asked.flags:
                echoed = {"nftables": [{command.verb: json_rule(table, chain, rule)}]}
                out += json.dumps(echoed, ensure_ascii=False) + "\n"
                continue
            style = Style("a" in asked.flags, "s" in asked.flags)
            text = rule.text(stateless=style.stateless) + style.handle(rule.handle)
            out += f"{command.verb} rule {table.family} {table.name} {chain.name} {text}\n"
        return out

    def _list(self, command: Command, asked: Invocation) -> str:
        style = Style("a" in asked.flags, "s" in asked.flags, "t" in asked.flags)
        if command.object in ("ruleset", "tables", "chains"):
            tables = self.ruleset.of(command.family)
            if command.object == "tables" and "j" not in asked.flags:
                return "".join(f"table {t.family} {t.name}{style.handle(t.handle)}\n" for t in tables)
            if "j" in asked.flags:
                return json_tables(tables, whole=command.object != "tables", terse=style.terse)
            return list_tables(tables, style, rules=command.object == "ruleset")
        assert command.table is not None  # noqa: S101 (the grammar gives one)
        table = self.ruleset.tables.get((command.family, command.table.text))
        if table is None:
            raise NftError(NOT_FOUND, command.table)
        only = ""
        if command.chain is not None:
            only = command.chain.text
            if only not in table.chains:
                raise NftError(NOT_FOUND, command.chain)
        if "j" in asked.flags:
            return json_tables([table], only, terse=style.terse)
        return list_tables([table], style, only)


def _nothing() -> BinaryIO:
    import io

    return io.BytesIO()


def _is_old(table: Table) -> bool:
    """Tell whether iptables made a table: only it uses extensions."""
    parts = (part for chain in table.chains.values() for rule in chain.rules for part in rule.parts)
    return any(isinstance(part, Extension) for part in parts)


def _complain(errors: Sequence[NftError]) -> ExecResult:
    return ExecResult(b"", "".join(str(error) for error in errors).encode(), 1)


def _arguments(words: list[str]) -> Invocation:
    """Split options from the command; options stand before it.

    Raises ValueError with the unknown letter.
    """
    flags: set[str] = set()
    file = ""
    at = 0
    while at < len(words) and words[at].startswith("-") and words[at] != "-":
        word = words[at]
        if word in ("--version", "-v"):
            return Invocation(frozenset(), "", ("--version",))
        letters = LONG.get(word, word[1:])
        for letter in letters:
            if letter not in FLAGS:
                raise ValueError(letter)
            flags.add(letter)
        at += 1
        if "f" in letters:
            file = words[at] if at < len(words) else ""
            at += 1
    return Invocation(frozenset(flags), file, tuple(words[at:]))
