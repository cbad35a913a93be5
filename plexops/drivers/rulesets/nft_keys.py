"""What an expression of nft looks at, and which test says that it has one of some values.

Sources: nft(8), libnftables-json(5); for what a key gives where there is no connection, no route or another family the
kernel's `net/netfilter/nft_meta.c`, `nft_ct.c`, `nft_fib.c`, `nft_payload.c`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from ipaddress import IPv4Address, IPv6Address, summarize_address_range

from msgspec import Struct

from plexops.drivers.rulesets.base import ALL_ONES
from plexops.drivers.rulesets.nft_words import (
    FLAG_BITS,
    STATE_BITS,
    UNREADABLE,
    NotModelledError,
    Values,
    address_numbers,
    listed,
    members,
    number_of,
    one_member,
    ranges,
    show,
    texts,
)
from plexops.model import matches
from plexops.model.exchange import Json
from plexops.model.intervals import normalise
from plexops.model.matches import AnyOf, Family, Match, Other, Side, Test
from plexops.structs import replace

#: Holds where there is a connection.
CONNECTED = AnyOf(((Match(matches.DirectionIs(True)),), (Match(matches.DirectionIs(False)),)))
_LAST_PORT = 0xFFFF
#: What a header needs that is of one family only.
OF_FAMILY = {"ip": matches.FamilyIs(frozenset({4})), "ip6": matches.FamilyIs(frozenset({6}))}
#: Gives tests, of which one must hold where what is looked at has one of some values.
_Reader = Callable[[Values], Sequence[Test]]


class Key(Struct, frozen=True):
    """What is looked at. `needs` must hold first, negated or not. `read` gives tests, of which one must hold.

    No `read`: that is not modelled. `masked` reads what is left of it under a mask. `top`: the greatest value, where
    values can be compared. `address`: the family of a plain address, which may be looked up in a named set. `settled`:
    the needs say all there is for a TCP packet. `connected`: it has a value only where there is a connection.
    """

    needs: tuple[Test, ...] = ()
    read: _Reader | None = None
    masked: Callable[[int, Values], Sequence[Test]] | None = None
    top: int = 0
    address: tuple[Side, Family] | None = None
    settled: bool = False
    connected: bool = False


FAMILIES: Mapping[str, Family] = {"ip": 4, "ip6": 6, "ipv4": 4, "ipv6": 6}
#: A packet of such a protocol is no TCP packet, whatever else is asked of it.
_TRANSPORTS = {
    **{name: name for name in ("tcp", "udp", "udplite", "sctp", "dccp", "icmp", "icmpv6", "igmp")},
    **{name: name for name in ("esp", "ah", "comp", "gre")},
    "ipv6-icmp": "icmpv6",
}
_PROTOCOL_NUMBERS = {
    1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 33: "dccp", 58: "icmpv6", 132: "sctp", 136: "udplite",
}  # fmt: skip

# --- Readers of values ------------------------------------------------------


def _ports(side: Side, original: bool, values: Values) -> Sequence[Test]:
    return [matches.PortIn(side, normalise(ranges(values)), original)]


def _addresses(side: Side, family: Family, original: bool, values: Values) -> Sequence[Test]:
    return [matches.AddressIn(side, family, address_numbers(values, family), original)]


def _interfaces(side: Side, values: Values) -> Sequence[Test]:
    names = texts(values)
    if any("\\" in name or name.isdigit() for name in names):
        raise NotModelledError("an interface that has no name any more")
    return [matches.InterfaceIs(side, tuple(names))]


def _protocols(values: Values) -> Sequence[Test]:
    names = {
        _PROTOCOL_NUMBERS.get(value, str(value)) if isinstance(value, int) else _TRANSPORTS.get(value, value)
        for value in values
        if isinstance(value, (int, str))
    }
    if len(names) < len({str(value) for value in values}):
        raise NotModelledError("no protocols")
    return [matches.ProtocolIs(frozenset(names))]


def _families(values: Values) -> Sequence[Test]:
    """Read families. What is neither IPv4 nor IPv6 (ARP, a VLAN's frame) is no packet of a viewer."""
    return [matches.FamilyIs(frozenset(FAMILIES[name] for name in texts(values) if name in FAMILIES))]


def _states(mask: int, values: Values) -> Sequence[Test]:
    """Read states. A packet has exactly one, so that comparing bits is choosing among them."""
    wanted = {number_of(value, STATE_BITS) for value in values}
    return [
        matches.StateIs(
            frozenset(matches.State(name) for name, bit in STATE_BITS.items() if bit & mask in wanted)
        )
    ]


def _flags(mask: int, values: Values) -> Sequence[Test]:
    bits = (number_of(value, FLAG_BITS) for value in values)
    return [matches.FlagsAre(mask, found) for found in bits if not found & ~mask]


def _marks(connection: bool, mask: int, values: Values) -> Sequence[Test]:
    """Read marks. A range is the few masks that make it up."""
    found: list[Test] = []
    for first, last in ranges(values):
        if first == last:
            found += [matches.MarkIs(first, mask, connection)] if not first & ~mask else []
        elif mask != ALL_ONES:
            raise NotModelledError("a range of a part of a mark")
        else:
            networks = summarize_address_range(IPv4Address(first), IPv4Address(last))
            found += [matches.MarkIs(int(n.network_address), int(n.netmask), connection) for n in networks]
    return found


def _whole_status(values: Values) -> Sequence[Test]:
    """Read the whole status of a connection: with a translation comes that it was done, so that it is never alone."""
    if set(texts(values)) - {"snat", "dnat"}:
        raise NotModelledError("the whole status")
    return []


def _kinds(side: Side, where: str, values: Values) -> Sequence[Test]:
    """Read what an address is to the box. With an interface: what is not so at all is not so there."""
    names = texts(values)
    known = frozenset(kind for kind in matches.AddressKind if kind in names)
    test = matches.AddressIs(side, known, ",".join(name for name in names if name not in known))
    if not where:
        return [test]
    if matches.AddressKind.UNICAST in known or test.unknown:
        raise NotModelledError("what an address is to one interface")
    return [AnyOf(((Match(test), Match(Other(f"{where} {','.join(names)}"))),))]


def _way_back(loose: str, values: Values) -> Sequence[Test]:
    """Read whether there is a way back: by the interface where the packet came, or (`loose`) by any."""
    if list(values) != [True]:
        raise NotModelledError("by a certain interface")
    strict = matches.ReversePathHolds()
    return [strict, Other(loose)] if loose else [strict]


def _port_pairs(values: Values) -> Sequence[Test]:
    """Read both ports in one number, the sender's first: what nft makes of two comparisons that stand side by side."""
    found: list[Test] = []
    for value in values:
        both = zip(Side, divmod(number_of(value), 1 << 16), strict=True)
        found.append(AnyOf((tuple(Match(matches.PortIn(side, ((port, port),))) for side, port in both),)))
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


# --- Expressions --------------------------------------------------------------------------------------------------


_DIRECTIONS = {"original": True, "reply": False}
_LINKS = {"unicast": "host"}
#: Of each end of a packet the interface, the port, the address, the connection's first port, the port as bytes.
_ENDS = (
    (Side.SOURCE, ("iif", "iifname"), "sport", "saddr", "proto-src", "@th,0,16"),
    (Side.DESTINATION, ("oif", "oifname"), "dport", "daddr", "proto-dst", "@th,16,16"),
)


def _keys() -> Iterator[tuple[str, Key]]:
    """Give what can be looked at, in nft's own words."""
    for name in ("meta nfproto", "meta protocol", "ether type"):
        yield name, Key(read=_families)
    yield "meta l4proto", Key(read=_protocols)
    yield (
        "meta pkttype",
        Key(
            read=lambda values: [matches.LinkIs(frozenset(_LINKS.get(name, name) for name in texts(values)))]
        ),
    )
    yield "ether saddr", Key(read=lambda values: [matches.MacIn(frozenset(map(str.lower, texts(values))))])
    yield "meta mark", Key((), partial(_marks, False, ALL_ONES), partial(_marks, False), ALL_ONES)
    yield "ct mark", Key((), partial(_marks, True, ALL_ONES), partial(_marks, True), ALL_ONES, connected=True)
    yield "ct state", Key((), partial(_states, 255), _states)
    yield (
        "ct direction",
        Key(
            read=lambda values: [matches.DirectionIs(_DIRECTIONS[name]) for name in texts(values)],
            connected=True,
        ),
    )
    yield "ct status", Key(read=_whole_status, connected=True)
    for way in ("ct", "ct original", "ct reply"):
        yield f"{way} protocol", Key((CONNECTED,), _protocols)
        yield f"{way} l3proto", Key((CONNECTED,), _families)
    yield "@th,0,32", Key(read=_port_pairs)
    yield "tcp flags", Key(_HEADERS["tcp"].needs, partial(_flags, 255), _flags)
    for side, interfaces, port, address, original, raw in _ENDS:
        for name in interfaces:
            yield name, Key(read=partial(_interfaces, side))
        ports = Key(read=partial(_ports, side, False), top=_LAST_PORT)
        yield raw, ports
        yield f"ct original {original}", replace(ports, read=partial(_ports, side, True), connected=True)
        for protocol in ("th", *_TRANSPORTS):
            yield f"{protocol} {port}", replace(ports, needs=_HEADERS[protocol].needs)
        for name, test in OF_FAMILY.items():
            now, first = (partial(_addresses, side, FAMILIES[name], is_first) for is_first in (False, True))
            yield f"{name} {address}", Key((test,), now, address=(side, FAMILIES[name]))
            # Without a family it is not read: of a prefix version 1.0.6 lists a wrong address.
            yield f"ct original {name} {address}", Key((test,), first, connected=True)
    yield "ip protocol", Key((OF_FAMILY["ip"],), _protocols)
    yield "ip6 nexthdr", Key((OF_FAMILY["ip6"],), _protocols)


#: Headers, whatever is looked at in them.
_HEADERS: Mapping[str, Key] = (
    {name: Key((test,)) for name, test in OF_FAMILY.items()}
    | {
        name: Key((matches.ProtocolIs(frozenset({protocol})),), settled=protocol != "tcp")
        for name, protocol in _TRANSPORTS.items()
    }
    | {"th": Key()}
)
_KEYS = dict(_keys())
#: Bytes of the IP header, as miniupnpd writes them: header, place and length in bits (RFC 791, RFC 8200).
_BYTES = {
    "@nh,72,8": "ip protocol", "@nh,96,32": "ip saddr", "@nh,128,32": "ip daddr",
    "@nh,48,8": "ip6 nexthdr", "@nh,64,128": "ip6 saddr", "@nh,192,128": "ip6 daddr",
}  # fmt: skip


def key_of(left: Json, table: str) -> Key:
    """Say what an expression looks at. In a table of the family `table` that family needs no test."""
    try:
        key = _key(left, table)
    except UNREADABLE:
        return Key()
    needs = tuple(test for test in key.needs if test != OF_FAMILY.get(table))
    return key if needs == key.needs else replace(key, needs=needs)


def _key(left: Json, table: str) -> Key:
    kind, body = one_member(left)
    mask: int | None = None
    if kind == "&":
        left, part = listed(body)
        kind, body = one_member(left)
        mask = number_of(part, FLAG_BITS if kind == "payload" else STATE_BITS)
    words = show(left)
    if kind not in ("payload", "meta", "ct", "fib") or "tunnel" in members(body):
        return Key()
    if kind == "fib":
        return _fib(members(body), words) if mask is None else Key()
    if words in _BYTES:
        return _bytes(words, table) if mask is None else Key()
    key = _KEYS.get(words, Key())
    if mask is None and key.read is not None:
        return key
    if mask is not None and key.masked is not None:
        return replace(key, read=partial(key.masked, mask))
    return _HEADERS.get(words.partition(" ")[0], Key())


def _bytes(words: str, table: str) -> Key:
    """Read bytes at a place. The other family has other things there.

    That those are by chance the 32 bits or more of an address happens to one sender in billions, and is left out.
    """
    header, key = _BYTES[words].partition(" ")[0], _KEYS[_BYTES[words]]
    if table in OF_FAMILY and table != header:
        return Key()
    if key.address is None:
        return Key(read=partial(_one_byte, () if table == header else key.needs, words))
    return Key(key.needs, partial(_as_addresses, *key.address))


def _fib(found: Mapping[str, Json], words: str) -> Key:
    """Read a look at the routes. A mark chooses among routing tables, of which one is modelled."""
    flags = [str(flag) for flag in listed(found.get("flags"))]
    if ("saddr" in flags) is ("daddr" in flags) or set(flags) - {"saddr", "daddr", "iif", "mark"}:
        return Key()
    side = Side.SOURCE if "saddr" in flags else Side.DESTINATION
    match found.get("result"):
        case "type":
            return Key(read=partial(_kinds, side, words if "iif" in flags else ""))
        case "oif" if side is Side.SOURCE:
            return Key(read=partial(_way_back, "" if "iif" in flags else words))
    return Key()
