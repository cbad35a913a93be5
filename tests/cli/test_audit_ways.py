"""Everything is set as the playbook says, and viewers do not get in: an audit says so, as a diagnosis does."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cli.process import House, house

PLAYBOOK = "playbooks/plex-remote-access.yaml"


@pytest.mark.parametrize(
    ("scenario", "have"),
    [
        ("not-online", "plex.tv does not see it online"),
        ("not-listed", "plex.tv's list of the account's servers does not hold it"),
        ("not-claimed", "this Plex belongs to no account"),
    ],
)
def test_a_fault_of_the_account_is_no_green_audit(scenario: str, have: str, tmp_path: Path) -> None:
    with house(tmp_path, scenario) as home:
        audited = home("audit")
    assert audited.status == 1, audited.said
    assert have in audited.said
    assert "Plex DRIFT" in audited.said
    assert "4 ok · 1 drift" in audited.said


def test_an_audit_promises_nothing_that_no_plan_holds(tmp_path: Path) -> None:
    with house(tmp_path, "host-firewall-v6") as home:
        audited, planned = home("audit"), home("apply", "--dry-run")
    assert audited.status == 1
    assert planned.status == 0
    assert "--approve" not in planned.said, "the plan holds nothing"
    assert "plexops apply" not in audited.said


def test_a_plan_that_holds_something_else_is_no_cure(tmp_path: Path) -> None:
    """Plex waits for a router's mapping; the playbook is about the host's address and firewall alone."""
    with house(tmp_path, "drifted") as home:
        text = (home.directory / PLAYBOOK).read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in text if "port_forward" not in line and "plex_remote_access" not in line]
        (home.directory / PLAYBOOK).write_text("".join(kept), encoding="utf-8")
        diagnosed = home("diagnose")
        assert "--approve" in home("apply", "--dry-run").said, "the plan holds something"
    assert diagnosed.status == 1
    assert "plexops apply" not in diagnosed.said
    assert "No task of your playbooks changes it" in diagnosed.said


FORMATS = ("text", "json", "junit", "github", "html", "markdown")
GREEN = "Fully accessible outside your network"
TOLD = """\
schema: plexops/told/1
site: home
answers:
  plex-web: {{answer: "Not available outside your network", at: {at}}}
"""


@pytest.mark.parametrize("command", ["audit", "diagnose"])
def test_plex_web_s_own_words_are_in_every_format(command: str, drifted: House) -> None:
    """Runbook M1: the exact words are the anchor, and whether they were told or inferred is said."""
    ended = drifted(command, *(f"--format={name}:words.{name}" for name in FORMATS))
    assert ended.status == 1, ended.said
    for name in FORMATS:
        shown = " ".join((drifted.directory / f"words.{name}").read_text(encoding="utf-8").split())
        assert "Not available outside your network" in shown, name
        assert "inferred from Plex" in shown, name


def test_words_that_you_read_there_are_said_as_yours(tmp_path: Path) -> None:
    told = tmp_path / "told.yaml"
    told.write_text(TOLD.format(at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")), encoding="utf-8")
    with house(tmp_path / "home", "in-order") as home:
        ended = home("audit", "--told", str(told))
    assert "“Not available outside your network”, as you read there" in ended.said
    assert f"“{GREEN}”, inferred from Plex's own state" in ended.said
