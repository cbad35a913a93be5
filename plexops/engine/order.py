"""What a run is asked to do, and what happened when."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from msgspec import Struct, field

from plexops.engine.change.open_changes import Tell, silent
from plexops.engine.look.user_evidence import Evidence
from plexops.model.answers import Answer
from plexops.model.plan import Plan
from plexops.model.run import Moment, RunCommand, SiteReport

#: Asked before anything is sent: gets the report of the plan, gives leave or not.
Approve = Callable[[SiteReport, Plan], bool]


class Person(Protocol):
    """Who answers: at a terminal, or by a script."""

    def answer(self, question: str, complaint: str) -> str:
        """Give an answer; empty to leave the question out. `complaint` says why the last one was none."""

    def keep(self, site: str, answers: Sequence[Answer]) -> None:
        """Take all answers so far, after each."""


class Order(Struct, frozen=True):
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
    #: Before a diagnosis plex.tv is asked once to try the port again.
    refresh: bool = False
    #: Who is asked in a diagnosis what no device tells.
    person: Person | None = None
    #: What a person brings along to a diagnosis.
    evidence: Evidence = field(default_factory=Evidence)
    #: The words that said which files, sites, tasks and passwords are meant: another command takes them again.
    given: tuple[str, ...] = ()
    #: Whether another command has to name the one site that it is for.
    names_site: bool = False
    #: Tells a person what is under way and matters.
    tell: Tell = silent
    #: Tells whoever watches what begins.
    watch: Tell = silent

    @property
    def undoing(self) -> bool:
        """Whether an earlier run is put back."""
        return self.command in ("rollback", "rollback-dry-run")

    def again(self, site: str, *more: str) -> str:
        """Give the command line that makes so, or puts back, what this order is about."""
        verb = ("rollback", self.target) if self.undoing else ("apply",)
        limit = ("-l", site) if self.names_site else ()
        return shlex.join(["plexops", *verb, *self.given, *limit, *more])


class Log(Struct):
    """What happened when, in seconds since the start."""

    started: float = field(default_factory=time.monotonic)
    moments: list[Moment] = []
    tell: Tell = silent

    def __call__(self, text: str) -> None:
        """Note a moment."""
        self.moments.append(Moment(round(time.monotonic() - self.started, 3), text))
        self.tell(text)
