"""Old SSH: what PLX-D110 advises is done as a person would, against servers that really speak nothing better.

The servers are OpenSSH's, with everything newer switched off, and dropbear, whose RSA host key is asked to sign with SHA-1.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko
import pytest

from plexops.model.errors import PlexopsError
from plexops.model.exchange import Command, Read
from plexops.structs import replace
from plexops.transport.opening import open_read
from plexops.transport.ssh.legacy import OldTransport
from plexops.transport.ssh.link import scan
from plexops.transport.ssh_settings import SshSettings
from plexops.transport.trust.verdict import Source, TrustedKey, TrustedKeys
from tests.cli.process import Ended, plexops
from tests.faults.test_transport_real_sshd import NEEDS_SSHD, SSHD, make_key
from tests.waiting import wait_until

WHO = Read("who", Command("id -u"))
#: What the tables of old devices have in common; a RouterOS 6 and an EdgeOS 1 have each of it.
pytestmark = NEEDS_SSHD

OLD = {
    "KexAlgorithms": "diffie-hellman-group14-sha1",
    "HostKeyAlgorithms": "ssh-rsa",
    "Ciphers": "aes128-cbc",
    "MACs": "hmac-sha1",
}


def listens(port: int, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
            return probe.recv(4) == b"SSH-"
    except OSError:
        return False


@contextmanager
def server(folder: Path, program: str, *arguments: str) -> Iterator[int]:
    """Run an SSH server on loopback, with a /run of its own: the machine's stays as it is."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    told = " ".join(argument.replace("PORT", str(port)) for argument in (program, *arguments))
    start = f"mount -t tmpfs tmpfs /run && mkdir /run/sshd && exec {told}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["unshare", "--mount", "sh", "-c", start], stdout=log, stderr=log)
    try:
        wait_until(lambda: listens(port, process))
        yield port
    finally:
        os.kill(process.pid, signal.SIGTERM)
        process.wait(60)


def print_of(public: Path) -> str:
    shown = subprocess.run(["ssh-keygen", "-lf", str(public)], check=True, capture_output=True, text=True)
    return shown.stdout.split()[1]


@contextmanager
def old_sshd(folder: Path, **more: str) -> Iterator[SshSettings]:
    """An sshd that speaks nothing newer than 2005, and a key that may log in."""
    for name in ("host", "client"):
        make_key(folder / name, "rsa")
    config = folder / "config"
    options = {**OLD, **more}
    config.write_text(
        "ListenAddress 127.0.0.1\nUsePAM no\nUseDNS no\nStrictModes no\nPidFile none\nPermitRootLogin yes\n"
        f"AuthorizedKeysFile {folder}/client.pub\nHostKey {folder}/host\nRequiredRSASize 1024\n"
        + "".join(f"{name} {value}\n" for name, value in options.items())
    )
    with server(folder, SSHD, "-D", "-e", "-p", "PORT", "-f", str(config)) as port:
        key = TrustedKey(print_of(folder / "host.pub"), Source.STORE, "store", "ssh-rsa")
        yield SshSettings(
            "home/router", "127.0.0.1", "root", port, key_files=(folder / "client",), use_agent=False,
            host_keys=TrustedKeys((key,)), legacy=True,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KexAlgorithms", "diffie-hellman-group14-sha1"),
        ("KexAlgorithms", "diffie-hellman-group1-sha1"),
        ("KexAlgorithms", "diffie-hellman-group-exchange-sha1"),
        ("Ciphers", "3des-cbc"),
        ("MACs", "hmac-md5"),
    ],
)
def test_an_old_device_is_reached_where_it_is_allowed_and_not_otherwise(
    tmp_path: Path, name: str, value: str
) -> None:
    with old_sshd(tmp_path, **{name: value}) as settings:
        link = open_read(settings)
        assert link.ask([WHO])[0].body == "0\n"
        assert link.identity == settings.host_keys.keys[0].fingerprint == scan(settings).fingerprint
        link.close()
        with pytest.raises(PlexopsError) as refused:
            open_read(replace(settings, legacy=False)).ask([WHO])
    (problem,) = refused.value.problems
    assert problem.code == "PLX-D110"
    assert "`legacy_ssh: true`" in problem.cure
    assert any(value in line for line in problem.detail)


def test_a_key_logs_in_to_a_device_that_takes_nothing_but_sha1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old server does not say what it takes. OpenSSH says so whatever its configuration allows: left unheard here."""
    monkeypatch.setattr(
        OldTransport, "server_extensions", property(lambda _: {}, lambda *_: None), raising=False
    )
    with old_sshd(tmp_path, PubkeyAcceptedAlgorithms="ssh-rsa", LogLevel="DEBUG2") as settings:
        link = open_read(settings)
        assert link.ask([WHO])[0].body == "0\n"
        link.close()
    assert "attempting public key ssh-rsa" in (tmp_path / "log").read_text()


def test_an_old_device_with_another_key_gets_no_login(tmp_path: Path) -> None:
    with old_sshd(tmp_path) as settings:
        other = TrustedKeys((replace(settings.host_keys.keys[0], fingerprint="SHA256:" + 43 * "A"),))
        with pytest.raises(PlexopsError) as refused:
            open_read(replace(settings, host_keys=other)).ask([WHO])
        assert refused.value.problems[0].code == "PLX-D201"
        wait_until(lambda: "[preauth]" in (tmp_path / "log").read_text())
    assert "root" not in (tmp_path / "log").read_text()


def test_what_is_better_is_taken_where_a_device_has_it(tmp_path: Path) -> None:
    """`legacy_ssh` that was forgotten after an update of the firmware weakens nothing."""
    better = ("diffie-hellman-group14-sha256", "rsa-sha2-256", "aes128-ctr", "hmac-sha2-256")
    both = {name: f"{old},{new}" for (name, old), new in zip(OLD.items(), better, strict=True)}
    with old_sshd(tmp_path, LogLevel="DEBUG2", **both) as settings:
        link = open_read(settings)
        assert link.ask([WHO])[0].body == "0\n"
        link.close()
    log = (tmp_path / "log").read_text()
    assert "kex: algorithm: diffie-hellman-group14-sha256" in log
    assert "kex: host key algorithm: rsa-sha2-256" in log
    assert "kex: client->server cipher: aes128-ctr MAC: hmac-sha2-256" in log
    assert "attempting public key rsa-sha2-512" in log


INVENTORY = """\
sites:
  home:
    router: {{profile: openwrt, address: 127.0.0.1, port: {port}, username: root, key_file: {key}}}
"""
PLAYBOOK = """\
- name: No host opens ports by itself
  sites: all
  tasks:
    - name: UPnP is off
      upnp: {enabled: false}
"""


def test_what_the_error_says_to_write_is_accepted_and_reaches_the_device(tmp_path: Path) -> None:
    with old_sshd(tmp_path) as settings:
        inventory = tmp_path / "inventory.yaml"
        (tmp_path / ".ssh").mkdir()
        shutil.copy(settings.key_files[0], tmp_path / ".ssh" / "id_rsa")
        inventory.write_text(INVENTORY.format(port=settings.port, key="~/.ssh/id_rsa"))
        (tmp_path / "playbooks").mkdir()
        (tmp_path / "playbooks" / "upnp.yaml").write_text(PLAYBOOK)
        public = (tmp_path / "host.pub").read_text()
        (tmp_path / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{settings.port} {public}")

        def run(*words: str) -> Ended:
            return plexops(*words, directory=tmp_path, variables={"HOME": str(tmp_path)})

        refused = run("diagnose", "--offline")
        assert "PLX-D110" in refused.said
        written = re.search(r"write `(legacy_ssh: true)` for it in the inventory", refused.said)
        assert written is not None, refused.said
        assert f"`{written[1]}`" in run("explain", "PLX-D110").said
        inventory.write_text(inventory.read_text().replace("port:", f"{written[1]}, port:"))
        assert run("check").status == 0
        reached = run("diagnose", "--offline")
        log = (tmp_path / "log").read_text()
    assert "PLX-D110" not in reached.said
    assert "home/router: legacy_ssh is set" in reached.said
    assert "Accepted publickey for root" in log


@pytest.mark.skipif(shutil.which("dropbear") is None, reason="dropbear is not installed")
def test_dropbear_with_an_rsa_key_that_signs_with_sha1(tmp_path: Path) -> None:
    """dropbear 2022 takes the first host key algorithm that the client names: here the oldest alone."""
    made = ["dropbearkey", "-t", "rsa", "-s", "2048", "-f", str(tmp_path / "host")]
    subprocess.run(made, check=True, capture_output=True)
    with server(
        tmp_path, "dropbear", "-F", "-E", "-r", str(tmp_path / "host"), "-p", "127.0.0.1:PORT"
    ) as port:
        transport = OldTransport(("127.0.0.1", port))
        transport.get_security_options().key_types = ("ssh-rsa",)
        transport.get_security_options().kex = ("diffie-hellman-group14-sha1",)
        transport.start_client(timeout=30)
        assert isinstance(transport.get_remote_server_key(), paramiko.RSAKey)
        transport.close()
