"""The one place through which text reaches a terminal: what devices wrote can't move the cursor or reorder letters."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from enum import StrEnum
from itertools import accumulate, takewhile

from msgspec import Struct

from plexops.pattern import Pattern

#: How `Pen` paints: it takes no column.
_PAINT = Pattern("\x1b\\[[0-9]*m")
#: Marks that stack on one letter: languages use two or three, vandals hundreds.
_MARKS = frozenset({"Mn", "Me"})
_MARKS_PER_LETTER = 4
#: Controls, format characters (direction, zero width), lone surrogates, line and paragraph separators.
_ACTING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

_ASCII: Mapping[int, int | str] = {
    **str.maketrans("─│·•–—×“”„’‘\u00a0", '-|.*--x"""\'\' '),
    **{ord(sign): written for sign, written in (("→", "->"), ("…", "..."), ("≥", ">="), ("≤", "<="))},
}


class Style(StrEnum):
    """What a colour means. The numbers are SGR parameters; nothing is said by colour alone."""

    OK = "32"
    DRIFT = "33"
    STOP = "31"
    UNKNOWN = "36"
    NOTE = "34"
    FAINT = "2"
    STRONG = "1"
    PLAIN = ""


def safe_term(text: str, keep: str = "") -> str:
    r"""Make every character visible that a terminal would act on.

    Controls (C0, DEL, C1) become `\xNN`; direction overrides, zero-width and other format characters, line separators
    and lone surrogates become `\uNNNN`. `keep` names controls that stay, such as a newline.
    """
    if all(char.isprintable() and unicodedata.category(char) not in _MARKS for char in {*text} - {*keep}):
        return text
    shown: list[str] = []
    marks = 0
    for char in text:
        category = unicodedata.category(char)
        marks = marks + 1 if category in _MARKS else 0
        visible = category not in _ACTING and marks <= _MARKS_PER_LETTER and not _is_noncharacter(char)
        shown.append(char if visible or char in keep else _escape(char))
    return "".join(shown)


def _is_noncharacter(char: str) -> bool:
    """U+FFFE, U+FFFF and their like are never text, and XML 1.0 forbids them."""
    code = ord(char)
    return code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF


def _escape(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def one_line(text: str) -> str:
    """Put a text on one line; its line ends stay visible as a space."""
    return " ".join(part.strip() for part in text.split("\n") if part.strip())


def width_of(text: str) -> int:
    """Give how many columns a text takes: East Asian wide letters take two, combining marks and paint none."""
    if "\x1b" in text:
        text = _PAINT.sub("", text)
    if text.isascii():
        return len(text)
    columns = 0
    for char in text:
        if unicodedata.combining(char):
            continue
        columns += 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1
    return columns


def wrap(text: str, width: int) -> list[str]:
    """Break a text into lines at spaces; a word longer than a line is broken anywhere. Runs of spaces stay."""
    if width_of(text) <= width:
        return [text]
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        candidate = f"{line} {word}" if line else word
        if width_of(candidate) <= width:
            line = candidate
            continue
        if line:
            lines.append(line.rstrip())
        line = word
        while width_of(line) > width > 0:
            head = _fitting(line, width)
            lines.append(head)
            line = line[len(head) :]
    return [*lines, line.rstrip()] if line.strip() or not lines else lines


def _fitting(text: str, width: int) -> str:
    used = accumulate(map(width_of, text))
    return text[: sum(1 for _ in takewhile(lambda columns: columns <= width, used))] or text[0]


class Pen(Struct, frozen=True):
    """Writes styled text, or plain where colour is off. Nothing else of ours writes an escape sequence."""

    colour: bool = False
    unicode: bool = True

    def paint(self, text: str, style: Style) -> str:
        """Give a text in a style; it must already be safe."""
        return f"\x1b[{style}m{text}\x1b[0m" if self.colour and style and text else text

    def finish(self, text: str) -> str:
        """Give the whole text for a stream that may know ASCII only."""
        if self.unicode:
            return text
        return text.translate(_ASCII).encode("ascii", "backslashreplace").decode()


def hanging(lead: str, text: str, width: int, column: int = 0) -> list[str]:
    """Give a text behind its lead; its lines begin at a column, or where the lead ends."""
    column = max(column, width_of(lead))
    head, *rest = wrap(one_line(text), max(20, width - column))
    return [lead + " " * (column - width_of(lead)) + head, *(" " * column + line for line in rest)]


def apart(left: str, right: str, width: int) -> str:
    """Put a text at each end of a line, two columns apart at least."""
    return left + " " * max(2, width - width_of(left + right)) + right


def titled(pen: Pen, name: str, right: str, width: int, style: Style) -> list[str]:
    """Give what begins a report: which command, and at the other end of the line, or below, what it was about."""
    head = pen.paint(name, Style.STRONG)
    if width_of(name) + 2 + width_of(right) <= width:
        return [apart(head, pen.paint(right, style), width)]
    return [head, *(pen.paint(line, style) for line in wrap(right, width))]


def labelled(pen: Pen, label: str, style: Style, texts: Sequence[str], width: int, column: int) -> list[str]:
    """Give texts beside their label, from a column on; of several, a dash shows where each begins."""
    column = max(column, width_of(label) + 1)
    dash = "- " if len(texts) > 1 else ""
    lines: list[str] = []
    for number, text in enumerate(texts):
        name = "" if number else label
        lead = pen.paint(name, style) + " " * (column - width_of(name)) + dash
        lines += hanging(lead, safe_term(one_line(text)), width)
    return lines
