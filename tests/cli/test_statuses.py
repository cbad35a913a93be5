"""Every exit status once, and that no format and no verbosity changes one."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from pathlib import Path

import pytest

from plexops.evidence.folder import Store
from plexops.evidence.lock import site_lock
from plexops.lab.scenario import FORWARD
from plexops.lab.scenarios import EXTERNAL_PORT, SCENARIOS
from plexops.report import FORMATS
from plexops.structs import replace
from tests.cli.process import PLEXOPS, House, environment, house, plexops, python
from tests.waiting import wait_until

#: A way of showing each: as text, and every format on stdout or into a file.
SHOWN = (
    *((f"--format={name}",) for name in FORMATS),
    ("--format=html:page.html", "-v"),
    ("--format=text", "--format=json:run.json", "--format=junit:run.xml", "--format=github:run.txt"),
)


def test_0_in_order(tmp_path: Path) -> None:
    with house(tmp_path, "in-order") as home:
        assert home("audit").status == 0


def test_1_findings(drifted: House) -> None:
    assert drifted("audit").status == 1
    assert drifted("apply", "--dry-run").status == 0
    assert drifted("apply", "--dry-run", "--exit-code").status == 1


def test_2_usage(bare: Path) -> None:
    (bare / "playbooks" / "plex.yaml").write_text("- {sites: all}\n")
    assert plexops("audit", directory=bare).status == 2


def test_3_safe_stop(tmp_path: Path) -> None:
    with house(tmp_path, "cgnat") as home:
        before = home.exports()
        assert home("audit").status == 3
        ended = home("apply", "--yes")
        assert ended.status == 3
        assert home.exports() == before


def test_4_incomplete(tmp_path: Path) -> None:
    with house(tmp_path) as home:
        home.home.ssh["router"].options.refuse_connections = True
        assert home("audit").status == 4


def test_5_undone(tmp_path: Path) -> None:
    """The host is where it shall be: only then is nothing left that a DHCP server decides."""
    drifted = replace(SCENARIOS["drifted"], address=SCENARIOS["in-order"].address)
    blocked = replace(drifted, isp="isp_blocks", blocked_ports=frozenset({EXTERNAL_PORT}))
    with house(tmp_path, blocked) as home:
        before = home.exports()
        ended = home("apply", "--yes")
        assert ended.status == 5
        assert "undone" in ended.out
        assert home.exports() == before


@pytest.mark.parametrize("named", [False, True], ids=["address", "name"])
def test_1_who_gets_in_from_the_home_itself_proves_nothing(named: bool, tmp_path: Path) -> None:
    """The router leads the home's own hosts in, the vantage is one of them, and the ISP lets nobody else through.

    Where the inventory names it by a host name, only what the world takes it for tells where it stands.
    """
    at_home = SCENARIOS["hairpin-only"]
    forwards = (FORWARD, *at_home.forwards)
    blocked = replace(at_home, isp="isp_blocks", blocked_ports=frozenset({EXTERNAL_PORT}), forwards=forwards)
    with house(tmp_path, blocked) as home:
        if named:
            network = home.home.network
            network.internet["pi.example.net"] = {22: network.hosts["pi"].services[22]}
            home.edit("inventory.yaml", "probe@192.168.1.21", "probe@pi.example.net")
        ended = home("audit")
        assert ended.status == 1
        assert (
            "plex.tv offers apps Plex's addresses at home and the relay, and no direct way in" in ended.said
        )


def test_7_somebody_else_works_on_the_site(tmp_path: Path) -> None:
    with house(tmp_path) as home:
        site = Store.open(home.state).site("home")
        before = home.exports()
        with site_lock(site.lock_path, "home", "apply"):
            ended = home("apply", "--yes")
            assert home("audit").status == 1
        assert ended.status == 7
        assert "error[PLX-R120]: site home is held by `apply`" in ended.said
        assert "wait until it ends" in ended.said
        assert home.exports() == before


def test_8_evidence_that_was_edited(tmp_path: Path) -> None:
    with house(tmp_path, "in-order") as home:
        assert home("audit").status == 0
        (run,) = (home.state / "home" / "runs").iterdir()
        result = run / "result.json"
        result.write_text(result.read_text().replace('"exit_status":0', '"exit_status":1'))
        for words in (("evidence", "verify"), ("evidence", "verify", "last"), ("report",)):
            ended = home(*words)
            assert ended.status == 8
            assert f"error[PLX-R111]: run {run.name}: result.json was edited" in ended.said


#: What no simulated home can be made to do within a test's time is put in the engine's place.
UNDO_FAILED = """
import sys
import plexops.engine.runner as runner
from plexops.structs import replace
real = runner.run
def run(*all, **named):
    report, masked = real(*all, **named)
    return replace(report, exit_status=6), replace(masked, exit_status=6)
runner.run = run
from plexops.cli.main import main
main(sys.argv[1:])
"""
BUG = """
import sys
import plexops.engine.runner as runner
def run(*_, **__):
    secret = "hunter2-9471"
    raise ZeroDivisionError(secret)
runner.run = run
from plexops.cli.main import main
main(["audit"])
"""


def program(home: House, text: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run plexops with something in the engine's place."""
    return python(text, *words, directory=home.directory, XDG_STATE_HOME=str(home.directory / "state"))


@pytest.mark.parametrize("shown", [("--format=text",), SHOWN[-1]], ids=["text", "four at once"])
def test_6_reaches_the_caller_in_every_format(shown: tuple[str, ...], drifted: House) -> None:
    assert program(drifted, UNDO_FAILED, "audit", *shown).returncode == 6


def test_70_a_bug_leaves_a_report_without_values(drifted: House) -> None:
    done = program(drifted, BUG)
    assert done.returncode == 70
    assert "error[PLX-X001]: plexops has a bug: ZeroDivisionError" in done.stderr
    assert "Traceback" not in done.stderr
    found = re.search(r"is in (\S+\.txt);", done.stderr)
    assert found is not None
    text = Path(found[1]).read_text()
    Path(found[1]).unlink()
    assert "ZeroDivisionError" in text
    assert "hunter2-9471" not in text + done.stderr
    assert "command: audit" in text or "command: " in text


@pytest.mark.parametrize(
    ("ending", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_130_and_143_interrupted(ending: signal.Signals, status: int, tmp_path: Path) -> None:
    with house(tmp_path) as home:
        before = home.exports()
        runs = home.state / "home" / "runs"
        with home.home.router.lock:  # the router answers nothing before the signal is sent
            process = subprocess.Popen(
                [*PLEXOPS, "audit"],
                cwd=home.directory,
                env=environment(XDG_STATE_HOME=str(home.directory / "state")),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
            )
            wait_until(lambda: runs.is_dir() and any(runs.iterdir()))
            process.send_signal(ending)
            # Nobody who interrupts waits for a device that is silent.
            out, err = process.communicate(timeout=60)
        assert process.returncode == status
        assert "interrupted: nothing was changed" in err
        assert "Traceback" not in out + err
        assert home.exports() == before
        # An audit that was interrupted is in nobody's way.
        assert home("audit").status == 1


@pytest.mark.parametrize(
    ("scenario", "every"),
    [("in-order", (*SHOWN[-2:], ("--format=json",))), ("cgnat", SHOWN)],
    ids=["in-order", "cgnat"],
)
def test_no_format_and_no_verbosity_changes_a_status(
    scenario: str, every: tuple[tuple[str, ...], ...], tmp_path: Path
) -> None:
    with house(tmp_path, scenario) as home:
        plain = home("audit", "--record", "recording")
        asked = home.home.log("router")
        shown = {words: home("audit", "--replay", "recording", *words) for words in every}
        assert {words: ended.status for words, ended in shown.items()} == dict.fromkeys(every, plain.status)
        assert all(ended.err == "" for ended in shown.values())
        assert home.home.log("router") == asked
        document = json.loads(shown["--format=json",].out)
        assert document["exit_status"] == plain.status
        assert f"exit {plain.status}" in plain.out
        for name in ("page.html", "run.json", "run.xml", "run.txt"):
            assert (home.directory / name).stat().st_size > 500


def test_a_wish_that_guards_refuse_is_no_drift_that_apply_could_cure(drifted: House) -> None:
    ended = drifted("audit", "-e", "external_port=32400")
    assert ended.status == 3
    assert "router STOP" in ended.said
    assert "would open 32400 itself to the internet" in ended.said
    assert "do: change the playbook" in ended.said
    assert "next:" not in ended.said, "what is next is a command"
    assert "apply --dry-run" not in ended.said
