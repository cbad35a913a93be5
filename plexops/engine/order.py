"""What a run is asked to do, and what happened when."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from plexops.engine.brought import Evidence
from plexops.model.plan import Plan
from plexops.model.run import Moment, RunCommand, SiteReport

#: Asked before anything is sent: gets the report of the plan, gives leave or not.
Approve = Callable[[SiteReport, Plan], bool]


@dataclass(frozen=True, slots=True)
class Order:
    """What a run is asked to do besides looking."""

    command: RunCommand
    adopt: frozenset[str] = frozenset()
    approve: Approve | None = None
    exit_code_for_changes: bool = False
    effect_seconds: float = 60.0
    #: The basis of a plan that was saved, to name what moved since.
    saved: Mapping[str, str] | None = None
    #: Where a dry run saves its plan.
    save_plan: Path | None = None
    #: The run that a rollback puts back: an id, the beginning of one, or `last`.
    target: str = ""
    #: Plan and judge, and send nothing (`rollback --dry-run`).
    show_only: bool = False
    #: Before a diagnosis plex.tv is asked once to try the port again.
    refresh: bool = False
    #: What a person brings along to a diagnosis.
    evidence: Evidence = field(default_factory=Evidence)


@dataclass(slots=True)
class Log:
    """What happened when, in seconds since the start."""

    started: float = field(default_factory=time.monotonic)
    moments: list[Moment] = field(default_factory=list)

    def __call__(self, text: str) -> None:
        """Note a moment."""
        self.moments.append(Moment(round(time.monotonic() - self.started, 3), text))
