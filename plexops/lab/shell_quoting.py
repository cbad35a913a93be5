"""Words of a simulated shell: where they end, and what is quoted in them.

A quote-aware pass finds the pieces; what a quote means is judged by `shlex`, so that this lab cannot share an opinion
about quoting with the tool it tests.
"""

from __future__ import annotations

import re
import shlex
from typing import Literal

from msgspec import Struct

_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9?!$#@*-]")


class ShellSyntaxError(Exception):
    """The text is no shell program; the message is as BusyBox ash words it."""


class Part(Struct, frozen=True):
    """A piece of a word: literal text, `$name`, `$(…)` or `$((…))`."""

    kind: Literal["text", "parameter", "command", "arithmetic"]
    text: str
    quoted: bool


def word_end(text: str, start: int) -> int:
    """Give where the word that starts here ends.

    Raises ShellSyntaxError for a quote or a bracket that never closes.
    """
    at = start
    while at < len(text):
        char = text[at]
        if char in " \t\n;&|<>()":
            break
        at = _skip(text, at)
    return at


def _skip(text: str, at: int) -> int:
    char = text[at]
    if char == "\\":
        return at + 2
    if char == "'":
        end = text.find("'", at + 1)
        if end < 0:
            raise ShellSyntaxError("syntax error: unterminated quoted string")
        return end + 1
    if char == '"':
        return _skip_double(text, at + 1)
    if text.startswith("$(", at):
        return _skip_nested(text, at + 2, ")")
    if text.startswith("${", at):
        return _skip_nested(text, at + 2, "}")
    if char == "`":
        return _skip_backquote(text, at + 1)
    return at + 1


def _skip_double(text: str, at: int) -> int:
    while at < len(text):
        if text[at] == '"':
            return at + 1
        at = at + 1 if text[at] == "'" else _skip(text, at)
    raise ShellSyntaxError("syntax error: unterminated quoted string")


def _skip_backquote(text: str, at: int) -> int:
    while at < len(text):
        if text[at] == "`":
            return at + 1
        at += 2 if text[at] == "\\" else 1
    raise ShellSyntaxError("syntax error: EOF in backquote substitution")


def _skip_nested(text: str, at: int, closing: str) -> int:
    while at < len(text):
        if text[at] == closing:
            return at + 1
        at = _skip_nested(text, at + 1, ")") if text[at] == "(" and closing == ")" else _skip(text, at)
    raise ShellSyntaxError(f'syntax error: unexpected end of file (expecting "{closing}")')


def parts(raw: str) -> list[Part]:
    """Take a raw word apart."""
    found: list[Part] = []
    at = plain = 0
    while at < len(raw):
        char = raw[at]
        if char == "'":
            _literal(found, raw[plain:at])
            end = _skip(raw, at)
            found.append(Part("text", shlex.split(raw[at:end])[0], quoted=True))
        elif char == '"':
            _literal(found, raw[plain:at])
            end = _skip(raw, at)
            found.extend(double_quoted(raw[at + 1 : end - 1]))
        elif _expansion_end(raw, at):
            _literal(found, raw[plain:at])
            end = _expansion_end(raw, at)
            found.append(_expansion(raw[at:end], quoted=False))
        else:
            at += 2 if char == "\\" else 1
            continue
        at = plain = end
    _literal(found, raw[plain:])
    return found


def double_quoted(text: str, *, document: bool = False) -> list[Part]:
    """Take the inside of double quotes apart, or a here-document that expands."""
    found: list[Part] = []
    piece = ""
    at = 0
    while at < len(text):
        end = _expansion_end(text, at)
        if text[at] == "\\" and at + 1 < len(text):
            if text[at + 1] in "$`":  # shlex knows only \" and \\ there
                piece += text[at + 1]
            elif text[at + 1] != "\n":
                piece += _in_quotes(text[at : at + 2], document=document)
            at += 2
        elif end:
            if piece:
                found.append(Part("text", piece, quoted=True))
                piece = ""
            found.append(_expansion(text[at:end], quoted=True))
            at = end
        else:
            piece += text[at]
            at += 1
    if piece or not found:
        found.append(Part("text", piece, quoted=True))
    return found


def _in_quotes(escape: str, *, document: bool) -> str:
    if document and escape == '\\"':
        return escape
    return shlex.split(f'"{escape}"')[0]


def _literal(found: list[Part], raw: str) -> None:
    if not raw:
        return
    lexer = shlex.shlex(raw.replace("\\\n", ""), posix=True, punctuation_chars=False)
    lexer.whitespace = lexer.commenters = ""
    lexer.whitespace_split = True
    text = "".join(lexer)
    if text:
        found.append(Part("text", text, quoted="\\" in raw))


def _expansion_end(text: str, at: int) -> int:
    """Give where the expansion that starts here ends, or 0 when none does."""
    if text[at] == "`":
        return _skip_backquote(text, at + 1)
    if text[at] != "$":
        return 0
    if text.startswith(("$(", "${"), at):
        return _skip(text, at)
    match = _PARAMETER.match(text, at + 1)
    return match.end() if match else 0


def _expansion(raw: str, *, quoted: bool) -> Part:
    if raw.startswith("`"):
        inner = re.sub(r"\\([\\`$])", r"\1", raw[1:-1])
        return Part("command", inner, quoted)
    if raw.startswith("$((") and raw.endswith("))"):
        return Part("arithmetic", raw[3:-2], quoted)
    if raw.startswith("$("):
        return Part("command", raw[2:-1], quoted)
    if raw.startswith("${"):
        return Part("parameter", raw[2:-1], quoted)
    return Part("parameter", raw[1:], quoted)
