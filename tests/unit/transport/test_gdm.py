"""GDM and /identity: which Plex servers answer, and which answers are none."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from plexops.model.values import Endpoint
from plexops.parsers.plex_identity import PlexIdentity, parse_identity
from plexops.transport.around.gdm import Announced, find_servers, read_answer
from plexops.transport.around.identity import visit
from tests.unit.transport.strangers import HOME, TcpStranger, UdpStranger, page
from tests.unit.transport.test_echo import lab_https

#: As Plex Media Server answers: python-plexapi's documentation of GDM shows these fields.
ANSWER = (
    "HTTP/1.0 200 OK\r\nContent-Type: plex/media-server\r\nHost: 0123.plex.direct\r\nName: mediabox\r\n"
    "Port: 32400\r\nResource-Identifier: 4f8a1c0de5b64fd2\r\nUpdated-At: 1466340239\r\nVersion: 1.43.0\r\n\r\n"
)
IDENTITY = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b'<MediaContainer size="0" claimed="1" machineIdentifier="4f8a1c0de5b64fd2" version="1.43.0.10467-2b1ba6e69">\n'
    b"</MediaContainer>\n"
)


def test_an_answer_is_read() -> None:
    expected = Announced(IPv4Address("192.168.1.50"), 32400, "4f8a1c0de5b64fd2", "mediabox")
    assert read_answer(ANSWER, "192.168.1.50") == expected


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("plex/media-server", "plex/media-player"),
        ("200 OK", "404 Not Found"),
        ("Port: 32400", "Port: 0"),
        ("Port: 32400", "Port: 99999"),
        ("Port: 32400", "Port: 32400@evil"),
        ("Port: 32400\r\n", ""),
    ],
)
def test_what_is_no_server_is_none(old: str, new: str) -> None:
    assert read_answer(ANSWER.replace(old, new), "192.168.1.50") is None


def test_names_are_cut_and_odd_identifiers_dropped() -> None:
    odd = read_answer(
        ANSWER.replace("mediabox", "m" * 500).replace("4f8a1c0de5b64fd2", "<x>"), "192.168.1.50"
    )
    assert odd is not None
    assert (odd.identifier, odd.name) == ("", "m" * 80)


def test_a_search_finds_each_server_once() -> None:
    with UdpStranger(lambda _: [ANSWER.encode(), ANSWER.encode(), b"\x00\xff"]) as plex:
        found = find_servers(HOME, seconds=0.4, group=plex.place)
    assert found == (Announced(HOME, 32400, "4f8a1c0de5b64fd2", "mediabox"),)
    assert set(plex.packets) == {b"M-SEARCH * HTTP/1.1\r\n\r\n"}


def test_an_identity_is_read() -> None:
    assert parse_identity(IDENTITY.decode()) == PlexIdentity(
        "4f8a1c0de5b64fd2", "1.43.0.10467-2b1ba6e69", True
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>machineIdentifier</html>",
        '<MediaContainer machineIdentifier="">',
        '<MediaContainer machineIdentifier="a b">',
        '<MediaContainer machineIdentifier="' + "a" * 65 + '">',
        'machineIdentifier="4f8a"',
        "<MediaContainer " + "x" * 3000 + ' machineIdentifier="4f8a">',
    ],
)
def test_what_is_no_identity_is_none(text: str) -> None:
    assert parse_identity(text) is None


def test_a_visit_over_http() -> None:
    with TcpStranger(lambda _: [page(IDENTITY)]) as plex:
        seen = visit(Endpoint("127.0.0.1", plex.port), seconds=2)
    assert (seen.outcome, seen.secure, seen.address) == (None, False, "127.0.0.1")
    assert parse_identity(seen.text) is not None
    assert plex.requests[0].startswith(b"GET /identity HTTP/1.1\r\n")


def test_https_is_tried_where_http_is_not_understood(tmp_path: Path) -> None:
    with lab_https(tmp_path) as port:
        seen = visit(Endpoint("127.0.0.1", port), seconds=5)
    assert (seen.outcome, seen.secure, seen.text) == (None, True, "81.2.69.142")


def test_somebody_who_listens_and_says_nothing_was_reached() -> None:
    with TcpStranger(lambda _: [0.5]) as silent:
        seen = visit(Endpoint("127.0.0.1", silent.port), seconds=0.2)
    assert (seen.outcome, seen.text) == (None, "")


def test_nobody_there() -> None:
    with TcpStranger(lambda _: []) as gone:
        port = gone.port
    assert visit(Endpoint("127.0.0.1", port), seconds=1).outcome == "refused"
    assert visit(Endpoint("nobody.invalid", port), seconds=1).address == ""
