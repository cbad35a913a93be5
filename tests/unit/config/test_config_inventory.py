"""What an inventory becomes: every value of the example, defaults, jump hosts, notes, and what it may not say."""

from __future__ import annotations

import base64
import socket
import struct
from ipaddress import IPv4Address
from pathlib import Path
from typing import NoReturn

import pytest

from plexops.config.hints import hints
from plexops.config.inventory import load_inventory, read_inventory
from plexops.config.playbook import load_playbooks
from plexops.config.resolve import resolve
from plexops.config.yaml import parse_yaml
from plexops.model.errors import Place, PlexopsError, Problem
from plexops.model.site import (
    Access,
    AddressBy,
    BecomeMethod,
    Checker,
    CheckerName,
    Container,
    HostFirewall,
    Inventory,
    SecretSource,
)
from plexops.model.values import Ports

ROOT = Path(__file__).resolve().parents[3]
BLOB = struct.pack(">I11sI32s", 11, b"ssh-ed25519", 32, bytes(range(32)))
HOST_KEY = f"ssh-ed25519 {base64.b64encode(BLOB).decode()}"


def read(text: str, path: Path = Path("/homes/inventory.yaml")) -> Inventory:
    return read_inventory(parse_yaml(text, "inventory.yaml"), path)


def problems(text: str) -> tuple[Problem, ...]:
    with pytest.raises(PlexopsError) as caught:
        read(text)
    return caught.value.problems


def test_the_example_says_what_it_says() -> None:
    inventory = load_inventory(ROOT / "inventory.example.yaml")
    assert inventory.notes == ()
    assert list(inventory.sites) == ["home", "cabin", "flat", "studio"]
    home, cabin, flat, studio = inventory.sites.values()

    assert home.access is Access.FORWARD
    assert home.router is not None
    assert home.router.profile == "openwrt"
    assert (home.router.ssh.address, home.router.ssh.username) == ("192.168.1.1", "root")
    assert home.router.ssh.port is None
    assert home.server is not None
    assert home.server.address == IPv4Address("192.168.1.50")
    assert home.server.mac == "52:54:00:12:34:56"
    assert home.server.address_by is AddressBy.DHCP
    assert home.server.firewall is HostFirewall.AUTO
    assert home.server.login is not None
    assert home.server.login.address == "192.168.1.50"
    assert home.server.become is not None
    assert home.server.become.method is BecomeMethod.SUDO
    assert home.server.become.password is not None
    assert home.server.become.password.source is SecretSource.ASK
    assert home.plex is not None
    assert (home.plex.url, home.plex.address, home.plex.port) == (
        "http://192.168.1.50:32400",
        IPv4Address("192.168.1.50"),
        32400,
    )
    assert home.plex.token is not None
    assert home.plex.token.label == "server"

    assert cabin.router is not None
    assert cabin.router.http.api_key is not None
    assert cabin.router.http.api_key.label == "env:PLEXOPS_CABIN_KEY"
    assert cabin.router.http.tls_pin.startswith("sha256//")
    assert cabin.upstream is not None
    assert cabin.upstream.router.manual
    assert cabin.server is not None
    assert cabin.server.address_by is AddressBy.STATIC
    assert cabin.server.container is Container.DOCKER
    (vantage,) = cabin.vantages
    assert (vantage.ssh.address, vantage.ssh.username) == ("vps.example.net", "me")
    assert vantage.ssh.key_file == str(Path("~/.ssh/id_ed25519").expanduser())
    assert cabin.checkers == (
        Checker(CheckerName.CHECK_HOST, "https://check-host.net"),
        Checker(CheckerName.ECHOIP, "https://ifconfig.co"),
    )

    assert flat.access is Access.RELAY
    assert flat.router is not None
    assert flat.router.ssh.via is not None
    assert flat.router.ssh.via.address == "vpn.example.net"
    assert flat.router.ssh.password is not None
    assert flat.router.ssh.password.label == "file:secrets/flat-router"
    assert flat.router.ssh.password.directory == str(ROOT)
    assert flat.plex is not None
    assert flat.plex.via == flat.router.ssh.via
    assert flat.server is not None
    assert flat.server.login is None

    assert studio.router is not None
    assert (studio.router.like, studio.router.port_share) == ("freebox", Ports.of((16384, 32767)))


def test_every_value_keeps_its_place() -> None:
    inventory = read(
        "sites:\n  home:\n    server:\n      address: 192.168.1.50\n      mac: 52:54:00:12:34:56\n"
    )
    site = inventory.sites["home"]
    assert site.place == Place("inventory.yaml", 2, 3)
    assert site.server is not None
    assert site.server.places.get("mac") == Place("inventory.yaml", 5, 12)


def test_defaults_fill_in_and_never_override() -> None:
    inventory = read("""
defaults:
  access: vpn
  vars: {a: 1, b: 1, c: 1}
  router: {profile: openwrt, username: root, port: 2222}
groups:
  one: {vars: {b: 2, c: 2, d: 2}}
  two: {vars: {d: 3}}
sites:
  plain: {router: {address: 192.168.1.1}}
  own: {access: forward, groups: [one, two], vars: {c: 4}, router: {address: 192.168.2.1, port: 22}}
""")
    plain, own = inventory.sites.values()
    assert plain.access is Access.VPN
    assert own.access is Access.FORWARD
    assert plain.router is not None
    assert own.router is not None
    assert (plain.router.profile, plain.router.ssh.username, plain.router.ssh.port) == (
        "openwrt",
        "root",
        2222,
    )
    assert (own.router.profile, own.router.ssh.username, own.router.ssh.port) == ("openwrt", "root", 22)
    assert {name: v.value for name, v in inventory.variables["plain"].items()} == {"a": 1, "b": 1, "c": 1}
    assert {name: v.value for name, v in inventory.variables["own"].items()} == {
        "a": 1,
        "b": 2,
        "c": 4,
        "d": 3,
    }
    assert inventory.variables["own"]["d"].place == Place("inventory.yaml", 8, 19)


@pytest.mark.parametrize(
    ("plex", "server", "address", "port"),
    [
        ("url: 'http://192.168.1.60:32400'", "address: 192.168.1.50", "192.168.1.60", 32400),
        ("url: 'http://127.0.0.1:32400'", "address: 192.168.1.50", "192.168.1.50", 32400),
        ("url: 'http://nas:8324'", "address: 192.168.1.50", "192.168.1.50", 8324),
        ("url: 'https://p.example.net:443', address: 10.0.0.7, port: 1", "address: 10.0.0.8", "10.0.0.7", 1),
        ("url: 'http://nas:32400'", "mac: 52:54:00:12:34:56", None, 32400),
    ],
)
def test_where_packets_must_go(plex: str, server: str, address: str | None, port: int) -> None:
    site = read(f"sites: {{home: {{plex: {{{plex}}}, server: {{{server}}}}}}}").sites["home"]
    assert site.plex is not None
    assert site.plex.address == (IPv4Address(address) if address else None)
    assert site.plex.port == port


def test_a_device_may_have_a_jump_host_of_its_own() -> None:
    site = read(
        "sites: {home: {via: {address: a}, router: {profile: openwrt, address: r, via: {address: b, port: 40022}},"
        " plex: {url: 'http://p:1'}}}"
    ).sites["home"]
    assert site.router is not None
    assert site.router.http.via is not None
    assert (site.router.http.via.address, site.router.http.via.port) == ("b", 40022)
    assert site.plex is not None
    assert site.plex.via is not None
    assert site.plex.via.address == "a"


def test_a_host_key_is_kept_without_its_comment() -> None:
    text = (
        f"sites: {{home: {{router: {{profile: openwrt, address: r, host_key: '{HOST_KEY} root@router'}}}}}}"
    )
    router = read(text).sites["home"].router
    assert router is not None
    assert router.ssh.host_key == HOST_KEY


def test_echoes_may_be_none_at_all() -> None:
    text = "sites: {home: {router: {profile: manual}, echoes: %s}}"
    assert read(text % "[]").sites["home"].echoes == ()
    assert read(text % '["https://api.ipify.org"]').sites["home"].echoes == ("https://api.ipify.org",)
    assert read("sites: {home: {router: {profile: manual}}}").sites["home"].echoes is None


@pytest.mark.parametrize(
    ("server", "code"),
    [
        ("address: 203.0.113.7", "PLX-C290"),
        ("address: 100.64.1.1", "PLX-C290"),
        ("address: 172.32.0.1", "PLX-C290"),
        ("address: 127.0.0.1", "PLX-C290"),
        ("mac: 02:42:ac:11:00:02", "PLX-C291"),
        ("mac: 9a:00:00:00:00:01", "PLX-C291"),
    ],
)
def test_what_is_odd_is_a_note(server: str, code: str) -> None:
    inventory = read("sites: {home: {server: {" + server + "}}}")
    assert [note.code for note in inventory.notes] == [code]
    assert inventory.notes[0].place == Place("inventory.yaml", 1, 26 + server.index(" "))


@pytest.mark.parametrize(
    "server", ["address: 10.1.2.3", "address: 172.31.0.1", "mac: 52:54:00:12:34:56", "mac: 00:11:32:aa:bb:cc"]
)
def test_what_is_usual_is_none(server: str) -> None:
    assert read("sites: {home: {server: {" + server + "}}}").notes == ()


def test_there_are_at_least_forty_refused_keys() -> None:
    assert len(hints("refused")) >= 40


@pytest.mark.parametrize("word", sorted(hints("refused")))
def test_a_repository_may_not_say_this(word: str) -> None:
    """At every level: of the file, of a site, of a device, of the defaults."""
    for text in (
        f"{word}: x\nsites: {{home: {{router: {{profile: manual}}}}}}",
        f"sites: {{home: {{router: {{profile: manual}}, {word}: x}}}}",
        f"sites: {{home: {{router: {{profile: manual, {word}: x}}}}}}",
        f"defaults: {{server: {{{word}: [x]}}}}\nsites: {{home: {{router: {{profile: manual}}}}}}",
    ):
        assert {problem.code for problem in problems(text)} == {"PLX-C106"}, text


def test_reading_all_files_opens_no_connection_and_resolves_no_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_args: object, **_kwargs: object) -> NoReturn:
        raise AssertionError("a connection or an environment variable was asked for")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.delenv("PLEXOPS_CABIN_KEY", raising=False)
    inventory = load_inventory(ROOT / "inventory.example.yaml")
    playbooks = load_playbooks([ROOT / "playbooks", ROOT / "playbooks" / "optional"])
    assert len(resolve(inventory, playbooks)) == 4


def test_the_default_file_is_the_one_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PlexopsError) as caught:
        load_inventory()
    assert str(caught.value.problems[0].place) == "inventory.yaml:1:1"
    Path("inventory.yaml").write_text(
        "sites: {home: {router: {profile: openwrt, address: r, key_file: keys/id}}}"
    )
    router = load_inventory().sites["home"].router
    assert router is not None
    assert router.ssh.key_file == str(tmp_path / "keys" / "id")
