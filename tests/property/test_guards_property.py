"""Guards over homes and plans that nobody thought of: never an exception, always the same answer, never a way past."""

from __future__ import annotations

import random
import re
from ipaddress import IPv4Address
from itertools import product
from types import MappingProxyType
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from plexops.model.change import Action, Change
from plexops.model.entries import Echo, Lease, UpnpMapping
from plexops.model.exchange import Command, Script, Write
from plexops.model.intervals import normalise
from plexops.model.matches import State
from plexops.model.packets import Box, Effect, LocalAddress, UnknownEffect
from plexops.model.plan import Authorized, GuardVerdict, Step, authorize
from plexops.model.resources import KINDS
from plexops.model.resources.dhcp_reservation import Reservation
from plexops.model.resources.firewall_rule import FirewallRule
from plexops.model.resources.passage import Passage
from plexops.model.resources.plex_remote_access import RemoteAccess
from plexops.model.resources.port_forward import PortForward
from plexops.model.resources.upnp import Upnp
from plexops.model.snapshot import FOREIGN, Entry, Fact, Kind, KindState, Owner, Role, Snapshot
from plexops.model.values import PLEX_PORT, Ports, Protocol
from plexops.packets.reach import AnswerKind, Asked, Target, who_reaches
from plexops.runbook.condition import Holds
from plexops.runbook.conditions import dmz, reachability, wan
from plexops.runbook.guards.judge import Case, judge, judge_on_paper
from plexops.runbook.view import SiteView
from plexops.runbook.way_in import router_box
from plexops.structs import replace
from tests.packets.handmade import (
    ACCEPT,
    DROP,
    TCP,
    TRANSLATED,
    arrives,
    base,
    dnat,
    dport,
    no,
    other,
    router,
    rule,
    source,
    state,
)
from tests.unit.runbook.sound_case import WHOLE_PLAN, case_of, sound_view, with_entries

ADDRESSES = st.one_of(
    st.sampled_from([IPv4Address(f"192.168.1.{last}") for last in (0, 1, 20, 50, 83, 255)]),
    st.integers(0, 2**32 - 1).map(IPv4Address),
)
PORTS = st.one_of(
    st.sampled_from([0, 22, 443, 1023, 1024, 32399, PLEX_PORT, 32401, 32500, 65535]), st.integers(0, 65535)
).map(Ports.of)
RANGES = st.tuples(st.integers(0, 65535), st.integers(0, 65535)).map(
    lambda pair: Ports.of((min(pair), max(pair)))
)
MACS = st.sampled_from(["52:54:00:12:34:56", "00:11:32:aa:bb:01", "02:00:00:00:00:07"])
MAC_SETS = st.lists(MACS, max_size=2, unique=True).map(tuple)
FORWARDS = st.builds(
    PortForward,
    st.one_of(PORTS, RANGES),
    st.none() | ADDRESSES,
    st.one_of(PORTS, RANGES),
    st.sampled_from(Protocol),
    st.booleans(),
)
VALUES: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.PORT_FORWARD: FORWARDS,
    Kind.DHCP_RESERVATION: st.builds(
        Reservation, MAC_SETS, st.none() | ADDRESSES, st.just(""), st.booleans()
    ),
    Kind.FIREWALL_RULE: st.builds(FirewallRule, st.sampled_from([22, PLEX_PORT, 8096])),
    Kind.PASSAGE: st.builds(Passage, ADDRESSES, st.sampled_from([22, PLEX_PORT]), st.just("forward")),
    Kind.PLEX_REMOTE_ACCESS: st.builds(
        RemoteAccess, st.booleans(), st.booleans(), st.sampled_from([443, PLEX_PORT, 32500])
    ),
    Kind.UPNP: st.builds(Upnp, st.booleans()),
}
READ: dict[Kind, st.SearchStrategy[Any]] = {
    **VALUES,
    Kind.LEASE: st.builds(Lease, MACS, ADDRESSES),
    Kind.UPNP_MAPPING: st.builds(UpnpMapping, PORTS, ADDRESSES, PORTS, st.sampled_from(Protocol)),
}
#: What devices say in place of what they are asked for.
WORDS = st.sampled_from(
    [
        "",
        "no",
        "192.168.1.1",
        "100.64.0.1",
        "10.0.0.1",
        "203.0.113.7",
        "2001:db8::1",
        "192.168.1.0/24",
        "1/2/3",
        "\n",
    ]
)
FACT_NAMES = {
    Role.ROUTER: (
        "wan.address",
        "wan.ways",
        "lan.address",
        "lan.network",
        "pending",
        "pool.first",
        "pool.last",
    ),
    Role.SERVER: ("host.addresses", "firewall.active", "host.interface"),
    Role.PLEX: ("plex.identifier", "plex.public_address", "plex.mapping_state", "plex.relay"),
    Role.OUTSIDE: (),
}
ROLES = tuple(FACT_NAMES)


@st.composite
def entries(draw: st.DrawFn, kinds: dict[Kind, st.SearchStrategy[Any]]) -> Entry:
    kind = draw(st.sampled_from(sorted(kinds)))
    values = draw(st.none() | kinds[kind])
    owner = draw(st.sampled_from([FOREIGN, Owner("plex"), Owner("other")]))
    return Entry(
        kind, values, {}, owner, draw(st.sampled_from(["a", "b", ""])), "x", draw(st.integers(0, 3)), ""
    )


#: Parts of rules that lead to the Plex host, or keep from it.
LOOKS = st.sampled_from(
    [
        dport(PLEX_PORT), dport(32000, 33000), dport(32500), no(dport(22)), TCP, arrives("wan0"), arrives("lan0", "wan0"),
        source("198.51.100.0/24"), other("moon"), other("tide"), TRANSLATED,
    ]
)  # fmt: skip
LEADS: st.SearchStrategy[Effect] = st.sampled_from(
    [dnat("192.168.1.50"), dnat("192.168.1.50", None), dnat("192.168.1.20"), UnknownEffect("queue"), ACCEPT]
)
PASSES: st.SearchStrategy[Effect] = st.sampled_from([ACCEPT, DROP, UnknownEffect("queue")])


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    """A router with a few rules of its owner's."""
    nat = [rule(*draw(st.lists(LOOKS, max_size=3)), draw(LEADS)) for _ in range(draw(st.integers(0, 3)))]
    filtering = [
        rule(*draw(st.lists(LOOKS, max_size=3)), draw(PASSES)) for _ in range(draw(st.integers(0, 3)))
    ]
    known = rule(state(State.ESTABLISHED), ACCEPT)
    forwarding = base(
        "forward", known, *filtering, policy=draw(st.sampled_from([ACCEPT, DROP])), name="forward"
    )
    here = router(base("prerouting", *nat, nat=True, name="nat"), forwarding)
    wan_side = (LocalAddress(4, int(IPv4Address("203.0.113.7")), "wan0"),)
    return replace(here, addresses=(*wan_side, *(here.addresses or ())[1:]))


@st.composite
def snapshots(draw: st.DrawFn, role: Role) -> Snapshot:
    facts = {
        name: Fact(name, draw(st.one_of(WORDS, st.booleans(), st.integers(-1, 3), st.tuples(WORDS))), "x")
        for name in FACT_NAMES[role]
        if draw(st.booleans())
    }
    held = draw(st.lists(entries(READ), max_size=5)) if role is not Role.OUTSIDE else []
    if role is Role.OUTSIDE:
        said = draw(st.lists(ADDRESSES, max_size=3))
        held = [Entry(Kind.ECHO, Echo("e", a, "server"), {}, FOREIGN, "e", "x") for a in said]
    states = {kind: draw(st.sampled_from(KindState)) for kind in READ if draw(st.booleans())}
    reasons = {"pending": "no answer"} if draw(st.booleans()) else {}
    box = draw(st.none() | boxes()) if role is Role.ROUTER else None
    return Snapshot(role, MappingProxyType(facts), tuple(held), states, reasons, box)


@st.composite
def views(draw: st.DrawFn) -> SiteView:
    there = {role: draw(snapshots(role)) for role in ROLES if draw(st.integers(0, 3))}
    asked = draw(st.frozensets(st.sampled_from(ROLES)))
    return SiteView(
        name="home",
        access=draw(st.sampled_from(["forward", "relay", "vpn"])),
        server_mac=draw(st.sampled_from(["", "52:54:00:12:34:56"])),
        server_address=draw(st.none() | ADDRESSES),
        server_is_static=draw(st.booleans()),
        plex_address=draw(st.none() | ADDRESSES),
        plex_port=draw(st.sampled_from([PLEX_PORT, 32401])),
        snapshots=MappingProxyType(there),
        ages={role: draw(st.sampled_from([0.0, 599.0, 601.0, float("nan")])) for role in asked},
        asked=asked,
        management={Role.ROUTER: ("203.0.113.7", 32500), Role.SERVER: ("192.168.1.50", 22)},
        plex_answered_at=draw(st.none() | st.tuples(st.just("192.168.1.50"), st.just(PLEX_PORT))),
        unfinished_run=draw(st.sampled_from(["", "01J"])),
    )


@st.composite
def changes(draw: st.DrawFn) -> Change:
    kind = draw(st.sampled_from(sorted(VALUES)))
    before = draw(st.none() | entries({kind: VALUES[kind]}))
    want = draw(st.none() | VALUES[kind])
    action = draw(st.sampled_from([a for a in Action if a is not Action.RENEW]))
    return Change(KINDS[kind].role, kind, draw(st.sampled_from(["plex", "other"])), action, before, want)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    view = draw(st.one_of(views(), st.just(sound_view())))
    made = draw(st.lists(changes(), max_size=4))
    adopted = draw(st.frozensets(st.sampled_from([change.id for change in made]))) if made else frozenset()
    return case_of(view, made, adopted=adopted, undoing=draw(st.booleans()))


@st.composite
def near_misses(draw: st.DrawFn) -> Case:
    """The sound plan of the sound home, with something left out, one change altered, and something of others there."""
    plan = [change for change in WHOLE_PLAN if draw(st.integers(0, 4))]
    altered = draw(st.booleans())
    if plan and altered:
        place = draw(st.integers(0, len(plan) - 1))
        plan[place] = replace(plan[place], want=draw(VALUES[plan[place].kind]))
    there = draw(
        st.lists(entries({k: READ[k] for k in (Kind.PORT_FORWARD, Kind.DHCP_RESERVATION)}), max_size=1)
    )
    others = [replace(entry, owner=FOREIGN, handle=f"o{n}") for n, entry in enumerate(there)]
    view = with_entries(sound_view(), *others)
    if draw(st.booleans()):
        view = view.with_snapshot(replace(view.of(Role.ROUTER), box=draw(boxes())))
    return case_of(view, plan)


ADDRESS = re.compile(r"\d+(\.\d+){3}")
#: Viewers of whom rules of the boxes above tell some apart.
SENDERS = ("198.51.100.7", "203.0.113.200")


def reached(view: SiteView, port: int, sender: str) -> bool:
    """Tell whether this viewer gets, or perhaps gets, from a port of the router to the Plex host, at whatever port."""
    box, wan_address = router_box(view), view.of(Role.ROUTER).text("wan.address") or ""
    hosts = normalise((int(address), int(address)) for address in view.plex_host)
    if box is None or not hosts or not ADDRESS.fullmatch(wan_address):
        return False
    at = int(IPv4Address(wan_address))
    asked = Asked(4, ((at, at),), ((port, port),), ((int(IPv4Address(sender)),) * 2,))
    answer = who_reaches([box], asked, Target.at(hosts, ((0, 65535),)))
    return answer.kind is not AnswerKind.NOBODY


STEP = Step(Change(Role.ROUTER, Kind.UPNP, "plex", Action.UPDATE), Script((Write(Command("true")),)))


@given(st.one_of(cases(), near_misses()))
def test_guards_decide_every_case_and_always_alike(case: Case) -> None:
    verdicts = judge(case)
    assert len(verdicts) == 13
    assert judge(case) == verdicts
    assert all(verdict.holds is (verdict.reason == "") for verdict in verdicts)
    assert isinstance(judge_on_paper(case), tuple)
    leave = authorize("home", STEP, verdicts)
    assert isinstance(leave, Authorized) is all(verdict.holds for verdict in verdicts)
    for condition in (wan, dmz, reachability):
        assert condition(case.before) == condition(case.before)


@given(st.one_of(near_misses(), cases()))
def test_what_all_guards_let_pass_exposes_nothing_new(case: Case) -> None:
    """The promises behind the guards, said once more and without their code."""
    if case.undoing or any(not verdict.holds for verdict in judge(case)):
        return
    for port, sender in product((PLEX_PORT, 2, 60001), SENDERS):
        if port == PLEX_PORT or all(reached(case.after, other, sender) for other in (2, 444, 60001)):
            assert reached(case.before, port, sender) or not reached(case.after, port, sender)
    for change in case.changes:
        want = change.want
        if isinstance(want, PortForward) and want.enabled:
            assert want.external_port.single is not None
            assert 1024 <= want.external_port.single != PLEX_PORT
            assert (want.address, want.port.single, str(want.protocol)) == (
                case.before.plex_address,
                case.before.plex_port,
                "tcp",
            )
            assert wan(case.before).holds is Holds.YES
        if change.before is not None and not change.before.owner.ours and not KINDS[change.kind].singleton:
            assert change.action is Action.ADOPT
            assert change.id in case.adopted
            assert want is not None


@given(st.lists(st.booleans(), min_size=13, max_size=13), st.integers(0, 2**32))
def test_one_refusal_is_enough_in_any_order(holds: list[bool], seed: int) -> None:
    verdicts = [GuardVerdict(f"G{n + 1}", "", holds=ok, reason="") for n, ok in enumerate(holds)]
    assert (authorize("home", STEP, tuple(verdicts)) is not False) is all(holds)
    mixed = [replace(verdict, holds=True) for verdict in verdicts]
    random.Random(seed).shuffle(mixed)  # noqa: S311 - no secret
    in_order = [verdict.guard for verdict in mixed] == [verdict.guard for verdict in verdicts]
    assert (authorize("home", STEP, tuple(mixed)) is not False) is in_order
