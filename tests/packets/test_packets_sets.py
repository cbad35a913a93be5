"""Sets of numbers as intervals, held against Python's sets; and how addresses are read and shown."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plexops.model.intervals import (
    ALL_V4,
    ALL_V6,
    Numbers,
    intersect,
    network,
    normalise,
    shift,
    show_addresses,
    show_ports,
    single,
    size,
    subtract,
    unite,
)

PAIRS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 4)), max_size=7).map(
    lambda found: [(first, first + more) for first, more in found]
)
NUMBERS = PAIRS.map(normalise)


def members(numbers: Numbers) -> set[int]:
    return {n for first, last in numbers for n in range(first, last + 1)}


def is_normal(numbers: Numbers) -> bool:
    """Sorted, disjoint, and not touching."""
    ordered = all(first <= last for first, last in numbers)
    return ordered and all(a[1] + 1 < b[0] for a, b in itertools.pairwise(numbers))


@given(PAIRS)
def test_normalised_pairs_hold_the_same_numbers(pairs: list[tuple[int, int]]) -> None:
    assert members(normalise(pairs)) == members(tuple(pairs))
    assert is_normal(normalise(pairs))
    assert normalise([(5, 3)]) == ()


@given(NUMBERS, NUMBERS)
def test_two_sets(a: Numbers, b: Numbers) -> None:
    wanted = {
        unite: members(a) | members(b),
        intersect: members(a) & members(b),
        subtract: members(a) - members(b),
    }
    for operation, numbers in wanted.items():
        found = operation(a, b)
        assert members(found) == numbers, operation
        assert is_normal(found), operation


@given(NUMBERS, NUMBERS)
def test_a_cut_is_a_partition(a: Numbers, b: Numbers) -> None:
    assert unite(intersect(a, b), subtract(a, b)) == a
    assert size(intersect(a, b)) + size(subtract(a, b)) == size(a) == len(members(a))


@given(NUMBERS, st.integers(-9, 9))
def test_moved_numbers(a: Numbers, by: int) -> None:
    assert members(shift(a, by)) == {n + by for n in members(a)}
    assert shift(shift(a, by), -by) == a


@given(NUMBERS)
def test_the_only_number(a: Numbers) -> None:
    assert single(a) == (next(iter(members(a))) if len(members(a)) == 1 else None)


def test_large_sets_are_cut_in_one_pass() -> None:
    """The edges of a long list before, within and behind another one."""
    many: Numbers = tuple((n * 10, n * 10 + 4) for n in range(3000))
    for b in (
        ((14_995, 15_003),),
        ((0, 2), (29_990, 29_999)),
        ((-5, 40_000),),
        ((29_995, 99_999),),
        ((5, 9),),
    ):
        assert members(intersect(many, b)) == members(many) & members(b)
        assert members(intersect(b, many)) == members(many) & members(b)
        assert members(subtract(many, b)) == members(many) - members(b)
        assert members(subtract(b, many)) == members(b) - members(many)


@pytest.mark.parametrize(
    ("text", "family", "first", "last"),
    [
        ("192.0.2.1", 4, 0xC0000201, 0xC0000201),
        ("192.0.2.77/24", 4, 0xC0000200, 0xC00002FF),
        ("192.0.2.1-192.0.2.9", 4, 0xC0000201, 0xC0000209),
        ("192.0.2.1 - 192.0.2.9", 4, 0xC0000201, 0xC0000209),
        ("0.0.0.0/0", 4, *ALL_V4[0]),
        ("::/0", 6, *ALL_V6[0]),
        ("2001:db8::1", 6, 0x20010DB8 << 96 | 1, 0x20010DB8 << 96 | 1),
        ("::1-::9", 6, 1, 9),
    ],
)
def test_addresses_are_read(text: str, family: int, first: int, last: int) -> None:
    assert network(text) == (family, ((first, last),))


@pytest.mark.parametrize(
    "text",
    ["", "x", "192.0.2.300", "192.0.2.9-192.0.2.1", "192.0.2.1-::9", "192.0.2.1-", "10.0.0.0/33", "1.2.3"],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        network(text)


def test_sets_are_shown_for_people() -> None:
    assert show_addresses(4, network("192.0.2.0/24")[1]) == "192.0.2.0/24"
    assert show_addresses(4, network("192.0.2.1-192.0.2.9")[1]) == "192.0.2.1-192.0.2.9"
    assert show_addresses(6, network("2001:db8::1")[1]) == "2001:db8::1"
    assert show_addresses(4, ALL_V4) == "0.0.0.0/0"
    assert show_addresses(4, tuple((n, n) for n in (1, 3, 5, 7))) == "0.0.0.1, 0.0.0.3, 0.0.0.5, …"
    assert show_ports(((80, 80), (1000, 2000))) == "80,1000-2000"
