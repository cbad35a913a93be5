"""~/.ssh/config fills gaps; `ssh -G` is the oracle for what it says."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from plexops.model.errors import PlexopsError
from plexops.model.status import ExitStatus
from plexops.transport.ssh.config import resolve
from plexops.transport.ssh.config_file import read_ssh_config
from plexops.transport.ssh_settings import SshSettings
from plexops.transport.trust.verdict import Source, TrustedKey, TrustedKeys

CONFIG = """
Host router 192.168.1.1
    HostName 192.168.1.1
    User admin
    Port 2222
    IdentityFile {folder}/router_key
    IdentityFile {folder}/missing_key

Host nas
    HostName 10.1.0.5
    ProxyJump me@bastion:2200

Host far
    ProxyJump one,two@second.example

Host one
    HostName 198.51.100.1
    User first

Host old
    ProxyCommand nc -X 5 %h %p

Host *.loop
    ProxyJump a.loop

Host *
    User everybody
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "router_key").write_text("key")
    path = tmp_path / "config"
    path.write_text(CONFIG.format(folder=tmp_path))
    return path


def known(device: str, host: str, port: int) -> TrustedKeys:
    return TrustedKeys((TrustedKey(f"SHA256:{device}|{host}|{port}", Source.KNOWN_HOSTS, "here"),))


def filled(config: Path, settings: SshSettings) -> SshSettings:
    return resolve(settings, read_ssh_config(config), known)


def test_what_the_inventory_leaves_out_comes_from_the_file(config: Path) -> None:
    found = filled(config, SshSettings("home.router", "router"))
    assert (found.host, found.port, found.username) == ("192.168.1.1", 2222, "admin")
    assert found.key_files == (config.parent / "router_key",)
    assert found.host_keys.keys[0].fingerprint == "SHA256:home.router|192.168.1.1|2222"


@pytest.mark.skipif(shutil.which("ssh") is None, reason="ssh is not installed")
@pytest.mark.parametrize("host", ["router", "192.168.1.1", "nas", "one", "elsewhere"])
def test_ssh_itself_reads_the_file_the_same_way(config: Path, host: str) -> None:
    shown = subprocess.run(["ssh", "-G", "-F", str(config), host], check=True, capture_output=True, text=True)
    said = dict(line.split(" ", 1) for line in shown.stdout.splitlines() if " " in line)
    found = filled(config, SshSettings("home.router", host))
    assert (found.host, str(found.port), found.username) == (said["hostname"], said["port"], said["user"])
    jump = f"{found.via.username}@{found.via.host}:{found.via.port}" if found.via else None
    assert jump == said.get("proxyjump")


def test_what_the_inventory_says_wins(config: Path) -> None:
    mine = SshSettings("home.router", "router", "root", 22, key_files=(Path("/mine"),))
    found = filled(config, mine)
    assert (found.username, found.port, found.key_files) == ("root", 22, (Path("/mine"),))


def test_jump_hosts_are_reached_one_through_the_other_with_their_own_keys_and_users(config: Path) -> None:
    nas = filled(config, SshSettings("home.server", "nas"))
    assert nas.via is not None
    assert (nas.via.host, nas.via.username, nas.via.port) == ("bastion", "me", 2200)
    assert nas.via.host_keys.keys[0].fingerprint == "SHA256:home.server/via me@bastion:2200|bastion|2200"
    far = filled(config, SshSettings("home.server", "far"))
    assert far.via is not None
    assert far.via.via is not None
    assert (far.via.host, far.via.username) == ("second.example", "two")
    assert (far.via.via.host, far.via.via.username, far.via.via.via) == ("198.51.100.1", "first", None)


def test_the_jump_host_of_a_wildcard_is_not_its_own(config: Path) -> None:
    assert filled(config, SshSettings("x", "a.loop")).via is None
    found = filled(config, SshSettings("x", "b.loop"))
    assert found.via is not None
    assert (found.via.host, found.via.via) == ("a.loop", None)


def test_via_in_the_inventory_is_filled_as_well(config: Path) -> None:
    found = filled(config, SshSettings("x", "10.0.0.9", via=SshSettings("home.router", "router")))
    assert found.via is not None
    assert (found.via.username, found.via.port) == ("admin", 2222)


def test_a_missing_file_says_nothing(tmp_path: Path) -> None:
    found = filled(tmp_path / "none", SshSettings("home.router", "router"))
    assert (found.host, found.port, found.username, found.via) == ("router", 22, "", None)


@pytest.mark.parametrize(
    ("content", "host"),
    [
        (CONFIG, "old"),
        ("Host x\n  Port many\n", "x"),
        ("Host x\n  ProxyJump a b\n", "x"),
        ("Host a\n  ProxyJump b\nHost b\n  ProxyJump a\n", "a"),
    ],
)
def test_what_cannot_be_used_is_an_error_of_the_users_files(tmp_path: Path, content: str, host: str) -> None:
    path = tmp_path / "config"
    path.write_text(content)
    with pytest.raises(PlexopsError) as caught:
        filled(path, SshSettings("home.router", host))
    assert caught.value.problems[0].code == "PLX-D112"
    assert caught.value.status is ExitStatus.USAGE
