"""What a run's journal says it did: the changes that it made, and how far each came."""

from __future__ import annotations

from dataclasses import dataclass

from plexops.evidence.journal import JournalText
from plexops.model.change import Change
from plexops.model.change_json import change_from_json
from plexops.model.errors import PlexopsError, Problem


@dataclass(frozen=True, slots=True)
class PastStep:
    """One change of a run. The journal's word is what was hoped; only a device says what is."""

    index: int
    change: Change
    done: bool = False
    undone: bool = False
    window_open: bool = False


@dataclass(frozen=True, slots=True)
class PastRun:
    """All changes that a run began, in order, and whether it came to judge its effect as worth keeping."""

    steps: tuple[PastStep, ...]
    kept: bool

    @property
    def made(self) -> tuple[PastStep, ...]:
        """The changes that were made and not put back."""
        return tuple(step for step in self.steps if step.done and not step.undone)


def read_past(journal: JournalText, run_id: str) -> PastRun:
    """Read a verified journal. Raises PlexopsError PLX-R105 for records that this version cannot understand."""
    changes: dict[int, Change] = {}
    kinds: dict[int, set[str]] = {}
    kept = False
    for record in journal.records:
        if record.kind == "effect":
            kept = record.data.get("verdict") in ("proven", "unknown")
        index = record.data.get("step")
        if not isinstance(index, int):
            continue
        kinds.setdefault(index, set()).add(record.kind)
        if record.kind == "intent":
            changes[index] = _change(record.data["change"], run_id)
    steps = tuple(
        PastStep(
            index=index,
            change=change,
            done="done" in kinds[index],
            undone="undone" in kinds[index],
            window_open="armed" in kinds[index] and "confirmed" not in kinds[index],
        )
        for index, change in sorted(changes.items())
    )
    return PastRun(steps, kept)


def _change(document: object, run_id: str) -> Change:
    try:
        return change_from_json(document)  # type: ignore[arg-type]
    except (ValueError, KeyError, TypeError) as error:
        reason = f"run {run_id} holds a change that this version cannot read ({type(error).__name__})"
        raise PlexopsError(Problem("PLX-R105", reason, "Use the version of plexops that made it.")) from None
