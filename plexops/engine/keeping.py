"""Keep what a run came to. Where that fails, what became of the devices is told first."""

from __future__ import annotations

from collections.abc import Mapping

from plexops.evidence.folder import SiteFolder, Store
from plexops.model.errors import ExitStatus, PlexopsError, Problem, worst
from plexops.model.run import MaskedReport, RunReport, SiteReport
from plexops.structs import replace

#: What became of a change, in words; what was not sent is not among them.
_STANDS: Mapping[str, str] = {
    "done": "stands",
    "kept": "stands",
    "failed": "may stand",
    "undone": "was put back",
    "undo-failed": "was not seen put back",
}


def keep_results(report: RunReport, masked: MaskedReport, store: Store) -> dict[str, PlexopsError]:
    """Keep each site's part in its own folder. Gives what went wrong, by site, for those that could not be kept."""
    failed = {}
    for site in report.sites:
        if not site.hops:  # a site whose part was not begun has no picture, and no folder of this run
            continue
        try:
            _keep_result(store.site(site.name), report, masked, report.sites.index(site))
        except PlexopsError as error:
            failed[site.name] = error
    return failed


def unkept(site: SiteReport, error: PlexopsError) -> SiteReport:
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


def _keep_result(folder: SiteFolder, report: RunReport, masked: MaskedReport, number: int) -> None:
    """Keep one site's part. The masked one is found by its place: its name may be masked."""
    mine = folder.find(report.run_id)
    own = replace(report, sites=(report.sites[number],))
    own_masked = replace(masked, sites=(masked.sites[number],))
    mine.write_result(own, own_masked)
    for exhibit in own_masked.sites[0].exhibits:
        mine.write(f"exhibits/{_file(exhibit.id)}.txt", exhibit.text + "\n")
    journal, _ = mine.resume_journal()
    with journal:
        folder.finish(mine, journal, own.exit_status)


def _file(name: str) -> str:
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in name)


def missing_part(name: str, access: str) -> SiteReport:
    """Give the part of a site that had not been looked at when a person interrupted."""
    reason = f"site {name} had not answered when it was interrupted"
    problem = Problem("PLX-R109", reason, "run it again for this site alone: --limit", where=name)
    outcome = "interrupted: nothing was changed"
    return SiteReport(name, access, outcome, exit_status=ExitStatus.INCOMPLETE, errors=(problem,))
