"""What acts counts, not what is saved; and where an entry stands is part of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from plexops.lab.base import ForwardSeed
from plexops.model.change import Action, Change, Shown, inverse, is_done, is_undone
from plexops.model.exchange import Call, Read, Reply
from plexops.model.finding import FindingStatus
from plexops.model.resources.port_forward import PortForward
from plexops.model.snapshot import Kind, KindState, Role
from plexops.runbook.guards.case import Case
from plexops.runbook.guards.circumstances import nothing_pending
from plexops.runbook.view import SiteView
from plexops.structs import replace
from tests.conformance.conformance_bench import (
    FAMILIES,
    FORWARD,
    HOUSEHOLD,
    NEW,
    PLEX,
    Bench,
    Family,
    bench,
    change,
    ours,
    task,
)

ADD, APPLY = "add_rule", "/api/firewall/d_nat/apply"
CREATE = change(Action.CREATE, Kind.PORT_FORWARD, FORWARD)
#: Ours stands in the middle of the household's.
AMID = replace(
    HOUSEHOLD,
    forwards=(
        *HOUSEHOLD.forwards[:2],
        ForwardSeed("plex", "32500", PLEX, "32400", "tcp", ours=True),
        *HOUSEHOLD.forwards[2:],
    ),
)


def half(device: Bench, made: Change) -> None:
    """Send a change without its last request: the process is killed before it."""
    *first, last = device.script(made).writes
    assert isinstance(last.ask, Call)
    assert last.ask.path == APPLY
    device.send_all(first)


def _deleted(device: Bench) -> Change:
    return change(Action.DELETE, Kind.PORT_FORWARD, None, ours(device.look(), Kind.PORT_FORWARD))


def _updated(device: Bench) -> Change:
    entry = ours(device.look(), Kind.PORT_FORWARD)
    return change(Action.UPDATE, Kind.PORT_FORWARD, replace(FORWARD, address=NEW), entry, "address")


def _adopted(device: Bench) -> Change:
    entry = next(e for e in device.look().held(PortForward) if e.label == "git over ssh")
    return change(Action.ADOPT, Kind.PORT_FORWARD, replace(entry.values, address=NEW), entry, "address")


def _created(device: Bench) -> Change:
    device.make(_deleted(device))
    return CREATE


def _written_by_us(device: Bench) -> None:
    """Let it stand there in the words that we write, at the place that it has."""
    entry = ours(device.look(), Kind.PORT_FORWARD)
    device.make(change(Action.UPDATE, Kind.PORT_FORWARD, FORWARD, entry))


CHANGES = [_created, _deleted, _updated, _adopted]


@pytest.mark.parametrize("made", CHANGES)
def test_what_is_saved_and_not_applied_is_neither_done_nor_undone(made: Callable[[Bench], Change]) -> None:
    with bench("opnsense", AMID) as device:
        wanted = made(device)
        before = device.export()
        half(device, wanted)
        now = device.look()
        assert now.state(Kind.PORT_FORWARD) is KindState.UNKNOWN
        assert is_done(wanted, now) is Shown.NO
        assert is_undone(wanted, now) is Shown.NO
        assert device.finding(task(Kind.PORT_FORWARD, FORWARD)).status is FindingStatus.UNKNOWN
        back = device.undo(wanted)
        assert is_undone(wanted, back) is Shown.YES, back.reasons
        assert device.export() == before


@pytest.mark.parametrize("made", CHANGES)
def test_an_undo_that_died_before_it_was_applied_is_applied(made: Callable[[Bench], Change]) -> None:
    """Saved as it was, and pf still goes by the change."""
    with bench("opnsense", AMID) as device:
        wanted = made(device)
        before = device.export()
        after = device.make(wanted)
        assert is_done(wanted, after) is Shown.YES
        way = inverse(wanted)
        assert way is not None
        entry = next(
            (e for e in after.of(Kind.PORT_FORWARD) if wanted.before and e.handle == wanted.before.handle),
            None,
        )
        half(device, way if entry is None or way.before is None else replace(way, before=entry))
        assert is_undone(wanted, device.look()) is Shown.NO
        back = device.undo(wanted)
        assert is_undone(wanted, back) is Shown.YES, back.reasons
        assert device.export() == before


def _case(device: Bench, made: Change, *, undoing: bool = False) -> Case:
    view = SiteView("home").with_snapshot(device.look())
    return Case(view, view, (made,), undoing=undoing)


def test_a_staged_edit_of_somebodys_keeps_everything_from_being_written() -> None:
    with bench("opnsense", AMID) as device:
        assert nothing_pending(_case(device, CREATE)) is None
        half(device, _adopted(device))
        assert "git over ssh" in (nothing_pending(_case(device, CREATE)) or "")
        assert nothing_pending(_case(device, CREATE, undoing=True)), "nor put back"


@pytest.mark.parametrize("made", CHANGES)
def test_our_own_half_change_may_be_put_back(made: Callable[[Bench], Change]) -> None:
    with bench("opnsense", AMID) as device:
        wanted = made(device)
        half(device, wanted)
        back = inverse(wanted)
        assert back is not None
        assert nothing_pending(_case(device, back, undoing=True)) is None


@pytest.mark.parametrize(
    "body", ["{}", '{"rules": {"nat rules": {}}}', '{"rules": {"nat rules": {"@1 rdr odd": {}}}}', "[]"]
)
def test_without_pfs_own_list_what_acts_is_unknown(body: str) -> None:
    def told(asked: Read, reply: Reply) -> Reply:
        return replace(reply, body=body) if asked.id == "pf" else reply

    with bench("opnsense", AMID) as device:
        wanted = _deleted(device)
        device.distort = told
        now = device.look()
        assert now.state(Kind.PORT_FORWARD) is KindState.UNKNOWN
        assert is_undone(wanted, now) is Shown.NOT_KNOWN
        assert "unknown" in (nothing_pending(_case(device, CREATE)) or "")
        device.distort = lambda asked, reply: Reply(reply.id, 403, "") if asked.id == "pf" else reply
        assert "takes a login that may use this part" in device.look().reasons[Kind.PORT_FORWARD]


def test_another_order_than_pfs_is_seen() -> None:
    with bench("opnsense", AMID) as device:
        rows = [e for e in device.look().held(PortForward) if e.values.enabled]
        call = Call(
            "POST", f"/api/firewall/d_nat/set_rule/{rows[-1].handle}", body={"rule": {"sequence": "1"}}
        )
        device._call(call, "by hand")
        assert "order" in device.look().reasons[Kind.PORT_FORWARD]


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_deleted_and_put_back_stands_where_it_stood(family: Family) -> None:
    with bench(family, AMID) as device:
        _written_by_us(device)
        before = device.export()
        deleted = _deleted(device)
        device.make(deleted)
        back = device.undo(deleted)
        stands = is_undone(deleted, back)
        if family == "linux":
            # A table of ours is loaded last: that it does not stand where it stood is seen.
            assert stands is (Shown.YES if device.export() == before else Shown.NO)
        else:
            assert stands is Shown.YES
            assert _sections(device.export()) == _sections(before)


def _sections(export: str) -> list[list[str]]:
    """Give what stands there, section by section: in which order one names its options means nothing."""
    return [sorted(part.split("\n")) for part in export.split("\n\n")]


@pytest.mark.parametrize("family", FAMILIES)
def test_another_place_is_noticed(family: Family) -> None:
    """Made again by hand, behind all others."""
    with bench(family, AMID) as device:
        _written_by_us(device)
        deleted = _deleted(device)
        device.make(deleted)
        device.make(CREATE)
        stands = is_undone(deleted, device.look())
        assert stands is Shown.NO or family == "linux"
        assert deleted.role is Role.ROUTER
