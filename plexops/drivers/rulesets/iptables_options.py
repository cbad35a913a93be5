"""What one option of `iptables-save` asks of a packet. Sources: iptables-extensions(8), the kernel's `xt_*.c`.

Modelled is what the tables at the end name, harmless what they answer with None. All else is `Other` on that rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

from plexops.drivers.rulesets.iptables_lines import Option, Section, protocol_name
from plexops.model.intervals import Numbers, network, normalise
from plexops.model.packets import (
    AddressIn,
    AnyOf,
    DirectionIs,
    FlagsAre,
    InterfaceIs,
    LinkIs,
    MacIn,
    MarkIs,
    Match,
    Other,
    PortIn,
    ProtocolIs,
    Side,
    State,
    StateIs,
    Test,
    TranslatedIs,
)

#: Gives the test of one option, None where it always holds. Raises ValueError or LookupError for what it cannot read.
OfOption = Callable[[Option, Section], Test | None]

_SOURCE, _DESTINATION = Side.SOURCE, Side.DESTINATION
NEVER = AnyOf(())
_FLAG_BITS: Mapping[str, int] = MappingProxyType(
    {"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32, "ALL": 63, "NONE": 0}
)
_ANSWERED = Match(StateIs(frozenset({State.ESTABLISHED})))
#: A viewer's connection is expected by none.
_STATUSES: Mapping[str, tuple[Match, ...]] = MappingProxyType(
    {
        "EXPECTED": (Match(NEVER),),
        "SEEN_REPLY": (_ANSWERED,),
        "CONFIRMED": (_ANSWERED,),
        "ASSURED": (_ANSWERED, Match(FlagsAre(18, 16))),
    }
)
_LINK_KINDS: Mapping[str, str] = MappingProxyType(
    {"unicast": "host", "broadcast": "broadcast", "multicast": "multicast", "otherhost": "otherhost"}
)


def unknown(words: str) -> Match:
    """What is not modelled, in the device's words."""
    return Match(Other(words), words=words)


def of_option(read: OfOption | None, option: Option, module: Section) -> Sequence[Match]:
    """Read one option; `read` is None for one that is not modelled. Nothing is given for what always holds."""
    if read is not None:
        try:
            test = read(option, module)
        except (ValueError, LookupError):
            return [unknown(option.words)]
        if test is not None:
            return [Match(test, option.negated, option.words)]
        return [Match(NEVER, words=option.words)] if option.negated else []
    return [unknown(option.words)]


# --- One option ---------------------------------------------------------------------------------------------------


def _always(_option: Option, _module: Section) -> None:
    return None


def _never(_option: Option, _module: Section) -> Test:
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
    if "." in mask and int(mask.partition(".")[0]) < 128 and mask.strip("0."):
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
    if option.values:
        raise ValueError("--syn has no value")
    return FlagsAre(_bits("FIN,SYN,RST,ACK"), _bits("SYN"))


def _mark(option: Option, _module: Section, *, connection: bool = False) -> Test:
    value, _, mask = option.value.partition("/")
    wanted, under = int(value, 0), int(mask, 0) if mask else 0xFFFFFFFF
    if wanted & ~under:
        raise ValueError("a mark beyond its mask")
    return MarkIs(wanted, under, connection)


def _mac(option: Option, _module: Section) -> Test:
    return MacIn(frozenset({option.value.lower()}))


def _link(option: Option, _module: Section) -> Test:
    if option.value not in _LINK_KINDS:
        raise ValueError("a kind of packet that is not known")
    return LinkIs(frozenset({_LINK_KINDS[option.value]}))


def state(option: Option, _module: Section) -> Test:
    """Read states. Without a connection SNAT and DNAT do not hold, and their negation does: hence always a branch."""
    names = option.value.split(",")
    if not set(names) <= {"NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED", "SNAT", "DNAT"}:
        raise ValueError("a state that is not known")
    states = frozenset(State(name.lower()) for name in names if not name.endswith("NAT"))
    branches: list[Test] = [StateIs(states)] if states else []
    branches += [
        TranslatedIs(_SOURCE if name == "SNAT" else _DESTINATION) for name in names if name[1:] == "NAT"
    ]
    if len(branches) == 1 and states:
        return branches[0]
    return AnyOf(tuple((Match(test, words=option.words),) for test in branches))


def _status(option: Option, _module: Section) -> Test:
    """Read what has happened on the connection. Source: nf_conntrack_proto_tcp.c: assured is it with the first ACK."""
    return AnyOf(tuple(_STATUSES[name] for name in option.value.split(",")))


def _direction(option: Option, _module: Section) -> Test:
    return DirectionIs({"ORIGINAL": True, "REPLY": False}[option.value.upper()])


def _about_icmp(_option: Option, module: Section) -> None:
    """What a rule for ICMP also asks decides nothing for TCP."""
    if module.protocol not in ("icmp", "icmpv6"):
        raise ValueError("not about ICMP")


# --- The tables ---------------------------------------------------------------------------------------------------

HEAD: Mapping[str, OfOption] = MappingProxyType(
    {
        "-s": partial(_address, _SOURCE),
        "-d": partial(_address, _DESTINATION),
        "-i": partial(_interface, _SOURCE),
        "-o": partial(_interface, _DESTINATION),
        "-p": _protocol,
        "-f": _never,  # connection tracking has put fragments together
        "-c": _always,
    }
)
_OF_PORTS: Mapping[str, OfOption] = MappingProxyType(
    {
        "--dport": partial(_port, _DESTINATION), "--destination-port": partial(_port, _DESTINATION),
        "--sport": partial(_port, _SOURCE), "--source-port": partial(_port, _SOURCE),
        "--tcp-flags": _flags, "--syn": _syn, "--icmp-type": _about_icmp, "--icmpv6-type": _about_icmp,
    }
)  # fmt: skip
_MULTIPORT: Mapping[str, OfOption] = MappingProxyType(
    {
        "--dports": partial(_port, _DESTINATION), "--destination-ports": partial(_port, _DESTINATION),
        "--sports": partial(_port, _SOURCE), "--source-ports": partial(_port, _SOURCE), "--ports": _either_port,
    }
)  # fmt: skip
CONNTRACK: Mapping[str, OfOption] = MappingProxyType(
    {
        "--ctdir": _direction,
        "--ctproto": _protocol,
        "--ctstatus": _status,
        "--ctorigsrc": partial(_address, _SOURCE, original=True),
        "--ctorigdst": partial(_address, _DESTINATION, original=True),
        "--ctorigsrcport": partial(_port, _SOURCE, original=True),
        "--ctorigdstport": partial(_port, _DESTINATION, original=True),
    }
)
_HOPS: Mapping[str, OfOption] = MappingProxyType(
    {f"--{kind}-{how}": _about_icmp for kind in ("hl", "ttl") for how in ("eq", "lt", "gt")}
)
OPTIONS: Mapping[str, Mapping[str, OfOption]] = MappingProxyType(
    {
        **dict.fromkeys(("", "tcp", "udp", "udplite", "sctp", "dccp", "icmp", "icmp6"), _OF_PORTS),
        "multiport": _MULTIPORT,
        "comment": {"--comment": _always},
        "state": {"--state": state},
        "mark": {"--mark": _mark},
        "connmark": {"--mark": partial(_mark, connection=True)},
        "iprange": {
            "--src-range": partial(_address, _SOURCE),
            "--dst-range": partial(_address, _DESTINATION),
        },
        "mac": {"--mac-source": _mac},
        "pkttype": {"--pkt-type": _link},
        "hl": _HOPS,
        "ttl": _HOPS,
    }
)
