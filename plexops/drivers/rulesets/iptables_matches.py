"""What a line of `iptables-save` asks of a packet. Sources: iptables-extensions(8), the kernel's `net/netfilter/xt_*.c`.

Modelled is what `_OPTIONS` and `_MODULES` name, harmless what they answer with `None` (it always holds). All else is
`Other` on that rule.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

from plexops.drivers.rulesets.iptables_lines import Line, Option, Section, protocol_name
from plexops.model.intervals import Numbers, network, normalise
from plexops.model.packets import (
    AddressIn,
    AddressIs,
    AddressKind,
    AnyOf,
    ConnectionsWithin,
    DirectionIs,
    Family,
    FlagsAre,
    InterfaceIs,
    LinkIs,
    MacIn,
    MarkIs,
    Match,
    Other,
    PortIn,
    ProtocolIs,
    RateWithin,
    ReversePathHolds,
    SetHas,
    Side,
    State,
    StateIs,
    Test,
    TimeIs,
    TranslatedIs,
)

#: Gives the test of one option, None where it always holds. Raises ValueError for what it cannot read.
_OfOption = Callable[[Option, Section], Test | None]
#: The same for a whole module, whose options depend on each other.
_OfModule = Callable[[Section], Sequence[Match]]

_SOURCE, _DESTINATION = Side.SOURCE, Side.DESTINATION
NEVER = AnyOf(())
_FLAG_BITS: Mapping[str, int] = MappingProxyType(
    {"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32, "ALL": 63, "NONE": 0}
)
_PER_MINUTE: Mapping[str, float] = MappingProxyType({"s": 60, "m": 1, "h": 1 / 60, "d": 1 / 1440})
_RATE = re.compile(r"([0-9]+)(?:/(s|sec|second|m|min|minute|h|hour|d|day))?")
_LINK_KINDS: Mapping[str, str] = MappingProxyType(
    {"unicast": "host", "broadcast": "broadcast", "multicast": "multicast", "otherhost": "otherhost"}
)
_NO_CONNECTION = StateIs(frozenset({State.INVALID, State.UNTRACKED}))


def read_matches(line: Line, family: Family) -> tuple[Match, ...]:
    """Give all that a line asks, the protocol first and what is not modelled last."""
    found: list[Match] = []
    for option in sorted(line.head, key=lambda option: option.name != "-p"):
        found += _of_option(_HEAD[option.name], option, Section("", (), family, ""))
    for module in line.modules:
        found += _of_module(module)
    if line.odd:
        found.append(unknown(line.odd))
    return tuple(sorted(found, key=lambda match: isinstance(match.test, Other)))


def comment_of(line: Line) -> str:
    """Give what the rule's owner wrote on it."""
    return "; ".join(o.value for m in line.modules if m.name == "comment" for o in m.options if o.values)


def unknown(words: str) -> Match:
    """What is not modelled, in the device's words."""
    return Match(Other(words), words=words)


def _of_module(module: Section) -> Sequence[Match]:
    if (whole := _MODULES.get(module.name)) is not None:
        try:
            return whole(module)
        except ValueError:
            return [unknown(module.words)]
    known = _OPTIONS.get(module.name)
    if known is None:
        return [unknown(module.words)]
    return [match for option in module.options for match in _of_option(known.get(option.name), option, module)]


def _of_option(read: _OfOption | None, option: Option, module: Section) -> Sequence[Match]:
    if read is not None:
        try:
            test = read(option, module)
        except ValueError:
            return [unknown(option.words)]
        if test is not None:
            return [Match(test, option.negated, option.words)]
        return [Match(NEVER, words=option.words)] if option.negated else []
    return [unknown(option.words)]


# --- One option ---------------------------------------------------------------------------------------------------


def _always(_option: Option, _module: Section) -> None:
    return None


def _never(option: Option, _module: Section) -> Test:
    return NEVER


def _address(side: Side, option: Option, module: Section, *, original: bool = False) -> Test:
    found = [_network(text) for text in option.value.split(",")]
    if any(family != module.family for family, _ in found):
        raise ValueError("an address of the other family")
    numbers = normalise(pair for _, pairs in found for pair in pairs)
    return AddressIn(side, module.family, numbers, original)


def _network(text: str) -> tuple[int, Numbers]:
    """Read a network. A mask that is no prefix (`/0.0.0.255`) is none: Python would take it for a wildcard mask."""
    mask = text.partition("/")[2]
    if "." in mask and not mask.startswith(("255", "254", "252", "248", "240", "224", "192", "128", "0.0.0.0")):
        raise ValueError("a mask with holes")
    return network(text)


def _interface(side: Side, option: Option, _module: Section) -> Test | None:
    name = option.value
    if name == "+":
        return None
    if name.startswith(("@", "%")) or "*" in name:
        raise ValueError("a name that would be taken for a pattern")
    return InterfaceIs(side, (name[:-1] + "*" if name.endswith("+") else name,))


def _protocol(option: Option, _module: Section) -> Test | None:
    name = protocol_name(option.value)
    return None if name in ("all", "0") else ProtocolIs(frozenset({name}))


def _port_set(text: str) -> Numbers:
    pairs: list[tuple[int, int]] = []
    for part in text.split(","):
        first, colon, last = part.partition(":")
        pairs.append((int(first or 0), int(last or 65535) if colon else int(first)))
    return normalise(pairs)


def _port(side: Side, option: Option, _module: Section, *, original: bool = False) -> Test:
    return PortIn(side, _port_set(option.value), original)


def _either_port(option: Option, _module: Section) -> Test:
    numbers = _port_set(option.value)
    return AnyOf(tuple((Match(PortIn(side, numbers), words=option.words),) for side in Side))


def _flags(option: Option, _module: Section) -> Test:
    if len(option.values) != 2:
        raise ValueError("a mask and what is compared")
    mask, bits = (_bits(text) for text in option.values)
    return NEVER if bits & ~mask else FlagsAre(mask, bits)


def _bits(text: str) -> int:
    bits = 0
    for name in text.split(","):
        if name not in _FLAG_BITS:
            raise ValueError("a flag that TCP does not have")
        bits |= _FLAG_BITS[name]
    return bits


def _syn(option: Option, _module: Section) -> Test:
    return FlagsAre(_bits("FIN,SYN,RST,ACK"), _bits("SYN"))


def _mark(option: Option, _module: Section, *, connection: bool = False) -> Test:
    value, _, mask = option.value.partition("/")
    wanted, under = int(value, 0), int(mask, 0) if mask else 0xFFFFFFFF
    return NEVER if wanted & ~under and not connection else MarkIs(wanted, under, connection)


def _range(side: Side, option: Option, module: Section) -> Test:
    return _address(side, option, module)


def _mac(option: Option, _module: Section) -> Test:
    return MacIn(frozenset({option.value.lower()}))


def _link(option: Option, _module: Section) -> Test:
    if option.value not in _LINK_KINDS:
        raise ValueError("a kind of packet that is not known")
    return LinkIs(frozenset({_LINK_KINDS[option.value]}))


def _state(option: Option, _module: Section) -> Test:
    """Read states. Without a connection SNAT and DNAT do not hold, and their negation does: hence always a branch."""
    names = option.value.split(",")
    if not set(names) <= {"NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED", "SNAT", "DNAT"}:
        raise ValueError("a state that is not known")
    states = frozenset(State(name.lower()) for name in names if not name.endswith("NAT"))
    branches: list[Test] = [StateIs(states)] if states else []
    branches += [TranslatedIs(_SOURCE if name == "SNAT" else _DESTINATION) for name in names if name[1:] == "NAT"]
    if len(branches) == 1 and states:
        return branches[0]
    return AnyOf(tuple((Match(test, words=option.words),) for test in branches))


def _direction(option: Option, _module: Section) -> Test:
    return DirectionIs({"ORIGINAL": True, "REPLY": False}[option.value.upper()])


def _about_icmp(option: Option, module: Section) -> None:
    """What a rule for ICMP also asks decides nothing for TCP."""
    if module.protocol not in ("icmp", "icmpv6"):
        raise ValueError("not about ICMP")


# --- A whole module -----------------------------------------------------------------------------------------------


def _conntrack(module: Section) -> Sequence[Match]:
    """Read conntrack. Source: xt_conntrack.c: without a connection a state that holds is enough, else nothing holds."""
    state = [match for o in module.options if o.name == "--ctstate" for match in _of_option(_state, o, module)]
    others = [o for o in module.options if o.name != "--ctstate"]
    rest = [match for o in others for match in _of_option(_CONNTRACK.get(o.name), o, module)]
    if not rest:
        return state
    if not state:
        return [Match(_NO_CONNECTION, negated=True, words=module.words), *rest]
    either = AnyOf(((Match(_NO_CONNECTION, words=module.words),), tuple(rest)))
    return [*state, Match(either, words=module.words)]


def _addrtype(module: Section) -> Sequence[Match]:
    found = module.only("--src-type", "--dst-type")
    return [
        Match(_kinds(side, option.value.split(","), module.family), option.negated, option.words)
        for name, side in (("--src-type", _SOURCE), ("--dst-type", _DESTINATION))
        if (option := found.get(name)) is not None
    ]


def _kinds(side: Side, names: Sequence[str], family: Family) -> Test:
    """Read kinds of addresses. Source: xt_addrtype.c. In IPv6 a local address is a unicast address too, and all must hold."""
    known = {kind.name: kind for kind in AddressKind}
    unread = ",".join(name for name in names if name not in known)
    kinds = {known[name] for name in names if name in known}
    if family == 6 and AddressKind.UNICAST in kinds:
        both = {AddressKind.UNICAST, AddressKind.LOCAL}
        kinds = both if len(names) == 1 else both & kinds - {AddressKind.UNICAST}
    elif family == 6 and len(names) > 1:
        kinds = set()
    return AddressIs(side, frozenset(kinds), unread)


def _in_set(module: Section) -> Sequence[Match]:
    """Read a set. Of several directions a set of addresses looks at the first."""
    # That counters are not updated changes nothing here; a limit on them would.
    counters = ("--update-counters", "--update-subcounters")
    option = module.only("--match-set", *counters)["--match-set"]
    name, directions = option.values
    side = {"src": _SOURCE, "dst": _DESTINATION}[directions.split(",")[0]]
    return [Match(SetHas(side, name), option.negated, option.words)]


def _limit(module: Section) -> Sequence[Match]:
    found = module.only("--limit", "--limit-burst")
    burst = found.get("--limit-burst")
    rate = found["--limit"].value if "--limit" in found else "3/hour"
    test = RateWithin(_per_minute(rate), int(burst.value) if burst else 5, over=False, words=module.words)
    return [Match(test, words=module.words)]


def _per_minute(text: str) -> float:
    rate = _RATE.fullmatch(text)
    if rate is None:
        raise ValueError("a rate that counts no packets")
    return int(rate[1]) * _PER_MINUTE[(rate[2] or "s")[0]]


def _hash_limit(module: Section) -> Sequence[Match]:
    detail = ("mode", "name", "srcmask", "dstmask", *(f"htable-{n}" for n in ("size", "max", "gcinterval", "expire")))
    rates = ("--hashlimit-upto", "--hashlimit-above", "--hashlimit")
    found = module.only(*rates, "--hashlimit-burst", *(f"--hashlimit-{name}" for name in detail))
    (option,) = (found[name] for name in rates if name in found)
    burst = found.get("--hashlimit-burst")
    over = (option.name == "--hashlimit-above") is not option.negated
    test = RateWithin(_per_minute(option.value), int(burst.value) if burst else 5, over, module.words)
    return [Match(test, words=module.words)]


def _connection_limit(module: Section) -> Sequence[Match]:
    numbers = ("--connlimit-upto", "--connlimit-above")
    found = module.only(*numbers, "--connlimit-mask", "--connlimit-saddr", "--connlimit-daddr")
    (option,) = (found[name] for name in numbers if name in found)
    over = (option.name == "--connlimit-above") is not option.negated
    return [Match(ConnectionsWithin(int(option.value), over, module.words), words=module.words)]


def _policy(module: Section) -> Sequence[Match]:
    """Read whether IPsec carried the packet: a viewer's was not."""
    kinds = [option.value for option in module.options if option.name == "--pol"]
    if kinds == ["none"]:
        return []
    if not kinds or set(kinds) != {"ipsec"}:
        raise ValueError("a policy that is not known")
    return [Match(NEVER, words=module.words)]


def _recent(module: Section) -> Sequence[Match]:
    """Adding the sender to a list always holds; what asks the list is not modelled."""
    option = module.only("--set", "--name", "--mask", "--rsource", "--rdest")["--set"]
    return [Match(NEVER, words=module.words)] if option.negated else []


def _reverse_path(module: Section) -> Sequence[Match]:
    """Read rpfilter. `--loose` holds wherever the strict test does; what else it lets in is not known."""
    found = module.only("--loose", "--validmark", "--accept-local", "--invert")
    strict = Match(ReversePathHolds(), words=module.words)
    test = AnyOf(((strict,), (unknown(module.words),))) if "--loose" in found else strict.test
    return [Match(test, negated="--invert" in found, words=module.words)]


def _time(module: Section) -> Sequence[Match]:
    names = ("timestart", "timestop", "datestart", "datestop", "weekdays", "monthdays", "kerneltz", "contiguous", "utc")
    return [Match(TimeIs(module.words), words=module.words)] if module.only(*(f"--{name}" for name in names)) else []


def _no_header(module: Section) -> Sequence[Match]:
    """A viewer's packet has no such header, and without it these hold neither way (ip6t_rt.c and its likes)."""
    return [Match(NEVER, words=module.words)]


# --- The tables ---------------------------------------------------------------------------------------------------

_HEAD: Mapping[str, _OfOption] = MappingProxyType(
    {
        "-s": partial(_address, _SOURCE),
        "-d": partial(_address, _DESTINATION),
        "-i": partial(_interface, _SOURCE),
        "-o": partial(_interface, _DESTINATION),
        "-p": _protocol,
        "-f": _never,  # connection tracking has put fragments together
        "-c": _always,
        "-4": lambda option, module: None if module.family == 4 else NEVER,
        "-6": lambda option, module: None if module.family == 6 else NEVER,
    }
)
_OF_PORTS: Mapping[str, _OfOption] = MappingProxyType(
    {
        "--dport": partial(_port, _DESTINATION), "--destination-port": partial(_port, _DESTINATION),
        "--sport": partial(_port, _SOURCE), "--source-port": partial(_port, _SOURCE),
        "--tcp-flags": _flags, "--syn": _syn, "--icmp-type": _about_icmp, "--icmpv6-type": _about_icmp,
    }
)  # fmt: skip
_MULTIPORT: Mapping[str, _OfOption] = MappingProxyType(
    {
        "--dports": partial(_port, _DESTINATION), "--destination-ports": partial(_port, _DESTINATION),
        "--sports": partial(_port, _SOURCE), "--source-ports": partial(_port, _SOURCE), "--ports": _either_port,
    }
)  # fmt: skip
_CONNTRACK: Mapping[str, _OfOption] = MappingProxyType(
    {
        "--ctdir": _direction,
        "--ctproto": _protocol,
        "--ctorigsrc": partial(_address, _SOURCE, original=True),
        "--ctorigdst": partial(_address, _DESTINATION, original=True),
        "--ctorigsrcport": partial(_port, _SOURCE, original=True),
        "--ctorigdstport": partial(_port, _DESTINATION, original=True),
    }
)
_HOPS: Mapping[str, _OfOption] = MappingProxyType(
    {f"--{kind}-{how}": _about_icmp for kind in ("hl", "ttl") for how in ("eq", "lt", "gt")}
)
_OPTIONS: Mapping[str, Mapping[str, _OfOption]] = MappingProxyType(
    {
        **dict.fromkeys(("", "tcp", "udp", "udplite", "sctp", "dccp", "icmp", "icmp6"), _OF_PORTS),
        "multiport": _MULTIPORT,
        "comment": {"--comment": _always},
        "state": {"--state": _state},
        "mark": {"--mark": _mark},
        "connmark": {"--mark": partial(_mark, connection=True)},
        "iprange": {"--src-range": partial(_range, _SOURCE), "--dst-range": partial(_range, _DESTINATION)},
        "mac": {"--mac-source": _mac},
        "pkttype": {"--pkt-type": _link},
        "hl": _HOPS,
        "ttl": _HOPS,
    }
)
_MODULES: Mapping[str, _OfModule] = MappingProxyType(
    {
        "conntrack": _conntrack,
        "addrtype": _addrtype,
        "set": _in_set,
        "limit": _limit,
        "hashlimit": _hash_limit,
        "connlimit": _connection_limit,
        "policy": _policy,
        "recent": _recent,
        "rpfilter": _reverse_path,
        "time": _time,
        **dict.fromkeys(("rt", "frag", "hbh", "dst", "mh"), _no_header),
    }
)
