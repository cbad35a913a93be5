"""Faults of the machine that plexops runs on, by their numbers in the fault list: what each comes to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.process import House, house, python


def interrupted(home: House) -> Path:
    """Make a run look as if it was killed after it had sent something; give its journal."""
    run = max((home.state / "home" / "runs").iterdir())
    journal = run / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    until = next(n for n, line in enumerate(lines) if b'"kind":"done"' in line)
    journal.write_bytes(b"".join(lines[:until]))
    chain = home.state / "home" / "chain.jsonl"
    kept = [line for line in chain.read_bytes().splitlines(keepends=True) if run.name.encode() not in line]
    chain.write_bytes(b"".join(kept))
    return journal


def asked(home: House) -> list[list[str]]:
    """Give what reached the devices."""
    return [list(home.home.log("router")), list(home.home.log("server")), list(home.home.log("plex"))]


def written_by_a_newer_version(journal: Path) -> None:
    body = json.loads(journal.read_bytes().splitlines()[0])
    del body["h"]
    body["data"] |= {"format": "plexops.journal/2", "version": "9.9.9"}
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    body["h"] = hashlib.sha256(canonical.encode()).hexdigest()
    journal.write_text(json.dumps(body, sort_keys=True, separators=(",", ":")) + "\n")


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as home:
        assert home("apply", "--yes").status == 0
        yield home


def test_f08_one_byte_flipped_in_a_journal(killed: House) -> None:
    """Exit 8, and no device is contacted."""
    journal = interrupted(killed)
    data = bytearray(journal.read_bytes())
    data[len(data) // 2] ^= 1
    journal.write_bytes(bytes(data))
    before = asked(killed)
    for words in (("recover",), ("evidence", "verify")):
        ended = killed(*words)
        assert ended.status == 8, ended
        assert "PLX-R110" in ended.err
        assert str(journal) in "".join(ended.err.split()), "where"
    assert asked(killed) == before


def test_f36_a_journal_of_a_newer_version(killed: House) -> None:
    """It is left as it is, and the message says which version wrote it."""
    journal = interrupted(killed)
    written_by_a_newer_version(journal)
    data = journal.read_bytes()
    before = asked(killed)
    ended = killed("recover")
    assert ended.status == 2, ended
    assert "PLX-R106" in ended.err
    assert "9.9.9" in ended.err
    assert journal.read_bytes() == data
    assert asked(killed) == before


@pytest.mark.parametrize("attack", ["a link", "writable by others"])
def test_f31_a_state_folder_that_is_not_ours_alone(tmp_path: Path, attack: str) -> None:
    with house(tmp_path) as home:
        home.state.parent.mkdir(parents=True, exist_ok=True)
        if home.state.exists():
            home.state.rename(tmp_path / "away")
        if attack == "a link":
            (tmp_path / "elsewhere").mkdir()
            home.state.symlink_to(tmp_path / "elsewhere")
        else:
            home.state.mkdir()
            home.state.chmod(0o777)
        for words in (("audit",), ("apply", "--yes"), ("recover",)):
            ended = home(*words)
            assert ended.status == 8, ended
            assert "PLX-R101" in ended.err
        assert home.untouched()


@pytest.mark.parametrize("folder", ["/nonexistent/tmp", "/proc", "/dev/full"])
def test_f32_no_temporary_folder_is_used(tmp_path: Path, folder: str) -> None:
    with house(tmp_path) as home:
        ended = home("audit", TMPDIR=folder, TEMP=folder, TMP=folder)
        assert ended.status == 1, ended


BUG = """
import sys, tempfile
from plexops.cli import crash
tempfile.tempdir = "/nonexistent/tmp"
try:
    raise ZeroDivisionError("hunter2-9471")
except ZeroDivisionError as bug:
    sys.exit(crash.report_crash(bug))
"""


def test_f32_a_bug_without_a_temporary_folder_is_told_all_the_same() -> None:
    done = python(BUG, timeout=30)
    assert done.returncode == 70
    assert "ZeroDivisionError" in done.stderr
    assert "Traceback" not in done.stderr
    assert "hunter2-9471" not in done.stderr


KILLED_WHILE_RENDERING = """
import os, signal
from plexops.report import html
html.render = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
from plexops.cli.main import main
main(["audit", "-o", "html:page.html"])
"""


def test_f37_killed_while_a_page_is_rendered(tmp_path: Path) -> None:
    """The evidence was kept before: it is whole, and the report can be shown later."""
    with house(tmp_path) as home:
        done = python(
            KILLED_WHILE_RENDERING, directory=home.directory, XDG_STATE_HOME=str(home.directory / "state")
        )
        assert done.returncode == -9, done
        assert home("evidence", "verify").status == 0
        shown = home("report", "last", "-o", "html:page.html")
        assert shown.status == 0, shown
        assert (
            (home.directory / "page.html").read_text(encoding="utf-8").lower().startswith("<!doctype html>")
        )
