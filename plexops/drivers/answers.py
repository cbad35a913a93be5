"""One read of a device, parsed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from plexops.model.exchange import Reply
from plexops.parsers import PARSERS, ParseError

#: The name under which a profile's resources find the rules of its box (`rulesets.boxes.rows_of`).
PACKETS = "packets"


@dataclass(frozen=True, slots=True)
class Answer:
    """One read, parsed; or why it is unknown, or that the device has no such thing."""

    value: Any = None
    absent: bool = False
    problem: str = ""


def understand(
    reply: Reply,
    parse: str,
    absent: Collection[int],
    *,
    good: Collection[int | None] = (None, 0),
    errors: Sequence[str] = (),
    quietly: bool = True,
) -> Answer:
    """Parse one reply. What failed or was cut off is unknown, never empty.

    `absent` are the statuses that mean that there is no such thing; `quietly`: only where nothing was printed, because
    a command that printed something before it failed has found a part. `errors` are beginnings of lines that complain.
    """
    if not reply.whole:
        return Answer(problem=f"the answer to {reply.id} was cut off")
    if reply.status in absent and (not quietly or not (reply.body.strip() or _denied(reply))):
        return Answer(absent=True)
    complaint = any(line.startswith(tuple(errors)) for line in reply.body.split("\n")) if errors else False
    if reply.status not in good or complaint:
        said = (reply.stderr or reply.body).strip().splitlines()
        detail = f": {said[0][:120]}" if said else ""
        return Answer(problem=f"{reply.id} failed with status {reply.status}{detail}")
    try:
        return Answer(PARSERS[parse](reply.body))
    except ParseError as reason:
        return Answer(problem=f"the answer to {reply.id} is not understood: {reason}")


def _denied(reply: Reply) -> bool:
    """Tell whether a command failed because it may not look, not because there is nothing."""
    said = reply.stderr.lower()
    return "permission denied" in said or "not permitted" in said
