"""What runs leave: shown again, verified, handed on masked, and pruned. No device is asked for any of it."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from plexops.config.schemas import schema_of
from plexops.lab.server import MAC
from tests.cli.process import House, house


@pytest.fixture
def asked_nothing(applied: House) -> Iterator[House]:
    """The home with its evidence; whatever a test does with it, nobody is contacted."""
    before = applied.home.log("jump")
    yield applied
    assert applied.home.log("jump") == before


def run_ids(home: House) -> list[str]:
    """Give the runs that there are, the oldest first."""
    return sorted(path.name for path in (home.state / "home" / "runs").iterdir())


def test_the_text_says_where_the_evidence_is(asked_nothing: House) -> None:
    last = asked_nothing.state / "home" / "runs" / run_ids(asked_nothing)[-1]
    assert f"evidence: {last}" in asked_nothing("report").out


def test_report_shows_a_run_by_id_beginning_and_last(asked_nothing: House) -> None:
    first, last = run_ids(asked_nothing)
    shown = asked_nothing("report", first)
    assert shown.status == 0
    assert "plexops audit" in shown.out
    assert "exit 1" in shown.out
    assert asked_nothing("report", "last").out == asked_nothing("report", last.upper()).out
    assert "Applied, read back and proven" in asked_nothing("report", "--site", "home").out
    common = asked_nothing("report", first[:1])
    assert common.status == 2
    assert "PLX-R104" in common.err


def test_report_writes_any_format(asked_nothing: House) -> None:
    ended = asked_nothing("report", "-o", "html:page.html", "-o", "json:run.json", "-o", "markdown")
    assert ended.status == 0
    assert ended.out.startswith("### plexops apply: home")
    page = (asked_nothing.directory / "page.html").read_text()
    assert page.lower().startswith("<!doctype html>")
    document = json.loads((asked_nothing.directory / "run.json").read_text())
    jsonschema.validate(document, schema_of("run"))
    jsonschema.Draft202012Validator.check_schema(schema_of("run"))


def test_what_is_not_a_terminal_gets_masked_identifiers(asked_nothing: House) -> None:
    shown = asked_nothing("report", "last", "-v").out
    assert "192.168.1.50" in shown
    assert MAC not in shown
    assert f"{MAC[:8]}:··" in shown


def test_list(asked_nothing: House) -> None:
    lines = asked_nothing("evidence", "list").out.splitlines()
    assert lines[0].split()[0] == "RUN"
    assert [line.split()[0] for line in lines[1:]] == run_ids(asked_nothing)
    assert lines[1].split()[4:6] == ["audit", "1"]
    assert lines[2].split()[4:6] == ["apply", "0"]


def test_verify(asked_nothing: House) -> None:
    ended = asked_nothing("evidence", "verify")
    assert (ended.status, ended.out) == (0, "2 runs of 1 site: in order\n")
    assert asked_nothing("evidence", "verify", "last").status == 0
    assert asked_nothing("evidence", "verify", "last", "--all").status == 2


def test_export_holds_what_is_masked_and_nothing_private(asked_nothing: House) -> None:
    home = asked_nothing.home
    assert asked_nothing("evidence", "export", "last", "run.zip").status == 0
    with zipfile.ZipFile(asked_nothing.directory / "run.zip") as archive:
        files = {name.partition("/")[2]: archive.read(name).decode() for name in archive.namelist()}
    assert {"result.json", "report.html", "masked-plan.json", "masked-journal.jsonl", "manifest.json"} <= set(
        files
    )
    assert any(name.startswith("exhibits/") for name in files)
    assert not any("private" in name for name in files)
    everything = "\n".join(files.values()).lower()
    token, machine = home.options.plex.token, home.options.plex.machine_identifier
    for hidden in (token, machine, MAC, str(home.network.public_address)):
        assert hidden.lower() not in everything
    # The private part does hold them, so their absence above is masking and not an empty run.
    private = next(
        (asked_nothing.state / "home" / "runs" / run_ids(asked_nothing)[-1]).glob("private/snapshots*")
    )
    assert MAC in private.read_text().lower()
    plan = json.loads(files["masked-plan.json"])
    assert any(
        "plexops.plexops_plex.mac=52:54:00:··" in request
        for step in plan["steps"]
        for request in step["requests"]
    )
    records = [json.loads(line) for line in files["masked-journal.jsonl"].splitlines()]
    assert records[0]["kind"] == "start"
    assert records[-1]["kind"] == "finish"
    again = asked_nothing("evidence", "export", "last", "again.zip")
    assert again.status == 0
    assert (asked_nothing.directory / "again.zip").read_bytes() == (
        asked_nothing.directory / "run.zip"
    ).read_bytes()


def test_prune_keeps_the_newest(tmp_path: Path) -> None:
    with house(tmp_path, "in-order") as home:
        assert home("evidence", "list").out == "there are no runs yet\n"
        for _ in range(3):
            assert home("audit").status == 0
        *old, newest = run_ids(home)
        assert home("evidence", "prune", "--keep", "1").out == "home: 2 deleted, 1 kept\n"
        assert run_ids(home) == [newest]
        assert home("report", old[0]).status == 2
        verified = home("evidence", "verify", "--all")
        assert (verified.status, verified.out) == (0, "1 run of 1 site: in order\n")
        (home.state / "home" / "runs" / newest / "plan.json").write_text("{}")
        assert home("evidence", "verify").status == 8


def test_a_run_that_was_deleted_by_hand_is_missed(tmp_path: Path) -> None:
    with house(tmp_path, "in-order") as home:
        assert home("audit").status == 0
        (run,) = run_ids(home)
        shutil.rmtree(home.state / "home" / "runs" / run)
        ended = home("evidence", "verify")
        assert ended.status == 8
        assert f"run {run}: its folder was deleted" in ended.err


@pytest.mark.parametrize("last", ["journal", "chain"])
@pytest.mark.parametrize("by", ["recover", "the next run"])
def test_a_run_killed_while_it_ended_is_shown_and_completed(tmp_path: Path, last: str, by: str) -> None:
    """What SIGKILL leaves between the journal's last record and the chain's, or right before both: a crash, no edit."""
    with house(tmp_path) as home:
        assert home("audit").status == 1
        chain = home.state / "home" / "chain.jsonl"
        journal = home.state / "home" / "runs" / run_ids(home)[0] / "journal.jsonl"
        for path in (chain, journal) if last == "journal" else (chain,):
            path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
        for words in (("evidence", "verify"), ("report",)):
            shown = home(*words)
            assert shown.status == 0, shown
            assert "was killed while it ended" in shown.said
        done = home("recover") if by == "recover" else home("audit")
        assert done.status == (0 if by == "recover" else 1)
        assert ("its record is complete now" in done.said) == (by == "recover")
        assert json.loads(journal.read_bytes().splitlines()[-1])["kind"] == "finish"
        shown = home("evidence", "verify")
        assert shown.status == 0
        assert "killed" not in shown.said
