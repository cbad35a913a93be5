"""~/.ssh/config leads to the devices of a home as it leads ssh there: aliases, ports, keys, jump hosts, host keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.process import House, house, plexops
from tests.cli.test_access_faults import offered

INVENTORY = "inventory.yaml"
#: The router and the jump host are known to ssh alone; the server's own login stands in the inventory but for the way.
CONFIG = """\
Include more
Host attic
  HostName 192.168.1.1
  User root
Host 192.168.1.50 attic
  ProxyJump hallway
Host *
  IdentityFile {keys}/user
"""
MORE = "Host hallway\n  HostName {host}\n  Port {port}\n  User lab\n  HostKeyAlias the-hallway\n"


@pytest.fixture
def aliased(tmp_path: Path) -> Iterator[House]:
    """A home in order whose inventory names router and jump host as the owner's ~/.ssh/config does."""
    with house(tmp_path, "in-order", pinned=False) as made:
        home = House(made.home, {"HOME": str(tmp_path)})
        rewrite(home, r"    via: .*\n", "")
        rewrite(home, r"    router: .*\n", '    router: {profile: "openwrt", address: "attic"}\n')
        rewrite(home, r'(server: .*?), host_key: "[^"]+", key_file: "[^"]+"', r"\1")
        rewrite(home, r"(plex: .*)}\n", r"\1, via: {address: hallway}}\n")
        rewrite(home, r"via: {address: \"[^}]*}, host_key", "via: {address: hallway}, host_key")
        folder = tmp_path / ".ssh"
        folder.mkdir()
        host, port = home.home.address
        (folder / "config").write_text(CONFIG.format(keys=tmp_path / "keys"))
        (folder / "more").write_text(MORE.format(host=host, port=port))
        names = {"jump": "the-hallway", "router": "192.168.1.1", "server": "192.168.1.50"}
        keys = [f"{name} {home.home.keys[role].public}\n" for role, name in names.items()]  # type: ignore[index]
        (folder / "known_hosts").write_text("".join(keys))
        yield home


def rewrite(home: House, pattern: str, new: str) -> None:
    path = home.directory / INVENTORY
    text, found = re.subn(pattern, new, path.read_text())
    assert found, pattern
    path.write_text(text)


def test_an_audit_reaches_everybody_by_the_names_that_ssh_knows(aliased: House) -> None:
    assert '127.0.0.1", port' not in (aliased.directory / INVENTORY).read_text()
    assert aliased("check").status == 0
    ended = aliased("audit", "--record", "recording")
    assert (ended.status, ended.err) == (0, ""), ended.out
    for role in ("router", "server", "outside"):
        assert aliased.home.commands(role), role
    replayed = aliased("audit", "--replay", "recording", HOME=str(aliased.directory / "nobody"))
    assert replayed.status == 0, replayed.said


def test_without_the_file_nobody_is_found(aliased: House) -> None:
    (aliased.directory / ".ssh" / "config").unlink()
    ended = aliased("audit")
    assert ended.status == 4
    assert aliased.home.commands("router") == []


def test_trust_goes_the_same_way_and_pins_a_jump_host_of_the_file_by_name(aliased: House) -> None:
    (aliased.directory / ".ssh" / "known_hosts").unlink()
    refused = aliased("audit")
    hop = offered(aliased.home.keys["jump"].public).fingerprint
    assert f"plexops trust home/via hallway --fingerprint {hop}" in refused.said
    for device, role in (
        ("via hallway", "jump"),
        ("via", "jump"),
        ("router", "router"),
        ("server", "server"),
    ):
        wanted = offered(aliased.home.keys[role].public).fingerprint  # type: ignore[index]
        ended = aliased("trust", *f"home/{device}".split(), "--fingerprint", wanted)
        assert (ended.status, ended.out) == (0, f"home/{device}: pinned {wanted}\n"), ended.err
    assert aliased("audit").status == 0
    unknown = aliased("trust", "home/via", "cellar", "--fingerprint", hop)
    assert unknown.status == 2
    assert (
        "puts no 'cellar' before a device of site home. Jump hosts there: home/via hallway." in unknown.said
    )


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("Host attic\n  ProxyCommand touch {ran}\n", "by a ProxyCommand, which plexops does not run"),
        (
            'Match originalhost attic exec "touch {ran}"\n  Port 2222\n',
            "a Match that plexops does not decide",
        ),
        ("Host attic\n  Port many\n", "'many' is no port from 1 to 65535"),
        ("Host 'attic\n", "config:1: a quotation mark is not closed"),
    ],
)
def test_what_cannot_be_used_is_told_before_anybody_is_asked(aliased: House, line: str, says: str) -> None:
    config, ran = aliased.directory / ".ssh" / "config", aliased.directory / "ran"
    config.write_text(line.format(ran=ran) + config.read_text())
    for words in (
        ("check",),
        ("audit",),
        ("apply", "--yes"),
        ("trust", "router", "--fingerprint", "SHA256:x"),
    ):
        ended = aliased(*words, COLUMNS="400")
        assert ended.status == 2, words
        assert "error[PLX-D112]" in ended.said
        assert says in ended.said
        assert "Traceback" not in ended.err
    assert aliased.untouched()
    assert not ran.exists()


def test_another_file_or_none_can_be_named_as_for_ssh(aliased: House) -> None:
    config = aliased.directory / ".ssh" / "config"
    other = config.rename(config.with_name("other"))
    config.write_text("Host *\n  ProxyCommand false\n")
    assert aliased("audit").status == 2
    assert aliased("audit", PLEXOPS_SSH_CONFIG=str(other)).status == 0
    assert aliased("audit", PLEXOPS_SSH_CONFIG="none").status == 4


def test_a_simulated_home_is_nothing_that_somebodys_ssh_config_knows(tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host *\n  ProxyCommand false\n")
    words = ("lab", "run", "--router", "openwrt", "--scenario", "in-order", "--", "plexops", "audit")
    ended = plexops(*words, directory=tmp_path, variables={"HOME": str(tmp_path)})
    assert ended.status == 0, ended.said
