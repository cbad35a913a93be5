"""`plexops trust`: it shakes hands, compares and pins; it logs in nowhere and guesses nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.process import PLEXOPS, House, at_a_terminal, house
from tests.cli.test_access_faults import key_of, offered


@pytest.fixture(scope="module")
def unpinned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A home of which nothing is pinned outside its files; the router's token is a secret that is not there."""
    with house(tmp_path_factory.mktemp("unpinned"), pinned=False) as home:
        home.edit("inventory.yaml", 'username: "root"', 'username: "root", password: {env: PLEXOPS_NOT_SET}')
        yield home


def pins(home: House) -> dict[str, list[str]]:
    """Give what is pinned, from the file itself."""
    path = home.state / "trusted_keys.json"
    if not path.exists():
        return {}
    devices = json.loads(path.read_text())["devices"]
    return {name: [pin["fingerprint"] for pin in found] for name, found in devices.items()}


def test_without_a_person_and_without_a_fingerprint_nobody_is_contacted(unpinned: House) -> None:
    before = unpinned.home.log("jump")
    ended = unpinned("trust", "home/router")
    assert ended.status == 2
    assert "give --fingerprint FP, read on the device itself" in ended.said
    assert unpinned.home.log("jump") == before
    assert "home/router" not in pins(unpinned)


def test_another_fingerprint_pins_nothing(unpinned: House) -> None:
    ended = unpinned("trust", "home/router", "--fingerprint", "SHA256:" + "A" * 43)
    assert ended.status == 4
    assert "error[PLX-D214]: home/router was not pinned" in ended.said
    assert key_of(unpinned) in ended.said
    assert "home/router" not in pins(unpinned)


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("home/router", "router"),
        ("server", "server"),
        ("home/via", "jump"),
        ("home/vantage 198.51.100.77", "outside"),
    ],
)
def test_the_right_fingerprint_is_pinned_by_a_handshake_alone(name: str, role: str, unpinned: House) -> None:
    if role == "server":
        # It has not moved to where it shall be yet: that is where a handshake finds it.
        unpinned.edit("inventory.yaml", 'address: "192.168.1.50"', 'address: "192.168.1.83"')
    wanted = offered(unpinned.home.keys[role].public).fingerprint  # type: ignore[index]
    ended = unpinned("trust", *name.split(), "--fingerprint", wanted)
    full = name if "/" in name else f"home/{name}"
    assert (ended.status, ended.out) == (0, f"{full}: pinned {wanted}\n")
    assert pins(unpinned)[full] == [wanted]
    assert unpinned.home.commands(role) == []  # type: ignore[arg-type]
    again = unpinned("trust", *name.split(), "--fingerprint", wanted)
    assert (again.status, again.out) == (0, f"{full}: this key is pinned already\n")
    listed = unpinned("trust", "--list").out
    assert f"{full}" in listed
    assert wanted in listed
    removed = unpinned("trust", "--remove", *name.split())
    assert (removed.status, removed.out) == (0, f"{full}: forgotten\n")
    assert full not in pins(unpinned)
    assert unpinned("trust", "--remove", *name.split()).status == 2


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("home/ruoter", "Did you mean home/router?"),
        ("cabin/router", "there is no site 'cabin'. Sites: home."),
        ("home/plex", "home/plex speaks plain http: it has no key. Give --origin URL."),
        ("home/vantage nowhere", "There are: router, server, plex, account, via, vantage 198.51.100.77."),
    ],
)
def test_a_name_that_is_none(name: str, hint: str, unpinned: House) -> None:
    ended = unpinned("trust", *name.split(), "--fingerprint", "SHA256:x")
    assert ended.status == 2
    assert hint in ended.said


def test_a_certificate_is_pinned_by_its_public_key(tmp_path: Path) -> None:
    with house(tmp_path, router="opnsense", pinned=False) as home:
        refused = home("audit")
        assert refused.status == 4
        assert "error[PLX-D203]" in refused.out
        assert home.home.commands("router") == []
        ended = home("trust", "router", "--fingerprint", home.home.tls.pin)
        assert (ended.status, ended.out) == (0, f"home/router: pinned {home.home.tls.pin}\n")
        assert home.home.commands("router") == []
        # Its key and secret go through the jump host, and Plex's token to where the server answers.
        for device, role in (("via", "jump"), ("server", "server")):
            wanted = offered(home.home.keys[role].public).fingerprint  # type: ignore[index]
            home.edit("inventory.yaml", "192.168.1.50", "192.168.1.83")
            assert home("trust", device, "--fingerprint", wanted).status == 0
            home.edit("inventory.yaml", "192.168.1.83", "192.168.1.50")
        assert home("audit").status == 1


def test_where_a_token_goes_in_clear_is_approved_by_a_person(unpinned: House) -> None:
    origin = "http://192.168.1.50:32400"
    before = unpinned.home.log("plex")
    other = unpinned("trust", "plex", "--origin", "http://192.168.1.51:32400")
    assert other.status == 4
    assert f"the inventory says {origin}" in other.said
    assert "home/plex" not in pins(unpinned)
    said = [unpinned("trust", "plex", "--origin", f"{origin}{slash}").out for slash in ("/", "")]
    assert said == [f"home/plex: approved {origin}\n", f"home/plex: {origin} is approved already\n"]
    assert pins(unpinned)["home/plex"] == [origin]
    assert unpinned("trust", "router", "--origin", origin).status == 2
    assert unpinned("trust", "--remove", "home/plex").status == 0
    assert unpinned.home.log("plex") == before


def test_at_a_terminal_it_shows_where_the_token_goes_and_asks(unpinned: House) -> None:
    asked = (*PLEXOPS, "trust", "plex")
    variables = {"XDG_STATE_HOME": str(unpinned.directory / "state")}
    for answer, status in (("n", 1), ("y", 0)):
        ended = at_a_terminal(asked, unpinned.directory, variables, "[y/N]", [answer])
        assert ended[0] == status
        assert "home/plex is at http://192.168.1.50:32400, unencrypted" in " ".join(ended[1].split())
    assert pins(unpinned)["home/plex"] == ["http://192.168.1.50:32400"]
