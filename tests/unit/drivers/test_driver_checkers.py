"""What services that try ports say of this address and port, and all that they may say instead."""

from __future__ import annotations

import json
from ipaddress import IPv4Address

import pytest

from plexops.drivers.around.checkers import CheckerDriver
from plexops.languages import LANGUAGES
from plexops.model.entries import Probe, ProbeAnswer
from plexops.model.exchange import Command, Look, LookKind, Read, Reply
from plexops.model.site import CHECKERS, Checker, CheckerName
from plexops.model.snapshot import Entry, Kind, KindState
from plexops.transport.link import only_reads
from tests.unit.drivers.driver_bench import observe
from tests.unit.transport.port_checkers import BEGAN, REFUSED, TIMED_OUT, connected, polls

OURS = IPv4Address("203.0.113.20")
OPEN, ELSEWHERE = connected("203.0.113.20"), connected("198.51.100.4")
CHECK_HOST = Checker(CheckerName.CHECK_HOST, CHECKERS[CheckerName.CHECK_HOST])
PORTCHECKER = Checker(CheckerName.PORTCHECKER, CHECKERS[CheckerName.PORTCHECKER])
ECHOIP = Checker(CheckerName.ECHOIP, "https://ifconfig.co")


def entries(checker: Checker, body: object, *, status: int = 0, stderr: str = "") -> tuple[Entry[Probe], ...]:
    text = body if isinstance(body, str) else json.dumps(body)
    said = Reply("x", status, text, stderr)
    driver = CheckerDriver(checker, OURS, 32500)
    return observe(driver.observe(), {f"checker.{checker.where}": said}).held(Probe)


def told(*places: object) -> dict[str, object]:
    return {"check": BEGAN, "result": polls(places)[0]}


def answers(found: tuple[Entry[Probe], ...]) -> dict[str, ProbeAnswer]:
    return {entry.values.vantage: entry.values.answer for entry in found}


def test_each_place_is_a_witness_of_its_own() -> None:
    found = entries(CHECK_HOST, told(OPEN, TIMED_OUT, REFUSED))
    assert answers(found) == {
        "check-host.net de1": ProbeAnswer.LISTENS,
        "check-host.net us1": ProbeAnswer.TIMED_OUT,
        "check-host.net pt1": ProbeAnswer.REFUSED,
    }
    assert found[1].values == Probe("check-host.net us1", OURS, 32500, ProbeAnswer.TIMED_OUT)
    assert found[1].raw == {
        "by": "check-host.net",
        "told": "Connection timed out",
        "from": "USA, Los Angeles, AS18978",
    }
    assert {entry.exhibit for entry in found} == {"outside.x"}


@pytest.mark.parametrize(
    ("place", "answer"),
    [
        ([{"error": "No route to host"}], ProbeAnswer.UNREACHABLE),
        ([{"error": "Network is unreachable"}], None),
        ([{"error": "Port seems open"}], None),
        (None, None),
        (ELSEWHERE, None),
        ([{"time": 0.1, "address": "203.0.113.20", "error": "Connection timed out"}], None),
        ([{"time": 0.1}], None),
        ([OPEN], None),
        ([[1, 0.1, "OK", "200"]], None),
        ("open", None),
        (True, None),
        ([], None),
    ],
)
def test_a_place_that_tells_nothing_of_use_is_no_witness(place: object, answer: ProbeAnswer | None) -> None:
    found = answers(entries(CHECK_HOST, told(OPEN, place, TIMED_OUT)))
    assert found.pop("check-host.net us1", None) is answer
    assert set(found.values()) == {ProbeAnswer.LISTENS, ProbeAnswer.TIMED_OUT}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (told(None, None, None), "no place answered in time"),
        (told(ELSEWHERE, ELSEWHERE, ELSEWHERE), "it tried another address than 203.0.113.20"),
        ({"check": {**BEGAN, "nodes": {}}, "result": {}}, "it chose no place"),
        ({"check": {**BEGAN, "nodes": {"a b\n": []}}, "result": {"a b\n": OPEN}}, "it chose no place"),
        ({"check": BEGAN, "result": []}, "not as the service documents"),
        ({"result": {}}, "not as the service documents"),
        ("<html>", "a page"),
        ("[]", "not as the service documents"),
    ],
)
def test_a_check_of_no_use_says_why(body: object, why: str) -> None:
    (entry,) = entries(CHECK_HOST, body)
    assert (entry.values.vantage, entry.values.answer) == ("check-host.net", ProbeAnswer.UNKNOWN)
    assert str(entry.raw["told"]).startswith("PLX-D409: ")
    assert why in str(entry.raw["told"])


def portchecker(**others: object) -> dict[str, object]:
    row = {"port": 32500, "status": True}
    return {"error": False, "msg": None, "host": "203.0.113.20", "check": [row], **others}


def echoip(**others: object) -> dict[str, object]:
    return {"ip": "203.0.113.20", "port": 32500, "reachable": True, **others}


@pytest.mark.parametrize(
    ("checker", "body", "answer"),
    [
        (PORTCHECKER, portchecker(), ProbeAnswer.LISTENS),
        (PORTCHECKER, portchecker(check=[{"port": 32500, "status": False}]), ProbeAnswer.CLOSED),
        (ECHOIP, echoip(), ProbeAnswer.LISTENS),
        (ECHOIP, echoip(reachable=False), ProbeAnswer.CLOSED),
    ],
)
def test_a_service_in_one_place(checker: Checker, body: object, answer: ProbeAnswer) -> None:
    (entry,) = entries(checker, body)
    assert entry.values == Probe(checker.where, OURS, 32500, answer)


@pytest.mark.parametrize(
    ("checker", "body", "why"),
    [
        (PORTCHECKER, portchecker(error=True, msg="Too many\x1b[31m requests"), "Too many[31m requests"),
        (PORTCHECKER, {"error": True, "detail": [{"loc": ["host"]}]}, "it gives no reason"),
        (PORTCHECKER, portchecker(host="198.51.100.4"), "it tried 198.51.100.4, and our address is"),
        (PORTCHECKER, portchecker(check=[{"port": 80, "status": True}]), "it tried port 80"),
        (PORTCHECKER, portchecker(check=[{"port": 32500, "status": "True"}]), "not as the service documents"),
        (PORTCHECKER, portchecker(check=[{"port": 32500, "status": 1}]), "not as the service documents"),
        (PORTCHECKER, portchecker(check=[]), "not as the service documents"),
        (PORTCHECKER, portchecker(check={"port": 32500}), "not as the service documents"),
        (PORTCHECKER, portchecker(host=None), "not as the service documents"),
        (ECHOIP, echoip(ip="185.65.134.9"), "it tried 185.65.134.9, and our address is 203.0.113.20"),
        (ECHOIP, echoip(ip="2001:db8::1"), "it tried 2001:db8::1"),
        (ECHOIP, echoip(ip="x" * 500), "…, and our address is"),
        (ECHOIP, echoip(port=443), "it tried port 443"),
        (ECHOIP, echoip(port=True), "it tried port True"),
        (ECHOIP, echoip(port="32500"), "not as the service documents"),
        (ECHOIP, echoip(reachable="yes"), "not as the service documents"),
        (ECHOIP, {"status": 404, "error": "404 page not found"}, "404 page not found"),
        (ECHOIP, "203.0.113.20\n", "a page"),
        (ECHOIP, "[" * 100_000, "a page"),
    ],
)
def test_an_answer_of_no_use_says_why(checker: Checker, body: object, why: str) -> None:
    (entry,) = entries(checker, body)
    assert entry.values.answer is ProbeAnswer.UNKNOWN
    assert why in str(entry.raw["told"])
    assert len(str(entry.raw["told"])) < 250


def test_who_could_not_be_asked_says_why() -> None:
    slow = "curl: (28) Connection timed out after 8001 milliseconds"
    assert entries(ECHOIP, "", status=28, stderr=slow)[0].raw["told"] == f"PLX-D409: {slow}"
    assert "curl: 7" in str(entries(ECHOIP, "", status=7)[0].raw["told"])
    driver = CheckerDriver(ECHOIP, OURS, 32500)
    cut = driver.understand(Reply("x", 0, "{}", whole=False))
    assert cut.entries[0].raw["told"] == "PLX-D409: the answer was cut off"
    assert cut.state(Kind.PROBE) is not KindState.PRESENT


def test_a_service_in_the_home_proves_nothing() -> None:
    (own,) = entries(Checker(CheckerName.ECHOIP, "https://192.168.1.9:8080"), echoip())
    (outside,) = entries(ECHOIP, echoip())
    assert (own.values.inside, outside.values.inside) == (True, False)


def test_what_is_asked_and_by_whom() -> None:
    assert CheckerDriver(CHECK_HOST, OURS, 32500).read.ask == Look(
        LookKind.CHECK_HOST, "https://check-host.net", "203.0.113.20:32500"
    )
    assert CheckerDriver(ECHOIP, OURS, 32500).read.ask == Look(
        LookKind.ECHOIP, "https://ifconfig.co", "32500"
    )
    by_server = CheckerDriver(ECHOIP, OURS, 32500, by_server=True).read
    assert by_server.ask == Command("curl -s -S -4 --max-time 8 https://ifconfig.co/port/32500")
    only_reads([by_server], "posix")


@pytest.mark.parametrize("kind", [LookKind.CHECK_HOST, LookKind.PORTCHECKER, LookKind.ECHOIP])
def test_no_device_is_asked_what_a_service_is(kind: LookKind) -> None:
    for language in LANGUAGES:
        with pytest.raises(ValueError, match="only this computer"):
            only_reads((Read("x", Look(kind, "http://127.0.0.1:1", "1")),), language)
