"""`plexops audit`."""

from __future__ import annotations

import time
from typing import Any

import click

from plexops.cli.options import CLUSTER, LIST_TASKS, RECORD, REPLAY, given_words, with_files, with_run
from plexops.cli.person import TOLD, answers_of
from plexops.model.status import ExitStatus

_RETRY_EVERY = 15.0


@click.command("audit")
@with_files
@with_run
@LIST_TASKS
@TOLD
@RECORD
@REPLAY
@CLUSTER
@click.option(
    "--retry-for", metavar="TIME", help="Look again while something is missing, up to 90s, 10m or 1h."
)
def command(**options: Any) -> int:
    """Say what is true now, against the playbooks. Reads only: nothing is ever changed.

    Exit status: 0 in order, 1 findings, 3 a safe stop, 4 something could not be seen.
    """
    from plexops.cli.fleet import carried, carrying, homes_to_look_at, look
    from plexops.cli.output import emit, note, parse_formats, write_reports
    from plexops.cli.session import files_from, open_store
    from plexops.engine.order import Order

    if options["list_tasks"]:
        from plexops.cli.listing import task_list

        emit(task_list(files_from(options).tasks()))
        return 0
    formats = parse_formats(options["formats"])
    until = time.monotonic() + seconds(options["retry_for"])
    if options["retry_for"] and (options["record"] or options["replay"]):
        raise click.UsageError(
            "--retry-for looks again at devices: it does not go with --record or --replay."
        )
    store, files = open_store(), files_from(options)
    while True:
        homes = homes_to_look_at(files, store, options)
        order = Order(
            "audit",
            given=given_words(options),
            names_site=len(homes) > 1 or bool(options["limit"]),
            evidence=answers_of(options["told"], homes),
        )
        carry_out = carrying(homes, order, store, files, options)
        if not options["retry_for"]:
            return look(homes, order, formats, options["verbose"], carry_out)
        report, masked = carried(carry_out, formats, options["verbose"])
        settled = report.exit_status != ExitStatus.INCOMPLETE
        if settled or time.monotonic() + _RETRY_EVERY > until:
            return write_reports(report, masked, formats, options["verbose"])
        note(f"not everything could be seen; looking again in {_RETRY_EVERY:.0f} s")
        time.sleep(_RETRY_EVERY)


def seconds(text: str | None) -> float:
    """Read `90s`, `10m` or `1h`; nothing is no time. Raises click.BadParameter."""
    if text is None:
        return 0.0
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    number, unit = text[:-1], text[-1:]
    if not number.isdigit() or unit not in units:
        raise click.BadParameter(f"{text!r} is no time: write 90s, 10m or 1h", param_hint="--retry-for")
    return float(number) * units[unit]
