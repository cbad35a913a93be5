"""Address echoes: only a plain public address counts, whoever answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from plexops.lab.base import HttpResponse
from plexops.lab.https import make_tls
from plexops.transport.around.checkers import ask_echo
from plexops.transport.around.fetch import Ask, FetchError, fetch
from tests.lab_sim.listening import listening
from tests.unit.transport.strangers import TcpStranger, page


def refusal(url: str, seconds: float) -> str:
    with pytest.raises(ValueError) as caught:
        ask_echo(url, seconds=seconds)
    return str(caught.value)


def test_a_plain_address_is_taken() -> None:
    with TcpStranger(lambda _: [page(b"81.2.69.142\n")]) as server:
        assert ask_echo(server.url("/ip")) == IPv4Address("81.2.69.142")
    assert server.requests[0].startswith(b"GET /ip HTTP/1.1\r\nHost: 127.0.0.1:")


@pytest.mark.parametrize(
    ("said", "failure"),
    [
        (page(b"192.168.1.5"), "192.168.1.5 is no public address"),
        (page(b"100.64.3.4"), "100.64.3.4 is no public address"),
        (page(b"0.0.0.0"), "0.0.0.0 is no public address"),
        (page(b"2001:db8::1"), "no address in the answer"),
        (page(b"<html>81.2.69.142</html>"), "no address in the answer"),
        (page("８１.2.69.142".encode()), "no address in the answer"),
        (page(b"081.2.69.142"), "no address in the answer"),
        (page(b""), "no address in the answer"),
        (page(b"81.2.69.142", "302 Found", "Location: http://127.0.0.1:1/"), "status 302"),
        (page(b"81.2.69.142", "511 Network Authentication Required"), "status 511"),
        (page(b"8" * 100_000), "too long"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000 + b"\r\n\r\n81.2.69.142", "too long"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n81.2.69.142", "not understood"),
        (b"SSH-2.0-dropbear\r\n", "not understood"),
        (b"", "not understood"),
    ],
)
def test_anything_else_is_refused(said: bytes, failure: str) -> None:
    with TcpStranger(lambda _: [said]) as server:
        assert refusal(server.url(), 3) == failure


def test_a_redirect_is_not_followed() -> None:
    with (
        TcpStranger(lambda _: [page(b"81.2.69.142")]) as other,
        TcpStranger(lambda _: [page(b"", "302 Found", f"Location: {other.url()}")]) as server,
    ):
        assert refusal(server.url(), 4) == "status 302"
    assert other.requests == []


@pytest.mark.parametrize(
    "head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n"], ids=["head", "body"]
)
def test_a_slow_drip_ends_in_time(head: bytes) -> None:
    drip = [part for _ in range(6000) for part in (b"1", 0.05)]
    with TcpStranger(lambda _: [head, *drip]) as server:
        assert refusal(server.url(), 0.4) == "timed out"


def test_nobody_there() -> None:
    with TcpStranger(lambda _: []) as server:
        url = server.url()
    assert refusal(url, 0.5) == "refused"
    assert refusal("http://nobody.invalid/", 0.5) == "unreachable"


def test_a_certificate_of_nobody_is_refused(tmp_path: Path) -> None:
    with lab_https(tmp_path) as port:
        assert refusal(f"https://127.0.0.1:{port}/ip", 5) == "not understood"
        ask = Ask(f"https://127.0.0.1:{port}/ip")
        assert fetch(ask, 5, trust="nobody").text == "81.2.69.142"


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1/", "http:///x", "http://me@127.0.0.1/", "http://127.0.0.1:99999/"]
)
def test_what_is_no_web_address_is_not_asked(url: str) -> None:
    with pytest.raises(ValueError):
        fetch(Ask(url), 1)


def test_nothing_is_smuggled_into_a_request() -> None:
    with TcpStranger(lambda _: [page(b"")]) as server:
        for ask in (
            Ask(server.url("/x\r\nX-Evil: 1")),
            Ask(server.url("/ HTTP/1.1\nX")),
            Ask(server.url(), {"A": "b\nc"}),
        ):
            with pytest.raises((ValueError, FetchError)):
                fetch(ask, 1)
    assert not [request for request in server.requests if b"Evil" in request.split(b"\r\n")[1:]]


@contextmanager
def lab_https(directory: Path) -> Iterator[int]:
    """Start a web server with a certificate that it made itself."""
    listener = listening(
        lambda _: HttpResponse(200, b"81.2.69.142", "text/plain"), tls=make_tls(directory, ["127.0.0.1"])
    )
    try:
        yield listener.address[1]
    finally:
        listener.close()
