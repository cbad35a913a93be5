"""RouterOS's fields and actions as MikroTik's manual tells them, asked with a viewer's connection."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest

from plexops.drivers.rulesets.routeros import Rows, routeros_box
from plexops.model.intervals import network, normalise, subtract
from plexops.packets.reach import PUBLIC_V4
from tests.packets.handmade import number
from tests.packets.routeros_home import FILTER, NAT, PLEX, PLEX_NAT, STRICT, E, N, S, U, ask, home, kind

RAW = "/ip firewall raw add"
MANGLE = "/ip firewall mangle add"
DROP_UNASKED = (
    f"{FILTER} action=accept connection-state=established,related,untracked\n"
    f"{FILTER} action=drop connection-state=invalid\n"
    f"{FILTER} action=drop connection-state=new connection-nat-state=!dstnat in-interface-list=WAN\n"
)


def test_the_default_configuration_lets_in_what_is_translated_and_nothing_else() -> None:
    assert kind(PLEX_NAT + DROP_UNASKED) == E
    assert kind(DROP_UNASKED) == N
    # Somebody outside who sends to the inner address: it is routed, and dropped for not being translated.
    assert ask(home(DROP_UNASKED), at=PLEX, port=32400).kind == N
    assert ask(home(""), at=PLEX, port=32400).kind == E


#: One accept of a strict chain, and who gets in. Between the two stands what RouterOS's manual says of the field.
ACCEPTS = [
    ("protocol=6 dst-port=32400", E),
    ("protocol=udp dst-port=32400", N),
    ("protocol=!udp", E),
    ("protocol=tcp dst-port=80,443,32000-33000", E),
    ("protocol=tcp dst-port=!32400", N),
    ("protocol=tcp dst-port=32500", N),  # the filter sees the translated port
    ("protocol=tcp port=32400", E),
    ("protocol=tcp port=!32400", N),
    ("protocol=tcp src-port=1024-65535", E),
    ("protocol=tcp src-port=53", N),
    ("dst-address=192.168.88.0/24", E),
    ("dst-address=192.168.88.9-192.168.88.11", E),
    ("dst-address=!192.168.88.10", N),
    ("dst-address=62.155.240.55", N),
    ("src-address=0.0.0.0/1", S),
    ("src-address=192.168.0.0/16", N),
    ("dst-address-type=!local", E),
    ("dst-address-type=local", N),
    ("dst-address-type=blackhole", U),
    ("in-interface=ether1", E),
    ("in-interface=!ether1", N),
    ("in-interface=all-ethernet", E),
    ("in-interface=all-ppp", N),
    ("in-interface=all-vlan", N),
    ("in-interface=all-wireless", N),
    ("out-interface=bridge", E),
    # The manual does not say whether a bridge is one of them.
    ("out-interface=all-ethernet", U),
    ("out-interface=!all-ethernet", U),
    ("in-interface-list=WAN out-interface-list=LAN", E),
    ("in-interface-list=!LAN", E),
    ("in-interface-list=all", E),
    ("in-interface-list=none", N),
    ("in-interface-list=static", E),
    ("in-interface-list=dynamic", N),
    ("in-interface-list=gone", U),
    ("in-interface-list=*2000011", U),
    ("connection-state=new", E),
    ("connection-state=!new", N),
    ("connection-nat-state=dstnat", E),
    ("connection-nat-state=srcnat", N),
    ("connection-nat-state=srcnat,dstnat", E),
    ("connection-mark=no-mark packet-mark=no-mark", E),
    ("connection-mark=plex", N),
    ("protocol=tcp tcp-flags=syn,!ack", E),
    ("protocol=tcp tcp-flags=syn,ack", N),
    ("protocol=tcp tcp-flags=ece", U),
    ("limit=100,20:packet", E),
    ("limit=1/1m,5:packet", U),
    ("limit=10M,5M:bit", U),
    ("dst-limit=50,50,dst-address-and-port/20s", E),
    ("connection-limit=50,32", N),
    ("connection-limit=!50,32", E),
    ("time=8h-16h,mon,tue", U),
    ("time=0s-1d,sun,mon,tue,wed,thu,fri,sat", E),
    ("ipsec-policy=in,ipsec", N),
    ("ipsec-policy=in,none", E),
    ("src-mac-address=00:0C:42:28:79:45", E),  # the gateway's
    ("src-mac-address=!00:0C:42:28:79:45", N),
    ("src-address-list=never-filled", N),
    # What the manual names and is not modelled may hold or not.
    *((f"{field}", U) for field in (
        "content=GET", "layer7-protocol=x", "tls-host=*.plex.direct", "psd=21,3s,3,1", "random=50", "nth=2,1",
        "packet-size=0-100", "hotspot=auth", "routing-mark=main", "routing-table=main", "ttl=equal:64", "dscp=0",
        "per-connection-classifier=both-addresses:2/0", "connection-bytes=1-100", "in-bridge-port=ether1",
        "something-new=1", "dst-address=plex.example", "connection-state=new,sleepy",
    )),
]  # fmt: skip


@pytest.mark.parametrize(("field", "right"), ACCEPTS, ids=lambda value: value)
def test_a_field_of_an_accept_before_a_drop(field: str, right: str) -> None:
    assert kind(PLEX_NAT + STRICT.format(f"{FILTER} action=accept {field}\n")) == right


def test_some_means_exactly_those() -> None:
    accept = f"{FILTER} action=accept src-address=0.0.0.0/1\n"
    answer = ask(home(PLEX_NAT + STRICT.format(accept)))
    assert answer.senders == subtract(PUBLIC_V4, network("128.0.0.0/1")[1])


#: One row before the forward, and who still gets in.
BEFORE = [
    (f"{NAT} action=accept", N),
    (f"{NAT} action=accept disabled=yes", E),
    (f"{NAT} action=accept log=yes log-prefix=!x", N),
    (f"{NAT} action=passthrough", E),
    (f"{NAT} action=log", E),
    (f"{NAT} action=return", N),  # from a base chain: its end
    (f"{NAT} action=jump jump-target=empty", E),
    (f"{NAT} action=redirect", N),
    (f"{NAT} action=socksify", U),
    (f"{NAT} action=dst-nat to-addresses=192.168.88.99", N),
    (f"{NAT} action=dst-nat to-addresses=192.168.88.99 in-interface=vlan-guest", E),
    (f"{NAT} action=dst-nat to-addresses=192.168.88.9-192.168.88.11 to-ports=32400", U),
    (f"{NAT} action=same to-addresses=192.168.88.10 to-ports=32400", E),
    (f"{NAT} action=add-src-to-address-list address-list=seen address-list-timeout=5m", E),
    (f"{RAW} chain=prerouting action=drop dst-address=62.155.240.55", N),
    (f"{RAW} chain=prerouting action=drop connection-state=invalid", N),  # before tracking all is invalid
    (f"{RAW} chain=prerouting action=drop dst-address-list=nobodys", E),
    (f"{RAW} chain=prerouting action=notrack protocol=tcp dst-port=32500", N),  # and so it is not translated
    (f"{MANGLE} chain=prerouting action=drop", N),
    (f"{MANGLE} chain=postrouting action=drop out-interface=bridge", N),
    (
        f"{MANGLE} chain=forward action=change-mss new-mss=1360 protocol=tcp tcp-flags=syn tcp-mss=1361-65535",
        E,
    ),
    (f"{MANGLE} chain=prerouting action=change-ttl new-ttl=set:1", U),
    (f"{MANGLE} chain=postrouting action=change-ttl new-ttl=set:65 passthrough=no", E),
    (f"{MANGLE} chain=prerouting action=mark-routing new-routing-mark=isp2", U),
    (f"{MANGLE} chain=prerouting action=mark-routing new-routing-mark=main", E),
    (f"{MANGLE} chain=prerouting action=route route-dst=192.168.100.1", U),
]


@pytest.mark.parametrize(("row", "right"), BEFORE, ids=lambda value: value)
def test_a_row_before_the_forward(row: str, right: str) -> None:
    assert kind(f"{row}\n{PLEX_NAT}{DROP_UNASKED}") == right


def test_a_list_that_a_rule_fills_is_asked_behind_it() -> None:
    fill = f"{FILTER} action=add-src-to-address-list address-list=knocked\n"
    drop = f"{FILTER} action=drop src-address-list=knocked connection-state=new\n"
    assert kind(PLEX_NAT + fill + drop) == N
    assert kind(PLEX_NAT + drop + fill) == E
    unread = Rows(None, "not enough permissions")
    assert kind(PLEX_NAT + drop, address_lists=unread) == U


def test_marks_with_and_without_passthrough() -> None:
    mark = f"{MANGLE} chain=prerouting action=mark-connection new-connection-mark=plex connection-state=new{{0}}\n"
    packet = f"{MANGLE} chain=forward action=mark-packet new-packet-mark=p connection-mark=plex{{0}}\n"
    late = f"{MANGLE} chain=prerouting action=drop connection-mark=plex connection-state=new\n"
    accept = STRICT.format(f"{FILTER} action=accept packet-mark=p connection-mark=plex\n")
    assert kind(mark.format("") + packet.format("") + PLEX_NAT + accept) == E
    assert kind(packet.format("") + PLEX_NAT + accept) == N
    assert kind(mark.format("") + late + PLEX_NAT) == N
    assert kind(mark.format(" passthrough=no") + late + PLEX_NAT) == E


def test_jumps_and_returns() -> None:
    jump = f"{FILTER} action=jump jump-target=wan in-interface-list=WAN\n"
    inner = "/ip firewall filter add chain=wan "
    accept, back = (
        f"{inner}action=accept protocol=tcp dst-port=32400\n",
        f"{inner}action=return protocol=tcp\n",
    )
    drop = f"{inner}action=drop\n"
    assert kind(PLEX_NAT + jump + accept + drop) == E
    assert kind(PLEX_NAT + jump + drop + accept) == N
    assert kind(PLEX_NAT + jump + back + drop) == E
    nat = f"{NAT} action=jump jump-target=forwards\n" + PLEX_NAT.replace("chain=dstnat", "chain=forwards")
    assert kind(nat + DROP_UNASKED) == E


def test_an_unknown_action_in_a_chain_of_translations_hides_where_a_packet_ends() -> None:
    jump = f"{NAT} action=jump jump-target=x\n"
    odd = "/ip firewall nat add chain=x action=socksify\n"
    answer = ask(home(jump + odd + PLEX_NAT))
    assert answer.kind == U
    assert any("socksify" in str(question) for question in answer.questions)
    assert kind(f"{NAT} action=socksify\n") == U
    assert kind(jump + odd) == U
    # A filter cannot send a packet elsewhere: what is dropped behind it is dropped.
    assert kind(f"{PLEX_NAT}{FILTER} action=ponder\n{FILTER} action=drop\n") == U
    assert kind(f"{FILTER} action=ponder\n") == N


def test_what_is_not_translated_back_is_not_seen() -> None:
    masquerade = "/ip firewall nat add chain=srcnat action=masquerade out-interface=bridge\n"
    strict = (
        f"{FILTER} action=accept connection-state=new\n{FILTER} action=accept connection-state=established\n"
    )
    box = routeros_box(home(PLEX_NAT + masquerade))
    assert kind(PLEX_NAT + masquerade + strict) == E
    sent = {end.packet.source for end in ask(home(PLEX_NAT + masquerade)).reached}
    assert sent == {((number("192.168.88.1"), number("192.168.88.1")),)}
    assert box.gateway_mac == "00:0c:42:28:79:45"
    source = masquerade.replace("action=masquerade", "action=src-nat to-addresses=192.168.88.7")
    sent = {end.packet.source for end in ask(home(PLEX_NAT + source)).reached}
    assert sent == {((number("192.168.88.7"), number("192.168.88.7")),)}


def test_a_rule_with_dst_address_of_the_router_and_one_for_one_viewer() -> None:
    here = f"{NAT} action=dst-nat dst-address=62.155.240.55 to-addresses=192.168.88.10 to-ports=32400"
    assert kind(f"{here}\n") == E
    answer = ask(home(f"{here} src-address=198.18.0.1\n"))
    assert (answer.kind, answer.senders) == (S, ((number("198.18.0.1"),) * 2,))


def test_netmap_keeps_the_hosts_part_of_the_address() -> None:
    rule = (
        "/ip firewall nat add chain=dstnat action=netmap in-interface=ether1 to-addresses=192.168.88.0/24\n"
    )
    assert ask(home(rule), port=32400, to=IPv4Address("192.168.88.55")).kind == E
    assert ask(home(rule), port=32400).kind == N
    # Of an address that is not the router's own only the network is known.
    assert ask(home(rule), at=IPv4Address("62.155.240.10"), port=32400).kind == U
    one = rule.replace(".0/24", ".10/32")
    assert ask(home(one), port=32400).kind == E


@pytest.mark.parametrize(
    ("outer", "inner", "right"),
    [("32500-32510", "32500-32510", 32500), ("32500-32510", "32400-32410", 0), ("32500", "32400-32410", 0)],
)
def test_a_range_of_inner_ports_is_known_where_it_is_the_outer_one(
    outer: str, inner: str, right: int
) -> None:
    rule = f"{NAT} action=dst-nat to-addresses=192.168.88.10 to-ports={inner}\n"
    rule = rule.replace("dst-port=32500", f"dst-port={outer}")
    answer = ask(home(rule), to_port=right or 32400)
    assert answer.kind == (E if right else U)
    # It says nothing about any other port.
    assert kind(rule.replace(f"dst-port={outer}", "dst-port=40000-40010") + PLEX_NAT) == E


def test_a_forward_without_port_leads_everything_to_one_host() -> None:
    dmz = (
        "/ip firewall nat add chain=dstnat action=dst-nat in-interface-list=WAN to-addresses=192.168.88.99\n"
    )
    assert kind(dmz + PLEX_NAT) == N
    assert kind(PLEX_NAT + dmz) == E
    assert ask(home(dmz), to=IPv4Address("192.168.88.99"), to_port=32500).kind == E


def test_invalid_rows_are_rules_that_are_not_in_force() -> None:
    remark = "# in/out-interface matcher not possible when interface (ether1) is slave - use master instead (bridge)\n"
    answers = home(remark + PLEX_NAT + PLEX_NAT.replace("32500", "32501"))
    (first, second) = routeros_box(answers).chains["nat dstnat"].rules
    assert first.off.startswith("invalid: in/out-interface matcher not possible")
    assert second.off == ""
    assert ask(answers).kind == N


def test_a_raw_firewall_drops_who_cannot_be_a_sender() -> None:
    """In the manner of the manual's “Building advanced firewall”: everything is decided before tracking."""
    bad = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "198.18.0.0/15")
    lists = "".join(f"/ip firewall address-list add list=bad address={net}\n" for net in bad)
    raw = (
        f"{RAW} chain=prerouting action=accept disabled=yes\n"
        f"{RAW} chain=prerouting action=drop src-address-list=bad\n"
        f"{RAW} chain=prerouting action=drop dst-address=192.168.88.0/24 in-interface-list=WAN\n"
        f"{RAW} chain=prerouting action=drop src-address=!192.168.88.0/24 in-interface-list=LAN\n"
        f"{RAW} chain=prerouting action=drop port=0 protocol=udp\n"
        f"{RAW} chain=prerouting action=jump jump-target=bad_tcp protocol=tcp\n"
        f"{RAW} chain=prerouting action=accept in-interface-list=LAN\n"
        f"{RAW} chain=prerouting action=accept in-interface-list=WAN\n"
        f"{RAW} chain=prerouting action=drop\n"
        f"{RAW} chain=bad_tcp action=drop protocol=tcp tcp-flags=!fin,!syn,!rst,!ack\n"
        f"{RAW} chain=bad_tcp action=drop protocol=tcp tcp-flags=fin,!ack\n"
        f"{RAW} chain=bad_tcp action=drop protocol=tcp port=0\n"
    )
    answer = ask(home(lists + raw + PLEX_NAT + DROP_UNASKED))
    gone = normalise(network(net)[1][0] for net in bad)
    assert (answer.kind, answer.senders) == (S, subtract(PUBLIC_V4, gone))
    assert ask(home(lists + raw), at=PLEX, port=32400).kind == N


V6 = "/ipv6 firewall filter add"
PLEX_V6 = IPv6Address("2001:470:1f09:131::9")
V6_STRICT = (
    f"{V6} chain=forward action=accept connection-state=established,related\n"
    f"{V6} chain=forward action=accept protocol=tcp dst-port=32400 dst-address={PLEX_V6}/128\n"
    f"{V6} chain=forward action=drop in-interface-list=!LAN\n"
)


@pytest.mark.parametrize(
    ("export", "right"),
    [
        ("", E),
        (f"{V6} chain=forward action=drop in-interface-list=!LAN\n", N),
        (f"{V6} chain=forward action=drop connection-state=new in-interface=ether1\n", N),
        (V6_STRICT, E),
        ("/ipv6 firewall raw add chain=prerouting action=drop src-address=2000::/3 in-interface-list=WAN\n", N),
        ("/ipv6 firewall mangle add chain=forward action=drop hop-limit=equal:1\n", U),
        (f"{FILTER} action=drop\n{RAW} chain=prerouting action=drop\n", E),  # these see IPv4 alone
        ("/ipv6 firewall nat add chain=dstnat action=dst-nat to-address=fd00::1/128\n", N),
        (f"{V6} chain=forward action=drop src-address-list=x\n/ip firewall address-list add list=x address=0.0.0.0/0\n", E),
        (f"{V6} chain=forward action=drop src-address-list=x\n/ipv6 firewall address-list add list=x address=2000::/3\n", N),
    ],
)  # fmt: skip
def test_ipv6_is_the_same_walk_through_its_own_menus(export: str, right: str) -> None:
    assert ask(home(export), at=PLEX_V6, port=32400, to=PLEX_V6).kind == right


def test_what_was_not_read_is_a_question() -> None:
    why = Rows(None, "not enough permissions (9)")
    for menu in ("nat_rules", "filter_rules", "raw_rules", "mangle_rules"):
        answer = ask(home(PLEX_NAT, **{menu: why}))
        assert answer.kind == U
        assert any("not enough permissions" in str(question) for question in answer.questions)
    assert kind(PLEX_NAT + DROP_UNASKED, list_members=why) == U
    assert kind(f"{PLEX_NAT}{FILTER} action=drop in-interface=all-ethernet\n", interfaces=why) == U
    # Nothing of IPv6 can make IPv4 unknown, and the other way round.
    for menu in ("filter_rules_v6", "addresses_v6", "routes_v6"):
        assert kind(PLEX_NAT + DROP_UNASKED, **{menu: why}) == E
        assert ask(home("", **{menu: why}), at=PLEX_V6, port=32400, to=PLEX_V6).kind == U
    assert ask(home("", nat_rules=why), at=PLEX_V6, port=32400, to=PLEX_V6).kind == E


def test_version_6_has_no_translation_of_ipv6() -> None:
    why = Rows(None, "the command does not exist")
    for version, right in (("6.49.10 (long-term)", E), ("7.16.1 (stable)", U)):
        answers = home("", nat_rules_v6=why, version=version)
        assert ask(answers, at=PLEX_V6, port=32400, to=PLEX_V6).kind == right
