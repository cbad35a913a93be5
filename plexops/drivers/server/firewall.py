"""What every host firewall is to the server's driver, and what all of them share."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

from msgspec import Struct

from plexops.drivers.base import Unrenderable
from plexops.languages import LANGUAGES
from plexops.model.change import Change
from plexops.model.exchange import Read, Reply
from plexops.model.fields import FieldType, Typed
from plexops.model.packets import Box
from plexops.model.resources.firewall_rule import FirewallRule
from plexops.model.snapshot import FOREIGN, Entry, Fact, FactValue, KindState, Owner
from plexops.model.values import is_key

#: What stands before the key in the tag of a rule of ours.
TAG = "plexops:"


class FirewallState(Struct, frozen=True):
    """What a firewall's reads came to: facts, entries, and whether the rules are known.

    `chains` are those where it puts a rule of ours (`Box.inserts`). `unapplied`: a rule of ours is in force and not kept,
    or kept and not in force.
    """

    state: KindState
    facts: Mapping[str, Fact] = {}
    entries: tuple[Entry, ...] = ()
    reason: str = ""
    chains: Mapping[str, tuple[str, ...]] = {}
    unapplied: bool = False


class Host(Struct, frozen=True):
    """What else is known of the host when its firewall is read: the first round's answers, its filter, its interface."""

    replies: Mapping[str, Reply]
    box: Box
    interface: str


#: Further questions of a firewall, and what all came to.
Reading = Generator[Sequence[Read], Sequence[Reply], FirewallState]


def wanted_rule(change: Change) -> FirewallRule:
    """Give the rule that a change makes, or the one that it takes away. Raises Unrenderable."""
    source = change.want or (change.before.values if change.before is not None else None)
    if not isinstance(source, FirewallRule):
        raise Unrenderable("no port is known for the rule")
    return source


def owner_of(tag: str) -> Owner:
    """Tell whose rule bears a comment, or what its firewall has instead."""
    key = tag.removeprefix(TAG) if tag.startswith(TAG) else ""
    return Owner(key) if is_key(key) else FOREIGN


def quote(value: str | int) -> str:
    """Write a text or a port as one word of a shell."""
    kind = FieldType.PORT if isinstance(value, int) else FieldType.TEXT
    return LANGUAGES["posix"].quote(Typed(kind, value))


def facts_of(exhibit: str, **values: FactValue) -> dict[str, Fact]:
    """Give facts about the firewall, by the last part of their names, all shown by one answer."""
    return {f"firewall.{name}": Fact(f"firewall.{name}", value, exhibit) for name, value in values.items()}
