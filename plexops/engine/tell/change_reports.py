"""One site's part of a report of a run that plans changes, shows them, or makes them."""

from __future__ import annotations

from collections.abc import Sequence

from plexops.engine.change.apply import Applied, StepOutcome
from plexops.engine.change.manual_undo import stays_text
from plexops.engine.decide.compare import Comparison, compare
from plexops.engine.decide.planning import Planned
from plexops.engine.look.site import Home
from plexops.engine.look.site_state import SiteState
from plexops.engine.order import Log, Order
from plexops.engine.tell.reporting import change_report, device_diffs, finding_report, guard_report, hops
from plexops.engine.tell.site_reports import NOTHING_CHANGED, NOTHING_SENT, asked, plex_web, site_report
from plexops.model.change import Change
from plexops.model.exchange import Script
from plexops.model.finding import Finding
from plexops.model.plan import Step
from plexops.model.run import ChangeReport, SiteReport
from plexops.model.status import ExitStatus
from plexops.runbook.situation import Situation
from plexops.structs import replace

_LATER = "it is asked once, by an apply that made its changes, where nothing else proves them"


def plan_report(
    home: Home, state: SiteState, findings: Sequence[Finding], planned: Planned, log: Log, order: Order | None
) -> SiteReport:
    """Give the part that shows a plan, whatever becomes of it. `order` None: it cannot be approved as it stands."""
    plan = planned.plan
    digest = plan.digest
    steps: tuple[str, ...] = ()
    if plan.steps and order is not None:
        steps = (order.again(home.view.name, "--approve", digest[:12]),)
    if planned.waiting:
        wait = "let the host take its new address (restart it, or renew its lease), then run apply again"
        steps = (*steps, wait)
    return replace(
        site_report(home, state, findings, log),
        changes=(*(change_report(step) for step in plan.steps), *_staying(planned)),
        guards=tuple(guard_report(verdict) for verdict in plan.verdicts),
        plan_digest=digest,
        asked=asked(home, state, _LATER),
        next_steps=steps,
    )


def dry_run_report(
    report: SiteReport, planned: Planned, blocked: tuple[ExitStatus, str] | None, order: Order
) -> SiteReport:
    """Give the part of a dry run: nothing was sent."""
    if blocked is not None:
        return replace(report, exit_status=blocked[0], outcome=blocked[1])
    count = len(planned.plan.steps)
    status = ExitStatus.FINDINGS if count and order.exit_code_for_changes else ExitStatus.IN_ORDER
    changes = f"{count} change{'s' if count != 1 else ''}"
    outcome = f"{changes} planned, nothing sent" if count else "nothing to change"
    if planned.stays:
        outcome = f"{outcome}; {staying(planned.stays)}"
        status = status if count else ExitStatus.SAFE_STOP
    return replace(report, exit_status=status, outcome=outcome)


def stale_report(report: SiteReport, parts: Sequence[str], nothing: str = NOTHING_SENT) -> SiteReport:
    """Give the part of a run whose plan no longer fits."""
    outcome = f"the plan is stale: {', '.join(parts)} moved since: {nothing}"
    return replace(report, exit_status=ExitStatus.SAFE_STOP, outcome=outcome)


def applied_report(
    home: Home, before: SiteState, report: SiteReport, applied: Applied, planned: Planned, log: Log
) -> SiteReport:
    """Give the report of what was done."""
    status, outcome = _ending(applied, planned)
    after = compare(Comparison(home.tasks, applied.state.view, home.drivers, home.profile))
    kept = applied.status in (ExitStatus.IN_ORDER, ExitStatus.INCOMPLETE)
    return replace(
        report,
        exit_status=status,
        outcome=outcome,
        findings=tuple(map(finding_report, after)) if kept else report.findings,
        hops=hops(after, applied.state),
        plex_web=plex_web(Situation(applied.state.view, home.tasks.external_port)),
        changes=(*(change_report(carried.step, carried) for carried in applied.carried), *_staying(planned)),
        proofs=applied.proofs,
        asked=asked(home, applied.state, "it was not needed"),
        exhibits=(*applied.state.exhibits, *applied.log),
        timeline=tuple(log.moments),
        before_after=device_diffs(before, applied),
        next_steps=applied.by_hand or (() if status is ExitStatus.IN_ORDER else report.next_steps[1:]),
    )


def _staying(planned: Planned) -> tuple[ChangeReport, ...]:
    """Give what a rollback leaves as it is."""
    parts = (
        (change_report(Step(change, Script(()))), stays_text(change.kind, change.had, why))
        for change, why in planned.stays
    )
    return tuple(replace(part, window="", outcome="stays", detail=text) for part, text in parts)


def staying(changes: Sequence[tuple[Change, str]]) -> str:
    """Say in one line what stays as it is, and why."""
    return "; ".join(f"{change.id} {stays_text(change.kind, change.had, why)}" for change, why in changes)


def _ending(applied: Applied, planned: Planned) -> tuple[ExitStatus, str]:
    kept = [f"{c.step.change.id} {c.detail}" for c in applied.carried if c.outcome is StepOutcome.STAYS]
    if applied.status is ExitStatus.UNDONE and kept:
        return applied.status, f"put back but for what guards refuse ({'; '.join(kept)}): {applied.reason}"
    if applied.status is ExitStatus.IN_ORDER and planned.stays:
        return ExitStatus.INCOMPLETE, f"put back and read back, but for this: {staying(planned.stays)}"
    if applied.status is ExitStatus.IN_ORDER and planned.waiting:
        waiting = "waiting for the lease: nothing is forwarded before the host holds its address"
        return ExitStatus.FINDINGS, waiting
    outcome = {
        ExitStatus.IN_ORDER: "applied, read back and proven" if applied.proofs else "applied and read back",
        ExitStatus.INCOMPLETE: "applied and read back, not proven: whether it helps is unknown, so it is kept",
        ExitStatus.UNDONE: f"undone, and the old state was read back: {applied.reason}",
        ExitStatus.SAFE_STOP: f"{NOTHING_CHANGED}: {applied.reason}",
        ExitStatus.UNDO_UNPROVEN: f"the undo could not be verified, a person must look: {applied.reason}",
    }[applied.status]
    return applied.status, outcome
