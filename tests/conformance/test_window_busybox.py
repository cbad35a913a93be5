"""The timer of a shell, to the letter, in a real busybox that has no setsid, as OpenWrt's had none before 24.10."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from plexops.languages import posix_timer

BUSYBOX = shutil.which("busybox")
#: What OpenWrt's busybox has of all that the timer asks for.
APPLETS = ("sh", "sleep", "rm", "mkdir", "mv", "date", "cat", "grep", "kill", "touch", "test")

pytestmark = pytest.mark.skipif(BUSYBOX is None or os.name != "posix", reason="needs busybox")


class Box:
    """A shell with these programs and no others; the timer's steps are a second, and its seconds as few as are given."""

    def __init__(self, place: Path) -> None:
        self.path = f"{place}/plexops_port_forward_plex"
        self.undone = place / "undone-by-the-device"
        self._applets = place / "applets"
        self._applets.mkdir()
        for name in APPLETS:
            (self._applets / name).symlink_to(str(BUSYBOX))

    def run(self, text: str) -> subprocess.CompletedProcess[str]:
        """Run one command as sshd does: without a terminal, in a session that ends with it."""
        return subprocess.run(
            [str(self._applets / "sh"), "-c", f"exec </dev/null; {text}"],
            env={"PATH": str(self._applets)},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
            start_new_session=True,
        )

    def arm(self, seconds: int, undo: str = "") -> None:
        """Arm it; the exec returns at once."""
        text = posix_timer.arm(self.path, seconds, undo or f"touch {self.undone}")
        done = self.run(text.replace("sleep 5", "sleep 1").replace("s-5", "s-1"))
        assert (done.returncode, done.stderr) == (0, "")

    def state(self) -> tuple[str, int]:
        """Ask as the engine does."""
        done = self.run(posix_timer.ask(self.path))
        assert done.stderr == ""
        return done.stdout.strip(), done.returncode

    def process(self) -> int:
        """Give the number of the process that will undo."""
        return int((Path(self.path) / "armed").read_text().split()[0])


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def wait_for(box: Box, state: str) -> bool:
    deadline = time.monotonic() + 60
    while box.state()[0] != state and time.monotonic() < deadline:
        time.sleep(0.1)
    return box.state()[0] == state


def test_it_stands_fires_once_and_says_so(box: Box) -> None:
    assert box.run("setsid true").returncode == 127
    assert box.state() == ("none", 1)
    box.arm(2)
    assert box.state() == ("armed alive", 0)
    assert os.getpgid(box.process()) != os.getpgid(0)
    os.kill(box.process(), signal.SIGHUP)
    assert wait_for(box, "undone dead")
    assert box.undone.exists()
    assert box.run(posix_timer.end(box.path)).returncode != 0, "only one of timer and confirmation wins"


def test_confirmed_it_is_gone_and_leaves_nothing(box: Box) -> None:
    box.arm(2)
    process = box.process()
    done = box.run(posix_timer.end(box.path))
    assert (done.returncode, done.stderr) == (0, "")
    assert box.state() == ("none", 1)
    time.sleep(3)
    assert not box.undone.exists()
    assert not Path(f"/proc/{process}/cmdline").exists() or not Path(f"/proc/{process}/cmdline").read_bytes()
    assert not Path(box.path).exists()


def test_killed_it_does_not_stand_and_its_number_is_not_killed_again(box: Box) -> None:
    box.arm(60)
    os.kill(box.process(), signal.SIGKILL)
    assert wait_for(box, "armed dead")
    assert box.state() == ("armed dead", 1)
    with subprocess.Popen(["sleep", "30"]) as other:
        mark = Path(box.path) / "armed"
        mark.write_text(f"{other.pid} 1.1\n")
        assert box.state() == ("armed dead", 1), "another process has its number"
        assert box.run(posix_timer.end(box.path)).returncode == 0
        assert other.poll() is None
        other.kill()


def test_a_way_back_that_fails_is_no_undo(box: Box) -> None:
    box.arm(1, "false")
    assert wait_for(box, "fired dead")
    assert box.state()[1] != 0


def test_a_second_arming_ends_the_first(box: Box) -> None:
    box.arm(2, "false")
    box.arm(60)
    time.sleep(3)
    assert box.state() == ("armed alive", 0)
    assert box.run(posix_timer.end(box.path)).returncode == 0


@pytest.mark.parametrize("path", ["", "plexops", "/tmp/a b", "/tmp/$x", "/tmp/../etc", "/tmp/a;b", "/"])
def test_no_path_of_anothers_making_gets_into_it(path: str) -> None:
    for ask in (posix_timer.ask, posix_timer.end, lambda p: posix_timer.arm(p, 1, "true")):
        with pytest.raises(ValueError, match="no path"):
            ask(path)


@pytest.mark.parametrize(
    "text",
    [
        posix_timer.ask("/tmp/plexops_a") + "; reboot",
        posix_timer.ask("/tmp/plexops_a").replace("/tmp/plexops_a", "$(reboot)"),
        posix_timer.ask("/tmp/plexops_a").replace("/tmp/plexops_a", "/tmp/a\nreboot"),
        posix_timer.end("/tmp/plexops_a"),
        posix_timer.arm("/tmp/plexops_a", 1, "true"),
    ],
)
def test_only_the_question_is_a_read(text: str) -> None:
    assert posix_timer.only_asks(posix_timer.ask("/tmp/plexops_a"))
    assert not posix_timer.only_asks(text)
