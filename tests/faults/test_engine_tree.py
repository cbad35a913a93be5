"""A router with a configuration tree in a whole home: OpenSSH's server, a real terminal, and packets that go by its state.

What the console keeps in its file judges; so does whether a packet from the internet comes through.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from plexops.lab.base import ExecResult, Fate, HttpRequest, HttpResponse, Lease, Packet
from plexops.lab.network import Service
from plexops.lab.ssh import Stream
from plexops.lab.tree import words_of
from plexops.parsers.tree import tree_rows
from tests.faults.engine_bench import KILLED, Bench, Homes
from tests.faults.test_engine_kill import is_unsettled, nothing_left_to_settle, settle
from tests.faults.test_transport_old_ssh import pytestmark
from tests.faults.test_transport_tree import Router as Console
from tests.faults.test_transport_tree import router as console
from tests.forking import Forker

__all__ = ["pytestmark"]

NETWORK = "service dhcp-server shared-network-name LAN subnet 192.168.1.0/24"
#: Rule 3250 is somebody's, and so is the one name that is not plexops'.
CONFIG = f"""\
set interfaces ethernet eth0 address 'dhcp'
set interfaces ethernet eth1 address '192.168.1.1/24'
set nat destination rule 3250 destination port '8080'
set nat destination rule 3250 inbound-interface name 'eth0'
set nat destination rule 3250 protocol 'tcp'
set nat destination rule 3250 translation address '192.168.1.9'
set {NETWORK} range POOL start '192.168.1.100'
set {NETWORK} range POOL stop '192.168.1.199'
set {NETWORK} static-mapping nas ip-address '192.168.1.9'
set {NETWORK} static-mapping nas mac '02:00:00:00:00:09'
set {NETWORK} subnet-id '1'
set system config-management commit-revisions '100'
""".splitlines()
RELOAD = "set system config-management commit-confirm action 'reload'"
SHOWS = {
    "version": "Version:          VyOS 1.5.0\nRelease train:    circinus\n",
    "interfaces": "Interface  IP Address  S/L  Description\neth0  WAN/24  u/u\neth1  192.168.1.1/24  u/u\n",
    "ip route": "S>* 0.0.0.0/0 [210/0] via 203.0.113.1, eth0, 00:00:04\n",
}


class TreeRouter:
    """What the network does by the state in the console's file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.lock = threading.RLock()

    def _rows(self, at: str) -> list[dict[str, Any]]:
        return [dict(row) for row in tree_rows([words_of(line) for line in self.state["active"]], at)]

    @property
    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self.file.read_text())
        return state

    def execute(self, command: str, stdin: bytes, username: str) -> ExecResult:
        raise NotImplementedError

    def handle(self, request: HttpRequest) -> HttpResponse:
        raise NotImplementedError

    def inbound(self, packet: Packet) -> Packet | Fate:
        for rule in self._rows("nat destination rule *number"):
            if rule.get("destination port") == str(packet.port) and "disable" not in rule:
                port = int(rule.get("translation port", packet.port))
                return packet.to(IPv4Address(rule["translation address"]), port)
        return "dropped"

    def reservations(self) -> Mapping[str, IPv4Address]:
        rows = self._rows(f"{NETWORK} static-mapping *id")
        return {row["mac"].lower(): IPv4Address(row["ip-address"]) for row in rows if "disable" not in row}

    def pool(self) -> tuple[IPv4Address, IPv4Address]:
        return IPv4Address("192.168.1.100"), IPv4Address("192.168.1.199")

    def set_leases(self, leases: tuple[Lease, ...], answering: tuple[Lease, ...] | None = None) -> None:
        pass

    def export(self) -> str:
        state = self.state
        return json.dumps([state["active"], state["saved"], state["deadline"] is not None], indent=1)


def _pipe(port: int) -> Service:
    """Lead a connection of the simulated network to a port of this machine."""

    def serve(stream: Stream) -> None:
        with socket.create_connection(("127.0.0.1", port)) as there:

            def back() -> None:
                with suppress(OSError):
                    while found := there.recv(65536):
                        stream.sendall(found)
                stream.close()

            thread = threading.Thread(target=back, daemon=True)
            thread.start()
            stream.settimeout(None)
            with suppress(OSError):
                while found := stream.recv(65536):
                    there.sendall(found)

    return Service(serve)


@contextmanager
def tree_home(homes: Homes, folder: Path, *more: str) -> Iterator[tuple[Bench, Console]]:
    """Start a home whose router is one with a configuration tree."""
    folder.mkdir()
    with homes(scenario="in-order") as bench, console(folder) as there:
        home = bench.home
        config = [*CONFIG, *more]
        shows = {name: text.replace("WAN", str(home.network.wan_address)) for name, text in SHOWS.items()}
        there.state(active=config, saved=config, shows=shows)
        home.router = home.network.router = TreeRouter(there.file)
        home.network.router_services[22] = _pipe(there.settings.port or 22)
        key = (folder / "host.pub").read_text().rsplit(" ", 1)[0].strip()
        text = home.inventory.read_text("utf-8")
        mine = shutil.copy(folder / "client", home.directory / "keys" / "router")
        login = f'username: root, host_key: "{key}", key_file: {mine}'
        entry = f"    router: {{profile: vyos, address: 192.168.1.1, {login}}}"
        home.inventory.write_text(re.sub(r"(?m)^    router: .*$", lambda _: entry, text), "utf-8")
        yield bench, there


WANTED = [
    "set nat destination rule 3251 description 'plexops:plex'",
    "set nat destination rule 3251 destination port '32500'",
    "set nat destination rule 3251 inbound-interface name 'eth0'",
    "set nat destination rule 3251 protocol 'tcp'",
    "set nat destination rule 3251 translation address '192.168.1.50'",
    "set nat destination rule 3251 translation port '32400'",
    f"set {NETWORK} static-mapping plexops-plex ip-address '192.168.1.50'",
    f"set {NETWORK} static-mapping plexops-plex mac '52:54:00:12:34:56'",
]
UNDER = pytest.mark.parametrize("undo", [(RELOAD,), ()], ids=["commit-confirm", "unsaved"])


def is_settled(there: Console, *added: str, undo: Sequence[str]) -> bool:
    """Tell whether this and no more is in force and saved, and nothing waits."""
    state = there.state()
    wanted = sorted((*CONFIG, *undo, *added))
    return sorted(state["active"]) == sorted(state["saved"]) == wanted and state["deadline"] is None


@pytest.mark.timeout(300)
@UNDER
def test_the_whole_job(homes: Homes, tmp_path: Path, undo: tuple[str, ...]) -> None:
    with tree_home(homes, tmp_path / "console", *undo) as (bench, there):
        before = bench.state()
        assert bench("audit").status == 1
        dry = bench("apply", "--dry-run")
        assert dry.status == 0, dry
        assert ("commit-confirm, 180 s" in dry.out) is bool(undo)
        assert ("a restart of the device takes it back" in dry.out) is not bool(undo)
        assert "no router of this family has taken a write" in dry.out
        assert bench.state() == before
        assert there.state().get("visits", 0) == 0
        applied = bench("apply", "--yes")
        assert applied.status == 0, applied
        assert is_settled(there, *WANTED, undo=undo)
        assert bench.is_open(32500)
        made, run = there.state(), bench.runs()[-1].name
        again = bench("apply", "--yes")
        assert again.status == 0, again
        assert there.state() == made
        back = bench("rollback", run, "--yes")
        assert back.status == 0, back
        assert bench.state() == before
        assert is_settled(there, undo=undo)


@pytest.fixture(scope="module")
def records(forking: Forker, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Give the records of an apply that goes well."""
    folder = tmp_path_factory.mktemp("records")
    with tree_home(Homes(forking, folder), folder / "console", RELOAD) as (bench, _):
        assert bench("apply", "--yes").status == 0
        return [str(record["kind"]) for record in bench.journal()]


@pytest.mark.timeout(300)
@UNDER
@pytest.mark.parametrize(
    ("kind", "times", "end"), [("sent", 1, "old"), ("sent", 2, "old"), ("effect", 1, "new")]
)
def test_killed_between_write_and_confirm(
    homes: Homes, tmp_path: Path, records: list[str], undo: tuple[str, ...], kind: str, times: int, end: str
) -> None:
    found = [number for number, name in enumerate(records, 1) if name == kind]
    # Where nothing is armed, nothing is written down of that.
    point = found[times - 1] - (0 if undo else records[: found[times - 1]].count("armed"))
    with tree_home(homes, tmp_path / "console", *undo) as (bench, there):
        old = bench.state()
        killed = bench("apply", "--yes", die_at=point)
        assert (killed.status, bench.journal()[-1]["kind"]) == (KILLED, kind)
        state = there.state()
        assert (state["deadline"] is not None) is bool(undo)
        assert state["active"] != state["saved"]
        assert is_unsettled(bench)
        assert settle(bench, old) == end
        assert is_settled(there, *(WANTED if end == "new" else ()), undo=undo)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("saved", [True, False])
def test_killed_within_the_end_of_a_window(
    homes: Homes, tmp_path: Path, records: list[str], *, saved: bool
) -> None:
    """The router was told to confirm, and plexops died before it wrote that down, or before it saved."""
    with tree_home(homes, tmp_path / "console", RELOAD) as (bench, there):
        old = bench.state()
        assert bench("apply", "--yes", die_at=records.index("effect") + 1).status == KILLED
        active = there.state()["active"]
        there.state(deadline=None, **({"saved": active} if saved else {}))
        assert settle(bench, old) == "new"
        assert is_settled(there, *WANTED, undo=[RELOAD])


@pytest.mark.timeout(300)
def test_what_the_router_took_back_by_itself_is_seen(
    homes: Homes, tmp_path: Path, records: list[str]
) -> None:
    with tree_home(homes, tmp_path / "console", RELOAD) as (bench, there):
        assert bench("apply", "--yes", die_at=records.index("effect") + 1).status == KILLED
        there.state(deadline=1)
        recovered = bench("recover")
        assert recovered.status == 0, recovered
        state = there.state()
        assert (state["deadline"], state["active"]) == (None, state["saved"])
        assert not any("3251" in line for line in state["active"])
        nothing_left_to_settle(bench, bench.state())


@pytest.mark.timeout(300)
@UNDER
def test_an_effect_that_is_refuted_is_taken_back_at_once(
    homes: Homes, tmp_path: Path, undo: tuple[str, ...]
) -> None:
    with tree_home(homes, tmp_path / "console", *undo) as (bench, there):
        bench.home.network.blocked_ports = frozenset({32500})
        before = bench.state()
        ended = bench("apply", "--yes")
        assert ended.status == 5, ended
        assert bench.state() == before
        assert is_settled(there, undo=undo)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("undo", "fault", "says"),
    [
        ((RELOAD,), "set fails", "Set failed"),
        ((RELOAD,), "commit fails", "Commit failed"),
        ((RELOAD,), "full", ""),
        ((), "full", ""),
    ],
)
def test_a_router_that_says_no_keeps_what_it_had(
    homes: Homes, tmp_path: Path, undo: tuple[str, ...], fault: str, says: str
) -> None:
    with tree_home(homes, tmp_path / "console", *undo) as (bench, there):
        there.state(fault=fault)
        before = bench.state()
        ended = bench("apply", "--yes")
        assert ended.status == 5, ended
        assert says in ended.out, ended
        assert bench.state() == before
        assert is_settled(there, undo=undo)


@pytest.mark.timeout(300)
@UNDER
def test_what_another_has_not_saved_is_left_alone(
    homes: Homes, tmp_path: Path, undo: tuple[str, ...]
) -> None:
    with tree_home(homes, tmp_path / "console", *undo) as (bench, there):
        theirs = [*there.state()["active"], "set service ssh port '2222'"]
        before = there.state(active=theirs, deadline=4_000_000_000)
        ended = bench("apply", "--yes")
        assert ended.status == 5, ended
        assert "PLX-D116" in ended.out
        after = there.state()
        assert [after[name] for name in ("active", "saved", "deadline")] == [
            before[name] for name in ("active", "saved", "deadline")
        ]


@pytest.mark.timeout(300)
@UNDER
def test_of_two_forwards_the_first_is_kept_before_the_second_is_written(
    homes: Homes, tmp_path: Path, undo: tuple[str, ...]
) -> None:
    with tree_home(homes, tmp_path / "console", *undo) as (bench, there):
        playbook = bench.home.playbook_dir / "plex-remote-access.yaml"
        last = "    - {name: Plex announces it"
        more = "    - {name: Another port, port_forward: {external_port: 32501, key: second}}\n"
        playbook.write_text(playbook.read_text("utf-8").replace(last, more + last), "utf-8")
        applied = bench("apply", "--yes")
        assert applied.status == 0, applied
        texts = "\n".join(WANTED[:6]).replace("3251", "3252").replace("32500", "32501")
        second = texts.replace("plexops:plex", "plexops:second").split("\n")
        assert is_settled(there, *WANTED, *second, undo=undo)
