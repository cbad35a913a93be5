"""Who asks for the public address where the server cannot: this computer, if it stands in the home."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import IPv4Address
from pathlib import Path
from types import MappingProxyType

import pytest
from msgspec import Struct, field

from plexops.engine.look.access import LiveLinks
from plexops.engine.look.observe import Observer
from plexops.engine.look.own_view import stands_in
from plexops.model.entries import Echo
from plexops.model.exchange import Look, LookKind, Read, Reply
from plexops.model.site import ServerDevice
from plexops.model.snapshot import Fact, Role
from plexops.runbook import conditions
from plexops.runbook.condition import Holds
from plexops.structs import replace
from plexops.transport.link import ReadLink, ReadSettings
from tests.unit.engine.seen_home import Looked, looked_at

HERE, AWAY = IPv4Address("192.168.1.77"), IPv4Address("10.9.8.7")


class Told(Struct):
    """This computer as one that is asked: every service tells it one address."""

    address: str
    asked: list[str] = []
    identity: str = ""

    def ask(self, reads: Sequence[Read]) -> tuple[Reply, ...]:
        for read in reads:
            assert isinstance(read.ask, Look)
            assert read.ask.kind is LookKind.ECHO
            self.asked.append(read.ask.target)
        return tuple(Reply(read.id, 0, self.address) for read in reads)

    def close(self) -> None:
        """Nothing is open."""


class Ways(LiveLinks, frozen=True):
    """The network, but for this computer itself."""

    here: Told = field(default_factory=lambda: Told(""))

    def read(self, device: str, settings: Callable[[], ReadSettings]) -> ReadLink:
        return self.here if device == "home/here" else LiveLinks.read(self, device, settings)


def observed(looked: Looked, told: Told, *, login: bool) -> Holds:
    home = looked.home
    drivers = home.drivers if login else replace(home.drivers, server=None)
    seen = Observer(home.access, drivers, Ways(here=told), home.view).look(None)
    outside = seen.view.of(Role.OUTSIDE)
    assert {e.values.asked_from for e in outside.held(Echo)} <= {"server", "controller"}
    plex = seen.view.of(Role.PLEX)
    # Plex says nothing of its own: it announces no way in yet.
    silent = {**plex.facts, "plex.public_address": Fact("plex.public_address", "", "plex.account")}
    view = seen.view.with_snapshot(replace(plex, facts=MappingProxyType(silent)))
    return conditions.wan(view).holds


def test_g4_can_be_met_where_nobody_logs_in_to_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with looked_at("openwrt", "in-order", tmp_path) as looked:
        wan = looked.snapshot(Role.ROUTER).text("wan.address") or ""
        monkeypatch.setattr("plexops.engine.look.own_view.address_towards", lambda _target: HERE)
        told = Told(wan)
        assert observed(looked, told, login=False) is Holds.YES
        assert told.asked == [f"http://{name}/ip" for name in ("v4.echo.test", "echo2.test")]
        silent = Told(wan)
        assert observed(looked, silent, login=True) is Holds.YES
        assert silent.asked == [], "the server itself asks"
        monkeypatch.setattr("plexops.engine.look.own_view.address_towards", lambda _target: AWAY)
        elsewhere = Told(wan)
        assert observed(looked, elsewhere, login=False) is Holds.UNKNOWN
        assert elsewhere.asked == [], "another network's address is not the home's"


def test_a_home_is_known_by_the_server_s_or_plex_s_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with looked_at("openwrt", "in-order", tmp_path) as looked:
        monkeypatch.setattr("plexops.engine.look.own_view.address_towards", lambda _target: HERE)
        site = looked.home.access.site
        assert stands_in(replace(site, server=None)), "Plex's own address is enough"
        assert stands_in(replace(site, server=ServerDevice(None)))
        assert not stands_in(replace(site, server=None, plex=None))
