"""One simulated router of each family, its driver, and the device's own account of what was done to it."""

from __future__ import annotations

import base64
import difflib
import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, cast, get_args

from plexops.config.profiles import load_profile
from plexops.drivers.base import Observation
from plexops.drivers.router.compile import CompiledProfile, compile_profile
from plexops.drivers.router.profiled import ProfiledDriver
from plexops.engine.change.sending import unexpected
from plexops.engine.decide.compare import Comparison, compare
from plexops.engine.look.site_state import Drivers
from plexops.lab.base import DeviceLog, HttpRequest, Router, RouterHooks, Seed
from plexops.lab.clock import ScaledClock
from plexops.lab.routers.linux import LinuxRouter
from plexops.lab.routers.openwrt import OpenWrtRouter
from plexops.lab.routers.opnsense import OpnSenseRouter
from plexops.lab.routers.routeros import RouterOsRouter
from plexops.lab.routers.routeros_script import Arguments
from plexops.lab.routers.routeros_values import Value
from plexops.lab.scenarios import FOREIGN_FORWARDS, FOREIGN_RESERVATIONS, MAPPINGS
from plexops.languages import CONSOLES
from plexops.languages.posix import PATH
from plexops.model.change import Action, Change, find, inverse
from plexops.model.errors import Place
from plexops.model.exchange import Call, Command, Read, Reply, Script, Write
from plexops.model.finding import Finding
from plexops.model.resources import KINDS
from plexops.model.resources.dhcp_reservation import Reservation
from plexops.model.resources.port_forward import PortForward
from plexops.model.site import ResolvedTask, Site, SiteTasks, State
from plexops.model.snapshot import Entry, Kind, KindState, Role, Snapshot
from plexops.model.values import Ports
from plexops.runbook.view import SiteView
from plexops.structs import replace

Family = Literal["openwrt", "linux", "routeros", "opnsense", "opnsense-kea"]
FAMILIES: tuple[Family, ...] = get_args(Family)
SHELLS: tuple[Family, ...] = ("openwrt", "linux")
NONCE = "conformance0nonce"
HERE = Place("playbook.yaml", 1, 1)

PLEX = IPv4Address("192.168.1.50")
OLD = IPv4Address("192.168.1.83")
NEW = IPv4Address("192.168.1.51")
MAC = "52:54:00:12:34:56"
NAME = "plexops: Plex remote access"
FORWARD = PortForward(Ports.of(32500), PLEX, Ports.of(32400), name=NAME)
RESERVATION = Reservation((MAC,), PLEX, "plex")
HOUSEHOLD = Seed(forwards=FOREIGN_FORWARDS, reservations=FOREIGN_RESERVATIONS, mappings=MAPPINGS)


class RecordedRouterOs(RouterOsRouter):
    """RouterOS that also tells which commands its interpreter ran, whatever text they came in."""

    def __init__(self, seed: Seed, hooks: RouterHooks) -> None:
        self.ran: list[str] = []
        super().__init__(seed, hooks, strict_forward=True)

    def run(self, path: tuple[str, ...], verb: str, arguments: Arguments, output: list[str]) -> Value:
        """Note the command and run it."""
        self.ran.append(" ".join((*path, verb)))
        return super().run(path, verb, arguments, output)


def _profile(name: str, params: Mapping[str, str]) -> CompiledProfile:
    return compile_profile(load_profile(name, Path(), None, params))


def observed(observation: Observation, ask: Callable[[Sequence[Read]], Sequence[Reply]]) -> Snapshot:
    """Carry a driver's questions and answers until it has made its snapshot."""
    reads = next(observation)
    while True:
        try:
            reads = observation.send(ask(reads))
        except StopIteration as end:
            return cast("Snapshot", end.value)


@dataclass(slots=True)
class Bench:
    """A device under test. `distort` stands for what goes wrong between the device and us."""

    family: Family
    router: Router
    driver: ProfiledDriver
    log: DeviceLog
    clock: ScaledClock
    distort: Callable[[Read, Reply], Reply] = lambda _read, reply: reply
    #: Every request that was sent as a write, in order.
    sent: list[Write] = field(default_factory=list)

    def ask(self, reads: Sequence[Read]) -> tuple[Reply, ...]:
        """Carry questions to the device as the transport does, without its wire."""
        if self.family.startswith("opnsense"):
            replies = tuple(self._call(cast("Call", read.ask), read.id) for read in reads)
        else:
            console = CONSOLES["routeros" if self.family == "routeros" else "posix"]
            out, errors, _ = self.execute(console.frame(reads, NONCE))
            replies = console.split(reads, NONCE, out, errors, whole=True)
        return tuple(self.distort(read, reply) for read, reply in zip(reads, replies, strict=True))

    def execute(self, script: str) -> tuple[str, str, int]:
        """Run one text on the device's console."""
        if self.family == "routeros":
            done = self.router.execute(script, b"", "admin")
        else:
            done = self.router.execute(f"sh -c {shlex.quote(f'exec </dev/null; {script}')}", b"", "root")
        return done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"), done.status

    def run(self, command: str) -> str:
        """Do something on the device as its owner would; fail the test where it fails."""
        out, errors, status = self.execute(command)
        assert status == 0, (command, out, errors)
        return out

    def _call(self, call: Call, name: str) -> Reply:
        router = cast("OpnSenseRouter", self.router)
        login = base64.b64encode(f"{router.api_key}:{router.api_secret}".encode()).decode()
        body = b"" if call.body is None else json.dumps(call.body).encode()
        headers = {"authorization": f"Basic {login}", "content-type": "application/json"}
        answer = router.handle(HttpRequest(call.method, call.path, "", headers, body))
        return Reply(name, answer.status, answer.body.decode("utf-8", "replace"))

    def look(self) -> Snapshot:
        """Observe the device once."""
        return observed(self.driver.observe(), self.ask)

    def send(self, write: Write) -> Reply:
        """Send one write as the transport does."""
        self.sent.append(write)
        if isinstance(write.ask, Call):
            return self._call(write.ask, "write")
        assert isinstance(write.ask, Command)
        if self.family == "routeros":
            out, errors, _ = self.execute(write.ask.text)
            return Reply("write", None, out, errors)
        out, errors, status = self.execute(f"PATH={PATH}; LC_ALL=C; export PATH LC_ALL; {write.ask.text}")
        return Reply("write", status, out, errors)

    def send_all(self, writes: Sequence[Write]) -> None:
        """Send requests in order; fail the test at the first reply that is not what success looks like."""
        for write in writes:
            reason = unexpected(write.expect, self.send(write))
            assert reason == "", (write.ask, reason)

    def script(self, change: Change) -> Script:
        """Render a change on what the device says now."""
        return self.driver.script(change, self.look())

    def make(self, change: Change) -> Snapshot:
        """Carry a change out, without its window, and look again."""
        self.send_all(self.script(change).writes)
        return self.look()

    def undo(self, change: Change) -> Snapshot:
        """Carry out the way back of a change, rendered from a fresh read."""
        back = inverse(change)
        assert back is not None
        now = self.look()
        found = find(change, now)
        if back.action in (Action.DELETE, Action.UPDATE, Action.RESTORE) and len(found) == 1:
            back = replace(back, before=found[0])
        self.send_all(self.driver.script(back, now).writes)
        return self.look()

    def export(self) -> str:
        """Give the device's own whole configuration."""
        return self.router.export()

    def mark(self) -> int:
        """Give the place in the device's log where it is now."""
        return len(self.router.ran if isinstance(self.router, RecordedRouterOs) else self.log.lines)

    def commands(self, since: int) -> list[str]:
        """Give the simple commands that the device ran since a mark, in order, without their values."""
        if isinstance(self.router, RecordedRouterOs):
            return self.router.ran[since:]
        lines = [line for line in self.log.lines[since:] if not line.startswith("# exec ")]
        if self.family.startswith("opnsense"):
            return [" ".join(line.split(" ", 2)[:2]) for line in lines]
        return [_name_of(line) for line in lines]

    def findings(self, task: ResolvedTask, *adopt: str) -> tuple[Finding, ...]:
        """Compare one task with the device as it is now."""
        return findings_of(task, self.look(), self.driver, frozenset(adopt))

    def finding(self, task: ResolvedTask, *adopt: str) -> Finding:
        """Give the finding of the task itself."""
        return self.findings(task, *adopt)[0]


def _name_of(line: str) -> str:
    """Name one simple command: the program, and for programs of many verbs what it does."""
    if line.startswith("# write "):
        return re.sub(r"/tmp/tmp\.\w+", "/tmp/tmp", line)
    words = shlex.split(line)
    return " ".join(words[:2]) if words[0] in ("uci", "nft", "service", "ufw", "dnsmasq") else words[0]


def findings_of(
    task: ResolvedTask, snapshot: Snapshot, driver: ProfiledDriver, adopt: frozenset[str] = frozenset()
) -> tuple[Finding, ...]:
    """Compare one task with one snapshot of the router."""
    profile = driver.profile.profile
    view = SiteView("home", server_mac=MAC, server_address=PLEX, plex_address=PLEX)
    tasks = SiteTasks(Site("home", HERE), (task,))
    return compare(Comparison(tasks, view.with_snapshot(snapshot), Drivers(router=driver), profile, adopt))


@contextmanager
def bench(family: Family, seed: Seed = HOUSEHOLD, *, scale: float = 20.0) -> Iterator[Bench]:
    """Start one device; it ends with the context."""
    log, clock = DeviceLog(), ScaledClock(scale)
    hooks = RouterHooks(log, clock)
    router: Router
    if family == "openwrt":
        router = OpenWrtRouter(seed, hooks)
    elif family == "linux":
        router = LinuxRouter(seed, hooks)
    elif family == "routeros":
        router = RecordedRouterOs(seed, hooks)
    else:
        router = OpnSenseRouter(seed, hooks, dhcp_backend="kea" if family == "opnsense-kea" else "dnsmasq")
    driver = ProfiledDriver(_profile(family.removesuffix("-kea"), MappingProxyType({})))
    try:
        yield Bench(family, router, driver, log, clock)
    finally:
        clock.stop()
        stop = getattr(router, "stop", None)
        if stop is not None:
            stop()


def task(kind: Kind, want: Any, *, state: State = State.PRESENT, adopt: bool = False) -> ResolvedTask:
    """Make a task as the playbook's reader would."""
    return ResolvedTask(KINDS[kind].title, kind, "plex", HERE, want=want, state=state, adopt=adopt)


def change(action: Action, kind: Kind, want: Any, before: Entry | None = None, *fields: str) -> Change:
    """Make a change of our own entry."""
    return Change(Role.ROUTER, kind, "plex", action, before=before, want=want, fields=fields)


def ours(snapshot: Snapshot, kind: Kind) -> Entry:
    """Give the one entry that bears our tag; fail the test where there is none or more."""
    assert snapshot.state(kind) is KindState.PRESENT, snapshot.reasons
    found = [entry for entry in snapshot.of(kind) if entry.owner.ours]
    assert len(found) == 1, found
    assert found[0].owner.key == "plex"
    return found[0]


def blocks(family: Family, export: str) -> list[str]:
    """Take an export apart into what the device itself counts as one thing: section, rule, line, row."""
    if family == "openwrt":
        return export.split("\n\n")
    if not family.startswith("opnsense"):
        return export.splitlines()
    found = []
    for name, part in json.loads(export).items():
        if isinstance(part, Mapping):
            rows = cast("list[Any]", part["rows"])
            found += [
                f"{name} {json.dumps(row, ensure_ascii=False, sort_keys=True, indent=1)}" for row in rows
            ]
            found.append(f"{name} applied {part['applied']}")
        else:
            found.append(f"{name} {part}")
    return found


def changed(family: Family, before: str, after: str) -> tuple[list[str], list[str]]:
    """Give the things that are gone and those that are new, in order; all others kept their bytes and order."""
    old, new = blocks(family, before), blocks(family, after)
    same = 0
    while same < min(len(old), len(new)) and old[same] == new[same]:
        same += 1
    old, new = old[same:], new[same:]
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    gone: list[str] = []
    came: list[str] = []
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind != "equal":
            gone += old[a:b]
            came += new[c:d]
    return gone, came
