"""ufw's rules over IPv6: entries of their own, behind all that counts for IPv4."""

from __future__ import annotations

import pytest

from plexops.drivers.host.ufw import Ufw
from plexops.drivers.server import ServerDriver
from plexops.model.entries import FilterVerdict
from plexops.model.exchange import Reply
from plexops.model.snapshot import Entry, Kind, KindState, Snapshot
from plexops.model.values import Protocol
from tests.captures.capture_files import find
from tests.unit.drivers.driver_bench import Said, observe

HEAD = "*filter\n### RULES ###\n\n"
ALLOW = "### tuple ### allow tcp 32400 0.0.0.0/0 any 0.0.0.0/0 in\n"
ALLOW6 = "### tuple ### allow tcp 32400 ::/0 any ::/0 in\n"
DENY6 = "### tuple ### deny tcp 32400 ::/0 any ::/0 in\n"
DEFAULT = 'IPV6={}\nDEFAULT_INPUT_POLICY="DROP"\n'


def look(rules6: Said, ipv6: str = "yes", *, thorough: bool = True) -> Snapshot:
    said: dict[str, Said] = {
        "ufw.conf": "ENABLED=yes\n",
        "ufw.default": DEFAULT.format(ipv6),
        "ufw.rules": HEAD + ALLOW,
        "ufw.rules6": rules6,
    }
    return observe(ServerDriver(firewall=Ufw(), thorough=thorough).observe(), said)


def over(family: int, snapshot: Snapshot) -> list[Entry]:
    assert all(entry.values is not None for entry in snapshot.of(Kind.FILTER_RULE))
    return [entry for entry in snapshot.of(Kind.FILTER_RULE) if entry.values.family == family]


def test_both_families_are_told_apart() -> None:
    snapshot = look(HEAD + DENY6 + ALLOW6)
    assert [entry.values.verdict for entry in over(4, snapshot)] == [FilterVerdict.ACCEPT, FilterVerdict.DROP]
    found = over(6, snapshot)
    assert [entry.values.verdict for entry in found] == [
        FilterVerdict.DROP, FilterVerdict.ACCEPT, FilterVerdict.DROP,
    ]  # fmt: skip
    assert [entry.exhibit for entry in found] == ["server.ufw.rules6"] * 2 + ["server.ufw.default"]
    assert (found[0].values.protocol, found[0].values.ports.single) == (Protocol.TCP, 32400)
    assert {entry.values.chain for entry in over(4, snapshot)} != {entry.values.chain for entry in found}
    assert [entry.values.port for entry in snapshot.of(Kind.FIREWALL_RULE)] == [32400], "IPv4's alone"


def test_an_audit_has_no_word_of_it_and_the_same_otherwise() -> None:
    plain, thorough = look(HEAD, thorough=False), look(HEAD + ALLOW6)
    assert over(6, plain) == []
    assert over(4, plain) == over(4, thorough)


@pytest.mark.parametrize(
    "said", [(1, "", "cat: No such file"), Reply("ufw.rules6", None, HEAD, whole=False), "", "x"]
)
def test_rules_that_were_not_read_leave_it_open(said: Said) -> None:
    snapshot = look(said)
    (last,) = over(6, snapshot)
    assert not last.values.understood
    assert snapshot.state(Kind.FILTER_RULE) is KindState.PRESENT, "IPv4 is known all the same"


def test_without_ipv6_only_loopback_is_accepted() -> None:
    (last,) = over(6, look((1, "", "cat: No such file"), ipv6="no"))
    assert (last.values.verdict, last.values.understood) == (FilterVerdict.DROP, True)


@pytest.mark.parametrize(
    "rule",
    [
        "### tuple ### allow tcp 32400 ::/0 any 2001:db8::/32 in\n",
        "### tuple ### allow tcp 32400 2001:db8::50 any ::/0 in\n",
        "### tuple ### allow tcp 32400 ::/0 1024 ::/0 in\n",
    ],
)
def test_a_rule_for_some_senders_or_addresses_may_match_or_not(rule: str) -> None:
    first, last = over(6, look(HEAD + rule))
    assert (first.values.understood, last.values.understood) == (False, True)


def test_rules_for_other_ways_are_none() -> None:
    rows = "### tuple ### allow tcp 32400 ::/0 any ::/0 out\n### tuple ### route:allow tcp 32400 ::/0 any ::/0 in\n"
    assert len(over(6, look(HEAD + rows))) == 1


def test_a_real_file() -> None:
    """As ufw 0.36.2 wrote it: Plex's port alone is open."""
    path = find("firewall/ufw-user6.rules")
    assert path is not None
    rule, last = over(6, look(path.read_text(encoding="utf-8")))
    assert (rule.values.verdict, rule.values.ports.single) == (FilterVerdict.ACCEPT, 32400)
    assert last.values.verdict is FilterVerdict.DROP
