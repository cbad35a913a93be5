"""RouterOS's rows as 6 and 7 print them: flags, lists, ways out, and what cannot be told apart."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from plexops.drivers.rulesets.routeros import routeros_box
from plexops.model.intervals import network, normalise, subtract
from plexops.model.matches import AnyOf, Match, Other
from plexops.model.packets import UnknownEffect
from plexops.packets.reach import PUBLIC_V4
from plexops.parsers import PARSERS
from tests.packets.routeros_home import FILTER, PLEX_NAT, STRICT, WAN, E, N, S, U, ask, home, kind, rows

DROP_UNASKED = (
    f"{FILTER} action=drop connection-state=new connection-nat-state=!dstnat in-interface-list=WAN\n"
)

RULES = """\
Flags: X - disabled, I - invalid; D - dynamic
 0  D comment=special dummy rule to show fasttrack counters chain=forward action=passthrough
 1 I  comment=old chain=forward action=drop in-interface=ether2
 2 X  chain=forward action=drop in-interface=ether1 log=no log-prefix=
 3    comment=see in-interface=ether9 chain=forward action=accept connection-state=established,related
17:20:06 echo: system,error,critical login failure for user admin from 65.160.140.13 via ssh
 4    comment=two
lines chain=forward action=drop in-interface=vlan-guest
 5    comment=my chain=forward rule chain=forward action=drop
"""


def test_rows_as_printed_with_their_flags_and_what_cannot_be_told_apart() -> None:
    ids = tuple(f"*{n:X}" for n in range(1, 7))
    box = routeros_box(home("", filter_rules=rows(RULES), filter_rule_ids=ids))
    rules = box.chains["filter forward"].rules
    assert [rule.off for rule in rules] == ["", "the router calls it invalid", "disabled", "", "", ""]
    assert [rule.name for rule in rules[1:5]] == ["old", "", "see in-interface=ether9", "two lines"]
    assert [rule.handle for rule in rules] == list(ids)
    assert rules[3].words == "action=accept chain=forward connection-state=established,related"
    assert {rule.exhibit for rule in rules} == {"router.filter_rules"}
    # The last one can be read in two ways.
    assert [any(isinstance(m.test, Other) for m in rule.matches) for rule in rules[3:]] == [
        False,
        False,
        True,
    ]
    # What is only in doubt does not blind the rest: the same rows and a drop behind them.
    assert ask(home(PLEX_NAT, filter_rules=rows(RULES))).kind == U
    assert ask(home(PLEX_NAT, filter_rules=rows(RULES + " 6    chain=forward action=drop\n"))).kind == U
    assert (
        ask(
            home(
                DROP_UNASKED, filter_rules=rows(RULES.partition(" 4 ")[0] + " 4    chain=forward action=drop")
            )
        ).kind
        == N
    )


def test_a_comment_that_pretends_to_be_a_rule_hides_nothing() -> None:
    row = " 0 D comment=upnp x: chain=dstnat action=accept chain=dstnat action=dst-nat protocol=udp dst-port=9\n"
    forward = " 1    chain=dstnat action=dst-nat protocol=tcp dst-port=32500 to-addresses=192.168.88.10 to-ports=32400\n"
    # A device at home writes nothing but the comment; of an owner's row it is not known.
    assert ask(home("", nat_rules=rows(row + forward))).kind == E
    assert ask(home("", nat_rules=rows(row.replace(" D ", "   ") + forward))).kind == U
    fake = row.replace("x: ", "x:\n 1    ")
    with pytest.raises(ValueError, match="do not rise"):
        rows(fake + forward)
    with pytest.raises(ValueError, match="no item"):
        PARSERS["routeros_rows"]("bad command name raw (line 1 column 14)\n")


def test_a_mapping_that_a_device_at_home_asked_for_is_a_dynamic_rule() -> None:
    text = (
        " 0   comment=defconf: masquerade chain=srcnat action=masquerade out-interface-list=WAN ipsec-policy=out,none\n"
        " 1 D comment=upnp 192.168.88.10: Plex Media Server chain=dstnat action=dst-nat to-addresses=192.168.88.10"
        " to-ports=32400 protocol=tcp dst-address=62.155.240.55 in-interface=ether1 dst-port=32500\n"
    )
    assert ask(home(DROP_UNASKED, nat_rules=rows(text))).kind == E


def test_address_lists_with_timeouts_names_and_rows_that_are_off() -> None:
    printed = """\
 0   list=blocked address=198.18.0.0/16 creation-time=jan/01/2002 01:00:25
 1 D list=blocked address=198.19.7.7 creation-time=2026-11-01 10:00:00 timeout=4m52s
 2 X list=blocked address=0.0.0.0/0 creation-time=jan/01/2002 01:00:25
 3   list=blocked address=203.0.112.5-203.0.112.9 creation-time=jan/01/2002 01:00:25
 4   comment=a b=c list=names address=viewer.example creation-time=jan/01/2002 01:00:25
 5 D comment=viewer.example list=names address=198.19.7.7
 6   list=unresolved address=nowhere.example
"""
    drop = f"{FILTER} action=drop src-address-list=blocked connection-state=new\n"
    answer = ask(home(PLEX_NAT + drop, address_lists=rows(printed)))
    gone = normalise(
        network(text)[1][0] for text in ("198.18.0.0/16", "198.19.7.7", "203.0.112.5-203.0.112.9")
    )
    assert (answer.kind, answer.senders) == (S, subtract(PUBLIC_V4, gone))
    only = STRICT.format(f"{FILTER} action=accept src-address-list=names\n")
    answer = ask(home(PLEX_NAT + only, address_lists=rows(printed)))
    assert answer.senders == network("198.19.7.7")[1]
    unsure = only.replace("=names", "=unresolved")
    assert kind(PLEX_NAT + unsure, address_lists=rows(printed)) == U
    odd = rows(printed + " 7   comment=see list=x list=blocked address=1.2.3.4\n")
    assert kind(PLEX_NAT + drop, address_lists=odd) == U


def test_interface_lists_include_exclude_then_add() -> None:
    lists = rows(
        " 0 * name=all\n 4   name=A include=all exclude=B\n 5   name=B\n 6   name=C include=gone\n 7   name=D exclude=all\n"
    )
    members = rows(
        " 0   list=B interface=ether1\n 1   list=D interface=ether1\n 2 X list=B interface=bridge\n"
    )
    found = routeros_box(home("", interface_lists=lists, list_members=members)).lists
    assert found is not None
    assert found["A"] == {"ether2", "bridge", "vlan-guest", "lo"}
    assert found["B"] == found["D"] == {"ether1"}
    assert not found["none"] | found["dynamic"]
    assert "C" not in found


ROUTES_6 = """\
 0 ADS  dst-address=0.0.0.0/0 gateway=62.155.240.1 gateway-status=62.155.240.1 reachable via  pppoe-out1 distance=1
 1 ADC  dst-address=192.168.88.0/24 pref-src=192.168.88.1 gateway=bridge gateway-status=bridge reachable distance=0
 2 A S  comment=to Internet dst-address=0.0.0.0/0 gateway-status=10.1.1.1 reachable via  lte1 routing-mark=reserve
 3   S  dst-address=192.168.88.0/25 gateway=ether4 gateway-status=ether4 unreachable distance=1
"""


def test_routes_of_version_6_and_an_interface_of_ppp() -> None:
    interfaces = rows(" 0  R  name=pppoe-out1 type=pppoe-out mtu=1480\n 1  R  name=bridge type=bridge\n")
    answers = home(PLEX_NAT.replace("in-interface-list=WAN", "in-interface=all-ppp"),
                   routes=rows(ROUTES_6), interfaces=interfaces)  # fmt: skip
    box = routeros_box(answers)
    assert box.internet_side == "pppoe-out1"
    assert [(route.length, route.interface) for route in box.routes or () if route.family == 4] == [
        (24, "bridge"), (0, "pppoe-out1"),
    ]  # fmt: skip
    assert box.outside_model == ("several routing tables",)
    assert ask(answers).kind == E


def test_a_route_whose_way_is_not_told_makes_all_ways_a_question() -> None:
    unclear = rows("   DAd dst-address=0.0.0.0/0 gateway=somewhere distance=1\n")
    assert routeros_box(home("", routes=unclear)).routes is None


def test_what_is_out_of_the_model_is_said() -> None:
    nat = "/ip firewall nat add chain=input action=src-nat to-addresses=192.168.88.1\n"
    bridge = rows(" 0   chain=forward action=drop\n")
    two = rows(
        "   DAd dst-address=0.0.0.0/0 immediate-gw=1.1.1.1%ether1\n 0  As dst-address=0.0.0.0/0 immediate-gw=2.2.2.2%lte1\n"
    )
    box = routeros_box(home(nat, bridge_rules=bridge, routes=two))
    assert len(box.outside_model) == 3
    assert routeros_box(home(PLEX_NAT)).outside_model == ()


def test_ids_are_taken_only_where_they_fit() -> None:
    for ids, right in ((("*1", "*2"), ["*1", "*2"]), (("*1",), ["", ""])):
        box = routeros_box(home(PLEX_NAT + PLEX_NAT, nat_rule_ids=ids))
        assert [rule.handle for rule in box.chains["nat dstnat"].rules] == right
    assert WAN in {IPv4Address(a.number) for a in routeros_box(home("")).addresses or () if a.family == 4}


#: Every field that the captures of 6.48 show in filter and nat, in the forms that they have there.
FIELDS_OF_CAPTURES = """\
 0    chain=input action=accept connection-state=established,related,untracked log=no log-prefix=
 1    chain=forward action=accept connection-state=established,related,new in-interface=vlan-guest out-interface=ether1
 2    chain=input action=accept protocol=udp dst-port=500,1701,4500 log-prefix=VPN from outside
 3    chain=input action=accept protocol=ipsec-esp src-address-list=office dst-address-list=here
 4    chain=input action=drop in-interface-list=!LAN dst-address=127.0.0.1
 5    chain=forward action=accept ipsec-policy=out,ipsec src-address=!198.51.100.156/30
 6 X  chain=forward action=fasttrack-connection hw-offload=yes connection-state=established,related
 7    chain=forward action=drop connection-state=new connection-nat-state=!dstnat in-interface-list=WAN
 8    chain=forward connection-state=established,related src-mac-address=67:33:EB:0E:EB:A8
 9    chain=input action=drop in-interface=all-ppp protocol=vmtp src-port=80 out-interface-list=WAN
"""


def test_the_fields_of_captures_are_all_read() -> None:
    box = routeros_box(home("", filter_rules=rows(FIELDS_OF_CAPTURES)))
    rules = [rule for chain in box.chains.values() for rule in chain.rules]
    assert len(rules) == 10
    assert not [match for rule in rules for match in rule.matches if doubtful(match)]
    assert not [rule for rule in rules if any(isinstance(effect, UnknownEffect) for effect in rule.effects)]


def doubtful(match: Match) -> bool:
    """Tell whether a match, or a part of it, is one that may hold or not."""
    if isinstance(match.test, AnyOf):
        return any(doubtful(part) for branch in match.test.branches for part in branch)
    return isinstance(match.test, Other)
