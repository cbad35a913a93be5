"""Each condition holds, fails or stays unknown, and says why."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from plexops.model.entries import ProbeAnswer
from plexops.model.snapshot import Entry, FactValue, Kind, KindState
from plexops.model.values import PLEX_PORT
from plexops.runbook import conditions
from plexops.runbook.condition import Holds, WanCause
from plexops.runbook.view import SiteView
from plexops.structs import replace
from tests.unit.runbook.sound_case import (
    IDENTIFIER,
    NAS,
    OLD,
    OUTSIDE,
    PLEX,
    PLEX_ROLE,
    PUBLIC,
    ROUTER,
    SERVER,
    echo,
    entry,
    forward,
    lease,
    mapping,
    probe,
    sound_view,
    with_entries,
    with_facts,
    with_state,
    without,
)

Y, N, U = Holds.YES, Holds.NO, Holds.UNKNOWN
PORT = 32500


def home(wan: str | None, *echoes: str, plex: str | None = None) -> SiteView:
    view = with_facts(without(sound_view(), Kind.ECHO, OUTSIDE), ROUTER, wan__address=wan)
    view = with_facts(view, PLEX_ROLE, plex__public_address=plex)
    seen = [echo(text, f"echo{number}.example") for number, text in enumerate(echoes)]
    return with_entries(view, *seen, role=OUTSIDE)


def two_ways(wan: str | None, *echoes: str, ways: tuple[str, ...]) -> SiteView:
    return with_facts(home(wan, *echoes), ROUTER, wan__ways=ways, wan__interface="wan")


#: The first and last address of every range that decides, and their neighbours.
RANGES: tuple[tuple[str, Holds, WanCause], ...] = (
    ("100.63.255.255", Y, WanCause.NONE),
    ("100.64.0.0", N, WanCause.CARRIER_NAT),
    ("100.127.255.255", N, WanCause.CARRIER_NAT),
    ("100.128.0.0", Y, WanCause.NONE),
    ("191.255.255.255", Y, WanCause.NONE),
    ("192.0.0.0", N, WanCause.TRANSITION),
    ("192.0.0.7", N, WanCause.TRANSITION),
    ("192.0.0.8", Y, WanCause.NONE),
    ("9.255.255.255", Y, WanCause.NONE),
    ("10.0.0.0", N, WanCause.SECOND_NAT),
    ("10.255.255.255", N, WanCause.SECOND_NAT),
    ("11.0.0.0", Y, WanCause.NONE),
    ("172.15.255.255", Y, WanCause.NONE),
    ("172.16.0.0", N, WanCause.SECOND_NAT),
    ("172.31.255.255", N, WanCause.SECOND_NAT),
    ("172.32.0.0", Y, WanCause.NONE),
    ("192.167.255.255", Y, WanCause.NONE),
    ("192.168.0.0", N, WanCause.SECOND_NAT),
    ("192.168.255.255", N, WanCause.SECOND_NAT),
    ("192.169.0.0", Y, WanCause.NONE),
    # documentation ranges are treated as what they stand for
    ("192.0.2.1", Y, WanCause.NONE),
    ("198.51.100.1", Y, WanCause.NONE),
    ("203.0.113.1", Y, WanCause.NONE),
    ("0.0.0.0", N, WanCause.DOWN),
    ("0.255.255.255", N, WanCause.DOWN),
    ("1.0.0.0", Y, WanCause.NONE),
    ("127.0.0.1", N, WanCause.DOWN),
    ("169.253.255.255", Y, WanCause.NONE),
    ("169.254.0.0", N, WanCause.DOWN),
    ("169.254.255.255", N, WanCause.DOWN),
    ("169.255.0.0", Y, WanCause.NONE),
    ("223.255.255.255", Y, WanCause.NONE),
    ("224.0.0.1", N, WanCause.DOWN),
    ("255.255.255.255", N, WanCause.DOWN),
)


@pytest.mark.parametrize(("address", "holds", "cause"), RANGES)
def test_the_range_of_the_wan_address_decides(address: str, holds: Holds, cause: WanCause) -> None:
    found = conditions.wan(home(address, address, address))
    assert (found.holds, found.cause) == (holds, cause)
    assert (found.stop == ()) is (holds is Y)
    assert found.exhibits


def named(address: object, *sources: str, plex: object = None) -> SiteView:
    """A home whose WAN address is PUBLIC, and these sources, by name, all say the same."""
    view = home(str(PUBLIC), plex=None if plex is None else str(plex))
    return with_entries(view, *(echo(str(address), source) for source in sources), role=OUTSIDE)


SOURCES: tuple[tuple[str, SiteView, Holds, WanCause, str], ...] = (
    ("nobody", home(str(PUBLIC)), U, WanCause.UNPROVEN, "no service outside gave"),
    ("one that agrees", home(str(PUBLIC), str(PUBLIC)), U, WanCause.UNPROVEN, "echo0.example alone"),
    ("two that agree", home(str(PUBLIC), str(PUBLIC), str(PUBLIC)), Y, WanCause.NONE, "echo0.example, echo1"),
    ("only Plex", home(str(PUBLIC), plex=str(PUBLIC)), U, WanCause.UNPROVEN, "plex.tv alone"),
    ("Plex and one", home(str(PUBLIC), str(PUBLIC), plex=str(PUBLIC)), Y, WanCause.NONE, "plex.tv agree"),
    ("Plex by two doors", named(PUBLIC, "v4.plex.tv", plex=PUBLIC), U, WanCause.UNPROVEN, "plex.tv alone"),
    ("one by two names", named(PUBLIC, "a.echo.net", "b.echo.net"), U, WanCause.UNPROVEN, "echo.net alone"),
    ("one by two ports", named(PUBLIC, "echo.net", "echo.net:8080"), U, WanCause.UNPROVEN, "echo.net alone"),
    ("one in capitals", named(PUBLIC, "Echo.net", "ip.ECHO.net."), U, WanCause.UNPROVEN, "echo.net alone"),
    ("two of one registry", named(PUBLIC, "ip.a.co.uk", "ip.b.co.uk"), Y, WanCause.NONE, "a.co.uk, b.co.uk"),
    ("one of a registry", named(PUBLIC, "ip.a.co.uk", "me.a.co.uk"), U, WanCause.UNPROVEN, "a.co.uk alone"),
    ("the usual ones", named(PUBLIC, "api.ipify.org", "checkip.amazonaws.com"), Y, WanCause.NONE, "agree"),
    (
        "one that differs by two names",
        named("198.51.100.9", "a.echo.net", "b.echo.net"),
        U,
        WanCause.UNPROVEN,
        "echo.net alone",
    ),
    (
        "one and an attempt that met this Plex",
        with_entries(named(PUBLIC, "echo.net"), probe(ProbeAnswer.OPEN, identifier=IDENTIFIER), role=OUTSIDE),
        Y,
        WanCause.NONE,
        "vps reached Plex there",
    ),
    (
        "one and an attempt that met another Plex",
        with_entries(named(PUBLIC, "echo.net"), probe(ProbeAnswer.OPEN, identifier="f" * 40), role=OUTSIDE),
        U,
        WanCause.UNPROVEN,
        "echo.net alone",
    ),
    (
        "one and an attempt, and neither Plex says who it is",
        with_facts(
            with_entries(named(PUBLIC, "echo.net"), probe(ProbeAnswer.OPEN), role=OUTSIDE),
            PLEX_ROLE,
            plex__identifier="",
        ),
        U,
        WanCause.UNPROVEN,
        "echo.net alone",
    ),
    (
        "one and an attempt from inside",
        with_entries(
            named(PUBLIC, "echo.net"),
            probe(ProbeAnswer.OPEN, identifier=IDENTIFIER, inside=True),
            role=OUTSIDE,
        ),
        U,
        WanCause.UNPROVEN,
        "echo.net alone",
    ),
    (
        "only Plex, with IPv6",
        home(str(PUBLIC), plex="2001:db8::7"),
        U,
        WanCause.UNPROVEN,
        "no service outside",
    ),
    ("two that disagree", home(str(PUBLIC), str(PUBLIC), "198.51.100.9"), U, WanCause.UNPROVEN, "disagree"),
    (
        "Plex disagrees",
        home(str(PUBLIC), str(PUBLIC), plex="198.51.100.9"),
        U,
        WanCause.UNPROVEN,
        "Plex: 198",
    ),
    (
        "all see another",
        home(str(PUBLIC), "198.51.100.9", plex="198.51.100.9"),
        N,
        WanCause.DIFFERS,
        "198.51.100.9",
    ),
    ("no WAN address", home(None, str(PUBLIC)), U, WanCause.UNPROVEN, "not asked"),
    ("an IPv6 WAN address", home("2001:db8::7", str(PUBLIC)), U, WanCause.UNPROVEN, "no IPv4 address"),
    (
        "two ways out, one of them private",
        two_ways("10.0.0.2", str(PUBLIC), ways=("0 wan", "0 lte")),
        U,
        WanCause.SEVERAL,
        "2 ways",
    ),
    (
        "two ways out in one route",
        two_ways("10.0.0.2", str(PUBLIC), ways=("100 wan lte", "200 dsl")),
        U,
        WanCause.SEVERAL,
        "2 ways",
    ),
    (
        "two ways out that the router does not name",
        two_ways("10.0.0.2", str(PUBLIC), ways=("0 -", "0 -")),
        U,
        WanCause.SEVERAL,
        "2 ways",
    ),
    (
        "two ways out, and nobody says by which the world sees us",
        two_ways(str(PUBLIC), ways=("0 wan", "0 lte")),
        U,
        WanCause.SEVERAL,
        "2 ways",
    ),
    (
        "two ways out, and two sources that see one each",
        two_ways(str(PUBLIC), str(PUBLIC), "198.51.100.9", ways=("0 wan", "0 lte")),
        U,
        WanCause.SEVERAL,
        "2 ways",
    ),
    (
        "the way in use is another one",
        two_ways(str(PUBLIC), "198.51.100.9", "198.51.100.9", ways=("100 wan", "0 lte")),
        U,
        WanCause.SEVERAL,
        "2 ways",
    ),
    (
        "a second way that only waits",
        two_ways("10.0.0.2", str(PUBLIC), ways=("0 wan", "100 lte")),
        N,
        WanCause.SECOND_NAT,
        "private",
    ),
    (
        "a second way that only waits, and another address is seen",
        two_ways(str(PUBLIC), "198.51.100.9", "198.51.100.9", ways=("0 wan", "100 lte")),
        N,
        WanCause.DIFFERS,
        "198.51.100.9",
    ),
    (
        "one way that the router does not name",
        two_ways("10.0.0.2", str(PUBLIC), ways=("0 -",)),
        N,
        WanCause.SECOND_NAT,
        "private",
    ),
    (
        "ways that cannot be read",
        two_ways("10.0.0.2", str(PUBLIC), ways=("", "wan", "x y")),
        N,
        WanCause.SECOND_NAT,
        "private",
    ),
    (
        "two ways out, and this is the one that is seen",
        two_ways(str(PUBLIC), str(PUBLIC), str(PUBLIC), ways=("0 wan", "0 lte")),
        Y,
        WanCause.NONE,
        "agree",
    ),
)


@pytest.mark.parametrize(
    ("view", "holds", "cause", "words"), [pytest.param(*row[1:], id=row[0]) for row in SOURCES]
)
def test_who_says_what_our_public_address_is(
    view: SiteView, holds: Holds, cause: WanCause, words: str
) -> None:
    found = conditions.wan(view)
    assert (found.holds, found.cause) == (holds, cause)
    assert words in found.says


def test_a_wan_side_that_is_down_is_no_outage_while_another_way_is_in_use() -> None:
    down = with_facts(home(None), ROUTER, wan__up=False)
    assert (conditions.wan(down).holds, conditions.wan(down).cause) == (N, WanCause.DOWN)
    other = conditions.wan(with_facts(down, ROUTER, wan__ways=("20 lte",)))
    assert (other.holds, other.cause) == (U, WanCause.UNPROVEN)
    assert "another one: lte" in other.says


@pytest.mark.parametrize(
    ("there", "holds", "words"),
    [(True, Y, "loaded again"), (False, N, "does not include /etc/nftables.d"), (None, U, "")],
)
def test_what_is_written_is_there_again_after_a_restart(there: bool | None, holds: Holds, words: str) -> None:
    found = conditions.persists(with_facts(sound_view(), ROUTER, persists=there))
    assert found.holds is holds
    assert words in found.says
    assert bool(found.stop) is (holds is N)
    assert bool(found.exhibits) is (holds is not U)


def test_why_the_wan_address_is_unknown_is_said() -> None:
    view = home(None)
    router = replace(view.of(ROUTER), reasons={"wan.address": "ubus: not found"})
    assert "ubus: not found" in conditions.wan(view.with_snapshot(router)).says


def test_nobody_is_told_to_buy_hardware_while_the_isp_is_the_limit() -> None:
    for address in ("100.64.0.1", "192.0.0.2", "10.0.0.1", str(PUBLIC)):
        text = " ".join(conditions.wan(home(address, "198.51.100.9", "198.51.100.9")).stop).lower()
        assert text
        assert not any(word in text for word in ("buy", "purchase", "new router", "upgrade"))


def test_a_router_that_did_not_tell_its_ways_out_proves_no_nat_before_it() -> None:
    view = home(str(PUBLIC), "198.51.100.9", "198.51.100.9")
    assert conditions.wan(view).cause is WanCause.DIFFERS
    router = replace(view.of(ROUTER), reasons={"wan.ways": "ip: not found"})
    unread = conditions.wan(view.with_snapshot(router))
    assert (unread.holds, unread.cause) == (U, WanCause.UNPROVEN)


def test_one_source_alone_proves_no_other_address() -> None:
    alone = conditions.wan(home(str(PUBLIC), "198.51.100.9"))
    assert (alone.holds, alone.cause) == (U, WanCause.UNPROVEN)
    assert conditions.wan(home(str(PUBLIC), "198.51.100.9", "198.51.100.9")).cause is WanCause.DIFFERS


def exposing(values: object, kind: Kind = Kind.PORT_FORWARD) -> Entry:
    return entry(kind, values, handle="x", label="by hand")


DMZ: tuple[tuple[str, SiteView, Holds, str], ...] = (
    ("none", sound_view(), Y, "no DMZ"),
    ("a DMZ", with_entries(sound_view(), exposing(forward((1, 65535), PLEX, (1, 65535)))), N, "every port"),
    ("32400", with_entries(sound_view(), exposing(forward(PLEX_PORT))), N, "32400 itself"),
    ("a range over it", with_entries(sound_view(), exposing(forward((32000, 33000)))), N, "32400 itself"),
    ("a UPnP mapping of it", with_entries(sound_view(), mapping(PLEX_PORT, PLEX)), N, "32400 itself"),
    (
        "a DMZ that is off",
        with_entries(sound_view(), exposing(forward((1, 65535), PLEX, enabled=False))),
        Y,
        "no DMZ",
    ),
    ("another host's DMZ", with_entries(sound_view(), exposing(forward((1, 65535), NAS))), Y, "no DMZ"),
    ("another host's 32400", with_entries(sound_view(), exposing(forward(PLEX_PORT, NAS))), Y, "no DMZ"),
    ("the router itself", with_entries(sound_view(), exposing(forward((1, 65535), None))), Y, "no DMZ"),
    (
        "by the host's lease",
        with_entries(
            sound_view(), lease("52:54:00:12:34:56", OLD), exposing(forward((1, 65535), OLD, (1, 65535)))
        ),
        N,
        "every port",
    ),
    (
        "by an address that the host tells",
        with_entries(
            with_facts(sound_view(), SERVER, host__addresses=("192.168.1.50", "192.168.1.83")),
            exposing(forward(PLEX_PORT, OLD)),
        ),
        N,
        "192.168.1.83",
    ),
    ("one that cannot be read", with_entries(sound_view(), exposing(None)), U, "whether “by hand” leads to"),
    ("none was read", with_state(sound_view(), Kind.PORT_FORWARD, KindState.UNKNOWN), U, "not read"),
    ("nobody was asked", replace(sound_view(), snapshots={}), U, "not read"),
)


@pytest.mark.parametrize(("view", "holds", "words"), [pytest.param(*row[1:], id=row[0]) for row in DMZ])
def test_dmz_counts_by_its_target(view: SiteView, holds: Holds, words: str) -> None:
    found = conditions.dmz(view)
    assert found.holds is holds
    assert words in found.says
    assert (found.stop != ()) is (holds is N)


@pytest.mark.parametrize(
    ("active", "holds", "words"), [(True, Y, "ufw is on"), (False, N, "ufw is off"), (None, U, "not asked")]
)
def test_host_firewall(active: bool | None, holds: Holds, words: str) -> None:
    found = conditions.host_firewall(with_facts(sound_view(), SERVER, firewall__active=active))
    assert found.holds is holds
    assert words in found.says


def reach(
    *probes: Entry,
    state: str | None = None,
    error: str = "",
    public: str | None = str(PUBLIC),
    port: int | None = PORT,
) -> SiteView:
    """What the vantages met, and what Plex says of itself."""
    values: dict[str, FactValue | None] = {"plex__mapping_state": state, "plex__public_address": public}
    values |= {"plex__mapping_error": error, "plex__public_port": port}
    return with_entries(with_facts(sound_view(), PLEX_ROLE, **values), *probes, role=OUTSIDE)


def odd_address() -> SiteView:
    """Plex says an address that is none."""
    view = reach(state="mapped", public=None)
    reasons = {"plex.public_address": "Plex says publicAddress='x', which is not understood"}
    return view.with_snapshot(replace(view.of(PLEX_ROLE), reasons=reasons))


OPEN = probe(ProbeAnswer.OPEN, identifier=IDENTIFIER)
REFUSED = probe(ProbeAnswer.REFUSED, vantage="phone")
INSIDE_OPEN = probe(ProbeAnswer.OPEN, identifier=IDENTIFIER, vantage="pi", inside=True)
INSIDE_OUT = probe(ProbeAnswer.TIMED_OUT, vantage="pi", inside=True)
NO_PROOF = (
    "no vantage outside answered; vantage pi stands in the home, or does not say where: it proves nothing"
)
REACH: tuple[tuple[str, SiteView, Holds, str], ...] = (
    ("nobody was asked", reach(), U, "no vantage outside"),
    ("a vantage reached it", reach(OPEN), Y, "vps reached Plex at port 32500"),
    ("refused", reach(REFUSED), N, "phone: refused"),
    ("timed out", reach(probe(ProbeAnswer.TIMED_OUT)), N, "vps: timed out"),
    ("somebody else answered", reach(probe(ProbeAnswer.WRONG_SERVER, identifier="other")), N, "wrong server"),
    ("open, and another server", reach(probe(ProbeAnswer.OPEN, identifier="other")), N, "vps: open"),
    ("something listens, and nobody asked what", reach(probe(ProbeAnswer.LISTENS)), U, "no vantage outside"),
    ("closed, and nobody says how", reach(probe(ProbeAnswer.CLOSED)), N, "vps: closed"),
    ("one of two reached it", reach(REFUSED, OPEN), Y, "vps reached"),
    ("the vantage does not know", reach(probe(ProbeAnswer.UNKNOWN)), U, "no vantage outside answered"),
    ("tried at another port", reach(probe(ProbeAnswer.OPEN, 443, IDENTIFIER)), U, "no vantage outside"),
    ("only from inside the home", reach(INSIDE_OPEN), U, NO_PROOF),
    ("not even from inside the home", reach(INSIDE_OUT), U, NO_PROOF),
    (
        "from inside, and refused outside",
        reach(INSIDE_OPEN, REFUSED),
        N,
        "port 32500 from outside: phone: refused",
    ),
    ("from inside, and reached from outside", reach(INSIDE_OUT, OPEN), Y, "vps reached Plex"),
    ("from inside, and Plex failed", reach(INSIDE_OPEN, state="failed"), N, "nothing that plex.tv could try"),
    ("not from inside, and Plex is mapped", reach(INSIDE_OUT, state="mapped"), Y, "plex.tv reached Plex"),
    ("Plex is mapped", reach(state="mapped"), Y, "plex.tv reached Plex at port 32500"),
    ("mapped with an error", reach(state="mapped", error="unreachable"), N, "unreachable"),
    (
        "mapped, and its address was not read",
        reach(state="mapped", public=None),
        U,
        "did not say at which address",
    ),
    ("mapped with an empty one", reach(state="mapped", public=""), N, "mapped"),
    ("Plex is waiting", reach(state="waiting"), U, "no verdict yet"),
    ("Plex does not know", reach(state="unknown"), U, "no verdict yet"),
    ("Plex failed", reach(state="failed", error="conflict"), N, "conflict"),
    ("mapped at another port", reach(state="mapped", port=18444), U, "18444, not 32500"),
    (
        "mapped at a port that nobody names",
        reach(state="mapped", port=None),
        U,
        "a port that it does not tell",
    ),
    (
        "nothing could be announced",
        reach(state="mapped", error="publisherror"),
        N,
        "Plex has nothing that plex.tv could try: mapped (publisherror)",
    ),
    ("unreachable", reach(state="failed", error="unreachable"), N, "plex.tv could not reach Plex: failed"),
    ("mapped at what is no address", odd_address(), U, "publicAddress='x', which is not understood"),
    ("Plex waits, a vantage was refused", reach(REFUSED, state="waiting"), N, "refused"),
    (
        "Plex failed, a vantage reached it",
        reach(OPEN, state="failed"),
        N,
        "; yet Plex has nothing that plex.tv could try: failed",
    ),
    (
        "Plex failed, the vantage does not know",
        reach(probe(ProbeAnswer.UNKNOWN), state="failed"),
        N,
        "failed",
    ),
)


@pytest.mark.parametrize(("view", "holds", "words"), [pytest.param(*row[1:], id=row[0]) for row in REACH])
def test_reachability(view: SiteView, holds: Holds, words: str) -> None:
    found = conditions.reachability(view, PORT)
    assert found.holds is holds
    assert words in found.says


def test_without_a_wanted_port_any_port_counts() -> None:
    assert conditions.reachability(reach(state="mapped", port=18444)).holds is Y
    assert conditions.reachability(reach(probe(ProbeAnswer.OPEN, 443, IDENTIFIER))).holds is Y


@pytest.mark.parametrize(("relay", "holds"), [(True, Y), (False, N), (None, U)])
def test_through_the_relay_only_the_relay_counts(relay: bool | None, holds: Holds) -> None:
    view = replace(with_facts(reach(REFUSED, state="failed"), PLEX_ROLE, plex__relay=relay), access="relay")
    assert conditions.reachability(view, PORT).holds is holds


def test_the_plex_host_is_all_of_its_addresses() -> None:
    view = with_entries(
        with_facts(sound_view(), SERVER, host__addresses=("127.0.0.1", "192.168.1.50", "not one")),
        lease("52:54:00:12:34:56", OLD),
        entry(Kind.LEASE, None),
    )
    assert view.plex_host == {PLEX, OLD}
    stranger = replace(view, server_mac="", snapshots={})
    assert stranger.plex_host == {PLEX}
    assert replace(stranger, plex_address=IPv4Address("192.168.1.60")).plex_host == {
        PLEX,
        IPv4Address("192.168.1.60"),
    }
