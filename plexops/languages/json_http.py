"""HTTP interfaces with JSON bodies: values stand in URL paths; bodies are filled leaf by leaf (`template.py`)."""

from __future__ import annotations

from urllib.parse import quote as percent

from plexops.languages.base import plain
from plexops.languages.contracts import refuse_read
from plexops.model.fields import FieldType, Typed


class JsonHttp:
    """Percent-encoding for one segment of a path."""

    def quote(self, value: Typed) -> str:
        """Write a value as one segment of a URL's path; `.` and `..` are ValueErrors, for they would leave it."""
        text = plain(value)
        if text in {"", ".", ".."}:
            raise ValueError(f"{text!r} is no segment of a path")
        return percent(text, safe="")

    def refuse_text_at(self, before: str, after: str, kind: FieldType = FieldType.TEXT) -> str | None:
        """Refuse what is not one whole segment of a path."""
        del kind  # both become one segment
        if "?" in before or "#" in before:
            return "in a query: queries are given as names and values"
        if not before.endswith("/") or not before.startswith("/"):
            return "inside a segment: only a slash may stand before it"
        if after and not after.startswith("/"):
            return "inside a segment: only a slash may stand after it"
        return None

    def refuse_read(self, text: str) -> str | None:
        """Judge `METHOD /path`: GET unless the path says that it acts, POST only to a method that searches or gets."""
        return refuse_read("json", text)
