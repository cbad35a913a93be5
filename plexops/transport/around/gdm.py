"""GDM, Plex's own discovery: ask the LAN which Plex servers there are."""

from __future__ import annotations

import re
from ipaddress import IPv4Address

from msgspec import Struct

from plexops.pattern import Pattern
from plexops.transport.around.datagrams import ask_everybody, headers

GROUP = ("239.0.0.250", 32414)
_REQUEST = b"M-SEARCH * HTTP/1.1\r\n\r\n"
_IDENTIFIER = Pattern(r"[A-Za-z0-9-]{1,64}")
_MOST = 16


class Announced(Struct, frozen=True):
    """A Plex server that answered. All but the address is what it says of itself."""

    address: IPv4Address
    port: int
    identifier: str = ""
    name: str = ""


def find_servers(
    interface: IPv4Address | None = None, *, seconds: float = 1.5, group: tuple[str, int] = GROUP
) -> tuple[Announced, ...]:
    """Ask from the interface that has this address and collect answers for `seconds`, never longer than 2."""
    found: dict[tuple[str, int], Announced] = {}
    for sender, text in ask_everybody([(_REQUEST, group)], interface, min(seconds, 2.0)):
        server = read_answer(text, sender)
        if server is not None and len(found) < _MOST:
            found.setdefault((sender, server.port), server)
    return tuple(found.values())


def read_answer(text: str, sender: str) -> Announced | None:
    """Read one answer; None for what is no Plex server's."""
    fields = headers(text)
    if fields is None or fields.get("content-type", "") != "plex/media-server":
        return None
    port = fields.get("port", "")
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        return None
    identifier = fields.get("resource-identifier", "")
    return Announced(
        IPv4Address(sender),
        int(port),
        identifier if _IDENTIFIER.fullmatch(identifier) else "",
        fields.get("name", "")[:80],
    )
