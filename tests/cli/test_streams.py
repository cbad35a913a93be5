"""What goes where: results to stdout, all else to stderr; pipes that close, plain ASCII, colours, CI."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest

from plexops.lab.server import MAC
from tests.cli.process import PLEXOPS, House, environment, plexops


def test_a_reader_that_goes_away_changes_no_status(drifted: House) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*PLEXOPS, "audit"],
        cwd=drifted.directory,
        env=environment(XDG_STATE_HOME=str(drifted.directory / "state")),
        stdout=writer,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("words", [("audit",), ("audit", "--format=markdown"), ("check", "--list-tasks")])
def test_a_stream_without_unicode_gets_ascii(words: tuple[str, ...], drifted: House) -> None:
    ended = drifted(*words, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert ended.status in (0, 1)
    assert ended.err == ""
    assert ended.out.isascii()


def test_a_device_cannot_steer_a_terminal(drifted: House) -> None:
    """No control character of any kind is printed where there is no terminal."""
    ended = drifted("audit", "-v")
    assert not any(ord(char) < 0x20 and char != "\n" for char in ended.out)


@pytest.mark.parametrize(
    ("variables", "colours"), [({"NO_COLOR": ""}, False), ({"NO_COLOR": "", "FORCE_COLOR": "1"}, True)]
)
def test_colour_only_where_it_is_wanted(variables: dict[str, str], colours: bool, drifted: House) -> None:
    assert ("\x1b[" in drifted("audit", **variables).out) is colours


def test_ones_own_terminal_shows_addresses_in_clear(drifted: House) -> None:
    """Masking is for what leaves this machine; a pipe or a file gets it, the terminal does not."""
    main, terminal = pty.openpty()
    process = subprocess.Popen(
        [*PLEXOPS, "audit"],
        cwd=drifted.directory,
        env=environment(XDG_STATE_HOME=str(drifted.directory / "state"), TERM="dumb"),
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        stderr=subprocess.STDOUT,
    )
    os.close(terminal)
    said = b""
    while True:
        try:
            part = os.read(main, 65536)
        except OSError:  # how Linux says that nobody writes any more
            break
        if not part:
            break
        said += part
    os.close(main)
    assert process.wait(60) == 1
    assert MAC in said.decode()
    assert MAC not in drifted("report", "last").out


def test_github_gets_a_summary_beside_the_log(drifted: House, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n", encoding="utf-8")
    ended = drifted("audit", "--format=github", GITHUB_STEP_SUMMARY=str(summary))
    assert ended.status == 1
    assert "::error file=playbooks/plex-remote-access.yaml,line=6" in ended.out
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("before\n### plexops audit: home")
    assert MAC not in text
    nowhere = drifted("audit", "--format=github", GITHUB_STEP_SUMMARY="/nowhere/summary.md")
    assert nowhere.status == 1
    assert "the summary cannot be written" in nowhere.err


def test_a_report_file_is_tried_before_anybody_is_asked(drifted: House) -> None:
    page = drifted.directory / "page.html"
    page.write_text("an older report", encoding="utf-8")
    before = drifted.home.log("jump")
    for words in (("--format=html:nowhere/page.html",), ("--format=html:playbooks",)):
        ended = drifted("audit", *words)
        assert ended.status == 2
        assert "error[PLX-C703]" in ended.err
    mixed = drifted("audit", "--format=html:page.html", "--format=json:nowhere/run.json")
    assert mixed.status == 2
    assert page.read_text(encoding="utf-8") == "an older report"
    assert drifted.home.log("jump") == before


def test_results_and_messages_do_not_mix(bare: Path) -> None:
    good = plexops("check", directory=bare)
    assert (good.status, good.err) == (0, "")
    (bare / "inventory.yaml").write_text("sites: {}\n")
    bad = plexops("check", directory=bare)
    assert (bad.status, bad.out) == (2, "")
    assert "error[PLX-C201]" in bad.err


def test_a_full_disk_is_said_and_is_no_bug(drifted: House) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*PLEXOPS, "explain", "PLX-C101"],
            cwd=drifted.directory,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert "PLX-C703" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == 2
