"""Logins over HTTP: what the device gets, what is kept, and that nothing of it goes anywhere else."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from urllib.request import parse_http_list, parse_keqv_list

import pytest
import requests
from requests.auth import HTTPDigestAuth

from plexops.model.change import Action, Change
from plexops.model.errors import PlexopsError
from plexops.model.exchange import Call, Expect, Read, Reply, Script, SoapCall, Write
from plexops.model.login import KeptHeader, SessionRequest, SessionSteps
from plexops.model.plan import GUARD_NAMES, Authorized, GuardVerdict, Step, authorize
from plexops.model.secret import Secret
from plexops.model.snapshot import Kind, Role
from plexops.parsers.soap import parse_soap
from plexops.structs import replace
from plexops.transport.http.digest import Challenge, authorization, challenge_of
from plexops.transport.http.link import HttpReadLink, HttpWriteLink
from plexops.transport.http.proof import prove
from plexops.transport.http_settings import BasicLogin, DigestLogin, HttpSettings, SessionLogin
from plexops.transport.record import RecordingLink, new_recording

NAME, PASSWORD = "plexops", 'pä"ss\\wörd'
KEY, SECRET = Secret(NAME, "username"), Secret(PASSWORD, "env:PLEXOPS_ROUTER")
READ = Read("forwards", Call("GET", "/api/forwards"))


class Seen:
    """One request as the server has it."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        self.method, self.path, self.headers = handler.command, handler.path, handler.headers
        self.body = handler.rfile.read(int(handler.headers.get("Content-Length", "0"))).decode()


#: Status, headers, body.
Told = tuple[int, dict[str, str], str]
Device = Callable[[Seen], Told]


@contextmanager
def served(device: Device, tls: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[Seen]]]:
    """Run a device's web server on loopback; give its port and what reaches it."""
    seen: list[Seen] = []
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with lock:
                asked = Seen(self)
                seen.append(asked)
                status, headers, body = device(asked)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.rstrip("2"), value)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1], seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join(60)


def settings(port: int, login: BasicLogin | DigestLogin | SessionLogin) -> HttpSettings:
    return HttpSettings(
        "home.router",
        f"http://127.0.0.1:{port}",
        login=login,
        plain_login=True,
        approved=True,
        contract="rest",
    )


def problem(error: PlexopsError) -> str:
    return " ".join(" ".join([one.code, one.reason, one.cure, *one.detail]) for one in error.problems)


def written(ask: Call | SoapCall) -> tuple[Write, Authorized]:
    """Give a write with the leave to send it."""
    write = Write(ask, Expect(statuses=frozenset({200})))
    step = Step(Change(Role.ROUTER, Kind.PORT_FORWARD, "plex", Action.CREATE), Script((write,)))
    leave = authorize("home", step, tuple(GuardVerdict(name, "", True, "") for name in GUARD_NAMES))
    assert isinstance(leave, Authorized)
    return write, leave


# Digest.


class DigestDevice:
    """A device that judges Digest as RFC 7616 says, each nonce for so many requests, and each count once."""

    realm, more = 'HTTPS Access, "x"', {"WWW-Authenticate2": 'Basic realm="b"'}

    def __init__(self, algorithm: str = "MD5", uses: int = 100) -> None:
        self.algorithm, self.uses = algorithm, uses
        self.nonce, self.used = "n0", set[str]()
        self.given = 0

    def challenge(self, *, stale: bool) -> Told:
        self.given += 1
        self.nonce, self.used = f"n{self.given}", set()
        realm = self.realm.replace('"', '\\"')
        asked = f'Digest realm="{realm}", nonce="{self.nonce}", algorithm={self.algorithm}, '
        asked += f'opaque="o,p", qop="auth,auth-int", stale={str(stale).lower()}'
        return 401, {"WWW-Authenticate": asked, **self.more}, "no"

    def __call__(self, asked: Seen) -> Told:
        header = asked.headers.get("Authorization", "")
        if not header:
            return self.challenge(stale=False)
        said = parse_keqv_list(parse_http_list(header.removeprefix("Digest ")))
        digest = hashlib.sha256 if self.algorithm == "SHA-256" else hashlib.md5

        def by(*parts: str) -> str:
            return digest(":".join(parts).encode()).hexdigest()

        if said["nonce"] != self.nonce or len(self.used) >= self.uses:
            return self.challenge(stale=True)
        secret = by(NAME, self.realm, PASSWORD)
        right = by(secret, self.nonce, said["nc"], said["cnonce"], "auth", by(asked.method, asked.path))
        fresh = said["nc"] not in self.used and said["uri"] == asked.path and said["opaque"] == "o,p"
        self.used.add(said["nc"])
        if said["response"] != right or not fresh:
            return self.challenge(stale=False)
        return 200, {}, '{"ok": true}'


def test_the_answers_are_those_of_the_standard() -> None:
    """RFC 7616, 3.9.1: the same challenge twice."""
    offered = (
        'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    challenge = challenge_of([offered.format("MD5"), offered.format("SHA-256")])
    assert challenge.algorithm == "SHA-256"
    own = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    for one, right in (
        (challenge, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        (replace(challenge, algorithm="MD5"), "8ca523f5e9506fed4657c9700eebdbec"),
    ):
        header = authorization(one, ("Mufasa", "Circle of Life"), ("GET", "/dir/index.html"), 1, own)
        assert f'response="{right}"' in header


@pytest.mark.parametrize(
    "header",
    [
        'Digest realm="r", nonce="n", qop="auth-int"',
        'Digest realm="r", nonce="n"',
        'Digest realm="r", nonce="n", qop="auth", algorithm=SHA-512-256',
        'Digest realm="r", qop="auth"',
        'Digest realm="r\x07", nonce="n", qop="auth"',
        'Basic realm="r"',
        "Negotiate",
        '"' * 9000,
        "",
    ],
)
def test_another_challenge_is_not_answered(header: str) -> None:
    with pytest.raises(ValueError, match="qop=auth"):
        challenge_of([header])


def test_a_name_beyond_ascii_and_one_with_quotes_are_written_as_the_standard_says() -> None:
    challenge = Challenge("r", "n")
    assert "username*=UTF-8''J%C3%A4ger" in authorization(challenge, ("Jäger", "x"), ("GET", "/"), 1, "c")
    assert r'username="a\"b\\"' in authorization(challenge, ('a"b\\', "x"), ("GET", "/"), 1, "c")


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_the_device_of_these_tests_judges_others_as_it_judges_plexops(algorithm: str) -> None:
    class Plainer(DigestDevice):
        realm, more = "HTTPS Access", {}

    with served(Plainer(algorithm)) as (port, _seen):
        url = f"http://127.0.0.1:{port}/api/forwards"
        assert requests.get(url, auth=HTTPDigestAuth(NAME, PASSWORD), timeout=30).ok
        assert requests.get(url, auth=HTTPDigestAuth(NAME, "wrong"), timeout=30).status_code == 401
        curl = shutil.which("curl")
        if curl:  # a second witness where it is there: requests alone would do
            argv = [curl, "-sf", "--noproxy", "*", "--digest", "-u", f"{NAME}:{PASSWORD}", url]
            assert (
                subprocess.run(argv, capture_output=True, check=False, timeout=30).stdout == b'{"ok": true}'
            )


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_digest_answers_one_challenge_for_all_requests_and_takes_a_new_one_where_it_is_stale(
    algorithm: str,
) -> None:
    device = DigestDevice(algorithm, uses=3)
    with served(device) as (port, seen):
        link = HttpReadLink(settings(port, DigestLogin(KEY, SECRET)))
        replies = link.ask([replace(READ, id=str(number)) for number in range(5)])
        link.close()
    assert [reply.status for reply in replies] == [200] * 5
    # Two challenges: the first, and the one after three uses.
    assert len(seen) == 7
    assert all(PASSWORD not in str(one.headers) for one in seen)


def test_a_device_that_takes_each_nonce_once_and_does_not_say_so_is_answered() -> None:
    class Silent(DigestDevice):
        def challenge(self, *, stale: bool) -> Told:
            return super().challenge(stale=False)

    with served(Silent(uses=1)) as (port, seen):
        link = HttpReadLink(settings(port, DigestLogin(KEY, SECRET)))
        replies = link.ask([replace(READ, id=str(number)) for number in range(3)])
        link.close()
    assert [reply.status for reply in replies] == [200] * 3
    assert len(seen) == 6


def test_a_wrong_password_is_tried_once() -> None:
    with served(DigestDevice()) as (port, seen):
        link = HttpReadLink(settings(port, DigestLogin(KEY, Secret("wrong", "env:X"))))
        with pytest.raises(PlexopsError, match="refused the login") as caught:
            link.ask([replace(READ, id=str(number)) for number in range(4)])
        with pytest.raises(PlexopsError, match="refused the login"):
            link.ask([READ])
        link.close()
    assert len(seen) == 2
    assert caught.value.problems[0].code == "PLX-D204"
    assert "wrong" not in problem(caught.value)


def test_a_nonce_that_is_stale_for_ever_ends() -> None:
    with served(DigestDevice(uses=0)) as (port, seen):
        link = HttpReadLink(settings(port, DigestLogin(KEY, SECRET)))
        with pytest.raises(PlexopsError, match="again and again"):
            link.ask([READ])
        link.close()
    assert len(seen) == 3


def test_a_login_that_is_not_digest_gets_no_password() -> None:
    def device(_: Seen) -> Told:
        return 401, {"WWW-Authenticate": 'Digest realm="r", nonce="n", qop="auth-int"'}, ""

    with served(device) as (port, seen):
        link = HttpReadLink(settings(port, DigestLogin(KEY, SECRET)))
        with pytest.raises(PlexopsError) as caught:
            link.ask([READ])
        link.close()
    assert caught.value.problems[0].code == "PLX-D216"
    assert "auth-int" in problem(caught.value)
    assert [one.headers.get("Authorization") for one in seen] == [None]


def test_digest_goes_over_plain_http_only_as_other_logins_do() -> None:
    with served(DigestDevice()) as (port, seen):
        right = settings(port, DigestLogin(KEY, SECRET))
        for wrong in (replace(right, plain_login=False), replace(right, approved=False)):
            link = HttpReadLink(wrong)
            with pytest.raises(PlexopsError, match="was not sent"):
                link.ask([READ])
            link.close()
    assert seen == []


FAULT = """<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><faultcode>s:Client</faultcode>
<detail><UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>713</errorCode></UPnPError></detail></s:Fault>
</s:Body></s:Envelope>"""


def test_an_action_by_soap_is_read_and_written_with_digest_and_a_write_is_carried_out_once() -> None:
    digest, done = DigestDevice(), list[str]()

    def device(asked: Seen) -> Told:
        told = digest(asked)
        if told[0] != 200:
            return told
        done.append(asked.headers["SOAPAction"])
        return 500, {"Content-Type": "text/xml"}, FAULT

    service = "urn:dslforum-org:service:WANPPPConnection:1"
    wanted = (("NewPortMappingDescription", "plex <&> \"'"), ("NewEnabled", True), ("NewExternalPort", 32500))
    write, leave = written(SoapCall(service, "/upnp/control/wanpppconn1", "AddPortMapping", wanted))
    with served(device) as (port, seen):
        link = HttpWriteLink(settings(port, DigestLogin(KEY, SECRET)), leave)
        entry = SoapCall(service, "/upnp/control/wanpppconn1", "GetGenericPortMappingEntry")
        (reply,) = link.ask([Read("entry", entry)])
        answer = link.send(write)
        link.close()
    assert done == [f'"{service}#GetGenericPortMappingEntry"', f'"{service}#AddPortMapping"']
    assert parse_soap(reply.body, "GetGenericPortMappingEntry") == parse_soap(answer.body, "AddPortMapping")
    assert 'plex &lt;&amp;&gt; "' in seen[-1].body
    assert "<NewEnabled>1</NewEnabled><NewExternalPort>32500</NewExternalPort>" in seen[-1].body


def test_a_write_that_the_login_stops_is_not_in_doubt() -> None:
    write, leave = written(Call("POST", "/api/forwards", body={"port": 1}))
    with served(DigestDevice()) as (port, _seen):
        link = HttpWriteLink(settings(port, DigestLogin(KEY, Secret("wrong", "env:X"))), leave)
        with pytest.raises(PlexopsError) as caught:
            link.send(write)
        link.close()
    assert caught.value.problems[0].code == "PLX-D204"


# Proofs: known answers.


@pytest.mark.parametrize(
    ("kind", "challenge", "password", "right"),
    [
        # AVM, “Session-IDs im FRITZ!Box Webinterface”.
        ("md5-utf16", "1234567z", "äbc", "1234567z-9e224a41eeefa284df7bb0f26c2913e2"),
        (
            "pbkdf2-avm",
            "2$10000$5A1711$2000$5A1722",
            "1example!",
            "5A1722$1798a1672bca7c6463d6b245f82b53703b0f50813401b03e4045a5861e689adb",
        ),
        # A pair that owners of a Freebox published.
        (
            "hmac-sha1",
            "drMHV/Atq4ZTtFItdgqfklDdT75k92qE",
            "89vtuOaDxJ/TDeBDPgWSk9083SbQgEMnHdIGoHg2qK2tpWcLuiRofIjuxZSG8yJn",
            "b4015852c9216f99f4ba20964b21c010bb779d99",
        ),
    ],
)
def test_a_proof_is_the_documented_one(kind: str, challenge: str, password: str, right: str) -> None:
    assert prove(kind, challenge, password) == right  # type: ignore[arg-type]


def test_a_sign_beyond_latin_1_counts_as_a_dot_at_avm() -> None:
    assert prove("md5-utf16", "1", "€x") == prove("md5-utf16", "1", ".x")


@pytest.mark.parametrize(
    "challenge",
    ["1234567z", "2$0$5A$1$5A", "2$9999999$5A$1$5A", "2$1$5$1$5A", "2$1$$1$5A", "2$1$5A$1$5A$", ""],
)
def test_avms_proof_is_given_to_its_own_challenge_alone(challenge: str) -> None:
    with pytest.raises(ValueError, match="it"):
        prove("pbkdf2-avm", challenge, "x")


def test_keenetics_proof_is_of_the_user_and_the_realm_too() -> None:
    # sha256(CHALLENGE + md5("admin:Keenetic Giga:x")), by sha256sum and md5sum.
    right = "37cff12917d75cba391ede6c74c43cba21a9ca1bbbedee625a85a27679ac50b3"
    assert prove("sha256-md5", "ABCDEF", "x", "admin:Keenetic Giga") == right
    assert prove("sha256-md5", "ABCDEF", "x", "admin:Keenetic Viva") != right


def test_a_basic_login_in_a_header_of_the_devices_own_is_not_said_back(tmp_path: Path) -> None:
    """As a Linksys refuses: with the very login, and status 200."""
    new_recording(tmp_path / "rec")
    pair = base64.b64encode(f"{NAME}:{PASSWORD}".encode()).decode()

    def device(asked: Seen) -> Told:
        assert asked.headers.get("Authorization") is None
        return (
            200,
            {},
            json.dumps({"error": f"Invalid credentials '{asked.headers['X-JNAP-Authorization']}'"}),
        )

    with served(device) as (port, seen):
        login = BasicLogin(KEY, SECRET, "X-JNAP-Authorization")
        link = RecordingLink(HttpReadLink(settings(port, login)), tmp_path / "rec", "home.router")
        (reply,) = link.ask([READ])
        link.close()
    assert seen[0].headers["X-JNAP-Authorization"] == f"Basic {pair}"
    assert json.loads(reply.body) == {"error": "Invalid credentials 'Basic '"}
    assert pair not in (tmp_path / "rec" / "home.router.jsonl").read_text()


# Sessions of six families. Each device judges what it gets by itself.

FREEBOX = SessionSteps(
    SessionRequest(
        "POST", "/api/v8/login/session/", body={"app_id": "fr.plexops", "password": "{{ proof }}"}
    ),
    ask=SessionRequest("GET", "/api/v8/login/"),
    take="result.challenge",
    proof="hmac-sha1",
    keep=(KeptHeader("X-Fbx-App-Auth", "result.session_token"),),
    end=SessionRequest("POST", "/api/v8/login/logout/"),
    refused=frozenset({401, 403}),
)
UNIFI = SessionSteps(
    SessionRequest(
        "POST",
        "/api/auth/login",
        body={"username": "{{ username }}", "password": "{{ password }}", "rememberMe": True},
    ),
    cookies=True,
    keep=(KeptHeader("X-CSRF-Token"),),
    end=SessionRequest("POST", "/api/auth/logout"),
)
OMADA = SessionSteps(
    SessionRequest(
        "POST", "/0a1b/api/v2/login", body={"username": "{{ username }}", "password": "{{ password }}"}
    ),
    cookies=True,
    keep=(KeptHeader("Csrf-Token", "result.token"),),
)
BBOX = SessionSteps(
    SessionRequest("POST", "/api/v1/login", body={"password": "{{ password }}"}, form=True), cookies=True
)
FRITZ = SessionSteps(
    SessionRequest(
        "POST",
        "/login_sid.lua",
        (("version", "2"),),
        {"username": "{{ username }}", "response": "{{ proof }}"},
        form=True,
    ),
    ask=SessionRequest("GET", "/login_sid.lua", (("version", "2"),)),
    take="Challenge",
    proof="pbkdf2-avm",
    keep=(KeptHeader("Authorization", "SID != '0000000000000000' && join(' ', ['AVM-SID', SID])"),),
)
KEENETIC = SessionSteps(
    SessionRequest("POST", "/auth", body={"login": "{{ username }}", "password": "{{ proof }}"}),
    ask=SessionRequest("GET", "/auth"),
    header="X-NDM-Challenge",
    realm="X-NDM-Realm",
    proof="sha256-md5",
    cookies=True,
)


class Family:
    """A device with a session: what a right login gets, and what each request must then carry."""

    def __init__(self, steps: SessionSteps, password: str = PASSWORD) -> None:
        self.steps, self.password = steps, password
        self.logins = 0
        self.valid = False

    def __call__(self, asked: Seen) -> Told:
        where = asked.path.partition("?")[0]
        if self.steps.end is not None and where == self.steps.end.path:
            inside, self.valid = self.valid and self.carried(asked), False
            return 200 if inside else 403, {}, "{}"
        if where == self.steps.send.path and asked.method == "POST":
            self.logins += 1
            self.valid = self.right(asked)
            return self.inside() if self.valid else self.outside()
        if self.steps.ask is not None and where == self.steps.ask.path:
            return self.challenge()
        return self.later() if self.valid and self.carried(asked) else (max(self.steps.refused), {}, "{}")

    def challenge(self) -> Told:
        return 404, {}, ""

    def outside(self) -> Told:
        return 401, {}, json.dumps({"errors": [self.password]})

    def later(self) -> Told:
        return 200, {}, "[]"

    def right(self, asked: Seen) -> bool:
        raise NotImplementedError

    def inside(self) -> Told:
        raise NotImplementedError

    def carried(self, asked: Seen) -> bool:
        raise NotImplementedError


class Freebox(Family):
    def challenge(self) -> Told:
        return (
            200,
            {},
            json.dumps({"success": True, "result": {"challenge": "VzhbtpR4r8CLaJle/2"}}).replace("/", "\\/"),
        )

    def right(self, asked: Seen) -> bool:
        made = hmac.new(self.password.encode(), b"VzhbtpR4r8CLaJle/2", "sha1").hexdigest()
        return bool(json.loads(asked.body) == {"app_id": "fr.plexops", "password": made})

    def inside(self) -> Told:
        return (
            200,
            {},
            json.dumps({"success": True, "result": {"session_token": f"tok/{self.logins}+abcdef"}}),
        )

    def outside(self) -> Told:
        # As a Freebox says it: the kind of refusal in a word.
        return 403, {}, json.dumps({"success": False, "msg": self.password, "error_code": "invalid_token"})

    def carried(self, asked: Seen) -> bool:
        return asked.headers.get("X-Fbx-App-Auth") == f"tok/{self.logins}+abcdef"


class Unifi(Family):
    def __init__(self) -> None:
        super().__init__(UNIFI)
        self.answers = 0

    def right(self, asked: Seen) -> bool:
        return bool(json.loads(asked.body) == {"username": NAME, "password": PASSWORD, "rememberMe": True})

    def inside(self) -> Told:
        self.answers += 1
        cookie = "TOKEN=eyJhbGciOi.J9.x; Path=/; HttpOnly; SameSite=Strict"
        return 200, {"X-CSRF-Token": f"csrf-token-{self.answers}", "Set-Cookie": cookie}, '{"unique_id": "u"}'

    def later(self) -> Told:
        self.answers += 1
        return 200, {"X-CSRF-Token": f"csrf-token-{self.answers}"}, '{"meta": {"rc": "ok"}, "data": []}'

    def carried(self, asked: Seen) -> bool:
        csrf = asked.headers.get("X-CSRF-Token") == f"csrf-token-{self.answers}"
        return csrf and asked.headers.get("Cookie") == "TOKEN=eyJhbGciOi.J9.x"


class Omada(Family):
    def right(self, asked: Seen) -> bool:
        return bool(json.loads(asked.body) == {"username": NAME, "password": PASSWORD})

    def inside(self) -> Told:
        body = json.dumps({"errorCode": 0, "msg": "Log in successfully.", "result": {"token": "0000"}})
        return 200, {"Set-Cookie": "TPOMADA_SESSIONID=aabbccdd; Path=/; HttpOnly"}, body

    def outside(self) -> Told:
        return 200, {}, '{"errorCode": -30109, "msg": "Invalid username or password."}'

    def carried(self, asked: Seen) -> bool:
        return (asked.headers.get("Csrf-Token"), asked.headers.get("Cookie")) == (
            "0000",
            "TPOMADA_SESSIONID=aabbccdd",
        )


class Bbox(Family):
    def right(self, asked: Seen) -> bool:
        return parse_qs(asked.body) == {"password": [PASSWORD]}

    def inside(self) -> Told:
        return 200, {"Set-Cookie": "BBOX_ID=0123456789abcdef; Path=/; HttpOnly"}, ""

    def carried(self, asked: Seen) -> bool:
        return asked.headers.get("Cookie") == "BBOX_ID=0123456789abcdef"


class Fritz(Family):
    answer = (
        '<?xml version="1.0" encoding="utf-8"?>\n<SessionInfo>\n\t<SID>{}</SID>\n\t<Challenge>2$100$5A1711$20$5A1722'
        "</Challenge>\n\t<BlockTime>0</BlockTime>\n\t<Rights></Rights>\n</SessionInfo>"
    )

    def challenge(self) -> Told:
        return 200, {"Content-Type": "text/xml"}, self.answer.format("0" * 16)

    def right(self, asked: Seen) -> bool:
        first = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), bytes.fromhex("5A1711"), 100)
        second = hashlib.pbkdf2_hmac("sha256", first, bytes.fromhex("5A1722"), 20).hex()
        return parse_qs(asked.body) == {"username": [NAME], "response": [f"5A1722${second}"]}

    def inside(self) -> Told:
        return 200, {}, self.answer.format("9c977765016899f8")

    def outside(self) -> Told:
        return 200, {}, self.answer.format("0" * 16)

    def carried(self, asked: Seen) -> bool:
        return asked.headers.get("Authorization") == "AVM-SID 9c977765016899f8"


class Keenetic(Family):
    def challenge(self) -> Told:
        told = {"X-NDM-Challenge": "PXZWOEGLALPXISUIBNXGQFKKWGXABXAP", "X-NDM-Realm": "Keenetic Giga"}
        return 401, {**told, "Set-Cookie": "WSGHPEYD=aabb; Path=/; HttpOnly"}, ""

    def right(self, asked: Seen) -> bool:
        known = hashlib.md5(f"{NAME}:Keenetic Giga:{PASSWORD}".encode()).hexdigest()  # noqa: S324 - the device's
        made = hashlib.sha256(f"PXZWOEGLALPXISUIBNXGQFKKWGXABXAP{known}".encode()).hexdigest()
        begun = asked.headers.get("Cookie") == "WSGHPEYD=aabb"
        return begun and bool(json.loads(asked.body) == {"login": NAME, "password": made})

    def inside(self) -> Told:
        return 200, {}, "{}"

    def carried(self, asked: Seen) -> bool:
        return asked.headers.get("Cookie") == "WSGHPEYD=aabb"


FAMILIES: list[Callable[[], Family]] = [
    lambda: Freebox(FREEBOX),
    Unifi,
    lambda: Omada(OMADA),
    lambda: Bbox(BBOX),
    lambda: Fritz(FRITZ),
    lambda: Keenetic(KEENETIC),
]


def session(port: int, steps: SessionSteps, secret: str = PASSWORD) -> HttpReadLink:
    return HttpReadLink(settings(port, SessionLogin(steps, KEY, Secret(secret, "env:X"))))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_session_logs_in_once_and_out_at_the_end(family: Callable[[], Family]) -> None:
    device = family()
    with served(device) as (port, seen):
        link = session(port, device.steps)
        replies = [*link.ask([READ, replace(READ, id="again")]), *link.ask([READ])]
        link.close()
        link.close()
    assert [reply.status for reply in replies] == [200] * 3
    assert device.logins == 1
    assert device.valid is (device.steps.end is None)
    assert len(seen) == 4 + (device.steps.ask is not None) + (device.steps.end is not None)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_session_that_ended_is_begun_anew_once(family: Callable[[], Family]) -> None:
    device = family()
    with served(device) as (port, _seen):
        link = session(port, device.steps)
        link.ask([READ])
        device.valid = False
        (reply,) = link.ask([READ])
        device.valid = False
        (last,) = link.ask([READ])
        link.close()
    assert reply.status == 200
    assert device.logins == 2
    # Others were answered: what this refusal means is the driver's.
    assert last.status in device.steps.refused


@pytest.mark.parametrize("family", FAMILIES)
def test_a_wrong_password_is_refused_in_words_that_hold_none(
    family: Callable[[], Family], tmp_path: Path
) -> None:
    device = family()
    new_recording(tmp_path / "rec")
    with served(device) as (port, _seen):
        link = RecordingLink(
            session(port, device.steps, "not-the-right-one"), tmp_path / "rec", "home.router"
        )
        for _ in range(2):
            with pytest.raises(PlexopsError) as caught:
                link.ask([READ])
        link.close()
    assert device.logins == 1
    said = problem(caught.value)
    assert "PLX-D204" in said
    assert PASSWORD not in said
    assert "not-the-right-one" not in said + (tmp_path / "rec" / "home.router.jsonl").read_text()
    if isinstance(device, Freebox):
        assert "invalid_token" in said


NOBODY = "0" * 32
CALL: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "call"}
UBUS = SessionSteps(
    SessionRequest(
        "POST",
        "/ubus",
        body={
            **CALL,
            "params": [
                NOBODY,
                "session",
                "login",
                {"username": "{{ username }}", "password": "{{ password }}"},
            ],
        },
    ),
    keep=(KeptHeader("params", "result[1].ubus_rpc_session", first=True),),
    end=SessionRequest("POST", "/ubus", body={**CALL, "params": ["session", "destroy", {}]}),
    over="error.code==`-32002`",
)
DHCP = Read("dhcp", Call("POST", "/ubus", body={**CALL, "params": ["uci", "get", {"config": "dhcp"}]}))
BOARD = Read("board", Call("POST", "/ubus", body={**CALL, "params": ["system", "board", {}]}))
DENIED = '{"jsonrpc":"2.0","id":1,"error":{"code":-32002,"message":"Access denied"}}'


class Rpcd:
    """One path, one status: who asks stands in the body, and so does what became of it."""

    def __init__(self, *rights: str) -> None:
        self.rights, self.logins, self.valid = rights, 0, ""
        self.calls: list[str] = []

    def __call__(self, asked: Seen) -> Told:
        body = json.loads(asked.body)
        who, thing, method, told = body["params"]
        self.calls.append(f"{thing} {method}")
        if (who, thing, method) == (NOBODY, "session", "login"):
            if told != {"username": NAME, "password": PASSWORD}:
                return 200, {}, '{"jsonrpc":"2.0","id":1,"result":[6]}'
            self.logins += 1
            self.valid = f"{self.logins:032x}"
            return (
                200,
                {},
                json.dumps({"id": 1, "result": [0, {"ubus_rpc_session": self.valid, "timeout": 300}]}),
            )
        if who != self.valid or f"{thing} {method}" not in (*self.rights, "session destroy"):
            return 200, {}, DENIED
        self.valid = "" if method == "destroy" else self.valid
        return 200, {}, json.dumps({"id": 1, "result": [0, {"you": who}]})


def ubus(port: int, secret: str = PASSWORD) -> HttpReadLink:
    login = SessionLogin(UBUS, KEY, Secret(secret, "env:X"))
    return HttpReadLink(replace(settings(port, login), contract="ubus"))


def test_a_token_in_the_body_is_put_there_as_a_request_leaves_and_given_back_at_the_end() -> None:
    device = Rpcd("uci get", "system board")
    with served(device) as (port, seen):
        link = ubus(port)
        replies = [*link.ask([BOARD, DHCP])]
        link.close()
    assert [json.loads(reply.body)["result"] for reply in replies] == [[0, {"you": ""}]] * 2
    assert device.calls == ["session login", "system board", "uci get", "session destroy"]
    assert device.valid == ""
    assert json.loads(seen[-1].body)["params"] == [f"{1:032x}", "session", "destroy", {}]


def test_a_session_that_ended_with_status_200_is_begun_anew_once() -> None:
    device = Rpcd("uci get")
    with served(device) as (port, _seen):
        link = ubus(port)
        link.ask([DHCP])
        device.valid = ""
        (reply,) = link.ask([DHCP])
        link.close()
    assert (device.logins, "error" in json.loads(reply.body)) == (2, False)


def test_a_right_that_a_login_has_not_is_the_drivers_and_ends_no_other_read() -> None:
    device = Rpcd("system board")
    with served(device) as (port, _seen):
        link = ubus(port)
        board, *rest = link.ask([BOARD, DHCP, replace(BOARD, id="more")])
        link.close()
    assert json.loads(rest[0].body)["error"]["message"] == "Access denied"
    assert json.loads(board.body)["result"][0] == json.loads(rest[1].body)["result"][0] == 0
    assert device.logins == 2


def test_a_login_without_any_right_and_a_wrong_password_are_refused() -> None:
    for device, secret in ((Rpcd(), PASSWORD), (Rpcd("system board"), "not-the-right-one")):
        with served(device) as (port, _seen):
            link = ubus(port, secret)
            with pytest.raises(PlexopsError, match="refused the login"):
                link.ask([BOARD])
            link.close()


@pytest.mark.parametrize(
    ("send", "why"),
    [
        (["session", "grant", {}], "send: "),
        ([NOBODY, "session", "login", {"username": "root"}, "more"], "send: "),
        (["1" * 32, "session", "login", {"username": "root"}], "send: "),
        ([NOBODY, "file", "exec", {"command": "/sbin/reboot"}], "send: "),
    ],
)
def test_of_rpcd_nothing_but_its_login_is_a_login(send: list[Any], why: str) -> None:
    steps = replace(UBUS, send=replace(UBUS.send, body={**CALL, "params": send}))
    with pytest.raises(ValueError, match=why):
        HttpReadLink(settings(1, SessionLogin(steps, KEY, SECRET)))


def test_a_first_request_that_is_refused_in_two_logins_is_a_login_refused() -> None:
    class Deaf(Freebox):
        def carried(self, asked: Seen) -> bool:
            return False

    device = Deaf(FREEBOX)
    with served(device) as (port, _seen):
        link = session(port, FREEBOX)
        with pytest.raises(PlexopsError, match="refused the login"):
            link.ask([READ])
        link.close()
    assert device.logins == 2


def test_a_write_is_sent_once_even_where_its_session_ended() -> None:
    device = Unifi()
    write, leave = written(Call("POST", "/api/forwards", body={"port": 1}))
    with served(device) as (port, seen):
        link = HttpWriteLink(settings(port, SessionLogin(UNIFI, KEY, SECRET)), leave)
        link.ask([READ])
        device.valid = False
        assert link.send(write).status == 401
        link.close()
    assert [one.method for one in seen if one.path == "/api/forwards"] == ["GET", "POST"]


def test_what_a_session_was_given_is_not_recorded(tmp_path: Path) -> None:
    class Chatty(Freebox):
        def later(self) -> Told:
            token = f"tok/{self.logins}+abcdef"
            return (
                200,
                {},
                f'{{"you": "{token}", "as": "{token.replace("/", chr(92) + "/")}", "name": "router"}}',
            )

    new_recording(tmp_path / "rec")
    with served(Chatty(FREEBOX)) as (port, _seen):
        link = RecordingLink(session(port, FREEBOX), tmp_path / "rec", "home.router")
        (reply,) = link.ask([READ])
        link.close()
    kept = (tmp_path / "rec" / "home.router.jsonl").read_text()
    assert "router" in kept
    for text in (kept, reply.body):
        assert "abcdef" not in text
        assert "VzhbtpR4r8" not in text


# Hostile and unfit devices.


def told(link: HttpReadLink) -> str:
    with pytest.raises(PlexopsError) as caught:
        link.ask([READ])
    link.close()
    return problem(caught.value)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((200, {}, "<!DOCTYPE html><html><form>login</form></html>"), "D216 .*page"),
        ((499, {}, '{"code": "MFA_AUTH_REQUIRED"}'), "D216 .*second factor"),
        ((401, {}, '{"error": "2FA token required"}'), "D216 .*second factor"),
        ((429, {}, ""), "D216 .*429"),
        ((302, {"Location": "http://127.0.0.1:9/"}, ""), "D216 .*elsewhere"),
        ((200, {}, "x" * 3_000_000), "D216 .*too long"),
        ((200, {}, json.dumps({"result": {"challenge": "c" * 100_000}})), "D216 .*too long"),
        ((200, {}, json.dumps({"result": {"challenge": "c\r\nX-Evil: 1"}})), "D216 .*no header may hold"),
        ((200, {}, json.dumps({"result": {"challenge": 7}})), "D204 .*holds no challenge"),
        ((200, {}, "{" * 50_000), "D204 .*holds no challenge"),
        ((200, {}, ""), "D204 .*holds no challenge"),
        ((200, {}, '<!DOCTYPE x [<!ENTITY e "b">]><x>&e;</x>'), "D216 .*page"),
    ],
)
def test_an_answer_that_is_no_challenge_gets_no_proof(answer: Told, words: str) -> None:
    with served(lambda _: answer) as (port, seen):
        said = told(session(port, FREEBOX))
    assert re.search(words, said), said
    assert PASSWORD not in said
    assert [one.path for one in seen] == ["/api/v8/login/"]


def test_a_token_that_would_end_its_header_is_sent_nowhere() -> None:
    class Injecting(Freebox):
        def inside(self) -> Told:
            return 200, {}, json.dumps({"result": {"session_token": "t\r\nHost: evil.example"}})

    with served(Injecting(FREEBOX)) as (port, seen):
        assert "no header may hold" in told(session(port, FREEBOX))
    assert "/api/forwards" not in [one.path for one in seen]


@pytest.mark.parametrize(
    "cookie",
    [
        "TOKEN=abcdefgh; Domain=evil.example",
        "TOKEN=abcdefgh; Secure",
        "TOKEN=abcdefgh; Max-Age=0",
        "TOKEN=",
        "TO KEN=abcdefgh",
        'TOKEN="a b"',
        "",
    ],
)
def test_a_cookie_for_another_place_is_not_kept(cookie: str) -> None:
    def device(_: Seen) -> Told:
        return 200, {"Set-Cookie": cookie, "X-CSRF-Token": "abcdefgh"}, "{}"

    with served(device) as (port, seen):
        assert "holds no cookie for its own address" in told(session(port, UNIFI))
    assert [one.path for one in seen] == ["/api/auth/login"]


def test_a_redirect_of_a_later_request_is_an_answer_and_takes_no_token_with_it() -> None:
    with served(lambda _: (200, {}, "{}")) as (evil, stolen):

        class Redirecting(Freebox):
            def later(self) -> Told:
                return 302, {"Location": f"http://127.0.0.1:{evil}/api/forwards"}, ""

        with served(Redirecting(FREEBOX)) as (port, _seen):
            link = session(port, FREEBOX)
            (reply,) = link.ask([READ])
            link.close()
    assert reply == Reply("forwards", 302, "", date=reply.date)
    assert stolen == []


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        (replace(UNIFI, send=SessionRequest("POST", "/api/system/reboot")), "send: .*reboot"),
        (replace(UNIFI, send=SessionRequest("PUT", "/api/auth/login")), "send: "),
        (replace(UNIFI, end=SessionRequest("POST", "/api/firewall/apply")), "end: "),
        (replace(FREEBOX, ask=SessionRequest("POST", "/api/v8/login/")), "ask: "),
        (replace(FREEBOX, ask=SessionRequest("GET", "/api/system/reboot")), "ask: "),
        (replace(FREEBOX, ask=None), "no challenge"),
        (replace(UNIFI, send=replace(UNIFI.send, body={"x": "a{{ password }}"})), "exactly one"),
        (replace(UNIFI, send=replace(UNIFI.send, body={"x": "{{ token }}"})), "unknown variable"),
        (
            replace(UNIFI, end=replace(FREEBOX.send, path="/api/logout", body={"x": "{{ password }}"})),
            "unknown variable",
        ),
        (replace(UNIFI, send=replace(UNIFI.send, form=True)), "form"),
        (replace(UNIFI, keep=(KeptHeader("Host"),)), "keep"),
        (replace(UNIFI, keep=(KeptHeader("X: y"),)), "keep"),
        (replace(UBUS, keep=(KeptHeader("params", first=True),)), "keep: params"),
        (replace(KEENETIC, realm=""), "realm"),
        (replace(KEENETIC, take="x"), "at one place"),
    ],
)
def test_steps_that_could_do_anything_else_are_refused_before_anything_is_sent(
    steps: SessionSteps, why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        session(1, steps)
