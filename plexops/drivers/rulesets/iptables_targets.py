"""What a rule of `iptables-save` does. Sources: iptables-extensions(8), the kernel's `net/netfilter/xt_*.c`."""

from __future__ import annotations

import re
from collections.abc import Collection

from plexops.drivers.rulesets.base import ALL_ONES, addresses_of
from plexops.drivers.rulesets.iptables_lines import Section
from plexops.model import packets
from plexops.model.intervals import Numbers, single
from plexops.model.matches import Family, Side
from plexops.pattern import Pattern

#: After these the next rule is asked, and what they change decides nothing: logs, counters, queues, TCP's options.
_HARMLESS = frozenset({
    "LOG", "NFLOG", "ULOG", "TRACE", "AUDIT", "LED", "TCPMSS", "TOS", "DSCP", "ECN", "CHECKSUM", "CLASSIFY",
    "SECMARK", "CONNSECMARK", "RATEEST", "IDLETIMER", "TEE",
})  # fmt: skip
_PORTS = r"([0-9]+)(?:-([0-9]+))?"
#: `ADDRESS[-ADDRESS][:PORT[-PORT[/FIRST]]]`, the address of IPv6 in brackets where a port follows.
_PLACES = {
    4: Pattern(rf"([0-9.]+(?:-[0-9.]+)?)?(?::{_PORTS}(?:/([0-9]+))?)?"),
    6: Pattern(rf"\[([0-9a-fA-F:.-]+)\](?::{_PORTS}(?:/([0-9]+))?)?"),
}
#: A packet that may go on over several hops.
_HOPS = Pattern(r"--(?:ttl|hl)-(?:set ([2-9]|[1-9][0-9]+)|inc [0-9]+)")
_RANDOM = ("--random", "--random-fully", "--persistent")


def read_effects(
    target: Section | None, chains: Collection[str], prefix: str, builtin: str, *, goto: bool
) -> tuple[packets.Effect, ...]:
    """Give what a target does. `prefix` stands before the name of a chain of the same table to make its id.

    `builtin` is the chain where the rule stands.
    """
    if target is None:
        return ()
    try:
        if target.name in chains:
            target.only()
            return (packets.Jump(prefix + target.name, goto),)
        effect = _effect(target, builtin)
    except (ValueError, LookupError):
        effect = packets.UnknownEffect(
            " ".join(["-j", target.name, *(option.words for option in target.options)])
        )
    return () if effect is None else (effect,)


def _effect(target: Section, builtin: str) -> packets.Effect | None:
    """Read one of iptables' own targets; None for a harmless one. Raises ValueError or LookupError for all else."""
    match target.name:
        case "ACCEPT" | "DROP" | "REJECT" | "RETURN":
            target.only(*(("--reject-with",) if target.name == "REJECT" else ()))
            return packets.Verdict(target.name.lower())
        case "DNAT" | "REDIRECT":
            return _translated(target)
        case "SNAT":
            addresses, _, _ = _place(target.only("--to-source", *_RANDOM)["--to-source"].value, target.family)
            if addresses is None:
                raise ValueError("only the port is translated")
            return packets.TranslateSource(addresses)
        case "MASQUERADE":
            target.only("--to-ports", *_RANDOM)
            return packets.TranslateSource()
        case "NETMAP":
            return _netmap(target, builtin)
        case "MARK" | "CONNMARK":
            return _mark(target)
        case "CT" | "NOTRACK":
            return _tracking(target)
        case "SET":
            name, directions = target.only("--add-set", "--exist", "--timeout")["--add-set"].values
            return packets.AddToSet(side_of(directions), name)
        case "TTL" | "HL":
            if len(target.options) != 1 or not _HOPS.fullmatch(target.options[0].words):
                raise ValueError("a packet may die of it")
        case name if name not in _HARMLESS:
            raise ValueError("a target that is not known")
    return None


def side_of(directions: str) -> Side:
    """Give which address a set is asked about: of several directions a set of addresses looks at the first."""
    return {"src": Side.SOURCE, "dst": Side.DESTINATION}[directions.partition(",")[0]]


def _translated(target: Section) -> packets.Effect:
    """Read DNAT and REDIRECT. Of a range with `--random` it is not known which port is taken."""
    to_itself, addresses, ports, start = target.name == "REDIRECT", None, None, None
    found = target.only("--to-ports" if to_itself else "--to-destination", *_RANDOM)
    if not to_itself:
        addresses, ports, start = _place(found["--to-destination"].value, target.family)
    elif option := found.get("--to-ports"):
        read = re.fullmatch(_PORTS, option.value)
        if read is None:
            raise ValueError("no range of ports")
        ports = _range(read[1], read[2])
    if ports is not None and single(ports) is None and found.keys() & {"--random", "--random-fully"}:
        raise ValueError("one of several ports by chance")
    return packets.TranslateDestination(addresses, ports, to_itself, start, target.family)


def _place(text: str, family: Family) -> tuple[Numbers | None, Numbers | None, int | None]:
    """Read where to: addresses, ports, and the first port from which a range is counted."""
    if family == 6 and not text.startswith("["):
        return addresses_of(text, family), None, None
    read = _PLACES[family].fullmatch(text)
    if read is None:
        raise ValueError("no place to translate to")
    ports = _range(read[2], read[3]) if read[2] else None
    return (addresses_of(read[1], family) if read[1] else None), ports, int(read[4]) if read[4] else None


def _range(first: str, last: str | None) -> Numbers:
    return ((int(first), int(last or first)),)


def _netmap(target: Section, builtin: str) -> packets.Effect:
    """Read NETMAP: one of the network's addresses; which one is only known where the network is one address."""
    addresses = addresses_of(target.only("--to")["--to"].value, target.family)
    if builtin == "PREROUTING":
        return packets.TranslateDestination(addresses, family=target.family)
    if builtin == "POSTROUTING":
        return packets.TranslateSource(addresses)
    raise ValueError("which end is translated depends on where the chain is entered")


def _mark(target: Section) -> packets.Effect:
    """Read MARK and CONNMARK. Source: xt_mark.c: new = (old & ~mask) ^ value."""
    connection = target.name == "CONNMARK"
    first, *rest = target.options
    if connection and first.name in ("--save-mark", "--restore-mark"):
        return _copied(target)
    if rest:
        raise ValueError("a mark is set once")
    value, mask = (int(part, 0) if part else ALL_ONES for part in first.value.partition("/")[::2])
    if first.name == "--and-mark":
        keep, value = value, 0
    else:
        ways = {
            "--set-xmark": ~mask,
            "--set-mark": ~(mask | value),
            "--or-mark": ~value,
            "--xor-mark": ALL_ONES,
        }
        keep = ways[first.name]
    return packets.SetMark(value & ALL_ONES, keep & ALL_ONES, connection)


def _copied(target: Section) -> packets.Effect:
    """Read how a mark is copied. Of a part of it only that it changes is modelled."""
    found = target.only("--save-mark", "--restore-mark", "--nfmask", "--ctmask", "--mask")
    to_connection = "--save-mark" in found
    if all(int(option.value, 0) == ALL_ONES for name, option in found.items() if name.endswith("mask")):
        return packets.CopyMark(to_connection)
    return packets.SetMark(connection=to_connection, unknown=True)


def _tracking(target: Section) -> packets.Effect:
    """Read CT and NOTRACK. Source: xt_CT.c: all but `--notrack` puts a connection of its own on the packet.

    With that the rest of raw sees it as *new*, and a later `--notrack` does nothing: not modelled.
    """
    found = target.only("--notrack", "--helper", "--timeout", "--ctevents", "--expevents")
    if target.name == "CT" and "--notrack" not in found:
        raise ValueError("a connection of its own is put on the packet")
    return packets.NoTracking()
