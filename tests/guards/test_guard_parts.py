"""Each part of a guard alone: what it stands for is refused by this guard, and what is like it and fine is not."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address
from types import MappingProxyType

import pytest

from plexops.model.change import Action, Change
from plexops.model.exchange import Script
from plexops.model.plan import Authorized, Step, authorize
from plexops.model.resources.dhcp_reservation import Reservation
from plexops.model.resources.firewall_rule import FirewallRule
from plexops.model.resources.passage import Passage
from plexops.model.resources.plex_remote_access import RemoteAccess
from plexops.model.resources.port_forward import PortForward
from plexops.model.resources.upnp import Upnp
from plexops.model.snapshot import Kind, KindState, Role
from plexops.model.values import Ports
from plexops.runbook.guards.judge import Case, judge, judge_on_paper
from plexops.runbook.view import SiteView
from plexops.structs import replace
from tests.unit.runbook.sound_case import (
    ADMIT,
    FORWARD,
    MAC,
    NAS,
    NAS_MAC,
    OLD,
    PLEX,
    PUBLIC,
    RENEW,
    RESERVE,
    ROUTER,
    SERVER,
    UPNP_OFF,
    case_of,
    change,
    entry,
    forward,
    sound_view,
    with_entries,
    with_facts,
)

Make = Callable[[], Case]


def refusing(case: Case) -> list[str]:
    """Name the guards that refuse."""
    return [verdict.guard for verdict in judge(case) if not verdict.holds]


def managed(**at: tuple[str, int]) -> SiteView:
    """The sound home where plexops logs in at these places alone."""
    return replace(
        sound_view(), management=MappingProxyType({Role(role): place for role, place in at.items()})
    )


def rule_of_ours(had: FirewallRule | None, want: FirewallRule | None) -> Change:
    before = entry(Kind.FIREWALL_RULE, had, key="plex", handle="w1")
    return change(Kind.FIREWALL_RULE, Action.UPDATE if want else Action.DELETE, want, before=before)


def forward_of_others(action: Action, *, undoing: bool) -> Case:
    """A forward of another person's that is switched off."""
    theirs = entry(Kind.PORT_FORWARD, forward(40000), handle="f-theirs", label="theirs")
    off: PortForward = replace(forward(40000), enabled=False)
    made = change(Kind.PORT_FORWARD, action, off, before=theirs)
    return case_of(with_entries(sound_view(), theirs), [made], undoing=undoing)


def staged(text: str | None, reason: str = "", *, undoing: bool = False) -> Case:
    view = with_facts(sound_view(), ROUTER, pending=text)
    if reason:
        router = view.of(ROUTER)
        view = view.with_snapshot(
            replace(router, reasons=MappingProxyType({**router.reasons, "pending": reason}))
        )
    return case_of(view, [RESERVE], undoing=undoing)


def upnp(enabled: bool, *behind: Change) -> Case:
    (had,) = sound_view().of(ROUTER).of(Kind.UPNP)
    switched = change(Kind.UPNP, Action.UPDATE, Upnp(enabled=enabled), before=had)
    return case_of(sound_view(), [switched, *behind])


def going_back(line: str) -> Case:
    """A router goes by addresses and ports, not by tags; one forward of ours is undone."""
    view = with_facts(sound_view(), ROUTER, pending=line)
    made = entry(Kind.PORT_FORWARD, forward(), key="plex", handle="f-plex")
    back = change(Kind.PORT_FORWARD, Action.DELETE, before=made)
    return case_of(with_entries(view, made), [back, RESERVE], undoing=True)


def restored(external: int, *, undoing: bool = True) -> Case:
    """A forward of another person's, once adopted, gets its own old words back."""
    theirs = entry(Kind.PORT_FORWARD, forward(external), handle="f-theirs", label="theirs")
    made = change(Kind.PORT_FORWARD, Action.RESTORE, forward(external, NAS, 22), before=theirs)
    return case_of(with_entries(sound_view(), theirs), [RESERVE, made], undoing=undoing)


def shared(*ports: int | tuple[int, int]) -> Case:
    return case_of(replace(sound_view(), port_share=Ports.of(*ports)), [RESERVE, FORWARD])


def moving(leads: PortForward, *then: Change) -> Case:
    """The host is asked to another address than the one where a forward leads to it."""
    view = with_facts(sound_view(), SERVER, host__addresses=(str(OLD),))
    led = entry(Kind.PORT_FORWARD, leads, handle="f-led", label="led")
    view = with_entries(view, led)
    case = case_of(view, [RESERVE, RENEW])
    return replace(case, in_the_end=case_of(view, [RESERVE, RENEW, *then]).after)


def fixed(
    at: IPv4Address | None = PLEX,
    pool: tuple[str | None, str | None] = ("192.168.1.40", "192.168.1.50"),
    *,
    own: bool = True,
    reserved: tuple[str, ...] = (),
) -> Case:
    """A server with a static address, or Plex with one of its own beside it."""
    view = replace(
        sound_view(),
        plex_address=at,
        server_address=at if own else NAS,
        server_is_static=not reserved,
        plex_answered_at=(str(at), 32400),
    )
    view = with_facts(view, ROUTER, pool__first=pool[0], pool__last=pool[1])
    if reserved:
        view = with_entries(view, entry(Kind.DHCP_RESERVATION, Reservation(reserved, at), handle="r"))
    return case_of(view, [change(Kind.PORT_FORWARD, Action.CREATE, forward(address=at))])


def silent_dhcp() -> Case:
    """There is a reservation, of a DHCP server that does not serve."""
    case = fixed(reserved=(MAC,))
    router = case.before.of(ROUTER)
    off = replace(router, kinds={**router.kinds, Kind.DHCP_RESERVATION: KindState.ABSENT})
    return case_of(case.before.with_snapshot(off), case.changes)


def gone(kind: Kind, values: object) -> Case:
    """One entry of ours goes, behind carrier NAT."""
    made = entry(kind, values, key="plex", handle="x")
    view = with_facts(sound_view(), ROUTER, wan__address="100.64.0.1")
    return case_of(with_entries(view, made), [change(kind, Action.DELETE, before=made)])


def at_the_gateway(to: IPv4Address, role: Role = Role.UPSTREAM) -> Case:
    """The box before the router hands a port on."""
    made = replace(change(Kind.PORT_FORWARD, Action.CREATE, forward(443, to)), role=role)
    return case_of(sound_view(), [RESERVE, made])


def beside(handle: str, *, ours: bool) -> Case:
    """A forward is changed while another one, of another person's, has the port that it shall get."""
    had = entry(Kind.PORT_FORWARD, forward(40000), key="plex" if ours else "", handle="f1", label="one")
    theirs = entry(Kind.PORT_FORWARD, forward(32500, NAS, 22), handle=handle, label="other")
    made = change(Kind.PORT_FORWARD, Action.UPDATE if ours else Action.ADOPT, forward(), before=had)
    return case_of(with_entries(sound_view(), had, theirs), [RESERVE, made], adopted=[made.id])


LED = forward(40000, OLD)
LOGIN = FirewallRule(22)
FINE: dict[str, Make] = {
    "G1: Plex's own settings go": lambda: gone(Kind.PLEX_REMOTE_ACCESS, RemoteAccess(True, False, 0)),
    "G3: where the server is, the inventory alone says": lambda: case_of(
        with_facts(sound_view(), SERVER, host__addresses=None), [ADMIT]
    ),
    "G6: a reservation goes": lambda: gone(Kind.DHCP_RESERVATION, Reservation((MAC,), PLEX)),
    "G7: a forward of others gets its old words, whatever they are": lambda: restored(443),
    "G7: what the gateway hands to the router": lambda: at_the_gateway(PUBLIC),
    "G8: what the gateway hands to the router": lambda: at_the_gateway(PUBLIC),
    "G4: a passage goes": lambda: gone(Kind.PASSAGE, Passage(PLEX, 32400, "inet filter forward")),
    "G7: a port of the home's share": lambda: shared((32000, 33000)),
    "G8: a forward of others gets its old words, wherever it leads": lambda: restored(40000),
    "G8: a reservation goes, and moves nothing": lambda: gone(
        Kind.DHCP_RESERVATION, Reservation((MAC,), PLEX)
    ),
    "G8: nothing leads where the host was": lambda: moving(forward(40000, NAS)),
    "G8: a server has its static address, in the pool or not": fixed,
    "G8: no pool is known": lambda: fixed(pool=(None, None), own=False),
    "G8: of the pool only the end is known": lambda: fixed(pool=(None, str(PLEX)), own=False),
    "G8: of the pool only the start is known": lambda: fixed(pool=(str(PLEX), None), own=False),
    "G8: no address is known": lambda: fixed(None, own=False),
    "G13: UPnP's entry itself goes": lambda: gone(Kind.UPNP, Upnp(enabled=True)),
    "G8: an address of its own, outside the pool": lambda: fixed(IPv4Address("192.168.1.51"), own=False),
    "G10: nobody logs in to the router": lambda: case_of(managed(server=(str(PLEX), 22)), [FORWARD]),
    "G10: another port of the WAN address": lambda: case_of(managed(router=(str(PUBLIC), 22)), [FORWARD]),
    "G10: nobody logs in to the server": lambda: case_of(managed(), [rule_of_ours(LOGIN, None)]),
    "G10: the login's rule keeps its port": lambda: case_of(
        managed(server=(str(PLEX), 32400)), [rule_of_ours(FirewallRule(32400), FirewallRule(32400))]
    ),
    "G10: a rule that could not be read": lambda: case_of(
        managed(server=(str(PLEX), 22)), [rule_of_ours(None, FirewallRule(32400))]
    ),
    "G11: put back while undoing": lambda: forward_of_others(Action.RESTORE, undoing=True),
    "G12: a router that stages nothing": lambda: staged(None),
    "G12: nothing is staged, whatever else was not answered": lambda: staged("", "one of two did not answer"),
    "G12: what a router goes by, of a forward that goes": lambda: going_back(f"+ dnat 32500 to {PLEX}"),
    "G12: our own edits while undoing": lambda: staged("dhcp.plexops_plex=host", undoing=True),
}
REFUSED: dict[str, tuple[str, Make]] = {
    "a port that never arrives": ("G7", lambda: shared((40000, 50000), 32400)),
    "another forward has the port, beside one that is adopted": ("G7", lambda: beside("f2", ours=False)),
    "another forward has the port, and the handle of ours": ("G7", lambda: beside("f1", ours=True)),
    "the host leaves what leads to it": ("G8", lambda: moving(LED)),
    "the last address of the pool": ("G8", lambda: fixed(own=False)),
    "the first address of the pool": ("G8", lambda: fixed(pool=(str(PLEX), "192.168.1.99"), own=False)),
    "a reservation that is not served": ("G8", silent_dhcp),
    "reserved for another host": ("G8", lambda: fixed(reserved=(NAS_MAC,))),
    "an edit at the same address": ("G12", lambda: going_back(f"+ dnat 8443 to {PLEX}")),
    "an edit at the same port": ("G12", lambda: going_back(f"+ dnat 32500 to {NAS}")),
    "the WAN address's own login port": (
        "G10",
        lambda: case_of(managed(router=(str(PUBLIC), 32500)), [RESERVE, FORWARD]),
    ),
    "the login's rule goes": ("G10", lambda: case_of(sound_view(), [rule_of_ours(LOGIN, None)])),
    "the login's rule gets another port": (
        "G10",
        lambda: case_of(sound_view(), [rule_of_ours(LOGIN, FirewallRule(32400))]),
    ),
    "an edit of others' while undoing": ("G11", lambda: forward_of_others(Action.UPDATE, undoing=True)),
    "put back while nothing is undone": ("G11", lambda: forward_of_others(Action.RESTORE, undoing=False)),
    "our own edits while nothing is undone": ("G12", lambda: staged("dhcp.plexops_plex=host")),
    "edits of others while undoing": ("G12", lambda: staged("dhcp.printer=host", undoing=True)),
    "it is not known what is staged": ("G12", lambda: staged(None, "no answer")),
    "UPnP goes before the rest": ("G13", lambda: case_of(sound_view(), [UPNP_OFF, RESERVE])),
    "UPnP is switched on, first": ("G3", lambda: upnp(True, RESERVE)),
}


@pytest.mark.parametrize(
    "case",
    [
        restored(443, undoing=False),
        replace(
            restored(443), changes=tuple(replace(c, action=Action.UPDATE) for c in restored(443).changes)
        ),
        at_the_gateway(NAS),
        at_the_gateway(PUBLIC, Role.ROUTER),
    ],
    ids=["nothing is undone", "no old words", "past the router", "the router itself"],
)
def test_what_only_looks_given_back_or_handed_on_is_judged(case: Case) -> None:
    assert {"G7", "G8"} <= set(refusing(case))


def test_leave_is_given_where_all_hold() -> None:
    step = Step(RESERVE, Script(()))
    assert isinstance(authorize("home", step, judge(case_of(sound_view()))), Authorized)


def test_without_its_own_address_a_reservation_is_refused() -> None:
    made = change(Kind.DHCP_RESERVATION, Action.CREATE, Reservation((MAC,), None))
    (refused,) = (
        verdict for verdict in judge(Case(sound_view(), sound_view(), (made,))) if not verdict.holds
    )
    assert (refused.guard, refused.reason) == ("G6", f"{made.id}: the router's LAN is unknown")


def test_a_reservation_is_for_whomever_where_the_hosts_hardware_is_not_known() -> None:
    case = fixed(reserved=(NAS_MAC,))
    view = replace(case.before, server_mac="")
    assert "G8" not in refusing(case_of(view, case.changes))


def test_what_changes_in_the_end_is_not_left_behind() -> None:
    led = entry(Kind.PORT_FORWARD, LED, handle="f-led", label="led")
    assert "G8" not in refusing(moving(LED, change(Kind.PORT_FORWARD, Action.DELETE, before=led)))


def test_on_paper_a_sound_forward_is_fine_and_an_unsound_one_is_not() -> None:
    assert judge_on_paper(case_of(sound_view(), [FORWARD])) == ()
    unsound = change(Kind.PORT_FORWARD, Action.CREATE, forward(443, NAS))
    assert judge_on_paper(case_of(sound_view(), [unsound])) == (
        f"{unsound.id}: port 443 is not between 1024 and 65535",
        f"{unsound.id}: {NAS}:32400 is not where Plex is ({PLEX}:32400)",
    )


def test_on_paper_a_dmz_is_refused_though_no_router_was_read() -> None:
    blind = replace(sound_view(), snapshots=MappingProxyType({}))
    every = (1, 65535)
    dmz, nas = (change(Kind.PORT_FORWARD, Action.CREATE, forward(every, at, every)) for at in (PLEX, NAS))
    words = f"{dmz.id} would hand every port to the Plex host"
    assert words in judge_on_paper(Case(blind, blind, (dmz,)))
    assert words not in judge_on_paper(Case(blind, blind, (nas,)))


@pytest.mark.parametrize("name", FINE)
def test_what_is_like_it_and_fine_is_not_refused(name: str) -> None:
    assert name.partition(":")[0] not in refusing(FINE[name]())


@pytest.mark.parametrize("name", REFUSED)
def test_only_this_guard_stands_between_plan_and_damage(name: str) -> None:
    guard, make = REFUSED[name]
    assert refusing(make()) == [guard]
