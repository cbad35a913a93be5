"""The language of dnsmasq's configuration files."""

from __future__ import annotations

from plexops.languages.base import QUOTED_TYPES, LanguageName, bare, text_of
from plexops.model.fields import FieldType, Typed
from plexops.pattern import Pattern

_HARMLESS = Pattern(r"[A-Za-z0-9_.:*-]+")


class Dnsmasq:
    """One option per line. A value is never quoted, so free text has a place only in a comment."""

    name: LanguageName = "dnsmasq"

    def quote(self, value: Typed) -> str:
        """Write values bare; text is written as it is, for a comment line only."""
        if value.type not in QUOTED_TYPES:
            return bare(value)
        text = text_of(value)
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
        """Refuse everything: this is the language of a file."""
        return f"{text!r}: dnsmasq's configuration has no reads"
