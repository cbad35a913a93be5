"""What was asked and not answered is named with the reason, where the device gave one; one reason is said once."""

from __future__ import annotations

import pytest

from plexops.model.resources.plex_remote_access import RemoteAccess
from plexops.model.snapshot import Kind, KindState
from plexops.runbook.causes.cause import StopName
from plexops.runbook.missing import unread_kinds
from plexops.runbook.situation import Situation
from plexops.runbook.verdict import judge
from plexops.runbook.view import SiteView, looked_into
from plexops.structs import replace
from tests.unit.runbook.sound_case import (
    PLEX,
    PLEX_ROLE,
    ROUTER,
    entry,
    forward,
    sound_view,
    with_entries,
    with_facts,
    with_state,
    without,
)

REFUSED = "Plex refused the token (status 401): it takes that of the server's owner"
OF_PLEX = (
    "plex.claimed", "plex.mapping_state", "plex.mapping_error", "plex.sign_in", "plex.relay", "plex.subscription",
    "plex.relayed_sessions", "plex.custom_connections",
)  # fmt: skip


def refused(*names: str) -> SiteView:
    """Plex tells who it is; the rest it keeps back, with a reason."""
    view = with_state(sound_view(), Kind.PLEX_REMOTE_ACCESS, KindState.UNKNOWN, PLEX_ROLE)
    return view.with_snapshot(replace(view.of(PLEX_ROLE), reasons=dict.fromkeys(names, REFUSED)))


def test_a_refused_token_is_said_once_for_all_that_it_keeps_back() -> None:
    found = unread_kinds(
        Situation(refused("plex.mapping_state", "plex.sign_in", Kind.PLEX_REMOTE_ACCESS), 32500)
    )
    named = [line for line in found if REFUSED in line]
    assert len(named) == 1
    for words in (
        *(
            "Plex's own verdict",
            "whether Plex is signed in",
            "Plex's settings",
            "whether the relay is allowed",
        ),
        "whether the owner has Plex Pass",
    ):
        assert words in named[0]
    assert named[0].endswith(f"could not be read: {REFUSED}")


def test_what_has_no_reason_is_named_alone() -> None:
    found = unread_kinds(Situation(refused(), 32500))
    assert "Plex's settings could not be read" in found
    assert "Plex's own verdict could not be read" in found


def test_a_right_that_a_router_s_login_lacks_is_named() -> None:
    view = with_state(sound_view(), Kind.PORT_FORWARD, KindState.UNKNOWN)
    reason = "forwards was refused (status 403): it takes /api/firewall"
    view = view.with_snapshot(replace(view.of(ROUTER), reasons={Kind.PORT_FORWARD: reason}))
    assert f"the router's forwards could not be read: {reason}" in unread_kinds(Situation(view, 32500))


def test_a_router_that_refused_all_was_not_looked_into() -> None:
    """What its family has no way to tell is no reading either."""
    view = sound_view()
    kinds = {Kind.PORT_FORWARD: KindState.UNKNOWN, Kind.UPNP: KindState.UNSUPPORTED}
    assert not looked_into(replace(view.of(ROUTER), kinds=kinds))
    assert looked_into(replace(view.of(ROUTER), kinds={**kinds, Kind.LEASE: KindState.ABSENT}))


@pytest.mark.parametrize("name", ["plex.public_address", "plex.public_port"])
def test_an_odd_word_of_plex_is_named(name: str) -> None:
    view = sound_view()
    reason = "Plex says publicPort='thirty', which is not understood"
    view = view.with_snapshot(replace(view.of(PLEX_ROLE), reasons={name: reason}))
    assert any(line.endswith(f"could not be read: {reason}") for line in unread_kinds(Situation(view, 32500)))


def test_plex_s_word_of_a_second_nat_names_it_first() -> None:
    """Nothing tells the WAN address; Plex says doublenat: a suspicion, and a reason to stop before paying."""
    manual = entry(Kind.PLEX_REMOTE_ACCESS, RemoteAccess(True, True, 32500, 0), handle="prefs")
    view = with_entries(without(sound_view(), Kind.PLEX_REMOTE_ACCESS, PLEX_ROLE), manual, role=PLEX_ROLE)
    view = with_entries(view, entry(Kind.PORT_FORWARD, forward(32500, PLEX, 32400), handle="f-plex"))
    view = with_facts(view, ROUTER, wan__address=None)
    view = with_facts(view, PLEX_ROLE, plex__mapping_state="mapped", plex__mapping_error="doublenat")
    verdict = judge(Situation(view, 32500))
    assert verdict.stop
    assert not verdict.decided
    first = verdict.candidates[0]
    assert (first.stop.place, first.causes[0].id) == (StopName.UPSTREAM, "double-nat")
    assert "doublenat" in first.stop.says


def test_a_router_that_tells_a_public_address_outweighs_that_word() -> None:
    view = with_facts(sound_view(), PLEX_ROLE, plex__mapping_state="mapped", plex__mapping_error="doublenat")
    verdict = judge(Situation(view, 32500))
    assert not any(one.cause.id == "double-nat" for stop in verdict.stops for one in stop.suspects)
