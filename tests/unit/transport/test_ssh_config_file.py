"""Include, Host and Match as `ssh -G` decides them, and what is refused because only a command would decide it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from plexops.model.errors import PlexopsError
from plexops.model.status import ExitStatus
from plexops.structs import replace
from plexops.transport.ssh.config import resolve
from plexops.transport.ssh.config_file import read_ssh_config
from plexops.transport.ssh_settings import SshSettings
from plexops.transport.trust.verdict import Source, TrustedKey, TrustedKeys

CONFIG = """
Include {folder}/more/*
Port=2022 # a comment
Host = "router" 'r-two' !nobody
  HostName %h.lan
  user "the admin"
Host *.lan !secret.lan
  User = lanuser
  HostName 10.0.0.9
Match host 10.0.0.* user lanuser
  HostKeyAlias %h-key
  Port 1
Match originalhost alias,other !user root
  HostName 192.0.2.7
  ProxyJump none
Match host=192.0.2.7
  User matched
Match final host 192.0.2.9
  User late
Host late
  HostName 192.0.2.9
Host jumped
  ProxyJump me@bastion:2200
  ProxyCommand nc %h %p
Host plain
  ProxyCommand none
  ProxyJump bastion
Match all
  IdentitiesOnly yes
Host *
  User everybody
  ProxyJump none
"""
MORE = """
Host included
  Port 44
Host inc*
  User deep
"""
HOSTS = ("router", "r-two", "nobody", "a.lan", "secret.lan", "alias", "other", "late", "jumped", "plain")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "one").write_text(MORE)
    path = tmp_path / "config"
    path.write_text(CONFIG.format(folder=tmp_path))
    return path


def known(device: str, host: str, port: int) -> TrustedKeys:
    return TrustedKeys((TrustedKey(f"{device}|{host}|{port}", Source.KNOWN_HOSTS, "here"),))


def filled(path: Path, host: str, **more: object) -> SshSettings:
    return resolve(replace(SshSettings("home/router", host), **more), read_ssh_config(path), known)  # type: ignore[arg-type]


@pytest.mark.skipif(shutil.which("ssh") is None, reason="ssh is not installed")
@pytest.mark.parametrize("host", [*HOSTS, "included", "incomplete", "elsewhere"])
def test_ssh_itself_decides_the_same(config: Path, host: str) -> None:
    shown = subprocess.run(["ssh", "-G", "-F", str(config), host], check=True, capture_output=True, text=True)
    said = dict(line.split(" ", 1) for line in shown.stdout.splitlines() if " " in line)
    found = filled(config, host)
    assert (found.host, str(found.port), found.username) == (said["hostname"], said["port"], said["user"])
    assert found.only_key_files is (said["identitiesonly"] == "yes")
    jump = None
    if found.via is not None:
        # `Host *` gives every hop a user; ssh shows the hop as it is written.
        hop = found.via
        jump = hop.host if hop.username == "everybody" else f"{hop.username}@{hop.host}:{hop.port}"
    assert jump == said.get("proxyjump")


def test_an_include_under_a_host_counts_for_that_host_alone(tmp_path: Path) -> None:
    (tmp_path / "more").write_text("Port 7\nHost other\n  Port 8\n")
    path = tmp_path / "config"
    path.write_text("Host mine\n  Include more\n  User still\nHost *\n  Port 9\n")
    found = [filled(path, host) for host in ("mine", "other")]
    assert [(one.port, one.username) for one in found] == [(7, "still"), (9, "")]


def test_the_key_is_looked_up_by_the_name_that_ssh_uses(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("Host a b\n  HostName 10.0.0.5\n  Port 2222\nHost b\n  HostKeyAlias box\n")
    names = [filled(path, host).host_keys.keys[0].fingerprint for host in ("a", "b")]
    assert names == ["home/router|10.0.0.5|2222", "home/router|box|22"]


def test_a_key_of_the_inventory_stays_beside_what_is_known(tmp_path: Path) -> None:
    pinned = TrustedKeys((TrustedKey("SHA256:mine", Source.INVENTORY, "inventory.yaml:1"),))
    found = filled(tmp_path / "none", "a", host_keys=pinned)
    assert [key.fingerprint for key in found.host_keys.keys] == ["SHA256:mine", "home/router|a|22"]


def test_a_match_exec_is_never_run_and_says_so_only_where_it_has_a_say(tmp_path: Path) -> None:
    path, ran = tmp_path / "config", tmp_path / "ran"
    path.write_text(
        "Host direct\n  Port 5\n  ProxyCommand none\n"
        f'Match originalhost other exec "touch {ran}"\n  Port 6\n'
        f'Match exec "touch {ran}"\n  ForwardAgent yes\n'
        f'Match !exec "touch {ran}"\n  Port 7\n'
    )
    assert filled(path, "direct").port == 5
    assert filled(path, "given", port=99).port == 99
    for host, line in (("other", 5), ("third", 9)):
        with pytest.raises(PlexopsError) as caught:
            filled(path, host)
        (problem,) = caught.value.problems
        assert (problem.code, caught.value.status) == ("PLX-D112", ExitStatus.USAGE)
        assert f"{path}:{line} counts or not by a Match" in problem.reason
        assert "runs no command" in problem.reason
    assert not ran.exists()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("Host a\n  ~~~\n", "config:2: '~~~' is no setting"),
        ('Host "a\n', "config:1: a quotation mark is not closed"),
        ("Host\n", "config:1: Host says nothing"),
        ("Host a\n  ProxyJump b c\n", "config:2: ProxyJump takes one value"),
        ("Include config\n", "is included too deeply"),
    ],
)
def test_a_file_that_is_wrong_is_a_problem_of_the_file(tmp_path: Path, content: str, why: str) -> None:
    path = tmp_path / "config"
    path.write_text(content)
    with pytest.raises(PlexopsError) as caught:
        read_ssh_config(path)
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == ("PLX-D112", str(path))
    assert why in problem.reason


def test_a_file_that_others_may_change_is_not_followed_as_ssh_does(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("Host a\n  Port 5\n")
    assert filled(path, "a").port == 5
    path.chmod(0o666)
    with pytest.raises(PlexopsError, match="others may write to it"):
        read_ssh_config(path)


def test_tokens_and_variables_in_key_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYS", str(tmp_path))
    (tmp_path / "key-10.0.0.5-me").write_text("key")
    path = tmp_path / "config"
    path.write_text("Host a\n HostName 10.0.0.5\n User me\n IdentityFile ${KEYS}/key-%h-%r\n")
    assert filled(path, "a").key_files == (tmp_path / "key-10.0.0.5-me",)
    path.write_text("Host a\n IdentityFile ~/%C\n")
    with pytest.raises(PlexopsError, match="%C in"):
        filled(path, "a")
