"""Small parts: certificate pins, SSH offers, private addresses, probes, the catalogue, lazy imports."""

from __future__ import annotations

import ast
import base64
import hashlib
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import plexops
from plexops.model.codes import CODES
from plexops.model.exchange import Call, Read, Reply
from plexops.structs import replace
from plexops.transport.net import dial, is_private
from plexops.transport.problems import quoted
from plexops.transport.redact import hidden
from plexops.transport.trust.spki import pin_of

# A certificate as home devices make them, with a negative serial number (which strict parsers refuse); the key is
# 65 zero bytes' worth of a P-256 point, written out by hand: SEQUENCE { algorithm, BIT STRING }.
_ALGORITHM = bytes.fromhex("301306072a8648ce3d020106082a8648ce3d030107")
_KEY = bytes.fromhex("3059") + _ALGORITHM + bytes.fromhex("034200") + b"\x04" + bytes(64)
_SIGNATURE = bytes.fromhex("300a06082a8648ce3d040302")
_NAME = bytes.fromhex("3000")
_DATES = bytes.fromhex("301e170d3730303130313030303030305a170d3337303130313030303030305a")


def certificate(*, version: bool) -> bytes:
    fields = (bytes.fromhex("a003020102") if version else b"") + bytes.fromhex("0201ff")
    fields += _SIGNATURE + _NAME + _DATES + _NAME + _KEY
    body = b"\x30\x81" + bytes([len(fields)]) + fields
    rest = body + _SIGNATURE + bytes.fromhex("030100")
    return b"\x30\x82" + len(rest).to_bytes(2, "big") + rest


@pytest.mark.parametrize("version", [False, True])
def test_the_pin_is_the_hash_of_the_key_alone(version: bool) -> None:
    wanted = "sha256//" + base64.b64encode(hashlib.sha256(_KEY).digest()).decode()
    assert pin_of(certificate(version=version)) == wanted


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize("kind", [["rsa:2048"], ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"]])
def test_openssl_computes_the_same_pin(tmp_path: Path, kind: list[str]) -> None:
    files = {"key": tmp_path / "k.pem", "certificate": tmp_path / "c.der"}
    command = ["openssl", "req", "-x509", "-newkey", *kind, "-nodes", "-subj", "/CN=OpenWrt", "-days", "9"]
    subprocess.run(
        [*command, "-keyout", str(files["key"]), "-outform", "DER", "-out", str(files["certificate"])],
        check=True,
        capture_output=True,
    )
    public = subprocess.run(
        ["openssl", "pkey", "-in", str(files["key"]), "-pubout", "-outform", "DER"],
        check=True,
        capture_output=True,
    ).stdout
    wanted = "sha256//" + base64.b64encode(hashlib.sha256(public).digest()).decode()
    assert pin_of(files["certificate"].read_bytes()) == wanted


def test_what_is_no_certificate_is_a_value_error() -> None:
    whole = certificate(version=True)
    for data in (
        b"",
        b"\x30",
        b"\x30\x80",
        b"\x02\x01\x00",
        b"\x30\x84\xff\xff\xff\xff",
        *(whole[:n] for n in range(40)),
    ):
        with pytest.raises(ValueError, match="certificate"):
            pin_of(data)


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("192.168.1.50", True),
        ("10.0.0.1", True),
        ("172.31.255.255", True),
        ("172.32.0.1", False),
        ("127.0.0.1", True),
        ("100.64.7.20", False),
        ("203.0.113.10", False),
        ("169.254.1.1", False),
        ("8.8.8.8", False),
        ("fd00::1", True),
        ("fe80::1%eth0", True),
        ("::1", True),
        ("2001:db8::1", False),
        ("::ffff:192.168.1.1", True),
        ("::ffff:8.8.8.8", False),
        ("plex.lan", False),
        ("", False),
    ],
)
def test_what_is_inside_a_home(address: str, private: bool) -> None:
    assert is_private(address) is private


def test_an_address_that_drops_packets_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as full:
        port = server.getsockname()[1]
        full.bind(("127.0.0.2", port))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in ("127.0.0.2", "127.0.0.1")
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        started = time.monotonic()
        dial("two.lan", port, 6.0, "home/router").close()
        assert time.monotonic() - started < 6, "the first address took all of the time"
        for one in waiting:
            one.close()


def test_what_is_read_ahead_comes_in_order_and_counts_against_the_allowance() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        dial("127.0.0.1", listening.getsockname()[1], 1.0, "router") as ours,
        listening.accept()[0] as theirs,
    ):
        ours.ahead, ours.allowance = 64, 100
        theirs.sendall(b"0123456789" * 10)
        assert [ours.recv(4), ours.recv(16), ours.recv(1)] == [b"0123", b"4567890123456789", b"0"]
        rest = bytearray()
        while len(rest) < 79:
            rest += ours.recv(79)
        assert bytes(rest) == (b"0123456789" * 10)[21:]
        theirs.sendall(b"x")
        with pytest.raises(ConnectionAbortedError):
            ours.recv(64)


def test_a_devices_words_are_one_harmless_line() -> None:
    assert quoted(b"a\x1b[31m\r\nb\xff \xe2\x80\xae") == "a [31m b\ufffd"
    assert len(quoted("x" * 1000)) == 200


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (
            '<MyPlex authToken="s3cret" email=\'s3cret\' state="ok"/>',
            '<MyPlex authToken="" email="" state="ok"/>',
        ),
        ('<MyPlex state="ok" authToken = "s3', '<MyPlex state="ok" authToken = ""'),
        (
            '<MyPlex myauthToken="a" x-email="b" authTokens="c"/>',
            '<MyPlex myauthToken="a" x-email="b" authTokens="c"/>',
        ),
        ('{"authToken": "s3\\"cret", "email":5, "ok": true}', '{"authToken": "", "email":"", "ok": true}'),
        ('{"ok": true, "authToken":"s3\\', '{"ok": true, "authToken":""'),
        ('<a authToken="s3\ncret"/><b email="s3cret&quot;s3cret"/>', '<a authToken=""/><b email=""/>'),
    ],
)
def test_hidden_values_are_gone_from_whole_and_from_cut_answers(body: str, wanted: str) -> None:
    read = Read("account", Call("GET", "/myplex/account", accept="xml"), hides=("authToken", "email"))
    assert hidden(read, Reply("account", 200, body, body)) == Reply("account", 200, wanted, wanted)
    assert hidden(replace(read, hides=()), Reply("account", 200, body)).body == body


# --- the catalogue ----------------------------------------------------------------------------------------------

PACKAGE = Path(plexops.__file__).parent


def test_every_code_is_in_the_catalogue_once_with_several_sentences() -> None:
    for code in (code for name, code in CODES.items() if name.startswith("PLX-D")):
        assert re.fullmatch(r"PLX-D[0-9]{3}", code.code)
        assert code.explanation.count(". ") >= 1
        assert code.explanation.endswith(".")
        assert code.title[0].islower() or code.title.startswith("~")
        assert not re.search(r"\b(force|insecure|no-verify|skip-guard)\b", code.explanation + code.title)


def test_every_code_of_this_room_is_used_and_every_used_one_exists() -> None:
    used = set()
    # `plexops trust` speaks of this room's keys, so its one problem stands in this catalogue too.
    for path in (*(PACKAGE / "transport").rglob("*.py"), PACKAGE / "cli" / "commands" / "trust.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and re.fullmatch(r"PLX-D\d+", node.value)
            ):
                used.add(node.value)
    of_this_room = {name for name in CODES if name.startswith(("PLX-D1", "PLX-D2", "PLX-D3"))}
    assert used == of_this_room


def test_the_room_imports_model_and_languages_only() -> None:
    for path in (PACKAGE / "transport").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            module = node.module if isinstance(node, ast.ImportFrom) else None
            if module is not None and module.startswith("plexops."):
                assert module.split(".")[1] in {
                    "structs",
                    "pattern",
                    "files",
                    "model",
                    "languages",
                    "transport",
                }, f"{path.name}: {module}"


def test_heavy_libraries_load_when_a_connection_is_made_and_not_before() -> None:
    code = (
        "import sys, plexops.transport.opening, plexops.transport.replay, plexops.transport.ssh.config, "
        "plexops.transport.trust.store\n"
        "print([m for m in ('paramiko', 'requests', 'urllib3', 'cryptography', 'certifi') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert shown.stdout == "[]\n"
