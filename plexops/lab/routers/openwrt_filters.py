"""What the kernel of a simulated OpenWrt holds: what firewall4 loaded last, and miniupnpd's rules in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import IPv4Address
from typing import Any

from plexops.lab.base import Fate, MappingSeed, Packet
from plexops.lab.filesystem import FileSystem
from plexops.lab.routers import fw4_ruleset, nft_packets
from plexops.lab.routers.fw4 import Firewall
from plexops.lab.routers.fw4_values import Networks, spot
from plexops.lab.routers.nft import Ruleset
from plexops.lab.routers.nft_command import NftCommand
from plexops.lab.routers.nft_parser import Parser
from plexops.lab.routers.nft_tokens import NftError, Source
from plexops.lab.routers.uci import Package

WAN = "eth1"
LAN = "br-lan"
#: firewall4 includes every file of that folder in its own table.
OWNERS_FILE = "/etc/nftables.d/20-own-chains.nft"
#: Behind connection tracking: before it no packet has a state.
_OWN = """chain own_prerouting {
	type filter hook prerouting priority mangle; policy accept;
%s}
"""
_NUMBERS = {"tcp": "0x6", "udp": "0x11"}


def owners_chains(rules: Iterable[str]) -> str:
    """Give the file with which an owner filters before anything is forwarded."""
    return _OWN % "".join(f"\t{rule}\n" for rule in rules)


def miniupnpd_rules(mapping: MappingSeed, device: str) -> tuple[str, str]:
    """Give what miniupnpd 2.3 adds for a mapping, as nft shows it: what translates, and what lets pass."""
    number = _NUMBERS[mapping.protocol]
    dnat = f"dnat ip to {mapping.address}:{mapping.port}"
    address = f"{int(mapping.address):#x}"
    return (
        f'iif "{device}" @nh,72,8 {number} th dport {mapping.external} {dnat}',
        f'iif "{device}" th dport {mapping.port} @nh,128,32 {address} @nh,72,8 {number} accept',
    )


def networks(interfaces: Sequence[Mapping[str, Any]]) -> Networks:
    """Give devices and addresses out of `network.interface dump`, as firewall4 takes them."""
    return {
        one["interface"]: (
            one.get("l3_device", one["device"]),
            tuple(spot(f"{a['address']}/{a['mask']}") for a in (*one.get("ipv4-address", ()), *_six(one))),
        )
        for one in interfaces
    }


def _six(interface: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    assigned = [a["local-address"] for a in interface.get("ipv6-prefix-assignment", ())]
    return [*interface.get("ipv6-address", ()), *assigned]


class KernelTables:
    """The tables that the kernel holds. `upnp`: miniupnpd is installed, and has chains in firewall4's table."""

    def __init__(self, files: FileSystem, networks: Callable[[], Networks], *, upnp: bool) -> None:
        self.ruleset = Ruleset()
        self.nft = NftCommand(self.ruleset).run
        self._files = files
        self._networks = networks
        self._upnp = upnp

    def text(self, package: Package) -> str:
        """Give what `fw4 print` prints.

        Raises UciError.
        """
        firewall = Firewall(package, self._networks(), self._files.exists)
        return fw4_ruleset.ruleset(firewall, upnp=self._upnp)

    def load(self, package: Package) -> list[NftError]:
        """Load it as `fw4 reload` does; after complaints all stays as it was."""
        return self._run(self.text(package), "/dev/stdin")

    def flush(self) -> None:
        """Take firewall4's table out."""
        self.ruleset.tables.pop(("inet", "fw4"), None)

    def map(self, mappings: Iterable[MappingSeed]) -> None:
        """Let miniupnpd's chains hold the rules for these mappings, and nothing else."""
        table = self.ruleset.tables.get(("inet", "fw4"))
        if table is None or not self._upnp:
            return
        for name in fw4_ruleset.UPNP_CHAINS:
            table.chains[name].rules.clear()
        places = ("upnp_prerouting", "upnp_forward")
        rules = [pair for m in mappings for pair in zip(places, miniupnpd_rules(m, WAN), strict=True)]
        self._run("".join(f"add rule inet fw4 {chain} {rule}\n" for chain, rule in rules), "")

    def carry(self, packet: Packet, side: str, wan: IPv4Address, lan: IPv4Address) -> Packet | Fate:
        """Carry a packet that arrives on a side; one for the router itself ends at its LAN address."""
        left = nft_packets.carry(self.ruleset, packet, side, LAN, frozenset({wan, lan}))
        return left.to(lan, left.port) if isinstance(left, Packet) and left.destination == wan else left

    def _run(self, text: str, name: str) -> list[NftError]:
        try:
            return self.ruleset.run(Parser(Source(name, text), self._load).program())
        except NftError as error:
            return [error]

    def _load(self, pattern: str) -> list[Source]:
        return [Source(path, self._files.read(path).decode()) for path in self._files.glob(pattern)]
