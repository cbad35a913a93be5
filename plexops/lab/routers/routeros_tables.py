"""The RouterOS menus' contents, and the commands that change them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from plexops.lab.routers.routeros_menus import MENU_BY_PATH, Known, Menu, canonical
from plexops.lab.routers.routeros_script import Arguments
from plexops.lab.routers.routeros_seed import LEASE
from plexops.lab.routers.routeros_show import Item, row
from plexops.lab.routers.routeros_syntax import ConsoleError, Path
from plexops.lab.routers.routeros_values import ItemId, Value, to_text

_PORT_PROTOCOLS = frozenset({"tcp", "udp", "udp-lite", "dccp", "sctp"})


class Table:
    """One menu's items, in the device's order."""

    def __init__(self, menu: Menu) -> None:
        self.menu = menu
        self.items: list[Item] = []
        self._last = 0

    def append(self, values: Mapping[str, str], *, dynamic: bool = False) -> Item:
        """Add an item at the end, unchecked; `.flags` among the values are its letters."""
        self._last += 1
        item = Item(ItemId(f"*{self._last:X}"), dict(values), dynamic)
        item.flags = item.values.pop(".flags", "")
        self.items.append(item)
        return item

    def select(self, arguments: Arguments) -> list[Item]:
        """Give the items that meet a `where`."""
        where = arguments.where
        return [item for item in self.items if where is None or where(row(self.menu, item))]

    def resolve(self, value: Value) -> list[Item]:
        """Give the items that ids, numbers or names mean; raises ConsoleError for one that is not there."""
        if value is None or value == "":
            return []
        if isinstance(value, list):
            return [item for one in value for item in self.resolve(one)]
        if isinstance(value, str) and re.search(r"[,;]", value):
            return [item for one in re.split(r"[,;]", value) for item in self.resolve(one)]
        text = to_text(value)
        for index, item in enumerate(self.items):
            if (
                text == item.id
                or text == str(index)
                or ("name" in self.menu.by_name and item.values.get("name") == text)
            ):
                return [item]
        raise ConsoleError("no such item")


class Tables:
    """All menus, and the checks that reach from one into another."""

    def __init__(self) -> None:
        self.by_path = {path: Table(menu) for path, menu in MENU_BY_PATH.items()}
        self.known = Known(
            interfaces=lambda: self._names(("interface",)),
            lists=lambda: self._names(("interface", "list")),
            servers=lambda: self._names(("ip", "dhcp-server")),
            pools=lambda: self._names(("ip", "pool")),
        )

    def _names(self, path: Path) -> frozenset[str]:
        return frozenset(item.values.get("name", "") for item in self.by_path[path].items)

    def add(self, path: Path, arguments: Arguments) -> Item:
        """Run `add`; raises ConsoleError."""
        table = self.by_path[path]
        named = {name: value for name, value in arguments.named.items() if name != "place-before"}
        missing = [name for name in table.menu.required if name not in named]
        if missing:
            raise ConsoleError(f"missing value(s) of argument(s) {' '.join(missing)}")
        defaults = {one.name: one.default for one in table.menu.fields if one.default is not None}
        values = self._changed(table.menu, defaults, named, ())
        before = table.resolve(arguments.named.get("place-before"))
        self._check(path, values, None)
        item = table.append(values)
        if before:
            table.items.remove(item)
            table.items.insert(table.items.index(before[0]), item)
        return item

    def set(self, path: Path, arguments: Arguments) -> list[Item]:
        """Run `set`; nothing changes unless all of it can; raises ConsoleError."""
        table = self.by_path[path]
        items = list(table.items) if table.menu.single else self.targets(path, arguments)
        named = {name: value for name, value in arguments.named.items() if name != "numbers"}
        changed: list[tuple[Item, dict[str, str]]] = []
        for item in items:
            if item.dynamic:
                raise ConsoleError("failure: can not change dynamic item")
            values = self._changed(table.menu, item.values, named, arguments.unset)
            self._check(path, values, item)
            changed.append((item, values))
        for item, values in changed:
            item.values = values
        return items

    def targets(self, path: Path, arguments: Arguments, name: str = "numbers") -> list[Item]:
        """Give the items that a command names, by position or by `numbers=`."""
        if not arguments.values and name not in arguments.named:
            raise ConsoleError(f"missing value(s) of argument(s) {name}")
        value = arguments.values[0] if arguments.values else arguments.named[name]
        return self.by_path[path].resolve(value)

    def remove(self, path: Path, items: Iterable[Item]) -> None:
        """Run `remove`; a dynamic lease may go, other dynamic items may not."""
        table, gone = self.by_path[path], list(items)
        if path != LEASE and any(item.dynamic for item in gone):
            raise ConsoleError("failure: can not remove dynamic item")
        table.items = [item for item in table.items if item not in gone]

    def move(self, path: Path, arguments: Arguments) -> None:
        """Run `move`: in front of the destination, or to the end without one."""
        table = self.by_path[path]
        items = self.targets(path, arguments)
        values = arguments.values
        place = values[1] if len(values) > 1 else arguments.named.get("destination")
        before = table.resolve(place)
        rest = [item for item in table.items if item not in items]
        index = rest.index(before[0]) if before and before[0] in rest else len(rest)
        table.items = [*rest[:index], *items, *rest[index:]]

    def make_static(self, items: Iterable[Item]) -> None:
        """Turn dynamic leases into static ones; raises ConsoleError."""
        for item in items:
            if not item.dynamic:
                raise ConsoleError("failure: lease is not dynamic")
            self._check(LEASE, item.values, item)
            item.dynamic = False

    def _changed(
        self, menu: Menu, old: Mapping[str, str], named: Mapping[str, Value], unset: Iterable[str]
    ) -> dict[str, str]:
        values = {name: text for name, text in old.items() if name not in set(unset)}
        for name, value in named.items():
            one = menu.by_name[name]
            text = ",".join(map(to_text, value)) if isinstance(value, list) else to_text(value)
            if text == "" and one.default != "":
                values.pop(name, None)
            else:
                values[name] = canonical(one, text, self.known)
        for name in unset:
            default = menu.by_name[name].default
            if default is not None:
                values[name] = default
        return values

    def _check(self, path: Path, values: Mapping[str, str], own: Item | None) -> None:
        others = [item for item in self.by_path[path].items if item is not own and not item.dynamic]
        if path == LEASE:
            _check_lease(values, others)
        elif "chain" in self.by_path[path].menu.by_name:
            has_port = values.keys() & {"dst-port", "src-port", "to-ports"}
            if has_port and values.get("protocol", "").removeprefix("!") not in _PORT_PROTOCOLS:
                raise ConsoleError("failure: ports can be specified if proto is tcp,udp,udp-lite,dccp,sctp")
        elif values.get("name") and any(item.values.get("name") == values["name"] for item in others):
            raise ConsoleError("failure: already have such name")


def _check_lease(values: Mapping[str, str], others: Iterable[Item]) -> None:
    if "mac-address" not in values and "client-id" not in values:
        raise ConsoleError("failure: no mac-address or client-id specified")
    for item in others:
        other = item.values
        if values.get("address") and other.get("address") == values["address"]:
            raise ConsoleError("failure: already have static lease with this IP address")
        same_server = other.get("server") == values.get("server")
        if values.get("mac-address") and other.get("mac-address") == values["mac-address"] and same_server:
            raise ConsoleError("failure: already have static lease for this client")
