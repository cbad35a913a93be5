"""Whatever bytes a device sends, and however it stops sending: a problem of that device, in bounded time."""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from plexops.model.errors import PlexopsError
from plexops.model.exchange import Call, Command, Lines, Read
from plexops.model.status import ExitStatus
from plexops.structs import replace
from plexops.transport.http.dial import speaks_tls
from plexops.transport.http.link import HttpReadLink
from plexops.transport.http_settings import HttpSettings
from plexops.transport.opening import open_read
from plexops.transport.ssh import session as ssh_session
from plexops.transport.ssh.link import scan
from plexops.transport.ssh_settings import SshSettings

#: What a device does with one connection.
Script = Callable[[socket.socket], None]

BANNER = b"SSH-2.0-dropbear_2022.83\r\n"
ALGORITHMS = (
    *(b"curve25519-sha256@libssh.org", b"ssh-ed25519", b"aes128-ctr", b"aes128-ctr"),
    *(b"hmac-sha2-256", b"hmac-sha2-256", b"none", b"none", b"", b""),
)
#: A handshake that stalls is waited for so long here, in seconds; 15 in the product.
PATIENCE = 0.5
#: What a case may take at most beside seven others, in seconds.
BOUND = 60.0


def packet(payload: bytes, *, length: int | None = None, padding: int | None = None) -> bytes:
    """Give an unencrypted packet (RFC 4253, 6)."""
    pad = 8 - (5 + len(payload)) % 8 + 8
    said = (1 + len(payload) + pad) if length is None else length
    return struct.pack(">IB", said, pad if padding is None else padding) + payload + b"\0" * pad


def text(data: bytes, size: int | None = None) -> bytes:
    return struct.pack(">I", len(data) if size is None else size) + data


def offer(lists: tuple[bytes, ...] = ALGORITHMS, sizes: dict[int, int] | None = None) -> bytes:
    """Give the payload of a KEXINIT."""
    named = b"".join(text(names, (sizes or {}).get(at)) for at, names in enumerate(lists))
    return b"\x14" + b"c" * 16 + named + b"\0" + b"\0" * 4


def reply(
    key: bytes, shared: bytes = b"q" * 32, signature: bytes = text(b"ssh-ed25519") + text(b"s" * 64)
) -> bytes:
    """Give the payload of the server's answer to a key exchange with a curve (RFC 5656, 4)."""
    return b"\x1f" + text(key) + text(shared) + text(signature)


KEY = text(b"ssh-ed25519") + text(b"k" * 32)
WHOLE = BANNER + packet(offer()) + packet(reply(KEY)) + packet(b"\x15")


def handshakes() -> Iterator[tuple[str, bytes]]:  # noqa: PLR0912 - one list
    """Give beginnings of a handshake that are wrong, each in one way."""
    for end in range(0, len(WHOLE), 9):
        yield f"cut at byte {end}", WHOLE[:end]
    for at in range(len(ALGORITHMS)):
        for bad in (b"\xff\xfe", b"\xc3", b"a" * 30_000, b",", b"\0"):
            lists = (*ALGORITHMS[:at], bad, *ALGORITHMS[at + 1 :])
            yield f"list {at} is {bad[:4]!r}", BANNER + packet(offer(lists))
        for size in (0x7FFFFFFF, 0xFFFFFFFF, 3):
            yield f"list {at} says {size} bytes", BANNER + packet(offer(sizes={at: size}))
    for length in (0, 1, 4, 5, 12, 13, 35_001, 0x7FFFFFFF, 0xFFFFFFFF):
        yield f"packet says {length} bytes", BANNER + packet(offer(), length=length)
    for padding in (0, 3, 254, 255):
        yield f"packet says {padding} of padding", BANNER + packet(offer(), padding=padding)
    for kind in (*range(32), *range(50, 62), *range(80, 101), 255):
        yield f"message {kind} first", BANNER + packet(bytes([kind]) + b"\xff" * 40)
        yield f"message {kind} within", BANNER + packet(offer()) + packet(bytes([kind]) + b"\xff" * 40)
    keys = (
        b"",
        b"\xff" * 4,
        text(b"\xff\xfe") + text(b"k" * 32),
        text(b"ssh-ed25519"),
        text(b"ssh-rsa") + text(b"") * 2,
    )
    for key in (
        *keys,
        text(b"ssh-ed25519") + text(b"short"),
        text(b"ssh-dss") + text(b"\xff") * 4,
        b"k" * 100_000,
    ):
        yield f"key {key[:16]!r}", BANNER + packet(offer()) + packet(reply(key))
    for shared in (b"", b"\0" * 32, b"\xff" * 31, b"\x04" + b"\0" * 64):
        yield f"share {shared[:4]!r}", BANNER + packet(offer()) + packet(reply(KEY, shared))
    for signature in (
        b"",
        b"\xff" * 8,
        text(b"\xff") + text(b""),
        text(b"ssh-ed25519") + text(b"s", 0xFFFFFFFF),
    ):
        yield (
            f"signature {signature[:8]!r}",
            BANNER + packet(offer()) + packet(reply(KEY, signature=signature)),
        )
    for line in (
        b"\xff\xfe\r\n",
        b"SSH-1.5-old\r\n",
        b"SSH-2.0\r\n",
        b"SSH-\xff-\xff\r\n",
        b"HTTP/1.1 400 Bad\r\n\r\n",
        b"\n" * 300,
    ):
        yield f"greets with {line[:8]!r}", line + packet(offer())
    chance = random.Random(16)  # noqa: S311 - the same corpus each time
    for number in range(40):
        noise = bytearray(WHOLE)
        for _ in range(chance.randint(1, 12)):
            noise[chance.randrange(len(BANNER), len(noise))] = chance.randrange(256)
        yield f"noise {number}", bytes(noise)
        yield f"garbage {number}", BANNER + chance.randbytes(chance.randint(1, 400))


def says(data: bytes) -> Script:
    """Say it, read what comes, and hang up."""

    def script(connection: socket.socket) -> None:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(3)
        while connection.recv(65536):
            pass

    return script


def resets(data: bytes) -> Script:
    """Say it and answer the next packet with a reset."""

    def script(connection: socket.socket) -> None:
        connection.sendall(data)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return script


def stalls(data: bytes) -> Script:
    """Say it, and nothing more."""

    def script(connection: socket.socket) -> None:
        connection.sendall(data)
        connection.settimeout(6)
        while connection.recv(65536):
            pass

    return script


def trickles(data: bytes, pause: float = 0.1) -> Script:
    """Say it byte by byte: each of them comes in time."""

    def script(connection: socket.socket) -> None:
        for at in range(60):
            connection.sendall(data[at : at + 1])
            time.sleep(pause)

    return script


def floods(data: bytes) -> Script:
    """Say it again and again, without an end."""

    def script(connection: socket.socket) -> None:
        for _ in range(2000):
            connection.sendall(data)

    return script


@contextlib.contextmanager
def device(script: Script) -> Iterator[int]:
    """Listen on loopback and do with every connection what the script says."""

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=one, args=(connection,), daemon=True).start()

    def one(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            script(connection)

    with socket.create_server(("127.0.0.1", 0), backlog=8) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def outcome(ask: Callable[[int], object], script: Script) -> str:
    """Ask such a device. Empty: it is a problem of the device, or an answer, and took its time."""
    began = time.monotonic()
    with device(script) as port:
        try:
            ask(port)
        except PlexopsError as error:
            if error.status is not ExitStatus.INCOMPLETE or not error.problems[0].where:
                return f"{error.status}: {error}"
        except Exception as bug:  # noqa: BLE001 - what this is about
            return repr(bug)
    took = time.monotonic() - began
    return "" if took < BOUND else f"took {took:.1f} s"


def all_of(ask: Callable[[int], object], cases: list[tuple[str, Script]]) -> dict[str, str]:
    """Give what went wrong, by case."""
    with ThreadPoolExecutor(24) as pool:
        found = pool.map(lambda case: (case[0], outcome(ask, case[1])), cases)
        return {name: wrong for name, wrong in found if wrong}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(ssh_session, "_BANNER_SECONDS", PATIENCE)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


def ssh(port: int) -> SshSettings:
    return SshSettings(
        "home.router", "127.0.0.1", "root", port, connect_seconds=PATIENCE, auth_seconds=PATIENCE
    )


def test_any_bytes_for_a_handshake() -> None:
    """Row 17: one list of a KEXINIT that is no UTF-8 ended plexops, and the whole fleet with it."""
    cases = [(name, says(data)) for name, data in handshakes()]
    assert len(cases) > 300
    assert all_of(lambda port: scan(ssh(port)), cases) == {}


@pytest.mark.parametrize("how", [resets, stalls, trickles, floods])
def test_a_handshake_that_stops_at_each_message(how: Callable[[bytes], Script]) -> None:
    """F29 and the network's own: reset, half-open, silence, a byte at a time, and a greeting without an end."""
    first = len(BANNER) + len(packet(offer()))
    ends = (0, 4, len(BANNER) - 1, len(BANNER), len(BANNER) + 4, first, first + 30, len(WHOLE))
    said = (
        [WHOLE[:end] for end in ends]
        if how is not floods
        else [b"x" * 65536, b"a banner line\r\n" * 4000, BANNER]
    )
    assert all_of(lambda port: scan(ssh(port)), [(f"{how.__name__} {len(d)}", how(d)) for d in said]) == {}
    names = [
        thread.name for thread in threading.enumerate() if "Thread-" in thread.name and not thread.daemon
    ]
    assert names == []


def test_a_link_says_of_which_device_it_is() -> None:
    lists = (b"\xff\xfe", *ALGORITHMS[1:])
    with device(says(BANNER + packet(offer(lists)))) as port:
        link = open_read(ssh(port))
        with pytest.raises(PlexopsError) as caught:
            link.ask([Read("version", Command("stat -c 1 /usr"))])
        link.close()
    problem = caught.value.problems[0]
    assert (problem.code, caught.value.status) == ("PLX-D105", ExitStatus.INCOMPLETE)
    assert f"127.0.0.1:{port}" in problem.reason
    assert "home.router" in problem.where


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
ANSWER = HEAD + b"Content-Length: 12\r\n\r\n" + b'{"a": "\xc3\xa4"}'


def answers() -> Iterator[tuple[str, bytes]]:
    """Give answers that are wrong, each in one way."""
    for end in range(0, len(ANSWER), 3):
        yield f"cut at byte {end}", ANSWER[:end]
    for length in (
        b"-1",
        b"-5",
        b"1e9",
        b"99999999999999999999",
        b"\xff",
        b"",
        b"12, 13",
        b"0x10",
        b"9" * 5000,
    ):
        yield f"length {length[:6]!r}", HEAD + b"Content-Length: " + length + b"\r\n\r\n{}"
    for size in (
        b"-1",
        b"-5",
        b"zz",
        b"",
        b"ffffffffffffffffff",
        b"5;x=\xff",
        b"\xff",
        b"9" * 5000,
        b"2\r\n{}\r\n",
        b"0",
    ):
        yield f"chunk {size[:6]!r}", HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + size + b"\r\n{}\r\n"
    for status in (b"99", b"1000", b"abc", b"-1", b"100", b"101", b"204", b"304", b"301", b"\xff", b""):
        yield f"status {status!r}", b"HTTP/1.1 " + status + b" X\r\nContent-Length: 2\r\n\r\n{}"
    for version in (b"HTTP/9.9", b"HTTP/", b"ICY", b"\0\0", b"SSH-2.0-x", b"HTTP/1.0", b"http/1.1"):
        yield f"version {version!r}", version + b" 200 OK\r\n\r\n{}"
    for header in (
        *(
            b"X" * 70_000,
            b"\xff: \xff",
            b": x",
            b"no colon",
            b" folded",
            b"A: b\r\n" * 300,
            b"Date: \xff\xff",
        ),
        *(b"Set-Cookie: \xff=\0; expires=x; Max-Age=1e9; Domain=[", b"Content-Type: text/\xff; charset=\xff"),
        *(
            b"Location: http://[::1",
            b"Content-Encoding: gzip",
            b"Transfer-Encoding: x",
            b"Connection: \xff",
            b"\0",
        ),
    ):
        yield f"header {header[:12]!r}", HEAD + header + b"\r\nContent-Length: 2\r\n\r\n{}"
    chance = random.Random(17)  # noqa: S311 - the same corpus each time
    for number in range(30):
        noise = bytearray(ANSWER)
        for _ in range(chance.randint(1, 9)):
            noise[chance.randrange(len(noise))] = chance.randrange(256)
        yield f"noise {number}", bytes(noise)


@pytest.mark.parametrize("archive", [False, True], ids=["answer", "archive"])
def test_any_bytes_for_an_answer_over_http(archive: bool) -> None:
    lines = Lines(("Plex Media Server.log",), "x", "y") if archive else None

    def ask(port: int) -> None:
        link = HttpReadLink(
            HttpSettings("home.plex", f"http://127.0.0.1:{port}", connect_seconds=0.5, read_seconds=0.5)
        )
        with contextlib.closing(link):
            link.ask([Read("identity", Call("GET", "/identity", lines=lines))])

    cases = [(name, says(data)) for name, data in answers()]
    cases += [
        (f"{how.__name__} {end}", how(ANSWER[:end]))
        for how in (resets, stalls, trickles)
        for end in (0, 9, 60, 90)
    ]
    assert len(cases) > 120
    assert all_of(ask, cases) == {}


@pytest.mark.parametrize(
    "error", [ssl.SSLError(107, "Closed before TLS handshake"), ConnectionResetError(104, "reset")]
)
def test_a_connection_that_is_gone_before_its_handshake(
    error: OSError, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel accepts, and the peer resets before TLS has begun: seldom, and seen."""

    def gone(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", gone)
    with socket.create_server(("127.0.0.1", 0)) as server:
        at = f"127.0.0.1:{server.getsockname()[1]}"
        plain = HttpSettings("home.plex", f"http://{at}", connect_seconds=0.5, read_seconds=0.5)
        assert not speaks_tls(plain)
        link = HttpReadLink(replace(plain, base_url=f"https://{at}"))
        with contextlib.closing(link), pytest.raises(PlexopsError) as caught:
            link.ask([Read("identity", Call("GET", "/identity"))])
    assert caught.value.problems[0].code.startswith("PLX-D1")
