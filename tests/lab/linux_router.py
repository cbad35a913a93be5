"""One Linux router with real daemons, a host at home behind it, and a viewer in front. The driver is on the bench here."""

from __future__ import annotations

import re
import shlex
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from plexops.drivers.router.profiled import ProfiledDriver
from plexops.engine.decide.compare import Comparison, compare
from plexops.engine.families import load_family
from plexops.engine.look.site_state import Drivers
from plexops.languages import CONSOLES
from plexops.model.exchange import Read, Reply
from plexops.model.finding import Finding
from plexops.model.site import ResolvedTask, Site, SiteTasks
from plexops.model.snapshot import Snapshot
from plexops.runbook.view import SiteView
from tests.conformance.conformance_bench import HERE, NONCE, PLEX, observed

from .node import Node, start_nodes

ROUTER, WAN, VIEWER = "192.168.1.1", "11.22.44.1", "11.22.44.77"
#: The host's network card: what its reservation names.
MAC = "52:54:00:12:34:56"


@dataclass(slots=True)
class RouterHost:
    """The router under test, and the two beside it."""

    node: Node
    host: Node
    viewer: Node
    driver: ProfiledDriver = field(default_factory=lambda: ProfiledDriver(load_family("linux", Path())))

    def run(self, text: str) -> str:
        """Do something as the owner would; it must succeed."""
        done = self.node.exec(["sh", "-c", text])
        assert done.returncode == 0, (text, done.stdout, done.stderr)
        return done.stdout

    def ask(self, reads: Sequence[Read]) -> tuple[Reply, ...]:
        """Carry questions to the router as the product does."""
        done = self.node.exec(["sh", "-c", f"exec </dev/null; {CONSOLES['posix'].frame(reads, NONCE)}"])
        return tuple(CONSOLES["posix"].split(reads, NONCE, done.stdout, done.stderr, whole=True))

    def look(self) -> Snapshot:
        """Observe once."""
        return observed(self.driver.observe(), self.ask)

    def finding(self, wanted: ResolvedTask) -> Finding:
        """Compare one task with the router as it is."""
        view = SiteView("home", server_address=PLEX).with_snapshot(self.look())
        tasks = SiteTasks(Site("home", HERE), (wanted,))
        return compare(Comparison(tasks, view, Drivers(router=self.driver), self.driver.profile.profile))[0]

    def leased(self) -> str:
        """Give the address that the host is given when it asks: the daemon's own verdict."""
        words = "busybox udhcpc -i eth0 -n -q -t 8 -T 1 -x hostname:mediabox -s /bin/true"
        done = self.host.exec(words.split())
        found = re.findall(r"lease of (\S+) obtained", done.stdout + done.stderr)
        assert found, (done.stdout, done.stderr)
        return str(found[-1])

    def arrives(self, port: int, inside: int) -> bool:
        """Tell whether a viewer's connection to the router comes to the host: the kernel's own verdict."""
        with self.host.socket() as served, self.viewer.socket() as client:
            served.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            served.bind((str(PLEX), inside))
            served.listen()
            client.settimeout(0.4)
            return client.connect_ex((WAN, port)) == 0


@contextmanager
def router_host(prepare: str) -> Iterator[RouterHost]:
    """Start the three of them, and run a script on the router."""
    nodes = start_nodes({"router": "full", "host": "thin", "viewer": "thin"})
    router, host, viewer = nodes["router"], nodes["host"], nodes["viewer"]
    try:
        for name, other in (("lan0", host), ("wan0", viewer)):
            cable = f"ip link add name {name} netns {router.pid} type veth peer name eth0 netns {other.pid}"
            subprocess.run(shlex.split(cable), check=True)
        router.sh(
            f"""
            ip link set lo up
            ip addr add {ROUTER}/24 dev lan0; ip link set lan0 up
            ip addr add {WAN}/24 dev wan0; ip link set wan0 up
            ip route add default via {VIEWER}
            echo 1 > /proc/sys/net/ipv4/ip_forward
            rm -rf /etc/dhcp /etc/kea; mkdir -p /etc/nftables.d
            """
        )
        host.sh(
            f"""
            ip link set eth0 address {MAC}; ip addr add {PLEX}/24 dev eth0; ip link set eth0 up
            ip route add default via {ROUTER}
            """
        )
        viewer.sh(f"ip addr add {VIEWER}/24 dev eth0; ip link set eth0 up")
        router.sh(prepare)
        yield RouterHost(router, host, viewer)
    finally:
        for node in nodes.values():
            node.stop()
