"""RouterOS's `print`: for people, but sometimes the only source (dynamic entries, leases, live state).

Configuration is better read from `export terse`: version 7 does not quote in `print terse`, so that a comment which
holds ` word=` can't be told from the next argument.
"""

from __future__ import annotations

import re

from msgspec import Struct

from plexops.parsers.base import ParseError, Row, lines_of, routeros_string
from plexops.pattern import Pattern

#: Log lines that RouterOS writes into a terminal session: `17:20:06 echo: system,error,critical login failure …`.
_LOG = Pattern(r"(?:[a-z]{3}/\d\d(?:/\d{4})? |\d{4}-\d\d-\d\d |\d\d-\d\d )?\d\d:\d\d:\d\d echo: ")
_HEADING = Pattern(r"(?:Flags|Columns):")
#: The legend of the flags goes on in the next line, broken wherever the terminal ends: `p, b - bgp, o - ospf`.
_LEGEND = Pattern(r"[^\s0-9#;=][^=]* - ")
_TABLE = Pattern(r"\s*#\s+([A-Z][A-Z0-9. -]*)")
#: A number, up to four groups of up to three flags, and then the comment, an argument or the end of the line.
_ENTRY = Pattern(r" {0,3}([0-9]+)((?: +[A-Za-z*+!]{1,3}){0,4})(?: +|$)(?=;;;|[a-z.][a-z0-9.-]*=|$)")
_TABLE_ENTRY = Pattern(r" {0,3}([0-9]+) ([A-Za-z ]{0,4}?) +(?=\S)(.*)")
_KEY = Pattern(r"(?:^|(?<=[ \t]))([a-z.][a-z0-9.-]*)=")


def print_lines(text: str) -> list[str]:
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


def _arguments(text: str, row: Row) -> None:
    """Read `key=value …` into a row; a value without quotes reaches to the next ` key=`."""
    if not text:
        raise ParseError("an entry without arguments", str(row[".index"]))
    at = 0
    while at < len(text):
        key = _KEY.match(text, at)
        if key is None:
            raise ParseError("no key=value", text[at:])
        if key[1] in row:
            raise ParseError(f"{key[1]!r} twice in one entry", text)
        at = key.end()
        if text.startswith('"', at):
            value, at = routeros_string(text, at)
            if at < len(text) and text[at] not in " \t":
                raise ParseError("text behind a string", text[at:])
        else:
            following = _KEY.search(text, at)
            end = following.start() if following else len(text)
            value = text[at:end].rstrip()
            at = end
        row[key[1]] = value
        while at < len(text) and text[at] in " \t":
            at += 1


def _entry(line: str) -> tuple[Row, str]:
    """Read the number and the flags of an entry; the rest of the line is left."""
    match = _ENTRY.match(line)
    if match is None:
        raise ParseError("no entry of a print", line)
    flags = match[2].replace(" ", "")
    return {".index": match[1], ".flags": flags, ".comment": ""}, line[match.end() :]


def parse_routeros_terse(text: str) -> list[Row]:
    """Read `print terse`: one line per entry, values quoted (6) or not (7).

    Rows: `.index`, `.flags` (letters, `""` without), `.comment` (from `comment=` or `;;;`), and each argument as text.
    """
    rows: list[Row] = []
    for line in print_lines(text):
        if not line:
            continue
        row, rest = _entry(line)
        if rest.startswith(";;;"):
            following = _KEY.search(rest)
            end = following.start() if following else len(rest)
            row[".comment"] = rest[3:end].strip()
            rest = rest[end:]
        _arguments(rest, row)
        if "comment" in row:
            row[".comment"] = row["comment"]
        rows.append(row)
    return rows


class _Block(Struct):
    """The lines of one entry of a plain print."""

    row: Row
    lines: list[str] = []


def parse_routeros_print(text: str) -> list[Row]:
    """Read `print` and `print detail`: entries over several lines, or a table with a heading.

    Rows: `.index`, `.flags`, `.comment` (the `;;;` text), and each argument or column (in lower case) as text.
    """
    blocks: list[_Block] = []
    columns: list[str] | None = None
    for line in print_lines(text):
        table = _TABLE.fullmatch(line)
        if table and not blocks:
            columns = table[1].lower().split()
        elif re.match(r" {0,3}[0-9]+(?: |$)", line):
            row, rest = _table_entry(line) if columns else _entry(line)
            blocks.append(_Block(row, [rest] if rest else []))
        elif line and (not blocks or not line.startswith("    ")):
            raise ParseError("no line of a print", line)
        elif line:
            blocks[-1].lines.append(line.strip())
    return [_finished(block, columns) for block in blocks]


def _table_entry(line: str) -> tuple[Row, str]:
    match = _TABLE_ENTRY.fullmatch(line)
    if match is None:
        raise ParseError("no row of a table", line)
    return {".index": match[1], ".flags": match[2].replace(" ", ""), ".comment": ""}, match[3]


def _finished(block: _Block, columns: list[str] | None) -> Row:
    lines = list(block.lines)
    if lines and lines[0].startswith(";;;"):
        block.row[".comment"] = lines.pop(0)[3:].strip()
    content = " ".join(lines)
    if columns is None:
        _arguments(content, block.row)
        return block.row
    cells = content.split()
    if len(cells) != len(columns):
        raise ParseError(f"{len(cells)} cells under {len(columns)} headings", content)
    block.row.update(zip(columns, cells, strict=True))
    return block.row


_PAIR = Pattern(r"[ \t]*([a-z0-9][a-z0-9 -]*?):(?:[ \t]+(.*))?")


def parse_routeros_keyvalue(text: str) -> Row:
    """Read the print of a menu with one entry (`/system resource print`): right-aligned `name: value` lines."""
    row: Row = {}
    for line in print_lines(text):
        if not line:
            continue
        match = _PAIR.fullmatch(line)
        if match is None or match[1] in row:
            raise ParseError("no `name: value` line, or a name twice", line)
        row[match[1]] = match[2] or ""
    return row


def parse_routeros_ids(text: str) -> list[str]:
    """Read `:put [/path find …]`: ids with semicolons between them, nothing for none."""
    ids = [word for word in text.strip().split(";") if word]
    wrong = [word for word in ids if re.fullmatch(r"\*[0-9A-Fa-f]{1,8}", word) is None]
    if wrong:
        raise ParseError("no id of RouterOS", wrong[0])
    return ids
