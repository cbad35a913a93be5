"""One site's part of a report, by what the run was for: what was seen, planned, or done."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import Path

from plexops.engine.apply import Applied, StepOutcome
from plexops.engine.by_hand_card import stays_text
from plexops.engine.compare import Comparison, compare
from plexops.engine.order import Log, Order
from plexops.engine.planning import Planned
from plexops.engine.plex_web import plex_web
from plexops.engine.reporting import (
    change_report,
    device_diffs,
    finding_report,
    guard_report,
    hops,
)
from plexops.engine.site import Home
from plexops.engine.site_state import SiteState
from plexops.model.change import Change
from plexops.model.errors import ExitStatus, PlexopsError, Problem, worst
from plexops.model.exchange import Script
from plexops.model.finding import FINDING_EXIT, Finding, FindingStatus
from plexops.model.plan import Step
from plexops.model.run import ChangeReport, SiteReport
from plexops.model.snapshot import Kind, Role
from plexops.runbook import conditions
from plexops.runbook.situation import Situation
from plexops.structs import replace

NO_VANTAGE = "no vantage outside"
_LATER = "it is asked once, by an apply that made its changes, where nothing else proves them"

#: Before the first request, and once another run might have been met: its marker came and went.
NOTHING_SENT, NOTHING_CHANGED = "nothing was sent", "nothing was changed"


def status_of(findings: Sequence[Finding], problems: Sequence[Problem], view_unfinished: str) -> ExitStatus:
    """Give the exit status of an audit."""
    statuses = [FINDING_EXIT[finding.status] for finding in findings]
    if problems:
        statuses.append(ExitStatus.INCOMPLETE)
    if view_unfinished:
        statuses.append(ExitStatus.BUSY)
    return worst(statuses)


def site_report(home: Home, seen: SiteState, findings: Sequence[Finding], log: Log) -> SiteReport:
    """Give what every part of a report has: the path, the findings, the exhibits."""
    stop = next((f for f in findings if f.status is FindingStatus.STOPPED and f.kind is Kind.WAN), None)
    wan = conditions.wan(seen.view)
    safe_stop = None
    if stop is not None:
        safe_stop = f"{wan.says}. plexops will not change any forward while this holds, with any flag."
    return SiteReport(
        name=home.view.name,
        access=home.view.access,
        outcome="",
        safe_stop=safe_stop,
        hops=hops(findings, seen),
        findings=tuple(finding_report(f) for f in findings),
        plex_web=plex_web(Situation(seen.view, home.tasks.external_port)),
        exhibits=seen.exhibits,
        timeline=tuple(log.moments),
        not_asked=not_asked(home),
        asked=asked(home, seen),
        errors=seen.problems,
    )


def unfinished_finding(run_id: str) -> Finding:
    """Say that an interrupted run has to be settled first."""
    return Finding(
        FindingStatus.NOTE,
        Role.ROUTER,
        Kind.PORT_FORWARD,
        "",
        "An interrupted run",
        have=f"run {run_id} was interrupted: settle it with `plexops recover`",
    )


def not_asked(home: Home) -> tuple[str, ...]:
    """Name the stops that the inventory gives no access to."""
    names = []
    if home.drivers.router is None:
        names.append("router")
    if home.drivers.server is None:
        names.append("server")
    if home.drivers.plex is None:
        names.append("Plex")
    if not (home.access.site.vantages or home.access.site.checkers):
        names.append(NO_VANTAGE)
    return tuple(names)


def asked(home: Home, seen: SiteState, not_asked: str = "") -> tuple[str, ...]:
    """Say what the services outside were asked and told. `not_asked`: why one was not asked, where that is known here."""
    if not home.access.site.checkers:
        return ()
    from plexops.engine.checkers import account_of

    return account_of(home.access.site.checkers, seen.view.of(Role.OUTSIDE), not_asked)


def audited_report(
    home: Home, seen: SiteState, findings: Sequence[Finding], log: Log, order: Order
) -> SiteReport:
    """Give the part of an audit."""
    status = status_of(findings, seen.problems, home.view.unfinished_run)
    report = site_report(home, seen, findings, log)
    steps = tuple(step for f in findings if f.status is FindingStatus.STOPPED for step in f.steps)
    curable = any(finding.changes for finding in findings)
    if not steps and curable:
        steps = (order.again(home.view.name, "--dry-run"),)
    outcome = {
        ExitStatus.IN_ORDER: "everything is in order",
        ExitStatus.FINDINGS: "it is not as the playbook says",
        ExitStatus.SAFE_STOP: "a safe stop: plexops would refuse to go on",
        ExitStatus.INCOMPLETE: "not everything could be seen",
    }.get(status, "an earlier run has to be settled first")
    return replace(report, outcome=outcome, exit_status=status, next_steps=steps, timeline=tuple(log.moments))


def plan_report(
    home: Home, seen: SiteState, findings: Sequence[Finding], planned: Planned, log: Log, order: Order | None
) -> SiteReport:
    """Give the part that shows a plan, whatever becomes of it. `order` None: it cannot be approved as it stands."""
    plan = planned.plan
    digest = plan.digest
    steps: tuple[str, ...] = ()
    if plan.steps and order is not None:
        steps = (order.again(home.view.name, "--approve", digest[:12]),)
    if planned.waiting:
        steps = (
            *steps,
            "let the host take its new address (restart it, or renew its lease), then run apply again",
        )
    return replace(
        site_report(home, seen, findings, log),
        changes=(*(change_report(step) for step in plan.steps), *_staying(planned)),
        guards=tuple(guard_report(verdict) for verdict in plan.verdicts),
        plan_digest=digest,
        asked=asked(home, seen, _LATER),
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
    outcome = (
        f"{count} change{'s' if count != 1 else ''} planned, nothing sent" if count else "nothing to change"
    )
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
    after = compare(Comparison(home.tasks, applied.seen.view, home.drivers, home.profile))
    findings = after if applied.status in (ExitStatus.IN_ORDER, ExitStatus.INCOMPLETE) else None
    shown = report.findings if findings is None else tuple(finding_report(f) for f in findings)
    return replace(
        report,
        exit_status=status,
        outcome=outcome,
        findings=shown,
        hops=hops(after, applied.seen),
        plex_web=plex_web(Situation(applied.seen.view, home.tasks.external_port)),
        changes=(*(change_report(carried.step, carried) for carried in applied.carried), *_staying(planned)),
        proofs=applied.proofs,
        asked=asked(home, applied.seen, "it was not needed"),
        exhibits=(*applied.seen.exhibits, *applied.log),
        timeline=tuple(log.moments),
        before_after=device_diffs(before, applied),
        next_steps=applied.by_hand or (() if status is ExitStatus.IN_ORDER else report.next_steps[1:]),
    )


def _staying(planned: Planned) -> tuple[ChangeReport, ...]:
    """Give what a rollback leaves as it is."""
    return tuple(
        replace(
            change_report(Step(change, Script(()))),
            window="",
            outcome="stays",
            detail=stays_text(change, why),
        )
        for change, why in planned.stays
    )


def staying(changes: Sequence[tuple[Change, str]]) -> str:
    """Say in one line what stays as it is, and why."""
    return "; ".join(f"{change.id} {stays_text(change, why)}" for change, why in changes)


def _ending(applied: Applied, planned: Planned) -> tuple[ExitStatus, str]:
    kept = [f"{c.step.change.id} {c.detail}" for c in applied.carried if c.outcome is StepOutcome.STAYS]
    if applied.status is ExitStatus.UNDONE and kept:
        return applied.status, f"put back but for what guards refuse ({'; '.join(kept)}): {applied.reason}"
    if applied.status is ExitStatus.IN_ORDER and planned.stays:
        return ExitStatus.INCOMPLETE, f"put back and read back, but for this: {staying(planned.stays)}"
    if applied.status is ExitStatus.IN_ORDER and planned.waiting:
        return (
            ExitStatus.FINDINGS,
            "waiting for the lease: nothing is forwarded before the host holds its address",
        )
    outcome = {
        ExitStatus.IN_ORDER: "applied, read back and proven" if applied.proofs else "applied and read back",
        ExitStatus.INCOMPLETE: "applied and read back, not proven: whether it helps is unknown, so it is kept",
        ExitStatus.UNDONE: f"undone, and the old state was read back: {applied.reason}",
        ExitStatus.SAFE_STOP: f"{NOTHING_CHANGED}: {applied.reason}",
        ExitStatus.UNDO_UNPROVEN: f"the undo could not be verified, a person must look: {applied.reason}",
    }[applied.status]
    return applied.status, outcome


def bug_problem(bug: Exception) -> Problem:
    """Say where in the program something went wrong, without any value."""
    frames = traceback.extract_tb(bug.__traceback__)
    return Problem(
        "PLX-X001",
        f"plexops has a bug: {type(bug).__name__}",
        "Please attach these lines to an issue. If a change was under way: plexops recover",
        detail=tuple(f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}" for frame in frames),
    )


def problem_report(error: PlexopsError, home: Home) -> SiteReport:
    """Give a site's part of a report when it could not even be begun."""
    return SiteReport(
        home.view.name, home.view.access, "not begun", exit_status=error.status, errors=error.problems
    )
