"""SSDP: a gateway is found by what was recorded; whoever leads elsewhere is passed over."""

from __future__ import annotations

import time
from ipaddress import IPv4Address

import pytest

from plexops.transport.around.ssdp import Gateway, find_gateways, read_answer
from tests.unit.transport.strangers import HOME, IGD, UdpStranger, search_answer

RECORDED = (IGD / "ssdp_response_igd1.txt").read_text(encoding="ascii")
SOFTWARE = "Debian/6.18.44-fc-v657 UPnP/1.1 MiniUPnPd/2.3.1"
LOCATION = "http://192.168.1.1:5000/rootDesc.xml"


def test_the_recorded_answer_is_read() -> None:
    assert read_answer(RECORDED, "192.168.1.1") == Gateway(IPv4Address("192.168.1.1"), LOCATION, SOFTWARE)


def test_another_service_of_the_same_box_is_no_gateway() -> None:
    assert read_answer((IGD / "ssdp_response_wanip1.txt").read_text(encoding="ascii"), "192.168.1.1") is None


@pytest.mark.parametrize(
    "location",
    [
        "http://192.168.1.66:5000/rootDesc.xml",
        "http://203.0.113.9/rootDesc.xml",
        "http://evil.example/rootDesc.xml",
        "http://192.168.1.1.evil.example/rootDesc.xml",
        "http://192.168.1.1@203.0.113.9/rootDesc.xml",
        "http://192.168.1.1:5000@203.0.113.9/",
        "https://192.168.1.1:5000/rootDesc.xml",
        "http://192.168.1.1:0/rootDesc.xml",
        "http://192.168.1.1:70000/rootDesc.xml",
        "http://192.168.1.1:5000/root Desc.xml",
        "file:///etc/passwd",
        "http://[fe80::1]/rootDesc.xml",
        "",
    ],
)
def test_a_description_that_lies_elsewhere_is_not_followed(location: str) -> None:
    assert read_answer(RECORDED.replace(LOCATION, location), "192.168.1.1") is None


def test_a_description_at_somebody_elses_address_is_not_followed() -> None:
    assert read_answer(RECORDED, "192.168.1.66") is None
    assert read_answer(RECORDED.replace("192.168.1.1", "81.2.69.142"), "81.2.69.142") is None


@pytest.mark.parametrize("status", ["HTTP/1.1 404 Not Found", "NOTIFY * HTTP/1.1", ""])
def test_what_is_no_answer_is_none(status: str) -> None:
    assert read_answer(RECORDED.replace("HTTP/1.1 200 OK", status), "192.168.1.1") is None


def test_a_search_asks_for_both_generations_and_finds_one_box() -> None:
    location = "http://127.0.0.1:5000/rootDesc.xml"
    with UdpStranger(lambda _: [search_answer(location)]) as box:
        found = find_gateways(HOME, seconds=0.4, group=box.place)
    assert found == (Gateway(HOME, location, SOFTWARE),)
    first = box.packets[0].decode("ascii")
    assert first.startswith("M-SEARCH * HTTP/1.1\r\n")
    assert first.endswith("\r\n\r\n")
    wanted = {
        line for packet in box.packets for line in packet.decode().split("\r\n") if line.startswith("ST:")
    }
    kind = "ST: urn:schemas-upnp-org:device:InternetGatewayDevice"
    assert wanted == {f"{kind}:1", f"{kind}:2"}


def test_floods_and_rubbish_end_in_time() -> None:
    rubbish = [
        b"\xff" * 4000,
        b"",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 300,
        *([b"HTTP/1.1 200 OK\r\n\r\n"] * 500),
    ]
    with UdpStranger(lambda _: rubbish) as box:
        assert find_gateways(HOME, seconds=1.0, group=box.place) == ()


def test_a_search_never_takes_longer_than_two_seconds() -> None:
    begin = time.monotonic()
    with UdpStranger(lambda _: []) as box:
        assert find_gateways(HOME, seconds=60, group=box.place) == ()
    assert time.monotonic() - begin < 30


def test_from_an_address_that_is_not_ours_nothing_is_sent() -> None:
    with UdpStranger(lambda _: [search_answer("http://127.0.0.1:5000/rootDesc.xml")]) as box:
        assert find_gateways(IPv4Address("192.0.2.1"), seconds=0.3, group=box.place) == ()
    assert box.packets == []
