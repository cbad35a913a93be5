"""plexops as a process against a simulated home, and what the home's devices themselves say afterwards."""

from __future__ import annotations

import json
import os
import re
import signal
from base64 import b64decode
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from plexops.lab.base import Packet
from plexops.lab.home import HomeOptions, Role, RunningHome, start_home
from plexops.lab.network import OUTSIDE_ADDRESS, Service
from plexops.lab.routers import RouterName
from plexops.transport.trust.store import ORIGIN, TrustStore
from plexops.transport.trust.verdict import OfferedKey, fingerprint
from tests.forking import Forker

KILLED = -signal.SIGKILL
ENGINE_CHILD = "tests.faults.engine_child"
DEVICES: tuple[Role, ...] = ("router", "server", "plex")


class Ended(Struct, frozen=True):
    """How a command ended, and what it wrote."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The only site of a `--format json` document."""
        found: dict[str, Any] = json.loads(self.out)["sites"][0]
        return found

    def __str__(self) -> str:
        return f"exit {self.status}\n{self.out}{self.err}"


class Bench(Struct):
    """One running home with plexops beside it."""

    home: RunningHome
    forker: Forker
    directory: Path
    effect_seconds: float = 6.0
    arrival_seconds: float = 20.0
    #: How long the device's own undo waits; 0: as the product has it.
    window_seconds: int = 0
    environment: dict[str, str] = field(default_factory=dict)
    _count: int = 0

    def __call__(self, *argv: str, die_at: int = 0, die_before: bool = False, offline: bool = False) -> Ended:
        """Run one command to its end. `die_at`: SIGKILL at that record of the journal. `offline`: without sockets."""
        self.start(*argv, die_at=die_at, die_before=die_before, offline=offline)
        return self.wait()

    def start(self, *argv: str, die_at: int = 0, die_before: bool = False, offline: bool = False) -> int:
        """Start one command and give its process id."""
        self._count += 1
        order = {
            "argv": argv,
            "cwd": str(self.directory),
            "env": self._environment(),
            "streams": [os.devnull, str(self._output("out")), str(self._output("err"))],
            "effect_seconds": self.effect_seconds,
            "arrival_seconds": self.arrival_seconds,
            "window_seconds": self.window_seconds,
            "die_at": die_at,
            "die_before": die_before,
            "offline": offline,
        }
        return self.forker.start(order)

    def wait(self) -> Ended:
        """Wait for what was started."""
        status = self.forker.wait()
        return Ended(status, self._output("out").read_text("utf-8"), self._output("err").read_text("utf-8"))

    def state(self) -> dict[str, str]:
        """Give what every device says of itself, and what the router does with a packet for our port."""
        exports: dict[str, str] = {role: self.home.export(role) for role in DEVICES}
        return {**exports, "32500 from outside": "open" if self.is_open(32500) else "closed"}

    def is_open(self, port: int) -> bool:
        """Tell whether a packet from the internet gets to some service of the home: by what acts, not by a file."""
        network = self.home.network
        return isinstance(network.inbound(network.public_address, port, OUTSIDE_ADDRESS), Service)

    def writes(self) -> list[str]:
        """Give the requests that changed something, by the devices' own account."""
        return [line for role in DEVICES for line in self.home.commands(role) if is_write(line)]

    def is_forwarded(self, port: int) -> bool:
        """Tell whether the router itself sends packets for that port on to somebody at home, firewalls there aside."""
        network = self.home.network
        fate = self.home.router.inbound(Packet(OUTSIDE_ADDRESS, network.wan_address, port))
        return isinstance(fate, Packet) and fate.translated

    @property
    def folder(self) -> Path:
        """Where plexops keeps its runs."""
        return self.directory / "state" / "plexops"

    def runs(self) -> list[Path]:
        """Give the folders of all runs, the oldest first."""
        return sorted((self.folder / "home" / "runs").iterdir())

    def journal(self, run: int = -1) -> list[dict[str, Any]]:
        """Give the records of one run."""
        lines = (self.runs()[run] / "journal.jsonl").read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def inventory_with(self, **device: str) -> None:
        """Write other values into the server's line of the inventory."""
        text = self.home.inventory.read_text("utf-8")
        lines = text.splitlines()
        at = next(number for number, line in enumerate(lines) if line.startswith("    server:"))
        for name, value in device.items():
            lines[at] = re.sub(rf"{name}: (\{{[^}}]*\}}|[^,}}]+)", f"{name}: {value}", lines[at])
        self.home.inventory.write_text("\n".join(lines) + "\n", "utf-8")

    def _output(self, kind: str) -> Path:
        return self.directory / f"{self._count}.{kind}"

    def _environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.directory),
            "XDG_STATE_HOME": str(self.directory / "state"),
            "PATH": os.environ["PATH"],
            "TMPDIR": os.environ["TMPDIR"],
            "LC_ALL": "C.UTF-8",
            "NO_COLOR": "1",
            "COLUMNS": "140",
            "TZ": "UTC",
            **self.environment,
        }


def secrets_of(made: Bench) -> dict[str, str]:
    """Give every secret of a home, by what it is."""
    options = made.home.options
    key = (made.home.directory / "keys" / "user").read_text("utf-8").splitlines()
    found = {
        "Plex token": options.plex.token,
        "Plex account token": options.plex.account_token,
        "login password of the server": options.server_password,
        "login password of the router": options.router_password,
        "sudo password": options.sudo_password,
        "private key": key[len(key) // 2],
        "API secret": str(getattr(made.home.router, "api_secret", "")),
        "API key": str(getattr(made.home.router, "api_key", "")),
    }
    return {name: secret for name, secret in found.items() if secret}


#: What changes a device, by the words of its own requests.
_WRITING = (
    "uci set ", "uci delete ", "uci commit", " reload", " restart", "setsid", "PUT ", "ufw allow", "ufw delete",
    "/add ", "/remove ", "/set ", "POST /api/firewall/d_nat/add", "POST /api/firewall/d_nat/set",
    "POST /api/firewall/d_nat/del", "POST /api/dnsmasq/settings/add", "POST /api/dnsmasq/settings/set",
    "POST /api/dnsmasq/settings/del", "/reconfigure", "/apply", "nft -f", "nft delete", "networkctl renew",
    "# write ",
)  # fmt: skip


def is_write(line: str) -> bool:
    """Tell whether a request of a device's log changes something."""
    return any(word in line for word in _WRITING)


@contextmanager
def bench(
    forking: Forker,
    directory: Path,
    router: RouterName = "openwrt",
    scenario: str = "drifted",
    options: HomeOptions | None = None,
) -> Iterator[Bench]:
    """Start a home with plexops beside it."""
    directory.mkdir(parents=True, exist_ok=True)
    with start_home(router, scenario, directory=directory, options=options) as home:
        made = Bench(home, forking, directory)
        trust_router(made)
        trust_plex(made)
        yield made


def trust_router(made: Bench) -> None:
    """Pin the router's certificate outside of the inventory, as `plexops trust` does: a secret goes there."""
    if made.home.is_web:
        _pin(made, "home/router", OfferedKey("tls", made.home.tls.pin))


def trust_plex(made: Bench, site: str = "home") -> None:
    """Pin the way to the server and approve where plex.tv is simulated: the token goes there."""
    trust_ssh(made, "jump", "via", site)
    trust_ssh(made, "server", site=site)
    host, port = made.home.listen("plex_tv")
    _pin(made, f"{site}/account", OfferedKey(ORIGIN, f"http://{host}:{port}"))


def trust_ssh(made: Bench, role: Role, name: str = "", site: str = "home") -> None:
    """Pin a device's host key outside of the inventory: a password goes there."""
    kind, blob = made.home.keys[role].public.split()[:2]
    _pin(made, f"{site}/{name or role}", OfferedKey(kind, fingerprint(b64decode(blob))))


def _pin(made: Bench, device: str, key: OfferedKey) -> None:
    store = TrustStore.load(made.folder)
    store.pin(device, key, datetime.now(UTC).date()).save()


class Homes:
    """Makes benches, each in a folder of its own."""

    def __init__(self, forking: Forker, directory: Path) -> None:
        self._forker = forking
        self._directory = directory
        self._count = 0

    def __call__(
        self, router: RouterName = "openwrt", scenario: str = "drifted", options: HomeOptions | None = None
    ) -> AbstractContextManager[Bench]:
        """Give a context with one bench."""
        self._count += 1
        return bench(self._forker, self._directory / str(self._count), router, scenario, options)
