"""A home's start state, in OPNsense's terms."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Literal

from plexops.lab.base import ForwardSeed, Seed
from plexops.lab.routers.opnsense_model import HOST, RANGE, RESERVATION, RULE, SUBNET, Collection, Row

Backend = Literal["dnsmasq", "kea"]


def _tag(name: str, *, ours: bool) -> str:
    return f"plexops:{name}" if ours else name


def rules(seed: Seed) -> Iterator[Row]:
    """Give the destination NAT rules, with the sequence numbers that the web interface would choose."""
    for number, forward in enumerate(seed.forwards, 1):
        yield {
            "sequence": str(100 * number), "interface": "wan", "ipprotocol": "inet",
            "disabled": "0" if forward.enabled else "1",
            "protocol": {"both": "tcp/udp", "any": ""}.get(forward.protocol, forward.protocol),
            "source.network": forward.source, "destination.network": "wanip",
            "destination.port": forward.external, "target": str(forward.address),
            "local-port": forward.port or forward.external.partition("-")[0],
            "descr": _tag(forward.name, ours=forward.ours), "pass": _pass(forward),
        }  # fmt: skip


def _pass(forward: ForwardSeed) -> str:
    if not forward.passage:
        return ""
    return "pass" if forward.ours else "rule"


class Configuration:
    """All collections, filled; the DHCP server that is not in use is empty and off."""

    def __init__(self, seed: Seed, backend: Backend) -> None:
        self.rules = Collection("rule", RULE)
        self.hosts = Collection("host", HOST)
        self.ranges = Collection("range", RANGE)
        self.reservations = Collection("reservation", RESERVATION)
        self.subnets = Collection("subnet4", SUBNET)
        for row in rules(seed):
            self.rules.seed(row)
        if backend == "dnsmasq":
            self._dnsmasq(seed)
        else:
            self._kea(seed)

    def _dnsmasq(self, seed: Seed) -> None:
        self.ranges.seed({
            "interface": "lan", "start_addr": str(seed.pool_first), "end_addr": str(seed.pool_last),
        })  # fmt: skip
        self.ranges.seed({
            "interface": "lan", "start_addr": "::1000", "end_addr": "::2000", "constructor": "lan",
            "ra_mode": "slaac",
        })  # fmt: skip
        for one in seed.reservations:
            self.hosts.seed({
                "host": one.name, "ip": str(one.address), "hwaddr": ",".join(one.macs),
                "descr": _tag(one.name, ours=one.ours),
            })  # fmt: skip

    def _kea(self, seed: Seed) -> None:
        network = IPv4Network((int(seed.lan_address), seed.lan_prefix), strict=False)
        lan = str(seed.lan_address)
        subnet = self.subnets.seed({
            "subnet": str(network), "pools": f"{seed.pool_first}-{seed.pool_last}",
            "option_data.routers": lan, "option_data.domain_name_servers": lan, "option_data.ntp_servers": lan,
        })  # fmt: skip
        for one in seed.reservations:
            # Kea knows one MAC per reservation.
            self.reservations.seed({
                "subnet": subnet, "ip_address": str(one.address), "hw_address": one.macs[0],
                "hostname": one.name, "description": _tag(one.name, ours=one.ours),
            })  # fmt: skip
