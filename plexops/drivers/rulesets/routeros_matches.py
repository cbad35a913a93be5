"""What a firewall row of RouterOS tests, field by field. Source: MikroTik's manual, “Common Firewall Matchers and Actions”.

Three kinds of fields: modelled (`_READERS`), harmless (`_HARMLESS`: they say what the action does, or count), and all
others, which may hold or not. A value that its field's reader does not understand is of the last kind, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from plexops.model.intervals import Numbers, network, normalise, unite
from plexops.model.packets import (
    AddressIn,
    AddressIs,
    AddressKind,
    AnyOf,
    ConnectionsWithin,
    Family,
    FlagsAre,
    InterfaceIs,
    MacIn,
    MarkNamed,
    Match,
    Other,
    PortIn,
    ProtocolIs,
    RateWithin,
    SetHas,
    Side,
    State,
    StateIs,
    Test,
    TimeIs,
    TranslatedIs,
)

_SRC, _DST = Side.SOURCE, Side.DESTINATION
#: Whose rows say `dst-port`, `src-port`, `port` (the manual says tcp and udp, the console names these five).
_WITH_PORTS = frozenset({"tcp", "udp", "udp-lite", "dccp", "sctp"})
_NUMBERS = {"1": "icmp", "6": "tcp", "17": "udp", "47": "gre", "58": "icmpv6", "132": "sctp"}
_FLAGS = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32}
_ALL_DAYS = frozenset({"sun", "mon", "tue", "wed", "thu", "fri", "sat"})
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
#: A reference to what is no longer there is shown as its number.
_DANGLING = re.compile(r"\*[0-9A-F]+")
_MAC = re.compile(r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}")
CLASSES = ("all-ethernet", "all-ppp", "all-vlan", "all-wireless")

#: What an action needs, what is counted or logged, and how a row is named.
_HARMLESS = frozenset({
    "action", "chain", "comment", "disabled", "invalid", "dynamic", "bytes", "packets", "creation-time", "log",
    "log-prefix", "passthrough", "hw-offload", "jump-target", "to-addresses", "to-address", "to-ports",
    "same-not-by-dst", "randomise-ports", "randomize-port", "reject-with", "address-list", "address-list-timeout",
    "new-packet-mark", "new-connection-mark", "new-routing-mark", "new-mss", "new-dscp", "new-ttl", "new-priority",
    "sniff-target", "sniff-target-port", "sniff-id", "route-dst",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reading:
    """With what the rows of one menu are read.

    `unsure`: for each class of interfaces those of which the manual does not say whether they belong to it.
    """

    family: Family
    unsure: Mapping[str, tuple[str, ...]]

    def set_name(self, name: str) -> str:
        """Give an address list's name in the box: both families have their own lists."""
        return name if self.family == 4 else f"{name} (IPv6)"


def matches_of(row: Mapping[str, str], reading: Reading) -> tuple[Match, ...]:
    """Give what must hold for a row, the protocol first: ports and flags mean nothing without it."""
    found: list[Match] = []
    if "protocol" not in row and row.keys() & {"dst-port", "src-port", "port", "tcp-flags"}:
        found.append(Match(ProtocolIs(_WITH_PORTS), words="ports"))
    for key in sorted(row, key=lambda name: name != "protocol"):
        value = row[key]
        if value and key[0] not in ".!" and key not in _HARMLESS:
            match = _match(key, value, reading)
            if match is not None:
                found.append(match)
    return tuple(found)


def _match(key: str, value: str, reading: Reading) -> Match | None:
    """Read one field; None where it always holds."""
    words = f"{key}={value}"
    reader = _READERS.get(key)
    if reader is None:
        return Match(Other(words), words=words)
    negated = value.startswith("!") and key not in _OWN_NEGATION
    try:
        test = reader(value[1:] if negated else value, reading)
    except ValueError:
        return Match(Other(words), words=words)
    if test is None:
        return Match(AnyOf(()), words=words) if negated else None
    return Match(test, negated, words)


def ports_of(text: str) -> Numbers:
    """Read `80,443,5000-5010`; raises ValueError."""
    found: list[tuple[int, int]] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        low, high = int(first), int(last or first)
        if not 0 <= low <= high <= 65535:
            raise ValueError(part)
        found.append((low, high))
    return normalise(found)


def addresses_of(text: str, family: Family) -> Numbers:
    """Read addresses, networks and ranges of one family; raises ValueError."""
    found: Numbers = ()
    for part in text.split(","):
        version, numbers = network(part.strip())
        if version != family:
            raise ValueError(part)
        found = unite(found, numbers)
    return found


def _words(value: str, known: frozenset[str]) -> frozenset[str]:
    words = frozenset(value.split(","))
    if not words <= known:
        raise ValueError(value)
    return words


def _protocol(value: str, _: Reading) -> Test:
    if not _NAME.fullmatch(value):
        raise ValueError(value)
    return ProtocolIs(frozenset({_NUMBERS.get(value, value)}))


def _address(side: Side) -> Callable[[str, Reading], Test]:
    return lambda value, reading: AddressIn(side, reading.family, addresses_of(value, reading.family))


def _listed(side: Side) -> Callable[[str, Reading], Test]:
    return lambda value, reading: SetHas(side, reading.set_name(value))


def _kind(side: Side) -> Callable[[str, Reading], Test]:
    def read(value: str, _: Reading) -> Test:
        words = value.split(",")
        known = {kind.value: kind for kind in AddressKind}
        unknown = ",".join(word for word in words if word not in known)
        return AddressIs(side, frozenset(known[word] for word in words if word in known), unknown)

    return read


def _port(side: Side) -> Callable[[str, Reading], Test]:
    return lambda value, _: PortIn(side, ports_of(value))


def _any_port(value: str, _: Reading) -> Test:
    numbers = ports_of(value)
    return AnyOf(tuple((Match(PortIn(side, numbers)),) for side in (_SRC, _DST)))


def _interface(side: Side) -> Callable[[str, Reading], Test]:
    def read(value: str, reading: Reading) -> Test:
        if _DANGLING.fullmatch(value):
            raise ValueError(value)
        if value not in CLASSES:
            return InterfaceIs(side, (value,))
        sure = InterfaceIs(side, (f"%{value}",))
        doubtful = reading.unsure.get(value, ())
        if not doubtful:
            return sure
        perhaps = (Match(InterfaceIs(side, doubtful)), Match(Other(f"{side}: {value}")))
        return AnyOf(((Match(sure),), perhaps))

    return read


def _interface_list(side: Side) -> Callable[[str, Reading], Test]:
    def read(value: str, _: Reading) -> Test:
        if _DANGLING.fullmatch(value):
            raise ValueError(value)
        return InterfaceIs(side, () if value == "none" else ("*",) if value == "all" else (f"@{value}",))

    return read


def _states(value: str, _: Reading) -> Test:
    return StateIs(frozenset(State(word) for word in value.split(",")))


def _nat_states(value: str, _: Reading) -> Test:
    sides = {"dstnat": _DST, "srcnat": _SRC}
    words = _words(value, frozenset(sides))
    tests = [TranslatedIs(sides[word]) for word in sorted(words)]
    return tests[0] if len(tests) == 1 else AnyOf(tuple((Match(test),) for test in tests))


def _mark(value: str, connection: bool) -> Test:
    if not value or "," in value:
        raise ValueError(value)
    return MarkNamed("" if value == "no-mark" else value, "connection" if connection else "packet")


def _tcp_flags(value: str, _: Reading) -> Test:
    """`syn,!ack`: the named bits, each with its own sign."""
    mask = bits = 0
    for word in value.split(","):
        bit = _FLAGS.get(word.removeprefix("!"))
        if bit is None:
            raise ValueError(word)
        mask |= bit
        bits |= 0 if word.startswith("!") else bit
    return FlagsAre(mask, bits)


def _seconds(text: str) -> float:
    number = re.fullmatch(r"(\d*)([smhd]?)", text)
    if number is None:
        raise ValueError(text)
    return float(number[1] or 1) * _UNITS[number[2]]


def _rate(value: str, words: str) -> RateWithin:
    """`RATE[/TIME],BURST…`: packets in a time (a second where none is named), and how many may come at once."""
    rate, _, rest = value.partition(",")
    count, _, time = rate.partition("/")
    burst = rest.partition(",")[0].partition(":")[0]
    seconds = _seconds(time) if time else 1.0
    if not seconds:
        raise ValueError(value)
    return RateWithin(int(count) * 60.0 / seconds, int(burst), False, words)


def _limit(value: str, _: Reading) -> Test:
    """`10/1m,5:packet`; what is counted in bits is not modelled."""
    if value.partition(":")[2] not in ("", "packet"):
        raise ValueError(value)
    return _rate(value, f"limit={value}")


def _dst_limit(value: str, _: Reading) -> Test:
    return _rate(value, f"dst-limit={value}")


def _connections(value: str, _: Reading) -> Test:
    """“Matches connections per address or address block after a given value is reached.”"""
    return ConnectionsWithin(int(value.partition(",")[0]), True, f"connection-limit={value}")


def _time(value: str, _: Reading) -> Test | None:
    hours, *days = value.split(",")
    if hours == "0s-1d" and _ALL_DAYS.issubset(days):
        return None
    return TimeIs(f"time={value}")


def _ipsec(value: str, _: Reading) -> Test | None:
    """A viewer's packets come and go outside every tunnel."""
    if value not in ("in,ipsec", "out,ipsec", "in,none", "out,none"):
        raise ValueError(value)
    return None if value.endswith("none") else AnyOf(())


def _mac(value: str, _: Reading) -> Test:
    if not _MAC.fullmatch(value):
        raise ValueError(value)
    return MacIn(frozenset({value.lower().replace("-", ":")}))


#: Fields in which `!` stands before single words.
_OWN_NEGATION = frozenset({"tcp-flags"})
_READERS: Mapping[str, Callable[[str, Reading], Test | None]] = {
    "protocol": _protocol,
    "src-address": _address(_SRC),
    "dst-address": _address(_DST),
    "src-address-list": _listed(_SRC),
    "dst-address-list": _listed(_DST),
    "src-address-type": _kind(_SRC),
    "dst-address-type": _kind(_DST),
    "src-port": _port(_SRC),
    "dst-port": _port(_DST),
    "port": _any_port,
    "in-interface": _interface(_SRC),
    "out-interface": _interface(_DST),
    "in-interface-list": _interface_list(_SRC),
    "out-interface-list": _interface_list(_DST),
    "connection-state": _states,
    "connection-nat-state": _nat_states,
    "connection-mark": lambda value, _: _mark(value, connection=True),
    "packet-mark": lambda value, _: _mark(value, connection=False),
    "tcp-flags": _tcp_flags,
    "limit": _limit,
    "dst-limit": _dst_limit,
    "connection-limit": _connections,
    "time": _time,
    "ipsec-policy": _ipsec,
    "src-mac-address": _mac,
}
