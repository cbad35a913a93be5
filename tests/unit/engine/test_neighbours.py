"""Whom a diagnosis asks besides: only a router that said nothing itself, and a box before it that is the household's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from plexops.config.secrets import Secrets
from plexops.engine.look.access import Access, LiveLinks, ReplayedLinks
from plexops.engine.look.asking import Answered
from plexops.engine.look.neighbours import Neighbours
from plexops.model.errors import Place, Problem
from plexops.model.exchange import Look, LookKind, Read, Reply
from plexops.model.site import ServerDevice, Site
from plexops.model.snapshot import Fact, FactValue, Role, Snapshot
from plexops.transport.record import RecordingLink, new_recording
from plexops.transport.trust.store import TrustStore

ROUTES = (
    "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"
    "eth0 00000000 0101A8C0 0003 0 0 0 00000000 0 0 0\n"
)
SILENT: Mapping[LookKind, str] = {LookKind.ROUTES: ROUTES}
TELLS: Mapping[LookKind, str] = {**SILENT, LookKind.NAT_PMP: "100.64.7.20"}
BEFORE = "192.168.178.1"


class Spoken:
    """What this computer finds out, as a person wrote it down; what is not there was not found."""

    identity = ""

    def __init__(self, found: Mapping[LookKind, str]) -> None:
        self._found = found

    def ask(self, reads: Sequence[Read]) -> tuple[Reply, ...]:
        return tuple(self._one(read) for read in reads)

    def _one(self, read: Read) -> Reply:
        assert isinstance(read.ask, Look)
        text = self._found.get(read.ask.kind)
        return Reply(read.id, 1, "", "nobody") if text is None else Reply(read.id, 0, text)

    def close(self) -> None:
        """Nothing is open."""


def neighbours(folder: Path, found: Mapping[LookKind, str] | None, *looks: Look) -> Neighbours:
    """Give a home that was recorded with `looks` answered so; None: recorded elsewhere than in the home."""
    new_recording(folder / "kept")
    if found is not None:
        link = RecordingLink(Spoken(found), folder / "kept", "home/here")
        for look in looks:
            link.ask((Read("x", look),))
    # In nobody's network: no computer that runs this stands in the home.
    server = ServerDevice(IPv4Address("203.0.113.50"))
    site = Site("home", Place("i.yaml", 1, 1), server=server)
    access = Access(site, Secrets({}, None), TrustStore.load(folder), ())
    return Neighbours(access, ReplayedLinks(folder / "kept"))


GATEWAY_LOOKS = (
    Look(LookKind.ROUTES, "ipv4"),
    Look(LookKind.SSDP, "239.255.255.250:1900", "192.168.1.1"),
    Look(LookKind.NAT_PMP, "192.168.1.1"),
)
BEFORE_LOOKS = (Look(LookKind.SSDP, f"{BEFORE}:1900"), Look(LookKind.TITLE, BEFORE))


def part(role: Role, **facts: FactValue) -> Answered:
    """Give what a stop said."""
    known = {name.replace("__", "."): value for name, value in facts.items()}
    return Answered(Snapshot(role, {name: Fact(name, value, f"{role}.x") for name, value in known.items()}))


def soon(answered: Answered) -> Future[Answered]:
    future: Future[Answered] = Future()
    future.set_result(answered)
    return future


REFUSED = (Problem("PLX-D103", "it did not answer"),)
SERVER = part(Role.SERVER, host__gateway="192.168.1.1")


def test_a_router_that_was_not_asked_is_heard(tmp_path: Path) -> None:
    heard = neighbours(tmp_path, TELLS, *GATEWAY_LOOKS).router(Answered(), soon(SERVER))
    assert heard.snapshot is not None
    assert heard.snapshot.text("wan.address") == "100.64.7.20"
    assert "router.natpmp" in {exhibit.id for exhibit in heard.exhibits}


def test_one_that_did_not_let_us_in_is_heard_and_its_problem_stays(tmp_path: Path) -> None:
    refused = Answered(problems=REFUSED)
    heard = neighbours(tmp_path, TELLS, *GATEWAY_LOOKS).router(refused, soon(SERVER))
    assert heard.snapshot is not None
    assert heard.problems == refused.problems


def test_one_that_did_not_let_us_in_and_tells_nothing_did_not_answer(tmp_path: Path) -> None:
    refused = Answered(problems=REFUSED)
    heard = neighbours(tmp_path, SILENT, *GATEWAY_LOOKS).router(refused, soon(SERVER))
    assert heard == refused


def test_one_that_was_never_asked_and_tells_nothing_says_why(tmp_path: Path) -> None:
    heard = neighbours(tmp_path, SILENT, *GATEWAY_LOOKS).router(Answered(), soon(SERVER))
    assert heard.snapshot is not None
    assert "by NAT-PMP: nobody" in heard.snapshot.reasons["wan.address"]


def test_one_that_answered_is_not_asked(tmp_path: Path) -> None:
    answered = part(Role.ROUTER, wan__address="81.2.69.142")
    assert neighbours(tmp_path, TELLS, *GATEWAY_LOOKS).router(answered, soon(SERVER)) is answered


def test_the_gateway_of_this_computer_alone_is_not_the_servers(tmp_path: Path) -> None:
    other = part(Role.SERVER, host__gateway="192.168.1.254")
    heard = neighbours(tmp_path, TELLS, *GATEWAY_LOOKS).router(Answered(), soon(other))
    assert heard.snapshot is None


def test_a_recording_from_elsewhere_says_nothing(tmp_path: Path) -> None:
    heard = neighbours(tmp_path, None).router(Answered(), soon(SERVER))
    assert heard.snapshot is None


def test_a_computer_elsewhere_asks_nobody(tmp_path: Path) -> None:
    here = neighbours(tmp_path, None)
    assert Neighbours(here.access, LiveLinks()).router(Answered(), soon(SERVER)).snapshot is None


@pytest.mark.parametrize(
    ("router", "hops", "address", "title"),
    [
        # A private address on the internet side: the next box is at home.
        ({"wan__address": "192.168.178.2"}, (BEFORE, "-"), BEFORE, "Box"),
        ({"wan__address": "10.0.0.2"}, ("192.168.178.1", "-"), BEFORE, "Box"),
        # The router's own word counts before the server's hops.
        ({"wan__address": "192.168.178.2", "upstream__address": BEFORE}, ("10.9.9.9", "-"), BEFORE, "Box"),
        # Nobody told the address: only what boxes at home have is asked.
        ({}, (BEFORE, "-"), BEFORE, "Box"),
        ({}, ("10.20.0.1", "-"), "10.20.0.1", None),
        # Carrier NAT: that box is the ISP's.
        ({"wan__address": "100.64.7.20"}, ("100.64.0.1", "-"), "100.64.0.1", None),
        # A public address: what comes next is the ISP's, whatever it is numbered from.
        ({"wan__address": "81.2.69.142"}, ("10.20.0.1", "-"), None, None),
        ({"wan__address": "81.2.69.142", "upstream__address": BEFORE}, ("-", "-"), None, None),
        ({"wan__address": "192.168.178.2"}, ("62.155.240.1", "-"), None, None),
        ({"wan__address": "192.168.178.2"}, ("-", "-"), None, None),
        ({"wan__address": "192.168.178.2"}, (), None, None),
    ],
)
def test_the_box_before_the_router(
    router: dict[str, FactValue],
    hops: tuple[str, ...],
    address: str | None,
    title: str | None,
    tmp_path: Path,
) -> None:
    asks = neighbours(tmp_path, {LookKind.TITLE: "Box"}, *BEFORE_LOOKS)
    server = part(Role.SERVER, host__hops=hops)
    found = asks.upstream(part(Role.ROUTER, **router), server).snapshot
    assert (None if found is None else found.text("upstream.address")) == address
    assert (None if found is None else found.text("upstream.title")) == title


def test_a_box_that_could_not_be_asked_still_has_its_address(tmp_path: Path) -> None:
    router = part(Role.ROUTER, wan__address="192.168.178.2", upstream__address=BEFORE)
    found = neighbours(tmp_path, None).upstream(router, SERVER).snapshot
    assert found is not None
    assert (found.text("upstream.address"), found.text("upstream.title")) == (BEFORE, None)
    assert found.facts["upstream.address"].exhibit == "router.x"
