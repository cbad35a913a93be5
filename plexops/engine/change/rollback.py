"""The way back from a finished run: its changes in reverse, a plan like any other."""

from __future__ import annotations

from plexops.engine.change.history import PastRun
from plexops.engine.decide.planning import in_order
from plexops.engine.look.site_state import SiteState
from plexops.model.change import Action, Change, Shown, find, inverse, is_done, is_undone
from plexops.model.errors import PlexopsError, Problem
from plexops.structs import replace


def changes_back(past: PastRun, state: SiteState, run_id: str) -> tuple[Change, ...]:
    """Give the changes that put a run back, last one first.

    What is back already needs none. Raises PlexopsError PLX-R220 where what the run left was changed since, and
    PLX-R221 where the device did not show what it holds.
    """
    back: list[Change] = []
    problems: list[Problem] = []
    for step in reversed(past.made):
        change = step.change
        way = inverse(change)
        now = state.view.of(change.role)
        if way is None:
            continue
        stood = step.stood_lately(now)
        back_already = is_undone(change, now, stood)
        if back_already:
            continue
        if back_already is Shown.NOT_KNOWN:
            problems.append(_unseen(change, now.reasons.get(change.kind, "")))
            continue
        if not is_done(change, now, stood):
            reason = f"{change.id} is not as run {run_id} left it: it was changed since"
            cure = "Put it back by hand, or make it so with the playbook: plexops apply --dry-run"
            problems.append(Problem("PLX-R220", reason, cure, where=str(change.role)))
            continue
        found = find(change, now)
        before = found[0] if way.before is not None and len(found) == 1 else way.before
        back.append(replace(way, before=before, task=f"back from run {run_id}"))
    if problems:
        raise PlexopsError(problems)
    # What is made anew needs what a plan's order gives it: its reservation before its forward. All else goes back the way
    # that it came: a reservation is not taken away under a forward that is still to be put back.
    created = in_order([change for change in back if change.action is Action.CREATE])
    return (*(change for change in back if change.action is not Action.CREATE), *created)


def _unseen(change: Change, why: str) -> Problem:
    reason = f"whether {change.id} is back already is not known: the {change.role} did not show what it holds"
    cure = "Nothing was sent. Look at it and run it again: plexops audit"
    return Problem("PLX-R221", f"{reason} ({why})" if why else reason, cure, where=str(change.role))
