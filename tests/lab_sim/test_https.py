from __future__ import annotations

import base64
import hashlib
import socket
import ssl
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest
import requests
from paramiko.common import AUTH_SUCCESSFUL, OPEN_SUCCEEDED

from plexops.lab.base import HttpRequest, HttpResponse
from plexops.lab.https import MAX_BODY, TlsFiles, make_tls, serve_http
from plexops.lab.network import Listener
from tests.lab_sim.listening import listening


def echo(request: HttpRequest) -> HttpResponse:
    text = f"{request.method} {request.path} [{request.query}] {request.headers.get('x-word', '')} "
    return HttpResponse(200, text.encode() + request.body, "text/plain; charset=utf-8")


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return make_tls(tmp_path_factory.mktemp("tls"), ["localhost", "127.0.0.1"])


@pytest.fixture
def secure(tls: TlsFiles) -> Iterator[Listener]:
    listener = listening(echo, tls)
    yield listener
    listener.close()


@pytest.fixture
def plain() -> Iterator[Listener]:
    listener = listening(echo)
    yield listener
    listener.close()


def test_a_client_that_trusts_the_certificate_gets_an_answer(secure: Listener, tls: TlsFiles) -> None:
    answer = requests.post(
        f"https://127.0.0.1:{secure.address[1]}/api/x?a=1&b=%20", data=b"body", headers={"X-Word": "hello"},
        verify=str(tls.certificate), timeout=60,
    )  # fmt: skip
    assert answer.text == "POST /api/x [a=1&b=%20] hello body"


def test_a_client_that_does_not_trust_it_refuses(secure: Listener) -> None:
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"https://127.0.0.1:{secure.address[1]}/", timeout=60)


def test_the_pin_is_what_a_client_computes_from_the_handshake(secure: Listener, tls: TlsFiles) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    pem = ssl.get_server_certificate(("127.0.0.1", secure.address[1]))
    key = x509.load_pem_x509_certificate(pem.encode()).public_key()
    digest = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    assert tls.pin == "sha256//" + base64.b64encode(digest).decode()
    assert stat.S_IMODE(tls.key.stat().st_mode) == 0o600


def raw(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(data)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


def test_one_connection_carries_many_requests_until_one_says_close(plain: Listener) -> None:
    two = b"GET /one HTTP/1.1\r\nHost: x\r\n\r\nGET /two HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    received = raw(plain.address[1], two)
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert received.endswith(b"GET /two []  ")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1), b"413"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"501"),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 40_000 + b"\r\n\r\n", b"431"),
    ],
)
def test_what_is_malformed_or_too_large_is_refused(
    plain: Listener, request_bytes: bytes, status: bytes
) -> None:
    assert raw(plain.address[1], request_bytes).split(b" ")[1] == status


def test_a_head_request_has_the_length_but_no_body(plain: Listener) -> None:
    answer = requests.head(f"http://127.0.0.1:{plain.address[1]}/x", timeout=60)
    assert int(answer.headers["Content-Length"]) > 0
    assert answer.content == b""


def test_close_ends_idle_connections_at_once() -> None:
    listener = listening(echo)
    with socket.create_connection(("127.0.0.1", listener.address[1]), timeout=60) as connection:
        closer = threading.Thread(target=listener.close)
        closer.start()
        try:
            said = connection.recv(1)
        except ConnectionResetError:
            said = b""  # ended before it was accepted
        assert said == b""
        closer.join(60)
        assert not closer.is_alive()


class _Forwarding(paramiko.ServerInterface):
    def check_auth_none(self, username: str) -> int:
        return int(AUTH_SUCCESSFUL)

    def get_allowed_auths(self, username: str) -> str:
        return "none"

    def check_channel_direct_tcpip_request(
        self,
        chanid: int,
        origin: tuple[str, int],
        destination: tuple[str, int],
    ) -> int:
        return int(OPEN_SUCCEEDED)


def test_tls_runs_over_a_paramiko_channel(tls: TlsFiles) -> None:
    here, there = socket.socketpair()
    server, client = paramiko.Transport(there), paramiko.Transport(here)
    try:
        server.add_server_key(paramiko.ECDSAKey.generate())
        server.start_server(event=threading.Event(), server=_Forwarding())
        client.start_client(timeout=60)
        client.auth_none("x")
        tunnel = client.open_channel("direct-tcpip", ("plex", 443), ("127.0.0.1", 1), timeout=60)
        far = server.accept(5)
        assert far is not None
        serving = threading.Thread(target=serve_http, args=(far, echo, tls))
        serving.start()
        assert _get_over(tunnel, tls) == b"GET /through []  "
        tunnel.close()
        serving.join(60)
        assert not serving.is_alive()
    finally:
        client.close()
        server.close()
        here.close()
        there.close()


def _get_over(channel: paramiko.Channel, tls: TlsFiles) -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context(cafile=str(tls.certificate))
    secure = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    while True:
        try:
            secure.do_handshake()
            break
        except ssl.SSLWantReadError:
            channel.sendall(outgoing.read())
            incoming.write(channel.recv(65536))
    secure.write(b"GET /through HTTP/1.1\r\nHost: localhost\r\n\r\n")
    channel.sendall(outgoing.read())
    received = b""
    while not received.endswith(b"[]  "):
        try:
            received += secure.read(65536)
        except ssl.SSLWantReadError:
            incoming.write(channel.recv(65536))
    return received.split(b"\r\n\r\n", 1)[1]


def test_the_key_file_does_not_outlive_a_second_make(tmp_path: Path) -> None:
    first = make_tls(tmp_path, ["a.example"])
    second = make_tls(tmp_path, ["a.example"])
    assert first.pin != second.pin
