"""Many homes: a table by cause, a line of JSON for each as it is done, those that failed once more, a bar that counts."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.cli.process import PLEXOPS, Ended, at_a_terminal, plexops

SITE = """\
  {name}:
    router: {{profile: openwrt, address: 127.0.0.1, port: 9, username: root, password: {{env: PLEXOPS_PASSWORD}}}}
"""
PLAYBOOK = """\
- name: The router answers no UPnP
  sites: all
  tasks: [{name: None, upnp: {enabled: false}}]
"""
NAMES = ["attic", "barn", "cabin", "den", "estate"]


@pytest.fixture
def fleet(bare: Path) -> Path:
    """Five homes whose routers refuse."""
    (bare / "playbooks" / "plex.yaml").write_text(PLAYBOOK, encoding="utf-8")
    sites = "".join(SITE.format(name=name) for name in NAMES)
    (bare / "inventory.yaml").write_text(f"sites:\n{sites}", encoding="utf-8")
    return bare


def variables(folder: Path) -> dict[str, str]:
    return {"XDG_STATE_HOME": str(folder / "state"), "PLEXOPS_PASSWORD": "x"}


def audit(folder: Path, *words: str) -> Ended:
    return plexops("audit", *words, directory=folder, variables=variables(folder))


def test_a_table_by_cause_names_the_homes(fleet: Path) -> None:
    ended = audit(fleet)
    assert ended.status == 4
    assert "5 homes     PLX-D102: " in ended.out
    assert "attic, barn, cabin, den, estate" in ended.out
    assert "-l @failed" in ended.out
    assert ended.out.splitlines()[-1].endswith("exit 4")
    assert "127.0.0.1" not in ended.out, "the details are with -v"
    details = audit(fleet, "-v").out
    assert all(f"{name} · read-only" in details for name in NAMES)
    assert "5 homes     PLX-D102: " in details
    again = plexops("report", "last", directory=fleet, variables=variables(fleet))
    assert "5 homes     PLX-D102: " in again.out


def test_three_homes_are_told_in_full(fleet: Path) -> None:
    shown = audit(fleet, "-l", "attic,barn,cabin").out
    assert all(f"{name} · read-only" in shown for name in NAMES[:3])
    assert " homes " not in shown


def test_a_line_for_each_home_and_a_summary(fleet: Path) -> None:
    ended = audit(fleet, "--format", "jsonl", "--format", "json:whole.json", "--format", "jsonl:lines.jsonl")
    *lines, last = [json.loads(line) for line in ended.out.splitlines()]
    assert {line["schema"] for line in lines} == {"plexops.run/1"}
    assert sorted(line["sites"][0]["name"] for line in lines) == NAMES
    assert all(len(line["sites"]) == 1 for line in lines)
    assert last["schema"] == "plexops.fleet/1"
    assert (last["homes"], last["exit_status"], ended.status) == (5, 4, 4)
    (cause,) = last["causes"]
    assert cause["homes"] == NAMES
    assert (fleet / "lines.jsonl").read_text(encoding="utf-8") == ended.out
    whole = json.loads((fleet / "whole.json").read_text(encoding="utf-8"))
    assert [site["name"] for site in whole["sites"]] == NAMES
    kept = plexops("report", "last", "--format", "jsonl", directory=fleet, variables=variables(fleet)).out
    assert sorted(json.loads(line)["sites"][0]["name"] for line in kept.splitlines()[:-1]) == NAMES


def test_failed_homes_are_looked_at_again(fleet: Path) -> None:
    first = audit(fleet, "-l", "@failed")
    assert first.status == 2
    assert "error[PLX-R112]: there was no run over several sites yet" in first.err
    audit(fleet, "-l", "attic,den")
    again = audit(fleet, "-l", "@failed", "--list-tasks").out
    assert "attic" in again
    assert "den" in again
    assert "barn" not in again
    audit(fleet, "-l", "barn")
    assert "barn" not in audit(fleet, "-l", "@failed", "--list-tasks").out, "a run over one home is no list"
    (fleet / "state" / "plexops" / "failed.json").write_text("[]")
    assert "ended in order at each" in audit(fleet, "-l", "@failed").said


def test_a_bar_counts_at_a_terminal_alone(fleet: Path) -> None:
    argv = [*PLEXOPS, "audit"]
    with (fleet / "report.txt").open("w") as report:
        program = f"import os, sys; os.environ['TERM'] = 'xterm'; os.execv(sys.executable, {argv!r})"
        status, said = at_a_terminal(
            [sys.executable, "-c", program], fleet, variables(fleet), "\0", (), report.fileno()
        )
    assert status == 4
    assert "5/5" in said
    assert "5 incomplete" in said
    assert "homes" in (fleet / "report.txt").read_text()
    assert audit(fleet).err == ""
