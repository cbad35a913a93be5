"""How RouterOS shows items: `print` in its forms, and `export`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

from plexops.lab.routers.routeros_menus import Menu
from plexops.lab.routers.routeros_values import ItemId, Value

_PLAIN = re.compile(r"[A-Za-z0-9._/:,!*-]+")
#: What version 6 quotes in `print terse`; version 7 quotes nothing there.
_QUOTED_IN_6 = frozenset({"log-prefix", "address-lists", "dhcp-option", "client-id", "host-name"})
_ESCAPED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "$": "\\$", "?": "\\?"}


class Item(Struct, eq=False):
    """One item of a menu, its values as text."""

    id: ItemId
    values: dict[str, str]
    dynamic: bool = False
    #: Letters beside disabled and dynamic: what a route came from, what an interface is, `*` for what is built in.
    flags: str = ""

    @property
    def enabled(self) -> bool:
        """Tell whether it takes part."""
        return self.values.get("disabled") != "yes"


def quote(text: str) -> str:
    """Write a value so that the console reads it back; bare where that is safe."""
    if _PLAIN.fullmatch(text):
        return text
    return (
        '"'
        + "".join(_ESCAPED.get(one, one if " " <= one <= "~" else f"\\{ord(one):02X}") for one in text)
        + '"'
    )


def row(menu: Menu, item: Item) -> dict[str, Value]:
    """Give an item as conditions and `as-value` see it: yes and no as truth values."""
    values: dict[str, Value] = {} if menu.single else {".id": item.id}
    for one in menu.fields:
        text = item.values.get(one.name, one.default)
        if text is not None:
            values[one.name] = text == "yes" if one.kind == "yesno" else text
    if not menu.single:
        values["dynamic"] = item.dynamic
        if menu.path == ("ip", "route"):
            # Every way leads somewhere here: what leads nowhere is not there.
            values["active"] = item.enabled
        values["invalid"] = False
    return values


def flags(item: Item) -> str:
    """Give the letters in front of an item."""
    return ("" if item.enabled else "X") + ("D" if item.dynamic else "")


def _head(menu: Menu, number: int, item: Item, major: int) -> str:
    """Give what stands in front of an item's values: its number and its flags, in this menu's own columns."""
    letters = "".join(one for one in item.flags if one in "CcdSsvRP") if item.flags else ""
    if menu.path[-1] == "route":
        letter = letters or ("S" if major == 6 else "s")
        if major == 6:
            return f"{number:>2} A{'D' if item.dynamic else ' '}{letter.upper()}  "
        # What the device made itself bears no number.
        place = "   D" if item.dynamic else f"{number:>2}  "
        return f"{place}{'A' if item.enabled else 'X'}{letter}   "
    if menu.path == ("interface",):
        return f"{number:>2} {'D' if item.dynamic else ' '}{letters:<2} "
    if item.flags:
        return f"{number:>2} {item.flags:<2} "
    return f"{number:>2} {flags(item):<2}"


def _shown(menu: Menu, item: Item, proplist: Sequence[str]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for one in menu.fields:
        text = item.values.get(one.name, "" if one.shown else None)
        if text is None or one.name == "disabled" or (proplist and one.name not in proplist):
            continue
        pairs.append((one.name, text))
    return pairs


def print_terse(
    menu: Menu, items: Sequence[tuple[int, Item]], proplist: Sequence[str], major: int
) -> list[str]:
    """One line per item. Version 7 quotes nothing, so a comment with ` x=y` in it cannot be told apart."""
    lines: list[str] = []
    for number, item in items:
        pairs = sorted(_shown(menu, item, proplist), key=lambda pair: pair[0] != "comment")
        told = ((name, f'"{text}"' if major == 6 and name in _QUOTED_IN_6 else text) for name, text in pairs)
        lines.append(_head(menu, number, item, major) + "".join(f"{name}={text} " for name, text in told))
    return lines


def print_detail(menu: Menu, items: Sequence[tuple[int, Item]], proplist: Sequence[str]) -> list[str]:
    """The comment on its own line after `;;;`, texts in quotes."""
    lines = ["Flags: X - disabled, I - invalid; D - dynamic "]
    for number, item in items:
        pairs = [
            f'{name}="{text}"'
            if menu.by_name[name].kind == "text" and not _PLAIN.fullmatch(text)
            else f"{name}={text}"
            for name, text in _shown(menu, item, proplist)
            if name != "comment"
        ]
        head = f"{number:>2} {flags(item):<2}"
        comment = item.values.get("comment")
        if comment:
            lines += [f"{head} ;;; {comment}", f"      {' '.join(pairs)} ", ""]
        else:
            lines += [f"{head} {' '.join(pairs)} ", ""]
    return lines


def print_table(menu: Menu, items: Sequence[tuple[int, Item]]) -> list[str]:
    """Version 7's columns; empty ones are left out."""
    used = [name for name in menu.table if any(item.values.get(name) for _, item in items)]
    lines = ["Flags: X - DISABLED; D - DYNAMIC"] if any(flags(item) for _, item in items) else []
    lines.append("Columns: " + ", ".join(name.upper() for name in used))
    cells = [
        [str(number), flags(item), *(item.values.get(name, "") for name in used)] for number, item in items
    ]
    header = ["#", "", *(name.upper() for name in used)]
    widths = [max(len(line[column]) for line in [header, *cells]) for column in range(len(header))]
    lines.append("  ".join(text.ljust(width) for text, width in zip(header, widths, strict=True)).rstrip())
    for (_, item), line in zip(items, cells, strict=True):
        if comment := item.values.get("comment"):
            lines.append(f";;; {comment}")
        lines.append("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
    return lines


def print_single(menu: Menu, values: Mapping[str, str]) -> list[str]:
    """`name: value`, names to the right."""
    pairs = [(one.name, values.get(one.name, one.default or "")) for one in menu.fields]
    width = max(len(name) for name, _ in pairs) + 2
    return [f"{name:>{width}}: {text}" for name, text in pairs]


class ExportLine(Struct, frozen=True):
    """One command of an export: its menu, and the rest."""

    menu: tuple[str, ...]
    rest: str

    def terse(self) -> str:
        """Give the whole command in one line."""
        return f"/{' '.join(self.menu)} {self.rest}"


def export_lines(menu: Menu, items: Sequence[Item]) -> list[ExportLine]:
    """Give the commands that make a menu's items again: no defaults, nothing dynamic, properties by name."""
    lines: list[ExportLine] = []
    for item in items:
        pairs = sorted(
            (one.name, item.values[one.name])
            for one in menu.fields
            if not one.told and item.values.get(one.name) is not None and item.values[one.name] != one.default
        )
        if item.dynamic or (menu.single and not pairs):
            continue
        verb = "set" if menu.single else "add"
        lines.append(
            ExportLine(menu.path, " ".join([verb, *(f"{name}={quote(text)}" for name, text in pairs)]))
        )
    return lines
