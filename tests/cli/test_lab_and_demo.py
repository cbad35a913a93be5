"""`plexops lab` and `plexops demo`: a whole home for one command, gone afterwards."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path

import pytest

from plexops.lab.scenarios import SCENARIOS
from tests.cli.process import PLEXOPS, environment, plexops, python

ROUTERS = ("openwrt", "linux", "routeros", "opnsense")


def folder_in(text: str) -> Path:
    """Find the home's folder in what was printed."""
    found = re.search(r"\S*/plexops-(?:lab|demo)-\w+", text)
    assert found is not None
    return Path(found[0])


def test_scenarios_are_listed(tmp_path: Path) -> None:
    lines = plexops("lab", "scenarios", directory=tmp_path).out.splitlines()
    assert [line.split()[0] for line in lines] == list(SCENARIOS)


@pytest.mark.parametrize(
    ("words", "status"),
    [(("exit", "0"), 0), (("exit", "37"), 37), (("kill", "-TERM", "$$"), 128 + 15)],
    ids=str,
)
def test_the_status_is_the_commands(words: tuple[str, ...], status: int, tmp_path: Path) -> None:
    ended = plexops("lab", "run", "--", "sh", "-c", " ".join(words), directory=tmp_path)
    assert ended.status == status


def test_run_gives_the_command_a_home_and_takes_it_down(tmp_path: Path) -> None:
    script = 'pwd; ls; echo "$XDG_STATE_HOME"'
    ended = plexops("lab", "run", "--", "sh", "-c", script, directory=tmp_path)
    folder, *names, state = ended.out.splitlines()
    assert {"inventory.yaml", "playbooks"} <= set(names)
    assert state == f"{folder}/state"
    assert not Path(folder).exists()


def test_plexops_inside_is_this_installation(tmp_path: Path) -> None:
    ended = plexops(
        "lab", "run", "-s", "in-order", "--", "plexops", "audit", directory=tmp_path, variables={"PATH": ""}
    )
    assert ended.status == 0
    assert "plexops audit" in ended.out


def test_run_keeps_the_folder_where_it_is_told_to(tmp_path: Path) -> None:
    words = ("lab", "run", "--keep", "home", "--", "plexops", "audit", "--format", "json:run.json")
    assert plexops(*words, directory=tmp_path).status == 1
    assert (tmp_path / "home" / "run.json").is_file()
    assert (tmp_path / "home" / "log" / "router.log").stat().st_size > 0
    refused = plexops(*words, directory=tmp_path)
    assert refused.status == 2
    assert "is not empty" in refused.said


def test_ones_own_playbook_is_tried(tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text("- {sites: all, tasks: [{name: Mine, dhcp_reservation: {}}]}\n")
    ended = plexops(
        "lab", "run", "-p", "mine.yml", "--", "plexops", "check", "--list-tasks", directory=tmp_path
    )
    assert ended.status == 0
    assert ended.out.split()[:2] == ["home", "Mine"]
    assert len(ended.out.splitlines()) == 2


def test_serve_says_how_to_use_it_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*PLEXOPS, "lab", "serve", "--scenario", "in-order"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stdout is not None
    said = "".join(process.stdout.readline() for _ in range(7))
    folder = folder_in(said)
    assert f"export XDG_STATE_HOME={folder}/state" in said
    assert plexops("audit", directory=folder, variables={"XDG_STATE_HOME": f"{folder}/state"}).status == 0
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert not folder.exists()


@pytest.mark.parametrize("router", ROUTERS)
def test_demo_ends_as_it_tells(router: str, tmp_path: Path) -> None:
    ended = plexops("demo", "--router", router, "--keep", "home", directory=tmp_path)
    assert ended.err == ""
    assert ended.status == 0
    statuses = re.findall(r" {2,}exit (\d)$", ended.out, re.MULTILINE)
    assert statuses == ["1", "0", "0", "0", "0"]
    assert re.findall(r"^\$ (.*)$", ended.out, re.MULTILINE) == [
        "plexops audit",
        "plexops apply --dry-run",
        "plexops apply --yes",
        "plexops audit",
        "plexops apply --yes",
    ]
    page = (tmp_path / "home" / "report.html").read_text(encoding="utf-8")
    assert "Applied, read back and proven" in page


#: The first apply does nothing, as if a device had lied about what it took.
LAME = """
import sys
import plexops.cli.commands.demo as demo
real = demo.run_in
demo.run_in = lambda home, words: 0 if words[1] == "apply" else real(home, words)
from plexops.cli.main import main
main(["demo", "--keep", "home"])
"""


def test_a_demo_that_does_not_end_as_told_says_so(tmp_path: Path) -> None:
    done = python(LAME, directory=tmp_path)
    assert done.returncode == 1
    assert "This did not end as announced: no device was changed." in done.stdout
