"""Mask, keep and hand on what each home came to, one after the other. A run over many homes holds none of them longer."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from threading import Lock

from plexops import __version__
from plexops.engine.look.site import Home
from plexops.evidence.folder import SiteFolder, Store
from plexops.evidence.masking import Masker, load_key, mask_report
from plexops.evidence.scrub import Scrubber
from plexops.model.errors import PlexopsError, Problem
from plexops.model.run import MaskedReport, RunCommand, RunReport, SiteReport
from plexops.model.status import ExitStatus, worst
from plexops.structs import replace

#: What a home came to: the report of it alone, and the one that may leave.
HandOn = Callable[[RunReport, MaskedReport], None]

#: What became of a change, in words; what was not sent is not among them.
_STANDS: Mapping[str, str] = {
    "done": "stands",
    "kept": "stands",
    "failed": "may stand",
    "undone": "was put back",
    "undo-failed": "was not seen put back",
}


class Interrupted(KeyboardInterrupt):
    """A person interrupted a look at several sites: what was seen until then."""

    def __init__(self, report: RunReport, masked: MaskedReport) -> None:
        self.report = report
        self.masked = masked
        super().__init__()


class ResultWriter:
    """Takes each home's part of a run and hands it on. With `gather` the parts stay as well, and `whole` gives them."""

    def __init__(
        self,
        command: RunCommand,
        run_id: str,
        store: Store,
        hand_on: HandOn | None = None,
        *,
        gather: bool = True,
    ) -> None:
        # Before any device is asked: without the key there is no report that may leave.
        self._masker = Masker(load_key(store.root), Scrubber(()))
        self._begin = time.monotonic()
        self._store = store
        self._lock = Lock()
        self._parts: dict[str, tuple[RunReport, MaskedReport]] = {}
        self._hand_on = hand_on
        self._statuses: dict[str, ExitStatus] = {}
        self._open = True
        self._gather = gather
        self._head = RunReport(
            command=command,
            run_id=run_id,
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=0.0,
            version=__version__,
            exit_status=ExitStatus.IN_ORDER,
            sites=(),
        )

    @property
    def run_id(self) -> str:
        """The run's id; empty where earlier runs are settled."""
        return self._head.run_id

    @property
    def ended_early(self) -> bool:
        """Whether a person interrupted."""
        return not self._open

    def take(
        self, home: Home, site: SiteReport, begun: float, masked_by_worker: SiteReport | None = None
    ) -> ExitStatus:
        """Mask and keep a home's part, and hand it on. Gives how it ended: what can't be kept is a problem in it.

        `begun` is when the home's turn came, by `time.monotonic`. Safe between threads.
        """
        if not masked_by_worker:
            site = replace(site, taught=home.taught, weak_ssh=home.access.weak_ssh())
        masker = self._masker.about(Scrubber(home.access.secrets.known()))
        report, masked = self._documents(site, masker, begun, masked_by_worker)
        # A site whose part was not begun has no picture, and no folder of this run; one that is settled has no run.
        if site.hops and self._head.run_id:
            try:
                _keep(self._store.site(site.name), report, masked)
            except PlexopsError as error:
                report, masked = self._documents(_unkept(site, error), masker, begun)
        with self._lock:
            if self._open:
                self._pass_on(site.name, report, masked)
        return ExitStatus(report.exit_status)

    def end_early(self, homes: Sequence[Home]) -> None:
        """Take nothing more: a person interrupted. Homes that have not answered say so; their folders stay unended."""
        with self._lock:
            self._open = False
            for home in homes:
                if home.view.name not in self._statuses:
                    missing = _missing_part(home)
                    self._pass_on(home.view.name, *self._documents(missing, self._masker, time.monotonic()))

    def end(self, homes: Sequence[Home]) -> tuple[RunReport, MaskedReport]:
        """End a run, and give its document. Raises Interrupted with it where a person interrupted."""
        if len(homes) > 1:
            self._note_failed(homes)
        report, masked = self.whole(homes)
        if not self._open:
            raise Interrupted(report, masked)
        return report, masked

    def _note_failed(self, homes: Sequence[Home]) -> None:
        """Note, for `--limit @failed`, which of several homes did not end in order. It is a help, and no evidence."""
        names = [home.view.name for home in homes]
        with contextlib.suppress(PlexopsError):
            self._store.note_failed(
                [name for name in names if self._statuses.get(name) != ExitStatus.IN_ORDER]
            )

    def whole(self, homes: Sequence[Home]) -> tuple[RunReport, MaskedReport]:
        """Give the run's document, in clear and masked, with the parts that were gathered, in the homes' order."""
        head = replace(self._head, seconds=_since(self._begin), exit_status=worst(self._statuses.values()))
        parts = [self._parts[home.view.name] for home in homes if home.view.name in self._parts]
        return (
            replace(head, sites=tuple(site for report, _ in parts for site in report.sites)),
            replace(
                mask_report(head, self._masker),
                sites=tuple(site for _, masked in parts for site in masked.sites),
            ),
        )

    def _documents(
        self, site: SiteReport, masker: Masker, begun: float, masked: SiteReport | None = None
    ) -> tuple[RunReport, MaskedReport]:
        head = replace(self._head, seconds=_since(begun), exit_status=site.exit_status)
        report = replace(head, sites=(site,))
        if masked is None:
            return report, mask_report(report, masker)
        return report, replace(mask_report(head, masker), sites=(masked,))

    def _pass_on(self, name: str, report: RunReport, masked: MaskedReport) -> None:
        self._statuses[name] = ExitStatus(report.exit_status)
        if self._gather:
            self._parts[name] = report, masked
        if self._hand_on is not None:
            self._hand_on(report, masked)


def _since(begin: float) -> float:
    return round(time.monotonic() - begin, 3)


def _unkept(site: SiteReport, error: PlexopsError) -> SiteReport:
    """Give a site's part that says so: first what became of the devices, then that it could not be written down."""
    changed = [
        f"{change.id} {_STANDS[change.outcome]}" for change in site.changes if change.outcome in _STANDS
    ]
    problems = error.problems
    if changed:
        stands = f"on the devices of {site.name}: {', '.join(changed)}. That could not be written down"
        cure = "make room, then see what the devices say: plexops audit, or plexops recover"
        problems = tuple(replace(p, reason=f"{stands}: {p.reason}", cure=cure) for p in problems)
    status = worst([ExitStatus(site.exit_status), error.status])
    return replace(site, errors=(*problems, *site.errors), exit_status=status)


def _keep(folder: SiteFolder, report: RunReport, masked: MaskedReport) -> None:
    mine = folder.find(report.run_id)
    mine.write_result(report, masked)
    journal, _ = mine.resume_journal(own=True)
    with journal:
        folder.finish(mine, journal, report.exit_status)


def _missing_part(home: Home) -> SiteReport:
    """Give the part of a site that had not been looked at when a person interrupted."""
    name = home.view.name
    reason = f"site {name} had not answered when it was interrupted"
    problem = Problem("PLX-R109", reason, "run it again for this site alone: --limit", where=name)
    outcome = "interrupted: nothing was changed"
    return SiteReport(
        name,
        home.view.access,
        outcome,
        exit_status=ExitStatus.INCOMPLETE,
        errors=(problem,),
        taught=home.taught,
        weak_ssh=home.access.weak_ssh(),
    )
