"""From an approved plan to its end: keep other runs out, look once more, send, and let them in again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from plexops.engine.change.apply import Applied, Applier, ApplyContext
from plexops.engine.change.effect import EffectProver
from plexops.engine.change.marker import RunMarkers
from plexops.engine.change.open_changes import OpenChanges, interruptible
from plexops.engine.decide.planning import Planned, moved
from plexops.engine.look.site import Home
from plexops.engine.look.site_state import SiteState, with_attempts
from plexops.engine.order import Log, Order
from plexops.engine.tell.change_reports import applied_report, stale_report
from plexops.engine.tell.reporting import guard_report
from plexops.engine.tell.site_reports import NOTHING_CHANGED, NOTHING_SENT
from plexops.evidence.journal import Journal
from plexops.model.errors import PlexopsError
from plexops.model.finding import Finding, FindingStatus
from plexops.model.plan import Plan
from plexops.model.run import SiteReport
from plexops.model.status import ExitStatus
from plexops.structs import replace

#: Makes the plan of a run from a look at the site: once to show it, and once more right before it is sent.
Planner = Callable[[SiteState], Planned]


class ApprovedPlan(Struct, frozen=True):
    """Carries out the approved plan of one run at one site. `own_runs`: this machine's, this one among them."""

    home: Home
    order: Order
    planner: Planner
    journal: Journal
    log: Log
    adopted: frozenset[str]
    run_id: str
    own_runs: frozenset[str]

    def carry_out(self, state: SiteState, planned: Planned, report: SiteReport) -> SiteReport:
        """Send a plan if it still fits once no other run can write."""
        home = self.home
        record = OpenChanges(self.journal.append, self.order.tell)
        markers = RunMarkers(home, record, self.run_id, self.own_runs)
        last, left = state, tuple[str, ...]()
        with interruptible(record, self.order.tell):
            try:
                ended = self._fresh(state, planned.plan, markers, report)
                if isinstance(ended, Planned):
                    last = ended.state
                    applied = self._send(ended, record)
                    last = applied.state
                    ended = applied_report(self.home, state, report, applied, ended, self.log)
            finally:
                left = markers.drop(last)
        return replace(ended, next_steps=(*ended.next_steps, *left))

    def _fresh(
        self, state: SiteState, plan: Plan, markers: RunMarkers, report: SiteReport
    ) -> Planned | SiteReport:
        """Keep other runs out and look once more. Gives the plan anew, or why nothing is sent."""
        try:
            markers.take({step.change.role for step in plan.steps}, state, plan.verdicts)
            # An approval may take hours: what is carried out rests on this look, not on the one that was shown.
            fresh = self.planner(with_attempts(self.home.observer().look(None), state))
        except PlexopsError as error:
            errors = (*report.errors, *error.problems)
            return replace(
                report, exit_status=error.status, outcome=NOTHING_CHANGED, errors=errors, next_steps=()
            )
        return _unfit(plan, fresh, report) or fresh

    def _send(self, planned: Planned, record: OpenChanges) -> Applied:
        home, plan = self.home, planned.plan
        context = ApplyContext(home, record, self.log, self.adopted, self.order.undoing)
        record("plan", {"digest": plan.digest, "steps": [step.change.id for step in plan.steps]})
        from plexops.engine.change.log_kept import KeptLog

        kept = KeptLog(home, planned.state)
        prover = None if self.order.undoing else _prover(home, self.order)
        return kept.told_in(Applier(context, plan, planned.state).run(prover), self.log)


def _unfit(plan: Plan, fresh: Planned, report: SiteReport) -> SiteReport | None:
    """Give the report of a plan that does not fit any more; None where it does."""
    since = moved(plan.basis, fresh.plan.basis)
    if not since and fresh.plan.digest != plan.digest:
        since = ("the requests",)
    if since:
        return stale_report(report, since, NOTHING_CHANGED)
    blocked = blocked_by((), fresh.state, fresh, NOTHING_CHANGED)
    if blocked is None:
        return None
    guards = tuple(guard_report(verdict) for verdict in fresh.plan.verdicts)
    return replace(report, exit_status=blocked[0], outcome=blocked[1], guards=guards)


def _prover(home: Home, order: Order) -> EffectProver | None:
    port = home.tasks.external_port
    if port is None or home.view.access != "forward":
        return None
    return EffectProver(port, order.effect_seconds)


def blocked_by(
    findings: Sequence[Finding], state: SiteState, planned: Planned, nothing: str = NOTHING_SENT
) -> tuple[ExitStatus, str] | None:
    """Give why nothing may be sent: a safe stop, a guard, or a stop that did not answer."""
    if any(f.status is FindingStatus.STOPPED for f in findings):
        return ExitStatus.SAFE_STOP, f"a safe stop: {nothing}"
    refused = planned.plan.refused
    if refused and planned.plan.steps:
        names = ", ".join(v.guard for v in refused)
        status = (
            ExitStatus.INCOMPLETE
            if state.problems and {v.guard for v in refused} <= {"G9"}
            else ExitStatus.SAFE_STOP
        )
        if any(v.guard == "G12" and "interrupted" in v.reason for v in refused):
            status = ExitStatus.BUSY
        return status, f"refused by {names}: {nothing}"
    if state.problems:
        return ExitStatus.INCOMPLETE, f"a stop did not answer: {nothing}"
    return None
