"""STUN: the published test vector, and answers that are none."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

import pytest

from plexops.transport.around.stun import Mapped, ask_stun, mapped_address
from tests.unit.transport.strangers import UdpStranger

#: RFC 5769, 2.2: a response with the address 192.0.2.1 and the port 32853, and attributes around it.
VECTOR = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96"
)
TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")


def response(request: bytes, address: bytes = b"\xc6\x33\x64\x4d", port: int = 40000) -> bytes:
    """Give a right answer: what is told is XORed with the cookie."""
    told = bytes(a ^ b for a, b in zip(address, b"\x21\x12\xa4\x42", strict=True))
    attribute = struct.pack("!HHBBH4s", 0x0020, 8, 0, 1, port ^ 0x2112, told)
    return struct.pack("!HHI12s", 0x0101, len(attribute), 0x2112A442, request[8:20]) + attribute


def test_the_published_answer_is_read() -> None:
    assert mapped_address(VECTOR, TRANSACTION) == Mapped(IPv4Address("192.0.2.1"), 32853)


def test_an_answer_to_somebody_else_is_none() -> None:
    assert mapped_address(VECTOR, bytes(12)) is None


@pytest.mark.parametrize("length", range(len(VECTOR)))
def test_a_cut_answer_is_none(length: int) -> None:
    assert mapped_address(VECTOR[:length], TRANSACTION) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0101003c", "0111003c"),  # an error response
        ("2112a442", "2112a443"),  # no STUN of this century
        ("00200008", "00200009"),
        ("00200008", "0020ffff"),
        ("00010008", "00020008"),
        ("0001a147", "0002a147"),  # IPv6
        ("00200008", "00010008"),  # in clear: a router may have rewritten it
        ("8022000b", "8022ffff"),
    ],
)
def test_a_damaged_answer_is_none(old: str, new: str) -> None:
    damaged = bytes.fromhex(VECTOR.hex().replace(old, new, 1))
    found = mapped_address(damaged, TRANSACTION)
    assert found is None or damaged == VECTOR


def test_a_server_is_asked_with_the_short_form() -> None:
    with UdpStranger(lambda data: [response(data)]) as server:
        assert ask_stun(*server.place) == Mapped(IPv4Address("198.51.100.77"), 40000)
    (request,) = server.packets
    assert request[:8] == bytes.fromhex("000100002112a442")
    assert len(request) == 20


def test_a_lost_packet_costs_one_more_try_with_the_same_transaction() -> None:
    asked: list[bytes] = []

    def second_only(data: bytes) -> list[bytes | float]:
        asked.append(data)
        return [response(data)] if len(asked) == 2 else []

    with UdpStranger(second_only) as server:
        assert ask_stun(*server.place, seconds=0.3) is not None
    assert asked[0] == asked[1]


def test_wrong_transactions_and_floods_end_in_time_without_an_answer() -> None:
    def lie(data: bytes) -> list[bytes | float]:
        return [response(bytes(20)), b"", b"x" * 60000, *([response(bytes(20))] * 100)]

    with UdpStranger(lie) as server:
        assert ask_stun(*server.place, seconds=0.2) is None
        assert 1 <= len(server.packets) <= 2


def test_nobody_there() -> None:
    with UdpStranger(lambda _: []) as server:
        place = server.place
    assert ask_stun(*place, seconds=0.2) is None
    assert ask_stun("nobody.invalid", seconds=0.2) is None
