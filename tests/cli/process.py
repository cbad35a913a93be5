"""plexops in a process of its own, in the folder of a simulated home."""

from __future__ import annotations

import atexit
import contextlib
import os
import pty
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from msgspec import Struct, field

from plexops.cli.homes import LabHome, pin_keys
from plexops.lab.home import HomeOptions, RunningHome
from plexops.lab.routers import RouterName
from plexops.lab.scenarios import SCENARIOS, Scenario
from tests.forking import CHECKOUT, Forker, forker

PLEXOPS = (sys.executable, "-m", "plexops")
#: Compiled once for all processes of all tests, also where the environment forbids to write beside the sources.
_COMPILED = CHECKOUT / ".pytest_cache" / "compiled"


class Ended(Struct, frozen=True):
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
    return {**inherited, "PYTHONPYCACHEPREFIX": str(_COMPILED), "PYTHONPATH": str(CHECKOUT), **more}


def python(
    text: str, *words: str, directory: Path | None = None, timeout: float = 60, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a text of Python's to its end, in a process of its own: plexops with something in its place."""
    return subprocess.run(
        [sys.executable, "-c", text, *words],
        cwd=directory,
        env=environment(**variables),
        capture_output=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        timeout=timeout,
        check=False,
    )


def plexops(
    *words: str, directory: Path, variables: Mapping[str, str] | None = None, stdin: str = ""
) -> Ended:
    """Run plexops to its end, in a process of its own.

    It is forked from one that has the libraries loaded, unless a variable is for the interpreter's own start. As a
    person starts it, it runs where a test starts `PLEXOPS` itself, and in tests/docs.
    """
    child = environment(**(variables or {}))
    if any(name.startswith("PYTHON") for name in variables or {}):
        return _started(words, directory, child, stdin)
    forking = _forking()
    with tempfile.TemporaryDirectory() as folder:
        streams = [Path(folder) / name for name in ("in", "out", "err")]
        streams[0].write_text(stdin, encoding="utf-8")
        order = {"argv": words, "cwd": str(directory), "env": child, "streams": [str(one) for one in streams]}
        forking.start(order)
        try:
            status = forking.wait()
        finally:
            forking.tidy()
        out, err = (one.read_bytes().decode() for one in streams[1:])
    return Ended(status, out, err)


@cache
def _forking() -> Forker:
    """Start the process that forks, once for all tests of this one."""
    ending = contextlib.ExitStack()
    atexit.register(ending.close)
    return ending.enter_context(forker("tests.forked", environment()))


def _started(words: Sequence[str], directory: Path, variables: Mapping[str, str], stdin: str) -> Ended:
    done = subprocess.run(
        [*PLEXOPS, *words],
        cwd=directory,
        env=variables,
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        timeout=90,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def at_a_terminal(
    argv: Sequence[str],
    directory: Path,
    variables: Mapping[str, str],
    prompt: str,
    lines: Sequence[str],
    report: int | None = None,
) -> tuple[int, str]:
    """Run a command as a person does, at a terminal; give its status and what stood there.

    Each time that the prompt appears the next line is the answer, as long as there are any. `report`: where standard
    output goes instead (a file's descriptor).
    """
    master, slave = pty.openpty()
    child = subprocess.Popen(
        argv,
        cwd=directory,
        env=environment(TERM="dumb", COLUMNS="100", **variables),
        stdin=slave,
        stdout=slave if report is None else report,
        stderr=slave,
    )
    os.close(slave)
    said, answered = b"", 0
    with contextlib.suppress(OSError):  # the terminal is gone when the command has ended
        while chunk := os.read(master, 65536):
            said += chunk
            while answered < min(said.count(prompt.encode()), len(lines)):
                os.write(master, f"{lines[answered]}\n".encode())
                answered += 1
    os.close(master)
    return child.wait(timeout=60), said.decode(errors="replace")


class House(Struct, frozen=True):
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


def describe_as_well(home: House, other: House, name: str) -> None:
    """Write another home's site into a home's inventory, with its keys beside it, and pin who is there."""
    keys = home.directory / f"{name}-keys"
    shutil.copytree(other.directory / "keys", keys)
    text = (other.directory / "inventory.yaml").read_text(encoding="utf-8")
    text = text.replace(str(other.directory / "keys"), str(keys)).replace("sites:\n  home:", f"  {name}:")
    with (home.directory / "inventory.yaml").open("a", encoding="utf-8") as file:
        file.write(text)
    pin_keys(LabHome(other.home, home.directory), name)


@contextlib.contextmanager
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
        # A command may be quicker than plex.tv's first check, and would then tell of a home that has no word of it yet.
        home.plex.settle()
        yield House(home)
