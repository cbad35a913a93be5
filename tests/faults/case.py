"""One case: a home in this very process, plexops processes forked beside it, and what the devices say of the end."""

from __future__ import annotations

import fcntl
import gc
import json
import os
import re
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from plexops.lab.base import Packet
from plexops.lab.home import HomeOptions, start_home
from plexops.lab.network import OUTSIDE_ADDRESS, Service
from plexops.lab.routers import RouterName
from plexops.lab.scenario import EXTERNAL_PORT, FOREIGN_FORWARDS, PLEX_PORT
from tests.faults import engine_bench
from tests.faults.engine_bench import DEVICES
from tests.faults.wire import Switchboard
from tests.faults.wired import Wired, plug_in
from tests.forked import become

#: The port that an update moves ours to, and one at which nobody ever answers.
OTHER_PORT, UNUSED = 32600, 41000
_PORTS = (EXTERNAL_PORT, OTHER_PORT, PLEX_PORT, UNUSED)
JSON = ("--format", "json")


class Ended(engine_bench.Ended, frozen=True):
    """How a plexops process ended, in few words."""

    @property
    def site(self) -> Mapping[str, Any]:
        """The one site of its `--format json` document; empty where there is none."""
        try:
            found: Mapping[str, Any] = json.loads(self.out)["sites"][0]
        except (ValueError, KeyError, IndexError):
            return {}
        return found

    @property
    def says(self) -> str:
        """The outcome in the report's words, or the last of what it complained."""
        lines = self.err.strip().splitlines() or [""]
        return str(self.site.get("outcome", "")) or lines[0][:200]

    def __str__(self) -> str:
        return f"exit {self.status} ({self.says})"


class World(Struct, frozen=True):
    """What the devices hold, and what they do with packets and leases."""

    exports: Mapping[str, str]
    does: Mapping[str, str]

    def lines(self, role: str) -> Counter[str]:
        """Give a device's lines; a comma says whether something follows, and nothing of the line itself."""
        return Counter(line.strip().rstrip(",") for line in self.exports[role].splitlines())

    def difference(self, other: World) -> str:
        """Say in a few lines where two differ; empty where they don't."""
        for name, does in self.does.items():
            if other.does[name] != does:
                return f"{name}: {does}, not {other.does[name]}"
        for role in self.exports:
            mine, others = self.lines(role), other.lines(role)
            if self.exports[role] != other.exports[role]:
                return f"{role} had {_first(mine - others)} and has {_first(others - mine)}"
        return ""


def _first(lines: Counter[str]) -> str:
    """Give the first lines that say something."""
    telling = [line[:160] for line in lines if len(line) > 3] or list(lines)
    return f"{telling[:4]}" if telling else "nothing more"


class Case(Struct):
    """A running home with plexops beside it. `folder` is its own, and goes with it."""

    board: Switchboard
    folder: Path
    playbook: str = ""
    record: bool = False
    _runs: int = 0
    _started: dict[int, int] = field(default_factory=dict)

    def __call__(self, *argv: str, die_at: str = "", state: str = "state") -> Ended:
        """Run one command to its end. `die_at`: SIGKILL at that point. `state`: the machine's own folder."""
        return self.wait(self.start(*argv, die_at=die_at, state=state))

    def start(self, *argv: str, die_at: str = "", state: str = "state") -> int:
        """Start one command; give what `wait` takes."""
        self.board.settle()
        self._runs += 1
        number, child = self._runs, os.fork()
        if child == 0:
            gc.disable()  # it ends too soon to need it
            line = Wired(self.board.address, number, die_at, self.record)
            become(self._order(number, argv, state), lambda _order: plug_in(line))
        self._started[number] = child
        return number

    def wait(self, number: int) -> Ended:
        """Wait for what was started, and for what a killed one had asked the devices for."""
        status = os.waitstatus_to_exitcode(os.waitpid(self._started.pop(number), 0)[1])
        self.board.settle()
        texts = [(self.folder / f"{number}.{kind}").read_text("utf-8", "replace") for kind in ("out", "err")]
        return Ended(status, *texts)

    def end(self) -> None:
        """End what still runs: a case that failed leaves nothing behind."""
        for child in self._started.values():
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)

    def world(self) -> World:
        """Ask the devices themselves."""
        home = self.board.home
        does: dict[str, str] = {}
        for port in (*_PORTS, *(int(f.external.partition("-")[0]) for f in FOREIGN_FORWARDS)):
            found = home.network.inbound(home.network.public_address, port, OUTSIDE_ADDRESS)
            fate = home.router.inbound(Packet(OUTSIDE_ADDRESS, home.network.wan_address, port))
            to = f"{fate.destination}:{fate.port}" if isinstance(fate, Packet) else fate
            does[f"{port} from outside"] = f"{to} {'open' if isinstance(found, Service) else found}"
        does |= {f"reservation of {mac}": str(address) for mac, address in home.router.reservations().items()}
        return World({role: home.export(role) for role in DEVICES}, does)

    def writes(self, since: int = 0) -> list[str]:
        """Give what was sent to change something, by the devices' own account."""
        return [f"{e.role}: {e.text}" for e in self.board.exchanges[since:] if e.writes]

    def later(self, seconds: float = 1000.0) -> str:
        """Say what the devices do by themselves when nobody asks them any more; empty: nothing."""
        before = self.world()
        self.board.pass_time(seconds)
        return self.world().difference(before)

    def lock_is_free(self, state: str = "state") -> bool:
        """Tell whether a next run could take the site."""
        path = self.folder / state / "plexops" / "home" / "lock"
        if not path.exists():
            return True
        with path.open("rb+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False
        return True

    def _order(self, number: int, argv: Sequence[str], state: str) -> dict[str, Any]:
        files = [str(self.folder / f"{number}.{kind}") for kind in ("out", "err")]
        return {
            "argv": list(argv),
            "cwd": str(self.folder),
            "env": {
                "HOME": str(self.folder),
                "XDG_STATE_HOME": str(self.folder / state),
                "PATH": os.environ["PATH"],
                "TMPDIR": str(self.folder),
                "LC_ALL": "C.UTF-8",
                "NO_COLOR": "1",
                "COLUMNS": "140",
                "TZ": "UTC",
            },
            "streams": [os.devnull, *files],
        }


def open_case(router: RouterName, scenario: str, folder: Path, options: HomeOptions | None = None) -> Case:
    """Start a home in this process, with the playbook of each operation beside its own."""
    folder.mkdir(parents=True)
    home = start_home(router, scenario, directory=folder, options=options)
    playbook = next((folder / "playbooks").glob("*.yaml"))
    text = playbook.read_text("utf-8")
    closing = re.sub(r"(port_forward: \{)", r"\1state: absent, ", text)
    closing = "\n".join(line for line in closing.splitlines() if "plex_remote_access" not in line)
    (folder / "close.yaml").write_text(closing + "\n", "utf-8")
    return Case(Switchboard(home), folder)


def reopen(case: Case, folder: Path) -> Case:
    """In a process forked from the one that opened it: go on with the home, on files of its own.

    Its threads stayed behind: Plex's own begins again; nothing else may have been waiting.
    """
    home = case.board.home
    shutil.copytree(case.folder, folder, ignore=shutil.ignore_patterns("log", "*.out", "*.err"))
    for log in home._logs.values():
        log.sink = None
    plex = home.plex
    plex._thread = threading.Thread(target=plex._work, name="plex-publisher", daemon=True)
    plex._thread.start()
    board = Switchboard(home)
    inventory = folder / "inventory.yaml"
    inventory.write_text(inventory.read_text("utf-8").replace(str(case.folder), str(folder)), "utf-8")
    return Case(board, folder)
