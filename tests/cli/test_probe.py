"""`plexops probe` against servers on loopback, and the file that it writes."""

from __future__ import annotations

import json
import re
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from plexops.config.probe_file import read_probe_file
from plexops.model.entries import Probe, ProbeAnswer
from plexops.model.errors import PlexopsError
from plexops.structs import replace
from tests.cli.process import Ended, plexops
from tests.unit.transport.strangers import TcpStranger, page
from tests.unit.transport.test_gdm import IDENTITY

WHO = "4f8a1c0de5b64fd2"


def probe(*words: str, directory: Path) -> Ended:
    return plexops("probe", *words, directory=directory)


def test_an_open_port_is_0_and_the_file_says_the_same(tmp_path: Path) -> None:
    with TcpStranger(lambda _: [page(IDENTITY)]) as plex:
        target = f"127.0.0.1:{plex.port}"
        done = probe(target, "--as", "cafe", "--out", "seen.json", "--expect", WHO, directory=tmp_path)
    assert done.status == 0
    assert done.out.startswith(
        f"{target}  open  Plex 1.43.0.10467-2b1ba6e69 answers over http: {WHO}\ncafe, 20"
    )
    assert "plexops diagnose --probes seen.json" in done.said
    seen = read_probe_file(tmp_path / "seen.json")
    assert re.fullmatch(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z", seen.made)
    assert seen == Probe("cafe", IPv4Address("127.0.0.1"), plex.port, ProbeAnswer.OPEN, WHO, True, seen.made)
    document = json.loads((tmp_path / "seen.json").read_text())
    assert document["schema"] == "plexops/probe/1"
    assert document["milliseconds"] >= 0


def test_another_plex_is_a_wrong_server(tmp_path: Path) -> None:
    with TcpStranger(lambda _: [page(IDENTITY)]) as plex:
        done = probe(f"127.0.0.1:{plex.port}", "--expect", "0000", "--out", "p", directory=tmp_path)
    assert done.status == 1
    assert "wrong server" in done.out
    assert read_probe_file(tmp_path / "p").answer is ProbeAnswer.WRONG_SERVER


@pytest.mark.parametrize(
    "said", [page(b"<html>NAS login</html>"), b"SSH-2.0-dropbear\r\n", b"", page(b"x" * 50_000)]
)
def test_whoever_is_no_plex_is_a_wrong_server(tmp_path: Path, said: bytes) -> None:
    with TcpStranger(lambda _: [said]) as other:
        done = probe(f"127.0.0.1:{other.port}", directory=tmp_path)
    assert (done.status, "wrong server" in done.out) == (1, True)


def test_a_closed_port_is_refused(tmp_path: Path) -> None:
    with TcpStranger(lambda _: []) as gone:
        target = f"127.0.0.1:{gone.port}"
    done = probe(target, "--out", "p", directory=tmp_path)
    assert (done.status, done.out.split("  ")[1]) == (1, "refused")
    assert read_probe_file(tmp_path / "p").answer is ProbeAnswer.REFUSED


def test_a_name_without_an_address_is_unknown_and_leaves_no_file(tmp_path: Path) -> None:
    done = probe("nobody.invalid:32500", "--out", "p", directory=tmp_path)
    assert (done.status, done.out.split("  ")[1]) == (1, "unknown")
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("127.0.0.1",),
        ("127.0.0.1:0",),
        ("127.0.0.1:70000",),
        ("http://127.0.0.1:32400",),
        ("[::1]:0",),
        ("[::1:32400",),
        ("[1.2.3.4]:x",),
        ("::1:32400",),
        ("-x:1",),
        ("a b:1",),
        ("127.0.0.1:1", "--as", "a/b"),
        ("127.0.0.1:1", "--as", ""),
        ("127.0.0.1:1", "--expect", "<x>"),
        (),
    ],
)
def test_a_mistake_on_the_command_line_is_2(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = probe(*words, directory=tmp_path)
    assert (done.status, done.out) == (2, "")


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with TcpStranger(lambda _: [page(IDENTITY)]) as plex:
        done = probe(f"127.0.0.1:{plex.port}", "--out", "/nowhere/p.json", directory=tmp_path)
    assert done.status == 2
    assert "PLX-C703" in done.err


# Reading a file that somebody carried home.

GOOD: dict[str, Any] = {
    "schema": "plexops/probe/1",
    "vantage": "cafe",
    "host": "home.example.net",
    "address": "203.0.113.20",
    "port": 32500,
    "answer": "timed out",
    "identifier": "",
    "inside": False,
    "made": "2026-01-31T18:30:00Z",
    "milliseconds": 6000,
    "detail": "",
}


def test_a_good_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps(GOOD))
    made = "2026-01-31T18:30:00Z"
    expected = Probe("cafe", IPv4Address("203.0.113.20"), 32500, ProbeAnswer.TIMED_OUT, "", False, made)
    assert read_probe_file(path) == replace(expected, name="home.example.net")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("vantage", value) for value in ("", "a\nb", "../x", "x" * 41, 7, None)),
        *(
            ("address", value)
            for value in ("", "[::1]", "home.example.net", 3405803796, None, "203.0.113.20\n")
        ),
        *(("port", value) for value in (0, 65536, "32500", True, 1.5, None)),
        *(("answer", value) for value in ("", "OPEN", "fine", None, ["open"])),
        *(("identifier", value) for value in ("<x>", "a" * 65, None)),
        *(("inside", value) for value in ("no", 0, None)),
        *(("host", value) for value in ("<x>", "a b", "a/b", "x" * 254)),
        *(("status", value) for value in ("200", -1, 1000, True)),
        *(
            ("made", value)
            for value in ("", "2026-01-31", "2026-13-31T18:30:00Z", "2026-01-31T18:30:00", 5, None)
        ),
    ],
)
def test_an_impossible_value_is_refused_by_name(tmp_path: Path, field: str, value: object) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps({**GOOD, field: value}))
    with pytest.raises(PlexopsError) as caught:
        read_probe_file(path)
    assert [(problem.code, problem.path) for problem in caught.value.problems] == [("PLX-C802", field)]


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text('{"schema": "plexops/probe/1"}')
    with pytest.raises(PlexopsError) as caught:
        read_probe_file(path)
    missing = {problem.path for problem in caught.value.problems}
    assert missing == {"vantage", "address", "port", "answer", "identifier", "inside", "made"}


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "PLX-C801"),
        (b"[]", "PLX-C801"),
        (b"\xff\xfe", "PLX-C801"),
        (b"{" + b'"a":{' * 4000, "PLX-C801"),
        (b"[" * 16000, "PLX-C801"),
        (b'{"schema": "plexops/probe/2"}', "PLX-C801"),
        (json.dumps({**GOOD, "detail": "x" * 20_000}).encode(), "PLX-C801"),
        (json.dumps(GOOD).replace('"port"', '"answer"').encode(), "PLX-C801"),
    ],
)
def test_what_is_no_probe_file_is_said(tmp_path: Path, data: bytes, code: str) -> None:
    path = tmp_path / "p.json"
    path.write_bytes(data)
    with pytest.raises(PlexopsError) as caught:
        read_probe_file(path)
    assert [problem.code for problem in caught.value.problems] == [code]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PlexopsError) as caught:
        read_probe_file(tmp_path / "none.json")
    assert caught.value.problems[0].code == "PLX-C001"
