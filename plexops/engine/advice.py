"""What a diagnosis advises is what a plan would do: “plexops apply makes it” is said where a plan holds the change."""

from __future__ import annotations

from plexops.engine.compare import Comparison, compare
from plexops.engine.planning import make_plan
from plexops.engine.seen import Seen
from plexops.engine.site import Home
from plexops.model.finding import Finding, FindingStatus
from plexops.model.snapshot import Kind

_APPLY = "plexops apply"


def advised(steps: tuple[str, ...], home: Home, seen: Seen) -> tuple[str, ...]:
    """Give the steps; what says that apply makes a change is exchanged where no plan, made in memory, would.

    Nothing is asked and nothing sent: the plan rests on what the diagnosis saw.
    """
    if not any(_APPLY in step for step in steps):
        return steps
    findings = compare(Comparison(home.tasks, seen.view, home.drivers, home.profile))
    plan = make_plan(seen, home.drivers, findings, home.tasks, home.profile, adopted=frozenset()).plan
    if plan.steps and not plan.refused:
        return steps
    others = [step.partition(f": {_APPLY}")[0] for step in steps if not step.startswith(_APPLY)]
    if plan.refused:
        guard = plan.refused[0]
        instead: tuple[str, ...] = (f"plexops apply would refuse it now ({guard.guard}): {guard.reason}",)
    else:
        instead = _without_plan(home, findings)
    return tuple(dict.fromkeys([*others, *instead]))


def _without_plan(home: Home, findings: tuple[Finding, ...]) -> tuple[str, ...]:
    stopped = next((f for f in findings if f.status is FindingStatus.STOPPED and f.kind is Kind.WAN), None)
    if stopped is not None:
        return (f"plexops apply stops before it: {stopped.have}.", *stopped.steps)
    adoptable = next((finding.adopt_id for finding in findings if finding.adopt_id), "")
    if adoptable:
        return (
            f"plexops apply --dry-run --adopt {adoptable} shows what it would do with the entry that is there.",
        )
    if not home.tasks.tasks:
        rest = "plexops init writes one, and plexops apply --dry-run shows the rest."
        return (f"No playbook says what shall be there: {rest}",)
    return ("No task of your playbooks changes it: do it by hand.",)
