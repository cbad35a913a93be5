"""The same against OpenSSH's own server, with its own shell, forwarding, limits and, where it is installed, sudo."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from msgspec import Struct

from plexops.model.errors import PlexopsError
from plexops.model.exchange import Call, Command, Read
from plexops.model.secret import Secret
from plexops.structs import replace
from plexops.transport.http_settings import HttpSettings, Pinned
from plexops.transport.opening import open_read
from plexops.transport.ssh.config import resolve
from plexops.transport.ssh.config_file import read_ssh_config
from plexops.transport.ssh.link import scan
from plexops.transport.ssh_settings import Become, SshSettings
from plexops.transport.trust.spki import pin_of
from plexops.transport.trust.store import TrustStore, ssh_trust
from plexops.transport.trust.verdict import Source, TrustedKey, TrustedKeys
from tests.faults.transport_servers import private_text, self_signed, web_server
from tests.waiting import wait_until

SSHD = "/usr/sbin/sshd"

#: What a module of tests with a real sshd is marked with.
NEEDS_SSHD = [
    pytest.mark.namespaces,
    pytest.mark.skipif(
        sys.platform != "linux"
        or os.geteuid() != 0
        or not Path(SSHD).exists()
        or shutil.which("unshare") is None,
        reason="needs root on Linux, sshd and unshare",
    ),
]
pytestmark = NEEDS_SSHD


class Sshd(Struct, frozen=True):
    port: int
    folder: Path
    key: Path

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    def settings(self) -> SshSettings:
        trusted = ssh_trust(
            TrustStore.load(self.folder),
            "home.server",
            "127.0.0.1",
            self.port,
            known_hosts=(self.known_hosts,),
        )
        return SshSettings(
            "home.server",
            "127.0.0.1",
            "root",
            self.port,
            key_files=(self.key,),
            host_keys=trusted,
            use_agent=False,
        )


def make_key(path: Path, kind: str) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(path)], check=True)


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    for kind in ("ed25519", "ecdsa", "rsa"):
        make_key(tmp_path / f"host_{kind}", kind)
    make_key(tmp_path / "client", "ed25519")
    shutil.copy(tmp_path / "client.pub", tmp_path / "authorized_keys")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = tmp_path / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nUsePAM no\nUseDNS no\nStrictModes no\nPidFile none\n"
        f"AuthorizedKeysFile {tmp_path}/authorized_keys\nPermitRootLogin yes\nBanner {config}\nMaxAuthTries 6\n"
        + "".join(f"HostKey {tmp_path}/host_{kind}\n" for kind in ("ed25519", "ecdsa", "rsa"))
    )
    # A mount namespace of its own: sshd wants /run/sshd, and the machine's /run stays as it is.
    start = f"mount -t tmpfs tmpfs /run && mkdir /run/sshd && exec {SSHD} -D -e -f {config}"
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(["unshare", "--mount", "sh", "-c", start], stdout=log, stderr=log)
    try:
        _wait_for(port, process)
        (tmp_path / "known_hosts").write_text(
            f"[127.0.0.1]:{port} {(tmp_path / 'host_ecdsa.pub').read_text()}"  # the only one known is not the best one
        )
        yield Sshd(port, tmp_path, tmp_path / "client")
    finally:
        os.kill(process.pid, signal.SIGTERM)
        process.wait(60)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert process.poll() is None
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
                assert probe.recv(4) == b"SSH-"
                return
        except OSError:
            time.sleep(0.02)
    raise AssertionError("sshd did not start")


def print_of(sshd: Sshd, kind: str) -> str:
    shown = subprocess.run(
        ["ssh-keygen", "-lf", str(sshd.folder / f"host_{kind}.pub")],
        check=True,
        capture_output=True,
        text=True,
    )
    return shown.stdout.split()[1]


def test_reads_run_with_their_own_path_and_locale(sshd: Sshd) -> None:
    link = open_read(sshd.settings())
    path, locale, fails = link.ask(
        [
            Read("path", Command("printenv PATH")),
            Read("locale", Command("printenv LC_ALL")),
            Read("fails", Command("ls /nonexistent")),
        ]
    )
    assert link.identity == print_of(sshd, "ecdsa")
    link.close()
    assert "/usr/sbin" in path.body
    assert locale.body == "C\n"
    assert (fails.status, fails.stderr) == (
        2,
        "ls: cannot access '/nonexistent': No such file or directory\n",
    )


def test_scan_shows_what_ssh_keygen_shows_and_a_pin_of_it_is_enough(sshd: Sshd) -> None:
    offered = scan(sshd.settings())
    assert offered.fingerprint == print_of(sshd, "ecdsa")  # the known type is asked for first
    inventory = TrustedKeys((TrustedKey(print_of(sshd, "rsa"), Source.INVENTORY, "inventory.yaml:8:15"),))
    link = open_read(replace(sshd.settings(), host_keys=inventory))
    assert link.ask([Read("id", Command("id -u"))])[0].body == "0\n"
    assert link.identity == print_of(sshd, "rsa")
    link.close()


def test_a_changed_key_ends_before_sshd_sees_a_login(sshd: Sshd) -> None:
    make_key(sshd.folder / "other", "ecdsa")
    sshd.known_hosts.write_text(f"[127.0.0.1]:{sshd.port} {(sshd.folder / 'other.pub').read_text()}")
    with pytest.raises(PlexopsError) as caught:
        open_read(sshd.settings()).ask([Read("id", Command("id -u"))])
    assert caught.value.problems[0].code == "PLX-D201"
    log = sshd.folder / "log"
    wait_until(lambda: "[preauth]" in log.read_text())  # it is written when sshd gets to it
    assert "root" not in log.read_text()


def test_five_wrong_keys_and_a_password_stay_within_sshds_limit(sshd: Sshd) -> None:
    keys = []
    for number in range(6):
        keys.append(sshd.folder / f"wrong{number}")
        keys[-1].write_text(private_text(ed25519.Ed25519PrivateKey.generate()))
    settings = replace(sshd.settings(), key_files=tuple(keys), password=Secret("wrong", "env:PW"))
    with pytest.raises(PlexopsError) as caught:
        open_read(settings).ask([Read("id", Command("id -u"))])
    (problem,) = caught.value.problems
    assert problem.code == "PLX-D204"
    assert problem.detail[-1] == "refused: password, and the device closed the connection"
    assert len(problem.detail) == 6


def test_ssh_config_and_a_jump_carry_ssh_and_https(sshd: Sshd) -> None:
    config = sshd.folder / "ssh_config"
    config.write_text(
        f"Host jump\n HostName 127.0.0.1\n User root\n Port {sshd.port}\n IdentityFile {sshd.key}\n"
        f"Host target\n HostName 127.0.0.1\n User root\n Port {sshd.port}\n IdentityFile {sshd.key}\n ProxyJump jump\n"
    )
    store = TrustStore.load(sshd.folder)

    def known(device: str, host: str, port: int) -> TrustedKeys:
        return ssh_trust(store, device, host, port, known_hosts=(sshd.known_hosts,))

    target = resolve(SshSettings("home.server", "target", use_agent=False), read_ssh_config(config), known)
    link = open_read(target)
    # sshd sees the second connection come from itself.
    assert link.ask([Read("from", Command("printenv SSH_CLIENT"))])[0].body.startswith("127.0.0.1 ")
    link.close()
    identity = self_signed(sshd.folder, "web")
    pinned = Pinned(TrustedKeys((TrustedKey(pin_of(identity.der), Source.STORE, "store", "tls"),)))
    body = b"x" * 300_000
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + body
    with web_server(lambda connection, _: connection.sendall(answer), identity) as web:
        http = open_read(
            HttpSettings("home.plex", f"https://127.0.0.1:{web.listener.port}", tls=pinned, via=target.via)
        )
        replies = http.ask([Read(f"r{n}", Call("GET", f"/{n}")) for n in range(6)])
        http.close()
    assert [(reply.status, reply.whole, len(reply.body)) for reply in replies] == [(200, True, 300_000)] * 6


@pytest.mark.skipif(shutil.which("sudo") is None, reason="sudo is not installed")
@pytest.mark.parametrize("password", [None, Secret("not asked for", "ask")])
def test_sudo_itself_understands_what_is_sent(sshd: Sshd, password: Secret | None) -> None:
    link = open_read(replace(sshd.settings(), become=Become(password=password)))
    (reply,) = link.ask([Read("who", Command("printenv SUDO_USER"))])
    link.close()
    assert (reply.status, reply.body) == (0, "root\n")
