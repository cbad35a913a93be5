"""Takes known secrets out of any text, in every spelling in which they travel."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from urllib.parse import quote, quote_plus

from plexops.model.secret import Secret

#: What stands where a secret stood. It carries nothing of it, not even a tag to compare by.
REMOVED = "[removed]"

#: Shorter secrets are taken out as whole words only: else a password `plex` would blank half of every text.
_ANYWHERE = 6
#: A base64 run shorter than this fits by chance.
_BASE64 = 8


class Scrubber:
    """Knows this run's secrets by value. `scrub` is for every sink: journal, exhibits, reports, error texts."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        known = {spelling for secret in secrets for spelling in spellings(secret.reveal())}
        # The longest first: one spelling may hold another.
        self._spellings = sorted(known, key=lambda spelling: (-len(spelling), spelling))

    def scrub(self, text: str) -> str:
        """Give the text with each known secret replaced."""
        for spelling in self._spellings:
            if spelling in text:
                return self._pattern.sub(REMOVED, text)
        return text

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """All spellings in one expression. To compile it takes longer than to see that none of them is there."""
        return re.compile("|".join(_expression(spelling) for spelling in self._spellings))


def _expression(spelling: str) -> str:
    escaped = re.escape(spelling)
    return escaped if len(spelling) >= _ANYWHERE else rf"(?<![^\W_]){escaped}(?![^\W_])"


def spellings(text: str) -> Iterator[str]:
    """Give every way in which a text may appear: URLs, JSON, XML, shells, RouterOS, base64 of UTF-8 and UTF-16."""
    if not text.strip():
        return
    yield text
    for encoded in (quote(text, safe=""), quote(text), quote_plus(text)):
        yield encoded
        yield re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), encoded)
    for ascii_only in (True, False):
        escaped = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield escaped
        yield escaped.replace("/", "\\/")
        yield json.dumps(escaped, ensure_ascii=ascii_only)[1:-1]
    yield html.escape(text, quote=False)
    yield html.escape(text).replace("&#x27;", "&apos;")
    yield html.escape(text).replace("&#x27;", "&#39;")
    yield html.escape(text)
    yield text.replace("'", "'\\''")
    yield text.replace("'", "''")
    yield repr(text)[1:-1]
    yield _as_console_string(text)
    for raw in (text.encode("utf-8", "surrogatepass"), text.encode("utf-16-le", "surrogatepass")):
        yield from _base64(raw)


def _as_console_string(text: str) -> str:
    """Write a text as a console quotes it that escapes by bytes: RouterOS's export."""
    escaped = re.sub(r'(["\\$?])', r"\\\1", text)
    return re.sub(
        r"[^\x00-\x7f]", lambda found: "".join(f"\\{byte:02X}" for byte in found[0].encode()), escaped
    )


def _base64(raw: bytes) -> Iterator[str]:
    """Give the characters that are the same wherever in a longer base64 text the bytes lie."""
    for offset, skipped in ((0, 0), (1, 2), (2, 3)):
        encoded = base64.b64encode(b"\0" * offset + raw).decode()
        core = encoded[skipped : (offset + len(raw)) * 8 // 6]
        if len(core) >= _BASE64:
            yield core
            yield core.replace("+", "-").replace("/", "_")
            yield quote(core, safe="")
