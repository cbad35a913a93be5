"""What boxes tell anybody in a real home: a router without a login by UPnP and NAT-PMP, and the box before it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from msgspec import Struct

from . import links
from .diagnosed import AUTOMATIC, ON_AIR, exports, leaks, seed_by_hand
from .links import Wan
from .owner import mark, plexops, requests_since
from .realhome import HERE, RealHome, real_home, why_not
from .test_plexops_first_look import looked
from .troubles import forget_upnp

pytestmark = [
    pytest.mark.namespaces,
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "can run here"),
    pytest.mark.timeout(180),
]

IGD_PORT = f"{links.LAN_ROUTER}:5000"
BEFORE = links.UPLINKS["double"].gateway
#: Every question that this computer may put to its neighbours, read by a person, whole.
QUESTIONS = re.compile(
    r"udp 239\.255\.255\.250:1900 M-SEARCH \* HTTP/1\.1"
    rf"|udp {re.escape(links.LAN_ROUTER)}:1900 M-SEARCH \* HTTP/1\.1"
    rf"|udp {re.escape(links.LAN_ROUTER)}:5351 0000"
    rf"|tcp {re.escape(IGD_PORT)} GET /rootDesc\.xml HTTP/1\.1"
    rf"|tcp {re.escape(IGD_PORT)} POST /ctl/IPConn HTTP/1\.1 (?:GetExternalIPAddress|GetGenericPortMappingEntry)"
    rf"|udp {re.escape(BEFORE)}:1900 M-SEARCH \* HTTP/1\.1"
    rf"|tcp {re.escape(BEFORE)}:80 GET / HTTP/1\.1"
)
#: And what every diagnosis asks: the echoes, and Plex.
OTHERS = re.compile(r"tcp (?:11\.22\.44\.[56]:80 GET /ip|192\.168\.1\.50:32400 GET /[\w/:.-]*) HTTP/1\.1")

#: A box that shows its name on a page, with what would act on a terminal.
PAGE = """
import socket, sys
body = b"<html><head><title>Speedport\\x1b[31m 4</title></head></html>"
head = b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\nConnection: close\\r\\n\\r\\n" % len(body)
with socket.create_server((sys.argv[1], 80)) as server:
    print("ready", flush=True)
    while True:
        stream, _ = server.accept()
        with stream:
            stream.recv(4096)
            stream.sendall(head + body)
"""


class Diagnosed(Struct, frozen=True):
    """What one diagnosis said, and what left the owner's PC meanwhile."""

    status: int
    site: Any
    questions: list[str]

    @property
    def sources(self) -> list[str]:
        return [exhibit["source"] for exhibit in self.site["exhibits"]]

    def hop(self, stop: str) -> Any:
        return next(hop for hop in self.site["hops"] if hop["stop"] == stop)

    @property
    def seen(self) -> set[str]:
        verdict = self.site["verdict"]
        return {verdict["id"], *(one["id"] for one in verdict["also"])}


def without_login(home: RealHome) -> None:
    """Take the router out of the inventory."""
    text = home.inventory.read_text()
    begin, end = text.index("    router:"), text.index("    server:")
    home.inventory.write_text(text[:begin] + text[end:])


@contextmanager
def tapped(home: RealHome) -> Iterator[list[str]]:
    """Give the questions that leave the owner's PC, once this is over."""
    file = home.directory / "questions"
    file.unlink(missing_ok=True)
    home.start_program("ctl", [sys.executable, "-I", str(HERE / "wiretap.py"), "eth0", str(file)])
    asked: list[str] = []
    yield asked
    asked += file.read_text().splitlines()


def diagnose(home: RealHome, *words: str) -> Diagnosed:
    """Diagnose with everything watched: nothing but reads leaves, and nothing is another afterwards."""
    before, marked = exports(home), mark(home)
    with tapped(home) as asked:
        done = plexops(home, "diagnose", "--format", "json", *words)
    after = exports(home)
    assert [name for name in before if before[name] != after[name]] == []
    assert [text for text in asked if not (QUESTIONS.fullmatch(text) or OTHERS.fullmatch(text))] == []
    if "    router:" not in home.inventory.read_text():
        assert requests_since(home, marked)["router"] == [], "nobody logs in there"
    kept = [path for path in (home.directory / "owner" / "state").rglob("*") if path.is_file()]
    assert kept
    assert leaks(home, done, kept) == []
    site = json.loads(done.stdout)["sites"][0]
    assert site["errors"] == [], done.stderr
    return Diagnosed(done.returncode, site, [text for text in asked if QUESTIONS.fullmatch(text)])


def replayed(home: RealHome, folder: str) -> Any:
    done = plexops(home, "diagnose", "--format", "json", "--replay", folder)
    return json.loads(done.stdout)["sites"][0]


@contextmanager
def unlogged(wan: Wan = "plain") -> Iterator[RealHome]:
    """Make a home whose Plex asks UPnP for its port, and whose router nobody may log in to."""
    with real_home(wan, lease="reserved", plex_settings=AUTOMATIC) as home:
        seed_by_hand(home, igd=True)
        without_login(home)
        yield home


def test_a_router_without_a_login_says_by_upnp_what_the_verdict_needs() -> None:
    with unlogged() as home:
        told = diagnose(home, "--record", "kept")
        assert (told.site["verdict"]["id"], told.status) == ("in-order", 0)
        assert {"igd address", "igd mapping"} <= {source[:11] for source in told.sources}
        assert told.hop("isp")["detail"].startswith("WAN address = public address")
        assert told.hop("router")["word"] == "not asked"
        assert any(text.endswith(" GetGenericPortMappingEntry") for text in told.questions)
        # It told its address: nothing is left to ask.
        assert not any(":5351 " in text for text in told.questions)
        again = replayed(home, "kept")
        assert again["verdict"] == told.site["verdict"]
        assert again["hops"] == told.site["hops"]


def test_what_needs_the_forwards_is_never_claimed() -> None:
    with unlogged() as home:
        forget_upnp(home)
        told = diagnose(home)
        assert told.seen & {"no-forward", "upnp-stale", "mapping-failed", "port-mismatch"} == set()


def test_32400_that_upnp_opened_is_seen() -> None:
    with unlogged() as home:
        words = [
            "upnpc",
            "-u",
            f"http://{IGD_PORT}/rootDesc.xml",
            "-a",
            "192.168.1.50",
            "32400",
            "32400",
            "TCP",
        ]
        assert "is redirected" in home.exec("server", words).stdout
        told = diagnose(home)
        assert "exposed-32400" in told.seen


def test_nat_pmp_tells_the_address_where_upnp_is_off() -> None:
    with unlogged() as home:
        home.nodes["router"].sh("sed -i s/^enable_upnp=.*/enable_upnp=no/ /etc/miniupnpd/miniupnpd.conf")
        forget_upnp(home)
        told = diagnose(home, "--record", "kept")
        assert told.hop("isp")["detail"].startswith("WAN address = public address")
        assert f"nat-pmp {links.LAN_ROUTER}, from this computer" in told.sources
        assert f"udp {links.LAN_ROUTER}:5351 0000" in told.questions
        assert not any(text.startswith("tcp ") for text in told.questions)
        assert replayed(home, "kept")["hops"] == told.site["hops"]
        quick = looked(home)
        (box,) = quick["gateways"]
        assert (box["address"], box["wan_address"], box["wan_address_by"]) == (
            links.LAN_ROUTER,
            home.public_address,
            "NAT-PMP",
        )


@pytest.mark.parametrize("wan", ["cgnat", "double"])
def test_a_router_that_keeps_its_address_to_itself_proves_nothing(wan: Wan) -> None:
    with unlogged(wan) as home:
        told = diagnose(home)
        says = told.hop("isp")["detail"]
        assert "by UPnP: it says that it has no address" in says
        assert "by NAT-PMP: it has no address on the internet side, or keeps it to itself (result 3)" in says
        assert told.seen & {"carrier-nat", "double-nat", "wan-differs", "in-order"} == set()
        assert told.site["safe_stop"] is None


def test_a_router_that_told_a_login_is_not_asked_by_upnp() -> None:
    with real_home(lease="reserved", plex_settings=ON_AIR) as home:
        seed_by_hand(home)
        told = diagnose(home)
        assert (told.site["verdict"]["id"], told.questions) == ("in-order", [])


def test_the_box_before_the_router_has_a_name() -> None:
    with real_home("double", lease="reserved", plex_settings=ON_AIR) as home:
        seed_by_hand(home)
        home.start_program("isp", [sys.executable, "-I", "-c", PAGE, BEFORE])
        told = diagnose(home, "--record", "kept")
        verdict = told.site["verdict"]
        first = verdict["candidates"][0]
        assert (first["causes"], told.status) == (["double-nat"], 3)
        because = first["says"]
        assert because.endswith(f"stands between the router and the internet: Speedport [31m 4 at {BEFORE}")
        assert told.hop("isp")["detail"].endswith(f"before the router: Speedport [31m 4 at {BEFORE}")
        assert set(told.questions) == {
            f"udp {BEFORE}:1900 M-SEARCH * HTTP/1.1",
            f"tcp {BEFORE}:80 GET / HTTP/1.1",
        }
        assert replayed(home, "kept")["verdict"]["candidates"][0]["says"] == because


def test_a_silent_box_before_the_router_still_has_its_address() -> None:
    with real_home("double", lease="reserved", plex_settings=ON_AIR) as home:
        seed_by_hand(home)
        because = diagnose(home).site["verdict"]["candidates"][0]["says"]
        assert because.endswith(f"the internet: {BEFORE}")


def test_the_isps_own_router_is_never_asked() -> None:
    wans: tuple[Wan, ...] = ("plain", "cgnat")
    for wan in wans:
        with real_home(wan, lease="reserved", plex_settings=ON_AIR) as home:
            seed_by_hand(home)
            assert diagnose(home).questions == []


def test_the_tap_hears_what_is_asked() -> None:
    """A tap that hears nothing would let everything pass."""
    with real_home() as home:
        with tapped(home) as asked:
            home.exec("ctl", ["upnpc", "-u", f"http://{IGD_PORT}/rootDesc.xml", "-s"])
        assert any("GetExternalIPAddress" in text for text in asked)
        assert any(not QUESTIONS.fullmatch(text) for text in asked)
