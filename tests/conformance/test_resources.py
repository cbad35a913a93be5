"""Every kind that a family can write: made, read back, changed, taken away, undone; judged by the device itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from typing import Any

import pytest
from msgspec import Struct

from plexops.lab.base import Packet, Seed
from plexops.lab.routers.openwrt import OpenWrtRouter
from plexops.model.change import Action, is_done
from plexops.model.finding import Finding, FindingStatus
from plexops.model.resources import KINDS
from plexops.model.resources.upnp import Upnp
from plexops.model.site import State
from plexops.model.snapshot import Kind, KindState
from plexops.model.values import Ports
from plexops.structs import replace
from tests.conformance.conformance_bench import (
    FAMILIES,
    FORWARD,
    HOUSEHOLD,
    MAC,
    NEW,
    PLEX,
    RESERVATION,
    Bench,
    Family,
    bench,
    changed,
    ours,
    task,
)

OUTSIDE = IPv4Address("198.51.100.77")
WITH_PASSAGE: tuple[Family, ...] = ("linux", "routeros")
WITH_UPNP: tuple[Family, ...] = ("openwrt", "routeros")


class Thing(Struct, frozen=True):
    """What is written, what it is changed to, and how the device itself shows that it works."""

    kind: Kind
    want: Any
    other: Any
    works: Callable[[Bench], Any]
    #: What `works` gives for nothing, `want` and `other`.
    shows: tuple[Any, Any, Any]


def _arrives(at: Bench) -> str:
    found = [at.router.inbound(Packet(OUTSIDE, HOUSEHOLD.wan_address, port)) for port in (32500, 32501)]
    return " ".join(
        f"{p.destination}:{p.port}" if isinstance(p, Packet) and p.translated else "-" for p in found
    )


THINGS = (
    Thing(
        Kind.DHCP_RESERVATION,
        RESERVATION,
        replace(RESERVATION, address=NEW),
        lambda at: at.router.reservations().get(MAC),
        (None, PLEX, NEW),
    ),
    Thing(
        Kind.PORT_FORWARD,
        FORWARD,
        replace(FORWARD, external_port=Ports.of(32501), address=NEW),
        _arrives,
        ("- -", "192.168.1.50:32400 -", "- 192.168.1.51:32400"),
    ),
)
CASES = [pytest.param(f, t, id=f"{f}-{t.kind}") for f in FAMILIES for t in THINGS]


@pytest.fixture
def at(family: Family) -> Iterator[Bench]:
    with bench(family) as made:
        yield made


def carry_out(at: Bench, finding: Finding) -> None:
    """Make every change of a finding, each read back as the engine does."""
    # Drivers are on the bench here, not guards: those stop some of these wishes, and the change is there all the same.
    assert finding.status in (FindingStatus.DRIFT, FindingStatus.STOPPED), finding
    assert finding.changes
    for change in finding.changes:
        assert is_done(change, at.make(change)), change.id


def undo_all(at: Bench, finding: Finding) -> None:
    """Put every change of a finding back, last first."""
    for change in reversed(finding.changes):
        at.undo(change)


@pytest.mark.parametrize(("family", "thing"), CASES)
def test_a_device_without_it_shows_no_entry_of_ours(at: Bench, thing: Thing) -> None:
    snapshot = at.look()
    assert snapshot.state(thing.kind) is KindState.PRESENT
    assert [e for e in snapshot.of(thing.kind) if e.owner.ours] == []
    assert at.finding(task(thing.kind, thing.want)).have == "there is none"
    assert at.finding(task(thing.kind, thing.want, state=State.ABSENT)).status is FindingStatus.OK
    assert thing.works(at) == thing.shows[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_home_without_any_entry_is_empty_and_not_unknown(family: Family) -> None:
    with bench(family, Seed(upnp=False)) as empty:
        snapshot = empty.look()
        for thing in THINGS:
            assert snapshot.state(thing.kind) is KindState.PRESENT, (thing.kind, snapshot.reasons)
            assert snapshot.of(thing.kind) == ()


@pytest.mark.parametrize(("family", "thing"), CASES)
def test_create_reads_back_as_wanted_and_leaves_the_rest(at: Bench, thing: Thing) -> None:
    before = at.export()
    carry_out(at, at.finding(task(thing.kind, thing.want)))
    made = ours(at.look(), thing.kind)
    assert KINDS[thing.kind].differs(thing.want, made.values) == ()
    assert made.owner.key == "plex"
    gone, came = changed(at.family, before, at.export())
    assert gone == []
    assert came, "the device shows nothing new"
    assert thing.works(at) == thing.shows[1]


@pytest.mark.parametrize(("family", "thing"), CASES)
def test_a_second_apply_has_nothing_to_do(at: Bench, thing: Thing) -> None:
    wanted = task(thing.kind, thing.want)
    carry_out(at, at.finding(wanted))
    sent, after = len(at.sent), at.export()
    again = at.finding(wanted)
    assert (again.status, again.changes) == (FindingStatus.OK, ())
    assert (len(at.sent), at.export()) == (sent, after)


@pytest.mark.parametrize(("family", "thing"), CASES)
def test_update_of_ours_reads_back_and_leaves_the_rest(at: Bench, thing: Thing) -> None:
    before = at.export()
    carry_out(at, at.finding(task(thing.kind, thing.want)))
    update = at.finding(task(thing.kind, thing.other))
    assert update.changes[0].action is Action.UPDATE
    carry_out(at, update)
    assert KINDS[thing.kind].differs(thing.other, ours(at.look(), thing.kind).values) == ()
    assert at.finding(task(thing.kind, thing.other)).status is FindingStatus.OK
    assert changed(at.family, before, at.export())[0] == []
    assert thing.works(at) == thing.shows[2]


@pytest.mark.parametrize(("family", "thing"), CASES)
def test_delete_gives_the_first_export_back(at: Bench, thing: Thing) -> None:
    before = at.export()
    carry_out(at, at.finding(task(thing.kind, thing.want)))
    carry_out(at, at.finding(task(thing.kind, thing.want, state=State.ABSENT)))
    assert at.export() == before
    assert thing.works(at) == thing.shows[0]


@pytest.mark.parametrize(("family", "thing"), CASES)
def test_undo_of_create_gives_the_first_export_back(at: Bench, thing: Thing) -> None:
    before = at.export()
    finding = at.finding(task(thing.kind, thing.want))
    carry_out(at, finding)
    assert at.export() != before
    undo_all(at, finding)
    assert at.export() == before


@pytest.mark.parametrize(("family", "thing"), CASES)
def test_undo_of_update_gives_the_first_export_back(at: Bench, thing: Thing) -> None:
    carry_out(at, at.finding(task(thing.kind, thing.want)))
    before = at.export()
    finding = at.finding(task(thing.kind, thing.other))
    carry_out(at, finding)
    assert at.export() != before
    undo_all(at, finding)
    assert at.export() == before


@pytest.mark.parametrize(("family", "thing"), CASES)
def test_undo_of_delete_gives_the_first_export_back(at: Bench, thing: Thing) -> None:
    carry_out(at, at.finding(task(thing.kind, thing.want)))
    before = at.export()
    finding = at.finding(task(thing.kind, thing.want, state=State.ABSENT))
    carry_out(at, finding)
    assert at.export() != before
    undo_all(at, finding)
    assert at.export() == before


#: On OpenWrt the tag is the section's name: there cannot be two of one name.
COPYABLE = [pytest.param(f, t, id=f"{f}-{t.kind}") for f in FAMILIES if f != "openwrt" for t in THINGS]


@pytest.mark.parametrize(("family", "thing"), COPYABLE)
def test_two_entries_with_our_tag_are_a_conflict(at: Bench, thing: Thing) -> None:
    carry_out(at, at.finding(task(thing.kind, thing.want)))
    _make_twice(at, thing)
    assert len([e for e in at.look().of(thing.kind) if e.owner.key == "plex"]) == 2
    finding = at.finding(task(thing.kind, thing.want))
    assert (finding.status, finding.changes) == (FindingStatus.CONFLICT, ())
    assert "2 entries bear our tag" in finding.have


def _make_twice(at: Bench, thing: Thing) -> None:
    """Do what a person does who copies an entry: another one with the same tag."""
    if at.family != "linux":
        creating = at.finding(task(thing.kind, thing.want, state=State.ABSENT)).changes[0]
        copy = replace(thing.other, macs=("52:54:00:12:34:57",)) if thing.want is RESERVATION else thing.other
        again = replace(creating, action=Action.CREATE, before=None, want=copy)
        at.send_all(at.script(again).writes)
    elif thing.kind is Kind.DHCP_RESERVATION:
        line = "dhcp-host=52:54:00:12:34:57,192.168.1.52,copy"
        at.run(f"printf '# plexops:plex\\n{line}\\n' >> /etc/dnsmasq.d/household.conf")
    else:
        rule = "tcp dport 32501 dnat ip to 192.168.1.52:32400"
        at.run(f"nft add rule inet plexops_plex prerouting {rule}")


@pytest.mark.parametrize("family", WITH_PASSAGE)
def test_the_passage_goes_with_its_forward(at: Bench) -> None:
    before = at.export()
    finding = at.finding(task(Kind.PORT_FORWARD, FORWARD))
    assert [c.kind for c in finding.changes] == [Kind.PORT_FORWARD, Kind.PASSAGE]
    forward, passage = finding.changes
    at.make(forward)
    # What is forwarded and not let through does not arrive, and compare says so.
    assert at.router.inbound(Packet(OUTSIDE, HOUSEHOLD.wan_address, 32500)) == "dropped"
    without = at.finding(task(Kind.PORT_FORWARD, FORWARD))
    assert [c.kind for c in without.changes] == [Kind.PASSAGE]
    between = at.export()
    assert is_done(passage, at.make(passage))
    made = ours(at.look(), Kind.PASSAGE)
    assert KINDS[Kind.PASSAGE].differs(passage.want, made.values) == ()
    assert _arrives(at).startswith("192.168.1.50:32400")
    at.undo(passage)
    assert at.export() == between
    at.undo(forward)
    assert at.export() == before


@pytest.mark.parametrize("family", WITH_PASSAGE)
def test_a_passage_follows_its_forward_to_another_address(at: Bench) -> None:
    carry_out(at, at.finding(task(Kind.PORT_FORWARD, FORWARD)))
    before = at.export()
    moved = task(Kind.PORT_FORWARD, replace(FORWARD, address=NEW))
    finding = at.finding(moved)
    assert [(c.kind, c.action) for c in finding.changes] == [
        (Kind.PORT_FORWARD, Action.UPDATE),
        (Kind.PASSAGE, Action.UPDATE),
    ]
    carry_out(at, finding)
    assert at.finding(moved).status is FindingStatus.OK
    assert _arrives(at).startswith("192.168.1.51:32400")
    undo_all(at, finding)
    assert at.export() == before


@pytest.mark.parametrize("family", WITH_PASSAGE)
def test_an_accept_without_a_comment_is_read_as_somebodys(at: Bench) -> None:
    if at.family == "linux":
        at.run("nft add rule inet filter forward ct status dnat accept")
    else:
        at.run(
            "/ip firewall filter add chain=forward action=accept connection-nat-state=dstnat place-before=0"
        )
    snapshot = at.look()
    assert snapshot.state(Kind.PASSAGE) is KindState.PRESENT, snapshot.reasons
    assert [e for e in snapshot.of(Kind.PASSAGE) if e.owner.ours] == []


@pytest.mark.parametrize("family", WITH_UPNP)
def test_upnp_is_switched_off_and_on_again_to_the_byte(at: Bench) -> None:
    before = at.export()
    wanted = task(Kind.UPNP, Upnp(enabled=False))
    finding = at.finding(wanted)
    assert finding.changes[0].action is Action.UPDATE
    carry_out(at, finding)
    gone, came = changed(at.family, before, at.export())
    # RouterOS leaves defaults out of its export, and off is one.
    assert (len(gone), len(came)) == ((1, 0) if at.family == "routeros" else (1, 1))
    assert at.finding(wanted).status is FindingStatus.OK
    undo_all(at, finding)
    assert at.export() == before


@pytest.mark.parametrize("family", ["openwrt"])
def test_a_router_without_upnp_has_none_and_that_is_no_drift(at: Bench) -> None:
    assert isinstance(at.router, OpenWrtRouter)
    at.run("rm /etc/config/upnpd")
    assert at.look().state(Kind.UPNP) is KindState.ABSENT
    assert at.finding(task(Kind.UPNP, Upnp(enabled=False))).status is FindingStatus.OK
    assert at.finding(task(Kind.UPNP, Upnp(enabled=True))).status is FindingStatus.UNSUPPORTED


@pytest.mark.parametrize("family", [f for f in FAMILIES if f not in WITH_UPNP])
def test_a_kind_that_the_family_cannot_write_says_what_a_person_does(at: Bench) -> None:
    finding = at.finding(task(Kind.UPNP, Upnp(enabled=False)))
    assert (finding.status, finding.changes) == (FindingStatus.UNSUPPORTED, ())
    assert finding.steps
    assert finding.have or finding.why
