"""RouterOS's `print`: for people, but sometimes the only source (dynamic entries, leases, live state).

Configuration is better read from `export terse`: version 7 does not quote in `print terse`, so that a comment which
holds ` word=` can't be told from the next argument.
"""

from __future__ import annotations

import re
from itertools import pairwise

from plexops.parsers.base import ParseError, Row, lines_of, routeros_string
from plexops.pattern import Pattern

#: Log lines that RouterOS writes into a terminal session: `17:20:06 echo: system,error,critical login failure …`.
_LOG = Pattern(r"(?:[a-z]{3}/\d\d(?:/\d{4})? |\d{4}-\d\d-\d\d |\d\d-\d\d )?\d\d:\d\d:\d\d echo: ")
_HEADING = Pattern(r"(?:Flags|Columns):")
#: The legend of the flags goes on in the next line, broken wherever the terminal ends: `p, b - bgp, o - ospf`.
_LEGEND = Pattern(r"[^\s0-9#;=][^=]* - ")
#: A number, up to four groups of up to three flags, and then the comment, an argument or the end of the line.
_ENTRY = Pattern(r" {0,3}([0-9]+)((?: +[A-Za-z*+!]{1,3}){0,4})(?: +|$)(?=;;;|[a-z.][a-z0-9.-]*=|$)")
#: An argument's name, at the beginning or behind white space.
_KEY = Pattern(r"(?:^|(?<=[ \t]))([a-z.][a-z0-9.-]*)=")


def _print_lines(text: str) -> list[str]:
    """Drop what is not part of the answer: log lines, headings, the legends of flags and columns."""
    kept = []
    legend = False
    for line in lines_of(text):
        if _LOG.match(line):
            continue
        legend = bool(_HEADING.match(line)) or (legend and _LEGEND.match(line) is not None)
        if not legend:
            kept.append(line)
    return kept


def _read_arguments(text: str, row: Row, *, strict: bool = True) -> None:
    """Read `key=value …` into a row; a value without quotes reaches to the next ` key=`.

    Not `strict`: what only looks like a string is taken as it stands. Raises ParseError.
    """
    at = 0
    while at < len(text):
        key = _KEY.match(text, at)
        if key is None:
            raise ParseError("no key=value", text[at:])
        if key[1] in row:
            raise ParseError(f"{key[1]!r} twice in one entry", text)
        row[key[1]], at = _value(text, key.end(), strict=strict)
        while at < len(text) and text[at] in " \t":
            at += 1


def _value(text: str, at: int, *, strict: bool) -> tuple[str, int]:
    if text.startswith('"', at):
        try:
            value, end = routeros_string(text, at)
            if end < len(text) and text[end] not in " \t":
                raise ParseError("text behind a string", text[end:])
        except ParseError:
            if strict:
                raise
        else:
            return value, end
    following = _KEY.search(text, at)
    end = following.start() if following else len(text)
    return text[at:end].rstrip(), end


def parse_routeros_terse(text: str) -> list[Row]:
    """Read `print terse`: one line per entry, values quoted (6) or not (7).

    Rows: `.index`, `.flags` (letters, `""` without), `.comment` (from `comment=` or `;;;`), and each argument as text.
    """
    rows: list[Row] = []
    for line in filter(None, _print_lines(text)):
        head = _ENTRY.match(line)
        if head is None:
            raise ParseError("no entry of a print", line)
        row: Row = {".index": head[1], ".flags": head[2].replace(" ", ""), ".comment": ""}
        rest = line[head.end() :]
        if rest.startswith(";;;"):
            following = _KEY.search(rest)
            end = following.start() if following else len(rest)
            row[".comment"] = rest[3:end].strip()
            rest = rest[end:]
        if not rest:
            raise ParseError("an entry without arguments", line)
        _read_arguments(rest, row)
        rows.append({**row, ".comment": row.get("comment", row[".comment"])})
    return rows


def parse_routeros_ids(text: str) -> list[str]:
    """Read `:put [/path find …]`: ids with semicolons between them, nothing for none."""
    ids = [word for word in text.strip().split(";") if word]
    wrong = [word for word in ids if re.fullmatch(r"\*[0-9A-Fa-f]{1,8}", word) is None]
    if wrong:
        raise ParseError("no id of RouterOS", wrong[0])
    return ids


# --- `print … terse`, row by row: a row that cannot be told apart never hides the others ------------------------------
#
# One line an item, in 6 and 7 alike: number (routes of version 7 that the device made have none), flags, the comment
# without quotes, then `key=value`, where a value reaches to the next ` key=`. ntc-templates' captures show it.

#: Without a number: a dynamic route, its state, its origin (`DAc`, `D d`, `DAdH`).
_ROW_HEAD = Pattern(
    r" *(?:(\d+)((?: *[A-Za-z*+!]){0,8}?)|(D[AI ]?[A-Za-z]?[ H+]{0,3}))(?: +|(?<= ))(?=;;;|[a-z.][a-z0-9.-]*=)"
)
#: What follows a firewall rule's comment. Only there could a comment's words pass for a match of the rule.
_CHAIN = Pattern(r"(?:^|(?<=[ \t]))chain=")


def parse_routeros_rows(text: str) -> list[Row]:
    """Read `print terse`: rows of `.index` (empty: none), `.flags`, `.comment` and each argument as text.

    A row that can be read in two ways, or not at all, is `.index`, `.flags` and `.odd`: the line itself. A comment may
    be broken over several lines. Raises ParseError for a text that does not begin with an item, and where the numbers
    do not rise: then a comment's line passes for an item.
    """
    lines: list[tuple[re.Match[str], str]] = []
    for line in _print_lines(text):
        head = _ROW_HEAD.match(line)
        if head is not None:
            lines.append((head, line))
        elif line and not lines:
            raise ParseError("no item of a terse print", line)
        elif line:
            lines[-1] = (lines[-1][0], f"{lines[-1][1]} {line}")
    numbers = [int(head[1]) for head, _ in lines if head[1]]
    if any(after <= before for before, after in pairwise(numbers)):
        raise ParseError("the items' numbers do not rise")
    return [_row_of(line, head) for head, line in lines]


def _row_of(line: str, head: re.Match[str]) -> Row:
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
    try:
        _read_arguments(rest, row, strict=False)
    except ParseError:
        return _odd(row, line)
    return row


def _odd(row: Row, line: str) -> Row:
    return {".index": row[".index"], ".flags": row[".flags"], ".odd": line}
