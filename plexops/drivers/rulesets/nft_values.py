"""Values in nft's JSON: numbers, names for bits, ranges, addresses (libnftables-json(5))."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from ipaddress import IPv6Address
from operator import or_
from types import MappingProxyType

from plexops.drivers.rulesets.nft_words import listed, members, one_member
from plexops.model.exchange import Json
from plexops.model.intervals import Numbers, normalise
from plexops.model.matches import Family

Values = Sequence[Json]
#: Raised by values that are not what is expected: they are not modelled.
UNREADABLE = (ValueError, LookupError, TypeError)
STATE_BITS = MappingProxyType({"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64})
FLAG_BITS = MappingProxyType(
    {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ecn": 64, "cwr": 128}
)


class NotModelledError(ValueError):
    """An expression or a value that is not read: it may hold or not."""


def bare(value: Json) -> Json:
    """Give an element without its timeout, counter and comment; a limit on an element is not modelled."""
    if not isinstance(value, (dict, Mapping)) or "elem" not in value:
        return value
    wrapped = members(value["elem"])
    if set(wrapped) - {"val", "timeout", "expires", "comment", "counter", "last"}:
        raise NotModelledError("an element with a limit of its own")
    return wrapped["val"]


def number_of(value: Json, names: Mapping[str, int] = MappingProxyType({})) -> int:
    """Read a number, a name for one, or several that are put together bit by bit."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str):
        return names[value] if value in names else int(value, 0)
    parts = members(value).get("|", value)
    if not isinstance(parts, Sequence):
        raise NotModelledError("no number")
    return reduce(or_, (number_of(part, names) for part in parts), 0)


def ranges(values: Values) -> list[tuple[int, int]]:
    """Read numbers and ranges of numbers."""
    found: list[tuple[int, int]] = []
    for value in values:
        kind, body = one_member(value)
        first, last = (number_of(end) for end in (listed(body) if kind == "range" else (value, value)))
        found.append((first, last))
    return found


def address_numbers(values: Values, family: Family) -> Numbers:
    """Read addresses, prefixes and ranges of one family; `*` is every address. Lists of countries are long."""
    number, bits = (_v4, 32) if family == 4 else (lambda text: int(IPv6Address(text)), 128)
    found: list[tuple[int, int]] = []
    for value in values:
        if isinstance(value, str) and value != "*":
            first = last = number(value)
        elif isinstance(value, (dict, Mapping)) and "prefix" in value:
            prefix = members(value["prefix"])
            host = (1 << bits - number_of(prefix["len"])) - 1
            last = number(str(prefix["addr"])) | host
            first = last - host
        elif isinstance(value, Mapping):
            first, last = (number(str(end)) for end in listed(value["range"]))
        elif value == "*":
            first, last = 0, (1 << bits) - 1
        else:
            raise NotModelledError("no address")
        found.append((first, last))
    return normalise(found)


def _v4(text: str) -> int:
    """Read four numbers: lists of fifty thousand addresses are common."""
    a, b, c, d = text.split(".")
    return int(a) << 24 | int(b) << 16 | int(c) << 8 | int(d)


def texts(values: Values) -> list[str]:
    """Read names; anything else is not modelled."""
    if not all(isinstance(value, str) for value in values):
        raise NotModelledError("no names")
    return [str(value) for value in values]
