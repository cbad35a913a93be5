"""Problems and places: the part of the interface that a person meets when something is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from msgspec import Struct

from plexops.model.status import ExitStatus, worst


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


class WhyNot(Struct, frozen=True):
    """What stands in the place of something that is not there, or not known: why, in words for a person."""

    text: str

    def __str__(self) -> str:
        return self.text


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
        from plexops.model.codes import CODES  # it is long: loaded where a problem ends a process

        return worst(CODES[p.code].status for p in self.problems)
