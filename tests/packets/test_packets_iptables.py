"""iptables-save and ipset read, line by line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import pytest

from plexops.drivers.rulesets.base import Part
from plexops.drivers.rulesets.iptables import read_ipsets
from plexops.model.intervals import ALL_V6, Numbers, intersect
from plexops.model.matches import (
    AddressIn,
    AddressIs,
    AddressKind,
    AnyOf,
    ConnectionsWithin,
    DirectionIs,
    Family,
    FlagsAre,
    InterfaceIs,
    LinkIs,
    MacIn,
    MarkIs,
    Match,
    Other,
    PortIn,
    ProtocolIs,
    RateWithin,
    ReversePathHolds,
    SetHas,
    State,
    StateIs,
    Test,
    TimeIs,
    TranslatedIs,
)
from plexops.model.packets import (
    AddToSet,
    Chain,
    CopyMark,
    Effect,
    Hook,
    Jump,
    NamedSet,
    NoTracking,
    Rule,
    SetMark,
    TranslateDestination,
    TranslateSource,
    UnknownEffect,
    Verdict,
)
from plexops.packets.reach import AnswerKind
from tests.packets.handmade import n
from tests.packets.iptables_home import (
    DATA,
    DST,
    HOST,
    NEVER,
    SRC,
    VIEWER,
    ask,
    at_host,
    box,
    read,
)


def rule(line: str, family: Family = 4, table: str = "filter", chain: str = "INPUT") -> Rule:
    part = read(f"*{table}\n:{chain} ACCEPT [0:0]\n:sub - [0:0]\n-A {chain} {line}\nCOMMIT\n", family)
    (found,) = part.chains[0].rules
    return found


def asked(line: str, family: Family) -> list[tuple[Test, bool]]:
    return [(match.test, match.negated) for match in rule(line, family).matches]


# --- Matches ----------------------------------------------------------------------------------------------------

TCP = (ProtocolIs(frozenset({"tcp"})), False)


def states(*names: State) -> StateIs:
    return StateIs(frozenset(names))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-s 10.0.0.0/8", [(AddressIn(SRC, 4, n("10.0.0.0/8")), False)]),
        ("! -d 192.168.1.50/32", [(AddressIn(DST, 4, n("192.168.1.50")), True)]),
        ("-s ! 10.0.0.0/255.0.0.0", [(AddressIn(SRC, 4, n("10.0.0.0/8")), True)]),
        ("-s 192.0.2.1,192.0.2.2", [(AddressIn(SRC, 4, n("192.0.2.1-192.0.2.2")), False)]),
        ("-i eth+", [(InterfaceIs(SRC, ("eth*",)), False)]),
        ("! -o wan0", [(InterfaceIs(DST, ("wan0",)), True)]),
        ("-i +", []),
        ("-p all", []),
        ("-p 6", [TCP]),
        ("! -p udp", [(ProtocolIs(frozenset({"udp"})), True)]),
        ("--dport 80 -p tcp", [TCP, (PortIn(DST, ((80, 80),)), False)]),
        ("-p tcp -m tcp ! --dport 32300:32600", [TCP, (PortIn(DST, ((32300, 32600),)), True)]),
        ("-p tcp --dport ! 80", [TCP, (PortIn(DST, ((80, 80),)), True)]),
        ("-p tcp --sport :1023", [TCP, (PortIn(SRC, ((0, 1023),)), False)]),
        ("-p tcp --dport 1024:", [TCP, (PortIn(DST, ((1024, 65535),)), False)]),
        ("-p tcp -m multiport --dports 22,80:90", [TCP, (PortIn(DST, ((22, 22), (80, 90))), False)]),
        ("-p tcp -m multiport ! --sports 22", [TCP, (PortIn(SRC, ((22, 22),)), True)]),
        ("-p tcp --syn", [TCP, (FlagsAre(23, 2), False)]),
        ("-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN", [TCP, (FlagsAre(23, 2), True)]),
        ("-p tcp --tcp-flags ALL NONE", [TCP, (FlagsAre(63, 0), False)]),
        ("-m conntrack --ctstate RELATED,ESTABLISHED", [(states(State.RELATED, State.ESTABLISHED), False)]),
        ("-m state ! --state NEW", [(states(State.NEW), True)]),
        ("-m conntrack --ctstate UNTRACKED", [(states(State.UNTRACKED), False)]),
        ("-m mark --mark 0x1/0xff", [(MarkIs(1, 255), False)]),
        ("-m connmark ! --mark 0x2", [(MarkIs(2, connection=True), True)]),
        ("-m set ! --match-set good src,dst", [(SetHas(SRC, "good"), True)]),
        ("-m set --match-set good dst ! --update-counters", [(SetHas(DST, "good"), False)]),
        ("-m iprange ! --src-range 192.0.2.1-192.0.2.9", [(AddressIn(SRC, 4, n("192.0.2.1-192.0.2.9")), True)]),
        ("-m addrtype ! --dst-type LOCAL", [(AddressIs(DST, frozenset({AddressKind.LOCAL})), True)]),
        (
            "-m addrtype --src-type LOCAL,UNREACHABLE",
            [(AddressIs(SRC, frozenset({AddressKind.LOCAL}), "UNREACHABLE"), False)],
        ),
        ("-m limit --limit 3/min", [(RateWithin(3, 5, over=False, words="-m limit --limit 3/min"), False)]),
        (
            "-m limit --limit 2/sec --limit-burst 9",
            [(RateWithin(120, 9, over=False, words="-m limit --limit 2/sec --limit-burst 9"), False)],
        ),
        (
            "-m connlimit --connlimit-above 9 --connlimit-mask 32",
            [(ConnectionsWithin(9, over=True, words="-m connlimit --connlimit-above 9 --connlimit-mask 32"), False)],
        ),
        (
            "-m connlimit ! --connlimit-above 9",
            [(ConnectionsWithin(9, over=False, words="-m connlimit ! --connlimit-above 9"), False)],
        ),
        ("-m mac --mac-source 00:11:22:AA:BB:CC", [(MacIn(frozenset({"00:11:22:aa:bb:cc"})), False)]),
        ("-m pkttype ! --pkt-type unicast", [(LinkIs(frozenset({"host"})), True)]),
        ("-m rpfilter --validmark --invert", [(ReversePathHolds(), True)]),
        ("-m policy --dir in --pol none", []),
        ("-m policy --dir in --pol ipsec --proto esp --mode tunnel", [(NEVER, False)]),
        ("-m recent --set --name X --mask 255.255.255.255 --rsource", []),
        ("-m recent ! --set --name X", [(NEVER, False)]),
        ("-m time --weekdays Sat,Sun", [(TimeIs("-m time --weekdays Sat,Sun"), False)]),
        ("-p icmp -m icmp --icmp-type 8", [(ProtocolIs(frozenset({"icmp"})), False)]),
        ("-m comment --comment --dport", []),
        ('-m comment --comment "!" -i eth0', [(InterfaceIs(SRC, ("eth0",)), False)]),
        ("-f", [(NEVER, False)]),
        ("-c 5 300 -i lo", [(InterfaceIs(SRC, ("lo",)), False)]),
    ],
)  # fmt: skip
def test_a_match(line: str, expected: list[tuple[Test, bool]]) -> None:
    assert asked(line, 4) == expected
    # Where the target stands makes no difference.
    assert asked(f"-j ACCEPT {line}", 4) == asked(f"{line} -j ACCEPT", 4) == expected


def test_a_rate_of_each_sender() -> None:
    words = (
        "-m hashlimit --hashlimit-above 10/sec --hashlimit-burst 20 --hashlimit-mode srcip --hashlimit-name a"
    )
    assert asked(words, 4) == [(RateWithin(600, 20, over=True, words=words), False)]
    upto = words.replace("above", "upto")
    assert asked(upto, 4) == [(RateWithin(600, 20, over=False, words=upto), False)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-s ::/0", AddressIn(SRC, 6, ALL_V6)),
        ("! -d fc00::/7", AddressIn(DST, 6, n("fc00::/7"))),
        ("-m rt --rt-type 0", NEVER),
        ("-p ipv6-icmp -m icmp6 --icmpv6-type 134 -m hl --hl-eq 255", ProtocolIs(frozenset({"icmpv6"}))),
        ("-m addrtype --dst-type UNICAST", AddressIs(DST, frozenset({AddressKind.LOCAL, AddressKind.UNICAST}))),
        ("-m addrtype --dst-type UNICAST,LOCAL", AddressIs(DST, frozenset({AddressKind.LOCAL}))),
        ("-m iprange --src-range 2001:db8::1-2001:db8::9", AddressIn(SRC, 6, n("2001:db8::1-2001:db8::9"))),
    ],
)  # fmt: skip
def test_a_match_of_ipv6(line: str, expected: Test) -> None:
    assert [test for test, _ in asked(line, 6)] == [expected]


def test_states_of_translation_do_not_hold_without_a_connection_and_their_negation_does() -> None:
    words = "! --ctstate NEW,DNAT"
    branches = ((Match(states(State.NEW), words=words),), (Match(TranslatedIs(DST), words=words),))
    assert asked(f"-m conntrack {words}", 4) == [(AnyOf(branches), True)]
    early = read(
        "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -m conntrack ! --ctstate DNAT -j DROP\nCOMMIT\n"
    )
    assert at_host(early) is AnswerKind.NOBODY


def test_conntrack_without_a_connection_holds_by_its_state_alone() -> None:
    """xt_conntrack.c: before tracking `--ctstate INVALID --ctorigdstport 1` holds, `--ctorigdstport 32400` does not."""
    raw = "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -m conntrack {} -j DROP\nCOMMIT\n"
    assert at_host(read(raw.format("--ctstate INVALID --ctorigdstport 1"))) is AnswerKind.NOBODY
    assert at_host(read(raw.format("--ctorigdstport 32400"))) is AnswerKind.EVERYBODY
    assert at_host(read(raw.format("! --ctorigdstport 1"))) is AnswerKind.EVERYBODY
    late = raw.replace("raw", "mangle")
    assert at_host(read(late.format("--ctstate NEW --ctorigdstport 1"))) is AnswerKind.EVERYBODY
    assert at_host(read(late.format("--ctstate NEW --ctorigdstport 32400"))) is AnswerKind.NOBODY
    assert at_host(read(late.format("--ctdir REPLY"))) is AnswerKind.EVERYBODY
    assert (DirectionIs(original=True), False) in asked("-m conntrack --ctdir ORIGINAL", 4)


def test_either_port() -> None:
    (match,) = rule("-p tcp -m multiport --ports 22,80").matches[1:]
    assert isinstance(match.test, AnyOf)
    assert [branch[0].test for branch in match.test.branches] == [
        PortIn(SRC, ((22, 22), (80, 80))),
        PortIn(DST, ((22, 22), (80, 80))),
    ]


@pytest.mark.parametrize(
    "words",
    [
        "-m geoip --source-country DE",
        "-m statistic --mode random --probability 0.5",
        "-m string --string -x --algo bm",
        "-m owner --uid-owner 0",
        "-m physdev --physdev-is-bridged",
        "-m u32 --u32 0x1",
        "-m recent --rcheck --seconds 60 --name KNOCK --rsource",
        "-m addrtype --dst-type LOCAL --limit-iface-in",
        "-m set --match-set good src --return-nomatch",
        "-m set --match-set good src --packets-gt 5",
        "-m hashlimit --hashlimit-upto 512kb/s --hashlimit-mode srcip --hashlimit-name a",
        "-m socket",
        "-m limit --limit 3/fortnight",
        "-m icmp --icmp-type 8",
        "-m policy --dir in --pol none --colour red",
        "--ctstate NEW",
        "-s 10.0.0.5/0.0.0.255",
        "-s 10.0.0.0/255.0.255.0",
        "-s 2001:db8::1",
        "-d plex.example.net",
        "-i eth*",
        "--dport http",
        "--tcp-option 5",
        "-m conntrack --ctstate NEWISH",
        "-m pkttype --pkt-type loopback",
        "-m mark --mark 0x2/0x1",
        "--syn 5",
    ],
)
def test_what_is_not_modelled_may_hold_or_not(words: str) -> None:
    found = rule(f"{words} -j DROP")
    (match,) = found.matches
    assert isinstance(match.test, Other)
    assert words.endswith(match.test.words)
    assert found.effects == (Verdict.DROP,)
    negated = rule(f"-i eth0 {words.replace('--', '! --', 1)} -j DROP")
    assert any(isinstance(match.test, Other) for match in negated.matches) or "--" not in words


def test_a_dynamic_prefixs_suffix_is_not_modelled() -> None:
    assert asked("-d ::1234/::ffff:ffff:ffff:ffff", 6) == [(Other("-d ::1234/::ffff:ffff:ffff:ffff"), False)]


def test_loose_reverse_path_holds_at_least_where_the_strict_one_does() -> None:
    part = read(
        "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -m rpfilter --loose --invert -j DROP\nCOMMIT\n"
    )
    assert at_host(part) is AnswerKind.EVERYBODY


# --- Targets ----------------------------------------------------------------------------------------------------


def to(
    address: str = "", ports: tuple[int, int] | None = None, start: int | None = None
) -> TranslateDestination:
    return TranslateDestination(n(address) if address else None, (ports,) if ports else None, False, start, 4)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("", ()),
        ("-j ACCEPT", (Verdict.ACCEPT,)),
        ("-j RETURN", (Verdict.RETURN,)),
        ("-j REJECT --reject-with tcp-reset", (Verdict.REJECT,)),
        ("-j sub", (Jump("ip nat sub"),)),
        ("-g sub", (Jump("ip nat sub", goto=True),)),
        ('-j LOG --log-prefix "a -j DROP "', ()),
        ("-j NFLOG --nflog-group 1", ()),
        ("-p tcp -j TCPMSS --clamp-mss-to-pmtu", ()),
        ("-j TTL --ttl-set 65", ()),
        ("-j DNAT --to-destination 192.168.1.50", (to("192.168.1.50"),)),
        ("-j DNAT --to-destination 192.168.1.50:32400", (to("192.168.1.50", (32400, 32400)),)),
        ("-j DNAT --to-destination 192.168.1.50:80-90/8000", (to("192.168.1.50", (80, 90), 8000),)),
        ("-j DNAT --to-destination 192.168.1.50-192.168.1.52:80 --random --persistent",
         (to("192.168.1.50-192.168.1.52", (80, 80)),)),
        ("-j DNAT --to-destination :80", (to("", (80, 80)),)),
        ("-j REDIRECT --to-ports 80-90", (TranslateDestination(None, ((80, 90),), True, None, 4),)),
        ("-j REDIRECT", (TranslateDestination(None, None, True, None, 4),)),
        ("-j NETMAP --to 192.168.1.50/32", (to("192.168.1.50"),)),
        ("-j SNAT --to-source 192.168.1.1:1024-2000", (TranslateSource(n("192.168.1.1")),)),
        ("-j MASQUERADE --to-ports 1024-2000 --random-fully", (TranslateSource(),)),
        ("-j MARK --set-xmark 0x1/0xffffffff", (SetMark(1, 0),)),
        ("-j MARK --set-mark 0x10/0xf0", (SetMark(0x10, 0xFFFFFF0F),)),
        ("-j MARK --or-mark 0x4", (SetMark(4, 0xFFFFFFFB),)),
        ("-j MARK --and-mark 0xf0", (SetMark(0, 0xF0),)),
        ("-j MARK --xor-mark 0x3", (SetMark(3, 0xFFFFFFFF),)),
        ("-j CONNMARK --set-xmark 0x1/0x1", (SetMark(1, 0xFFFFFFFE, connection=True),)),
        ("-j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff", (CopyMark(to_connection=True),)),
        ("-j CONNMARK --restore-mark", (CopyMark(to_connection=False),)),
        ("-j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff", (SetMark(unknown=True),)),
        ("-j CT --notrack", (NoTracking(),)),
        ("-j NOTRACK", (NoTracking(),)),
        ("-j SET --add-set seen src --exist --timeout 30", (AddToSet(SRC, "seen"),)),
    ],
)  # fmt: skip
def test_a_target(target: str, expected: tuple[Effect, ...]) -> None:
    assert rule(target, table="nat", chain="PREROUTING").effects == expected


@pytest.mark.parametrize(
    "target",
    [
        "-j NFQUEUE --queue-num 1",
        "-j TARPIT",
        "-j TPROXY --on-port 1 --on-ip 0.0.0.0 --tproxy-mark 0x1",
        "-j nowhere",
        "-j sub --twice",
        "-j ACCEPT --loudly",
        "-j CT --zone 5",
        "-j CT --helper ftp",
        "-j SET --del-set seen src",
        "-j SET --map-set seen src --map-mark",
        "-j DNAT --to-destination 192.168.1.50:80-90 --random",
        "-j DNAT --to-destination plex:80",
        "-j DNAT --to-destination 192.168.1.50 --to-destination 192.168.1.51",
        "-j SNAT --to-source :1024-2000",
        "-j TTL --ttl-dec 1",
        "-j MARK --left-shift-mark 2",
    ],
)
def test_an_unknown_target(target: str) -> None:
    assert rule(target, table="nat", chain="PREROUTING").effects == (UnknownEffect(target),)


def test_a_netmap_in_a_chain_of_ones_own_may_be_of_either_end() -> None:
    text = "*nat\n:sub - [0:0]\n-A sub -j NETMAP --to 192.168.1.50/32\nCOMMIT\n"
    assert isinstance(read(text).chains[0].rules[0].effects[0], UnknownEffect)
    assert rule("-j NETMAP --to 192.168.1.50/32", table="nat", chain="POSTROUTING").effects == (
        TranslateSource(n("192.168.1.50")),
    )


@pytest.mark.parametrize(
    ("place", "address", "ports"),
    [
        ("[2001:db8:1::50]:32400", "2001:db8:1::50", ((32400, 32400),)),
        ("[2001:db8:1::50-2001:db8:1::52]:80-90", "2001:db8:1::50-2001:db8:1::52", ((80, 90),)),
        ("2001:db8:1::50", "2001:db8:1::50", None),
    ],
)
def test_a_dnat_of_ipv6(place: str, address: str, ports: Numbers | None) -> None:
    found = rule(f"-j DNAT --to-destination {place}", 6, "nat", "PREROUTING")
    assert found.effects == (TranslateDestination(n(address), ports, family=6),)


# --- Texts ------------------------------------------------------------------------------------------------------


def test_where_chains_stand() -> None:
    every = {"raw": -300, "mangle": -150, "filter": 0, "security": 50, "nat": -100}
    families: tuple[tuple[Family, str], ...] = ((4, "ip"), (6, "ip6"))
    text = "".join(f"*{table}\n:OUTPUT DROP [1:2]\n:own - [0:0]\nCOMMIT\n" for table in every)
    for family, prefix in families:
        chains = {chain.id: chain for chain in read(text, family).chains}
        for table, priority in every.items():
            expected = Hook("output", priority, table == "nat", Verdict.DROP, frozenset({family}))
            assert chains[f"{prefix} {table} OUTPUT"].hook == expected
            assert chains[f"{prefix} {table} own"] == Chain(f"{prefix} {table} own")
        for late in ("INPUT", "POSTROUTING"):
            hook = chains[f"{prefix} nat {late}"].hook
            assert hook is not None
            assert (hook.stage, hook.priority) == (late.lower(), 100)


def test_a_rule_says_who_it_is() -> None:
    text = (
        "*filter\n:INPUT DROP [0:0]\n[1:2] -A INPUT -i lo -j ACCEPT\n"
        '[3:4] -A INPUT -m comment --comment "the \\"Plex\\" rule" -j ACCEPT\nCOMMIT\n'
    )
    first, second = read(text).chains[0].rules
    assert (first.words, first.name, first.handle, first.exhibit) == (
        "-A INPUT -i lo -j ACCEPT", "", "1", "the answer",
    )  # fmt: skip
    assert (second.name, second.handle) == ('the "Plex" rule', "2")
    assert [match.words for match in first.matches] == ["-i lo"]


def test_an_odd_rule_blinds_no_other() -> None:
    text = (
        '*filter\n:INPUT DROP [0:0]\n-A INPUT -m comment --comment "open -j DROP\n'
        "-A INPUT stray -p tcp --dport 22 -j ACCEPT\n-A INPUT -p tcp --dport 32400 -j ACCEPT\nCOMMIT\n"
    )
    odd, stray, good = read(text).chains[0].rules
    assert isinstance(odd.matches[0].test, Other)
    assert isinstance(odd.effects[0], UnknownEffect)
    assert [match.test for match in stray.matches][-1] == Other("stray")
    assert good.effects == (Verdict.ACCEPT,)
    assert at_host(read(text)) is AnswerKind.UNKNOWN


FILTER = "*filter\n:INPUT DROP [0:0]\n:own - [0:0]\n-A INPUT -p tcp --dport 32400 -j ACCEPT\n"


@pytest.mark.parametrize(
    "text",
    [
        FILTER,
        FILTER + "-A INPUT -p tcp --dpo",
        FILTER + "-A elsewhere -j ACCEPT\nCOMMIT\n",
        FILTER + "-I INPUT -j ACCEPT\nCOMMIT\n",
        "# Table `filter' is incompatible, use 'nft' tool.\n",
        "iptables-save: Permission denied (you must be root)\n",
        "*filter\n:INPUT QUEUE [0:0]\nCOMMIT\n",
    ],
)
def test_a_table_that_is_not_there_whole_is_not_read(text: str) -> None:
    part = read(text)
    unread = {chain.id: chain for chain in part.chains if chain.unread}
    assert "ip filter INPUT" in unread
    assert unread["ip filter INPUT"].hook is not None
    assert unread["ip filter INPUT"].rules == ()
    assert at_host(part) is AnswerKind.UNKNOWN


def test_a_table_cut_off_leaves_the_others() -> None:
    part = read("*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n" + FILTER)
    assert {chain.id.split(" ")[1] for chain in part.chains if chain.unread} == {"filter"}
    assert {chain.id.split(" ")[1] for chain in part.chains} == {"nat", "filter"}


def test_chains_that_only_nft_shows_are_said() -> None:
    note = "# Table `filter' contains incompatible base-chains, use 'nft' tool to list them.\n"
    part = read(note + "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n")
    assert part.outside_model == ("ip: " + note.strip("# \n"),)
    assert not any(chain.unread for chain in part.chains)


def test_no_text_no_chains() -> None:
    assert read("") == read("\n# nothing here\n") == Part((), read_ipsets(""))


# --- Sets -------------------------------------------------------------------------------------------------------


def expected_sets() -> Mapping[str, NamedSet | Literal["unread"]]:
    def v4(*texts: str) -> NamedSet:
        return NamedSet(tuple(pair for text in texts for pair in n(text)))

    return {
        "hs": v4("1.2.3.4", "1.2.3.8/30"),
        "hp": "unread",
        "hn": v4("10.0.0.0-10.0.255.255", "10.1.1.0/24", "10.2.0.0-12.255.255.255"),
        "n24": v4("10.9.8.0/24"),
        "bm": v4("192.168.0.7-192.168.0.9"),
        "ht": v4("9.9.9.9"),
        "h6": NamedSet(v6=n("2001:db8::/32")),
        "bp": "unread",
        "skb": NamedSet(),
        "ls": NamedSet(v4("1.2.3.4", "1.2.3.8/30").v4, n("2001:db8::/32")),
    }


def test_sets_of_ipset() -> None:
    sets = read_ipsets((DATA / "ipsets.txt").read_text())
    expected = expected_sets()
    assert set(sets) == set(expected)
    for name, found in sets.items():
        assert ("unread" if found.unread else found) == expected[name], name


@pytest.mark.parametrize(
    "text",
    [
        "create s hash:mac\nadd s 00:11:22:33:44:55\n",
        "create s hash:net,iface family inet\n",
        "create s hash:ip family inet\nadd s plex.example.net\n",
        "create s list:set size 8\nadd s t\n",
        "create s list:set size 8\nadd s s\n",
        "create t hash:ip,port family inet\ncreate s list:set size 8\nadd s t\n",
    ],
)
def test_a_set_that_cannot_be_read_is_not_empty(text: str) -> None:
    assert read_ipsets(text)["s"].unread


def test_a_word_in_a_comment_is_no_exception() -> None:
    sets = read_ipsets(
        'create s hash:net family inet comment\nadd s 10.0.0.0/8 comment "see nomatch below"\n'
    )
    assert sets["s"] == NamedSet(n("10.0.0.0/8"))


@pytest.mark.parametrize(
    ("sets", "reached"),
    [
        (f"create good hash:ip family inet\nadd good {VIEWER}\n", "everybody"),
        ("create good hash:ip family inet\n", "nobody"),
        ("create good hash:ip family inet6\n", "nobody"),
        ("create good hash:ip,port family inet\n", "not known"),
        ("", "not known"),
    ],
)
def test_who_is_in_a_set(sets: str, reached: str) -> None:
    text = FILTER.replace("-p tcp", "-m set --match-set good src -p tcp") + (
        "-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\nCOMMIT\n"
    )
    answer = ask(box(read(text, sets=sets), *HOST, wan="eth0"), "192.168.1.50", 32400, sender=VIEWER)
    assert answer.kind.value == reached
    assert bool(intersect(answer.senders, n(VIEWER))) is (reached == "everybody")
