"""Rules of nft and iptables, one idea each, loaded into a real kernel: a real connection, and what the walk says of it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence

import pytest

from plexops.packets.reach import AnswerKind
from tests.lab.node import NODE_PATH
from tests.packets.iptables_home import ask
from tests.packets.judge import compare
from tests.packets.judge_box import box_of
from tests.packets.judge_world import World, world

PROGRAMS = ("nft", "iptables", "iptables-save", "ipset", "conntrack", "nsenter")
pytestmark = [
    pytest.mark.namespaces,
    pytest.mark.skipif(
        sys.platform != "linux"
        or os.geteuid() != 0
        or not all(shutil.which(p, path=NODE_PATH) for p in PROGRAMS),
        reason=f"needs root on Linux and {', '.join(PROGRAMS)}",
    ),
]

VIEWER, ROUTER, PLEX_6 = "198.51.100.77", "203.0.113.20", "2001:db8:1::50"
IN, KNOWN = "type filter hook input priority", "ct state established,related accept;"
FORWARD = f"type filter hook forward priority 0; policy drop; {KNOWN}"
PLEX = "tcp dport 32400"
TABLE = "nft add table inet t; nft 'add chain inet t c { type filter hook input priority -5; }'; nft add rule inet t c"

#: Chains of one table, and whether a viewer gets in to the router itself at 32400.
CHAINS: tuple[tuple[str, Sequence[str], bool], ...] = (
    ("an open policy", [f"chain a {{ {IN} 0; policy accept; }}"], True),
    ("a closed policy", [f"chain a {{ {IN} 0; policy drop; }}"], False),
    ("what follows gets in as well", [f"chain a {{ {IN} 0; policy drop; {KNOWN} {PLEX} accept; }}"], True),
    (
        "a later chain drops what an earlier one accepted",
        [
            f"chain a {{ {IN} 0; policy drop; iif wan0 accept; }}",
            f"chain b {{ {IN} 10; policy accept; {PLEX} drop; }}",
        ],
        False,
    ),
    (
        "a return from a base chain meets its policy",
        [f"chain a {{ {IN} 0; policy drop; {KNOWN} {PLEX} return; accept; }}"],
        False,
    ),
    (
        "a jump comes back",
        [
            "chain s { tcp dport 22 drop; return; drop; }",
            f"chain a {{ {IN} 0; policy drop; jump s; accept; }}",
        ],
        True,
    ),
    (
        "a goto does not come back",
        ["chain s { tcp dport 22 accept; }", f"chain a {{ {IN} 0; policy drop; {KNOWN} goto s; accept; }}"],
        False,
    ),
    (
        "a goto from a jumped chain comes back to the jump",
        [
            "chain g { tcp dport 22 drop; }",
            "chain s { goto g; drop; }",
            f"chain a {{ {IN} 0; policy drop; jump s; accept; }}",
        ],
        True,
    ),
    (
        "several protocols in one set",
        [f"chain a {{ {IN} 0; policy accept; meta l4proto {{ tcp, udp }} th dport 32400 drop; }}"],
        False,
    ),
    ("another protocol's drop", [f"chain a {{ {IN} 0; policy accept; udp dport 32400 drop; }}"], True),
    (
        "a set with a range",
        [f"chain a {{ {IN} 0; policy accept; tcp dport {{ 22, 32000-33000 }} reject; }}"],
        False,
    ),
    (
        "a verdict map",
        [f"chain a {{ {IN} 0; policy accept; tcp dport vmap {{ 22 : accept, 32400 : drop }}; }}"],
        False,
    ),
    ("an interface by wildcard", [f'chain a {{ {IN} 0; policy accept; iifname "wa*" drop; }}'], False),
    ("another interface by wildcard", [f'chain a {{ {IN} 0; policy accept; iifname "lan*" drop; }}'], True),
)
#: What an owner typed, and whether a viewer gets in to the router itself at 32400.
COMMANDS: tuple[tuple[str, str, bool], ...] = (
    ("nothing at all", "true", True),
    ("a drop for visitors", f"{TABLE} ip saddr != 192.168.0.0/16 {PLEX} drop", False),
    ("a drop for one network", f"{TABLE} ip saddr 45.155.205.0/24 drop", True),
    ("a drop for everybody but one network", f"{TABLE} ip saddr != 45.155.205.0/24 drop", False),
    ("a drop on another interface", f"{TABLE} iifname != wan0 {PLEX} drop", True),
    ("a drop over IPv6", f"{TABLE} ip6 saddr 2001:db8::/32 {PLEX} drop", True),
    (
        "a block list",
        (
            "nft add table inet t; nft 'add chain inet t c { type filter hook input priority -5; }';"
            f"nft 'add set inet t bad {{ type ipv4_addr; elements = {{ {VIEWER} }}; }}';"
            "nft add rule inet t c ip saddr @bad drop"
        ),
        False,
    ),
    ("a limit that everybody stays within", f"{TABLE} limit rate 1000/second drop", False),
    ("a limit that nobody reaches", f"{TABLE} limit rate over 1000/second burst 50 packets drop", True),
    (
        "before connections are tracked",
        (
            "nft add table ip e; nft 'add chain ip e c { type filter hook prerouting priority raw; }';"
            "nft add rule ip e c tcp dport 32000-33000 drop"
        ),
        False,
    ),
    ("iptables alone", "iptables -A INPUT -p tcp --dport 32400 -j DROP", False),
    ("iptables for visitors", "iptables -A INPUT ! -s 192.168.0.0/16 -p tcp --dport 32400 -j REJECT", False),
    ("iptables for other ports", "iptables -A INPUT -p tcp -m multiport --dports 22,80:90 -j DROP", True),
    ("iptables' policy", "iptables -P INPUT DROP; iptables -A INPUT -i eth0 -j ACCEPT", False),
    (
        "iptables' policy, and an accept",
        "iptables -P INPUT DROP; iptables -A INPUT -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT",
        True,
    ),
    (
        "a chain that comes back",
        (
            "iptables -N f2b; iptables -A f2b -s 45.155.205.7 -j REJECT; iptables -A f2b -j RETURN;"
            "iptables -A INPUT -p tcp -j f2b"
        ),
        True,
    ),
    (
        "a goto that does not",
        (
            "iptables -P INPUT DROP; iptables -N g; iptables -A g -p udp -j ACCEPT;"
            "iptables -A INPUT -g g; iptables -A INPUT -j ACCEPT"
        ),
        False,
    ),
    (
        "what is not for this host",
        "iptables -A INPUT -m addrtype --dst-type LOCAL -j RETURN; iptables -A INPUT -j DROP",
        True,
    ),
    ("what is no broadcast", "iptables -A INPUT -m addrtype ! --dst-type BROADCAST -j DROP", False),
    ("raw", "iptables -t raw -A PREROUTING -p tcp --dport 32400 -j DROP", False),
    ("a log and no more", "iptables -A INPUT -p tcp --dport 32400 -j LOG --log-prefix 'plex -j DROP '", True),
    ("by a mark", "iptables -A INPUT -m mark --mark 0x8000/0x8000 -j DROP", True),
    ("ufw's own chains", "iptables -N ufw-user-input; iptables -A INPUT -j ufw-user-input", True),
)
#: One rule in a chain of forwarded packets that drops all else, and whether a viewer gets to Plex over IPv6.
PINHOLES: tuple[tuple[str, bool], ...] = (
    (f"{PLEX} accept", True),
    (f'iifname "wan0" oifname "lan0" {PLEX} ct state new accept', True),
    (f"ip6 daddr {PLEX_6} {PLEX} accept", True),
    (f"ip6 daddr {PLEX_6} accept", True),
    ("meta nfproto ipv6 udp dport 32400 accept", False),
    (f"meta nfproto ipv4 {PLEX} accept", False),
    (f"ip daddr 192.168.1.50 {PLEX} accept", False),
    ("ct state established,related accept", False),
    ("ct status dnat accept", False),
    (f"ip6 saddr 2001:db8:1::/48 {PLEX} accept", False),
    ('iifname "lan0" accept', False),
    (f'iifname != "lan0" {PLEX} accept', True),
    (f"{PLEX} drop", False),
)
#: Two tables with priorities of their own, in the order in which they are made: the first leads to .50, the second to .51.
ORDERS: tuple[tuple[int, int, str], ...] = (
    (-100, -100, "192.168.1.51"),
    (-100, -90, "192.168.1.50"),
    (-90, -100, "192.168.1.51"),
    (-100, -150, "192.168.1.51"),
)


@pytest.fixture(scope="module")
def here() -> Iterator[World]:
    with world() as made:
        yield made


def judged(here: World, commands: Sequence[tuple[Sequence[str], str]], to: str, port: int = 32400) -> str:
    """Load, let a viewer connect, and hold the walk against that; give where the connection ended."""
    assert here.load(commands)[1] == ""
    source = VIEWER if "." in to else "2001:db8:99::77"
    (ended,) = here.probe([(source, to, port)], 0.4)
    verdict, said = compare([box_of(here.read(), "wan0")], (source, to, port), ended)
    assert verdict == "right", f"{ended}; {said}"
    return ended


@pytest.mark.parametrize(("rules", "gets_in"), [pytest.param(*one[1:], id=one[0]) for one in CHAINS])
def test_chains_of_nft(here: World, rules: Sequence[str], gets_in: bool) -> None:
    text = "table ip t {\n" + "\n".join(rules) + "\n}\n"
    assert judged(here, [(("nft", "-f", "-"), text)], ROUTER).startswith("reached") is gets_in


@pytest.mark.parametrize(("typed", "gets_in"), [pytest.param(*one[1:], id=one[0]) for one in COMMANDS])
def test_what_an_owner_typed(here: World, typed: str, gets_in: bool) -> None:
    assert judged(here, [(("sh", "-ec", typed), "")], ROUTER).startswith("reached") is gets_in


@pytest.mark.parametrize(("rule", "gets_in"), PINHOLES, ids=[one[0] for one in PINHOLES])
def test_pinholes_over_ipv6(here: World, rule: str, gets_in: bool) -> None:
    # Words of the other family are none in a table of one.
    families = ("inet",) if "nfproto" in rule or "ip daddr" in rule else ("inet", "ip6")
    for family in families:
        text = f"table {family} t {{ chain c {{ {FORWARD} {rule}; }}; }}\n"
        assert judged(here, [(("nft", "-f", "-"), text)], PLEX_6).startswith("reached") is gets_in


def test_a_table_of_ipv4_neither_lets_in_over_ipv6_nor_keeps_out(here: World) -> None:
    for rule in (f"{PLEX} accept", f"{PLEX} drop"):
        text = f"table ip t {{ chain c {{ {FORWARD} {rule}; }}; }}\n"
        assert judged(here, [(("nft", "-f", "-"), text)], PLEX_6) == f"reached lan {PLEX_6} 32400"


@pytest.mark.parametrize(("first", "second", "winner"), ORDERS)
def test_the_first_forward_is_the_one_that_the_kernel_obeys(
    here: World, first: int, second: int, winner: str
) -> None:
    text = "".join(
        f"table inet t{number} {{ chain c {{ type nat hook prerouting priority {priority}; "
        f"tcp dport 32500 dnat ip to 192.168.1.5{number}:32400; }}; }}\n"
        for number, priority in enumerate((first, second))
    )
    assert judged(here, [(("nft", "-f", "-"), text)], ROUTER, 32500) == f"reached lan {winner} 32400"


def test_a_rule_that_is_not_known_leaves_it_open(here: World) -> None:
    """The kernel knows better; the walk says that it does not."""
    # As firewall4 writes `::50/-64`: a host's part of an address, whatever the prefix.
    part = f"ip6 daddr & ::ffff:ffff:ffff:ffff == ::50 {PLEX} accept"
    assert (
        here.load([(("nft", "-f", "-"), f"table inet t {{ chain c {{ {FORWARD} {part}; }}; }}\n")])[1] == ""
    )
    assert ask(box_of(here.read(), "wan0"), PLEX_6, 32400).kind is AnswerKind.UNKNOWN
    for typed in (
        f"{TABLE} meta skuid 0 drop",
        f"{TABLE} meta length 40-60 drop",
        f"{TABLE} quota over 5 mbytes drop",
    ):
        assert here.load([(("sh", "-ec", typed), "")])[1] == ""
        assert ask(box_of(here.read(), "wan0"), ROUTER, 32400).kind is AnswerKind.UNKNOWN
