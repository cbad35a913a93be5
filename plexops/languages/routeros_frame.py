"""Many reads in one exec of RouterOS, and its answer taken apart again.

A syntax error anywhere in an exec stops all of it before anything runs. So each read is a string, parsed when its
turn comes: `:do {:local r [:parse "…"]; $r; :put "… end"} on-error={:put "… failed"}`. RouterOS has no exit status.
The status of a Reply is therefore ours: 0 when the read ran to its end, 1 when `on-error` was taken (the command does
not parse, the menu does not exist, the user lacks the policy). Errors that RouterOS only prints, with the script going
on, are status 0 with words in the body: a profile's `errors:` patterns are for those.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from plexops.languages.base import check_nonce, check_text, command_text
from plexops.model.exchange import Read, Reply

ENDED = 0
FAILED = 1


def frame(reads: Sequence[Read], nonce: str, quote: Callable[[str], str]) -> str:
    """Write one line of script that runs all reads in order."""
    check_nonce(nonce)
    parts = []
    for index, read in enumerate(reads):
        source = quote(check_text(command_text(read)))
        parts.append(f':put "{nonce} {index} start"')
        parts.append(
            f':do {{:local r [:parse {source}]; $r; :put "{nonce} {index} end"}}'
            f' on-error={{:put "{nonce} {index} failed"}}'
        )
    parts.append(f':put "{nonce} closed"')
    return "; ".join(parts)


def split(reads: Sequence[Read], nonce: str, stdout: str, stderr: str, whole: bool) -> tuple[Reply, ...]:
    """Give each read its own output. Lines end in LF in the bodies, whatever the console wrote.

    RouterOS writes everything to one stream; what stands on the other came from the SSH server and is given to the
    reads that did not end. A read whose marker is missing, or (`whole=False`) has no marker behind it, is not whole.
    """
    check_nonce(nonce)
    text = stdout.replace("\r\n", "\n").replace("\r", "\n")
    replies = []
    at = 0
    for index, read in enumerate(reads):
        opening = f"{nonce} {index} start\n"
        start = text.find(opening, at)
        body_start = start + len(opening) if start >= 0 else at
        status, end = _end(text, f"{nonce} {index} ", body_start) if start >= 0 else (None, at)
        following = f"{nonce} {index + 1} start\n" if index + 1 < len(reads) else f"{nonce} closed\n"
        behind = end + len(f"{nonce} {index} ")
        if status is None or not (whole or text.find(following, behind) >= 0):
            body = text[body_start:] if start >= 0 else ""
            replies.append(Reply(read.id, None, body, stderr, whole=False))
            at = len(text) if start >= 0 else at
        else:
            replies.append(Reply(read.id, status, text[body_start:end]))
            at = behind
    return tuple(replies)


def _end(text: str, mark: str, at: int) -> tuple[int | None, int]:
    """Find a read's end marker: its meaning as a status, and where the body ends."""
    end = text.find(mark, at)
    if end >= 0:
        for word, status in (("end\n", ENDED), ("failed\n", FAILED)):
            if text.startswith(word, end + len(mark)):
                return status, end
    return None, len(text)
