"""Sets of whole numbers as sorted, disjoint, inclusive intervals: ports, and addresses of one family as integers."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Literal

Numbers = tuple[tuple[int, int], ...]

EMPTY: Numbers = ()
ALL_PORTS: Numbers = ((0, 65535),)
ALL_V4: Numbers = ((0, 2**32 - 1),)
ALL_V6: Numbers = ((0, 2**128 - 1),)


def normalise(pairs: Iterable[tuple[int, int]]) -> Numbers:
    """Sort and join pairs that overlap or touch; a pair whose end is before its start is left out."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(pairs):
        if last < first:
            continue
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return tuple(joined)


def unite(a: Numbers, b: Numbers) -> Numbers:
    """Give what is in either set."""
    if a == b or not b:
        return a
    return normalise((*a, *b)) if a else b


def intersect(a: Numbers, b: Numbers) -> Numbers:
    """Give what is in both sets."""
    if a == b or not a or not b:
        return a if b else EMPTY
    if len(a) == 1 and len(b) > 1:
        a, b = b, a
    if len(b) == 1:
        return _within(a, *b[0])
    found: list[tuple[int, int]] = []
    i, j = _start(a, b), _start(b, a)
    while i < len(a) and j < len(b):
        (low, high), (first, last) = a[i], b[j]
        if low <= last and first <= high:
            found.append((max(low, first), min(high, last)))
        if high < last:
            i += 1
        else:
            j += 1
    return tuple(found)


def _within(numbers: Numbers, first: int, last: int) -> Numbers:
    """Give what of a set lies between two numbers: what is not at the edges is taken as it is."""
    start = max(bisect_left(numbers, (first,)) - 1, 0)
    if start < len(numbers) and numbers[start][1] < first:
        start += 1
    end = bisect_left(numbers, (last + 1,))
    if start >= end:
        return EMPTY
    part = list(numbers[start:end])
    part[0] = (max(part[0][0], first), part[0][1])
    part[-1] = (part[-1][0], min(part[-1][1], last))
    return tuple(part)


def subtract(a: Numbers, b: Numbers) -> Numbers:
    """Give what is in `a` and not in `b`."""
    left: list[tuple[int, int]] = []
    j = _start(b, a)
    for first, last in a:
        at = first
        while j < len(b) and b[j][1] < at:
            j += 1
        k = j
        while k < len(b) and b[k][0] <= last:
            if at < b[k][0]:
                left.append((at, b[k][0] - 1))
            at = max(at, b[k][1] + 1)
            k += 1
        if at <= last:
            left.append((at, last))
    return tuple(left)


def _start(of: Numbers, other: Numbers) -> int:
    """Give the first interval of one set that can meet the other's first: a long list before it costs nothing."""
    if not other or not of:
        return 0
    at = bisect_left(of, (other[0][0],))
    return max(at - 1, 0)


def size(numbers: Numbers) -> int:
    """Count what is in the set."""
    return sum(last - first + 1 for first, last in numbers)


def shift(numbers: Numbers, by: int) -> Numbers:
    """Move every number."""
    return tuple((first + by, last + by) for first, last in numbers) if by else numbers


def single(numbers: Numbers) -> int | None:
    """Give the only number of the set; None where it has none or several."""
    if len(numbers) == 1 and numbers[0][0] == numbers[0][1]:
        return numbers[0][0]
    return None


def network(text: str) -> tuple[Literal[4, 6], Numbers]:
    """Read `192.0.2.0/24`, `192.0.2.1`, `192.0.2.1-192.0.2.9` or its IPv6 likes: the family (4 or 6) and the set.

    Bits beyond the prefix are ignored, as the kernels do. Raises ValueError.
    """
    first, dash, last = text.partition("-")
    if dash:
        low, high = ip_address(first.strip()), ip_address(last.strip())
        if low.version != high.version or int(low) > int(high):
            raise ValueError(f"{text!r} is no range of addresses")
        return low.version, ((int(low), int(high)),)
    net = ip_network(text, strict=False)
    return net.version, (edges(net),)


def edges(net: IPv4Network | IPv6Network) -> tuple[int, int]:
    """Give a network's first and last address."""
    return int(net.network_address), int(net.broadcast_address)


def show_addresses(family: int, numbers: Numbers, most: int = 3) -> str:
    """Write a set of addresses for a person: networks where they fit, `…` for what is beyond `most`."""
    shown = [_one(family, first, last) for first, last in numbers[:most]]
    return ", ".join([*shown, "…"] if len(numbers) > most else shown)


def _one(family: int, first: int, last: int) -> str:
    kind, bits = (IPv4Address, 32) if family == 4 else (IPv6Address, 128)
    low, high = kind(first), kind(last)
    if first == last:
        return str(low)
    length = last - first + 1
    if length & (length - 1) == 0 and first % length == 0:
        return f"{low}/{bits - length.bit_length() + 1}"
    return f"{low}-{high}"


def show_ports(numbers: Numbers) -> str:
    """Write a set of ports for a person."""
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in numbers)
