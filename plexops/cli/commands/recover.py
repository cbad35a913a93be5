"""`plexops recover`."""

from __future__ import annotations

from typing import Any

import click

from plexops.cli.options import NO_CLUSTER, with_files, with_run


@click.command("recover")
@with_files
@with_run
@NO_CLUSTER
def command(**options: Any) -> int:
    """Settle every run that was interrupted: finish what had been proven, put back all else.

    What the devices say decides. Exit status: 0 settled, 4 a device did not answer, 6 a person must look.
    """
    from plexops.cli.output import note, parse_formats, write_reports
    from plexops.cli.progress import Progress
    from plexops.cli.session import files_from, open_homes, open_store
    from plexops.engine.runner import recover

    formats = parse_formats(options["formats"])
    store = open_store()
    homes = open_homes(files_from(options), store, options, sends="recover")
    for home in homes:
        for run in store.site(home.view.name).complete():
            note(f"run {run} was killed while it ended: its record is complete now")
    progress = Progress()
    report, masked = recover(homes, store, progress)
    progress.pause()
    return write_reports(report, masked, formats, options["verbose"])
