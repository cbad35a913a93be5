"""What a rule of `iptables-save` does. Sources: iptables-extensions(8), the kernel's `net/netfilter/xt_*.c`."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType

from plexops.drivers.rulesets.iptables_lines import Section
from plexops.model.intervals import Numbers, network
from plexops.model.packets import (
    AddToSet,
    CopyMark,
    Effect,
    Family,
    Jump,
    NoTracking,
    SetMark,
    Side,
    TranslateDestination,
    TranslateSource,
    UnknownEffect,
    Verdict,
)

_ALL = 0xFFFFFFFF
_VERDICTS: Mapping[str, Verdict] = MappingProxyType(
    {"ACCEPT": Verdict.ACCEPT, "DROP": Verdict.DROP, "REJECT": Verdict.REJECT, "RETURN": Verdict.RETURN}
)
#: After these the next rule is asked, and what they change decides nothing: logs, counters, queues, TCP's options.
_HARMLESS = frozenset(
    {
        "LOG", "NFLOG", "ULOG", "TRACE", "AUDIT", "LED", "TCPMSS", "TOS", "DSCP", "ECN", "CHECKSUM", "CLASSIFY",
        "SECMARK", "CONNSECMARK", "RATEEST", "IDLETIMER", "TEE",
    }
)  # fmt: skip
_PLACE_V4 = re.compile(r"([0-9.]+(?:-[0-9.]+)?)?(?::([0-9]+)(?:-([0-9]+))?(?:/([0-9]+))?)?")
_PLACE_V6 = re.compile(r"\[([0-9a-fA-F:.-]+)\](?::([0-9]+)(?:-([0-9]+))?(?:/([0-9]+))?)?")
_PORTS = re.compile(r"([0-9]+)(?:-([0-9]+))?")
#: A packet that may go on over several hops.
_HOPS = re.compile(r"--(?:ttl|hl)-(?:set ([2-9]|[1-9][0-9]+)|inc [0-9]+)")
_RANDOM = ("--random", "--random-fully", "--persistent")
_Reader = Callable[[Section], tuple[Effect, ...]]


def read_effects(
    target: Section | None, chains: Collection[str], prefix: str, builtin: str, *, goto: bool
) -> tuple[Effect, ...]:
    """Give what a target does. `prefix` stands before the name of a chain of the same table to make its id.

    `builtin` is the chain where the rule stands.
    """
    if target is None:
        return ()
    if target.name in chains:
        return (Jump(prefix + target.name, goto),) if not target.options else _not_known(target)
    if target.name == "NETMAP":
        return _read(lambda section: _netmap(section, builtin), target)
    return _read(_TARGETS.get(target.name, _not_known), target)


def _read(reader: _Reader, target: Section) -> tuple[Effect, ...]:
    try:
        return reader(target)
    except (ValueError, LookupError):
        return _not_known(target)


def _words(target: Section) -> str:
    return " ".join(["-j", target.name, *(option.words for option in target.options)])


def _not_known(target: Section) -> tuple[Effect, ...]:
    return (UnknownEffect(_words(target)),)


def _verdict(target: Section) -> tuple[Effect, ...]:
    target.only(*(("--reject-with",) if target.name == "REJECT" else ()))
    return (_VERDICTS[target.name],)


def _harmless(_target: Section) -> tuple[Effect, ...]:
    return ()


def _dnat(target: Section) -> tuple[Effect, ...]:
    found = target.only("--to-destination", *_RANDOM)
    addresses, ports, start = _place(found["--to-destination"].value, target.family)
    _not_random(ports, found)
    return (TranslateDestination(addresses, ports, shift_from=start, family=target.family),)


def _redirect(target: Section) -> tuple[Effect, ...]:
    found = target.only("--to-ports", *_RANDOM)
    ports: Numbers | None = None
    if (option := found.get("--to-ports")) is not None:
        read = _PORTS.fullmatch(option.value)
        if read is None:
            raise ValueError("no range of ports")
        ports = _range(read[1], read[2])
    _not_random(ports, found)
    return (TranslateDestination(ports=ports, to_itself=True, family=target.family),)


def _not_random(ports: Numbers | None, options: Collection[str]) -> None:
    """Of a range with `--random` it is not known which port is taken; without a range it does nothing."""
    if ports is not None and ports[0][0] != ports[0][1] and {"--random", "--random-fully"} & set(options):
        raise ValueError("one of several ports by chance")


def _place(text: str, family: Family) -> tuple[Numbers | None, Numbers | None, int | None]:
    """Read `ADDRESS[-ADDRESS][:PORT[-PORT[/FIRST]]]`, the address of IPv6 in brackets where a port follows."""
    if family == 6 and not text.startswith("["):
        return _addresses(text, family), None, None
    read = (_PLACE_V4 if family == 4 else _PLACE_V6).fullmatch(text)
    if read is None:
        raise ValueError("no place to translate to")
    ports = _range(read[2], read[3]) if read[2] else None
    return (_addresses(read[1], family) if read[1] else None), ports, int(read[4]) if read[4] else None


def _addresses(text: str, family: Family) -> Numbers:
    found, numbers = network(text)
    if found != family:
        raise ValueError("an address of the other family")
    return numbers


def _range(first: str, last: str | None) -> Numbers:
    return ((int(first), int(last or first)),)


def _snat(target: Section) -> tuple[Effect, ...]:
    found = target.only("--to-source", *_RANDOM)
    addresses, _, _ = _place(found["--to-source"].value, target.family)
    if addresses is None:
        raise ValueError("only the port is translated")
    return (TranslateSource(addresses),)


def _masquerade(target: Section) -> tuple[Effect, ...]:
    target.only("--to-ports", *_RANDOM)
    return (TranslateSource(),)


def _netmap(target: Section, builtin: str) -> tuple[Effect, ...]:
    """Read NETMAP: one of the network's addresses; which one is only known where the network is one address."""
    addresses = _addresses(target.only("--to")["--to"].value, target.family)
    if builtin == "PREROUTING":
        return (TranslateDestination(addresses, family=target.family),)
    if builtin == "POSTROUTING":
        return (TranslateSource(addresses),)
    raise ValueError("which end is translated depends on where the chain is entered")


def _mark(target: Section) -> tuple[Effect, ...]:
    """Read MARK and CONNMARK. Source: xt_mark.c: new = (old & ~mask) ^ value."""
    connection = target.name == "CONNMARK"
    first, *rest = target.options
    if connection and first.name in ("--save-mark", "--restore-mark"):
        return _copied(target)
    if rest:
        raise ValueError("a mark is set once")
    value, mask = (int(part, 0) if part else _ALL for part in first.value.partition("/")[::2])
    match first.name:
        case "--set-xmark":
            keep = ~mask
        case "--set-mark":
            keep = ~(mask | value)
        case "--and-mark":
            keep, value = value, 0
        case "--or-mark":
            keep = ~value
        case "--xor-mark":
            keep = _ALL
        case _:
            raise ValueError("a way of marking that is not known")
    return (SetMark(value & _ALL, keep & _ALL, connection),)


def _copied(target: Section) -> tuple[Effect, ...]:
    """Read how a mark is copied. Of a part of it only that it changes is modelled."""
    found = target.only("--save-mark", "--restore-mark", "--nfmask", "--ctmask", "--mask")
    to_connection = "--save-mark" in found
    if all(int(option.value, 0) == _ALL for name, option in found.items() if name.endswith("mask")):
        return (CopyMark(to_connection),)
    return (SetMark(connection=to_connection, unknown=True),)


def _tracking(target: Section) -> tuple[Effect, ...]:
    """Read CT and NOTRACK. Source: xt_CT.c: all but `--notrack` puts a connection of its own on the packet.

    With that the rest of raw sees it as *new*, and a later `--notrack` does nothing: not modelled.
    """
    found = target.only("--notrack", "--helper", "--timeout", "--ctevents", "--expevents")
    if target.name == "CT" and "--notrack" not in found:
        raise ValueError("a connection of its own is put on the packet")
    return (NoTracking(),)


def _to_set(target: Section) -> tuple[Effect, ...]:
    found = target.only("--add-set", "--exist", "--timeout")
    name, directions = found["--add-set"].values
    side = {"src": Side.SOURCE, "dst": Side.DESTINATION}[directions.split(",")[0]]
    return (AddToSet(side, name),)


def _hops(target: Section) -> tuple[Effect, ...]:
    (option,) = target.options
    if _HOPS.fullmatch(option.words) is None:
        raise ValueError("a packet may die of it")
    return ()


_TARGETS: Mapping[str, _Reader] = MappingProxyType(
    {
        **dict.fromkeys(_VERDICTS, _verdict),
        **dict.fromkeys(_HARMLESS, _harmless),
        "DNAT": _dnat,
        "REDIRECT": _redirect,
        "SNAT": _snat,
        "MASQUERADE": _masquerade,
        "MARK": _mark,
        "CONNMARK": _mark,
        "CT": _tracking,
        "NOTRACK": _tracking,
        "SET": _to_set,
        "TTL": _hops,
        "HL": _hops,
    }
)
