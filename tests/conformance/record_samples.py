"""Recorded states of the four simulated router families; python -m tests.conformance.record_samples FAMILY… writes them.

They go where the samples of plexops are, as `plexops profiles record` writes them, in the place of those that are there.
A person reads what they promise.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from plexops.config.samples import Said, State, write_state
from plexops.engine.record_state import record_state
from plexops.evidence.scrub import Scrubber
from plexops.lab.base import ForwardSeed, Lease, ReservationSeed, Seed
from plexops.lab.scenario import lan
from plexops.model.exchange import Read, Reply
from plexops.model.snapshot import Kind
from plexops.structs import replace
from tests.conformance.conformance_bench import FORWARD, HOUSEHOLD, RESERVATION, Bench, Family, bench, task

#: The day on which the committed ones were recorded.
DAY = date(2026, 12, 1)
OURS = (task(Kind.DHCP_RESERVATION, RESERVATION), task(Kind.PORT_FORWARD, FORWARD))
NOTHING = Seed(upnp_installed=False, upnp=False)
#: As people write them.
ODD = Seed(
    forwards=(
        ForwardSeed("both", "30000-30010", lan(9), "", "both"),
        ForwardSeed("off", "8443", lan(9), "443", "udp", enabled=False),
        ForwardSeed("some", "8022", lan(9), "22", "tcp", source="198.51.100.0/24"),
    ),
    reservations=(ReservationSeed("off", ("02:00:00:00:00:09",), lan(9)),),
    upnp=False,
)
LEASES = (
    Lease("00:11:32:aa:bb:01", lan(20), "nas"),
    Lease("52:54:00:12:34:56", lan(50), "plex"),
    Lease("04:d4:c4:55:66:77", lan(22), "gaming-pc"),
)
#: What the owner does by his router's own means, beyond what a seed says.
SWITCHED_OFF = {
    "openwrt": "uci set dhcp.@host[0].enable=0; uci commit dhcp",
    "routeros": "/ip dhcp-server lease set 0 disabled=yes",
}


@dataclass(frozen=True)
class BenchLink:
    """A device of the bench as a link."""

    bench: Bench
    identity: str = ""

    def ask(self, reads: Sequence[Read]) -> tuple[Reply, ...]:
        """Ask without a wire."""
        return self.bench.ask(reads)

    def close(self) -> None:
        """Nothing is open."""


def recorded(at: Bench) -> State:
    """Record a device as it is."""
    return record_state(at.driver.profile, BenchLink(at), Scrubber(()), DAY)


@contextmanager
def lived_in(family: Family) -> Iterator[Bench]:
    """A household: entries of others, and what plexops made, with the accept that it takes."""
    with bench(family, replace(HOUSEHOLD, strict_filter=True)) as at:
        at.router.set_leases(LEASES)
        for wanted in OURS:
            for change in at.finding(wanted).changes:
                at.make(change)
        yield at


def states(family: Family) -> Iterator[tuple[str, State]]:
    """Bring a device of a family into each state, and record it."""
    with lived_in(family) as at:
        yield "household", recorded(at)
    with bench(family, NOTHING) as at:
        yield "absent", recorded(at)
    with bench(family, ODD) as at:
        if family in SWITCHED_OFF:
            at.run(SWITCHED_OFF[family])
        yield "odd", recorded(at)
    if family == "opnsense":
        with lived_in("opnsense-kea") as at:
            yield "kea", recorded(at)


if __name__ == "__main__":
    for named in sys.argv[1:]:
        first: Mapping[str, str | Said] = {}
        for called, state in states(named):  # type: ignore[arg-type]
            told = {name: said for name, said in state.answers.items() if said != first.get(name)}
            like = "household" if first else ""
            source = f"the simulated home, {state.source}"
            kept = replace(state, source=source, like=like, answers=told)
            write_state(named, Path(), called, kept, force=True)
            first = first or state.answers
