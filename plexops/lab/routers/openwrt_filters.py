"""What nft shows on a simulated OpenWrt: firewall4's chains in short, and the owner's own from /etc/nftables.d."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import BinaryIO

from plexops.lab.base import ExecResult, Fate, Packet
from plexops.lab.routers import nft_packets
from plexops.lab.routers.nft import Ruleset
from plexops.lab.routers.nft_command import NftCommand
from plexops.lab.routers.nft_parser import Parser
from plexops.lab.routers.nft_tokens import Source
from plexops.lab.shell import Context

WAN = "eth1"
LAN = "br-lan"
#: firewall4 includes every file of that folder in its own table.
OWNERS_FILE = "/etc/nftables.d/20-own-chains.nft"
#: As `fw4 print` writes it; what a redirect translates passes forward_wan.
_FW4 = f"""table inet fw4 {{
	chain input {{
		type filter hook input priority filter; policy drop;
		iif "lo" accept
		ct state established,related accept
		iifname "{LAN}" accept
		jump handle_reject
	}}

	chain forward {{
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		iifname "{LAN}" jump forward_lan
		iifname "{WAN}" jump forward_wan
		jump handle_reject
	}}

	chain forward_lan {{
		oifname "{WAN}" accept
	}}

	chain forward_wan {{
		ct status dnat accept
		jump handle_reject
	}}

	chain handle_reject {{
		meta l4proto tcp reject with tcp reset
		reject
	}}

	chain raw_prerouting {{
		type filter hook prerouting priority raw; policy accept;
	}}

%s}}
"""
_OWN = """	chain own_prerouting {
		type filter hook prerouting priority raw; policy accept;
%s	}
"""


def owners_chains(rules: tuple[str, ...]) -> str:
    """Give the file with which an owner filters before anything is forwarded; empty without rules."""
    return _OWN % "".join(f"\t\t{rule}\n" for rule in rules) if rules else ""


class KernelTables:
    """The tables that the kernel holds."""

    def __init__(self, rules: tuple[str, ...], wan: IPv4Address) -> None:
        self._own = frozenset({wan})
        self._all = _loaded(_FW4 % owners_chains(rules))
        self._owners = _loaded(f"table inet fw4 {{\n{owners_chains(rules)}}}\n")

    def nft(self, argv: list[str], stdin: BinaryIO, context: Context) -> ExecResult:
        """Answer `nft`."""
        return NftCommand(self._all).run(argv, stdin, context)

    def before_forwards(self, packet: Packet) -> Fate | None:
        """Tell what the owner's chains do with a packet from outside; None lets it pass."""
        carried = nft_packets.carry(self._owners, packet, WAN, LAN, self._own)
        return carried if isinstance(carried, str) else None


def _loaded(text: str) -> Ruleset:
    ruleset = Ruleset()
    complaints = ruleset.run(Parser(Source("fw4.nft", text), lambda _: []).program())
    if complaints:
        raise ValueError(str(complaints[0]))
    return ruleset
