"""RouterOS's `print … terse`, row by row: a row that cannot be told apart never hides the others.

One line an item, in 6 and 7 alike: number (routes of version 7 that the device made have none), flags, the comment
without quotes, then `key=value`, where a value reaches to the next ` key=`. ntc-templates' captures show it.
"""

from __future__ import annotations

import re
from itertools import pairwise

from plexops.parsers.base import ParseError, Row, routeros_string
from plexops.parsers.routeros_print import print_lines
from plexops.pattern import Pattern

#: Without a number: a dynamic route, its state, its origin (`DAc`, `D d`, `DAdH`).
_HEAD = Pattern(
    r" *(?:(\d+)((?: *[A-Za-z*+!]){0,8}?)|(D[AI ]?[A-Za-z]?[ H+]{0,3}))(?: +|(?<= ))(?=;;;|[a-z.][a-z0-9.-]*=)"
)
_KEY = Pattern(r"(?:^|(?<=[ \t]))([a-z.][a-z0-9.-]*)=")
#: What follows a firewall rule's comment. Only there could a comment's words pass for a match of the rule.
_CHAIN = Pattern(r"(?:^|(?<=[ \t]))chain=")


def parse_routeros_rows(text: str) -> list[Row]:
    """Read `print terse`: rows of `.index` (empty: none), `.flags`, `.comment` and each argument as text.

    A row that can be read in two ways, or not at all, is `.index`, `.flags` and `.odd`: the line itself. A comment may
    be broken over several lines. Raises ParseError for a text that does not begin with an item, and where the numbers
    do not rise: then a comment's line passes for an item.
    """
    lines: list[tuple[re.Match[str], str]] = []
    for line in print_lines(text):
        head = _HEAD.match(line)
        if head is not None:
            lines.append((head, line))
        elif line and not lines:
            raise ParseError("no item of a terse print", line)
        elif line:
            lines[-1] = (lines[-1][0], f"{lines[-1][1]} {line}")
    numbers = [int(head[1]) for head, _ in lines if head[1]]
    if any(after <= before for before, after in pairwise(numbers)):
        raise ParseError("the items' numbers do not rise")
    return [_row(line, head) for head, line in lines]


def _row(line: str, head: re.Match[str]) -> Row:
    flags = (head[2] or head[3] or "").replace(" ", "")
    row: Row = {".index": head[1] or "", ".flags": flags, ".comment": ""}
    rest = line[head.end() :]
    chains = [found.start() for found in _CHAIN.finditer(rest)]
    mark = next((mark for mark in (";;;", "comment=") if rest.startswith(mark)), None)
    # What a device at home calls its mapping is free text, and all of it stands in the comment; an owner's own text
    # may stand in other fields too.
    if len(chains) > 1 and (mark is None or "D" not in flags):
        return _odd(row, line)
    if mark is not None:
        following = _KEY.search(rest, len(mark))
        end = chains[-1] if chains else following.start() if following else len(rest)
        row[".comment"] = rest[len(mark) : end].strip()
        rest = rest[end:]
    return row if _arguments(rest, row) else _odd(row, line)


def _arguments(text: str, row: Row) -> bool:
    """Read `key=value …`; False where a key stands there twice, or text without one."""
    at = 0
    while at < len(text):
        key = _KEY.match(text, at)
        if key is None or key[1] in row:
            return False
        quoted = _quoted(text, key.end())
        if quoted is not None:
            row[key[1]], at = quoted
        else:
            following = _KEY.search(text, key.end())
            end = following.start() if following else len(text)
            row[key[1]] = text[key.end() : end].rstrip()
            at = end
        while at < len(text) and text[at] in " \t":
            at += 1
    return True


def _quoted(text: str, at: int) -> tuple[str, int] | None:
    """Version 6 quotes some values; what only looks like a string is taken as it stands."""
    if not text.startswith('"', at):
        return None
    try:
        value, end = routeros_string(text, at)
    except ParseError:
        return None
    return (value, end) if end == len(text) or text[end] in " \t" else None


def _odd(row: Row, line: str) -> Row:
    return {".index": row[".index"], ".flags": row[".flags"], ".odd": line}
