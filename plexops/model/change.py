"""One resource's way from what is to what shall be, and the way back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Generic

from msgspec import Struct

from plexops.model.errors import Place
from plexops.model.resources import KINDS
from plexops.model.snapshot import FOREIGN, Entry, Kind, KindState, Owner, Role, Snapshot, V_co, canonical
from plexops.structs import replace


class Action(StrEnum):
    """What a change does to its entry."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    #: Some fields of another's entry, which keeps its name and all else.
    ADOPT = "adopt"
    #: The way back of an adoption: the raw old values.
    RESTORE = "restore"
    #: The host asks for its address again. It changes no configuration; `raw` says which addresses the host `held`.
    RENEW = "renew"


class Change(Struct, Generic[V_co], frozen=True):
    """One change of one entry.

    `before` is the entry as it was seen (None: there is none). `want` are the values that shall be (None: no entry).
    `fields` are the names that differ. `raw` holds the device's own words to put back, for RESTORE. `at` is the position
    that a deleted entry had, for making it again; None where a new one goes where its driver puts it.
    """

    role: Role
    kind: Kind
    key: str
    action: Action
    before: Entry[V_co] | None = None
    want: V_co | None = None
    fields: tuple[str, ...] = ()
    raw: Mapping[str, str | tuple[str, ...] | None] = MappingProxyType({})
    place: Place | None = None
    task: str = ""
    at: int | None = None

    @property
    def id(self) -> str:
        """A name that people can read and that is unique in a plan."""
        return f"{self.role}/{self.kind}/{self.key}"

    @property
    def had(self) -> V_co | None:
        """What stands before it; None where there is nothing."""
        return None if self.before is None else self.before.values


def inverse(change: Change) -> Change | None:
    """Give the change back to what was seen; None for a renewed lease, which no configuration gives back."""
    before = change.before
    old, raw = (None, {}) if before is None else (before.values, before.raw)
    match change.action:
        case Action.CREATE:
            return replace(change, action=Action.DELETE, before=_made(change), want=None, fields=(), at=None)
        case Action.DELETE:
            at = None if before is None else before.position
            return replace(change, action=Action.CREATE, before=None, want=old, at=at, raw=raw)
        case Action.UPDATE:
            return replace(change, before=_made(change), want=old)
        case Action.ADOPT:
            return replace(change, action=Action.RESTORE, before=_made(change), want=old, raw=raw)
        case Action.RESTORE:
            return replace(change, before=_made(change), raw=raw)
        case Action.RENEW:
            return None


def _made(change: Change) -> Entry:
    """The entry as it will be when the change has been made. Its raw words are not known yet."""
    if change.before is not None:
        return replace(change.before, values=change.want)
    return Entry(
        kind=change.kind,
        values=change.want,
        raw=MappingProxyType({}),
        owner=Owner(change.key),
        handle="",
        exhibit="",
        label=f"plexops {change.key}",
    )


def is_same_entry(one: Entry, other: Entry) -> bool:
    """Tell whether two snapshots speak of one entry: by our tag, else by handle."""
    if one.kind is not other.kind or one.owner.ours != other.owner.ours:
        return False
    return one.owner.key == other.owner.key if one.owner.ours else one.handle == other.handle


def find(change: Change, now: Snapshot) -> tuple[Entry, ...]:
    """Give the entries of a fresh snapshot that a change is about; a renewed lease is about none."""
    if change.action is Action.RENEW:
        return ()
    if KINDS[change.kind].singleton:
        return now.of(change.kind)
    if change.before is not None and not change.before.owner.ours:
        return tuple(e for e in now.of(change.kind) if is_same_entry(e, change.before))
    return tuple(e for e in now.of(change.kind) if e.owner.key == change.key)


class Shown(StrEnum):
    """Whether a device was seen to be so. Only `YES` counts as true: what was not seen proves nothing."""

    YES = "yes"
    NO = "no"
    NOT_KNOWN = "not known"

    def __bool__(self) -> bool:
        return self is Shown.YES


def _shown(holds: bool) -> Shown:
    return Shown.YES if holds else Shown.NO


def beside(change: Change, now: Snapshot) -> tuple[str, ...]:
    """Give a short hash of every other entry of a change's kind: a later look that lost them lost ours as well."""
    own = {id(entry) for entry in find(change, now)}
    rest = (entry for entry in now.of(change.kind) if id(entry) not in own)
    texts = (json.dumps(canonical([e.values, e.raw, e.owner.key]), sort_keys=True) for e in rest)
    return tuple(sorted(hashlib.sha256(text.encode()).hexdigest()[:12] for text in texts))


def _looks_whole(change: Change, now: Snapshot, stood: Collection[str]) -> bool:
    """Tell whether a snapshot may say that an entry is not there: its kind was read, and no less than stood beside.

    A kind that is absent as a whole says so only where nothing stood beside.
    """
    state = now.state(change.kind)
    if state is KindState.ABSENT:
        return not stood and not KINDS[change.kind].singleton
    return state is KindState.PRESENT and len(beside(change, now)) >= len(stood)


def _unseen(change: Change, now: Snapshot, stood: Collection[str], *, wanted: bool) -> Shown:
    if change.kind in now.unapplied:
        return Shown.NO
    return _shown(wanted) if _looks_whole(change, now, stood) else Shown.NOT_KNOWN


def _acts(change: Change, now: Snapshot, holds: bool) -> Shown:
    """An entry may stand there that nothing serves, or that is saved and not applied: its kind is then unknown."""
    if change.kind in now.unapplied:
        return Shown.NO
    return Shown.NOT_KNOWN if holds and now.state(change.kind) is KindState.UNKNOWN else _shown(holds)


def is_done(change: Change, now: Snapshot, stood: Collection[str] = ()) -> Shown:
    """Tell whether a snapshot shows the change as made: exactly one entry, with the wanted values; or none.

    `stood` is what `beside` gave before the change.
    """
    entries = find(change, now)
    if not entries:
        return _unseen(change, now, stood, wanted=change.want is None)
    if change.want is None or len(entries) != 1 or entries[0].values is None:
        return Shown.NO
    if change.action is Action.RESTORE:
        return _acts(change, now, all(entries[0].raw.get(name) == old for name, old in change.raw.items()))
    return _acts(change, now, not KINDS[change.kind].differs(change.want, entries[0].values))


def is_undone(change: Change, now: Snapshot, stood: Collection[str] = ()) -> Shown:
    """Tell whether a snapshot shows what was there before a change, in the device's own words.

    `stood` is what `beside` gave before the change.
    """
    entries = find(change, now)
    if not entries:
        return _unseen(change, now, stood, wanted=change.before is None)
    if change.before is None or len(entries) != 1:
        return Shown.NO
    had, has = dict(change.before.raw), dict(entries[0].raw)
    if change.want is None and change.before.placed and entries[0].position != change.before.position:
        return Shown.NO
    return _acts(change, now, had == has if had else entries[0].values == change.before.values)


def project(now: Snapshot, change: Change) -> Snapshot:
    """Give the snapshot as it will be when the change has been made: what guards judge when planning."""
    if change.action is Action.RENEW:
        return now
    gone = {id(entry) for entry in find(change, now)}
    position = min((e.position for e in now.entries if id(e) in gone), default=1 << 20)
    kept = tuple(entry for entry in now.entries if id(entry) not in gone)
    if change.want is None:
        return replace(now, entries=kept)
    made = replace(_made(change), position=position)
    if change.before is not None and not change.before.owner.ours:
        made = replace(made, owner=FOREIGN)
    return replace(now, entries=(*kept, made))
