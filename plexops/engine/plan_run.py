"""What an order that may change devices does with what was seen: plan, show, ask, and carry out what is approved."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from plexops.engine.approved_plan import ApprovedPlan, Planner, blocked_by
from plexops.engine.change.history import read_past
from plexops.engine.change.marker import runs_of
from plexops.engine.change.rollback import changes_back
from plexops.engine.decide.compare import Comparison, compare
from plexops.engine.decide.planning import Planned, make_plan, moved
from plexops.engine.look.site import Home
from plexops.engine.look.site_state import SiteState
from plexops.engine.order import Log, Order
from plexops.engine.tell.change_reports import dry_run_report, plan_report, stale_report, staying
from plexops.engine.tell.plan_file import plan_json
from plexops.engine.tell.site_reports import status_of
from plexops.evidence.folder import SiteFolder
from plexops.evidence.journal import Journal
from plexops.evidence.run_folder import RunFolder
from plexops.model.errors import PlexopsError, Problem
from plexops.model.exchange import WindowKind
from plexops.model.finding import Finding
from plexops.model.plan import Plan
from plexops.model.run import DRY_RUNS, SiteReport
from plexops.model.status import ExitStatus
from plexops.structs import replace
from plexops.transport.machine import why_no_timer


def _forwards(home: Home, order: Order) -> Planner:
    def plan(state: SiteState) -> Planned:
        given = Comparison(home.tasks, state.view, home.drivers, home.profile, order.adopt)
        findings = compare(given)
        adopted = _adopted(findings, order)
        return make_plan(given, state, findings, adopted=adopted)

    return plan


def _backwards(home: Home, folder: SiteFolder, order: Order, run_id: str) -> Planner:
    target = _target(folder, order.target, run_id)
    past = read_past(target.journal(), target.id)

    def plan(state: SiteState) -> Planned:
        changes = changes_back(past, state, target.id)
        given = Comparison(home.tasks, state.view, home.drivers, home.profile)
        return make_plan(given, state, (), adopted=frozenset(), back=changes)

    return plan


def _target(folder: SiteFolder, name: str, run_id: str) -> RunFolder:
    """Find the run to put back; `last` is the newest that changed something, this one aside."""
    if name != "last":
        return folder.find(name)
    for run_folder in reversed(folder.runs()):
        if run_folder.id != run_id and read_past(run_folder.journal(), run_folder.id).made:
            return run_folder
    raise PlexopsError(Problem("PLX-R103", f"no run of site {folder.name} has changed anything"))


def planned_report(
    home: Home,
    state: SiteState,
    findings: Sequence[Finding],
    order: Order,
    site_folder: SiteFolder,
    folder: RunFolder,
    journal: Journal,
    log: Log,
) -> SiteReport:
    """Plan for one site, and carry the plan out where that is what was asked and approved."""
    planner = _backwards(home, site_folder, order, folder.id) if order.undoing else _forwards(home, order)
    planned = planner(state)
    plan = planned.plan
    text = plan_json(plan)
    folder.write("plan.json", text)
    if order.save_plan is not None:
        _save_plan(order.save_plan, text)
    undoing = order.undoing
    blocked = blocked_by(() if undoing else findings, state, planned) or _without_undo(home, plan)
    report = plan_report(home, state, findings, planned, log, None if blocked else order)
    if order.command in DRY_RUNS:
        return dry_run_report(report, planned, blocked, order)
    if blocked is not None:
        return replace(report, exit_status=blocked[0], outcome=blocked[1])
    if not plan.steps and planned.stays:
        outcome = f"nothing is put back: {staying(planned.stays)}"
        return replace(report, exit_status=ExitStatus.SAFE_STOP, outcome=outcome)
    if not plan.steps:
        status = status_of(() if undoing else findings, state.problems, home.view.unfinished_run)
        outcome = "nothing to change" if status is ExitStatus.IN_ORDER else "nothing that plexops can change"
        return replace(report, exit_status=status, outcome=outcome)
    # Before the approval: its digest cannot fit where something moved, and what moved is the better answer.
    since = () if order.saved is None else moved(order.saved, plan.basis)
    if since:
        return stale_report(report, since)
    if order.approve is not None and not order.approve(report, plan):
        return replace(report, exit_status=ExitStatus.SAFE_STOP, outcome="not approved: nothing was sent")
    adopted = frozenset() if undoing else _adopted(findings, order)
    approved = ApprovedPlan(home, order, planner, journal, log, adopted, folder.id, runs_of(site_folder))
    return approved.carry_out(state, planned, report)


def _save_plan(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        reason = f"the plan cannot be written to {path}: {error.strerror}"
        raise PlexopsError(Problem("PLX-C703", reason, "Name a file that you may write.")) from None


def _adopted(findings: Sequence[Finding], order: Order) -> frozenset[str]:
    tasks = {c.id for f in findings for c in f.changes if c.action == "adopt"}
    return frozenset(tasks | set(order.adopt))


def _without_undo(home: Home, plan: Plan) -> tuple[ExitStatus, str] | None:
    """Give why this computer's own undo, where a change here opens one, would not outlive us."""
    timers = {step.change.role for step in plan.steps if step.script.window.kind is WindowKind.TIMER}
    why = why_no_timer() if home.links.live and any(home.access.is_local(role) for role in timers) else ""
    return (ExitStatus.SAFE_STOP, f"{why}. Nothing was sent") if why else None
