"""The console language of MikroTik RouterOS 6 and 7.

In strings a backslash escapes `"`, `\\`, `$` and `?` (which asks for help on a terminal), `_` is a space, `n r t a b f v`
are control characters, and two capital hexadecimal digits are one byte (MikroTik's scripting manual, "Constant
Escape Sequences").
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from plexops.languages import routeros_frame
from plexops.languages.base import QUOTED_TYPES, LanguageName, bare, text_of
from plexops.languages.routeros_reads import refuse_read
from plexops.model.errors import WhyNot
from plexops.model.exchange import Read, Reply
from plexops.model.fields import FieldType, Typed
from plexops.pattern import Pattern

_HARMLESS = Pattern(r"\*[0-9A-Fa-f]+|[A-Za-z0-9_.-]+")
_ESCAPED = Pattern(r'["\\$?]|[^\x20-\x7e]')


def quote_text(text: str) -> str:
    """Write a text without control characters as a string; what is not ASCII becomes its UTF-8 bytes in `\\XX`."""

    def escape(match: re.Match[str]) -> str:
        character = match[0]
        if character.isascii():
            return "\\" + character
        return "".join(f"\\{byte:02X}" for byte in character.encode())

    return '"' + _ESCAPED.sub(escape, text) + '"'


class RouterOS:
    """Double-quoted strings with backslash escapes."""

    name: LanguageName = "routeros"

    def quote(self, value: Typed) -> str:
        """Write numbers, addresses and words bare, ids such as `*1A` bare, text as a string."""
        if value.type not in QUOTED_TYPES:
            return bare(value)
        text = text_of(value)
        if value.type is FieldType.HANDLE and _HARMLESS.fullmatch(text):
            return text
        return quote_text(text)

    def refuse_text_at(self, before: str, after: str, kind: FieldType = FieldType.TEXT) -> str | None:
        """Refuse text inside strings, comments and words; a handle may have to be quoted and needs the same room."""
        del kind
        inside = _inside(before)
        if inside:
            return inside
        if before and not (before[-1].isspace() or before[-1] in "=(,"):
            return "inside a word: only white space, '=', '(' or ',' may stand before it"
        if after and not (after[0].isspace() or after[0] in ";])},"):
            return "inside a word: only white space or one of ; ] ) } , may stand after it"
        return None

    def refuse_read(self, text: str) -> str | None:
        """Tell why this is not one command that is known to only read."""
        return refuse_read(text)

    def frame(self, reads: Sequence[Read], nonce: str) -> str:
        """Write all reads as one script for an exec."""
        return routeros_frame.frame(reads, nonce, quote_text)

    def split(
        self, reads: Sequence[Read], nonce: str, stdout: str, stderr: str, whole: bool
    ) -> tuple[Reply, ...]:
        """Give each read its own output; status 0 when it ended, 1 when it failed."""
        return routeros_frame.split(reads, nonce, stdout, stderr, whole)


def _inside(text: str) -> str | None:
    """Tell why a value may not follow this text: an open string, a comment, an escape."""
    at = 0
    while at < len(text):
        character = text[at]
        if character == "\\":
            if at + 1 == len(text):
                return "after a backslash"
            at += 2
        elif character == '"':
            end = _string_end(text, at + 1)
            if isinstance(end, WhyNot):
                return end.text
            at = end
        elif character == "#" and not text[:at].rpartition("\n")[2].strip():
            line_end = text.find("\n", at)
            if line_end < 0:
                return "in a comment"
            at = line_end + 1
        else:
            at += 1
    return None


def _string_end(text: str, at: int) -> int | WhyNot:
    """Give the place behind a string's closing quote, or why there is none that can be trusted."""
    while at < len(text):
        if text[at] == '"':
            return at + 1
        if text[at] == "$" and text[at + 1 : at + 2] in ("[", "("):
            return WhyNot("after a string with $[…] or $(…), which can't be followed safely")
        at += 2 if text[at] == "\\" else 1
    return WhyNot("inside double quotes")
