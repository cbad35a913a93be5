"""Options that several commands share. They bear Ansible's names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., object])

PATH = click.Path(path_type=Path)
#: What `-i` says everywhere.
INVENTORY = click.option("-i", "--inventory", type=PATH, help="The inventory (default: inventory.yaml here).")


def _adding(command: Command, *options: Callable[[Command], Command]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def with_files(command: Command) -> Command:
    """Add what says which files, sites and tasks are meant."""
    return _adding(
        command,
        click.argument("playbooks", nargs=-1, type=PATH),
        INVENTORY,
        click.option(
            "-l",
            "--limit",
            multiple=True,
            help="Only these sites: names, groups, globs, !negation, or @failed: those of the last run over several "
            "that did not end with 0.",
        ),
        click.option("-t", "--tags", multiple=True, help="Only tasks with one of these tags."),
        click.option("--skip-tags", multiple=True, help="No tasks with one of these tags."),
        click.option("-e", "--extra-vars", multiple=True, help="Variables: key=value, JSON, or @file.yaml."),
    )


def given_words(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Give the words of `with_files` and `with_run` that another command needs again, but the sites."""
    lists = {"-t": "tags", "--skip-tags": "skip_tags", "-e": "extra_vars"}
    lists |= {"--adopt": "adopt", "--allow-profile": "allow_profile"}
    words = [*map(str, options["playbooks"])]
    words += [] if options["inventory"] is None else ["-i", str(options["inventory"])]
    for flag, name in lists.items():
        words += [word for value in options.get(name, ()) for word in (flag, value)]
    asked = {"-k": "ask_pass", "-K": "ask_become_pass"}
    return (*words, *(flag for flag, name in asked.items() if options[name]))


#: For commands that judge tasks.
LIST_TASKS = click.option("--list-tasks", is_flag=True, help="List the tasks of each site, and stop there.")
DRY_RUN = click.option(
    "--dry-run", "--check", "dry_run", is_flag=True, help="Show every request; send nothing."
)
RECORD = click.option("--record", type=PATH, help="Keep every exchange in this new folder.")
REPLAY = click.option(
    "--replay", type=click.Path(path_type=Path, exists=True), help="Answer from a recording; no network."
)


def with_formats(command: Command) -> Command:
    """Add what says how the result is shown."""
    return _adding(
        command,
        click.option(
            "-o",
            "--format",
            "formats",
            multiple=True,
            metavar="NAME[:PATH]",
            help="text, json, jsonl, junit, github, html or markdown; with :PATH into a file. Repeatable.",
        ),
        click.option("-v", "--verbose", count=True, help="Also list what is in order."),
    )


def _address(_context: click.Context, _option: click.Parameter, given: str | None) -> str | None:
    if given is not None and not given.startswith(("tcp://", "tls://")):
        raise click.BadParameter("write the scheduler's address as it prints it: tcp://HOST:8786 or tls://…")
    return given


#: For commands that read.
CLUSTER = click.option(
    "--cluster",
    metavar="ADDRESS",
    callback=_address,
    help="Let the workers of a Dask cluster look, one home each: tcp://SCHEDULER:8786.",
)


def _stays_here(_context: click.Context, _option: click.Parameter, given: str | None) -> None:
    if given is not None:
        from plexops.model.errors import PlexopsError, Problem

        reason = "this command writes, and what writes stays on one machine: a cluster may begin a home twice"
        cure = "Leave --cluster out. plexops audit and plexops diagnose take it."
        raise PlexopsError(Problem("PLX-K108", reason, cure))


#: For commands that write.
NO_CLUSTER = click.option("--cluster", hidden=True, expose_value=False, callback=_stays_here)


def _digests(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """Take whole digests alone: another profile with the same beginning could be looked for."""
    for text in given:
        if len(text) != 64 or set(text.lower()) - set("0123456789abcdef"):
            raise click.BadParameter("give all 64 hexadecimal digits of the SHA-256 of the profile's text.")
    return tuple(text.lower() for text in given)


def with_run(command: Command) -> Command:
    """Add what says how devices are reached and how the result is shown."""
    return _adding(
        with_formats(command),
        click.option("-k", "--ask-pass", is_flag=True, help="Ask once for the login password."),
        click.option("-K", "--ask-become-pass", is_flag=True, help="Ask once for the sudo password."),
        click.option(
            "--allow-profile",
            multiple=True,
            metavar="DIGEST",
            callback=_digests,
            help="Let a profile that does not come with plexops say what is sent: the SHA-256 of its text.",
        ),
        click.option(
            "-f", "--forks", type=click.IntRange(min=1), help="How many sites at once (default: 12)."
        ),
    )
