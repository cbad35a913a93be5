"""plex.tv's list, read: what it says of one server, and when it says nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plexops.drivers.plex.account import AccountDriver
from plexops.model.exchange import Reply
from plexops.model.snapshot import Role, Snapshot
from plexops.transport.redact import hidden

OURS = "5f0c6e1c8a7d4b29b1e3d0f4a6c8e2b7d9f1a3c5"


def connection(address: str, port: object = 32500, **more: object) -> dict[str, object]:
    return {
        "protocol": "https", "address": address, "port": port, "uri": f"https://{address}:{port}",
        "local": False, "relay": False, "IPv6": ":" in address, **more,
    }  # fmt: skip


#: A row as plex.tv gives it; names and addresses made up.
ROW: dict[str, Any] = {
    "name": "mediabox", "product": "Plex Media Server", "productVersion": "1.43.0.10467-2b1ba6e69",
    "platform": "Linux", "platformVersion": "24.04", "device": "PC", "clientIdentifier": OURS,
    "createdAt": "2024-04-02T17:11:08Z", "lastSeenAt": "2026-11-22T19:40:31Z", "provides": "server",
    "ownerId": None, "sourceTitle": None, "publicAddress": "203.0.113.20", "accessToken": "s3cret",
    "owned": True, "home": False, "synced": False, "relay": True, "presence": True, "httpsRequired": False,
    "publicAddressMatches": True, "dnsRebindingProtection": False, "natLoopbackSupported": False,
    "connections": [
        connection("192.168.1.50", 32400, local=True),
        connection("203.0.113.20"),
        connection("2001:db8:0:0::50", 32400),
        connection("139.162.213.157", 8443, relay=True),
    ],
}  # fmt: skip
FRIENDS = {**ROW, "clientIdentifier": "8c1b2f0e", "owned": False, "accessToken": "s3cret too"}


def observed(body: str, status: int = 200, *, whole: bool = True) -> Snapshot:
    observation = AccountDriver(OURS).observe()
    (read,) = next(observation)
    reply = hidden(read, Reply(read.id, status, body, whole=whole))
    assert "s3cret" not in reply.body
    try:
        observation.send((reply,))
    except StopIteration as done:
        found: Snapshot = done.value
        return found
    raise AssertionError("it asked again")


def facts(*rows: object) -> dict[str, object]:
    snapshot = observed(json.dumps(rows))
    assert snapshot.role is Role.OUTSIDE
    assert {fact.exhibit for fact in snapshot.facts.values()} <= {"outside.account"}
    return {name.removeprefix("account."): fact.value for name, fact in snapshot.facts.items()}


def test_what_the_list_says_of_one_server() -> None:
    assert facts(FRIENDS, ROW) == {
        "listed": True,
        "online": True,
        "rebinding": False,
        "direct": ("203.0.113.20:32500", "[2001:db8::50]:32400"),
        "ipv6": ("[2001:db8::50]:32400",),
        "relay": True,
    }


def test_flags_as_plex_writes_them_elsewhere() -> None:
    doors = [connection("192.168.1.50", "32400", local="1", relay="0")]
    found = facts({**ROW, "presence": 0, "dnsRebindingProtection": "1", "connections": doors})
    assert (found["online"], found["rebinding"], found["direct"], found["relay"]) == (False, True, (), False)


def test_a_server_that_is_not_listed() -> None:
    assert facts(FRIENDS) == {"listed": False}


def test_what_is_not_said_is_not_known() -> None:
    silent = {
        name: value for name, value in ROW.items() if name not in ("presence", "dnsRebindingProtection")
    }
    assert set(facts(silent)) == {"listed", "direct", "ipv6", "relay"}


@pytest.mark.parametrize(
    ("body", "status", "whole", "reason"),
    [
        ("[]", 200, False, "the answer was cut off"),
        ("", 429, True, "plex.tv answered with status 429"),
        ("<html>", 200, True, "the answer is not understood"),
        ("{}", 200, True, "the answer is not understood"),
        (json.dumps([ROW, ROW]), 200, True, "the answer is not understood"),
        (json.dumps([{**ROW, "connections": None}]), 200, True, "the answer is not understood"),
        (json.dumps([{**ROW, "presence": "perhaps"}]), 200, True, "the answer is not understood"),
        (
            json.dumps([{**ROW, "connections": [connection("x", 0)]}]),
            200,
            True,
            "the answer is not understood",
        ),
        (json.dumps([{**ROW, "connections": ["x"]}]), 200, True, "the answer is not understood"),
        (
            json.dumps([{**ROW, "connections": [connection("a:b")]}]),
            200,
            True,
            "the answer is not understood",
        ),
    ],
)
def test_an_answer_that_says_nothing(body: str, status: int, whole: bool, reason: str) -> None:
    snapshot = observed(body, status, whole=whole)
    assert (dict(snapshot.facts), dict(snapshot.reasons)) == ({}, {"account.listed": reason})


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_token_for_which_plex_tv_shows_no_list_is_no_gap_in_what_was_seen(status: int) -> None:
    snapshot = observed('{"errors": []}', status, whole=True)
    reason = f"plex.tv does not show it for this token (status {status})"
    assert (dict(snapshot.facts), dict(snapshot.reasons)) == ({}, {"account.access": reason})
