"""A simulated MikroTik router with RouterOS 7 (or 6), as SSH exec requests and packets see it."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address
from typing import Literal

from plexops.lab.base import (
    ExecResult,
    Fate,
    HttpRequest,
    HttpResponse,
    Lease,
    Packet,
    RouterHooks,
    Seed,
)
from plexops.lab.routers.routeros_firewall import Wiring, carry
from plexops.lab.routers.routeros_menus import BRANCHES, MENU_BY_PATH
from plexops.lab.routers.routeros_script import (
    LINE_END,
    Arguments,
    Interpreter,
)
from plexops.lab.routers.routeros_seed import (
    ADDRESS_LIST,
    FILTER,
    LAN,
    LEASE,
    NAT,
    RAW,
    SCHEDULER,
    SINCE_7,
    UPNP,
    VERSIONS,
    WAN,
    configuration,
    dynamic_items,
    neighbour,
    singles,
)
from plexops.lab.routers.routeros_show import (
    ExportLine,
    Item,
    export_lines,
    print_detail,
    print_single,
    print_table,
    print_terse,
    row,
)
from plexops.lab.routers.routeros_syntax import ConsoleError, Path, as_console_text
from plexops.lab.routers.routeros_tables import Tables
from plexops.lab.routers.routeros_values import ItemId, Value, duration_seconds, to_text

_PRINT_WORDS = frozenset(
    {"terse", "detail", "brief", "without-paging", "as-value", "count-only", "show-ids", "all"}
)
_EXPORT_WORDS = frozenset({"terse", "compact", "show-sensitive", "hide-sensitive"})
_NUMBERED = {"remove": 1, "enable": 1, "disable": 1, "make-static": 1, "set": 1, "move": 2, "get": 2}


class RouterOsRouter:
    """RouterOS 7.23 on a hEX, or with `major=6` 6.49: it tells routes otherwise and does not translate IPv6.

    Exec requests end with status 0 and the error text on stdout, as on the device. `strict_forward` replaces the
    factory's forward chain by one that drops everything new from outside which has no accept of its own.
    """

    def __init__(
        self, seed: Seed, hooks: RouterHooks, *, strict_forward: bool = False, major: Literal[6, 7] = 7
    ) -> None:
        self.lock = threading.RLock()
        self._seed = seed
        self._hooks = hooks
        self._major = major
        self._tables = Tables()
        self._globals: dict[str, Value] = {}
        #: Whose timer runs; a change of the item starts another and leaves this one without effect.
        self._timers: dict[ItemId, object] = {}
        self._stopped = False
        for path, values in singles(seed, major):
            self._tables.by_path[path].append(values)
        for path, values in configuration(seed, strict_forward=strict_forward):
            self._tables.by_path[path].append(values)
        for path, values in dynamic_items(seed, major):
            self._tables.by_path[path].append(values, dynamic=True)
        for item in self._tables.by_path[SCHEDULER].items:
            self._arm(item)

    # --- what the home asks ---------------------------------------------------------------------------

    def execute(self, command: str, stdin: bytes, username: str) -> ExecResult:
        """Run one SSH exec request; the console reads nothing from stdin."""
        self._hooks.log.add(command)
        return ExecResult(self._run(as_console_text(command)).encode("latin-1"), b"", 0)

    def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer 404: the web services are off."""
        return HttpResponse(404, f"nothing at {request.path}\n".encode(), "text/plain")

    def inbound(self, packet: Packet) -> Packet | Fate:
        """Carry a packet that arrived on the WAN side by the rules as they are now."""
        with self.lock:
            raw, nat, filters = (self._rules(path) for path in (RAW, NAT, FILTER))
            return carry(packet, raw, nat, filters, self._wiring())

    def reservations(self) -> Mapping[str, IPv4Address]:
        """Give the static leases that are on."""
        with self.lock:
            return {
                item.values["mac-address"].lower(): IPv4Address(item.values["address"])
                for item in self._tables.by_path[LEASE].items
                if self._seed.serves_dhcp
                and not item.dynamic
                and item.enabled
                and {"mac-address", "address"} <= item.values.keys()
            }

    def pool(self) -> tuple[IPv4Address, IPv4Address]:
        """Give the range of the DHCP server's pool."""
        with self.lock:
            server = self._tables.by_path["ip", "dhcp-server"].items[0].values.get("address-pool")
            pools = self._tables.by_path["ip", "pool"].items
            ranges = next(item.values["ranges"] for item in pools if item.values["name"] == server)
            first, _, last = ranges.split(",")[0].partition("-")
            return IPv4Address(first), IPv4Address(last or first)

    def set_leases(self, leases: tuple[Lease, ...], answering: tuple[Lease, ...] | None = None) -> None:
        """Show who has an address: static leases as bound, the others as dynamic items; and the neighbours."""
        with self.lock:
            arp = self._tables.by_path["ip", "arp"]
            arp.items = [item for item in arp.items if item.values.get("interface") == WAN]
            for host in leases if answering is None else answering:
                arp.append(neighbour(host.address, host.mac, LAN, self._major), dynamic=True)
            table = self._tables.by_path[LEASE]
            table.items = [item for item in table.items if not item.dynamic]
            for item in table.items:
                for name in (
                    "active-address",
                    "active-mac-address",
                    "active-server",
                    "host-name",
                    "expires-after",
                ):
                    item.values.pop(name, None)
                item.values |= {"status": "waiting", "last-seen": "never"}
            for lease in leases:
                self._show_lease(lease)

    def export(self) -> str:
        """Give `/export terse` without its header."""
        with self.lock:
            return "".join(f"{line.terse()}\n" for line in self._export_lines(()))

    def stop(self) -> None:
        """Let no timer run any more."""
        with self.lock:
            self._stopped = True
            self._timers.clear()

    # --- the console ----------------------------------------------------------------------------------

    def _run(self, text: str) -> str:
        interpreter = Interpreter(self, self._globals)
        try:
            interpreter.run(text)
        except ConsoleError as error:
            interpreter.output.append(f"{error}{LINE_END}")
        return "".join(interpreter.output)

    def is_menu(self, path: Path) -> bool:
        """Tell whether a menu of that path exists."""
        return (path in MENU_BY_PATH or path in BRANCHES) and not (self._major == 6 and path in SINCE_7)

    def parameters(self, path: Path, verb: str) -> frozenset[str] | None:
        """Give the names that a command takes before `=`; none where the menu has no such command."""
        if verb == "export":
            return frozenset()
        menu = MENU_BY_PATH.get(path)
        if menu is None:
            return None
        numbers = frozenset({"numbers"})
        known = {"print": frozenset({"proplist"}), "get": frozenset({"number", "value-name"})}
        if not menu.single:
            known["find"] = frozenset()
        if not menu.fixed:
            known["set"] = menu.settable if menu.single else menu.settable | numbers
            if not menu.single:
                known["add"] = menu.settable | ({"place-before"} if menu.ordered else set())
                known |= dict.fromkeys(("remove", *menu.more_verbs), numbers)
                if "disabled" in menu.by_name:
                    known |= dict.fromkeys(("enable", "disable"), numbers)
            if menu.ordered:
                known["move"] = numbers | {"destination"}
        return known.get(verb)

    def words(self, path: Path, verb: str) -> frozenset[str]:
        """Give the bare words that a command takes."""
        return {"print": _PRINT_WORDS, "export": _EXPORT_WORDS}.get(verb, frozenset())

    def positionals(self, path: Path, verb: str) -> int:
        """Give how many values without a name a command takes."""
        menu = MENU_BY_PATH.get(path)
        if menu is not None and menu.single:
            return 1 if verb == "get" else 0
        return _NUMBERED.get(verb, 0)

    def sleep(self, seconds: float) -> None:
        """Wait simulated seconds."""
        self._hooks.clock.sleep(seconds)

    def run(self, path: Path, verb: str, arguments: Arguments, output: list[str]) -> Value:
        """Run a menu command: lines that it prints go to `output`; raises ConsoleError."""
        with self.lock:
            if verb == "export":
                output += [f"{line}{LINE_END}" for line in self._export(path, arguments.words)]
                return None
            if verb == "print":
                return self._print(path, arguments, output)
            if verb == "get":
                return self._get(path, arguments)
            if verb == "find":
                return [item.id for item in self._tables.by_path[path].select(arguments)]
            return self._change(path, verb, arguments)

    def _change(self, path: Path, verb: str, arguments: Arguments) -> Value:
        tables = self._tables
        if verb == "add":
            item = tables.add(path, arguments)
            self._changed(path, [item])
            return item.id
        if verb == "set":
            self._changed(path, tables.set(path, arguments))
        elif verb == "move":
            tables.move(path, arguments)
        else:
            items = tables.targets(path, arguments)
            if verb == "remove":
                tables.remove(path, items)
            elif verb == "make-static":
                tables.make_static(items)
            else:
                flag = {"disabled": "yes" if verb == "disable" else "no"}
                tables.set(path, Arguments(([item.id for item in items],), flag))
            self._changed(path, items)
        return None

    def _changed(self, path: Path, items: Sequence[Item]) -> None:
        """Let the device do what follows from a change."""
        if path == SCHEDULER:
            for item in items:
                self._timers.pop(item.id, None)
                if item in self._tables.by_path[SCHEDULER].items:
                    self._arm(item)
        elif path == UPNP and items[0].values.get("enabled") != "yes":
            nat = self._tables.by_path[NAT]
            nat.items = [item for item in nat.items if not item.dynamic]

    # --- reading --------------------------------------------------------------------------------------

    def _get(self, path: Path, arguments: Arguments) -> Value:
        table = self._tables.by_path[path]
        values = list(arguments.values)
        if table.menu.single:
            item = table.items[0]
        else:
            items = table.resolve(values.pop(0) if values else arguments.named.get("number"))
            if not items:
                raise ConsoleError("no such item")
            if len(items) > 1:
                raise ConsoleError("invalid internal item number")
            item = items[0]
        name = values[0] if values else arguments.named.get("value-name")
        shown = row(table.menu, item)
        if name is None:
            return shown
        if to_text(name) not in table.menu.by_name and to_text(name) not in shown:
            raise ConsoleError("input does not match any value of value-name")
        return shown.get(to_text(name))

    def _print(self, path: Path, arguments: Arguments, output: list[str]) -> Value:
        table, words = self._tables.by_path[path], arguments.words
        chosen = table.select(arguments)
        if "as-value" in words:
            rows: list[Value] = [row(table.menu, item) for item in chosen]
            return rows[0] if table.menu.single else rows
        if "count-only" in words:
            output.append(f"{len(chosen)}{LINE_END}")
            return len(chosen)
        proplist = [part for part in to_text(arguments.named.get("proplist")).split(",") if part]
        numbered = [(index, item) for index, item in enumerate(table.items) if item in chosen]
        if table.menu.single:
            lines = print_single(table.menu, table.items[0].values)
        elif "terse" in words:
            lines = print_terse(table.menu, numbered, proplist, self._major)
        elif "detail" in words or not table.menu.table:
            lines = print_detail(table.menu, numbered, proplist)
        else:
            lines = print_table(table.menu, numbered) if numbered else []
        output += [f"{line}{LINE_END}" for line in lines]
        return None

    def _export_lines(self, path: Path) -> list[ExportLine]:
        return [
            line
            for table in self._tables.by_path.values()
            if table.menu.path[: len(path)] == path and not table.menu.fixed
            for line in export_lines(table.menu, table.items)
        ]

    def _export(self, path: Path, words: frozenset[str]) -> list[str]:
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self._hooks.clock.time()))
        lines = [
            f"# {stamp} by RouterOS {VERSIONS[self._major].split()[0]}", "# software id = K3QX-7T2M", "#",
            "# model = RB750Gr3", "# serial number = HEX09ABCDEF",
        ]  # fmt: skip
        menu: Path = ()
        for line in self._export_lines(path):
            if "terse" in words:
                lines.append(line.terse())
                continue
            if line.menu != menu:
                menu = line.menu
                lines.append(f"/{' '.join(menu)}")
            lines.append(line.rest)
        return lines

    # --- behind the console ---------------------------------------------------------------------------

    def _rules(self, path: Path) -> list[Mapping[str, str]]:
        return [item.values for item in self._tables.by_path[path].items if item.enabled]

    def _wiring(self) -> Wiring:
        members = self._tables.by_path["interface", "list", "member"].items
        in_lists = {
            name: frozenset(
                item.values["list"] for item in members if item.enabled and item.values["interface"] == name
            )
            for name in (WAN, LAN)
        }
        addresses = self._tables.by_path["ip", "address"].items
        local = frozenset(IPv4Address(item.values["address"].split("/")[0]) for item in addresses)
        listed: dict[str, list[str]] = {}
        for item in self._tables.by_path[ADDRESS_LIST].items:
            if item.enabled:
                listed.setdefault(item.values["list"], []).append(item.values["address"])
        return Wiring(WAN, in_lists[WAN], LAN, in_lists[LAN], local, listed)

    def _show_lease(self, lease: Lease) -> None:
        table, mac = self._tables.by_path[LEASE], lease.mac.upper()
        active = {
            "status": "bound", "expires-after": "23m41s", "last-seen": "6m19s",
            "active-address": str(lease.address), "active-mac-address": mac, "active-server": "defconf",
        }  # fmt: skip
        if lease.hostname:
            active["host-name"] = as_console_text(lease.hostname)
        for item in table.items:
            if item.values.get("mac-address") == mac:
                item.values |= active
                return
        own = {"address": str(lease.address), "mac-address": mac, "server": "defconf"}
        own["client-id"] = f"1:{mac.lower()}"
        table.append(own | active, dynamic=True)

    def _arm(self, item: Item) -> None:
        interval = duration_seconds(item.values.get("interval", "0s"))
        if interval <= 0 or not item.enabled or self._stopped:
            return
        now = time.localtime(self._hooks.clock.time())
        item.values.setdefault("start-date", time.strftime("%Y-%m-%d", now))
        item.values.setdefault("start-time", time.strftime("%H:%M:%S", now))
        item.values.setdefault("run-count", "0")
        token = self._timers[item.id] = object()
        name = f"scheduler-{item.values.get('name', '')}"
        threading.Thread(target=self._repeat, args=(item, interval, token), name=name, daemon=True).start()

    def _repeat(self, item: Item, interval: float, token: object) -> None:
        while True:
            due = self._hooks.clock.time() + interval
            self._hooks.clock.sleep(interval)
            with self.lock:
                # The clock lets go early when the home stops.
                if self._timers.get(item.id) is not token or self._hooks.clock.time() < due - 0.001:
                    return
                item.values["run-count"] = str(int(item.values["run-count"]) + 1)
                source = item.values.get("on-event", "")
            self._run(source)
