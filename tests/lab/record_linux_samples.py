"""Recorded states of Linux routers with real daemons; python -m tests.lab.record_linux_samples writes them.

As root, in a namespace without an uplink. A person reads what they promise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from plexops.config.samples import load_samples, write_state
from plexops.engine.record_state import record_state
from plexops.evidence.scrub import Scrubber
from plexops.model.exchange import Read, Reply
from plexops.structs import replace

from .linux_router import RouterHost, router_host
from .test_dhcp_servers import ISC, KEA, restart
from .test_iptables_router import PREPARE

DAY = date(2026, 12, 1)
#: What was made over OMAPI stands in the lease file.
OMAPI = """
cat >>/var/lib/dhcp/dhcpd.leases <<'END'
host by-omapi { dynamic; hardware ethernet 00:11:32:aa:bb:03; fixed-address 192.168.1.23; }
host gone { dynamic; hardware ethernet 00:11:32:aa:bb:04; fixed-address 192.168.1.24; }
host gone { dynamic; deleted; }
END
"""
STATES = {
    "isc": (ISC + OMAPI + PREPARE.replace("@", "iptables-nft"), "dhcpd 4.4.3 and iptables 1.8.9"),
    "kea": (KEA + PREPARE.replace("@", "iptables-legacy"), "Kea 2.2.0 and iptables-legacy 1.8.9"),
}


@dataclass(frozen=True)
class RouterLink:
    """A router of the bench as a link."""

    at: RouterHost
    identity: str = ""

    def ask(self, reads: Sequence[Read]) -> tuple[Reply, ...]:
        """Ask without a wire."""
        return self.at.ask(reads)

    def close(self) -> None:
        """Nothing is open."""


def main() -> None:
    """Bring a router into each state, and record it."""
    samples = load_samples("linux", Path())
    assert samples is not None
    household = samples.states["household"].answers
    for word, (prepare, firmware) in STATES.items():
        with router_host(prepare) as at:
            restart(at, word)
            at.leased()
            state = record_state(at.driver.profile, RouterLink(at), Scrubber(()), DAY)
        told = {name: said for name, said in state.answers.items() if said != household.get(name)}
        source = (
            f"a router out of namespaces, recorded and masked on {DAY}: Debian 12 with {firmware}; "
            "what it promises is what plexops understood"
        )
        kept = replace(state, source=source, like="household", answers=told, asks={})
        write_state("linux", Path(), word, kept, replaces=True)


if __name__ == "__main__":
    main()
