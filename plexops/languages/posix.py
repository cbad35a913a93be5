"""The POSIX shell: dash, busybox ash, bash, and what else answers to `sh`.

Of many reads in one exec each runs as `( eval 'COMMAND' ) </dev/null`: in a subshell, so that what it sets or exits ends
with it; by `eval`, so that a syntax error is its own; without standard input, which would eat the rest of the script.
Markers are written to both streams. The script composes them at run time, so that a listing of processes, which
shows the script, holds no marker. Time limits are the transport's.
"""

from __future__ import annotations

from collections.abc import Sequence

from plexops.languages.base import check_nonce, command_text, quoted_unless
from plexops.languages.frames import parts
from plexops.languages.posix_place import Place, place_after
from plexops.languages.posix_reads import refuse_read
from plexops.model.exchange import Read, Reply
from plexops.model.fields import FieldType, Typed
from plexops.pattern import Pattern

#: Non-interactive logins of routers and of NAS systems often lack the sbin directories.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#: What writes the markers: the end of one read and what follows at once, as each write is a packet. N is a new line, and
#: m is written once, because devices limit how long a command may be.
_MARKING = (
    "N=$(echo; echo .); N=${N%.}; "
    'm() { echo "$1$n $3"; echo "$2$n $3" >&2; }; z() { m "$N$n $1 end $2$N" "$N$n $1 end$N" "$3"; }'
)
#: How an end marker ends: on standard output with the status.
_WITH_STATUS, _BARE = Pattern(r"end ([0-9]{1,3})\n"), Pattern(r"end()\n")
#: Characters that no POSIX shell gives a meaning inside a word.
_HARMLESS = Pattern(r"[A-Za-z0-9_.:@/-]+")


def quote_text(text: str) -> str:
    """Write any text as one word in single quotes; what the text may hold is the caller's to check."""
    return "'" + text.replace("'", "'\\''") + "'"


class Posix:
    """Single quotes, in which nothing has a meaning but the single quote itself."""

    def quote(self, value: Typed) -> str:
        """Write numbers, addresses and words bare, handles bare where they are harmless, text quoted."""
        return quoted_unless(_HARMLESS, value, quote_text)

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
        """Write all reads as one line of shell, because some login shells (csh on BSD) break a quoted newline.

        The blank line before each end marker keeps an answer without a final newline exact.
        """
        lines = [f"PATH={PATH}", "LC_ALL=C", "export PATH LC_ALL", f"n={check_nonce(nonce)}", _MARKING]
        following = [*(f'"{index} start"' for index in range(len(reads))), "closed"]
        lines.append(f'm "" "" {following[0]}')
        for index, read in enumerate(reads):
            asked = quote_text(command_text(read))
            lines.append(f"( eval {asked} ) </dev/null; z {index} $? {following[index + 1]}")
        return "; ".join(lines)

    def split(
        self, reads: Sequence[Read], nonce: str, stdout: str, stderr: str, whole: bool
    ) -> tuple[Reply, ...]:
        """Give each read its own output, errors and exit status, where both streams hold its end marker."""
        outputs = parts(stdout, check_nonce(nonce), len(reads), "\n", _WITH_STATUS, trusted=whole)
        errors = parts(stderr, nonce, len(reads), "\n", _BARE, trusted=whole)
        replies = []
        for read, output, error in zip(reads, outputs, errors, strict=True):
            complete = output.whole and error.whole
            status = int(output.ended) if complete else None
            replies.append(Reply(read.id, status, output.text, error.text, whole=complete))
        return tuple(replies)
