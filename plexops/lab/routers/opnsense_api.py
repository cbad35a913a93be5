"""The common parts of OPNsense's API: calls, searches, and the answers of add, set, get and del."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs

from msgspec import Struct

from plexops.lab.base import HttpRequest, HttpResponse
from plexops.lab.routers.opnsense_model import (
    NETWORKS,
    Collection,
    Row,
    Validations,
    flatten,
    nested,
    shown,
)


class Call(Struct, frozen=True):
    """One API call, taken apart: `/api/<place>/<action>/<arguments>`."""

    action: str
    arguments: tuple[str, ...]
    given: Mapping[str, object]
    path: str
    post: bool


class NotFoundError(Exception):
    """No such endpoint."""


Answer = dict[str, object] | list[object]
Extras = Callable[[str, dict[str, object]], dict[str, object]]


def take_apart(request: HttpRequest) -> Call:
    """Take a request apart; camelCase actions still work. Raises ValueError for a body that is no JSON object."""
    parts = request.path.split("/")
    action = re.sub(
        r"(?<=[a-z0-9])([A-Z])", lambda match: f"_{match[1].lower()}", parts[4] if len(parts) > 4 else ""
    )
    given: object = {name: values[-1] for name, values in parse_qs(request.query).items()}
    if request.method == "POST" and request.body:
        given = json.loads(request.body)
    # PHP writes an empty object as `[]`, and takes it back.
    given = {} if given == [] else given
    if not isinstance(given, dict):
        raise ValueError("no object")  # noqa: TRY004 - one error for all that is no JSON object
    return Call(action, tuple(parts[5:]), given, request.path, request.method == "POST")


def json_answer(status: int, answer: Answer) -> HttpResponse:
    """Answer with JSON."""
    return HttpResponse(status, json.dumps(answer, ensure_ascii=False).encode())


def normal_mac(text: str) -> str:
    """Give a MAC address in lower case with colons."""
    return text.lower().replace("-", ":")


def inner_row(call: Call, word: str) -> Row:
    """Give the item of a request's body."""
    inner = call.given.get(word)
    return flatten(inner) if isinstance(inner, Mapping) else {}


def crud(collection: Collection, call: Call, noun: str) -> Answer:
    """Answer `get_`, `add_`, `set_` and `del_`; raises NotFoundError for anything else."""
    identifier = call.arguments[0] if call.arguments else ""
    if call.action == f"get_{noun}":
        row = collection.rows.get(identifier)
        if row is None:
            return []
        return {collection.word: nested(collection, row, _audit(collection, identifier))}
    if call.action in {f"add_{noun}", f"set_{noun}", f"del_{noun}"} and not call.post:
        return {"result": "failed"}
    if call.action == f"add_{noun}":
        return collection.save(None, inner_row(call, collection.word), call.path)
    if call.action == f"set_{noun}":
        return collection.save(identifier, inner_row(call, collection.word), call.path)
    if call.action == f"del_{noun}":
        return collection.delete(identifier)
    raise NotFoundError


def _audit(collection: Collection, identifier: str) -> Row:
    """Only firewall rules tell who made them."""
    return collection.audit.get(identifier, {}) if collection.word == "rule" else {}


def trees(collection: Collection) -> object:
    """Give all items nested by uuid; an empty object is `[]`, as PHP writes it."""
    return {key: nested(collection, row, {}) for key, row in collection.rows.items()} or []


def search(
    collection: Collection,
    call: Call,
    extras: Extras | None = None,
) -> dict[str, object]:
    """Answer a search: every word of the phrase must occur in some field; `rowCount` -1 is all."""
    phrase = str(call.given.get("searchPhrase", "")).lower()
    rows = [shown(collection, key) for key in collection.rows]
    rows = [
        row
        for row in rows
        if all(any(word in str(text).lower() for text in row.values()) for word in phrase.split())
    ]
    if collection.word == "rule":
        rows.sort(key=lambda row: int(str(row["sequence"])))
    total, size, current = (
        len(rows),
        _number(call.given.get("rowCount"), -1),
        _number(call.given.get("current"), 1),
    )
    if size > 0:
        rows = rows[(current - 1) * size : current * size]
    if extras is not None:
        rows = [extras(str(row["uuid"]), row) for row in rows]
    return {"rows": rows, "rowCount": len(rows), "total": total, "current": current}


def _number(value: object, default: int) -> int:
    text = str(value)
    return int(text) if re.fullmatch(r"-?\d+", text) else default


def toggle_rule(rules: Collection, call: Call) -> Answer:
    """Switch a rule: the argument is the new value of `disabled`."""
    row = rules.rows.get(call.arguments[0])
    if row is None:
        return {"result": "failed"}
    wanted = call.arguments[1] if len(call.arguments) > 1 else ""
    row["disabled"] = wanted if wanted in {"0", "1"} else str(1 - int(row["disabled"]))
    return {"result": "Disabled" if row["disabled"] == "1" else "Enabled"}


def check_rule(_identifier: str, row: Row) -> Validations:
    """Check what reaches across a rule's fields."""
    message = "Ports are only valid for TCP or UDP type rules."
    bad = row["protocol"] not in {"tcp", "udp", "tcp/udp"}
    return {name: message for name in ("source.port", "destination.port", "local-port") if bad and row[name]}


def check_host(_identifier: str, row: Row) -> Validations:
    """Check what reaches across a host's fields."""
    if not row["host"] and not row["hwaddr"]:
        return {"host": "Hostnames my only be omitted when a hardware address is offered."}
    if row["hwaddr"] and ":" in row["ip"]:
        return {"ip": "Only IPv4 reservations are currently supported"}
    return {}


def rule_extras(rules: Collection) -> Callable[[str, dict[str, object]], dict[str, object]]:
    """Give what a search of rules adds to each row."""

    def add(identifier: str, row: dict[str, object]) -> dict[str, object]:
        number = int(str(row["sequence"]))
        row |= rules.audit.get(identifier, {})
        row |= {"sort_order": f"400000.0{number:06d}", "prio_group": "400000", "category_colors": []}
        for name in (
            "source.network",
            "source.port",
            "destination.network",
            "destination.port",
            "target",
            "local-port",
        ):
            text = str(row[name])
            if text:
                row[f"alias_meta_{name}"] = [_alias(text)]
        return row

    return add


def _alias(text: str) -> dict[str, object]:
    return {"value": text, "%value": NETWORKS.get(text, text), "isAlias": False, "description": ""}


def lockout_row(number: int, port: str) -> dict[str, object]:
    """Give a row of the automatic rules that keep the web interface reachable; they have no target."""
    return {
        "uuid": f"lockout_{number}", "ipprotocol": "", "protocol": "tcp", "%protocol": "TCP", "disabled": "0",
        "nordr": "1", "interface": "lan", "%interface": "LAN", "destination.network": "lanip",
        "destination.port": port, "alias_meta_destination.port": [_alias(port)],
        "alias_meta_destination.network": [_alias("lanip")], "descr": "Anti-Lockout Rule", "is_automatic": True,
        "sort_order": f"100000.0{number:06d}", "prio_group": "100000",
    }  # fmt: skip


def by_name(row: Row, subnets: Mapping[str, str]) -> Row:
    """Name a subnet by its address instead of its uuid."""
    return {name: subnets.get(text, text) if name == "subnet" else text for name, text in row.items()}


def with_subnet(row: dict[str, object], subnets: Mapping[str, str]) -> dict[str, object]:
    """Put the subnet's own text behind its uuid, where the real answer has it."""
    result: dict[str, object] = {}
    for name, value in row.items():
        result[name] = value
        if name == "subnet":
            result["%subnet"] = subnets.get(str(value), "")
    return result


def interface_row(
    name: str, device: str, address: str, kind: str, gateways: tuple[str, ...]
) -> dict[str, object]:
    """Give an interface as the overview shows it."""
    return {
        "identifier": name, "description": name.upper(), "device": device, "enabled": True, "status": "up",
        "link_type": kind, "macaddr": f"00:0d:b9:4a:00:{len(device) + len(name):02x}", "addr4": address, "addr6": "",
        "ipv4": [{"ipaddr": address}] if address else [], "ipv6": [],
        "gateways": list(gateways), "routes": [], "is_physical": True,
    }  # fmt: skip
