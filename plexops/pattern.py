"""Regular expressions that cost nothing until a text is held against them: a run uses a part of all that there are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any


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
