"""Make a home where everything is in order, let every tool look at it in turn, and give the samples."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.peers import SERVER, ssh_options, write_ansible, write_pyinfra
from tests.lab.links import LAN_ROUTER, OUTSIDE
from tests.lab.realhome import REPOSITORY, RealHome, real_home

BIN = Path(sys.executable).parent
#: Where the other tools are installed; they are no part of the project's own environment.
PEERS = REPOSITORY / ".bench-venv" / "bin"
STOPWATCH = Path(__file__).with_name("stopwatch.py")


@dataclass(frozen=True, slots=True)
class Command:
    """Something to time: its processes run side by side."""

    name: str
    argvs: Sequence[Sequence[str]]
    #: The program times itself and prints seconds.
    says_seconds: bool = False
    #: What its output must hold, so that a tool that did not look is not called quick.
    must_say: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Samples:
    """What the rounds of one command came to: wall seconds, CPU seconds of all its processes, the largest in MB."""

    name: str
    seconds: tuple[float, ...]
    cpu: tuple[float, ...]
    memory: tuple[float, ...]
    #: SSH exec requests that arrived at router and server, per run; None where nobody counted.
    execs: tuple[int, int] | None = None

    @property
    def typical(self) -> float:
        """The median wall time."""
        return median(self.seconds)


#: What takes nobody outside: inventory and playbook.
INSIDE = ("-i", "inside.yaml", "inside")


@contextmanager
def home_in_order() -> Iterator[RealHome]:
    """Give a home on which `plexops apply` has run, with what the tools need to log in."""
    with real_home() as home:
        shutil.copytree(REPOSITORY / "playbooks", home.directory / "playbooks")
        done = home.run([str(BIN / "plexops"), "apply", "--yes"])
        if done.returncode != 0:
            raise RuntimeError(f"the home could not be put in order: {done.stdout}{done.stderr}")
        lines = home.inventory.read_text().splitlines()
        keys = [line.split('"')[1] for line in lines if line.lstrip().startswith("host_key:")]
        hosts = zip((LAN_ROUTER, SERVER, OUTSIDE), keys, strict=True)
        (home.directory / "known_hosts").write_text("".join(f"{host} {key}\n" for host, key in hosts))
        # Router, server and Plex, as the other tools look at them: without the vantage and the address echoes.
        short = "\n".join(lines[: next(n for n, line in enumerate(lines) if "vantages:" in line)])
        (home.directory / "inside.yaml").write_text(f"{short}\n    echoes: []\n")
        # Nor whether the WAN address is the public one: that takes two witnesses outside.
        (home.directory / "inside").mkdir()
        playbook = (REPOSITORY / "playbooks/plex-remote-access.yaml").read_text()
        before, task, after = playbook.partition("    - name: The router's WAN address is public\n")
        rest = after[after.index("    - name:") :] if task else after
        (home.directory / "inside/plex-remote-access.yaml").write_text(before + rest)
        for write in (write_ansible, write_pyinfra):
            write(home.directory, home.directory / "known_hosts", home.directory / "owner_key", home.token)
        yield home


def own_commands(home: RealHome) -> list[Command]:
    """Give plexops, and what it is measured by."""
    plexops, ssh = str(BIN / "plexops"), ["ssh", *ssh_options(home.directory / "known_hosts", _key(home))]
    router, server = [*ssh, f"root@{LAN_ROUTER}", "true"], [*ssh, f"media@{SERVER}", "true"]
    in_order = ("8 ok", "exit 0")
    return [
        Command("python -c pass", [[sys.executable, "-c", "pass"]]),
        Command("plexops --version", [[plexops, "--version"]], must_say=("plexops",)),
        Command("plexops --help", [[plexops, "--help"]], must_say=("audit",)),
        Command("ssh router true", [router]),
        Command("ssh router true & ssh server true", [router, server]),
        Command(
            "one connection and one exec by plexops",
            [[sys.executable, "-m", "tests.bench.network_part", str(home.inventory)]],
            says_seconds=True,
        ),
        Command("plexops audit: router, server, Plex", [[plexops, "audit", *INSIDE]], must_say=("ok",)),
        Command("plexops audit: all, with echoes and a vantage", [[plexops, "audit"]], must_say=in_order),
        Command("plexops apply: a second one, all", [[plexops, "apply", "--yes"]], must_say=("8 ok",)),
        Command("plexops diagnose: all", [[plexops, "diagnose"]], must_say=("exit 0",)),
    ]


def peer_commands() -> list[Command]:
    """Give the other tools, as far as they are installed in .bench-venv."""
    tools = {
        "ansible-playbook": Command(
            "ansible-playbook --check",
            [[str(PEERS / "ansible-playbook"), "--check", "-i", "hosts.ini", "site.yml"]],
            must_say=("router                     : ok=3    changed=0", "server                     : ok=3"),
        ),
        "pyinfra": Command(
            "pyinfra --dry",
            [[str(PEERS / "pyinfra"), "--dry", "hosts.py", "deploy.py"]],
            must_say=("Detected changes",),
        ),
    }
    return [command for name, command in tools.items() if (PEERS / name).exists()]


def _key(home: RealHome) -> Path:
    return home.directory / "owner_key"


def measure(
    home: RealHome, commands: Sequence[Command], rounds: int, *, warm_up: bool = True
) -> list[Samples]:
    """Time all commands in turn. Raises RuntimeError where one fails or does not say what it must."""
    told = {
        "rounds": rounds,
        "warm_up": warm_up,
        "commands": [
            {"name": c.name, "argvs": [list(a) for a in c.argvs], "says_seconds": c.says_seconds}
            for c in commands
        ],
    }
    done = home.run(
        [sys.executable, "-I", str(STOPWATCH)],
        {"PATH": f"{PEERS}:{BIN}:{os.environ['PATH']}:/usr/sbin:/sbin", "ANSIBLE_CONFIG": "ansible.cfg"},
        stdin=json.dumps(told),
        timeout=3600,
    )
    if done.returncode != 0:
        raise RuntimeError(f"the stopwatch stopped: {done.stderr}")
    answer: dict[str, Any] = json.loads(done.stdout)
    if "failed" in answer:
        raise RuntimeError(f"{answer['failed']} gave {answer['status']}: {answer['said']}")
    return [_samples(command, found) for command, found in zip(commands, answer["samples"], strict=True)]


def _samples(command: Command, found: Sequence[Mapping[str, Any]]) -> Samples:
    for sample in found:
        missing = [text for text in command.must_say if text not in sample["said"]]
        if missing:
            raise RuntimeError(f"{command.name} did not say {missing}: {sample['said']}")
    return Samples(
        command.name,
        tuple(s["seconds"] for s in found),
        tuple(s["cpu"] for s in found),
        tuple(s["memory"] for s in found),
    )


def execs_of(home: RealHome, argv: Sequence[str]) -> tuple[int, int]:
    """Count the SSH exec requests that one run of a command brings to router and server."""
    before = len(home.commands("router")), len(home.commands("server"))
    home.run(list(argv))
    return len(home.commands("router")) - before[0], len(home.commands("server")) - before[1]
