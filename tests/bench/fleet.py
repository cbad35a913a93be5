"""Many homes in one audit: what each costs, here and at the devices.

`python -m tests.bench.fleet HOMES... [--forks N...] [--wait SECONDS] [--rounds N]` prints the rows alone.
All homes are the one real home, each with an address and a port of its own: two machines with one sshd each, one Plex.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from plexops.cli.session import pinned_store
from plexops.engine.runner import FORKS
from tests.bench.measuring import BIN, Command, home_in_order, measure
from tests.bench.peers import SERVER
from tests.lab.links import LAN_ROUTER
from tests.lab.realhome import RealHome

#: More homes than this are measured once.
MANY = 200
FIRST_PORT = 20000
#: The owner's computer finds every home at an address and a port of its own; the devices do not notice.
ADDRESSES = f"""table ip fleet {{
	chain output {{
		type nat hook output priority -100; policy accept;
		ip daddr 10.77.0.0/16 tcp dport 22 dnat to {LAN_ROUTER}:22
		ip daddr {SERVER} tcp dport {FIRST_PORT}-{FIRST_PORT + 9999} dnat to {SERVER}:22
	}}
}}
"""

COLUMNS = (
    *("homes", "forks", "wall s", "plexops: CPU ms a home", "of each further"),
    *("devices: CPU ms a home", "wall against all CPU / cores", "plexops: MB"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One audit of so many homes: wall seconds, CPU seconds of plexops and of all machines of the home, MB."""

    homes: int
    forks: int
    seconds: float
    client: float
    server: float
    memory: float

    @property
    def against_cores(self) -> float:
        """The wall time against what all CPU time would take on all cores."""
        return self.seconds * len(os.sched_getaffinity(0)) / (self.client + self.server)

    def further(self, fewer: Row) -> float:
        """Give the CPU seconds of plexops for each home beyond those of another row."""
        return (self.client - fewer.client) / (self.homes - fewer.homes)


def make_fleet(home: RealHome, wait: float = 0) -> None:
    """Let a home in order stand for many, whose devices let everyone wait for so many seconds, as over a slow line."""
    home.exec("ctl", ["nft", "-f", "-"], ADDRESSES).check_returncode()
    # Nobody counts here: an exec is not kept.
    script = f'#!/bin/sh\n{f"sleep {wait}" if wait else ""}\nexec sh -c "$SSH_ORIGINAL_COMMAND"\n'
    for machine in ("router", "server"):
        home.nodes[machine].write({"/usr/local/lib/logged-exec": script}, mode=0o755)


def measure_fleet(
    home: RealHome, fleets: Sequence[int], rounds: int, forks: Sequence[int] = (FORKS,)
) -> list[Row]:
    """Audit so many homes, with so many at once. Raises RuntimeError where one of them is not in order."""
    rows = []
    for homes in fleets:
        write_fleet(home, homes)
        times = 1 if homes > MANY else rounds
        rows += [typical([audited(home, homes, at_once) for _ in range(times)]) for at_once in forks]
    return rows


def write_fleet(home: RealHome, homes: int) -> None:
    """Write the inventory, and keep what `plexops trust` would have."""
    site = (home.directory / "inside.yaml").read_text().partition("\n")[2]
    key = [line.split('"')[1] for line in site.splitlines() if line.lstrip().startswith("host_key:")][1]
    sites = [site_at(site, number) for number in range(homes)]
    (home.directory / "fleet.yaml").write_text("sites:\n" + "".join(sites))
    pins = {f"{name_of(number)}/server": key for number in range(homes)}
    state = home.directory / "owner" / "state" / "plexops"
    pinned_store(state, pins, {}, {}, datetime.now(UTC).date()).save()


def name_of(number: int) -> str:
    """Name a home of the fleet."""
    return f"home-{number:04}"


def site_at(site: str, number: int) -> str:
    """Give the home as another site of the inventory, at an address and a port of its own."""
    return (
        site.replace("  home:\n", f"  {name_of(number)}:\n", 1)
        .replace(f"address: {LAN_ROUTER}\n", f"address: 10.77.{number // 250}.{number % 250 + 1}\n", 1)
        .replace(f"address: {SERVER}\n", f"address: {SERVER}\n      port: {FIRST_PORT + number}\n", 1)
    )


def audited(home: RealHome, homes: int, forks: int) -> Row:
    """Audit once."""
    argv = [str(BIN / "plexops"), "audit", "-i", "fleet.yaml", "inside", "-f", str(forks)]
    before = devices_cpu(home)
    [found] = measure(
        home, [Command(f"plexops audit: {homes}", [argv], must_say=("exit 0",))], 1, warm_up=False
    )
    return Row(homes, forks, found.typical, found.cpu[0], devices_cpu(home) - before, found.memory[0])


def devices_cpu(home: RealHome) -> float:
    """Give the CPU seconds of all processes of router and server, and of those that they waited for."""
    machines = {Path(f"/proc/{home.nodes[name].pid}/ns/pid").readlink() for name in ("router", "server")}
    ticks = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "ns/pid").readlink() in machines:
                ticks += ticks_of((process / "stat").read_text())
        except OSError:  # it has ended, and belongs to who waited for it
            continue
    return ticks / os.sysconf("SC_CLK_TCK")


def ticks_of(stat: str) -> int:
    """Add up utime, stime, cutime and cstime of a line of /proc/PID/stat (proc_pid_stat(5), fields 14 to 17)."""
    return sum(int(word) for word in stat.rpartition(")")[2].split()[11:15])


def typical(rows: Sequence[Row]) -> Row:
    """Give the medians of rows of the same fleet."""
    figures = zip(*((row.seconds, row.client, row.server, row.memory) for row in rows), strict=True)
    return Row(rows[0].homes, rows[0].forks, *map(median, figures))


def table(rows: Sequence[Row]) -> list[str]:
    """Give the rows as Markdown, each against the one of fewer homes before it."""
    lines = [
        f"| {' | '.join(COLUMNS)} |",
        "|---" * len(COLUMNS) + "|",
    ]
    for before, row in zip((None, *rows), rows, strict=False):
        further = f"{row.further(before) * 1000:.1f}" if before and before.homes < row.homes else ""
        lines.append(
            f"| {row.homes:,} | {row.forks} | {row.seconds:.1f} | {row.client / row.homes * 1000:.1f} | {further} "
            f"| {row.server / row.homes * 1000:.1f} | {row.against_cores:.2f} × | {row.memory:.0f} |"
        )
    return lines


def main(argv: Sequence[str]) -> None:
    """Measure what was asked for, and print it."""
    asked = argparse.ArgumentParser(prog="python -m tests.bench.fleet", description=__doc__)
    asked.add_argument("homes", type=int, nargs="+")
    asked.add_argument("--forks", type=int, nargs="+", default=[FORKS])
    asked.add_argument("--rounds", type=int, default=1)
    asked.add_argument("--wait", type=float, default=0, help="seconds that each device lets wait")
    options = asked.parse_args(argv)
    with home_in_order() as home:
        make_fleet(home, options.wait)
        print("\n".join(table(measure_fleet(home, options.homes, options.rounds, options.forks))))


if __name__ == "__main__":
    main(sys.argv[1:])
