"""What was recorded is what is replayed; secrets and networks have no place in it."""

from __future__ import annotations

import json
import socket
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest

from plexops.model.errors import PlexopsError, Problem
from plexops.model.exchange import Call, Command, Read, Reply
from plexops.model.status import ExitStatus
from plexops.transport.record import RecordingLink, file_of, new_recording
from plexops.transport.replay import ReplayLink

DEVICE = "home/router ü"
VERSION = Read("version", Command("cat /etc/openwrt_release"))
ROWS = Read("rows", Call("POST", "/api/search", query=(("a", "b"),), body={"rows": [1, 2], "x": None}))
TOKEN = Read("token", Command("cat Preferences.xml"), secret=True)


class Scripted:
    """A device that gives its answers in turn."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.identity = ""
        self.closed = False

    def ask(self, reads: Sequence[Read]) -> tuple[Reply, ...]:
        self.identity = "SHA256:A"
        replies = []
        for read in reads:
            answer = self.answers.pop(0)
            if isinstance(answer, PlexopsError):
                raise answer
            assert isinstance(answer, Reply)
            replies.append(Reply(read.id, answer.status, answer.body, answer.stderr, answer.whole))
        return tuple(replies)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "recording"
    new_recording(path)
    return path


@pytest.fixture
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a replay opened a socket")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def replies(*texts: str) -> list[Reply]:
    return [Reply("", 0, text) for text in texts]


@pytest.mark.usefixtures("_no_network")
def test_answers_come_back_as_they_were(folder: Path) -> None:
    body = "line\nü\u2028\x00\x1b[31m\ufffd \\ \" 'end"
    link = RecordingLink(
        Scripted(Reply("", 3, body, "warn\n"), Reply("", 200, "{}"), Reply("", None, "cut", whole=False)),
        folder,
        DEVICE,
    )
    given = link.ask([VERSION, ROWS]) + link.ask([Read("half", Command("cat big"))])
    replay = ReplayLink(folder, DEVICE)
    assert replay.identity == ""
    # Another id, order and grouping: what was asked is what counts.
    half, again = replay.ask(
        [Read("half", Command("cat big")), Read("v2", Command("cat /etc/openwrt_release"))]
    )
    assert (half, again.id) == (given[2], "v2")
    assert (again.status, again.body, again.stderr, again.whole) == (3, body, "warn\n", True)
    assert replay.ask([ROWS]) == (given[1],)
    assert replay.identity == "SHA256:A"


def test_two_questions_that_differ_in_a_header_alone_are_two(folder: Path) -> None:
    first, second = (
        Read(word, Call("POST", "/JNAP/", body={}, headers=(("X-JNAP-Action", word),)))
        for word in ("one", "two")
    )
    RecordingLink(Scripted(*replies("first", "second")), folder, DEVICE).ask([first, second])
    assert [reply.body for reply in ReplayLink(folder, DEVICE).ask([second, first])] == ["second", "first"]


def test_a_question_asked_again_gets_its_answers_in_turn_and_then_the_last(folder: Path) -> None:
    link = RecordingLink(Scripted(*replies("first", "second")), folder, DEVICE)
    link.ask([VERSION])
    link.ask([VERSION])
    replay = ReplayLink(folder, DEVICE)
    assert [replay.ask([VERSION])[0].body for _ in range(4)] == ["first", "second", "second", "second"]


def test_several_links_to_one_device_add_to_one_recording(folder: Path) -> None:
    for text in ("first", "second"):
        RecordingLink(Scripted(*replies(text)), folder, DEVICE).ask([VERSION])
    replay = ReplayLink(folder, DEVICE)
    assert [replay.ask([VERSION])[0].body for _ in range(2)] == ["first", "second"]


def test_a_secret_answer_is_nowhere_in_the_recording_and_replays_as_unknown(folder: Path) -> None:
    link = RecordingLink(Scripted(Reply("", 0, "PlexOnlineToken=s3cret", "also s3cret")), folder, DEVICE)
    assert link.ask([TOKEN])[0].body == "PlexOnlineToken=s3cret"
    written = "".join(path.read_text() for path in folder.iterdir())
    assert "s3cret" not in written
    (reply,) = ReplayLink(folder, DEVICE).ask([TOKEN])
    assert (reply.status, reply.body, reply.stderr, reply.whole) == (0, "", "", False)


def test_an_unreachable_device_is_unreachable_in_the_replay_too(folder: Path) -> None:
    error = PlexopsError(Problem("PLX-D103", "no answer", "look", where="home.router", detail=("a", "b")))
    link = RecordingLink(Scripted(error), folder, DEVICE)
    with pytest.raises(PlexopsError):
        link.ask([VERSION, ROWS])
    for reads in ([VERSION], [ROWS, VERSION]):
        with pytest.raises(PlexopsError) as caught:
            ReplayLink(folder, DEVICE).ask(reads)
        assert caught.value.problems == error.problems
        assert caught.value.status is ExitStatus.INCOMPLETE


def test_a_question_that_was_not_recorded_is_an_error_that_names_it(folder: Path) -> None:
    RecordingLink(Scripted(*replies("x")), folder, DEVICE).ask([VERSION])
    other = Read("rows", Call("POST", "/api/search", query=(("a", "b"),), body={"rows": [1, 3]}))
    for device, read in ((DEVICE, other), ("cabin/router", VERSION)):
        with pytest.raises(PlexopsError) as caught:
            ReplayLink(folder, device).ask([read])
        assert caught.value.problems[0].code == "PLX-D301"
        assert caught.value.status is ExitStatus.INCOMPLETE
        assert read.id in caught.value.problems[0].detail[0]


def test_the_files_are_for_the_user_alone_and_their_names_hold_no_path(folder: Path) -> None:
    RecordingLink(Scripted(*replies("x")), folder, "../home/router").ask([VERSION])
    assert sorted(path.name for path in folder.iterdir()) == ["..%2Fhome%2Frouter.jsonl", "manifest.json"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_same_exchange_gives_the_same_bytes(tmp_path: Path) -> None:
    contents = []
    for name in ("one", "two"):
        new_recording(tmp_path / name)
        RecordingLink(Scripted(*replies("x", "y")), tmp_path / name, DEVICE).ask([VERSION, ROWS])
        contents.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert contents[0] == contents[1]


def test_a_folder_with_anything_in_it_is_not_recorded_into(folder: Path) -> None:
    with pytest.raises(PlexopsError) as caught:
        new_recording(folder)
    assert caught.value.problems[0].code == "PLX-D303"
    assert caught.value.status is ExitStatus.USAGE


@pytest.mark.parametrize("damage", ["no manifest", "other schema", "torn line", "no folder"])
def test_what_is_no_recording_is_refused(folder: Path, damage: str) -> None:
    RecordingLink(Scripted(*replies("x")), folder, "router").ask([VERSION])
    if damage == "no manifest":
        (folder / "manifest.json").unlink()
    elif damage == "other schema":
        (folder / "manifest.json").write_text(json.dumps({"schema": "plexops.recording/99"}))
    elif damage == "torn line":
        path = folder / "router.jsonl"
        path.write_text(path.read_text()[:-20])
    with pytest.raises(PlexopsError) as caught:
        ReplayLink(folder / "none" if damage == "no folder" else folder, "router")
    assert caught.value.problems[0].code == "PLX-D302"
    assert caught.value.status is ExitStatus.USAGE


def test_closing_closes_the_link(folder: Path) -> None:
    device = Scripted()
    RecordingLink(device, folder, DEVICE).close()
    assert device.closed


#: As plexops 0.1 recorded it: an answer, one that was withheld, and a failure.
OLD = (
    '{"identity": "SHA256:A", "reads": [{"accept": "json", "body": {"rows": [1, 2], "x": null}, "method": "POST", '
    '"path": "/api/search", "query": [["a", "b"]]}, {"command": "cat Preferences.xml"}], "replies": [{"body": "text", '
    '"date": "Sat", "status": 0, "stderr": "w", "whole": true}, {"status": 0, "withheld": true}]}\n'
    '{"identity": "SHA256:A", "problems": [{"code": "PLX-D101", "cure": "look", "detail": ["a"], "reason": "no route", '
    '"where": "home/router"}], "reads": [{"command": "cat /etc/openwrt_release"}], "status": 4}\n'
)


def test_recordings_of_version_0_1_stay_readable(folder: Path) -> None:
    file_of(folder, DEVICE).write_text(OLD, encoding="utf-8")
    link = ReplayLink(folder, DEVICE)
    assert link.ask([ROWS, TOKEN]) == (
        Reply("rows", 0, "text", "w", date="Sat"),
        Reply("token", 0, "", whole=False),
    )
    with pytest.raises(PlexopsError) as caught:
        link.ask([VERSION])
    told = Problem("PLX-D101", "no route", "look", where="home/router", detail=("a",))
    assert (caught.value.problems, caught.value.status) == ((told,), ExitStatus(4))
