"""What is wrong with Plex itself, its account, or what it announces."""

from __future__ import annotations

from plexops.lab.plex_log import LogLine
from plexops.lab.plex_seed import PlexCondition
from plexops.lab.plex_tv import Listing
from plexops.lab.scenario import AUTOMATIC, AUTOMATIC_PORT, EXTERNAL_PORT, FORWARD, MANUAL, OLD, Scenario
from plexops.lab.server_condition import ServerCondition
from plexops.structs import replace

_DAY = 86_400
_PUBLIC = "62.155.240.55"


def _failure(ago_seconds: float) -> tuple[LogLine, ...]:
    return (
        LogLine(ago_seconds, "MyPlex: mapping state set to 'Mapped - Publishing'."),
        LogLine(ago_seconds - 1, "MyPlex: Requesting reachability check."),
        LogLine(
            ago_seconds - 7,
            "PubSub: Got notified of reachability for async identifier 7f3a91c2: 0"
            f" for {_PUBLIC}:{EXTERNAL_PORT} (responded in 5032 ms)",
        ),
        LogLine(ago_seconds - 7, "MyPlex: mapping state set to 'Mapped - Not Published (Not Reachable)'."),
    )


_ESTABLISHED = (
    LogLine(2 * _DAY, "NAT: UPnP, mapped port 18444 to 192.168.1.50:32400."),
    LogLine(2 * _DAY, "PublicAddressManager: Mapping succeeded for 192.168.1.50:18444."),
    LogLine(2 * _DAY, "MyPlex: mapping state set to 'Mapped - Publishing'."),
)

PLEX = (
    Scenario(
        "not-claimed",
        "the server belongs to no account",
        condition=PlexCondition(claimed=False),
    ),
    Scenario(
        "sign-in-broken",
        "plex.tv does not accept the server's sign-in any more",
        condition=PlexCondition(signed_in=False),
    ),
    Scenario(
        "not-online",
        "the port is open and Plex says that all is well, but its connection to plex.tv broke: apps show it as offline",
        listing=Listing(online=False),
    ),
    Scenario(
        "not-listed",
        "the port is open and Plex says that all is well, but it was taken out of the account at plex.tv",
        listing=Listing(listed=False),
    ),
    Scenario(
        "stale-announcement",
        "the port is open, but plex.tv still sends apps to the port that Plex once had by UPnP",
        listing=Listing(stale_port=AUTOMATIC_PORT),
    ),
    Scenario(
        "dns-rebinding",
        "all in order, but the router's resolver keeps back the names by which apps find Plex at home",
        listing=Listing(rebinding=True),
    ),
    Scenario(
        "publishing-off",
        "remote access is switched off in Plex",
        plex={**MANUAL, "PublishServerOnPlexOnlineKey": False},
    ),
    Scenario(
        "no-verdict-yet",
        "plex.tv throttles Plex, which waits for ever, and no other place outside can say",
        outside=False,
        condition=PlexCondition(undecided=True),
    ),
    Scenario(
        "manual-off",
        "a manual port is set in Plex, but not in use: Plex asks a router that does not answer",
        plex={**AUTOMATIC, "ManualPortMappingPort": EXTERNAL_PORT, "LastAutomaticMappedPort": 0},
    ),
    Scenario(
        "port-mismatch",
        "Plex announces 32500, and the router forwards 32555",
        forwards=(replace(FORWARD, external="32555"),),
    ),
    Scenario(
        "refused",
        "the way in is right, but the host resets whoever comes from outside",
        server=ServerCondition(resets_outsiders=True),
    ),
    Scenario(
        "unreachable",
        "the way in is right, but a device on it answers outsiders that the host is not to be reached",
        server=ServerCondition(prohibits_outsiders=True),
    ),
    Scenario(
        "wrong-server",
        "the way in is right, but the ISP's box answers the port itself, with another Plex server",
        intercepted=frozenset({EXTERNAL_PORT}),
    ),
    Scenario(
        "entitlement",
        "all in order, but the owner has no Plex Pass",
        condition=PlexCondition(subscription=False),
    ),
    Scenario(
        "plex-interface",
        "all in order, but Plex prefers an interface that the server no longer has",
        plex={**MANUAL, "PreferredNetworkInterface": "enp3s0"},
    ),
    Scenario(
        "announces-other-address",
        "the port is open, but Plex still tells plex.tv the address at home that it once had",
        condition=PlexCondition(told_address=str(OLD)),
    ),
    Scenario(
        "no-login-needed",
        "all in order, but Plex asks no one for a login",
        plex={**MANUAL, "allowedNetworks": "192.168.1.0/24,0.0.0.0/0"},
    ),
    Scenario(
        "stale-log",
        "all in order, but the last lines of Plex's log tell of a failure days ago",
        plex={**MANUAL, "logDebug": False},
        condition=PlexCondition(history=_failure(6 * _DAY), rotated=_failure(9 * _DAY)),
    ),
    Scenario(
        "upnp-established-lie",
        "all in order by a manual port, but Plex's log tells of a mapping by UPnP",
        condition=PlexCondition(history=_ESTABLISHED),
    ),
)
