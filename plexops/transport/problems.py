"""How the transports put a failure into words."""

from __future__ import annotations

from plexops.model.errors import PlexopsError, Problem
from plexops.pattern import Pattern

#: What a device says is quoted up to this many characters.
_QUOTED = 200
_CONTROL = Pattern(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]+")


def problem(code: str, reason: str, cure: str, where: str, detail: tuple[str, ...] = ()) -> Problem:
    """Build a problem that has a device and a request instead of a place in a file."""
    return Problem(code=code, reason=reason, cure=cure, where=where, detail=detail)


def failure(code: str, reason: str, cure: str, where: str, *detail: str) -> PlexopsError:
    """Build an error of one problem; its status is the catalogue's."""
    return PlexopsError(problem(code, reason, cure, where, detail))


def closed(device: str, where: str, *detail: str) -> PlexopsError:
    """Build the error of a connection that a device closed."""
    return failure("PLX-D106", f"{device} closed the connection", "try again", where, *detail)


def quoted(text: str | bytes) -> str:
    """Give a device's words on one line, without control characters and cut to a length fit for a message."""
    decoded = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    line = _CONTROL.sub(" ", decoded).strip()
    return line if len(line) <= _QUOTED else line[: _QUOTED - 1] + "…"
