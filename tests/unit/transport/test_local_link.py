"""A device that is this computer: the same answers, limits and refusals as over SSH, and nothing left behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from plexops.model.change import Action, Change
from plexops.model.errors import PlexopsError
from plexops.model.exchange import MAX_REPLY_BYTES, Command, Read, Reply, Script, Write
from plexops.model.plan import GUARD_NAMES, Authorized, GuardVerdict, Step, authorize
from plexops.model.secret import Secret
from plexops.model.snapshot import Kind, Role
from plexops.transport import local
from plexops.transport.answer import Answer, Ending
from plexops.transport.child import run_child
from plexops.transport.here import LocalSettings
from plexops.transport.machine import in_container, own_identity, plex_runs, why_no_timer
from plexops.transport.opening import open_read, open_write
from plexops.transport.ssh_settings import Become
from tests.waiting import wait_until

HERE = LocalSettings("home/server")
CHECKOUT = Path(__file__).resolve().parents[3]
MACHINE_ID = "b08dfa6083e7567a1921a715000001fb"  # machine-id(5)'s own example


@pytest.fixture(autouse=True)
def _on_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "in_container", lambda: False)


def ask(*commands: str, seconds: float = 30.0, settings: LocalSettings = HERE) -> tuple[Reply, ...]:
    link = open_read(settings)
    with contextlib.closing(link):
        return link.ask([Read(str(n), Command(text), seconds=seconds) for n, text in enumerate(commands)])


def run(command: str, *, stdin: bytes = b"", seconds: float = 60.0, changes: bool = False) -> Answer:
    return run_child(command, stdin, seconds, seconds, 1_000_000, changes=changes)


def processes_with(word: str) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if word.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return [pid for pid in found if pid != os.getpid()]


def gone(word: str) -> bool:
    wait_until(lambda: not processes_with(word))
    return True


@pytest.fixture
def silent(tmp_path: Path) -> Path:
    """A file that never answers: reading it waits until somebody writes."""
    path = tmp_path / "silent"
    os.mkfifo(path)
    return path


# Reads.


def test_answers_come_back_apart_with_status_and_errors(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("first\n")
    (tmp_path / "bare").write_text("no-newline")
    one, missing, bare = ask(f"cat {tmp_path}/one", f"cat {tmp_path}/missing", f"cat {tmp_path}/bare")
    assert (one.status, one.body, one.stderr, one.whole) == (0, "first\n", "", True)
    assert (missing.status, missing.body, missing.whole) == (1, "", True)
    assert "No such file" in missing.stderr
    assert (bare.status, bare.body) == (0, "no-newline")


def test_what_is_no_read_is_refused_before_anything_runs(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.touch()
    for text in (f"rm {kept}", f"cat {kept}; rm {kept}", f"cat $(rm {kept})"):
        with pytest.raises(ValueError, match="is no read"):
            ask(text)
    assert kept.exists()
    assert not hasattr(open_read(HERE), "send")


def test_an_answer_that_is_too_long_is_cut_off(tmp_path: Path) -> None:
    (tmp_path / "huge").write_bytes(b"x" * (MAX_REPLY_BYTES + 1))
    small, huge = ask("hostname", f"cat {tmp_path}/huge")
    assert (small.whole, huge.whole, len(huge.body)) == (True, False, MAX_REPLY_BYTES)


def test_a_silent_answer_ends_the_round_and_leaves_nobody_behind(silent: Path) -> None:
    told, waiting = ask("hostname", f"cat {silent}", seconds=2.0)
    assert (told.whole, waiting.whole, waiting.status) == (True, False, None)
    assert gone(str(silent))


def test_the_environment_is_a_logins_and_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLEX_TOKEN", "hunter2-hunter2")
    monkeypatch.setenv("LD_PRELOAD", "")
    lines = dict(line.split("=", 1) for line in run("env").stdout.decode().splitlines())
    assert lines.keys() - {"USER", "LOGNAME", "PWD", "_", "SHLVL", "OLDPWD"} == {
        "PATH",
        "LC_ALL",
        "HOME",
        "SHELL",
    }
    assert lines["LC_ALL"] == "C"
    assert {"/usr/sbin", "/sbin", "/usr/local/sbin"} <= set(lines["PATH"].split(":"))


def test_identity_is_of_this_machine_and_does_not_tell_its_number(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/machine-id").write_text(f"{MACHINE_ID}\n")
    one = own_identity(tmp_path)
    (tmp_path / "etc/machine-id").write_text(f"{MACHINE_ID[::-1]}\n")
    other = own_identity(tmp_path)
    assert one != other
    assert one.startswith("local:")
    assert MACHINE_ID not in one
    assert own_identity(tmp_path / "nowhere") == ""
    link = open_read(HERE)
    assert link.identity == ""
    link.ask([Read("x", Command("hostname"))])
    assert link.identity == own_identity()


@pytest.mark.skipif(shutil.which("sudo") is None or os.geteuid() != 0, reason="takes root's own sudo")
@pytest.mark.parametrize("password", [None, Secret("not asked for", "ask")])
def test_sudo_itself_understands_what_is_run(password: Secret | None) -> None:
    (reply,) = ask("printenv SUDO_USER", settings=LocalSettings("home/server", Become(password=password)))
    assert (reply.status, reply.body) == (0, "root\n")


def test_no_shell_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: object, **__: object) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(subprocess, "Popen", nothing)
    with pytest.raises(PlexopsError) as caught:
        ask("hostname")
    assert caught.value.problems[0].code == "PLX-D113"


# One command.


@pytest.mark.parametrize(
    ("command", "stdin", "stdout", "status"),
    [
        ("cat; exit 3", b"", b"", 3),
        ("cat", b"a secret\n", b"a secret\n", 0),
        ("exit 0", b"nobody reads this\n" * 8000, b"", 0),
        ("echo x; kill -9 $$", b"", b"x\n", None),
    ],
)
def test_a_command_ends(command: str, stdin: bytes, stdout: bytes, status: int | None) -> None:
    answer = run(command, stdin=stdin, changes=True)
    assert (answer.stdout, answer.status, answer.ending) == (stdout, status, Ending.DONE)


def test_endless_output_is_stopped_and_its_maker_ended(tmp_path: Path) -> None:
    answer = run(f"while :; do echo {tmp_path}; done")
    assert answer.ending is Ending.TOO_LONG
    assert gone(str(tmp_path))


@pytest.mark.parametrize("changes", [False, True])
def test_one_that_takes_too_long_is_ended_with_all_that_it_began(tmp_path: Path, changes: bool) -> None:
    answer = run(
        f"sh -c 'sleep 60; : {tmp_path}' & sh -c 'sleep 60; : {tmp_path}'", seconds=0.3, changes=changes
    )
    assert (answer.ending, answer.status) == (Ending.TIMED_OUT, None)
    assert gone(str(tmp_path))


def test_what_holds_the_streams_open_is_not_waited_for(tmp_path: Path) -> None:
    answer = run(f"echo x; sh -c 'sleep 60; : {tmp_path}' &", seconds=20)
    assert (answer.stdout, answer.ending) == (b"x\n", Ending.DONE)
    assert gone(str(tmp_path))


# Writes.


def authorized(*writes: Write) -> Authorized:
    step = Step(Change(Role.SERVER, Kind.FIREWALL_RULE, "plex", Action.CREATE), Script(writes))
    leave = authorize(
        "home", step, tuple(GuardVerdict(name, "", holds=True, reason="") for name in GUARD_NAMES)
    )
    assert leave is not False
    return leave


def test_a_write_is_run_once_and_only_the_authorized_one(tmp_path: Path) -> None:
    write = Write(Command(f"echo once >> {tmp_path}/log; echo said; exit 4"))
    link = open_write(HERE, authorized(write))
    reply = link.send(write)
    assert (reply.status, reply.body, (tmp_path / "log").read_text()) == (4, "said\n", "once\n")
    with pytest.raises(ValueError, match="no part"):
        link.send(Write(Command("true")))


def test_a_write_without_an_end_is_ended_and_its_outcome_unknown(tmp_path: Path) -> None:
    write = Write(Command(f"sleep 60; touch {tmp_path}/late"), seconds=0.3)
    with pytest.raises(PlexopsError) as caught:
        open_write(HERE, authorized(write)).send(write)
    assert caught.value.problems[0].code == "PLX-D109"
    assert gone(str(tmp_path))


# What becomes of children when plexops goes.

CHILD = """
import sys
from plexops.transport import local
from plexops.transport.here import LocalSettings
from plexops.transport.opening import open_write
from plexops.model.exchange import Command, Read, Write
from tests.unit.transport.test_local_link import authorized
local.in_container = lambda: False
settings = LocalSettings("home/server")
if sys.argv[1] == "read":
    local.LocalReadLink(settings).ask([Read("x", Command(sys.argv[2]), seconds=60.0)])
else:
    write = Write(Command(sys.argv[2]), seconds=60.0)
    open_write(settings, authorized(write)).send(write)
"""


@contextlib.contextmanager
def plexops_that(what: str, command: str, until: str) -> Iterator[subprocess.Popen[bytes]]:
    """Let another process ask or write, and give it once the command runs."""
    argv = [sys.executable, "-c", CHILD, what, command]
    with subprocess.Popen(argv, cwd=CHECKOUT, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: any(pid != process.pid for pid in processes_with(until)))
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_read_ends_with_plexops_however_that_ends(silent: Path, how: signal.Signals) -> None:
    with plexops_that("read", f"cat {silent}", f"cat\0{silent}") as process:
        process.send_signal(how)
        process.wait(60)
    assert gone(str(silent))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_no_half_of_a_write_is_left(tmp_path: Path, how: signal.Signals) -> None:
    """As over SSH: what was sent runs to its end, and after an interruption that end is waited for."""
    with plexops_that(
        "write", f"touch {tmp_path}/one; sleep 1; touch {tmp_path}/two", f"{tmp_path}/two"
    ) as process:
        process.send_signal(how)
        process.wait(60)
        assert (tmp_path / "two").exists() is (how is signal.SIGINT)
    assert gone(str(tmp_path))
    assert (tmp_path / "two").exists()


def test_a_devices_own_undo_outlives_us(tmp_path: Path) -> None:
    timer = f"( setsid sh -c 'sleep 1; touch {tmp_path}/undone' >/dev/null 2>&1 </dev/null & ); sleep 60"
    with plexops_that("write", timer, f"sleep 1; touch {tmp_path}/undone") as process:
        process.kill()
    wait_until((tmp_path / "undone").exists)
    for pid in processes_with(str(tmp_path)):
        os.kill(pid, signal.SIGKILL)


# Which machine this is.


def machine(
    root: Path, first: str, cgroup: str = "0::/user.slice/session-3.scope", marks: Sequence[str] = ()
) -> Path:
    for name, text in (("proc/1/comm", first), ("proc/self/cgroup", cgroup), *((mark, "") for mark in marks)):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{text}\n")
    return root


@pytest.mark.parametrize(
    ("first", "marks", "inside"),
    [
        ("systemd", (), False),
        ("procd", (), False),
        ("init", (), False),
        ("python3", (), True),
        ("s6-svscan", (), True),
        ("systemd", (".dockerenv",), True),
        ("systemd", ("run/.containerenv",), True),
    ],
)
def test_a_container_is_known_by_its_first_process_or_its_mark(
    tmp_path: Path, first: str, marks: Sequence[str], inside: bool
) -> None:
    assert in_container(machine(tmp_path, first, marks=marks)) is inside
    assert ("container" in why_no_timer(tmp_path)) is inside


@pytest.mark.parametrize(
    ("cgroup", "ends"),
    [
        ("0::/user.slice/user-1000.slice/session-3.scope", False),
        ("0::/system.slice/plexops.service", True),
        ("1:name=systemd:/system.slice/plexops.service\n4:memory:/x.service", True),
        ("4:memory:/x.service\n0::/init.scope", False),
        ("", False),
    ],
)
def test_a_service_takes_its_timers_along(tmp_path: Path, cgroup: str, ends: bool) -> None:
    assert ("plexops.service" in why_no_timer(machine(tmp_path, "systemd", cgroup))) is ends


def test_plex_runs_where_a_process_of_it_is_seen(tmp_path: Path) -> None:
    machine(tmp_path, "systemd")
    assert not plex_runs(tmp_path / "proc")
    (tmp_path / "proc/77").mkdir()
    (tmp_path / "proc/77/comm").write_text("Plex Media Serv\n")
    assert plex_runs(tmp_path / "proc")


def test_in_a_container_what_is_not_there_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """127 means on a host that it has no such packet filter; a container merely lacks the program."""
    monkeypatch.setattr(local, "in_container", lambda: True)
    reads = [
        Read("there", Command("hostname"), absent=frozenset({127})),
        Read("missing", Command("ls /nowhere/at/all"), absent=frozenset({2})),
    ]
    there, missing = open_read(HERE).ask(reads)
    assert (there.status, there.whole) == (0, True)
    assert (missing.status, missing.whole) == (None, False)
    assert "container" in missing.stderr
