"""HTTP interfaces with JSON bodies: values stand in URL paths; bodies are filled leaf by leaf (`template.py`)."""

from __future__ import annotations

import re
from urllib.parse import quote as percent

from plexops.languages.base import plain
from plexops.model.fields import FieldType, Typed
from plexops.pattern import Pattern

_READING = Pattern(r"(?:search|get|list|find|status|dump|show|count)(?:_[a-z0-9_]+|[A-Z][A-Za-z0-9]*)?")
#: A word of a path that says that something is done, whatever the method.
_ACTING = frozenset(
    {
        *("add", "set", "del", "delete", "remove", "toggle", "apply", "reconfigure", "restart"),
        *("start", "stop", "reboot", "halt", "poweroff", "update", "upgrade", "revert", "rollback"),
        *("savepoint", "cancel", "import", "upload", "run", "exec", "execute", "flush", "reset"),
        *("save", "write", "create", "clear", "refresh", "enable", "disable", "shutdown", "terminate"),
        *("kill", "install", "logout", "activate", "deactivate", "restore", "connect", "disconnect"),
        *("renew", "sync"),
    }
)
#: Without percent signs: what `re%62oot` says is only seen when it has arrived.
_SEGMENT = Pattern(r"/[A-Za-z0-9._~:@$-]+")
_PART = Pattern(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")


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
        """Judge `METHOD /path`: GET unless the path says that it acts, POST only to a method that searches or gets.

        The HTTP method proves nothing: OPNsense searches by POST, and several routers restart by GET.
        """
        method, _, path = text.partition(" ")
        segments = path.split("/")[1:]
        if re.fullmatch(rf"/|(?:{_SEGMENT.source})+/?", path) is None or {".", ".."} & set(segments):
            return f"{path!r} is no plain path"
        words = {part.lower() for segment in segments for part in _PART.findall(segment)}
        if words & _ACTING:
            return f"{path!r} says that it acts: {', '.join(sorted(words & _ACTING))}"
        if method == "GET":
            return None
        # OPNsense has /api/MODULE/CONTROLLER/COMMAND/…: what follows the command is its parameter, whatever it says.
        commands = segments[3:4] if segments[0] == "api" else segments[-1:]
        if method == "POST" and any(map(_READING.fullmatch, commands)):
            return None
        return f"{method} {path} is not known to only read"
