"""Carry out one command over sites: audit, plan, apply. Every run leaves its evidence."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import wait
from contextlib import ExitStack
from datetime import UTC, datetime
from threading import Semaphore

from plexops import __version__
from plexops.engine.change.history import unsettled
from plexops.engine.change.open_changes import OpenChanges, Tell, silent
from plexops.engine.look.site import Home
from plexops.engine.look.site_state import SiteState
from plexops.engine.look.user_evidence import with_user_answers
from plexops.engine.order import Log, Order
from plexops.engine.save_result import HandOn, ResultWriter
from plexops.evidence.folder import Store, new_run_id
from plexops.evidence.lock import site_lock
from plexops.evidence.run_folder import RunFolder
from plexops.model.errors import PlexopsError
from plexops.model.run import MaskedReport, RunReport, SiteReport
from plexops.model.status import ExitStatus
from plexops.structs import replace
from plexops.transport.workers import workers

#: How many homes are looked at at once, where you do not say: docs/fleets.md has what 4, 8, 12, 16 and 32 cost.
FORKS = 12
#: After so many seconds a home is one that waits for a silent device,
SLOW = 3.0
#: unless this process has been at work for so much of the last second: then all are slow, and more at once are slower.
BUSY = 0.7
#: So many homes may wait for silent devices, for each that is looked at.
_THREADS_EACH = 8


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
    keeper = ResultWriter(order.command, new_run_id(datetime.now(UTC)), store, hand_on, gather=gather)
    writing = order.command in ("apply", "rollback", "rollback-dry-run", "recover")
    if writing or len(homes) == 1:
        for home in homes:
            if _carry_out(homes, home, order, store, keeper) != ExitStatus.IN_ORDER and writing:
                break
    else:
        _all_at_once(homes, order, store, keeper, forks or FORKS)
    return keeper.end(homes)


def _all_at_once(homes: Sequence[Home], order: Order, store: Store, keeper: ResultWriter, forks: int) -> None:
    """Look at many sites, until all are done or a person interrupts: then those that were not done say so.

    `forks` homes at a time; one that is not done after SLOW seconds waits for a silent device, and gives its place to
    the next, if there is time to spare.
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
                since, worked = time.monotonic(), time.process_time()
                done, left = wait(left, SLOW / 3)
                at_work = time.process_time() - worked > BUSY * (time.monotonic() - since)
                for look in done:
                    look.result()  # what went wrong in our own hands, and not at a home
                for name, begun in tuple(busy.items()):
                    if not at_work and time.monotonic() - begun > SLOW:
                        give_way(name)
    except KeyboardInterrupt:
        keeper.end_early(homes)


def _carry_out(
    homes: Sequence[Home], home: Home, order: Order, store: Store, keeper: ResultWriter
) -> ExitStatus:
    """Carry out an order at one of several sites: what keeps one from being begun is told in its part of the report."""
    begun = time.monotonic()
    try:
        site = run_site(home, order, store, keeper.run_id)
    except Exception as error:  # also a bug of ours at one site must not take the others' report
        if len(homes) == 1:
            raise
        from plexops.engine.tell.site_reports import bug_problem, problem_report

        expected = error if isinstance(error, PlexopsError) else PlexopsError(bug_problem(error))
        site = problem_report(expected, home.view.name, home.view.access)
    from plexops.engine.tell.reporting import finished

    return keeper.take(home, finished(site), begun)


def recover(homes: Sequence[Home], store: Store, tell: Tell = silent) -> tuple[RunReport, MaskedReport]:
    """Settle every interrupted run of these sites."""
    from plexops.engine.change.recover import recover_site
    from plexops.engine.tell.reporting import finished

    keeper = ResultWriter("recover", "", store)
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
            from plexops.engine.change.nudge import freshen

            nudged = freshen(home, order.effect_seconds, OpenChanges(journal.append), log)
        log("look at every stop")
        if order.command == "diagnose":
            fresh = nudged is not None and not nudged.doubt
            report = _diagnosed(replace(home, view=replace(home.view, refreshed=fresh)), order, mine, log)
            return report if nudged is None else nudged.told_in(report)
        # An apply has a better moment for services outside: when the change is made.
        port, evidence = home.tasks.external_port, order.evidence.about(home.view.name)
        only_looks = order.command == "audit"
        load = _load_judgement if only_looks else _load_planning
        state = home.observer().look(port, outside=only_looks, meanwhile=load)
        from plexops.engine.decide.compare import Comparison, compare
        from plexops.engine.tell.site_reports import audited_report, unfinished_finding

        state, not_counted = with_user_answers(state, evidence, port)
        findings = compare(Comparison(home.tasks, state.view, home.drivers, home.profile, order.adopt))
        if unfinished:
            findings = (*findings, unfinished_finding(unfinished[0].id))
        _keep_snapshots(mine, home, state)
        if only_looks:
            report = audited_report(home, state, findings, log, order)
            return replace(report, not_asked=(*report.not_asked, *not_counted))
        from plexops.engine.plan_run import planned_report  # a look loads nothing of what changes devices

        return planned_report(home, state, findings, order, folder, mine, journal, log)


def _diagnosed(home: Home, order: Order, folder: RunFolder, log: Log) -> SiteReport:
    state = home.observer().look(
        home.tasks.external_port, thorough=True, outside=True, meanwhile=_load_diagnosis
    )
    _keep_snapshots(folder, home, state)
    evidence = order.evidence.about(home.view.name)
    if order.person is not None:
        from plexops.engine.questioning import with_answers

        log("ask what no device tells")
        evidence = with_answers(state.view, evidence, home.tasks.external_port, order.person)
    log("judge what was seen")
    from plexops.engine.diagnosing import diagnosis
    from plexops.engine.tell.site_reports import not_asked

    report = diagnosis(home, state, home.tasks.external_port, evidence, not_asked(home))
    return replace(report, timeline=tuple(log.moments))


def _load_judgement() -> None:
    """Load what judges what devices say: a fifth of a run's own time, in which they have not answered yet."""
    import plexops.engine.decide.compare
    import plexops.engine.tell.site_reports  # noqa: F401


def _load_planning() -> None:
    _load_judgement()
    import plexops.engine.plan_run  # noqa: F401


def _load_diagnosis() -> None:
    import plexops.engine.diagnosing  # noqa: F401


def _keep_snapshots(folder: RunFolder, home: Home, state: SiteState) -> None:
    from plexops.engine.tell.reporting import snapshots_json

    digest = "" if home.profile is None else home.profile.digest
    if home.profile is not None:
        folder.keep_profile(digest, home.profile.whole_text)
    folder.write("private/snapshots.json", snapshots_json(state.view.snapshots, digest))
