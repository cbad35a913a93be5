"""The entry point: the list of commands, and the one place where failures become exit statuses."""

from __future__ import annotations

import atexit
import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, NoReturn

import click

from plexops import __version__

#: Every command, with the line that `--help` shows. Its module in `cli/commands` has its name, and loads when called.
COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "init": "Look around and write a first inventory and playbook.",
        "check": "Check inventory, playbooks and profiles. Opens no connection.",
        "audit": "Say what is true now, against the playbooks. Reads only.",
        "probe": "Try from outside whether Plex answers. Needs no inventory.",
        "diagnose": "Say at which layer remote access fails, and why. Reads only.",
        "apply": "Make it so: plan, approval, change, proof. --dry-run shows every request.",
        "rollback": "Put back what a run changed.",
        "recover": "Settle a run that was interrupted, by what the devices say.",
        "report": "Show a run again, in any format.",
        "evidence": "List, verify, export or prune the evidence of runs.",
        "trust": "Look at a device's key and pin it.",
        "profiles": "List the router profiles, show one, or check your own.",
        "explain": "Explain a problem code, offline.",
        "schema": "Print a JSON Schema, or the exit statuses.",
        "lab": "Start a simulated home on this machine, for trying things out.",
        "demo": "Watch the whole job on a simulated home.",
    }
)


#: With Python's own 5 ms every message of a handshake waits that long for a thread that imports a library.
_SWITCH_SECONDS = 0.0005


_INTERRUPTED = frozenset({130, 143})


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called: `--help` and `--version` stay quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the names in the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"plexops.cli.commands.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest command for a typo."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            ctx.fail(f"There is no command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "-V", "--version", prog_name="plexops", message="%(prog)s %(version)s")
@click.pass_context
def root(ctx: click.Context) -> None:
    """Keep Plex remote access working on a home network, as code.

    In a folder with inventory.yaml and playbooks/, every command works without arguments. First steps:

    \b
      plexops demo                watch the whole job on a simulated home
      plexops diagnose --quick    look from this computer; needs no files
      plexops init                write a first inventory and playbook
      plexops diagnose            say at which layer it fails, and why
      plexops check               check your files; opens no connection
      plexops audit               say what is true now; reads only
      plexops apply --dry-run     show every request that would be sent
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process with its status."""
    _patient_streams()
    signal.signal(signal.SIGTERM, _terminated)
    sys.setswitchinterval(_SWITCH_SECONDS)
    _end(run(arguments))


def _end(status: int) -> NoReturn:
    """End the process without taking its modules apart first, which costs a sixth of an audit.

    As Python does it, threads are waited for, and what was registered to be done at the end is done. Whoever
    interrupts does not wait for a device that is silent.
    """
    if status not in _INTERRUPTED:
        threading._shutdown()  # type: ignore[attr-defined]  # it also wakes the idle threads of pools, which a join would not
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and give its status. Expected failures are printed; no bare traceback is shown."""
    try:
        result: Any = root.main(args=arguments, standalone_mode=False, prog_name="plexops")
        sys.stdout.flush()
    except click.exceptions.Exit as ending:
        return ending.exit_code
    except click.ClickException as error:
        error.show()
        return 2
    except (KeyboardInterrupt, click.Abort):
        return _interrupted(arguments, 130)
    except _Terminated:
        return _interrupted(arguments, 143)
    except BrokenPipeError:
        _drop_output()
        return 141
    except Exception as error:  # noqa: BLE001 - the one boundary: a bug becomes a crash report, not a traceback
        return _failed(error)
    return int(result) if isinstance(result, int) else 0


def _failed(error: Exception) -> int:
    from plexops.model.errors import PlexopsError

    if isinstance(error, PlexopsError):
        from plexops.cli.output import show_problems

        show_problems(error.problems)
        return int(error.status)
    from plexops.cli.crash import report_crash

    return report_crash(error)


class _Terminated(BaseException):
    """plexops was ended by SIGTERM. No Exception: nothing on the way may take it for a device's failure."""


def _terminated(_signal: int, _frame: object) -> None:
    raise _Terminated


def _interrupted(arguments: list[str] | None, status: int) -> int:
    """Say what holds now. Where a change may have been under way, only the devices know: `recover` asks them."""
    given = sys.argv[1:] if arguments is None else arguments
    if {"apply", "rollback", "recover"} & set(given[:1]):
        print("\ninterrupted. If a change was under way: plexops recover", file=sys.stderr)
    else:
        print("\ninterrupted: nothing was changed", file=sys.stderr)
    return status


def _patient_streams() -> None:
    """A stream that cannot write a character shows its number; it does not end us.

    SIGPIPE stays ignored, as Python has it: its default would also end us, in the middle of a change, when a device
    closes a connection. A reader that goes away (`plexops audit | head`) is noticed where we print.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """Let the interpreter's last flush go nowhere."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
