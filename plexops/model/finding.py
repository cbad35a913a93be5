"""Desire against snapshot: what a task or condition came to."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from plexops.model.change import Change
from plexops.model.errors import Place
from plexops.model.snapshot import Kind, Role
from plexops.model.status import ExitStatus


class FindingStatus(StrEnum):
    """What a finding says. Only OK, NOT_APPLICABLE and NOTE are fine."""

    OK = "ok"
    DRIFT = "drift"
    CONFLICT = "conflict"
    UNKNOWN = "unknown"
    UNSUPPORTED = "unsupported"
    STOPPED = "stopped"
    NOT_APPLICABLE = "not-applicable"
    NOTE = "note"


FINDING_EXIT: Mapping[FindingStatus, ExitStatus] = {
    FindingStatus.OK: ExitStatus.IN_ORDER,
    FindingStatus.DRIFT: ExitStatus.FINDINGS,
    FindingStatus.CONFLICT: ExitStatus.FINDINGS,
    FindingStatus.UNKNOWN: ExitStatus.INCOMPLETE,
    FindingStatus.UNSUPPORTED: ExitStatus.INCOMPLETE,
    FindingStatus.STOPPED: ExitStatus.SAFE_STOP,
    FindingStatus.NOT_APPLICABLE: ExitStatus.IN_ORDER,
    FindingStatus.NOTE: ExitStatus.IN_ORDER,
}


class Finding(Struct, frozen=True):
    """One line of a report. `want`, `have` and `why` are words; `changes` is what would cure it."""

    status: FindingStatus
    role: Role
    kind: Kind
    key: str
    title: str
    want: str = ""
    have: str = ""
    why: str = ""
    place: Place | None = None
    exhibits: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    #: What `--adopt` takes, where another's entry may be adopted.
    adopt_id: str = ""
    #: What a person does by hand where plexops cannot.
    steps: tuple[str, ...] = ()
