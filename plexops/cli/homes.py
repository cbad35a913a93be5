"""Simulated homes for the command line: a folder that holds everything, with the home's keys pinned in it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import Struct

if TYPE_CHECKING:
    from plexops.lab.home import RunningHome

ROUTERS = ("openwrt", "linux", "routeros", "opnsense")
#: What the inventory of a simulated home calls its site.
SITE = "home"


class LabHome(Struct, frozen=True):
    """A running home and the folder that stands for a user's repository; its state folder lies inside."""

    running: RunningHome
    directory: Path

    @property
    def state(self) -> Path:
        """What XDG_STATE_HOME is there."""
        return self.directory / "state"

    def environment(self) -> Mapping[str, str]:
        """Give the environment for commands that are about this home."""
        # What your ~/.ssh/config says of all hosts is not meant for simulated ones.
        return {**os.environ, "XDG_STATE_HOME": str(self.state), "PLEXOPS_SSH_CONFIG": "none"}

    def state_of_devices(self) -> tuple[str, ...]:
        """Give every device's own export: what two equal moments have in common."""
        return tuple(self.running.export(role) for role in ("router", "server", "plex"))


@contextmanager
def lab_home(
    router: str, scenario: str, keep: Path | None, *, playbooks: Sequence[Path] = ()
) -> Iterator[LabHome]:
    """Start a home on loopback and take it down again. Without `keep`, its folder goes as well.

    `playbooks` replace the home's own. Raises click.UsageError for an unknown scenario or a folder that is not empty.
    """
    from plexops.lab.home import start_home
    from plexops.lab.scenarios import SCENARIOS

    if scenario not in SCENARIOS:
        raise click.UsageError(f"there is no scenario {scenario!r}: {', '.join(SCENARIOS)}.")
    directory = _folder(keep)
    try:
        with start_home(router, scenario, directory=directory) as running:  # type: ignore[arg-type]
            if playbooks:
                _replace_playbooks(running.playbook_dir, playbooks)
            home = LabHome(running, directory)
            pin_keys(home)
            yield home
    finally:
        if keep is None:
            shutil.rmtree(directory, ignore_errors=True)


def _folder(keep: Path | None) -> Path:
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="plexops-lab-"))
    keep.mkdir(parents=True, exist_ok=True)
    if any(keep.iterdir()):
        raise click.UsageError(f"{keep} is not empty: name a new folder.")
    return keep.absolute()


def _replace_playbooks(folder: Path, playbooks: Sequence[Path]) -> None:
    for old in folder.iterdir():
        old.unlink()
    for path in playbooks:
        shutil.copy(path, folder / f"{path.stem}.yaml")


def pin_keys(home: LabHome, site: str = SITE) -> None:
    """Pin the home's keys in its own state folder: a secret goes only to a key that is pinned outside the files."""
    from datetime import UTC, datetime

    from plexops.cli.session import pinned_store
    from plexops.evidence.folder import Store
    from plexops.lab.network import OUTSIDE_ADDRESS
    from plexops.lab.scenario import PLEX_PORT, RESERVED

    running = home.running
    root = Store.open(home.state / "plexops").root
    keys = {
        f"{site}/via": running.keys["jump"].public,
        f"{site}/server": running.keys["server"].public,
        f"{site}/vantage {OUTSIDE_ADDRESS}": running.keys["outside"].public,
    }
    pins = {f"{site}/router": running.tls.pin} if running.router_name == "opnsense" else {}
    if not pins:
        keys[f"{site}/router"] = running.keys["router"].public
    host, port = running.listen("plex_tv")
    origins = {f"{site}/account": f"http://{host}:{port}"}
    if not running.scenario.server_login:  # else the server itself proves that it is Plex's host
        origins[f"{site}/plex"] = f"http://{RESERVED}:{PLEX_PORT}"
    pinned_store(root, keys, pins, origins, datetime.now(UTC).date()).save()
