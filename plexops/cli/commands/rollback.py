"""`plexops rollback`."""

from __future__ import annotations

from typing import Any

import click

from plexops.cli.commands.apply import approval, digest_fits, require_approver
from plexops.cli.options import DRY_RUN, NO_CLUSTER, given_words, with_files, with_run


@click.command("rollback")
@click.argument("run_name", metavar="RUN")
@with_files
@with_run
@NO_CLUSTER
@DRY_RUN
@click.option(
    "--approve",
    multiple=True,
    metavar="DIGEST",
    help="Send exactly the plan with this digest (12 digits are enough).",
)
@click.option("--yes", is_flag=True, help="Send without asking.")
def command(**options: Any) -> int:
    """Put back what RUN changed: its id, the beginning of it, or `last` for the newest run that changed something.

    A plan like any other: it is shown, guarded, approved, sent and read back.
    """
    from plexops.cli.output import parse_formats, write_reports
    from plexops.cli.progress import Progress
    from plexops.cli.session import files_from, open_homes, open_store
    from plexops.engine.order import Order
    from plexops.engine.runner import run

    for given in options["approve"]:
        digest_fits(given, "")
    if not options["dry_run"]:
        require_approver(options)
    formats = parse_formats(options["formats"])
    store = open_store()
    sends = "" if options["dry_run"] else f"rollback {options['run_name']}"
    homes = open_homes(files_from(options), store, options, sends=sends)
    if len(homes) > 1:
        raise click.UsageError("several sites: name the one to put back with --limit.")
    progress = Progress()
    order = Order(
        tell=progress,
        watch=progress.at_a_terminal,
        command="rollback-dry-run" if options["dry_run"] else "rollback",
        target=options["run_name"],
        approve=approval(options, progress),
        given=given_words(options),
        names_site=bool(options["limit"]),
    )
    report, masked = run(homes, order, store, options["forks"])
    progress.pause()
    return write_reports(report, masked, formats, options["verbose"])
