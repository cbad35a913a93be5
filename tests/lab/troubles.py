"""What can be wrong in a home, done to the real daemons, and what a person then expects of a diagnosis."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from .diagnosed import (
    AUTOMATIC,
    ON_AIR,
    Breaks,
    Looked,
    Trouble,
    ask_plex,
    check_again,
    look,
    nft,
    nothing,
    seed_by_hand,
    ufw,
)
from .links import OUTSIDE, SERVER_MAC
from .owner import PORT, plexops
from .realhome import HERE, RealHome, real_home

NAS = "192.168.1.20"
#: What this Plex asks UPnP for, every time: it follows from its identifier.
ASKED_FOR = 24201
IGD = "http://192.168.1.1:5000/rootDesc.xml"
KNOCK = f"tcp dport {PORT}"
OPEN = {PORT: "open"}
CLOSED = {PORT: "closed"}
REFUSED = {PORT: "refused"}


def rules(*texts: str, node: str = "router") -> Breaks:
    """Give the break that changes a packet filter."""
    return lambda home: nft(home, *texts, node=node)


OVER_IPV6 = "2001:db8:1::50/64"


def firewall(*texts: str) -> Breaks:
    """Give the break that changes the server's firewall."""
    return lambda home: ufw(home, *texts)


def script(text: str, node: str = "router") -> Breaks:
    """Give the break that runs a shell script."""
    return lambda home: home.nodes[node].sh(text)


def both(first: Breaks, second: Breaks) -> Breaks:
    """Give the break that is two."""

    def breaks(home: RealHome) -> None:
        first(home)
        second(home)

    return breaks


def other_table(match: str, to: str, priority: str = "dstnat") -> tuple[str, str, str]:
    """Give a table of somebody's with one forward."""
    return (
        "add table inet other",
        f"add chain inet other p {{ type nat hook prerouting priority {priority}; }}",
        f'add rule inet other p iifname "wan" {match} dnat ip to {to} comment "somebody"',
    )


def instead(match: str, to: str) -> Breaks:
    """Give the break that puts another forward in the place of Plex's."""
    return rules("delete table inet mine", *other_table(match, to))


def drops(table: str, hook: str, match: str) -> tuple[str, str, str]:
    """Give a table of its own that drops something."""
    return (
        f"add table inet {table}",
        f"add chain inet {table} c {{ type filter hook {hook}; }}",
        f"add rule inet {table} c {match} drop",
    )


def second_filter(home: RealHome) -> None:
    """Let a second program filter what is forwarded: it lets the home out, and nobody in."""
    nft(
        home,
        "add table inet second",
        "add chain inet second f { type filter hook forward priority 10; policy drop; }",
        "add rule inet second f ct state established,related accept",
        'add rule inet second f iifname "br-lan" accept',
    )


def announce(home: RealHome, port: int) -> None:
    """Let Plex announce another port."""
    ask_plex(home, "PUT", f"/:/prefs?ManualPortMappingPort={port}")


def forget_upnp(home: RealHome, start: bool = True) -> None:
    """Let the router lose its UPnP table, as one that was restarted does; miniupnpd may stay down."""
    home.nodes["router"].sh(
        """
        for pid in $(pidof miniupnpd); do kill "$pid"; done
        while pidof miniupnpd >/dev/null; do sleep 0.05; done
        for chain in miniupnpd prerouting_miniupnpd postrouting_miniupnpd; do
            nft flush chain inet filter $chain
        done
        rm -f /var/lib/misc/upnp.leases
        """
    )
    if start:
        home.nodes["router"].sh(
            "miniupnpd -f /etc/miniupnpd/miniupnpd.conf -P /run/miniupnpd.pid >/dev/null 2>&1 </dev/null"
        )


def map_anew(home: RealHome) -> None:
    """Bring UPnP in order again."""
    forget_upnp(home)
    check_again(home)


def somebody_maps_it(home: RealHome) -> None:
    """Let another host of the LAN take the port by UPnP before Plex asks for it."""
    forget_upnp(home)
    words = ["upnpc", "-u", IGD, "-a", "192.168.1.2", "9999", str(ASKED_FOR), "TCP"]
    taken = home.exec("ctl", words).stdout
    assert "is redirected to internal 192.168.1.2:9999" in taken, taken
    home.start_plex(AUTOMATIC, igd_address=home.uplink.router)


def plex_asks_upnp(home: RealHome) -> None:
    """Let Plex ask the router by itself."""
    home.start_plex(AUTOMATIC)


PASSAGE_GONE = """
nft -a list chain inet filter forward | grep -F 'comment "plexops:plex"' | sed 's/.* handle //' |
while read -r handle; do nft delete rule inet filter forward handle "$handle"; done
"""
VIEWERS = "allow in proto tcp from any to any port 32400"

APPLIED = (
    Trouble("all is in order", "in-order", "Plex", 0, nothing, OPEN, met=True),
    Trouble(
        "no reservation",
        "no-reservation",
        "router",
        1,
        script("rm /etc/dnsmasq.d/plexops_plex.conf"),
        OPEN,
        met=True,
    ),
    Trouble("no forward", "no-forward", "router", 1, rules("delete table inet plexops_plex")),
    Trouble(
        "no forward, and Plex's word is old",
        "no-forward",
        "router",
        1,
        rules("delete table inet plexops_plex"),
        told=False,
    ),
    Trouble("the router's filter drops", "router-filter", "router", 1, script(PASSAGE_GONE)),
    Trouble("a second filter drops", "router-filter", "router", 1, second_filter),
)
FORWARDS = (
    Trouble(
        "forward to an old address",
        "forward-old-address",
        "router",
        1,
        instead(KNOCK, "192.168.1.60:32400"),
        CLOSED,
    ),
    Trouble(
        "forward to a wrong port", "forward-wrong-port", "router", 1, instead(KNOCK, "192.168.1.50:32401")
    ),
    Trouble(
        "forward to a wrong port that is open",
        "forward-wrong-port",
        "router",
        1,
        both(instead(KNOCK, "192.168.1.50:8096"), firewall("prepend allow 8096/tcp")),
        REFUSED,
    ),
    Trouble(
        "forward to the NAS",
        "forward-foreign",
        "router",
        1,
        instead(KNOCK, f"{NAS}:80"),
        OPEN,
    ),
    Trouble(
        "somebody's table first",
        "forward-shadowed",
        "router",
        1,
        rules(*other_table(KNOCK, f"{NAS}:80", "dstnat - 10")),
        OPEN,
    ),
    Trouble(
        "a range first",
        "forward-shadowed",
        "router",
        1,
        rules(
            f'insert rule inet mine prerouting iifname "wan" tcp dport 32000-33000 dnat ip to {NAS} comment "range"'
        ),
        REFUSED,
    ),
    Trouble(
        "DMZ of the NAS first",
        "forward-behind-dmz",
        "router",
        1,
        rules(*other_table("meta l4proto tcp", NAS, "dstnat - 10")),
        REFUSED,
    ),
    Trouble(
        "forward of UDP", "forward-udp-only", "router", 1, instead(f"udp dport {PORT}", "192.168.1.50:32400")
    ),
)
HOST = (
    Trouble("ufw lets nobody in", "host-firewall-blocks", "server", 1, firewall(f"delete {VIEWERS}")),
    Trouble(
        "ufw denies before it allows",
        "host-firewall-order",
        "server",
        1,
        firewall(
            "prepend deny 32000:33000/tcp", "prepend allow from 192.168.0.0/16 to any port 32400 proto tcp"
        ),
    ),
    Trouble(
        "ufw rejects before it allows",
        "host-firewall-order",
        "server",
        1,
        firewall("prepend reject 32000:33000/tcp"),
        REFUSED,
    ),
    Trouble(
        "ufw stops IPv6",
        "host-firewall-v6",
        "server",
        1,
        both(
            # Only a host that has a public address of IPv6 can be met over it.
            script(f"ip -6 addr add {OVER_IPV6} dev eth0 nodad", "server"),
            firewall(f"delete {VIEWERS}", f"prepend {VIEWERS}".replace("from any", "from 0.0.0.0/0")),
        ),
        OPEN,
        met=True,
        mends=script(f"ip -6 addr del {OVER_IPV6} dev eth0", "server"),
    ),
    Trouble("ufw is off", "host-firewall-off", "server", 1, firewall("disable"), OPEN, met=True),
    Trouble(
        "no way out",
        "server-offline",
        "server",
        1,
        script("ip route del default", "server"),
        mends=script("ip route add default via 192.168.1.1", "server"),
    ),
    Trouble(
        "Plex listens to itself",
        "loopback-only",
        "server",
        1,
        lambda home: home.start_plex(ON_AIR, listen="127.0.0.1"),
        REFUSED,
        mends=lambda home: home.start_plex(ON_AIR),
    ),
    Trouble(
        "Plex has ended", "nothing-listens", "server", 4, lambda home: home.stop_plex(), REFUSED, told=False
    ),
)
BEYOND = (
    Trouble(
        "32400 is open too",
        "exposed-32400",
        "router",
        1,
        rules(*other_table("tcp dport 32400", "192.168.1.50")),
        {PORT: "open", 32400: "open"},
        met=True,
    ),
    Trouble(
        "Plex's host is the DMZ",
        "plex-dmz",
        "router",
        1,
        rules(*other_table("meta l4proto tcp", "192.168.1.50", "dstnat + 5")),
        {PORT: "open", 32400: "open"},
        met=True,
    ),
    Trouble(
        "the ISP drops the port",
        "isp-blocks",
        "ISP",
        1,
        rules(f'insert rule inet isp forward oifname "home0" {KNOCK} drop', node="isp"),
    ),
    Trouble(
        "the vantage's network drops the port",
        "contradiction",
        "Plex",
        4,
        rules(f"insert rule inet isp forward ip saddr {OUTSIDE} {KNOCK} drop", node="isp"),
        OPEN,
        met=True,
    ),
    Trouble(
        "Plex announces another port",
        "port-mismatch",
        "Plex",
        1,
        lambda home: announce(home, 32555),
        {PORT: "open", 32555: "timed out"},
        met=True,
        mends=lambda home: announce(home, PORT),
    ),
    Trouble(
        "two ports that drop",
        "no-forward",
        "router",
        1,
        both(lambda home: announce(home, 32555), rules("delete table inet mine")),
        {PORT: "timed out", 32555: "timed out"},
        mends=lambda home: announce(home, PORT),
    ),
)
#: Whoever knocks from outside comes to the server's own interface, from no address of the home.
VISITOR = 'iifname "eth0" ip saddr != 192.168.1.0/24 tcp dport 32400'
VISITOR_OLD = "-i eth0 ! -s 192.168.1.0/24 -p tcp"
#: Filters beside those that plexops changes.
OTHERS = (
    Trouble(
        "the router drops before it forwards",
        "router-other-filter",
        "router",
        1,
        rules(*drops("early", "prerouting priority raw", f'iifname "wan" {KNOCK}')),
    ),
    Trouble(
        "the router drops right after it translates",
        "router-filter",
        "router",
        1,
        rules(*drops("late", "prerouting priority 0", 'iifname "wan" tcp dport 32400')),
    ),
    Trouble(
        "a table beside ufw drops",
        "host-other-filter",
        "server",
        1,
        rules(*drops("beside", "input priority -5", VISITOR), node="server"),
    ),
    Trouble(
        "iptables drops before ufw",
        "host-other-filter",
        "server",
        1,
        script(f"iptables -I INPUT {VISITOR_OLD} --dport 32400 -j DROP", "server"),
    ),
    Trouble(
        "iptables drops in raw",
        "host-other-filter",
        "server",
        1,
        script(
            f"iptables -t raw -A PREROUTING {VISITOR_OLD} -m multiport --dports 32400,32469 -j DROP", "server"
        ),
    ),
    Trouble(
        "iptables prohibits",
        "host-other-filter",
        "server",
        1,
        script(
            f"iptables -I INPUT {VISITOR_OLD} --dport 32400 -j REJECT --reject-with icmp-host-prohibited",
            "server",
        ),
        CLOSED,
    ),
    Trouble(
        "a table for SSH alone",
        "in-order",
        "Plex",
        0,
        rules(
            *drops("beside", "input priority -5", 'iifname "eth0" ip saddr != 192.168.1.0/24 tcp dport 22'),
            node="server",
        ),
        OPEN,
        met=True,
    ),
    Trouble(
        "ufw says on and is not loaded",
        "host-firewall-not-as-said",
        "server",
        0,
        rules("flush ruleset", node="server"),
        OPEN,
        met=True,
    ),
)
#: Rules that plexops does not understand: what it says of them is never sure.
UNCLEAR = (
    Trouble(
        "the router drops by length",
        "no-direct-way",
        "Plex",
        1,
        rules(*drops("early", "prerouting priority raw", f'ip length 20-1500 iifname "wan" {KNOCK}')),
        first="router-other-filter",
    ),
    Trouble(
        "a table beside ufw drops by length",
        "no-direct-way",
        "Plex",
        1,
        rules(*drops("beside", "input priority -5", f"ip length 20-1500 {VISITOR}"), node="server"),
        first="host-other-filter",
    ),
)
UPNP = (
    Trouble("UPnP in order", "in-order", "Plex", 0, nothing, {ASKED_FOR: "open"}, met=True),
    Trouble(
        "UPnP's table is lost",
        "upnp-stale",
        "router",
        1,
        forget_upnp,
        {ASKED_FOR: "timed out"},
        told=False,
        mends=map_anew,
    ),
    Trouble(
        "the packet filter lost UPnP's rules",
        "upnp-stale",
        "router",
        1,
        script(
            "for chain in miniupnpd prerouting_miniupnpd; do nft flush chain inet filter $chain; done",
            "router",
        ),
        {ASKED_FOR: "timed out"},
        told=False,
        mends=map_anew,
    ),
    Trouble(
        "UPnP's port is somebody's",
        "upnp-conflict",
        "router",
        1,
        somebody_maps_it,
        {ASKED_FOR: "closed"},
        mends=map_anew,
    ),
    Trouble(
        "UPnP is down",
        "no-igd",
        "router",
        1,
        lambda home: forget_upnp(home, start=False),
        {ASKED_FOR: "timed out"},
    ),
)
CARRIER = (
    Trouble("carrier NAT", "carrier-nat", "ISP", 3, nothing, CLOSED),
    Trouble("carrier NAT, and UPnP refused", "carrier-nat", "ISP", 3, plex_asks_upnp, CLOSED),
)
#: Where no hop answers, another way out stays possible.
DOUBLE = (
    Trouble("double NAT", "no-direct-way", "Plex", 3, nothing, CLOSED, first="double-nat"),
    # The box before the router may pass the port on; that Plex announces nothing is certain.
    Trouble("double NAT, and UPnP refused", "automatic-unmapped", "Plex", 1, plex_asks_upnp, CLOSED),
)
MOVED = (Trouble("four addresses", "four-addresses", "router", 1, nothing, CLOSED),)


class Group(Struct, frozen=True):
    """Troubles of one home, one after the other."""

    troubles: Sequence[Trouble]
    home: Mapping[str, Any]
    seed: Breaks = seed_by_hand

    def looks(self) -> dict[str, Looked]:
        """Make the home, bring it in order, and look at every trouble."""
        with real_home(**self.home) as home:
            self.seed(home)
            return {trouble.name: look(home, trouble) for trouble in self.troubles}


def by_plexops(home: RealHome) -> None:
    """Bring a home in order by plexops itself."""
    done = plexops(home, "apply --yes")
    assert done.returncode == 0, done.stdout + done.stderr


def with_nas(home: RealHome) -> None:
    """Bring a home in order in which another machine answers at port 80."""
    seed_by_hand(home)
    home.nodes["ctl"].exec(["ip", "addr", "add", f"{NAS}/24", "dev", "eth0"], check=True)
    home.start_program("ctl", [sys.executable, "-I", str(HERE / "echo.py"), NAS])


def reserved_elsewhere(home: RealHome) -> None:
    """Let the host hold another address than the one that is reserved for it and that the forward leads to."""
    home.nodes["router"].write({"/etc/dnsmasq.d/by-hand.conf": f"dhcp-host={SERVER_MAC},192.168.1.50\n"})
    seed_by_hand(home)


BY_HAND: Mapping[str, Any] = {"lease": "reserved", "plex_settings": ON_AIR}
GROUPS = (
    Group(HOST, BY_HAND),
    Group(APPLIED, {"lease": "lucky"}, by_plexops),
    Group(FORWARDS, BY_HAND, with_nas),
    Group(BEYOND, BY_HAND),
    Group(UPNP, {"lease": "reserved", "plex_settings": AUTOMATIC}, lambda home: seed_by_hand(home, igd=True)),
    Group(OTHERS, BY_HAND),
    Group(UNCLEAR, BY_HAND),
    Group(CARRIER, {"wan": "cgnat", **BY_HAND}),
    Group(DOUBLE, {"wan": "double", **BY_HAND}),
    Group(MOVED, {"lease": "moved", "plex_settings": ON_AIR}, reserved_elsewhere),
)
