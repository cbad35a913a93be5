"""Each part of a guard alone: what it stands for is refused by this guard, and what is like it and fine is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType

import pytest

from plexops.model.change import Action, Change
from plexops.model.resources.firewall_rule import FirewallRule
from plexops.model.resources.port_forward import PortForward
from plexops.model.resources.upnp import Upnp
from plexops.model.snapshot import Kind, Role
from plexops.runbook.guards import Case, judge
from plexops.runbook.view import SiteView
from tests.unit.runbook.sound_case import (
    FORWARD,
    PLEX,
    PUBLIC,
    RESERVE,
    ROUTER,
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


LOGIN = FirewallRule(22)
FINE: dict[str, Make] = {
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
    "G12: our own edits while undoing": lambda: staged("dhcp.plexops_plex=host", undoing=True),
}
REFUSED: dict[str, tuple[str, Make]] = {
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


@pytest.mark.parametrize("name", FINE)
def test_what_is_like_it_and_fine_is_not_refused(name: str) -> None:
    assert name.partition(":")[0] not in refusing(FINE[name]())


@pytest.mark.parametrize("name", REFUSED)
def test_only_this_guard_stands_between_plan_and_damage(name: str) -> None:
    guard, make = REFUSED[name]
    assert refusing(make()) == [guard]
