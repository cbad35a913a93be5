"""`--check-port` and `vantages: [{checker: …}]` as a person uses them: who is asked what, shown where, and when never."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from plexops.lab.ways import PORT_ECHO
from tests.cli.process import Ended, House, house, plexops
from tests.unit.transport.port_checkers import TIMED_OUT, check_host, connected, js, polls
from tests.unit.transport.strangers import TcpStranger, page

PUBLIC, PORT = "62.155.240.55", 32500
OPEN = connected(PUBLIC)


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("healthy"), "in-order") as home:
        yield home


def stranger(*told: object) -> TcpStranger:
    return TcpStranger(check_host(polls(told)))


def site(ended: Ended) -> Any:
    return json.loads(ended.out)["sites"][0]


def with_checkers(home: House, name: str, *checkers: str) -> None:
    """Write an inventory beside the home's own that also names services."""
    text = (home.directory / "inventory.yaml").read_text(encoding="utf-8")
    assert text.count("    vantages: [") == 1
    named = "".join(f"{{{one}}}, " for one in checkers)
    (home.directory / name).write_text(text.replace("vantages: [", f"vantages: [{named}"), encoding="utf-8")


def requests(server: TcpStranger) -> list[bytes]:
    return [request.split(b"\r\n")[0] for request in server.requests]


def test_a_diagnosis_asks_who_is_named_and_says_what_was_told(healthy: House) -> None:
    with stranger(OPEN, OPEN, OPEN) as server:
        ended = healthy("diagnose", "--check-port", f"check-host={server.url()}", COLUMNS="100")
    assert (ended.status, ended.err) == (0, "")
    assert requests(server)[0] == f"GET /check-tcp?host={PUBLIC}:{PORT}&max_nodes=3 HTTP/1.1".encode()
    assert f"asked 127.0.0.1:{server.port} was asked about" in ended.said
    assert "de1 (Germany, Nuremberg, AS24940): something listens" in ended.said


def test_the_inventory_names_them_beside_machines(healthy: House) -> None:
    with stranger(OPEN, TIMED_OUT, OPEN) as server:
        with_checkers(
            healthy,
            "named.yaml",
            f'checker: check-host, at: "{server.url()}"',
            f'checker: echoip, at: "https://{PORT_ECHO}"',
        )
        ended = healthy("audit", "-i", "named.yaml", "--format", "json")
    asked = site(ended)["asked"]
    assert [line.split(" was asked about ")[0] for line in asked] == [f"127.0.0.1:{server.port}", PORT_ECHO]
    assert asked[1].endswith(": something listens (connected)")
    assert any("reached Plex" not in line and "timed out" in line for line in asked)
    assert len(requests(server)) == 2
    sources = {one["source"] for one in site(ended)["exhibits"]}
    assert f"curl -s -S -4 --max-time 8 https://{PORT_ECHO}/port/{PORT}" in sources
    for form, word in (("markdown", "Asked"), ("html", "Asked: ")):
        with stranger(OPEN, OPEN, OPEN) as again:
            told = healthy("diagnose", "--check-port", f"check-host={again.url()}", "--format", form)
        assert word in told.out


def test_what_listens_is_neither_success_nor_failure(tmp_path: Path) -> None:
    """Without a vantage: the verdict is the same with the answer and without it, but that packets do not vanish."""
    for scenario in ("in-order", "stale-forward", "isp-blocks"):
        with house(tmp_path / scenario, scenario) as home, stranger(OPEN, OPEN, OPEN) as server:
            text = home.home.inventory.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = "".join(line for line in text if not line.startswith("    vantages:"))
            home.home.inventory.write_text(kept, encoding="utf-8")
            alone = home("diagnose", "--format", "json")
            told = home("diagnose", "--check-port", f"check-host={server.url()}", "--format", "json")
        assert "something listens" in site(told)["asked"][0]
        names = ("id", "confidence", "missing")
        same = [site(told)["verdict"][n] for n in names] == [site(alone)["verdict"][n] for n in names]
        assert same is (site(alone)["verdict"]["id"] != "isp-blocks"), scenario


def test_a_service_that_fails_is_not_seen_and_says_why(healthy: House) -> None:
    with TcpStranger(lambda _: [page(b"<html>Are you human?</html>", "429 Too Many")]) as server:
        ended = healthy("diagnose", "--check-port", f"portchecker={server.url()}", "--format", "json")
    assert site(ended)["errors"] == []
    (line,) = site(ended)["asked"]
    assert line.endswith("PLX-D409: it does not want to be asked now (status 429)")
    assert plexops("explain", "plx-d113", directory=healthy.directory).status == 0


def test_nobody_is_asked_who_is_not_named_and_offline_nobody_at_all(healthy: House) -> None:
    with stranger(OPEN, OPEN, OPEN) as server:
        with_checkers(healthy, "mine.yaml", f'checker: check-host, at: "{server.url()}"')
        assert "asked" not in healthy("diagnose").out.replace("not asked", "")
        ended = healthy("diagnose", "-i", "mine.yaml", "--offline", "--format", "json")
        assert site(ended)["asked"] == []
        dry = healthy("apply", "-i", "mine.yaml", "--dry-run")
        assert "was not asked: it is asked once, by an apply that made its changes" in dry.said
        assert server.requests == []


def test_it_is_recorded_and_replayed(healthy: House) -> None:
    with stranger(OPEN, TIMED_OUT, OPEN) as server:
        word = f"check-host={server.url()}"
        first = healthy("diagnose", "--check-port", word, "--record", "tried", "--format", "json")
    again = healthy("diagnose", "--check-port", word, "--replay", "tried", "--format", "json")
    assert site(again)["asked"] == site(first)["asked"]
    assert site(again)["asked"]
    other = healthy("diagnose", "--check-port", "portchecker", "--replay", "tried", "--format", "json")
    assert "the recording of home/checker portchecker.io does not hold" in site(other)["asked"][0]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--check-port", "canyouseeme"), "“canyouseeme” is no service that tries ports"),
        (("--check-port", "checkhost"), "Did you mean check-host?"),
        (("--check-port", "echoip"), "whose to ask"),
        (("--check-port", "echoip=http://ifconfig.co"), "is not encrypted"),
        (("--check-port", "check-host", "--offline"), "--offline asks nothing"),
        (("--check-port", "check-host", "--port", "32500"), "--port goes with --quick"),
        (("--quick", "--port", "32500"), "--port goes with --quick --check-port"),
    ],
)
def test_what_makes_no_sense_is_said_before_anybody_is_asked(
    words: Sequence[str], reason: str, tmp_path: Path
) -> None:
    ended = plexops("diagnose", *words, directory=tmp_path)
    assert ended.status == 2
    assert reason in ended.said


def test_an_answer_about_another_address_is_no_witness(healthy: House) -> None:
    said = {"error": False, "msg": None, "host": "198.51.100.4", "check": [{"port": PORT, "status": False}]}
    with TcpStranger(lambda _: [js(said)]) as server:
        ended = healthy("diagnose", "--check-port", f"portchecker={server.url()}", "--format", "json")
    assert "PLX-D409: it tried 198.51.100.4, and our address is" in site(ended)["asked"][0]
