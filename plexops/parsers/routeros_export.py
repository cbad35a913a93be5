"""RouterOS's `export`: re-runnable commands, fully quoted, the same in versions 6 and 7."""

from __future__ import annotations

import re

from plexops.parsers.base import ParseError, Row, routeros_string
from plexops.pattern import Pattern

_KEY = Pattern(r"([A-Za-z0-9.][A-Za-z0-9.-]*)=")
_PLAIN = Pattern(r'[^\s"\\\[\]]+')
_PATH_WORD = Pattern(r"[0-9]*[a-z][a-z0-9-]*")
_JOIN = Pattern(r"\\\r?\n[ \t]*")
_VERBS = frozenset({"add", "set"})
#: Verbs that an export does not hold; without them such a command would pass for the name of a menu.
_FOREIGN_VERBS = frozenset(
    {"remove", "move", "enable", "disable", "unset", "reset", "print", "export", "import", "run"}
)
#: What RouterOS writes in place of a menu that it could not export in time.
_INCOMPLETE = Pattern(r"#\s*(?:error exporting|interrupted)", re.IGNORECASE)


def parse_routeros_export(text: str) -> list[Row]:
    """Read `export terse` (one command per line) and `export` (menus with `add` and `set` lines under them).

    Rows: `.path` (`/ip firewall nat`), `.verb` (`add`, `set`), `.target` (what a `set` names: `[ find default=yes ]`,
    `ether1`; absent otherwise), and each argument as text. Long lines end in a backslash and go on, indented, in the
    next one. Raises ParseError for any other line, for nothing, and for an export that says that it is incomplete.
    """
    rows: list[Row] = []
    path = ""
    at = 0
    if not text.strip():
        # An empty menu's export still bears its head: the date, the version, the software id.
        raise ParseError("nothing at all was printed")
    while at < len(text):
        if text[at] in " \t\r\n":
            at += 1
        elif text[at] == "#":
            end = text.find("\n", at)
            comment = text[at : end if end >= 0 else len(text)]
            if _INCOMPLETE.match(comment):
                raise ParseError("the export is incomplete", comment)
            at += len(comment)
        else:
            words, at = _command(text, at)
            path = _take(words, path, rows)
    return rows


def _take(words: list[tuple[str | None, str]], path: str, rows: list[Row]) -> str:
    """Add the row of one command; give the menu that holds from here on."""
    named = next((index for index, (key, _) in enumerate(words) if key is not None), len(words))
    plain = [word for _, word in words[:named]]
    at = next((index for index, word in enumerate(plain) if word in _VERBS), None)
    verb, menu, rest = (
        (None, plain, words[named:]) if at is None else (plain[at], plain[:at], words[at + 1 :])
    )
    if menu:
        pieces = [piece for word in menu for piece in word.split("/") if piece]
        unknown = [
            piece for piece in pieces if _PATH_WORD.fullmatch(piece) is None or piece in _FOREIGN_VERBS
        ]
        if not menu[0].startswith("/") or unknown:
            raise ParseError("no command of an export", " ".join(menu))
        path = "/" + " ".join(pieces)
    if verb is None:
        if rest or not menu:
            raise ParseError("no command of an export", " ".join(word for _, word in words))
        return path
    if not path:
        raise ParseError("a command without its menu", verb)
    rows.append(_row(path, verb, rest))
    return path


def _row(path: str, verb: str, words: list[tuple[str | None, str]]) -> Row:
    row: Row = {".path": path, ".verb": verb}
    for key, value in words:
        name, content = (key, value) if key is not None else _positional(value, verb)
        if name in row:
            raise ParseError(f"{name!r} twice in one command", path)
        row[name] = content
    return row


def _positional(word: str, verb: str) -> tuple[str, str]:
    """`!key` unsets a value; the one other word without an equals sign is what `set` names."""
    if word.startswith("!"):
        return word, ""
    if verb != "set":
        raise ParseError("an argument without a value", word)
    return ".target", word


def _command(text: str, at: int) -> tuple[list[tuple[str | None, str]], int]:
    """Read the words of one logical line: (key, value), or (None, word)."""
    words: list[tuple[str | None, str]] = []
    while at < len(text) and text[at] != "\n":
        join = _JOIN.match(text, at)
        if join or text[at] in " \t\r":
            at = join.end() if join else at + 1
            continue
        key = _KEY.match(text, at)
        if key is None:
            word, at = _value(text, at)
            words.append((None, word))
            continue
        at = key.end()
        join = _JOIN.match(text, at)
        value, at = _value(text, join.end() if join else at)
        words.append((key[1], value))
    return words, at


def _value(text: str, at: int) -> tuple[str, int]:
    """Read a string, a bare word or a bracketed command, whatever stands up to the next space."""
    parts: list[str] = []
    while at < len(text) and text[at] not in " \t\r\n":
        join = _JOIN.match(text, at)
        if join:
            at = join.end()
        elif text[at] == '"':
            part, at = routeros_string(text, at)
            parts.append(part)
        elif text[at] == "[":
            end = text.find("]", at)
            if end < 0 or "\n" in text[at:end]:
                raise ParseError("a bracket is not closed", text[at : at + 80])
            parts.append(text[at : end + 1])
            at = end + 1
        else:
            match = _PLAIN.match(text, at)
            if match is None:
                raise ParseError("a character that an export does not hold bare", text[at : at + 80])
            parts.append(match[0])
            at = match.end()
    return "".join(parts), at
