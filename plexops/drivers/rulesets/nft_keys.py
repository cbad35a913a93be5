"""What an expression of nft looks at, and which test says that it has one of some values.

Sources: nft(8), libnftables-json(5); for what a key gives where there is no connection, no route or another family the
kernel's `net/netfilter/nft_meta.c`, `nft_ct.c`, `nft_fib.c`, `nft_payload.c`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv6Address, summarize_address_range
from types import MappingProxyType

from plexops.drivers.rulesets.base import ALL_ONES
from plexops.drivers.rulesets.nft_values import (
    FLAG_BITS,
    STATE_BITS,
    UNREADABLE,
    NotModelledError,
    Values,
    address_numbers,
    number_of,
    ranges,
    texts,
)
from plexops.drivers.rulesets.nft_words import listed, members, one_member, show
from plexops.model.exchange import Json
from plexops.model.intervals import normalise
from plexops.model.matches import (
    AddressIn,
    AddressIs,
    AddressKind,
    AnyOf,
    DirectionIs,
    Family,
    FamilyIs,
    FlagsAre,
    InterfaceIs,
    LinkIs,
    MacIn,
    MarkIs,
    Match,
    Other,
    PortIn,
    ProtocolIs,
    ReversePathHolds,
    Side,
    State,
    StateIs,
    Test,
)

#: Holds where there is a connection.
CONNECTED = AnyOf(((Match(DirectionIs(True)),), (Match(DirectionIs(False)),)))
_LAST_PORT = 0xFFFF
#: Gives tests, of which one must hold where what is looked at has one of some values.
_Reader = Callable[[Values], Sequence[Test]]


@dataclass(frozen=True, slots=True)
class Key:
    """What is looked at. `needs` must hold first, negated or not. `read` gives tests, of which one must hold.

    No `read`: that is not modelled. `top`: the greatest value, where values can be compared. `address`: the family of
    a plain address, which may be looked up in a named set. `settled`: the needs say all there is for a TCP packet.
    `connected`: it has a value only where there is a connection.
    """

    needs: tuple[Test, ...] = ()
    read: _Reader | None = None
    top: int = 0
    address: tuple[Side, Family] | None = None
    settled: bool = False
    connected: bool = False


_SIDES: Mapping[str, Side] = MappingProxyType(
    dict.fromkeys(("saddr", "sport", "iif", "iifname", "proto-src"), Side.SOURCE)
    | dict.fromkeys(("daddr", "dport", "oif", "oifname", "proto-dst"), Side.DESTINATION)
)
FAMILIES: Mapping[str, Family] = MappingProxyType({"ip": 4, "ip6": 6, "ipv4": 4, "ipv6": 6})
#: A packet of such a protocol is no TCP packet, whatever else is asked of it.
_TRANSPORTS = MappingProxyType(
    {
        name: name
        for name in ("tcp", "udp", "udplite", "sctp", "dccp", "icmp", "igmp", "esp", "ah", "comp", "gre")
    }
    | {"icmpv6": "icmpv6", "ipv6-icmp": "icmpv6"}
)
_PROTOCOL_NUMBERS = MappingProxyType(
    {1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 33: "dccp", 58: "icmpv6", 132: "sctp", 136: "udplite"}
)
#: Places in the IP header, in bits, as miniupnpd writes them: which header, and what stands there (RFC 791, RFC 8200).
_RAW = MappingProxyType(
    {
        (72, 8): ("ip", "protocol"), (96, 32): ("ip", "saddr"), (128, 32): ("ip", "daddr"),
        (48, 8): ("ip6", "nexthdr"), (64, 128): ("ip6", "saddr"), (192, 128): ("ip6", "daddr"),
    }
)  # fmt: skip


# --- Readers of values ------------------------------------------------------


def _ports(side: Side, original: bool, values: Values) -> Sequence[Test]:
    return [PortIn(side, normalise(ranges(values)), original)]


def _addresses(side: Side, family: Family, original: bool, values: Values) -> Sequence[Test]:
    return [AddressIn(side, family, address_numbers(values, family), original)]


def _interfaces(side: Side, values: Values) -> Sequence[Test]:
    names = texts(values)
    if any("\\" in name or name.isdigit() for name in names):
        raise NotModelledError("an interface that has no name any more")
    return [InterfaceIs(side, tuple(names))]


def _protocols(values: Values) -> Sequence[Test]:
    names = {
        _PROTOCOL_NUMBERS.get(value, str(value)) if isinstance(value, int) else _TRANSPORTS.get(value, value)
        for value in values
        if isinstance(value, (int, str))
    }
    if len(names) < len({str(value) for value in values}):
        raise NotModelledError("no protocols")
    return [ProtocolIs(frozenset(names))]


def _families(values: Values) -> Sequence[Test]:
    """Read families. What is neither IPv4 nor IPv6 (ARP, a VLAN's frame) is no packet of a viewer."""
    return [FamilyIs(frozenset(FAMILIES[name] for name in texts(values) if name in FAMILIES))]


def _states(mask: int, values: Values) -> Sequence[Test]:
    """Read states. A packet has exactly one, so that comparing bits is choosing among them."""
    wanted = {number_of(value, STATE_BITS) for value in values}
    return [StateIs(frozenset(State(name) for name, bit in STATE_BITS.items() if bit & mask in wanted))]


def _flags(mask: int, values: Values) -> Sequence[Test]:
    bits = (number_of(value, FLAG_BITS) for value in values)
    return [FlagsAre(mask, found) for found in bits if not found & ~mask]


def _marks(connection: bool, mask: int, values: Values) -> Sequence[Test]:
    """Read marks. A range is the few masks that make it up."""
    found: list[Test] = []
    for first, last in ranges(values):
        if first == last:
            found += [MarkIs(first, mask, connection)] if not first & ~mask else []
        elif mask != ALL_ONES:
            raise NotModelledError("a range of a part of a mark")
        else:
            networks = summarize_address_range(IPv4Address(first), IPv4Address(last))
            found += [MarkIs(int(n.network_address), int(n.netmask), connection) for n in networks]
    return found


def _directions(values: Values) -> Sequence[Test]:
    return [DirectionIs({"original": True, "reply": False}[name]) for name in texts(values)]


def _links(values: Values) -> Sequence[Test]:
    return [LinkIs(frozenset({"unicast": "host"}.get(name, name) for name in texts(values)))]


def _whole_status(values: Values) -> Sequence[Test]:
    """Read the whole status of a connection: with a translation comes that it was done, so that it is never alone."""
    if set(texts(values)) - {"snat", "dnat"}:
        raise NotModelledError("the whole status")
    return []


def _kinds(side: Side, where: str, values: Values) -> Sequence[Test]:
    """Read what an address is to the box. With an interface: what is not so at all is not so there."""
    names = texts(values)
    known = frozenset(kind for kind in AddressKind if kind in names)
    test = AddressIs(side, known, ",".join(name for name in names if name not in known))
    if not where:
        return [test]
    if AddressKind.UNICAST in known or test.unknown:
        raise NotModelledError("what an address is to one interface")
    return [AnyOf(((Match(test), Match(Other(f"{where} {','.join(names)}"))),))]


def _way_back(loose: str, values: Values) -> Sequence[Test]:
    """Read whether there is a way back: by the interface where the packet came, or (`loose`) by any."""
    if list(values) != [True]:
        raise NotModelledError("by a certain interface")
    strict = ReversePathHolds()
    return [strict, Other(loose)] if loose else [strict]


#: What is looked at as a whole, without a mask.
_WHOLE: Mapping[tuple[str, str], Key] = MappingProxyType(
    {
        **{
            ("meta", name): Key(read=partial(_interfaces, _SIDES[name]))
            for name in ("iif", "iifname", "oif", "oifname")
        },
        ("meta", "l4proto"): Key(read=_protocols),
        ("meta", "nfproto"): Key(read=_families),
        ("meta", "protocol"): Key(read=_families),
        ("meta", "pkttype"): Key(read=_links),
        ("ether", "saddr"): Key(
            read=lambda values: [MacIn(frozenset(name.lower() for name in texts(values)))]
        ),
        ("ether", "type"): Key(read=_families),
        ("ct", "direction"): Key(read=_directions, connected=True),
        ("ct", "status"): Key(read=_whole_status, connected=True),
        ("ct", "protocol"): Key((CONNECTED,), _protocols),
        ("ct", "l3proto"): Key((CONNECTED,), _families),
    }
)

# --- Expressions --------------------------------------------------------------------------------------------------


def family_needed(name: str, table: str) -> tuple[Test, ...]:
    """Give the test that a packet is IPv4 (`ip`) or IPv6 (`ip6`): a table of that family needs none."""
    return () if name == table else (FamilyIs(frozenset({FAMILIES[name]})),)


def key_of(left: Json, table: str) -> Key:
    """Say what an expression looks at, in a table of the family `table`."""
    try:
        return _key(left, table)
    except UNREADABLE:
        return Key()


def _key(left: Json, table: str) -> Key:
    kind, body = one_member(left)
    mask: int | None = None
    if kind == "&":
        left, part = listed(body)
        kind, body = one_member(left)
        mask = number_of(part, FLAG_BITS if kind == "payload" else STATE_BITS)
    found = members(body)
    match kind:
        case "payload":
            return _payload(found, mask, table)
        case "meta" if found.get("key") == "mark":
            return Key(read=partial(_marks, False, ALL_ONES if mask is None else mask), top=ALL_ONES)
        case "ct":
            return _connection(found, mask, table)
        case "meta" if mask is None:
            return _WHOLE.get((kind, str(found.get("key"))), Key())
        case "fib" if mask is None:
            return _fib(found)
    return Key()


def _payload(found: Mapping[str, Json], mask: int | None, table: str) -> Key:
    protocol, name = str(found.get("protocol")), str(found.get("field"))
    if "tunnel" in found:
        return Key()
    if "base" in found:
        return _raw(found, table) if mask is None else Key()
    if protocol in FAMILIES:
        return _internet(protocol, name, table) if mask is None else Key(family_needed(protocol, table))
    if protocol == "ether":
        return _WHOLE.get((protocol, name), Key()) if mask is None else Key()
    needs: tuple[Test, ...] = ()
    if protocol != "th":
        needs = (ProtocolIs(frozenset({_TRANSPORTS[protocol]})),)
    if (protocol, name) == ("tcp", "flags"):
        return Key(needs, partial(_flags, 255 if mask is None else mask))
    if name in ("sport", "dport") and mask is None:
        return Key(needs, partial(_ports, _SIDES[name], False), top=_LAST_PORT)
    return Key(needs, settled=protocol not in ("tcp", "th"))


def _internet(protocol: str, name: str, table: str) -> Key:
    family, needs = FAMILIES[protocol], family_needed(protocol, table)
    if name in ("saddr", "daddr"):
        side = _SIDES[name]
        return Key(needs, partial(_addresses, side, family, False), address=(side, family))
    return Key(needs, _protocols if name in ("protocol", "nexthdr") else None)


def _raw(found: Mapping[str, Json], table: str) -> Key:
    """Read bytes at a place. The other family has other things there.

    That those are by chance the 32 bits or more of an address happens to one sender in billions, and is left out.
    """
    base, place = found.get("base"), (number_of(found.get("offset")), number_of(found.get("len")))
    if base == "th" and place in ((0, 16), (16, 16)):
        side = Side.DESTINATION if place[0] else Side.SOURCE
        return Key(read=partial(_ports, side, False), top=_LAST_PORT)
    if base == "th" and place == (0, 32):
        return Key(read=_port_pairs)
    protocol, name = _RAW[place]
    if base != "nh" or (table in FAMILIES and table != protocol):
        return Key()
    key = _internet(protocol, name, table)
    if key.address is None:
        return Key(read=partial(_one_byte, key.needs, show({"payload": found})))
    return Key(key.needs, partial(_as_addresses, *key.address))


def _connection(found: Mapping[str, Json], mask: int | None, table: str) -> Key:
    name = str(found.get("key"))
    if name == "state":
        return Key(read=partial(_states, 255 if mask is None else mask))
    if name == "mark":
        reader = partial(_marks, True, ALL_ONES if mask is None else mask)
        return Key(read=reader, top=ALL_ONES, connected=True)
    family, _, part = name.rpartition(" ")
    if mask is not None or part not in _SIDES:
        return _WHOLE.get(("ct", name), Key()) if mask is None else Key()
    if found.get("dir") == "original" and part.startswith("proto"):
        return Key(read=partial(_ports, _SIDES[part], True), top=_LAST_PORT, connected=True)
    # Without a family it is not read: of a prefix version 1.0.6 lists a wrong address.
    if found.get("dir") == "original" and family in FAMILIES:
        addresses = partial(_addresses, _SIDES[part], FAMILIES[family], True)
        return Key(family_needed(family, table), addresses, connected=True)
    return Key()


def _port_pairs(values: Values) -> Sequence[Test]:
    """Read both ports in one number, the sender's first: what nft makes of two comparisons that stand side by side."""
    found: list[Test] = []
    for value in values:
        both = zip(Side, divmod(number_of(value), 1 << 16), strict=True)
        found.append(AnyOf((tuple(Match(PortIn(side, ((port, port),))) for side, port in both),)))
    return found


def _one_byte(family: tuple[Test, ...], words: str, values: Values) -> Sequence[Test]:
    """Read the protocol's byte. Where the packet may be of the other family, what stands there is not known."""
    (protocol,) = _protocols([number_of(value) for value in values])
    if not family:
        return [protocol]
    other = (Match(family[0], negated=True), Match(Other(f"{words} {show(list(values))}")))
    return [AnyOf(((Match(family[0]), Match(protocol)), other))]


def _as_addresses(side: Side, family: Family, values: Values) -> Sequence[Test]:
    kind = IPv4Address if family == 4 else IPv6Address
    return _addresses(side, family, False, [str(kind(number_of(value))) for value in values])


def _fib(found: Mapping[str, Json]) -> Key:
    """Read a look at the routes. A mark chooses among routing tables, of which one is modelled."""
    flags = [str(flag) for flag in listed(found.get("flags"))]
    sides = [flag for flag in flags if flag in ("saddr", "daddr")]
    words = show({"fib": found})
    if len(sides) != 1 or set(flags) - {"saddr", "daddr", "iif", "mark"}:
        return Key()
    match found.get("result"):
        case "type":
            return Key(read=partial(_kinds, _SIDES[sides[0]], words if "iif" in flags else ""))
        case "oif" if sides == ["saddr"]:
            return Key(read=partial(_way_back, "" if "iif" in flags else words))
    return Key()
