"""Whole drivers under fuzzing: one answer of a router that is otherwise healthy is any bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import MappingProxyType

from plexops.drivers.base import Observation
from plexops.drivers.plex.driver import PlexDriver
from plexops.drivers.server.driver import ServerDriver
from plexops.model.exchange import Read, Reply
from plexops.model.site import HostFirewall
from plexops.runbook.exposures import exposures
from plexops.runbook.view import SiteView
from tests.conformance.conformance_bench import FAMILIES, MAC, PLEX, Family, bench, observed
from tests.fuzz.targets import MAX_LENGTH, Target


@cache
def _healthy(family: Family) -> tuple[Callable[[], Observation], tuple[Reply, ...]]:
    """Give a family's driver and what a simulated home answers to it."""
    replies: list[Reply] = []
    with bench(family) as device:

        def ask(reads: Sequence[Read]) -> Sequence[Reply]:
            replies.extend(device.ask(reads))
            return replies

        observed(device.driver.observe(), ask)
        return device.driver.observe, tuple(replies)


def _router(family: Family) -> Target:
    def read(data: bytes) -> None:
        observe, replies = _healthy(family)
        number, body = _parted(data, len(replies))
        said = {reply.id: reply for reply in replies}
        chosen = replies[number]
        said[chosen.id] = Reply(chosen.id, chosen.status, body)
        snapshot = observed(observe(), lambda reads: [said[read.id] for read in reads])
        # Whatever is read has to be walkable: guards do that with every answer.
        exposures(SiteView("home", server_mac=MAC, plex_address=PLEX).with_snapshot(snapshot))

    def seeds() -> Sequence[bytes]:
        return [
            bytes([number]) + reply.body.encode()[: MAX_LENGTH - 1]
            for number, reply in enumerate(_healthy(family)[1])
        ]

    return Target(read, seeds)


def _parted(data: bytes, count: int) -> tuple[int, str]:
    """Take the first byte for which answer is meant, the rest for its text."""
    return (data[0] if data else 0) % count, data[1:].decode("utf-8", "replace")


def _host(observe: Callable[[], Observation], good: int, missing: int) -> Target:
    """A driver that is answered one text, and nothing else."""

    def read(data: bytes) -> None:
        def ask(reads: Sequence[Read]) -> Sequence[Reply]:
            number, body = _parted(data, len(reads))
            return [
                Reply(one.id, good, body) if place == number else Reply(one.id, missing, "")
                for place, one in enumerate(reads)
            ]

        observed(observe(), ask)

    return Target(read, lambda: [bytes([number]) + text for number in range(40) for text in _HOST_TEXTS])


_HOST_TEXTS = (
    b"",
    b'tcp LISTEN 0 1024 0.0.0.0:32400 0.0.0.0:* users:(("Plex Media Serv",pid=9,fd=1))\n',
    b'[{"ifname": "eth0", "addr_info": [{"family": "inet", "local": "192.168.1.50", "prefixlen": 24}]}]',
    b'<MediaContainer size="0" machineIdentifier="abc" version="1.43.0" claimed="1"/>',
    b'{"nftables": [{"metainfo": {"json_schema_version": 1}}, {"table": {"family": "inet", "name": "filter"}}]}',
    b"*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 32400 -j ACCEPT\nCOMMIT\n",
)
#: All of them, by name.
DEVICES: Mapping[str, Target] = MappingProxyType(
    {
        **{f"device-{family}": _router(family) for family in FAMILIES},
        "device-server": _host(ServerDriver(firewall=HostFirewall.UFW).observe, 0, 127),
        "device-plex": _host(PlexDriver(thorough=True).observe, 200, 404),
    }
)
