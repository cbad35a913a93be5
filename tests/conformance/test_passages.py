"""Where one accept of ours cannot let the forward through, compare says why and plans none; the device judges."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import cast

import pytest

from plexops.engine.change.sending import unexpected
from plexops.engine.decide.planning import foreign
from plexops.lab.base import Packet
from plexops.lab.routers.linux import LinuxRouter
from plexops.model.change import Action, is_done
from plexops.model.exchange import Command
from plexops.model.finding import Finding, FindingStatus
from plexops.model.resources.passage import Passage
from plexops.model.snapshot import Kind, Role
from plexops.structs import replace
from tests.conformance.conformance_bench import (
    FORWARD,
    HOUSEHOLD,
    NEW,
    Bench,
    Family,
    bench,
    task,
)

WANTED = task(Kind.PORT_FORWARD, FORWARD)
OUTSIDE = IPv4Address("198.51.100.77")
#: A second filter, as a person or a program beside puts one there.
SECOND = "table inet second {{\nchain f {{\ntype filter hook forward priority 10; policy {}\n{}\n}}\n}}\n"
CLOSED = SECOND.format("drop", "ct state established,related accept")
#: A rule whose match plexops does not know may match or not.
PUZZLING = SECOND.format("accept", "@nh,64,8 9 drop")


@pytest.fixture
def at(family: Family) -> Iterator[Bench]:
    with bench(family) as made:
        yield made


def arrives(at: Bench) -> bool:
    """Ask the router itself what it does with a viewer's packet."""
    found = at.router.inbound(Packet(OUTSIDE, HOUSEHOLD.wan_address, 32500))
    return isinstance(found, Packet) and found.translated


def load(at: Bench, rules: str) -> None:
    """Load rules as their owner would."""
    cast("LinuxRouter", at.router).files.write("/tmp/second.nft", rules.encode())
    at.run("nft -f /tmp/second.nft")


def make_all(at: Bench) -> Finding:
    """Make what is planned, each read back as the engine does."""
    finding = at.finding(WANTED)
    for change in finding.changes:
        assert is_done(change, at.make(change)), change.id
    return finding


@pytest.mark.parametrize("family", ["linux"])
def test_of_two_chains_that_drop_both_are_named_and_nothing_is_moved(at: Bench) -> None:
    make_all(at)
    assert arrives(at)
    load(at, CLOSED)
    assert not arrives(at)
    finding = at.finding(WANTED)
    assert finding.changes == ()
    assert finding.status not in (FindingStatus.OK, FindingStatus.DRIFT)
    assert "“inet filter forward”" in finding.why
    assert "“inet second f”" in finding.why
    # The cure that is named is one: opened by hand in one of them, our accept does for the other.
    at.run("nft insert rule inet second f ct status dnat accept")
    assert at.finding(WANTED).status is FindingStatus.OK
    assert arrives(at)


@pytest.mark.parametrize("family", ["linux"])
def test_of_two_chains_that_drop_one_that_a_person_opened_needs_only_ours(at: Bench) -> None:
    load(at, CLOSED)
    at.run("nft insert rule inet filter forward ct status dnat accept")
    finding = make_all(at)
    assert [c.kind for c in finding.changes] == [Kind.PORT_FORWARD, Kind.PASSAGE]
    want = finding.changes[1].want
    assert isinstance(want, Passage)
    assert want.chain == "inet second f"
    assert arrives(at)
    assert at.finding(WANTED).status is FindingStatus.OK


@pytest.mark.parametrize("family", ["linux"])
def test_a_second_chain_that_cannot_be_read_is_named_too(at: Bench) -> None:
    at.make(at.finding(WANTED).changes[0])
    load(at, PUZZLING)
    finding = at.finding(WANTED)
    assert finding.changes == ()
    assert "“inet filter forward”" in finding.why
    assert "whether “inet second f” lets it through is unknown" in finding.why


@pytest.mark.parametrize("family", ["linux"])
def test_a_drop_above_our_accept_is_passed_again(at: Bench) -> None:
    make_all(at)
    at.run("nft insert rule inet filter forward ct state new drop")
    assert not arrives(at)
    finding = at.finding(WANTED)
    assert [(c.kind, c.action) for c in finding.changes] == [(Kind.PASSAGE, Action.UPDATE)]
    make_all(at)
    assert arrives(at)
    assert at.finding(WANTED).status is FindingStatus.OK


@pytest.mark.parametrize("family", ["linux"])
@pytest.mark.parametrize("why", ["no room", "it does not load"])
def test_a_passage_that_cannot_be_written_anew_stays_what_it_was(at: Bench, why: str) -> None:
    """The old rule goes before the new one comes: what keeps the new one out must not cost the old one."""
    make_all(at)
    at.run("nft insert rule inet filter forward ct state new drop")
    change = at.finding(WANTED).changes[0]
    write = at.script(change).writes[0]
    if why == "no room":
        cast("LinuxRouter", at.router).files.free = {"/etc/nftables.d": 40 * 1024}
    else:
        assert isinstance(write.ask, Command)
        failing = write.ask.text.replace("{ nft -f $n ||", "{ false ||", 1)
        assert failing != write.ask.text
        write = replace(write, ask=Command(failing))
    before = at.run("nft list ruleset").count('comment "plexops:plex"')
    assert unexpected(write.expect, at.send(write))
    assert at.run("nft list ruleset").count('comment "plexops:plex"') == before


@pytest.mark.parametrize("family", ["routeros"])
def test_a_drop_above_an_accept_that_cannot_be_moved_is_named(at: Bench) -> None:
    make_all(at)
    assert arrives(at)
    at.run(
        "/ip firewall filter add chain=forward action=drop connection-state=new comment=guard place-before=0"
    )
    assert not arrives(at)
    for wanted in (WANTED, task(Kind.PORT_FORWARD, replace(FORWARD, address=NEW))):
        finding = at.finding(wanted)
        assert [c for c in finding.changes if c.kind is Kind.PASSAGE] == []
        assert "stands behind a rule that drops (guard)" in finding.why


@pytest.mark.parametrize("family", ["linux"])
def test_two_accepts_with_our_tag_are_not_taken_for_one(at: Bench) -> None:
    make_all(at)
    copy = 'ct status dnat ip daddr 192.168.1.60 tcp dport 32400 accept comment "plexops:plex"'
    at.run(f"nft 'insert rule inet filter forward {copy}'")
    at.run("nft insert rule inet filter forward ct state new drop")
    finding = at.finding(WANTED)
    assert finding.changes == ()
    assert "2 rules of the router's filter bear our tag" in finding.why


#: What somebody may do to a router whose filter holds our passage, with our own tag on it.
FOREIGN = {
    "a drop before ours": "insert rule inet filter forward tcp dport 32400 drop comment",
    "an accept for another host": (
        "insert rule inet filter forward ct status dnat ip daddr 192.168.1.60 tcp dport 22 accept comment"
    ),
    "a copy of ours": (
        "insert rule inet filter forward ct status dnat ip daddr 192.168.1.50 tcp dport 32400 counter accept comment"
    ),
    "an accept for everybody": "insert rule inet filter forward accept comment",
}


#: What is the very same as ours, before ours is made, only shows when two are read back.
LIVES = [pytest.param(when, name, id=f"{name}-{when}") for name in FOREIGN for when in (0, 1, 2)]


@pytest.mark.parametrize(
    ("when", "name"), [p for p in LIVES if p.id not in ("a copy of ours-0", "a copy of ours-1")]
)
@pytest.mark.parametrize("family", ["linux"])
def test_an_edit_of_others_is_seen_although_it_bears_our_tag(at: Bench, when: int, name: str) -> None:
    """`when`: before the first change, between the two, and after both."""
    changes = at.finding(WANTED).changes
    assert [c.kind for c in changes] == [Kind.PORT_FORWARD, Kind.PASSAGE]
    start = foreign(at.look(), Role.ROUTER, changes)
    for change in changes[:when]:
        at.make(change)
    assert foreign(at.look(), Role.ROUTER, changes) == start, "our own changes are none"
    at.run(f"nft '{FOREIGN[name]} \"plexops:plex\"'")
    assert foreign(at.look(), Role.ROUTER, changes) != start


@pytest.mark.parametrize("family", ["linux", "routeros"])
def test_our_own_changes_are_no_edit_of_others_in_any_order_of_life(at: Bench) -> None:
    for wanted in (WANTED, task(Kind.PORT_FORWARD, replace(FORWARD, address=NEW))):
        changes = at.finding(wanted).changes
        assert len(changes) == 2
        start = foreign(at.look(), Role.ROUTER, changes)
        for change in changes:
            at.make(change)
            assert foreign(at.look(), Role.ROUTER, changes) == start
        for change in reversed(changes):
            at.undo(change)
            assert foreign(at.look(), Role.ROUTER, changes) == start
        for change in changes:
            at.make(change)


@pytest.mark.parametrize("family", ["linux", "openwrt", "routeros"])
def test_our_forward_altered_by_others_between_two_changes_is_seen(at: Bench) -> None:
    change = at.finding(WANTED).changes[0]
    start = foreign(at.look(), Role.ROUTER, (change,))
    at.make(change)
    assert foreign(at.look(), Role.ROUTER, (change,)) == start
    at.run(
        {
            "linux": "nft add rule inet plexops_plex prerouting tcp dport 9999 dnat ip to 192.168.1.60:22",
            "openwrt": "uci set firewall.plexops_plex.dest_ip=192.168.1.60",
            "routeros": '/ip firewall nat set [find where comment~"plexops:plex"] to-addresses=192.168.1.60',
        }[at.family]
    )
    assert foreign(at.look(), Role.ROUTER, (change,)) != start


@pytest.mark.parametrize("second", [CLOSED, PUZZLING])
@pytest.mark.parametrize("family", ["linux"])
def test_behind_two_chains_no_forward_is_planned(at: Bench, second: str) -> None:
    load(at, second)
    finding = at.finding(WANTED)
    assert (finding.status, finding.changes) == (FindingStatus.UNSUPPORTED, ())
    assert "“inet filter forward”" in finding.why
    assert "“inet second f”" in finding.why


@pytest.mark.parametrize("family", ["linux"])
@pytest.mark.parametrize("rule", ["tcp sport 1000 accept", "meta nfproto ipv6 accept"])
def test_an_accept_for_others_is_not_taken_for_a_passage(at: Bench, rule: str) -> None:
    make_all(at)
    load(at, SECOND.format("drop", rule))
    assert not arrives(at)
    assert at.finding(WANTED).status is not FindingStatus.OK
