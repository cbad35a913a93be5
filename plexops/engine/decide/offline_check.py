"""What can be judged of a site without asking anybody: its profile, and what guards would refuse anyway."""

from __future__ import annotations

from pathlib import Path

from plexops.config.allowed import NO_MORE, Allowed
from plexops.config.secrets import Secrets
from plexops.engine.look.access import ReplayedLinks
from plexops.engine.look.site import Home, Setting, open_home
from plexops.model.change import Action, Change
from plexops.model.errors import PlexopsError, Problem
from plexops.model.resources import KINDS
from plexops.model.site import ResolvedTask, SiteTasks, State
from plexops.runbook.guards.judge import Case, judge_on_paper
from plexops.structs import replace
from plexops.transport.ssh.config_file import SshConfigFile
from plexops.transport.trust.store import TrustStore


def open_on_paper(
    tasks: SiteTasks, directory: Path, ssh_config: SshConfigFile | None = None, allowed: Allowed = NO_MORE
) -> Home:
    """Make a site ready without secrets, pins and a network. Raises PlexopsError where its profile or ~/.ssh/config is."""
    nobody = Setting(
        directory=directory,
        secrets=Secrets({}, None, allowed),
        store=TrustStore(directory / "nowhere", {}),
        links=ReplayedLinks(directory / "nowhere"),
        ssh_config=ssh_config,
    )
    return open_home(tasks, nobody)


def problems_on_paper(
    tasks: SiteTasks, directory: Path, ssh_config: SshConfigFile | None = None, allowed: Allowed = NO_MORE
) -> tuple[Problem, ...]:
    """Give every problem of a site that no device has to be asked about."""
    try:
        home = open_on_paper(tasks, directory, ssh_config, allowed)
    except PlexopsError as error:
        return error.problems
    # No device is asked: what was not read is no reason here.
    view = replace(home.view, asked=frozenset())
    found: list[Problem] = []
    for task in tasks.tasks:
        if task.want is None or task.state is State.ABSENT or task.not_applicable:
            continue
        case = Case(view, view, (_change(task),))
        found += [_refused(tasks, task, reason) for reason in judge_on_paper(case)]
    return tuple(found)


def _change(task: ResolvedTask) -> Change:
    return Change(KINDS[task.kind].role, task.kind, task.key, Action.CREATE, want=task.want)


def _refused(tasks: SiteTasks, task: ResolvedTask, reason: str) -> Problem:
    names = ("external_port", "manual_port", "port")
    field = next((name for name in names if task.places.get(name) is not None), "")
    site = tasks.site.name
    return Problem(
        "PLX-C511",
        f"apply would refuse this at site {site}: {reason}",
        "Choose another value: an external port from 1024 to 65535 that nothing else uses, never 32400.",
        task.places.get(field) or task.place,
        f"{task.kind}.{field}" if field else str(task.kind),
    )
