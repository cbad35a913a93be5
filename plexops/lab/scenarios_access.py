"""Other ways in than a forward, and clients that have troubles of their own."""

from __future__ import annotations

from ipaddress import IPv4Address

from plexops.lab.base import ForwardSeed
from plexops.lab.plex_seed import PlexCondition
from plexops.lab.scenario import (
    AUTOMATIC,
    EXTERNAL_PORT,
    FORWARD,
    INSIDE,
    MANUAL,
    OLD,
    OUTSIDE,
    OWN_NAME,
    PI,
    RESERVED,
    Scenario,
    Vantage,
)
from plexops.structs import replace

_SECOND = Vantage("outside2", IPv4Address("198.51.100.88"), frozenset({EXTERNAL_PORT}))
_OFF = {**MANUAL, "PublishServerOnPlexOnlineKey": False, "ManualPortMappingMode": False}
_PROXIED = {**_OFF, "customConnections": f"https://{OWN_NAME}:443"}
_PROXY = ForwardSeed("https to the proxy", "443", PI, "443", "tcp")
_UNMAPPED = {**AUTOMATIC, "LastAutomaticMappedPort": 0}

ACCESS = (
    Scenario(
        "client-network",
        "all in order; of two vantages one is in a network that does not let the port out",
        vantages=(OUTSIDE, _SECOND),
    ),
    Scenario(
        "hairpin-only",
        "the router leads only the home's own hosts in, and the only vantage is one of them",
        forwards=(replace(FORWARD, name="Plex from home", inside=True),),
        vantages=(INSIDE,),
        routers=("openwrt", "linux"),
    ),
    Scenario(
        "relay-only",
        "all in order at home, no viewer gets in, and neither a vantage nor Plex's log says why: the relay serves",
        isp="isp_blocks",
        blocked_ports=frozenset({EXTERNAL_PORT}),
        plex={**MANUAL, "logDebug": False},
        vantages=(),
        condition=PlexCondition(relayed_sessions=1),
    ),
    Scenario(
        "no-direct-way",
        "all in order at home, no viewer gets in, and nothing says why: plex.tv offers apps the relay alone",
        isp="isp_blocks",
        blocked_ports=frozenset({EXTERNAL_PORT}),
        plex={**MANUAL, "logDebug": False},
        vantages=(),
    ),
    Scenario(
        "relay-in-order",
        "the relay is the way in that the owner wants: the ISP shares one public address",
        isp="cgnat",
        access="relay",
        forwards=(),
        plex=_UNMAPPED,
        condition=PlexCondition(relayed_sessions=1),
    ),
    Scenario(
        "relay-off",
        "the relay is meant to be the way in, and is switched off in Plex",
        isp="cgnat",
        access="relay",
        forwards=(),
        plex={**_UNMAPPED, "RelayEnabled": False},
    ),
    Scenario(
        "vpn-in-order",
        "a VPN of the home's own is the way in that the owner wants",
        access="vpn",
        forwards=(),
        plex=_OFF,
    ),
    Scenario(
        "proxy-in-order",
        "a reverse proxy is the way in that the owner wants",
        access="proxy",
        forwards=(_PROXY,),
        plex=_PROXIED,
        proxy_to=RESERVED,
    ),
    Scenario(
        "proxy-broken",
        "the reverse proxy passes on to the server's old address",
        access="proxy",
        forwards=(_PROXY,),
        plex=_PROXIED,
        proxy_to=OLD,
    ),
    Scenario(
        "proxy-elsewhere",
        "carrier NAT; a proxy on a rented host answers by the name, and passes on by a tunnel",
        isp="cgnat",
        access="proxy",
        forwards=(),
        plex=_PROXIED,
        proxy_to=RESERVED,
        proxy="elsewhere",
    ),
    Scenario(
        "proxy-elsewhere-broken",
        "carrier NAT; the proxy on a rented host passes on to the server's old address",
        isp="cgnat",
        access="proxy",
        forwards=(),
        plex=_PROXIED,
        proxy_to=OLD,
        proxy="elsewhere",
    ),
    Scenario(
        "proxy-no-name",
        "the name of the reverse proxy is gone from the DNS",
        access="proxy",
        forwards=(_PROXY,),
        plex=_PROXIED,
        proxy_to=RESERVED,
        proxy="no name",
    ),
    Scenario(
        "proxy-certificate",
        "the certificate of the reverse proxy is none that apps know",
        access="proxy",
        forwards=(_PROXY,),
        plex=_PROXIED,
        proxy_to=RESERVED,
        proxy_trusted=False,
    ),
    Scenario(
        "proxy-not-forwarded",
        "the router does not forward the proxy's port to it",
        access="proxy",
        forwards=(),
        plex=_PROXIED,
        proxy_to=RESERVED,
    ),
)
