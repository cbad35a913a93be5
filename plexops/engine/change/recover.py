"""Settle an interrupted run, deciding from what the devices say, never from what the journal hoped."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from plexops.drivers.base import Unrenderable
from plexops.engine.change.history import PastRun, PastStep, read_past, unsettled
from plexops.engine.change.manual_undo import card, stays_text
from plexops.engine.change.marker import RunMarkers, runs_of
from plexops.engine.change.nudge import nudge_after_undo
from plexops.engine.change.open_changes import OpenChanges, Tell, silent
from plexops.engine.change.sending import UnexpectedReply
from plexops.engine.change.undo import Undoer, last_first
from plexops.engine.look.site import Home
from plexops.engine.look.site_state import SiteState
from plexops.evidence.folder import SiteFolder, Store
from plexops.evidence.lock import site_lock
from plexops.evidence.run_folder import RunFolder
from plexops.model.change import Action, Shown, is_done
from plexops.model.errors import PlexopsError
from plexops.model.exchange import Script
from plexops.model.plan import Step
from plexops.model.run import ChangeReport, SiteReport
from plexops.model.status import ExitStatus
from plexops.runbook.guards.judge import Case, judge
from plexops.structs import replace

#: What ends a run; with any other status it stays open, for another recover.
_SETTLED = (ExitStatus.IN_ORDER, ExitStatus.UNDONE, ExitStatus.UNDO_UNPROVEN)


class Settled(Struct, frozen=True):
    """What settling one run came to, in one sentence, and each change's end."""

    status: ExitStatus
    says: str
    changes: tuple[ChangeReport, ...] = ()
    by_hand: tuple[str, ...] = ()


def recover_site(home: Home, store: Store, tell: Tell = silent) -> SiteReport:
    """Settle every interrupted run of a site, the newest first. A second call finds nothing to do."""
    folder = store.site(home.view.name)
    with site_lock(folder.lock_path, folder.name, "recover"):
        runs = {run.id: _settle(home, folder, run, tell) for run in reversed(unsettled(folder))}
    settled = runs.values()
    status = next((s.status for s in settled if s.status is not ExitStatus.IN_ORDER), ExitStatus.IN_ORDER)
    outcome = "; ".join(f"run {run_id}: {s.says}" for run_id, s in runs.items()) or "nothing to do"
    changes = tuple(change for s in settled for change in s.changes)
    by_hand = tuple(line for s in settled for line in s.by_hand)
    return SiteReport(
        home.view.name, home.view.access, outcome, exit_status=status, changes=changes, next_steps=by_hand
    )


def _settle(home: Home, folder: SiteFolder, run: RunFolder, tell: Tell) -> Settled:
    own = runs_of(folder)
    journal, text = run.resume_journal()
    tell(f"settling run {run.id} of site {folder.name}: looking at every stop")
    with journal:
        past = read_past(text, run.id)
        record = OpenChanges(journal.append, tell, text.records)
        markers = RunMarkers(home, record, run.id, own)
        settled = _Recovery(home, past, record).settle(markers)
        if settled.status in _SETTLED:
            folder.finish(run, journal, settled.status)
        return settled


_NOTHING_LEFT = Settled(ExitStatus.IN_ORDER, "it had put everything back: the old state")


class _Recovery:
    """One run that is settled, by what the devices show."""

    def __init__(self, home: Home, past: PastRun, record: OpenChanges) -> None:
        self._home = home
        self._past = past
        self._record = record
        self._observer = home.observer()
        self._undoer = Undoer(home, record)

    def settle(self, markers: RunMarkers) -> Settled:
        """Look, keep other runs out as the interrupted one did, and settle it; let them in where it is settled."""
        steps = [step for step in self._past.steps if not step.undone]
        roles = {step.change.role for step in steps} | self._past.marked
        if not roles:
            return _NOTHING_LEFT
        state = self._home.observer().look(None)
        missing = sorted(str(role) for role in roles if role not in state.view.snapshots)
        if missing:
            says = f"the {', '.join(missing)} did not answer: nothing was decided, run it again"
            return Settled(ExitStatus.INCOMPLETE, says)
        quiet = replace(state.view, unfinished_run="", asked=frozenset())
        try:
            markers.take(roles, state, judge(Case(quiet, quiet, (), undoing=True)))
        except PlexopsError as error:
            by_hand = tuple(problem.cure for problem in error.problems)
            return Settled(ExitStatus(error.status), str(error), by_hand=by_hand)
        settled = self._from_devices(steps, state) if steps else _NOTHING_LEFT
        if settled.status not in _SETTLED:
            return settled
        moved = any(step.change.action is Action.RENEW for step in steps)
        left = markers.drop(self._home.observer().look(None) if moved else state)
        return replace(settled, by_hand=(*settled.by_hand, *left))

    def _from_devices(self, steps: list[PastStep], state: SiteState) -> Settled:
        """Either finish what was proven or put everything back."""
        steps = [replace(step, stood=step.stood_lately(state.view.of(step.change.role))) for step in steps]
        if not self._past.kept:
            return self._undo_all(steps, state)
        if all(_stands(step, state) for step in steps):
            state, armed = self._end_windows(steps, state)
            if armed:
                return self._still_armed(armed)
        unseen = [step for step in steps if _stands(step, state) is Shown.NOT_KNOWN]
        if unseen:
            return self._unseen(unseen, state)
        if all(_stands(step, state) for step in steps):
            how = "it had been proven" if self._past.verdict == "proven" else "whether it helps was unknown"
            changes = tuple(_change_report(step, "done") for step in steps)
            return Settled(ExitStatus.IN_ORDER, f"{how}: the new state stays", changes)
        return self._undo_all(steps, state)

    def _unseen(
        self, unseen: list[PastStep], state: SiteState, reports: Sequence[ChangeReport] = ()
    ) -> Settled:
        """Silence decides nothing: the run stays open."""
        roles = ", ".join(sorted({str(step.change.role) for step in unseen}))
        says = f"the {roles} did not show what it holds: nothing more was decided, run it again"
        changes = tuple(reports) or tuple(_change_report(step, "undo-failed") for step in unseen)
        by_hand = tuple(
            card(self._step(step, state), Shown.NOT_KNOWN, self._home.drivers, state) for step in unseen
        )
        return Settled(ExitStatus.INCOMPLETE, says, changes, by_hand)

    def _end_windows(self, steps: list[PastStep], state: SiteState) -> tuple[SiteState, list[PastStep]]:
        """The effect had been judged: end the windows that still stand, and look again, as one may have fired.

        Gives those that were not seen to end, too.
        """
        armed: list[PastStep] = []
        for past in steps:
            step = self._step(past, state)
            if not past.window_open or not step.script.window.confirm:
                continue
            if not _stands(past, state):
                return state, armed

            def keeps(past: PastStep = past, state: SiteState = state) -> bool:
                return bool(_stands(past, self._observer.again(state, past.change.role)))

            try:
                ended = self._undoer.end_window(step, state, past.index, keeps)
            except (PlexopsError, UnexpectedReply):
                ended = False
            if not ended:
                armed.append(past)
            state = self._observer.again(state, past.change.role)
        return state, armed

    def _still_armed(self, armed: list[PastStep]) -> Settled:
        """What acts later by itself leaves nothing settled."""
        until = "; ".join(f"{past.change.id}: {self._record.until(past.index)}" for past in armed)
        says = f"the device's own undo was not seen to end ({until}): nothing more was decided, run it again"
        changes = tuple(_change_report(past, "undo-failed") for past in armed)
        return Settled(ExitStatus.INCOMPLETE, says, changes)

    def _undo_all(self, steps: list[PastStep], state: SiteState) -> Settled:
        reports: list[ChangeReport] = []
        by_hand: list[str] = []
        unseen: list[PastStep] = []
        for past in sorted(steps, key=lambda step: last_first(step.change, step.index)):
            state, was = self._undoer.look(past.change, state, past.stood)
            if was is Shown.NOT_KNOWN:
                # Its own undo is left to fire; the next recover sees what became of it.
                unseen.append(past)
                reports.append(_change_report(past, "undo-failed", "it was not seen whether it stands"))
                continue
            step = self._step(past, state)
            ended = self._undoer.undo(step, state, past.index, window_open=past.window_open, stood=past.stood)
            state = ended.state
            if ended.stays:
                text = stays_text(past.change.kind, past.change.want, ended.stays)
                reports.append(_change_report(past, "stays", text))
                continue
            detail = "the device showed the old state: nothing had to be sent back" if was else ""
            reports.append(_change_report(past, "undone" if ended.shown else "undo-failed", detail))
            if ended.shown is Shown.NOT_KNOWN:
                unseen.append(past)
            elif not ended.shown:
                by_hand.append(card(step, ended.shown, self._home.drivers, state))
        if unseen:
            return self._unseen(unseen, state, reports)
        if by_hand:
            says = "the undo could not be verified: a person must look"
            if all(r.outcome != "undo-failed" or r.action == Action.RENEW for r in reports):
                says = "the old state was read back, but the host is not back at its old address: a person must look"
            return Settled(ExitStatus.UNDO_UNPROVEN, says, tuple(reports), tuple(by_hand))
        nudge_after_undo(self._home, state, self._record)
        stays = [f"{report.id} {report.detail}" for report in reports if report.outcome == "stays"]
        if stays:
            says = f"the old state was read back, but for what guards refuse: {'; '.join(stays)}"
            return Settled(ExitStatus.UNDONE, says, tuple(reports))
        return Settled(ExitStatus.IN_ORDER, "undone: the old state, read back", tuple(reports))

    def _step(self, past: PastStep, state: SiteState) -> Step:
        """Render the step anew for its undo in words. Its window is the one that the journal holds, if it holds one."""
        change = past.change
        try:
            script = self._home.drivers.of(change.role).script(change, state.view.of(change.role))
        except Unrenderable:
            script = Script(())
        return Step(change, script if past.window is None else replace(script, window=past.window))


def _stands(past: PastStep, state: SiteState) -> Shown:
    """Tell whether the device shows a change; a host's renewed lease is shown by nothing that was configured."""
    change = past.change
    if change.action is Action.RENEW:
        return Shown.YES
    return is_done(change, state.view.of(change.role), past.stood)


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
