"""What OPNsense's API shows of its filter, its aliases and its ARP table. Nothing of it can be changed here.

Shapes are those of OPNsense's own code (core of August 2026): `FilterController`, `list_non_mvc_rules.php`,
`filter.lib.inc` and `config.xml.sample` for the rules that a new firewall has, `AliasController`, `list_arp.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from plexops.lab.base import GATEWAY_MAC, ROUTER_MAC, Lease, Seed
from plexops.lab.routers.opnsense_api import Answer, Call, NotFoundError
from plexops.lab.routers.opnsense_model import INTERFACES, NETWORKS, Row, port_range

Shown = dict[str, object]
_DEVICES = {"lan": "igb0", "wan": "igb1"}

#: A rule as the model keeps it, with every field that it has.
_RULE_FIELDS = (
    "enabled statetype state-policy sequence sort_order prio_group action quick interfacenot interface direction"
    " ipprotocol protocol icmptype icmp6type source_net source_not source_port destination_net destination_not"
    " destination_port divert-to gateway replyto disablereplyto log allowopts nosync nopfsync statetimeout udp-first"
    " udp-multiple udp-single max-src-nodes max-src-states max-src-conn max max-src-conn-rate max-src-conn-rates"
    " max-pkt-rate-number max-pkt-rate-seconds overload adaptivestart adaptiveend prio set-prio set-prio-low tag"
    " tagged tcpflags1 tcpflags2 tcpflags_any categories sched tos shaper1 shaper2 description"
)
_SET: Row = {
    "enabled": "1", "statetype": "keep", "action": "pass", "quick": "1", "interfacenot": "0", "interface": "lan",
    "direction": "in", "protocol": "any", "source_net": "lan", "source_not": "0", "destination_net": "any",
    "destination_not": "0", "disablereplyto": "0", "log": "0", "allowopts": "0", "nosync": "0", "nopfsync": "0",
    "tcpflags_any": "0", "prio_group": "400000",
}  # fmt: skip
_CALLED: Mapping[str, str] = {
    "keep": "keep state", "pass": "Pass", "block": "Block", "in": "In", "out": "Out", "inet": "IPv4", "inet6": "IPv6",
    "lan": "LAN",
}  # fmt: skip
_CALLED_FIELDS = ("statetype", "action", "interface", "direction", "ipprotocol")
_PRIVATE = "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,127.0.0.0/8,100.64.0.0/10,169.254.0.0/16"
_LOG = {"log": True, "disablereplyto": 1}
_BLOCK: Shown = {"type": "block", **_LOG}
_PASS: Shown = {"type": "pass", **_LOG}
#: Priority and rule, in the order in which they are made.
_SYSTEM: Sequence[tuple[int, Shown]] = (
    (1, {**_BLOCK, "ipprotocol": "inet46", "descr": "Default deny / state violation rule", "quick": False}),
    (1, {**_PASS, "ipprotocol": "inet6", "protocol": "ipv6-icmp", "icmp6-type": "1,2,3,4,135,136",
         "statetype": "keep", "descr": "IPv6 RFC4890 requirements (ICMP)", "disabled": False}),
    (1, {**_BLOCK, "ipprotocol": "inet46", "protocol": "tcp/udp", "from_port": "0",
         "descr": "block all targeting port 0"}),
    (1, {**_BLOCK, "ipprotocol": "inet46", "protocol": "tcp/udp", "to_port": "0",
         "descr": "block all targeting port 0"}),
    (1, {**_BLOCK, "protocol": "tcp", "from": "<sshlockout>", "to": "(self)", "descr": "sshlockout",
         "direction": "in", "to_port": "22"}),
    (1, {**_BLOCK, "protocol": "tcp", "from": "<sshlockout>", "to": "(self)", "descr": "sshlockout",
         "direction": "in", "to_port": "443"}),
    (1, {**_BLOCK, "from": "<virusprot>", "descr": "virusprot overload table"}),
    (5, {**_BLOCK, "from": "<bogons>", "direction": "in", "interface": "wan", "ipprotocol": "inet",
         "descr": "Block bogon IPv4 networks from WAN", "disabled": False}),
    (5, {**_BLOCK, "from": "<bogonsv6>", "direction": "in", "interface": "wan", "ipprotocol": "inet6",
         "descr": "Block bogon IPv6 networks from WAN", "disabled": False}),
    (5, {**_BLOCK, "direction": "in", "interface": "wan", "ipprotocol": "inet", "from": _PRIVATE,
         "descr": "Block private networks from WAN", "disabled": False}),
    (5, {**_BLOCK, "direction": "in", "interface": "wan", "ipprotocol": "inet6", "disabled": False,
         "from": "fd00::/8,fe80::/10,::1/128", "descr": "Block private networks from WAN"}),
    (1, {**_PASS, "protocol": "udp", "direction": "in", "from_port": 67, "to_port": 68, "interface": "wan",
         "descr": "allow DHCP client on WAN"}),
    (5, {**_PASS, "direction": "out", "statetype": "keep", "allowopts": True, "quick": False,
         "descr": "let out anything from firewall host itself"}),
    *((5, {**_PASS, "direction": "in", "interface": "lan", "statetype": "keep", "protocol": "tcp", "to": "(self)",
           "to_port": port, "descr": "anti-lockout rule"}) for port in ("22", "443", "80")),
)  # fmt: skip
_MAPPED = {"type": "action", "reply-to": "replyto", "descr": "description", "from": "source_net",
           "from_port": "source_port", "to": "destination_net", "to_port": "destination_port", "#ref": "ref",
           "label": "uuid"}  # fmt: skip
_ALIASES: Mapping[str, tuple[str, str]] = {
    "__lan_network": ("internal", "LAN net"), "__wan_network": ("internal", "WAN net"),
    "bogons": ("external", "bogon networks (internal)"), "bogonsv6": ("external", "bogon networks IPv6 (internal)"),
    "sshlockout": ("external", "abuse lockout table (internal)"),
    "virusprot": ("external", "overload table for rate limiting (internal)"),
}  # fmt: skip
_TYPES = {"internal": "Internal (automatic)", "external": "External (advanced)"}


def filter_rules(call: Call, forwards: Iterable[Row]) -> Answer:
    """Answer `firewall/filter/search_rule`."""
    if call.action != "search_rule":
        raise NotFoundError
    rules = [*_automatic(forwards), _own(1, "inet"), _own(11, "inet6")]
    rules.sort(key=lambda rule: str(rule["sort_order"]))
    return _page([_decorated(rule) for rule in rules], call)


def _own(sequence: int, family: str) -> Shown:
    version = " IPv6" if family == "inet6" else ""
    values = {
        **_SET, "sequence": str(sequence), "sort_order": f"400000.0{sequence:06d}", "ipprotocol": family,
        "description": f"Default allow LAN{version} to any rule",
    }  # fmt: skip
    row: Shown = {"uuid": _hash(family)}
    for name in _RULE_FIELDS.split():
        row[name] = values.get(name, "")
        if name in _CALLED_FIELDS:
            row[f"%{name}"] = _CALLED[values[name]]
    return row


def _automatic(forwards: Iterable[Row]) -> Iterator[Shown]:
    made = [*_SYSTEM, *((500_000, rule) for rule in _registered(forwards))]
    for number, (priority, rule) in enumerate(sorted(made, key=lambda one: one[0]), 1):
        yield _flat(priority, number, rule)


def _registered(forwards: Iterable[Row]) -> Iterator[Shown]:
    """Give the rule that belongs to each forward whose `pass` is `rule`, for where it leads."""
    for row in forwards:
        if row["disabled"] == "1" or row["pass"] != "rule":  # noqa: S105 - a field of that name
            continue
        port = row["local-port"] or row["destination.port"]
        if row["local-port"] and "-" in row["destination.port"]:
            low, high = port_range(row["destination.port"])
            port = f"{port}-{int(port) + high - low}"
        yield {
            "ipprotocol": row["ipprotocol"], "interface": row["interface"], "protocol": row["protocol"],
            "source": {"network": row["source.network"], "not": row["source.not"], "port": row["source.port"]},
            "destination": {"network": row["target"], "port": port}, "log": row["log"], "descr": row["descr"],
        }  # fmt: skip


def _flat(priority: int, number: int, given: Shown) -> Shown:
    """Give a rule as `list_non_mvc_rules.php` does: as it was made, with some of its fields under other names."""
    rule: Shown = {**given, "#priority": priority, "label": _hash(repr(given)), "enabled": "1"}
    for name, other in _MAPPED.items():
        rule[other] = rule.pop(name, "")
    for side in ("source", "destination"):
        place = rule.pop(side, None)
        if isinstance(place, Mapping):
            rule[f"{side}_not"] = "1" if place.get("not") == "1" else "0"
            rule[f"{side}_net"], rule[f"{side}_port"] = place["network"], place["port"]
        if rule[f"{side}_net"] != "(self)":
            rule[f"{side}_net"] = str(rule[f"{side}_net"]).strip("()<>{}")
    for name, default in (("direction", "in"), ("action", "pass"), ("ipprotocol", ""), ("protocol", "")):
        rule[name] = rule.get(name, default)
        rule[f"%{name}"] = _CALLED.get(str(rule[name]), str(rule[name]).upper())
    # What belongs to `inet46` is shown as nothing.
    rule["%ipprotocol"] = "" if rule["ipprotocol"] == "inet46" else rule["%ipprotocol"]
    if rule.get("interface"):
        rule["interface"] = ",".join(INTERFACES.get(key, key) for key in str(rule["interface"]).split(","))
    return {**rule, "sort_order": f"{priority:06d}.1{number:06d}", "legacy": True, "is_automatic": True}


def _decorated(rule: Shown) -> Shown:
    rule["category_colors"] = []
    for name in ("source_net", "source_port", "destination_net", "destination_port"):
        if rule[name] not in ("", "0"):
            rule[f"alias_meta_{name}"] = [_meta(word.strip()) for word in str(rule[name]).split(",")]
    return rule


def _meta(word: str) -> Shown:
    if word in _ALIASES:
        summary = f"<strong>{_ALIASES[word][1]}</strong><br/>"
        return {
            "summary": summary,
            "description": _ALIASES[word][1],
            "value": word,
            "%value": word,
            "isAlias": True,
        }
    return {"value": word, "%value": NETWORKS.get(word, word), "isAlias": False, "description": ""}


def aliases(call: Call) -> Answer:
    """Answer `firewall/alias/search_item`: the aliases that every firewall has."""
    if call.action != "search_item":
        raise NotFoundError
    rows: list[Shown] = [
        {
            "uuid": name, "enabled": "1", "name": name, "type": kind, "%type": _TYPES[kind], "path_expression": "",
            "proto": "", "interface": "", "counters": "", "updatefreq": "", "content": "", "expire": "",
            "categories": "", "current_items": "", "last_updated": "", "description": called, "categories_uuid": [],
        }
        for name, (kind, called) in sorted(_ALIASES.items())
    ]  # fmt: skip
    return _page(rows, call)


def arp(call: Call, seed: Seed, leases: Iterable[Lease]) -> Answer:
    """Answer `diagnostics/interface/search_arp`, and `get_arp` without the page."""
    own = [(str(seed.lan_address), ROUTER_MAC, "lan", "", True)]
    gateway = [(str(seed.wan_gateway), GATEWAY_MAC, "wan", "", False)] if seed.wan_up else []
    hosts = [(str(lease.address), lease.mac, "lan", lease.hostname, False) for lease in leases]
    rows: list[Shown] = [
        {
            "mac": mac, "ip": address, "intf": _DEVICES[key], "expired": False, "expires": -1 if permanent else 1200,
            "permanent": permanent, "type": "ethernet", "manufacturer": "", "hostname": name,
            "intf_description": INTERFACES[key],
        }
        for address, mac, key, name, permanent in (*own, *gateway, *hosts)
    ]  # fmt: skip
    if call.action == "get_arp":
        return list(rows)
    if call.action != "search_arp":
        raise NotFoundError
    return _page(rows, call)


def _page(rows: Sequence[Shown], call: Call) -> Answer:
    """Answer a search in rows that are no collection of the model."""
    words = str(call.given.get("searchPhrase", "")).lower().split()
    found = [row for row in rows if all(any(w in str(v).lower() for v in row.values()) for w in words)]
    size, current = (
        int(str(call.given.get(name, default))) for name, default in (("rowCount", -1), ("current", 1))
    )
    shown = found[(current - 1) * size : current * size] if size > 0 else found
    return {"total": len(found), "rowCount": len(shown), "current": current, "rows": list(shown)}


def _hash(text: str) -> str:
    """Give a rule a name that stays."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
