"""Problems, places and exit statuses: the part of the interface that a person meets when something is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from types import MappingProxyType

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


class Place(Struct, frozen=True):
    """Where a value was written: a file with its 1-based line and column."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Places(Struct, frozen=True):
    """Where each field of something was written. All are equal: what differs only in where it was written is the same."""

    by_field: Mapping[str, Place] = MappingProxyType({})

    def get(self, field: str) -> Place | None:
        """Give where a field was written; None where it was not."""
        return self.by_field.get(field)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Places)

    def __hash__(self) -> int:
        return 0


class Code(Struct, frozen=True):
    """One kind of problem, as `plexops explain` shows it."""

    code: str
    title: str
    status: ExitStatus
    explanation: str


class Problem(Struct, frozen=True):
    """One thing that is wrong: what, where, why and what to do.

    `where` names a device and request for problems that no file has; `path` is the
    place inside a document (`sites.home.server.mac`).
    """

    code: str
    reason: str
    cure: str = ""
    place: Place | None = None
    path: str = ""
    where: str = ""
    detail: tuple[str, ...] = ()


class PlexopsError(Exception):
    """An expected failure: one or more problems and the status that the process ends with."""

    def __init__(self, problems: Problem | Sequence[Problem], status: ExitStatus | None = None) -> None:
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        self._status = status
        super().__init__("; ".join(f"{p.code}: {p.reason}" for p in self.problems))

    @property
    def status(self) -> ExitStatus:
        """The explicit status, else the one that the catalogue gives the worst problem."""
        if self._status is not None:
            return self._status
        from plexops.model.codes import CODES  # the catalogue needs Code from here

        return worst(CODES[p.code].status for p in self.problems)
