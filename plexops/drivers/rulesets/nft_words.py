"""nft's JSON (libnftables-json(5)): its values, and a rule in nft's own words, shortened where it lists many elements."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import reduce
from ipaddress import IPv6Address
from operator import or_

from plexops.model.exchange import Json
from plexops.model.intervals import Numbers, normalise
from plexops.model.matches import Family

Values = Sequence[Json]
#: Raised by values that are not what is expected: they are not modelled.
UNREADABLE = (ValueError, LookupError, TypeError)
STATE_BITS = {"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64}
FLAG_BITS = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ecn": 64, "cwr": 128}
#: Keys of `meta` that nft writes without the word.
_BARE = frozenset({"iif", "oif", "iifname", "oifname", "iifgroup", "oifgroup"})
#: Shows every element of a set.
_ALL = 1 << 30


def listed(value: Json) -> Sequence[Json]:
    """Give a JSON list; anything else is one element."""
    if type(value) is dict or type(value) is str:  # abstract classes take long to be asked about
        return (value,)
    return value if isinstance(value, (list, Sequence)) and not isinstance(value, str) else (value,)


def members(value: Json) -> Mapping[str, Json]:
    """Give a JSON object; anything else has no members."""
    if type(value) is str or type(value) is list:
        return {}
    return value if isinstance(value, (dict, Mapping)) else {}


def one_member(value: Json) -> tuple[str, Json]:
    """Give name and value of an object with one member; an empty name for anything else."""
    found = value if type(value) is dict else members(value)  # a listing asks this of each of its words
    return next(iter(found.items())) if len(found) == 1 else ("", value)


def show(value: Json, most: int = _ALL) -> str:
    """Write an expression; of a set `most` elements."""
    if isinstance(value, Mapping):
        return _show_kind(*one_member(value), most) if len(value) == 1 else json.dumps(value)
    if isinstance(value, bool):
        return "exists" if value else "missing"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, str) or value is None:
        return value or ""
    return ",".join(show(one, most) for one in value)


def _show_kind(kind: str, body: Json, most: int) -> str:
    found, parts = members(body), listed(body)
    match kind:
        case "&" | "|" | "^" | "<<" | ">>":
            return f" {kind} ".join(f"({show(p)})" if len(listed(p)) > 1 else show(p) for p in parts)
        case "payload":
            raw = f"@{found.get('base')},{found.get('offset')},{found.get('len')}"
            return raw if "base" in found else f"{found.get('protocol')} {found.get('field')}"
        case "meta":
            return str(found.get("key")) if str(found.get("key")) in _BARE else f"meta {found.get('key')}"
        case "ct":
            return _joined("ct", found.get("dir"), found.get("key"))
        case "fib":
            return f"fib {' . '.join(map(str, listed(found.get('flags'))))} {found.get('result')}"
        case "prefix":
            return f"{found.get('addr')}/{found.get('len')}"
        case "range":
            return "-".join(show(end) for end in parts)
        case "concat":
            return " . ".join(show(part, most) for part in parts)
        case "set":
            return _show_set(parts, most)
        case "map":
            return f"{show(found.get('key'))} map {show(found.get('data'), most)}"
        case "elem" if "val" in found:
            return show(found.get("val"), most)
        case "accept" | "drop" | "return" | "continue" | "jump" | "goto":
            return _joined(kind, found.get("target"))
    details = (f"{name} {show(value)}" for name, value in found.items()) if found else (show(body, most),)
    return " ".join((kind, *details)).strip()


def _joined(*words: Json) -> str:
    return " ".join(str(word) for word in words if word)


def _show_set(elements: Sequence[Json], most: int) -> str:
    """Write a set, or a map: its elements are keys and values."""
    pairs = (parts if len(parts := listed(one)) == 2 else (one,) for one in elements[:most])
    shown = [" : ".join(show(part, most) for part in pair) for pair in pairs]
    return f"{{ {', '.join([*shown, '…'] if len(elements) > most else shown)} }}"


def show_statement(statement: Json, most: int = _ALL) -> str:
    """Write one statement of a rule; empty for a counter."""
    kind, body = one_member(statement)
    found = members(body)
    match kind:
        case "":
            return show(statement, most)
        case "counter":
            return ""
        case "match":
            left, operator, right = found.get("left"), str(found.get("op", "==")), found.get("right")
            written = "" if operator in ("==", "in") and "&" not in members(left) else operator
            return _joined(show(left, most), written, show(right, most))
        case "vmap":
            return f"{show(found.get('key'))} vmap {show(found.get('data'), most)}"
        case "mangle":
            return f"{show(found.get('key'))} set {show(found.get('value'), most)}"
        case "limit" if found:
            return _show_limit(found)
        case "ct count":
            return f"ct count {'over ' if found.get('inv') else ''}{found.get('val')}"
        case "reject":
            why = " ".join(show(found.get(part)) for part in ("type", "expr") if found.get(part))
            return f"reject with {why}" if why and why != "icmpx port-unreachable" else "reject"
        case "dnat" | "snat" | "redirect" | "masquerade" | "tproxy":
            return _show_nat(kind, found, most)
        case "set" if "op" in found:
            statements = [show_statement(one) for one in listed(found.get("stmt")) if one is not None]
            key = " ".join([show(found.get("elem")), *statements]).strip()
            return f"{found.get('op')} {found.get('set')} {{ {key} }}"
        case "xt":
            return " ".join(["xt", *(str(found[part]) for part in ("type", "name") if part in found)])
        case "log":
            return "log"
    return show(statement, most)


def _show_limit(found: Mapping[str, Json]) -> str:
    unit = f" {found['rate_unit']}" if "rate_unit" in found else ""
    burst = f" burst {found['burst']} packets" if found.get("burst") not in (None, 0, 5) and not unit else ""
    over = "over " if found.get("inv") else ""
    return f"limit rate {over}{found.get('rate')}{unit}/{found.get('per')}{burst}"


def _show_nat(kind: str, found: Mapping[str, Json], most: int) -> str:
    where = ""
    if "addr" in found or "port" in found:
        address, port = show(found.get("addr"), most), show(found.get("port"), most)
        where = f"[{address}]" if ":" in address and port and " " not in address else address
        where = f"to {where}:{port}" if port else f"to {where}"
    return _joined(kind, found.get("family"), where, *listed(found.get("flags")))


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


def number_of(value: Json, names: Mapping[str, int] = {}) -> int:
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
