"""The RouterOS console language as trees: values, expressions, commands."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

Path = tuple[str, ...]


def as_console_text(text: str) -> str:
    """Give a text as the device holds it: its UTF-8 bytes, each shown as one Latin-1 character."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


class ConsoleError(Exception):
    """What the device says instead of a result; its text is the device's own."""


class Grammar(Protocol):
    """What the reader must know of the device to tell a menu from a command from a mistake."""

    def is_menu(self, path: Path) -> bool:
        """Tell whether a menu of that path exists."""

    def parameters(self, path: Path, verb: str) -> frozenset[str] | None:
        """Give the names that a command takes before `=`; none where the menu has no such command."""

    def words(self, path: Path, verb: str) -> frozenset[str]:
        """Give the bare words that a command takes (`print terse`)."""

    def positionals(self, path: Path, verb: str) -> int:
        """Give how many values without a name a command takes."""


class Text(Struct, frozen=True):
    """A constant; `bare` where it was written without quotes."""

    text: str
    bare: bool = False


class Joined(Struct, frozen=True):
    """A quoted text with variables or commands inside."""

    parts: tuple[Expression, ...]


class Variable(Struct, frozen=True):
    """`$name`."""

    name: str


class Property(Struct, frozen=True):
    """A property's name inside `where`."""

    name: str


class Bracket(Struct, frozen=True):
    """`[commands]`: the value of the last one."""

    block: Block


class Array(Struct, frozen=True):
    """`{a;b}`."""

    items: tuple[Expression, ...]


class Operation(Struct, frozen=True):
    """An operator with one or two operands."""

    operator: str
    operands: tuple[Expression, ...]


class Function(Struct, frozen=True):
    """`{commands}` as the value of `do=` and its kind."""

    block: Block


Expression = Text | Joined | Variable | Property | Bracket | Array | Operation | Function


class Command(Struct, frozen=True):
    """One command. `path` is none for the colon commands; `called` is set for `$f` as a command.

    `unset` holds names written `!name`; `where` the condition of `find` and `print`.
    """

    verb: str
    path: Path | None = None
    called: Expression | None = None
    values: tuple[Expression, ...] = ()
    named: tuple[tuple[str, Expression], ...] = ()
    unset: tuple[str, ...] = ()
    words: frozenset[str] = frozenset()
    where: Expression | None = None


class Block(Struct, frozen=True):
    """Commands in order."""

    commands: tuple[Command, ...]


class Colon(Struct, frozen=True):
    """What a colon command takes: that many values, and these names before `=`."""

    values: int
    names: frozenset[str] = frozenset()
    #: Its values, and not only what follows a name, are code.
    code: bool = False


COLON_COMMANDS: dict[str, Colon] = {
    "put": Colon(1), "error": Colon(1), "return": Colon(1), "delay": Colon(1), "parse": Colon(1),
    "len": Colon(1), "nothing": Colon(0), "typeof": Colon(1), "tostr": Colon(1), "tonum": Colon(1),
    "toarray": Colon(1), "pick": Colon(3), "find": Colon(3), "log": Colon(1),
    "local": Colon(2, frozenset({"do"})), "global": Colon(2, frozenset({"do"})),
    "set": Colon(2, frozenset({"do"})), "if": Colon(1, frozenset({"do", "else"})),
    "foreach": Colon(1, frozenset({"in", "do"})), "while": Colon(1, frozenset({"do"})),
    "for": Colon(1, frozenset({"from", "to", "step", "do"})),
    "do": Colon(1, frozenset({"on-error"}), code=True), "onerror": Colon(1, frozenset({"in", "do"})),
    "serialize": Colon(0, frozenset({"to", "value", "options"})),
}  # fmt: skip
#: What a command cannot do without.
COLON_NEEDS: dict[str, frozenset[str]] = {
    "if": frozenset({"do"}), "foreach": frozenset({"in", "do"}), "while": frozenset({"do"}),
    "for": frozenset({"from", "to", "do"}), "onerror": frozenset({"in", "do"}), "do": frozenset(),
    "serialize": frozenset({"value"}),
}  # fmt: skip
