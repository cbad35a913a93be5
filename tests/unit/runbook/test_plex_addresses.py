"""What Plex prefers, announces and lets in, against the home: only what is known to contradict it is a cause."""

from __future__ import annotations

import pytest

from plexops.model.entries import LogEvent, LogWord
from plexops.model.resources.plex_remote_access import RemoteAccess
from plexops.model.snapshot import FOREIGN, Entry, FactValue, Kind, KindState
from plexops.runbook.causes.cause import StopName
from plexops.runbook.causes.outside import double_nat, other_way_out
from plexops.runbook.causes.plex import announces_other_address, no_login, prefers_other_interface
from plexops.runbook.observations import PlexTv
from plexops.runbook.situation import Situation
from plexops.runbook.stops import State
from plexops.runbook.verdict import judge
from plexops.runbook.view import SiteView
from tests.unit.runbook.sound_case import (
    OUTSIDE,
    PLEX_ROLE,
    PUBLIC,
    ROUTER,
    SERVER,
    echo,
    entry,
    forward,
    sound_view,
    with_entries,
    with_facts,
    with_state,
    without,
)

#: On the host itself, with a forward of the port that it announces.
MANUAL = RemoteAccess(enabled=True, manual=True, manual_port=32500, last_automatic_port=0)


def home(**plex: FactValue) -> SiteView:
    view = without(sound_view(), Kind.PLEX_REMOTE_ACCESS, PLEX_ROLE)
    view = with_entries(view, entry(Kind.PLEX_REMOTE_ACCESS, MANUAL, handle="prefs"), role=PLEX_ROLE)
    view = with_entries(view, entry(Kind.PORT_FORWARD, forward(), handle="plex"))
    return with_facts(with_facts(view, SERVER, container__engine=""), PLEX_ROLE, **plex)


@pytest.mark.parametrize(
    ("name", "address", "words"),
    [
        ("", None, ""),
        ("eth0", None, ""),
        ("eth0", "192.168.1.50", ""),
        ("eth1", "", "does not have it"),
        ("tun0", "10.8.0.2", "tun0 (10.8.0.2)"),
        ("eth0", "fd00::1", ""),
    ],
)
def test_the_interface_that_plex_prefers(name: str, address: str | None, words: str) -> None:
    found = prefers_other_interface(
        Situation(
            home(plex__interface=name, **({} if address is None else {"plex__interface_address": address}))
        )
    )
    assert (found is not None) is bool(words)
    if found is not None:
        assert words in found.says
        assert found.exhibits


@pytest.mark.parametrize(
    ("address", "seen"),
    [("192.168.1.50", False), ("192.168.1.83", True), ("", False), ("fd00::50", False)],
)
def test_the_address_that_plex_announces(address: str, seen: bool) -> None:
    assert (announces_other_address(Situation(home(plex__private_address=address))) is not None) is seen


@pytest.mark.parametrize(
    ("server", "seen"),
    [
        ({"container__engine": ""}, True),
        ({"container__engine": "docker", "container__network": "host"}, True),
        # There Plex has an address of its own, and says it.
        ({"container__engine": "docker", "container__network": "bridge"}, False),
        ({"container__engine": "docker", "container__network": "macvlan"}, False),
        ({"container__engine": "docker"}, False),
        ({"container__engine": None}, False),
        ({"container__engine": "", "host__addresses": None}, False),
    ],
)
def test_a_container_has_addresses_of_its_own(server: dict[str, FactValue | None], seen: bool) -> None:
    view = with_facts(home(plex__private_address="172.18.0.19"), SERVER, **server)
    assert (announces_other_address(Situation(view)) is not None) is seen
    view = with_facts(
        home(plex__interface="eth0", plex__interface_address="172.18.0.19"),
        SERVER,
        host__addresses=("192.168.1.50",),
        **{name: value for name, value in server.items() if name != "host__addresses"},
    )
    shares = seen or server.get("host__addresses", "") is None
    assert (prefers_other_interface(Situation(view)) is not None) is shares


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", ""),
        ("192.168.1.0/24", ""),
        ("192.168.1.0/255.255.255.0,10.0.0.0/8; 172.16.0.0/12", ""),
        ("100.64.0.0/10", ""),
        ("fd00::/8 fe80::/10", ""),
        ("203.0.113.7", ""),
        ("nonsense, 999.1.1.1/8", ""),
        ("192.168.1.0/24,0.0.0.0/0", "0.0.0.0/0"),
        ("0.0.0.0/0.0.0.0", "0.0.0.0/0.0.0.0"),
        ("8.8.8.0/24", "8.8.8.0/24"),
        ("192.0.0.0/8", "192.0.0.0/8"),
        ("::/0", "::/0"),
        ("2001:4860::/32", "2001:4860::/32"),
    ],
)
def test_who_needs_no_login(text: str, named: str) -> None:
    found = no_login(Situation(home(plex__allowed_networks=text)))
    assert ("" if found is None else found.says.split(" from ")[1].split(": ")[0]) == named


# --- two ways out, and a second NAT by the log -------------------------------------------------------


def two_ways(*echoes: str, **server: FactValue) -> Situation:
    view = with_facts(home(plex__mapping_state="mapped", plex__public_address=""), SERVER, **server)
    view = with_facts(view, ROUTER, wan__ways=("0 wan", "0 lte"), wan__interface="wan")
    seen = [echo(text, f"echo{number}.example") for number, text in enumerate(echoes)]
    return Situation(with_entries(without(view, Kind.ECHO, OUTSIDE), *seen, role=OUTSIDE))


@pytest.mark.parametrize(
    ("echoes", "server", "seen"),
    [
        (("198.51.100.9", "198.51.100.9"), {}, True),
        (("198.51.100.9",), {"host__egress": "eth0"}, True),
        ((), {}, False),
        ((str(PUBLIC),), {}, False),
        # Which of them is ours is not known.
        (("198.51.100.9", str(PUBLIC)), {}, False),
        (("198.51.100.9", "198.51.100.10"), {}, False),
        # Then it is the tunnel's.
        (("198.51.100.9", "198.51.100.9"), {"host__egress": "tun0"}, False),
    ],
)
def test_the_home_is_seen_at_another_way_out(
    echoes: tuple[str, ...], server: dict[str, FactValue], seen: bool
) -> None:
    found = other_way_out(two_ways(*echoes, **server))
    assert (found is not None) is seen
    assert found is None or (found.suspect and "198.51.100.9" in found.says)


WARNED = LogEvent(LogWord.ROUTER_ADDRESS_PRIVATE, "2026-11-22T10:00:02")


def by_log(
    address: str, *, now: str = "2026-11-22T10:30:00", wan: str | None = None, **server: FactValue
) -> Situation:
    told = LogEvent(LogWord.ROUTER_ADDRESS, "2026-11-22T10:00:01", address=address, text="UPnP")
    log = [
        Entry(Kind.LOG_EVENT, event, {}, FOREIGN, f"l{number}", "server.log")
        for number, event in enumerate((told, WARNED))
    ]
    view = with_facts(
        home(plex__mapping_state="mapped", plex__mapping_error="unreachable"), ROUTER, wan__address=wan
    )
    view = with_facts(view, SERVER, **{"host__time": now, "host__gateway": "192.168.1.1", **server})
    return Situation(
        with_entries(with_state(view, Kind.LOG_EVENT, KindState.PRESENT, SERVER), *log, role=SERVER)
    )


def test_a_second_nat_by_the_log() -> None:
    found = double_nat(by_log("192.168.178.20"))
    assert found is not None
    assert found.suspect, "a router's word over UPnP is never certain"
    assert "192.168.178.20" in found.says
    # Its address at home, an old line, a router that told its WAN address itself, and a server that told no gateway.
    assert double_nat(by_log("192.168.1.1")) is None
    assert double_nat(by_log("192.168.178.20", now="2026-11-23T10:30:00")) is None
    assert double_nat(by_log("192.168.178.20", wan=str(PUBLIC))) is None
    unknown = with_facts(by_log("192.168.178.20").view, SERVER, host__gateway=None)
    assert double_nat(Situation(unknown)) is None


def test_plex_tv_within_the_hour_outweighs_what_the_log_says_of_the_router() -> None:
    view = with_facts(
        by_log("192.168.178.20").view, PLEX_ROLE, plex__mapping_error="", plex__public_port=32500,
        plex__public_address=str(PUBLIC),
    )  # fmt: skip
    assert double_nat(Situation(view)) is not None
    event = LogEvent(LogWord.REACHABILITY, "2026-11-22T10:20:00", address=str(PUBLIC), port=32500, number=1)
    reached = Entry(Kind.LOG_EVENT, event, {}, FOREIGN, "l9", "server.log", position=9)
    later = Situation(with_entries(view, reached, role=SERVER), 32500)
    assert later.observed.plex_tv is PlexTv.DATED_YES
    upstream = next(stop for stop in judge(later).stops if stop.place is StopName.UPSTREAM)
    assert upstream.state is State.PASSES
