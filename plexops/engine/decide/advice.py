"""What a diagnosis advises is what a plan would do: the plan is made in memory, from what the diagnosis saw."""

from __future__ import annotations

from plexops.engine.decide.advice_check import kept, promises
from plexops.engine.decide.compare import Comparison, compare
from plexops.engine.decide.planning import make_plan
from plexops.engine.look.site import Home
from plexops.engine.look.site_state import SiteState
from plexops.model.finding import FindingStatus
from plexops.model.snapshot import Kind
from plexops.runbook.causes.cause import Cause

_NO_PLAYBOOK = "No playbook says what shall be there: plexops init writes one, and plexops apply --dry-run shows the rest."


def advised(steps: tuple[str, ...], cause: Cause, home: Home, state: SiteState) -> tuple[str, ...]:
    """Give the steps against a cause, without promises that a plan made now would not keep. Nothing is asked or sent."""
    if not any("plexops apply" in step for step in steps):
        return steps
    given = Comparison(home.tasks, state.view, home.drivers, home.profile)
    findings = compare(given)
    plan = make_plan(given, state, findings, adopted=frozenset()).plan
    stopped = next((f for f in findings if f.status is FindingStatus.STOPPED and f.kind is Kind.WAN), None)
    refused = "" if stopped is None else f"plexops apply stops before it: {stopped.have}."
    if plan.refused:
        guard = plan.refused[0]
        refused = f"plexops apply would refuse it now ({guard.guard}): {guard.reason}"
    elif stopped is None and not home.tasks.tasks and any(promises(step) for step in steps):
        refused = _NO_PLAYBOOK
    planned = frozenset(step.change.kind for step in plan.steps)
    advice = kept(steps, cause, planned, findings, refused)
    return advice if plan.refused or stopped is None else tuple(dict.fromkeys((*advice, *stopped.steps)))
