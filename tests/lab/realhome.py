"""A real home out of Linux namespaces: real daemons, a real packet path from the Internet to Plex, no uplink.

`with real_home() as home:` takes about a second. Nothing of it is visible on the machine, and nothing is left.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from plexops.cli.session import pinned_store
from plexops.lab.base import ForwardSeed, ReservationSeed, Seed
from plexops.lab.routers.linux_files import Interfaces, router_files
from plexops.structs import replace

from . import daemons, links
from .links import Uplink, Wan
from .node import NODE_PATH, Node, start_nodes

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
PLEX_PORT = 32400
PLEX_REQUESTS = "/var/log/plex-requests"
SIDES = Interfaces("wan", "br-lan")
TOKEN = "xB7rQ2mLk9sVt4HwZp3y"
#: Where plex.tv listens at the owner's own computer: it lists the account's servers.
PLEX_TV_PORT = 8032
MACHINE_IDENTIFIER = "4f8a1c0de5b64fd2a1f09c7be21d7a5310c4e9aa"
#: `lucky`: holds 192.168.1.50 by chance, nothing reserves it. `moved`: holds 192.168.1.104.
#: `reserved`: the household reserved .50.
LeaseState = Literal["lucky", "moved", "reserved"]
PortState = Literal["open", "refused", "timed out"]

#: What the household had before: nobody may lose or change any of it.
HOUSEHOLD = Seed(
    wan_address=IPv4Address("11.22.33.10"),
    wan_gateway=IPv4Address("11.22.33.1"),
    pool_first=IPv4Address("192.168.1.40"),
    forwards=(
        ForwardSeed("nas https", "8443", IPv4Address("192.168.1.20"), port="443"),
        ForwardSeed("John's NAS (ftp)", "5000-5010", IPv4Address("192.168.1.20")),
        ForwardSeed("xbox", "3074", IPv4Address("192.168.1.31"), protocol="both"),
        ForwardSeed("game server", "27015-27030", IPv4Address("192.168.1.32"), protocol="udp"),
        ForwardSeed("office only", "2222", IPv4Address("192.168.1.20"), port="22", source="198.51.100.0/24"),
        ForwardSeed("old camera", "8081", IPv4Address("192.168.1.23"), port="80", enabled=False),
    ),
    reservations=(
        ReservationSeed("nas", ("3C:EC:EF:AA:BB:01",), IPv4Address("192.168.1.20")),
        ReservationSeed("printer", ("f8:25:51:09:38:38",), IPv4Address("192.168.1.21")),
        ReservationSeed(
            "John's laptop", ("a4:83:e7:10:20:30", "a4:83:e7:10:20:31"), IPv4Address("192.168.1.22")
        ),
        ReservationSeed("camera", ("00:0c:43:aa:00:17",), IPv4Address("192.168.1.23")),
        ReservationSeed("xbox", ("98:5F:D3:11:22:33",), IPv4Address("192.168.1.31")),
        ReservationSeed("game-server", ("52:54:00:6a:6d:65",), IPv4Address("192.168.1.32")),
        ReservationSeed("thermostat", ("64:16:66:00:00:09",), IPv4Address("192.168.1.33")),
    ),
)
#: The trap of many homes: Plex is let in from the LAN only, and forwarded packets keep their public source.
UFW_RULES = (
    "allow 22/tcp comment ssh",
    "allow from 192.168.1.0/24 to any port 32400 proto tcp comment 'plex at home'",
    "allow from 192.168.1.0/24 to any port 445 proto tcp comment 'files'",
)


@dataclass(slots=True)
class RealHome:
    """A running home. `inventory` is a file that a user of plexops could have written for it."""

    directory: Path
    uplink: Uplink
    nodes: Mapping[str, Node]
    inventory: Path
    programs: list[subprocess.Popen[bytes]] = field(default_factory=list)
    machine_identifier: str = MACHINE_IDENTIFIER
    token: str = TOKEN
    plex: subprocess.Popen[bytes] | None = None

    @property
    def public_address(self) -> str:
        """The address under which the world sees this home."""
        return self.uplink.public

    def run(
        self,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        *,
        stdin: str = "",
        timeout: float = 100,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as the owner at a PC in the LAN; `plexops` as first word is this source tree's."""
        command = [sys.executable, "-m", "plexops", *argv[1:]] if argv[0] == "plexops" else list(argv)
        person = self.directory / "owner"
        base = {
            "PATH": f"{Path(sys.executable).parent}:{NODE_PATH}",
            "HOME": str(person),
            "XDG_STATE_HOME": str(person / "state"),
            "XDG_CONFIG_HOME": str(person / "config"),
            "XDG_CACHE_HOME": str(person / "cache"),
            "TMPDIR": str(self.directory),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(REPOSITORY),
        }
        return subprocess.run(
            self.nodes["ctl"].enter(command, directory=str(self.directory)),
            env={**base, **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def exec(self, node: str, argv: Sequence[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command as root on one of the machines."""
        return self.nodes[node].exec(argv, stdin)

    def read(self, node: str, path: str) -> str:
        """Read a file on one of the machines."""
        return self.nodes[node].read(path)

    def nft(self, node: str) -> str:
        """Give the whole ruleset without counters: the router's own export."""
        return self.nodes[node].exec(["nft", "-s", "list", "ruleset"], check=True).stdout

    def dnsmasq_files(self) -> dict[str, str]:
        """Give the router's DHCP configuration by path."""
        return self._files("router", "/etc/dnsmasq.conf /etc/dnsmasq.d/*")

    def nftables_files(self) -> dict[str, str]:
        """Give the router's packet filter files by path."""
        return self._files("router", "/etc/nftables.conf /etc/nftables.d/*")

    def ufw_files(self) -> dict[str, str]:
        """Give the server's ufw state by path."""
        return self._files(
            "server", "/etc/ufw/ufw.conf /etc/ufw/user.rules /etc/ufw/user6.rules /etc/default/ufw"
        )

    def _files(self, node: str, patterns: str) -> dict[str, str]:
        script = f'for f in {patterns}; do [ -f "$f" ] && echo "$f"; done; true'
        return {path: self.read(node, path) for path in self.nodes[node].sh(script).splitlines()}

    def commands(self, node: str) -> list[str]:
        """Give every command that arrived over SSH at a machine, in order."""
        return daemons.exec_log(self.nodes[node])

    def requests_to_plex(self) -> list[str]:
        """Give every request that Plex got, in order, as method and path."""
        return [line.partition(" ")[2] for line in self.read("server", PLEX_REQUESTS).splitlines()]

    def address_of_server(self) -> str | None:
        """Give the address that the server holds now."""
        shown = json.loads(
            self.nodes["server"].exec(["ip", "-j", "-4", "addr", "show", "dev", "eth0"]).stdout
        )
        return next((info["local"] for link in shown for info in link.get("addr_info", ())), None)

    def leases(self) -> dict[str, str]:
        """Give the router's leases: MAC to address."""
        rows = [line.split() for line in self.read("router", "/var/lib/misc/dnsmasq.leases").splitlines()]
        return {row[1]: row[2] for row in rows if len(row) == 5}

    def connect_from_outside(self, port: int, timeout: float = 1.0) -> PortState:
        """Try a TCP connection from the Internet to the home's public address. Host unreachable is a refusal."""
        with self.nodes["inet"].socket() as tried:
            tried.settimeout(timeout)
            try:
                tried.connect((self.public_address, port))
            except TimeoutError:
                return "timed out"
            except OSError:
                return "refused"
            return "open"

    def identity_from_outside(self, port: int, timeout: float = 2.0) -> str | None:
        """Give the body of /identity as the Internet gets it from the public address, or None."""
        with self.nodes["inet"].socket() as tried:
            tried.settimeout(timeout)
            try:
                tried.connect((self.public_address, port))
                tried.sendall(b"GET /identity HTTP/1.1\r\nHost: plex\r\nConnection: close\r\n\r\n")
                answer = b"".join(iter(lambda: tried.recv(65536), b""))
            except OSError:
                return None
        head, _, body = answer.partition(b"\r\n\r\n")
        return body.decode() if head.split(b" ")[1:2] == [b"200"] else None

    def start_plex(
        self,
        settings: Mapping[str, bool | int | str] = MappingProxyType({}),
        *,
        listen: str = "0.0.0.0",
        throttled: bool = False,
        igd_address: str = "",
        address6: str = "",
    ) -> None:
        """Start Plex, with a way to try ports from the Internet as plex.tv does; one that runs is ended first.

        `settings` are those that differ from its defaults; `igd_address` is what its log shows as the address that a
        router told it by UPnP; `address6` its own address of IPv6, which plex.tv lists.
        """
        self.stop_plex()
        outside, owner = (
            os.open(f"/proc/{self.nodes[name].pid}/ns/net", os.O_RDONLY) for name in ("inet", "ctl")
        )
        files = f"/proc/{self.nodes['server'].pid}/root"
        told: dict[str, object] = {
            "listen": listen,
            "port": PLEX_PORT,
            "public_address": self.public_address,
            "token": self.token,
            "machine_identifier": self.machine_identifier,
            "throttled": throttled,
            "settings": dict(settings),
            "igd_address": igd_address,
            "address6": address6,
            "log": f"{files}{daemons.PLEX_HOME}/Logs/Plex Media Server.log",
            "requests": f"{files}{PLEX_REQUESTS}",
            "internet": outside,
            "owner": owner,
            "plex_tv": PLEX_TV_PORT,
        }
        try:
            argv = [sys.executable, str(HERE / "plexd.py"), json.dumps(told)]
            self.plex = self.start_program("server", argv, pass_fds=(outside, owner))
        finally:
            os.close(outside)
            os.close(owner)

    def stop_plex(self) -> None:
        """End Plex, if it runs."""
        if self.plex is not None:
            assert self.plex.stdin is not None
            self.plex.stdin.close()
            self.plex.wait(10)
            self.plex = None

    def start_program(
        self, node: str, argv: Sequence[str], pass_fds: tuple[int, ...] = ()
    ) -> subprocess.Popen[bytes]:
        """Start a program of the tests in a node's network, and wait until it says that it is ready."""
        program = subprocess.Popen(
            self.nodes[node].enter_network(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=pass_fds,
            env={"PATH": NODE_PATH, "PYTHONPATH": str(REPOSITORY)},
        )
        self.programs.append(program)
        assert program.stdout is not None
        if program.stdout.readline() != b"ready\n":
            raise RuntimeError(f"did not start: {program.args!r}")
        return program

    def wait_for_address(self, address: str, seconds: float = 10) -> bool:
        """Wait until the server holds an address; tells whether it does."""
        deadline = time.monotonic() + seconds
        while self.address_of_server() != address:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def close(self) -> None:
        """End the home."""
        for node in self.nodes.values():
            node.stop()
        for program in self.programs:
            program.wait(10)
            for pipe in (program.stdin, program.stdout):
                if pipe is not None:
                    pipe.close()


def why_not() -> str:
    """Say why a real home cannot be made on this machine; empty where it can."""
    if sys.platform != "linux":
        return "a real home needs Linux"
    if os.geteuid() != 0:
        return "a real home needs root, for network namespaces"
    missing = daemons.missing_programs()
    return f"not installed: {', '.join(missing)}" if missing else ""


@contextlib.contextmanager
def real_home(
    wan: Wan = "plain",
    *,
    lease: LeaseState = "lucky",
    isp_drops_port: int = 0,
    outside_cut: bool = False,
    plex_throttled: bool = False,
    plex_settings: Mapping[str, bool | int | str] = MappingProxyType({}),
    seed: Seed = HOUSEHOLD,
    ufw_rules: Sequence[str] = UFW_RULES,
) -> Iterator[RealHome]:
    """Make a home, and end it whatever happens.

    `wan` is how the router is connected; `isp_drops_port` is a port that the ISP swallows; `outside_cut` takes
    the vantage off the home's Internet; `plex_throttled` lets plex.tv answer 429 to Plex after its first verdict;
    `plex_settings` are Plex's settings that differ from its defaults (by which remote access is off).
    """
    uplink = links.UPLINKS[wan]
    with tempfile.TemporaryDirectory(prefix="real-home-") as temporary, contextlib.ExitStack() as stack:
        directory = Path(temporary)
        nodes = start_nodes(
            {
                "inet": "thin",
                "isp": "thin",
                "outside": "full",
                "router": "full",
                "server": "full",
                "ctl": "thin",
            }
        )
        home = RealHome(directory, uplink, nodes, directory / "inventory.yaml")
        stack.callback(home.close)
        links.wire(nodes, uplink)
        nodes["isp"].exec(["sysctl", "-qw", "net.ipv4.ip_forward=1"], check=True)
        rules = links.isp_rules(uplink, drops_port=isp_drops_port, outside_cut=outside_cut)
        nodes["isp"].exec(["nft", "-f", "-"], rules, check=True)
        if lease == "reserved":
            here = ReservationSeed("mediabox", (links.SERVER_MAC,), IPv4Address("192.168.1.50"))
            seed = _with_reservation(seed, here)
        with ThreadPoolExecutor(1) as beside:
            # ufw takes longer than all the rest together.
            firewall = beside.submit(daemons.raise_firewall, nodes["server"], ufw_rules)
            _start_machines(home, seed, lease)
            home.start_program("inet", [sys.executable, "-I", str(HERE / "echo.py"), *links.ECHOES])
            home.start_plex(plex_settings, throttled=plex_throttled)
            daemons.start_dhcp_client(nodes["server"])
            firewall.result()
        yield home


def _with_reservation(seed: Seed, reservation: ReservationSeed) -> Seed:
    return replace(seed, reservations=(*seed.reservations, reservation))


def _start_machines(home: RealHome, seed: Seed, lease: LeaseState) -> None:
    keys = {
        name: daemons.make_identity(home.directory, name)
        for name in ("router", "server", "outside", "owner_key")
    }
    (home.directory / "owner").mkdir()
    client = keys["owner_key"]
    address = "192.168.1.104" if lease == "moved" else "192.168.1.50"
    held = f"{int(time.time()) + 43200} {links.SERVER_MAC} {address} mediabox 01:{links.SERVER_MAC}\n"
    files = {path: text for path, text in router_files(seed, SIDES).items() if path != "/etc/os-release"}
    daemons.start_router(home.nodes["router"], files, held)
    server, outside = home.nodes["server"], home.nodes["outside"]
    daemons.add_user(server, "media", 2050, sudo=True)
    daemons.add_user(outside, "probe", 2051, sudo=False)
    # What the machine of the tests may have and a home does not: a client of docker without its daemon.
    server.sh("while engine=$(command -v docker || command -v podman); do rm -f $engine; done")
    for name in ("router", "server", "outside"):
        daemons.start_sshd(home.nodes[name], keys[name], client)
    preferences = {
        "MachineIdentifier": "0b1f6a52-5c0e-4b0d-9f67-51f0e0a4f6aa",
        "ProcessedMachineIdentifier": home.machine_identifier,
        "PlexOnlineUsername": "owner",
        "PlexOnlineToken": home.token,
        "FriendlyName": "mediabox",
        "ManualPortMappingMode": "0",
    }
    server.write({daemons.PREFERENCES: daemons.preferences_xml(preferences)}, mode=0o600)
    home.inventory.write_text(_inventory(keys))
    # As `plexops trust` did once: outside the repository, where a pull request does not get.
    state = home.directory / "owner" / "state" / "plexops"
    origins = {"home/account": f"http://127.0.0.1:{PLEX_TV_PORT}"}
    pinned_store(state, {"home/server": keys["server"].public}, {}, origins, datetime.now(UTC).date()).save()


def _inventory(keys: Mapping[str, daemons.Identity]) -> str:
    key = keys["owner_key"].file
    return f"""sites:
  home:
    vars: {{external_port: 32500}}
    router:
      profile: linux
      address: {links.LAN_ROUTER}
      username: root
      key_file: {key}
      host_key: "{keys["router"].public}"
      params: {{wan: wan, lan: br-lan}}
    server:
      address: 192.168.1.50
      mac: "{links.SERVER_MAC}"
      username: media
      key_file: {key}
      host_key: "{keys["server"].public}"
      become: {{method: sudo}}
      firewall: auto
    plex:
      url: http://192.168.1.50:{PLEX_PORT}
      token: {{from: server}}
    vantages:
      - ssh: probe@{links.OUTSIDE}
        key_file: {key}
        host_key: "{keys["outside"].public}"
    plex_tv: http://127.0.0.1:{PLEX_TV_PORT}
    echoes: [{", ".join(f'"http://{address}/ip"' for address in links.ECHOES)}]
"""
