"""The languages of files: of `nft -f`, and of dnsmasq's configuration. Nothing in them reads."""

from __future__ import annotations

from plexops.languages.base import plain, quoted_unless
from plexops.model.fields import FieldType, Typed
from plexops.pattern import Pattern

#: NFTNL_UDATA_COMMENT_MAXLEN: longer comments are refused by nft ("comment too long").
MAX_BYTES = 128

#: One identifier, or several with single spaces between: the name of a chain is `inet filter forward`.
_IDENTIFIERS = Pattern(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?: [A-Za-z0-9_][A-Za-z0-9_.-]*)*")
#: Strings and comments of nft that have an end.
_CLOSED = Pattern(r'"[^"]*"|#[^\n]*\n')
_HARMLESS = Pattern(r"[A-Za-z0-9_.:*-]+")


class Nft:
    """Double-quoted strings without any escape."""

    def quote(self, value: Typed) -> str:
        """Write text in double quotes; a quote or backslash in it is a ValueError, for there is no escape."""
        return quoted_unless(_IDENTIFIERS, value, _nft_text)

    def refuse_text_at(self, before: str, after: str, kind: FieldType = FieldType.TEXT) -> str | None:
        """Refuse text inside strings, comments and words."""
        del kind  # a quoted handle needs the same room as text
        # What has no end is not taken out, so the first quote or # that is left is what the text would stand in.
        opened = next((character for character in _CLOSED.sub("", before) if character in '"#'), "")
        if opened:
            return "inside double quotes" if opened == '"' else "in a comment"
        if before.endswith("\\"):
            return "after a backslash"
        if before and not (before[-1].isspace() or before[-1] in "{,="):
            return "inside a word: only white space may stand before it"
        if after and not (after[0].isspace() or after[0] in ";},"):
            return "inside a word: only white space, ';', ',' or '}' may stand after it"
        return None

    def refuse_read(self, text: str) -> str | None:
        """Refuse everything: `nft list …` is a POSIX command."""
        return f"{text!r}: a file of nft rules has no reads"


def _nft_text(text: str) -> str:
    if '"' in text or "\\" in text:
        raise ValueError("nft has no escape for double quotes and backslashes")
    if len(text.encode()) > MAX_BYTES:
        raise ValueError(f"nft takes at most {MAX_BYTES} bytes of text")
    return f'"{text}"'


class Dnsmasq:
    """One option per line. A value is never quoted, so free text has a place only in a comment."""

    def quote(self, value: Typed) -> str:
        """Write values bare; text is written as it is, for a comment line only."""
        text = plain(value)
        if value.type is FieldType.HANDLE and _HARMLESS.fullmatch(text) is None:
            raise ValueError(f"dnsmasq's configuration can't hold the handle {text!r}")
        return text

    def refuse_text_at(self, before: str, after: str, kind: FieldType = FieldType.TEXT) -> str | None:
        """Refuse text outside comment lines; handles are bare and may stand anywhere."""
        del after  # text ends with its line
        line = before.rpartition("\n")[2]
        if kind is FieldType.HANDLE or line.lstrip(" \t").startswith("#"):
            return None
        return "outside a comment: dnsmasq's configuration holds free text only in lines that start with '#'"

    def refuse_read(self, text: str) -> str | None:
        """Refuse everything."""
        return f"{text!r}: dnsmasq's configuration has no reads"
