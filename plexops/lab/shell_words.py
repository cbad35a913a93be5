"""Expansion: raw words of a simulated shell → the arguments that a command gets."""

from __future__ import annotations

import ast
import fnmatch
import operator
import re
from collections.abc import Callable, Iterable
from typing import Protocol

from plexops.lab.shell_quoting import Part, ShellSyntaxError, double_quoted, parts

_OPERATORS: dict[type[ast.AST], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: lambda a, b: int(a / b),
    ast.Mod: operator.mod,
    ast.Lt: lambda a, b: int(a < b),
    ast.LtE: lambda a, b: int(a <= b),
    ast.Gt: lambda a, b: int(a > b),
    ast.GtE: lambda a, b: int(a >= b),
    ast.Eq: lambda a, b: int(a == b),
    ast.NotEq: lambda a, b: int(a != b),
}
_MODIFIER = re.compile(r"([A-Za-z_][A-Za-z0-9_]*|[0-9?!$#@*-])(:?[-=+?]|##?|%%?)(.*)", re.DOTALL)
#: A character that stands for itself in a pattern because it was quoted.
_ESCAPES = {"*": "[*]", "?": "[?]", "[": "[[]"}


class Scope(Protocol):
    """What an expansion asks its shell."""

    def get(self, name: str) -> str | None:
        """Give a variable or a special parameter."""

    def set(self, name: str, value: str) -> None:
        """Assign a variable."""

    def positional(self) -> list[str]:
        """Give `$1` and so on."""

    def substitute(self, text: str) -> str:
        """Run a command substitution; give its output without the last newlines."""

    def glob(self, pattern: str) -> list[str]:
        """Give the paths that match."""

    def unset_is_fatal(self) -> bool:
        """Tell whether `set -u` is on."""


class ExpansionError(Exception):
    """`parameter not set` and the like: ends a non-interactive shell with status 2."""


def expand(raw: str, scope: Scope) -> list[str]:
    """Expand one raw word into fields: parameters, commands, splitting, globs."""
    if raw in ('"$@"', '"${@}"'):
        return scope.positional()
    fields: list[list[tuple[str, bool]]] = [[]]
    for part in parts(raw):
        value = value_of(part, scope)
        if part.quoted or part.kind == "text":
            fields[-1].append((value, part.quoted))
            continue
        words = value.split()
        if value[:1].isspace() and fields[-1]:
            fields.append([])
        for index, word in enumerate(words):
            if index:
                fields.append([])
            fields[-1].append((word, False))
        if words and value[-1:].isspace():
            fields.append([])
    return [word for pieces in fields if pieces for word in _globbed(pieces, scope)]


def expand_one(raw: str, scope: Scope) -> str:
    """Expand where no splitting happens: assignments, redirections, `case`."""
    return "".join(value_of(part, scope) for part in parts(raw))


def expand_document(text: str, scope: Scope) -> str:
    """Expand a here-document whose delimiter was not quoted."""
    return "".join(value_of(part, scope) for part in double_quoted(text, document=True))


def pattern(raw: str, scope: Scope) -> str:
    """Expand a `case` pattern, with quoted characters standing for themselves."""
    return "".join(_escape(value_of(p, scope)) if p.quoted else value_of(p, scope) for p in parts(raw))


def value_of(part: Part, scope: Scope) -> str:
    """Give what one piece of a word becomes."""
    if part.kind == "text":
        return part.text
    if part.kind == "command":
        return scope.substitute(part.text)
    if part.kind == "arithmetic":
        return str(arithmetic(expand_document(part.text, scope), scope))
    return _parameter(part.text, scope)


def _globbed(pieces: Iterable[tuple[str, bool]], scope: Scope) -> list[str]:
    pieces = list(pieces)
    plain = "".join(text for text, _ in pieces)
    if not any(set(text) & set("*?[") for text, quoted in pieces if not quoted):
        return [plain]
    return scope.glob("".join(_escape(text) if quoted else text for text, quoted in pieces)) or [plain]


def _escape(text: str) -> str:
    return "".join(_ESCAPES.get(char, char) for char in text)


def _parameter(text: str, scope: Scope) -> str:
    if text.startswith("#") and len(text) > 1:
        return str(len(_plain(text[1:], scope)))
    match = _MODIFIER.fullmatch(text)
    if match is None:
        return _plain(text, scope)
    name, modifier, word = match.groups()
    value = scope.get(name)
    if modifier[0] in "#%":
        return _trimmed(value or "", modifier, pattern(word, scope))
    missing = value is None or (modifier.startswith(":") and value == "")
    kind = modifier[-1]
    if kind == "+":
        return "" if missing else expand_one(word, scope)
    if not missing:
        return value or ""
    replacement = expand_one(word, scope)
    if kind == "=":
        scope.set(name, replacement)
    if kind == "?":
        raise ExpansionError(f"{name}: {replacement or 'parameter not set'}")
    return replacement


def _plain(name: str, scope: Scope) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[?!$#@*-]", name):
        raise ShellSyntaxError("syntax error: bad substitution")
    if name in ("@", "*"):
        return " ".join(scope.positional())
    value = scope.get(name)
    if value is None and scope.unset_is_fatal():
        raise ExpansionError(f"{name}: parameter not set")
    return value or ""


def _trimmed(value: str, modifier: str, glob: str) -> str:
    cuts: Iterable[int] = range(len(value) + 1)
    if modifier in ("##", "%"):
        cuts = reversed(range(len(value) + 1))
    for cut in cuts:
        piece, rest = (value[:cut], value[cut:]) if modifier[0] == "#" else (value[cut:], value[:cut])
        if fnmatch.fnmatchcase(piece, glob):
            return rest
    return value


def arithmetic(text: str, scope: Scope) -> int:
    """Calculate `$((…))` with integers: + - * / % and comparisons."""
    try:
        tree = ast.parse(text.strip().replace("/", "//") or "0", mode="eval")
        return _calculate(tree.body, scope)
    except (SyntaxError, KeyError, ZeroDivisionError, ValueError) as error:
        raise ExpansionError("arithmetic syntax error") from error


def _calculate(node: ast.AST, scope: Scope) -> int:
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    if isinstance(node, ast.Name):
        return int(scope.get(node.id) or 0)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_calculate(node.operand, scope)
    if isinstance(node, ast.BinOp):
        return _OPERATORS[type(node.op)](_calculate(node.left, scope), _calculate(node.right, scope))
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        return _OPERATORS[type(node.ops[0])](
            _calculate(node.left, scope), _calculate(node.comparators[0], scope)
        )
    raise KeyError(type(node))
