"""What a person answers to a question of a diagnosis: evidence of a home whose router answers no program."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Address

from msgspec import Struct


class Done(Struct, frozen=True):
    """Who set a router by hand, and when (ISO date), as the inventory says."""

    by: str
    on: str


class Topic(StrEnum):
    """What a question is about, in the order in which they are asked."""

    PLEX_WEB = "plex-web"
    WAN_ADDRESS = "wan-address"
    BOX_BEFORE = "box-before"
    FORWARD = "forward"
    PHONE = "phone"
    ROUTER_FILTER = "router-filter"
    SERVER_FIREWALL = "server-firewall"
    VPN = "vpn"
    OTHER_NETWORK = "other-network"


class Answer(Struct, frozen=True):
    """One answer, as it was given at a time (UTC); `port` and `address` are those that the question named."""

    topic: Topic
    text: str
    at: datetime
    port: int | None = None
    address: IPv4Address | None = None
    #: How old it was, in seconds, when the look began that it is evidence for.
    age: float = 0.0

    @property
    def exhibit(self) -> str:
        """The id of the exhibit that shows it."""
        return f"{EXHIBITS}{self.topic}"


#: How the ids of exhibits begin that show answers.
EXHIBITS = "told."
