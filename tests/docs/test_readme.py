"""Every command of the README does what it says there, in its order, on a drifted simulated home."""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from plexops.lab.home import RunningHome, start_home

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")

#: What each command ends with on a home where nothing was ever set up, in the README's order.
EXITS = {
    "plexops check": 0,
    "plexops audit": 1,
    "plexops apply --dry-run --out plan.json": 0,
    "plexops apply": 0,
    "plexops audit --format html:report.html": 0,
    "plexops rollback last --dry-run": 0,
    "plexops audit --retry-for 1s": 0,
    "plexops audit --format junit:audit.xml": 0,
    "plexops report last --format markdown": 0,
    "plexops evidence verify --all": 0,
    "plexops explain PLX-D201": 0,
}


def _commands() -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHome]:
    """A drifted OpenWrt home."""
    with start_home("openwrt", "drifted", directory=tmp_path_factory.mktemp("readme")) as running:
        yield running


def _run(command: str, home: RunningHome) -> tuple[int, str]:
    """Run a command as a person does: at a terminal, answering yes where it asks."""
    environment = {
        **os.environ,
        "HOME": str(home.directory),
        "XDG_STATE_HOME": str(home.directory / "state"),
        "TERM": "dumb",
        "COLUMNS": "100",
    }
    master, slave = pty.openpty()
    arguments = [sys.executable, "-m", "plexops", *command.split()[1:]]
    child = subprocess.Popen(
        arguments,
        cwd=home.directory,
        env=environment,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        close_fds=True,
    )
    os.close(slave)
    said = b""
    answered = False
    while True:
        try:
            chunk = os.read(master, 65536)
        except OSError:  # the terminal is gone when the command has ended
            break
        if not chunk:
            break
        said += chunk
        if not answered and b"[y/N]" in said:
            os.write(master, b"y\n")
            answered = True
    os.close(master)
    return child.wait(timeout=60), said.decode(errors="replace")


def test_each_command_of_the_readme_is_known_here() -> None:
    """A command that is added to the README has to be added here, and the other way round."""
    named = [command for command in _commands() if command.startswith("plexops")]
    assert sorted(named) == sorted(EXITS)


def test_commands_of_the_readme_end_as_they_should(home: RunningHome) -> None:
    """In their order: check, audit, dry run, apply (answered with yes), reports, evidence."""
    for command, expected in EXITS.items():
        status, said = _run(command, home)
        assert status == expected, f"{command} ended with {status}:\n{said}"
    assert (home.directory / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "plexops_plex" in home.export("router")


@pytest.mark.parametrize("script", [c for c in _commands() if c.startswith("scripts/")])
def test_scripts_of_the_readme_are_sound(script: str) -> None:
    """They are there, may be run, and a shell can read them; running them is what the test run itself does."""
    path = ROOT / script.split(maxsplit=1)[0]
    assert os.access(path, os.X_OK)
    shell = shutil.which("sh")
    assert shell is not None
    assert subprocess.run([shell, "-n", str(path)], check=False).returncode == 0


def test_links_of_the_readme_lead_somewhere() -> None:
    """Relative links and the picture name files of the checkout."""
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    assert targets
    missing = [t for t in targets if not t.startswith("http") and not (ROOT / t).exists()]
    assert missing == []


def test_exit_codes_of_the_readme_are_those_of_the_program() -> None:
    """The table names each status once, with the number that the program uses."""
    from plexops.model.errors import ExitStatus

    named = {int(number) for number in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)}
    assert named == {int(status) for status in ExitStatus} | {130}
