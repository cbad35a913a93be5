"""Settle an interrupted run, deciding from what the devices say, never from what the journal hoped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from plexops.drivers.base import Unrenderable
from plexops.engine.history import PastRun, PastStep, read_past, unsettled
from plexops.engine.observe import Observer
from plexops.engine.sending import Recorder, Sender
from plexops.engine.site import Home
from plexops.engine.site_state import SiteState
from plexops.engine.undo import Undoer, is_undone
from plexops.evidence.folder import RunFolder, SiteFolder, Store
from plexops.evidence.journal import Journal
from plexops.evidence.lock import site_lock
from plexops.model.change import Action, is_done
from plexops.model.errors import ExitStatus
from plexops.model.exchange import Script
from plexops.model.plan import Step, authorize
from plexops.model.run import ChangeReport, SiteReport
from plexops.runbook.guards import Case, judge


@dataclass(frozen=True, slots=True)
class Settled:
    """What settling one run came to, in one sentence, and each change's end."""

    run_id: str
    status: ExitStatus
    says: str
    changes: tuple[ChangeReport, ...] = ()


def recover_site(home: Home, store: Store) -> SiteReport:
    """Settle every interrupted run of a site, the newest first. A second call finds nothing to do."""
    folder = store.site(home.view.name)
    with site_lock(folder.lock_path, folder.name, "recover"):
        settled = [_settle(home, folder, run) for run in reversed(unsettled(folder))]
    status = next((s.status for s in settled if s.status is not ExitStatus.IN_ORDER), ExitStatus.IN_ORDER)
    outcome = "; ".join(f"run {s.run_id}: {s.says}" for s in settled) or "nothing to do"
    changes = tuple(change for s in settled for change in s.changes)
    return SiteReport(home.view.name, home.view.access, outcome, exit_status=status, changes=changes)


def _settle(home: Home, folder: SiteFolder, run: RunFolder) -> Settled:
    journal, text = run.resume_journal()
    with journal:
        past = read_past(text, run.id)
        open_steps = [step for step in past.steps if not step.undone]
        if not open_steps:
            folder.finish(run, journal, ExitStatus.IN_ORDER)
            return Settled(run.id, ExitStatus.IN_ORDER, "it had put everything back: the old state")
        settled = _from_devices(home, past, open_steps, journal, run.id)
        if settled.status is not ExitStatus.INCOMPLETE:
            folder.finish(run, journal, settled.status)
        return settled


def _from_devices(home: Home, past: PastRun, steps: list[PastStep], journal: Journal, run_id: str) -> Settled:
    """Look, then either finish what was proven or put everything back."""

    def record(kind: str, data: Mapping[str, object]) -> None:
        journal.append(kind, data)

    observer = home.observer()
    seen = observer.look(None)
    missing = sorted({str(s.change.role) for s in steps if s.change.role not in seen.view.snapshots})
    if missing:
        says = f"the {', '.join(missing)} did not answer: nothing was decided, run it again"
        return Settled(run_id, ExitStatus.INCOMPLETE, says)
    sender = Sender(home.access, home.links, record)
    if past.kept and _all_done(steps, seen):
        seen = _end_windows(home, steps, seen, sender, observer)
        if _all_done(steps, seen):
            how = "it had been proven" if past.verdict == "proven" else "whether it helps was unknown"
            changes = tuple(_change_report(step, "done") for step in steps)
            return Settled(run_id, ExitStatus.IN_ORDER, f"{how}: the new state stays", changes)
    return _undo_all(home, steps, seen, observer, sender, record, run_id)


def _all_done(steps: list[PastStep], seen: SiteState) -> bool:
    """Tell whether the devices show every change; a host's renewed lease is shown by nothing that was configured."""
    lasting = [step.change for step in steps if step.change.action is not Action.RENEW]
    return all(is_done(change, seen.view.of(change.role)) for change in lasting)


def _end_windows(
    home: Home, steps: list[PastStep], seen: SiteState, sender: Sender, observer: Observer
) -> SiteState:
    """The effect had been judged: end the windows that still stand, and look again, as one may have fired."""
    for past in steps:
        step = _step(home, past, seen)
        if not past.window_open or step.script.window.armed is None:
            continue
        leave = authorize(home.view.name, step, judge(Case(seen.view, seen.view, ())))
        if leave and sender.armed(step, leave, seen):
            sender.confirm(step, leave, seen, past.index)
        seen = observer.again(seen, past.change.role)
    return seen


def _undo_all(
    home: Home,
    steps: list[PastStep],
    seen: SiteState,
    observer: Observer,
    sender: Sender,
    record: Recorder,
    run_id: str,
) -> Settled:
    undoer = Undoer(home.drivers, observer, sender, record)
    reports: list[ChangeReport] = []
    failed = False
    for past in reversed(steps):
        was_old = past.change.action is not Action.RENEW and is_undone(
            past.change, seen.view.of(past.change.role)
        )
        seen, proven = undoer.undo(_step(home, past, seen), seen, past.index, window_open=past.window_open)
        failed = failed or not proven
        detail = "the device showed the old state: nothing had to be sent back" if was_old else ""
        reports.append(_change_report(past, "undone" if proven else "undo-failed", detail))
    if failed:
        says = "the undo could not be verified: a person must look"
        return Settled(run_id, ExitStatus.UNDO_UNPROVEN, says, tuple(reports))
    return Settled(run_id, ExitStatus.IN_ORDER, "undone: the old state, read back", tuple(reports))


def _step(home: Home, past: PastStep, seen: SiteState) -> Step:
    """Render the step anew for its window; a change whose script cannot be rendered any more has none."""
    change = past.change
    try:
        return Step(change, home.drivers.of(change.role).script(change, seen.view.of(change.role)))
    except Unrenderable:
        return Step(change, Script(()))


def _change_report(past: PastStep, outcome: str, detail: str = "") -> ChangeReport:
    change = past.change
    return ChangeReport(
        id=change.id,
        role=str(change.role),
        kind=str(change.kind),
        key=change.key,
        action=str(change.action),
        symbol="~",
        title=change.id,
        outcome=outcome,  # type: ignore[arg-type]
        detail=detail,
    )
