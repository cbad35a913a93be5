"""What a rule of the diagnosis is: one cause, how it is seen, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from plexops.model.snapshot import Entry, Snapshot
from plexops.runbook.situation import Situation


class Layer(StrEnum):
    """Where on the way a cause is, from the outside in."""

    CLIENT = "viewer's network"
    ISP = "ISP"
    UPSTREAM = "upstream gateway"
    ROUTER = "router"
    SERVER = "server"
    PLEX = "Plex"
    ACCOUNT = "account"


class Weight(StrEnum):
    """What a cause means for the way in."""

    #: With it nobody gets in. It is no cause where somebody outside just did.
    BLOCKS = "blocks"
    #: With it apps do not find the server, although the port may be open. It is no cause where plex.tv got through.
    HIDES = "hides"
    #: Somebody gets in and somebody does not: it stands also where a way in is proven.
    PARTS = "parts"
    #: The way in may be open, in a way that the runbook forbids. Never hidden.
    POLICY = "policy"
    #: It works, and will break.
    WEAKNESS = "weakness"
    #: Nobody can say yet.
    UNDECIDED = "undecided"
    #: In order; something to know.
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Sign:
    """A cause that was seen: in words, with the exhibits that show it. `likely`: it may be another one."""

    says: str
    exhibits: tuple[str, ...]
    likely: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One cause. `rows` are the runbook's ids. `covers` are causes that only follow from this one.

    `excludes`: it is what is left where nothing that was seen stops the packets; so it is never more than likely.
    `look` sees nothing where a piece of evidence is missing: a rule never sees more with less.
    """

    id: str
    layer: Layer
    weight: Weight
    rows: tuple[str, ...]
    cause: str
    look: Callable[[Situation], Sign | None]
    action: tuple[str, ...]
    overturned_by: tuple[str, ...]
    stop: bool = False
    excludes: bool = False
    covers: tuple[str, ...] = ()
    #: It is what plex.tv tells apps right now: Plex's own, older word that it was reached does not refute it.
    current: bool = False
    #: It only follows from whatever blocks: beside another cause it says nothing new.
    follows: bool = False
    #: The ways in (`access`) that it concerns.
    ways: frozenset[str] = frozenset({"forward"})


APPLY = "plexops apply --dry-run shows the change; plexops apply makes it."
MANUAL = "Give Plex a manual port and forward it: plexops apply does both."
TRY_OUTSIDE = "Try from another network: plexops probe HOST:PORT on a phone's hotspot."
_OPEN = "somebody outside reaching Plex at this port"


def rule(
    identifier: str,
    layer: Layer,
    rows: str,
    cause: str,
    look: Callable[[Situation], Sign | None],
    *action: str,
    unless: str = _OPEN,
    weight: Weight = Weight.BLOCKS,
    stop: bool = False,
    excludes: bool = False,
    covers: str = "",
    current: bool = False,
    follows: bool = False,
    ways: str = "forward",
) -> Rule:
    """Make a rule; `rows`, `covers` and `ways` are words with blanks between."""
    return Rule(
        id=identifier,
        layer=layer,
        weight=weight,
        rows=tuple(rows.split()),
        cause=cause,
        look=look,
        action=action,
        overturned_by=(unless,),
        stop=stop,
        excludes=excludes,
        covers=tuple(covers.split()),
        current=current,
        follows=follows,
        ways=frozenset(ways.split()),
    )


def sign(says: str, *shown: Entry | str | None) -> Sign:
    """Make a sign from entries, and ids of exhibits."""
    found = (item.exhibit if isinstance(item, Entry) else item for item in shown)
    return Sign(says, exhibits_of(found))


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
