"""Ctrl-C, a stopped service and a full disk in the midst of a change: what is said at once, and what holds then."""

from __future__ import annotations

import os
import re
import resource
import signal
import time
from pathlib import Path

import pytest

from plexops.lab.home import HomeOptions
from plexops.lab.plex import PlexSeed
from plexops.lab.routers import RouterName
from tests.faults.engine_bench import Bench, Homes
from tests.waiting import wait_until

ROUTERS: tuple[RouterName, ...] = ("openwrt", "linux", "routeros", "opnsense")
UNDECIDED = HomeOptions(plex=PlexSeed(throttled=True))


def begun(bench: Bench) -> int:
    """Start an apply that has forwarded and cannot find out whether it helps; give its process."""
    bench.home.ssh["outside"].options.refuse_connections = True
    process = bench.start("apply", "--yes")
    runs = bench.folder / "home" / "runs"
    wait_until(
        lambda: runs.is_dir() and any('"kind":"sent"' in j.read_text() for j in runs.glob("*/journal.jsonl"))
    )
    wait_until(lambda: "32500" in bench.home.export("router"))
    time.sleep(0.5)
    return process


def said(bench: Bench) -> str:
    return bench._output("err").read_text("utf-8")


def no_more_room(process: int, run: Path) -> None:
    """Let no file of a process grow beyond what its journal holds now: as on a disk that is full."""
    size = (run / "journal.jsonl").stat().st_size
    resource.prlimit(process, resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize(
    ("router", "number"), [*((router, signal.SIGINT) for router in ROUTERS), ("openwrt", signal.SIGTERM)]
)
def test_the_first_time_it_says_at_once_what_it_puts_back(
    homes: Homes, router: RouterName, number: signal.Signals
) -> None:
    """F33: a service that is stopped with ten seconds of grace, or Ctrl-C: undone, and the message says what."""
    with homes(router, "no-forward", options=UNDECIDED) as bench:
        old = bench.state()
        process = begun(bench)
        os.kill(process, number)
        wait_until(lambda: "interrupted: putting back" in said(bench))
        ended = bench.wait()
        assert ended.status == 5, ended
        line = re.search(r"interrupted: putting back (.*)", ended.err)
        assert line is not None
        order = line[1].split(". ")[0].split(", ")
        changes = [r["data"]["change"] for r in bench.journal() if r["kind"] == "intent"]
        made = [f"{change['role']}/{change['kind']}/{change['key']}" for change in changes]
        assert order == list(reversed(made)), "in the order in which it puts them back"
        assert bench.state() == old


@pytest.mark.parametrize("router", ["openwrt", "linux"])
def test_the_second_time_it_says_what_stands_and_until_when(homes: Homes, router: RouterName) -> None:
    """The router hangs while it is put back: Ctrl-C once more ends at once, with what the router does by itself."""
    with homes(router, "no-forward", options=UNDECIDED) as bench:
        old = bench.state()
        process = begun(bench)
        with bench.home.router.lock:
            os.kill(process, signal.SIGINT)
            wait_until(lambda: "interrupted: putting back" in said(bench))
            time.sleep(0.5)
            os.kill(process, signal.SIGINT)
            ended = bench.wait()
        assert ended.status == 130, ended
        assert re.search(
            r"stopped\. Not put back: .*router/port_forward/plex: the device puts it back by itself at \d\d:\d\d:\d\d",
            ended.err,
        ), ended.err
        settled = bench("recover")
        assert settled.status == 0, settled
        assert "looking at every stop" in settled.err, "it says what it does before it waits for anything"
        assert bench.state() == old


@pytest.mark.parametrize("router", ROUTERS)
def test_a_disk_that_fills_after_the_change_is_made(homes: Homes, router: RouterName) -> None:
    """F06: no record can be written any more. What was made is put back, the report is printed and says both."""
    with homes(router, "no-forward", options=UNDECIDED) as bench:
        old = bench.state()
        process = begun(bench)
        no_more_room(process, bench.runs()[-1])
        ended = bench.wait()
        assert ended.status == 5, ended
        assert "undone" in ended.out.lower()
        told = " ".join(ended.out.split())
        assert "router/port_forward/plex was put back" in told
        assert "PLX-R102" in told
        assert "changes are put back all the same" in ended.err
        assert bench.state() == old
        assert bench("evidence", "verify").status == 0
        assert bench("recover").status == 0
        assert bench.state() == old


def test_a_result_that_cannot_be_written_says_first_that_devices_changed(homes: Homes) -> None:
    """F05, late: the change stands and is proven, and only its report could not be kept."""
    with homes() as bench:
        bench.start("apply", "--yes")
        wait_until(lambda: (bench.folder / "home" / "runs").is_dir() and bool(bench.runs()))
        (bench.runs()[-1] / "private" / "result.json").mkdir(parents=True)
        ended = bench.wait()
        assert ended.status == 4, ended
        told = " ".join(ended.out.split())
        assert "Applied, read back and proven" in told
        stands, broken = told.index("router/port_forward/plex stands"), told.index("could not be written:")
        assert stands < broken
        assert bench.is_open(32500)


def test_a_snapshot_that_cannot_be_written_stops_before_any_device_is_changed(homes: Homes) -> None:
    """F05: no room for what has to be kept: the path and the reason, exit 4, and no write on the wire."""
    with homes() as bench:
        old = bench.state()
        with bench.home.router.lock:
            process = bench.start("apply", "--yes")
            wait_until(lambda: (bench.folder / "home" / "runs").is_dir() and bool(bench.runs()))
            wait_until((bench.runs()[-1] / "journal.jsonl").exists)
            resource.prlimit(process, resource.RLIMIT_FSIZE, (300, 300))
        ended = bench.wait()
        assert ended.status == 4, ended
        assert "PLX-R102" in ended.err
        assert str(bench.folder) in "".join(ended.err.split())
        assert bench.writes() == []
        assert bench.state() == old
