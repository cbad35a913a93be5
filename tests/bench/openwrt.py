"""An OpenWrt router behind a real sshd, and the same look at it by plexops and by routerless.

Its `uci`, `ubus` and `nft` print what the simulated OpenWrt answers; no other tool is measured against it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path

from plexops.lab.base import DeviceLog, ForwardSeed, ReservationSeed, RouterHooks, Seed
from plexops.lab.clock import ScaledClock
from plexops.lab.routers.openwrt import OpenWrtRouter
from tests.bench.measuring import BIN, PEERS, Command
from tests.bench.peers import SERVER
from tests.lab.links import OUTSIDE, SERVER_MAC
from tests.lab.realhome import RealHome

OPENWRT, ROUTERLESS_PLAN = "plexops audit: an OpenWrt router", "routerless plan"
#: routerless needs a later Python than plexops, so it has an environment of its own.
ROUTERLESS = PEERS.parent / "routerless" / "bin"
#: What plexops' profile of OpenWrt and routerless ask for, by the program that answers.
ASKED: Sequence[str] = (
    "ubus call network.interface dump",
    "uci show dhcp",
    "uci show firewall",
    "uci show upnpd",
    "uci changes",
    "nft -j list ruleset",
    "ip -4 neigh show",
    "pidof dnsmasq",
    "pidof odhcpd",
)
FILES = ("/etc/openwrt_release", "/tmp/dhcp.leases", "/run/miniupnpd.leases")
RANGES = "/var/etc/dnsmasq.conf.cfg01411c"
#: routerless 0.2.1 refuses every host key that it does not know, and loads none: its OpenWrt adapter cannot log in.
LAUNCHER = """\
import paramiko
from routerless.cli import cli

class Knowing(paramiko.SSHClient):
    def __init__(self):
        super().__init__()
        self.load_host_keys("known_hosts")

paramiko.SSHClient = Knowing
cli()
"""


def with_openwrt(home: RealHome) -> list[Command]:
    """Make the machine outside an OpenWrt router; give what looks at it, as far as it is installed."""
    seed = Seed(
        forwards=(ForwardSeed("plex", "32500", IPv4Address(SERVER), port="32400"),),
        reservations=(ReservationSeed("plex", (SERVER_MAC,), IPv4Address(SERVER)),),
    )
    router = OpenWrtRouter(seed, RouterHooks(DeviceLog(), ScaledClock()))
    try:
        home.nodes["outside"].write(standing_in(router), mode=0o755)
    finally:
        router.stop()
    write_inventory(home.directory)
    write_routerless(home.directory)
    commands = [
        Command(
            OPENWRT, [[str(BIN / "plexops"), "audit", "-i", "openwrt.yaml", "openwrt"]], must_say=("2 ok",)
        )
    ]
    if (ROUTERLESS / "python").exists():
        argv = [str(ROUTERLESS / "python"), "routerless_plan.py", "plan", "routerless", "-t", "openwrt"]
        commands.append(
            Command(ROUTERLESS_PLAN, [argv], must_say=("no changes — device is already in sync",))
        )
    return commands


def standing_in(router: OpenWrtRouter) -> dict[str, str]:
    """Give the programs and files of a machine that answers as this router does."""
    cases: dict[str, str] = {}
    for asked in ASKED:
        program, _, words = asked.partition(" ")
        answer = router.execute(asked, b"", "root")
        text = answer.stdout.decode()
        shown = f"cat <<'END'\n{text}END\n" if text else ""
        cases[program] = cases.get(program, "") + f'"{words}")\n{shown}exit {answer.status};;\n'
    programs = {
        f"/usr/local/bin/{name}": f'#!/bin/sh\ncase "$*" in\n{case}*) exit 1;;\nesac\n'
        for name, case in cases.items()
    }
    files = {path: router.execute(f"cat {path}", b"", "root").stdout.decode() for path in (*FILES, RANGES)}
    return {**programs, **files}


def write_inventory(folder: Path) -> None:
    """Write a site of this router alone, and a playbook of the two things that both tools look at."""
    known = dict(line.split(" ", 1) for line in (folder / "known_hosts").read_text().splitlines())
    (folder / "openwrt").mkdir()
    (folder / "openwrt/playbook.yaml").write_text(
        textwrap.dedent(f"""\
        - name: Reservation and forward
          sites: all
          tasks:
            - dhcp_reservation: {{}}
            - port_forward: {{external_port: 32500, address: {SERVER}, port: 32400}}
        """)
    )
    (folder / "openwrt.yaml").write_text(
        textwrap.dedent(f"""\
        sites:
          openwrt:
            router:
              profile: openwrt
              address: {OUTSIDE}
              username: root
              key_file: {folder}/owner_key
              host_key: "{known[OUTSIDE]}"
            server: {{address: {SERVER}, mac: "{SERVER_MAC}"}}
            echoes: []
        """)
    )


def write_routerless(folder: Path) -> None:
    """Write the same two things as a user of routerless would, and what lets it log in."""
    (folder / "routerless_plan.py").write_text(LAUNCHER)
    (folder / "routerless").mkdir()
    (folder / "routerless/configuration.yaml").write_text(
        textwrap.dedent(f"""\
        version: "1.0"
        targets:
          openwrt: {{type: openwrt, host: {OUTSIDE}, ssh_user: root, ssh_key: {folder}/owner_key}}
        dhcp:
          subnet: 192.168.1.0/24
          gateway: 192.168.1.1
          static_leases: [{{name: plex, mac: "{SERVER_MAC}", ip: {SERVER}, hostname: plex}}]
        nat:
          port_forwards:
            - {{name: plex, protocol: tcp, external_port: 32500, internal_ip: {SERVER}, internal_port: 32400}}
        """)
    )
