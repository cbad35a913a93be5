"""RouterOS's `print … terse`, row by row: a row that cannot be told apart never hides the others.

One line an item, in 6 and 7 alike: number (routes of version 7 that the device made have none), flags, the comment
without quotes, then `key=value`, where a value reaches to the next ` key=`. ntc-templates' captures show it.
"""

from __future__ import annotations

import re

from plexops.parsers.base import ParseError, Row, routeros_string
from plexops.parsers.routeros_print import print_lines

_HEAD = re.compile(r" *(\d+)?((?: *[A-Za-z*+!]){0,8}?)(?: +|^)(?=;;;|[a-z.][a-z0-9.-]*=)")
_KEY = re.compile(r"(?:^|(?<=[ \t]))([a-z.][a-z0-9.-]*)=")
#: What follows a firewall rule's comment. Only there could a comment's words pass for a match of the rule.
_CHAIN = re.compile(r"(?:^|(?<=[ \t]))chain=")


def parse_routeros_rows(text: str) -> list[Row]:
    """Read `print terse`: rows of `.index` (empty: none), `.flags`, `.comment` and each argument as text.

    A row that can be read in two ways, or not at all, is `.index`, `.flags` and `.odd`: the line itself. So is a row
    whose comment is broken over several lines. Raises ParseError for a text that does not begin with an item.
    """
    rows: list[Row] = []
    for line in print_lines(text):
        head = _HEAD.match(line)
        if head is not None:
            rows.append(_row(line, head))
        elif line and not rows:
            raise ParseError("no item of a terse print", line)
        elif line:
            last = rows[-1]
            told = last.get(".odd") or last.get(".line")
            rows[-1] = _odd(last, f"{told} {line}")
    for row in rows:
        row.pop(".line", None)
    return rows


def _row(line: str, head: re.Match[str]) -> Row:
    row: Row = {".index": head[1] or "", ".flags": head[2].replace(" ", ""), ".comment": "", ".line": line}
    rest = line[head.end() :]
    chains = [found.start() for found in _CHAIN.finditer(rest)]
    mark = next((mark for mark in (";;;", "comment=") if rest.startswith(mark)), None)
    if len(chains) > 1:
        return _odd(row, line)
    if mark is not None:
        following = _KEY.search(rest, len(mark))
        end = chains[0] if chains else following.start() if following else len(rest)
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
