"""A rule of `nft -j list ruleset` in nft's own words, shortened where it lists many elements (libnftables-json(5))."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from plexops.model.exchange import Json

#: Keys of `meta` that nft writes without the word.
_BARE = frozenset({"iif", "oif", "iifname", "oifname", "iifgroup", "oifgroup"})
_BINARY = ("&", "|", "^", "<<", ">>")
_WITHOUT_OPERATOR = frozenset({"==", "in"})


def listed(value: Json) -> Sequence[Json]:
    """Give a JSON list; anything else is one element."""
    return value if isinstance(value, Sequence) and not isinstance(value, str) else (value,)


def members(value: Json) -> Mapping[str, Json]:
    """Give a JSON object; anything else has no members."""
    return value if isinstance(value, (dict, Mapping)) else {}


def show(value: Json, most: int = 1 << 30) -> str:
    """Write an expression; of a set `most` elements."""
    if isinstance(value, Mapping):
        if len(value) == 1:
            ((kind, body),) = value.items()
            return _show_kind(kind, body, most)
        return json.dumps(value)
    if isinstance(value, bool):
        return "exists" if value else "missing"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, str) or value is None:
        return value or ""
    return ",".join(show(one, most) for one in value)


def _show_kind(kind: str, body: Json, most: int) -> str:
    found, parts = members(body), listed(body)
    if kind in _BINARY:
        return f" {kind} ".join(f"({show(p)})" if _is_several(p) else show(p) for p in parts)
    if kind in _KEYS:
        return _KEYS[kind](found)
    match kind:
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
            return " ".join(str(word) for word in (kind, found.get("target")) if word)
    details = (f"{name} {show(value)}" for name, value in found.items()) if found else (show(body, most),)
    return " ".join((kind, *details)).strip()


def _payload(found: Mapping[str, Json]) -> str:
    if "base" in found:
        return f"@{found['base']},{found.get('offset')},{found.get('len')}"
    return f"{found.get('protocol')} {found.get('field')}"


def _meta(found: Mapping[str, Json]) -> str:
    key = str(found.get("key"))
    return key if key in _BARE else f"meta {key}"


def _ct(found: Mapping[str, Json]) -> str:
    return " ".join(str(word) for word in ("ct", found.get("dir"), found.get("key")) if word)


def _fib(found: Mapping[str, Json]) -> str:
    return f"fib {' . '.join(str(flag) for flag in listed(found.get('flags')))} {found.get('result')}"


def _prefix(found: Mapping[str, Json]) -> str:
    return f"{found.get('addr')}/{found.get('len')}"


_KEYS: Mapping[str, Callable[[Mapping[str, Json]], str]] = MappingProxyType(
    {"payload": _payload, "meta": _meta, "ct": _ct, "fib": _fib, "prefix": _prefix}
)


def _is_several(value: Json) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and len(value) > 1


def _show_set(elements: Sequence[Json], most: int) -> str:
    shown = [
        " : ".join(show(part, most) for part in element)
        if isinstance(element, Sequence) and not isinstance(element, str) and len(element) == 2
        else show(element, most)
        for element in elements[:most]
    ]
    return f"{{ {', '.join([*shown, '…'] if len(elements) > most else shown)} }}"


def show_statement(statement: Json, most: int = 1 << 30) -> str:
    """Write one statement of a rule; empty for a counter."""
    kind, body = one_member(statement)
    found = members(body)
    match kind:
        case "":
            return show(statement, most)
        case "counter":
            return ""
        case "match":
            operator = str(found.get("op", "=="))
            words = (
                show(found.get("left"), most),
                "" if operator in _WITHOUT_OPERATOR and "&" not in members(found.get("left")) else operator,
                show(found.get("right"), most),
            )
            return " ".join(word for word in words if word)
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
    words = [kind, str(found.get("family", ""))]
    if "addr" in found or "port" in found:
        address, port = show(found.get("addr"), most), show(found.get("port"), most)
        where = f"[{address}]" if ":" in address and port and " " not in address else address
        words += ["to", f"{where}:{port}" if port else where]
    words += [str(flag) for flag in listed(found.get("flags")) if flag]
    return " ".join(word for word in words if word)


def one_member(value: Json) -> tuple[str, Json]:
    """Give name and value of an object with one member; an empty name for anything else."""
    found = members(value)
    if len(found) != 1:
        return "", value
    ((name, body),) = found.items()
    return name, body
