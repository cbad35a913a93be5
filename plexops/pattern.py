"""Regular expressions that cost nothing until a text is held against them: a run uses a part of all that there are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any


def why_slow(source: str) -> str:
    """Say why an expression out of a file cannot be used, or could take long with a hostile text; empty where it cannot.

    It may repeat one character or class once, and leave four out: its time grows with the square of the text at most.
    """
    if len(source) > 200:
        return f"{source[:20]!r}… has more than 200 characters"
    try:
        re.compile(source)
    except (re.error, OverflowError) as error:
        return f"{source!r} is no regular expression: {error}"
    # What is escaped and what is a class stands for one character.
    plain = re.sub(r"\\[^1-9]|\[\^?\]?(?:\\.|[^\\\]])*\]", "x", source)
    if re.search(r"\(\?[^:]|\\", plain):
        return f"{source!r} looks around, or back at what it has found"
    if re.search(r"\)[*+?{]", plain):
        return f"{source!r} repeats a group"
    if len(re.findall(r"[*+{]", plain)) > 1 or len(re.findall(r"[^(*+}]\?", plain)) > 4:
        return f"{source!r} repeats more than once"
    return ""


class Pattern:
    """An expression, compiled when it is first used. `flags` are those of `re`."""

    def __init__(self, source: str, flags: int = 0) -> None:
        self.source = source
        self._flags = flags

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        """The expression as `re` has it."""
        return re.compile(self.source, self._flags)

    def match(self, text: str, at: int = 0) -> re.Match[str] | None:
        """Hold it against the text from `at` on."""
        return self.compiled.match(text, at)

    def fullmatch(self, text: str) -> re.Match[str] | None:
        """Hold it against the whole text."""
        return self.compiled.fullmatch(text)

    def search(self, text: str, begin: int = 0, end: int = 2**62) -> re.Match[str] | None:
        """Look for the first place."""
        return self.compiled.search(text, begin, end)

    def finditer(self, text: str) -> Iterator[re.Match[str]]:
        """Give all places in order."""
        return self.compiled.finditer(text)

    def findall(self, text: str) -> list[Any]:
        """Give what stands at all places: texts, or tuples of an expression's groups."""
        return self.compiled.findall(text)

    def sub(self, by: str | Callable[[re.Match[str]], str], text: str, count: int = 0) -> str:
        """Put something else in all places, or in the first `count`."""
        return self.compiled.sub(by, text, count)

    def split(self, text: str, most: int = 0) -> list[Any]:
        """Give what stands between all places, or the first `most`."""
        return self.compiled.split(text, most)
