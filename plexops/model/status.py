"""How a process may end, and the kinds of problems that end it so."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from msgspec import Struct


class ExitStatus(IntEnum):
    """What the process tells its caller. No output format changes it."""

    IN_ORDER = 0
    FINDINGS = 1
    USAGE = 2
    SAFE_STOP = 3
    INCOMPLETE = 4
    UNDONE = 5
    UNDO_UNPROVEN = 6
    BUSY = 7
    TAMPERED = 8
    BUG = 70


#: The first of these that occurred is the status of the whole run.
PRECEDENCE: tuple[ExitStatus, ...] = (
    ExitStatus.USAGE,
    ExitStatus.UNDO_UNPROVEN,
    ExitStatus.TAMPERED,
    ExitStatus.BUG,
    ExitStatus.UNDONE,
    ExitStatus.SAFE_STOP,
    ExitStatus.INCOMPLETE,
    ExitStatus.BUSY,
    ExitStatus.FINDINGS,
    ExitStatus.IN_ORDER,
)


def worst(statuses: Iterable[ExitStatus]) -> ExitStatus:
    """Give the status that decides when several occurred; `IN_ORDER` for none."""
    seen = set(statuses)
    return next((status for status in PRECEDENCE if status in seen), ExitStatus.IN_ORDER)


class Code(Struct, frozen=True):
    """One kind of problem, as `plexops explain` shows it."""

    code: str
    title: str
    status: ExitStatus
    explanation: str
