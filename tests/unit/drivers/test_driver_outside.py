"""What the server's own attempts to ask the internet failed of, and which vantages stand at home."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address
from typing import Any

import pytest

from plexops.drivers.around.outside import EchoDriver, ProbeDriver, merge
from plexops.engine.look.vantages import is_inside, ports_to_try
from plexops.model.entries import Echo, Lease, Probe, ProbeAnswer
from plexops.model.exchange import Command, Reply
from plexops.model.resources.plex_remote_access import RemoteAccess
from plexops.model.resources.port_forward import PortForward
from plexops.model.snapshot import FOREIGN, Entry, Fact, Kind, KindState, Role, Snapshot
from plexops.model.values import Endpoint, Ports, Protocol
from plexops.runbook.view import SiteView
from plexops.structs import replace
from tests.unit.drivers.driver_bench import Said, answer, observe

PUBLIC = IPv4Address("203.0.113.7")
AT = Endpoint(str(PUBLIC), 32500)
PLEX = IPv4Address("192.168.1.50")
URLS = ("https://a.example/ip", "https://b.example/ip")
SLOW = "curl: (28) Connection timed out after 4001 milliseconds"
NO_ANSWER = "curl: (28) Resolving timed out after 4000 milliseconds"


@pytest.mark.parametrize(
    ("first", "second", "failure"),
    [
        ("203.0.113.7\n", "203.0.113.7\n", ""),
        ((6, ""), "203.0.113.7\n", ""),
        ((6, ""), (6, ""), "dns"),
        ((28, "", NO_ANSWER), (6, ""), "dns"),
        ((28, "", SLOW), (7, ""), "no route"),
        ((7, ""), (7, ""), "no route"),
        ((6, ""), (7, ""), None),
        ((28, "", NO_ANSWER), (28, "", SLOW), None),
        ((60, ""), (60, ""), None),
        ((127, ""), (127, ""), None),
        ("<html>Please log in</html>", (7, ""), None),
        ((7, ""), Reply("echo.1", None, "", whole=False), None),
    ],
)
def test_what_the_echoes_failed_of(first: Said, second: Said, failure: str | None) -> None:
    snapshot = observe(EchoDriver(URLS, "server").observe(), {"echo.0": first, "echo.1": second})
    assert snapshot.text("outside.failure") == failure
    assert (failure is None) is ("outside.failure" in snapshot.reasons)


def test_nobody_was_to_be_asked() -> None:
    snapshot = observe_empty(EchoDriver((), "server"))
    assert "outside.failure" not in snapshot.facts
    assert snapshot.state(Kind.ECHO) is KindState.ABSENT


def observe_empty(driver: EchoDriver) -> Snapshot:
    with pytest.raises(StopIteration) as done:
        next(driver.observe())
    value = done.value.value
    assert isinstance(value, Snapshot)
    return value


def test_an_answer_is_that_of_the_service_that_gave_it() -> None:
    """The first address is none that may be asked: those behind it keep their names."""
    driver = EchoDriver(("ftp://a.example", "https://b.example/ip"), "server")
    (entry,) = observe(driver.observe(), {"echo.1": "203.0.113.7\n"}).held(Echo)
    assert entry.values.source == "b.example"


def test_merging_keeps_facts() -> None:
    first = Snapshot(Role.OUTSIDE, {"outside.failure": Fact("outside.failure", "dns", "outside.echo.0")})
    assert merge([first, Snapshot(Role.OUTSIDE)]).text("outside.failure") == "dns"


# --- vantages ----------------------------------------------------------------------------------------

FOUND = '<MediaContainer machineIdentifier="abc"/>'


def probe(said: dict[str, Said], echo: str = URLS[0]) -> Entry[Probe]:
    driver = ProbeDriver("vps", AT, "abc", echo, home=PUBLIC)
    (entry,) = observe(driver.observe(), said).held(Probe)
    return entry


def test_a_vantage_that_the_world_takes_for_us_stands_at_home() -> None:
    inside = probe({"probe.vps": FOUND, "echo.vps": f"{PUBLIC}\n"}).values
    outside = probe({"probe.vps": FOUND, "echo.vps": "198.51.100.9\n"}).values
    unknown = probe({"probe.vps": FOUND, "echo.vps": (28, "")}).values
    assert (inside.answer, inside.inside) == (ProbeAnswer.OPEN, True)
    assert (outside.answer, outside.inside) == (ProbeAnswer.OPEN, False)
    assert (unknown.answer, unknown.inside) == (ProbeAnswer.OPEN, True), "nobody said that it stands outside"
    assert inside.made == ""


def test_an_audit_only_tries_the_port() -> None:
    (read,) = next(ProbeDriver("vps", AT).observe())
    assert isinstance(read.ask, Command)
    assert (read.id, "/identity" in read.ask.text) == ("probe.vps", True)


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("* connect to 62.155.240.55 port 32500 failed: Connection refused\n", ProbeAnswer.REFUSED),
        (
            "* connect to 62.155.240.55 port 32500 from 198.51.100.9 port 45012 failed: No route to host\n",
            ProbeAnswer.UNREACHABLE,
        ),
        (
            "curl: (7) Failed to connect to 62.155.240.55 port 32500: No route to host\n",
            ProbeAnswer.UNREACHABLE,
        ),
        ("* connect to 62.155.240.55 port 32500 failed: Network is unreachable\n", ProbeAnswer.UNKNOWN),
        (
            "curl: (7) Failed to connect to 62.155.240.55 port 32500 after 0 ms: Couldn't connect to server\n",
            ProbeAnswer.UNKNOWN,
        ),
    ],
)
def test_a_refusal_is_told_from_a_word_that_nobody_gets_there(words: str, answer: ProbeAnswer) -> None:
    """curl 7.74, 7.88 and 8.14 word it so; the status is 7 for all of them."""
    said = f"*   Trying 62.155.240.55:32500...\n{words}* Closing connection 0\n"
    assert probe({"probe.vps": (7, "", said), "echo.vps": "198.51.100.9\n"}).values.answer is answer


def test_a_further_port_has_an_exhibit_of_its_own() -> None:
    driver = ProbeDriver("vps", replace(AT, port=32555), "abc", further="32555")
    (entry,) = observe(driver.observe(), {"probe.vps.32555": (28, "")}).held(Probe)
    assert (entry.exhibit, entry.values.answer) == ("outside.probe.vps.32555", ProbeAnswer.TIMED_OUT)


# --- an address of IPv6, and a proxy's name -----------------------------------------------------------

NAME = Endpoint("plex.example.net", 443)
#: curl 7.88, and 8.16 and later, in their own words.
CONNECTED = (
    "*   Trying 198.51.100.200:443...\n* Connected to plex.example.net (198.51.100.200) port 443 (#0)\n"
)
ESTABLISHED = (
    "* Established connection to plex.example.net (198.51.100.200 port 443) from 10.0.0.2 port 50122 \n"
)
BAD_GATEWAY = (0, "<h1>502 Bad Gateway</h1>", CONNECTED + "< HTTP/1.1 502 Bad Gateway\n")


def asked(driver: ProbeDriver) -> str:
    (read,) = next(driver.observe())
    assert isinstance(read.ask, Command)
    return read.ask.text


def by_name(*said: Said) -> Probe:
    """What comes of an https URL, with the answers one after the other."""
    driver = ProbeDriver("vps", NAME, "abc", secure=True)
    asking = driver.observe()
    reads = next(asking)
    try:
        for one in said:
            reads = asking.send([answer(reads[0], one, 127)])
    except StopIteration as done:
        (entry,) = done.value.held(Probe)
        values: Probe = entry.values
        return values
    raise AssertionError("it asks on")


def test_an_address_of_ipv6_is_asked_in_brackets_that_neither_the_shell_nor_curl_expands() -> None:
    driver = ProbeDriver("vps", Endpoint("2001:db8::50", 32400), further="ipv6")
    assert asked(driver).endswith(" 'http://[2001:db8::50]:32400/identity'")
    assert " -g " in asked(driver)
    (entry,) = observe(driver.observe(), {"probe.vps.ipv6": FOUND}).held(Probe)
    assert (entry.values.address, entry.values.over_ipv6) == (IPv6Address("2001:db8::50"), True)
    no_way = (7, "", "* Immediate connect fail for 2001:db8::50: Network is unreachable\n")
    (entry,) = observe(driver.observe(), {"probe.vps.ipv6": no_way}).held(Probe)
    assert entry.values.answer is ProbeAnswer.UNKNOWN


def test_a_name_is_asked_as_apps_ask_by_its_own_scheme_certificate_and_all() -> None:
    assert asked(ProbeDriver("vps", NAME, secure=True)).endswith(" https://plex.example.net:443/identity")
    assert " -k " not in asked(ProbeDriver("vps", NAME, secure=True))
    assert asked(ProbeDriver("vps", NAME, secure=False)).endswith(" http://plex.example.net:443/identity")


@pytest.mark.parametrize("words", [CONNECTED, ESTABLISHED])
def test_where_a_name_led_is_told(words: str) -> None:
    probe = by_name((0, FOUND, words))
    assert (probe.answer, str(probe.address), probe.name) == (
        ProbeAnswer.OPEN, "198.51.100.200", "plex.example.net",
    )  # fmt: skip


def test_a_name_that_leads_nowhere() -> None:
    probe = by_name((6, "", "* Could not resolve host: plex.example.net\n"))
    assert (probe.answer, probe.address) == (ProbeAnswer.NO_NAME, None)


def test_a_proxy_that_reaches_nothing_tells_its_status() -> None:
    probe = by_name(BAD_GATEWAY)
    assert (probe.answer, probe.status) == (ProbeAnswer.WRONG_SERVER, 502)


def test_a_certificate_that_does_not_hold_is_told_from_another_server() -> None:
    refused = (60, "", CONNECTED)
    assert by_name(refused, (0, FOUND, CONNECTED)).answer is ProbeAnswer.UNTRUSTED
    assert by_name(refused, BAD_GATEWAY).answer is ProbeAnswer.WRONG_SERVER
    assert by_name((77, "", "")).answer is ProbeAnswer.UNKNOWN


@pytest.mark.parametrize(
    "host", ["-oProxy", "a b", "x;reboot", "$(reboot)", "pléx.example", "a" * 254, ".", "a..b"]
)
def test_what_is_no_name_is_not_asked(host: str) -> None:
    with pytest.raises(StopIteration) as done:
        next(ProbeDriver("vps", Endpoint(host, 443), secure=True).observe())
    assert done.value.value.held(Probe)[0].values.answer is ProbeAnswer.UNKNOWN


def test_a_web_server_in_plain_words_before_tls_is_asked_again() -> None:
    """nginx answers HTTP at a TLS port with a page (400), not with a closed connection."""
    driver = ProbeDriver("vps", AT, "abc")
    asking = driver.observe()
    (first,) = next(asking)
    (second,) = asking.send([answer(first, (0, "<h1>400 Bad Request</h1>"), 127)])
    assert isinstance(second.ask, Command)
    assert " -k " in second.ask.text
    with pytest.raises(StopIteration) as done:
        asking.send([answer(second, FOUND, 127)])
    assert done.value.value.held(Probe)[0].values.answer is ProbeAnswer.OPEN


def forward(external: str, address: str = "192.168.1.50", **others: Any) -> Entry:
    values = PortForward(Ports.parse(external), IPv4Address(address), Ports.of(32400))
    return Entry(Kind.PORT_FORWARD, replace(values, **others), {}, FOREIGN, external, "router.forwards")


def view_of(remote: RemoteAccess | None, *forwards: Entry) -> SiteView:
    settings = (Entry(Kind.PLEX_REMOTE_ACCESS, remote, {}, FOREIGN, "prefs", "plex.prefs"),)
    lan = Fact("lan.network", "192.168.1.0/24", "router.addresses")
    return (
        SiteView("home", plex_address=PLEX)
        .with_snapshot(Snapshot(Role.PLEX, {}, settings))
        .with_snapshot(Snapshot(Role.ROUTER, {"lan.network": lan}, forwards))
    )


MANUAL = RemoteAccess(enabled=True, manual=True, manual_port=32500, last_automatic_port=18444)
AUTOMATIC = replace(MANUAL, manual=False)


@pytest.mark.parametrize(
    ("remote", "forwards", "wanted", "ports"),
    [
        (MANUAL, ("32500",), 32500, (32500,)),
        (MANUAL, ("32555",), 32500, (32500, 32555)),
        (MANUAL, (), None, (32500,)),
        (AUTOMATIC, (), 32500, (18444, 32500)),
        (replace(AUTOMATIC, last_automatic_port=0), (), None, ()),
        (None, (), None, ()),
        (MANUAL, ("32400", "32401", "32402"), 32555, (32500, 32555)),
        (MANUAL, ("32401", "32402"), None, (32500, 32401)),
        (MANUAL, ("32000-33000",), None, (32500,)),
    ],
)
def test_which_ports_are_tried(
    remote: RemoteAccess | None, forwards: tuple[str, ...], wanted: int | None, ports: tuple[int, ...]
) -> None:
    assert ports_to_try(view_of(remote, *map(forward, forwards)), wanted) == ports


def test_forwards_that_do_not_lead_to_plex_are_not_tried() -> None:
    others = (
        forward("41000", address="192.168.1.20"),
        forward("41001", enabled=False),
        forward("41002", protocol=Protocol.UDP),
        forward("41003", port=Ports.of(22)),
        replace(forward("41004"), values=None),
    )
    assert ports_to_try(view_of(MANUAL, *others), None) == (32500,)


@pytest.mark.parametrize(
    ("address", "inside"),
    [("192.168.1.20", True), ("192.168.1.50", True), ("198.51.100.9", False), ("vps.example.net", False)],
)
def test_a_vantage_in_the_lan_is_at_home(address: str, inside: bool) -> None:
    assert is_inside(address, view_of(MANUAL)) is inside


def test_plex_itself_is_home_even_where_no_router_names_the_lan() -> None:
    view = SiteView("home", server_mac="52:54:00:12:34:56", plex_address=PLEX)
    lease = Lease("52:54:00:12:34:56", IPv4Address("192.168.7.83"))
    entry = Entry(Kind.LEASE, lease, {}, FOREIGN, "0", "router.leases")
    view = view.with_snapshot(Snapshot(Role.ROUTER, {}, (entry,)))
    assert is_inside("192.168.7.83", view)
    assert not is_inside(str(IPv4Network("192.168.7.0/24")[9]), view)
