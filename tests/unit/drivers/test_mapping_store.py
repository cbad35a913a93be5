"""A table of mappings that is written by SOAP: what is sent for each change, and what is never sent."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from plexops.config.samples import Said, load_samples
from plexops.drivers.base import Unrenderable
from plexops.drivers.router.profiled import ProfiledDriver
from plexops.engine.families import load_family
from plexops.engine.proving import observed
from plexops.model.change import Action, Change
from plexops.model.exchange import Script, SoapCall
from plexops.model.resources import PortForward
from plexops.model.snapshot import Entry, Kind, Role, Snapshot
from plexops.model.values import Ports
from plexops.structs import replace

HOST = IPv4Address("192.168.178.50")
WANT = PortForward(Ports.of(32500), HOST, Ports.of(32400), name="Plex")


def driver() -> ProfiledDriver:
    return ProfiledDriver(load_family("fritzbox", Path()))


def seen(*rows: Mapping[str, str]) -> Snapshot:
    """Observe a box with these mappings."""
    samples = load_samples("fritzbox", Path())
    assert samples is not None
    places: dict[str, str | Said] = {
        f"ppp_mappings.{place}": Said(soap=row) for place, row in enumerate(rows)
    }
    end = {f"ppp_mappings.{len(rows)}": Said(fault=713)}
    return observed(driver(), {**samples.answers("household"), **places, **end})


def row(**other: str) -> dict[str, str]:
    """Give a mapping of ours as the box lists it, with some of it otherwise."""
    ours = {
        "NewRemoteHost": "", "NewExternalPort": "32500", "NewProtocol": "TCP", "NewInternalPort": "32400",
        "NewInternalClient": str(HOST), "NewEnabled": "1", "NewPortMappingDescription": "plexops-plex",
        "NewLeaseDuration": "0",
    }  # fmt: skip
    return {**ours, **other}


def entry(now: Snapshot) -> Entry:
    (found,) = [one for one in now.of(Kind.PORT_FORWARD) if one.owner.ours]
    return found


def calls(script: Script) -> list[tuple[str, dict[str, object]]]:
    asks = [write.ask for write in script.writes]
    return [(ask.action, dict(ask.arguments)) for ask in asks if isinstance(ask, SoapCall)]


def create(now: Snapshot) -> Script:
    return driver().script(Change(Role.ROUTER, Kind.PORT_FORWARD, "plex", Action.CREATE, want=WANT), now)


def update(now: Snapshot, want: PortForward, field: str) -> Script:
    change = Change(Role.ROUTER, Kind.PORT_FORWARD, "plex", Action.UPDATE, entry(now), want, (field,))
    return driver().script(change, now)


@pytest.mark.parametrize("there", [{}, {"NewEnabled": "0"}, {"NewInternalClient": "192.168.178.9"}])
def test_nothing_is_made_where_another_mapping_came_meanwhile(there: dict[str, str]) -> None:
    with pytest.raises(Unrenderable, match="“console” has 32500 TCP already"):
        create(seen(row(NewPortMappingDescription="console", **there)))


def test_a_mapping_of_another_protocol_or_port_is_no_obstacle() -> None:
    now = seen(
        row(NewProtocol="UDP", NewPortMappingDescription="a"),
        row(NewExternalPort="3250", NewPortMappingDescription="b"),
    )
    assert calls(create(now)) == [("AddPortMapping", row(NewRemoteHost="0.0.0.0"))]


def test_a_change_is_one_addition_over_ours_and_nothing_else_of_it_changes() -> None:
    now = seen(row(NewEnabled="0"))
    want = replace(WANT, port=Ports.of(32469), enabled=False)
    assert calls(update(now, want, "port")) == [
        ("AddPortMapping", row(NewInternalPort="32469", NewEnabled="0"))
    ]


@pytest.mark.parametrize(
    ("want", "field", "theirs"),
    [
        (replace(WANT, external_port=Ports.of(32600)), "external_port", "NewExternalPort"),
        (replace(WANT, address=IPv4Address("192.168.178.51")), "address", "NewInternalClient"),
    ],
)
def test_what_an_addition_would_make_a_second_one_of_is_refused_with_what_to_do(
    want: PortForward, field: str, theirs: str
) -> None:
    with pytest.raises(
        Unrenderable, match=f"{theirs}: a table of mappings knows no change of that.*state: absent"
    ):
        update(seen(row()), want, field)


def test_it_is_taken_away_by_the_key_that_the_device_shows_and_switched_off_before() -> None:
    now = seen(row(NewPortMappingDescription="Plex", NewExternalPort="9000"), row())
    change = Change(Role.ROUTER, Kind.PORT_FORWARD, "plex", Action.DELETE, before=entry(now))
    key = {"NewRemoteHost": "", "NewExternalPort": "32500", "NewProtocol": "TCP"}
    assert calls(driver().script(change, now)) == [
        ("AddPortMapping", row(NewEnabled="0")),
        ("DeletePortMapping", key),
    ]
    off = seen(row(NewEnabled="0"))
    change = replace(change, before=entry(off))
    assert calls(driver().script(change, off)) == [("DeletePortMapping", key)]


@pytest.mark.parametrize(
    "name", ["plexops-plex ", "xplexops-plex", "plexops-plex'><b>", "PLEXOPS-PLEX", "plexops-$(x)"]
)
def test_a_name_that_only_looks_like_ours_is_anothers(name: str) -> None:
    now = seen(row(NewPortMappingDescription=name))
    assert not any(one.owner.ours for one in now.of(Kind.PORT_FORWARD))
    with pytest.raises(Unrenderable):
        create(now)


def test_without_the_service_nothing_can_be_written() -> None:
    now = replace(seen(), facts={name: fact for name, fact in seen().facts.items() if "services" not in name})
    with pytest.raises(Unrenderable, match="where the router keeps ppp is not known"):
        create(now)
