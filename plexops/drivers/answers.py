"""One read of a device, parsed."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

from msgspec import Struct

from plexops.model.exchange import Json, Reply
from plexops.parsers import PARSERS, ParseError
from plexops.pattern import Pattern

#: How commands and consoles say that a login may not do what it asked for.
_DENIED = Pattern(
    r"permission denied|not permitted|not enough permissions|must be root|access denied", re.IGNORECASE
)
#: What a device shows a person, in place of an answer.
_PAGE = Pattern(r"\s*<(?:!doctype +html|html)\b", re.IGNORECASE)
#: HTTP's words for the same.
_NO_LOGIN, _NO_RIGHT = 401, 403
#: What it takes to read all of a Linux host.
ROOT = "root: log in as root, or give the server `become: {method: sudo}`"

#: The name under which a profile's resources find the rules of its box (`rulesets.boxes.rows_of`).
PACKETS = "packets"


class NoSuchThingError(Exception):
    """An answer that was understood, and says that the device has no such thing."""


class Answer(Struct, frozen=True):
    """One read, parsed; or why it is unknown, or that the device has no such thing."""

    value: Any = None
    absent: bool = False
    problem: str = ""


def understand(
    reply: Reply,
    parse: str | Callable[[str], Json],
    absent: Collection[int],
    *,
    good: Collection[int | None] = (None, 0),
    errors: Sequence[str] = (),
    quietly: bool = True,
    rights: str = "",
) -> Answer:
    """Parse one reply, by a parser's name or a function of its own. What failed or was cut off is unknown, never empty.

    `absent` are the statuses that mean that there is no such thing; `quietly`: only where nothing was printed, because
    a command that printed something before it failed has found a part. `errors` are beginnings of lines that complain.
    `rights` are what it takes to be answered.
    """
    if not reply.whole:
        return Answer(problem=failed(reply))
    if reply.status in absent and (not quietly or not (reply.body.strip() or _DENIED.search(reply.stderr))):
        return Answer(absent=True)
    complaint = any(line.startswith(tuple(errors)) for line in reply.body.split("\n")) if errors else False
    if reply.status not in good or complaint:
        return Answer(problem=failed(reply, rights))
    if _PAGE.match(reply.body):
        return Answer(
            problem=f"{reply.id} was answered with a page for people, as where a login is asked for"
        )
    try:
        read = PARSERS[parse] if isinstance(parse, str) else parse
        return Answer(read(reply.body))
    except NoSuchThingError:
        return Answer(absent=True)
    except ParseError as reason:
        if _DENIED.match(str(reason)):
            takes = f": it takes {rights}" if rights else ""
            return Answer(problem=f"{reply.id} was refused ({reason}){takes}")
        return Answer(problem=f"the answer to {reply.id} is not understood: {reason}")


def failed(reply: Reply, rights: str = "") -> str:
    """Say in one line why a reply is of no use; where the login may not ask, with the rights that it takes."""
    if not reply.whole:
        return f"the answer to {reply.id} was cut off"
    takes = f": it takes {rights}" if rights else ""
    said = [line.strip() for line in (reply.stderr or reply.body).splitlines() if line.strip()]
    if reply.status == _NO_LOGIN:
        return f"{reply.id} was refused (status {reply.status}): a wrong login, or none{takes}"
    if reply.status == _NO_RIGHT or _DENIED.search(reply.stderr or reply.body):
        words = next(filter(_DENIED.search, said), f"status {reply.status}")
        return f"{reply.id} was refused ({words[:120]}){takes}"
    return f"{reply.id} failed with status {reply.status}" + (f": {said[0][:120]}" if said else "")
