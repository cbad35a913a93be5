"""What a line of `iptables-save` asks of a packet. Sources: iptables-extensions(8), the kernel's `net/netfilter/xt_*.c`.

Modelled is what the tables name: option by option, or a module as a whole where its options depend on each other.
Harmless is what they answer with None. All else is `Other` on that rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from operator import or_

from plexops.drivers.rulesets.base import (
    ALL_ONES,
    ANSWERED,
    ASSURED,
    NEVER,
    NO_CONNECTION,
    addresses_of,
    unknown,
)
from plexops.drivers.rulesets.iptables_lines import Line, Option, Section, protocol_name
from plexops.drivers.rulesets.iptables_targets import side_of
from plexops.model import matches
from plexops.model.intervals import Numbers, normalise
from plexops.model.matches import AnyOf, Match, Other, Side, Test
from plexops.pattern import Pattern

#: Gives the test of one option, None where it always holds. Raises ValueError or LookupError for what it cannot read.
_OfOption = Callable[[Option, Section], Test | None]
_Options = Mapping[str, _OfOption]

_FLAG_BITS = {"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32, "ALL": 63, "NONE": 0}
#: What has happened on the connection. A viewer's is expected by none.
_STATUSES: Mapping[str, tuple[Match, ...]] = {
    "EXPECTED": (Match(NEVER),),
    "ASSURED": ASSURED,
} | dict.fromkeys(("SEEN_REPLY", "CONFIRMED"), (Match(ANSWERED),))
_TRANSLATIONS = {"SNAT": matches.TranslatedIs(Side.SOURCE), "DNAT": matches.TranslatedIs(Side.DESTINATION)}
_LINKS = {"unicast": "host", "broadcast": "broadcast", "multicast": "multicast", "otherhost": "otherhost"}
_PER_MINUTE = {"s": 60, "m": 1, "h": 1 / 60, "d": 1 / 1440}
_RATE = Pattern(r"([0-9]+)(?:/(s|sec|second|m|min|minute|h|hour|d|day))?")
#: The options of some modules, without their beginning.
_HASH_LIMIT = "burst mode name srcmask dstmask htable-size htable-max htable-gcinterval htable-expire"
_POLICY = "dir pol strict reqid spi proto mode tunnel-src tunnel-dst next"
_TIME = "timestart timestop datestart datestop weekdays monthdays kerneltz contiguous utc"


def read_matches(line: Line) -> tuple[Match, ...]:
    """Give all that a line asks, the protocol first and what is not modelled last."""
    found = _of_options(_HEAD, line.head)
    for module in line.modules:
        found += _of_module(module)
    if line.odd:
        found.append(unknown(line.odd))
    return tuple(sorted(found, key=lambda match: isinstance(match.test, Other)))


def _of_module(module: Section) -> Sequence[Match]:
    try:
        if (known := _OPTIONS.get(module.name)) is not None:
            return _of_options(known, module)
        return _MODULES[module.name](module)
    except (ValueError, LookupError):
        return [unknown(module.words)]


def _of_options(known: _Options, module: Section) -> list[Match]:
    return [match for option in module.options for match in _of_option(known, option, module)]


def _of_option(known: _Options, option: Option, module: Section) -> Sequence[Match]:
    """Read one option. Nothing is given for what always holds."""
    try:
        test = known[option.name](option, module)
    except (ValueError, LookupError):
        return [unknown(option.words)]
    if test is not None:
        return [Match(test, option.negated, option.words)]
    return [Match(NEVER, words=option.words)] if option.negated else []


# --- One option ---------------------------------------------------------------------------------------------------


def _address(side: Side, option: Option, module: Section, *, original: bool = False) -> Test:
    """Read addresses. A mask that is no prefix (`/0.0.0.255`) is none: Python would take it for a wildcard mask."""
    for mask in (text.partition("/")[2] for text in option.value.split(",")):
        if "." in mask and int(mask.partition(".")[0]) < 128 and mask.strip("0."):
            raise ValueError("a mask with holes")
    return matches.AddressIn(side, module.family, addresses_of(option.value, module.family), original)


def _interface(side: Side, option: Option, _module: Section) -> Test | None:
    name = option.value
    if name.startswith(("@", "%")) or "*" in name:
        raise ValueError("a name that would be taken for a pattern")
    return (
        None if name == "+" else matches.InterfaceIs(side, (name[:-1] + "*" if name.endswith("+") else name,))
    )


def _protocol(option: Option, _module: Section) -> Test | None:
    name = protocol_name(option.value)
    return None if name in ("all", "0") else matches.ProtocolIs(frozenset({name}))


def _port_set(text: str) -> Numbers:
    pairs: list[tuple[int, int]] = []
    for part in text.split(","):
        first, colon, last = part.partition(":")
        pairs.append((int(first or 0), int(last or 65535) if colon else int(first)))
    return normalise(pairs)


def _port(side: Side, option: Option, _module: Section, *, original: bool = False) -> Test:
    return matches.PortIn(side, _port_set(option.value), original)


def _either_port(option: Option, _module: Section) -> Test:
    numbers = _port_set(option.value)
    return AnyOf(tuple((Match(matches.PortIn(side, numbers), words=option.words),) for side in Side))


def _flags(option: Option, _module: Section) -> Test:
    values = (*option.values, "FIN,SYN,RST,ACK", "SYN") if option.name == "--syn" else option.values
    mask, bits = (reduce(or_, (_FLAG_BITS[name] for name in text.split(","))) for text in values)
    return NEVER if bits & ~mask else matches.FlagsAre(mask, bits)


def _mark(option: Option, _module: Section, *, connection: bool = False) -> Test:
    value, _, mask = option.value.partition("/")
    wanted, under = int(value, 0), int(mask, 0) if mask else ALL_ONES
    if wanted & ~under:
        raise ValueError("a mark beyond its mask")
    return matches.MarkIs(wanted, under, connection)


def _state(option: Option, _module: Section) -> Test:
    """Read states. Without a connection SNAT and DNAT do not hold, and their negation does: hence always a branch."""
    names = option.value.split(",")
    translated = [_TRANSLATIONS[name] for name in names if name in _TRANSLATIONS]
    states = matches.StateIs(frozenset(matches.State[name] for name in names if name not in _TRANSLATIONS))
    if not translated:
        return states
    branches: list[Test] = [states, *translated] if states.states else [*translated]
    return AnyOf(tuple((Match(test, words=option.words),) for test in branches))


def _about_icmp(_option: Option, module: Section) -> None:
    """What a rule for ICMP also asks decides nothing for TCP."""
    if module.protocol not in ("icmp", "icmpv6"):
        raise ValueError("not about ICMP")


_FROM, _TO = partial(_address, Side.SOURCE), partial(_address, Side.DESTINATION)
_SPORT, _DPORT = partial(_port, Side.SOURCE), partial(_port, Side.DESTINATION)
#: `-f`: connection tracking has put fragments together.
_HEAD: _Options = {
    "-s": _FROM, "-d": _TO, "-p": _protocol, "-f": lambda *_: NEVER, "-c": lambda *_: None,
    "-i": partial(_interface, Side.SOURCE), "-o": partial(_interface, Side.DESTINATION),
}  # fmt: skip
_PORTS: _Options = {
    "--dport": _DPORT, "--destination-port": _DPORT, "--sport": _SPORT, "--source-port": _SPORT,
    "--tcp-flags": _flags, "--syn": _flags, "--icmp-type": _about_icmp, "--icmpv6-type": _about_icmp,
}  # fmt: skip
_MULTIPORT: _Options = {
    "--dports": _DPORT, "--destination-ports": _DPORT, "--sports": _SPORT, "--source-ports": _SPORT,
    "--ports": _either_port,
}  # fmt: skip
_CONNTRACK: _Options = {
    "--ctstate": _state, "--ctproto": _protocol,
    "--ctdir": lambda option, _: matches.DirectionIs({"ORIGINAL": True, "REPLY": False}[option.value.upper()]),
    "--ctstatus": lambda option, _: AnyOf(tuple(_STATUSES[name] for name in option.value.split(","))),
    "--ctorigsrc": partial(_FROM, original=True), "--ctorigdst": partial(_TO, original=True),
    "--ctorigsrcport": partial(_SPORT, original=True), "--ctorigdstport": partial(_DPORT, original=True),
}  # fmt: skip
_HOPS: _Options = {f"--{kind}-{how}": _about_icmp for kind in ("hl", "ttl") for how in ("eq", "lt", "gt")}
_OPTIONS: Mapping[str, _Options] = {
    **dict.fromkeys(("", "tcp", "udp", "udplite", "sctp", "dccp", "icmp", "icmp6"), _PORTS),
    "multiport": _MULTIPORT, "hl": _HOPS, "ttl": _HOPS,
    "comment": {"--comment": lambda *_: None},
    "state": {"--state": _state},
    "mark": {"--mark": _mark}, "connmark": {"--mark": partial(_mark, connection=True)},
    "iprange": {"--src-range": _FROM, "--dst-range": _TO},
    "mac": {"--mac-source": lambda option, _: matches.MacIn(frozenset({option.value.lower()}))},
    "pkttype": {"--pkt-type": lambda option, _: matches.LinkIs(frozenset({_LINKS[option.value]}))},
}  # fmt: skip


# --- A whole module -----------------------------------------------------------------------------------------------


def _conntrack(module: Section) -> Sequence[Match]:
    """Read conntrack. Source: xt_conntrack.c: without a connection a state that holds is enough, else nothing holds."""
    states: list[Match] = []
    rest: list[Match] = []
    for option in module.options:
        (states if option.name == "--ctstate" else rest).extend(_of_option(_CONNTRACK, option, module))
    if not rest:
        return states
    if not states:
        return [Match(NO_CONNECTION, negated=True, words=module.words), *rest]
    either = AnyOf(((Match(NO_CONNECTION, words=module.words),), tuple(rest)))
    return [*states, Match(either, words=module.words)]


def _addrtype(module: Section) -> Sequence[Match]:
    found = module.only(negatable=("--src-type", "--dst-type"))
    return [
        Match(_kinds(side, option.value.split(","), module.family), option.negated, option.words)
        for name, side in (("--src-type", Side.SOURCE), ("--dst-type", Side.DESTINATION))
        if (option := found.get(name)) is not None
    ]


def _kinds(side: Side, names: Sequence[str], family: int) -> Test:
    """Read kinds of addresses. Source: xt_addrtype.c: in IPv6 a local address is unicast too, and all kinds must hold."""
    kinds = {kind for kind in matches.AddressKind if kind.name in names}
    unread = ",".join(name for name in names if name not in matches.AddressKind.__members__)
    if family == 6 and matches.AddressKind.UNICAST in kinds:
        both = {matches.AddressKind.UNICAST, matches.AddressKind.LOCAL}
        kinds = both if len(names) == 1 else both & kinds - {matches.AddressKind.UNICAST}
    elif family == 6 and len(names) > 1:
        kinds = set()
    return matches.AddressIs(side, frozenset(kinds), unread)


def _in_set(module: Section) -> Sequence[Match]:
    # That counters are not updated changes nothing here; a limit on them would.
    counters = ("--update-counters", "--update-subcounters")
    option = module.only(negatable=("--match-set", *counters))["--match-set"]
    name, directions = option.values
    return [Match(matches.SetHas(side_of(directions), name), option.negated, option.words)]


def _limit(module: Section) -> Sequence[Match]:
    found = module.only("--limit", "--limit-burst")
    rate = found["--limit"].value if "--limit" in found else "3/hour"
    return _rate(module, rate, found.get("--limit-burst"), over=False)


def _hash_limit(module: Section) -> Sequence[Match]:
    rates = ("--hashlimit-upto", "--hashlimit-above", "--hashlimit")
    found = module.only(*(f"--hashlimit-{name}" for name in _HASH_LIMIT.split()), negatable=rates)
    (option,) = (found[name] for name in rates if name in found)
    over = (option.name == "--hashlimit-above") is not option.negated
    return _rate(module, option.value, found.get("--hashlimit-burst"), over=over)


def _rate(module: Section, text: str, burst: Option | None, *, over: bool) -> Sequence[Match]:
    rate = _RATE.fullmatch(text)
    if rate is None:
        raise ValueError("a rate that counts no packets")
    per_minute = int(rate[1]) * _PER_MINUTE[(rate[2] or "s")[0]]
    test = matches.RateWithin(per_minute, int(burst.value) if burst else 5, over, module.words)
    return [Match(test, words=module.words)]


def _connection_limit(module: Section) -> Sequence[Match]:
    numbers = ("--connlimit-upto", "--connlimit-above")
    found = module.only("--connlimit-mask", "--connlimit-saddr", "--connlimit-daddr", negatable=numbers)
    (option,) = (found[name] for name in numbers if name in found)
    over = (option.name == "--connlimit-above") is not option.negated
    return [Match(matches.ConnectionsWithin(int(option.value), over, module.words), words=module.words)]


def _policy(module: Section) -> Sequence[Match]:
    """Read whether IPsec carried the packet: a viewer's was not."""
    kinds = [option.value for option in module.options if option.name == "--pol"]
    known = {option.name for option in module.options} <= {f"--{name}" for name in _POLICY.split()}
    if not known or (kinds != ["none"] and set(kinds) != {"ipsec"}):
        raise ValueError("a policy that is not known")
    return [] if kinds == ["none"] else [Match(NEVER, words=module.words)]


def _recent(module: Section) -> Sequence[Match]:
    """Adding the sender to a list always holds; what asks the list is not modelled."""
    option = module.only("--name", "--mask", "--rsource", "--rdest", negatable=("--set",))["--set"]
    return [Match(NEVER, words=module.words)] if option.negated else []


def _reverse_path(module: Section) -> Sequence[Match]:
    """Read rpfilter. `--loose` holds wherever the strict test does; what else it lets in is not known."""
    found = module.only("--loose", "--validmark", "--accept-local", "--invert")
    strict = Match(matches.ReversePathHolds(), words=module.words)
    test = AnyOf(((strict,), (unknown(module.words),))) if "--loose" in found else strict.test
    return [Match(test, negated="--invert" in found, words=module.words)]


def _time(module: Section) -> Sequence[Match]:
    found = module.only(*(f"--{name}" for name in _TIME.split()))
    return [Match(matches.TimeIs(module.words), words=module.words)] if found else []


_MODULES: Mapping[str, Callable[[Section], Sequence[Match]]] = {
    "conntrack": _conntrack, "addrtype": _addrtype, "set": _in_set, "limit": _limit, "hashlimit": _hash_limit,
    "connlimit": _connection_limit, "policy": _policy, "recent": _recent, "rpfilter": _reverse_path, "time": _time,
    # A viewer's packet has no such header, and without it these hold neither way (ip6t_rt.c and its likes).
    **dict.fromkeys(("rt", "frag", "hbh", "dst", "mh"), lambda module: [Match(NEVER, words=module.words)]),
}  # fmt: skip
