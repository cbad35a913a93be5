"""ufw, read from its own files: `ufw status` starts Python and costs twenty times as much.

Seen with ufw 0.36.2. `prepend` is the only way to put a rule before a wider deny; `insert` skips an existing rule
without moving it, and refuses a number behind the last rule. It counts as /etc/ufw/user.rules does, with rules for
outgoing and forwarded packets. `to 0.0.0.0/0` writes a rule of IPv4 alone, `to ::/0` one of IPv6, and `to any` both,
which either of the others then takes away. A rule with the very same target, whatever its action, is altered in place
by `allow`: another's deny of exactly this port is therefore a conflict and not overwritten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from plexops.drivers.answers import ROOT, failed
from plexops.drivers.base import Unrenderable
from plexops.drivers.server import firewall
from plexops.model.change import Action, Change
from plexops.model.entries import HostRule
from plexops.model.exchange import Command, Read, Reply, Write
from plexops.model.resources.firewall_rule import FirewallRule
from plexops.model.site import HostFirewall
from plexops.model.snapshot import Entry, Kind, KindState, Snapshot
from plexops.parsers.base import ParseError, Row
from plexops.parsers.plain import parse_keyvalue
from plexops.parsers.ufw import parse_ufw_rules

#: The member of `Entry.raw` that says where the twin of IPv6 stands in its own file.
_AT6 = "position of its twin"
#: Where ufw puts a rule, first in each; one of ours in the first alone.
_CHAINS: Mapping[str, tuple[str, ...]] = {
    "firewall_rule": ("ip filter ufw-user-input",),
    "firewall_rule over IPv6": ("ip6 filter ufw6-user-input",),
}
_READS = tuple(
    Read(name, Command(f"cat {path}"), absent=frozenset({1}))
    for name, path in (
        ("ufw.conf", "/etc/ufw/ufw.conf"),
        ("ufw.default", "/etc/default/ufw"),
        ("ufw.rules", "/etc/ufw/user.rules"),
        ("ufw.rules6", "/etc/ufw/user6.rules"),
    )
)


class Ufw(Struct, frozen=True):
    """ufw as one of the firewalls that a host may have."""

    word: HostFirewall = HostFirewall.UFW
    reads: tuple[Read, ...] = _READS
    look: str = "cat /etc/ufw/user.rules ; cat /etc/ufw/user6.rules"

    def observe(self, host: firewall.Host) -> firewall.Reading:
        """Understand its files, which the first round read: its lines in their order, and which are rules like ours."""
        yield from ()
        conf, default, rules, rules6 = (host.replies[read.id] for read in self.reads)
        if conf.status == 1 and "No such file" in conf.stderr:
            return firewall.FirewallState(KindState.ABSENT, reason="ufw is not installed")
        for reply in (conf, default, rules, rules6):
            if not reply.whole or reply.status != 0:
                return _unknown(failed(reply, ROOT))
        try:
            switch, defaults = parse_keyvalue(conf.body), parse_keyvalue(default.body)
            off = str(defaults.get("IPV6", "")).lower() == "no"
            rows, twins = parse_ufw_rules(rules.body), [] if off else parse_ufw_rules(rules6.body)
        except ParseError as reason:
            return _unknown(f"ufw's files are not understood: {reason}")
        if silent := _silent(switch, defaults, {"user.rules": rules, "user6.rules": rules6}):
            return _unknown(silent)
        enabled = str(switch["ENABLED"]).lower() == "yes"
        facts = firewall.facts_of("server.ufw.conf", kind="ufw", active=enabled)
        return firewall.FirewallState(KindState.PRESENT, facts, _entries(rows, twins), chains=_CHAINS)

    def writes(self, change: Change, now: Snapshot) -> tuple[Write, ...]:
        """Allow or take back TCP to one port: before all other rules, or where our rule was before.

        Raises Unrenderable.
        """
        source = firewall.wanted_rule(change)
        if change.action is Action.DELETE:
            return (_delete(source),)
        narrowed = _alters_ipv6_alone(change, source)
        if narrowed:
            return (narrowed,)
        lines = (entry for entry in now.held(HostRule) if not entry.owner.ours)
        stranger = next((entry for entry in lines if entry.values.port == source.port), None)
        if stranger is not None:
            raise Unrenderable(
                f"a rule of yours, “{stranger.label}”, has exactly this target, and ufw would overwrite it: "
                f"remove it by hand (sudo ufw status numbered; sudo ufw delete NUMBER)"
            )
        rule = f"{_allow(source)}{_comment(change)}"
        if change.action is Action.CREATE:
            return (Write(Command(f"ufw {_place(change, now)}{rule}")),)
        return (_delete(_first_of_all(change)), Write(Command(f"ufw prepend {rule}")))


def _unknown(reason: str) -> firewall.FirewallState:
    return firewall.FirewallState(KindState.UNKNOWN, reason=reason, chains=_CHAINS)


def _silent(switch: Row, defaults: Row, rules: Mapping[str, Reply]) -> str:
    """Give what the files leave open. What is not said is not taken for "off" or "no rules"."""
    if "ENABLED" not in switch:
        return "/etc/ufw/ufw.conf does not say whether ufw is on"
    if not defaults.get("DEFAULT_INPUT_POLICY"):
        return "/etc/default/ufw does not say what becomes of incoming packets"
    empty = [name for name, reply in rules.items() if not reply.body.strip()]
    return f"/etc/ufw/{empty[0]} is empty: ufw never leaves it so" if empty else ""


def _allow(rule: FirewallRule, to: str = "") -> str:
    to = to or ("any" if rule.over_ipv6 else "0.0.0.0/0")
    return f"allow in proto tcp from any to {to} port {firewall.quote(rule.port)}"


def _delete(rule: FirewallRule, to: str = "") -> Write:
    return Write(Command(f"ufw --force delete {_allow(rule, to)}"))


def _comment(change: Change) -> str:
    return f" comment {firewall.quote(f'{firewall.TAG}{change.key}')}"


def _alters_ipv6_alone(change: Change, want: FirewallRule) -> Write | None:
    """Take the twin of IPv6 from a rule of ours that an earlier version made, or give it back; None for all else."""
    had = None if change.before is None else change.before.values
    if change.action is not Action.UPDATE or not isinstance(had, FirewallRule) or had == want:
        return None
    if had.port != want.port:
        return None
    if want.over_ipv6:
        return Write(Command(f"ufw prepend {_allow(want, '::/0')}{_comment(change)}"))
    _first_of_all(change, ipv4=False)
    return _delete(want, "::/0")


def _place(change: Change, now: Snapshot) -> str:
    """Say where our rule goes: on top, or back to its place among the others, with a space behind."""
    if not change.at:
        return "prepend "
    others = len(now.of(Kind.HOST_RULE))
    # Rendered before our rule is deleted, for the server's own undo, the rules still count it.
    others -= sum(e.owner.key == change.key for e in now.of(Kind.FIREWALL_RULE))
    return f"insert {change.at + 1} " if change.at < others else ""


def _first_of_all(change: Change, *, ipv4: bool = True) -> FirewallRule:
    """Give our rule as it is. Only from the top can it be taken and put back to the very same place."""
    before = change.before
    if before is None or not isinstance(before.values, FirewallRule):
        raise Unrenderable("our rule is not known")
    if (ipv4 and before.position != 0) or before.raw.get(_AT6, "0") != "0":
        raise Unrenderable(
            "our rule stands behind others, and its place could not be put back: "
            f"take it off by hand (sudo ufw delete {_allow(before.values)})"
        )
    return before.values


def _entries(rows: Sequence[Any], twins: Sequence[Any]) -> tuple[Entry, ...]:
    entries: list[Entry] = []
    for position, row in enumerate(rows):
        label = row.get("comment") or f"{row['action']} {row['dport']}/{row['protocol']} from {row['src']}"
        owner = firewall.owner_of(str(row.get("comment") or ""))
        raw = {name: str(value) for name, value in row.items()}
        inward = row.get("direction", "in") == "in" and row.get("route") != "1"
        port = _port_for_everybody(row) if inward else None
        line = HostRule(row["action"], port)
        handle, exhibit = str(position), "server.ufw.rules"
        entries.append(Entry(Kind.HOST_RULE, line, raw, owner, handle, exhibit, position, label))
        if inward and port is not None and row["action"] == "allow":
            at6 = _twin(row, port, twins)
            values = FirewallRule(port, over_ipv6=at6 is not None)
            raw = {**raw, _AT6: str(at6)} if at6 is not None and owner.ours else raw
            entries.append(Entry(Kind.FIREWALL_RULE, values, raw, owner, handle, exhibit, position, label))
    return tuple(entries)


def _twin(row: Mapping[str, Any], port: int, twins: Sequence[Any]) -> int | None:
    """Give the place of the rule of IPv6 that does the same and bears the same comment; None where there is none."""
    alike = ("action", "direction", "route", "comment")
    places = (
        place
        for place, twin in enumerate(twins)
        if all(row.get(name) == twin.get(name) for name in alike) and _port_for_everybody(twin) == port
    )
    return next(places, None)


def _port_for_everybody(row: Mapping[str, Any]) -> int | None:
    """Give the port of a line about TCP to one port, from everybody to everywhere; None for any other."""
    anybody = all(row[side] in ("any", "0.0.0.0/0", "::/0") for side in ("src", "dst"))
    narrowed = row["protocol"] != "tcp" or row.get("interface_in") or row.get("sport", "any") != "any"
    if not anybody or narrowed or not str(row["dport"]).isdigit():
        return None
    return int(row["dport"])
