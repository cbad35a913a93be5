"""ufw, read from its own files: `ufw status` starts Python and costs twenty times as much.

Seen with ufw 0.36.2. `prepend` is the only way to put a rule before a wider deny; `insert` skips an existing rule
without moving it, and refuses a number behind the last rule. It counts as /etc/ufw/user.rules does, with rules for
outgoing and forwarded packets. A rule with the very same target, whatever its action, is altered in place by
`allow`: somebody's deny of exactly this port is therefore a conflict and not overwritten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from plexops.drivers.answers import ROOT, failed
from plexops.drivers.base import Unrenderable
from plexops.drivers.host.base import FirewallState
from plexops.languages import LANGUAGES
from plexops.model.change import Action, Change
from plexops.model.entries import HostRule
from plexops.model.exchange import Command, Read, Reply, Write
from plexops.model.fields import FieldType, Typed
from plexops.model.resources.firewall_rule import FirewallRule
from plexops.model.snapshot import SOMEBODY, Entry, FactValue, Kind, KindState, Owner, Snapshot
from plexops.model.values import is_key
from plexops.parsers import PARSERS, ParseError

_TAG = "plexops:"
#: Where ufw puts a rule of ours, first in each.
CHAINS = ("ip filter ufw-user-input", "ip6 filter ufw6-user-input")


@dataclass(frozen=True, slots=True)
class Ufw:
    """The uncomplicated firewall of Debian and Ubuntu."""

    name: str = "ufw"
    chains: tuple[str, ...] = CHAINS

    def reads(self) -> tuple[Read, ...]:
        """Ask for the switch, the defaults and the rules."""
        return (
            Read("ufw.conf", Command("cat /etc/ufw/ufw.conf"), absent=frozenset({1})),
            Read("ufw.default", Command("cat /etc/default/ufw"), absent=frozenset({1})),
            Read("ufw.rules", Command("cat /etc/ufw/user.rules"), absent=frozenset({1})),
        )

    def understand(self, replies: Mapping[str, Reply]) -> FirewallState:
        """Give the lines of ufw's file in their order, and which of them are rules like ours."""
        conf, default, rules = (replies[name] for name in ("ufw.conf", "ufw.default", "ufw.rules"))
        if conf.status == 1 and "No such file" in conf.stderr:
            return FirewallState(KindState.ABSENT, reason="ufw is not installed")
        for reply in (conf, default, rules):
            if not reply.whole or reply.status != 0:
                return FirewallState(KindState.UNKNOWN, reason=failed(reply, ROOT))
        try:
            enabled = str(_keys(conf).get("ENABLED", "")).lower() == "yes"
            policy = str(_keys(default).get("DEFAULT_INPUT_POLICY", "")).upper()
            rows = PARSERS["ufw_rules"](rules.body)
        except ParseError as reason:
            return FirewallState(KindState.UNKNOWN, reason=f"ufw's files are not understood: {reason}")
        silent = _silent(conf, policy, rules)
        if silent:
            return FirewallState(KindState.UNKNOWN, reason=silent)
        entries = _entries(rows if isinstance(rows, list) else [])
        facts: dict[str, tuple[FactValue, str]] = {
            "firewall.kind": ("ufw", "server.ufw.conf"),
            "firewall.active": (enabled, "server.ufw.conf"),
        }
        return FirewallState(KindState.PRESENT, MappingProxyType(facts), entries)

    def writes(self, change: Change, now: Snapshot) -> tuple[Write, ...]:
        """Allow or take back TCP to one port: before all other rules, or where our rule was before."""
        source = change.want or (change.before.values if change.before is not None else None)
        if not isinstance(source, FirewallRule):
            raise Unrenderable("no port is known for the rule")
        delete = Write(Command(f"ufw --force delete {_allow(source.port)}"))
        if change.action is Action.DELETE:
            return (delete,)
        stranger = _same_target(now, source.port)
        if stranger is not None:
            raise Unrenderable(
                f"a rule of yours, “{stranger.label}”, has exactly this target, and ufw would overwrite it: "
                f"remove it by hand (sudo ufw status numbered; sudo ufw delete NUMBER)"
            )
        comment = _quote(FieldType.TEXT, f"{_TAG}{change.key}")
        rule = f"{_allow(source.port)} comment {comment}"
        if change.action is Action.CREATE:
            return (Write(Command(f"ufw {_place(change, now)}{rule}")),)
        delete = Write(Command(f"ufw --force delete {_allow(_first_of_all(change))}"))
        return (delete, Write(Command(f"ufw prepend {rule}")))


def _silent(conf: Reply, policy: str, rules: Reply) -> str:
    """Give what the files leave open. What nobody said is not taken for "off" or "no rules"."""
    if "ENABLED" not in _keys(conf):
        return "/etc/ufw/ufw.conf does not say whether ufw is on"
    if not policy:
        return "/etc/default/ufw does not say what becomes of incoming packets"
    return "" if rules.body.strip() else "/etc/ufw/user.rules is empty: ufw never leaves it so"


def _allow(port: int) -> str:
    return f"allow in proto tcp from any to any port {_quote(FieldType.PORT, port)}"


def _place(change: Change, now: Snapshot) -> str:
    """Say where our rule goes: on top, or back to its place among the others, with a space behind."""
    if not change.at:
        return "prepend "
    others = len(now.of(Kind.HOST_RULE))
    # Rendered before our rule is deleted, for the server's own undo, the rules still count it.
    others -= sum(e.owner.key == change.key for e in now.of(Kind.FIREWALL_RULE))
    return f"insert {change.at + 1} " if change.at < others else ""


def _first_of_all(change: Change) -> int:
    """Give the port of our rule as it is. Only from the top can it be taken and put back to the very same place."""
    before = change.before
    if before is None or not isinstance(before.values, FirewallRule):
        raise Unrenderable("our rule is not known")
    if before.position != 0:
        raise Unrenderable(
            "our rule stands behind others, and its place could not be put back: "
            f"take it off by hand (sudo ufw delete {_allow(before.values.port)})"
        )
    return before.values.port


def _quote(kind: FieldType, value: str | int) -> str:
    return LANGUAGES["posix"].quote(Typed(kind, value))


def _keys(reply: Reply) -> Mapping[str, Any]:
    parsed = PARSERS["keyvalue"](reply.body)
    return parsed if isinstance(parsed, Mapping) else {}


def _entries(rows: Sequence[Any]) -> tuple[Entry, ...]:
    entries: list[Entry] = []
    for position, row in enumerate(rows):
        label = row.get("comment") or f"{row['action']} {row['dport']}/{row['protocol']} from {row['src']}"
        tag = str(row.get("comment") or "")
        key = tag.removeprefix(_TAG) if tag.startswith(_TAG) else ""
        owner = Owner(key) if is_key(key) else SOMEBODY
        raw = {name: str(value) for name, value in row.items()}
        inward = row.get("direction", "in") == "in" and row.get("route") != "1"
        port = _port_for_everybody(row) if inward else None
        line = HostRule(row["action"], port)
        handle, exhibit = str(position), "server.ufw.rules"
        entries.append(Entry(Kind.HOST_RULE, line, raw, owner, handle, exhibit, position, label))
        if inward and port is not None and row["action"] == "allow":
            values = FirewallRule(port)
            entries.append(Entry(Kind.FIREWALL_RULE, values, raw, owner, handle, exhibit, position, label))
    return tuple(entries)


def _port_for_everybody(row: Mapping[str, Any]) -> int | None:
    """Give the port of a line about TCP to one port, from everybody to everywhere; None for any other."""
    anybody = all(row[side] in ("any", "0.0.0.0/0") for side in ("src", "dst"))
    narrowed = row["protocol"] != "tcp" or row.get("interface_in") or row.get("sport", "any") != "any"
    if not anybody or narrowed or not str(row["dport"]).isdigit():
        return None
    return int(row["dport"])


def _same_target(now: Snapshot, port: int) -> Entry | None:
    lines = (entry for entry in now.of(Kind.HOST_RULE) if not entry.owner.ours)
    return next((entry for entry in lines if entry.values.port == port), None)
