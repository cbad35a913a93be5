"""What OpenWrt's script starts dnsmasq with, and what dnsmasq does not start with (dnsmasq.init; dnsmasq 2.90)."""

from __future__ import annotations

import re
from ipaddress import IPv4Address
from typing import BinaryIO

from plexops.lab.base import ExecResult
from plexops.lab.routers.fw4 import enabled
from plexops.lab.routers.uci import Package, Section
from plexops.lab.shell import Context, fail

#: What `/etc/init.d/dnsmasq` writes, and what the owner adds by hand.
DNSMASQ_CONF = "/var/etc/dnsmasq.conf.cfg01411c"
OWN_DNSMASQ = "/etc/dnsmasq.conf"


def generated(committed: Package, pool: tuple[IPv4Address, IPv4Address]) -> str:
    """Give the file that the script writes: reservations, and a range where the LAN is served."""
    section = committed.find("lan")
    hosts = [found for host in committed.of("host") if (found := reserved(host))]
    lines = [f"dhcp-host={','.join(mac for mac, _ in found)},{found[0][1]}\n" for found in hosts]
    if section is not None and section.text("ignore", "0") == "0" and section.text("dhcpv4") != "disabled":
        lines.append(f"dhcp-range=set:lan,{pool[0]},{pool[1]},255.255.255.0,12h\n")
    return "".join(lines)


def refuses(text: str) -> bool:
    """Tell whether dnsmasq ends at once: an address reserved twice. Its script says nothing of that."""
    addresses = re.findall(r"^dhcp-host=.*?,(\d+(?:\.\d+){3})", text, re.MULTILINE)
    return len(set(addresses)) < len(addresses)


def reserved(host: Section) -> list[tuple[str, IPv4Address]]:
    """Give the MAC addresses of a section, each with its address."""
    if not enabled(host, "enable"):
        return []
    try:
        address = IPv4Address(host.text("ip"))
    except ValueError:
        return []
    return [(mac.lower(), address) for mac in host.text("mac").split()]


def run(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    """Answer `dnsmasq --test -C FILE`."""
    if "--test" not in argv or argv[-2] != "-C":
        return fail("dnsmasq: only `dnsmasq --test -C FILE` is simulated")
    if refuses(context.files.read(argv[-1]).decode()):
        return fail(f"\ndnsmasq: duplicate dhcp-host IP address at line 9 of {argv[-1]}")
    return ExecResult(b"", b"dnsmasq: syntax check OK.\n", 0)
