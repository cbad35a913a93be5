"""A router by its own word, and the box before it: what is asked, what it comes to, and what stays unknown."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack
from ipaddress import IPv4Address
from types import MappingProxyType

import pytest
from msgspec import Struct, field

from plexops.drivers.around.gateway import GatewayDriver, UpstreamDriver
from plexops.drivers.around.igd import TABLE_ROUNDS, Box, found_boxes
from plexops.drivers.base import Observation
from plexops.model.entries import Echo, UpnpMapping
from plexops.model.exchange import Look, LookKind, Read, Reply
from plexops.model.igd import MOST_MAPPINGS
from plexops.model.snapshot import FOREIGN, Entry, Kind, KindState, Role, Snapshot
from plexops.runbook import conditions
from plexops.runbook.condition import Holds, WanCause
from plexops.runbook.view import SiteView
from plexops.transport.around.local_queries import HereLink
from plexops.transport.here import HereSettings
from tests.unit.transport.strangers import (
    HOME,
    IGD,
    Said,
    TcpStranger,
    UdpStranger,
    gateway,
    page,
    search_answer,
)
from tests.unit.transport.test_natpmp import ANSWER, KEEPS

HEAD = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"
#: The way out leads over 127.0.0.1, where the strangers stand.
OUT = f"{HEAD}lo 00000000 0100007F 0003 0 0 100 00000000 0 0 0\n"
PUBLIC = IPv4Address("81.2.69.142")


class Around(Struct):
    """What a test puts around this computer, and what was asked of it."""

    routes: str = OUT
    asked: list[Look] = field(default_factory=list)
    shown: set[str] = field(default_factory=set)

    def ask(self, observation: Observation, role: Role) -> Snapshot:
        """Carry the questions; this computer's routes are the test's, all else is really asked."""
        link = HereLink(HereSettings("home/here"))
        try:
            reads = next(observation)
            while True:
                reads = observation.send(tuple(self._one(link, read, role) for read in reads))
        except StopIteration as done:
            snapshot: Snapshot = done.value
            return snapshot

    def _one(self, link: HereLink, read: Read, role: Role) -> Reply:
        assert isinstance(read.ask, Look)
        self.asked.append(read.ask)
        self.shown.add(f"{role}.{read.id}")
        if read.ask.kind is LookKind.ROUTES:
            return Reply(read.id, 0, self.routes)
        return link.ask((read,))[0]

    def kinds(self) -> list[LookKind]:
        return [look.kind for look in self.asked]


def always(*said: bytes | float) -> Callable[[bytes], Said]:
    return lambda _: said


class OpenChanges(Struct, frozen=True):
    """A gateway on loopback."""

    http: TcpStranger
    ssdp: UdpStranger
    pmp: UdpStranger

    def driver(self, router: IPv4Address | None = None) -> GatewayDriver:
        return GatewayDriver(router, self.ssdp.place, self.pmp.place[1], 1.0, 0.4)


def box(stack: ExitStack, answer: Callable[[bytes], Said], *pmp: bytes, upnp: bool = True) -> OpenChanges:
    http = stack.enter_context(TcpStranger(answer))
    said = [search_answer(http.url("/rootDesc.xml"))] if upnp else []
    return OpenChanges(
        http, stack.enter_context(UdpStranger(always(*said))), stack.enter_context(UdpStranger(always(*pmp)))
    )


def test_a_whole_gateway_is_a_router_of_which_the_rest_is_unknown() -> None:
    around = Around()
    with ExitStack() as stack:
        there = box(stack, gateway(), ANSWER)
        seen = around.ask(there.driver(HOME).observe(), Role.ROUTER)
    assert seen.text("wan.address") == str(PUBLIC)
    assert seen.text("lan.address") == str(HOME)
    assert [(e.values.external_port.single, e.label) for e in seen.held(UpnpMapping)][2] == (
        32500,
        "plexops:plex-remote",
    )
    assert seen.state(Kind.UPNP_MAPPING) is KindState.PRESENT
    for kind in (Kind.PORT_FORWARD, Kind.DHCP_RESERVATION, Kind.LEASE):
        assert seen.state(kind) is KindState.UNKNOWN
    assert seen.box is None
    assert "made by hand" in seen.reasons[Kind.PORT_FORWARD]
    facts = {fact.exhibit for fact in seen.facts.values()}
    assert facts | {entry.exhibit for entry in seen.entries} <= around.shown
    # The address is known: there is nothing left to ask by NAT-PMP.
    assert there.pmp.packets == []


@pytest.mark.parametrize(
    ("wan", "cause"),
    [
        (b"100.64.7.20", WanCause.CARRIER_NAT),
        (b"192.168.100.2", WanCause.SECOND_NAT),
        (b"192.0.0.2", WanCause.TRANSITION),
    ],
)
def test_what_it_tells_decides_whether_there_is_a_way_in(wan: bytes, cause: WanCause) -> None:
    with ExitStack() as stack:
        seen = Around().ask(box(stack, gateway(wan)).driver().observe(), Role.ROUTER)
    found = conditions.wan(_view(seen))
    assert (found.holds, found.cause) == (Holds.NO, cause)
    assert found.exhibits == ("router.igd.address.0",)


def test_what_it_tells_is_proven_by_the_world() -> None:
    with ExitStack() as stack:
        seen = Around().ask(box(stack, gateway()).driver().observe(), Role.ROUTER)
    assert conditions.wan(_view(seen)).holds is Holds.YES
    # A second thought: forwards made by hand are not seen, so nobody may say that 32400 is not forwarded.
    assert conditions.dmz(_view(seen)).holds is Holds.UNKNOWN


def _view(router: Snapshot) -> SiteView:
    echoes = tuple(
        Entry(Kind.ECHO, Echo(f"{name}.example", PUBLIC, "server"), {}, FOREIGN, name, f"outside.{name}")
        for name in ("a", "b")
    )
    outside = Snapshot(Role.OUTSIDE, {}, echoes, {Kind.ECHO: KindState.PRESENT})
    return SiteView("home", snapshots=MappingProxyType({Role.ROUTER: router, Role.OUTSIDE: outside}))


@pytest.mark.parametrize("upnp", [True, False])
def test_nat_pmp_tells_what_upnp_does_not(upnp: bool) -> None:
    around = Around()
    with ExitStack() as stack:
        there = box(stack, gateway(b""), ANSWER, upnp=upnp)
        seen = around.ask(there.driver().observe(), Role.ROUTER)
    assert seen.facts["wan.address"].value == "198.51.100.77"
    assert seen.facts["wan.address"].exhibit == "router.natpmp"
    assert "router.natpmp" in around.shown
    assert seen.state(Kind.UPNP_MAPPING) is (KindState.PRESENT if upnp else KindState.UNKNOWN)
    assert there.pmp.packets == [b"\0\0"]


def test_who_keeps_it_from_both_leaves_it_unknown_and_says_why() -> None:
    with ExitStack() as stack:
        seen = Around().ask(box(stack, gateway(b"0.0.0.0"), KEEPS).driver().observe(), Role.ROUTER)
    assert "wan.address" not in seen.facts
    says = conditions.wan(_view(seen)).says
    assert (
        "by UPnP: it says that it has no address on the internet side; by NAT-PMP: it has no address" in says
    )
    assert len(seen.held(UpnpMapping)) == 3


def test_a_table_that_was_not_read_to_its_end_is_unknown() -> None:
    def breaks(request: bytes) -> Said:
        return [b""] if b"<NewPortMappingIndex>2<" in request else gateway()(request)

    with ExitStack() as stack:
        seen = Around().ask(box(stack, breaks).driver().observe(), Role.ROUTER)
    assert seen.text("wan.address") == str(PUBLIC)
    assert seen.state(Kind.UPNP_MAPPING) is KindState.UNKNOWN
    assert "cannot be read" in seen.reasons[Kind.UPNP_MAPPING]
    # What was read is still there: an exposure is one, whatever else is in the table.
    assert len(seen.held(UpnpMapping)) == 2


def test_another_box_than_our_gateway_is_not_the_router() -> None:
    around = Around(routes=OUT.replace("0100007F", "FE01A8C0"))
    seen = around.ask(GatewayDriver(IPv4Address("192.168.1.1")).observe(), Role.ROUTER)
    assert around.kinds() == [LookKind.ROUTES]
    assert (seen.facts, seen.entries, seen.kinds) == ({}, (), {})
    assert "192.168.1.254, not the router 192.168.1.1" in conditions.wan(_view(seen)).says


def test_an_answer_of_another_box_is_passed_over() -> None:
    reply = Reply("igd.search", 0, "192.168.1.9 http://192.168.1.9:5000/x.xml\n")
    driver = GatewayDriver().observe()
    next(driver)
    driver.send((Reply("igd.routes", 0, OUT),))
    (read,) = driver.send((reply,))
    assert read.ask == Look(LookKind.NAT_PMP, str(HOME))


@pytest.mark.parametrize(
    "routes", [HEAD, "", "nonsense\nmore", f"{HEAD}eth0 0001A8C0 00000000 0001 0 0 0 00FFFFFF 0 0 0\n"]
)
def test_without_a_gateway_nobody_is_asked(routes: str) -> None:
    around = Around(routes=routes)
    seen = around.ask(GatewayDriver().observe(), Role.ROUTER)
    assert around.kinds() == [LookKind.ROUTES]
    assert "not known" in seen.reasons["wan.address"]


def test_the_rounds_are_the_longest_table_and_end_in_8_seconds() -> None:
    assert sum(count for count, _ in TABLE_ROUNDS) == MOST_MAPPINGS
    assert sum(seconds for _, seconds in TABLE_ROUNDS) == 8
    assert max(count for count, _ in TABLE_ROUNDS) <= 16, "more would wait for each other"


@pytest.mark.parametrize(
    ("line", "boxes"),
    [
        ("192.168.1.1 http://192.168.1.1/d.xml Some Box/1 UPnP/1.1\n", [("192.168.1.1", "Some Box/1 UPnP/1.1")]),
        ("192.168.1.1 http://192.168.1.1/d.xml\n192.168.1.2 http://192.168.1.2/\n",
         [("192.168.1.1", ""), ("192.168.1.2", "")]),
        ("nobody http://192.168.1.1/\n\n", []),
    ],
)  # fmt: skip
def test_who_answered_a_search(line: str, boxes: list[tuple[str, str]]) -> None:
    found = found_boxes(Reply("igd.search", 0, line))
    assert [(str(box.address), box.server) for box in found] == boxes
    assert found_boxes(Reply("igd.search", 0, line, whole=False)) == ()
    assert found_boxes(Reply("igd.search", 1, line)) == ()
    assert all(isinstance(box, Box) for box in found)


def test_what_marks_one_very_box_is_kept_nowhere() -> None:
    text = (IGD / "rootDesc_igd1_miniupnpd-2.3.1.xml").read_text(encoding="utf-8")
    marks = [*re.findall(r"<serialNumber>([^<]+)<", text), *re.findall(r"<UDN>([^<]+)<", text)]
    assert len(marks) > 3
    with TcpStranger(always(page(text.encode()))) as there:
        (reply,) = HereLink(HereSettings("home/here")).ask(
            (Read("x", Look(LookKind.IGD, there.url("/d.xml"))),)
        )
    assert "<friendlyName>" in reply.body
    assert [mark for mark in marks if mark in reply.body] == []


# The box before the router.


def titled(title: str, status: str = "200 OK", *headers: str) -> Callable[[bytes], Said]:
    return always(page(f"<html><head><title>{title}</title></head></html>".encode(), status, *headers))


def named(answer: Callable[[bytes], Said], description: str = "", *, ask: bool = True) -> Snapshot:
    with TcpStranger(answer) as web, TcpStranger(always(page(description.encode()))) as http:
        said = [search_answer(http.url("/rootDesc.xml"))] if description else []
        with UdpStranger(always(*said)) as ssdp:
            page_at = f"{HOME}:{web.port}"
            driver = UpstreamDriver(HOME, "server.hop.2", ask, ssdp.place[1], page_at)
            seen = Around().ask(driver.observe(), Role.UPSTREAM)
    assert len(web.requests) <= 1
    assert bool(web.requests) is (ask and not description)
    assert all(request.startswith(b"GET / HTTP/1.1\r\n") for request in web.requests)
    assert seen.facts["upstream.address"].exhibit == "server.hop.2"
    return seen


@pytest.mark.parametrize(
    ("answer", "title"),
    [
        (titled("FRITZ!Box 7590"), "FRITZ!Box 7590"),
        (titled("Speed\x1b[31mport\n 4"), "Speed [31mport 4"),
        (titled("x" * 150), "x" * 59 + "…"),
        # These pages are not the box's own: their title is no name.
        (titled("301 Moved", "301 Moved", "Location: http://203.0.113.9/"), None),
        (titled("401 Unauthorized", "401 Unauthorized"), None),
        (titled(""), None),
        (always(b""), None),
        (always(page(b"x" * 200_000)), None),
    ],
)
def test_a_page_names_the_box(answer: Callable[[bytes], Said], title: str | None) -> None:
    assert named(answer).text("upstream.title") == title


def test_what_it_says_by_upnp_comes_first() -> None:
    text = (IGD / "rootDesc_igd1_miniupnpd-2.3.1.xml").read_text(encoding="utf-8")
    seen = named(
        titled("a page"), text.replace("<friendlyName>Debian router", "<friendlyName>Hall\u202e box", 1)
    )
    assert seen.facts["upstream.title"].value == "Hall box Debian router"
    assert seen.facts["upstream.title"].exhibit == "upstream.igd.description"


def test_who_is_not_to_be_asked_is_not() -> None:
    seen = named(titled("the ISP's"), ask=False)
    assert (seen.text("upstream.address"), seen.text("upstream.title")) == (str(HOME), None)


@pytest.mark.parametrize("address", ["100.64.0.1", "203.0.113.9", "evil.example"])
def test_a_page_outside_the_home_is_never_opened(address: str) -> None:
    (reply,) = HereLink(HereSettings("home/here")).ask((Read("x", Look(LookKind.TITLE, address)),))
    assert (reply.status, reply.body) == (1, "")
    assert "not in a home" in reply.stderr
