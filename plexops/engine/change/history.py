"""What a run's journal says it did: the changes that it made, and how far each came."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from msgspec import Struct

from plexops.evidence.folder import SiteFolder
from plexops.evidence.journal import JournalText
from plexops.evidence.run_folder import RunFolder
from plexops.model.change import Change, beside
from plexops.model.errors import PlexopsError, Problem
from plexops.model.exchange import Json, Window
from plexops.model.snapshot import Role, Snapshot
from plexops.structs import replace

_Read = TypeVar("_Read")

#: The records of a marker, as this version writes them and as journals of 0.1 have them.
_MARKER_SET = ("marker", "fence")
_MARKER_DROPPED = ("marker dropped", "fence dropped")


class PastStep(Struct, frozen=True):
    """One change of a run. The journal's word is what was hoped; only a device says what is."""

    index: int
    change: Change
    done: bool = False
    undone: bool = False
    #: It may stand: it was never seen to be ended. Whether it does is for the device to say.
    window_open: bool = False
    #: What stood beside it before, by `beside`.
    stood: tuple[str, ...] = ()
    #: What asks its window and ends it, whatever can be rendered by now; None: the journal does not tell.
    window: Window | None = None

    def stood_lately(self, now: Snapshot) -> tuple[str, ...]:
        """Give what later looks have to show besides: what stands there now, if that is some of what stood then.

        Between a run and its recovery people go on: what they took away meanwhile is no reason to doubt a look.
        """
        seen = beside(self.change, now)
        return seen if set(seen) & set(self.stood) or not self.stood else self.stood


class PastRun(Struct, frozen=True):
    """All changes that a run began, in order, and how it judged its effect: empty where it did not come so far."""

    steps: tuple[PastStep, ...]
    verdict: str = ""
    #: Where its marker may stand.
    marked: frozenset[Role] = frozenset()

    @property
    def kept(self) -> bool:
        """Whether the run meant to keep what it made, and nothing of it was put back since."""
        return self.verdict in ("proven", "unknown") and not any(step.undone for step in self.steps)

    @property
    def made(self) -> tuple[PastStep, ...]:
        """The changes that were made and not put back."""
        return tuple(step for step in self.steps if step.done and not step.undone)


def unsettled(folder: SiteFolder) -> tuple[RunFolder, ...]:
    """Give the runs that began a change and never came to their end, or whose journal cannot be trusted.

    Nothing is sent before its intent is on the disk, but the marker that keeps others out: what ended earlier (a look, a
    plan that nobody approved) left nothing to settle.
    """
    return tuple(run for run in folder.unfinished() if _began(run))


def _began(run: RunFolder) -> bool:
    try:
        kinds = [record.kind for record in run.journal().records]
    except PlexopsError:
        return True
    dropped = any(kind in kinds for kind in _MARKER_DROPPED)
    return "intent" in kinds or (not dropped and any(kind in kinds for kind in _MARKER_SET))


def read_past(journal: JournalText, run_id: str) -> PastRun:
    """Read a verified journal. Raises PlexopsError PLX-R105 for records that this version cannot understand."""
    from plexops.model.change_json import change_from_json, window_from_json

    steps: dict[int, PastStep] = {}
    verdict = ""
    marked: frozenset[Role] = frozenset()
    for record in journal.records:
        if record.kind in (*_MARKER_SET, *_MARKER_DROPPED):
            marked = frozenset(Role(role) for role in _texts(record.data.get("roles")))
        if record.kind == "effect":
            verdict = str(record.data.get("verdict"))
        index = record.data.get("step")
        if not isinstance(index, int):
            continue
        if record.kind == "intent":
            window = record.data.get("window")
            steps[index] = PastStep(
                index=index,
                change=_read(change_from_json, record.data["change"], run_id),
                window_open=True,
                stood=_texts(record.data.get("beside")),
                window=None if window is None else _read(window_from_json, window, run_id),
            )
        elif index in steps:
            past = steps[index]
            steps[index] = replace(
                past,
                done=past.done or record.kind == "done",
                undone=past.undone or record.kind == "undone",
                window_open=past.window_open and record.kind != "confirmed",
            )
    return PastRun(tuple(steps[index] for index in sorted(steps)), verdict, marked)


def _texts(listed: object) -> tuple[str, ...]:
    return tuple(str(item) for item in listed) if isinstance(listed, list) else ()


def _read(reader: Callable[[Mapping[str, Json]], _Read], document: Mapping[str, Json], run_id: str) -> _Read:
    try:
        return reader(document)
    except (ValueError, KeyError, TypeError) as error:
        reason = f"run {run_id} holds a change that this version cannot read ({error})"
        raise PlexopsError(Problem("PLX-R105", reason, "Use the version of plexops that made it.")) from None
