"""What a Plex server says to anybody who asks for `/identity`."""

from __future__ import annotations

from msgspec import Struct

from plexops.pattern import Pattern

_CONTAINER = Pattern(r"<MediaContainer\b([^<>]{0,2000})>")
_ATTRIBUTE = Pattern(r'([A-Za-z]{1,40})="([^"<>]{0,200})"')
_IDENTIFIER = Pattern(r"[A-Za-z0-9-]{1,64}")
_VERSION = Pattern(r"[A-Za-z0-9.+_-]{1,60}")


class PlexIdentity(Struct, frozen=True):
    """A Plex server's machineIdentifier, its version, and whether it belongs to an account (None: not said)."""

    identifier: str
    version: str = ""
    claimed: bool | None = None


def parse_identity(text: str) -> PlexIdentity | None:
    """Read the answer; None for what no Plex server says."""
    container = _CONTAINER.search(text)
    said = dict(_ATTRIBUTE.findall(container[1])) if container else {}
    identifier = said.get("machineIdentifier", "")
    if not _IDENTIFIER.fullmatch(identifier):
        return None
    version = said.get("version", "")
    claimed = {"1": True, "0": False}.get(said.get("claimed", ""))
    return PlexIdentity(identifier, version if _VERSION.fullmatch(version) else "", claimed)
