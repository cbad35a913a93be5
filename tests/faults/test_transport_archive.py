"""Plex's logs over HTTP: a link hands on lines or a reason, and never a byte of the archive."""

from __future__ import annotations

import io
import json
import socket
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from plexops.drivers.plex.log import LOGS_READ
from plexops.model.exchange import MAX_REPLY_BYTES, Reply
from plexops.model.secret import Secret
from plexops.transport.http import archive
from plexops.transport.http_settings import HeaderLogin, HttpSettings
from plexops.transport.opening import open_read
from plexops.transport.record import RecordingLink, new_recording
from plexops.transport.replay import ReplayLink
from tests.faults.transport_servers import plain_answer, web_server

TOKEN = HeaderLogin("X-Plex-Token", Secret("t0ken-of-the-owner", "env:PLEX_TOKEN"))
STATE = "Nov 22, 2025 17:00:0{}.000 [140213] DEBUG - MyPlex: mapping state set to 'Mapped'.\n"
REQUEST = "Nov 22, 2025 17:00:09.000 [140213] DEBUG - Request: [172.17.0.1:40000 (WAN)] GET /{}\n"
DATE = "Date: Sat, 22 Nov 2025 16:00:10 GMT\r\n"


def packed(*members: tuple[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in members:
            made.writestr(name, text)
    return buffer.getvalue()


LOGS = packed(
    ("Plex Media Server.log", "noise\n" + STATE.format(2)),
    ("Plex Media Server.1.log", STATE.format(1)),
    ("Plex Tuner Service.log", STATE.format(3)),
)
LINES = f"Plex Media Server.1.log:{STATE.format(1)}Plex Media Server.log:{STATE.format(2)}"


def asked(answer: bytes, record: Path | None = None, after: Callable[[], None] = lambda: None) -> Reply:
    """Let a real server give this answer, and give what the link hands on."""

    def respond(connection: socket.socket, _: str) -> None:
        connection.sendall(answer)
        after()

    with web_server(respond) as web:
        settings = HttpSettings(
            "home/plex",
            f"http://127.0.0.1:{web.listener.port}",
            login=TOKEN,
            plain_login=True,
            approved=True,
            read_seconds=3.0,
        )
        link = open_read(settings)
        link = link if record is None else RecordingLink(link, record, "home/plex")
        try:
            (reply,) = link.ask((LOGS_READ,))
        finally:
            link.close()
        (request,) = web.requests
    assert request.startswith("GET /diagnostics/logs HTTP/1.1\r\n")
    assert "X-Plex-Token: t0ken-of-the-owner" in request
    assert "\0" not in reply.body
    assert "PK" not in reply.body
    return reply


def test_lines_as_grep_gives_them_and_the_device_s_date() -> None:
    reply = asked(plain_answer(LOGS, headers=DATE))
    assert (reply.status, reply.whole, reply.stderr) == (200, True, "")
    assert reply.body == LINES
    assert reply.date == "Sat, 22 Nov 2025 16:00:10 GMT"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>not an archive</html>", "the archive is damaged"),
        (LOGS[:-40], "the archive is damaged"),
        (packed(("Plex Media Server.log", "x" * (archive.LIMITS.file_bytes + 1))), "larger than"),
        (packed(*((f"{number}", "") for number in range(archive.LIMITS.members + 1))), "more than"),
    ],
    ids=["page", "cut", "bomb", "members"],
)
def test_what_is_no_archive_is_unknown_with_a_reason(body: bytes, reason: str) -> None:
    reply = asked(plain_answer(body))
    assert (reply.status, reply.body, reply.whole) == (200, "", False)
    assert reason in reply.stderr


def test_an_answer_that_breaks_off_is_unknown() -> None:
    whole = plain_answer(LOGS)
    reply = asked(whole[:-20])
    assert (reply.body, reply.whole) == ("", False)
    assert "cut off" in reply.stderr


def test_an_answer_that_never_ends_is_given_up() -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {archive.LIMITS.archive_bytes * 2}\r\n\r\n".encode()
    reply = asked(head + b"\0" * (archive.LIMITS.archive_bytes + 70_000))
    assert (reply.body, reply.whole) == ("", False)
    assert "too large" in reply.stderr


@pytest.mark.parametrize("status", ["401 Unauthorized", "404 Not Found", "500 Internal Server Error"])
def test_nothing_of_another_answer_is_handed_on(status: str) -> None:
    reply = asked(plain_answer(LOGS, status))
    assert (reply.status, reply.body) == (int(status[:3]), "")


def test_an_archive_without_a_log_says_so() -> None:
    reply = asked(plain_answer(packed(("Plex Tuner Service.log", STATE.format(1)))))
    assert (reply.status, reply.body, reply.whole) == (200, "", True)
    assert reply.stderr == "the archive holds no Plex Media Server.log"


def test_requests_make_room_for_what_decides() -> None:
    many = "".join(REQUEST.format("x" * 900) for _ in range(MAX_REPLY_BYTES // 900))
    reply = asked(plain_answer(packed(("Plex Media Server.log", STATE.format(1) + many + STATE.format(2)))))
    assert reply.whole
    assert reply.body == "".join(f"Plex Media Server.log:{STATE.format(n)}" for n in (1, 2))


def test_a_packed_answer_that_trickles_ends_in_time() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nPK"
    reply = asked(head, after=lambda: time.sleep(5))
    assert (reply.body, reply.whole) == ("", False)


def test_a_recording_holds_the_lines_alone(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    new_recording(folder)
    reply = asked(plain_answer(LOGS, headers=DATE), record=folder)
    (line,) = (folder / "home%2Fplex.jsonl").read_text(encoding="ascii").splitlines()
    assert json.loads(line)["replies"][0]["body"] == LINES
    assert ReplayLink(folder, "home/plex").ask((LOGS_READ,)) == (reply,)


def test_a_recording_that_never_asked_for_it_leaves_it_unknown(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    new_recording(folder)
    (reply,) = ReplayLink(folder, "home/plex").ask((LOGS_READ,))
    assert (reply.status, reply.body, reply.whole) == (None, "", False)
    assert reply.stderr == "it is not in the recording"
