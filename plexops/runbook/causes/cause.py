"""What a cause is: one thing that may be wrong at a stop of a way, how it shows, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Self

from msgspec import Struct

from plexops.model.packets import Rule, Verdict
from plexops.model.snapshot import Entry, Role
from plexops.runbook.attempts import Came
from plexops.runbook.situation import Situation
from plexops.runbook.way_in import WayIn, unclear_rule


class Layer(StrEnum):
    """Where on the way a cause is, from the outside in."""

    CLIENT = "viewer's network"
    PROXY = "proxy"
    ISP = "ISP"
    UPSTREAM = "upstream gateway"
    ROUTER = "router"
    SERVER = "server"
    PLEX = "Plex"
    ACCOUNT = "account"


class Way(StrEnum):
    """The three ways that must work: a viewer's connection in, Plex's answer back, and what Plex has apps know.

    Over IPv6 there is another way in, which may be closed where the one over IPv4 is open.
    """

    IN = "way in"
    BACK = "way back"
    ANNOUNCED = "announced"
    IN_OVER_IPV6 = "way in over IPv6"


class StopName(StrEnum):
    """A stop: a place on one of the ways. `label` is what a person calls it."""

    label: str
    way: Way

    def __new__(cls, value: str, label: str = "", way: Way = Way.IN) -> Self:
        """Make one of a row of this table."""
        made = str.__new__(cls, value)
        made._value_, made.label, made.way = value, label, way
        return made

    PROXY = "proxy", "the proxy"
    ISP_ADDRESS = "isp.address", "the ISP's address"
    UPSTREAM = "upstream", "a box before the router"
    ISP_FILTER = "isp.filter", "the ISP's filters"
    ROUTER_FORWARD = "router.nat", "the router's forward"
    ROUTER_FILTER = "router.filter", "the router's filters"
    LAN = "lan", "who holds Plex's address"
    CONTAINER = "container", "Plex's container"
    SERVER_FILTER = "server.filter", "the server's filters"
    SOCKET = "socket", "Plex's port on the server"
    SERVER_WAY_OUT = "back.server", "the server's way out", Way.BACK
    ROUTER_WAY_OUT = "back.router", "the router's way out", Way.BACK
    ACCOUNT = "plex.account", "Plex's account", Way.ANNOUNCED
    SETTINGS = "plex.settings", "Plex's settings", Way.ANNOUNCED
    ANNOUNCEMENT = "plex.port", "what Plex announces", Way.ANNOUNCED
    REACHES_PLEX_TV = "plex.reaches-tv", "Plex's way to plex.tv", Way.ANNOUNCED
    CHECK = "tv.check", "plex.tv's check", Way.ANNOUNCED
    LIST = "tv.list", "plex.tv's list", Way.ANNOUNCED
    IPV6_ADDRESS = "ipv6.address", "the address of IPv6", Way.IN_OVER_IPV6
    IPV6_ROUTER = "ipv6.router", "the router, over IPv6", Way.IN_OVER_IPV6
    IPV6_SERVER = "ipv6.server", "the server, over IPv6", Way.IN_OVER_IPV6
    IPV6_SOCKET = "ipv6.socket", "Plex's port, over IPv6", Way.IN_OVER_IPV6
    #: No stop: what stands beside the ways.
    BESIDE = "beside", "beside the ways"


class Weight(StrEnum):
    """What a cause means."""

    #: With it the way fails.
    CAUSE = "cause"
    #: It says what was observed, and is no cause: the verdict is undecided.
    HEADLINE = "headline"
    #: One viewer gets in and another does not.
    PARTS = "parts"
    #: The way in may be open, in a way that the runbook forbids. Never hidden.
    POLICY = "policy"
    #: It works, and will break.
    WEAKNESS = "weakness"
    #: In order; something to know.
    NOTE = "note"


class Sign(Struct, frozen=True):
    """How a cause shows: in words, with exhibits.

    `suspect`: there is evidence, and no proof. `soft`: some get in. `outside` is what an attempt from outside may get
    back where that is narrower than what the cause's row says.
    """

    says: str
    exhibits: tuple[str, ...]
    suspect: bool = False
    soft: bool = False
    outside: frozenset[Came] | None = None


Look = Callable[[Situation], Sign | None]


class Cause(Struct, frozen=True):
    """One row. `rows` are the runbook's ids. `look` gives the sign, and nothing where evidence is missing.

    `covers` are causes that only follow from this one, where both show. `follows` are causes elsewhere from which this
    one may follow: while one of them is possible nothing is decided. `soft`: packets go on to another host or port,
    which may pass them on to Plex. `current`: the account or devices say so now, which no success refutes. `outside` is what
    an attempt from outside may get back. `access` are the ways in that it concerns.
    """

    id: str
    place: StopName
    layer: Layer
    rows: tuple[str, ...]
    title: str
    look: Look
    action: tuple[str, ...]
    overturned_by: str
    weight: Weight
    stop: bool
    soft: bool
    current: bool
    covers: frozenset[str]
    follows: frozenset[str]
    outside: frozenset[Came]
    access: frozenset[str]


def by_observation(_: Situation) -> Sign | None:
    """Look of a cause that cannot be read, and of headlines: only observations lead to it."""
    return None


def sign(
    says: str,
    *shown: Entry | str | None,
    suspect: bool = False,
    soft: bool = False,
    outside: frozenset[Came] | None = None,
) -> Sign:
    """Make a sign from entries, and ids of exhibits."""
    found = (item.exhibit if isinstance(item, Entry) else item for item in shown)
    return Sign(says, exhibits_of(found), suspect, soft, outside)


def flagged(role: Role, fact: str, value: bool, says: str) -> Look:
    """Give the look of a cause that one fact shows by itself."""

    def look(situation: Situation) -> Sign | None:
        told = situation.view.of(role)
        return sign(says, told.shows(fact)) if told.flag(fact) is value else None

    return look


def comes_back(rule: Rule | None) -> frozenset[Came] | None:
    """Give what an attempt gets back from a rule that stops it: nothing from one that drops. None: not known."""
    if rule is None or not rule.effects:
        return None
    if all(effect is Verdict.DROP for effect in rule.effects):
        return frozenset({Came.SILENCE})
    rejects = all(effect is Verdict.REJECT for effect in rule.effects)
    return frozenset({Came.REFUSED, Came.UNREACHABLE}) if rejects else None


def unclear(way: WayIn | None, what: str) -> Sign | None:
    """Make a sign of suspicion where a rule was read of which it is not known whether it stops a viewer's connection."""
    end = unclear_rule(way)
    if end is None or end.step.rule is None or end.step.chain is None:
        return None
    says = f"“{end.step.chain.id}” {what} ({end.step.rule.called})"
    return sign(says, end.step.rule.exhibit, suspect=True)


def exhibits_of(ids: Iterable[str | None]) -> tuple[str, ...]:
    """Give each exhibit once, in order."""
    return tuple(dict.fromkeys(name for name in ids if name))
