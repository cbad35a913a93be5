"""One host with a real firewall, and a viewer on the internet in front of it. The driver is on the bench here."""

from __future__ import annotations

import errno
import shlex
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from plexops.drivers.server.driver import ServerDriver
from plexops.engine.change.sending import unexpected
from plexops.engine.decide.compare import Comparison, compare
from plexops.engine.look.site_state import Drivers
from plexops.languages import CONSOLES
from plexops.languages.posix import PATH
from plexops.model.change import Action, Change, find, inverse, is_done, is_undone
from plexops.model.exchange import Command, Read, Reply, Script, Write
from plexops.model.finding import Finding, FindingStatus
from plexops.model.resources.firewall_rule import FirewallRule
from plexops.model.site import ResolvedTask, Site, SiteTasks, State
from plexops.model.snapshot import Kind, Snapshot
from plexops.runbook.view import SiteView
from plexops.structs import replace
from tests.conformance.conformance_bench import HERE, NONCE, PLEX, observed, task

from .node import Node, start_nodes

GATEWAY, VIEWER = "192.168.1.1", "11.22.44.77"
WANTED = task(Kind.FIREWALL_RULE, FirewallRule(32400))
OTHER = task(Kind.FIREWALL_RULE, FirewallRule(32401))
ABSENT = task(Kind.FIREWALL_RULE, FirewallRule(32400), state=State.ABSENT)


@dataclass(slots=True)
class FirewallHost:
    """The host under test; `distort` stands for what goes wrong between it and us."""

    node: Node
    viewer: Node
    driver: ServerDriver = field(default_factory=ServerDriver)
    distort: Callable[[Read, Reply], Reply] = lambda _read, reply: reply
    sent: list[str] = field(default_factory=list)

    def run(self, text: str) -> str:
        """Do something as the owner would; it must succeed."""
        done = self.node.exec(["sh", "-c", text])
        assert done.returncode == 0, (text, done.stdout, done.stderr)
        return done.stdout

    def ask(self, reads: Sequence[Read]) -> tuple[Reply, ...]:
        """Carry questions to the host as the product does."""
        out, errors, _ = self._execute(CONSOLES["posix"].frame(reads, NONCE))
        replies = CONSOLES["posix"].split(reads, NONCE, out, errors, whole=True)
        return tuple(self.distort(read, reply) for read, reply in zip(reads, replies, strict=True))

    def take_back_by_the_window(self, state: Callable[[FirewallHost], object]) -> None:
        """Make our rule, and run what its window would: by `state` and by packets all is as it was."""
        before = state(self)
        (change,) = self.finding(WANTED).changes
        script = self.script(change)
        self.send_all(script.window.open)
        self.send_all(script.writes)
        assert self.admits()
        self.run(" && ".join(script.undo))
        assert state(self) == before
        self.send_all(script.window.confirm)

    def look(self) -> Snapshot:
        """Observe once."""
        return observed(self.driver.observe(), self.ask)

    def send_all(self, writes: Sequence[Write]) -> None:
        """Send requests in order."""
        for write in writes:
            assert isinstance(write.ask, Command)
            self.sent.append(write.ask.text)
            out, errors, status = self._execute(
                f"PATH={PATH}; LC_ALL=C; export PATH LC_ALL; {write.ask.text}"
            )
            assert unexpected(write.expect, Reply("write", status, out, errors)) == "", (
                write.ask,
                out,
                errors,
            )

    def finding(self, wanted: ResolvedTask) -> Finding:
        """Compare one task with the host as it is."""
        return self.findings(wanted)[0]

    def findings(self, wanted: ResolvedTask) -> Sequence[Finding]:
        """Give with it what no task asked for."""
        view = SiteView("home", server_address=PLEX).with_snapshot(self.look())
        tasks = SiteTasks(Site("home", HERE), (wanted,))
        return compare(Comparison(tasks, view, Drivers(server=self.driver), None))

    def script(self, change: Change) -> Script:
        """Render a change on what is there now."""
        return self.driver.script(change, self.look())

    def carry_out(self, finding: Finding) -> Change:
        """Make the one change of a finding."""
        assert finding.status in (FindingStatus.DRIFT, FindingStatus.STOPPED), finding
        (change,) = finding.changes
        self.send_all(self.script(change).writes)
        assert is_done(change, self.look())
        return change

    def undo(self, change: Change) -> None:
        """Put it back, rendered from a fresh read."""
        back, now = inverse(change), self.look()
        assert back is not None
        if back.action is not Action.CREATE:
            back = replace(back, before=find(change, now)[0])
        self.send_all(self.driver.script(back, now).writes)
        assert is_undone(change, self.look())

    def admits(self, port: int = 32400) -> bool:
        """Tell whether a viewer's connection comes about: the kernel's own verdict."""
        with self.node.socket() as served, self.viewer.socket() as client:
            served.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            served.bind((str(PLEX), port))
            served.listen()
            client.bind((VIEWER, 0))
            client.settimeout(0.4)
            got = client.connect_ex((str(PLEX), port))
        assert got in (0, errno.EAGAIN, errno.EHOSTUNREACH, errno.ECONNREFUSED, errno.EINPROGRESS), (
            errno.errorcode[got]
        )
        return got == 0

    def ours(self) -> list[tuple[str, object]]:
        """Give our rules by key."""
        return [(e.owner.key, e.values) for e in self.look().of(Kind.FIREWALL_RULE) if e.owner.ours]

    def _execute(self, text: str) -> tuple[str, str, int]:
        done = self.node.exec(["sh", "-c", f"exec </dev/null; {text}"])
        return done.stdout, done.stderr, done.returncode


@contextmanager
def firewall_host(prepare: str) -> Iterator[FirewallHost]:
    """Start the two of them, and run a script on the host."""
    nodes = start_nodes({"host": "full", "viewer": "thin"})
    host, viewer = nodes["host"], nodes["viewer"]
    try:
        cable = f"ip link add name eth0 netns {host.pid} type veth peer name eth0 netns {viewer.pid}"
        subprocess.run(shlex.split(cable), check=True)
        host.sh(
            f"ip link set lo up; ip addr add {PLEX}/24 dev eth0; ip link set eth0 up; ip route add default via {GATEWAY}"
        )
        viewer.sh(f"ip addr add {GATEWAY}/24 dev eth0; ip addr add {VIEWER}/32 dev eth0; ip link set eth0 up")
        host.sh(prepare)
        yield FirewallHost(host, viewer)
    finally:
        for node in nodes.values():
            node.stop()
