"""Many reads in one exec of a POSIX shell, and its answer taken apart again.

Each read runs as `( eval 'COMMAND' ) </dev/null`: in a subshell, so that what it sets or exits ends with it; by
`eval`, so that a syntax error is its own; without standard input, which would eat the rest of the script.
Markers are written to both streams. The script composes them at run time, so that a listing of processes, which
shows the script, holds no marker. Time limits are the transport's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from plexops.languages.base import check_nonce, command_text
from plexops.model.exchange import Read, Reply
from plexops.pattern import Pattern

#: Non-interactive logins of routers and of NAS systems often lack the sbin directories.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#: What writes the markers: the end of one read and what follows at once, as each write is a packet. N is a new line, and
#: m is written once, because devices limit how long a command may be.
_MARKING = (
    "N=$(echo; echo .); N=${N%.}; "
    'm() { echo "$1$n $3"; echo "$2$n $3" >&2; }; z() { m "$N$n $1 end $2$N" "$N$n $1 end$N" "$3"; }'
)


def frame(reads: Sequence[Read], nonce: str, quote: Callable[[str], str]) -> str:
    """Write one line of shell that runs all reads in order.

    One line because some login shells (csh on BSD) break a quoted newline. The blank line before each end marker
    keeps an answer without a final newline exact.
    """
    parts = [f"PATH={PATH}", "LC_ALL=C", "export PATH LC_ALL", f"n={check_nonce(nonce)}", _MARKING]
    following = [*(f'"{index} start"' for index in range(len(reads))), "closed"]
    parts.append(f'm "" "" {following[0]}')
    for index, read in enumerate(reads):
        parts.append(f"( eval {quote(command_text(read))} ) </dev/null; z {index} $? {following[index + 1]}")
    return "; ".join(parts)


class _Part(Struct, frozen=True):
    """What one stream holds for one read."""

    text: str
    status: int | None
    whole: bool


def split(reads: Sequence[Read], nonce: str, stdout: str, stderr: str, whole: bool) -> tuple[Reply, ...]:
    """Give each read its own output, errors and status; never more than the markers prove.

    A read is whole when both streams hold its end marker. Where the transport says that something was cut off
    (`whole=False`), the marker behind it must have arrived as well.
    """
    outputs = _parts(stdout, check_nonce(nonce), _WITH_STATUS, len(reads), whole)
    errors = _parts(stderr, nonce, _BARE, len(reads), whole)
    replies = []
    for read, output, error in zip(reads, outputs, errors, strict=True):
        complete = output.whole and error.whole and output.status is not None
        status = output.status if complete else None
        replies.append(Reply(read.id, status, output.text, error.text, whole=complete))
    return tuple(replies)


#: How an end marker ends: on standard output with the status.
_WITH_STATUS, _BARE = Pattern(r" end ([0-9]{1,3})\n"), Pattern(r" end()\n")


def _parts(stream: str, nonce: str, ending: Pattern, count: int, trusted: bool) -> list[_Part]:
    """Take one stream apart; `ending` is the form of its end markers, with a group for the status."""
    parts: list[_Part] = []
    at = 0
    for index in range(count):
        opening = f"{nonce} {index} start\n"
        start = stream.find(opening, at)
        if start < 0:
            parts.append(_Part("", None, whole=False))
            continue
        start += len(opening)
        closing = f"\n{nonce} {index}"
        until = stream.find(closing, start)
        while until >= 0 and not (end := ending.match(stream, until + len(closing))):
            until = stream.find(closing, until + 1)
        if until < 0 or end is None:
            parts.append(_Part(stream[start:], None, whole=False))
            at = len(stream)
            continue
        following = f"{nonce} {index + 1} start\n" if index + 1 < count else f"{nonce} closed\n"
        proven = trusted or stream.find(following, end.end()) >= 0
        parts.append(_Part(stream[start:until], int(end[1]) if end[1] else None, proven))
        at = end.end()
    return parts
