"""`ipset save`: the sets that iptables' `-m set` asks. Source: ipset(8), and what version 7.17 writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType

from msgspec import Struct

from plexops.model.intervals import Numbers, network, normalise, subtract, unite
from plexops.model.packets import NamedSet
from plexops.pattern import Pattern

#: Sets of addresses only; others look at a port, an interface or a hardware address too.
_OF_ADDRESSES = frozenset({"hash:ip", "hash:net", "bitmap:ip"})

_COMMENT = Pattern(r' comment "[^"]*"')


class _Set(Struct):
    """A set on its way: what `create` says of it, and the elements."""

    kind: str
    options: Mapping[str, str]
    elements: list[Sequence[str]] = []


def read_ipsets(text: str) -> Mapping[str, NamedSet]:
    """Read `ipset save`. A set of another kind, or with an element that cannot be read, is `unread`."""
    sets: dict[str, _Set] = {}
    for line in text.splitlines():
        match _COMMENT.sub("", line).split():
            case ["create", name, kind, *options]:
                sets[name] = _Set(kind, dict(pairwise(options)))
            case ["add", name, *element] if name in sets and element:
                sets[name].elements.append(element)
    return MappingProxyType({name: _named(found, sets, frozenset({name})) for name, found in sets.items()})


def _named(found: _Set, sets: Mapping[str, _Set], seen: frozenset[str]) -> NamedSet:
    if found.kind == "list:set":
        return _union(found, sets, seen)
    if found.kind not in _OF_ADDRESSES or "bitmask" in found.options:
        return NamedSet(unread=f"a set of the kind {found.kind}")
    netmask = found.options.get("netmask")
    by_size: dict[int, tuple[list[tuple[int, int]], list[tuple[int, int]]]] = {}
    try:
        for element, *options in found.elements:
            ((first, last),) = network(f"{element}/{netmask}" if netmask else element)[1]
            by_size.setdefault(last - first, ([], []))["nomatch" in options].append((first, last))
    except ValueError as error:
        return NamedSet(unread=str(error))
    # Of networks the narrowest decides, and `nomatch` takes it out (ipset(8)).
    numbers: Numbers = ()
    for _, (members, exceptions) in sorted(by_size.items(), reverse=True):
        numbers = subtract(unite(numbers, normalise(members)), normalise(exceptions))
    return NamedSet(v6=numbers) if found.options.get("family") == "inet6" else NamedSet(v4=numbers)


def _union(found: _Set, sets: Mapping[str, _Set], seen: frozenset[str]) -> NamedSet:
    v4: Numbers = ()
    v6: Numbers = ()
    for name, *_ in found.elements:
        if name not in sets or name in seen:
            return NamedSet(unread=f"its member {name} was not read")
        part = _named(sets[name], sets, seen | {name})
        if part.unread:
            return part
        v4, v6 = unite(v4, part.v4), unite(v6, part.v6)
    return NamedSet(v4, v6)
