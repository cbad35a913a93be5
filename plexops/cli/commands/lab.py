"""`plexops lab`."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import click

from plexops.cli.homes import ROUTERS, LabHome, lab_home
from plexops.cli.listing import table
from plexops.cli.options import PATH
from plexops.cli.output import emit

ROUTER = click.option(
    "-r",
    "--router",
    type=click.Choice(ROUTERS),
    default="openwrt",
    show_default=True,
    help="The router family.",
)
_SCENARIO = click.option(
    "-s",
    "--scenario",
    default="drifted",
    show_default=True,
    help="The state it starts in; see plexops lab scenarios.",
)
_KEEP = click.option("--keep", type=PATH, metavar="DIR", help="Use this new folder, and leave it there.")


@click.group("lab")
def command() -> None:
    """Start a simulated home on this machine: router, server, Plex and a place outside, all on loopback."""


@command.command("scenarios")
def scenarios() -> int:
    """List the states in which a home can start."""
    from plexops.lab.scenarios import SCENARIOS

    emit(table([(scenario.name, scenario.about) for scenario in SCENARIOS.values()]))
    return 0


@command.command("run", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@ROUTER
@_SCENARIO
@_KEEP
@click.option(
    "-p",
    "--playbook",
    "playbooks",
    type=PATH,
    multiple=True,
    help="Your own playbook in place of the home's.",
)
@click.argument("cmd", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- CMD...")
def run(router: str, scenario: str, keep: Path | None, playbooks: Sequence[Path], cmd: Sequence[str]) -> int:
    """Start a home, run CMD in its folder, take it down. The exit status is CMD's.

    So a playbook can be tried on your router family before your own router is touched:

    \b
      plexops lab run --router routeros -p plex.yaml -- plexops apply --yes
    """
    for path in playbooks:
        if not path.is_file():
            raise click.UsageError(f"there is no playbook {path}.")
    with lab_home(router, scenario, keep, playbooks=playbooks) as home:
        return run_in(home, cmd)


@command.command("serve")
@ROUTER
@_SCENARIO
@_KEEP
def serve(router: str, scenario: str, keep: Path | None) -> int:
    """Start a home and leave it running until Ctrl-C. Another terminal points plexops at it."""
    with lab_home(router, scenario, keep) as home:
        emit(
            f"{router} home, scenario {scenario}, in {home.directory}\n\n"
            f"  cd {home.directory}\n"
            f"  export XDG_STATE_HOME={home.state} PLEXOPS_SSH_CONFIG=none\n"
            "  plexops audit\n\n"
            "What each device was asked is in log/. Ctrl-C ends it.\n"
        )
        threading.Event().wait()
    return 0


def run_in(home: LabHome, cmd: Sequence[str]) -> int:
    """Run a command in a home's folder and give its exit status. `plexops` is this very installation.

    Ctrl-C reaches the command as well: it ends first, then the home does.
    """
    words = [sys.executable, "-m", "plexops", *cmd[1:]] if cmd[0] == "plexops" else list(cmd)
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        process = subprocess.Popen(words, cwd=home.directory, env=dict(home.environment()))
    except OSError as error:
        raise click.UsageError(f"{cmd[0]} cannot be started: {error.strerror}.") from None
    try:
        status = process.wait()
    except BaseException:
        _end(process)
        raise
    return status if status >= 0 else 128 - status


def _end(process: subprocess.Popen[bytes]) -> None:
    """Give the command a moment to end by itself, as Ctrl-C told it to."""
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait()
