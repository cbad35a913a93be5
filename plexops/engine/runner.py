"""Carry out one command over sites: audit, plan, apply. Every run leaves its evidence."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from plexops import __version__
from plexops.engine.apply import Applied, Applier, Workshop
from plexops.engine.brought import Evidence
from plexops.engine.compare import Comparison, compare
from plexops.engine.diagnosing import diagnosis
from plexops.engine.effect import EffectProver
from plexops.engine.history import read_past, unsettled
from plexops.engine.observe import Seen
from plexops.engine.plan_file import plan_json
from plexops.engine.planning import Planned, make_plan, moved
from plexops.engine.recover import recover_site
from plexops.engine.reporting import (
    change_report,
    device_diffs,
    finding_report,
    finished,
    guard_report,
    hops,
    snapshot_json,
)
from plexops.engine.rollback import changes_back
from plexops.engine.site import Home
from plexops.evidence.folder import RunFolder, SiteFolder, Store, new_run_id
from plexops.evidence.journal import Journal
from plexops.evidence.lock import site_lock
from plexops.evidence.masking import Masker, load_key, mask_report
from plexops.evidence.scrub import Scrubber
from plexops.model.errors import ExitStatus, PlexopsError, Problem, worst
from plexops.model.finding import FINDING_EXIT, Finding, FindingStatus
from plexops.model.plan import Plan
from plexops.model.run import MaskedReport, Moment, RunCommand, RunReport, SiteReport, Stop
from plexops.model.secret import Secret
from plexops.model.snapshot import Kind, Role
from plexops.runbook import conditions

#: Asked before anything is sent: gets the report of the plan, gives leave or not.
Approve = Callable[[SiteReport, Plan], bool]


_LABELS: Mapping[Stop, str] = MappingProxyType(
    {"internet": "Internet", "isp": "ISP", "router": "router", "server": "server", "plex": "Plex"}
)


@dataclass(frozen=True, slots=True)
class Order:
    """What a run is asked to do besides looking."""

    command: RunCommand
    adopt: frozenset[str] = frozenset()
    approve: Approve | None = None
    exit_code_for_changes: bool = False
    effect_seconds: float = 60.0
    #: The basis of a plan that was saved, to name what moved since.
    saved: Mapping[str, str] | None = None
    #: Where a dry run saves its plan.
    save_plan: Path | None = None
    #: The run that a rollback puts back: an id, the beginning of one, or `last`.
    target: str = ""
    #: Plan and judge, and send nothing (`rollback --dry-run`).
    show_only: bool = False
    #: What a person brings along to a diagnosis.
    evidence: Evidence = field(default_factory=Evidence)


@dataclass(slots=True)
class Log:
    """What happened when, in seconds since the start."""

    started: float = field(default_factory=time.monotonic)
    moments: list[Moment] = field(default_factory=list)

    def __call__(self, text: str) -> None:
        """Note a moment."""
        self.moments.append(Moment(round(time.monotonic() - self.started, 3), text))


def run(homes: Sequence[Home], order: Order, store: Store, forks: int = 8) -> tuple[RunReport, MaskedReport]:
    """Carry out an order over all sites and keep the evidence. Gives the report, and the one that may leave."""
    started, begin, run_id = datetime.now(UTC), time.monotonic(), new_run_id(datetime.now(UTC))
    writing = order.command in ("apply", "rollback", "recover")
    if writing or len(homes) == 1:
        sites = []
        for home in homes:
            sites.append(_one_of(homes, home, order, store, run_id))
            if writing and sites[-1].exit_status != ExitStatus.IN_ORDER:
                break
    else:
        with ThreadPoolExecutor(max_workers=max(1, forks)) as pool:
            sites = list(pool.map(lambda home: _one_of(homes, home, order, store, run_id), homes))
    command: RunCommand = "dry-run" if order.show_only else order.command
    report, masked = _document(command, run_id, started, begin, sites, homes, store)
    for home, site in zip(homes, sites, strict=False):
        if site.hops:  # a site whose part was not begun has no picture, and no folder of this run
            _keep_result(store.site(home.view.name), run_id, report, masked)
    return report, masked


def _one_of(homes: Sequence[Home], home: Home, order: Order, store: Store, run_id: str) -> SiteReport:
    """Carry out an order at one of several sites: what keeps one from being begun is told in its part of the report."""
    try:
        return finished(run_site(home, order, store, run_id))
    except PlexopsError as error:
        if len(homes) == 1:
            raise
        return finished(problem_report(error, home))


def recover(homes: Sequence[Home], store: Store) -> tuple[RunReport, MaskedReport]:
    """Settle every interrupted run of these sites."""
    started, begin = datetime.now(UTC), time.monotonic()
    sites = [finished(recover_site(home, store)) for home in homes]
    return _document("recover", "", started, begin, sites, homes, store)


def _document(
    command: RunCommand,
    run_id: str,
    started: datetime,
    begin: float,
    sites: Sequence[SiteReport],
    homes: Sequence[Home],
    store: Store,
) -> tuple[RunReport, MaskedReport]:
    report = RunReport(
        command=command,
        run_id=run_id,
        started=started.isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - begin, 3),
        version=__version__,
        exit_status=worst(ExitStatus(site.exit_status) for site in sites),
        sites=tuple(sites),
    )
    return report, mask_report(report, Masker(load_key(store.root), Scrubber(_secrets(homes))))


def _secrets(homes: Sequence[Home]) -> list[Secret]:
    return [secret for home in homes for secret in home.access.secrets.known()]


def _keep_result(folder: SiteFolder, run_id: str, report: RunReport, masked: MaskedReport) -> None:
    mine = folder.find(run_id)
    own = replace(report, sites=tuple(s for s in report.sites if s.name == folder.name))
    own_masked = MaskedReport(replace(masked, sites=tuple(s for s in masked.sites if s.name == folder.name)))
    mine.write_result(own, own_masked)
    for site in own_masked.sites:
        for exhibit in site.exhibits:
            mine.write(f"exhibits/{_file(exhibit.id)}.txt", exhibit.text + "\n")
    journal, _ = mine.resume_journal()
    with journal:
        folder.finish(mine, journal, own.exit_status)


def _file(name: str) -> str:
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in name)


def run_site(home: Home, order: Order, store: Store, run_id: str) -> SiteReport:
    """Carry out an order at one site. Expected failures become part of the report."""
    folder = store.site(home.view.name)
    with ExitStack() as stack:
        if order.command in ("apply", "rollback", "recover"):
            stack.enter_context(site_lock(folder.lock_path, folder.name, order.command))
        unfinished = unsettled(folder)
        if unfinished:
            # A look is allowed, and says so; nothing is changed before the old run is settled.
            home = replace(home, view=replace(home.view, unfinished_run=unfinished[0].id))
        mine = folder.new_run(run_id)
        journal = stack.enter_context(mine.start_journal(__version__))
        log = Log()
        log("look at every stop")
        if order.command == "diagnose":
            return _diagnosed(home, order, mine, log)
        seen = home.observer().look(wanted_port(home))
        findings = compare(_comparison(home, seen, order))
        if unfinished:
            findings = (*findings, _unfinished(unfinished[0].id))
        _keep_snapshots(mine, home, seen)
        if order.command == "audit":
            return _audited(home, seen, findings, log)
        planner = (
            _backwards(home, folder, order, run_id) if order.command == "rollback" else _forwards(home, order)
        )
        return _planned(home, seen, findings, order, planner, mine, journal, log)


def _diagnosed(home: Home, order: Order, folder: RunFolder, log: Log) -> SiteReport:
    seen = home.observer().look(wanted_port(home), thorough=True)
    _keep_snapshots(folder, home, seen)
    log("judge what was seen")
    report = diagnosis(home, seen, wanted_port(home), order.evidence, _not_asked(home))
    return replace(report, timeline=tuple(log.moments))


#: Makes the plan of a run from a look at the site: once to show it, and once more right before it is sent.
Planner = Callable[[Seen], Planned]


def _forwards(home: Home, order: Order) -> Planner:
    def plan(seen: Seen) -> Planned:
        findings = compare(_comparison(home, seen, order))
        adopted = _adopted(findings, order)
        return make_plan(seen, home.drivers, findings, home.tasks, home.profile, adopted=adopted)

    return plan


def _backwards(home: Home, folder: SiteFolder, order: Order, run_id: str) -> Planner:
    target = _target(folder, order.target, run_id)
    past = read_past(target.journal(), target.id)

    def plan(seen: Seen) -> Planned:
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


def wanted_port(home: Home) -> int | None:
    """Give the external port that the tasks want open, if any does."""
    for task in home.tasks.tasks:
        if task.kind is Kind.PORT_FORWARD and task.want is not None:
            port: int | None = task.want.external_port.single
            return port
    return None


def _comparison(home: Home, seen: Seen, order: Order) -> Comparison:
    return Comparison(home.tasks, seen.view, home.drivers, home.profile, order.adopt)


def _unfinished(run_id: str) -> Finding:
    return Finding(
        FindingStatus.NOTE,
        Role.ROUTER,
        Kind.PORT_FORWARD,
        "",
        "An interrupted run",
        have=f"run {run_id} was interrupted: settle it with `plexops recover`",
    )


def _keep_snapshots(folder: RunFolder, home: Home, seen: Seen) -> None:
    for role, snapshot in seen.view.snapshots.items():
        folder.write(f"private/{role}.json", snapshot_json(snapshot))
    if home.profile is not None:
        folder.write("private/profile.yaml", home.profile.text)


def status_of(findings: Sequence[Finding], problems: Sequence[Problem], view_unfinished: str) -> ExitStatus:
    """Give the exit status of an audit."""
    statuses = [FINDING_EXIT[finding.status] for finding in findings]
    if problems:
        statuses.append(ExitStatus.INCOMPLETE)
    if view_unfinished:
        statuses.append(ExitStatus.BUSY)
    return worst(statuses)


def _site_report(home: Home, seen: Seen, findings: Sequence[Finding], log: Log) -> SiteReport:
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
        hops=hops(findings, seen, _LABELS),
        findings=tuple(finding_report(f) for f in findings),
        exhibits=seen.exhibits,
        timeline=tuple(log.moments),
        not_asked=_not_asked(home),
        errors=seen.problems,
    )


def _not_asked(home: Home) -> tuple[str, ...]:
    names = []
    if home.drivers.router is None:
        names.append("router")
    if home.drivers.server is None:
        names.append("server")
    if home.drivers.plex is None:
        names.append("Plex")
    if not home.access.site.vantages:
        names.append("no vantage outside")
    return tuple(names)


def _audited(home: Home, seen: Seen, findings: Sequence[Finding], log: Log) -> SiteReport:
    status = status_of(findings, seen.problems, home.view.unfinished_run)
    report = _site_report(home, seen, findings, log)
    steps = tuple(step for f in findings if f.status is FindingStatus.STOPPED for step in f.steps)
    curable = any(finding.changes for finding in findings)
    if not steps and curable:
        steps = ("plexops apply --dry-run",)
    outcome = {
        ExitStatus.IN_ORDER: "everything is in order",
        ExitStatus.FINDINGS: "it is not as the playbook says",
        ExitStatus.SAFE_STOP: "a safe stop: plexops would refuse to go on",
        ExitStatus.INCOMPLETE: "not everything could be seen",
    }.get(status, "an earlier run has to be settled first")
    return replace(report, outcome=outcome, exit_status=status, next_steps=steps, timeline=tuple(log.moments))


def _planned(
    home: Home,
    seen: Seen,
    findings: Sequence[Finding],
    order: Order,
    planner: Planner,
    folder: RunFolder,
    journal: Journal,
    log: Log,
) -> SiteReport:
    planned = planner(seen)
    plan = planned.plan
    text = plan_json(plan)
    folder.write("plan.json", text)
    if order.save_plan is not None:
        _save_plan(order.save_plan, text)
    report = _plan_report(home, seen, findings, planned, log)
    undoing = order.command == "rollback"
    blocked = _blocked(() if undoing else findings, seen, planned)
    if order.command == "dry-run" or order.show_only:
        return _dry_run(report, planned, blocked, order)
    if blocked is not None:
        return replace(report, exit_status=blocked[0], outcome=blocked[1])
    if not plan.steps:
        status = status_of(() if undoing else findings, seen.problems, home.view.unfinished_run)
        outcome = "nothing to change" if status is ExitStatus.IN_ORDER else "nothing that plexops can change"
        return replace(report, exit_status=status, outcome=outcome)
    # Before the approval: its digest cannot fit where something moved, and what moved is the better answer.
    since = () if order.saved is None else moved(order.saved, plan.basis)
    if since:
        return _stale(report, since)
    if order.approve is not None and not order.approve(report, plan):
        return replace(report, exit_status=ExitStatus.SAFE_STOP, outcome="not approved: nothing was sent")
    # An approval may take hours: what is carried out rests on this look, not on the one that was shown.
    fresh = planner(home.observer().look(None))
    since = _moved(plan, fresh.plan)
    if since:
        return _stale(report, since)
    blocked = _blocked((), fresh.seen, fresh)
    if blocked is not None:
        guards = tuple(guard_report(verdict) for verdict in fresh.plan.verdicts)
        return replace(report, exit_status=blocked[0], outcome=blocked[1], guards=guards)
    adopted = frozenset() if undoing else _adopted(findings, order)
    prover = None if undoing else _prover(home, order)
    applied = carry_out(home, fresh, order, journal, log, adopted, prover)
    return applied_report(home, seen, report, applied, fresh, log)


def _save_plan(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        reason = f"the plan cannot be written to {path}: {error.strerror}"
        raise PlexopsError(Problem("PLX-C703", reason, "Name a file that you may write.")) from None


def _adopted(findings: Sequence[Finding], order: Order) -> frozenset[str]:
    tasks = {c.id for f in findings for c in f.changes if c.action == "adopt"}
    return frozenset(tasks | set(order.adopt))


def _blocked(findings: Sequence[Finding], seen: Seen, planned: Planned) -> tuple[ExitStatus, str] | None:
    """Give why nothing may be sent: a safe stop, a guard, or a stop that did not answer."""
    if any(f.status is FindingStatus.STOPPED for f in findings):
        return ExitStatus.SAFE_STOP, "a safe stop: nothing was sent"
    refused = planned.plan.refused
    if refused and planned.plan.steps:
        names = ", ".join(v.guard for v in refused)
        status = (
            ExitStatus.INCOMPLETE
            if seen.problems and {v.guard for v in refused} <= {"G9"}
            else ExitStatus.SAFE_STOP
        )
        if any(v.guard == "G12" and "interrupted" in v.reason for v in refused):
            status = ExitStatus.BUSY
        return status, f"refused by {names}: nothing was sent"
    if seen.problems:
        return ExitStatus.INCOMPLETE, "a stop did not answer: nothing was sent"
    return None


def _plan_report(
    home: Home, seen: Seen, findings: Sequence[Finding], planned: Planned, log: Log
) -> SiteReport:
    plan = planned.plan
    digest = plan.digest
    steps: tuple[str, ...] = ()
    if plan.steps and not plan.refused:
        steps = (f"plexops apply --approve {digest[:12]}",)
    if planned.waiting:
        steps = (
            *steps,
            "let the host take its new address (restart it, or renew its lease), then run apply again",
        )
    return replace(
        _site_report(home, seen, findings, log),
        changes=tuple(change_report(step) for step in plan.steps),
        guards=tuple(guard_report(verdict) for verdict in plan.verdicts),
        plan_digest=digest,
        next_steps=steps,
    )


def _dry_run(
    report: SiteReport, planned: Planned, blocked: tuple[ExitStatus, str] | None, order: Order
) -> SiteReport:
    if blocked is not None:
        return replace(report, exit_status=blocked[0], outcome=blocked[1])
    count = len(planned.plan.steps)
    status = ExitStatus.FINDINGS if count and order.exit_code_for_changes else ExitStatus.IN_ORDER
    outcome = (
        f"{count} change{'s' if count != 1 else ''} planned, nothing sent" if count else "nothing to change"
    )
    return replace(report, exit_status=status, outcome=outcome)


def _moved(plan: Plan, fresh: Plan) -> tuple[str, ...]:
    """Name what moved between the plan that was approved and the one that a new look makes."""
    return moved(plan.basis, fresh.basis) or (() if fresh.digest == plan.digest else ("the requests",))


def _stale(report: SiteReport, parts: Sequence[str]) -> SiteReport:
    outcome = f"the plan is stale: {', '.join(parts)} moved since. Nothing was sent"
    return replace(report, exit_status=ExitStatus.SAFE_STOP, outcome=outcome)


def _prover(home: Home, order: Order) -> EffectProver | None:
    port = wanted_port(home)
    if port is None or home.view.access != "forward":
        return None
    return EffectProver(port, order.effect_seconds)


def carry_out(
    home: Home,
    planned: Planned,
    order: Order,
    journal: Journal,
    log: Log,
    adopted: frozenset[str],
    prover: EffectProver | None,
) -> Applied:
    """Send a plan."""

    def record(kind: str, data: Mapping[str, object]) -> None:
        journal.append(kind, data)

    shop = Workshop(
        home.access,
        home.drivers,
        home.links,
        home.observer(),
        record,
        log,
        adopted,
        order.command == "rollback",
    )
    record("plan", {"digest": planned.plan.digest, "steps": [step.change.id for step in planned.plan.steps]})
    with terminable():
        return Applier(shop, planned.plan, planned.seen).run(prover)


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM (a service that is stopped) interrupt as Ctrl-C does: what was made is put back first."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def applied_report(
    home: Home, before: Seen, report: SiteReport, applied: Applied, planned: Planned, log: Log
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
        hops=hops(after, applied.seen, _LABELS),
        changes=tuple(change_report(carried.step, carried) for carried in applied.carried),
        proofs=applied.proofs,
        exhibits=applied.seen.exhibits,
        timeline=tuple(log.moments),
        before_after=device_diffs(before, applied),
        next_steps=() if status is ExitStatus.IN_ORDER else report.next_steps[1:],
    )


def _ending(applied: Applied, planned: Planned) -> tuple[ExitStatus, str]:
    if applied.status is ExitStatus.IN_ORDER and planned.waiting:
        return (
            ExitStatus.FINDINGS,
            "waiting for the lease: nothing is forwarded before the host holds its address",
        )
    outcome = {
        ExitStatus.IN_ORDER: "applied, read back and proven" if applied.proofs else "applied and read back",
        ExitStatus.INCOMPLETE: "applied and read back; whether it helps is unknown, so it is kept",
        ExitStatus.UNDONE: f"undone, and the old state was read back: {applied.reason}",
        ExitStatus.SAFE_STOP: f"nothing was sent: {applied.reason}",
        ExitStatus.UNDO_UNPROVEN: f"the undo could not be verified, a person must look: {applied.reason}",
    }[applied.status]
    return applied.status, outcome


def problem_report(error: PlexopsError, home: Home) -> SiteReport:
    """Give a site's part of a report when it could not even be begun."""
    return SiteReport(
        home.view.name, home.view.access, "not begun", exit_status=error.status, errors=error.problems
    )
