"""firewalld's rules with names that want to be something else: read as text, quoted as text."""

from __future__ import annotations

import shlex

import pytest

from plexops.drivers.server.firewall import Host, facts_of
from plexops.drivers.server.firewalld import Firewalld
from plexops.model.change import Action, Change
from plexops.model.exchange import Command, Reply
from plexops.model.packets import Box, Chain
from plexops.model.resources.firewall_rule import FirewallRule
from plexops.model.snapshot import Entry, Kind, KindState, Role, Snapshot
from plexops.model.values import is_key
from tests.conformance.hostile_names import HOSTILE
from tests.unit.parsers.test_parser_firewalld import PUBLIC, RULE

_CHAINS = {"inet firewalld filter_INPUT": Chain("inet firewalld filter_INPUT")}
HOST = Host(
    {"firewalld": Reply("firewalld", 0, "/usr/bin/firewall-cmd\n")}, Box("netfilter", _CHAINS), "eth0"
)
NAMES = [
    name
    for name in HOSTILE
    if name.split("\n") == [name] and name.strip() and "\r" not in name and '"' not in name
]
#: What is a tag of ours to the letter is no name of another's.
TAGS = {name for name in NAMES if name.startswith("plexops:") and is_key(name.removeprefix("plexops:"))}


def seen(zones: str) -> tuple[KindState, tuple[Entry, ...]]:
    asking = Firewalld().observe(HOST)
    next(asking)
    answers = ("running\n", "1.3.3\n", "public\n", zones, zones)
    try:
        asking.send([Reply(name, 0, body) for name, body in zip("svdzk", answers, strict=True)])
        asking.send([Reply("firewalld.services", 2, "")])
    except StopIteration as end:
        return end.value.state, end.value.entries
    raise AssertionError("it asks for more than there is")


def test_a_hostile_prefix_is_not_ours() -> None:
    assert len(NAMES) > 100
    for name in sorted({*NAMES} - TAGS):
        state, entries = seen(PUBLIC.replace("plexops:plex", name))
        assert state is KindState.PRESENT, name
        assert not any(entry.owner.ours for entry in entries), name
        if not name.startswith("plexops:"):
            _, tagged = seen(PUBLIC.replace("plexops:plex", f"plexops: {name}"))
            assert not any(entry.owner.ours for entry in tagged), name


def test_our_own_is() -> None:
    _, entries = seen(PUBLIC)
    rules = {e.owner.key: e.values for e in entries if e.kind is Kind.FIREWALL_RULE}
    assert rules == {"plex": FirewallRule(32400), "": FirewallRule(32400, over_ipv6=True)}


@pytest.mark.parametrize("zone", ["public", "$(reboot)", "a b", "';reboot;'", "--panic-on"])
def test_a_zone_is_one_word_of_the_command(zone: str) -> None:
    now = Snapshot(Role.SERVER, facts_of("x", kind="firewalld", active=True, zone=zone, version="1.3.3"))
    change = Change(Role.SERVER, Kind.FIREWALL_RULE, "plex", Action.CREATE, want=FirewallRule(32400))
    _, runtime, kept = (w.ask.text for w in Firewalld().writes(change, now) if isinstance(w.ask, Command))
    said = [f"--zone={zone}", f"--add-rich-rule={RULE}"]
    assert shlex.split(runtime) == ["firewall-cmd", *said]
    assert shlex.split(kept) == ["firewall-cmd", "--permanent", *said]
