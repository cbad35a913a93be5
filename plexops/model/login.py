"""How a device's own login works: what is sent, what is kept of the answers, and how it ends. It holds no secret."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from plexops.model.exchange import Json, Method

#: How a secret answers a challenge, so that it does not travel itself: HMAC-SHA1 of the challenge (Freebox), or AVM's two.
Proof = Literal["hmac-sha1", "md5-utf16", "pbkdf2-avm"]


class SessionRequest(Struct, frozen=True):
    """One request of a login. A leaf of `body` is literal, or exactly one of `{{ username }}`, `{{ password }}`,
    `{{ challenge }}`, `{{ proof }}`; `form`: it is sent as a form and not as JSON.
    """

    method: Method
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Json = None
    form: bool = False


class KeptHeader(Struct, frozen=True):
    """A header of all later requests: `take` is a JMESPath expression over the answer to the login; without one it is
    the answer's header of the same name. What a later answer brings in that header replaces it.
    """

    name: str
    take: str = ""


class SessionSteps(Struct, frozen=True):
    """A login in at most three requests: `ask` for a challenge, which `take` finds in the answer, `send`, and `end`.

    An answer in JSON or XML is an object for `take`. `cookies`: those of the device are kept. `refused` are the
    statuses by which it says that a login is no longer valid.
    """

    send: SessionRequest
    ask: SessionRequest | None = None
    take: str = ""
    proof: Proof | None = None
    cookies: bool = False
    keep: tuple[KeptHeader, ...] = ()
    end: SessionRequest | None = None
    refused: frozenset[int] = frozenset({401})
