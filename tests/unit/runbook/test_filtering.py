"""What becomes of a viewer's packet in rule sets as devices have them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from plexops.drivers.host.ufw import Ufw
from plexops.model.entries import FilterRule
from plexops.model.exchange import Reply
from plexops.model.snapshot import Kind
from plexops.model.values import Protocol
from plexops.runbook.filtering import Passes, walk
from tests.unit.runbook.filter_rules import AT_THE_HOST, PLEX, VIEWER, policy, rule, ruleset

LAN = IPv4Network("192.168.1.0/24")
ESTABLISHED = rule("accept", new=False)
DNAT = rule("accept", translated=True)
FROM_LAN = rule("accept", in_interfaces=("lan",), out_interfaces=("wan",))
Rules = tuple[FilterRule, ...]

TABLE: tuple[tuple[str, Rules, Passes, str], ...] = (
    # name, rules (the last of a base chain is its policy), what becomes of it, the entry that stands in the way
    ("no rules at all", (), Passes.YES, ""),
    ("an open policy", (policy("accept"),), Passes.YES, ""),
    ("a closed policy", (policy("drop"),), Passes.NO, "policy"),
    ("what was translated passes", (ESTABLISHED, DNAT, policy("drop")), Passes.YES, ""),
    ("only known connections pass", (ESTABLISHED, FROM_LAN, policy("drop")), Passes.NO, "policy"),
    ("reject is no pass", (rule("reject"), policy("accept")), Passes.NO, "*0"),
    ("a drop before the accept", (rule("drop", ports=32400), DNAT, policy("drop")), Passes.NO, "*0"),
    ("a drop after the accept", (DNAT, rule("drop", ports=32400), policy("drop")), Passes.YES, ""),
    (
        "a drop for another port",
        (rule("drop", ports="1-32399,32401-65535"), policy("accept")),
        Passes.YES,
        "",
    ),
    ("a drop for UDP", (rule("drop", protocol=Protocol.UDP), policy("accept")), Passes.YES, ""),
    ("a drop for TCP and UDP", (rule("drop", protocol=Protocol.BOTH), policy("accept")), Passes.NO, "*0"),
    (
        "a drop for another host",
        (rule("drop", destination=IPv4Network("192.168.1.51/32")), policy("accept")),
        Passes.YES,
        "",
    ),
    ("a drop for the LAN", (rule("drop", destination=LAN), policy("accept")), Passes.NO, "*0"),
    (
        "an accept for friends only",
        (rule("accept", source=IPv4Network("198.51.100.0/24")), policy("drop")),
        Passes.NO,
        "policy",
    ),
    (
        "an accept for everybody",
        (rule("accept", source=IPv4Network("0.0.0.0/0")), policy("drop")),
        Passes.YES,
        "",
    ),
    ("a drop for IPv6", (rule("drop", family=6), policy("accept")), Passes.YES, ""),
    ("an IPv6 table of its own", (DNAT, policy("drop"), policy("drop", "ip6", family=6)), Passes.YES, ""),
    ("a drop of what was not translated", (rule("drop", translated=False), policy("accept")), Passes.YES, ""),
    ("a drop of new connections", (rule("drop", new=True), policy("accept")), Passes.NO, "*0"),
    # interfaces
    (
        "a drop on another interface",
        (rule("drop", in_interfaces=("guest",)), policy("accept")),
        Passes.YES,
        "",
    ),
    (
        "a drop of all that is not the LAN's",
        (rule("drop", in_interfaces=("!lan",)), policy("accept")),
        Passes.NO,
        "*0",
    ),
    (
        "a drop of all that is not the WAN's",
        (rule("drop", in_interfaces=("!wan",)), policy("accept")),
        Passes.YES,
        "",
    ),
    (
        "one of several interfaces",
        (rule("drop", in_interfaces=("guest", "wan")), policy("accept")),
        Passes.NO,
        "*0",
    ),
    ("a wildcard", (rule("drop", in_interfaces=("wa*",)), policy("accept")), Passes.NO, "*0"),
    ("a wildcard for others", (rule("drop", in_interfaces=("ppp*",)), policy("accept")), Passes.YES, ""),
    (
        "what leaves through the WAN",
        (rule("accept", out_interfaces=("wan",)), policy("drop")),
        Passes.NO,
        "policy",
    ),
    ("what leaves to the LAN", (rule("accept", out_interfaces=("lan",)), policy("drop")), Passes.YES, ""),
    (
        "what leaves to anywhere but the WAN",
        (rule("accept", out_interfaces=("!wan",)), policy("drop")),
        Passes.YES,
        "",
    ),
    (
        "what leaves to anywhere but the LAN",
        (rule("accept", out_interfaces=("!lan",)), policy("drop")),
        Passes.NO,
        "policy",
    ),
    # several base chains: each of them has to accept it
    ("two that accept", (DNAT, policy("drop"), policy("accept", "other")), Passes.YES, ""),
    (
        "an accept here does not undo a drop there",
        (DNAT, policy("drop"), policy("drop", "other")),
        Passes.NO,
        "policy",
    ),
    (
        "the first that drops is named",
        (rule("drop", "other"), policy("accept", "other"), policy("drop")),
        Passes.NO,
        "*0",
    ),
    # jumps and returns
    ("a jump that accepts", (rule("jump:Sub"), policy("drop"), rule("accept", "Sub")), Passes.YES, ""),
    (
        "a jump that drops is named, not the rule in it",
        (rule("jump:Sub"), policy("accept"), rule("drop", "Sub")),
        Passes.NO,
        "*0",
    ),
    (
        "a jump that comes back",
        (rule("jump:Sub"), policy("drop"), rule("drop", "Sub", ports=22)),
        Passes.NO,
        "policy",
    ),
    ("a jump into nothing", (rule("jump:Gone"), policy("accept")), Passes.YES, ""),
    (
        "a return from a jump",
        (rule("jump:Sub"), DNAT, policy("drop"), rule("return", "Sub"), rule("drop", "Sub")),
        Passes.YES,
        "",
    ),
    ("a return from a base chain meets its policy", (rule("return"), DNAT, policy("drop")), Passes.NO, "*0"),
    ("a return to an open policy", (rule("return"), rule("drop"), policy("accept")), Passes.YES, ""),
    ("a return that does not match", (rule("return", ports=22), DNAT, policy("drop")), Passes.YES, ""),
    ("a rule that only counts", (rule("continue"), DNAT, policy("drop")), Passes.YES, ""),
    (
        "jumps in a circle",
        (rule("jump:A"), policy("accept"), rule("jump:B", "A"), rule("jump:A", "B")),
        Passes.UNKNOWN,
        "*0",
    ),
    # rules that may match
    ("maybe dropped, surely dropped", (rule("drop", understood=False), policy("drop")), Passes.NO, "*0"),
    (
        "maybe dropped, else accepted",
        (rule("drop", understood=False), policy("accept")),
        Passes.UNKNOWN,
        "*0",
    ),
    (
        "maybe accepted, else dropped",
        (rule("accept", understood=False), policy("drop")),
        Passes.UNKNOWN,
        "policy",
    ),
    ("maybe accepted, surely accepted", (rule("accept", understood=False), policy("accept")), Passes.YES, ""),
    (
        "maybe accepted, maybe dropped, surely accepted",
        (rule("accept", understood=False), rule("drop", understood=False), policy("accept")),
        Passes.UNKNOWN,
        "*1",
    ),
    ("surely accepted before it", (DNAT, rule("drop", understood=False), policy("drop")), Passes.YES, ""),
    (
        "maybe returned before the accept",
        (rule("return", understood=False), DNAT, policy("drop")),
        Passes.UNKNOWN,
        "*0",
    ),
    (
        "what is not understood but surely not hit",
        (rule("drop", understood=False, ports=22), policy("accept")),
        Passes.YES,
        "",
    ),
    (
        "a jump that may drop, before an accept",
        (rule("jump:Sub"), DNAT, policy("drop"), rule("drop", "Sub", understood=False)),
        Passes.UNKNOWN,
        "*0",
    ),
    (
        "a jump that may accept, before an accept",
        (rule("jump:Sub"), DNAT, policy("drop"), rule("accept", "Sub", understood=False)),
        Passes.YES,
        "",
    ),
    (
        "unknown in one chain, surely dropped in the next",
        (rule("drop", understood=False), policy("accept"), policy("drop", "other")),
        Passes.NO,
        "policy",
    ),
)


@pytest.mark.parametrize(("rules", "passes", "stopper"), [pytest.param(*row[1:], id=row[0]) for row in TABLE])
def test_walk(rules: Rules, passes: Passes, stopper: str) -> None:
    walked = walk(ruleset(*rules), VIEWER)
    assert walked.passes is passes
    assert ("" if walked.stopped_by is None else walked.stopped_by.handle) == stopper


def test_the_chain_that_drops_is_named() -> None:
    walked = walk(
        ruleset(DNAT, policy("drop"), rule("drop", "inet other"), policy("accept", "inet other")), VIEWER
    )
    assert (walked.passes, walked.chain) == (Passes.NO, "inet other")


def test_an_entry_that_cannot_be_read_leaves_everything_open() -> None:
    assert walk(ruleset(DNAT, None, policy("drop")), VIEWER).passes is Passes.UNKNOWN


def test_without_policies_a_return_accepts_although_the_last_rule_drops() -> None:
    rules = (rule("return"), rule("drop"))
    assert walk(ruleset(*rules, policies=False), VIEWER).passes is Passes.YES


def test_interfaces_that_nobody_named_leave_rules_about_them_open() -> None:
    unnamed = replace(VIEWER, in_interfaces=frozenset(), out_interfaces=frozenset())
    for wanted in (("wan",), ("!lan",)):
        assert (
            walk(ruleset(rule("drop", in_interfaces=wanted), policy("accept")), unnamed).passes
            is Passes.UNKNOWN
        )
        assert (
            walk(ruleset(rule("drop", out_interfaces=wanted), policy("accept")), unnamed).passes
            is Passes.UNKNOWN
        )
    half = replace(VIEWER, out_interfaces=frozenset())
    assert (
        walk(ruleset(rule("drop", out_interfaces=("guest",)), policy("accept")), half).passes
        is Passes.UNKNOWN
    )
    assert walk(ruleset(rule("accept", out_interfaces=("wan",)), policy("drop")), half).passes is Passes.NO


# RouterOS: no policies, lists of interfaces, and its default configuration lets through what was translated.
DEFCONF: Rules = (
    rule("accept", translated=None, new=False),
    rule("drop", understood=False, new=False),
    rule("drop", new=True, translated=False, in_interfaces=("WAN",)),
)
STRICT: Rules = (
    rule("accept", new=False),
    rule("accept", in_interfaces=("LAN",)),
    rule("drop"),
)


def test_routeros_by_default_lets_through_what_was_translated() -> None:
    entries = ruleset(*DEFCONF, policies=False)
    assert walk(entries, VIEWER).passes is Passes.YES
    assert walk(entries, replace(VIEWER, translated=False)).passes is Passes.NO


def test_routeros_made_strict_names_the_rule_before_which_ours_belongs() -> None:
    walked = walk(ruleset(*STRICT, policies=False), VIEWER)
    assert (walked.passes, walked.chain) == (Passes.NO, "forward")
    assert walked.stopped_by is not None
    assert walked.stopped_by.handle == "*2"


def ufw(*tuples: str, policy_word: str = "DROP") -> Passes:
    lines = "".join(f"### tuple ### {line}\n" for line in tuples)
    replies = {
        "ufw.conf": "ENABLED=yes\n",
        "ufw.default": f'DEFAULT_INPUT_POLICY="{policy_word}"\n',
        "ufw.rules": f"*filter\n### RULES ###\n{lines}### END RULES ###\nCOMMIT\n",
    }
    state = Ufw().understand({name: Reply(name, 0, body) for name, body in replies.items()})
    return walk([e for e in state.entries if e.kind is Kind.FILTER_RULE], AT_THE_HOST).passes


def test_ufw_goes_by_its_order() -> None:
    allow = "allow tcp 32400 0.0.0.0/0 any 0.0.0.0/0 in"
    deny = "deny any any 0.0.0.0/0 any 0.0.0.0/0 in"
    assert ufw(allow, deny) is Passes.YES
    assert ufw(deny, allow) is Passes.NO
    assert ufw() is Passes.NO
    assert ufw(policy_word="ACCEPT") is Passes.YES
    assert ufw("allow tcp 32000:33000 0.0.0.0/0 any 0.0.0.0/0 in") is Passes.YES
    assert ufw("allow tcp 32400 0.0.0.0/0 any 192.168.1.0/24 in") is Passes.NO


def test_ufw_rules_of_one_interface_count_for_that_interface() -> None:
    assert ufw("allow tcp 32400 0.0.0.0/0 any 0.0.0.0/0 in_eth0") is Passes.YES
    assert ufw("allow tcp 32400 0.0.0.0/0 any 0.0.0.0/0 in_docker0") is Passes.NO
    assert ufw("deny tcp 32400 0.0.0.0/0 any 0.0.0.0/0 in_wg0", policy_word="ACCEPT") is Passes.YES


def test_addresses_of_the_packet_count() -> None:
    elsewhere = replace(VIEWER, destination=IPv4Address("10.0.0.5"))
    entries = ruleset(rule("drop", destination=LAN), policy("accept"))
    assert walk(entries, elsewhere).passes is Passes.YES
    assert PLEX in LAN
