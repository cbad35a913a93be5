"""NAT-PMP: two bytes and no more, the answers of RFC 6886, and hosts that answer something else."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address

import pytest

from plexops.model.exchange import Look, LookKind, Read
from plexops.transport.around.local_queries import HereLink
from plexops.transport.around.natpmp import ask_address, read_answer
from plexops.transport.here import HereSettings
from tests.unit.transport.strangers import HOME, Said, UdpStranger

#: RFC 6886, 3.2: version 0, operation 128, result 0, 1,000 s since the start of the epoch, 198.51.100.77.
ANSWER = bytes.fromhex("00800000000003e8c633644d")
KEEPS = bytes.fromhex("00800003000003e800000000")


def always(*said: bytes | float) -> Callable[[bytes], Said]:
    return lambda _: said


def test_two_bytes_are_sent_and_the_address_is_read() -> None:
    with UdpStranger(always(ANSWER)) as box:
        assert ask_address(HOME, box.place[1]) == IPv4Address("198.51.100.77")
    assert box.packets == [b"\0\0"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (
            KEEPS,
            "it has no address on the internet side, or keeps it to itself (result 3)",
        ),
        (bytes.fromhex("00800002"), "it is not allowed there (result 2)"),
        # A box that speaks PCP alone refuses the version, in its own.
        (bytes.fromhex("02800001000003e8"), "it speaks another version (result 1)"),
        (bytes.fromhex("0080ffff"), "no known reason (result 65535)"),
        (
            bytes.fromhex("00800000000003e800000000"),
            "it has no address on the internet side, or keeps it to itself",
        ),
    ],
)
def test_refusals(data: bytes, why: str) -> None:
    with pytest.raises(ValueError) as caught:
        read_answer(data)
    assert str(caught.value) == why


@pytest.mark.parametrize(
    "data",
    [
        # Not an answer, or not to this question, or not whole.
        b"",
        b"\0\0",
        bytes.fromhex("00000000000003e8c633644d"),
        bytes.fromhex("00810000000003e8c633644d"),
        bytes.fromhex("02800000000003e8c633644d"),
        ANSWER[:-1],
        ANSWER + b"\0",
    ],
)
def test_anything_else_is_passed_over(data: bytes) -> None:
    assert read_answer(data) is None


def test_noise_is_passed_over_and_a_lost_packet_is_sent_again() -> None:
    lost: list[bytes] = []

    def second(data: bytes) -> Said:
        lost.append(data)
        return [b"noise", ANSWER[:5], ANSWER] if len(lost) > 1 else []

    with UdpStranger(second) as box:
        assert ask_address(HOME, box.place[1], seconds=2.0) == IPv4Address("198.51.100.77")
    assert box.packets == [b"\0\0"] * 2


def test_silence_ends_in_time() -> None:
    with UdpStranger(always()) as box, pytest.raises(ValueError, match=r"^no answer$"):
        ask_address(HOME, box.place[1], seconds=0.4)


def test_nobody_there_is_said_at_once() -> None:
    with UdpStranger(always()) as gone:
        pass
    with pytest.raises(ValueError, match=r"^refused$"):
        ask_address(HOME, gone.place[1], seconds=5.0)


@pytest.mark.parametrize("address", ["198.51.100.77", "100.64.0.1", "8.8.8.8"])
def test_only_a_box_in_a_home_is_asked(address: str) -> None:
    with pytest.raises(ValueError, match="not in a home"):
        ask_address(IPv4Address(address))
    (reply,) = HereLink(HereSettings("home/here")).ask((Read("x", Look(LookKind.NAT_PMP, address)),))
    assert (reply.status, reply.stderr) == (1, f"{address} is not in a home")
