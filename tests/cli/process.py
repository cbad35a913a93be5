"""plexops as a person starts it: a process of its own, in the folder of a simulated home."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from plexops.cli.homes import LabHome, pin_keys
from plexops.lab.home import HomeOptions, RunningHome
from plexops.lab.routers import RouterName
from plexops.lab.scenarios import SCENARIOS, Scenario

PLEXOPS = (sys.executable, "-m", "plexops")
_CHECKOUT = Path(__file__).resolve().parents[2]
#: Compiled once for all processes of all tests, also where the environment forbids to write beside the sources.
_COMPILED = _CHECKOUT / ".pytest_cache" / "compiled"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended."""

    status: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """All of it on single lines, so that the wrapping of a message does not matter."""
        return " ".join((self.out + " " + self.err).split())


def environment(**more: str) -> dict[str, str]:
    """Give the environment of a child; the repository need not be installed for it."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**inherited, "PYTHONPYCACHEPREFIX": str(_COMPILED), "PYTHONPATH": str(_CHECKOUT), **more}


def plexops(
    *words: str, directory: Path, variables: Mapping[str, str] | None = None, stdin: str = ""
) -> Ended:
    """Run plexops to its end."""
    done = subprocess.run(
        [*PLEXOPS, *words],
        cwd=directory,
        env=environment(**(variables or {})),
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        timeout=90,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True, slots=True)
class House:
    """A simulated home, its folder, and the state that plexops keeps about it."""

    home: RunningHome
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def directory(self) -> Path:
        """Where inventory.yaml and playbooks/ are."""
        return self.home.directory

    @property
    def state(self) -> Path:
        """plexops' own folder."""
        return self.directory / "state" / "plexops"

    def __call__(self, *words: str, stdin: str = "", **more: str) -> Ended:
        """Run plexops in the home's folder."""
        return plexops(
            *words,
            directory=self.directory,
            variables={"XDG_STATE_HOME": str(self.directory / "state"), **self.variables, **more},
            stdin=stdin,
        )

    def untouched(self) -> bool:
        """Whether no device got so much as a connection."""
        return not any(self.home.log(role) for role in ("jump", "router", "server", "plex", "outside"))

    def exports(self) -> tuple[str, ...]:
        """Give what each device itself says of its configuration."""
        return tuple(self.home.export(role) for role in ("router", "server", "plex"))

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a text in one of the home's files; it has to be there."""
        path = self.directory / name
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in {name}"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")


@contextmanager
def house(
    directory: Path,
    scenario: str | Scenario = "drifted",
    router: RouterName = "openwrt",
    *,
    options: HomeOptions | None = None,
    pinned: bool = True,
) -> Iterator[House]:
    """Start a home in a folder of its own."""
    chosen = SCENARIOS[scenario] if isinstance(scenario, str) else scenario
    with RunningHome(router, chosen, directory, options or HomeOptions()) as home:
        if pinned:
            pin_keys(LabHome(home, directory))
        yield House(home)
