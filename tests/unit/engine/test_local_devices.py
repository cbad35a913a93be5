"""A site whose devices are this computer: who is asked, and what no longer applies without a login."""

from __future__ import annotations

from concurrent.futures import Future
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from plexops.config.inventory import read_inventory
from plexops.config.secrets import Secrets
from plexops.config.yaml import parse_yaml
from plexops.engine.look.access import LiveLinks, ReplayedLinks
from plexops.engine.look.asking import Answered
from plexops.engine.look.observe import _moved_here
from plexops.engine.look.site import Home, Setting, open_home
from plexops.model.entries import Lease
from plexops.model.errors import PlexopsError
from plexops.model.secret import Secret
from plexops.model.site import ServerDevice, SiteTasks
from plexops.model.snapshot import FOREIGN, Entry, Fact, Kind, Role, Snapshot
from plexops.structs import replace
from plexops.transport import machine
from plexops.transport.here import LocalSettings
from plexops.transport.http_settings import HttpSettings
from plexops.transport.ssh_settings import Become
from plexops.transport.trust.store import TrustStore

LOCAL = """\
sites:
  home:
    via: {address: vpn.example.net, username: me}
    router: {profile: linux, connection: local, become: {method: sudo}}
    server: {address: 192.168.1.50, connection: local}
    plex: {url: "http://192.168.1.50:32400", token: {from: server}}
"""
MAC = "52:54:00:12:34:56"


def home_of(text: str, folder: Path, *, sudo: Secret | None = None, live: bool = True) -> Home:
    (site,) = read_inventory(parse_yaml(text, "inventory.yaml"), folder / "inventory.yaml").sites.values()
    links = LiveLinks() if live else ReplayedLinks(folder)
    store = TrustStore.load(folder)
    return open_home(
        SiteTasks(site, ()), Setting(folder, Secrets({}, None), store, links, sudo_password=sudo)
    )


def test_nobody_logs_in_and_the_jump_host_of_the_site_is_not_on_the_way(tmp_path: Path) -> None:
    home = home_of(LOCAL, tmp_path, sudo=Secret("hunter2", "sudo password"))
    access = home.access
    assert access.server("192.168.1.99") == LocalSettings("home/server")
    assert access.router() == LocalSettings(
        "home/router", Become(password=Secret("hunter2", "sudo password"))
    )
    inside = access.plex(None, inside=True)
    assert isinstance(inside, HttpSettings)
    assert (inside.base_url, inside.via) == ("http://127.0.0.1:32400", None)
    assert access.jumps_of_config() == {}
    assert dict(home.view.management) == {}, "no login can be closed"
    assert {Role.ROUTER, Role.SERVER} <= home.view.asked
    assert access.wants_token_from_server()


@pytest.mark.parametrize("profile", ["routeros", "opnsense"])
def test_a_router_that_no_shell_reads_is_refused_with_its_place(profile: str, tmp_path: Path) -> None:
    text = f"sites:\n  home:\n    router: {{profile: {profile}, connection: local}}\n"
    with pytest.raises(PlexopsError) as caught:
        home_of(text, tmp_path)
    (problem,) = caught.value.problems
    assert (problem.code, str(problem.place), problem.cure != "") == (
        "PLX-D408",
        f"inventory.yaml:3:{37 + len(profile)}",
        True,
    )


def test_where_there_is_no_posix_shell_only_a_recording_can_be_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "can_be_asked", lambda: False)
    with pytest.raises(PlexopsError) as caught:
        home_of(LOCAL, tmp_path)
    assert [(p.code, p.path) for p in caught.value.problems] == [
        ("PLX-D408", "router.connection"),
        ("PLX-D408", "server.connection"),
    ]
    assert home_of(LOCAL, tmp_path, live=False).drivers.server is not None


@pytest.mark.parametrize(
    ("held", "leased", "found"),
    [
        (("192.168.1.50", "172.17.0.1"), "", ""),
        (("192.168.1.104",), "", "192.168.1.104"),
        (("192.168.1.104", "172.17.0.1"), "192.168.1.104", "192.168.1.104"),
        (("192.168.1.104", "172.17.0.1"), "192.168.1.77", ""),
        (("192.168.1.104", "172.17.0.1"), "", ""),
        ((), "192.168.1.104", ""),
    ],
)
def test_where_this_computer_is_when_it_is_not_where_it_shall_be(
    held: tuple[str, ...], leased: str, found: str
) -> None:
    facts = {"host.addresses": Fact("host.addresses", held, "server.addresses")} if held else {}
    lease = Entry(Kind.LEASE, Lease(MAC, IPv4Address(leased or "0.0.0.1")), {}, FOREIGN, "0", "router.leases")
    router: Future[Answered] = Future()
    router.set_result(Answered(snapshot=Snapshot(Role.ROUTER, {}, (lease,) if leased else ())))
    server = ServerDevice(IPv4Address("192.168.1.50"), mac=MAC)
    part = Answered(snapshot=Snapshot(Role.SERVER, facts))
    assert _moved_here(part, router, server) == found
    assert _moved_here(part, router, replace(server, address=None)) == ""


def test_an_address_counts_as_reached_once_this_computer_holds_it(tmp_path: Path) -> None:
    observer = home_of(LOCAL, tmp_path).observer()
    assert observer.moved_to("127.0.0.1")
    assert not observer.moved_to("192.168.213.7")
