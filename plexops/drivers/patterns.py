"""Patterns of a profile: text with names, `*name>*external>*address`. They read a line or an item, and write it back."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from plexops.pattern import Pattern

_NAME = Pattern(r"\*([a-z][a-z0-9_]*)")


class TextPattern(Struct, frozen=True):
    """A pattern, taken apart: what stands before the first name, and each name with the text that follows it."""

    lead: str
    names: tuple[tuple[str, str], ...]

    def read(self, text: str, least: int = 0) -> dict[str, str] | None:
        """Give the text of each name; None for a text that does not fit.

        A name takes all up to what follows it, the last one the rest; a space between two is any number of spaces.
        With `least` the text may end after so many names; those that are not there have no text.
        """
        if not text.startswith(self.lead):
            return None
        rest = text[len(self.lead) :]
        found: dict[str, str] = {}
        for number, (name, after) in enumerate(self.names, 1):
            before, ended, behind = _cut(rest, after) if after else (rest, True, "")
            if not ended:
                if not least or number < least:
                    return None
                return found | {name: rest}
            found[name], rest = before, behind
        return None if rest else found

    def write(self, values: Mapping[str, str], least: int = 0) -> str:
        """Put the values in; with `least` the text may end after so many, where no more are known.

        Raises ValueError for one that holds what separates the parts, and for a missing one.
        """
        text, behind = self.lead, ""
        for number, (name, after) in enumerate(self.names, 1):
            value = values.get(name)
            if value is None and least and number > least:
                return text
            if value is None:
                raise ValueError(f"no value for {name}")
            if after and after in value:
                raise ValueError(f"{name} holds {after!r}, which separates the parts there")
            text, behind = text + behind + value, after
        return text + behind


def compile_pattern(text: str) -> TextPattern:
    """Take a pattern apart. Raises ValueError where it has no names, one twice, or two without a text between."""
    pieces = _NAME.split(text)
    lead, names, after = pieces[0], pieces[1::2], pieces[2::2]
    if not names:
        raise ValueError(f"the pattern {text!r} has no *name")
    if len(set(names)) < len(names):
        raise ValueError(f"the pattern {text!r} has a name twice")
    if "" in after[:-1]:
        raise ValueError(f"in the pattern {text!r} two names stand without a text between them")
    if "*" in lead or any("*" in one for one in after):
        raise ValueError(f"in the pattern {text!r} a * stands before no name")
    return TextPattern(lead, tuple(zip(names, after, strict=True)))


def _cut(text: str, by: str) -> tuple[str, bool, str]:
    """Cut a text at the first place of another; a space alone stands for any number of them."""
    before, found, behind = text.partition(by)
    return before, bool(found), behind.lstrip(" ") if by == " " else behind
