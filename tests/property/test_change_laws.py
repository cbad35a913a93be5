"""Changes, their way back, what a snapshot looks like after them, and their JSON: laws for every kind."""

from __future__ import annotations

import json
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plexops.model.change import Action, Change, Shown, beside, find, inverse, is_done, is_undone, project
from plexops.model.change_json import change_from_json, change_to_json
from plexops.model.resources import KINDS
from plexops.model.resources.dhcp_reservation import Reservation
from plexops.model.resources.firewall_rule import FirewallRule
from plexops.model.resources.port_forward import PortForward
from plexops.model.snapshot import FOREIGN, Entry, Kind, KindState, Owner, Role, Snapshot
from plexops.model.values import Ports
from plexops.structs import replace
from tests.property.test_guards_property import FORWARDS, MAC_SETS, VALUES

RAW = st.dictionaries(
    st.sampled_from(["src_dport", "name", "proto"]),
    st.none() | st.text(max_size=5) | st.lists(st.text(max_size=3), max_size=2).map(tuple),
    max_size=3,
)
KEYS = st.sampled_from(["plex", "other"])
RESOURCE_KINDS = sorted(VALUES)
SINGLE = {kind for kind in RESOURCE_KINDS if KINDS[kind].singleton}
ENTRY_ACTIONS = (Action.CREATE, Action.UPDATE, Action.DELETE, Action.ADOPT)


def held(kind: Kind, key: str, handle: str) -> st.SearchStrategy[Entry]:
    owner = FOREIGN if kind in SINGLE or not key else Owner(key)
    return st.builds(
        lambda values, raw, position: Entry(kind, values, raw, owner, handle, "x", position),
        VALUES[kind],
        RAW,
        st.integers(0, 9),
    )


def wanted(kind: Kind) -> st.SearchStrategy[object]:
    """What a change may want: a reservation for no MAC address at all is refused by a guard."""
    values = VALUES[kind]
    return values.filter(lambda want: bool(want.macs)) if kind is Kind.DHCP_RESERVATION else values


def seen(role: Role, *entries: Entry, state: KindState = KindState.PRESENT) -> Snapshot:
    """A stop that said all that it holds."""
    return Snapshot(role, {}, entries, dict.fromkeys(RESOURCE_KINDS, state))


@st.composite
def homes(draw: st.DrawFn, actions: tuple[Action, ...] = ENTRY_ACTIONS) -> tuple[Snapshot, Change]:
    """A stop with entries of ours and of others, and one change that fits it."""
    kind = draw(st.sampled_from([k for k in RESOURCE_KINDS if k not in SINGLE or actions is ENTRY_ACTIONS]))
    role = KINDS[kind].role
    others = [draw(held(k, "", f"o{n}")) for n, k in enumerate(draw(st.lists(st.just(kind), max_size=2)))]
    if kind in SINGLE:
        (only,) = [draw(held(kind, "", "only"))]
        now = seen(role, only)
        return now, Change(role, kind, "plex", Action.UPDATE, only, draw(wanted(kind)))
    ours = draw(held(kind, "plex", "ours"))
    neighbour = draw(held(kind, "other", "neighbour"))
    action = draw(st.sampled_from(actions))
    want = draw(wanted(kind))
    entries = [*others, neighbour]
    if action is Action.CREATE:
        return seen(role, *entries), Change(role, kind, "plex", action, None, want)
    if action is Action.ADOPT:
        theirs = draw(held(kind, "", "theirs"))
        return seen(role, *entries, theirs), Change(role, kind, "plex", action, theirs, want, ("address",))
    want = want if action is Action.UPDATE else None
    return seen(role, *entries, ours), Change(role, kind, "plex", action, ours, want)


def contents(now: Snapshot) -> list[tuple[str, str, object]]:
    """What a stop holds, whoever named it, in an order of its own."""
    held_there = [(str(e.kind), e.owner.key, e.values) for e in now.entries]
    return sorted(held_there, key=repr)


def others_of(now: Snapshot, change: Change) -> list[Entry]:
    mine = {id(entry) for entry in find(change, now)}
    return [entry for entry in now.entries if id(entry) not in mine]


@given(homes())
def test_what_was_projected_is_done(home: tuple[Snapshot, Change]) -> None:
    now, change = home
    after = project(now, change)
    assert is_done(change, after)
    assert len(find(change, after)) == (0 if change.want is None else 1)


@given(homes())
def test_projecting_leaves_everybody_else_alone(home: tuple[Snapshot, Change]) -> None:
    now, change = home
    after = project(now, change)
    assert others_of(after, change) == others_of(now, change)
    assert (after.facts, after.kinds) == (now.facts, now.kinds)


@given(homes())
def test_projecting_twice_is_projecting_once(home: tuple[Snapshot, Change]) -> None:
    now, change = home
    once = project(now, change)
    assert contents(project(once, change)) == contents(once)


@given(homes())
def test_the_way_back_leads_back(home: tuple[Snapshot, Change]) -> None:
    now, change = home
    back = inverse(change)
    assert back is not None
    assert contents(project(project(now, change), back)) == contents(now)


@given(homes())
def test_the_way_back_of_the_way_back_is_the_way(home: tuple[Snapshot, Change]) -> None:
    now, change = home
    back = inverse(change)
    assert back is not None
    again = inverse(back)
    assert again is not None
    assert contents(project(now, again)) == contents(project(now, change)) or change.action is Action.ADOPT
    assert (again.role, again.kind, again.key) == (change.role, change.kind, change.key)
    if change.action is not Action.ADOPT:
        assert (again.action, again.want) == (change.action, change.want)


@given(homes((Action.ADOPT,)))
def test_an_undo_of_what_was_adopted_puts_back_the_device_s_own_words(home: tuple[Snapshot, Change]) -> None:
    _now, change = home
    back = inverse(change)
    assert back is not None
    assert change.before is not None
    assert back.action is Action.RESTORE
    assert dict(back.raw) == dict(change.before.raw)
    assert back.before is not None
    assert not back.before.owner.ours


@given(homes())
def test_nothing_is_done_before_it_is_done(home: tuple[Snapshot, Change]) -> None:
    now, change = home
    entry = next(iter(find(change, now)), None)
    as_wanted = (
        entry is not None
        and change.want is not None
        and not KINDS[change.kind].differs(change.want, entry.values)
    )
    assert bool(is_done(change, now)) is as_wanted
    assert is_done(change, now) is not Shown.NOT_KNOWN


@given(homes())
def test_undone_is_what_was_seen_before(home: tuple[Snapshot, Change]) -> None:
    now, change = home
    stood = beside(change, now)
    assert is_undone(change, now, stood)
    if change.before is None or change.want is None:
        assert is_undone(change, project(now, change), stood) is Shown.NO


@given(homes(), st.sampled_from([KindState.UNKNOWN, KindState.UNSUPPORTED, KindState.ABSENT]))
def test_silence_proves_nothing(home: tuple[Snapshot, Change], state: KindState) -> None:
    """Nothing was read, or what stood beside is said not to be there at all: neither made nor undone."""
    now, change = home
    stood = beside(change, now)
    silent = seen(now.role, state=state)
    assert is_done(change, silent, stood) is Shown.NOT_KNOWN
    assert is_undone(change, silent, stood) is Shown.NOT_KNOWN


@given(homes())
def test_a_look_that_lost_the_neighbours_lost_ours_as_well(home: tuple[Snapshot, Change]) -> None:
    now, change = home
    stood = beside(change, now)
    lost = seen(now.role)
    sure = not stood
    assert (is_done(change, lost, stood) is not Shown.NOT_KNOWN) is sure
    assert (is_undone(change, lost, stood) is not Shown.NOT_KNOWN) is sure


@given(homes())
def test_what_is_seen_is_seen_whatever_else_was_lost(home: tuple[Snapshot, Change]) -> None:
    now, change = home
    stood = beside(change, now)
    alone = replace(project(now, change), entries=find(change, project(now, change)))
    if change.want is not None:
        assert is_done(change, alone, stood)


@given(homes(), st.booleans())
def test_a_change_survives_the_journal(home: tuple[Snapshot, Change], back: bool) -> None:
    _now, change = home
    written = (inverse(change) if back else change) or change
    text = json.dumps(change_to_json(written))
    read = change_from_json(json.loads(text))
    assert json.dumps(change_to_json(read)) == text
    assert read == replace(written, place=None, task="")


#: As plexops 0.1 wrote them into journals.
OLD_DELETION = (
    '{"role": "router", "kind": "port_forward", "key": "plex", "action": "delete", "before": {"kind": "port_forward", '
    '"values": {"external_port": {"ranges": [[32500, 32500]]}, "address": "192.168.1.50", "port": {"ranges": '
    '[[32400, 32400]]}, "protocol": "tcp", "enabled": true, "source": "any", "name": "plexops: Plex remote access"}, '
    '"raw": {"name": "plexops: Plex remote access", "proto": ["tcp"], "src_ip": null}, "owner": "plex", "handle": '
    '"@redirect[0]", "label": "plexops plex", "position": 3, "placed": true}, "want": null, "fields": [], "raw": {}, '
    '"at": null}'
)
OLD_RULE = (
    '{"role": "server", "kind": "firewall_rule", "key": "plex", "action": "create", "before": null, "want": {"port": '
    '32400}, "fields": [], "raw": {}}'
)


def test_journals_of_version_0_1_stay_readable() -> None:
    deleted, made = (change_from_json(json.loads(text)) for text in (OLD_DELETION, OLD_RULE))
    forward = PortForward(
        Ports.of(32500), IPv4Address("192.168.1.50"), Ports.of(32400), name="plexops: Plex remote access"
    )
    raw = {"name": "plexops: Plex remote access", "proto": ("tcp",), "src_ip": None}
    held = Entry(Kind.PORT_FORWARD, forward, raw, Owner("plex"), "@redirect[0]", "", 3, "plexops plex", True)
    assert deleted == Change(Role.ROUTER, Kind.PORT_FORWARD, "plex", Action.DELETE, held)
    # Its rules were for both families.
    assert made == Change(
        Role.SERVER, Kind.FIREWALL_RULE, "plex", Action.CREATE, want=FirewallRule(32400, over_ipv6=True)
    )


@pytest.mark.parametrize(
    "wrong", [{"want": {"port": "32400"}}, {"want": 7}, {"action": "burn"}, {"kind": "wan"}]
)
def test_what_is_no_change_is_refused_with_where_it_is_none(wrong: dict[str, object]) -> None:
    with pytest.raises((ValueError, KeyError)):
        change_from_json(json.loads(OLD_RULE) | wrong)


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_a_renewal_survives_the_journal_and_has_no_way_back(address: IPv4Address) -> None:
    change = Change(Role.SERVER, Kind.LEASE, "plex", Action.RENEW, want=address)
    assert change_from_json(json.loads(json.dumps(change_to_json(change)))) == change
    assert inverse(change) is None
    now = Snapshot(Role.SERVER)
    assert project(now, change) is now
    assert find(change, now) == ()


@given(FORWARDS, FORWARDS)
def test_two_entries_with_our_tag_are_never_done(one: object, other: object) -> None:
    def ours(values: object, handle: str) -> Entry:
        return Entry(Kind.PORT_FORWARD, values, {}, Owner("plex"), handle, "x")

    change = Change(Role.ROUTER, Kind.PORT_FORWARD, "plex", Action.UPDATE, None, one)
    assert not is_done(change, Snapshot(Role.ROUTER, {}, (ours(one, "a"), ours(other, "b"))))


@given(MAC_SETS, st.none() | st.just(IPv4Address("192.168.1.50")))
def test_a_reservation_without_an_address_survives_too(
    macs: tuple[str, ...], address: IPv4Address | None
) -> None:
    change = Change(
        Role.ROUTER, Kind.DHCP_RESERVATION, "plex", Action.CREATE, want=Reservation(macs, address, "plex")
    )
    assert change_from_json(json.loads(json.dumps(change_to_json(change)))) == change
