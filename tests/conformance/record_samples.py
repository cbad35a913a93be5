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
from functools import partial
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
#: What the owner does by his router's own means, beyond what a seed says, by family and state.
BY_HAND = {
    ("openwrt", "odd"): "uci set dhcp.@host[0].enable=0; uci commit dhcp",
    ("routeros", "odd"): "/ip dhcp-server lease set 0 disabled=yes",
    ("openwrt", "limits"): "; ".join(
        [
            *(f"uci set firewall.@redirect[0].{name}=1" for name in ("log", "log_limit", "reflection")),
            *(f"uci set firewall.@redirect[0].reflection_{name}=lan" for name in ("src", "zone")),
            *(
                f"uci set firewall.@redirect[1].{name}"
                for name in ("src_mac=02:00:00:00:00:09", "src_port=1024", "extra=-m")
            ),
            *(
                f"uci set firewall.@redirect[1].{name}"
                for name in ("src_dip=192.168.1.1", "ipset=some", "mark=1", "limit=5")
            ),
            *(
                f"uci set firewall.@redirect[2].{name}"
                for name in ("start_date=2026-12-01", "stop_date=2026-12-02")
            ),
            *(
                f"uci set firewall.@redirect[2].{name}"
                for name in ("start_time=08:00:00", "stop_time=09:00:00", "weekdays=Mon")
            ),
            "uci set dhcp.@host[0].dns=1",
            "uci add firewall redirect; uci set firewall.@redirect[-1].target=DNAT; uci set firewall.@redirect[-1].src=wan",
            "uci set firewall.@redirect[-1].family=ipv6; uci set firewall.@redirect[-1].src_dport=8090",
            "uci set firewall.@redirect[-1].dest_ip=fd00::9",
            "uci commit",
        ]
    ),
    ("openwrt", "odhcpd"): (
        "uci set dhcp.odhcpd=odhcpd; uci set dhcp.odhcpd.maindhcp=1; uci set dhcp.lan.dhcpv4=server; uci commit dhcp"
    ),
}
NO_NEIGHBOURS = (
    "192.168.1.77 dev lan0 FAILED\n192.168.1.78 dev lan0 INCOMPLETE\n"
    "192.168.1.79 dev lan0 lladdr 02:00:00:00:00:79 NOARP\n192.168.1.80 dev lan0 lladdr 02:00:00:00:00:80 NONE\n"
)
#: Answers that no simulated device gives: as iproute2 writes them, or a status.
MADE: Mapping[tuple[Family, str], Mapping[str, str | int]] = {
    ("opnsense", "bare"): {
        **{f"dnsmasq_{name}": 404 for name in ("hosts", "ranges", "settings", "status", "leases")},
        **{f"kea_{name}": 404 for name in ("reservations", "subnets", "settings", "status")},
        **dict.fromkeys(("filter_rules", "aliases", "arp"), 404),
    },
    ("openwrt", "odd"): {"neighbours": NO_NEIGHBOURS},
    ("linux", "silent"): {"sockets": ""},
    ("linux", "odd"): {
        "neighbours": NO_NEIGHBOURS,
        "routes": '[{"dst":"default","protocol":"static","metric":100,"flags":[],"nexthops":['
        '{"gateway":"203.0.113.1","dev":"wan0","weight":1,"flags":[]},'
        '{"gateway":"198.51.100.1","dev":"wan1","weight":1,"flags":[]}]},'
        '{"dst":"192.168.1.0/24","dev":"lan0","protocol":"kernel","scope":"link","prefsrc":"192.168.1.1","flags":[]}]',
    },
}
SEEDS = {"absent": NOTHING, "odd": ODD, "limits": ODD, "odhcpd": ODD, "bare": NOTHING, "silent": ODD}


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


def answered(made: Mapping[str, str | int], read: Read, reply: Reply) -> Reply:
    """Put a made answer in the place of the device's."""
    other = made.get(read.id)
    if isinstance(other, int):
        return replace(reply, status=other, body="")
    return reply if other is None else replace(reply, body=other)


def states(family: Family) -> Iterator[tuple[str, State]]:
    """Bring a device of a family into each state, and record it."""
    with lived_in(family) as at:
        yield "household", recorded(at)
    for called, seed in SEEDS.items():
        if called not in ("absent", "odd") and (family, called) not in {*BY_HAND, *MADE}:
            continue
        with bench(family, seed) as at:
            if (family, called) in BY_HAND:
                at.run(BY_HAND[family, called])
            made = MADE.get((family, called), {})
            at.distort = partial(answered, made)
            state = recorded(at)
        yield (
            called,
            replace(state, source=f"{state.source}; made: {', '.join(made)}" if made else state.source),
        )
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
            kept = replace(state, source=source, like=like, answers=told, asks={} if like else state.asks)
            write_state(named, Path(), called, kept, replaces=True)
            first = first or state.answers
