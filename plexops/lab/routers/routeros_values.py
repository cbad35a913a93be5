"""The values of RouterOS scripts, and what can be asked of them."""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec import Struct

from plexops.lab.routers.routeros_syntax import Block, ConsoleError


class Code(Struct, frozen=True):
    """What `:parse` and `do={…}` give: commands that can be called."""

    block: Block


class ItemId(str):
    """An item's internal number, `*1A`."""

    __slots__ = ()


Value = None | bool | int | str | list["Value"] | dict[str, "Value"] | Code


def to_text(value: Value) -> str:
    """Show a value as `:put` does."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ";".join(map(to_text, value))
    if isinstance(value, dict):
        return ";".join(f"{name}={to_text(one)}" for name, one in value.items())
    return "(code)" if isinstance(value, Code) else str(value)


def duration_seconds(text: str) -> float:
    """Read `5m`, `1h30m`, `00:05:00`, `300`, `500ms`; raises ValueError."""
    if match := re.fullmatch(r"(?:(\d+)d)?(\d+):(\d\d):(\d\d)", text):
        days, hours, minutes, seconds = (int(group or 0) for group in match.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if text.isdigit():
        return float(text)
    units = {"w": 604800.0, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    parts = re.findall(r"(\d+)(ms|[wdhms])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(text)
    return sum(int(number) * units[unit] for number, unit in parts)


def is_true(value: Value) -> bool:
    """Tell whether a condition holds; raises ConsoleError for what is no truth value."""
    if isinstance(value, bool):
        return value
    if value in ("true", "yes"):
        return True
    if value is None or value in ("false", "no", ""):
        return False
    raise ConsoleError("conditional not boolean")


def equal(left: Value, right: Value) -> bool:
    """Compare as the console does: by what is shown, with yes and true as one, and 180s and 3m."""
    if isinstance(left, bool) or isinstance(right, bool):
        words = {"yes": "true", "no": "false"}
        shown = [to_text(value) for value in (left, right)]
        return words.get(shown[0], shown[0]) == words.get(shown[1], shown[1])
    texts = to_text(left), to_text(right)
    if all(re.fullmatch(r"(?:\d+[wdhms])+", text) for text in texts):
        return duration_seconds(texts[0]) == duration_seconds(texts[1])
    return texts[0] == texts[1]


def as_list(value: Value) -> list[Value]:
    """Give a value as an array; nothing is an empty one."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def member(holder: Value, key: Value) -> Value:
    """Give what `->` picks."""
    if isinstance(holder, dict):
        return holder.get(to_text(key))
    if isinstance(holder, list) and isinstance(key, int) and 0 <= key < len(holder):
        return holder[key]
    return None


def matches(text: str, pattern: str) -> bool:
    """Tell whether `~` holds; raises ConsoleError for a bad pattern."""
    try:
        return re.search(pattern, text) is not None
    except re.error:
        raise ConsoleError("invalid regular expression") from None


def plain(value: Value) -> object:
    """Give a value as `:serialize … options=json.no-string-conversion` writes it: text stays text."""
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    return value if value is None or isinstance(value, bool | int) else to_text(value)


def _length(values: list[Value]) -> Value:
    first = values[0] if values else None
    return len(first) if isinstance(first, list | dict) else len(to_text(first))


def _kind(values: list[Value]) -> Value:
    first = values[0] if values else None
    kinds: tuple[tuple[type, str], ...] = (
        (bool, "bool"), (int, "num"), (ItemId, "id"), (str, "str"), (list, "array"), (dict, "array"),
    )  # fmt: skip
    if first is None:
        return "nothing"
    return next((name for kind, name in kinds if isinstance(first, kind)), "code")


def _to_number(values: list[Value]) -> Value:
    text = to_text(values[0]) if values else ""
    return int(text) if re.fullmatch(r"-?\d+", text) else None


def _to_array(values: list[Value]) -> Value:
    first = values[0] if values else None
    return list(to_text(first).split(",")) if isinstance(first, str) else as_list(first)


def _pick(values: list[Value]) -> Value:
    if len(values) < 2:
        raise ConsoleError("missing value(s) of argument(s) begin")
    source, begin = values[0], int(to_text(values[1]) or 0)
    end = int(to_text(values[2])) if len(values) > 2 else begin + 1
    return source[begin:end] if isinstance(source, list) else to_text(source)[begin:end]


def _find(values: list[Value]) -> Value:
    if len(values) < 2:
        raise ConsoleError("missing value(s) of argument(s) key")
    source, wanted = values[0], values[1]
    if isinstance(source, list):
        return next((index for index, one in enumerate(source) if equal(one, wanted)), None)
    place = to_text(source).find(to_text(wanted))
    return None if place < 0 else place


FUNCTIONS: dict[str, Callable[[list[Value]], Value]] = {
    "len": _length, "typeof": _kind, "tostr": lambda values: to_text(values[0] if values else None),
    "tonum": _to_number, "toarray": _to_array, "pick": _pick, "find": _find,
}  # fmt: skip
