"""Every command of the README does what it says there, in its order, on a drifted simulated home."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from plexops.cli.homes import LabHome, pin_keys
from plexops.config.probe_file import probe_document
from plexops.lab.home import RunningHome, start_home
from plexops.model.entries import Probe, ProbeAnswer
from tests.cli.process import PLEXOPS, at_a_terminal

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
    "plexops diagnose --format html:verdict.html": 0,
    "plexops audit --format junit:audit.xml": 0,
    "plexops report last --format markdown": 0,
    "plexops evidence verify --all": 0,
    "plexops explain PLX-D201": 0,
}

#: What looks around in the network ends so where there is none.
ALONE = {
    "plexops diagnose --quick": 4,
    "plexops init": 4,
    "plexops probe 203.0.113.20:32500 --out hotspot.json": 1,
}
#: What is shown with its output, or needs a file from another network: run on a home whose forward is stale.
SHOWN = {"plexops diagnose": 1, "plexops diagnose --probes hotspot.json": 1}


def _commands() -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip()]


def _consoles() -> list[tuple[str, list[str]]]:
    """Give each plexops command that stands at a prompt, with the output that the README shows for it."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"^```console\n(.*?)^```", README, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif found and line:
                found[-1][1].append(line)
    return [(command, output) for command, output in found if command.startswith("plexops")]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHome]:
    """A drifted OpenWrt home."""
    with start_home("openwrt", "drifted", directory=tmp_path_factory.mktemp("readme")) as running:
        pin_keys(LabHome(running, running.directory))
        yield running


def _run(command: str, home: RunningHome) -> tuple[int, str]:
    """Run a command in the folder of a home."""
    return _answered([*PLEXOPS, *command.split()[1:]], home.directory)


def _answered(arguments: Sequence[str], directory: Path) -> tuple[int, str]:
    """Run a command as a person does: at a terminal, answering yes where it asks."""
    own = {"HOME": str(directory), "XDG_STATE_HOME": str(directory / "state")}
    return at_a_terminal(arguments, directory, own, "[y/N]", ["y"])


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


def test_each_command_at_a_prompt_is_known_here() -> None:
    assert sorted(command for command, _ in _consoles()) == sorted([*ALONE, *SHOWN])


def test_a_diagnosis_shows_what_the_readme_shows(tmp_path: Path) -> None:
    shown = dict(_consoles())
    with start_home("openwrt", "stale-forward", directory=tmp_path) as stale:
        pin_keys(LabHome(stale, tmp_path))
        status, said = _run("plexops diagnose", stale)
        assert status == SHOWN["plexops diagnose"], said
        assert len(shown["plexops diagnose"]) >= 6
        printed = said.replace("\r", "").splitlines()
        assert [line for line in shown["plexops diagnose"] if line not in printed] == []
        made = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        probe = Probe("hotspot", IPv4Address("62.155.240.55"), 32500, ProbeAnswer.TIMED_OUT, "", False, made)
        (tmp_path / "hotspot.json").write_text(probe_document(probe, "62.155.240.55", 6000, ""))
        brought = "plexops diagnose --probes hotspot.json"
        status, said = _run(brought, stale)
        assert status == SHOWN[brought], said


@pytest.mark.skipif(
    os.geteuid() != 0 or sys.platform != "linux" or shutil.which("unshare") is None,
    reason="looking around needs a network namespace: root on Linux, and unshare",
)
@pytest.mark.parametrize("command", ALONE)
def test_a_look_around_where_there_is_no_network(command: str, tmp_path: Path) -> None:
    """They are understood, end as they say, and leave nothing that was not seen."""
    words = " ".join([*PLEXOPS, *command.split()[1:]])
    enclosed = ["unshare", "-n", "sh", "-c", f"ip link set lo up; exec {words}"]
    status, said = _answered(enclosed, tmp_path)
    assert status == ALONE[command], said
    assert list(tmp_path.glob("*.yaml")) == []


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
    from plexops.model.status import ExitStatus

    named = {int(number) for number in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)}
    assert named == {int(status) for status in ExitStatus} | {130}
