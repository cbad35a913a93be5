"""HTTP: who answers is proven first, the login goes to nobody else, and every answer is bounded."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from plexops.model.change import Action, Change
from plexops.model.errors import PlexopsError
from plexops.model.exchange import MAX_REPLY_BYTES, Call, Read, Reply, Script, Write
from plexops.model.plan import GUARD_NAMES, Authorized, GuardVerdict, Step, authorize
from plexops.model.secret import Secret
from plexops.model.snapshot import Kind, Role
from plexops.model.status import ExitStatus
from plexops.structs import replace
from plexops.transport.http.dial import scan
from plexops.transport.http.link import HttpReadLink
from plexops.transport.http_settings import BasicLogin, HeaderLogin, HttpSettings, Pinned
from plexops.transport.opening import open_read, open_write
from plexops.transport.ssh_settings import SshSettings
from plexops.transport.trust.verdict import Source, TrustedKey, TrustedKeys, fingerprint
from tests.faults.transport_servers import (
    Behaviour,
    Identity,
    Listener,
    Web,
    new_key,
    plain_answer,
    self_signed,
    ssh_server,
    web_server,
)

TOKEN = HeaderLogin("X-Plex-Token", Secret("t0ken-of-the-owner", "env:PLEX_TOKEN"))
BASIC = BasicLogin(Secret("apikey", "env:K"), Secret("apisecret", "env:S"))
PREFS = Read("prefs", Call("GET", "/:/prefs", accept="xml"))


def ok(connection: socket.socket, _: str) -> None:
    connection.sendall(plain_answer(b"<MediaContainer/>"))


@pytest.fixture
def router(tmp_path: Path) -> Identity:
    return self_signed(tmp_path, "router")


def pin(identity: Identity) -> str:
    """Compute the pin by another way than the code under test: cryptography parses the certificate."""
    key = x509.load_der_x509_certificate(identity.der).public_key()
    digest = hashes.Hash(hashes.SHA256())
    digest.update(
        key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return "sha256//" + base64.b64encode(digest.finalize()).decode()


def pinned(identity: Identity, source: Source = Source.STORE) -> Pinned:
    return Pinned(TrustedKeys((TrustedKey(pin(identity), source, f"{source}:1", "tls"),)))


def https(web: Web, **more: object) -> HttpSettings:
    return HttpSettings("home.router", f"https://127.0.0.1:{web.listener.port}", **more)  # type: ignore[arg-type]


def http(web: Web, **more: object) -> HttpSettings:
    return HttpSettings("home.plex", f"http://127.0.0.1:{web.listener.port}", **more)  # type: ignore[arg-type]


def asked(settings: HttpSettings, *reads: Read) -> tuple[Reply, ...]:
    link = open_read(settings)
    try:
        return link.ask(reads or (PREFS,))
    finally:
        link.close()


def refused(settings: HttpSettings, *reads: Read) -> PlexopsError:
    with pytest.raises(PlexopsError) as caught:
        asked(settings, *reads)
    assert "t0ken" not in str(caught.value) + repr(caught.value.problems)
    return caught.value


# --- who answers ------------------------------------------------------------------------------------------------


def test_a_pinned_key_answers_and_the_login_is_bound_as_the_request_leaves(router: Identity) -> None:
    with web_server(ok, router) as web:
        link = open_read(https(web, tls=pinned(router), login=BASIC))
        assert link.identity == ""
        (reply,) = link.ask([PREFS])
        assert link.identity == pin(router)
        link.close()
    assert (reply.id, reply.status, reply.body, reply.whole) == ("prefs", 200, "<MediaContainer/>", True)
    (request,) = web.requests
    assert request.startswith("GET /:/prefs HTTP/1.1\r\n")
    assert "Authorization: Basic YXBpa2V5OmFwaXNlY3JldA==" in request  # base64 of apikey:apisecret
    assert "Accept: application/xml" in request


def test_a_changed_pin_gets_no_byte_of_a_request(router: Identity, tmp_path: Path) -> None:
    other = self_signed(tmp_path, "other")
    reads = tuple(replace(PREFS, id=f"r{n}") for n in range(6))
    with web_server(ok, other) as web:
        error = refused(https(web, tls=pinned(router), login=TOKEN), *reads)
    assert web.requests == []
    assert error.status is ExitStatus.INCOMPLETE
    (problem,) = error.problems
    assert problem.code == "PLX-D201"
    assert any("offered" in line and pin(other) in line for line in problem.detail)
    assert any("pinned" in line and pin(router) in line for line in problem.detail)
    assert f"plexops trust home.router --fingerprint {pin(other)}" in problem.cure


def test_an_unknown_certificate_gets_no_byte_of_a_request(router: Identity) -> None:
    with web_server(ok, router) as web:
        error = refused(https(web, tls=Pinned(TrustedKeys()), login=TOKEN))
    assert web.requests == []
    assert error.problems[0].code == "PLX-D202"


def test_date_and_name_of_a_pinned_certificate_do_not_matter(tmp_path: Path) -> None:
    expired = self_signed(tmp_path, "expired", expired=True, common_name="OpenWrt")
    with web_server(ok, expired) as web:
        assert asked(https(web, tls=pinned(expired)))[0].status == 200


@pytest.mark.parametrize("expired", [False, True])
def test_without_a_pin_a_certificate_must_verify(
    tmp_path: Path, expired: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = self_signed(tmp_path, "own", expired=expired)
    with web_server(ok, identity) as web:
        (problem,) = refused(https(web, login=TOKEN)).problems
        assert web.requests == []
        assert problem.code == "PLX-D210"
        assert "plexops trust home.router" in problem.cure
        authorities = https(web)
        monkeypatch.setenv("SSL_CERT_FILE", str(identity.certificate))  # the system's own list holds it
        if expired:
            assert refused(authorities).problems[0].code == "PLX-D210"
        else:
            assert asked(authorities)[0].status == 200
            named = replace(authorities, base_url=authorities.base_url.replace("127.0.0.1", "localhost"))
            assert "localhost" in refused(named).problems[0].reason  # made for another name


def test_a_login_does_not_go_to_a_certificate_that_only_the_repository_vouches_for(router: Identity) -> None:
    with web_server(ok, router) as web:
        error = refused(https(web, tls=pinned(router, Source.INVENTORY), login=TOKEN))
        assert error.problems[0].code == "PLX-D203"
        assert web.requests == []
        assert (
            asked(https(web, tls=pinned(router, Source.INVENTORY)))[0].status == 200
        )  # nothing secret: fine


def test_scan_shows_the_pin_and_sends_nothing(router: Identity) -> None:
    with web_server(ok, router) as web:
        offered = scan(https(web, login=TOKEN))
        assert (offered.type, offered.fingerprint) == ("tls", pin(router))
    assert web.requests == []


def test_a_token_goes_over_plain_http_only_where_that_was_asked_for_and_inside_the_home() -> None:
    with web_server(ok) as web:
        assert refused(http(web, login=TOKEN)).problems[0].code == "PLX-D212"
        assert web.requests == []
        unapproved = http(web, login=TOKEN, plain_login=True)
        assert refused(unapproved).problems[0].code == "PLX-D215"
        assert web.requests == []
        asked(replace(unapproved, proven=frozenset({"127.0.0.1"})))
        assert "X-Plex-Token: t0ken-of-the-owner" in web.requests[0]
        assert "t0ken" not in web.requests[0].splitlines()[0]  # never in the URL


def test_a_token_does_not_go_to_a_public_address_in_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    with web_server(ok) as web:
        # 127.0.0.1 plays a public address: what counts is the address of the peer, not what the URL says.
        monkeypatch.setattr("plexops.transport.secret_way.is_private", lambda address: address != "127.0.0.1")
        assert refused(http(web, login=TOKEN, plain_login=True, approved=True)).problems[0].code == "PLX-D212"
        assert web.requests == []
        assert asked(http(web))[0].status == 200


def test_a_login_over_a_verified_name_goes_only_where_it_was_approved_or_to_a_constant_address(
    router: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(router.certificate))
    with web_server(ok, router) as web:
        verified = https(web, login=TOKEN)
        assert refused(verified).problems[0].code == "PLX-D215"
        assert web.requests == []
        assert asked(replace(verified, approved=True))[0].status == 200
        assert asked(replace(verified, constant_address=True))[0].status == 200


# --- what is sent -----------------------------------------------------------------------------------------------


def test_queries_bodies_and_headers_arrive_as_they_were_meant(router: Identity) -> None:
    body = MappingProxyType({"rule": MappingProxyType({"descr": "Plex & co", "ports": (32500, 32501)})})
    call = Call("POST", "/api/firewall/d_nat/search_rule", query=(("a", "b c"), ("a", "d&e")), body=body)
    with web_server(ok, router) as web:
        asked(https(web, tls=pinned(router)), Read("search", call))
    head, _, sent = web.requests[0].partition("\r\n\r\n")
    assert head.startswith("POST /api/firewall/d_nat/search_rule?a=b+c&a=d%26e HTTP/1.1\r\n")
    assert "Content-Type: application/json" in head
    assert json.loads(sent) == {"rule": {"descr": "Plex & co", "ports": [32500, 32501]}}


def test_what_a_read_hides_never_leaves_the_link() -> None:
    def account(connection: socket.socket, _: str) -> None:
        connection.sendall(plain_answer(b'<MyPlex authToken="s3cret" mappingState="mapped"/>'))

    with web_server(account) as web:
        (reply,) = asked(http(web), Read("account", Call("GET", "/myplex/account"), hides=("authToken",)))
    assert reply.body == '<MyPlex authToken="" mappingState="mapped"/>'


def test_the_environments_proxies_and_netrc_are_not_looked_at(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password mine\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with web_server(ok) as web:
        assert asked(http(web))[0].status == 200
    assert "Authorization" not in web.requests[0]


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    with web_server(ok) as target:

        def away(connection: socket.socket, _: str) -> None:
            place = f"Location: http://127.0.0.1:{target.listener.port}/login\r\n"
            connection.sendall(plain_answer(b"moved", "302 Found", place))

        with web_server(away) as web:
            (reply,) = asked(http(web, login=TOKEN, plain_login=True, approved=True))
    assert (reply.status, reply.body, reply.whole) == (302, "moved", True)
    assert target.requests == []


@pytest.mark.parametrize("status", ["400 Bad Request", "401 Unauthorized", "404 Not Found", "503 Busy"])
def test_a_status_of_an_error_is_an_answer(status: str) -> None:
    def answer(connection: socket.socket, _: str) -> None:
        connection.sendall(plain_answer(b'{"error":1}', status))

    with web_server(answer) as web:
        (reply,) = asked(http(web))
    assert (reply.status, reply.body, reply.whole) == (int(status[:3]), '{"error":1}', True)


def test_six_reads_go_at_most_four_at_a_time_and_come_back_in_order() -> None:
    now, most, lock = 0, 0, threading.Lock()

    def slow(connection: socket.socket, request: str) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        number = int(request.split()[1][1:])
        time.sleep(0.05 * (6 - number))
        with lock:
            now -= 1
        connection.sendall(plain_answer(str(number).encode()))

    with web_server(slow) as web:
        replies = asked(http(web), *(Read(f"r{n}", Call("GET", f"/{n}")) for n in range(6)))
        assert [(reply.id, reply.body) for reply in replies] == [(f"r{n}", str(n)) for n in range(6)]
        assert most == 4
        assert web.listener.connections == 4


def test_a_quick_device_is_asked_over_one_connection_and_without_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_threads(*_: object) -> None:
        raise AssertionError("a thread costs more than the answer")

    monkeypatch.setattr("plexops.transport.http.link.workers", no_threads)
    monkeypatch.setattr("plexops.transport.http.link._QUICK", 60.0)
    with web_server(lambda connection, _: connection.sendall(plain_answer(b"{}"))) as web:
        link = open_read(http(web))
        monkeypatch.setattr("threading.Timer.start", no_threads)
        replies = link.ask([Read(f"r{n}", Call("GET", f"/{n}")) for n in range(6)])
        link.close()
        assert [reply.whole for reply in replies] == [True] * 6
        assert web.listener.connections == 1


def test_a_kept_connection_that_the_device_closed_is_replaced() -> None:
    def once(connection: socket.socket, _: str) -> None:
        connection.sendall(plain_answer(b"{}"))
        connection.close()

    with web_server(once) as web:
        link = open_read(http(web))
        for _ in range(3):
            assert link.ask([PREFS])[0].status == 200
        link.close()
        assert web.listener.connections == 3


def test_a_kept_connection_that_the_device_closes_when_it_is_used_again_is_replaced() -> None:
    seen: set[int] = set()

    def once(connection: socket.socket, _: str) -> None:
        if id(connection) in seen:
            connection.close()
            return
        seen.add(id(connection))
        connection.sendall(plain_answer(b"{}"))

    kept: list[socket.socket] = []  # so that no id comes twice

    def respond(connection: socket.socket, request: str) -> None:
        kept.append(connection)
        once(connection, request)

    with web_server(respond) as web:
        link = open_read(http(web))
        for _ in range(3):
            assert link.ask([PREFS])[0].status == 200
        link.close()
        assert (len(web.requests), web.listener.connections) == (5, 3)


# --- limits -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [True, False])
def test_an_answer_of_ten_megabytes_is_cut_off(length: bool) -> None:
    def huge(connection: socket.socket, _: str) -> None:
        head = "Content-Length: 10000000\r\n" if length else "Transfer-Encoding: chunked\r\n"
        connection.sendall(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode())
        for _block in range(100):
            block = b"x" * 100_000
            connection.sendall(block if length else b"186a0\r\n" + block + b"\r\n")

    with web_server(huge) as web:
        (reply,) = asked(http(web))
    assert not reply.whole
    assert len(reply.body) == MAX_REPLY_BYTES


def test_an_answer_that_breaks_off_is_not_whole() -> None:
    def half(connection: socket.socket, _: str) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<Media")
        connection.close()

    with web_server(half) as web:
        (reply,) = asked(http(web))
    assert (reply.status, reply.whole) == (200, False)


def test_a_packed_answer_is_not_unpacked() -> None:
    def bomb(connection: socket.socket, _: str) -> None:
        connection.sendall(plain_answer(b"\x1f\x8b...", headers="Content-Encoding: gzip\r\n"))

    with web_server(bomb) as web:
        (reply,) = asked(http(web))
        assert "Accept-Encoding: identity" in web.requests[0]
    assert not reply.whole


@pytest.mark.parametrize(
    "head", ["HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nServer: lighttpd\r\nConte", "HTTP/1."]
)
def test_a_head_that_breaks_off_is_no_empty_answer(head: str) -> None:
    def half(connection: socket.socket, _: str) -> None:
        connection.sendall(head.encode())
        connection.close()

    with web_server(half) as web:
        assert refused(http(web)).problems[0].code == "PLX-D106"


def test_an_answer_that_ends_with_its_connection_is_whole() -> None:
    def old(connection: socket.socket, _: str) -> None:
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n{}")
        connection.close()

    with web_server(old) as web:
        (reply,) = asked(http(web))
    assert (reply.status, reply.body, reply.whole) == (200, "{}", True)


@pytest.mark.parametrize("part", ["head", "body", "body without a length"])
def test_a_device_that_trickles_for_ever_meets_the_limit(part: str) -> None:
    def trickle(connection: socket.socket, _: str) -> None:
        rest = {"head": b"", "body": b"Content-Length: 9999\r\n\r\n", "body without a length": b"\r\n"}
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + rest[part])
        while True:
            connection.sendall(b"X")
            time.sleep(0.05)

    with web_server(trickle) as web:
        settings = http(web, connect_seconds=0.5)
        read = replace(PREFS, seconds=0.5)
        if part == "head":
            assert refused(settings, read).problems[0].code == "PLX-D107"
        else:
            assert not asked(settings, read)[0].whole


def test_a_device_that_trickles_its_tls_handshake_meets_the_limit() -> None:
    def trickle(connection: socket.socket) -> None:
        while True:
            connection.sendall(b"\x16\x03\x03\x40\x00\x02"[:1])
            time.sleep(0.05)

    listener = Listener(trickle)
    settings = HttpSettings("home.router", f"https://127.0.0.1:{listener.port}", connect_seconds=0.5)
    error = refused(settings)
    listener.close()
    assert error.problems[0].code == "PLX-D105"


def test_silence_is_an_error_when_nothing_answers_and_a_gap_when_something_does() -> None:
    ended = threading.Event()

    def some(connection: socket.socket, request: str) -> None:
        if "/hangs" in request:
            ended.wait(10)
        else:
            connection.sendall(plain_answer(b"{}"))

    hangs = Read("hangs", Call("GET", "/hangs"), seconds=0.3)
    with web_server(some) as web:
        error = refused(http(web), hangs)
        assert error.problems[0].code == "PLX-D107"
        assert "GET /hangs" in error.problems[0].where
        fine, gap = asked(http(web), PREFS, hangs)
        ended.set()
    assert (fine.status, fine.whole) == (200, True)
    assert (gap.id, gap.status, gap.whole) == ("hangs", None, False)


def test_a_dead_device_is_waited_for_once_and_not_once_per_read() -> None:
    # A listener whose queue is full drops further attempts, as a firewall does.
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        settings = HttpSettings("home.router", f"http://127.0.0.1:{full.getsockname()[1]}", connect_seconds=4)
        started = time.monotonic()
        error = refused(settings, *(Read(f"r{n}", Call("GET", f"/{n}")) for n in range(24)))
        took = time.monotonic() - started
        for one in waiting:
            one.close()
    assert error.problems[0].code == "PLX-D103"
    assert took < 20  # six rounds of four would take 24 seconds


def test_what_speaks_no_http_is_an_error() -> None:
    def ssh(connection: socket.socket, _: str) -> None:
        connection.sendall(b"SSH-2.0-dropbear\r\n")
        connection.close()

    with web_server(ssh) as web:
        assert refused(http(web)).problems[0].code == "PLX-D106"


# --- through a jump host ----------------------------------------------------------------------------------------


@contextmanager
def jump_host(*, forwards: bool = True) -> Iterator[tuple[Behaviour, SshSettings]]:
    behaviour = Behaviour([new_key()], none_is_enough=True, forwards=forwards)
    with ssh_server(behaviour) as port:
        key = behaviour.keys[0]
        trusted = TrustedKeys(
            (TrustedKey(fingerprint(key.asbytes()), Source.STORE, "store", key.get_name()),)
        )
        yield (
            behaviour,
            SshSettings(
                "home.jump",
                "127.0.0.1",
                "me",
                port,
                host_keys=trusted,
                use_agent=False,
                use_default_keys=False,
            ),
        )


def test_https_goes_through_a_jump_host_and_the_pin_is_compared_at_the_end(
    router: Identity, tmp_path: Path
) -> None:
    other = self_signed(tmp_path, "other")
    reads = tuple(Read(f"r{n}", Call("GET", f"/{n}")) for n in range(5))
    with web_server(ok, router) as web, jump_host() as (jump, via):
        replies = asked(https(web, tls=pinned(router), login=TOKEN, via=via), *reads)
        assert [reply.status for reply in replies] == [200] * 5
        assert ("tcp", "127.0.0.1", str(web.listener.port)) in jump.events
        assert len(jump.logins) == 1
        count = len(web.requests)
        assert refused(https(web, tls=pinned(other), login=TOKEN, via=via)).problems[0].code == "PLX-D201"
        assert len(web.requests) == count


def test_an_answer_of_a_megabyte_comes_whole_through_a_jump_host(router: Identity) -> None:
    body = bytes(range(32, 127)) * 11_000

    def big(connection: socket.socket, _: str) -> None:
        connection.sendall(plain_answer(body))

    with web_server(big, router) as web, jump_host() as (_, via):
        (reply,) = asked(https(web, tls=pinned(router), via=via))
    assert reply.whole
    assert reply.body.encode() == body


def test_a_jump_host_that_refuses_is_asked_once_for_many_requests(router: Identity) -> None:
    reads = tuple(Read(f"r{n}", Call("GET", f"/{n}")) for n in range(6))
    with web_server(ok, router) as web, jump_host() as (jump, via):
        jump.none_is_enough = False
        wrong = replace(via, password=Secret("wrong", "env:PW"))
        assert refused(https(web, tls=pinned(router), via=wrong), *reads).problems[0].code == "PLX-D204"
        assert len(jump.logins) == 1
    assert web.requests == []


# --- writes -----------------------------------------------------------------------------------------------------


def authorized(*writes: Write) -> Authorized:
    step = Step(Change(Role.ROUTER, Kind.PORT_FORWARD, "plex", Action.CREATE), Script(writes))
    leave = authorize(
        "home", step, tuple(GuardVerdict(name, "", holds=True, reason="") for name in GUARD_NAMES)
    )
    assert leave is not False
    return leave


WRITE = Write(Call("PUT", "/:/prefs", query=(("ManualPortMappingPort", "32500"),)), seconds=0.5)


def test_a_read_link_cannot_write_and_a_write_link_sends_what_was_authorized() -> None:
    with web_server(ok) as web:
        assert not hasattr(HttpReadLink(http(web)), "send")
        link = open_write(http(web), authorized(WRITE))
        with pytest.raises(ValueError, match="authorized"):
            link.send(Write(Call("DELETE", "/myplex/account")))
        assert web.requests == []
        reply = link.send(WRITE)
        link.close()
    assert (reply.status, reply.whole) == (200, True)
    assert [request.splitlines()[0] for request in web.requests] == [
        "PUT /:/prefs?ManualPortMappingPort=32500 HTTP/1.1"
    ]


@pytest.mark.parametrize("how", ["closes", "hangs", "breaks off"])
def test_a_write_without_a_whole_answer_has_an_unknown_outcome_and_is_not_repeated(how: str) -> None:
    ended = threading.Event()

    def answer(connection: socket.socket, _: str) -> None:
        if how == "hangs":
            ended.wait(10)
        if how == "breaks off":
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
        connection.close()

    with web_server(answer) as web:
        link = open_write(http(web), authorized(WRITE))
        with pytest.raises(PlexopsError) as caught:
            link.send(WRITE)
        ended.set()
        link.close()
    assert caught.value.problems[0].code == "PLX-D109"
    assert len(web.requests) == 1


def test_a_write_that_never_left_has_no_unknown_outcome(router: Identity, tmp_path: Path) -> None:
    other = self_signed(tmp_path, "other")
    with web_server(ok, other) as web:
        link = open_write(https(web, tls=pinned(router)), authorized(WRITE))
        with pytest.raises(PlexopsError) as caught:
            link.send(WRITE)
        link.close()
    assert caught.value.problems[0].code == "PLX-D201"
    assert web.requests == []


def test_an_ipv6_address_in_the_url(tmp_path: Path) -> None:
    identity = self_signed(tmp_path, "six")
    with web_server(ok, identity, "::1") as web:
        settings = replace(
            https(web, tls=pinned(identity), login=TOKEN), base_url=f"https://[::1]:{web.listener.port}"
        )
        assert asked(settings)[0].status == 200
        assert f"Host: [::1]:{web.listener.port}" in web.requests[0]


def test_a_path_in_the_base_url_goes_before_every_request() -> None:
    with web_server(ok) as web:
        asked(
            replace(http(web), base_url=http(web).base_url + "/rest/"),
            Read("nat", Call("GET", "/ip/firewall/nat")),
        )
        assert web.requests[0].startswith("GET /rest/ip/firewall/nat HTTP/1.1")


# --- a plain URL at a port for TLS ------------------------------------------------------------------------------


def test_http_to_a_port_that_speaks_https_alone_says_so(router: Identity) -> None:
    with web_server(ok, router) as web:
        reads = tuple(replace(PREFS, id=f"r{n}") for n in range(4))
        (problem,) = refused(http(web, plain_login=True, login=TOKEN, approved=True), *reads).problems
        assert problem.code == "PLX-D114"
        assert problem.reason == f"home.plex speaks https only at port {web.listener.port}"
        assert f"write https://127.0.0.1:{web.listener.port} as plex.url" in problem.cure
        assert "plexops trust home.plex" in problem.cure
    assert web.requests == []


@pytest.mark.parametrize(
    "says",
    [
        b"<center>The plain HTTP request was sent to HTTPS port</center>",  # nginx 1.24
        b"Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />",  # Apache 2.4
        b"Client sent an HTTP request to an HTTPS server.\n",  # Go
    ],
)
def test_a_proxy_that_says_that_it_wants_https_is_understood(says: bytes) -> None:
    def reply(connection: socket.socket, _: str) -> None:
        head = f"HTTP/1.1 400 Bad Request\r\nContent-Length: {len(says)}\r\n\r\n".encode()
        connection.sendall(head + says)

    with web_server(reply) as web:
        assert refused(http(web)).problems[0].code == "PLX-D114"


def test_who_hangs_up_and_speaks_no_tls_either_is_not_said_to() -> None:
    with web_server(lambda connection, _: connection.close()) as web:
        assert refused(http(web)).problems[0].code == "PLX-D106"
