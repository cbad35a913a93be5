"""`plexops diagnose`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from plexops.cli.options import CLUSTER, RECORD, REPLAY, with_files, with_run
from plexops.cli.person import TOLD, answers_of, at_terminal
from plexops.structs import replace

if TYPE_CHECKING:
    from plexops.cli.session import Files
    from plexops.engine.look.user_evidence import Evidence
    from plexops.model.site import Checker


@click.command("diagnose")
@with_files
@with_run
@click.option("--quick", is_flag=True, help="Look from this computer alone: no inventory, no login.")
@click.option("--offline", is_flag=True, help="Send nothing to the internet: no echo, no plex.tv, no hops.")
@click.option(
    "--refresh",
    is_flag=True,
    help="First let plex.tv try the port again, once, and wait for its verdict. Changes no setting.",
)
@click.option(
    "--plex-logs",
    type=click.Path(path_type=Path, exists=True),
    help="Take Plex's log from this file, folder or zip archive instead of the server.",
)
@click.option(
    "--probes",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="What `plexops probe --out FILE` saw from another network. Repeatable.",
)
@click.option(
    "--check-port",
    "checkers",
    multiple=True,
    metavar="SERVICE",
    help="Let a service outside try the port: check-host, portchecker, or echoip=URL. Repeatable.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="With --quick --check-port: the port to try, where UPnP shows none.",
)
@TOLD
@click.option(
    "--ask", is_flag=True, help="Ask you what no device tells, one question at a time; Enter leaves one out."
)
@RECORD
@REPLAY
@CLUSTER
def command(**options: Any) -> int:
    """Say at which layer remote access fails, why, and what to do. Reads only: nothing is ever changed.

    Without an inventory, on the computer that Plex runs on, it asks that computer itself.

    Exit status: 0 in order, 1 a cause was found, 3 a safe stop, 4 something could not be seen.
    """
    if options["refresh"]:
        _refuse_refresh(options)
    checkers = _checkers(options)
    if options["quick"]:
        _refuse_beside_quick()
        return _quick(options, checkers)
    person = at_terminal(options["told"]) if options["ask"] else None
    from plexops.cli.fleet import carrying, homes_to_look_at, look
    from plexops.cli.output import parse_formats
    from plexops.cli.session import files_from, open_store
    from plexops.engine.look.user_evidence import bring
    from plexops.engine.order import Order

    formats = parse_formats(options["formats"])
    evidence = bring(options["probes"], options["plex_logs"])
    store = open_store()
    files = replace(files_from(options), for_diagnosis=True, offline=options["offline"], checkers=checkers)
    if options["replay"] is None and not options["cluster"]:
        files = _stood_in_for(files, evidence, ask_become_pass=options["ask_become_pass"])
    homes = homes_to_look_at(files, store, options)
    if person is not None and len(homes) > 1:
        raise click.UsageError(f"--ask is about one home, and here are {len(homes)}: name one with -l.")
    said = answers_of(options["told"], homes, may_be_new=options["ask"])
    evidence = replace(evidence, user_answers=said.user_answers, answers_site=said.answers_site)
    order = Order("diagnose", evidence=evidence, refresh=options["refresh"], person=person)
    return look(homes, order, formats, options["verbose"], carrying(homes, order, store, files, options))


def _stood_in_for(files: Files, evidence: Evidence, *, ask_become_pass: bool) -> Files:
    """Where there is no inventory, let this computer stand for one if Plex runs on it, else a log that was brought.

    It is said which.
    """
    from plexops.cli.output import note
    from plexops.config.inventory import DEFAULT_FILE
    from plexops.engine.bootstrap.discovery import LOOPBACK, Reach
    from plexops.engine.bootstrap.on_the_host import home_of_a_log, look_at_host

    if files.inventory is not None or files.playbooks or os.path.lexists(DEFAULT_FILE):
        return files
    reach = Reach()
    host = look_at_host(reach, sudo=ask_become_pass)
    if host.inventory is not None:
        note(
            f"there is no {DEFAULT_FILE} here, and Plex runs on this computer: it is asked itself, by reads alone"
        )
        if not ask_become_pass and os.name == "posix" and os.geteuid() != 0:
            note(
                "without root's rights it does not tell its packet filter or Plex's token: run it as root, or with -K"
            )
        note("the router is asked for what it tells without a login. plexops init writes an inventory")
        return replace(files, stand_in=host.inventory)
    if host.answered:
        note(
            f"Plex answers at {LOOPBACK}:{reach.plex_port}, yet no process of it is seen on this computer: that may be a "
            "tunnel, so that this computer is not taken for the Plex host"
        )
    if evidence.log is None:
        return files
    note(
        f"there is no {DEFAULT_FILE} here: the log alone is read, as of its last line, and no device is asked"
    )
    return replace(files, stand_in=home_of_a_log())


def _refuse_refresh(options: dict[str, Any]) -> None:
    """Say with what `--refresh` makes no sense. Raises UsageError."""
    reasons = {
        "quick": "--quick logs in nowhere, and only the owner may ask Plex for --refresh.",
        "offline": "--offline asks nothing of the internet, and --refresh lets plex.tv try the port.",
        "replay": "--replay asks no device, and --refresh asks Plex.",
    }
    for name, reason in reasons.items():
        if options[name]:
            raise click.UsageError(reason)


def _checkers(options: dict[str, Any]) -> tuple[Checker, ...]:
    """Read --check-port, and say with what it makes no sense. Raises UsageError."""
    from plexops.config.checkers import named
    from plexops.config.typed import Misfit

    if options["port"] is not None and not (options["quick"] and options["checkers"]):
        raise click.UsageError("--port goes with --quick --check-port: else Plex says which port it is.")
    if options["checkers"] and options["offline"]:
        raise click.UsageError("--offline asks nothing of the internet, and --check-port does.")
    try:
        return tuple(named(word) for word in options["checkers"])
    except Misfit as misfit:
        raise click.UsageError(f"--check-port: {misfit.reason}. {misfit.cure}") from None


def _refuse_beside_quick() -> None:
    """Refuse what `--quick` has no use for, rather than pass over it. Raises UsageError."""
    context = click.get_current_context()
    useful = {"quick", "offline", "formats", "verbose", "checkers", "port"}
    for parameter in context.command.params:
        name = parameter.name or ""
        if name not in useful and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            given = parameter.opts[0] if parameter.param_type_name == "option" else "a playbook"
            raise click.UsageError(
                f"--quick looks from this computer alone and has no use for {given}: take one of them out."
            )


def _quick(options: dict[str, Any], checkers: tuple[Checker, ...]) -> int:
    import sys

    from plexops.cli.output import emit, view_for
    from plexops.engine.bootstrap.quick import QuickSettings, look_quick
    from plexops.report.quick_text import quick_json, render_quick

    names = [name for name in options["formats"] if name not in ("text", "json")]
    if names:
        raise click.UsageError("--quick is shown as text or json.")
    settings = QuickSettings(offline=options["offline"], checkers=checkers, port=options["port"])
    report = look_quick(settings)
    emit(quick_json(report) if "json" in options["formats"] else render_quick(report, view_for(sys.stdout)))
    return report.exit_status
