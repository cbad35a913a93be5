"""The files of a Linux router at home: Debian, nftables, dnsmasq, miniupnpd, all configured by hand.

The simulated router and the one that is made of namespaces in the tests are configured by these same texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Network

from msgspec import Struct

from plexops.lab.base import ForwardSeed, PinholeSeed, ReservationSeed, Seed

NFTABLES_CONF = "/etc/nftables.conf"
DNSMASQ_CONF = "/etc/dnsmasq.conf"
HOUSEHOLD_CONF = "/etc/dnsmasq.d/household.conf"
LEASES = "/var/lib/misc/dnsmasq.leases"
MINIUPNPD_CONF = "/etc/miniupnpd/miniupnpd.conf"
MINIUPNPD_LEASES = "/var/lib/misc/upnp.leases"

OS_RELEASE = """PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
VERSION_CODENAME=bookworm
ID=debian
HOME_URL="https://www.debian.org/"
SUPPORT_URL="https://www.debian.org/support"
BUG_REPORT_URL="https://bugs.debian.org/"
"""


class Interfaces(Struct, frozen=True):
    """What the router calls its two sides."""

    wan: str = "wan0"
    lan: str = "lan0"


def router_files(seed: Seed, sides: Interfaces) -> Mapping[str, str]:
    """Give the configuration files of the router, by path."""
    files = {
        "/etc/os-release": OS_RELEASE,
        NFTABLES_CONF: nftables_conf(seed, sides),
        DNSMASQ_CONF: dnsmasq_conf(seed, sides),
        HOUSEHOLD_CONF: household_conf([r for r in seed.reservations if not r.ours]),
        LEASES: "",
    }
    if seed.upnp_installed:
        files[MINIUPNPD_CONF] = miniupnpd_conf(seed, sides)
        files[MINIUPNPD_LEASES] = "".join(
            f"{m.protocol.upper()}:{m.external}:{m.address}:{m.port}:0:{m.description}\n"
            for m in seed.mappings
        )
    if seed.early_filter:
        files["/etc/nftables.d/early.nft"] = early_table(seed.early_filter)
    for forward in seed.forwards:
        if forward.ours:
            files[f"/etc/nftables.d/plexops_{forward.name}.nft"] = our_table(forward, sides)
    for reservation in seed.reservations:
        if reservation.ours:
            files[f"/etc/dnsmasq.d/plexops_{reservation.name}.conf"] = our_reservation(reservation)
    return files


def nftables_conf(seed: Seed, sides: Interfaces) -> str:
    """Give `/etc/nftables.conf`: what comes from outside is dropped unless one line lets it pass.

    The household wrote one accept per forward, and no `ct status dnat accept`: so a forward that somebody adds
    also needs a line of its own in the filter. miniupnpd's chains are called from the filter's own table,
    because an accept in another table does not undo this one's drop.
    """
    others = [f for f in seed.forwards if not f.ours]
    # Who has no line for the files of others has one for their port: else nothing would get through.
    passed = others if seed.loads_at_start else seed.forwards
    passing = [_accept(f, protocol, sides) for f in passed if f.passage for protocol in _protocols(f)]
    accepts = _lines([*passing, *(_pinhole(p, sides) for p in seed.pinholes)])
    dnats = _lines(_dnat(f, protocol, seed, sides) for f in others for protocol in _protocols(f))
    return f"""#!/usr/sbin/nft -f
# The home's packet filter. After a change: nft -c -f /etc/nftables.conf && systemctl reload nftables

flush ruleset

table inet filter {{
	chain input {{
		type filter hook input priority filter; policy drop;
		ct state established,related accept
		ct state invalid drop
		iifname {{ "lo", "{sides.lan}" }} accept
		meta l4proto icmp accept
		iifname "{sides.wan}" udp dport 51820 counter accept comment "wireguard"
	}}

	chain forward {{
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		iifname "{sides.lan}" oifname "{sides.wan}" accept{accepts}
		jump miniupnpd
	}}

	chain output {{
		type filter hook output priority filter; policy accept;
	}}

	# filled by miniupnpd
	chain miniupnpd {{
	}}

	chain prerouting_miniupnpd {{
	}}

	chain postrouting_miniupnpd {{
	}}

	chain prerouting {{
		type nat hook prerouting priority dstnat; policy accept;
		jump prerouting_miniupnpd
	}}

	chain postrouting {{
		type nat hook postrouting priority srcnat; policy accept;
		jump postrouting_miniupnpd
	}}
}}

table ip nat {{
	chain prerouting {{
		type nat hook prerouting priority dstnat; policy accept;{dnats}
	}}

	chain postrouting {{
		type nat hook postrouting priority srcnat; policy accept;
		oifname "{sides.wan}" masquerade
	}}
}}

{'include "/etc/nftables.d/*.nft"' if seed.loads_at_start else '# include "/etc/nftables.d/*.nft"'}
"""


def _lines(rules: Iterable[str]) -> str:
    return "".join(f"\n\t\t{rule}" for rule in rules)


def _protocols(forward: ForwardSeed) -> tuple[str, ...]:
    return ("tcp", "udp") if forward.protocol == "both" else (forward.protocol,)


def _comment(text: str) -> str:
    # nft has no way to write a double quote inside a comment.
    return f'comment "{text[:120].replace(chr(34), chr(39))}"' if text else ""


def _dnat(forward: ForwardSeed, protocol: str, seed: Seed, sides: Interfaces) -> str:
    source = f"ip saddr {forward.source} " if forward.source else ""
    port = f":{forward.port}" if forward.port and forward.port != forward.external else ""
    side = (
        f'iifname "{sides.lan}" ip daddr {seed.wan_address}' if forward.inside else f'iifname "{sides.wan}"'
    )
    rule = (
        f"{side} {source}{_ports(protocol, forward.external)}dnat to {forward.address}{port} "
        f"{_comment(forward.name)}"
    ).rstrip()
    return rule if forward.enabled else f"#off# {rule}"


def _accept(forward: ForwardSeed, protocol: str, sides: Interfaces) -> str:
    ports = _ports(protocol, forward.port or forward.external)
    side = sides.lan if forward.inside else sides.wan
    rule = f'iifname "{side}" ip daddr {forward.address} {ports}accept {_comment(forward.name)}'.rstrip()
    return rule if forward.enabled else f"#off# {rule}"


def _ports(protocol: str, ports: str) -> str:
    if protocol == "any":
        return ""
    return f"{protocol} dport {ports} " if ports else f"meta l4proto {protocol} "


def _pinhole(pinhole: PinholeSeed, sides: Interfaces) -> str:
    to = f"ip6 daddr {pinhole.address} " if pinhole.address else "meta nfproto ipv6 "
    return f'iifname "{sides.wan}" {to}tcp dport {pinhole.port} accept {_comment(pinhole.name)}'


def our_table(forward: ForwardSeed, sides: Interfaces) -> str:
    """Give a forward as plexops leaves it: one table of its own in one file of its own."""
    port = forward.port or forward.external
    name = f"plexops_{forward.name}"
    rule = (
        f'iifname "{sides.wan}" {forward.protocol} dport {forward.external} '
        f'counter dnat ip to {forward.address}:{port} comment "plexops:{forward.name}"'
    )
    return f"""table inet {name}
delete table inet {name}
table inet {name} {{
  chain prerouting {{
    type nat hook prerouting priority dstnat; policy accept;
    {rule}
  }}
}}
"""


def early_table(rules: Sequence[str]) -> str:
    """Give a table of somebody's that filters before anything is forwarded."""
    lines = "".join(f"    {rule}\n" for rule in rules)
    return (
        "table inet early {\n  chain prerouting {\n    type filter hook prerouting priority mangle; policy accept;\n"
        f"{lines}  }}\n}}\n"
    )


def our_reservation(reservation: ReservationSeed) -> str:
    """Give a reservation as plexops leaves it: one file of its own, with its tag on top."""
    macs = ",".join(mac.lower() for mac in reservation.macs)
    return f"# plexops:{reservation.name}\ndhcp-host={macs},{reservation.address}\n"


def dnsmasq_conf(seed: Seed, sides: Interfaces) -> str:
    """Give `/etc/dnsmasq.conf`: DHCP only, reservations in files of their own."""
    mask = IPv4Network(f"{seed.lan_address}/{seed.lan_prefix}", strict=False).netmask
    return f"""# DHCP for the home. Names are answered by the provider's resolver.
port=0
interface={sides.lan}
bind-dynamic
no-ping
dhcp-authoritative{"" if seed.serves_dhcp else f"{chr(10)}no-dhcp-interface={sides.lan}"}
dhcp-range={seed.pool_first},{seed.pool_last},{mask},12h
dhcp-option=option:router,{seed.lan_address}
#dhcp-host=11:22:33:44:55:66,192.168.0.60
dhcp-leasefile={LEASES}
pid-file=/run/dnsmasq/dnsmasq.pid
user=root
conf-dir=/etc/dnsmasq.d/,*.conf
"""


def household_conf(reservations: Sequence[ReservationSeed]) -> str:
    """Give the household's own reservations, in the several ways in which people write them."""
    lines = ["# who is who at home", ""]
    for number, reservation in enumerate(reservations):
        name = re.sub(r"[^A-Za-z0-9-]+", "-", reservation.name).strip("-") or f"host{number}"
        head = ",".join(reservation.macs)
        if name != reservation.name:
            lines.append(f"# {reservation.name}")
        lines.append(
            (
                f"dhcp-host={head},{reservation.address},{name}",
                f"dhcp-host={head},{reservation.address},{name},infinite",
                f"dhcp-host={head},set:home,{reservation.address},{name}",
            )[number % 3]
        )
    lines += ["", "# the neighbour's phone knows our password", "dhcp-host=0a:be:ef:00:00:01,ignore", ""]
    return "\n".join(lines)


def miniupnpd_conf(seed: Seed, sides: Interfaces) -> str:
    """Give `/etc/miniupnpd/miniupnpd.conf`; the chains are those of the filter's own table."""
    on = "yes" if seed.has_upnp else "no"
    network = IPv4Network(f"{seed.lan_address}/{seed.lan_prefix}", strict=False)
    return f"""ext_ifname={sides.wan}
listening_ip={sides.lan}
http_port=5000
enable_upnp={on}
enable_natpmp={on}
secure_mode=yes
lease_file={MINIUPNPD_LEASES}
upnp_table_name=filter
upnp_nat_table_name=filter
upnp_forward_chain=miniupnpd
upnp_nat_chain=prerouting_miniupnpd
upnp_nat_postrouting_chain=postrouting_miniupnpd
system_uptime=yes
uuid=6b2d9a1e-8f0c-4f52-9d0e-3a5c1f7b2e44
allow 1024-65535 {network} 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
"""
