"""A simulated plex.tv: the list of an account's servers, as apps get it, computed from the home's own state."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

from msgspec import Struct

from plexops.lab.base import DeviceLog, HttpRequest, HttpResponse
from plexops.lab.plex import PlexServer
from plexops.lab.plex_seed import PlexSeed

#: What must be in no output and no file: the list names other people's servers, with a token for each.
SOMEBODY_ELSES = ("shared-server-token-77c1", "Attic of a friend", "203.0.114.77", "neighbour@example.org")
_HASH = "0f4d7b6c9a1e4c52b8d3e6f7a9c0b1d2"
_PATH = "/api/v2/resources"


class Listing(Struct, frozen=True):
    """What the list holds otherwise than it should. In order by default."""

    #: Whether it holds the server at all, and whether the server's connection to plex.tv stands.
    listed: bool = True
    online: bool = True
    #: The port of an announcement from before, which it still gives out.
    stale_port: int | None = None
    #: Whether plex.tv found that the home's resolver keeps back private addresses.
    rebinding: bool = False


class PlexTv:
    """plex.tv, as far as it lists servers. `public_address` is what the internet sees of the server; empty: offline.

    `address6` is its own public address of IPv6; empty: it has none.
    """

    def __init__(
        self,
        plex: PlexServer,
        seed: PlexSeed,
        listing: Listing,
        *,
        log: DeviceLog,
        lan_address: Callable[[], str],
        public_address: Callable[[], str],
        address6: Callable[[], str] = str,
    ) -> None:
        self._plex = plex
        self._seed = seed
        self._listing = listing
        self._log = log
        self._lan_address = lan_address
        self._public_address = public_address
        self._address6 = address6

    def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer one request, as plex.tv does: without a name and a token nobody is told anything."""
        self._log.add(f"{request.method} {request.path}?{request.query}")
        if (request.method, request.path) != ("GET", _PATH):
            return _refuse(404, 1000, "Not found")
        if not request.headers.get("x-plex-client-identifier"):
            return _refuse(400, 1000, "X-Plex-Client-Identifier is missing")
        seed = self._seed
        known = seed.claimed and seed.signed_in and request.headers.get("x-plex-token") == seed.token
        if not known:
            return _refuse(401, 1001, "User could not be authenticated")
        asked = parse_qs(request.query)
        rows = [_player(), _friends_server()]
        if self._listing.listed:
            rows.insert(1, self._own(relay=asked.get("includeRelay") == ["1"]))
        return HttpResponse(200, json.dumps(rows).encode(), "application/json; charset=utf-8")

    def _own(self, *, relay: bool) -> dict[str, object]:
        seed, listing = self._seed, self._listing
        public = self._public_address()
        published = bool(self._plex.setting("PublishServerOnPlexOnlineKey"))
        connections = [_connection(self._lan_address(), seed.port, local=True)]
        verdict = self._plex.verdict()
        if listing.stale_port is not None:
            connections.append(_connection(public, listing.stale_port))
        elif verdict.public_port:
            connections.append(_connection(verdict.public_address, verdict.public_port))
        if self._address6() and self._plex.setting("EnableIPv6") and published:
            connections.append(_connection(self._address6(), seed.port, local=True))
        connections += [
            _custom(url) for url in str(self._plex.setting("customConnections")).split(",") if url
        ]
        if relay and published and self._plex.setting("RelayEnabled"):
            connections.append(_connection("139.162.213.157", 8443, relay=True))
        return {
            **_device(str(self._plex.setting("FriendlyName")), "Plex Media Server", seed.machine_identifier),
            "productVersion": seed.version, "provides": "server", "ownerId": None, "owned": True,
            "accessToken": seed.account_token, "publicAddress": public, "sourceTitle": None,
            "publicAddressMatches": True, "presence": listing.online and seed.condition.running and bool(public),
            "relay": relay, "httpsRequired": self._plex.setting("secureConnections") == 0,
            "dnsRebindingProtection": listing.rebinding, "natLoopbackSupported": False,
            "connections": connections,
        }  # fmt: skip


def _connection(address: str, port: int, *, local: bool = False, relay: bool = False) -> dict[str, object]:
    uri = f"https://{address.replace('.', '-').replace(':', '-')}.{_HASH}.plex.direct:{port}"
    return {
        "protocol": "https", "address": address, "port": port, "uri": uri, "local": local, "relay": relay,
        "IPv6": ":" in address,
    }  # fmt: skip


def _custom(url: str) -> dict[str, object]:
    parts = urlsplit(url.strip())
    return {
        "protocol": parts.scheme, "address": parts.hostname, "port": parts.port, "uri": url, "local": False,
        "relay": False, "IPv6": False,
    }  # fmt: skip


def _device(name: str, product: str, identifier: str) -> dict[str, object]:
    return {
        "name": name, "product": product, "platform": "Linux", "platformVersion": "24.04 (Noble Numbat)",
        "device": "PC", "clientIdentifier": identifier, "createdAt": "2024-04-02T17:11:08Z",
        "lastSeenAt": "2026-11-22T19:40:31Z", "home": False, "synced": False,
    }  # fmt: skip


def _player() -> dict[str, object]:
    return {
        **_device("Living room TV", "Plex for LG", "player-1"), "provides": "client,player", "owned": True,
        "accessToken": SOMEBODY_ELSES[0], "presence": False, "connections": [],
    }  # fmt: skip


def _friends_server() -> dict[str, object]:
    token, name, address, owner = SOMEBODY_ELSES
    return {
        **_device(name, "Plex Media Server", "8c1b2f0e9d7a6c5b4e3f2a1d0c9b8a7f6e5d4c3b"), "provides": "server",
        "owned": False, "ownerId": 4711, "sourceTitle": owner, "accessToken": token, "presence": True,
        "publicAddress": address, "connections": [_connection(address, 32401)],
    }  # fmt: skip


def _refuse(status: int, code: int, message: str) -> HttpResponse:
    errors = {"errors": [{"code": code, "message": message, "status": status}]}
    return HttpResponse(status, json.dumps(errors).encode(), "application/json; charset=utf-8")
