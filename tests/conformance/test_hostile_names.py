"""No text of anybody's is ever more than one value on a device: it is refused, or it arrives and does nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from plexops.drivers.base import Unrenderable
from plexops.engine.change.sending import unexpected
from plexops.lab.base import ForwardSeed, ReservationSeed, Seed
from plexops.lab.routers.linux import LinuxRouter
from plexops.lab.routers.openwrt import OpenWrtRouter
from plexops.lab.routers.uci import Package
from plexops.model.change import Action, Change, find, inverse, is_done
from plexops.model.exchange import Command, Script, Write
from plexops.model.finding import FindingStatus
from plexops.model.resources.port_forward import PortForward
from plexops.model.snapshot import Kind, KindState, Snapshot
from plexops.model.values import Ports
from plexops.structs import replace
from tests.conformance.conformance_bench import (
    FAMILIES,
    FORWARD,
    HOUSEHOLD,
    OLD,
    PLEX,
    RESERVATION,
    Bench,
    Family,
    bench,
    change,
    changed,
    findings_of,
    task,
)
from tests.conformance.hostile_names import CONTROL, GROUPS, HOSTILE
from tests.conformance.test_adoption import ADOPTERS, STALE
from tests.conformance.test_resources import carry_out, undo_all

HARMLESS = "a harmless name"
#: Where a family writes the name of our forward at all. The others write our tag alone.
NAMES_ITS_FORWARD: tuple[Family, ...] = ("openwrt", "linux")


def rendered(at: Bench, wanted: Change, now: Snapshot) -> Script | None:
    """Give the script of a change, or None where it is refused with a reason."""
    try:
        return at.driver.script(wanted, now)
    except Unrenderable as reason:
        if not str(reason):
            pytest.fail("refused without a word")
        return None


def ran(at: Bench, script: Script) -> list[str]:
    """Send a script and give the commands that the device ran for it."""
    mark = at.mark()
    at.send_all(script.writes)
    return at.commands(mark)


def name_of_our_forward(at: Bench) -> str:
    """Give the name that the device itself holds for our forward: its parsed state, not our reading of it."""
    if isinstance(at.router, OpenWrtRouter):
        section = committed(at.router, "firewall").find("plexops_plex")
        assert section is not None
        return cast("str", section.options.get("name", ""))
    assert isinstance(at.router, LinuxRouter)
    rules = at.router.ruleset.tables["inet", "plexops_plex"].chains["prerouting"].rules
    assert len(rules) == 1
    return rules[0].comment


def committed(router: OpenWrtRouter, package: str) -> Package:
    """Give one of OpenWrt's packages as the device reads it from its file."""
    return router.uci.committed(package)


def creating(want: Any) -> Change:
    """Make the change that creates ours."""
    kind = Kind.PORT_FORWARD if isinstance(want, PortForward) else Kind.DHCP_RESERVATION
    return change(Action.CREATE, kind, want)


def make_and_undo(at: Bench, wanted: Change, script: Script) -> list[str]:
    """Create, judge what the device shows, take it back; give the commands that creating ran."""
    before = at.export()
    commands = ran(at, script)
    then = at.look()
    assert is_done(wanted, then)
    assert changed(at.family, before, at.export())[0] == []
    if wanted.kind is Kind.PORT_FORWARD and at.family in NAMES_ITS_FORWARD:
        assert isinstance(wanted.want, PortForward)
        assert name_of_our_forward(at) == wanted.want.name
    back = inverse(wanted)
    assert back is not None
    at.send_all(at.driver.script(replace(back, before=find(wanted, then)[0]), then).writes)
    assert at.export() == before
    return commands


@pytest.mark.parametrize("family", NAMES_ITS_FORWARD)
@pytest.mark.parametrize("group", GROUPS)
def test_the_name_of_our_forward_arrives_or_is_refused(family: Family, group: str) -> None:
    with bench(family) as at:
        before, now = at.export(), at.look()
        harmless = creating(replace(FORWARD, name=HARMLESS))
        expected = make_and_undo(at, harmless, at.script(harmless))
        for name in GROUPS[group]:
            wanted = creating(replace(FORWARD, name=name))
            script = rendered(at, wanted, now)
            if script is not None:
                commands = make_and_undo(at, wanted, script)
                assert commands == expected or not name, name
        assert at.export() == before


@pytest.mark.parametrize("family", NAMES_ITS_FORWARD)
def test_only_what_cannot_be_written_is_refused(family: Family) -> None:
    """Refusing everything would pass the test above."""
    with bench(family) as at:
        now = at.look()
        refused = {n for n in HOSTILE if rendered(at, creating(replace(FORWARD, name=n)), now) is None}
    too_long = {name for name in HOSTILE if not has_room(family, name)}
    assert too_long
    assert {*CONTROL, *too_long} <= refused
    rest = refused - {*CONTROL, *too_long}
    if family == "linux":  # nft has no escape for quotes and backslashes
        rest = {name for name in rest if '"' not in name and "\\" not in name}
    assert rest == ({""} if family == "linux" else set())


@pytest.mark.parametrize(("family", "most"), [("openwrt", 109), ("linux", 128)])
def test_a_name_has_so_many_bytes_of_room(family: Family, most: int) -> None:
    """Counted as the device counts: in bytes."""
    letters = (most // 2) * "é" + (most % 2) * "e"
    with bench(family) as at:
        now = at.look()
        for name in ("n" * most, letters):
            wanted = creating(replace(FORWARD, name=name))
            make_and_undo(at, wanted, at.script(wanted))
            with pytest.raises(Unrenderable, match=f"name has {most + 1} bytes, and {most} fit"):
                at.driver.script(creating(replace(FORWARD, name=f"{name}n")), now)


@pytest.mark.parametrize("family", [f for f in FAMILIES if f not in NAMES_ITS_FORWARD])
def test_where_only_our_tag_is_written_the_name_is_in_no_request(family: Family) -> None:
    with bench(family) as at:
        now = at.look()
        expected = at.driver.script(creating(replace(FORWARD, name=HARMLESS)), now)
        for name in HOSTILE:
            script = rendered(at, creating(replace(FORWARD, name=name)), now)
            assert script is None or script == expected, name


@pytest.mark.parametrize("family", FAMILIES)
def test_the_name_of_our_reservation_is_a_host_name_or_refused(family: Family) -> None:
    with bench(family) as at:
        before, now = at.export(), at.look()
        harmless = creating(RESERVATION)
        script = at.script(harmless)
        expected = make_and_undo(at, harmless, script)
        refused = 0
        for name in HOSTILE:
            wanted = creating(replace(RESERVATION, name=name))
            other = rendered(at, wanted, now)
            if other is None:
                refused += 1
            elif other.writes != script.writes:
                commands = make_and_undo(at, wanted, other)
                assert commands == expected or not name, name
        assert at.export() == before
        # RouterOS leases have no name; everywhere else hardly any of these is a host name.
        assert refused == 0 if family == "routeros" else refused >= len(HOSTILE) - 20


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", [Kind.PORT_FORWARD, Kind.DHCP_RESERVATION])
def test_keys_of_ours_come_from_a_closed_alphabet(family: Family, kind: Kind) -> None:
    want: Any = FORWARD if kind is Kind.PORT_FORWARD else RESERVATION
    words = {"null", "true", "accept", "drop", "cfg073837"}  # words like any other: they are keys
    harmful = [*HOSTILE, "Plex", "plex-1", "1plex", "p" * 21, "plex\n", "pléx"]
    with bench(family) as at:
        now = at.look()
        for key in harmful:
            wanted = replace(change(Action.CREATE, kind, want), key=key)
            if key in words:
                assert at.driver.script(wanted, now).writes
                continue
            with pytest.raises(Unrenderable, match="is no key"):
                at.driver.script(wanted, now)


@pytest.mark.parametrize("family", ADOPTERS)
@pytest.mark.parametrize("group", [g for g in GROUPS if g != "control"])
def test_the_name_of_an_entry_that_is_adopted(family: Family, group: str) -> None:
    """The entry is found by its handle; its own name, whatever it is, stays what it is."""
    names = [name for name in GROUPS[group] if typable(family, name)]
    assert len(names) >= (1 if group == "long" else len(GROUPS[group]) - 4)
    for first in range(0, len(names), 12):
        adopt_each(family, tuple(names[first : first + 12]))


def adopt_each(family: Family, names: tuple[str, ...]) -> None:
    """Adopt the entries of these names one after the other, and undo each before the next."""
    with bench(family, household_of(names)) as at:
        before, now = at.export(), at.look()
        for number, name in enumerate(names):
            wanted = replace(FORWARD, external_port=Ports.of(20000 + number))
            finding = findings_of(task(Kind.PORT_FORWARD, wanted, adopt=True), now, at.driver)[0]
            adoption = finding.changes[0]
            assert (adoption.action, adoption.fields) == (Action.ADOPT, ("address",)), name
            script = at.driver.script(adoption, now)
            at.send_all(script.writes)
            gone, came = changed(family, before, at.export())
            assert len(gone) == 1, name
            assert came == [gone[0].replace(str(OLD), str(PLEX))], name
            undo_as_the_window_does(at, adoption, script)
            assert at.export() == before, name


def undo_as_the_window_does(at: Bench, made: Change, script: Script) -> None:
    """Send the way back that the script holds; a family without a command line has none and reads afresh."""
    if at.family.startswith("opnsense"):
        at.undo(made)
    else:
        at.send_all([Write(Command(text), script.writes[0].expect) for text in script.undo])


def household_of(names: tuple[str, ...]) -> Seed:
    """Give a home in which somebody's forwards to the old address bear these names, between others."""
    forwards = tuple(ForwardSeed(name, str(20000 + at), OLD, "32400", "tcp") for at, name in enumerate(names))
    return replace(HOUSEHOLD, forwards=(*HOUSEHOLD.forwards[:2], *forwards, *HOUSEHOLD.forwards[2:]))


def typable(family: Family, name: str) -> bool:
    """Tell whether somebody's entry can bear a name: typed into the vendor's own page, and no tag of ours."""
    if name in CONTROL or not name.strip() or name.startswith("plexops:"):
        return False
    return has_room(family, name)


def has_room(family: Family, name: str) -> bool:
    """Tell whether a device can hold a name.

    nft's comments have 128 bytes. firewall4 writes a name into one, with 19 bytes of its own words: with a longer name
    its whole ruleset is refused.
    """
    return len(name.encode("utf-8", "surrogatepass")) <= {"linux": 128, "openwrt": 109}.get(family, 255)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_house_full_of_hostile_names_is_read_entry_by_entry(family: Family) -> None:
    typed = tuple(name for name in HOSTILE if typable(family, name))
    with bench(family, household_of(typed)) as at:
        snapshot = at.look()
        assert snapshot.state(Kind.PORT_FORWARD) is KindState.PRESENT, snapshot.reasons
        entries = snapshot.of(Kind.PORT_FORWARD)
        ports = [str(e.values.external_port) for e in snapshot.held(PortForward)]
        for number, name in enumerate(typed):
            assert ports.count(str(20000 + number)) == 1, name
        assert [e.label for e in entries if e.owner.ours] == []
        if family != "linux":  # the household there wrote what nft can hold
            labels = {str(e.values.external_port): e.label for e in snapshot.held(PortForward)}
            assert [labels[str(20000 + n)] for n in range(len(typed))] == list(typed)
        wanted = creating(FORWARD)
        make_and_undo(at, wanted, at.driver.script(wanted, snapshot))


@pytest.mark.parametrize("family", FAMILIES)
def test_hostile_reservations_are_read_and_left_alone(family: Family) -> None:
    # dnsmasq's file holds host names alone.
    names = () if family == "linux" else tuple(n for n in HOSTILE if typable("routeros", n))
    seeds = tuple(
        ReservationSeed(
            name, (f"02:00:00:00:{at >> 8:02x}:{at & 255:02x}",), HOUSEHOLD.lan_address + 1000 + at
        )
        for at, name in enumerate(names)
    )
    seed: Seed = replace(HOUSEHOLD, reservations=(*HOUSEHOLD.reservations, *seeds))
    with bench(family, seed) as at:
        before = at.export()
        entries = at.look().of(Kind.DHCP_RESERVATION)
        assert len([e for e in entries if e.values is not None]) == len(seed.reservations)
        finding = at.finding(task(Kind.DHCP_RESERVATION, RESERVATION))
        carry_out(at, finding)
        assert changed(at.family, before, at.export())[0] == []
        undo_all(at, finding)
        assert at.export() == before


@pytest.mark.parametrize("family", ADOPTERS)
@pytest.mark.parametrize("kind", [Kind.PORT_FORWARD, Kind.DHCP_RESERVATION])
def test_a_handle_is_one_name_whatever_a_device_says(family: Family, kind: Kind) -> None:
    """A device that lies about its handles gets no more than a request for an entry of that very name."""
    seed = replace(
        HOUSEHOLD,
        forwards=(*HOUSEHOLD.forwards, STALE),
        reservations=(*HOUSEHOLD.reservations, ReservationSeed("media", (RESERVATION.mac,), OLD)),
    )
    want: Any = FORWARD if kind is Kind.PORT_FORWARD else RESERVATION
    with bench(family, seed) as at:
        before = at.export()
        adoption = at.finding(task(kind, want, adopt=True)).changes[0]
        assert adoption.before is not None
        now = at.look()

        def lying(handle: str) -> Callable[[], Script]:
            assert adoption.before is not None
            entry = replace(adoption.before, handle=handle)
            kept = tuple(e for e in now.entries if e.handle != entry.handle and e.label != entry.label)
            told = replace(now, entries=(*kept, entry))
            return lambda: at.driver.script(replace(adoption, before=entry), told)

        def commands(script: Script) -> set[str]:
            mark = at.mark()
            for write in script.writes:
                if unexpected(write.expect, at.send(write)):
                    break
            return {_without_handle(line) for line in at.commands(mark)}

        harmless = commands(lying("nobody")())
        refused = 0
        for handle in HOSTILE:
            if handle.startswith(("*", "@redirect[", "firewall.@")):
                continue  # names of real neighbours, as devices give them
            try:
                script = lying(handle)()
            except Unrenderable:
                refused += 1
                continue
            assert commands(script) <= harmless, handle
            assert at.export() == before, handle
        assert refused >= 100, refused


def _without_handle(line: str) -> str:
    return line.rpartition("/")[0] if line.startswith("POST ") else line


@pytest.mark.parametrize("family", ["routeros", "opnsense"])
def test_our_tag_on_copies_of_somebodys_is_a_conflict_and_not_taken_over(family: Family) -> None:
    """There a comment is the tag, and people copy comments."""
    copy = ForwardSeed("plexops:plex", "20000", HOUSEHOLD.forwards[0].address, "80")
    with bench(family, replace(HOUSEHOLD, forwards=(copy, replace(copy, external="20001")))) as at:
        finding = at.finding(task(Kind.PORT_FORWARD, FORWARD, adopt=True))
        assert finding.status is FindingStatus.CONFLICT
        assert "2 entries bear our tag" in finding.have
        assert finding.changes == ()
