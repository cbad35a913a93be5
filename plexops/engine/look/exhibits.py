"""Exhibits: what was said, by whom and when, with the hash of what stays on this machine."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from plexops.model.exchange import Read, Reply, shown
from plexops.model.run import Exhibit
from plexops.model.snapshot import Role

#: An exhibit is cut at this many characters; the whole stays in the private snapshot.
EXHIBIT_CHARACTERS = 16384


def exhibit(
    name: str, role: Role, source: str, text: str, *, raw: str | None = None, cut: bool = False
) -> Exhibit:
    """Give an exhibit of now. `raw` is the whole of what was said, where `text` is an excerpt of it."""
    whole = text if raw is None else raw
    return Exhibit(
        id=name,
        device=str(role),
        source=source,
        time=datetime.now(UTC).isoformat(timespec="milliseconds"),
        text=text[:EXHIBIT_CHARACTERS],
        sha256_raw=hashlib.sha256(whole.encode()).hexdigest(),
        cut=cut or len(text) > EXHIBIT_CHARACTERS,
    )


def exhibit_of(role: Role, read: Read, reply: Reply) -> Exhibit:
    """Give the exhibit of one answer. Of a log, only the lines that decide are shown."""
    text = reply.body if reply.body or not reply.stderr else reply.stderr
    excerpt = text
    if read.log:
        from plexops.drivers.plex.log import log_excerpt

        excerpt = log_excerpt(text)
    cut = excerpt != text or not reply.whole
    return exhibit(f"{role}.{read.id}", role, shown(read.ask), excerpt, raw=reply.body, cut=cut)
