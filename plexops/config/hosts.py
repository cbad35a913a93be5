"""What a person does on a Plex host that is set in its own pages or shell: the steps of `hosts.yaml`, by `firewall:`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from ipaddress import IPv4Address
from pathlib import Path
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from plexops.config.boxes import marked
from plexops.config.yaml import yaml_loader
from plexops.model.site import HostFirewall

#: The words that name a firewall, or none: most homes have no other, and load no steps.
_FIREWALLS = frozenset(
    {
        *(HostFirewall.AUTO, HostFirewall.UFW, HostFirewall.FIREWALLD),
        *(HostFirewall.NFTABLES, HostFirewall.IPTABLES, HostFirewall.NONE),
    }
)


class HostByHand(Struct, frozen=True):
    """One system. `steps` let a port in, each marked with how sure it is."""

    word: HostFirewall
    title: str
    steps: tuple[str, ...]
    sources: tuple[str, ...]

    def lines(self, port: int, address: IPv4Address | None) -> tuple[str, ...]:
        """Give the steps for a TCP port, with the values filled in."""
        at = "the server's address" if address is None else str(address)
        return tuple(
            step.replace("{{ port }}", str(port)).replace("{{ address }}", at) for step in self.steps
        )


@cache
def hosts_by_hand() -> Mapping[HostFirewall, HostByHand]:
    """Give all such systems by their words in the inventory."""
    text = Path(__file__).with_name("hosts.yaml").read_text(encoding="utf-8")
    rows: dict[str, Any] = yaml_loader()(text).get_single_data()["hosts"]
    return MappingProxyType(
        {
            HostFirewall(name): HostByHand(
                HostFirewall(name), row["title"], marked(row["firewall_rule"]), tuple(row["sources"])
            )
            for name, row in rows.items()
        }
    )


def host_by_hand(word: HostFirewall) -> HostByHand | None:
    """Give the system that a word names; None where it names a firewall, or none."""
    return None if word in _FIREWALLS else hosts_by_hand()[word]
