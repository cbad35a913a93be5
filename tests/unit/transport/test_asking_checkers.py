"""Services that try ports, over the wire: what is asked, to the letter, and that no answer holds us up or leads us away."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plexops.lab.base import HttpResponse
from plexops.lab.https import make_tls
from plexops.model.exchange import Look, LookKind, Read, Reply
from plexops.transport.around.local_queries import HereLink
from plexops.transport.here import HereSettings
from tests.lab_sim.listening import listening
from tests.unit.transport.port_checkers import BEGAN, REFUSED, TIMED_OUT, check_host, connected, js, polls
from tests.unit.transport.strangers import Said, TcpStranger, page

PLACE = "203.0.113.20:32500"
OPEN = connected("203.0.113.20")


def ask(kind: LookKind, url: str, detail: str = PLACE, seconds: float = 5.0) -> Reply:
    (reply,) = HereLink(HereSettings("home/checker")).ask(
        (Read("x", Look(kind, url, detail), seconds=seconds),)
    )
    return reply


def head(request: bytes) -> list[str]:
    return request.split(b"\r\n\r\n")[0].decode().split("\r\n")


def test_check_host_is_asked_until_every_place_has_told() -> None:
    answer = check_host(polls((None, None, None), (OPEN, None, None), (OPEN, TIMED_OUT, REFUSED)))
    with TcpStranger(answer) as server:
        reply = ask(LookKind.CHECK_HOST, server.url().rstrip("/"), seconds=10)
    assert reply.status == 0
    assert json.loads(reply.body)["result"] == polls((OPEN, TIMED_OUT, REFUSED))[0]
    asked = [head(request) for request in server.requests]
    assert [lines[0] for lines in asked] == [
        "GET /check-tcp?host=203.0.113.20:32500&max_nodes=3 HTTP/1.1",
        *["GET /check-result/4f96e3c5kd18 HTTP/1.1"] * 3,
    ]
    assert all("Accept: application/json" in lines for lines in asked)


def test_portchecker_is_asked_once() -> None:
    said = {"error": False, "msg": None, "host": "203.0.113.20", "check": [{"port": 32500, "status": True}]}
    with TcpStranger(lambda _: [js(said)]) as server:
        reply = ask(LookKind.PORTCHECKER, server.url().rstrip("/"))
    (request,) = server.requests
    assert head(request)[0] == "POST /api/query HTTP/1.1"
    assert "Content-Type: application/json" in head(request)
    assert json.loads(request.split(b"\r\n\r\n")[1]) == {"host": "203.0.113.20", "ports": [32500]}
    assert json.loads(reply.body) == said


def test_echoip_is_told_a_port_and_no_address() -> None:
    with TcpStranger(lambda _: [js({"ip": "203.0.113.20", "port": 32500, "reachable": False})]) as server:
        reply = ask(LookKind.ECHOIP, server.url("/own").rstrip("/"), "32500")
    (request,) = server.requests
    assert head(request)[0] == "GET /own/port/32500 HTTP/1.1"
    assert b"203.0.113.20" not in request
    assert json.loads(reply.body)["reachable"] is False


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (page(b"<html>Please log in</html>"), "a page, and no JSON"),
        (page(b"[1]"), "not as the service documents it"),
        (page(b"null"), "not as the service documents it"),
        (page(b"[" * 60_000), "a page, and no JSON"),
        (page(b"{}", "429 Too Many Requests"), "does not want to be asked now (status 429)"),
        (page(b"{}", "503 Service Unavailable"), "does not want to be asked now (status 503)"),
        (page(b"{}", "302 Found", "Location: http://127.0.0.1:1/"), "status 302"),
        (page(b"{}", "500 Internal Server Error"), "status 500"),
        (page(b'{"a": "' + b"x" * 100_000 + b'"}'), "longer than it may be"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{}", "cut off"),
        (b"SSH-2.0-dropbear\r\n", "no HTTP"),
        (b"", "not understood"),
    ],
)
@pytest.mark.parametrize("kind", [LookKind.CHECK_HOST, LookKind.PORTCHECKER, LookKind.ECHOIP])
def test_an_answer_of_no_use_is_a_reason(kind: LookKind, said: bytes, why: str) -> None:
    with TcpStranger(lambda _: [said]) as server:
        detail = "32500" if kind is LookKind.ECHOIP else PLACE
        reply = ask(kind, server.url().rstrip("/"), detail, seconds=3)
    assert (reply.status, reply.body) == (1, "")
    assert why in reply.stderr
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "began",
    [
        {**BEGAN, "request_id": "../admin?x=1"},
        {**BEGAN, "request_id": 29},
        {**BEGAN, "request_id": "x" * 65},
        {**BEGAN, "nodes": ["de1"]},
        {"error": "limit_exceeded"},
    ],
)
def test_a_check_that_is_none_is_not_followed(began: object) -> None:
    with TcpStranger(check_host(polls((OPEN, OPEN, OPEN)), began)) as server:
        reply = ask(LookKind.CHECK_HOST, server.url().rstrip("/"))
    assert (reply.status, reply.stderr) == (1, "the answer names no check")
    assert len(server.requests) == 1


@pytest.mark.parametrize("told", [(None, None, None), (OPEN, None, None)])
def test_a_check_that_never_ends_is_left_in_time_with_what_was_told(told: tuple[object, ...]) -> None:
    with TcpStranger(check_host(polls(told))) as server:
        reply = ask(LookKind.CHECK_HOST, server.url().rstrip("/"), seconds=2.0)
    assert reply.status == 0
    assert json.loads(reply.body)["result"] == polls(told)[0]
    assert len(server.requests) <= 4


def test_a_service_that_falls_silent_takes_nothing_back() -> None:
    answers = check_host(polls((OPEN, None, None)))
    count = 0

    def answer(request: bytes) -> Said:
        nonlocal count
        count += 1
        return answers(request) if count < 3 else [1.5]

    with TcpStranger(answer) as server:
        reply = ask(LookKind.CHECK_HOST, server.url().rstrip("/"), seconds=2.5)
    assert json.loads(reply.body)["result"] == polls((OPEN, None, None))[0]


@pytest.mark.parametrize("kind", [LookKind.CHECK_HOST, LookKind.PORTCHECKER, LookKind.ECHOIP])
def test_a_drip_ends_in_time(kind: LookKind) -> None:
    drip = [part for _ in range(4000) for part in (b"x", 0.05)]
    with TcpStranger(lambda _: [b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n", *drip]) as server:
        detail = "32500" if kind is LookKind.ECHOIP else PLACE
        reply = ask(kind, server.url().rstrip("/"), detail, seconds=0.4)
    assert reply.stderr.startswith("timed out")


def test_a_redirect_is_not_followed() -> None:
    with (
        TcpStranger(lambda _: [js({"ip": "203.0.113.20", "port": 32500, "reachable": True})]) as other,
        TcpStranger(lambda _: [page(b"", "301 Moved", f"Location: {other.url()}")]) as server,
    ):
        assert ask(LookKind.ECHOIP, server.url().rstrip("/"), "32500").status == 1
    assert other.requests == []


def test_over_https_only_a_certificate_that_an_authority_vouches_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {"ip": "203.0.113.20", "port": 32500, "reachable": True}
    response = HttpResponse(200, json.dumps(said).encode(), "application/json")
    tls = make_tls(tmp_path, ["127.0.0.1"])
    listener = listening(lambda _: response, tls=tls)
    url = f"https://127.0.0.1:{listener.address[1]}"
    try:
        assert "certificate" in ask(LookKind.ECHOIP, url, "32500").stderr
        monkeypatch.setenv("SSL_CERT_FILE", str(tls.certificate))
        assert json.loads(ask(LookKind.ECHOIP, url, "32500").body) == said
    finally:
        listener.close()
