"""What a firewall row of RouterOS tests, field by field. Source: MikroTik's manual, “Common Firewall Matchers and Actions”.

Three kinds of fields: modelled (`_test`), harmless (`_HARMLESS`: they say what the action does, or count), and all
others, which may hold or not. A modelled field with a value that is not understood is of the last kind, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from plexops.drivers.rulesets.base import addresses_of, any_of
from plexops.model import matches
from plexops.model.intervals import Numbers, normalise
from plexops.model.matches import AnyOf, Family, InterfaceIs, Match, Other, ProtocolIs, Side, Test
from plexops.pattern import Pattern

#: Whose rows say `dst-port`, `src-port`, `port` (the manual says tcp and udp, the console names these five).
_WITH_PORTS = frozenset({"tcp", "udp", "udp-lite", "dccp", "sctp"})
_NUMBERS = {"1": "icmp", "6": "tcp", "17": "udp", "47": "gre", "58": "icmpv6", "132": "sctp"}
_FLAGS = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32}
_ALL_DAYS = frozenset({"sun", "mon", "tue", "wed", "thu", "fri", "sat"})
_IPSEC = frozenset({"in,ipsec", "out,ipsec", "in,none", "out,none"})
_TRANSLATED = {"dstnat": Side.DESTINATION, "srcnat": Side.SOURCE}
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
#: Packets in a time (a second where none is named), and how many may come at once.
_RATE = Pattern(r"(\d+)(?:/(\d*)([smhd]?))?,(\d+)(?:[,:].*)?")
_NAME = Pattern(r"[a-z0-9][a-z0-9-]*")
#: A reference to what is no longer there is shown as its number.
_DANGLING = Pattern(r"\*[0-9A-F]+")
CLASSES = ("all-ethernet", "all-ppp", "all-vlan", "all-wireless")
_MAC = Pattern(r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}")

#: What an action needs, what is counted or logged, and how a row is named.
_HARMLESS = frozenset({
    "action", "chain", "comment", "disabled", "invalid", "dynamic", "bytes", "packets", "creation-time", "log",
    "log-prefix", "passthrough", "hw-offload", "jump-target", "to-addresses", "to-address", "to-ports",
    "same-not-by-dst", "randomise-ports", "randomize-port", "reject-with", "address-list", "address-list-timeout",
    "new-packet-mark", "new-connection-mark", "new-routing-mark", "new-mss", "new-dscp", "new-ttl", "new-priority",
    "sniff-target", "sniff-target-port", "sniff-id", "route-dst",
})  # fmt: skip


class Reading(Struct, frozen=True):
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
    # Of flags single words are negated.
    negated = value.startswith("!") and key != "tcp-flags"
    try:
        test = _test(key, value[1:] if negated else value, reading)
    except ValueError:
        return Match(Other(words), words=words)
    if test is None:
        return Match(AnyOf(()), words=words) if negated else None
    return Match(test, negated, words)


def _test(key: str, value: str, reading: Reading) -> Test | None:  # noqa: PLR0912 - one table of fields
    """Give what a field tests; None where that always holds. Raises ValueError for what is not modelled."""
    side = Side.SOURCE if key.startswith(("src-", "in-")) else Side.DESTINATION
    match key:
        case "protocol" if _NAME.fullmatch(value):
            return ProtocolIs(frozenset({_NUMBERS.get(value, value)}))
        case "src-address" | "dst-address":
            return matches.AddressIn(side, reading.family, addresses_of(value, reading.family))
        case "src-address-list" | "dst-address-list":
            return matches.SetHas(side, reading.set_name(value))
        case "src-address-type" | "dst-address-type":
            words = value.split(",")
            kinds = frozenset(kind for kind in matches.AddressKind if kind in words)
            return matches.AddressIs(side, kinds, ",".join(word for word in words if word not in kinds))
        case "src-port" | "dst-port":
            return matches.PortIn(side, ports_of(value))
        case "port":
            return any_of(matches.PortIn(either, ports_of(value)) for either in Side)
        case "in-interface" | "out-interface" if not _DANGLING.fullmatch(value):
            return _interface(side, value, reading)
        case "in-interface-list" | "out-interface-list" if not _DANGLING.fullmatch(value):
            return InterfaceIs(side, {"none": (), "all": ("*",)}.get(value, (f"@{value}",)))
        case "connection-state":
            return matches.StateIs(frozenset(map(matches.State, value.split(","))))
        case "connection-nat-state" if (words := value.split(",")) and _TRANSLATED.keys() >= set(words):
            return any_of(matches.TranslatedIs(_TRANSLATED[word]) for word in sorted(set(words)))
        case "connection-mark" | "packet-mark" if value and "," not in value:
            name = "" if value == "no-mark" else value
            return matches.MarkNamed(name, "packet" if key == "packet-mark" else "connection")
        case "tcp-flags":
            return _tcp_flags(value.split(","))
        case "limit" | "dst-limit":
            return _rate(key, value)
        case "connection-limit":
            # “Matches connections per address or address block after a given value is reached.”
            return matches.ConnectionsWithin(int(value.partition(",")[0]), True, f"{key}={value}")
        case "time":
            hours, *days = value.split(",")
            always = hours == "0s-1d" and _ALL_DAYS.issubset(days)
            return None if always else matches.TimeIs(f"{key}={value}")
        case "ipsec-policy" if value in _IPSEC:
            # A viewer's packets come and go outside every tunnel.
            return None if value.endswith("none") else AnyOf(())
        case "src-mac-address" if _MAC.fullmatch(value):
            return matches.MacIn(frozenset({value.lower().replace("-", ":")}))
    raise ValueError(value)


def _interface(side: Side, name: str, reading: Reading) -> Test:
    sure = InterfaceIs(side, (f"%{name}" if name in CLASSES else name,))
    doubtful = reading.unsure.get(name)
    if not doubtful:
        return sure
    perhaps = (Match(InterfaceIs(side, doubtful)), Match(Other(f"{side}: {name}")))
    return AnyOf(((Match(sure),), perhaps))


def _tcp_flags(words: Sequence[str]) -> Test:
    """Read `syn,!ack`: the named bits, each with its own sign."""
    mask = bits = 0
    for word in words:
        bit = _FLAGS.get(word.removeprefix("!"))
        if bit is None:
            raise ValueError(word)
        mask |= bit
        bits |= 0 if word.startswith("!") else bit
    return matches.FlagsAre(mask, bits)


def _rate(key: str, value: str) -> Test:
    """Read `10/1m,5:packet`; of `limit` what is counted in bits is not modelled."""
    found = _RATE.fullmatch(value)
    if found is None or (key == "limit" and value.partition(":")[2] not in ("", "packet")):
        raise ValueError(value)
    seconds = int(found[2] or 1) * _UNITS[found[3] or ""]
    if not seconds:
        raise ValueError(value)
    return matches.RateWithin(int(found[1]) * 60 / seconds, int(found[4]), False, f"{key}={value}")


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
