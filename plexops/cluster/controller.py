"""A run whose homes are looked at by the workers of a Dask cluster. Reads only: what is done twice does no harm.

The scheduler sees assignments and masked reports; secrets are where the workers are. https://distributed.dask.org
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from plexops import __version__
from plexops.cluster.assignment import Assignment, OtherVersion, Reply, assignment_for, decoded, encoded
from plexops.cluster.worker import look
from plexops.engine.change.history import unsettled
from plexops.engine.change.open_changes import Tell
from plexops.engine.look.site import Home
from plexops.engine.order import Order
from plexops.engine.save_result import HandOn, ResultWriter
from plexops.engine.tell.reporting import finding_report, finished
from plexops.engine.tell.site_reports import problem_report, unfinished_finding
from plexops.evidence.folder import Store, new_run_id
from plexops.model.errors import PlexopsError, Problem
from plexops.model.run import FindingReport, MaskedReport, RunReport, SiteReport
from plexops.model.status import ExitStatus, worst
from plexops.structs import replace
from plexops.transport.trust.store import TrustStore

if TYPE_CHECKING:
    from distributed import Client, Future

#: How long the scheduler may take to answer, and a first worker to be there; in seconds.
_PATIENCE = 10.0
#: How long a run goes on without any worker: a nanny starts a dead one again within seconds.
_WITHOUT_WORKERS = 60.0
_EVERY = 5.0
#: What comes of a client that cannot connect: no route, no name, no TLS, no certificate, another protocol.
_UNREACHABLE = (OSError, ImportError, RuntimeError, TypeError, ValueError)


class Part(Struct, frozen=True):
    """One home's part of a report as this machine shows it. `worker` and `run` say where it was made, and masked."""

    site: SiteReport
    masked: SiteReport | None = None
    worker: str = ""
    run: str = ""
    seconds: float = 0.0


def run_on_cluster(
    homes: Sequence[Home],
    order: Order,
    store: Store,
    address: str,
    directory: Path,
    tell: Tell,
    hand_on: HandOn | None,
    *,
    gather: bool,
) -> tuple[RunReport, MaskedReport]:
    """Let workers look at homes that were opened on paper, and keep the masked evidence here.

    `hand_on` and `gather` are as in `engine.runner.run`. Raises PlexopsError where nothing could be asked of any worker,
    and Interrupted with the homes that were done.
    """
    keeper = ResultWriter(order.command, new_run_id(datetime.now(UTC)), store, hand_on, gather=gather)
    assignments = _assignments(homes, order, TrustStore.load(store.root), directory)
    try:
        with _connected(address, tell) as client:
            for number, told in _looks(client, assignments, keeper.run_id):
                part = _begun(_part(told, homes[number]), homes[number], order, store, keeper.run_id)
                keeper.take(homes[number], part.site, time.monotonic() - part.seconds, part.masked)
    except KeyboardInterrupt:
        keeper.end_early(homes)
    return keeper.end(homes)


def _assignments(homes: Sequence[Home], order: Order, pins: TrustStore, directory: Path) -> tuple[bytes, ...]:
    found: list[Assignment] = []
    problems: list[Problem] = []
    for home in homes:
        try:
            found.append(assignment_for(home, order, pins, directory))
        except PlexopsError as error:
            problems += error.problems
    if problems:
        raise PlexopsError(problems)
    return tuple(map(encoded, found))


@contextmanager
def _connected(address: str, tell: Tell) -> Iterator[Client]:
    """Connect with a scheduler that has workers. Raises PlexopsError PLX-K101, PLX-K102 and PLX-K103."""
    try:
        from distributed import Client
    except ImportError:
        reason = "--cluster takes Dask's distributed, which is not installed"
        raise PlexopsError(Problem("PLX-K101", reason, 'pip install "plexops[cluster]"')) from None
    logging.disable()  # what these libraries would write among our lines is told in the report
    with warnings.catch_warnings(record=True) as said:
        try:
            client = Client(address, timeout=_PATIENCE, set_as_default=False)
        except _UNREACHABLE as error:
            reason = f"the scheduler at {address} cannot be reached: {error or type(error).__name__}"
            cure = "Is `dask scheduler` running there, and does a firewall let this machine in?"
            if address.startswith("tls://"):
                cure = f"{cure} Certificates are named in Dask's own configuration: distributed.comm.tls."
            raise PlexopsError(Problem("PLX-K102", reason, cure, where=address)) from None
    try:
        for warning in said:
            tell(f"Dask warns: {warning.message}")
        try:
            client.wait_for_workers(1, timeout=_PATIENCE)
        except _UNREACHABLE:
            raise PlexopsError(_no_worker(address)) from None
        yield client
    finally:
        client.close(timeout=_EVERY)


def _no_worker(address: str) -> Problem:
    cure = f"Start some: dask worker {address} --nthreads 8"
    return Problem("PLX-K103", f"the scheduler at {address} has no worker", cure, where=address)


def _looks(
    client: Client, assignments: Sequence[bytes], run_id: str
) -> Iterator[tuple[int, Reply | Problem]]:
    """Hand out every assignment, and give each home's number with what came of it, in the order in which they end."""
    done: SimpleQueue[Future] = SimpleQueue()
    open_: dict[str, tuple[int, Future]] = {}
    for number, assignment in enumerate(assignments):
        future = client.submit(look, assignment, key=f"plexops-{run_id}-{number}", pure=False)
        open_[future.key] = number, future
        future.add_done_callback(done.put)
    seen = time.monotonic()
    while open_:
        try:
            future = done.get(timeout=_EVERY)
        except Empty:
            if _has_workers(client):
                seen = time.monotonic()
            elif time.monotonic() - seen > _WITHOUT_WORKERS:
                for number, _ in open_.values():
                    yield number, _no_worker(client.scheduler.address)
                return
            continue
        number, _ = open_.pop(future.key)
        yield number, _told(future)


def _has_workers(client: Client) -> bool:
    try:
        return bool(client.nthreads())
    except _UNREACHABLE:
        return False


def _told(future: Future) -> Reply | Problem:
    """Give what a worker said, or why none said anything."""
    from distributed import KilledWorker

    try:
        return decoded(future.result(timeout=_WITHOUT_WORKERS), Reply)
    except OtherVersion as other:
        reason = (
            f"the worker has plexops {other}, and this is {__version__}: it was not let look at this home"
        )
        return Problem("PLX-K104", reason, f'On the worker: pip install "plexops[cluster]=={__version__}"')
    except KilledWorker as killed:
        reason = f"the workers that looked at this home died, the last one at {killed.last_worker.address}"
        return Problem("PLX-K105", reason, "See their logs and their memory, or look at this home from here.")
    except msgspec.MsgspecError as error:
        return Problem(
            "PLX-K106", f"what the worker said is no report: {error}", "Is it plexops that runs there?"
        )
    except Exception as error:  # noqa: BLE001 - whatever a worker raised: it has no plexops, or could not load it
        if future.status in ("cancelled", "lost") or isinstance(error, TimeoutError):
            reason = "the connection with the scheduler was lost before this home was done"
            return Problem("PLX-K107", reason, "See whether the scheduler runs, and run it again: -l NAME")
        reason = f"the worker could not begin: {type(error).__name__}: {error}"
        cure = f'On the scheduler and on the workers: pip install "plexops[cluster]=={__version__}"'
        return Problem("PLX-K106", reason, cure)


def _part(told: Reply | Problem, home: Home) -> Part:
    if isinstance(told, Reply) and told.report is not None and len(told.report.sites) == 1:
        site = told.report.sites[0]
        # Its name may be masked, and is known here.
        shown = replace(site, name=home.view.name)
        return Part(shown, site, told.worker, told.report.run_id, told.report.seconds)
    if isinstance(told, Reply):
        told = Problem("PLX-K106", "the worker gave no report of one home", "Is it plexops that runs there?")
    error = PlexopsError(replace(told, where=home.view.name))
    return Part(finished(problem_report(error, home.view.name, home.view.access)))


def _begun(part: Part, home: Home, order: Order, store: Store, run_id: str) -> Part:
    """Begin this run's folder of a home that was looked at; an interrupted run that is kept here is told in its part."""
    if not part.site.hops:
        return part
    folder = store.site(home.view.name)
    folder.complete()
    unfinished = unsettled(folder)
    with folder.new_run(run_id).start_journal(__version__) as journal:
        journal.append("looked-at", {"worker": part.worker, "run": part.run})
    if not unfinished or order.command != "audit":
        return part
    finding = finding_report(unfinished_finding(unfinished[0].id))
    masked = None if part.masked is None else _busy(part.masked, finding)
    return replace(part, site=_busy(part.site, finding), masked=masked)


def _busy(site: SiteReport, finding: FindingReport) -> SiteReport:
    status = worst((ExitStatus(site.exit_status), ExitStatus.BUSY))
    return replace(site, findings=(*site.findings, finding), exit_status=status)
