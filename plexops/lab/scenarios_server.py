"""What keeps the server itself from being reached, or from reaching out."""

from __future__ import annotations

from ipaddress import IPv4Address

from plexops.lab.plex_log import LogLine
from plexops.lab.plex_seed import PlexCondition
from plexops.lab.scenario import EXTERNAL_PORT, PI, PLEX_PORT, PLEX_RULE, Scenario, lan
from plexops.lab.server_condition import Container, ServerCondition, Vpn
from plexops.lab.ufw_rule import Rule

_WIDE_DENY = Rule("deny", "tcp", "32000:33000", "any", "any", comment="closed after the break-in")
_DENY_V6 = Rule("deny", "tcp", str(PLEX_PORT), "any", "::/0")
_SHUT_DOWN = (
    LogLine(7_205, "MyPlex: mapping state set to 'Mapped'."),
    LogLine(7_200, "Shutting down with signal 15 (Terminated)", "INFO"),
)

SERVER = (
    Scenario(
        "nothing-listens",
        "Plex does not run",
        server=ServerCondition(listens="nowhere"),
        condition=PlexCondition(running=False, history=_SHUT_DOWN),
    ),
    Scenario(
        "loopback-only",
        "Plex listens on 127.0.0.1 alone",
        server=ServerCondition(listens="loopback"),
    ),
    Scenario("host-firewall", "only the host's firewall lacks its rule", rules=()),
    Scenario(
        "host-firewall-order",
        "the host's firewall has a wider deny before the rule that lets Plex in",
        rules=(_WIDE_DENY, PLEX_RULE),
    ),
    Scenario(
        "host-firewall-v6",
        "all in order over IPv4, but the host's firewall denies Plex over IPv6",
        rules=(_DENY_V6, PLEX_RULE),
        server=ServerCondition(ipv6=True),
    ),
    Scenario(
        "host-firewall-off",
        "all in order, but the host's firewall is switched off",
        server=ServerCondition(firewall_enabled=False),
    ),
    Scenario(
        "host-other-filter",
        "ufw lets Plex in, and a table of an intrusion blocker beside it drops whoever comes from outside",
        server=ServerCondition(other_filter=("ip saddr != 192.168.1.0/24 tcp dport 32400 drop",)),
    ),
    Scenario(
        "host-other-filter-unclear",
        "as before, by a rule that plexops does not understand",
        server=ServerCondition(
            other_filter=("ct status != dnat ip saddr != 192.168.1.0/24 tcp dport 32400 drop",)
        ),
    ),
    Scenario(
        "host-filter-of-others",
        "all in order; a table beside ufw guards SSH alone, and keeps some senders out",
        server=ServerCondition(
            other_filter=("tcp dport 22 ip saddr != 192.168.1.0/24 drop", "ip saddr 45.155.205.0/24 drop")
        ),
    ),
    Scenario(
        "host-firewall-not-as-said",
        "all in order, but ufw is switched on and the kernel holds none of its rules",
        server=ServerCondition(firewall_loaded=False),
    ),
    Scenario(
        "docker-unpublished",
        "Plex runs in a container with a network of its own, and nothing is published",
        server=ServerCondition(container=Container()),
    ),
    Scenario(
        "docker-loopback",
        "Plex runs in a container whose port is published on 127.0.0.1 alone",
        server=ServerCondition(container=Container(published=(("127.0.0.1", PLEX_PORT, PLEX_PORT),))),
    ),
    Scenario(
        "server-offline",
        "the server's static gateway does not exist: it reaches nothing outside the home",
        server=ServerCondition(address_source="static", gateway=lan(254)),
    ),
    Scenario(
        "server-dns",
        "the server cannot look up names",
        server=ServerCondition(dns=False),
    ),
    Scenario(
        "plex-tv-blocked",
        "the filter for names that the home runs on the Pi answers 0.0.0.0 for plex.tv",
        server=ServerCondition(resolver=PI, filtered_names=("plex.tv",)),
    ),
    Scenario(
        "plex-tv-not-found",
        "as before, but the filter says that there are no such names",
        server=ServerCondition(resolver=PI, filtered_names=("plex.tv",), filtered_answer=None),
    ),
    Scenario(
        "port-taken",
        "another program has 32400: Plex ended when it was started",
        server=ServerCondition(port_taken_by="python3"),
    ),
    Scenario(
        "container-in-vpn",
        "Plex's container has the network of a VPN's, which publishes the port; the provider forwards none",
        server=ServerCondition(
            container=Container("container", Vpn(), (("0.0.0.0", PLEX_PORT, PLEX_PORT),))  # noqa: S104
        ),
    ),
    Scenario(
        "announces-other-way",
        "the home's gateway sends what goes to plex.tv through a proxy, whose address Plex takes for its own",
        server=ServerCondition(plex_tv_proxy=IPv4Address("198.51.100.140")),
    ),
    Scenario(
        "vpn-egress",
        "the server's traffic leaves through a VPN, so its answers never come back by the forward",
        server=ServerCondition(vpn=Vpn()),
    ),
    Scenario(
        "vpn-provider",
        "the server is reached through a port that its VPN provider forwards",
        forwards=(),
        server=ServerCondition(vpn=Vpn(forwards=((EXTERNAL_PORT, PLEX_PORT),))),
    ),
)
