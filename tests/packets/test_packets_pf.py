"""pf as pf.conf(5) has it, in the rows of OPNsense. Each test quotes the sentence that it holds to, or names the source."""

from __future__ import annotations

from typing import Any

import pytest

from plexops.model.intervals import subtract
from plexops.model.matches import Other
from plexops.model.packets import Chain, UnknownEffect, Verdict
from plexops.packets.chains import EndKind
from plexops.packets.reach import PUBLIC_V4, AnswerKind
from tests.packets.handmade import EVERYBODY, NOBODY, SOME, UNKNOWN, n
from tests.packets.pf_home import (
    AUTOMATIC,
    INTERFACES,
    LOADED,
    NAS,
    PLEX,
    Row,
    answered,
    ask,
    box,
    filtered,
    forward,
    nat,
    rule,
)


def test_of_translation_rules_the_first_decides() -> None:
    """pf.conf(5): "The first matching rule decides what action is taken." The order is that of the sequence."""
    ours, nas = forward(sequence="200"), forward(sequence="100", target=NAS)
    assert nat(ours, nas) is NOBODY
    assert nat(ours, nas, to=f"{NAS} 32400") is EVERYBODY
    assert nat(ours, nas | {"sequence": "300"}) is EVERYBODY


def test_no_rdr_ends_translation() -> None:
    """pf.conf(5): "The no option prefixed to a translation rule causes packets to remain untranslated"."""
    no = forward(nordr="1", target="", local_port="", **{"pass": ""})
    assert nat(no | {"sequence": "1"}, forward()) is NOBODY
    assert nat(forward(), no | {"sequence": "900"}) is EVERYBODY
    # What is left untranslated is still for the firewall itself, and the filter is asked.
    opened = rule(destination_net="wanip", destination_port="32500")
    assert ask(box(no, filters=[opened]), to="203.0.113.20 32500").kind is EVERYBODY


def test_automatic_rules_have_no_sequence_and_come_first() -> None:
    """`filter.inc`: `registerDestinationNatRule(300, …)` for the anti-lockout, 600 for the others."""
    lockout = {
        "uuid": "lockout_0", "ipprotocol": "", "protocol": "tcp", "disabled": "0", "nordr": "1", "interface": "wan",
        "destination.network": "wanip", "destination.port": "32500", "is_automatic": True,
    }  # fmt: skip
    assert nat(forward(sequence="1"), lockout) is NOBODY


@pytest.mark.parametrize(("how", "right"), [("pass", EVERYBODY), ("rule", NOBODY), ("", NOBODY)])
def test_only_pass_is_spared_the_filter(how: str, right: AnswerKind) -> None:
    """pf.conf(5): "Packets that match a translation rule are only automatically passed if the pass modifier is given"."""
    assert nat(forward(**{"pass": how})) is right
    block = rule(action="block", destination_net="any", destination_port="", sort_order="200000.0000001")
    assert ask(box(forward(**{"pass": how}), filters=[block])).kind is right


def test_a_registered_rule_is_a_row_of_the_filter() -> None:
    """`filter.lib.inc` registers it at 500000, behind all others, for the target and the inner port."""
    linked: Row = {
        "ipprotocol": "inet", "interface": "WAN", "protocol": "tcp", "log": "0", "action": "", "enabled": "1",
        "source_net": "", "source_not": "0", "source_port": "", "destination_net": PLEX, "destination_not": "0",
        "destination_port": "32400", "direction": "in", "description": "Plex", "legacy": True, "is_automatic": True,
        "sort_order": "500000.1000040",
    }  # fmt: skip
    row = forward(**{"pass": "rule"})
    assert ask(box(row, filters=[linked])).kind is EVERYBODY
    block = rule(action="block", destination_port="")
    assert ask(box(row, filters=[linked, block])).kind is NOBODY


def test_without_a_quick_rule_the_last_match_decides() -> None:
    """pf.conf(5): "The last matching rule decides what action is taken."."""
    passes = rule(quick="0", sort_order="400000.0000100")
    blocks = rule(quick="0", sort_order="400000.0000200", action="block")
    assert filtered(passes, blocks) is NOBODY
    assert filtered(passes | {"sort_order": "400000.0000300"}, blocks) is EVERYBODY


def test_quick_ends_the_search() -> None:
    """pf.conf(5): a rule with `quick` "is considered the last matching rule"."""
    passes = rule(sort_order="400000.0000100")
    blocks = rule(sort_order="400000.0000200", action="block")
    assert filtered(passes, blocks) is EVERYBODY
    assert filtered(passes | {"quick": "0"}, blocks) is NOBODY
    # A quick one decides wherever it stands.
    assert filtered(blocks | {"quick": "0"}, passes) is EVERYBODY


def test_what_says_nothing_of_quick_is_quick_unless_it_floats() -> None:
    """`FilterRule.php`: "all rules are quick by default except floating"."""
    old = rule(action="block", sort_order="200000.1000001")
    del old["quick"]
    assert filtered(old, rule()) is NOBODY
    assert filtered(old | {"floating": "yes"}, rule()) is EVERYBODY


def test_floating_rules_come_before_groups_and_those_before_interfaces() -> None:
    """`FilterRuleField.php`: 200000, 300000 and 400000, then the sequence."""
    floating = rule(interface="wan,lan", action="block", sort_order="200000.0000900")
    group = rule(action="pass", sort_order="300010.0000100")
    assert filtered(rule(), group, floating) is NOBODY
    assert filtered(rule(action="reject"), group) is EVERYBODY
    assert (
        filtered(rule(action="block", sort_order="400000.1000001"), rule(sort_order="400000.0000999"))
        is EVERYBODY
    )


def test_what_no_rule_passes_is_dropped_and_reject_says_so() -> None:
    """`filter.lib.inc`: "Default deny / state violation rule"; `FilterRule.php`: reject is `block return`."""
    dropped = ask(box(forward(**{"pass": ""})))
    assert {end.kind for end in dropped.missed} == {EndKind.DROPPED}
    assert [end.step.rule.name for end in dropped.missed if end.step.rule] == [AUTOMATIC[0]["description"]]
    hook = box().chains["filter"].hook
    assert hook is not None
    assert hook.policy is Verdict.DROP
    rejected = ask(box(forward(**{"pass": ""}), filters=[rule(action="reject")]))
    assert {end.kind for end in rejected.missed} == {EndKind.REJECTED}


def test_answers_pass_by_their_state() -> None:
    """pf.conf(5): what matches a state "is passed without evaluation of any rules"."""
    blocked = rule(
        interface="lan", action="block", source_net=PLEX, destination_net="any", destination_port=""
    )
    assert filtered(rule(), blocked) is EVERYBODY
    # "state is created unless the no state option is specified".
    assert filtered(rule(statetype="none")) is UNKNOWN


@pytest.mark.parametrize(
    ("outer", "inner", "port", "right"),
    [
        ("32500-32510", "32400", 32505, 32405),
        ("32500-32510", "32400", 32500, 32400),
        ("32500", "32400", 32500, 32400),
        ("32500-32510", "", 32505, 32505),
        ("", "32400", 32505, 32400),
        ("https", "ssh", 443, 22),
    ],
)
def test_a_range_shifts(outer: str, inner: str, port: int, right: int) -> None:
    """pf.conf(5): "redirects port 2000 to 4000, 2001 to 4001, ..."; `ForwardRule.php` makes a range of one port."""
    row = forward(destination__port=outer, local_port=inner)
    answer = ask(box(row), port, f"{PLEX} {right}")
    assert answer.kind is EVERYBODY
    assert ask(box(row), port, f"{PLEX} {right + 1}").kind is NOBODY


def test_without_tcp_or_udp_ports_are_left_out() -> None:
    """`legacyMoveAddressFields`: a rule for every protocol hands over every port, whatever port it names."""
    row = forward(protocol="")
    assert nat(row, port=9, to=f"{PLEX} 9") is EVERYBODY
    assert nat(row) is NOBODY


def test_tags_stick() -> None:
    """pf.conf(5): tags are "sticky", "even if the rule is not the last matching rule"; `rdr` sets them as well."""
    tagged = rule(tagged="PLEX", destination_net="any", destination_port="", protocol="any")
    assert ask(box(forward(tag="PLEX", **{"pass": ""}), filters=[tagged])).kind is EVERYBODY
    assert ask(box(forward(tag="OTHER", **{"pass": ""}), filters=[tagged])).kind is NOBODY
    marks = rule(action="block", quick="0", tag="PLEX", sort_order="200000.0000001")
    assert filtered(marks, tagged) is EVERYBODY


def test_a_negated_source_is_all_but_it_and_a_negated_list_is_everything() -> None:
    """`Rule.php` writes a rule for each of a list: `from {!a}` and `from {!b}`."""
    but = ask(box(forward(source__network="198.51.100.0/24", source__not="1")))
    assert but.senders == subtract(PUBLIC_V4, n("198.51.100.0/24"))
    assert nat(forward(source__not="1")) is EVERYBODY
    both = rule(source_net="198.51.100.0/24,203.0.113.0/24", source_not="1")
    assert filtered(both) is EVERYBODY
    one = ask(box(forward(**{"pass": ""}), filters=[both | {"source_net": "198.51.100.0/24"}]))
    assert one.senders == but.senders


def test_rules_that_are_not_in_force_say_why() -> None:
    """`Rule.php` and `DNatController.php`: a comment in pf's text, or `600000`: "not applied by PF"."""
    rows = (
        forward(disabled="1"), forward(prio_group="600000", interface="opt9"), forward(target="", local_port=""),
    )  # fmt: skip
    whys = [one.off for one in box(*rows).chains["nat"].rules]
    assert whys == ["it is switched off", "its interface does not exist", "it has no target"]
    off = box(filters=[rule(enabled="0"), rule(sort_order="600000.0000001")]).chains["filter"].rules[-2:]
    assert [one.off for one in off] == ["it is switched off", "its interface does not exist"]


def test_ipv6_is_only_filtered() -> None:
    host = "2001:db8:1::50"
    opened = rule(ipprotocol="inet6", destination_net=host)
    for rules, right in (([opened], EVERYBODY), ([rule(destination_net="any")], NOBODY), ([], NOBODY)):
        answer = ask(box(forward(), filters=rules), 32400, f"{host} 32400", host, family=6)
        assert answer.kind is right
    # A forward for both families is one of its target's.
    assert (
        ask(box(forward(ipprotocol="")), address="2001:db8::20", to="2001:db8::20 32500", family=6).kind
        is NOBODY
    )


@pytest.mark.parametrize(
    ("changes", "right"),
    [
        ({"max__src__conn": "100"}, EVERYBODY), ({"max": "1"}, UNKNOWN),
        ({"max__src__conn__rate": "15", "max__src__conn__rates": "5"}, EVERYBODY),
        ({"max__src__conn__rate": "1", "max__src__conn__rates": "60"}, UNKNOWN), ({"sched": "night"}, UNKNOWN),
        ({"tcpflags1": "syn", "tcpflags2": "syn,ack"}, EVERYBODY), ({"tcpflags1": "ack", "tcpflags2": "ack"}, NOBODY),
        ({"tcpflags1": "ack", "tcpflags2": "ack", "tcpflags_any": "1"}, EVERYBODY),
        ({"gateway": "WAN2_GW"}, UNKNOWN), ({"tos": "lowdelay"}, UNKNOWN), ({"prio": "3"}, UNKNOWN),
        ({"os": "FreeBSD"}, UNKNOWN), ({"divert__to": "8000"}, UNKNOWN), ({"statetype": "synproxy"}, EVERYBODY),
        ({"protocol": "UDP"}, NOBODY), ({"protocol": "tcp/udp"}, EVERYBODY),
        ({"protocol": "any", "destination_port": ""}, EVERYBODY),
        ({"ipprotocol": "inet6"}, NOBODY), ({"ipprotocol": "inet46"}, EVERYBODY), ({"direction": "out"}, NOBODY),
        ({"direction": "any"}, EVERYBODY), ({"source_net": "198.51.100.0/24"}, SOME), ({"source_port": "80"}, NOBODY),
        ({"action": "match"}, UNKNOWN), ({"destination_net": "lan"}, EVERYBODY), ({"destination_net": "wan"}, NOBODY),
    ],
)  # fmt: skip
def test_fields_of_the_filter(changes: dict[str, Any], right: AnswerKind) -> None:
    assert filtered(rule(**changes)) is right


def test_what_is_not_known_stays_on_its_row() -> None:
    """No answer is more certain with a field that is not known, and none turns."""
    for name in ("xyz", "source.os", "destination.geo"):
        odd = forward(target=NAS, sequence="100")
        assert nat(odd | {name: "0"}, forward()) is NOBODY
        assert nat(odd | {name: "x"}, forward()) is UNKNOWN
        assert nat(odd | {name: {"a": 1}}, forward()) is UNKNOWN
        assert nat(odd | {name: "x", "destination.port": "443"}, forward()) is EVERYBODY
        tests = box(odd | {name: "x"}).chains["nat"].rules[0].matches
        assert [match.test for match in tests if isinstance(match.test, Other)] == [Other(f"{name} x")]


def test_unread_is_not_empty() -> None:
    unread = box(forwards=None)
    assert unread.chains["nat"].unread
    assert ask(unread).kind is UNKNOWN
    manual = forward(**{"pass": ""})
    assert ask(_without(manual, filters=None)).kind is UNKNOWN
    assert ask(_without(forward(), filters=None)).kind is EVERYBODY
    # Without the overview nothing is known of addresses; the interface's own word still holds.
    assert ask(_without(forward(), interfaces=None)).kind is UNKNOWN
    assert ask(_without(forward(interface="lan"), interfaces=None)).kind is NOBODY


def _without(row: Row, **read: Any) -> Any:
    return answered(
        {"forwards": [row], "filters": AUTOMATIC, "interfaces": INTERFACES, "loaded": LOADED} | read
    )


@pytest.mark.parametrize(
    "rows", [[rule(interface="", action="pass")], [rule()], [AUTOMATIC[0], rule(interface="wan,lan")]]
)
def test_a_filter_that_is_not_shown_whole_is_not_read(rows: list[Row]) -> None:
    """26.1 leaves out automatic rules unless `show_all` is set, and those of single interfaces."""
    chain: Chain = _without(forward(), filters=rows).chains["filter"]
    assert [effect for one in chain.rules for effect in one.effects] == [UnknownEffect(chain.rules[0].words)]
    assert ask(_without(forward(**{"pass": ""}), filters=rows)).kind is UNKNOWN


def test_rules_that_stop_what_leaves_are_named() -> None:
    assert box().outside_model == ()
    (named,) = box(filters=[rule(direction="out", action="block", description="no way out")]).outside_model
    assert "no way out" in named


def test_what_the_box_tells_of_itself() -> None:
    arp = [{"ip": "203.0.113.1", "mac": "00:1D:AA:00:00:01", "intf": "vtnet1"}]
    routed = [*INTERFACES[:1], INTERFACES[1] | {"routes": ["default", "10.20.0.0/16", "fe80::%vtnet1/64"]}]
    of = box(arp=arp, interfaces=routed)
    assert (of.internet_side, of.gateway_mac) == ("vtnet1", "00:1d:aa:00:00:01")
    assert {a.interface for a in of.addresses or ()} == {"vtnet0", "vtnet1", "lo0"}
    assert [(r.interface, r.gateway) for r in of.routes or () if r.length == 0] == [
        ("vtnet1", "203.0.113.1"), ("vtnet1", "2001:db8::1"),
    ]  # fmt: skip
    assert [r.interface for r in of.routes or () if r.length == 16] == ["vtnet1"]
    lengths = [r.length for r in of.routes or ()]
    assert lengths == sorted(lengths, reverse=True)


def test_a_rule_bears_the_words_of_the_device() -> None:
    of = box(forward(descr="TV", source__network="198.51.100.0/24", source__not="1"))
    one = of.chains["nat"].rules[0]
    assert one.words == (
        "rdr pass on wan inet proto tcp from ! 198.51.100.0/24 to wanip port 32500 -> 192.168.1.50 port 32400"
    )
    assert (one.name, one.handle, one.exhibit) == ("TV", "u-1", "router.forwards")


def loaded(*nat: str, filters: tuple[str, ...] = ("scrub in all",)) -> dict[str, Any]:
    """Give pf's own list, as `pfctl -vvsnat` and `-vvsrules` number it: each kind of rules by itself."""
    numbered = (
        {f"@{at} {line}": {"packets": 1} for at, line in enumerate(lines)} for lines in (nat, filters)
    )
    return {"rules": dict(zip(("nat rules", "filter rules"), numbered, strict=True))}


def test_what_stands_in_an_anchor_may_lead_anywhere() -> None:
    """pf.conf(5): "anchors … can be filled with rules at a later time": UPnP's daemon writes there, and no list shows it."""
    by_upnp = loaded('nat-anchor "miniupnpd" all', "no rdr proto carp all", 'rdr-anchor "miniupnpd" all')
    assert ask(box(loaded=by_upnp)).kind is UNKNOWN
    # It stands behind OPNsense's own rules, of which the first that matches decides (`filter.inc`: the tail).
    assert ask(box(forward(), loaded=by_upnp)).kind is EVERYBODY
    early = loaded('rdr-anchor "early" all', "no rdr proto carp all")
    assert ask(box(forward(), loaded=early)).kind is UNKNOWN
    assert (
        ask(box(loaded=loaded('nat-anchor "of what goes out" all', "no rdr proto carp all"))).kind is NOBODY
    )


def test_an_anchor_of_the_filter_may_let_pass_what_its_policy_stops() -> None:
    """pf.conf(5): the last match decides, and a rule in an anchor may be quick."""
    row = forward(**{"pass": ""})
    assert nat(row) is NOBODY
    last = loaded("no rdr proto carp all", filters=("block drop in log inet all", 'anchor "x" all'))
    assert ask(box(row, loaded=last)).kind is UNKNOWN
    assert ask(box(row, filters=[rule()], loaded=last)).kind is EVERYBODY
    first = loaded("no rdr proto carp all", filters=('anchor "x" all', "block drop in log inet all"))
    assert ask(box(row, filters=[rule()], loaded=first)).kind is UNKNOWN


def test_one_to_one_nat_is_asked_behind_the_forwards() -> None:
    """`pf_get_translation`: of what comes in, `binat` is asked where no `rdr` matched; no row of the API shows it."""
    to_plex = loaded("no rdr proto carp all", f"binat on vtnet1 inet from {PLEX} to any -> 203.0.113.20")
    inside = rule(destination_port="")
    assert ask(box(filters=[inside], loaded=to_plex), 32400).kind is EVERYBODY
    assert ask(box(loaded=to_plex), 32400).kind is NOBODY
    assert ask(box(forward(target=NAS), filters=[inside], loaded=to_plex), to=f"{PLEX} 32500").kind is NOBODY
    to_nas = loaded("no rdr proto carp all", f"binat on vtnet1 inet from {NAS} to any -> 203.0.113.21")
    assert ask(box(filters=[inside], loaded=to_nas), 32400).kind is NOBODY
    of_a_network = loaded("@", "binat on vtnet1 inet from 192.168.1.0/29 to any -> 203.0.113.16/29")
    assert ask(box(filters=[inside], loaded=of_a_network)).kind is UNKNOWN


@pytest.mark.parametrize("told", [None, {}, {"rules": {"nat rules": {}}}, {"rules": []}])
def test_without_pfs_own_list_there_may_be_rules_that_nobody_shows(told: Any) -> None:
    assert ask(box(loaded=told)).kind is UNKNOWN
    assert ask(box(forward(), loaded=told)).kind is EVERYBODY
