"""Somebody's entry, corrected with leave: one field changes, all else of it and of its neighbours stays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from plexops.drivers.base import Unrenderable
from plexops.engine.change.sending import unexpected
from plexops.lab.base import ForwardSeed, ReservationSeed
from plexops.model.change import Action, Change, is_done
from plexops.model.exchange import Call, Write
from plexops.model.finding import FindingStatus
from plexops.model.site import State
from plexops.model.snapshot import Kind, Role
from plexops.structs import replace
from tests.conformance.conformance_bench import (
    FAMILIES,
    FORWARD,
    HOUSEHOLD,
    MAC,
    OLD,
    PLEX,
    RESERVATION,
    Bench,
    Family,
    bench,
    changed,
    task,
)
from tests.conformance.test_resources import carry_out, undo_all

STALE = ForwardSeed("Mum's \"Plex\"; don't $touch", "32500", OLD, "32400", "tcp")
LEASED = ReservationSeed("media", (MAC.upper(),), OLD)
STALE_HOME = replace(
    HOUSEHOLD,
    forwards=(*HOUSEHOLD.forwards[:3], STALE, *HOUSEHOLD.forwards[3:]),
    reservations=(*HOUSEHOLD.reservations[:3], LEASED, *HOUSEHOLD.reservations[3:]),
)
WANTED = {Kind.PORT_FORWARD: FORWARD, Kind.DHCP_RESERVATION: RESERVATION}
#: What somebody set on their entry that plexops knows nothing of.
OPTIONS = {
    "openwrt": "uci set firewall.@redirect[3].reflection=0 && uci set firewall.@redirect[3].log='mum; and more' "
    "&& uci add_list firewall.@redirect[3].reflection_zone='lan' && uci set dhcp.@host[3].leasetime=infinite "
    "&& uci set dhcp.@host[3].dns=1 && uci commit",
    "routeros": '/ip firewall nat set [find where dst-port=32500] log=yes log-prefix="plex \\"in\\""; '
    "/ip dhcp-server lease set [find where address=192.168.1.83] lease-time=2d use-src-mac=yes",
}
ADOPTERS: tuple[Family, ...] = ("openwrt", "routeros", "opnsense", "opnsense-kea")
CASES = [pytest.param(f, k, id=f"{f}-{k}") for f in ADOPTERS for k in WANTED]


@contextmanager
def stale_home(family: Family) -> Iterator[Bench]:
    """A home whose forward and reservation still name the old address, with options of their owner's."""
    with bench(family, STALE_HOME) as at:
        if family in OPTIONS:
            at.run(OPTIONS[family])
        elif family.startswith("opnsense"):
            forward = next(e for e in at.look().of(Kind.PORT_FORWARD) if e.label == STALE.name)
            rule = {"log": "1", "tag": "from_mum", "natreflection": "purenat"}
            at.send(
                Write(Call("POST", f"/api/firewall/d_nat/set_rule/{forward.handle}", body={"rule": rule}))
            )
            at.send(Write(Call("POST", "/api/firewall/d_nat/apply", body={})))
        yield at


@pytest.mark.parametrize(("family", "kind"), CASES)
def test_adopting_needs_leave(family: Family, kind: Kind) -> None:
    with stale_home(family) as at:
        finding = at.finding(task(kind, WANTED[kind]))
        assert (finding.status, finding.changes) == (FindingStatus.CONFLICT, ())
        assert finding.adopt_id == f"router/{kind}/plex"
        assert "address" in finding.why
        allowed = at.finding(task(kind, WANTED[kind]), finding.adopt_id)
        assert allowed.status is FindingStatus.DRIFT
        assert (allowed.changes[0].action, allowed.changes[0].fields) == (Action.ADOPT, ("address",))


@pytest.mark.parametrize(("family", "kind"), CASES)
def test_only_the_differing_field_changes_and_undo_gives_all_back(family: Family, kind: Kind) -> None:
    with stale_home(family) as at:
        before = at.export()
        wanted = task(kind, WANTED[kind], adopt=True)
        finding = at.finding(wanted)
        carry_out(at, finding)
        gone, came = changed(at.family, before, at.export())
        # RouterOS keeps a passage of ours beside the forward; the entry itself is one thing replaced by one.
        came = [thing for thing in came if "plexops:plex" not in thing]
        assert len(gone) == 1
        assert came == [gone[0].replace(str(OLD), str(PLEX))]
        again = at.finding(wanted)
        assert (again.status, again.changes) == (FindingStatus.OK, ())
        assert "made by hand" in again.have
        undo_all(at, finding)
        assert at.export() == before


@pytest.mark.parametrize("family", ADOPTERS)
def test_several_fields_change_together_and_come_back_together(family: Family) -> None:
    stale = replace(STALE, enabled=False, port="32401")
    seed = replace(STALE_HOME, forwards=(*HOUSEHOLD.forwards, replace(stale, address=PLEX)))
    with bench(family, seed) as at:
        before = at.export()
        finding = at.finding(task(Kind.PORT_FORWARD, FORWARD, adopt=True))
        assert finding.changes[0].fields == ("port", "enabled")
        carry_out(at, finding)
        gone, _ = changed(at.family, before, at.export())
        assert len(gone) == 1
        undo_all(at, finding)
        assert at.export() == before


def test_a_field_that_was_not_set_is_taken_off_again() -> None:
    """OpenWrt without `proto` means tcp and udp: the way back is no option, not an option with the default."""
    with bench("openwrt", STALE_HOME) as at:
        at.run("uci delete firewall.@redirect[3].proto && uci commit firewall")
        before = at.export()
        finding = at.finding(task(Kind.PORT_FORWARD, FORWARD, adopt=True))
        assert finding.changes[0].fields == ("address", "protocol")
        carry_out(at, finding)
        assert "option proto 'tcp'" in "".join(changed("openwrt", before, at.export())[1])
        undo_all(at, finding)
        assert at.export() == before


def test_a_list_is_left_to_its_owner() -> None:
    with bench("openwrt", STALE_HOME) as at:
        at.run(
            "uci delete firewall.@redirect[3].proto && uci add_list firewall.@redirect[3].proto=tcp "
            "&& uci add_list firewall.@redirect[3].proto=udp && uci commit firewall"
        )
        finding = at.finding(task(Kind.PORT_FORWARD, FORWARD, adopt=True))
        assert (finding.status, finding.changes) == (FindingStatus.CONFLICT, ())
        assert "proto is a list on the router: change it by hand" in finding.why


@pytest.mark.parametrize("family", ADOPTERS)
def test_absent_switches_somebodys_forward_off_and_deletes_nothing(family: Family) -> None:
    with stale_home(family) as at:
        before = at.export()
        absent = task(Kind.PORT_FORWARD, FORWARD, state=State.ABSENT)
        assert at.finding(absent).status is FindingStatus.CONFLICT
        finding = at.finding(replace(absent, adopt=True))
        assert (finding.changes[0].action, finding.changes[0].fields) == (Action.ADOPT, ("enabled",))
        carry_out(at, finding)
        gone, came = changed(at.family, before, at.export())
        assert (len(gone), len(came)) == (1, 1)
        assert _without_switch(came[0]) == _without_switch(gone[0])
        assert at.finding(replace(absent, adopt=True)).status is FindingStatus.OK
        undo_all(at, finding)
        assert at.export() == before


def _without_switch(entry: str) -> str:
    for word in ("\n\toption enabled '0'", " disabled=yes", '\n "disabled": "1",', '\n "disabled": "0",'):
        entry = entry.replace(word, "")
    return entry


@pytest.mark.parametrize(
    ("family", "kind"),
    [
        ("linux", Kind.PORT_FORWARD),
        ("linux", Kind.DHCP_RESERVATION),
    ],
)
def test_what_a_family_cannot_adopt_says_so_and_changes_nothing(family: Family, kind: Kind) -> None:
    with stale_home(family) as at:
        before = at.export()
        finding = at.finding(task(kind, WANTED[kind], adopt=True))
        assert (finding.status, finding.changes) == (FindingStatus.CONFLICT, ())
        assert f"a {kind} that is not ours cannot be changed from here" in finding.why
        assert (at.sent, at.export()) == ([], before)


@pytest.mark.parametrize("family", ["opnsense", "opnsense-kea", "linux"])
def test_a_reservation_without_a_switch_is_not_switched_off(family: Family) -> None:
    with stale_home(family) as at:
        before = at.export()
        finding = at.finding(task(Kind.DHCP_RESERVATION, RESERVATION, state=State.ABSENT, adopt=True))
        assert finding.changes == ()
        assert finding.status is FindingStatus.UNSUPPORTED
        assert finding.why
        assert finding.steps
        assert at.export() == before


#: How owners narrow a forward, by family.
LIMITS = {
    "openwrt": "uci set firewall.@redirect[3].limit='30/minute' && uci commit firewall",
    "routeros": "/ip firewall nat set [find where dst-port=32500] src-address-list=friends",
}


@pytest.mark.parametrize("family", ADOPTERS)
@pytest.mark.parametrize("how", ["by address", "by an option"])
def test_a_forward_that_was_narrowed_on_purpose_is_not_opened(family: Family, how: str) -> None:
    narrow = replace(STALE, source="93.184.216.0/24") if how == "by address" else STALE
    seed = replace(HOUSEHOLD, forwards=(*HOUSEHOLD.forwards[:3], narrow, *HOUSEHOLD.forwards[3:]))
    with bench(family, seed) as at:
        if how == "by an option":
            if family in LIMITS:
                at.run(LIMITS[family])
            else:
                forward = next(e for e in at.look().of(Kind.PORT_FORWARD) if e.label == STALE.name)
                rule = {"source": {"port": "1024-2048"}}
                path = f"/api/firewall/d_nat/set_rule/{forward.handle}"
                at.send(Write(Call("POST", path, body={"rule": rule})))
        finding = at.finding(task(Kind.PORT_FORWARD, FORWARD, adopt=True))
        assert (finding.status, finding.changes) == (FindingStatus.CONFLICT, ())
        assert "it is narrowed (" in finding.why


#: How a person lets only one sender use our forward.
NARROWED = {
    "openwrt": "uci set firewall.plexops_plex.src_ip=198.51.100.7 && uci commit firewall",
    "routeros": '/ip firewall nat set [find where comment="plexops:plex"] src-address=198.51.100.7',
}


@pytest.mark.parametrize("family", NARROWED)
def test_ours_that_was_narrowed_is_not_taken_away_since_it_would_come_back_open(family: Family) -> None:
    with bench(family) as at:
        for change in at.finding(task(Kind.PORT_FORWARD, FORWARD)).changes:
            at.make(change)
        at.run(NARROWED[family])
        now = at.look()
        entry = next(one for one in now.of(Kind.PORT_FORWARD) if one.owner.ours)
        delete = Change(Role.ROUTER, Kind.PORT_FORWARD, "plex", Action.DELETE, before=entry)
        with pytest.raises(Unrenderable, match=r"narrowed \(198\.51\.100\.7.*every sender in"):
            at.script(delete)


def test_an_edit_between_look_and_write_is_not_overwritten() -> None:
    """OpenWrt compares the old value and sets the new one in one exec."""
    with stale_home("openwrt") as at:
        change = at.finding(task(Kind.PORT_FORWARD, FORWARD, adopt=True)).changes[0]
        script = at.script(change)
        at.run("uci set firewall.@redirect[3].dest_ip=192.168.1.99 && uci commit firewall")
        edited = at.export()
        assert unexpected(script.writes[0].expect, at.send(script.writes[0])) != ""
        assert at.export() == edited


def test_another_entry_that_took_its_place_is_not_changed() -> None:
    """OpenWrt calls a section without a name by its place, and one above it may say the same of the field that changes."""
    with stale_home("openwrt") as at:
        change = at.finding(task(Kind.PORT_FORWARD, FORWARD, adopt=True)).changes[0]
        script = at.script(change)
        at.run(
            "uci set firewall.game=redirect && uci set firewall.game.src=wan && uci set firewall.game.src_dport=27015 "
            f"&& uci set firewall.game.dest_ip={STALE.address} && uci reorder firewall.game=0 && uci commit firewall"
        )
        at.run(f"uci set firewall.@redirect[3].dest_ip={STALE.address} && uci commit firewall")
        edited = at.export()
        assert unexpected(script.writes[0].expect, at.send(script.writes[0])) != ""
        assert at.export() == edited


@pytest.mark.parametrize("family", FAMILIES)
def test_somebodys_forward_that_is_already_right_is_in_order(family: Family) -> None:
    right: Any = replace(STALE, address=PLEX)
    with bench(family, replace(HOUSEHOLD, forwards=(*HOUSEHOLD.forwards, right))) as at:
        finding = at.finding(task(Kind.PORT_FORWARD, FORWARD))
        assert [c for c in finding.changes if c.kind is Kind.PORT_FORWARD] == []
        for change in finding.changes:  # the passage of the two families that need one
            assert is_done(change, at.make(change))
        assert at.finding(task(Kind.PORT_FORWARD, FORWARD)).status is FindingStatus.OK


@pytest.mark.parametrize("family", FAMILIES)
def test_somebody_elses_service_on_our_port_is_never_touched(family: Family) -> None:
    other = ForwardSeed("Web cam", "32500", HOUSEHOLD.forwards[0].address, "443", "tcp")
    with bench(family, replace(HOUSEHOLD, forwards=(*HOUSEHOLD.forwards, other))) as at:
        finding = at.finding(task(Kind.PORT_FORWARD, FORWARD, adopt=True), "router/port_forward/plex")
        assert (finding.status, finding.changes, finding.adopt_id) == (FindingStatus.CONFLICT, (), "")
        assert "choose another port" in finding.why
