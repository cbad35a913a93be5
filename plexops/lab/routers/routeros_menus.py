"""The RouterOS menus that a home router needs: their properties, kinds of values, and words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cached_property
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Literal

from msgspec import Struct

from plexops.lab.routers.routeros_syntax import ConsoleError, Path
from plexops.lab.routers.routeros_values import duration_seconds
from plexops.structs import replace

Kind = Literal[
    "text", "yesno", "choice", "choices", "number", "ports", "port", "addresses", "address", "network", "mac",
    "time", "interface", "list", "server", "pool", "addresses6", "network6",
]  # fmt: skip


class Field(Struct, frozen=True):
    """A property of a menu's items.

    `default` is what a new item holds and an export leaves out; `shown` makes `print` show it while empty;
    `negated` allows a leading `!`; `told` is set by the device alone.
    """

    name: str
    kind: Kind = "text"
    default: str | None = None
    choices: tuple[str, ...] = ()
    shown: bool = False
    negated: bool = False
    told: bool = False


class Menu(Struct, frozen=True, dict=True):
    """One menu. `fields` are in the order in which `print` shows them; `columns` make its table."""

    path: Path
    fields: tuple[Field, ...]
    required: tuple[str, ...] = ()
    ordered: bool = False
    single: bool = False
    fixed: bool = False
    table: tuple[str, ...] = ()
    more_verbs: tuple[str, ...] = ()

    @cached_property
    def by_name(self) -> Mapping[str, Field]:
        """All of them by their names."""
        return {one.name: one for one in self.fields}

    @property
    def settable(self) -> frozenset[str]:
        """The names that `add` and `set` take."""
        return frozenset(one.name for one in self.fields if not one.told)


_COMMENT = Field("comment")
_DISABLED = Field("disabled", "yesno", "no")
_PROTOCOLS = (
    "tcp",
    "udp",
    "icmp",
    "gre",
    "ipsec-esp",
    "ipsec-ah",
    "igmp",
    "ipv6-encap",
    "sctp",
    "udp-lite",
    "dccp",
    "icmpv6",
    "6",
    "17",
)
_STATES = ("established", "related", "new", "invalid", "untracked")
_EVERY_POLICY = "ftp,reboot,read,write,policy,test,password,sniff,sensitive,romon"
_LOG = (Field("log", "yesno", "no"), Field("log-prefix", default="", shown=True))
#: What the device takes and the simulated packets do not meet is text.
_STATELESS = (
    Field("protocol", "choice", choices=_PROTOCOLS, negated=True),
    Field("src-address", "addresses", negated=True),
    Field("dst-address", "addresses", negated=True),
    Field("src-address-list"),
    Field("dst-address-list"),
    Field("dst-address-type", "choices", choices=("local", "unicast", "broadcast", "multicast"), negated=True),
    Field("src-mac-address", "mac", negated=True),
    Field("in-interface", "interface", negated=True),
    Field("out-interface", "interface", negated=True),
    Field("in-interface-list", "list", negated=True),
    Field("out-interface-list", "list", negated=True),
    Field("src-port", "ports", negated=True),
    Field("dst-port", "ports", negated=True),
    *(Field(name) for name in (
        "port", "tcp-flags", "limit", "dst-limit", "content", "packet-mark", "icmp-options", "time", "hop-limit", "ttl",
    )),
    Field("ipsec-policy"),
    Field("jump-target"),
    Field("address-list"),
    Field("address-list-timeout"),
    *_LOG,
)  # fmt: skip
_MATCHERS = (
    *_STATELESS[:-2],
    Field("connection-state", "choices", choices=_STATES, negated=True),
    Field("connection-nat-state", "choices", choices=("dstnat", "srcnat"), negated=True),
    *(Field(name) for name in ("connection-mark", "connection-limit", "layer7-protocol", "routing-mark")),
    *_LOG,
)
_V6 = {"addresses": "addresses6", "network": "network6"}
_NAT_ACTIONS = (
    "accept", "add-dst-to-address-list", "add-src-to-address-list", "dst-nat", "jump", "log", "masquerade",
    "netmap", "passthrough", "redirect", "return", "same", "src-nat",
)  # fmt: skip
_FILTER_ACTIONS = (
    "accept", "add-dst-to-address-list", "add-src-to-address-list", "drop", "fasttrack-connection", "jump",
    "log", "passthrough", "reject", "return", "tarpit",
)  # fmt: skip
_ROUTED = (
    Field("routing-table", told=True), Field("gateway"), Field("gateway-status", told=True),
    Field("immediate-gw", told=True), Field("distance", "number", "1"), _COMMENT, _DISABLED,
)  # fmt: skip
_RAW_ACTIONS = ("accept", "add-dst-to-address-list", "add-src-to-address-list", "drop", "jump", "log", "notrack",
                "passthrough", "return")  # fmt: skip
_MANGLE_ACTIONS = (
    "accept", "add-dst-to-address-list", "add-src-to-address-list", "change-dscp", "change-mss", "change-ttl",
    "drop", "jump", "log", "mark-connection", "mark-packet", "mark-routing", "passthrough", "return", "set-priority",
)  # fmt: skip
_MANGLED = ("new-packet-mark", "new-connection-mark", "new-routing-mark", "new-mss", "new-dscp", "new-ttl")


def _both_families(
    path: str, fields: tuple[Field, ...], *more: Field, required: str = "chain"
) -> tuple[Menu, Menu]:
    """Give a menu of the firewall for IPv4, and the same for IPv6."""
    whole = (*fields, *more, _COMMENT, _DISABLED)
    v6 = tuple(replace(one, kind=_V6.get(one.kind, one.kind)) for one in whole)  # type: ignore[arg-type]
    needs, ordered = tuple(required.split()), required == "chain"
    return (
        Menu(("ip", "firewall", path), whole, needs, ordered=ordered),
        Menu(("ipv6", "firewall", path), v6, needs, ordered=ordered),
    )


MENUS: tuple[Menu, ...] = (
    Menu(("interface",), (
        Field("name", told=True), Field("default-name", told=True), Field("type", told=True), Field("mtu", told=True),
        Field("mac-address", told=True), _COMMENT, _DISABLED,
    ), fixed=True, table=("name", "type", "mac-address")),
    Menu(("interface", "list"), (Field("name"), Field("include"), Field("exclude"), _COMMENT), ("name",),
         table=("name",)),
    Menu(("interface", "bridge", "filter"), (
        Field("chain"), Field("action", default="accept"), Field("in-interface", "interface"), _COMMENT, _DISABLED,
    ), ("chain",), ordered=True),
    Menu(("interface", "list", "member"), (
        Field("list", "list"), Field("interface", "interface"), _COMMENT, _DISABLED,
    ), ("list", "interface"), table=("list", "interface")),
    Menu(("ip", "pool"), (Field("name"), Field("ranges", "addresses"), _COMMENT), ("name", "ranges"),
         table=("name", "ranges")),
    Menu(("ip", "dhcp-server"), (
        Field("name"), Field("interface", "interface"), Field("address-pool", "pool"),
        Field("lease-time", "time", "30m"), _COMMENT, _DISABLED,
    ), ("interface",), table=("name", "interface", "address-pool", "lease-time")),
    Menu(("ip", "address"), (
        Field("address", "network"), Field("network", told=True), Field("interface", "interface"),
        Field("actual-interface", told=True), _COMMENT, _DISABLED,
    ), ("address", "interface"), table=("address", "network", "interface")),
    Menu(("ipv6", "address"), (
        Field("address", "network6"), Field("interface", "interface"), Field("actual-interface", told=True), _COMMENT,
        _DISABLED,
    ), ("address", "interface"), table=("address", "interface")),
    Menu(("ip", "arp"), (
        Field("address", "address"), Field("mac-address", "mac"), Field("interface", "interface"),
        Field("published", "yesno", "no"), Field("status", told=True), _COMMENT, _DISABLED,
    ), ("address", "interface"), table=("address", "mac-address", "interface")),
    Menu(("ip", "cloud"), (
        Field("ddns-enabled", "choice", "auto", choices=("auto", "no", "yes")), Field("update-time", "yesno", "yes"),
    ), single=True),
    Menu(("ip", "dhcp-client"), (
        Field("interface", "interface"), Field("add-default-route", "yesno", "yes"),
        Field("use-peer-dns", "yesno", "yes"), Field("status", told=True), Field("address", told=True),
        Field("gateway", told=True), _COMMENT, _DISABLED,
    ), ("interface",), table=("interface", "use-peer-dns", "add-default-route", "status", "address")),
    Menu(("ip", "dhcp-server", "lease"), (
        Field("address", "address"), Field("mac-address", "mac"), Field("client-id"),
        Field("address-lists", default="", shown=True), Field("server", "server"),
        Field("dhcp-option", default="", shown=True), Field("lease-time", "time"),
        Field("block-access", "yesno", "no"), Field("status", told=True), Field("expires-after", told=True),
        Field("last-seen", told=True), Field("active-address", told=True),
        Field("active-mac-address", told=True), Field("active-server", told=True),
        Field("host-name", told=True), _COMMENT, _DISABLED,
    ), table=("address", "mac-address", "host-name", "server", "status", "last-seen"),
       more_verbs=("make-static",)),
    Menu(("ip", "dhcp-server", "network"), (
        Field("address", "network"), Field("gateway", "address"), Field("dns-server", "addresses"),
        Field("domain"), _COMMENT,
    ), ("address",), table=("address", "gateway", "dns-server")),
    *_both_families("filter", (
        Field("chain"), Field("action", "choice", "accept", choices=_FILTER_ACTIONS), *_MATCHERS,
    ), Field("reject-with"), Field("hw-offload", "yesno", "no")),
    *_both_families("nat", (
        Field("chain"), Field("action", "choice", "accept", choices=_NAT_ACTIONS),
        Field("to-addresses", "addresses"), Field("to-ports", "port"), *_MATCHERS,
    )),
    *_both_families("raw", (
        Field("chain"), Field("action", "choice", "accept", choices=_RAW_ACTIONS), *_STATELESS,
    )),
    *_both_families("mangle", (
        Field("chain"), Field("action", "choice", "accept", choices=_MANGLE_ACTIONS), *_MATCHERS,
    ), *(Field(name) for name in _MANGLED), Field("passthrough", "yesno", "yes")),
    *_both_families("address-list", (
        Field("list"), Field("address"), Field("creation-time", told=True), Field("timeout", "time"),
    ), required="list address"),
    Menu(("ip", "route"), (
        Field("dst-address", "network"), *_ROUTED,
    ), ("dst-address", "gateway"), table=("dst-address", "gateway", "distance")),
    Menu(("ipv6", "route"), (
        Field("dst-address", "network6"), *_ROUTED,
    ), ("dst-address", "gateway"), table=("dst-address", "gateway", "distance")),
    Menu(("ip", "upnp"), (
        Field("enabled", "yesno", "no"), Field("allow-disable-external-interface", "yesno", "no"),
        Field("show-dummy-rule", "yesno", "yes"),
    ), single=True),
    Menu(("ip", "upnp", "interfaces"), (
        Field("interface", "interface"), Field("type", "choice", choices=("external", "internal")),
        Field("forced-ip", "address"), _COMMENT, _DISABLED,
    ), ("interface", "type"), table=("interface", "type")),
    Menu(("system", "identity"), (Field("name", default="MikroTik"),), single=True),
    Menu(("system", "resource"), tuple(Field(name, told=True) for name in (
        "uptime", "version", "build-time", "free-memory", "total-memory", "cpu", "cpu-count", "cpu-load",
        "architecture-name", "board-name", "platform",
    )), single=True, fixed=True),
    Menu(("system", "scheduler"), (
        Field("name"), Field("start-date"), Field("start-time"), Field("interval", "time", "0s"),
        Field("on-event", default=""), Field("policy", default=_EVERY_POLICY), Field("run-count", told=True),
        _COMMENT, _DISABLED,
    ), table=("name", "start-time", "interval", "on-event", "run-count")),
)  # fmt: skip
MENU_BY_PATH = {menu.path: menu for menu in MENUS}
#: Where a path leads on to a menu without being one itself (`/ip`, `/ip firewall`).
BRANCHES = frozenset(menu.path[:depth] for menu in MENUS for depth in range(len(menu.path)))


class Known(Struct, frozen=True):
    """The names that values may refer to."""

    interfaces: Callable[[], frozenset[str]]
    lists: Callable[[], frozenset[str]]
    servers: Callable[[], frozenset[str]]
    pools: Callable[[], frozenset[str]]


def canonical(one: Field, text: str, known: Known) -> str:
    """Give a value as the device stores it; raises ConsoleError with the device's words."""
    bang = ""
    if one.negated and text.startswith("!"):
        bang, text = "!", text[1:]
    if one.kind in {"choice", "choices", "interface", "list", "server", "pool"}:
        return bang + _named(one, text, known)
    try:
        return bang + _READERS[one.kind](text)
    except ValueError:
        if one.kind in {"ports", "port"}:
            raise ConsoleError(f"value of {one.name} expects range of integer numbers") from None
        raise ConsoleError(f"invalid value for argument {one.name}") from None


def _named(one: Field, text: str, known: Known) -> str:
    names = {
        "interface": lambda: known.interfaces() | {"all-ethernet", "all-ppp", "all-vlan", "all-wireless"},
        "list": lambda: known.lists() | {"all", "none", "dynamic", "static"},
        "server": lambda: known.servers() | {"all"},
        "pool": lambda: known.pools() | {"static-only"},
    }.get(one.kind, lambda: frozenset(one.choices))()
    words = text.split(",") if one.kind == "choices" else [text]
    if not all(word.removeprefix("!") in names for word in words):
        what = {"list": "interface-list", "server": "server", "pool": "address-pool"}.get(one.kind, one.name)
        raise ConsoleError(f"input does not match any value of {what}")
    return {"6": "tcp", "17": "udp"}.get(text, text) if one.name == "protocol" else text


def _yes_or_no(text: str) -> str:
    if text not in {"yes", "no", "true", "false"}:
        raise ValueError(text)
    return "yes" if text in {"yes", "true"} else "no"


def port_ranges(text: str) -> list[tuple[int, int]]:
    """Read `80,443,5000-5010`; raises ValueError."""
    ranges: list[tuple[int, int]] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not (first.isdigit() and (last or first).isdigit()):
            raise ValueError(part)
        low, high = int(first), int(last or first)
        if not low <= high <= 65535:
            raise ValueError(part)
        ranges.append((low, high))
    return ranges


def _ports(text: str) -> str:
    port_ranges(text)
    return text


def _port(text: str) -> str:
    if len(port_ranges(text)) != 1:
        raise ValueError(text)
    return text


def _addresses(text: str, version: int = 4) -> str:
    for part in text.split(","):
        first, dash, last = part.partition("-")
        read = (ip_address(first), ip_address(last)) if dash else (ip_network(first, strict=False),)
        if any(one.version != version for one in read):
            raise ValueError(part)
    return text


def _mac(text: str) -> str:
    if not re.fullmatch(r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}", text):
        raise ValueError(text)
    return text.upper().replace("-", ":")


def _network(text: str, version: int = 4) -> str:
    address, slash, prefix = text.partition("/")
    _addresses(text, version)
    return f"{ip_address(address)}/{prefix}" if slash else address


def show_duration(seconds: float) -> str:
    """Write a time as the device shows it: `1h30m`."""
    left, shown = int(seconds), ""
    for unit, size in (("w", 604800), ("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        shown += f"{count}{unit}" if count else ""
    return shown or "0s"


_READERS: dict[str, Callable[[str], str]] = {
    "text": str, "yesno": _yes_or_no, "number": lambda text: str(int(text)), "ports": _ports, "port": _port,
    "addresses": _addresses, "address": lambda text: str(IPv4Address(text)), "network": _network, "mac": _mac,
    "time": lambda text: show_duration(duration_seconds(text)), "addresses6": lambda text: _addresses(text, 6),
    "network6": lambda text: _network(text, 6),
}  # fmt: skip
