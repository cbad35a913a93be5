"""Which names and words of a profile its samples show. One that no state shows may be misspelt, and stays so for ever."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from plexops.drivers.answers import Answer
from plexops.drivers.router.compile import CompiledProfile, CompiledResource
from plexops.drivers.router.expressions import names_in
from plexops.model.exchange import Json
from plexops.model.profile import Speaks
from plexops.model.snapshot import Snapshot

#: What plexops itself calls the rows that it makes of packet filters.
_OURS = frozenset({"packets", "forwards", "accepts", "exhibit"})


class Shown(Struct, frozen=True):
    """What all states show: the names of fields, and every text."""

    names: set[str]
    text: str

    @classmethod
    def of(
        cls, told: Iterable[Mapping[str, Answer]], seen: Iterable[Snapshot], texts: Iterable[str]
    ) -> Shown:
        """Take the names out of what was understood of the answers, and out of rows."""
        names = {
            name
            for answers in told
            for read, answer in answers.items()
            for name in (read, *_names(answer.value))
        }
        rows = (entry.raw for snapshot in seen for entry in snapshot.entries)
        names |= {name for row in rows for name, word in row.items() if word is not None}
        return cls(names | _OURS, "\n".join(texts))

    def has(self, word: str) -> bool:
        """Tell whether a word of the device stands somewhere; that a field is not there needs no showing."""
        return not word or re.search(rf"(?<!\w){re.escape(word)}(?!\w)", self.text) is not None


def _names(value: Json) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield name
            yield from (f"{name}.{below}" for below in inner) if isinstance(inner, Mapping) else ()
            yield from _names(inner)
    elif isinstance(value, list):
        for item in value:
            yield from _names(item)


def unshown_names(profile: CompiledProfile, shown: Shown) -> list[str]:
    """Name what expressions and rows look for, and no state has."""
    ways = [(kind, way) for kind, kept in profile.resources.items() for way in kept]
    sought = [(f"the fact {fact.spec.name}", fact.take.text) for fact in profile.facts]
    sought += [(f"the read {read.id}", read.must) for read in profile.profile.reads.values()]
    sought += [(str(kind), text) for kind, way in ways for text in (way.rows.text, *way.spec.beside.values())]
    looked = [(what, *names_in(text)) for what, text in sought]
    known = shown.names.union(*(made for _, _, made in looked), *(way.beside for _, way in ways))
    missing = [(what, name) for what, names, _ in looked for name in sorted(names)]
    missing += [(str(kind), name) for kind, way in ways for name in _columns(way)]
    # In a tree of settings a name is words below each other.
    is_tree = profile.profile.speaks is Speaks.TREE
    found = (m for m in missing if m[1] not in known and not (is_tree and all(map(shown.has, m[1].split()))))
    return [f"no state has {name}, which {what} looks for" for what, name in found]


def _columns(way: CompiledResource) -> Iterator[str]:
    spec = way.spec
    single = (spec.handle, spec.label, spec.order, *(field.fallback for field in spec.fields.values()))
    yield from filter(None, (*spec.where, *spec.unless, *spec.owner, *single))


def unshown_words(profile: CompiledProfile, shown: Shown) -> Iterator[str]:
    """Say in a line for each kind which fields and words of the device, of those it may have, no state has."""
    for kind, ways in profile.resources.items():
        missing = dict.fromkeys(word for way in ways for word in _words(way, shown))
        if missing:
            yield f"no state has these, of {kind}: {', '.join(missing)}"


def _words(way: CompiledResource, shown: Shown) -> Iterator[str]:
    spec = way.spec
    yield from (
        name for name in (*spec.limits, *spec.harmless) if "*" not in name and name not in shown.names
    )
    said: Sequence[Mapping[str, tuple[str, ...]]] = (
        spec.where,
        spec.unless,
        spec.harmless,
        *(field.values for field in spec.fields.values() if not field.words),
    )
    for words in (words for table in said for words in table.values()):
        yield from (str(word) for word in words if not shown.has(word))
