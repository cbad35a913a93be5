"""How a device's own login works: what is sent, what is kept of the answers, and how it ends. It holds no secret.

The types of the profile's file are here as well; what stands in no file begins with @.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from msgspec import Struct, field

from plexops.model.exchange import Json, Method
from plexops.structs import says

#: How a secret answers a challenge, so that it does not travel itself: HMAC-SHA1 of the challenge (Freebox), AVM's two, or
#: Keenetic's.
Proof = Literal["hmac-sha1", "md5-utf16", "pbkdf2-avm", "sha256-md5"]

#: What the transport fills into the body that logs in. No param may bear such a name.
PLACEHOLDERS = ("username", "password", "challenge", "proof")


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
    the answer's header of the same name. What a later answer brings in that header replaces it. `first`: it is no
    header, but the first value of the list of that name in the body of all later requests.
    """

    name: str
    take: str = ""
    first: bool = False


class SessionSteps(Struct, frozen=True):
    """A login in at most three requests: `ask` for a challenge, which `take` finds in the answer, `send`, and `end`.

    An answer in JSON or XML is an object for `take`; `header` and `realm` are headers of the answer to `ask`, also where
    that refuses. `cookies`: those of the device are kept. `refused` are the statuses by which it says that a login is no
    longer valid, and `over` is true in an answer that says so.
    """

    send: SessionRequest
    ask: SessionRequest | None = None
    take: str = ""
    header: str = ""
    realm: str = ""
    proof: Proof | None = None
    cookies: bool = False
    keep: tuple[KeptHeader, ...] = ()
    end: SessionRequest | None = None
    refused: frozenset[int] = frozenset({401})
    over: str = ""


class LoginRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """One request of a login as a profile writes it. Leaves of the body may be a placeholder of a login."""

    get: Annotated[str, says("The path of a GET.", "/api/v8/login/", pattern="^/")] = ""
    post: Annotated[str, says("The path of a POST.", "/api/auth/login", pattern="^/")] = ""
    delete: Annotated[str, says("The path of a DELETE.", "/api/session", pattern="^/")] = ""
    body: Annotated[Any, says("What it sends, as JSON.", {"username": "{{ username }}"})] = None
    form: Annotated[bool, says("Whether the body is sent as a form.", True)] = False
    take: Annotated[
        str, says("Of `ask`: where its answer has the challenge, in JMESPath.", "result.challenge")
    ] = ""
    header: Annotated[str, says("Of `ask`: the header that has it instead.", "X-NDM-Challenge")] = ""
    realm: Annotated[str, says("Of `ask`: the header that names for whom.", "X-NDM-Realm")] = ""

    @property
    def request(self) -> SessionRequest:
        """What is sent; a query stands behind the path."""
        method = "GET" if self.get else "POST" if self.post else "DELETE"
        path, _, query = (self.get or self.post or self.delete).partition("?")
        pairs = tuple(
            (name, value) for name, _, value in (one.partition("=") for one in query.split("&") if one)
        )
        return SessionRequest(cast("Method", method), path, pairs, self.body, self.form)


class KeptSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept of the answer to a login. The word `cookie` alone: all cookies."""

    header: Annotated[str, says("The header of all later requests.", "X-Fbx-App-Auth")] = ""
    first: Annotated[
        str, says("The list in the body of all later requests that begins with it.", "params")
    ] = ""
    take: Annotated[
        str, says("Where the answer has it; without, in its header of the same name.", "token")
    ] = ""
    cookie: bool = field(name="@cookie", default=False)


class SessionSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """A login in at most three requests."""

    send: Annotated[LoginRequest, says("What logs in.", {"post": "/api/auth/login"})]
    ask: Annotated[LoginRequest | None, says("What is asked before: a challenge.", {"get": "/api/login"})] = (
        None
    )
    proof: Annotated[Proof | None, says("How the password answers the challenge.", "hmac-sha1")] = None
    keep: Annotated[tuple[KeptSpec, ...], says("What later requests carry.", ["cookie"])] = ()
    end: Annotated[LoginRequest | None, says("What logs out.", {"post": "/api/logout"})] = None
    refused: Annotated[frozenset[int], says("Statuses: it is no longer valid.", [401])] = frozenset({401})
    over: Annotated[
        str, says("An expression that is true in an answer that says so.", "error.code==`-32002`")
    ] = ""

    @property
    def steps(self) -> SessionSteps:
        """What the transport carries out."""
        return SessionSteps(
            send=self.send.request,
            ask=None if self.ask is None else self.ask.request,
            take="" if self.ask is None else self.ask.take,
            header="" if self.ask is None else self.ask.header,
            realm="" if self.ask is None else self.ask.realm,
            proof=self.proof,
            cookies=any(one.cookie for one in self.keep),
            keep=tuple(
                KeptHeader(one.header or one.first, one.take, bool(one.first))
                for one in self.keep
                if not one.cookie
            ),
            end=None if self.end is None else self.end.request,
            refused=self.refused,
            over=self.over,
        )


class LoginSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """One way to log in over HTTP. A word alone is `basic` or `digest`."""

    header: Annotated[str, says("The header whose value is the inventory's api_key.", "X-API-KEY")] = ""
    session: Annotated[SessionSpec | None, says("The device's own login.", {"send": {"post": "/login"}})] = (
        None
    )
    basic: Annotated[str, says("`basic`, in another header than Authorization.", "X-JNAP-Authorization")] = ""
    word: Literal["", "basic", "digest"] = field(name="@word", default="")

    @property
    def kind(self) -> str:
        """What people call it."""
        return self.word or ("session" if self.session is not None else "basic" if self.basic else "key")

    @property
    def wants(self) -> tuple[tuple[str, ...], ...]:
        """The inventory's keys that it takes: any one of these groups."""
        if self.header:
            return (("api_key",),)
        if self.session is not None:
            named = "{{ username }}" in str(self.session.send.body)
            return (("username", "password"),) if named else (("password",),)
        both = ("username", "password")
        return (("api_key", "api_secret"), both) if self.kind == "basic" else (both,)
