"""The devices' own undo, in a real home: it fires when plexops dies, for its own change, and never for another."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from plexops.drivers.server.driver import ServerDriver
from plexops.model.change import Action, Change
from plexops.model.exchange import Command
from plexops.model.snapshot import Fact, Kind, Role, Snapshot

from .links import SERVER_MAC
from .owner import (
    MACHINES,
    PORT,
    armed_windows,
    mark,
    plexops,
    requests_since,
    say_how_long,
    state_of,
    wait_until,
    without_vantage,
)
from .realhome import REPOSITORY, RealHome, real_home, why_not

pytestmark = [pytest.mark.namespaces, pytest.mark.skipif(bool(why_not()), reason=why_not() or "can run here")]

#: The router's windows in the run that is killed, in seconds; the tool's own are minutes.
SHORT = 12
SHORT_WINDOWS = f"""
import sys
from plexops.drivers.router import profiled
profiled.WINDOW_SECONDS = profiled.FORWARD_WINDOW_SECONDS = {SHORT}
from plexops.cli.main import run
sys.exit(run(sys.argv[1:]))
"""
#: Only what arms a window holds this.
ARMS = "$w/mark"
FORWARD_FILE = "/etc/nftables.d/plexops_plex.nft"
BY_HAND = 'add rule inet filter forward iifname "br-lan" tcp dport 8 accept comment "by hand"'


@pytest.fixture
def home() -> Iterator[RealHome]:
    with real_home() as made:
        # As on OpenWrt before 24.10: a window must not need it.
        made.nodes["router"].sh("rm -f $(command -v setsid)")
        yield without_vantage(made)


@contextlib.contextmanager
def started(home: RealHome, *words: str) -> Iterator[int]:
    """Start plexops with short windows; gives the pid of its process, which is killed at the end."""
    argv = [sys.executable, "-c", SHORT_WINDOWS, *words]
    owner = home.directory / "owner"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(owner),
        "XDG_STATE_HOME": str(owner / "state"),
        "TMPDIR": str(home.directory),
        "PYTHONPATH": str(REPOSITORY),
        "LANG": "C.UTF-8",
    }
    entered = home.nodes["ctl"].enter(argv, directory=str(home.directory))
    with (
        (home.directory / "killed.log").open("wb") as log,
        subprocess.Popen(entered, env=environment, stdout=log, stderr=log) as outer,
    ):
        # nsenter forks into the node's processes and waits: plexops is its only child.
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
        assert wait_until(lambda: bool(children.read_text()), 10, 0.01)
        pid = int(children.read_text().split()[0])
        try:
            yield pid
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_killed_in_the_middle_the_router_takes_the_forward_back_itself(home: RealHome) -> None:
    plexops(home, "audit")  # lays out the owner's folder
    before = state_of(home)
    with started(home, "apply", "--yes") as pid:
        written = wait_until(lambda: "table inet plexops_plex" in home.nft("router"), 40, 0.02)
        assert written, (home.directory / "killed.log").read_text()
        os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    assert any("port_forward_plex/armed" in path for path in armed_windows(home))
    assert FORWARD_FILE in home.nftables_files()
    home.nodes["router"].exec(["nft", BY_HAND], check=True)
    by_hand = next(line for line in home.nft("router").splitlines() if '"by hand"' in line)
    assert plexops(home, "apply --yes").returncode == 7, "nothing is changed before that run is settled"

    assert wait_until(lambda: not armed_for_router(home), SHORT + 5)
    say_how_long("until the router's own undo had fired, after the kill", killed)
    assert wait_until(lambda: "table inet plexops_plex" not in home.nft("router"), 3)
    after = state_of(home)
    assert after.nftables_files == before.nftables_files
    assert home.connect_from_outside(PORT) != "open"
    assert [line for line in after.nft.splitlines() if line != by_hand] == before.nft.splitlines()

    recovered = plexops(home, "recover")
    assert recovered.returncode in (0, 5), recovered.stdout + recovered.stderr
    settled = state_of(home)
    assert [line for line in settled.nft.splitlines() if line != by_hand] == before.nft.splitlines()
    assert set(settled.differs(before)) == {"nft"}, "all else is as it was; the edit by hand stays"
    assert plexops(home, "apply --yes").returncode == 0
    assert home.connect_from_outside(PORT) == "open"


def armed_for_router(home: RealHome) -> list[str]:
    return [path for path in armed_windows(home) if path.startswith("router") and path.endswith("/armed")]


def test_a_timer_that_was_confirmed_never_fires_for_a_later_window(home: RealHome) -> None:
    """A timer sleeps on after its confirmation: the next window of the same change must not be its victim."""
    marked = mark(home)
    assert plexops(home, "apply --yes").returncode == 0
    applied = state_of(home)
    arming = {
        name: [text for text in requests_since(home, marked)[name] if ARMS in text] for name in MACHINES
    }
    assert {name: len(texts) for name, texts in arming.items()} == {"router": 3, "server": 1}
    for name, texts in arming.items():
        for text in texts:
            home.nodes[name].sh(in_seconds(2, text))
        home.nodes[name].sh("rm /run/plexops_*/armed")
        for text in texts:
            home.nodes[name].sh(text)
    time.sleep(4)
    marks = [path for path in armed_windows(home) if path.endswith(("/armed", "/fired", "/undone"))]
    assert (len(marks), all(path.endswith("/armed") for path in marks)) == (4, True)
    assert state_of(home).differs(applied) == []


def test_a_timer_that_nobody_confirms_fires(home: RealHome) -> None:
    before, marked = state_of(home), mark(home)
    assert plexops(home, "apply --yes").returncode == 0
    for name, texts in requests_since(home, marked).items():
        for text in texts:
            if ARMS in text:
                home.nodes[name].sh(in_seconds(1, text))
    assert wait_until(lambda: set(state_of(home).differs(before)) == {"plex"}, 10, 0.3)
    assert wait_until(lambda: all(path.endswith("/undone") for path in armed_windows(home)), 5)


def in_seconds(seconds: int, arming: str) -> str:
    """Give the command that arms the same timer, to fire after so many seconds."""
    changed, count = re.subn(r" s=(?:90|180); ", f" s={seconds}; ", arming)
    assert count == 1
    return changed.replace("sleep 5;", "sleep 1;").replace("s-5", "s-1")


def test_the_renewal_of_udhcpc_brings_the_reserved_address_every_time(home: RealHome) -> None:
    facts = {
        name: Fact(name, value, "by hand")
        for name, value in (("host.renew", "udhcpc"), ("host.interface", "eth0"))
    }
    server = Snapshot(Role.SERVER, facts)
    change = Change(Role.SERVER, Kind.LEASE, "plex", Action.RENEW, want="192.168.1.60")
    ask = ServerDriver().script(change, server).writes[0].ask
    assert isinstance(ask, Command)
    for address in ("192.168.1.60", "192.168.1.61", "192.168.1.62"):
        home.nodes["router"].write({"/etc/dnsmasq.d/by-hand.conf": f"dhcp-host={SERVER_MAC},{address}\n"})
        home.nodes["router"].sh("service dnsmasq restart")
        begun = time.monotonic()
        home.nodes["server"].sh(ask.text)
        assert time.monotonic() - begun < 1, "it returns before the address changes"
        assert home.wait_for_address(address), f"it holds {home.address_of_server()}"
        say_how_long(f"renewal to {address}", begun)
        assert home.leases()[SERVER_MAC] == address
