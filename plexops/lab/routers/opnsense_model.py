"""OPNsense's configuration nodes as its API shows them: rows, nested forms with options, and validation.

Shapes and messages are those of OPNsense's own API code (core of August 2026).
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv4Network

from msgspec import Struct

Options = Mapping[str, str]

INTERFACES: Options = {"lan": "LAN", "wan": "WAN"}
NETWORKS: Options = {
    "wanip": "WAN address", "lanip": "LAN address", "wan": "WAN net", "lan": "LAN net", "(self)": "This Firewall",
}  # fmt: skip
_MORE_PROTOCOLS = (
    "icmp esp ah gre igmp pim ospf ax.25 dccp ddp egp eigrp encap etherip ethernet fc ggp hip hmp idpr-cmtp idrp igp"
    " ipcomp ipencap ipip ipv6 ipv6-icmp isis iso-tp4 l2tp manet mpls-in-ip mptcp pup rdp rohc rspf rsvp sctp shim6"
    " skip st udplite vmtp vrrp wesp xns-idp xtp"
)
PROTOCOLS: Options = {
    "": "any", "tcp": "TCP", "udp": "UDP", "tcp/udp": "TCP/UDP",
    **{name: name.upper() for name in _MORE_PROTOCOLS.split()},
}  # fmt: skip
_POOL: Options = {
    "": "Default", "round-robin": "Round Robin", "round-robin sticky-address": "Round Robin with Sticky Address",
    "random": "Random", "random sticky-address": "Random with Sticky Address", "source-hash": "Source Hash",
    "bitmask": "Bitmask",
}  # fmt: skip
_FAMILIES: Options = {"": "any", "inet": "IPv4", "inet6": "IPv6", "inet46": "IPv4+IPv6"}
_REFLECTION: Options = {"": "Use system default", "purenat": "Enable", "disable": "Disable"}
_PASS: Options = {"": "Manual", "pass": "Pass", "rule": "Register rule"}
_SERVICES = frozenset({"ssh", "http", "https", "ftp", "smtp", "domain", "imap", "rdp"})

_BAD_OPTION = "Option not in list."
_BAD_BOOLEAN = "Value should be a boolean (0,1)."
_BAD_PORT = "Please specify a valid port number, well-known name, alias or range."
_BAD_ADDRESS = "Please specify a valid network segment or IP address."
_BAD_MAC = "Invalid MAC address."
_REQUIRED = "A value is required."


class Node(Struct, frozen=True):
    """One field: `options` make it a choice, `check` gives a message for what is wrong.

    `many` allows several, with commas between; `chosen` fields look like choices without being any (`ip` of a host).
    """

    name: str
    default: str = ""
    options: Options | None = None
    check: Callable[[str], str] | None = None
    required: bool = False
    many: bool = False
    chosen: bool = False


def _boolean(text: str) -> str:
    return "" if text in {"0", "1"} else _BAD_BOOLEAN


def port_range(text: str) -> tuple[int, int]:
    """Read `32400` or `5000-5010`; raises ValueError."""
    first, _, last = text.partition("-")
    if not (first.isascii() and first.isdigit() and (last or first).isdigit()):
        raise ValueError(text)
    low, high = int(first), int(last or first)
    if not 1 <= low <= high <= 65535:
        raise ValueError(text)
    return low, high


def _port(text: str) -> str:
    if text in _SERVICES:
        return ""
    try:
        port_range(text)
    except ValueError:
        return _BAD_PORT
    return ""


def _address(text: str) -> str:
    for part in text.split(","):
        try:
            IPv4Network(part, strict=False)
        except ValueError:
            return "" if ":" in part else _BAD_ADDRESS
    return ""


def _network(text: str) -> str:
    return "" if text in NETWORKS else _address(text)


def _macs(text: str) -> str:
    pattern = r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}"
    return "" if all(re.fullmatch(pattern, part) for part in text.split(",")) else _BAD_MAC


RULE: tuple[Node, ...] = (
    Node("sequence", "1"), Node("disabled", "0", check=_boolean), Node("nordr", "0", check=_boolean),
    Node("interface", options=INTERFACES, many=True), Node("ipprotocol", "inet", _FAMILIES),
    Node("protocol", "", PROTOCOLS),
    Node("source.network", check=_network), Node("source.address"), Node("source.port", check=_port),
    Node("source.not", "0", check=_boolean),
    Node("destination.network", check=_network), Node("destination.address"),
    Node("destination.port", check=_port), Node("destination.not", "0", check=_boolean),
    Node("target", check=_network), Node("local-port", check=_port), Node("poolopts", "", _POOL),
    Node("log", "0", check=_boolean), Node("category"), Node("categories"), Node("descr"), Node("tag"),
    Node("tagged"), Node("nosync", "0", check=_boolean), Node("natreflection", "", _REFLECTION),
    Node("pass", "", _PASS), Node("associated-rule-id"),
)  # fmt: skip
HOST: tuple[Node, ...] = (
    Node("host"), Node("domain"), Node("local", "0", check=_boolean), Node("ip", check=_address, chosen=True),
    Node("cnames", chosen=True), Node("client_id"), Node("hwaddr", check=_macs, chosen=True), Node("lease_time"),
    Node("ignore", "0", check=_boolean), Node("set_tag"), Node("descr"), Node("comments"),
    Node("aliases", chosen=True),
)  # fmt: skip
RANGE: tuple[Node, ...] = (
    Node("interface", "", {"": "Any", **INTERFACES}), Node("set_tag"), Node("start_addr"), Node("end_addr"),
    Node("subnet_mask"), Node("constructor", "", {"": "None", **INTERFACES}), Node("mode"), Node("prefix_len"),
    Node("lease_time"), Node("domain_type", "range", {"interface": "Interface", "range": "Range"}),
    Node("domain"), Node("nosync", "0"), Node("ra_mode"), Node("ra_priority"), Node("ra_mtu"),
    Node("ra_interval"), Node("ra_router_lifetime"), Node("description"),
)  # fmt: skip
_KEA_OPTIONS = tuple(
    Node(f"option_data.{name}")
    for name in (
        "domain_name_servers", "domain_search", "routers", "static_routes", "classless_static_route",
        "domain_name", "ntp_servers", "time_servers", "tftp_server_name", "boot_file_name",
    )
)  # fmt: skip
RESERVATION: tuple[Node, ...] = (
    Node("subnet", required=True), Node("ip_address", check=_address), Node("hw_address", check=_macs),
    Node("client_id"), Node("hostname"), Node("description"), Node("next_server"), *_KEA_OPTIONS, Node("option"),
)  # fmt: skip
SUBNET: tuple[Node, ...] = (
    Node("subnet_id", "1"), Node("subnet", check=_address, required=True), Node("valid_lifetime"),
    Node("next_server"), Node("option_data_autocollect", "1", check=_boolean), *_KEA_OPTIONS,
    Node("option_data.v6_only_preferred"), Node("option_data.v4_dnr"), Node("option"),
    Node("match-client-id", "1"), Node("allocator"), Node("pools"), Node("ddns_forward_zone"),
    Node("ddns_reverse_zone"), Node("ddns_qualifying_suffix"), Node("ddns_dns_server"), Node("ddns_dns_port"),
    Node("ddns_domain_key_name"), Node("ddns_domain_key_secret"), Node("ddns_domain_key_algorithm"),
    Node("ddns_override_no_update", "0"), Node("ddns_override_client_update", "0"),
    Node("ddns_update_on_renew", "0"), Node("ddns_conflict_resolution_mode"), Node("description"),
)  # fmt: skip

Row = dict[str, str]
Validations = dict[str, object]
Check = Callable[[str, Row], Validations]


class Collection(Struct):
    """Items of one kind by uuid: what the configuration holds, and what the service last took from it."""

    #: The word around an item in requests and answers, as `rule` in `{"rule": {…}}`.
    word: str
    nodes: tuple[Node, ...]
    #: What reaches across fields and items: gives the messages for an item under its uuid.
    check: Check = lambda _identifier, _row: {}
    rows: dict[str, Row] = {}
    live: dict[str, Row] = {}
    #: Who made and changed each item, and when: `created` and `updated`.
    audit: dict[str, Row] = {}

    def apply(self) -> None:
        """Let the service take what is configured."""
        self.live = {identifier: dict(row) for identifier, row in self.rows.items()}

    def save(self, identifier: str | None, given: Mapping[str, str], path: str) -> dict[str, object]:
        """Add (without identifier) or change an item; answer as the API does. Unknown fields are passed over."""
        if identifier is not None and identifier not in self.rows:
            return {"result": "failed"}
        key = identifier or str(uuid.uuid4())
        row = dict(self.rows.get(key) or {node.name: node.default for node in self.nodes})
        row |= {name: text for name, text in given.items() if name in row}
        wrong = self._validate(key, row)
        if wrong:
            return {"result": "failed", "validations": wrong}
        self.rows[key] = row
        who = {"username": "root", "time": f"{time.time():.2f}", "description": f"{path} made changes"}
        if identifier is None:
            self.audit[key] = {f"created.{name}": text for name, text in who.items()}
        self.audit.setdefault(key, {}).update({f"updated.{name}": text for name, text in who.items()})
        return {"result": "saved"} if identifier else {"result": "saved", "uuid": key}

    def seed(self, values: Mapping[str, str]) -> str:
        """Add an item of the start state, unchecked and live; give its uuid."""
        key = str(uuid.uuid4())
        self.rows[key] = {node.name: node.default for node in self.nodes} | dict(values)
        made = {"username": "root", "time": "1795338602.18", "description": f"/api/{self.word} made changes"}
        self.audit[key] = {
            f"{word}.{name}": text for word in ("created", "updated") for name, text in made.items()
        }
        self.apply()
        return key

    def delete(self, identifier: str) -> dict[str, object]:
        """Delete an item."""
        if self.rows.pop(identifier, None) is None:
            return {"result": "not found"}
        self.audit.pop(identifier, None)
        return {"result": "deleted"}

    def _validate(self, key: str, row: Row) -> Validations:
        wrong: Validations = {}
        for node in self.nodes:
            text = row[node.name]
            message = ""
            if text == "" and (node.required or (node.check is _boolean)):
                message = _REQUIRED
            elif node.options is not None:
                words = text.split(",") if node.many and text else [text]
                message = (
                    ""
                    if all(word in node.options or (node.many and not word) for word in words)
                    else _BAD_OPTION
                )
            elif text and node.check is not None:
                message = node.check(text)
            if message:
                wrong[f"{self.word}.{node.name}"] = message
        return wrong or {f"{self.word}.{name}": message for name, message in self.check(key, row).items()}


def flatten(given: Mapping[str, object], prefix: str = "") -> Row:
    """Give a nested body as dotted names, as rows have them."""
    row: Row = {}
    for name, value in given.items():
        if isinstance(value, Mapping):
            row |= flatten(value, f"{prefix}{name}.")
        else:
            row[prefix + name] = str(int(value)) if isinstance(value, bool) else str(value)
    return row


def shown(collection: Collection, identifier: str) -> dict[str, object]:
    """Give an item as a row of a search: texts, and `%name` for what an option is called."""
    row = collection.rows[identifier]
    result: dict[str, object] = {"uuid": identifier}
    for node in collection.nodes:
        text = row[node.name]
        result[node.name] = text
        if node.options is not None and text and text in node.options:
            result[f"%{node.name}"] = node.options[text]
        elif node.name.endswith(".network") and text in NETWORKS:
            result[f"%{node.name}"] = NETWORKS[text]
    return result


def nested(collection: Collection, row: Row, audit: Row) -> dict[str, object]:
    """Give an item as `get` does: dotted names as objects, choices with all their options."""
    result: dict[str, object] = {}
    for node in collection.nodes:
        text = row[node.name]
        value: object = text
        if node.options is not None:
            value = {
                name: {"value": label, "selected": int(name in text.split(","))}
                for name, label in node.options.items()
            }
        elif node.chosen:
            value = {part: {"value": part, "selected": 1} for part in text.split(",")}
        elif node.name == "category":
            value = []
        _put(result, node.name, value)
        if node.name.endswith(".network") and text in NETWORKS:
            _put(result, node.name.replace(".network", ".%network"), NETWORKS[text])
    for name, text in audit.items():
        _put(result, name, text)
    return result


def _put(tree: dict[str, object], name: str, value: object) -> None:
    head, dot, rest = name.partition(".")
    if not dot:
        tree[name] = value
        return
    branch = tree.setdefault(head, {})
    if isinstance(branch, dict):
        branch[rest] = value


def address_in(address: IPv4Address, text: str) -> bool:
    """Tell whether an address is within `a.b.c.d` or `a.b.c.d/n`."""
    return address in IPv4Network(text, strict=False)
