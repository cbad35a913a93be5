"""The measurements as Markdown: the table, and each budget with whether it held."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from tests.bench.fleet import Row, table
from tests.bench.measuring import PEERS, Samples
from tests.bench.openwrt import OPENWRT, ROUTERLESS, ROUTERLESS_PLAN
from tests.bench.walking import COUNTRY, MARKS, THOUSAND

#: Memory and the client's CPU have budgets of their own, here for one site.
LARGEST_MB, LARGEST_CPU_MS = 100, 350
#: What a further home may cost the client, and the wall time of many against all CPU time on all cores.
FURTHER_CPU_MS, WALL_RATIO = 25, 1.15


@dataclass(frozen=True, slots=True)
class Budget:
    """A ratio of two measurements that shall not be exceeded."""

    what: str
    of: str
    to: str
    at_most: float

    def judged(self, samples: Mapping[str, Samples]) -> str:
        """Give the row of the table: the ratio of the medians, and whether it held."""
        if self.of not in samples or self.to not in samples:
            return f"| {self.what} | ≤ {self.at_most:.2g} × | not measured | |"
        ratio = samples[self.of].typical / samples[self.to].typical
        return f"| {self.what} | ≤ {self.at_most:.2g} × | {ratio:.2f} × | {verdict(ratio <= self.at_most)} |"


PASS, VERSION, HELP = "python -c pass", "plexops --version", "plexops --help"
ONE, TWO = "ssh router true", "ssh router true & ssh server true"
NETWORK = "one connection and one exec by plexops"
AUDIT = "plexops audit: router, server, Plex"
WHOLE = "plexops audit: all, with echoes and a vantage"
AGAIN = "plexops apply: a second one, all"
DIAGNOSE = "plexops diagnose: all"
ANSIBLE, PYINFRA = "ansible-playbook --check", "pyinfra --dry"

BUDGETS: Sequence[Budget] = (
    Budget("`plexops --version` against `python -c pass`", VERSION, PASS, 8),
    Budget("`plexops --help` against `python -c pass`", HELP, PASS, 8),
    Budget("an audit against two parallel `ssh host true`", AUDIT, TWO, 1.7),
    Budget("an audit against `ansible-playbook --check`", AUDIT, ANSIBLE, 0.16),
    Budget("an audit against `pyinfra --dry`", AUDIT, PYINFRA, 0.55),
    Budget("an audit of an OpenWrt router against `routerless plan`", OPENWRT, ROUTERLESS_PLAN, 0.8),
    Budget("connection and exec against one `ssh host true`", NETWORK, ONE, 0.7),
    Budget("a second apply against an audit", AGAIN, WHOLE, 1.2),
    Budget("a diagnosis against an audit", DIAGNOSE, WHOLE, 1.5),
)
#: How long a question may take, in milliseconds, by the router that it is about.
WALK_BUDGETS: Mapping[str, int] = {THOUSAND: 50, COUNTRY: 150, MARKS: 3000}


def verdict(held: bool) -> str:
    """Say whether a budget held."""
    return "held" if held else "**not held**"


def document(
    found: Sequence[Samples],
    walked: Sequence[Samples],
    execs: tuple[int, int],
    rounds: int,
    fleet: Sequence[Row],
) -> str:
    """Give the page."""
    samples = {one.name: one for one in found}
    lines = [
        "# What it costs",
        "",
        "Written by `python -m tests.bench` (as root on Linux), not by hand. One home out of namespaces with a",
        "real sshd, nftables, dnsmasq and ufw; everything is in order, so every tool only looks. Whole processes,",
        f"one after the other in turn, {rounds} rounds after one to warm up. The ratios are what counts: wall times",
        "are the machine's.",
        "",
        f"{machine()}. {versions()}.",
        "",
        "| | median ms | min to max ms | CPU ms | largest process MB |",
        "|---|---|---|---|---|",
        *(row(one) for one in found),
        "",
        "CPU is that of the client side, children included. `ssh` has its default key exchange;",
        "`ansible-playbook` has pipelining, no fact gathering and its own connection sharing; both tools look at",
        "the forward and the passage, the reservation, the host firewall's rule and Plex's settings. One",
        "connection and one exec is timed inside the process, without its start. The OpenWrt router is a real sshd",
        "whose `uci`, `ubus` and `nft` print what an OpenWrt would. `routerless` compares the reservations and forwards",
        "of its configuration, plexops what the packet filter makes of them too. By itself `routerless` knows no host",
        "key and logs in nowhere: here it was given the router's.",
        "",
        "## Budgets",
        "",
        "| what | budget | measured | |",
        "|---|---|---|---|",
        *(budget.judged(samples) for budget in BUDGETS),
        connections(execs),
        memory(median(samples[AUDIT].memory)),
        client_cpu(median(samples[AUDIT].cpu) * 1000),
        *many(fleet),
        "",
        "## Many homes",
        "",
        "One audit of so many homes, each in the inventory in full, with an address of its router and a port of its",
        "server of its own. Shared are the machines behind: one router and one server, each with one sshd, and one",
        "Plex. plexops and the devices run on the same cores, with nothing between them; up to 200 homes three times.",
        "",
        *table(fleet),
        "",
        "## The packet walk at its bounds",
        "",
        "Who gets from outside to Plex, asked of a router that is at hand, inside one process: a whole connection.",
        "",
        "| a router with | median ms | min to max ms | CPU ms | budget ms | |",
        "|---|---|---|---|---|---|",
        *walks(walked),
    ]
    return "\n".join(lines) + "\n"


def connections(execs: tuple[int, int]) -> str:
    """Judge what an audit brings to the shell devices."""
    seen = f"router {execs[0]}, server {execs[1]}"
    return (
        f"| connections and execs of an audit, per shell device | 1 | {seen} | {verdict(execs == (1, 1))} |"
    )


def memory(megabytes: float) -> str:
    """Judge an audit's memory."""
    held = verdict(megabytes <= LARGEST_MB)
    return f"| memory of an audit | ≤ {LARGEST_MB} MB | {megabytes:.0f} MB | {held} |"


def client_cpu(milliseconds: float) -> str:
    """Judge what an audit costs the machine that runs it; this figure is the machine's."""
    held = verdict(milliseconds <= LARGEST_CPU_MS)
    return f"| client CPU of an audit | ≤ {LARGEST_CPU_MS} ms | {milliseconds:.0f} ms | {held} |"


def many(fleet: Sequence[Row]) -> list[str]:
    """Judge the largest fleet: each home beyond the row before it, all of its memory, and its wall time."""
    if len(fleet) < 2:
        return []
    fewer, most = fleet[-2:]
    homes, further = f"{most.homes:,} homes", most.further(fewer) * 1000
    rows = (
        (
            f"client CPU of each further home, up to {homes}",
            f"{FURTHER_CPU_MS} ms",
            f"{further:.1f} ms",
            further <= FURTHER_CPU_MS,
        ),
        (
            f"memory of an audit of {homes}",
            f"{LARGEST_MB} MB",
            f"{most.memory:.0f} MB",
            most.memory <= LARGEST_MB,
        ),
        (
            f"wall of an audit of {homes} against all CPU / cores",
            f"{WALL_RATIO} ×",
            f"{most.against_cores:.2f} ×",
            most.against_cores <= WALL_RATIO,
        ),
    )
    return [
        f"| {what} | ≤ {budget} | {measured} | {verdict(held)} |" for what, budget, measured, held in rows
    ]


def walks(walked: Sequence[Samples]) -> list[str]:
    """Give each walk's row, and judge it."""
    rows = []
    for one in walked:
        most, typical, cpu = WALK_BUDGETS[one.name], one.typical * 1000, median(one.cpu) * 1000
        held = verdict(typical <= most)
        rows.append(f"| {one.name} | {typical:.0f} | {spread(one)} | {cpu:.0f} | ≤ {most:,} | {held} |")
    return rows


def spread(one: Samples) -> str:
    """Give the quickest and the slowest round in milliseconds."""
    return f"{min(one.seconds) * 1000:.0f} to {max(one.seconds) * 1000:.0f}"


def row(one: Samples) -> str:
    """Give one command's row."""
    cpu, memory = median(one.cpu) * 1000, median(one.memory)
    if one.name == NETWORK:
        return f"| {one.name} | {one.typical * 1000:.0f} | {spread(one)} | | |"
    return f"| `{one.name}` | {one.typical * 1000:.0f} | {spread(one)} | {cpu:.0f} | {memory:.0f} |"


def machine() -> str:
    """Describe the machine and the day."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    load = os.getloadavg()[0]
    return (
        f"{datetime.now(UTC):%Y-%m-%d}: {len(os.sched_getaffinity(0))} cores of {model}, Linux {platform.release()}, "
        f"Python {platform.python_version()}, load {load:.1f} at the end"
    )


def versions() -> str:
    """Name the tools that were measured against."""
    asked = {
        "OpenSSH": ["ssh", "-V"],
        "ansible-core": [str(PEERS / "ansible"), "--version"],
        "pyinfra": [str(PEERS / "pyinfra"), "--version"],
        "routerless": [str(ROUTERLESS / "routerless"), "--version"],
    }
    found = []
    for name, argv in asked.items():
        try:
            done = subprocess.run(argv, capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            found.append(f"{name} not installed")
        else:
            found.append((done.stdout or done.stderr).splitlines()[0].strip())
    return "; ".join(found)
