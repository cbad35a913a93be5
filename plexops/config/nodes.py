"""A YAML document as a tree in which every value and every key knows its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce

from msgspec import Struct

from plexops.model.errors import Place
from plexops.model.exchange import Json


class Scalar(Struct, frozen=True):
    """One value. `text` is what was written (without quotes); `value` what it means."""

    value: bool | int | str | None
    text: str
    place: Place
    quoted: bool = False


class Listing(Struct, frozen=True):
    """A list."""

    items: tuple[Node, ...]
    place: Place


class Entry(Struct, frozen=True):
    """One key of a table with its value; `place` is the key's."""

    value: Node
    place: Place


class Table(Struct, frozen=True):
    """A mapping; keys are always text, in the order of the file."""

    entries: Mapping[str, Entry]
    place: Place

    def get(self, key: str) -> Node | None:
        """Give the value of a key, or None where it is absent."""
        entry = self.entries.get(key)
        return None if entry is None else entry.value

    def key_place(self, key: str) -> Place:
        """Give the place of a key, or the table's own where it is absent."""
        entry = self.entries.get(key)
        return self.place if entry is None else entry.place


Node = Scalar | Listing | Table


def plain(node: Node) -> Json:
    """Turn a tree into JSON as Python has it, for schemas and interpreters that need no places."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Listing):
        return [plain(item) for item in node.items]
    return {key: plain(entry.value) for key, entry in node.entries.items()}


def places(node: Node, path: str = "") -> dict[str, Place]:
    """Give where each key and each item stands, by its path; the whole by the empty one."""
    found: dict[str, Place] = {} if path else {path: node.place}
    inside: Iterable[tuple[str | int, Node, Place]] = ()
    if isinstance(node, Table):
        inside = ((key, entry.value, entry.place) for key, entry in node.entries.items())
    elif isinstance(node, Listing):
        inside = ((index, item, item.place) for index, item in enumerate(node.items))
    for step, value, place in inside:
        below = join(path, step)
        found |= {below: place, **places(value, below)}
    return found


def at(node: Node, path: Sequence[str | int]) -> Node | None:
    """Give the node at a path of keys and indexes, or None where there is none."""
    here: Node | None = node
    for step in path:
        if isinstance(here, Table) and isinstance(step, str):
            here = here.get(step)
        elif isinstance(here, Listing) and isinstance(step, int) and step < len(here.items):
            here = here.items[step]
        else:
            return None
    return here


def dotted(path: Sequence[str | int]) -> str:
    """Write a path as people say it: `sites.home.vantages[0].ssh`."""
    return reduce(join, path, "")


def join(path: str, step: str | int) -> str:
    """Add one step to a written path."""
    if isinstance(step, int):
        return f"{path}[{step}]"
    return f"{path}.{step}" if path else step


def overlaid(below: Table, above: Table, depth: int) -> Table:
    """Lay one table over another: its keys win, and tables that both have are merged down to `depth` levels."""
    entries = dict(below.entries)
    for key, entry in above.entries.items():
        under = below.get(key)
        if depth > 0 and isinstance(under, Table) and isinstance(entry.value, Table):
            entries[key] = Entry(overlaid(under, entry.value, depth - 1), entry.place)
        else:
            entries[key] = entry
    return Table(entries, above.place)
