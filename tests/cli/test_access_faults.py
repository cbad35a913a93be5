"""Devices that cannot be reached or must not be trusted: a clear message, status 4, and nothing is changed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from plexops.cli.homes import LabHome, pin_keys
from plexops.evidence.folder import Store
from plexops.lab.home import HomeOptions
from plexops.lab.keys import new_key
from plexops.transport.trust.store import TrustStore
from plexops.transport.trust.verdict import OfferedKey, fingerprint
from tests.cli.process import Ended, House, house

INVENTORY = "inventory.yaml"
PASSWORD = "not-the-password-7731"


def judge(ended: Ended, code: str, *says: str) -> None:
    """The run is incomplete, and says why and what to do."""
    assert ended.status == 4
    assert f"error[{code}]" in ended.out
    for words in says:
        assert words in ended.said
    assert f"plexops explain {code}" in ended.out
    assert PASSWORD not in ended.out + ended.err


def test_a_router_that_cannot_be_reached(tmp_path: Path) -> None:
    with house(tmp_path) as home:
        home.edit(INVENTORY, 'address: "192.168.1.1"', 'address: "192.168.1.77"')
        before = home.exports()
        judge(home("audit"), "PLX-D108", "does not connect on to 192.168.1.77 port 22", "reaches the device")
        applied = home("apply", "--yes")
        assert applied.status == 4
        assert "nothing was sent" in applied.said
        assert home.exports() == before
        assert home.home.commands("router") == []


def test_a_wrong_password(tmp_path: Path) -> None:
    with house(tmp_path, options=HomeOptions(password_only=frozenset({"router"}))) as home:
        home.edit(INVENTORY, 'username: "root"', 'username: "root", password: {env: PLEXOPS_ROUTER_PASSWORD}')
        judge(
            home("audit", PLEXOPS_ROUTER_PASSWORD=PASSWORD),
            "PLX-D204",
            "home/router refused the login as root",
            "check the user name",
        )
        assert home.home.commands("router") == []
        assert home("audit", PLEXOPS_ROUTER_PASSWORD=home.home.options.router_password).status == 1


def test_a_password_goes_only_to_a_key_that_is_pinned_outside_the_files(tmp_path: Path) -> None:
    options = HomeOptions(password_only=frozenset({"router"}))
    with house(tmp_path, options=options, pinned=False) as home:
        home.edit(INVENTORY, 'username: "root"', 'username: "root", password: {env: PLEXOPS_ROUTER_PASSWORD}')
        ended = home("audit", PLEXOPS_ROUTER_PASSWORD=options.router_password)
        judge(
            ended,
            "PLX-D203",
            "the key of home/router is pinned in the repository only",
            "plexops trust home/router",
        )
        assert home.home.commands("router") == []
        pinned = home("trust", "router", "--fingerprint", key_of(home))
        assert pinned.status == 0
        assert (
            "the key of home/via is pinned in the repository only"
            in home("audit", PLEXOPS_ROUTER_PASSWORD=options.router_password).said
        )
        pin_keys(LabHome(home.home, home.directory))
        assert home("audit", PLEXOPS_ROUTER_PASSWORD=options.router_password).status == 1


def test_a_sudo_that_wants_a_password(tmp_path: Path) -> None:
    with house(tmp_path, options=HomeOptions(sudo_password=PASSWORD)) as home:
        before = home.exports()
        judge(
            home("audit"),
            "PLX-D207",
            "sudo on home/server asks for a password",
            "give it with -K",
            "become: {method: sudo, password: {ask: true}}",
        )
        assert home("apply", "--yes").status in (3, 4)
        assert home.exports() == before
        home.edit(
            INVENTORY,
            'become: {method: "sudo"}',
            "become: {method: sudo, password: {env: PLEXOPS_SUDO_PASSWORD}}",
        )
        given = home("audit", PLEXOPS_SUDO_PASSWORD=PASSWORD)
        assert given.status == 1
        assert PASSWORD not in "".join(home.home.log("server"))


@pytest.mark.parametrize("pinned_in", ["the inventory", "plexops' own store"])
def test_a_changed_host_key(pinned_in: str, tmp_path: Path) -> None:
    with house(tmp_path, pinned=pinned_in != "the inventory") as home:
        other = new_key().public
        if pinned_in == "the inventory":
            home.edit(INVENTORY, home.home.keys["router"].public, other)
        else:
            store = TrustStore.load(Store.open(home.state).root)
            store.pin("home/router", offered(other), datetime.now(UTC).date()).save()
        judge(
            home("audit"),
            "PLX-D201",
            "home/router presented a different SSH host key; nothing was sent (no user name, no password)",
            offered(other).fingerprint,
            f"plexops trust home/router --fingerprint {key_of(home)}",
        )
        assert home.home.commands("router") == []
        assert not any("root" in line for line in home.home.log("router"))


def offered(public: str) -> OfferedKey:
    """Read a public key as `known_hosts` has it."""
    from base64 import b64decode

    kind, encoded = public.split()[:2]
    return OfferedKey(kind, fingerprint(b64decode(encoded)))


def key_of(home: House) -> str:
    """Give the fingerprint of the router's real key."""
    return offered(home.home.keys["router"].public).fingerprint
