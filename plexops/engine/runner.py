"""Carry out one command over sites: audit, plan, apply. Every run leaves its evidence."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import wait
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from threading import Semaphore

from plexops import __version__
from plexops.engine.approved_plan import ApprovedPlan, Planner, blocked_by
from plexops.engine.compare import Comparison, compare
from plexops.engine.fence import runs_of
from plexops.engine.history import read_past, unsettled
from plexops.engine.keeping import HandOn, Keeper
from plexops.engine.order import Log, Order
from plexops.engine.plan_file import plan_json
from plexops.engine.planning import Planned, make_plan, moved
from plexops.engine.recover import recover_site
from plexops.engine.reporting import finished, snapshot_json
from plexops.engine.rollback import changes_back
from plexops.engine.site import Home
from plexops.engine.site_reports import (
    audited_report,
    bug_problem,
    dry_run_report,
    not_asked,
    plan_report,
    problem_report,
    stale_report,
    status_of,
    staying,
    unfinished_finding,
)
from plexops.engine.site_state import SiteState
from plexops.engine.standing import Standing, Tell, silent
from plexops.engine.supplied import with_told
from plexops.evidence.folder import SiteFolder, Store, new_run_id
from plexops.evidence.journal import Journal
from plexops.evidence.lock import site_lock
from plexops.evidence.run_folder import RunFolder
from plexops.model.errors import ExitStatus, PlexopsError, Problem
from plexops.model.exchange import WindowKind
from plexops.model.finding import Finding
from plexops.model.plan import Plan
from plexops.model.run import DRY_RUNS, MaskedReport, RunReport, SiteReport
from plexops.structs import replace
from plexops.transport.machine import why_no_timer
from plexops.transport.workers import workers

#: How many homes are looked at at once, where you do not say. Audits of 48 to 64 homes, each message 20 ms on its way, on
#: two cores: 4 at once take 1.3 times as long as 16; 32 or 64 are no quicker, and take 12 MB more for each 16. Python works
#: on one core: how long a home waits for its devices decides, and not how many cores there are.
FORKS = 16
#: After so many seconds a home is one that waits for a silent device.
SLOW = 3.0
#: So many homes may wait for silent devices, for each that is looked at.
_THREADS_EACH = 8


class Interrupted(KeyboardInterrupt):
    """A person interrupted a look at several sites: what was seen until then."""

    def __init__(self, report: RunReport, masked: MaskedReport) -> None:
        self.report = report
        self.masked = masked
        super().__init__()


def run(
    homes: Sequence[Home],
    order: Order,
    store: Store,
    forks: int | None = None,
    hand_on: HandOn | None = None,
    *,
    gather: bool = True,
) -> tuple[RunReport, MaskedReport]:
    """Carry out an order over all sites and keep the evidence. Gives the report, and the one that may leave.

    Each home's part is masked and kept as soon as the home is done, and handed on, one at a time. Without `gather` the
    documents that are given at the end hold no part: memory does not grow with the homes. Evidence that cannot be kept
    any more is a problem in the report: what became of the devices is in it too. Raises Interrupted with the sites that
    were done.
    """
    keeper = Keeper(order.command, new_run_id(datetime.now(UTC)), store, hand_on, gather=gather)
    writing = order.command in ("apply", "rollback", "rollback-dry-run", "recover")
    whole = True
    if writing or len(homes) == 1:
        for home in homes:
            if _carry_out(homes, home, order, store, keeper) != ExitStatus.IN_ORDER and writing:
                break
    else:
        whole = _all_at_once(homes, order, store, keeper, forks or FORKS)
    if len(homes) > 1:
        keeper.note_failed(homes)
    report, masked = keeper.whole(homes)
    if not whole:
        raise Interrupted(report, masked)
    return report, masked


def _all_at_once(homes: Sequence[Home], order: Order, store: Store, keeper: Keeper, forks: int) -> bool:
    """Look at many sites. False: a person interrupted, and the sites that were not done say so.

    `forks` homes at a time; one that is not done after SLOW seconds waits for a silent device, and gives its place to
    the next.
    """
    places, busy = Semaphore(forks), dict[str, float]()

    def carry_out(home: Home) -> None:
        places.acquire()
        busy[home.view.name] = time.monotonic()
        try:
            if not keeper.ended_early:
                _carry_out(homes, home, order, store, keeper)
        finally:
            give_way(home.view.name)

    def give_way(name: str) -> None:
        if busy.pop(name, None) is not None:
            places.release()

    try:
        with workers(min(len(homes), forks * _THREADS_EACH)) as pool:
            left = {pool.submit(carry_out, home) for home in homes}
            while left:
                done, left = wait(left, SLOW / 3)
                for look in done:
                    look.result()  # what went wrong in our own hands, and not at a home
                for name, since in tuple(busy.items()):
                    if time.monotonic() - since > SLOW:
                        give_way(name)
    except KeyboardInterrupt:
        keeper.end_early(homes)
        return False
    return True


def _carry_out(homes: Sequence[Home], home: Home, order: Order, store: Store, keeper: Keeper) -> ExitStatus:
    """Carry out an order at one of several sites: what keeps one from being begun is told in its part of the report."""
    begun = time.monotonic()
    try:
        site = run_site(home, order, store, keeper.run_id)
    except PlexopsError as error:
        if len(homes) == 1:
            raise
        site = problem_report(error, home)
    except Exception as bug:  # a bug of ours at one site must not take the others' report
        if len(homes) == 1:
            raise
        site = problem_report(PlexopsError(bug_problem(bug)), home)
    return keeper.take(home, finished(site), begun)


def recover(homes: Sequence[Home], store: Store, tell: Tell = silent) -> tuple[RunReport, MaskedReport]:
    """Settle every interrupted run of these sites."""
    keeper = Keeper("recover", "", store)
    for home in homes:
        begun = time.monotonic()
        keeper.take(home, finished(recover_site(home, store, tell)), begun)
    return keeper.whole(homes)


def run_site(home: Home, order: Order, store: Store, run_id: str) -> SiteReport:
    """Carry out an order at one site. Expected failures become part of the report."""
    folder = store.site(home.view.name)
    with ExitStack() as stack:
        if order.command in ("apply", "rollback", "rollback-dry-run", "recover") or order.refresh:
            stack.enter_context(site_lock(folder.lock_path, folder.name, order.command))
        folder.complete()
        unfinished = unsettled(folder)
        if unfinished:
            # A look is allowed, and says so; nothing is changed before the old run is settled.
            home = replace(home, view=replace(home.view, unfinished_run=unfinished[0].id))
        mine = folder.new_run(run_id)
        journal = stack.enter_context(mine.start_journal(__version__))
        log = Log(tell=order.watch)
        nudged = None
        if order.refresh:
            from plexops.engine.nudge import freshen

            nudged = freshen(home, order.effect_seconds, Standing(journal.append), log)
        log("look at every stop")
        if order.command == "diagnose":
            fresh = nudged is not None and not nudged.doubt
            report = _diagnosed(replace(home, view=replace(home.view, refreshed=fresh)), order, mine, log)
            return report if nudged is None else nudged.told_in(report)
        # An apply has a better moment for services outside: when the change is made.
        port, evidence = home.tasks.external_port, order.evidence.about(home.view.name)
        seen = home.observer().look(port, outside=order.command == "audit")
        seen, not_counted = with_told(seen, evidence, port)
        findings = compare(_comparison(home, seen, order))
        if unfinished:
            findings = (*findings, unfinished_finding(unfinished[0].id))
        _keep_snapshots(mine, home, seen)
        if order.command == "audit":
            report = audited_report(home, seen, findings, log, order)
            return replace(report, not_asked=(*report.not_asked, *not_counted))
        planner = _backwards(home, folder, order, run_id) if order.undoing else _forwards(home, order)
        return _planned(home, seen, findings, order, planner, mine, runs_of(folder), journal, log)


def _diagnosed(home: Home, order: Order, folder: RunFolder, log: Log) -> SiteReport:
    seen = home.observer().look(home.tasks.external_port, thorough=True, outside=True)
    _keep_snapshots(folder, home, seen)
    evidence = order.evidence.about(home.view.name)
    if order.person is not None:
        from plexops.engine.questioning import with_answers

        log("ask what no device tells")
        evidence = with_answers(seen.view, evidence, home.tasks.external_port, order.person)
    log("judge what was seen")
    from plexops.engine.diagnosing import diagnosis

    report = diagnosis(home, seen, home.tasks.external_port, evidence, not_asked(home))
    return replace(report, timeline=tuple(log.moments))


def _forwards(home: Home, order: Order) -> Planner:
    def plan(seen: SiteState) -> Planned:
        findings = compare(_comparison(home, seen, order))
        adopted = _adopted(findings, order)
        return make_plan(seen, home.drivers, findings, home.tasks, home.profile, adopted=adopted)

    return plan


def _backwards(home: Home, folder: SiteFolder, order: Order, run_id: str) -> Planner:
    target = _target(folder, order.target, run_id)
    past = read_past(target.journal(), target.id)

    def plan(seen: SiteState) -> Planned:
        changes = changes_back(past, seen, target.id)
        return make_plan(
            seen,
            home.drivers,
            (),
            home.tasks,
            home.profile,
            adopted=frozenset(),
            undoing=True,
            changes=changes,
        )

    return plan


def _target(folder: SiteFolder, name: str, run_id: str) -> RunFolder:
    """Find the run to put back; `last` is the newest that changed something, this one aside."""
    if name != "last":
        return folder.find(name)
    for run_folder in reversed(folder.runs()):
        if run_folder.id != run_id and read_past(run_folder.journal(), run_folder.id).made:
            return run_folder
    raise PlexopsError(Problem("PLX-R103", f"no run of site {folder.name} has changed anything"))


def _comparison(home: Home, seen: SiteState, order: Order) -> Comparison:
    return Comparison(home.tasks, seen.view, home.drivers, home.profile, order.adopt)


def _keep_snapshots(folder: RunFolder, home: Home, seen: SiteState) -> None:
    for role, snapshot in seen.view.snapshots.items():
        folder.write(f"private/{role}.json", snapshot_json(snapshot))
    if home.profile is not None:
        folder.write("private/profile.yaml", home.profile.text)


def _planned(
    home: Home,
    seen: SiteState,
    findings: Sequence[Finding],
    order: Order,
    planner: Planner,
    folder: RunFolder,
    own_runs: frozenset[str],
    journal: Journal,
    log: Log,
) -> SiteReport:
    planned = planner(seen)
    plan = planned.plan
    text = plan_json(plan)
    folder.write("plan.json", text)
    if order.save_plan is not None:
        _save_plan(order.save_plan, text)
    undoing = order.undoing
    blocked = blocked_by(() if undoing else findings, seen, planned) or _without_undo(home, plan)
    report = plan_report(home, seen, findings, planned, log, None if blocked else order)
    if order.command in DRY_RUNS:
        return dry_run_report(report, planned, blocked, order)
    if blocked is not None:
        return replace(report, exit_status=blocked[0], outcome=blocked[1])
    if not plan.steps and planned.stays:
        outcome = f"nothing is put back: {staying(planned.stays)}"
        return replace(report, exit_status=ExitStatus.SAFE_STOP, outcome=outcome)
    if not plan.steps:
        status = status_of(() if undoing else findings, seen.problems, home.view.unfinished_run)
        outcome = "nothing to change" if status is ExitStatus.IN_ORDER else "nothing that plexops can change"
        return replace(report, exit_status=status, outcome=outcome)
    # Before the approval: its digest cannot fit where something moved, and what moved is the better answer.
    since = () if order.saved is None else moved(order.saved, plan.basis)
    if since:
        return stale_report(report, since)
    if order.approve is not None and not order.approve(report, plan):
        return replace(report, exit_status=ExitStatus.SAFE_STOP, outcome="not approved: nothing was sent")
    adopted = frozenset() if undoing else _adopted(findings, order)
    approved = ApprovedPlan(home, order, planner, journal, log, adopted, folder.id, own_runs)
    return approved.carry_out(seen, planned, report)


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
