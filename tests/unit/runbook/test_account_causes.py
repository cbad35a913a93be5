"""What plex.tv tells apps against what is known of the way in: only what contradicts it is a cause."""

from __future__ import annotations

import pytest

from plexops.model.entries import Echo
from plexops.model.resources.plex_remote_access import RemoteAccess
from plexops.model.snapshot import FOREIGN, Entry, Fact, FactValue, Kind, KindState, Role, Snapshot
from plexops.runbook.causes.account import not_online, stale_announcement
from plexops.runbook.headline import relay_alone
from plexops.runbook.observations import PlexTv
from plexops.runbook.situation import Situation
from plexops.runbook.view import SiteView, ipv4
from plexops.structs import replace

PUBLIC = "62.155.240.55"
PLEX: dict[str, FactValue] = {
    "plex.claimed": True, "plex.sign_in": "ok", "plex.mapping_state": "mapped", "plex.mapping_error": "",
    "plex.public_address": PUBLIC, "plex.public_port": 32500, "plex.custom_connections": "",
}  # fmt: skip
FAILED: dict[str, FactValue] = {
    "plex.mapping_error": "unreachable", "plex.public_address": "", "plex.public_port": 0
}  # fmt: skip
LISTED: dict[str, FactValue] = {
    "account.listed": True, "account.online": True, "account.direct": (f"{PUBLIC}:32500",),
    "account.relay": True,
}  # fmt: skip
MANUAL = RemoteAccess(enabled=True, manual=True, manual_port=32500, last_automatic_port=0)


def snapshot(role: Role, facts: dict[str, FactValue], *entries: Entry) -> Snapshot:
    kinds = {entry.kind: KindState.PRESENT for entry in entries}
    return Snapshot(
        role, {name: Fact(name, value, f"{role}.x") for name, value in facts.items()}, entries, kinds
    )


def situation(
    plex: dict[str, FactValue],
    outside: dict[str, FactValue],
    settings: RemoteAccess = MANUAL,
    wan: str = PUBLIC,
) -> Situation:
    """Make a home whose WAN address is `wan`, and the world sees PUBLIC."""
    prefs = Entry(Kind.PLEX_REMOTE_ACCESS, settings, {}, FOREIGN, "prefs", "plex.prefs")
    public = ipv4(PUBLIC)
    assert public is not None
    echoes = [
        Entry(Kind.ECHO, Echo(name, public, "server"), {}, FOREIGN, name, f"outside.{name}")
        for name in ("echo.example", "other.example")
    ]
    snapshots = {
        Role.ROUTER: snapshot(Role.ROUTER, {"wan.address": wan}),
        Role.PLEX: snapshot(Role.PLEX, plex, prefs),
        Role.OUTSIDE: snapshot(Role.OUTSIDE, outside, *echoes),
    }
    return Situation(SiteView("home", snapshots=snapshots))


@pytest.mark.parametrize(
    ("plex", "outside", "seen"),
    [
        ({}, {}, False),
        ({}, {"account.online": False}, True),
        ({}, {"account.listed": False}, True),
        # Plex says itself that it is not signed in: that is another cause.
        ({"plex.sign_in": "invalid"}, {"account.online": False}, False),
        ({"plex.mapping_error": "badauth"}, {"account.listed": False}, False),
    ],
)
def test_not_online(plex: dict[str, FactValue], outside: dict[str, FactValue], seen: bool) -> None:
    assert (not_online(situation({**PLEX, **plex}, {**LISTED, **outside})) is not None) is seen


@pytest.mark.parametrize(
    ("direct", "plex", "seen"),
    [
        ((f"{PUBLIC}:32500",), {}, False),
        ((f"{PUBLIC}:18444",), {}, True),
        (("62.155.240.99:32500",), {}, True),
        # One of several is right: apps try them all.
        ((f"{PUBLIC}:18444", f"{PUBLIC}:32500"), {}, False),
        # IPv6, private and custom addresses are other doors, of which nothing is known here.
        (("[2001:db8::50]:32400",), {}, False),
        (("172.17.0.2:32400",), {}, False),
        (("plex.example.net:443",), {}, False),
        (
            (f"{PUBLIC}:8443",),
            {"plex.custom_connections": f"https://a.example, https://{PUBLIC}:8443"},
            False,
        ),
        ((), {}, False),
        # plex.tv has not tried yet: its list may lag behind.
        ((f"{PUBLIC}:18444",), {"plex.mapping_state": "waiting"}, False),
        # Nobody got through: the WAN address and Plex's settings say where the door is.
        ((f"{PUBLIC}:18444",), FAILED, True),
        (("62.155.240.99:32500",), FAILED, True),
        ((f"{PUBLIC}:32500",), FAILED, False),
    ],
)
def test_stale_announcement(direct: tuple[str, ...], plex: dict[str, FactValue], seen: bool) -> None:
    found = stale_announcement(situation({**PLEX, **plex}, {**LISTED, "account.direct": direct}))
    assert (found is not None) is seen, found
    if found is not None:
        assert direct[0] in found.says
        assert f"{PUBLIC}:32500" in found.says


def test_less_is_known_less_is_said() -> None:
    wrong: dict[str, FactValue] = {**LISTED, "account.direct": (f"{PUBLIC}:18444",)}
    assert stale_announcement(situation(PLEX, wrong)) is not None
    for name in ("plex.custom_connections", "plex.mapping_state"):
        less = {other: value for other, value in PLEX.items() if other != name}
        assert stale_announcement(situation(less, wrong)) is None
    off = replace(MANUAL, enabled=False)
    assert stale_announcement(situation(PLEX, wrong, off)) is None
    # The WAN address is not proven to be the public one: the port alone counts then.
    other: dict[str, FactValue] = {**LISTED, "account.direct": ("62.155.240.99:32500",)}
    assert stale_announcement(situation({**PLEX, **FAILED}, other, wan="192.168.178.20")) is None


@pytest.mark.parametrize(
    ("plex", "outside", "seen"),
    [
        (FAILED, {"account.direct": ()}, True),
        (FAILED, {}, False),
        (FAILED, {"account.direct": (), "account.relay": False}, False),
        (FAILED, {"account.direct": ("[2001:db8::50]:32400",)}, False),
        # Plex says that plex.tv got through, or that it has not tried yet.
        ({}, {"account.direct": ()}, False),
        ({"plex.mapping_state": "waiting", "plex.public_address": ""}, {"account.direct": ()}, False),
    ],
)
def test_no_direct_way(plex: dict[str, FactValue], outside: dict[str, FactValue], seen: bool) -> None:
    home = situation({**PLEX, **plex}, {**LISTED, **outside})
    assert (bool(relay_alone(home)) and home.observed.plex_tv is PlexTv.NO) is seen
