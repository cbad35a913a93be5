"""G1 and G2 before what entries do not show: rules of routers that their owners, or devices at home, wrote in any form."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from ipaddress import IPv4Address, IPv6Address
from types import MappingProxyType

import pytest
from msgspec import Struct

from plexops.drivers.rulesets.routeros import Rows, routeros_box
from plexops.model.change import Action, Change
from plexops.model.entries import UpnpMapping
from plexops.model.matches import State
from plexops.model.packets import (
    Box,
    Chain,
    Hook,
    LocalAddress,
    Rule,
    TranslateDestination,
    UnknownEffect,
    Verdict,
)
from plexops.model.resources.passage import Passage
from plexops.model.snapshot import Kind, KindState
from plexops.model.values import Ports, Protocol
from plexops.runbook.exposures import exposures
from plexops.runbook.guards.judge import Case, judge
from plexops.runbook.view import SiteView
from plexops.structs import replace
from tests.packets import openwrt_home, pf_home, routeros_home
from tests.packets.handmade import (
    ACCEPT,
    DROP,
    FORWARD,
    TCP,
    TRANSLATED,
    arrives,
    base,
    dnat,
    dport,
    jump,
    no,
    other,
    router,
    rule,
    server,
    source,
    state,
    sub,
)
from tests.unit.runbook.sound_case import (
    ADMIT,
    ANNOUNCE,
    MAC,
    OLD,
    OUTSIDE,
    PASS,
    PLEX,
    PLEX_ROLE,
    RENEW,
    RESERVE,
    ROUTER,
    SERVER,
    case_of,
    change,
    echo,
    entry,
    forward,
    lease,
    sound_view,
    with_entries,
    with_facts,
    with_state,
    without,
)
from tests.unit.runbook.sound_case import (
    FORWARD as FORWARDING,
)

PLEX_6 = "2001:db8:1::50"
#: What answers, and what follows them, passes.
KNOWN = rule(state(State.ESTABLISHED), ACCEPT)


@cache
def built(make: Callable[[], Box]) -> Box:
    """Build a router once: OpenWrt's is a simulated device that is asked."""
    return make()


def home(box: Box | None) -> SiteView:
    """The sound home with a router that has this packet filter, and a server that has an address of IPv6."""
    view = sound_view()
    if box is not None:
        (wan,) = {
            own.number
            for own in box.addresses or ()
            if own.family == 4 and own.interface == box.internet_side
        }
        address = str(IPv4Address(wan))
        view = with_facts(without(view, Kind.ECHO, OUTSIDE), ROUTER, wan__address=address)
        view = with_facts(view, PLEX_ROLE, plex__public_address=address)
        view = with_entries(view, echo(address), role=OUTSIDE)
        view = view.with_snapshot(replace(view.of(ROUTER), box=box))
    at_server = server(
        addresses=(
            LocalAddress(4, int(PLEX), "eth0"),
            LocalAddress(6, int(IPv6Address(PLEX_6)), "eth0"),
        )
    )
    return view.with_snapshot(replace(view.of(SERVER), box=at_server))


def refusing(case: Case) -> dict[str, str]:
    return {verdict.guard: verdict.reason for verdict in judge(case) if not verdict.holds}


# --- routers ---------------------------------------------------------------------------------------------------------

#: A filter that passes on what was translated, and no more.
STRICT = base("forward", KNOWN, rule(TRANSLATED, ACCEPT), policy=DROP, name="filter")


def netfilter(*rules: Rule, more: tuple[Chain, ...] = ()) -> Box:
    return router(base("prerouting", *rules, nat=True, name="theirs"), STRICT, *more)


def pinhole(*rules: Rule) -> Box:
    return router(base("forward", KNOWN, rule(TRANSLATED, ACCEPT), *rules, policy=DROP, name="filter"))


def openwrt(**options: str | list[str]) -> Box:
    return openwrt_home.box(openwrt_home.redirect(**{"src_dport": "32400", **options}))


FILTER_6 = """/ipv6 firewall filter
add chain=forward action=accept connection-state=established,related
add chain=forward action=drop in-interface-list=!LAN
"""


def routeros(row: str, six: str = FILTER_6, **given: Rows) -> Box:
    """A router in the sound home's LAN, with rows as an export writes them."""
    places = {
        "addresses": routeros_home.rows(routeros_home.ADDRESSES.replace("192.168.88.", "192.168.1.")),
        "routes": routeros_home.rows(routeros_home.ROUTES.replace("192.168.88.", "192.168.1.")),
    }
    answers = routeros_home.home(f"{six}/ip firewall nat\n{row}\n", **{**places, **given})
    return replace(routeros_box(answers), internet_side="ether1")


def opnsense(**changes: str) -> Box:
    return replace(
        pf_home.box(pf_home.forward(**{"destination__port": "32400", **changes})), internet_side="vtnet1"
    )


CLEAN: tuple[tuple[str, Callable[[], Box]], ...] = (
    ("netfilter", lambda: netfilter(FORWARD)),
    ("OpenWrt", lambda: openwrt_home.box(openwrt_home.redirect())),
    ("RouterOS", lambda: routeros("add chain=dstnat action=masquerade")),
    ("OPNsense", lambda: replace(pf_home.box(pf_home.forward()), internet_side="vtnet1")),
)


class Shape(Struct, frozen=True):
    """What leads to Plex in a form that no list of forwards shows as one of 32400."""

    name: str
    make: Callable[[], Box]
    clean: Callable[[], Box]
    every_port: bool = False
    over_ipv6: bool = False
    perhaps: bool = False


DST = "add chain=dstnat action=dst-nat to-addresses=192.168.1.50"
UPNP = routeros_home.rows(
    " 0  D ;;; upnp 192.168.1.50: Plex\n"
    "      chain=dstnat action=dst-nat to-addresses=192.168.1.50 to-ports=32400 protocol=tcp "
    "dst-address=62.155.240.55 in-interface=ether1 dst-port=32400\n"
)
WEB = f"{DST} protocol=tcp"
DROPS = "add chain=forward action=drop"
PINHOLE = FILTER_6.replace(DROPS, f"add chain=forward action=accept dst-port=32400 protocol=tcp\n{DROPS}")
netf, wrt, ros, opn = (clean for _, clean in CLEAN)
SHAPES: tuple[Shape, ...] = (
    # a rule that nobody can read, by what it does or by what it looks at
    Shape("netfilter: a rule of unknown effect", lambda: netfilter(rule(TCP, dport(32400), UnknownEffect("queue"))),
          netf, perhaps=True),
    Shape("netfilter: a rule of unknown effect for every port", lambda: netfilter(rule(UnknownEffect("queue"))),
          netf, every_port=True, perhaps=True),
    Shape("netfilter: a condition that is not known", lambda: netfilter(rule(dport(32400), other(), dnat())),
          netf, perhaps=True),
    Shape("netfilter: a chain that was not read",
          lambda: netfilter(FORWARD, more=(Chain("x", (), Hook("prerouting", -100, nat=True), "no leave"),)),
          netf, every_port=True, perhaps=True),
    Shape("netfilter: a chain that jumps to itself",
          lambda: netfilter(rule(jump("loop")), more=(sub("loop", rule(jump("loop"))),)),
          netf, every_port=True, perhaps=True),
    Shape("RouterOS: a field that is not known", lambda: routeros(f"{WEB} dst-port=32400 to-ports=32400 moon=full"),
          ros, perhaps=True),
    Shape("OPNsense: a field that is not known", lambda: opnsense(moon="full"), opn, perhaps=True),
    # words that stand for the same
    Shape("OpenWrt: target in small letters", lambda: openwrt(target="dnat"), wrt),
    Shape("OpenWrt: the protocol as a list, in capitals", lambda: openwrt(proto=["TCP"]), wrt),
    # mappings that devices at home asked for
    Shape("netfilter: a UPnP mapping",
          lambda: netfilter(rule(jump("MINIUPNPD")), more=(sub("MINIUPNPD", rule(TCP, dport(32400), dnat())),)), netf),
    Shape("RouterOS: a UPnP mapping", lambda: routeros("", nat_rules=UPNP), ros),
    # every port
    Shape("netfilter: no port at all", lambda: netfilter(rule(arrives("wan0"), dnat(str(PLEX), None))), netf,
          every_port=True),
    Shape("netfilter: every port but one", lambda: netfilter(rule(TCP, no(dport(22)), dnat(str(PLEX), None))), netf,
          every_port=True),
    Shape("OpenWrt: proto all", lambda: openwrt(proto="all", src_dport="", dest_port=""), wrt, every_port=True),
    Shape("OpenWrt: proto all, and ports that do not count", lambda: openwrt(proto="all"), wrt, every_port=True),
    Shape("RouterOS: neither protocol nor port", lambda: routeros(f"{DST} in-interface=ether1"), ros, every_port=True),
    Shape("OPNsense: any protocol", lambda: opnsense(protocol="any", destination__port="", local_port=""), opn,
          every_port=True),
    # interfaces
    Shape("netfilter: no interface", lambda: netfilter(rule(TCP, dport(32400), dnat())), netf),
    Shape("netfilter: several interfaces", lambda: netfilter(rule(arrives("lan0", "wan0"), dport(32400), dnat())), netf),
    Shape("netfilter: by pattern", lambda: netfilter(rule(arrives("w*"), dport(32000, 33000), dnat())), netf),
    Shape("RouterOS: no interface", lambda: routeros(f"{WEB} dst-port=32400"), ros),
    Shape("RouterOS: a list of interfaces", lambda: routeros(f"{WEB} dst-port=32400 in-interface-list=WAN"), ros),
    Shape("RouterOS: every interface but", lambda: routeros(f"{WEB} dst-port=32000-33000 in-interface=!bridge"), ros),
    Shape("OPNsense: no interface", lambda: opnsense(interface=""), opn),
    Shape("OPNsense: several interfaces", lambda: opnsense(interface="lan,wan"), opn),
    # for some
    Shape("netfilter: for friends only", lambda: netfilter(rule(source("198.51.100.0/24"), dport(32400), dnat())), netf),
    # over IPv6
    Shape("netfilter: a pinhole", lambda: pinhole(rule(TCP, dport(32400), ACCEPT)), netf, over_ipv6=True),
    Shape("netfilter: a pinhole for every port", lambda: pinhole(rule(arrives("wan0"), ACCEPT)), netf, over_ipv6=True),
    Shape("netfilter: perhaps a pinhole", lambda: pinhole(rule(TCP, dport(32400), other(), ACCEPT)), netf,
          over_ipv6=True, perhaps=True),
    Shape("OpenWrt: a pinhole", lambda: openwrt_home.box(openwrt_home.rule()), wrt, over_ipv6=True),
    Shape("OpenWrt: a pinhole for all protocols", lambda: openwrt_home.box(openwrt_home.rule(proto="all")), wrt,
          over_ipv6=True),
    Shape("RouterOS: a pinhole", lambda: routeros("", PINHOLE), ros, over_ipv6=True),
    Shape("OPNsense: a pinhole",
          lambda: replace(
              pf_home.box(filters=[pf_home.rule(ipprotocol="inet46", destination_net="any")]), internet_side="vtnet1"
          ),
          opn, over_ipv6=True),
)  # fmt: skip
V4 = [shape for shape in SHAPES if not shape.over_ipv6]


@pytest.mark.parametrize("clean", [pytest.param(make, id=name) for name, make in CLEAN])
def test_a_router_that_forwards_our_port_alone_exposes_nothing(clean: Callable[[], Box]) -> None:
    assert exposures(home(built(clean))) == ()
    assert refusing(case_of(home(built(clean)), [ADMIT])) == {}
    assert refusing(case_of(home(built(clean)), [PASS])) == {}


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_the_host_firewall_is_not_opened_to_it(shape: Shape) -> None:
    refused = refusing(case_of(home(built(shape.make)), [ADMIT]))
    if shape.over_ipv6:
        # Our rule is of IPv4 alone: it opens nothing to a pinhole.
        assert refused == {}
        return
    assert set(refused) == {"G1"}
    assert "would let in what" in refused["G1"]
    assert ("perhaps" in refused["G1"]) is shape.perhaps


@pytest.mark.parametrize("shape", V4, ids=lambda shape: shape.name)
def test_the_routers_filter_is_not_opened_to_it(shape: Shape) -> None:
    refused = refusing(case_of(home(built(shape.make)), [PASS]))
    assert set(refused) == {"G1"}
    assert "would let in what" in refused["G1"]


@pytest.mark.parametrize("shape", V4, ids=lambda shape: shape.name)
@pytest.mark.parametrize("moving", [RESERVE, RENEW], ids=["reservation", "renewal"])
def test_the_host_is_not_brought_to_it(shape: Shape, moving: Change) -> None:
    elsewhere = with_facts(home(built(shape.make)), SERVER, host__addresses=(str(OLD),))
    refused = refusing(case_of(elsewhere, [moving]))
    assert set(refused) == {"G1"}
    assert "would bring the Plex host to 192.168.1.50, where" in refused["G1"]
    assert ("perhaps" in refused["G1"]) is shape.perhaps


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_nothing_is_done_that_would_make_it(shape: Shape) -> None:
    """Whatever the changes are: what they leave is held against what was there."""
    before, after = home(built(shape.clean)), home(built(shape.make))
    refused = refusing(Case(before, after, (RESERVE,)))
    assert ("G2" in refused) is shape.every_port
    # What nobody can read may let in over IPv6 as well.
    assert set(refused) <= {"G1", "G2"} if shape.perhaps else len(refused) == 1
    assert ("does not know that rule well enough" in refused.popitem()[1]) is shape.perhaps


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_what_was_there_before_is_no_reason_against_what_does_not_let_it_in(shape: Shape) -> None:
    assert refusing(case_of(home(built(shape.make)), [RESERVE])) == {}
    if built(shape.make).plumbing == "netfilter" and not shape.perhaps:
        # Our own forward takes its port out of whatever is for every port; that makes nothing new.
        assert set(refusing(case_of(home(built(shape.make)), [RESERVE, FORWARDING, ANNOUNCE]))) <= {"G7"}


def test_where_the_host_was_not_asked_its_lease_tells_whether_it_is_brought_there() -> None:
    there = home(netfilter(rule(TCP, dport(32400), dnat())))
    not_asked = with_facts(there, SERVER, host__addresses=None)
    assert refusing(case_of(not_asked, [RESERVE])) == {}
    for lease_of in ((), (lease(MAC, OLD),)):
        moved = with_entries(without(not_asked, Kind.LEASE), *lease_of)
        assert set(refusing(case_of(moved, [RESERVE]))) == {"G1"}
    clean = with_facts(home(netfilter(FORWARD)), SERVER, host__addresses=(str(OLD),))
    assert refusing(case_of(clean, [RESERVE, RENEW])) == {}
    v6_alone = with_facts(home(pinhole(rule(TCP, dport(32400), ACCEPT))), SERVER, host__addresses=(str(OLD),))
    assert refusing(case_of(v6_alone, [RESERVE, RENEW])) == {}


def test_what_was_doubtful_and_is_certain_now_is_new() -> None:
    exposing = rule(TCP, dport(32400), dnat())
    doubtful, certain = home(netfilter(rule(other(), ACCEPT), exposing)), home(netfilter(exposing))
    assert set(refusing(Case(doubtful, certain, (RESERVE,)))) == {"G1"}
    assert refusing(Case(certain, doubtful, (RESERVE,))) == {}


def test_for_another_host_it_is_no_exposure() -> None:
    for one in (
        rule(TCP, dport(32400), dnat("192.168.1.20")),
        rule(arrives("wan0"), dnat("192.168.1.20", None)),
    ):
        assert refusing(case_of(home(netfilter(one)), [ADMIT, PASS])) == {}


def test_a_filter_that_still_stops_it_is_opened_to_our_port_alone() -> None:
    """A translation of 32400 by hand, which the router's filter has stopped so far."""
    strict = base("forward", KNOWN, policy=DROP, name="inet filter forward")
    stopped = router(
        base("prerouting", FORWARD, rule(TCP, dport(32400), dnat()), nat=True, name="theirs"), strict
    )
    view = home(stopped)
    assert exposures(view) == ()
    passing = change(Kind.PASSAGE, Action.CREATE, Passage(PLEX, 32400, "inet filter forward"))
    assert set(refusing(case_of(view, [passing]))) == {"G1"}
    without_it = router(base("prerouting", FORWARD, nat=True, name="theirs"), strict)
    assert refusing(case_of(home(without_it), [passing])) == {}


def test_a_family_that_opens_its_filter_with_the_first_forward() -> None:
    """firewall4 lets through what is translated once a zone forwards anything: also what somebody translates beside it."""
    inserts = MappingProxyType({"port_forward": ("dstnat_wan",), "passes": ("forward_wan",)})
    chains = (
        base("prerouting", rule(jump("dstnat_wan")), nat=True, name="dstnat"),
        sub("dstnat_wan"),
        base("prerouting", rule(TCP, dport(32400), dnat()), nat=True, priority=-110, name="by hand"),
        base("forward", KNOWN, rule(arrives("wan0"), jump("forward_wan")), policy=DROP, name="forward"),
        sub("forward_wan", rule(Verdict.DROP)),
    )
    view = home(router(*chains, inserts=inserts))
    assert exposures(view) == ()
    refused = refusing(case_of(view, [RESERVE, FORWARDING]))
    assert set(refused) == {"G1"}
    assert "would open 32400 itself" in refused["G1"]
    alone = tuple(chain for chain in chains if chain.id != "by hand")
    assert refusing(case_of(home(router(*alone, inserts=inserts)), [RESERVE, FORWARDING])) == {}


# --- routers that tell a list alone --------------------------------------------------------------------------------


def mapping(external: int, protocol: Protocol = Protocol.TCP) -> SiteView:
    values = UpnpMapping(Ports.of(external), PLEX, Ports.of(32400), protocol)
    return with_entries(home(None), entry(Kind.UPNP_MAPPING, values, handle="m", label="Plex Media Server"))


LISTED: tuple[tuple[str, Callable[[], SiteView], bool], ...] = (
    ("a forward that cannot be read", lambda: with_entries(home(None), entry(Kind.PORT_FORWARD, None)), True),
    ("a mapping that cannot be read", lambda: with_entries(home(None), entry(Kind.UPNP_MAPPING, None)), True),
    ("mappings that were not read", lambda: with_state(home(None), Kind.UPNP_MAPPING, KindState.UNKNOWN), True),
    ("a UPnP mapping", lambda: mapping(32400), False),
    ("a UPnP mapping for both protocols", lambda: mapping(32400, Protocol.BOTH), False),
    (
        "for some senders",
        lambda: with_entries(home(None), entry(Kind.PORT_FORWARD, replace(forward(32400), source="198.51.100.0/24"))),
        False,
    ),
    (
        "for senders in words",
        lambda: with_entries(home(None), entry(Kind.PORT_FORWARD, replace(forward(32400), source="friends"))),
        True,
    ),
    (
        "a protocol that has no name",
        lambda: with_entries(home(None), entry(Kind.PORT_FORWARD, forward(32400, protocol=Protocol.OTHER))),
        True,
    ),
    ("every port", lambda: with_entries(home(None), entry(Kind.PORT_FORWARD, forward((1, 65535), port=(1, 65535)))), False),
)  # fmt: skip


@pytest.mark.parametrize(("make", "perhaps"), [pytest.param(*one[1:], id=one[0]) for one in LISTED])
def test_a_list_of_forwards_hides_nothing_either(make: Callable[[], SiteView], perhaps: bool) -> None:
    for opening in (ADMIT, PASS):
        refused = refusing(case_of(make(), [opening]))
        assert set(refused) == {"G1"}
        assert ("perhaps" in refused["G1"]) is perhaps
    assert refusing(case_of(make(), [RESERVE])) == {}
    assert set(refusing(Case(home(None), make(), (RESERVE,)))) <= {"G1", "G2"}
    assert refusing(Case(home(None), make(), (RESERVE,))) != {}


def test_what_is_for_udp_or_switched_off_exposes_nothing() -> None:
    assert refusing(case_of(mapping(32400, Protocol.UDP), [ADMIT, PASS])) == {}
    off = entry(Kind.PORT_FORWARD, forward(32400, enabled=False), handle="off")
    assert refusing(case_of(with_entries(home(None), off), [ADMIT, PASS])) == {}


def test_a_pinhole_is_named_and_not_what_lets_answers_through() -> None:
    hole = rule(TCP, dport(32400), ACCEPT)
    # What a filter behind it does is not known: it may let through, by no rule of its own.
    unread = Chain("unread", (), Hook("forward", 9), "no leave")
    for box in (pinhole(hole), router(*pinhole(hole).chains.values(), unread)):
        (one,) = exposures(home(box)) or ()
        assert one.rule == hole


# --- IPv6 addresses ------------------------------------------------------------------------------------------------


def test_over_ipv6_what_was_not_read_of_addresses_is_a_question() -> None:
    """A server that has no address of IPv6 that the internet reaches is not exposed; one that was not asked may be."""
    box = pinhole(rule(TCP, dport(32400), ACCEPT))
    view = home(box)
    v4_alone = view.with_snapshot(replace(view.of(SERVER), box=server()))
    assert exposures(v4_alone) == ()
    not_asked = view.with_snapshot(replace(view.of(SERVER), box=None))
    (one,) = exposures(not_asked) or ()
    assert (one.family, one.address) == (6, "a host at home")
    neither = not_asked.with_snapshot(replace(view.of(ROUTER), box=replace(box, addresses=None)))
    assert {one.certain for one in exposures(neither) or () if one.family == 6} == {False}
    not_told = view.with_snapshot(replace(view.of(SERVER), box=server(addresses=None)))
    assert exposures(not_told) == exposures(not_asked)


def test_a_translation_that_keeps_the_port_counts_by_the_port_that_is_knocked_at() -> None:
    kept = rule(TCP, dport(32400), TranslateDestination(((int(PLEX), int(PLEX)),), None))
    (one,) = exposures(home(netfilter(kept))) or ()
    assert (one.external, one.address, one.certain) == (((32400, 32400),), str(PLEX), True)
