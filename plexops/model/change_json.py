"""Changes and windows as JSON, for the journal: what `recover` and `rollback` need to find the way back."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import cast

from msgspec import Struct, convert

from plexops.model.change import Change
from plexops.model.exchange import Command, Expect, Json, Read, Window, Write
from plexops.model.resources import FirewallRule, Passage, PortForward, RemoteAccess, Reservation, Upnp
from plexops.model.snapshot import Kind, canonical
from plexops.structs import from_plain, replace

#: What a change of each kind is decoded as. None: the entry was not understood.
_SHAPES: Mapping[Kind, type[Change]] = {
    Kind.DHCP_RESERVATION: Change[Reservation | None],
    Kind.PORT_FORWARD: Change[PortForward | None],
    Kind.PASSAGE: Change[Passage | None],
    Kind.FIREWALL_RULE: Change[FirewallRule | None],
    Kind.PLEX_REMOTE_ACCESS: Change[RemoteAccess | None],
    Kind.UPNP: Change[Upnp | None],
    Kind.LEASE: Change[IPv4Address],
}


class _Ending(Struct, frozen=True):
    """One request that ends a window: a device's own command line."""

    run: str
    statuses: frozenset[int]
    silent: bool


class _Ended(Struct, frozen=True):
    """What a window is asked and ended with; it is never opened again."""

    armed: str | None
    confirm: tuple[_Ending, ...]
    seconds: int


def change_to_json(change: Change) -> Json:
    """Give a change as JSON; its place and task are for people and stay behind."""
    return canonical(replace(change, place=None, task=""))


def change_from_json(document: Mapping[str, Json]) -> Change:
    """Give the change back. Raises ValueError or KeyError for what is no change."""
    kind = Kind(str(document["kind"]))
    change: Change = convert(_as_now(document, kind), _SHAPES[kind], dec_hook=from_plain)
    return change


def _as_now(document: Mapping[str, Json], kind: Kind) -> Mapping[str, Json]:
    """Give a change as it is written now: in 0.1 an owner was its key, and a rule without `over_ipv6` was for both."""

    def values(of: Json) -> Json:
        older = kind is Kind.FIREWALL_RULE and isinstance(of, dict)
        return {"over_ipv6": True, **cast("Mapping[str, Json]", of)} if older else of

    before = document["before"]
    if isinstance(before, dict):
        owner = before["owner"]
        before = {
            **before,
            "values": values(before["values"]),
            "owner": {"key": owner} if isinstance(owner, str) else owner,
        }
    return {**document, "before": before, "want": values(document["want"])}


def window_to_json(window: Window) -> Json:
    """Give what a window is asked and ended with."""
    confirm = (_Ending(_text(one.ask), one.expect.statuses, one.expect.silent) for one in window.confirm)
    armed = None if window.armed is None else _text(window.armed.ask)
    return canonical(_Ended(armed, tuple(confirm), window.seconds))


def window_from_json(document: Json) -> Window:
    """Give back what asks a window and ends it. Raises ValueError for what is none."""
    ended = convert(document, _Ended)
    return Window(
        confirm=tuple(
            Write(Command(one.run), Expect(statuses=one.statuses, silent=one.silent)) for one in ended.confirm
        ),
        armed=None if ended.armed is None else Read("armed", Command(ended.armed)),
        seconds=ended.seconds,
    )


def _text(ask: object) -> str:
    if not isinstance(ask, Command):
        raise TypeError("a window is a device's own command line")
    return ask.text
