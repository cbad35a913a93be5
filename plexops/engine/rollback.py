"""The way back from a finished run: its changes in reverse, a plan like any other."""

from __future__ import annotations

from dataclasses import replace

from plexops.engine.history import PastRun
from plexops.engine.site_state import SiteState
from plexops.engine.undo import is_undone
from plexops.model.change import Change, find, inverse, is_done
from plexops.model.errors import PlexopsError, Problem


def changes_back(past: PastRun, seen: SiteState, run_id: str) -> tuple[Change, ...]:
    """Give the changes that put a run back, last one first.

    What is back already needs none. Raises PlexopsError PLX-R220 where somebody changed since what the run left.
    """
    back: list[Change] = []
    problems: list[Problem] = []
    for step in reversed(past.made):
        change = step.change
        way = inverse(change)
        now = seen.view.of(change.role)
        if way is None or is_undone(change, now):
            continue
        if not is_done(change, now):
            reason = f"{change.id} is not as run {run_id} left it: it was changed since"
            cure = "Put it back by hand, or make it so with the playbook: plexops apply --dry-run"
            problems.append(Problem("PLX-R220", reason, cure, where=str(change.role)))
            continue
        found = find(change, now)
        before = found[0] if way.before is not None and len(found) == 1 else way.before
        back.append(replace(way, before=before, task=f"back from run {run_id}"))
    if problems:
        raise PlexopsError(problems)
    return tuple(back)
