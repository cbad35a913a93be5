"""What the ISP, or its box, keeps from the home."""

from __future__ import annotations

from plexops.lab.base import PinholeSeed
from plexops.lab.plex_seed import PlexCondition
from plexops.lab.scenario import EXTERNAL_PORT, PLEX_PORT, Scenario
from plexops.lab.server_condition import ServerCondition

INTERNET = (
    Scenario("wan-down", "the router has no address on its internet side", isp="down"),
    Scenario("cgnat", "all in order at home, but the ISP shares one public address", isp="cgnat"),
    Scenario(
        "cgnat-over-ipv6",
        "the ISP shares one public address; over IPv6 the router lets viewers in, and no vantage has IPv6",
        isp="cgnat",
        pinholes=(PinholeSeed("Plex over IPv6", PLEX_PORT),),
        server=ServerCondition(ipv6=True),
        routers=("openwrt", "linux"),
    ),
    Scenario("ds-lite", "all in order at home, but IPv4 comes through the ISP's tunnel", isp="ds_lite"),
    Scenario(
        "wan-differs",
        "all in order at home, but the router's public-looking address is not what the world sees",
        isp="differs",
    ),
    Scenario(
        "isp-blocks",
        "all in order, but the ISP drops the port",
        isp="isp_blocks",
        blocked_ports=frozenset({EXTERNAL_PORT}),
    ),
    Scenario(
        "double-nat",
        "all in order at home, but the ISP's box is a router too",
        isp="double_nat",
        condition=PlexCondition(router_address="192.168.178.20"),
    ),
    Scenario(
        "second-nat-by-log",
        "as double-nat, but the router is not asked: only Plex's log tells what it said by UPnP",
        isp="double_nat",
        router_login=False,
        condition=PlexCondition(router_address="192.168.178.20"),
    ),
    Scenario(
        "two-ways-out",
        "the forward is right, but the router has a second way to the internet, by which the home's own traffic leaves",
        isp="two_ways",
        routers=("linux", "openwrt"),
    ),
    Scenario(
        "passed-on",
        "all in order; the ISP's box is a router too, and sends every connection on to the home's own",
        isp="passed_on",
        condition=PlexCondition(router_address="192.168.178.20"),
    ),
    Scenario(
        "passed-on-no-forward",
        "as passed-on, by the inventory's word, and the home's own router has no forward yet",
        isp="passed_on",
        forwards=(),
        upstream_told=True,
        condition=PlexCondition(router_address="192.168.178.20"),
    ),
    Scenario(
        "server-by-vpn",
        "the forward is right, but a rule of the router sends the Plex host's own traffic by a VPN",
        isp="policy",
        routers=("linux", "openwrt", "routeros", "opnsense"),
    ),
    Scenario(
        "port-outside-share",
        "all in order at home, but four homes share the address, and 32500 is none of this one's ports",
        isp="shared_ports",
    ),
    Scenario(
        "documentation-address",
        "all in order; the ISP gives an address from a range that is meant for documentation",
        isp="documentation",
    ),
    Scenario(
        "echoes-disagree",
        "all in order, but one of the services that tell the public address gives another one",
        echoes={"echo2.test": "62.155.240.99"},
    ),
)
