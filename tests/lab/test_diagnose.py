"""`plexops diagnose` in a real home: real packets decide what is true, and its verdict, layer and status agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from .diagnosed import AUTOMATIC, ON_AIR, Looked, Trouble, ask_plex, check_again, look, nft, seed_by_hand, ufw
from .owner import PORT, plexops
from .realhome import RealHome, real_home, why_not

pytestmark = [
    pytest.mark.namespaces,
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "can run here"),
    pytest.mark.timeout(300),
]

OPEN = {PORT: "open"}
MINE = "inet mine prerouting"


def forward(match: str, to: str, *, first: str = "", comment: str = "somebody") -> tuple[str, str, str]:
    """Give a table with one forward; `first`: before all others."""
    return (
        "add table inet other",
        f"add chain inet other p {{ type nat hook prerouting priority {first or 'dstnat'}; }}",
        f'add rule inet other p iifname "wan" {match} dnat ip to {to} comment "{comment}"',
    )


def instead(match: str, to: str) -> tuple[str, ...]:
    """Give the same as the only forward of the port."""
    return ("delete table inet mine", *forward(match, to))


def without(chain: str, comment: str) -> str:
    """Give the shell script that takes the rules with a comment out of a chain."""
    return (
        f"nft -a list chain {chain} | grep -F 'comment \"{comment}\"' | sed 's/.* handle //' | while read -r handle; do "
        f"nft delete rule {chain} handle $handle; done"
    )


def no_rule_for_viewers(home: RealHome) -> None:
    ufw(home, "delete allow in proto tcp from any to any port 32400")


def second_filter(home: RealHome) -> None:
    nft(
        home,
        "add table inet second",
        "add chain inet second f { type filter hook forward priority 10; policy drop; }",
        "add rule inet second f ct state established,related accept",
        'add rule inet second f iifname "br-lan" accept',
    )


def announces(home: RealHome, port: int) -> None:
    ask_plex(home, "PUT", f"/:/prefs?ManualPortMappingPort={port}")
    check_again(home)


def isp_drops(home: RealHome) -> None:
    nft(home, f'insert rule inet isp forward oifname "home0" tcp dport {PORT} drop', node="isp")


def upnp_forgets(home: RealHome) -> None:
    """As a router that was restarted, whose UPnP table is in memory."""
    home.nodes["router"].sh(
        """
        kill "$(cat /run/miniupnpd.pid)"
        for chain in miniupnpd prerouting_miniupnpd postrouting_miniupnpd; do nft flush chain inet filter $chain; done
        rm -f /var/lib/misc/upnp.leases
        miniupnpd -f /etc/miniupnpd/miniupnpd.conf -P /run/miniupnpd.pid >/dev/null 2>&1 </dev/null
        """
    )


APPLIED = (
    Trouble("in order", "in-order", "Plex", 0, lambda home: None, OPEN),
    Trouble(
        "no reservation",
        "no-reservation",
        "router",
        1,
        lambda home: home.nodes["router"].sh("rm /etc/dnsmasq.d/plexops_plex.conf"),
        OPEN,
    ),
    Trouble("no forward", "no-forward", "router", 1, lambda home: nft(home, "delete table inet plexops_plex")),
    Trouble(
        "no forward, Plex's old word",
        "no-forward",
        "router",
        1,
        lambda home: nft(home, "delete table inet plexops_plex"),
        told=False,
    ),
    Trouble(
        "the router's filter",
        "router-filter",
        "router",
        1,
        lambda home: home.nodes["router"].sh(without("inet filter forward", "plexops:plex")),
    ),
    Trouble("a second filter", "router-filter", "router", 1, second_filter),
)
FORWARDS = (
    Trouble("old address", "forward-old-address", "router", 1, lambda home: nft(home, *instead("tcp dport 32500", "192.168.1.60:32400"))),
    Trouble("wrong port", "forward-wrong-port", "router", 1, lambda home: nft(home, *instead("tcp dport 32500", "192.168.1.50:32401"))),
    Trouble("wrong port, refused", "forward-wrong-port", "router", 1,
        lambda home: (nft(home, *instead("tcp dport 32500", "192.168.1.50:8096")), ufw(home, "prepend allow 8096/tcp")), {PORT: "refused"}),
    Trouble("another host's", "forward-foreign", "router", 1, lambda home: nft(home, *instead("tcp dport 32500", "192.168.1.20:443"))),
    Trouble("a foreign table first", "forward-shadowed", "router", 1, lambda home: nft(home, *forward("tcp dport 32500", "192.168.1.20:443", first="dstnat - 10"))),
    Trouble("a range first", "forward-shadowed", "router", 1, lambda home: nft(home, 'insert rule inet mine prerouting iifname "wan" tcp dport 32000-33000 dnat ip to 192.168.1.20 comment "range"')),
    Trouble("DMZ of another host", "forward-behind-dmz", "router", 1, lambda home: nft(home, *forward("meta l4proto tcp", "192.168.1.20", first="dstnat - 10", comment="dmz"))),
    Trouble("UDP only", "forward-udp-only", "router", 1, lambda home: nft(home, *instead("udp dport 32500", "192.168.1.50:32400"))),
)
HOST = (
    Trouble("viewers not let in", "host-firewall-blocks", "server", 1, no_rule_for_viewers),
    Trouble("a deny first", "host-firewall-order", "server", 1, lambda home: ufw(home, "prepend deny 32000:33000/tcp")),
    Trouble("a deny of all", "host-firewall-order", "server", 1, lambda home: ufw(home, "prepend deny from any")),
    Trouble("rejected", "host-firewall-order", "server", 1, lambda home: ufw(home, "prepend reject 32000:33000/tcp"), {PORT: "refused"}),
    Trouble("IPv6 only", "host-firewall-v6", "server", 1, lambda home: ufw(home, "prepend deny proto tcp from ::/0 to any port 32400"), OPEN),
    Trouble("firewall off", "host-firewall-off", "server", 1, lambda home: ufw(home, "disable"), OPEN),
    Trouble("own host only", "loopback-only", "server", 1, lambda home: home.start_plex(ON_AIR, listen="127.0.0.1"), {PORT: "refused"}),
    Trouble("Plex ended", "nothing-listens", "server", 4, lambda home: home.stop_plex(), {PORT: "refused"}, told=False),
)
BEYOND = (
    Trouble("32400 open", "exposed-32400", "router", 1, lambda home: nft(home, *forward("tcp dport 32400", "192.168.1.50")), {PORT: "open", 32400: "open"}),
    Trouble("Plex host as DMZ", "plex-dmz", "router", 1, lambda home: nft(home, *forward("meta l4proto tcp", "192.168.1.50", first="dstnat + 5")), {PORT: "open", 32400: "open"}),
    Trouble("the ISP drops it", "isp-blocks", "ISP", 1, isp_drops),
    Trouble("Plex announces another port", "port-mismatch", "Plex", 1, lambda home: announces(home, 32555), {PORT: "open", 32555: "timed out"}, told=False),
)


@dataclass(frozen=True, slots=True)
class Group:
    """Troubles of one home, one after the other."""

    troubles: Sequence[Trouble]
    home: Mapping[str, Any]
    seed: Any = seed_by_hand

    def looks(self) -> dict[str, Looked]:
        """Make the home, and look at every trouble."""
        with real_home(**self.home) as home:
            self.seed(home)
            return {trouble.name: look(home, trouble) for trouble in self.troubles}


def by_plexops(home: RealHome) -> None:
    done = plexops(home, "apply --yes")
    assert done.returncode == 0, done.stdout + done.stderr


BY_HAND = {"lease": "reserved", "plex_settings": ON_AIR}
UPNP = {"lease": "reserved", "plex_settings": AUTOMATIC}
GROUPS = (
    Group(FORWARDS, BY_HAND),
    Group(HOST, BY_HAND),
    Group(APPLIED, {"lease": "lucky"}, by_plexops),
    Group(BEYOND, BY_HAND),
)
