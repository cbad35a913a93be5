"""What makes a request one of a login: a constant header, the answer to a challenge, or the device's own session."""

from __future__ import annotations

import base64
import json
import secrets
import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from msgspec import Struct

from plexops.model.exchange import Reply
from plexops.structs import replace
from plexops.transport.http.digest import Challenge, authorization, challenge_of
from plexops.transport.http_settings import BasicLogin, DigestLogin, HeaderLogin, HttpSettings
from plexops.transport.problems import failure

if TYPE_CHECKING:
    from http.client import HTTPMessage

    from plexops.model.errors import PlexopsError
    from plexops.transport.http.connection import Request

#: A request is sent so often at most: before the login is known, with it, and once more where it had become too old.
MOST_SENDS = 3
_NONE: Mapping[str, str] = MappingProxyType({})


class Answered(Struct, frozen=True):
    """A whole answer of a device with its head."""

    reply: Reply
    headers: HTTPMessage


#: Sends a request as it is, without a login, and gives the answer. Raises PlexopsError.
Send = Callable[["Request"], Answered]


class Carried(Struct, frozen=True):
    """What a request carries of a login. `times`: which of several logins this was; `firsts`: with what lists of a JSON
    body begin.
    """

    headers: Mapping[str, str] = _NONE
    times: int = 0
    firsts: Mapping[str, str] = _NONE

    def bound(self, request: Request) -> Request:
        """Give a request with it."""
        body = request.body
        if self.firsts and body is not None:
            told = json.loads(body)
            body = json.dumps(
                {**told, **{name: [value, *told.get(name, ())] for name, value in self.firsts.items()}}
            ).encode()
        return replace(request, headers={**request.headers, **self.headers}, body=body)


def refused(settings: HttpSettings, *detail: str) -> PlexopsError:
    """Build the error of a login that a device refused. Nothing of it may hold a secret."""
    return failure(
        "PLX-D204",
        f"{settings.device} refused the login",
        "look whether user name and password, or the key, are right and may use this interface; try again only then",
        settings.where,
        *detail,
    )


def impossible(settings: HttpSettings, why: str, cure: str) -> PlexopsError:
    """Build the error of a login that cannot be done here. Nothing of it may hold a secret."""
    return failure(
        "PLX-D216", f"the login at {settings.device} did not come about: {why}", cure, settings.where
    )


class ConstantLogin:
    """The login of one link, which many threads may use. This one is a header that is always the same, or none.

    What a status says of it is the driver's.
    """

    def __init__(self, login: BasicLogin | HeaderLogin | None) -> None:
        headers: dict[str, str] = {}
        self._pair = ""
        if isinstance(login, BasicLogin):
            pair = f"{login.key.reveal()}:{login.secret.reveal()}".encode()
            self._pair = base64.b64encode(pair).decode()
            headers[login.header] = f"Basic {self._pair}"
        elif login is not None:
            headers[login.name] = login.secret.reveal()
        self._carried = Carried(headers)

    def carry(self, _request: Request, _send: Send) -> Carried:
        """Give what a request carries, and log in before where that is to be done. Raises PlexopsError."""
        return self._carried

    def again(self, _carried: Carried, _answered: Answered, *, again: bool) -> bool:
        """Look at the answer, and tell whether the request is to be sent once more; `again`: it may, for it only reads.

        Raises PlexopsError PLX-D204 for a login that was refused, PLX-D216 for one that plexops cannot do.
        """
        del again
        return False

    def without(self, reply: Reply) -> Reply:
        """Give the answer without what the device gave out for this login, and what of it it says back."""
        if not self._pair:
            return reply
        return replace(
            reply, body=reply.body.replace(self._pair, "").replace(self._pair.replace("/", "\\/"), "")
        )

    def end(self, _send: Send) -> None:
        """End it, where there is something to end. Raises PlexopsError."""


class Digest(ConstantLogin):
    """Answers the device's challenge, and all requests by the same one until it is too old."""

    def __init__(self, settings: HttpSettings, login: DigestLogin) -> None:
        super().__init__(None)
        self._settings = settings
        self._login = login
        self._lock = threading.Lock()
        self._challenge: Challenge | None = None
        self._count = 0
        self._worked = False
        self._refused: PlexopsError | None = None

    def carry(self, request: Request, _send: Send) -> Carried:
        with self._lock:
            if self._refused is not None:  # many devices lock out who fails often
                raise self._refused
            if self._challenge is None:
                return Carried()
            self._count += 1
            pair = (self._login.key.reveal(), self._login.secret.reveal())
            asked = (request.method, request.target)
            answer = authorization(self._challenge, pair, asked, self._count, secrets.token_hex(16))
            return Carried({"Authorization": answer}, times=1)

    def again(self, carried: Carried, answered: Answered, *, again: bool) -> bool:
        del again  # the challenge is a part of the protocol
        if answered.reply.status != 401:
            self._worked = self._worked or carried.times > 0
            return False
        try:
            challenge = challenge_of(answered.headers.get_all("WWW-Authenticate", []))
        except ValueError as error:
            cure = "look which login this interface of the device wants; plexops sends no other by itself"
            raise impossible(self._settings, str(error), cure) from None
        with self._lock:
            # Devices that take a nonce once do not all say that it is stale: what was right before is right again.
            if carried.times and not challenge.stale and not self._worked:
                self._refused = self._refused or refused(self._settings)
                raise self._refused
            self._challenge, self._count = challenge, 0
        return True
