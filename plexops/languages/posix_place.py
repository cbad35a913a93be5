"""Where in a shell script one is after some text of it: in code, in quotes, in a comment, in a here-document."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

from plexops.pattern import Pattern


class Place(StrEnum):
    """Where the next character would stand; the value says why text must not stand there."""

    CODE = ""
    SINGLE = "inside single quotes"
    DOUBLE = "inside double quotes"
    EXPANSION = "inside ${ … }"
    BACKTICK = "inside backticks"
    SUBSTITUTION = "inside $( … ) within double quotes"
    ESCAPE = "after a backslash"
    COMMENT = "in a comment"
    HEREDOC = "in or after a here-document"
    UNCLEAR = "after a construct that can't be followed safely ($'…', quotes in ${…}, case inside $(…))"


#: Besides those of Place: a parenthesis in code, in which text may stand.
_Open = Place | Literal["("]
_OPENING: Mapping[str, _Open] = MappingProxyType({"'": Place.SINGLE, '"': Place.DOUBLE, "(": "("})
_WORD_BREAK = " \t\n;&|()<>"
_CASE = Pattern(r"(?:^|[\s;&|(])case\s")


class _Walk:
    """One pass over the text. It only ever errs towards a place where text is refused."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.open: list[tuple[_Open, int]] = []
        self.verdict: Place | None = None

    def place(self) -> Place:
        while self.verdict is None and self.at < len(self.text):
            self._step()
        return self.verdict or self._final()

    def _step(self) -> None:
        character = self.text[self.at]
        top = self.open[-1][0] if self.open else None
        if top is Place.SINGLE:
            self._advance(1, close=character == "'")
        elif character == "\\":
            self._escape()
        elif top is Place.EXPANSION:
            self._expansion(character)
        elif character == "$":
            self._dollar()
        elif character == "`":
            self._backtick()
        elif top is Place.DOUBLE:
            self._advance(1, close=character == '"')
        else:
            self._code(character)

    def _escape(self) -> None:
        if self.at + 1 == len(self.text):
            self.verdict = Place.ESCAPE
        self._advance(2)

    def _expansion(self, character: str) -> None:
        if character in "'\"`$":
            self.verdict = Place.UNCLEAR
        self._advance(1, close=character == "}")

    def _code(self, character: str) -> None:
        if character in _OPENING:
            self._push(_OPENING[character], 1)
        elif character == "#" and (self.at == 0 or self.text[self.at - 1] in _WORD_BREAK):
            self._comment()
        elif self.text.startswith("<<", self.at):
            self.verdict = Place.HEREDOC
        elif character == ")":
            self._parenthesis()
        else:
            self._advance(1)

    def _dollar(self) -> None:
        following = self.text[self.at + 1 : self.at + 2]
        in_double = bool(self.open) and self.open[-1][0] is Place.DOUBLE
        if following == "(":
            self._push(Place.SUBSTITUTION, 2)
        elif following == "{":
            self._push(Place.EXPANSION, 2)
        elif following in ("'", '"') and following and not in_double:
            self.verdict = Place.UNCLEAR
        else:
            self._advance(1)

    def _backtick(self) -> None:
        if self.open and self.open[-1][0] is Place.BACKTICK:
            self._advance(1, close=True)
        elif any(frame is Place.BACKTICK for frame, _ in self.open):
            self.verdict = Place.UNCLEAR
        else:
            self._push(Place.BACKTICK, 1)

    def _parenthesis(self) -> None:
        # A lone ) belongs to a pattern of `case`, which stands in code anyway.
        if not self.open or self.open[-1][0] is Place.BACKTICK:
            self._advance(1)
            return
        frame, start = self.open[-1]
        if frame is Place.SUBSTITUTION and _CASE.search(self.text[start : self.at]):
            self.verdict = Place.UNCLEAR
        self._advance(1, close=True)

    def _comment(self) -> None:
        end = self.text.find("\n", self.at)
        if end < 0:
            self.verdict = Place.COMMENT
        else:
            self.at = end

    def _push(self, frame: _Open, width: int) -> None:
        self.at += width
        self.open.append((frame, self.at))

    def _advance(self, width: int, close: bool = False) -> None:
        self.at += width
        if close:
            self.open.pop()

    def _final(self) -> Place:
        frames = [frame for frame, _ in self.open]
        outer = next(
            (place for place in (Place.SINGLE, Place.EXPANSION, Place.BACKTICK) if place in frames), None
        )
        if outer is not None:
            return outer
        if Place.DOUBLE in frames:
            return Place.DOUBLE if frames[-1] is Place.DOUBLE else Place.SUBSTITUTION
        return Place.CODE


def place_after(text: str) -> Place:
    """Tell where the character after this text would stand in a POSIX shell script."""
    return _Walk(text).place()
