"""No text of anybody's is ever more than one value on a device: it is refused, or it arrives and does nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from plexops.drivers.base import Unrenderable
from plexops.engine.sending import unexpected
from plexops.lab.base import ForwardSeed, ReservationSeed, Seed
from plexops.lab.routers.linux import LinuxRouter
from plexops.lab.routers.openwrt import OpenWrtRouter
from plexops.lab.routers.opnsense import OpnSenseRouter
from plexops.lab.routers.uci import Package
from plexops.model.change import Action, Change, is_done
from plexops.model.exchange import Script
from plexops.model.snapshot import Kind, KindState
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
    task,
)
from tests.conformance.hostile_names import CONTROL, HOSTILE
from tests.conformance.test_adoption import ADOPTERS, STALE
from tests.conformance.test_resources import carry_out, undo_all

HARMLESS = "a harmless name"
#: Where a family writes the name of our forward at all. The others write our tag alone.
NAMES_ITS_FORWARD: tuple[Family, ...] = ("openwrt", "linux")


def rendered(at: Bench, wanted: Change) -> Script | None:
    """Give the script of a change, or None where it is refused with a reason."""
    try:
        return at.script(wanted)
    except Unrenderable as reason:
        assert str(reason), "refused without a word"
        return None


def ran(at: Bench, script: Script) -> list[str]:
    """Send a script and give the commands that the device ran for it."""
    before = len(at.commands())
    at.send_all(script.writes)
    return at.commands()[before:]


def name_of_our_forward(at: Bench) -> str:
    """Give the name that the device itself holds for our forward: its parsed state, not our reading of it."""
    if isinstance(at.router, OpenWrtRouter):
        section = committed(at.router, "firewall").find("plexops_plex")
        assert section is not None
        return cast("str", section.options["name"])
    assert isinstance(at.router, LinuxRouter)
    rules = at.router.ruleset.tables["inet", "plexops_plex"].chains["prerouting"].rules
    assert len(rules) == 1
    return rules[0].comment


def committed(router: OpenWrtRouter, package: str) -> Package:
    """Give one of OpenWrt's packages as the device reads it from its file."""
    return router.uci.committed(package)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_name_of_our_forward(family: Family) -> None:
    with bench(family) as at:
        before = at.export()
        harmless = change(Action.CREATE, Kind.PORT_FORWARD, replace(FORWARD, name=HARMLESS))
        expected = ran(at, at.script(harmless))
        at.undo(harmless)
        arrived = 0
        for name in HOSTILE:
            wanted = change(Action.CREATE, Kind.PORT_FORWARD, replace(FORWARD, name=name))
            script = rendered(at, wanted)
            if script is None:
                assert at.export() == before, name
                continue
            assert ran(at, script) == expected, name
            if family in NAMES_ITS_FORWARD:
                assert name_of_our_forward(at) == name
            assert is_done(wanted, at.look()), name
            assert changed(family, before, at.export())[0] == [], name
            at.undo(wanted)
            assert at.export() == before, name
            arrived += 1
        assert arrived >= 100, "hardly anything arrived: the refusals are too wide to prove anything"


@pytest.mark.parametrize("family", FAMILIES)
def test_the_name_of_our_reservation_is_a_host_name_or_refused(family: Family) -> None:
    with bench(family) as at:
        before = at.export()
        harmless = change(Action.CREATE, Kind.DHCP_RESERVATION, RESERVATION)
        expected = ran(at, at.script(harmless))
        at.undo(harmless)
        refused = 0
        for name in HOSTILE:
            wanted = change(Action.CREATE, Kind.DHCP_RESERVATION, replace(RESERVATION, name=name))
            script = rendered(at, wanted)
            if script is None:
                assert at.export() == before, name
                refused += 1
                continue
            assert ran(at, script) == expected, name
            assert at.router.reservations()[RESERVATION.mac] == PLEX
            assert changed(family, before, at.export())[0] == [], name
            at.undo(wanted)
            assert at.export() == before, name
        # RouterOS leases have no name; everywhere else hardly any of these is a host name.
        assert refused == 0 if family == "routeros" else refused >= len(HOSTILE) - 20


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", [Kind.PORT_FORWARD, Kind.DHCP_RESERVATION])
def test_keys_of_ours_come_from_a_closed_alphabet(family: Family, kind: Kind) -> None:
    want: Any = FORWARD if kind is Kind.PORT_FORWARD else RESERVATION
    harmful = [*HOSTILE, "Plex", "plex-1", "1plex", "p" * 21, "plex\n", "pléx"]
    with bench(family) as at:
        now = at.look()
        for key in harmful:
            if key in ("null", "true", "accept", "drop"):
                continue  # words like any other: they are keys
            wanted = replace(change(Action.CREATE, kind, want), key=key)
            with pytest.raises(Unrenderable):
                at.driver.script(wanted, now)


@pytest.mark.parametrize("family", ADOPTERS)
def test_the_name_of_an_entry_that_is_adopted(family: Family) -> None:
    """The entry is found by its handle; its own name, whatever it is, stays what it is."""
    seen = 0
    for name in HOSTILE:
        with hostile_home(family, (name,)) as at:
            if at is None:
                continue
            before = at.export()
            finding = at.finding(task(Kind.PORT_FORWARD, FORWARD, adopt=True))
            carry_out(at, finding)
            gone, came = changed(family, before, at.export())
            came = [thing for thing in came if "comment=plexops:plex connection-nat-state" not in thing]
            assert len(gone) == 1, name
            assert came == [gone[0].replace(str(OLD), str(PLEX))], name
            undo_all(at, finding)
            assert at.export() == before, name
            seen += 1
    assert seen >= 100, seen


class hostile_home:  # noqa: N801 - used as a context, like the functions beside it
    """A home in which somebody's forwards bear these names; None where the vendor's own device refuses one."""

    def __init__(self, family: Family, names: tuple[str, ...]) -> None:
        forwards = tuple(
            ForwardSeed(name, str(20000 + at), HOUSEHOLD.forwards[0].address, "80")
            for at, name in enumerate(names)
        )
        stale = replace(STALE, name=names[0]) if len(names) == 1 else STALE
        self._seed = replace(HOUSEHOLD, forwards=(*HOUSEHOLD.forwards[:2], stale, *forwards))
        self._family = family
        self._context: Any = None

    def __enter__(self) -> Bench | None:
        names = [f.name for f in self._seed.forwards]
        # What no person can type into the vendor's own pages is no name of somebody's.
        if any(name in CONTROL or not name for name in names):
            return None
        self._context = bench(self._family, self._seed)
        return cast("Bench", self._context.__enter__())

    def __exit__(self, *error: object) -> None:
        if self._context is not None:
            self._context.__exit__(*error)


TYPED = tuple(name for name in HOSTILE if name and name not in CONTROL)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_house_full_of_hostile_names_is_read_entry_by_entry(family: Family) -> None:
    with hostile_home(family, TYPED) as at:
        assert at is not None
        before = at.export()
        snapshot = at.look()
        assert snapshot.state(Kind.PORT_FORWARD) is KindState.PRESENT, snapshot.reasons
        entries = snapshot.of(Kind.PORT_FORWARD)
        ports = [str(e.values.external_port) for e in entries if e.values is not None]
        for number, name in enumerate(TYPED):
            assert ports.count(str(20000 + number)) == 1, name
        assert [e for e in entries if e.owner.key == "plex" and e.label not in TYPED] == []
        if family != "linux":  # the household there wrote what nft can hold
            labels = {str(e.values.external_port): e.label for e in entries if e.values is not None}
            assert [labels[str(20000 + n)] for n in range(len(TYPED))] == list(TYPED)
        wanted = change(Action.CREATE, Kind.PORT_FORWARD, replace(FORWARD, external_port=FORWARD.external_port))
        if any(e.owner.key == "plex" for e in entries):
            return  # somebody gave theirs our tag: compare shows that as a conflict, see below
        at.send_all(at.script(wanted).writes)
        assert changed(family, before, at.export())[0] == []
        at.undo(wanted)
        assert at.export() == before


@pytest.mark.parametrize("family", ["openwrt", "linux", "routeros", "opnsense"])
def test_hostile_reservations_are_read_and_left_alone(family: Family) -> None:
    names = tuple(n for n in TYPED if family != "linux")
    seeds = tuple(
        ReservationSeed(name, (f"02:00:00:00:{at >> 8:02x}:{at & 255:02x}",), HOUSEHOLD.lan_address + 1000 + at)
        for at, name in enumerate(names)
    )
    seed: Seed = replace(HOUSEHOLD, reservations=(*HOUSEHOLD.reservations, *seeds))
    with bench(cast("Family", family), seed) as at:
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
            length = len(at.commands())
            for write in script.writes:
                if unexpected(write.expect, at.send(write)):
                    break
            return {_without_handle(line) for line in at.commands()[length:]}

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


def test_the_tag_of_ours_on_somebodys_entry_is_a_conflict_and_not_taken_over() -> None:
    """On RouterOS and OPNsense a comment is the tag, and people copy comments."""
    for family in ("routeros", "opnsense"):
        with bench(cast("Family", family)) as at:
            carry_out(at, at.finding(task(Kind.PORT_FORWARD, FORWARD)))
            copy = ForwardSeed("plexops:plex", "20000", HOUSEHOLD.forwards[0].address, "80")
            state = at.look()
        with bench(cast("Family", family), replace(HOUSEHOLD, forwards=(copy, replace(copy, external="20001")))) as at:
            assert state.of(Kind.PORT_FORWARD)
            finding = at.finding(task(Kind.PORT_FORWARD, FORWARD, adopt=True))
            assert "2 entries bear our tag" in finding.have
            assert finding.changes == ()


def test_the_lab_tells_values_apart() -> None:
    """The judge itself: OPNsense's rows are what the device holds, byte for byte."""
    with bench("opnsense") as at:
        assert isinstance(at.router, OpnSenseRouter)
        assert 'Küche \\"Cam\\"' in at.export()
