"""What becomes of Plex's own mapping requests."""

from __future__ import annotations

from plexops.lab.base import WAN_ADDRESS, MappingSeed
from plexops.lab.plex_seed import PlexCondition
from plexops.lab.scenario import AUTOMATIC, AUTOMATIC_PORT, MAPPINGS, NAS, OLD, PLEX_PORT, RESERVED, Scenario
from plexops.lab.server_condition import Container, ServerCondition
from plexops.structs import replace

_ANSWERS = PlexCondition(router_address=str(WAN_ADDRESS))
_OLD_MAPPING = MappingSeed(AUTOMATIC_PORT, OLD, PLEX_PORT, "tcp", "Plex Media Server")
_MAPPING = MappingSeed(AUTOMATIC_PORT, RESERVED, PLEX_PORT, "tcp", "Plex Media Server")
_OTHERS_MAPPING = MappingSeed(AUTOMATIC_PORT, NAS, 8080, "tcp", "download station")

UPNP = (
    Scenario(
        "upnp-off",
        "Plex counts on UPnP, and the router has it switched off",
        forwards=(),
        plex={**AUTOMATIC, "LastAutomaticMappedPort": 0},
        upnp="off",
    ),
    Scenario(
        "automatic-unmapped",
        "the router forwards 32500 by hand, and Plex does not know: it waits for a router that has UPnP off",
        plex={**AUTOMATIC, "LastAutomaticMappedPort": 0},
        upnp="off",
    ),
    Scenario(
        "no-igd",
        "Plex counts on UPnP, and the router has none",
        forwards=(),
        plex={**AUTOMATIC, "LastAutomaticMappedPort": 0},
        upnp="none",
        # UPnP is a part of RouterOS: there it is off at most.
        routers=("openwrt", "linux", "opnsense"),
    ),
    Scenario(
        "upnp-stale",
        "Plex says that UPnP mapped its port, and the router's table is empty",
        forwards=(),
        plex=AUTOMATIC,
        mappings=(),
        forgets_mappings=True,
        condition=_ANSWERS,
        routers=("openwrt", "linux", "routeros"),
    ),
    Scenario(
        "upnp-flushed",
        "Plex says that UPnP mapped its port, UPnP's list has it, and the packet filter was loaded anew since",
        forwards=(),
        plex=AUTOMATIC,
        mappings=(*MAPPINGS, _MAPPING),
        mappings_flushed=True,
        forgets_mappings=True,
        condition=_ANSWERS,
        # Elsewhere nobody shows the packet filter's own rules for UPnP.
        routers=("linux", "openwrt"),
    ),
    Scenario(
        "upnp-old-address",
        "Plex says that UPnP mapped its port, and the mapping leads to its old address",
        forwards=(),
        plex=AUTOMATIC,
        mappings=(*MAPPINGS, _OLD_MAPPING),
        forgets_mappings=True,
        condition=_ANSWERS,
        routers=("openwrt", "linux", "routeros"),
    ),
    Scenario(
        "upnp-conflict",
        "the router refuses Plex's mapping: the port is mapped for another host",
        forwards=(),
        plex=AUTOMATIC,
        mappings=(*MAPPINGS, _OTHERS_MAPPING),
        condition=_ANSWERS,
        routers=("openwrt", "linux", "routeros"),
    ),
)
_CONFLICT = UPNP[-1]
#: The same trouble, which only Plex's log tells of, where that log is not in the usual place.
UPNP_LOGS = (
    replace(
        _CONFLICT,
        name="log-over-http",
        about="as upnp-conflict, and the server has no login: only Plex itself gives its log",
        server_login=False,
    ),
    replace(
        _CONFLICT,
        name="log-in-container",
        about="as upnp-conflict, and Plex runs in a container that keeps its log in a folder of the owner's",
        server=ServerCondition(container=Container(network="host", config="/srv/docker/plex media")),
    ),
)
