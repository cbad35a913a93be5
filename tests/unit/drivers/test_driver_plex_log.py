"""Plex's log from more places: files that were moved on, a container's folder, and Plex itself."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from plexops.drivers.plex.driver import PlexDriver
from plexops.drivers.plex.log import LOG_BYTES, LOGS_READ, OLDER_LINES, log_excerpt
from plexops.drivers.server.driver import ServerDriver
from plexops.languages import LANGUAGES
from plexops.model.entries import LogEvent, LogWord
from plexops.model.exchange import Call, Command, Read, Reply
from plexops.model.site import Container, HostFirewall
from plexops.model.snapshot import Kind, KindState, Snapshot
from plexops.transport.link import only_reads
from tests.unit.drivers.driver_bench import Said, observe
from tests.unit.drivers.test_driver_plex_facts import ACCOUNT, IDENTITY, ROOT, prefs

DEB = "/var/lib/plexmediaserver/Library/Application Support/Plex Media Server/Logs"
BELOW = "Library/Application Support/Plex Media Server/Logs"
CURRENT = "Plex Media Server.log"
SENT = (
    "Nov 22, 2025 17:{minute:02d}:09.000 [140213] DEBUG - MyPlex: Sending Server Info to myPlex "
    "(user=jane.doe, ip=203.0.113.7, port={port})"
)
STATE = (
    "Nov 22, 2025 17:{minute:02d}:{second:02d}.000 [140213] DEBUG - MyPlex: mapping state set to 'Mapped'."
)
REQUEST = "Nov 22, 2025 17:30:00.000 [140213] DEBUG - Request: [172.17.0.1:4{:04d} (WAN)] GET /" + "x" * 600
STARTED = "Nov 22, 2025 17:00:00.000 [140213] INFO - Plex Media Server v1.43.0 - Ubuntu - GMT {zone}"
PLEX_ROW = "plex|plexinc/pms-docker:latest|host|\n"


class Host:
    """A server whose files lie below a folder: its log is read by this computer's own shell and grep."""

    def __init__(self, root: Path, said: dict[str, Said] | None = None) -> None:
        self.root = root
        self.said = said or {}
        self.asked: list[str] = []

    def write(self, path: str, *lines: str) -> None:
        file = Path(f"{self.root}{path}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def look(self, container: Container = Container.AUTO) -> Snapshot:
        """Observe, as often as the driver asks."""
        observation = ServerDriver(HostFirewall.NONE, thorough=True, container=container).observe()
        reads = next(observation)
        try:
            while True:
                only_reads(reads, "posix")
                reads = observation.send([self.answer(read) for read in reads])
        except StopIteration as done:
            snapshot = done.value
        assert isinstance(snapshot, Snapshot)
        return snapshot

    def answer(self, read: Read) -> Reply:
        self.asked.append(read.id)
        assert isinstance(read.ask, Command)
        if read.id in self.said:
            said = self.said[read.id]
            assert isinstance(said, str)
            return Reply(read.id, 0, said)
        if not read.ask.text.startswith("grep -aE") and not read.ask.text.startswith("grep -aHE"):
            return Reply(read.id, 127, "", "not found")
        # A quote that opens a path is the only place where the whole system's root can be replaced.
        command, cut, _ = read.ask.text.replace(" '/", f" '{self.root}/").partition(" | tail -c ")
        done = subprocess.run(
            ["sh", "-c", command],
            capture_output=True,
            text=True,
            check=False,
            env={"LC_ALL": "C", "PATH": os.environ["PATH"]},
        )
        out, errors = (text.replace(str(self.root), "") for text in (done.stdout, done.stderr))
        if cut:
            # The root's name in each line counts for `tail`, and must not.
            return Reply(read.id, 0, out.encode()[-LOG_BYTES:].decode("utf-8", "replace"), errors)
        return Reply(read.id, done.returncode, out, errors)

    @property
    def further(self) -> list[str]:
        """What was asked after the first round."""
        first = {read.id for read in next(ServerDriver(HostFirewall.NONE, thorough=True).observe())}
        return [name for name in self.asked if name not in first]


def told(snapshot: Snapshot) -> list[tuple[LogWord, int | None, str]]:
    return [
        (entry.values.word, entry.values.port, entry.exhibit.partition(".")[2])
        for entry in snapshot.held(LogEvent)
    ]


# --- files that were moved on ------------------------------------------------------------------------


def test_a_log_that_tells_enough_costs_no_second_round(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.write(f"{DEB}/{CURRENT}", SENT.format(minute=1, port=32500))
    host.write(f"{DEB}/Plex Media Server.1.log", SENT.format(minute=0, port=1))
    assert told(host.look()) == [(LogWord.ANNOUNCED, 32500, "log")]
    assert host.further == []


def test_before_a_log_that_tells_little_stands_what_is_older(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.write(f"{DEB}/{CURRENT}", STATE.format(minute=9, second=1))
    for age in range(1, 6):
        host.write(f"{DEB}/Plex Media Server.{age}.log", SENT.format(minute=6 - age, port=age))
    host.write(f"{DEB}/Plex Media Server.6.log", SENT.format(minute=0, port=6))
    host.write(f"{DEB}/Plex Media Scanner.log", SENT.format(minute=0, port=7))
    assert told(host.look()) == [
        *((LogWord.ANNOUNCED, age, "log.older") for age in (5, 4, 3, 2, 1)),
        (LogWord.STATE, None, "log"),
    ]
    assert host.further == ["log.older"]


def test_a_log_that_was_moved_on_a_moment_ago(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.write(f"{DEB}/{CURRENT}", "Nov 22, 2025 17:00:02.000 [140213] DEBUG - Library: scanning")
    host.write(f"{DEB}/Plex Media Server.1.log", SENT.format(minute=0, port=32500))
    snapshot = host.look()
    assert snapshot.state(Kind.LOG_EVENT) is KindState.PRESENT
    assert told(snapshot) == [(LogWord.ANNOUNCED, 32500, "log.older")]


def test_a_gap_hides_what_lies_before_it(tmp_path: Path) -> None:
    """Of the second file only the first lines came: what followed them may have changed everything."""
    host = Host(tmp_path)
    host.write(f"{DEB}/{CURRENT}", STATE.format(minute=9, second=1))
    host.write(f"{DEB}/Plex Media Server.1.log", SENT.format(minute=8, port=1))
    long = [STATE.format(minute=at // 60, second=at % 60) for at in range(OLDER_LINES + 1)]
    host.write(f"{DEB}/Plex Media Server.2.log", *long)
    host.write(f"{DEB}/Plex Media Server.3.log", SENT.format(minute=0, port=3))
    assert [port for _, port, _ in told(host.look())] == [1, None]


def test_requests_push_nothing_out_that_decides(tmp_path: Path) -> None:
    host = Host(tmp_path)
    requests = [REQUEST.format(at) for at in range(LOG_BYTES // 600)]
    host.write(
        f"{DEB}/{CURRENT}", SENT.format(minute=1, port=32500), *requests, STATE.format(minute=40, second=0)
    )
    snapshot = host.look()
    assert snapshot.state(Kind.LOG_EVENT) is KindState.PRESENT
    assert told(snapshot) == [(LogWord.ANNOUNCED, 32500, "log.older"), (LogWord.STATE, None, "log")]


def test_without_the_second_answer_the_first_stands(tmp_path: Path) -> None:
    host = Host(tmp_path, {"log.older": ""})
    host.write(f"{DEB}/{CURRENT}", STATE.format(minute=9, second=1))
    assert told(host.look()) == [(LogWord.STATE, None, "log")]


def test_of_several_files_the_exhibit_names_each() -> None:
    body = f"{DEB}/Plex Media Server.1.log:{STATE.format(minute=1, second=1)}\n{DEB}/{CURRENT}:{SENT}\n"
    shown = log_excerpt(body.format(minute=2, port=32500)).splitlines()
    assert shown[0] == f"{DEB}/Plex Media Server.1.log, {DEB}/{CURRENT}"
    assert "state set" in shown[1]
    assert "jane" not in "".join(shown)


def test_a_client_cannot_break_its_line() -> None:
    """A name of a device may hold what Python takes for a line's end: grep does not."""
    odd = SENT.format(minute=1, port=32500) + " \u2028\x0c\x85 my phone"
    snapshot = observe(
        ServerDriver(HostFirewall.NONE, thorough=True).observe(), {"log": f"{DEB}/{CURRENT}:{odd}\n"}
    )
    assert told(snapshot) == [(LogWord.ANNOUNCED, 32500, "log")]


# --- a container's folder ----------------------------------------------------------------------------


def mounts(*pairs: tuple[str, str]) -> str:
    return json.dumps([{"Type": "bind", "Source": outer, "Destination": inner} for outer, inner in pairs])


@pytest.mark.parametrize(
    ("pairs", "folder"),
    [
        ((("/srv/media", "/data"), ("/opt/plex", "/config")), f"/opt/plex/{BELOW}"),
        ((("/opt/plex", "/config"),), "/opt/plex/Plex Media Server/Logs"),
        ((("/opt/plex", "/config"),), "/opt/plex/Logs"),
        ((("/srv/a b/plex media", "/config/"),), f"/srv/a b/plex media/{BELOW}"),
        ((("/opt/plex", "/config"), ("/fast/logs", f"/config/{BELOW}")), "/fast/logs"),
    ],
)
def test_the_log_lies_where_the_container_has_it_mounted(
    pairs: Sequence[tuple[str, str]], folder: str, tmp_path: Path
) -> None:
    host = Host(tmp_path, {"docker.ps": PLEX_ROW, "docker.mounts": mounts(*pairs)})
    host.write(f"{folder}/{CURRENT}", SENT.format(minute=1, port=32500))
    host.write(f"{folder}/Plex Media Server.1.log", SENT.format(minute=0, port=1))
    snapshot = host.look()
    assert snapshot.state(Kind.LOG_EVENT) is KindState.PRESENT, snapshot.reasons
    assert told(snapshot) == [
        (LogWord.ANNOUNCED, 1, "log.mounted.older"),
        (LogWord.ANNOUNCED, 32500, "log.mounted"),
    ]
    assert host.further == ["docker.mounts", "log.mounted", "log.mounted.older"]


def test_a_log_in_the_usual_place_asks_for_no_container(tmp_path: Path) -> None:
    host = Host(tmp_path, {"docker.ps": PLEX_ROW})
    host.write(f"{DEB}/{CURRENT}", SENT.format(minute=1, port=32500))
    assert told(host.look()) == [(LogWord.ANNOUNCED, 32500, "log")]
    assert host.further == []


@pytest.mark.parametrize(
    "source",
    [
        "relative/path",
        "/opt/$(reboot)'; reboot; '",
        "/opt/'plex'",
        "/opt/*",
        "/opt/pl[ae]x",
        "/opt/../etc",
        "/opt/a\nreboot\n",
        "/root/.ssh",
        "/dev/sda",
        "/opt/\ud800",
    ],
)
def test_what_an_engine_says_is_text_and_nothing_else(source: str, tmp_path: Path) -> None:
    """A folder that is not plainly one to read in is not asked for: `look` judges every read as the transport does."""
    host = Host(tmp_path, {"docker.ps": PLEX_ROW, "docker.mounts": mounts((source, "/config"))})
    snapshot = host.look()
    assert snapshot.state(Kind.LOG_EVENT) is not KindState.PRESENT
    assert snapshot.reasons[Kind.LOG_EVENT]
    if source != "/root/.ssh":
        assert host.further == ["docker.mounts"]


def test_dollars_and_blanks_stay_text(tmp_path: Path) -> None:
    host = Host(tmp_path, {"docker.ps": PLEX_ROW, "docker.mounts": mounts(("/opt/$HOME `id`; x", "/config"))})
    host.write(f"/opt/$HOME `id`; x/{BELOW}/{CURRENT}", SENT.format(minute=1, port=32500))
    assert told(host.look()) == [(LogWord.ANNOUNCED, 32500, "log.mounted")]


@pytest.mark.parametrize("said", ["", "{", "null", "[1]", '[{"Source": "/opt"}]', "{}x", "[" * 100_000])
def test_mounts_that_are_not_understood(said: str, tmp_path: Path) -> None:
    host = Host(tmp_path, {"docker.ps": PLEX_ROW, "docker.mounts": said})
    snapshot = host.look()
    assert snapshot.state(Kind.LOG_EVENT) is KindState.UNKNOWN
    assert "docker" in snapshot.reasons[Kind.LOG_EVENT]


def test_a_container_that_keeps_its_log_to_itself(tmp_path: Path) -> None:
    host = Host(tmp_path, {"docker.ps": PLEX_ROW, "docker.mounts": mounts(("/srv/media", "/data"))})
    snapshot = host.look()
    assert snapshot.state(Kind.LOG_EVENT) is KindState.ABSENT
    assert snapshot.reasons[Kind.LOG_EVENT].endswith(
        "plex keeps none in a folder of the host that can be read"
    )


@pytest.mark.parametrize("container", [Container.NONE, Container.PODMAN])
def test_an_engine_that_the_inventory_rules_out_is_not_asked(container: Container, tmp_path: Path) -> None:
    host = Host(tmp_path, {"docker.ps": PLEX_ROW, "docker.mounts": mounts(("/opt/plex", "/config"))})
    assert host.look(container).state(Kind.LOG_EVENT) is KindState.ABSENT
    assert host.further == []


# --- Plex itself -------------------------------------------------------------------------------------


def plex(said: Said, *, thorough: bool = True, date: str = "") -> Snapshot:
    base: dict[str, Said] = {
        "identity": Reply("identity", 200, IDENTITY, date=date),
        "root": ROOT.format(""),
        "account": ACCOUNT.format(""),
        "prefs": prefs(),
        "sessions": "<MediaContainer/>",
        "logs": said,
    }
    return observe(PlexDriver(thorough=thorough, logs=True).observe(), base, missing=404)


def test_it_is_asked_only_where_it_is_wanted_and_is_a_read() -> None:
    assert LOGS_READ not in next(PlexDriver(thorough=True).observe())
    reads = next(PlexDriver(thorough=True, logs=True).observe())
    assert LOGS_READ in reads
    only_reads(reads, "json")
    assert isinstance(LOGS_READ.ask, Call)
    assert LANGUAGES["json"].refuse_read("GET /diagnostics/logs/delete") is not None


def test_what_plex_gives_is_its_log() -> None:
    older = f"Plex Media Server.1.log:{SENT.format(minute=0, port=1)}\n"
    snapshot = plex(f"{older}{CURRENT}:{SENT.format(minute=1, port=32500)}\n")
    assert snapshot.state(Kind.LOG_EVENT) is KindState.PRESENT
    assert snapshot.state(Kind.PLEX_REMOTE_ACCESS) is KindState.PRESENT
    assert told(snapshot) == [(LogWord.ANNOUNCED, 1, "logs"), (LogWord.ANNOUNCED, 32500, "logs")]
    assert {entry.exhibit for entry in snapshot.of(Kind.LOG_EVENT)} == {"plex.logs"}


@pytest.mark.parametrize(
    ("said", "state", "reason"),
    [
        ((401, ""), KindState.UNKNOWN, "Plex refused the token"),
        ((404, ""), KindState.UNKNOWN, "Plex answered logs with status 404"),
        (Reply("logs", 200, "", "the archive is damaged: x", whole=False), KindState.UNKNOWN, "damaged"),
        (Reply("logs", None, "", "", whole=False), KindState.UNKNOWN, "cut off"),
        (Reply("logs", 200, "", f"the archive holds no {CURRENT}"), KindState.ABSENT, "holds no"),
        ((200, SENT), KindState.UNKNOWN, "do not name their file"),
        ((200, ""), KindState.PRESENT, ""),
    ],
)
def test_without_it_the_rest_stands(said: Said, state: KindState, reason: str) -> None:
    snapshot = plex(said)
    assert snapshot.state(Kind.LOG_EVENT) is state
    assert reason in snapshot.reasons.get(Kind.LOG_EVENT, "")
    assert snapshot.of(Kind.LOG_EVENT) == ()
    assert snapshot.state(Kind.PLEX_REMOTE_ACCESS) is KindState.PRESENT


@pytest.mark.parametrize(
    ("date", "told_time"),
    [
        ("Sat, 22 Nov 2025 16:53:01 GMT", "2025-11-22T16:53:01"),
        ("Sat, 22 Nov 2025 17:53:01 +0100", "2025-11-22T16:53:01"),
        ("", None),
        ("yesterday", None),
        ("Sat, 22 Nov 2025 16:53:01", None),
        ("Sat, 99 Nov 2025 16:53:01 GMT", None),
    ],
)
def test_the_time_is_what_dates_its_answers(date: str, told_time: str | None) -> None:
    assert plex("", date=date).text("plex.time") == told_time
    assert plex("", date=date, thorough=False).text("plex.time") is None
