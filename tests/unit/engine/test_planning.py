"""What a plan consists of, in which order, and what its digest rests on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from itertools import permutations
from types import MappingProxyType

import pytest

from plexops.engine.decide.planning import ORDER, basis, foreign, in_order, moved
from plexops.engine.look.site_state import SiteState
from plexops.model.change import Action, Change, project
from plexops.model.entries import Lease
from plexops.model.exchange import Command
from plexops.model.packets import Rule, Verdict
from plexops.model.plan import authorize
from plexops.model.snapshot import FOREIGN, Entry, Fact, Kind, Role, Snapshot
from plexops.structs import replace
from tests.unit.engine.seen_home import Looked, looked_at
from tests.unit.runbook.sound_case import ADMIT, ANNOUNCE, FORWARD, PASS, RESERVE, UPNP_OFF, entry, forward

ROUTER, SERVER, PLEX = Role.ROUTER, Role.SERVER, Role.PLEX
RENEW = Change(SERVER, Kind.LEASE, "plex", Action.RENEW, want=IPv4Address("192.168.1.50"))


@pytest.fixture(scope="module")
def drifted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Looked]:
    with looked_at("openwrt", "drifted", tmp_path_factory.mktemp("drifted")) as looked:
        yield looked


@pytest.fixture(scope="module")
def stale(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Looked]:
    with looked_at("openwrt", "stale-forward", tmp_path_factory.mktemp("stale")) as looked:
        yield looked


def test_changes_are_applied_from_the_host_outwards() -> None:
    right = (RESERVE, ADMIT, RENEW, FORWARD, PASS, ANNOUNCE, UPNP_OFF)
    assert tuple(change.kind for change in right) == ORDER
    for count, mixed in enumerate(permutations(right)):
        if count % 97 == 0:
            assert in_order(mixed) == right


def test_changes_of_one_kind_keep_the_playbook_s_order() -> None:
    second = replace(FORWARD, key="second")
    assert in_order((second, ANNOUNCE, FORWARD, RESERVE)) == (RESERVE, second, FORWARD, ANNOUNCE)


def test_a_drifted_home_is_planned_in_order_and_every_guard_holds(drifted: Looked) -> None:
    plan = drifted.plan().plan
    assert [step.change.id for step in plan.steps] == [
        "router/dhcp_reservation/plex",
        "server/firewall_rule/plex",
        "server/lease/plex",
        "router/port_forward/plex",
        "plex/plex_remote_access/plex",
    ]
    assert plan.refused == ()
    assert all(step.script.writes for step in plan.steps)
    assert authorize("home", plan.steps[0], plan.verdicts)


def test_planning_the_same_twice_gives_the_same_plan(drifted: Looked) -> None:
    one, two = drifted.plan().plan, drifted.plan().plan
    assert one.digest == two.digest
    assert moved(one.basis, two.basis) == ()


def mapped(snapshot: Snapshot, alter: Callable[[Entry], Entry]) -> Snapshot:
    return replace(snapshot, entries=tuple(alter(e) for e in snapshot.entries))


def with_fact(snapshot: Snapshot, name: str, value: str | bool) -> Snapshot:
    return replace(snapshot, facts=MappingProxyType({**snapshot.facts, name: Fact(name, value, "x")}))


def at_another_address(router: Snapshot, address: str) -> Snapshot:
    """The provider gave the router another address."""
    box, old = router.box, IPv4Address(router.text("wan.address") or "")
    assert box is not None
    assert box.addresses is not None
    moved_own = tuple(
        replace(own, number=int(IPv4Address(address))) if own.number == int(old) else own
        for own in box.addresses
    )
    assert moved_own != box.addresses
    return replace(with_fact(router, "wan.address", address), box=replace(box, addresses=moved_own))


#: What may differ between two looks at one home, and is no reason to plan anew.
LIVE: tuple[tuple[str, Callable[[Looked], SiteState]], ...] = (
    (
        "handles",
        lambda home: home.altered(mapped(home.snapshot(ROUTER), lambda e: replace(e, handle=e.handle + "x"))),
    ),
    (
        "exhibits",
        lambda home: home.altered(mapped(home.snapshot(ROUTER), lambda e: replace(e, exhibit="other"))),
    ),
    (
        "leases",
        lambda home: home.altered(
            replace(
                home.snapshot(ROUTER),
                entries=(
                    *home.snapshot(ROUTER).entries,
                    entry(Kind.LEASE, Lease("98:5f:d3:a1:a2:a9", IPv4Address("192.168.1.199"))),
                ),
            )
        ),
    ),
    ("firmware", lambda home: home.altered(with_fact(home.snapshot(ROUTER), "firmware", "next"))),
    (
        "the WAN address",
        lambda home: home.altered(at_another_address(home.snapshot(ROUTER), "203.0.113.99")),
    ),
    (
        "Plex's verdict",
        lambda home: home.altered(with_fact(home.snapshot(PLEX), "plex.mapping_state", "failed")),
    ),
    ("ages", lambda home: replace(home.seen, view=replace(home.seen.view, ages={ROUTER: 99.0}))),
    ("exhibits' times", lambda home: replace(home.seen, exhibits=())),
)


@pytest.mark.parametrize("alter", [pytest.param(alter, id=name) for name, alter in LIVE])
def test_the_basis_does_not_rest_on_what_moves_by_itself(
    drifted: Looked, alter: Callable[[Looked], SiteState]
) -> None:
    home = drifted.home
    old = basis(drifted.seen, home.tasks, home.profile, frozenset(), False)
    new = basis(alter(drifted), home.tasks, home.profile, frozenset(), False)
    assert moved(old, new) == ()


STRANGER = entry(Kind.PORT_FORWARD, forward(9999, IPv4Address("192.168.1.20"), 9999), handle="new")


def one_raw_word(snapshot: Snapshot) -> Snapshot:
    """A word of the device that no value of ours holds."""
    done = False

    def alter(e: Entry) -> Entry:
        nonlocal done
        if done or e.kind is not Kind.PORT_FORWARD:
            return e
        done = True
        return replace(e, raw={**e.raw, "name": "another"})

    return mapped(snapshot, alter)


def with_rule(router: Snapshot, name: str) -> Snapshot:
    """Somebody's rule at the end of a chain that no viewer's connection meets first."""
    assert router.box is not None
    chain = router.box.chains[name]
    longer = replace(chain, rules=(*chain.rules, Rule((), (Verdict.DROP,), "drop", name="by hand")))
    return replace(router, box=replace(router.box, chains={**router.box.chains, name: longer}))


#: What a plan rests on: the part that has to be named when it moved.
RESTS: tuple[tuple[str, str, Callable[[Looked], SiteState]], ...] = (
    (
        "somebody's new forward",
        "router configuration",
        lambda home: home.altered(
            replace(home.snapshot(ROUTER), entries=(*home.snapshot(ROUTER).entries, STRANGER))
        ),
    ),
    (
        "a word of the device",
        "router configuration",
        lambda home: home.altered(one_raw_word(home.snapshot(ROUTER))),
    ),
    (
        "the LAN",
        "router configuration",
        lambda home: home.altered(with_fact(home.snapshot(ROUTER), "lan.network", "192.168.2.0/24")),
    ),
    (
        "a rule of the router's filter",
        "router configuration",
        lambda home: home.altered(with_rule(home.snapshot(ROUTER), "inet fw4 forward_lan")),
    ),
    (
        "the host firewall's switch",
        "server configuration",
        lambda home: home.altered(with_fact(home.snapshot(SERVER), "firewall.active", False)),
    ),
    (
        "a host firewall's rule",
        "server configuration",
        lambda home: home.altered(replace(home.snapshot(SERVER), entries=home.snapshot(SERVER).entries[:-1])),
    ),
    (
        "Plex's settings",
        "plex configuration",
        lambda home: home.altered(replace(home.snapshot(PLEX), entries=())),
    ),
    (
        "another Plex",
        "which Plex server answers",
        lambda home: home.altered(with_fact(home.snapshot(PLEX), "plex.identifier", "another")),
    ),
    (
        "the router's key",
        "router identity",
        lambda home: replace(home.seen, identities={**home.seen.identities, ROUTER: "SHA256:other"}),
    ),
    (
        "the server's key",
        "server identity",
        lambda home: replace(home.seen, identities={**home.seen.identities, SERVER: "SHA256:other"}),
    ),
)


@pytest.mark.parametrize(
    ("part", "alter"), [pytest.param(part, alter, id=name) for name, part, alter in RESTS]
)
def test_what_moved_is_named(drifted: Looked, part: str, alter: Callable[[Looked], SiteState]) -> None:
    home = drifted.home
    old = basis(drifted.seen, home.tasks, home.profile, frozenset(), False)
    new = basis(alter(drifted), home.tasks, home.profile, frozenset(), False)
    assert moved(old, new) == (part,)


def test_tasks_profile_adoptions_and_purpose_are_named(drifted: Looked) -> None:
    home, seen = drifted.home, drifted.seen
    old = basis(seen, home.tasks, home.profile, frozenset(), False)
    tasks = replace(home.tasks, tasks=home.tasks.tasks[:-1])
    assert moved(old, basis(seen, tasks, home.profile, frozenset(), False)) == ("tasks",)
    assert home.profile is not None
    profile = replace(home.profile, text=home.profile.text + "# a comment\n")
    assert moved(old, basis(seen, home.tasks, profile, frozenset(), False)) == ("profile",)
    assert moved(old, basis(seen, home.tasks, home.profile, frozenset({"x"}), False)) == ("adoptions",)
    assert moved(old, basis(seen, home.tasks, home.profile, frozenset(), True)) == ("purpose",)
    assert moved(old, {**old, "plexops version": "0"}) == ("plexops version",)
    assert moved(old, {}) == tuple(sorted(old))


def test_the_digest_binds_every_request_and_every_part(drifted: Looked) -> None:
    plan = drifted.plan().plan
    digests = {plan.digest}
    digests.add(replace(plan, steps=plan.steps[:-1]).digest)
    digests.add(replace(plan, steps=(*plan.steps[1:], plan.steps[0])).digest)
    for name in plan.basis:
        digests.add(replace(plan, basis={**plan.basis, name: "other"}).digest)
    for index, step in enumerate(plan.steps):
        write = replace(step.script.writes[0], ask=Command("something else"))
        altered = replace(step, script=replace(step.script, writes=(write, *step.script.writes[1:])))
        digests.add(replace(plan, steps=(*plan.steps[:index], altered, *plan.steps[index + 1 :])).digest)
    assert len(digests) == 3 + len(plan.basis) + len(plan.steps)
    assert replace(plan, verdicts=()).digest == plan.digest, "guards judge afresh: verdicts are no part of it"


def test_an_adoption_changes_the_digest_and_keeps_the_name(stale: Looked) -> None:
    without = stale.plan().plan
    with_it = stale.plan(adopt=frozenset({"router/port_forward/plex"})).plan
    assert [step.change.action for step in without.steps] == []
    assert [step.change.action for step in with_it.steps] == [Action.ADOPT]
    assert with_it.refused == ()
    assert moved(without.basis, with_it.basis) == ("adoptions",)
    assert with_it.steps[0].change.fields == ("address",)


def test_where_the_host_cannot_renew_nothing_that_needs_its_address_is_planned(drifted: Looked) -> None:
    server = drifted.snapshot(SERVER)
    facts = {name: fact for name, fact in server.facts.items() if name != "host.renew"}
    planned = drifted.plan(drifted.altered(replace(server, facts=MappingProxyType(facts))))
    assert [step.change.kind for step in planned.plan.steps] == [Kind.DHCP_RESERVATION, Kind.FIREWALL_RULE]
    assert {change.kind for change in planned.waiting} == {
        Kind.LEASE,
        Kind.PORT_FORWARD,
        Kind.PLEX_REMOTE_ACCESS,
    }


def test_a_plan_that_a_guard_refuses_is_shown_and_not_authorized(drifted: Looked) -> None:
    seen = drifted.altered(with_fact(drifted.snapshot(ROUTER), "pending", "firewall.x=1"))
    plan = drifted.plan(seen).plan
    assert [verdict.guard for verdict in plan.refused] == ["G12"]
    assert plan.steps
    assert authorize("home", plan.steps[0], plan.verdicts) is False


def test_foreign_is_what_no_change_of_ours_is_about(drifted: Looked) -> None:
    router = drifted.snapshot(ROUTER)
    changes = [step.change for step in drifted.plan().plan.steps]
    before = foreign(router, ROUTER, changes)
    after = router
    for change in changes:
        if change.role is ROUTER:
            after = project(after, change)
    assert foreign(after, ROUTER, changes) == before
    strange = replace(after, entries=(*after.entries, STRANGER))
    assert foreign(strange, ROUTER, changes) != before
    leased = replace(after, entries=(*after.entries, Entry(Kind.LEASE, None, {}, FOREIGN, "l", "x")))
    assert foreign(leased, ROUTER, changes) == before


def test_a_home_in_order_needs_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    with looked_at("openwrt", "in-order", tmp_path_factory.mktemp("fine")) as looked:
        planned = looked.plan()
        assert planned.plan.steps == ()
        assert planned.waiting == ()
