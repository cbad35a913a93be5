"""The first look: what it sees of a home on loopback, what it makes of it, and that it never says "in order"."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from msgspec import Struct

from plexops.config.checkers import checker
from plexops.engine.bootstrap.discovery import Reach
from plexops.engine.bootstrap.quick import QuickSettings, judge, look_quick
from plexops.model.entries import Echo, UpnpMapping
from plexops.model.quick import OwnNetwork, QuickReport, QuickVerdict, SeenGateway, SeenPlex
from plexops.model.status import ExitStatus
from plexops.model.values import ALL_PORTS, Ports, Protocol
from plexops.report.quick_text import quick_json, render_quick
from plexops.report.view import View
from plexops.structs import replace
from tests.cli.process import plexops
from tests.unit.transport.port_checkers import TIMED_OUT, check_host, connected, polls
from tests.unit.transport.strangers import HOME, Said, TcpStranger, UdpStranger, gateway, page, search_answer
from tests.unit.transport.test_gdm import IDENTITY

ROUTE = """\
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
lo	00000000	0100007F	0003	0	0	100	00000000	0	0	0
lo	0000007F	00000000	0001	0	0	100	000000FF	0	0	0
"""
PLEX = IPv4Address("192.168.1.50")


# A home on loopback.


class Neighbourhood(Struct, frozen=True):
    """What stands around this computer in one test."""

    settings: QuickSettings
    box: TcpStranger
    echo: TcpStranger


@contextmanager
def neighbourhood(
    tmp_path: Path,
    *,
    wan: bytes | None = None,
    public: bytes = b"81.2.69.142",
    entries: int = 3,
    plex: bytes | None = IDENTITY,
    upnp: bool = True,
) -> Iterator[Neighbourhood]:
    """Start a gateway, an echo and a Plex, and point a quick look at them."""
    (tmp_path / "route").write_text(ROUTE, encoding="ascii")
    with ExitStack() as stack:
        box = stack.enter_context(TcpStranger(gateway(wan, entries=entries)))
        said = [search_answer(box.url("/rootDesc.xml"))] if upnp else []
        ssdp = stack.enter_context(UdpStranger(_always(said)))
        gdm = stack.enter_context(UdpStranger(_always([])))
        echo = stack.enter_context(TcpStranger(_always([page(public)])))
        server = stack.enter_context(TcpStranger(_always([page(plex)] if plex else [])))
        reach = Reach(
            proc=tmp_path,
            ssdp_group=ssdp.place,
            gdm_group=gdm.place,
            search_seconds=0.3,
            answer_seconds=1.0,
            plex_port=server.port,
        )
        yield Neighbourhood(
            QuickSettings(
                reach=reach,
                # Two names, as of two operators: one alone proves no public address.
                echoes=(echo.url("/a"), echo.url("/b").replace("127.0.0.1", "localhost")),
                stun=(),
                echo_seconds=1.0,
                somewhere=HOME,
            ),
            box,
            echo,
        )


def _always(said: Sequence[bytes | float]) -> Callable[[bytes], Said]:
    return lambda _: said


def test_a_home_is_seen_without_inventory_or_login(tmp_path: Path) -> None:
    with neighbourhood(tmp_path) as here:
        report = look_quick(here.settings)
    assert report.network == OwnNetwork("lo", HOME, HOME, IPv4Network("127.0.0.0/8"))
    assert report.router is not None
    assert report.router.wan == IPv4Address("81.2.69.142")
    assert [str(echo.address) for echo in report.echoes] == ["81.2.69.142"] * 2
    (plex,) = report.plex
    assert (plex.identifier, plex.claimed, plex.local) == ("4f8a1c0de5b64fd2", True, True)
    assert not report.verdict.decided
    assert report.exit_status is ExitStatus.INCOMPLETE
    text = " ".join(render_quick(report, View(width=100)).split())
    assert "81.2.69.142, as the gateway says by UPnP" in text
    assert "not seen - forwards made by hand" in text
    assert (
        "Verdict no UPnP mapping leads to Plex: unless a forward was made by hand, no viewer comes in" in text
    )


def test_offline_nobody_on_the_internet_is_asked(tmp_path: Path) -> None:
    with neighbourhood(tmp_path) as here:
        report = look_quick(replace(here.settings, offline=True))
    assert here.echo.requests == []
    assert report.echoes == ()
    assert report.verdict.id == "undecided"
    assert any("--offline" in text for text in report.unseen)


@pytest.mark.parametrize(
    ("wan", "public", "verdict"),
    [
        (b"100.72.3.4", b"81.2.69.142", "carrier-nat"),
        (b"192.168.100.2", b"81.2.69.142", "double-nat"),
        (b"192.0.0.2", b"81.2.69.142", "ds-lite"),
        (b"25.30.40.50", b"62.155.33.77", "wan-differs"),
        (b"169.254.7.7", b"81.2.69.142", "wan-down"),
        (b"", b"81.2.69.142", "nat-likely"),
        (b"0.0.0.0", b"81.2.69.142", "nat-likely"),
        (b"0.0.0.0", b"", "undecided"),
        (b"81.2.69.142", b"<html>", "undecided"),
        # A documentation range, which the world sees just so, is no second NAT.
        (b"203.0.113.20", b"203.0.113.20", "no-mapping"),
    ],
)
def test_the_outermost_cause_is_named(tmp_path: Path, wan: bytes, public: bytes, verdict: str) -> None:
    with neighbourhood(tmp_path, wan=wan, public=public) as here:
        report = look_quick(here.settings)
    assert report.verdict.id == verdict
    assert report.verdict.decided == (report.exit_status is ExitStatus.FINDINGS)


def test_services_that_disagree_decide_nothing(tmp_path: Path) -> None:
    with neighbourhood(tmp_path) as here, TcpStranger(_always([page(b"198.51.100.9")])) as other:
        settings = replace(here.settings, echoes=(*here.settings.echoes, other.url()))
        report = look_quick(settings)
    assert report.verdict.id == "undecided"
    assert "disagree" in report.verdict.cause


def test_without_upnp_it_says_what_it_could_not_see(tmp_path: Path) -> None:
    with neighbourhood(tmp_path, upnp=False, plex=None) as here:
        report = look_quick(here.settings)
    assert report.router is None
    assert report.verdict.id == "plex-not-found"
    said = " ".join(report.unseen)
    assert "does not answer by UPnP" in said
    assert "none answered in this network" in said
    assert here.box.requests == []


def test_without_a_gateway_it_still_answers(tmp_path: Path) -> None:
    with neighbourhood(tmp_path) as here:
        (tmp_path / "route").write_text("Iface\n", encoding="ascii")
        report = look_quick(here.settings)
    assert report.network is None
    assert "this computer's gateway" in report.unseen[0]
    assert report.exit_status is ExitStatus.INCOMPLETE


def test_everything_silent_ends_in_time(tmp_path: Path) -> None:
    with neighbourhood(tmp_path, upnp=False) as here, TcpStranger(_always([5.0])) as silent:
        settings = replace(
            here.settings,
            echoes=(silent.url(), silent.url("/b")),
            echo_seconds=0.4,
            reach=replace(here.settings.reach, plex_port=silent.port, answer_seconds=0.4),
        )
        report = look_quick(settings)
    assert report.echoes == ()
    assert any("timed out" in text for text in report.unseen)


TRIED = "81.2.69.142"
LISTENS = connected(TRIED)


@pytest.mark.parametrize(
    ("told", "verdict"),
    [
        ((LISTENS, LISTENS, LISTENS), "nothing-found"),
        ((LISTENS, TIMED_OUT, TIMED_OUT), "nothing-found"),
        ((TIMED_OUT, TIMED_OUT, TIMED_OUT), "closed-outside"),
        ((connected("198.51.100.4"),) * 3, "no-mapping"),
    ],
)
def test_a_service_outside_tries_the_port(told: tuple[object, ...], verdict: str, tmp_path: Path) -> None:
    with neighbourhood(tmp_path) as here, TcpStranger(check_host(polls(told))) as server:
        named = (checker("check-host", server.url()),)
        report = look_quick(replace(here.settings, checkers=named, port=40000))
    assert f"/check-tcp?host={TRIED}:40000&".encode() in server.requests[0]
    assert {probe.port for probe in report.probes} == {40000}
    assert (report.verdict.id, report.exit_status) == (verdict, ExitStatus.INCOMPLETE)
    assert f"was asked about {TRIED}:40000" in " ".join(render_quick(report, View(width=100)).split())
    assert json.loads(quick_json(report))["probes"][0]["address"] == TRIED
    assert "which server answers at the port" in report.unseen[-1]


@pytest.mark.parametrize(
    ("port", "public", "why"),
    [
        (None, b"81.2.69.142", "no port to try is known (--port NUMBER)"),
        (40000, b"", "no one public address"),
    ],
)
def test_without_address_or_port_no_stranger_is_asked(
    port: int | None, public: bytes, why: str, tmp_path: Path
) -> None:
    with (
        neighbourhood(tmp_path, public=public) as here,
        TcpStranger(check_host(polls((None,) * 3))) as server,
    ):
        named = (checker("check-host", server.url()),)
        report = look_quick(replace(here.settings, checkers=named, port=port))
    assert server.requests == []
    assert why in report.asked[0]


# What is made of it.


def mapping(external: int | None, address: str = "192.168.1.50", port: int = 32400) -> UpnpMapping:
    ports = ALL_PORTS if external is None else Ports.of(external)
    return UpnpMapping(ports, IPv4Address(address), Ports.of(port), Protocol.TCP, "Plex\x1b[31m")


def home(*mappings: UpnpMapping, claimed: bool | None = True) -> QuickReport:
    public, router = IPv4Address("81.2.69.142"), IPv4Address("192.168.1.1")
    return QuickReport(
        OwnNetwork("eth0", IPv4Address("192.168.1.2"), router, IPv4Network("192.168.1.0/24")),
        (SeenGateway(router, "R\u202eouter", wan=public, mappings=mappings),),
        (SeenPlex(PLEX, 32400, "4f8a", "media\nbox", claimed=claimed),),
        (Echo("a.example", public, "controller"), Echo("b.example", public, "controller")),
        False,
        ("something",),
        QuickVerdict("", False, "", ""),
    )


@pytest.mark.parametrize(
    ("report", "verdict", "decided"),
    [
        (home(mapping(18444)), "nothing-found", False),
        (home(mapping(32400)), "exposed-32400", True),
        (home(mapping(None)), "exposed-32400", True),
        (home(mapping(32400, "192.168.1.60")), "upnp-old-address", False),
        (home(mapping(18444, "192.168.1.83")), "upnp-old-address", False),
        (home(mapping(51413, "192.168.1.20", 51413)), "no-mapping", False),
        (home(), "no-mapping", False),
        (home(mapping(18444), claimed=False), "not-claimed", True),
        (home(mapping(18444), claimed=None), "nothing-found", False),
    ],
)
def test_a_verdict_goes_as_far_as_what_was_seen(report: QuickReport, verdict: str, decided: bool) -> None:
    found = judge(report)
    assert (found.id, found.decided) == (verdict, decided)
    assert found.do, "a person is told what to do"
    assert "in order" not in found.cause


def test_a_gateway_that_is_not_ours_says_nothing_about_our_way() -> None:
    report = home(mapping(32400))
    other = replace(report.gateways[0], address=IPv4Address("192.168.1.9"))
    found = judge(replace(report, gateways=(other,)))
    assert found.id == "undecided"


def test_a_table_that_was_not_read_whole_proves_no_absence() -> None:
    report = home()
    cut = replace(report.gateways[0], whole=False)
    assert judge(replace(report, gateways=(cut,))).id == "nothing-found"


# How it is shown.


def test_what_devices_say_cannot_act_on_a_terminal() -> None:
    report = home(mapping(18444))
    text = render_quick(replace(report, verdict=judge(report)), View(width=100))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "media box" in text


@pytest.mark.parametrize("width", [40, 80, 200])
def test_lines_fit_the_terminal(width: int) -> None:
    report = home(mapping(18444))
    text = render_quick(replace(report, verdict=judge(report)), View(width=width))
    assert max(len(line) for line in text.splitlines()) <= width


def test_the_document_holds_the_same(tmp_path: Path) -> None:
    with neighbourhood(tmp_path, wan=b"100.72.3.4") as here:
        report = look_quick(here.settings)
    document = json.loads(quick_json(report))
    assert document["schema"] == "plexops/quick/1"
    assert document["gateways"][0]["wan_address"] == "100.72.3.4"
    assert document["verdict"]["id"] == "carrier-nat"
    assert document["exit_status"] == 1
    assert len(document["gateways"][0]["mappings"]) == 3
    assert document["plex"][0]["machine_identifier"] == "4f8a1c0de5b64fd2"


@pytest.mark.parametrize(
    "words",
    [
        ("--plex-logs", "route"),
        ("--probes", "route"),
        ("--replay", "."),
        ("--record", "new"),
        ("-i", "route"),
        ("-l", "home"),
        ("-e", "a=b"),
        ("-k",),
        ("-f", "2"),
        ("playbook.yaml",),
    ],
)
def test_what_a_quick_look_has_no_use_for_is_refused(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "route").write_text("", encoding="ascii")
    ended = plexops("diagnose", "--quick", *words, directory=tmp_path)
    assert (ended.status, ended.out) == (2, "")
    named = words[0] if words[0].startswith("-") else "a playbook"
    assert f"has no use for {named}" in ended.said
