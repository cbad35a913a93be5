"""The driver that runs a router profile: data in, snapshots and scripts out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from plexops.drivers.answers import PACKETS, Answer
from plexops.drivers.base import Observation, Unrenderable
from plexops.drivers.router.compile import CompiledProfile, CompiledResource, fact_variable
from plexops.drivers.router.expressions import rows_of as rows_of_kind
from plexops.drivers.router.facts import take_facts
from plexops.drivers.router.reads import answers_of, asked
from plexops.drivers.router.rows import Word, entry_of, matches, text_of
from plexops.drivers.router.running import (
    is_only_applied,
    made_again,
    not_serving,
    place_of,
    placed,
    with_what_acts,
)
from plexops.drivers.rulesets.boxes import BoxInput, announced_address, build_box, rows_of, unread_forwards
from plexops.model.change import Action, Change, find, inverse, project
from plexops.model.errors import WhyNot
from plexops.model.exchange import Command, Json, Script, Window, Write
from plexops.model.exchange import shown as shown_ask
from plexops.model.facts import FACTS
from plexops.model.fields import FieldType, Typed
from plexops.model.packets import Box
from plexops.model.plan import shown
from plexops.model.resources import KINDS
from plexops.model.snapshot import Entry, Kind, KindState, Role, Snapshot
from plexops.model.values import Ports, is_key
from plexops.structs import replace

#: How long the device's own undo waits, in seconds. The forward's stays open until the effect is proven.
WINDOW_SECONDS = 90
FORWARD_WINDOW_SECONDS = 180


class ProfiledDriver(Struct, frozen=True):
    """A router of one family. `role` is the stop that it is asked as."""

    profile: CompiledProfile
    role: Role = Role.ROUTER
    reasons: Mapping[str, str] = MappingProxyType({})

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kinds that the profile can write."""
        return frozenset(
            kind for kind, specs in self.profile.resources.items() if any(s.create for s in specs)
        )

    def observe(self) -> Observation:
        """Ask every read of the profile in one round, and make entries and facts of the answers."""
        replies = yield [read for spec in self.profile.profile.reads.values() for read in asked(spec)]
        answers = answers_of(self.profile.profile, replies)
        box = self._box(answers)
        if box is not None:
            unread = unread_forwards(box)
            answers = {**answers, PACKETS: Answer(problem=unread) if unread else Answer(rows_of(box))}
        facts, reasons = take_facts(self.profile.facts, answers, self.role)
        announced = None if box is None else announced_address(box)
        if announced is not None and "wan.address" in facts:
            wan = replace(facts["wan.address"], value=str(announced))
            facts = MappingProxyType({**facts, "wan.address": wan})
        snapshot = Snapshot(self.role, facts, (), {}, reasons)
        entries: list[Entry] = []
        states: dict[Kind, KindState] = {}
        why = dict(reasons)
        for kind, backends in self.profile.resources.items():
            active = _active(backends, snapshot)
            if isinstance(active, WhyNot):
                states[kind], why[kind] = KindState.UNSUPPORTED, active.text
                continue
            own = snapshot.text("wan.address") or ""
            states[kind], found, reason = self._entries(active, answers, own)
            silent = "" if active.spec.serves is None else not_serving(active.spec.serves, snapshot)
            if silent and states[kind] is KindState.PRESENT:
                states[kind], reason = KindState.UNKNOWN, silent
            entries += found
            if reason:
                why[kind] = reason
        seen = Snapshot(
            self.role,
            facts,
            tuple(self._placed(entries, box)),
            MappingProxyType(states),
            MappingProxyType(why),
            box,
        )
        return with_what_acts(seen, self.profile.resources, answers, box)

    def _box(self, answers: Mapping[str, Answer]) -> Box | None:
        """Put together what decides about packets; None for a family of which nothing tells that."""
        spec = self.profile.profile.packets
        if spec is None:
            return None
        told = [fact for fact in self.profile.facts if fact.spec.name == spec.internet_side]
        side = take_facts(told, answers, self.role)[0].get(spec.internet_side)
        unseen = "" if spec.internet_side in FACTS else spec.internet_side
        word = unseen if side is None else str(side.value)
        read = "" if spec.configured is None else spec.configured.read
        box = build_box(spec.plumbing, BoxInput(answers, str(self.role), word), read)
        return replace(box, inserts=spec.inserts)

    def _placed(self, entries: Sequence[Entry], box: Box | None) -> list[Entry]:
        """Say before which rule a passage stands, where making it again has to say so."""
        specs = self.profile.resources.get(Kind.PASSAGE, ())
        if box is None or not any("before" in request.names for spec in specs for request in spec.create):
            return list(entries)
        return [placed(box, entry) for entry in entries]

    def _entries(
        self, resource: CompiledResource, answers: Mapping[str, Answer], own: str
    ) -> tuple[KindState, list[Entry], str]:
        spec = resource.spec
        answer = rows_of_kind(resource.rows, answers)
        if answer.absent:
            return KindState.ABSENT, [], ""
        if answer.problem:
            return KindState.UNKNOWN, [], answer.problem
        columns: dict[str, Json] = {}
        for name, expression in resource.beside.items():
            told = expression.of(answers)
            if told.problem or told.value in (None, ""):
                return KindState.UNKNOWN, [], told.problem or f"{expression.text} says nothing"
            columns[name] = told.value
        exhibit = f"{self.role}.{resource.rows.reads[0]}"
        found = [
            entry_of(spec, {**row, **columns}, position, row.get("exhibit") or exhibit, own)
            for position, row in enumerate(answer.value)
            if isinstance(row, Mapping) and matches(spec, {**row, **columns})
        ]
        return KindState.PRESENT, found, ""

    def look_by_hand(self, kind: Kind) -> str:
        """Give the questions that show a kind's entries."""
        reads = self.profile.profile.reads
        names = [spec.rows.reads[0] for spec in self.profile.resources.get(kind, ())]
        looked_at = dict.fromkeys("nft" if name == PACKETS else name for name in names)
        return " ; ".join(shown_ask(asked(reads[name])[0].ask) for name in looked_at if name in reads)

    def script(self, change: Change, now: Snapshot) -> Script:
        """Render the requests of a change, its window, and for people the way back."""
        if not is_key(change.key):
            raise Unrenderable(f"{change.key!r} is no key: it becomes part of our tag on the router")
        resource = self._resource(change.kind, now)
        writes = self._writes(resource, change, now)
        back = inverse(change)
        undo = () if back is None else self._writes(resource, back, self._after(resource, now, change))
        return Script(
            writes=tuple(self._with_functions(write) for write in writes),
            window=self._window(change, undo),
            undo=tuple(shown(self._with_functions(write)) for write in undo),
        )

    def _with_functions(self, write: Write) -> Write:
        """Put the family's own functions before a command of its shell."""
        functions = self.profile.profile.functions
        if not functions or not isinstance(write.ask, Command):
            return write
        return replace(write, ask=Command(f"{functions} {write.ask.text}"))

    def _resource(self, kind: Kind, now: Snapshot) -> CompiledResource:
        active = _active(self.profile.resources.get(kind, ()), now)
        if isinstance(active, WhyNot):
            raise Unrenderable(active.text)
        return active

    def _writes(self, resource: CompiledResource, change: Change, now: Snapshot) -> tuple[Write, ...]:
        adopting = change.action in (Action.ADOPT, Action.RESTORE)
        if adopting and not resource.adopt:
            raise Unrenderable(
                f"{self.profile.profile.title}: a {change.kind} that is not ours cannot be changed from here"
            )
        found = find(change, now)
        only_applied = is_only_applied(resource, change, now, found)
        if change.action is not Action.CREATE and len(found) != 1 and not only_applied:
            raise Unrenderable(f"{len(found)} entries answer to {change.id}, not one")
        entry = found[0] if found else None
        try:
            if adopting:
                return self._adoption(resource, change, entry)
            values = self._values(resource, change, entry, now)
            if only_applied:
                return tuple(request.render({}) for request in resource.apply)
            if again := made_again(resource, change, now):
                return tuple(r.render({**values, **again}) for r in (*resource.again, *resource.apply))
            requests = {
                Action.CREATE: resource.create,
                Action.UPDATE: resource.update,
                Action.DELETE: resource.delete,
            }[change.action]
            if not requests:
                raise Unrenderable(f"{self.profile.profile.title} cannot {change.action} a {change.kind}")
            self._refuse_unwritable(resource, change)
            return tuple(request.render(values) for request in (*requests, *resource.apply))
        except ValueError as reason:
            raise Unrenderable(str(reason)) from None

    def _refuse_unwritable(self, resource: CompiledResource, change: Change) -> None:
        """A field that no template writes can be neither set nor put back."""
        if change.action is not Action.UPDATE:
            return
        written = frozenset().union(*(request.names for request in resource.update))
        stuck = sorted(name for name in change.fields if name not in written)
        if stuck:
            raise Unrenderable(f"{', '.join(stuck)} was set by hand on our entry: take it off on the router")

    def _values(
        self, resource: CompiledResource, change: Change, entry: Entry | None, now: Snapshot
    ) -> dict[str, Typed]:
        values: dict[str, Typed] = {
            "key": Typed(FieldType.KEY, change.key),
            "window": _window_name(change),
            "tag": Typed(FieldType.HANDLE, resource.spec.tag(change.key)),
        }
        values["place"] = place_of(change, entry)
        if entry is not None:
            values["handle"] = Typed(FieldType.HANDLE, entry.handle)
        for name in resource.facts:
            fact = now.text(name)
            if fact is None:
                raise Unrenderable(f"{name} is unknown, and the request needs it")
            values[fact_variable(name)] = Typed(FieldType.HANDLE, fact)
        source = change.want if change.want is not None else (entry.values if entry is not None else None)
        if source is None:
            return values
        for item in KINDS[change.kind].fields:
            value = getattr(source, item.name, None)
            if value is not None and not (isinstance(value, str) and not value):
                values[item.name] = _as_typed(resource, item.name, item.type, value)
                if change.want is not None:
                    _require_room(resource, item.name, value)
        return values

    def _adoption(self, resource: CompiledResource, change: Change, entry: Entry | None) -> tuple[Write, ...]:
        if entry is None:
            raise Unrenderable("the entry is not there any more")
        lacking = [name for name in change.fields if name not in resource.spec.fields]
        if lacking:
            raise Unrenderable(
                f"{self.profile.profile.title}: a {change.kind} has no {', '.join(lacking)} there to change"
            )
        if "source" in change.fields:
            # You narrowed it on purpose. Opening it to all senders is yours to do, and no word means "any" everywhere.
            raise Unrenderable(
                f"it is narrowed ({getattr(entry.values, 'source', '')}): "
                "if every sender may use it, take that off on the router"
            )
        names = [resource.spec.fields[name].name for name in change.fields]
        writes: list[Write] = []
        for index, (name, theirs) in enumerate(zip(change.fields, names, strict=True)):
            value = self._adopted_word(resource, change, name, theirs)
            before = entry.raw.get(theirs)
            if isinstance(before, tuple) or isinstance(value, tuple):
                raise Unrenderable(f"{theirs} is a list on the router: change it by hand")
            values = {
                "window": _window_name(change),
                "handle": Typed(FieldType.HANDLE, entry.handle),
                "field": Typed(FieldType.WORD, theirs),
                "before": Typed(FieldType.TEXT, text_of(before)),
            }
            if value is None:
                requests = resource.adopt_unset
            else:
                requests = resource.adopt
                values["value"] = Typed(FieldType.TEXT, value)
            if not requests:
                raise Unrenderable(f"{theirs} was not set before and cannot be taken off again")
            # The last request of each list makes it take effect: once, after the last field.
            last = index == len(names) - 1
            writes += [r.render(values) for r in (requests if last or len(requests) == 1 else requests[:-1])]
        return (*writes, *(request.render({}) for request in resource.apply))

    def _adopted_word(self, resource: CompiledResource, change: Change, name: str, theirs: str) -> Word:
        if change.action is Action.RESTORE:
            return change.raw.get(theirs)
        value = getattr(change.want, name)
        typed = _as_typed(resource, name, KINDS[change.kind].field(name).type, value)
        return text_of(str(typed.value))

    def _after(self, resource: CompiledResource, now: Snapshot, change: Change) -> Snapshot:
        """The state after a change, with a handle for what was just made where only the device will know it, and
        with the words that an adoption has written: the way back compares them before it sets the old ones."""
        words: dict[str, Word] = {}
        if change.action in (Action.ADOPT, Action.RESTORE):
            for name in change.fields:
                theirs = resource.spec.fields[name].name
                words[theirs] = self._adopted_word(resource, change, name, theirs)
        then = project(now, change)
        touched = {id(entry) for entry in find(change, then)}
        named = (
            replace(e, handle=e.handle or f"plexops-{change.key}", raw={**e.raw, **words})
            if id(e) in touched
            else e
            for e in then.entries
        )
        return replace(then, entries=tuple(named))

    def _window(self, change: Change, undo: Sequence[Write]) -> Window:
        spec = self.profile.window
        if spec is None or not undo or not all(isinstance(write.ask, Command) for write in undo):
            return Window()
        seconds = FORWARD_WINDOW_SECONDS if change.kind is Kind.PORT_FORWARD else WINDOW_SECONDS
        return spec.of(
            _window_name(change), seconds, [shown(write) for write in undo], self.profile.profile.functions
        )


def _window_name(change: Change) -> Typed:
    return Typed(FieldType.WORD, f"{change.kind}_{change.key}")


def _active(backends: Sequence[CompiledResource], now: Snapshot) -> CompiledResource | WhyNot:
    """Give the one backend that is in use, or why there is none."""
    if len(backends) == 1 and not backends[0].spec.active:
        return backends[0]
    holding = [b for b in backends if all(now.text(f) == v for f, v in b.spec.active.items())]
    if len(holding) == 1:
        return holding[0]
    names = ", ".join(b.spec.backend for b in (holding or backends)) or "nothing"
    return WhyNot(f"several are active: {names}" if holding else f"none of these is active: {names}")


def _as_typed(resource: CompiledResource, name: str, kind: FieldType, value: Any) -> Typed:
    """Give a wanted value in the device's words, with the type that its template was checked for."""
    mapped = resource.spec.fields.get(name)
    if mapped is not None and mapped.values:
        ours = str(value).lower() if isinstance(value, bool) else str(value)
        words = mapped.values.get(ours)
        if not words:
            raise Unrenderable(f"the router has no word for {name} {ours}")
        return Typed(resource.variables[name], words[0])
    if isinstance(value, Ports):
        if value.single is None:
            raise Unrenderable(f"{name} {value} is not one port")
        return Typed(kind, value.single)
    return Typed(kind, str(value[0]) if isinstance(value, tuple) else value)


def _require_room(resource: CompiledResource, name: str, value: Any) -> None:
    mapped = resource.spec.fields.get(name)
    reason = "" if mapped is None or mapped.room is None else mapped.room.refuses(str(value))
    if reason:
        raise Unrenderable(f"{name} has {reason}")
