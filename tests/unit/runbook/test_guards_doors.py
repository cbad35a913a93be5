"""G1 to G3 by what newly gets in: ports that no plan names, barriers that are the last, lists that say more than rules."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address

import pytest

from plexops.model.change import Action, Change
from plexops.model.matches import State
from plexops.model.packets import Chain, LocalAddress, Rule, UnknownEffect
from plexops.model.resources.firewall_rule import FirewallRule
from plexops.model.snapshot import Kind, KindState
from plexops.runbook.exposures import exposures
from plexops.runbook.guards.judge import Case
from plexops.runbook.view import SiteView
from plexops.structs import replace
from tests.packets.handmade import (
    ACCEPT,
    DROP,
    FRIENDS,
    TCP,
    WAN,
    base,
    destination,
    dnat,
    dport,
    router,
    rule,
    server,
    source,
    state,
)
from tests.unit.runbook.sound_case import (
    ADMIT,
    NAS,
    OLD,
    PASS,
    PLEX,
    RENEW,
    RESERVE,
    ROUTER,
    SERVER,
    case_of,
    change,
    entry,
    forward,
    mapping,
    sound_view,
    with_entries,
    with_facts,
    with_state,
)
from tests.unit.runbook.test_guards_walk import PLEX_6, home, netfilter, pinhole, refusing

HOLE = rule(TCP, dport(32400), ACCEPT)
SHUT = base("input", rule(state(State.ESTABLISHED), ACCEPT), policy=DROP)
WEB_ALONE = base("input", rule(state(State.ESTABLISHED), ACCEPT), rule(TCP, dport(443), ACCEPT), policy=DROP)


def old_forward(external: int, address: object = PLEX, port: int = 32400) -> SiteView:
    made = entry(Kind.PORT_FORWARD, forward(external, address, port), handle="old", label="of old")  # type: ignore[arg-type]
    return with_entries(sound_view(), made)


def filtered(view: SiteView, *chains: Chain) -> SiteView:
    """The home with these filters on its server."""
    return view.with_snapshot(replace(view.of(SERVER), box=server(*chains)))


def elsewhere(view: SiteView) -> SiteView:
    """The host holds another address than the one that it shall get."""
    return with_facts(view, SERVER, host__addresses=(str(OLD),))


def refused(view: SiteView, *changes: Change) -> str:
    """Give what G1 says, which alone may refuse."""
    found = refusing(case_of(view, changes))
    assert set(found) <= {"G1"}, found
    return found.get("G1", "")


# --- the last barrier ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("opening", [ADMIT, PASS])
def test_a_port_that_the_plan_does_not_name_is_not_let_in(opening: Change) -> None:
    assert "forwards from port 41000, which the plan does not name" in refused(old_forward(41000), opening)
    assert "forwards from 32400:" in refused(old_forward(32400), opening)
    assert "forwards from 32400:" in refused(old_forward(32400, port=443), opening), "it may be opened next"
    assert refused(old_forward(41000, port=443), opening) == "", "the rule lets nothing in at 443"
    assert refused(old_forward(41000, NAS), opening) == "", "another host's"
    assert refused(old_forward(32400, NAS), opening) == ""
    assert refused(old_forward(32500), opening) == "", "the port that the playbook names"
    unnamed = replace(sound_view(), named_ports=frozenset())
    assert refused(replace(old_forward(32500), named_ports=frozenset()), opening) != ""
    ours = entry(Kind.PORT_FORWARD, forward(32500), key="plex", handle="ours")
    assert refused(with_entries(unnamed, ours), opening) == "", "an earlier plan named it"
    at_32400 = entry(Kind.PORT_FORWARD, forward(32400), key="plex", handle="ours")
    assert refused(with_entries(unnamed, at_32400), opening) != ""
    assert refused(replace(old_forward(32400), named_ports=frozenset({32400})), opening) != ""


def test_a_passage_to_one_of_the_hosts_addresses_is_none_to_the_other() -> None:
    both = with_facts(old_forward(41000, OLD), SERVER, host__addresses=(str(PLEX), str(OLD)))
    assert refused(both, PASS) == ""
    assert "forwards from port 41000" in refused(both, ADMIT), "the host's firewall is before both"


def test_nothing_is_opened_while_it_is_not_known_what_leads_there() -> None:
    blind = with_state(
        with_state(sound_view(), Kind.PORT_FORWARD, KindState.UNKNOWN), Kind.UPNP_MAPPING, KindState.UNKNOWN
    )
    told = blind.with_snapshot(replace(blind.of(ROUTER), reasons={Kind.PORT_FORWARD: "permission denied"}))
    model = blind.with_snapshot(replace(blind.of(ROUTER), reasons={"packets": "no such program"}))
    assert "not known: permission denied" in refused(told, ADMIT)
    assert "not known: no such program" in refused(model, ADMIT)
    assert "not known: it was not read" in refused(blind, ADMIT)
    assert "not known" in refused(elsewhere(blind), RENEW)
    by_hand = replace(blind, asked=blind.asked - {ROUTER})
    assert refused(by_hand, ADMIT) == "", "a router by hand is yours to look at"


def test_the_host_is_not_brought_to_a_port_at_which_it_lets_strangers_in() -> None:
    view = elsewhere(old_forward(2200, port=22))
    words = "would bring the Plex host to 192.168.1.50, where “of old” forwards port 2200"
    for moving in (RESERVE, RENEW):
        assert words in refused(view, moving)
        assert refused(filtered(view, SHUT), moving) == "", "its own firewall drops it"
        assert words in refused(filtered(elsewhere(old_forward(2200, port=443)), WEB_ALONE), moving)
        assert "forwards 32400" in refused(filtered(elsewhere(old_forward(32400)), SHUT), moving)
        assert refused(elsewhere(old_forward(2200, NAS)), moving) == ""
    assert refused(old_forward(2200, port=22), RESERVE) == "", "it is there already"


def test_what_newly_gets_in_is_refused_whoever_makes_it() -> None:
    def after(view: SiteView, external: int, port: int) -> dict[str, str]:
        stray = entry(Kind.PORT_FORWARD, forward(external, PLEX, port), handle="stray", label="stray")
        return refusing(Case(view, with_entries(view, stray), (RESERVE,)))

    view = sound_view()
    assert "stray” would open port 41000, which the plan does not name" in after(view, 41000, 443)["G1"]
    assert after(view, 32400, 443)["G1"].endswith("would open 32400 itself to the internet")
    assert after(filtered(view, SHUT), 41000, 443) == {}
    assert "G1" in after(filtered(view, WEB_ALONE), 41000, 443)
    assert "G1" in after(filtered(view, SHUT), 32400, 443), "32400 is forbidden though it is shut"
    assert after(view, 32500, 32400) == {}
    assert "would open port 32500" in after(view, 32500, 443)["G1"], (
        "the port that is named, to another of the host's"
    )


def newly(before: SiteView, after: SiteView, *changes: Change, undoing: bool = False) -> str:
    """Give what G1 says of what is there after changes that have nothing to do with it."""
    return refusing(Case(before, after, changes or (RESERVE,), undoing=undoing)).get("G1", "")


def test_a_rule_that_nobody_can_read_may_lead_to_any_port_of_the_host() -> None:
    strange = home(netfilter(rule(TCP, dport(41000), UnknownEffect("queue"))))
    assert "port 41000, which the plan does not name, perhaps" in refused(strange, ADMIT)
    assert "port 41000, which the plan does not name, perhaps" in refused(elsewhere(strange), RENEW)
    assert "does not know that rule well enough" in newly(home(netfilter()), strange)
    ours = with_entries(sound_view(), entry(Kind.PORT_FORWARD, None, key="plex", handle="ours"))
    assert "perhaps" in refused(ours, ADMIT), "it bears our tag, and where it leads is not known"


def test_while_the_host_is_brought_to_an_address_what_appears_elsewhere_counts() -> None:
    view = elsewhere(sound_view())
    stray = entry(Kind.PORT_FORWARD, forward(41000, OLD), handle="stray", label="stray")
    assert "stray” would open port 41000" in newly(view, with_entries(view, stray), RENEW)
    shut, hole = (
        (it := elsewhere(home(pinhole(*rules)))).with_snapshot(replace(it.of(SERVER), box=None))
        for rules in ((), (HOLE,))
    )
    assert "would open 32400 itself to the internet over IPv6" in newly(shut, hole, RENEW)


AT_41000 = rule(TCP, dport(41000), dnat(str(PLEX), 443))
RANGE = rule(TCP, dport(41000, 41010), dnat(str(PLEX), None))
UNCOVERED: dict[str, tuple[Rule, Rule]] = {
    "a port": (rule(TCP, dport(41000), dnat(str(NAS))), RANGE),
    "senders": (rule(source(FRIENDS), TCP, dport(41000), dnat(str(NAS))), AT_41000),
}


@pytest.mark.parametrize(("cover", "under"), UNCOVERED.values(), ids=UNCOVERED)
def test_a_rule_that_gets_more_as_another_goes_is_new_but_where_ours_is_undone(
    cover: Rule, under: Rule
) -> None:
    covered, bare = home(netfilter(cover, under)), home(netfilter(under))
    assert "port 41000" in newly(covered, bare)
    assert newly(bare, covered) == ""
    assert newly(covered, bare, undoing=True) == ""
    assert "port 41000" in newly(home(netfilter(cover)), bare, undoing=True), "it was not under ours"


def test_that_a_port_led_there_is_no_leave_to_lead_it_elsewhere_on_the_host() -> None:
    """Who let strangers in to a web server let nobody in to SSH."""
    ssh = rule(TCP, dport(41000), dnat(str(PLEX), 22))
    assert "port 41000" in newly(home(netfilter(AT_41000)), home(netfilter(ssh)))


@pytest.mark.parametrize(("ports", "guard"), [(60_000, "G2"), (59_999, "G1")])
def test_so_many_ports_are_every_port(ports: int, guard: str) -> None:
    view, wide = sound_view(), (3000, 3000 + ports - 1)
    stray = entry(Kind.PORT_FORWARD, forward(wide, PLEX, wide), handle="stray")
    assert set(refusing(Case(view, with_entries(view, stray), (RESERVE,)))) == {guard}


def test_where_the_router_was_not_read_before_all_that_is_there_is_new() -> None:
    blind = with_state(
        with_state(sound_view(), Kind.PORT_FORWARD, KindState.UNKNOWN), Kind.UPNP_MAPPING, KindState.UNKNOWN
    )
    assert "port 41000" in newly(blind, old_forward(41000))


def test_the_plan_names_its_port_over_ipv4_alone() -> None:
    shut, hole = (
        replace(
            home(pinhole(*rules)),
            plex_port=41000,
            plex_answered_at=(str(PLEX), 41000),
            named_ports=frozenset({41000}),
        )
        for rules in ((), (rule(TCP, dport(41000), ACCEPT),))
    )
    assert "would open port 41000, which the plan does not name over IPv6" in newly(shut, hole)


def test_a_firewall_of_a_host_whose_addresses_were_not_read_keeps_nothing_out() -> None:
    shut = filtered(sound_view(), SHUT)
    blind = shut.with_snapshot(replace(shut.of(SERVER), box=server(SHUT, addresses=None)))
    stray = entry(Kind.PORT_FORWARD, forward(41000, PLEX, 443), handle="stray")
    assert newly(shut, with_entries(shut, stray)) == ""
    assert "port 41000" in newly(blind, with_entries(blind, stray))


@pytest.mark.parametrize("at_one", [True, False])
def test_where_the_wan_address_is_not_known_a_rule_for_one_address_is_for_it_perhaps(at_one: bool) -> None:
    narrow = (destination(WAN),) if at_one else ()
    view = home(netfilter(rule(*narrow, TCP, dport(32400), dnat())))
    assert "perhaps" not in refused(view, ADMIT)
    said = refused(with_facts(view, ROUTER, wan__address=None), ADMIT)
    assert "forwards from 32400" in said
    assert ("perhaps" in said) is at_one


# --- UPnP's list beside the rules -----------------------------------------------------------------------------------


LISTED: tuple[tuple[str, Callable[[SiteView], SiteView], bool], ...] = (
    ("for 32400", lambda view: with_entries(view, mapping(32400, PLEX)), True),
    ("that cannot be read", lambda view: with_entries(view, entry(Kind.UPNP_MAPPING, None)), True),
    ("for another host", lambda view: with_entries(view, mapping(32400, NAS)), False),
    ("for another port of the host", lambda view: with_entries(view, mapping(41000, PLEX)), False),
)  # fmt: skip


@pytest.mark.parametrize(("alter", "stops"), [pytest.param(*one[1:], id=one[0]) for one in LISTED])
def test_a_mapping_that_the_list_alone_shows_is_there_perhaps(
    alter: Callable[[SiteView], SiteView], stops: bool
) -> None:
    said = refused(alter(home(netfilter())), ADMIT)
    assert bool(said) is stops
    assert ("perhaps" in said) is stops


def test_a_mapping_that_the_rules_show_too_is_there_for_sure() -> None:
    view = with_entries(home(netfilter(rule(TCP, dport(32400), dnat()))), mapping(32400, PLEX))
    (one,) = exposures(view) or ()
    assert one.certain
    said = refused(view, ADMIT)
    assert said
    assert "perhaps" not in said


def test_a_mapping_to_another_address_of_the_host_is_no_rule_s() -> None:
    view = elsewhere(home(netfilter(rule(TCP, dport(32400), dnat(str(OLD))))))
    assert "G1" not in refusing(case_of(view, [RENEW]))
    said = refusing(case_of(with_entries(view, mapping(32400, PLEX)), [RENEW]))["G1"]
    assert "bring the Plex host to 192.168.1.50" in said
    assert "perhaps" in said


# --- a rule of ours that lost its IPv6 ------------------------------------------------------------------------------

WIDE = entry(Kind.FIREWALL_RULE, FirewallRule(32400, over_ipv6=True), key="plex", handle="0")
NARROW = change(Kind.FIREWALL_RULE, Action.UPDATE, FirewallRule(32400), before=WIDE)
WIDEN = change(
    Kind.FIREWALL_RULE, Action.UPDATE, FirewallRule(32400, over_ipv6=True),
    before=replace(WIDE, values=FirewallRule(32400)),
)  # fmt: skip


def test_less_may_always_be_let_in() -> None:
    """That 32400 is forwarded is a finding; the rule lets its packets in already, and closing IPv6 opens nothing."""
    assert refused(filtered(old_forward(32400)), NARROW) == ""
    assert refused(filtered(old_forward(32400), SHUT), NARROW) != "", "it stood behind a deny and is moved up"
    other = replace(NARROW, before=replace(WIDE, values=FirewallRule(32401, over_ipv6=True)))
    assert refused(filtered(old_forward(32400)), other) != ""
    assert refused(old_forward(32400), NARROW) != "", "what the server's filters do is not known"


def test_ipv6_is_given_back_only_where_no_pinhole_waits() -> None:
    assert "over IPv6" not in refused(home(netfilter()), WIDEN)
    assert "would let in what" in refused(home(pinhole(HOLE)), WIDEN)
    assert refused(home(pinhole(HOLE)), NARROW) == ""


def test_a_pinhole_for_one_of_the_hosts_addresses_is_there_for_sure() -> None:
    view = home(pinhole(rule(destination(PLEX_6), TCP, dport(32400), ACCEPT)))
    own = tuple(LocalAddress(6, int(IPv6Address(at)), "eth0") for at in (PLEX_6, "2001:db8:1::51"))
    (one,) = exposures(view.with_snapshot(replace(view.of(SERVER), box=server(addresses=own)))) or ()
    assert (one.address, one.certain) == (PLEX_6, True)


def test_what_leads_to_32400_is_named_and_shown() -> None:
    (one,) = exposures(old_forward(32400)) or ()
    assert one.says() == "32400 itself is forwarded to 192.168.1.50 by “of old”"
    assert one.exhibit == "router.x"


def test_a_router_that_lets_all_of_ipv6_in_has_no_rule_to_name() -> None:
    (one,) = exposures(home(router(base("forward", name="filter")))) or ()
    assert one.says() == f"a rule of the router lets the internet in to {PLEX_6} at port 32400 over IPv6"
    assert one.exhibit == ""


def test_where_there_is_no_ipv6_no_rule_is_a_way_over_it() -> None:
    """Neither one that nobody can read, nor one of a router that has no address of it, nor an odd row of a list."""
    unread = home(netfilter(rule(UnknownEffect("queue"))))
    v4_alone = unread.with_snapshot(replace(unread.of(SERVER), box=server()))
    own = tuple(one for one in pinhole().addresses or () if one.family == 4)
    hole = home(replace(pinhole(rule(TCP, dport(32400), ACCEPT)), addresses=own))
    no_prefix = hole.with_snapshot(replace(hole.of(SERVER), box=None))
    listed = with_entries(home(None), entry(Kind.PORT_FORWARD, None))
    inside = server(addresses=(LocalAddress(6, int(IPv6Address("fd00::50")), "eth0"),))
    private = unread.with_snapshot(replace(unread.of(SERVER), box=inside))
    homes = (unread, v4_alone, private, no_prefix, listed)
    families = [{one.family for one in exposures(view) or ()} for view in homes]
    assert families == [{4, 6}, {4}, {4}, set(), {4}]


def test_a_runs_own_undo_needs_no_plex_that_answers() -> None:
    silent = replace(sound_view(), plex_answered_at=None)
    case = case_of(silent, [ADMIT])
    assert "G3" in refusing(case)
    assert "G3" not in refusing(replace(case, undoing=True, restoring=True))


def test_the_operators_of_addresses_and_of_registries() -> None:
    from plexops.runbook.view import operator_of

    found = {
        "Plex": "plex.tv", "v4.plex.tv": "plex.tv", "api.ipify.org": "ipify.org", "11.22.44.5": "11.22.44.5",
        "ip.a.co.uk": "a.co.uk", "ip.a.com.au": "a.com.au", "ip.some.uk": "some.uk", "a.b.com": "b.com", "co.uk": "co.uk",
        "localhost": "localhost", "nu": "nu", "IP.Echo.NET.:8080": "echo.net",
    }  # fmt: skip
    assert {name: operator_of(name) for name in found} == found
