"""A firewall row of RouterOS as rules: what it does, and why it is not in force. Source: MikroTik's manual (NAT, filter,
mangle, raw).

Mostly one row is one rule. A one-to-one mapping of a network (`netmap`) and a range of inner ports are several: what
becomes of a packet depends on the address or the port that it asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from plexops.drivers.rulesets.base import addresses_of
from plexops.drivers.rulesets.routeros_matches import Reading, matches_of, ports_of
from plexops.drivers.rulesets.routeros_places import is_disabled, is_invalid
from plexops.model import packets
from plexops.model.intervals import Numbers, single, size
from plexops.model.matches import AddressIn, Match, Other, Side
from plexops.model.packets import Effect, LocalAddress, Rule, TranslateDestination, UnknownEffect, Verdict
from plexops.structs import replace

_GO_ON = (Verdict.CONTINUE,)
_PLAIN: Mapping[str, tuple[Effect, ...]] = {
    "accept": (Verdict.ACCEPT,),
    "drop": (Verdict.DROP,),
    # It answers the SYN itself and holds the connection: nothing of it goes on.
    "tarpit": (Verdict.DROP,),
    "reject": (Verdict.REJECT,),
    "return": (Verdict.RETURN,),
    "passthrough": _GO_ON,
    "log": _GO_ON,
    "fasttrack-connection": _GO_ON,
    # “No more rules are processed in that chain (the exception is the passthrough action).”
    "notrack": (packets.NoTracking(), Verdict.ACCEPT),
    "masquerade": (packets.TranslateSource(),),
}
#: They change what decides nothing here. `passthrough=no` ends the chain behind them, as behind a mark.
_CHANGES = frozenset(
    {"change-dscp", "change-mss", "clear-df", "set-priority", "strip-ipv4-options", "sniff-pc", "sniff-tzsp"}
)
#: A lower time to live may end a packet's way.
_LEAST_TTL = 32
_NOTHING = frozenset({"", "0.0.0.0", "0.0.0.0/0", "::", "::/0", "::/128"})  # noqa: S104 - the default, no bind
_NOT_SHOWN = frozenset({"log", "log-prefix", "bytes", "packets", "comment"})
_Does = tuple[tuple[Match, ...], tuple[Effect, ...]]


def rules_of(
    row: Mapping[str, str], table: str, reading: Reading, own: tuple[LocalAddress, ...]
) -> tuple[Rule, ...]:
    """Give a row's rules. `own`: the router's addresses, for what maps one network onto another."""
    words = words_of(row)
    if ".odd" in row or not row.get("chain"):
        words = row.get(".odd", words).strip()
        does: list[_Does] = [((Match(Other(words), words=words),), (UnknownEffect(words),))]
    else:
        matches, action = matches_of(row, reading), row.get("action") or "accept"
        mapped = _netmap(row, reading, own) if (action, row["chain"]) == ("netmap", "dstnat") else ()
        does = [((*matches, here), (to,)) for here, to in mapped]
        does.append((matches, _effects(row, action, table, reading)))
    name, handle = row.get(".comment") or row.get("comment", ""), row.get(".id", "")
    given = (words, name, handle, row.get(".exhibit", ""), _off(row))
    return tuple(Rule(matches, effects, *given) for matches, effects in does)


def words_of(row: Mapping[str, str]) -> str:
    """Write a row as an export does: by name, without what is empty or logs."""
    shown = (key for key in sorted(row) if row[key] and key[0] not in ".!" and key not in _NOT_SHOWN)
    return " ".join(f"{key}={_quoted(row[key])}" for key in shown)


def _quoted(value: str) -> str:
    return value if re.fullmatch(r"[^\s;\"]+", value) else '"' + value.replace('"', '\\"') + '"'


def _off(row: Mapping[str, str]) -> str:
    if is_disabled(row):
        return "disabled"
    if why := row.get(".invalid"):
        return f"invalid: {why}"
    return "the router calls it invalid" if is_invalid(row) else ""


def _effects(row: Mapping[str, str], action: str, table: str, reading: Reading) -> tuple[Effect, ...]:
    """Give what the action does; what is not modelled is an unknown effect in the row's words."""
    try:
        found = _PLAIN.get(action) or _modelled(row, action, table, reading)
    except (KeyError, ValueError):
        found = None
    return found or (UnknownEffect(words_of(row)),)


def _modelled(row: Mapping[str, str], action: str, table: str, reading: Reading) -> tuple[Effect, ...] | None:
    passes = _GO_ON if row.get("passthrough") not in ("no", "false") else (Verdict.ACCEPT,)
    match action:
        case "jump":
            return (packets.Jump(chain_id(reading.family, table, row["jump-target"])),)
        case "add-src-to-address-list" | "add-dst-to-address-list":
            side = Side.SOURCE if "src" in action else Side.DESTINATION
            return (packets.AddToSet(side, reading.set_name(row["address-list"])), Verdict.CONTINUE)
        case "mark-packet":
            return (packets.NameMark(_mark(row["new-packet-mark"]), "packet"), *passes)
        case "mark-connection":
            return (packets.NameMark(_mark(row["new-connection-mark"]), "connection"), *passes)
        case "mark-routing" if row["new-routing-mark"] == "main":
            return passes
        case "change-ttl":
            word, _, number = row["new-ttl"].partition(":")
            far = word == "increment" or (word == "set" and int(number) >= _LEAST_TTL)
            return passes if far else None
        case "redirect":
            return _destination(row, None, redirect=True)
        case "dst-nat" | "src-nat" | "netmap" | "same":
            # The last two translate what their chain translates; a chain of the owner's may be entered from both.
            what = {"dst-nat": "dstnat", "src-nat": "srcnat"}.get(action, row["chain"])
            targets = _targets(row, reading)
            if what == "dstnat":
                return _destination(row, targets, redirect=False)
            return (packets.TranslateSource(targets),) if what == "srcnat" and targets is not None else None
    return passes if action in _CHANGES else None


def chain_id(family: int, table: str, chain: str) -> str:
    """Name a chain: `filter forward`, `ipv6 filter forward`."""
    return f"{table} {chain}" if family == 4 else f"ipv6 {table} {chain}"


def _mark(name: str) -> str:
    return "" if name == "no-mark" else name


def _targets(row: Mapping[str, str], reading: Reading) -> Numbers | None:
    """Give `to-addresses`; None where the address stays (its default is 0.0.0.0)."""
    text = row.get("to-addresses") or row.get("to-address", "")
    return None if text in _NOTHING else addresses_of(text, reading.family)


def _destination(
    row: Mapping[str, str], targets: Numbers | None, *, redirect: bool
) -> tuple[TranslateDestination] | None:
    """Translate the destination. How RouterOS picks a port out of several was not tried.

    Where outer and inner ports are the same ones every reading keeps the port; all else is not known.
    """
    ports = ports_of(row["to-ports"]) if row.get("to-ports") else None
    if ports is not None and single(ports) is None:
        outer = row.get("dst-port", "")
        if outer.startswith("!") or not outer or ports_of(outer) != ports or len(ports) > 1:
            return None
    return (TranslateDestination(targets, ports, to_itself=redirect),)


def _netmap(
    row: Mapping[str, str], reading: Reading, own: tuple[LocalAddress, ...]
) -> Iterator[tuple[Match, TranslateDestination]]:
    """“A static 1:1 mapping of one set of addresses to another one”: the host's part of the address stays."""
    try:
        targets = _targets(row, reading)
        whole = _destination(row, targets, redirect=False)
    except ValueError:
        return
    is_network = "/" in (row.get("to-addresses") or row.get("to-address", ""))
    if targets is None or whole is None or not is_network or (count := size(targets)) == 1:
        return
    for address in own:
        if address.family == reading.family:
            number = targets[0][0] + address.number % count
            here = AddressIn(Side.DESTINATION, reading.family, ((address.number, address.number),))
            yield Match(here), replace(whole[0], addresses=((number, number),))
