"""Changes as JSON, for the journal: what `recover` and `rollback` need to find the way back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import IPv4Address
from types import MappingProxyType
from typing import Any

from plexops.model.change import Action, Change
from plexops.model.exchange import Command, Expect, Read, Window, Write
from plexops.model.resources.dhcp_reservation import Reservation
from plexops.model.resources.firewall_rule import FirewallRule
from plexops.model.resources.passage import Passage
from plexops.model.resources.plex_remote_access import RemoteAccess
from plexops.model.resources.port_forward import PortForward
from plexops.model.resources.upnp import Upnp
from plexops.model.snapshot import Entry, Kind, Owner, Role, canonical
from plexops.model.values import Ports, Protocol


def change_to_json(change: Change) -> dict[str, Any]:
    """Give a change as JSON; its place and task are for people and stay behind."""
    return {
        "role": change.role,
        "kind": change.kind,
        "key": change.key,
        "action": change.action,
        "before": None if change.before is None else _entry_to_json(change.before),
        "want": canonical(change.want),
        "fields": list(change.fields),
        "raw": canonical(dict(change.raw)),
        "at": change.at,
    }


def change_from_json(document: Mapping[str, Any]) -> Change:
    """Give the change back. Raises ValueError or KeyError for what is no change."""
    kind = Kind(document["kind"])
    before = document["before"]
    return Change(
        role=Role(document["role"]),
        kind=kind,
        key=document["key"],
        action=Action(document["action"]),
        before=None if before is None else _entry_from_json(before),
        want=_values_from_json(kind, document["want"]),
        fields=tuple(document["fields"]),
        raw=_raw(document["raw"]),
        at=document.get("at"),
    )


def window_to_json(window: Window) -> dict[str, Any]:
    """Give what a window is asked and ended with; it is never opened again."""
    return {
        "armed": None if window.armed is None else _text(window.armed.ask),
        "confirm": [
            {
                "run": _text(write.ask),
                "statuses": sorted(write.expect.statuses),
                "silent": write.expect.silent,
            }
            for write in window.confirm
        ],
        "seconds": window.seconds,
    }


def window_from_json(document: Mapping[str, Any]) -> Window:
    """Give back what asks a window and ends it. Raises ValueError, KeyError or TypeError for what is none."""
    armed = document["armed"]
    return Window(
        confirm=tuple(
            Write(
                Command(str(one["run"])),
                Expect(statuses=frozenset(map(int, one["statuses"])), silent=bool(one["silent"])),
            )
            for one in document["confirm"]
        ),
        armed=None if armed is None else Read("armed", Command(str(armed))),
        seconds=int(document["seconds"]),
    )


def _text(ask: object) -> str:
    if not isinstance(ask, Command):
        raise TypeError("a window is a device's own command line")
    return ask.text


def _entry_to_json(entry: Entry) -> dict[str, Any]:
    return {
        "kind": entry.kind,
        "values": canonical(entry.values),
        "raw": canonical(dict(entry.raw)),
        "owner": entry.owner.key,
        "handle": entry.handle,
        "label": entry.label,
        "position": entry.position,
        "placed": entry.placed,
    }


def _entry_from_json(document: Mapping[str, Any]) -> Entry:
    kind = Kind(document["kind"])
    return Entry(
        kind=kind,
        values=_values_from_json(kind, document["values"]),
        raw=_raw(document["raw"]),
        owner=Owner(document["owner"]),
        handle=document["handle"],
        exhibit="",
        position=document["position"],
        label=document["label"],
        placed=bool(document.get("placed")),
    )


def _raw(document: Mapping[str, Any]) -> Mapping[str, str | tuple[str, ...] | None]:
    return MappingProxyType(
        {name: tuple(value) if isinstance(value, list) else value for name, value in document.items()}
    )


def _address(text: str | None) -> IPv4Address | None:
    return None if text is None else IPv4Address(text)


def _ports(document: Mapping[str, Any]) -> Ports:
    return Ports.of(*((first, last) for first, last in document["ranges"]))


def _reservation(d: Mapping[str, Any]) -> Reservation:
    return Reservation(tuple(d["macs"]), _address(d["address"]), d["name"], d["enabled"])


def _forward(d: Mapping[str, Any]) -> PortForward:
    return PortForward(
        external_port=_ports(d["external_port"]),
        address=_address(d["address"]),
        port=_ports(d["port"]),
        protocol=Protocol(d["protocol"]),
        enabled=d["enabled"],
        source=d["source"],
        name=d["name"],
    )


def _passage(d: Mapping[str, Any]) -> Passage:
    return Passage(IPv4Address(d["address"]), d["port"], d["chain"], d["before"])


def _remote_access(d: Mapping[str, Any]) -> RemoteAccess:
    return RemoteAccess(d["enabled"], d["manual"], d["manual_port"], d["last_automatic_port"])


#: Journals of version 1 do not say `over_ipv6`: its rules were for both families.
_BUILDERS: Mapping[Kind, Callable[[Any], Any]] = {
    Kind.DHCP_RESERVATION: _reservation,
    Kind.PORT_FORWARD: _forward,
    Kind.PASSAGE: _passage,
    Kind.FIREWALL_RULE: lambda d: FirewallRule(d["port"], d.get("over_ipv6", True)),
    Kind.PLEX_REMOTE_ACCESS: _remote_access,
    Kind.UPNP: lambda d: Upnp(d["enabled"]),
    Kind.LEASE: IPv4Address,
}


def _values_from_json(kind: Kind, document: Any) -> Any:
    return None if document is None else _BUILDERS[kind](document)
