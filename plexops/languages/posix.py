"""The POSIX shell: dash, busybox ash, bash, and what else answers to `sh`."""

from __future__ import annotations

from collections.abc import Sequence

from plexops.languages import posix_frame
from plexops.languages.base import QUOTED_TYPES, LanguageName, bare, text_of
from plexops.languages.posix_place import Place, place_after
from plexops.languages.posix_reads import refuse_read
from plexops.model.exchange import Read, Reply
from plexops.model.fields import FieldType, Typed
from plexops.pattern import Pattern

#: Characters that no POSIX shell gives a meaning inside a word.
_HARMLESS = Pattern(r"[A-Za-z0-9_.:@/-]+")


def quote_text(text: str) -> str:
    """Write any text as one word in single quotes; what the text may hold is the caller's to check."""
    return "'" + text.replace("'", "'\\''") + "'"


class Posix:
    """Single quotes, in which nothing has a meaning but the single quote itself."""

    name: LanguageName = "posix"

    def quote(self, value: Typed) -> str:
        """Write numbers, addresses and words bare, handles bare where they are harmless, text quoted."""
        if value.type not in QUOTED_TYPES:
            return bare(value)
        text = text_of(value)
        if value.type is FieldType.HANDLE and _HARMLESS.fullmatch(text):
            return text
        return quote_text(text)

    def refuse_text_at(self, before: str, after: str, kind: FieldType = FieldType.TEXT) -> str | None:
        """Refuse text inside quotes, words, comments, here-documents and expansions.

        A HANDLE may be part of a word (`uci set firewall.{{ handle }}.enabled=0`): a quoted part of a word is still
        the same word. Text may not: a name glued to something else is nearly always an author's slip.
        """
        place = place_after(before)
        if place is not Place.CODE:
            return place.value
        if before.endswith("$"):
            return "right after a dollar sign"
        if kind is FieldType.HANDLE:
            return None
        if before and not (before[-1].isspace() or before[-1] == "="):
            return "inside a word: only white space or '=' may stand before it"
        if after and not (after[0].isspace() or after[0] in ";)&|>"):
            return "inside a word: only white space or one of ; ) & | > may stand after it"
        return None

    def refuse_read(self, text: str) -> str | None:
        """Tell why this is not one simple command that is known to only read."""
        return refuse_read(text)

    def frame(self, reads: Sequence[Read], nonce: str) -> str:
        """Write all reads as one script for `sh -c`."""
        return posix_frame.frame(reads, nonce, quote_text)

    def split(
        self, reads: Sequence[Read], nonce: str, stdout: str, stderr: str, whole: bool
    ) -> tuple[Reply, ...]:
        """Give each read its own output, errors and exit status."""
        return posix_frame.split(reads, nonce, stdout, stderr, whole)
