"""`--cluster`: homes that the workers of a Dask cluster look at, and what that has no use for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType

import click
from click.core import ParameterSource

from plexops.cli.session import Files
from plexops.config.allowed import allowed_by
from plexops.engine.decide.offline_check import open_on_paper
from plexops.engine.look.site import Home

#: Options that a cluster has no use for, and why.
_NOT_THERE: Mapping[str, str] = MappingProxyType(
    {
        "ask_pass": "-k asks for a password here, and no secret is sent to a worker",
        "ask_become_pass": "-K asks for a password here, and no secret is sent to a worker",
        "allow_profile": "--allow-profile is for a router that is this computer, which no worker is",
        "forks": "--forks is for this machine: the workers' threads say how many homes are looked at at once",
        "record": "--record keeps what this machine asks",
        "replay": "--replay asks no device",
        "refresh": "--refresh lets plex.tv try the port, and a home may be looked at twice",
        "plex_logs": "--plex-logs is about one home",
        "probes": "--probes is about one home",
        "told": "--told is about one home",
        "ask": "--ask is about one home",
    }
)


def homes_on_paper(files: Files) -> tuple[Home, ...]:
    """Make every site ready without its secrets, which the workers have. Raises UsageError and PlexopsError."""
    context = click.get_current_context()
    for name, reason in _NOT_THERE.items():
        if name in context.params and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{reason}: leave it out, or --cluster.")
    allowed = allowed_by(os.environ)
    return tuple(open_on_paper(tasks, files.directory, allowed=allowed) for tasks in files.tasks())
