"""OpenWrt's `uci show`."""

from __future__ import annotations

from plexops.parsers.base import ParseError, Row, one_or_many
from plexops.pattern import Pattern

_NAME = r"[A-Za-z0-9_-]+"
_SECTION = rf"@?{_NAME}(?:\[-?[0-9]+\])?"
_HEAD = Pattern(rf"({_NAME})\.({_SECTION})(?:\.({_NAME}))?=")
#: Of a word what is in quotes, a quote itself, and what is bare.
_PART = Pattern(r"'([^']*)'|\\(')|([^\s'\\]+)")
#: Ids of sections without a name, as `uci -X show` prints them.
_INTERNAL_ID = Pattern(r"cfg[0-9a-f]{6}")


def parse_uci(text: str) -> list[Row]:
    """Read `uci show`: one row per section, in order.

    Keys: `.config`, `.type`, `.name` (`plexops_plex`, `@redirect[0]`, or `cfg04fe63` with `-X`), `.anonymous`
    (`1` when the section has no name of its own), and each option as text, or as a list where uci prints several
    values (a list with one element looks like an option). Raises ParseError for anything else: for nothing, for uci's own
    messages and for options without their section.
    """
    sections: dict[tuple[str, str], Row] = {}
    text = text.replace("\r\n", "\n")
    at = 0
    while at < len(text):
        if text[at] in " \t\n":
            at += 1
            continue
        head = _HEAD.match(text, at)
        if head is None:
            raise ParseError("no line of `uci show`", _line(text, at))
        values, at = _values(text, head.end())
        config, name, option = head.groups()
        if option is None:
            if (config, name) in sections or len(values) != 1:
                raise ParseError("a section twice, or without one type", f"{config}.{name}")
            anonymous = "1" if name.startswith("@") or _INTERNAL_ID.fullmatch(name) else "0"
            known: Row = {".config": config, ".type": values[0], ".name": name, ".anonymous": anonymous}
            sections[config, name] = known
        else:
            row = sections.get((config, name))
            if row is None or option in row:
                raise ParseError("an option without its section, or twice", head[0])
            row[option] = one_or_many(values)
    if not sections:
        # A configuration that is there has a section: its defaults, its zones.
        raise ParseError("nothing at all was printed")
    return list(sections.values())


def _values(text: str, at: int) -> tuple[list[str], int]:
    """Read shell words up to the end of the line; a quoted word may hold line ends."""
    values: list[str] = []
    while at < len(text) and text[at] != "\n":
        if text[at] in " \t\r":
            at += 1
            continue
        word, at = _word(text, at)
        values.append(word)
    if not values:
        raise ParseError("no value", _line(text, max(0, at - 40)))
    return values, at


def _word(text: str, at: int) -> tuple[str, int]:
    parts: list[str] = []
    while at < len(text) and text[at] not in " \t\r\n":
        match = _PART.match(text, at)
        if match is None:
            reason = "a quote is not closed" if text[at] == "'" else "an escape that uci does not print"
            raise ParseError(reason, _line(text, at))
        parts += filter(None, match.groups())
        at = match.end()
    return "".join(parts), at


def _line(text: str, at: int) -> str:
    end = text.find("\n", at)
    return text[at : end if end >= 0 else len(text)]
