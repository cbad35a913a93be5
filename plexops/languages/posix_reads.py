"""The allow-list of POSIX commands that only read.

What is not listed is refused: command, flag, operand. The check is made when a profile is loaded, so that an author
sees the reason, and it is the only thing that stands between a profile's `reads:` and a device.
"""

from __future__ import annotations

import re

from plexops.languages import posix_timer
from plexops.languages.posix_commands import CHECKS, VARIABLE_FREE
from plexops.pattern import Pattern

#: A word is what stands together: bare characters and quoted texts.
_PIECE = Pattern(
    r"""[ \t]+|(?P<bare>[A-Za-z0-9_.:,=/@%+*?\[\]!^-]+)|'(?P<single>[^']*)'|"(?P<double>[^"]*)"|(?P<wrong>.)""",
    re.DOTALL,
)
_IGNORED_ERRORS = Pattern(r"[ \t]2>/dev/null[ \t]*\Z")
#: A filter that only shortens what the command prints.
_SHORTENED = Pattern(r"[ \t]\|[ \t]tail -c [0-9]{1,8}[ \t]*\Z")


def refuse_read(text: str) -> str | None:
    """Tell why this is not one simple command that is known to only read; None when it is.

    One trailing `2>/dev/null` is allowed, and behind it one `| tail -c NUMBER`, which keeps the end of what was
    printed; nothing else that is not a plain or quoted word. The question for a timer of ours is a text of ours.
    """
    if posix_timer.only_asks(text):
        return None
    try:
        words = _words(_IGNORED_ERRORS.sub("", _SHORTENED.sub("", text, count=1), count=1))
    except ValueError as error:
        return str(error)
    if not words:
        return "no command"
    name, *arguments = words
    check = CHECKS.get(name)
    if check is None:
        return f"{name!r} is not on the list of commands that only read"
    reason = check(arguments)
    return f"{name}: {reason}" if reason else None


def loses_status(text: str) -> bool:
    """Tell whether the shell gives another command's status for this one's: only its complaints say that it failed."""
    return _SHORTENED.search(text) is not None


def _words(text: str) -> list[str]:
    """Split into words; ValueError on everything that is more than plain and quoted words."""
    words: list[str] = []
    glued = False
    for piece in _PIECE.finditer(text):
        kind = piece.lastgroup
        if kind == "wrong":
            unclosed = "a quote is not closed" if piece[0] in "'\"" else ""
            raise ValueError(unclosed or f"{piece[0]!r} may not stand in a read outside quotes")
        if kind is not None:
            inside = piece[kind]
            if kind != "bare" and any(
                ord(character) < 0x20 or ord(character) == 0x7F for character in inside
            ):
                raise ValueError("a control character stands in quotes")
            if kind == "double" and VARIABLE_FREE.fullmatch(inside) is None:
                raise ValueError("double quotes may not hold $, backticks, backslashes or '!' in a read")
            words.append(words.pop() + inside if glued else inside)
        glued = kind is not None
    return words
