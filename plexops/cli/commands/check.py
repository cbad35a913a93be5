"""`plexops check`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct

from plexops.cli.options import LIST_TASKS, with_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from plexops.config.allowed import Allowed
    from plexops.config.problems import Problems
    from plexops.model.errors import Problem
    from plexops.model.site import SiteTasks


class Sorted(Struct):
    """The files that were named, by what they are."""

    inventory: Path | None = None
    playbooks: list[Path] = []
    profiles: list[Path] = []


@click.command("check")
@with_files
@LIST_TASKS
def command(**options: Any) -> int:
    """Check inventory, playbooks, profiles and templates. Opens no connection and resolves no secret.

    PLAYBOOKS may be playbooks, folders of them, an inventory or profiles of your own, in any order: what a
    pre-commit hook names. Exit status: 0 in order, 2 something is wrong.
    """
    from plexops.cli.listing import count, task_list
    from plexops.cli.output import emit
    from plexops.config.problems import Problems

    problems = Problems()
    files = sort_files(options["playbooks"], options["inventory"], problems)
    profiles = _check_profiles(files.profiles, problems)
    only_profiles = bool(files.profiles) and not files.playbooks and files.inventory is None
    sites, notes = ((), ()) if only_profiles else _check_sites(files, options, problems)
    problems.raise_if_any()
    if options["list_tasks"]:
        emit(task_list(sites))
        return 0
    tasks = sum(len(site.tasks) for site in sites)
    profiles += len({site.site.router.profile for site in sites if site.site.router is not None})
    emit(f"{count(len(sites), 'site')}, {count(tasks, 'task')}, {count(profiles, 'profile')}: in order\n")
    for note in notes:
        emit(f"note  {note.place}  {note.reason}\n")
    return 0


def sort_files(paths: tuple[Path, ...], inventory: Path | None, problems: Problems) -> Sorted:
    """Tell playbooks, an inventory and profiles apart by their content.

    A file that cannot be read is a problem. Raises click.UsageError for a second inventory.
    """
    from plexops.config.nodes import Listing, Table
    from plexops.config.yaml import load_yaml_document

    files = Sorted(inventory)
    for path in paths:
        if path.is_dir():
            files.playbooks.append(path)
            continue
        with problems.collecting():
            document = load_yaml_document(path)
            if isinstance(document, Listing):
                files.playbooks.append(path)
            elif isinstance(document, Table) and {"profile", "speaks"} & set(document.entries):
                files.profiles.append(path)
            elif files.inventory is not None:
                raise click.UsageError(f"{files.inventory} and {path} are both inventories: name one.")
            else:
                files.inventory = path
    return files


def _check_profiles(paths: list[Path], problems: Problems) -> int:
    from plexops.engine.families import load_family

    for path in paths:
        with problems.collecting():
            load_family(f"{path.parent}/{path.name}", Path())
    return len(paths)


def _refused_here(sites: Sequence[SiteTasks], allowed: Allowed) -> tuple[Problem, ...]:
    """Give what an audit on this machine would refuse to take. It is no mistake: a check may run elsewhere."""
    from plexops.engine.look.wanted_secrets import references

    found = [allowed.refusal(reference) for site in sites for reference in references(site.site)]
    return tuple(dict.fromkeys(problem for problem in found if problem is not None))


def _check_sites(
    files: Sorted, options: dict[str, Any], problems: Problems
) -> tuple[tuple[SiteTasks, ...], tuple[Problem, ...]]:
    """Check inventory and playbooks, and only when both can be read what comes of them together."""
    from plexops.cli.session import Files
    from plexops.config.allowed import NO_MORE, allowed_by
    from plexops.config.inventory import load_inventory
    from plexops.config.playbook import load_playbooks
    from plexops.config.resolve import resolve
    from plexops.config.variables import extra_variables
    from plexops.engine.decide.offline_check import problems_on_paper
    from plexops.engine.look.site import ssh_config_file

    inventory = playbooks = None
    with problems.collecting():
        inventory = load_inventory(files.inventory)
    with problems.collecting():
        playbooks = load_playbooks(tuple(files.playbooks))
    if inventory is None or playbooks is None or problems:
        return (), ()
    sites = resolve(
        inventory,
        playbooks,
        limit=options["limit"],
        tags=options["tags"],
        skip_tags=options["skip_tags"],
        extra=extra_variables(options["extra_vars"]),
    )
    directory = Files(files.inventory, ()).directory
    ssh_config, allowed = None, NO_MORE
    with problems.collecting():
        ssh_config = ssh_config_file(os.environ)
    with problems.collecting():
        allowed = allowed_by(os.environ)
    for site in sites:
        problems.keep(problems_on_paper(site, directory, ssh_config, allowed))
    return sites, (*inventory.notes, *_refused_here(sites, allowed))
