"""The guard that keeps every other test on this machine, itself under test. Nothing here sends a packet."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

import pytest

from tests.conftest import GUARD, LeftTheMachine


def connect() -> None:
    with socket.socket() as tried:
        tried.connect(("192.0.2.1", 80))


def connect_ex() -> None:
    with socket.socket() as tried:
        tried.connect_ex(("192.0.2.1", 80))


def multicast() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as tried:
        tried.sendto(b"M-SEARCH", ("239.255.255.250", 1900))


def look_up() -> None:
    socket.getaddrinfo("plex.tv", 443)


def over_ipv6() -> None:
    with contextlib.closing(socket.socket(socket.AF_INET6)) as tried:
        tried.connect(("2001:db8::1", 80))


@pytest.mark.parametrize("leave", [connect, connect_ex, multicast, look_up, over_ipv6])
def test_whatever_would_leave_is_refused_and_remembered(leave: Callable[[], None]) -> None:
    with pytest.raises(LeftTheMachine, match="must not reach out"):
        leave()
    assert len(GUARD.refused) == 1
    GUARD.refused.clear()


def test_this_machine_can_be_reached_and_nobodys_names_do_not_resolve() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(("localhost", server.getsockname()[1])).close()
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("router.lan", 22)
    assert GUARD.refused == []
