"""How a simulated Plex Media Server is set up when its home starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field

from plexops.lab.plex_log import LogLine
from plexops.lab.plex_settings import Value
from plexops.structs import replace

MappingState = Literal["unknown", "waiting", "mapped", "failed"]


class Verdict(Struct, frozen=True):
    """What the server says about remote access; `public_port` is 0 while nobody outside gets through."""

    state: MappingState = "unknown"
    error: str = ""
    public_address: str = ""
    public_port: int = 0


class PlexCondition(Struct, frozen=True):
    """What can be wrong or worth knowing about a server, beside its settings. All healthy by default."""

    claimed: bool = True
    signed_in: bool = True
    subscription: bool = True
    #: Whether the program runs at all.
    running: bool = True
    #: Whether it found its port taken when it started.
    port_taken: bool = False
    #: plex.tv answers 429 to the first announcement already: the server waits for ever.
    undecided: bool = False
    #: How many play through the relay, and how many directly in the LAN.
    relayed_sessions: int = 0
    local_sessions: int = 0
    #: The WAN address that a router tells by UPnP; empty where no router answers.
    router_address: str = ""
    #: The address at home that it told plex.tv, where that is not the one that it has.
    told_address: str = ""
    #: What the log holds from before.
    history: tuple[LogLine, ...] = ()
    rotated: tuple[LogLine, ...] = ()


class PlexSeed(Struct, frozen=True):
    """How the server is set up when the home starts. Times are real seconds."""

    token: str = "xP3kQ7vRt2LmNs8WzY4b"  # noqa: S105
    account_token: str = "owner-plex-tv-token-9f2"  # noqa: S105
    username: str = "media.owner@example.org"
    machine_identifier: str = "5f0c6e1c8a7d4b29b1e3d0f4a6c8e2b7d9f1a3c5"
    friendly_name: str = "Wohnzimmer"
    version: str = "1.43.0.10467-2b1ba6e69"
    private_address: str = "192.168.1.50"
    port: int = 32400
    #: Differs from the defaults of `plex_settings.SETTINGS`.
    settings: Mapping[str, Value] = {}
    claimed: bool = True
    signed_in: bool = True
    subscription: bool = True
    #: plex.tv answers 429 to everything after the first verdict: no verdict ever changes again.
    throttled: bool = False
    #: From a change to "mapping", and from there to plex.tv's verdict.
    delay_seconds: float = 0.05
    #: Within this time after the last check a refresh is skipped, and answered 200 all the same.
    refresh_window_seconds: float = 0.5
    #: How long a PUT that switches publishing off stays unanswered (24 s were seen on a real server).
    blocking_put_seconds: float = 0.0
    condition: PlexCondition = field(default_factory=PlexCondition)

    def under(
        self, condition: PlexCondition, settings: Mapping[str, Value], *, throttled: bool = False
    ) -> PlexSeed:
        """Give this server in a scenario's condition; what this seed sets itself stays."""
        return replace(
            self,
            condition=condition,
            settings={**settings, **self.settings},
            claimed=self.claimed and condition.claimed,
            signed_in=self.signed_in and condition.signed_in,
            subscription=self.subscription and condition.subscription,
            throttled=self.throttled or throttled,
        )
