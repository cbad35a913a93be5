"""plex.tv's own list of the account's servers: whether it holds this one, and where apps are told to find it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from ipaddress import IPv6Address
from typing import Any

from msgspec import Struct

from plexops.drivers.base import Observation
from plexops.drivers.plex.answers import flag, port
from plexops.languages.plex_tv import RESOURCES
from plexops.model.errors import WhyNot
from plexops.model.exchange import Only, Read, Reply
from plexops.model.snapshot import Fact, FactValue, Role, Snapshot
from plexops.model.values import Endpoint, is_public
from plexops.pattern import Pattern

#: All that is wanted of this server's own row. The list names other people's servers too, with a token for each.
_WANTED = frozenset(
    {
        *("clientIdentifier", "presence", "publicAddress", "publicAddressMatches", "relay", "owned"),
        *("httpsRequired", "dnsRebindingProtection", "natLoopbackSupported"),
        *("connections", "protocol", "address", "port", "local", "IPv6"),
    }
)
_HOST = Pattern(r"(?=.{1,253}\Z)[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_LISTED = "account.listed"
#: Where plex.tv lets this token see no list: it is then as if it had not been asked, and no reason to know less of the home.
NO_ACCESS = "account.access"
_FLAGS: Mapping[str, str] = {"account.online": "presence", "account.rebinding": "dnsRebindingProtection"}
_REFUSALS = frozenset({400, 401, 403, 404})
#: plex.tv answers in less than a second, or not at all.
_SECONDS = 10.0


class AccountDriver(Struct, frozen=True):
    """Asks for one server, by its machineIdentifier."""

    identifier: str

    def observe(self) -> Observation:
        """Ask once."""
        only = Only("clientIdentifier", self.identifier, _WANTED)
        (reply,) = yield (Read("account", RESOURCES, only=only, seconds=_SECONDS),)
        if reply.whole and reply.status in _REFUSALS:
            reason = f"plex.tv does not show it for this token (status {reply.status})"
            return Snapshot(Role.OUTSIDE, reasons={NO_ACCESS: reason})
        found = _facts(reply)
        if isinstance(found, WhyNot):
            return self.not_asked(found.text)
        facts = {name: Fact(name, value, f"outside.{reply.id}") for name, value in found.items()}
        return Snapshot(Role.OUTSIDE, facts)

    def not_asked(self, reason: str) -> Snapshot:
        """Give what is known where the list could not be read: why."""
        return Snapshot(Role.OUTSIDE, reasons={_LISTED: reason})


def _facts(reply: Reply) -> dict[str, FactValue] | WhyNot:
    """Read the list, of which the transport left this server's rows alone; or say why it is unknown."""
    if not reply.whole:
        return WhyNot("the answer was cut off")
    if reply.status != 200:
        return WhyNot(f"plex.tv answered with status {reply.status}")
    try:
        rows = json.loads(reply.body)
    except (ValueError, RecursionError):
        rows = None
    if not isinstance(rows, list) or len(rows) > 1:
        return WhyNot("the answer is not understood")
    if not rows:
        return {_LISTED: False}
    try:
        return _of_row(rows[0])
    except (KeyError, TypeError, ValueError):
        return WhyNot("the answer is not understood")


def _of_row(row: Mapping[str, Any]) -> dict[str, FactValue]:
    """Give the facts of this server's row. KeyError, TypeError, ValueError: it is not as plex.tv writes it."""
    listed = row["connections"]
    if not isinstance(listed, list):
        raise TypeError("no list")
    connections = [_Connection.read(one) for one in listed]
    facts: dict[str, FactValue] = {_LISTED: True}
    facts |= {name: _flag(row[member]) for name, member in _FLAGS.items() if member in row}
    facts["account.direct"] = tuple(one.door for one in connections if not (one.local or one.relay))
    # One of IPv6 is every host's own: a viewer elsewhere comes by it, whatever plex.tv calls local.
    facts["account.ipv6"] = tuple(one.door for one in connections if one.ipv6 and not one.relay)
    facts["account.relay"] = any(one.relay for one in connections)
    return facts


class _Connection(Struct, frozen=True):
    """One address that apps are told. `door` is host and port."""

    door: str
    local: bool
    relay: bool
    #: Whether it is a public address of IPv6.
    ipv6: bool

    @staticmethod
    def read(one: Mapping[str, Any]) -> _Connection:
        host, number = one["address"], port(str(one["port"]))
        if not isinstance(host, str) or not number:
            raise TypeError("no address and port")
        ipv6 = ":" in host and is_public(IPv6Address(host))
        if ":" in host:
            host = str(IPv6Address(host))
        elif not _HOST.fullmatch(host):
            raise ValueError("no address")
        return _Connection(str(Endpoint(host, number)), _flag(one["local"]), _flag(one["relay"]), ipv6)


def _flag(value: object) -> bool:
    """Read true and false as JSON has them, and as Plex writes them elsewhere."""
    found = flag(str(value).lower())
    if found is None:
        raise ValueError("no flag")
    return found
