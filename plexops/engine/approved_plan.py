"""From an approved plan to its end: keep other runs out, look once more, send, and let them in again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from plexops.engine.apply import Applied, Applier, Workshop
from plexops.engine.change_reports import applied_report, stale_report
from plexops.engine.effect import EffectProver
from plexops.engine.fence import Fencing
from plexops.engine.order import Log, Order
from plexops.engine.planning import Planned, moved
from plexops.engine.reporting import guard_report
from plexops.engine.site import Home
from plexops.engine.site_reports import NOTHING_CHANGED, NOTHING_SENT
from plexops.engine.site_state import SiteState, with_attempts
from plexops.engine.standing import Standing, interruptible
from plexops.evidence.journal import Journal
from plexops.model.errors import ExitStatus, PlexopsError
from plexops.model.finding import Finding, FindingStatus
from plexops.model.plan import Plan
from plexops.model.run import SiteReport
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

    def carry_out(self, seen: SiteState, planned: Planned, report: SiteReport) -> SiteReport:
        """Send a plan if it still fits once no other run can write."""
        home = self.home
        record = Standing(self.journal.append, self.order.tell)
        fencing = Fencing(home.access, home.links, home.drivers, record, self.run_id, self.own_runs)
        last, left = seen, tuple[str, ...]()
        with interruptible(record, self.order.tell):
            try:
                ended = self._fresh(seen, planned.plan, fencing, report)
                if isinstance(ended, Planned):
                    last = ended.seen
                    applied = self._send(ended, record)
                    last = applied.seen
                    ended = applied_report(self.home, seen, report, applied, ended, self.log)
            finally:
                left = fencing.drop(last)
        return replace(ended, next_steps=(*ended.next_steps, *left))

    def _fresh(
        self, seen: SiteState, plan: Plan, fencing: Fencing, report: SiteReport
    ) -> Planned | SiteReport:
        """Keep other runs out and look once more. Gives the plan anew, or why nothing is sent."""
        try:
            fencing.take({step.change.role for step in plan.steps}, seen, plan.verdicts)
            # An approval may take hours: what is carried out rests on this look, not on the one that was shown.
            fresh = self.planner(with_attempts(self.home.observer().look(None), seen))
        except PlexopsError as error:
            errors = (*report.errors, *error.problems)
            return replace(
                report, exit_status=error.status, outcome=NOTHING_CHANGED, errors=errors, next_steps=()
            )
        return _unfit(plan, fresh, report) or fresh

    def _send(self, planned: Planned, record: Standing) -> Applied:
        home, plan = self.home, planned.plan
        shop = Workshop(
            home.access,
            home.drivers,
            home.links,
            home.observer(),
            record,
            self.log,
            self.adopted,
            self.order.undoing,
        )
        record("plan", {"digest": plan.digest, "steps": [step.change.id for step in plan.steps]})
        from plexops.engine.log_kept import KeptLog

        kept = KeptLog(shop.access, shop.drivers, shop.links, planned.seen)
        prover = None if self.order.undoing else _prover(home, self.order)
        return kept.told_in(Applier(shop, plan, planned.seen).run(prover), self.log)


def _unfit(plan: Plan, fresh: Planned, report: SiteReport) -> SiteReport | None:
    """Give the report of a plan that does not fit any more; None where it does."""
    since = moved(plan.basis, fresh.plan.basis)
    if not since and fresh.plan.digest != plan.digest:
        since = ("the requests",)
    if since:
        return stale_report(report, since, NOTHING_CHANGED)
    blocked = blocked_by((), fresh.seen, fresh, NOTHING_CHANGED)
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
    findings: Sequence[Finding], seen: SiteState, planned: Planned, nothing: str = NOTHING_SENT
) -> tuple[ExitStatus, str] | None:
    """Give why nothing may be sent: a safe stop, a guard, or a stop that did not answer."""
    if any(f.status is FindingStatus.STOPPED for f in findings):
        return ExitStatus.SAFE_STOP, f"a safe stop: {nothing}"
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
        return status, f"refused by {names}: {nothing}"
    if seen.problems:
        return ExitStatus.INCOMPLETE, f"a stop did not answer: {nothing}"
    return None
