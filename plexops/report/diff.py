"""The lines that differ between two configurations of one device."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Literal

from msgspec import Struct

#: difflib takes quadratic time; beyond this many lines only the common beginning and end are found.
_MOST_LINES = 4000


class DiffLine(Struct, frozen=True):
    """One line: `+` only after, `-` only before; a blank sign stands for `skipped` equal lines that are folded."""

    sign: Literal["+", "-", " "]
    text: str
    skipped: int = 0


def changed_lines(before: str, after: str) -> tuple[DiffLine, ...]:
    """Give the changed lines in order; equal ones are folded into counts."""
    old = before.split("\n") if before else []
    new = after.split("\n") if after else []
    lines: list[DiffLine] = []
    for tag, a, b, c, d in _blocks(old, new):
        if tag == "equal":
            lines.append(DiffLine(" ", "", b - a))
            continue
        lines += [DiffLine("-", text) for text in old[a:b]]
        lines += [DiffLine("+", text) for text in new[c:d]]
    return tuple(lines)


def _blocks(old: list[str], new: list[str]) -> Sequence[tuple[str, int, int, int, int]]:
    if len(old) + len(new) <= _MOST_LINES:
        return SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    shorter = min(len(old), len(new))
    start = next((i for i in range(shorter) if old[i] != new[i]), shorter)
    rest = shorter - start
    end = next((i for i in range(rest) if old[-1 - i] != new[-1 - i]), rest)
    blocks = [
        ("equal", 0, start, 0, start),
        ("replace", start, len(old) - end, start, len(new) - end),
        ("equal", len(old) - end, len(old), len(new) - end, len(new)),
    ]
    return [block for block in blocks if block[2] > block[1] or block[4] > block[3]]
