"""`plexops evidence`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from plexops.cli.commands.report import find_runs, merged, note_broken_off, require_sound
from plexops.cli.listing import count, table
from plexops.cli.options import PATH
from plexops.cli.output import emit, note, require_writable, view_for_file
from plexops.model.errors import PlexopsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from plexops.evidence.folder import SiteFolder
    from plexops.evidence.run_folder import RunFolder

_SITE = click.option("-s", "--site", help="Only this site's runs.")


@click.group("evidence")
def command() -> None:
    """List, verify, export or prune what runs have left. No device is asked."""


@command.command("list")
@_SITE
def list_runs(site: str | None) -> int:
    """List every run: when, which site, what it was, and how it ended."""
    rows = sorted(_row(folder, run) for folder in _sites(site) for run in folder.runs())
    head = ("RUN", "STARTED (UTC)", "SITE", "COMMAND", "EXIT", "OUTCOME")
    emit(table([head, *rows]) if rows else "there are no runs yet\n")
    return 0


@command.command("verify")
@click.argument("run_name", metavar="[RUN]", required=False)
@click.option("--all", "every", is_flag=True, help="Every run, and that none is missing (the default).")
@_SITE
def verify(run_name: str | None, every: bool, site: str | None) -> int:
    """Check journals, hashes and the chain of runs. Exit status: 0 they are what they were, 8 they are not."""
    if run_name is not None and every:
        raise click.UsageError("name one RUN, or give --all.")
    sites = _sites(site)
    if run_name is not None:
        found = find_runs(sites, run_name, None)
        require_sound(found)
        emit(f"run {found[0][1].id}: in order\n")
        return 0
    problems = [problem for folder in sites for problem in folder.verify_all()]
    if problems:
        raise PlexopsError(problems)
    note_broken_off([(folder, run) for folder in sites for run in folder.runs()])
    runs = sum(len(folder.runs()) for folder in sites)
    emit(f"{count(runs, 'run')} of {count(len(sites), 'site')}: in order\n")
    return 0


@command.command("export")
@click.argument("run_name", metavar="RUN")
@click.argument("file", type=PATH, metavar="FILE.zip")
@_SITE
def export(run_name: str, file: Path, site: str | None) -> int:
    """Write what may be handed on into a ZIP: the masked result, exhibits, plan, journal and an HTML report.

    What a run keeps in clear never leaves this machine with it.
    """
    from plexops.cli.session import open_store
    from plexops.evidence.bundle import bundle
    from plexops.evidence.masking import Masker, load_key
    from plexops.evidence.scrub import Scrubber
    from plexops.report import render

    require_writable(file)
    found = find_runs(_sites(site), run_name, None)
    if len(found) > 1:
        names = ", ".join(folder.name for folder, _ in found)
        raise click.UsageError(f"this run is about several sites ({names}): name one with --site.")
    require_sound(found)
    run = found[0][1]
    page = render("html", merged([run.result()]), view_for_file())
    masker = Masker(load_key(open_store().root), Scrubber(()))
    file.write_bytes(bundle(run, masker, {"report.html": page}))
    note(f"{file}: run {run.id}, masked")
    return 0


@command.command("prune")
@click.option("--keep", type=click.IntRange(min=0), required=True, help="How many runs of each site stay.")
@_SITE
def prune(keep: int, site: str | None) -> int:
    """Delete finished runs but the newest. Unfinished ones stay: undoing needs them."""
    for folder in _sites(site):
        gone = folder.prune(keep)
        emit(f"{folder.name}: {len(gone)} deleted, {len(folder.runs())} kept\n")
    return 0


def _sites(only: str | None) -> Sequence[SiteFolder]:
    from plexops.cli.session import open_store

    sites = open_store().sites()
    chosen = [site for site in sites if only is None or site.name == only]
    if only is not None and not chosen:
        names = ", ".join(site.name for site in sites) or "none"
        raise click.UsageError(f"there are no runs of a site {only!r}. Sites with runs: {names}.")
    return chosen


def _row(site: SiteFolder, run: RunFolder) -> tuple[str, ...]:
    """Give one line; what cannot be read says so and hides nothing else."""
    if not run.has_result:
        return run.id, "-", site.name, "-", "-", "interrupted, or still at work"
    try:
        report = run.result()
    except PlexopsError as error:
        return run.id, "-", site.name, "-", "-", f"damaged: {error.problems[0].reason}"
    started = report.started[:16].replace("T", " ")
    outcome = next((part.outcome for part in report.sites), "")
    return run.id, started, site.name, report.command, str(report.exit_status), outcome
