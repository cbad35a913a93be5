"""A whole simulated home, asked as a tool asks it: over real SSH connections."""

from __future__ import annotations

import base64
import http.client
import io
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path
from typing import cast

import paramiko
import pytest
import yaml

from plexops.lab.home import HomeOptions, Role, RunningHome, start_home
from plexops.lab.routers import ROUTERS, RouterName
from tests.waiting import wait_until

VANTAGE = "curl -sS -k -m 5 -o /dev/null -w '%{http_code}' https://{}:32500/identity"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[RunningHome]:
    with start_home("openwrt", "in-order", directory=tmp_path) as running:
        yield running


@contextmanager
def jump(home: RunningHome) -> Iterator[paramiko.Transport]:
    transport = paramiko.Transport(socket.create_connection(home.address))
    try:
        transport.start_client()
        transport.auth_publickey("lab", paramiko.Ed25519Key(filename=str(home.directory / "keys" / "user")))
        yield transport
    finally:
        transport.close()


@contextmanager
def login(
    home: RunningHome, address: str, user: str, role: Role, *, password: str = ""
) -> Iterator[paramiko.SSHClient]:
    """Log in through the jump host, with the device's host key checked."""
    with jump(home) as through, paramiko.SSHClient() as client:
        channel = through.open_channel("direct-tcpip", (address, 22), ("127.0.0.1", 0))
        client.get_host_keys().add(address, "ssh-ed25519", home.keys[role].key())
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        key = None if password else str(home.directory / "keys" / "user")
        client.connect(
            address,
            username=user,
            key_filename=key,
            password=password or None,
            sock=channel,
            allow_agent=False,
            look_for_keys=False,
        )
        yield client


def run(client: paramiko.SSHClient, command: str, stdin: bytes = b"") -> tuple[str, str, int]:
    source, out, err = client.exec_command(command, timeout=60)
    source.write(stdin)
    source.channel.shutdown_write()
    return out.read().decode(), err.read().decode(), out.channel.recv_exit_status()


def on(
    home: RunningHome, role: Role, command: str, address: str = "192.168.1.50", stdin: bytes = b""
) -> tuple[str, str, int]:
    users = {
        "router": ("192.168.1.1", "root"),
        "outside": ("198.51.100.77", "probe"),
        "server": (address, "media"),
    }
    address, user = users[role]
    with login(home, address, user, role) as client:
        return run(client, command, stdin)


def from_outside(home: RunningHome) -> str:
    return on(home, "outside", VANTAGE.replace("{}", str(home.network.public_address)))[0]


def test_paramiko_through_the_jump(home: RunningHome) -> None:
    out, err, status = on(home, "router", "uci show firewall")
    assert (err, status) == ("", 0)
    assert "firewall.@redirect[0].name='John'\\''s NAS (https)'\n" in out
    assert "firewall.@redirect[1].name='Küche \"Cam\"'\n" in out
    assert "Plex remote" in out
    assert home.commands("router") == ["uci show firewall"]


@pytest.mark.skipif(shutil.which("ssh") is None, reason="no ssh here")
def test_openssh_through_the_jump(home: RunningHome, tmp_path: Path) -> None:
    host, port = home.address
    (tmp_path / "known").write_text(
        f"[{host}]:{port} {home.keys['jump'].public}\n192.168.1.1 {home.keys['router'].public}\n"
    )
    (tmp_path / "config").write_text(
        f"Host jump\n HostName {host}\n Port {port}\n User lab\nHost *\n IdentitiesOnly yes\n BatchMode yes\n"
        f" IdentityFile {tmp_path}/keys/user\n UserKnownHostsFile {tmp_path}/known\n StrictHostKeyChecking yes\n"
    )
    argv = ["ssh", "-F", str(tmp_path / "config"), "-J", "jump", "root@192.168.1.1"]
    done = subprocess.run(
        [*argv, "uci get firewall.@redirect[-1].dest_ip; uci get firewall.nope"],
        capture_output=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert (done.stdout, done.returncode) == (b"192.168.1.50\n", 1), done.stderr
    assert done.stderr == b"uci: Entry not found\n"
    piped = subprocess.run(
        [*argv, "sh -s"], input=b"echo $((6*7))\n", capture_output=True, check=True, timeout=60
    )
    assert piped.stdout == b"42\n"


def test_nobody_at_an_address_and_closed_ports(home: RunningHome) -> None:
    with jump(home) as through:
        for address, port in (
            ("192.168.1.83", 22),
            ("192.168.1.50", 81),
            ("192.168.1.1", 443),
            ("nowhere.test", 22),
        ):
            with pytest.raises(paramiko.ChannelException):
                through.open_channel("direct-tcpip", (address, port), ("127.0.0.1", 0))


def test_passwords_wrong_keys_and_refused_logins(home: RunningHome) -> None:
    with login(home, "192.168.1.1", "root", "router", password=home.options.router_password) as client:
        assert run(client, "id -u")[0] == "0\n"
    with (
        pytest.raises(paramiko.AuthenticationException),
        login(home, "192.168.1.1", "root", "router", password="x"),
    ):
        pass
    home.ssh["router"].options.refuse_logins = 1
    with pytest.raises(paramiko.AuthenticationException):
        on(home, "router", "id")
    assert on(home, "router", "id -u")[0] == "0\n"
    with pytest.raises(paramiko.SSHException), login(home, "192.168.1.50", "media", "router"):
        pass  # the server shows another key than the router's
    assert any("refused" in line for line in home.log("router"))


def test_sudo_with_and_without_a_password(tmp_path: Path, home: RunningHome) -> None:
    assert on(home, "server", "sudo -n id -un; id -un; ufw status")[0] == "root\nmedia\n"
    with start_home(
        "openwrt", "in-order", directory=tmp_path / "b", options=HomeOptions(sudo_password="pw")
    ) as other:
        assert on(other, "server", "sudo -n id") == ("", "sudo: a password is required\n", 1)
        asked = on(other, "server", "sudo -S -p '' sh -c 'id -un; cat'", stdin=b"pw\nrest\n")
        assert asked == ("root\nrest\n", "", 0)
        wrong = on(other, "server", "sudo -S -p '' id", stdin=b"no\n")
        assert (wrong[0], wrong[2]) == ("", 1)
        assert "Sorry, try again." in wrong[1]


def test_the_token_is_readable_by_root_alone(home: RunningHome) -> None:
    path = "'/var/lib/plexmediaserver/Library/Application Support/Plex Media Server/Preferences.xml'"
    assert on(home, "server", f"cat {path}")[2] == 1
    out, _, status = on(home, "server", f"sudo -n cat {path}")
    assert status == 0
    assert f'PlexOnlineToken="{home.options.plex.token}"' in out


def test_http_through_the_jump(home: RunningHome) -> None:
    with jump(home) as through:
        for address, port, expected in (
            ("192.168.1.50", 32400, b"machineIdentifier="),
            ("v4.echo.test", 80, b"62.155.240.55"),
        ):
            channel = through.open_channel("direct-tcpip", (address, port), ("127.0.0.1", 0))
            channel.settimeout(5)
            channel.sendall(b"GET /identity HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            received = b""
            while piece := channel.recv(4096):
                received += piece
            assert expected in received


@pytest.mark.parametrize(
    ("scenario", "outside", "state"),
    [
        ("in-order", "200", "mapped "),
        ("drifted", "000", "failed "),
        ("cgnat", "000", "mapped unreachable"),
        ("double-nat", "000", "mapped unreachable"),
        ("stale-forward", "000", "mapped unreachable"),
        ("foreign-rule", "200", "mapped unreachable"),
        ("host-firewall", "000", "mapped unreachable"),
        ("exposed-32400", "200", "mapped "),
        ("isp-blocks", "000", "mapped unreachable"),
    ],
)
def test_scenarios_are_computed(tmp_path: Path, scenario: str, outside: str, state: str) -> None:
    with start_home("openwrt", scenario, directory=tmp_path) as home:
        verdict = home.plex.settle()
        assert f"{verdict.state} {verdict.error}" == state
        assert from_outside(home) == outside


@pytest.mark.parametrize("router", ROUTERS)
@pytest.mark.parametrize(
    ("scenario", "fate"),
    [("in-order", "Plex"), ("drifted", "closed"), ("stale-forward", "closed"), ("foreign-rule", "other")],
)
def test_every_router_computes_the_same(tmp_path: Path, router: RouterName, scenario: str, fate: str) -> None:
    with start_home(router, scenario, directory=tmp_path) as home:
        found = home.network.inbound(home.network.public_address, 32500)
        service = home.host.services[32400]
        assert ("closed" if isinstance(found, str) else "Plex" if found is service else "other") == fate
        assert home.router.reservations()["00:11:32:aa:bb:01"] == IPv4Address("192.168.1.20")
        assert home.export("router") == home.export("router")


def test_opnsense_is_reached_by_https_with_its_key(tmp_path: Path) -> None:
    with start_home("opnsense", "in-order", directory=tmp_path) as home:
        site = yaml.safe_load(home.inventory.read_text())["sites"]["home"]
        key, secret = (Path(site["router"][name]["file"]).read_text() for name in ("api_key", "api_secret"))
        assert site["router"]["tls_pin"].startswith("sha256//")
        context = ssl.create_default_context(cafile=str(home.tls.certificate))
        connection = http.client.HTTPSConnection(
            "127.0.0.1", home.listen("router")[1], context=context, timeout=60
        )
        context.check_hostname = False
        try:
            basic = base64.b64encode(f"{key}:{secret}".encode()).decode()
            connection.request(
                "GET", "/api/core/firmware/status", headers={"Authorization": f"Basic {basic}"}
            )
            assert connection.getresponse().status == 200
        finally:
            connection.close()


def test_outside_cut(tmp_path: Path) -> None:
    with start_home("openwrt", "outside-cut", directory=tmp_path) as home:
        with pytest.raises(paramiko.SSHException):
            on(home, "outside", "true")
        assert home.plex.settle().state == "failed"


def test_a_drifted_home_is_repaired_by_hand(tmp_path: Path) -> None:
    """What the tool will do, done by hand: only all steps together open the way."""
    with start_home("openwrt", "drifted", directory=tmp_path) as home:
        first = home.export("router")
        assert home.host.address == IPv4Address("192.168.1.83")
        script = (
            "uci set dhcp.p=host; uci set dhcp.p.mac=52:54:00:12:34:56; uci set dhcp.p.ip=192.168.1.50;"
            "uci commit dhcp; /etc/init.d/dnsmasq reload"
        )
        assert on(home, "router", script)[2] == 0
        assert "192.168.1.83" in on(home, "server", "ip -j -4 addr show", "192.168.1.83")[0]
        with login(home, "192.168.1.83", "media", "server") as client:
            run(client, "sudo -n networkctl renew eth0")
            wait_until(lambda: not cast("paramiko.Transport", client.get_transport()).is_active())
        assert home.host.address == IPv4Address("192.168.1.50")
        assert "52:54:00:12:34:56 192.168.1.50 media" in on(home, "router", "cat /tmp/dhcp.leases")[0]
        assert "Rule added" in on(home, "server", "sudo -n ufw allow 32400/tcp")[0]
        assert from_outside(home) == "000"
        script = (
            "uci set firewall.p=redirect; uci set firewall.p.src=wan; uci set firewall.p.proto=tcp;"
            "uci set firewall.p.src_dport=32500; uci set firewall.p.dest_ip=192.168.1.50;"
            "uci set firewall.p.dest_port=32400; uci commit firewall"
        )
        assert on(home, "router", script)[2] == 0
        assert from_outside(home) == "000"
        assert on(home, "router", "/etc/init.d/firewall reload")[2] == 0
        assert from_outside(home) == "200"
        undo = "uci delete firewall.p; uci delete dhcp.p; uci commit; reload_config"
        assert on(home, "router", undo)[2] == 0
        assert from_outside(home) == "000"
        assert home.export("router") == first


def test_a_dead_mans_timer_survives_the_connection(tmp_path: Path) -> None:
    with start_home("openwrt", "in-order", directory=tmp_path) as home:
        timer = (
            "setsid sh -c 'sleep 60; uci delete firewall.@redirect[-1]; uci commit firewall; fw4 reload' "
            ">/dev/null 2>&1 </dev/null &"
        )
        assert on(home, "router", timer)[2] == 0
        assert from_outside(home) == "200", "the command returned before its timer fired"
        home.clock.scale = 1000
        wait_until(lambda: from_outside(home) == "000")


def test_inventory_is_yaml_and_names_the_way_in(home: RunningHome) -> None:
    site = yaml.safe_load(home.inventory.read_text())["sites"]["home"]
    assert (site["via"]["address"], site["via"]["port"]) == home.address
    assert site["router"]["host_key"] == home.keys["router"].public
    assert site["vars"] == {"external_port": 32500}
    assert site["server"]["mac"] == "52:54:00:12:34:56"
    assert Path(site["server"]["key_file"]).stat().st_mode & 0o777 == 0o600
    assert yaml.safe_load((home.playbook_dir / "plex-remote-access.yaml").read_text())


def test_direct_listeners(home: RunningHome) -> None:
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        host, port = home.listen("router")
        key = paramiko.Ed25519Key.from_private_key(io.StringIO(home.user_key.private.decode()))
        client.connect(host, port, username="root", pkey=key, allow_agent=False, look_for_keys=False)
        assert run(client, "uci get system.@system[0].hostname")[0] == "router\n"


def test_logs_are_written_live(home: RunningHome) -> None:
    on(home, "router", "uci changes")
    text = (home.directory / "log" / "router.log").read_text()
    assert text.splitlines()[-1].endswith(" uci changes")


def test_many_at_once(home: RunningHome) -> None:
    results: list[int] = []
    threads = [
        threading.Thread(
            target=lambda: results.append(on(home, "router", "uci show dhcp; uci show firewall")[2])
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == [0] * 8


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    home = start_home("openwrt", "in-order", directory=tmp_path)
    on(home, "router", "setsid sh -c 'sleep 600' >/dev/null 2>&1 </dev/null &")
    home.stop()
    home.stop()
    wait_until(lambda: set(threading.enumerate()) <= before)
