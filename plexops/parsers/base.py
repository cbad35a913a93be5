"""What all parsers share: the error, and lines without their ends."""

from __future__ import annotations

import re
from collections.abc import Mapping

from plexops.pattern import Pattern

#: One row: every value is text, or a list of texts.
Value = str | list[str]
Row = dict[str, Value]


class ParseError(ValueError):
    """A text that a parser does not understand. It is never guessed at: what it came from is unknown."""

    def __init__(self, reason: str, text: str = "") -> None:
        shown = text if len(text) <= 80 else text[:77] + "…"
        super().__init__(f"{reason}: {shown!r}" if text else reason)


def lines_of(text: str) -> list[str]:
    """Split at line feeds only, drop carriage returns and spaces at line ends, and trailing empty lines.

    `str.splitlines` would also split at form feeds and Unicode separators, which stand in people's comments.
    """
    lines = [line.rstrip(" \t\r") for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


_LOCATED = Pattern(r"(/[^:]+):(.*)", re.DOTALL)


def files_of(text: str) -> dict[str, str]:
    """Give the text of each file, by its path, of what `grep -Hr` prints (`FILE:line`); a text alone has the path ""."""
    files: dict[str, list[str]] = {}
    for line in lines_of(text):
        located = _LOCATED.fullmatch(line)
        path, content = (located[1], located[2]) if located else ("", line)
        files.setdefault(path, []).append(content)
    return {path: "\n".join(lines) for path, lines in files.items()}


def one_or_many(values: list[str]) -> Value:
    """Give a single value as text, several as a list."""
    return values[0] if len(values) == 1 else values


def rows_of(text: str, line: Pattern, what: str) -> list[Row]:
    """Read lines of one form: of each the named groups. Raises ParseError with `what` a line is not; empty ones are none."""
    rows: list[Row] = []
    for one in lines_of(text):
        match = line.fullmatch(one)
        if match is None and one.strip():
            raise ParseError(what, one)
        if match is not None:
            groups = match.groupdict(default="")
            rows.append({**groups})
    return rows


_ROUTEROS_ESCAPES: Mapping[str, int] = {
    '"': 0x22, "\\": 0x5C, "$": 0x24, "?": 0x3F, "_": 0x20,
    "n": 0x0A, "r": 0x0D, "t": 0x09, "a": 0x07, "b": 0x08, "f": 0x0C, "v": 0x0B,
}  # fmt: skip

_ROUTEROS_STRING = Pattern(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE = Pattern(r"\\(?:\r?\n[ \t]*|([0-9A-F]{2})|(.))", re.DOTALL)


def routeros_string(text: str, at: int) -> tuple[str, int]:
    """Read RouterOS's quoted string at `at`; give its value and the place behind it.

    Bytes that are no UTF-8 (Winbox writes the PC's own code page) become U+FFFD: nobody can say what they were.
    Raises ParseError for an open string and for an unknown escape.
    """
    match = _ROUTEROS_STRING.match(text, at)
    if match is None:
        raise ParseError("a string is not closed", text[at : at + 80])
    content = match[1]
    if "\\" not in content:
        return content, match.end()
    data = bytearray()
    last = 0
    for escape in _ESCAPE.finditer(content):
        data += content[last : escape.start()].encode("utf-8", "surrogateescape")
        last = escape.end()
        if escape[1]:
            data.append(int(escape[1], 16))
        elif escape[2]:
            if escape[2] not in _ROUTEROS_ESCAPES:
                raise ParseError("unknown escape in a string", escape[0])
            data.append(_ROUTEROS_ESCAPES[escape[2]])
    data += content[last:].encode("utf-8", "surrogateescape")
    return data.decode("utf-8", "replace"), match.end()
