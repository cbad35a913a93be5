"""`plexops report`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from plexops.cli.options import with_formats
from plexops.structs import replace

if TYPE_CHECKING:
    from plexops.evidence.folder import SiteFolder
    from plexops.evidence.run_folder import RunFolder
    from plexops.model.run import RunReport

R = TypeVar("R", bound="RunReport")


@click.command("report")
@click.argument("run_name", metavar="[RUN]", default="last")
@click.option("-s", "--site", help="Only this site's part of the run.")
@with_formats
def command(**options: Any) -> int:
    """Show a run again: its id, the beginning of it, or `last` (the default). No device is asked.

    The evidence is verified first. Exit status: 0 shown (whatever the run had found), 7 the run was interrupted,
    8 its evidence is not what it was.
    """
    from plexops.cli.output import parse_formats, write_reports
    from plexops.cli.session import open_store

    formats = parse_formats(options["formats"])
    found = find_runs(open_store().sites(), options["run_name"], options["site"])
    require_sound(found)
    masked = merged([run.result() for _, run in found])
    report = merged([run.private_result() for _, run in found]) if sys.stdout.isatty() else masked
    write_reports(report, masked, formats, options["verbose"])
    return 0


def find_runs(
    sites: Sequence[SiteFolder], name: str, only: str | None
) -> tuple[tuple[SiteFolder, RunFolder], ...]:
    """Find a run by its id, the beginning of it, or `last`: one folder for each site that it looked at.

    Raises PlexopsError PLX-R103 where there is none, PLX-R104 where several fit, PLX-R107 for one without a result.
    """
    from plexops.model.errors import PlexopsError, Problem

    runs = [(site, run) for site in sites if only is None or site.name == only for run in site.runs()]
    ids = sorted({run.id for _, run in runs})
    wanted = name.lower()
    fitting = ids[-1:] if wanted == "last" else [run_id for run_id in ids if run_id.startswith(wanted)]
    if not fitting:
        reason = f"no site has a run {name!r}" if only is None else f"site {only} has no run {name!r}"
        raise PlexopsError(Problem("PLX-R103", reason, "See them all: plexops evidence list"))
    if len(fitting) > 1:
        reason = f"{len(fitting)} runs begin with {name!r}: {', '.join(fitting[:5])}"
        raise PlexopsError(Problem("PLX-R104", reason))
    found = tuple((site, run) for site, run in runs if run.id == fitting[0])
    for site, run in found:
        if not run.has_result:
            reason = f"run {run.id} of site {site.name} was interrupted, or is still at work"
            raise PlexopsError(Problem("PLX-R107", reason, "Settle it: plexops recover"))
    return found


def require_sound(found: Sequence[tuple[SiteFolder, RunFolder]]) -> None:
    """Raise PlexopsError (exit 8) unless the evidence is what it was."""
    from plexops.model.errors import PlexopsError

    problems = [problem for site, run in found for problem in site.verify(run)]
    if problems:
        raise PlexopsError(problems)
    note_broken_off(found)


def note_broken_off(found: Sequence[tuple[SiteFolder, RunFolder]]) -> None:
    """Say which runs were killed while they ended: a crash is no tampering, and is told all the same."""
    from plexops.cli.output import note

    for site, run in found:
        if site.broke_off(run):
            note(
                f"run {run.id} was killed while it ended: all that it did and found is here. The next run of site "
                f"{site.name}, or `plexops recover`, completes its record."
            )


def merged(parts: Sequence[R]) -> R:
    """Put the sites' parts of one run together again."""
    from plexops.model.status import ExitStatus, worst

    status = worst(ExitStatus(part.exit_status) for part in parts)
    return replace(parts[0], exit_status=status, sites=tuple(site for part in parts for site in part.sites))
