"""What a cause is: one thing that may be wrong at a stop of a way, how it shows, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType

from msgspec import Struct

from plexops.model.packets import Rule, Verdict
from plexops.model.snapshot import Entry, Snapshot
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
    """A stop: a place on one of the three ways."""

    PROXY = "proxy"
    ISP_ADDRESS = "isp.address"
    UPSTREAM = "upstream"
    ISP_FILTER = "isp.filter"
    ROUTER_FORWARD = "router.nat"
    ROUTER_FILTER = "router.filter"
    LAN = "lan"
    CONTAINER = "container"
    SERVER_FILTER = "server.filter"
    SOCKET = "socket"
    SERVER_WAY_OUT = "back.server"
    ROUTER_WAY_OUT = "back.router"
    ACCOUNT = "plex.account"
    SETTINGS = "plex.settings"
    ANNOUNCEMENT = "plex.port"
    REACHES_PLEX_TV = "plex.reaches-tv"
    CHECK = "tv.check"
    LIST = "tv.list"
    IPV6_ADDRESS = "ipv6.address"
    IPV6_ROUTER = "ipv6.router"
    IPV6_SERVER = "ipv6.server"
    IPV6_SOCKET = "ipv6.socket"
    #: No stop: what stands beside the ways.
    BESIDE = "beside"

    @property
    def label(self) -> str:
        """What a person calls it."""
        return _TITLES[self]

    @property
    def way(self) -> Way:
        """The way on which it lies."""
        if self in (StopName.SERVER_WAY_OUT, StopName.ROUTER_WAY_OUT):
            return Way.BACK
        if self.value.startswith("ipv6."):
            return Way.IN_OVER_IPV6
        announced = (
            StopName.ACCOUNT,
            StopName.SETTINGS,
            StopName.ANNOUNCEMENT,
            StopName.REACHES_PLEX_TV,
            StopName.CHECK,
        )
        return Way.ANNOUNCED if self in (*announced, StopName.LIST) else Way.IN


_TITLES = {
    StopName.PROXY: "the proxy",
    StopName.ISP_ADDRESS: "the ISP's address",
    StopName.UPSTREAM: "a box before the router",
    StopName.ISP_FILTER: "the ISP's filters",
    StopName.ROUTER_FORWARD: "the router's forward",
    StopName.ROUTER_FILTER: "the router's filters",
    StopName.LAN: "who holds Plex's address",
    StopName.CONTAINER: "Plex's container",
    StopName.SERVER_FILTER: "the server's filters",
    StopName.SOCKET: "Plex's port on the server",
    StopName.SERVER_WAY_OUT: "the server's way out",
    StopName.ROUTER_WAY_OUT: "the router's way out",
    StopName.ACCOUNT: "Plex's account",
    StopName.SETTINGS: "Plex's settings",
    StopName.ANNOUNCEMENT: "what Plex announces",
    StopName.REACHES_PLEX_TV: "Plex's way to plex.tv",
    StopName.CHECK: "plex.tv's check",
    StopName.LIST: "plex.tv's list",
    StopName.IPV6_ADDRESS: "the address of IPv6",
    StopName.IPV6_ROUTER: "the router, over IPv6",
    StopName.IPV6_SERVER: "the server, over IPv6",
    StopName.IPV6_SOCKET: "Plex's port, over IPv6",
    StopName.BESIDE: "beside the ways",
}


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


#: What an attempt may get back, by the words of the table.
ANYTHING_BACK: Mapping[str, Came] = MappingProxyType(
    {
        "silence": Came.SILENCE,
        "refused": Came.REFUSED,
        "unreachable": Came.UNREACHABLE,
        "another": Came.ANOTHER,
    }
)
#: What only a proxy's name gives back.
PROXY_BACK: Mapping[str, Came] = MappingProxyType({"no-name": Came.NO_NAME, "untrusted": Came.UNTRUSTED})


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


def of_fact(snapshot: Snapshot, name: str) -> str:
    """Give the exhibit that shows a fact."""
    fact = snapshot.facts.get(name)
    return "" if fact is None else fact.exhibit


def named(entry: Entry) -> str:
    """Name an entry as its owner does."""
    return f"“{entry.label or entry.handle}”"
