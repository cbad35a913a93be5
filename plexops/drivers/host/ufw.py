"""ufw, read from its own files: `ufw status` starts Python and costs twenty times as much.

Seen with ufw 0.36.2. `prepend` is the only way to put a rule before a wider deny; `insert` skips an existing rule
without moving it, and refuses a number behind the last rule. It counts as /etc/ufw/user.rules does, with rules for
outgoing and forwarded packets. A rule with the very same target, whatever its action, is altered in place by
`allow`: somebody's deny of exactly this port is therefore a conflict and not overwritten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from types import MappingProxyType
from typing import Any

from plexops.drivers.base import Unrenderable
from plexops.drivers.host.base import FirewallState
from plexops.languages import LANGUAGES
from plexops.model.change import Action, Change
from plexops.model.entries import FilterRule, FilterVerdict
from plexops.model.exchange import Command, Read, Reply, Write
from plexops.model.fields import FieldType, Typed
from plexops.model.resources.firewall_rule import FirewallRule
from plexops.model.snapshot import SOMEBODY, Entry, FactValue, Kind, KindState, Owner, Snapshot
from plexops.model.values import Ports, Protocol, is_key
from plexops.parsers import PARSERS, ParseError

_TAG = "plexops:"
_CHAIN = "input"
#: IPv6 has chains of its own. Their entries stand behind the others, so that what counts rules counts IPv4's alone.
_CHAIN6 = "input6"
#: The handle of the default, which comes after all rules: its position is their number.
_POLICY = "policy"
_POLICY6 = "policy6"
#: Positions of IPv6's rules start here: ufw never holds so many rules.
_BEHIND = 1_000_000
_VERDICTS: Mapping[str, FilterVerdict] = MappingProxyType(
    {
        "allow": FilterVerdict.ACCEPT,
        "limit": FilterVerdict.ACCEPT,
        "deny": FilterVerdict.DROP,
        "reject": FilterVerdict.REJECT,
    }
)


@dataclass(frozen=True, slots=True)
class Ufw:
    """The uncomplicated firewall of Debian and Ubuntu."""

    name: str = "ufw"

    def reads(self) -> tuple[Read, ...]:
        """Ask for the switch, the defaults and the rules."""
        return (
            Read("ufw.conf", Command("cat /etc/ufw/ufw.conf"), absent=frozenset({1})),
            Read("ufw.default", Command("cat /etc/default/ufw"), absent=frozenset({1})),
            Read("ufw.rules", Command("cat /etc/ufw/user.rules"), absent=frozenset({1})),
        )

    def thorough_reads(self) -> tuple[Read, ...]:
        """Ask for the rules over IPv6 as well: no change of ours rests on them."""
        return (Read("ufw.rules6", Command("cat /etc/ufw/user6.rules"), absent=frozenset({1})),)

    def understand(self, replies: Mapping[str, Reply]) -> FirewallState:
        """Make the rules that ufw walks for incoming packets, in its order, with the default as the last."""
        conf, default, rules = (replies[name] for name in ("ufw.conf", "ufw.default", "ufw.rules"))
        if conf.status == 1 and "No such file" in conf.stderr:
            return FirewallState(KindState.ABSENT, reason="ufw is not installed")
        for reply in (conf, default, rules):
            if not reply.whole or reply.status != 0:
                said = reply.stderr.strip().splitlines()
                return FirewallState(
                    KindState.UNKNOWN, reason=f"{reply.id}: {said[0] if said else 'no answer'}"
                )
        try:
            enabled = str(_keys(conf).get("ENABLED", "")).lower() == "yes"
            policy = str(_keys(default).get("DEFAULT_INPUT_POLICY", "")).upper()
            rows = PARSERS["ufw_rules"](rules.body)
        except ParseError as reason:
            return FirewallState(KindState.UNKNOWN, reason=f"ufw's files are not understood: {reason}")
        silent = _silent(conf, policy, rules)
        if silent:
            return FirewallState(KindState.UNKNOWN, reason=silent)
        entries = _entries(rows if isinstance(rows, list) else [], policy)
        facts: dict[str, tuple[FactValue, str]] = {
            "firewall.kind": ("ufw", "server.ufw.conf"),
            "firewall.active": (enabled, "server.ufw.conf"),
        }
        over_v6 = replies.get("ufw.rules6")
        if over_v6 is not None:
            entries += _entries6(default, over_v6, policy)
            if over_v6.whole and over_v6.status in (0, 1):
                facts["firewall.ipv6"] = (over_v6.status == 0, "server.ufw.rules6")
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
                f"somebody's rule “{stranger.label}” has exactly this target, and ufw would overwrite it: "
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
    others = sum(e.position for e in now.of(Kind.FILTER_RULE) if e.handle == _POLICY)
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


def _entries(rows: Sequence[Any], policy: str) -> tuple[Entry, ...]:
    entries: list[Entry] = []
    for position, row in enumerate(rows):
        if not _is_inward(row):
            continue
        label = row.get("comment") or f"{row['action']} {row['dport']}/{row['protocol']} from {row['src']}"
        tag = str(row.get("comment") or "")
        key = tag.removeprefix(_TAG) if tag.startswith(_TAG) else ""
        owner = Owner(key) if is_key(key) else SOMEBODY
        raw = {name: str(value) for name, value in row.items()}
        rule = _rule(row)
        entries.append(
            Entry(Kind.FILTER_RULE, rule, raw, owner, str(position), "server.ufw.rules", position, label)
        )
        if rule is not None and _admits_everybody(row):
            single = None if rule.ports is None else rule.ports.single
            values = None if single is None else FirewallRule(single)
            entries.append(
                Entry(
                    Kind.FIREWALL_RULE, values, raw, owner, str(position), "server.ufw.rules", position, label
                )
            )
    verdict = FilterVerdict.ACCEPT if policy == "ACCEPT" else FilterVerdict.DROP
    last = FilterRule(chain=_CHAIN, base=True, verdict=verdict, family=4)
    raw = {"policy": policy}
    entries.append(
        Entry(Kind.FILTER_RULE, last, raw, SOMEBODY, _POLICY, "server.ufw.default", len(rows), "default")
    )
    return tuple(entries)


def _is_inward(row: Mapping[str, Any]) -> bool:
    return row.get("direction", "in") == "in" and row.get("route") != "1"


def _rule(row: Mapping[str, Any]) -> FilterRule | None:
    """Make one rule; None where it cannot be understood."""
    try:
        protocol = {"tcp": Protocol.TCP, "udp": Protocol.UDP, "any": None}[row["protocol"]]
        return FilterRule(
            chain=_CHAIN,
            base=True,
            verdict=_VERDICTS[row["action"]],
            protocol=protocol,
            ports=None if row["dport"] == "any" else Ports.parse(row["dport"]),
            destination=None if row["dst"] in ("any", "0.0.0.0/0") else IPv4Network(row["dst"], strict=False),
            source=None if row["src"] in ("any", "0.0.0.0/0") else IPv4Network(row["src"], strict=False),
            in_interfaces=(row["interface_in"],) if row.get("interface_in") else None,
            family=4,
            understood=row.get("sport", "any") == "any",
        )
    except (KeyError, ValueError):
        return None


def _entries6(default: Reply, rules: Reply, policy: str) -> tuple[Entry, ...]:
    """Make the rules over IPv6, with the default as the last. Where they are unknown, that one says so."""
    switch = str(_keys(default).get("IPV6", "")).lower()
    verdict = FilterVerdict.ACCEPT if policy == "ACCEPT" else FilterVerdict.DROP
    # /etc/default/ufw: "no means only IPv6 on loopback accepted".
    read: Sequence[Any] | None = () if switch == "no" else _rows6(rules)
    if switch == "no":
        verdict = FilterVerdict.DROP
    known = switch in ("yes", "no") and read is not None
    rows = read or ()
    entries = [_entry6(position, row) for position, row in enumerate(rows) if _is_inward(row)]
    last = FilterRule(_CHAIN6, base=True, verdict=verdict, family=6, understood=known)
    raw = {"policy": policy, "IPV6": switch}
    at = _BEHIND + len(rows)
    label = "default over IPv6" if known else "rules over IPv6, which are not known"
    entries.append(Entry(Kind.FILTER_RULE, last, raw, SOMEBODY, _POLICY6, "server.ufw.default", at, label))
    return tuple(entries)


def _rows6(rules: Reply) -> Sequence[Any] | None:
    if not rules.whole or rules.status != 0 or not rules.body.strip():
        return None
    try:
        rows = PARSERS["ufw_rules"](rules.body)
    except ParseError:
        return None
    return rows if isinstance(rows, list) else None


def _entry6(position: int, row: Mapping[str, Any]) -> Entry:
    raw = {name: str(value) for name, value in row.items()}
    label = row.get("comment") or f"{row['action']} {row['dport']}/{row['protocol']} from {row['src']}"
    handle = f"v6:{position}"
    return Entry(
        Kind.FILTER_RULE, _rule6(row), raw, SOMEBODY, handle, "server.ufw.rules6", _BEHIND + position, label
    )


def _rule6(row: Mapping[str, Any]) -> FilterRule:
    """Make one rule over IPv6. What these fields cannot hold, an IPv6 network above all, leaves open if it matches."""
    everywhere = {"any", "::/0"}
    plain = row["src"] in everywhere and row["dst"] in everywhere and row.get("sport", "any") == "any"
    protocols = {"tcp": Protocol.TCP, "udp": Protocol.UDP}
    try:
        ports = None if row["dport"] == "any" else Ports.parse(row["dport"])
    except ValueError:
        ports, plain = None, False
    return FilterRule(
        chain=_CHAIN6,
        base=True,
        verdict=_VERDICTS[row["action"]],
        protocol=None if row["protocol"] == "any" else protocols.get(row["protocol"], Protocol.OTHER),
        ports=ports,
        in_interfaces=(row["interface_in"],) if row.get("interface_in") else None,
        family=6,
        understood=plain,
    )


def _admits_everybody(row: Mapping[str, Any]) -> bool:
    anybody = row["src"] in ("any", "0.0.0.0/0") and row["dst"] in ("any", "0.0.0.0/0")
    return anybody and row["action"] == "allow" and row["protocol"] == "tcp" and not row.get("interface_in")


def _same_target(now: Snapshot, port: int) -> Entry | None:
    for entry in now.of(Kind.FILTER_RULE):
        rule: FilterRule | None = entry.values
        if rule is None or entry.owner.ours or entry.handle == _POLICY:
            continue
        narrowed = rule.source is not None or rule.destination is not None or rule.in_interfaces is not None
        everybody = not narrowed and rule.understood
        if (
            everybody
            and rule.protocol is Protocol.TCP
            and rule.ports is not None
            and rule.ports.single == port
        ):
            return entry
    return None
