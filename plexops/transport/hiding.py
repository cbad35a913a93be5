"""Values that nobody needs to see are dropped where they arrive: Plex's account answer carries the owner's token."""

from __future__ import annotations

import re
from dataclasses import replace

from plexops.model.exchange import Read, Reply


def hidden(read: Read, reply: Reply) -> Reply:
    """Give the reply with the values of all attributes that the read hides emptied, as XML and as JSON write them.

    A value whose end was cut off is emptied to the end of the text.
    """
    if not read.hides:
        return reply
    names = "|".join(re.escape(name) for name in read.hides)
    attribute = re.compile(rf"""(?<![\w:.-])((?:{names})\s*=\s*)(?:"[^"]*(?:"|\Z)|'[^']*(?:'|\Z))""")
    member = re.compile(
        rf"""("(?:{names})"\s*:\s*)(?:"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[^\s",\[\]{{}}]+)""", re.DOTALL
    )

    def emptied(text: str) -> str:
        return member.sub(r'\1""', attribute.sub(r'\1""', text))

    return replace(reply, body=emptied(reply.body), stderr=emptied(reply.stderr))
