"""The language of `nft -f` files."""

from __future__ import annotations

from plexops.languages.base import QUOTED_TYPES, LanguageName, bare, text_of
from plexops.model.fields import FieldType, Typed
from plexops.pattern import Pattern

#: NFTNL_UDATA_COMMENT_MAXLEN: longer comments are refused by nft ("comment too long").
MAX_BYTES = 128

#: One identifier, or several with single spaces between: the name of a chain is `inet filter forward`.
_IDENTIFIERS = Pattern(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?: [A-Za-z0-9_][A-Za-z0-9_.-]*)*")


class Nft:
    """Double-quoted strings without any escape."""

    name: LanguageName = "nft"

    def quote(self, value: Typed) -> str:
        """Write text in double quotes; a quote or backslash in it is a ValueError, for there is no escape."""
        if value.type not in QUOTED_TYPES:
            return bare(value)
        text = text_of(value)
        if value.type is FieldType.HANDLE and _IDENTIFIERS.fullmatch(text):
            return text
        if '"' in text or "\\" in text:
            raise ValueError("nft has no escape for double quotes and backslashes")
        if len(text.encode()) > MAX_BYTES:
            raise ValueError(f"nft takes at most {MAX_BYTES} bytes of text")
        return f'"{text}"'

    def refuse_text_at(self, before: str, after: str, kind: FieldType = FieldType.TEXT) -> str | None:
        """Refuse text inside strings, comments and words."""
        del kind  # a quoted handle needs the same room as text
        inside = _inside(before)
        if inside:
            return inside
        if before.endswith("\\"):
            return "after a backslash"
        if before and not (before[-1].isspace() or before[-1] in "{,="):
            return "inside a word: only white space may stand before it"
        if after and not (after[0].isspace() or after[0] in ";},"):
            return "inside a word: only white space, ';', ',' or '}' may stand after it"
        return None

    def refuse_read(self, text: str) -> str | None:
        """Refuse everything: this is the language of a file. `nft list …` is a POSIX command."""
        return f"{text!r}: a file of nft rules has no reads"


def _inside(text: str) -> str | None:
    """Tell what is still open at the end of a text: a string or a comment."""
    at = 0
    while at < len(text):
        if text[at] not in '"#':
            at += 1
            continue
        end = text.find('"' if text[at] == '"' else "\n", at + 1)
        if end < 0:
            return "inside double quotes" if text[at] == '"' else "in a comment"
        at = end + 1
    return None
