"""The driver that runs a router profile: data in, snapshots and scripts out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from plexops.drivers.answers import PACKETS, Answer
from plexops.drivers.base import Observation, Unrenderable
from plexops.drivers.router.compile import CompiledProfile, CompiledResource, fact_of
from plexops.drivers.router.expressions import rows_of as rows_of_kind
from plexops.drivers.router.facts import take_facts, with_services
from plexops.drivers.router.reads import ask, asked
from plexops.drivers.router.rows import Word, entry_of, matches, text_of, written_over
from plexops.drivers.router.running import (
    following,
    is_only_applied,
    not_serving,
    placed,
    with_what_acts,
)
from plexops.drivers.router.stores.base import Value, Wanted, said
from plexops.drivers.rulesets.base import BoxInput
from plexops.drivers.rulesets.boxes import announced_address, build_box, rows_of, unread_forwards
from plexops.drivers.windows import arming, of_tree
from plexops.model.change import Action, Change, find, inverse, project
from plexops.model.errors import WhyNot
from plexops.model.exchange import Command, Json, Script, Window, Write
from plexops.model.exchange import shown as shown_ask
from plexops.model.facts import FACTS
from plexops.model.fields import FieldType, Typed
from plexops.model.packets import Box
from plexops.model.plan import shown
from plexops.model.profile import Speaks
from plexops.model.resources import KINDS
from plexops.model.resources.port_forward import ANYBODY
from plexops.model.snapshot import Entry, Kind, KindState, Role, Snapshot
from plexops.model.soap import service_fact
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
            kind for kind, specs in self.profile.resources.items() if any(s.store is not None for s in specs)
        )

    def observe(self) -> Observation:
        """Ask every read of the profile, and make entries and facts of the answers."""
        answers = yield from ask(self.profile.profile)
        box = self._box(answers)
        if box is not None:
            unread = unread_forwards(box)
            answers = {**answers, PACKETS: Answer(problem=unread) if unread else Answer(rows_of(box))}
        facts, reasons = take_facts(self.profile.facts, answers, self.role)
        facts = with_services(facts, answers, self.role)
        announced = None if box is None else announced_address(box)
        if announced is not None and "wan.address" in facts:
            wan = replace(facts["wan.address"], value=str(announced))
            facts = MappingProxyType({**facts, "wan.address": wan})
        snapshot = Snapshot(self.role, facts, (), {}, reasons)
        entries: list[Entry] = []
        states: dict[Kind, KindState] = {}
        why = dict(reasons)
        why.update((kind, kept.unseen) for kind, kept in self.profile.profile.kinds.items() if kept.unseen)
        for kind, backends in self.profile.resources.items():
            active = _active(backends, snapshot)
            if isinstance(active, WhyNot):
                known = all(fact in facts for backend in backends for fact in backend.spec.active)
                states[kind] = KindState.UNSUPPORTED if known else KindState.UNKNOWN
                why[kind] = active.text
                continue
            told = {name: str(fact.value) for name, fact in facts.items()}
            states[kind], found, reason = self._entries(active, answers, told)
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
        if box is None or not any(one.spec.write is not None and one.spec.write.before for one in specs):
            return list(entries)
        return [placed(box, entry) for entry in entries]

    def _entries(
        self, resource: CompiledResource, answers: Mapping[str, Answer], facts: Mapping[str, str]
    ) -> tuple[KindState, list[Entry], str]:
        spec = resource.spec
        answer = rows_of_kind(resource.rows, answers, facts)
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
            entry_of(
                spec,
                {**row, **columns},
                position,
                row.get("exhibit") or exhibit,
                facts.get("wan.address", ""),
            )
            for position, row in enumerate(answer.value)
            if isinstance(row, Mapping) and matches(spec, {**row, **columns})
        ]
        return KindState.PRESENT, found, ""

    def look_by_hand(self, kind: Kind) -> str:
        """Give the questions that show a kind's entries."""
        reads = self.profile.profile.reads
        names = [spec.rows.reads[0] for spec in self.profile.resources.get(kind, ())]
        looked_at = dict.fromkeys("nft" if name == PACKETS else name for name in names)
        asks = [reads[name] for name in looked_at if name in reads]
        return " ; ".join(one.call or shown_ask(asked(one)[0].ask) for one in asks)

    def script(self, change: Change, now: Snapshot) -> Script:
        """Render the requests of a change, its window, and for people the way back."""
        if not is_key(change.key):
            raise Unrenderable(f"{change.key!r} is no key: it becomes part of our tag on the router")
        resource = self._resource(change.kind, now)
        own = "" if resource.store is None else resource.store.functions
        functions = f"{own} {self.profile.profile.functions}".strip()
        writes = self._writes(resource, change, now)
        back = inverse(change)
        undo = () if back is None else self._writes(resource, back, self._after(resource, now, change))
        window = self._window(change, undo, functions, now)
        return Script(
            writes=tuple(
                arming(write, window) if window.kind.alone else _with_functions(write, functions)
                for write in writes
            ),
            window=window,
            undo=tuple(shown(_with_functions(write, functions)) for write in undo),
            settle=self.profile.profile.settle,
            plain=writes if window.kind.alone else (),
        )

    def _resource(self, kind: Kind, now: Snapshot) -> CompiledResource:
        active = _active(self.profile.resources.get(kind, ()), now)
        if isinstance(active, WhyNot):
            raise Unrenderable(active.text)
        return active

    def _writes(self, resource: CompiledResource, change: Change, now: Snapshot) -> tuple[Write, ...]:
        title, store = self.profile.profile.title, resource.store
        adopting = change.action in (Action.ADOPT, Action.RESTORE)
        if adopting and not resource.spec.adopts:
            raise Unrenderable(f"{title}: a {change.kind} that is not ours cannot be changed from here")
        if store is None:
            raise Unrenderable(f"{title} cannot {change.action} a {change.kind}")
        found = find(change, now)
        only_applied = is_only_applied(resource, change, now, found)
        if change.action is not Action.CREATE and len(found) != 1 and not only_applied:
            raise Unrenderable(f"{len(found)} entries answer to {change.id}, not one")
        entry = found[0] if found else None
        try:
            if only_applied:
                return store.applied()
            if adopting and entry is None:
                raise Unrenderable("the entry is not there any more")
            words = self._adoption(resource, change, entry) if adopting and entry else {}
            return store.writes(self._wanted(resource, change, entry, now, words))
        except ValueError as reason:
            raise Unrenderable(str(reason)) from None

    def _wanted(
        self, resource: CompiledResource, change: Change, entry: Entry | None, now: Snapshot,
        adopted: Mapping[str, Value],
    ) -> Wanted:  # fmt: skip
        """Put a change into the device's own words."""
        spec = resource.spec
        source = change.want if change.want is not None else (entry.values if entry is not None else None)
        ours: dict[str, Typed] = {}
        words: dict[str, Value] = {}
        for item in KINDS[change.kind].fields if source is not None else ():
            value = getattr(source, item.name, None)
            typed = None if value is None or value == "" else _as_typed(resource, item.name, item.type, value)
            if typed is not None:
                ours[item.name] = typed
                if change.want is not None:
                    _require_room(resource, item.name, value)
            # Whom it lets in is the owner's to say: no word means "any" everywhere.
            if item.name in spec.fields and item.name != "source":
                theirs = spec.fields[item.name].written
                words |= {name: typed for name in theirs if name not in (spec.mark, *spec.set)}
        if change.action is Action.UPDATE:
            self._refuse_unwritable(resource, change)
        narrowed = getattr(change.want, "source", None) or ANYBODY
        if change.action is Action.CREATE and narrowed != ANYBODY:
            raise Unrenderable(
                f"it is narrowed ({narrowed}), and made again it would let every sender in: "
                "take it away on the router"
            )
        tag = Typed(FieldType.HANDLE, spec.tag(change.key))
        window = _window_name(change)
        ours |= {"key": Typed(FieldType.KEY, change.key), "tag": tag, "window": window}
        if entry is not None:
            ours["handle"] = Typed(FieldType.HANDLE, entry.handle)
        constants = {
            name: _told(now, fact_of(value)) if fact_of(value) else value for name, value in spec.set.items()
        }
        facts = {name: _told(now, name) for name in (() if resource.store is None else resource.store.facts)}
        return Wanted(
            change, str(tag.value), str(window.value), adopted or words, constants, ours, entry,
            following(change, now), tuple(other for other in now.of(change.kind) if other is not entry),
            "" if spec.write is None else now.text(service_fact(spec.write.soap)) or "", facts,
        )  # fmt: skip

    def _refuse_unwritable(self, resource: CompiledResource, change: Change) -> None:
        """A field that no request writes can be neither set nor put back."""
        fields, store = resource.spec.fields, resource.store
        stuck = sorted(
            name
            for name in change.fields
            if name == "source" or store is None or name not in fields or not store.can_set(fields[name].name)
        )
        if stuck:
            raise Unrenderable(f"{', '.join(stuck)} was set by hand on our entry: take it off on the router")

    def _adoption(self, resource: CompiledResource, change: Change, entry: Entry) -> Mapping[str, Value]:
        """Give the fields of another's entry that change, in its own words."""
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
        found: dict[str, Value] = {}
        for name in change.fields:
            theirs = resource.spec.fields[name].name
            word = self._adopted_word(resource, change, name, theirs)
            if resource.spec.fields[name].writes:
                raise Unrenderable(f"{name} is several fields on the router: change it by hand")
            if isinstance(entry.raw.get(theirs), tuple) or isinstance(word, tuple):
                raise Unrenderable(f"{theirs} is a list on the router: change it by hand")
            found[theirs] = None if word is None else Typed(FieldType.TEXT, word)
        return found

    def _adopted_word(self, resource: CompiledResource, change: Change, name: str, theirs: str) -> Word:
        if change.action is Action.RESTORE:
            return change.raw.get(theirs)
        value = getattr(change.want, name)
        typed = _as_typed(resource, name, KINDS[change.kind].field(name).type, value)
        return text_of(str(typed.value))

    def _after(self, resource: CompiledResource, now: Snapshot, change: Change) -> Snapshot:
        """The state after a change, with a handle for what was just made where only the device will know it, and
        with the words that were written: the way back compares them before it sets the old ones."""
        words: dict[str, Word] = {}
        if change.action in (Action.UPDATE, Action.ADOPT, Action.RESTORE):
            entry = find(change, now)[0]
            adopted = {} if change.action is Action.UPDATE else self._adoption(resource, change, entry)
            written = self._wanted(resource, change, entry, now, adopted).words
            words = {name: said(word) for name, word in written.items()}
        then = project(now, change)
        touched = {id(entry) for entry in find(change, then)}
        store = resource.store
        new = store is not None and change.action is Action.CREATE
        handle = store.new_handle(self._wanted(resource, change, None, now, {})) if store and new else ""
        named = (
            replace(e, handle=e.handle or handle, raw=written_over(e.raw, words)) if id(e) in touched else e
            for e in then.entries
        )
        return replace(then, entries=tuple(named))

    def _window(self, change: Change, undo: Sequence[Write], functions: str, now: Snapshot) -> Window:
        spec = self.profile.window
        if self.profile.profile.speaks is Speaks.TREE and undo:
            return of_tree(self.profile.profile.window, now)
        if spec is None or not undo or not all(isinstance(write.ask, Command) for write in undo):
            return Window()
        seconds = FORWARD_WINDOW_SECONDS if change.kind is Kind.PORT_FORWARD else WINDOW_SECONDS
        return spec.of(_window_name(change), seconds, [shown(write) for write in undo], functions)


def _told(now: Snapshot, fact: str) -> str:
    """Give what a request needs to know."""
    text = now.text(fact)
    if text is None:
        why = now.reasons.get(fact, "")
        raise Unrenderable(f"{fact} is unknown, and the request needs it{f': {why}' if why else ''}")
    return text


def _with_functions(write: Write, functions: str) -> Write:
    """Put the functions that a command uses before it."""
    if not functions or not isinstance(write.ask, Command):
        return write
    return replace(write, ask=Command(f"{functions} {write.ask.text}"))


def _window_name(change: Change) -> Typed:
    return Typed(FieldType.WORD, f"{change.kind}_{change.key}")


def _active(backends: Sequence[CompiledResource], now: Snapshot) -> CompiledResource | WhyNot:
    """Give the one backend that is in use, or why there is none."""
    if len(backends) == 1 and not backends[0].spec.active:
        return backends[0]
    if unknown := [f for b in backends for f in b.spec.active if f not in now.facts]:
        return WhyNot(f"which of several ways is in use is not known: {unknown[0]} is not")
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
