"""Who asks services that try ports, when, and what an apply takes from them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from plexops.config.checkers import checker
from plexops.engine.change.effect import outside_says
from plexops.engine.order import Order
from plexops.engine.runner import run
from plexops.evidence.folder import Store
from plexops.lab.ways import PORT_ECHO
from plexops.model.entries import Probe, ProbeAnswer
from plexops.model.run import RunCommand, SiteReport
from plexops.model.site import Checker
from plexops.model.snapshot import Role, Snapshot
from plexops.runbook.condition import Holds
from plexops.runbook.view import SiteView
from plexops.structs import replace
from tests.unit.engine.seen_home import Looked, looked_at
from tests.unit.runbook.sound_case import probe
from tests.unit.transport.port_checkers import REFUSED, TIMED_OUT, check_host, connected, polls
from tests.unit.transport.strangers import TcpStranger

PORT = 32500
PUBLIC = "62.155.240.55"
OPEN = connected(PUBLIC)
ECHOIP = checker("echoip", f"https://{PORT_ECHO}")


def named(looked: Looked, *checkers: Checker) -> Looked:
    """Give the home with services in its inventory."""
    tasks = replace(looked.home.tasks, site=replace(looked.home.tasks.site, checkers=checkers))
    access = replace(looked.home.access, site=tasks.site)
    return replace(looked, home=replace(looked.home, tasks=tasks, access=access))


def ran(looked: Looked, directory: Path, command: RunCommand, effect_seconds: float = 2.0) -> SiteReport:
    order = Order(command, approve=lambda *_: True, effect_seconds=effect_seconds)
    report, _masked = run([looked.home], order, Store.open(directory / "runs"))
    return report.sites[0]


def probes(looked: Looked) -> list[Probe]:
    seen = looked.home.observer().look(PORT, outside=True)
    return [entry.values for entry in seen.view.of(Role.OUTSIDE).held(Probe)]


def stranger(told: Sequence[object]) -> TcpStranger:
    """Stand in for check-host, whose three places have told this from the first poll on."""
    return TcpStranger(check_host(polls(told)))


def at(server: TcpStranger) -> Checker:
    return checker("check-host", server.url())


# --- from which line ---------------------------------------------------------------------------------


def test_one_that_tries_its_asker_is_asked_by_the_server(tmp_path: Path) -> None:
    with looked_at("openwrt", "in-order", tmp_path) as looked:
        told = [one for one in probes(named(looked, ECHOIP)) if one.vantage == PORT_ECHO]
        assert [(one.answer, str(one.address), one.port) for one in told] == [
            (ProbeAnswer.LISTENS, PUBLIC, PORT)
        ]
        log = looked.running.log("server")
        asked = [line for line in log if PORT_ECHO in line and line.startswith("curl")]
        assert asked == [f"curl -s -S -4 --max-time 8 https://{PORT_ECHO}/port/{PORT}"]


def test_behind_a_vpn_another_address_is_tried_and_says_nothing(tmp_path: Path) -> None:
    """Only the services see the VPN: the home's own echoes are made to see the router."""
    with looked_at("openwrt", "vpn-egress", tmp_path) as looked:
        for name in ("v4.echo.test", "echo2.test"):
            looked.running.ways._told[name] = PUBLIC
        (told,) = [one for one in probes(named(looked, ECHOIP)) if one.vantage == PORT_ECHO]
    assert told.answer is ProbeAnswer.UNKNOWN


def test_where_nobody_can_ask_from_the_home_it_is_not_asked(tmp_path: Path) -> None:
    """Without a login on the server, and from a computer that stands elsewhere."""
    with looked_at("openwrt", "in-order", tmp_path) as looked:
        changed = named(looked, ECHOIP)
        server = changed.home.access.site.server
        assert server is not None
        site = replace(changed.home.access.site, server=replace(server, login=None), echoes=())
        access, tasks = replace(changed.home.access, site=site), replace(changed.home.tasks, site=site)
        drivers = replace(changed.home.drivers, server=None)
        home = replace(changed.home, access=access, tasks=tasks, drivers=drivers)
        report = ran(replace(changed, home=home), tmp_path, "audit")
        assert PORT_ECHO not in "".join(looked.running.log("server"))
    (line,) = report.asked
    assert line.startswith(f"{PORT_ECHO} was not asked: it tries the address of who asks")


# --- when --------------------------------------------------------------------------------------------


def test_it_is_asked_once_and_only_where_it_is_named(tmp_path: Path) -> None:
    with looked_at("openwrt", "in-order", tmp_path) as looked, stranger((OPEN, OPEN, OPEN)) as server:
        assert ran(looked, tmp_path, "audit").asked == ()
        assert server.requests == []
        mine = named(looked, at(server))
        for command, times in (("audit", 1), ("diagnose", 1), ("dry-run", 0)):
            server.requests.clear()
            report = ran(mine, tmp_path, command)  # type: ignore[arg-type]
            assert sum(b"/check-tcp?" in request for request in server.requests) == times, command
            assert len(report.asked) == 1
    assert "asked once, by an apply that made its changes" in report.asked[0]


def test_what_it_was_asked_and_told_is_in_the_report_and_its_exhibits(tmp_path: Path) -> None:
    with looked_at("openwrt", "in-order", tmp_path) as looked, stranger((OPEN, TIMED_OUT, REFUSED)) as server:
        report = ran(named(looked, at(server)), tmp_path, "diagnose")
    where = f"127.0.0.1:{server.port}"
    (told,) = report.asked
    assert told == (
        f"{where} was asked about {PUBLIC}:{PORT}: de1 (Germany, Nuremberg, AS24940): something listens, "
        "us1 (USA, Los Angeles, AS18978): timed out, pt1 (Portugal, Viana, AS44222): refused"
    )
    asked = f"check-host http://{where} {PUBLIC}:{PORT}, from this computer"
    (shown,) = [one for one in report.exhibits if one.source == asked]
    assert shown.device == "outside"
    assert '"Connection timed out"' in shown.text


# --- what an apply takes from it ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "status", "mark"),
    [
        ((OPEN, OPEN, OPEN), 4, "unknown"),
        ((OPEN, TIMED_OUT, TIMED_OUT), 4, "unknown"),
        # 6, not 5: the host asked for its address again, and the simulated DHCP server does not give the old one back.
        ((TIMED_OUT, TIMED_OUT, TIMED_OUT), 6, "refuted"),
        ((REFUSED, TIMED_OUT, None), 6, "refuted"),
        ((None, None, None), 4, "unknown"),
    ],
)
def test_an_effect_that_nobody_else_knows(
    told: Sequence[object], status: int, mark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plexops.drivers.around.checkers.CHECK_SECONDS", 2.0)
    with looked_at("openwrt", "outside-cut", tmp_path / "home") as looked, stranger(told) as server:
        report = ran(named(looked, at(server)), tmp_path, "apply")
        assert sum(b"/check-tcp?" in request for request in server.requests) == 1
        kept = "plexops" in looked.running.export("router")
    assert (report.exit_status, kept) == (status, status == 4)
    (proof,) = [one for one in report.proofs if one.source == "outside"]
    assert proof.mark == mark
    assert ("which server it is was not asked" in proof.text) == (told[0] is OPEN)
    assert any("was asked about" in moment.text for moment in report.timeline)


def test_where_somebody_else_proves_it_no_stranger_is_asked(tmp_path: Path) -> None:
    with looked_at("openwrt", "drifted", tmp_path / "home") as looked, stranger((REFUSED,) * 3) as server:
        report = ran(named(looked, at(server)), tmp_path, "apply", effect_seconds=60.0)
        assert server.requests == []
    assert report.exit_status == 0
    assert report.asked == (f"127.0.0.1:{server.port} was not asked: it was not needed",)


@pytest.mark.parametrize(
    ("answers", "holds"),
    [
        ([ProbeAnswer.LISTENS], Holds.UNKNOWN),
        ([ProbeAnswer.LISTENS, ProbeAnswer.TIMED_OUT], Holds.UNKNOWN),
        ([ProbeAnswer.LISTENS, ProbeAnswer.CLOSED], Holds.UNKNOWN),
        ([ProbeAnswer.LISTENS, ProbeAnswer.OPEN], Holds.YES),
        ([ProbeAnswer.LISTENS, ProbeAnswer.WRONG_SERVER], Holds.NO),
        ([ProbeAnswer.CLOSED], Holds.NO),
        ([ProbeAnswer.UNKNOWN], Holds.UNKNOWN),
    ],
)
def test_what_was_seen_from_outside(answers: list[ProbeAnswer], holds: Holds) -> None:
    view = SiteView("home").with_snapshot(
        Snapshot(Role.OUTSIDE, entries=tuple(probe(answer, vantage=str(answer)) for answer in answers))
    )
    assert outside_says(view, PORT).holds is holds
