"""Splits nftables' own language into words that know where they stand, and words nft's complaints about them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r]+|\\\n|\#[^\n]*)
    |(?P<newline>\n)
    |(?P<quoted>"[^"\n]*")
    |(?P<raw>@(?:nh|th|ll),\d+,\d+)
    |(?P<colons>(?:[0-9A-Fa-f]{0,4}:){2,}[0-9A-Fa-f:.]*(?:[/-][0-9A-Fa-f:.]+)?)
    |(?P<mark>!=|==|[{},;:=!&|()\[\]])
    |(?P<variable>\$[A-Za-z_][A-Za-z0-9_]*)
    |(?P<word>@?[A-Za-z0-9_./*+-]+|\\\*)
    |(?P<other>.)""",
    re.VERBOSE,
)


class Source(Struct, frozen=True):
    """A text and what nft calls it in complaints; a command line has no name."""

    name: str
    text: str

    def line(self, number: int) -> str:
        """Give one line, counted from 1; behind the last one nft shows the last."""
        lines = self.text.split("\n")
        if number > len(lines) - 1 and not lines[-1] and len(lines) > 1:
            return lines[-2]
        return lines[number - 1]


class Token(Struct, frozen=True):
    """A word and where it stands."""

    kind: str
    text: str
    source: Source
    line: int
    column: int

    @property
    def length(self) -> int:
        """How many letters nft underlines."""
        return max(1, len(self.text) + (2 if self.kind == "quoted" else 0))

    @property
    def called(self) -> str:
        """What nft calls it when it did not expect it."""
        if self.kind == "quoted":
            return "quoted string"
        if self.kind == "word":
            return self.text if self.text in KEYWORDS else "string"
        return {"newline": "newline", "end": "end of file"}.get(self.kind, f"'{self.text}'")


KEYWORDS = frozenset(
    {"accept", "drop", "counter", "jump", "comment", "index", "chain", "table", "rule", "dnat", "set"}
)


class NftError(Exception):
    """A complaint of nft about one place."""

    def __init__(self, message: str, token: Token | None, span: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.token = token
        self.span = span

    def __str__(self) -> str:
        token = self.token
        if token is None:
            return f"Error: {self.message}\n"
        line = token.source.line(token.line)
        length = self.span or token.length
        pad = "".join("\t" if letter == "\t" else " " for letter in line[: token.column - 1])
        pad += " " * (token.column - 1 - len(pad))
        last = token.column + length - 1
        place = f"{token.source.name}:{token.line}:{token.column}-{last}: " if token.source.name else ""
        return f"{place}Error: {self.message}\n{line}\n{pad}{'^' * length}\n"


def tokens(source: Source) -> Iterator[Token]:
    """Split a text; ends with one token of the kind `end`."""
    line, began = 1, 0
    for match in _TOKEN.finditer(source.text):
        kind = match.lastgroup or "other"
        text = match[0]
        if kind == "blank":
            if text == "\\\n":
                line, began = line + 1, match.end()
            continue
        if kind == "colons":
            kind = "word"  # an IPv6 or hardware address
        column = match.start() - began + 1
        yield Token(kind, text[1:-1] if kind == "quoted" else text, source, line, column)
        if kind == "newline":
            line, began = line + 1, match.end()
    yield Token("end", "", source, line, len(source.text) - began + 1)
