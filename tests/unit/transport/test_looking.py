"""What this computer finds out by itself, asked as a device is asked: answered, refused, recorded and replayed."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from plexops.drivers.around.outside import OwnViewDriver, Saw
from plexops.languages import LANGUAGES
from plexops.model.exchange import Command, Look, LookKind, Read
from plexops.transport.around.local_queries import HereLink
from plexops.transport.here import HereSettings
from plexops.transport.link import only_reads
from plexops.transport.record import RecordingLink, new_recording
from plexops.transport.replay import ReplayLink
from tests.unit.transport.strangers import TcpStranger, UdpStranger
from tests.unit.transport.test_stun import response

SEEN = IPv4Address("198.51.100.77")
PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n198.51.100.77"


def here() -> HereLink:
    return HereLink(HereSettings("home/here"))


def test_everybody_is_asked_and_each_answer_stays_with_its_question() -> None:
    with (
        TcpStranger(lambda _: [PAGE]) as page,
        TcpStranger(lambda _: [b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"]) as broken,
        UdpStranger(lambda data: [response(data)]) as packet,
    ):
        name, port = packet.place
        driver = OwnViewDriver((broken.url(), page.url("/ip")), (f"{name}:{port}",), 2.0)
        said = driver.understand(here().ask(driver.reads()))
        assert said == (
            Saw(f"127.0.0.1:{broken.port}", broken.url(), None, "status 503"),
            Saw(f"127.0.0.1:{page.port}", page.url("/ip"), SEEN),
            Saw(f"stun:{name}", f"stun:{name}:{port}", SEEN),
        )


def test_nobody_to_ask_is_no_error() -> None:
    assert here().ask(()) == ()


def test_only_looks_pass_here_and_no_look_passes_elsewhere() -> None:
    with pytest.raises(TypeError, match="only looks around"):
        here().ask((Read("x", Command("hostname")),))
    look = Read("x", Look(LookKind.ECHO, "http://127.0.0.1:1/"))
    for language in LANGUAGES:
        with pytest.raises(ValueError, match="only this computer"):
            only_reads((look,), language)


def test_what_was_seen_is_replayed_without_anybody_there(tmp_path: Path) -> None:
    new_recording(tmp_path / "recording")
    with TcpStranger(lambda _: [PAGE]) as page:
        driver = OwnViewDriver((page.url(),), (), 2.0)
        live = RecordingLink(here(), tmp_path / "recording", "home/here").ask(driver.reads())
    again = ReplayLink(tmp_path / "recording", "home/here").ask(driver.reads())
    assert again == live
    assert [said.address for said in driver.understand(again)] == [SEEN]
