"""Configuration trees on a terminal: an entry is a node, and its fields are the leaves below it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from plexops.drivers.requests import DEFAULT_EXPECT, language_of
from plexops.drivers.router.stores.base import Store, Value, Wanted, constant, said
from plexops.languages.tree import SAVED, Edit
from plexops.model.change import Action
from plexops.model.exchange import Command, Write
from plexops.model.fields import FieldType, Typed
from plexops.model.profile import ResourceSpec, Speaks
from plexops.model.store import WHOLE_ROW, WriteSpec
from plexops.parsers.tree import SET
from plexops.pattern import Pattern

_FACT = Pattern(r"\{\{ *fact\.([a-z0-9_.]+) *\}\}")
_FIXED = Pattern(r"[a-z0-9][a-z0-9_.-]*")


class TreeStore(Store, frozen=True):
    """The nodes at one place. Ours bear their tag in a leaf, or are called by it."""

    spec: ResourceSpec
    write: WriteSpec
    #: The place: words, facts in braces, and at its end the free word that names an entry.
    place: tuple[str, ...]

    @classmethod
    def of(cls, spec: ResourceSpec, write: WriteSpec) -> TreeStore:
        """Make it; ValueError where the profile says too little or what does not fit."""
        spaced = _FACT.sub(lambda found: found[0].replace(" ", ""), write.tree).split()
        *fixed, free = spaced or [""]
        if not all(_FIXED.fullmatch(word) or _FACT.fullmatch(word) for word in fixed):
            raise ValueError("a place is words and facts, as {{ fact.x.name }}")
        if not free.startswith("*") or free[1:] != spec.handle:
            raise ValueError("a place ends with the one free word that names an entry, its `handle`: *number")
        if (spec.mark == spec.handle) == bool(write.new and write.taken):
            raise ValueError("say `new` and `taken`, or call ours by their tag")
        leaves = [name for f in spec.fields.values() for name in f.written if not name.startswith(".")]
        if wrong := [name for name in (*leaves, *spec.set) if not all(map(_FIXED.fullmatch, name.split()))]:
            raise ValueError(f"{wrong[0]!r} is no leaf of a configuration tree")
        return cls(spec, write, tuple(spaced))

    @property
    def facts(self) -> tuple[str, ...]:
        """The facts of its place, and the one that holds the numbers that are taken."""
        found = (_FACT.fullmatch(word) for word in self.place)
        return (*(one[1] for one in found if one), *filter(None, [self.write.taken, self.write.needs]))

    def can_set(self, theirs: str) -> bool:
        """All but what marks ours and what names an entry."""
        return not theirs.startswith(".") and theirs not in (self.spec.mark, self.spec.handle)

    def new_handle(self, wanted: Wanted) -> str:
        """Give the name of an entry that is made: its tag, the number that it had, or the first that nothing has."""
        if not self.write.new:
            return wanted.tag
        if had := str(_row(wanted.change.raw).get(self.spec.handle, "")):
            return had
        taken = wanted.facts[self.write.taken].split()
        first, last = map(int, self.write.new.split("-"))
        number = next((one for one in map(str, range(first, last + 1)) if one not in taken), "")
        if not number:
            raise ValueError(f"every number of {self.write.new} is taken there")
        return number

    def writes(self, wanted: Wanted) -> tuple[Write, ...]:
        """Give the one visit of a change. Raises ValueError for a value that cannot be typed there."""
        action = wanted.change.action
        if (why := wanted.facts.get(self.write.needs, "yes")) != "yes" and action is not Action.DELETE:
            raise ValueError(why)
        node = self._node(wanted)
        if action is Action.DELETE:
            lines = [f"delete {node}"]
        elif action is Action.CREATE:
            lines = [f"show {node}", *(f"set {node} {leaf}" for leaf in self._leaves(wanted))]
        else:
            lines = list(self._changed(wanted, node))
        if not lines:
            raise ValueError("there is nothing to set or to delete")
        return (Write(Command(Edit(tuple(lines), SAVED).text), DEFAULT_EXPECT[Speaks.TREE]),)

    def _node(self, wanted: Wanted) -> str:
        found = ((word, _FACT.fullmatch(word)) for word in self.place[:-1])
        words = [wanted.facts[fact[1]] if fact else word for word, fact in found]
        name = self.new_handle(wanted) if wanted.change.action is Action.CREATE else wanted.handle
        if self.write.new and not name.isdecimal():
            raise ValueError(f"it is kept elsewhere ({name}): change it by hand")
        return " ".join(_typed(word) for word in (*words, name))

    def _leaves(self, wanted: Wanted) -> Iterator[str]:
        """Give all leaves of a new entry; of one that was there before, all that it had."""
        had = _row(wanted.change.raw)
        if had:
            for name, word in had.items():
                for one in word if isinstance(word, list) else [word]:
                    if one is not None and self._is_leaf(name):
                        yield _leaf(name, str(one))
            return
        words = {**{name: constant(value) for name, value in wanted.constants.items()}, **wanted.words}
        if self._is_leaf(self.spec.mark):
            words = {self.spec.mark: Typed(FieldType.HANDLE, wanted.tag), **words}
        for name, word in words.items():
            text = self._text(name, word)
            if text is not None and self._is_leaf(name):
                yield _leaf(name, text)

    def _is_leaf(self, name: str) -> bool:
        """Tell whether a column is a leaf, and not the entry's name, or plexops' own."""
        return not name.startswith(".") and name != self.spec.handle

    def _changed(self, wanted: Wanted, node: str) -> Iterator[str]:
        had: Mapping[str, object] = {} if wanted.entry is None else wanted.entry.raw
        for name, word in wanted.words.items():
            text = self._text(name, word)
            if not self.can_set(name) or text == had.get(name):
                continue
            if text is None or isinstance(had.get(name), tuple):
                yield f"delete {node} {name}"
            if text is not None:
                yield f"set {node} {_leaf(name, text)}"

    def _text(self, name: str, word: Value) -> str | None:
        """Give a word as the leaf has it; None where the leaf is not there: what it means without it is wanted."""
        text = said(word)
        if isinstance(text, tuple):
            raise ValueError(f"{name} is a list there")  # noqa: TRY004
        default = next((f.default for f in self.spec.fields.values() if f.name == name and f.values), None)
        return None if text == default else text


def _leaf(name: str, text: str) -> str:
    path = " ".join(_typed(word) for word in name.split())
    return path if text == SET else f"{path} {_typed(text)}"


def _typed(text: str) -> str:
    return language_of(Speaks.TREE.language).quote(Typed(FieldType.HANDLE, text))


def _row(raw: Mapping[str, object]) -> Mapping[str, object]:
    """Give all that was read of an entry; nothing where that is not known."""
    row: Mapping[str, object] = json.loads(str(raw.get(WHOLE_ROW) or "{}"))
    return row
