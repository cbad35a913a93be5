"""What a person does on a Plex host that is set in its own pages or shell: the steps of `hosts.yaml`, by `firewall:`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from msgspec import Struct

from plexops.config.boxes import marked
from plexops.config.yaml import yaml_loader
from plexops.model.site import HostFirewall, ServerDevice

#: The words that name a firewall, or none: most homes have no other, and load no steps.
_FIREWALLS = frozenset(("auto", "ufw", "firewalld", "nftables", "iptables", "none"))


class HostByHand(Struct, frozen=True):
    """One system. `steps` let a port in, each marked with how sure it is."""

    title: str
    steps: tuple[str, ...]
    sources: tuple[str, ...]

    def lines(self, port: int, address: IPv4Address | None) -> tuple[str, ...]:
        """Give the steps for a TCP port, with the values filled in."""
        at = "the server's address" if address is None else str(address)
        filled = (step.replace("{{ port }}", str(port)) for step in self.steps)
        return tuple(step.replace("{{ address }}", at) for step in filled)


@cache
def hosts_by_hand() -> Mapping[HostFirewall, HostByHand]:
    """Give all such systems by their words in the inventory."""
    text = Path(__file__).with_name("hosts.yaml").read_text(encoding="utf-8")
    rows: dict[str, Any] = yaml_loader()(text).get_single_data()["hosts"]
    return {
        HostFirewall(name): HostByHand(row["title"], marked(row["firewall_rule"]), tuple(row["sources"]))
        for name, row in rows.items()
    }


def host_by_hand(server: ServerDevice | None) -> HostByHand | None:
    """Give the system that the inventory names; None where it names a firewall, or none."""
    return None if server is None or server.firewall in _FIREWALLS else hosts_by_hand()[server.firewall]
