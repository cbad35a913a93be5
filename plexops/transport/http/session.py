"""A device's own login: asks for a challenge, sends the proof, and keeps what it is given for the requests after it.

A link logs in twice at most: at its begin, and once more where the device no longer knows the first login.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from http.client import HTTPMessage
from urllib.parse import urlencode

from plexops.languages.logins import HEADER_NAME, check_login
from plexops.languages.template import fill_structure
from plexops.model.errors import PlexopsError
from plexops.model.exchange import Call, Json, Reply
from plexops.model.fields import FieldType, Typed
from plexops.model.login import SessionRequest
from plexops.model.xml import read_elements
from plexops.pattern import Pattern
from plexops.structs import replace
from plexops.transport.http.connection import Request, request_to
from plexops.transport.http.logins import Answered, Carried, ConstantLogin, Send, impossible, refused
from plexops.transport.http.proof import prove
from plexops.transport.http_settings import HttpSettings, SessionLogin

_MOST_LOGINS = 2
_MOST_BYTES = 64 * 1024
_MOST_COOKIES = 16
#: What may become part of a header: it cannot end it.
_VALUE = Pattern(r"[\x21-\x7e](?:[\x20-\x7e]{0,4094}[\x21-\x7e])?")
_COOKIE = Pattern(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]{1,4096}")
_CODE = Pattern(r'"(?:error_?code|code)"\s*:\s*"?([A-Za-z0-9_.-]{1,40})\b', 2)  # re.IGNORECASE
_SECOND_FACTOR = Pattern(r"\b(?:mfa|2fa|otp|totp)|(?:two|second|multi)[ _-]?factor", 2)
#: UniFi OS answers so where a second factor is wanted.
_SECOND_FACTOR_STATUS = 499
#: Shorter than this, a value could be a part of any answer.
_TELLING = 8


class Session(ConstantLogin):
    """The login of one link by `steps`. Raises ValueError for steps that could do anything but log in and out."""

    def __init__(self, settings: HttpSettings, login: SessionLogin) -> None:
        check_login(login.steps)
        super().__init__(None)
        self._settings = settings
        self._login = login
        self._lock = threading.Lock()
        self._headers: dict[str, str] = {}
        self._cookies: dict[str, str] = {}
        self._firsts: dict[str, str] = {}
        self._times = 0
        self._inside = self._known = False
        self._refused: PlexopsError | None = None

    def carry(self, _request: Request, send: Send) -> Carried:
        """Give what is kept, and log in before where nothing is."""
        with self._lock:
            if self._refused is not None:
                raise self._refused
            if not self._inside:
                self._times += 1
                try:
                    self._log_in(send)
                except PlexopsError as error:
                    if any(problem.code in ("PLX-D204", "PLX-D216") for problem in error.problems):
                        self._refused = error
                    raise
                self._inside = True
            return replace(self._sent(), times=self._times)

    def again(self, carried: Carried, answered: Answered, *, again: bool) -> bool:
        """Keep what an answer brings anew; a refusal ends this login.

        Where other requests were answered and a new login did not help, it is this one that is refused, and the driver's.
        """
        with self._lock:
            if not self._is_over(answered.reply):
                self._known = True
                if carried.times == self._times:
                    self._keep(answered.headers)
                return False
            if carried.times < self._times and again:
                return True
            if self._times < _MOST_LOGINS and again:
                self._inside = False
                return True
            if self._known or not again:
                return False
            said = f"it let plexops in, and refused the first request all the same: {answered.reply.status}"
            self._refused = refused(self._settings, said)
            raise self._refused

    def without(self, reply: Reply) -> Reply:
        """Take out what is kept: pages that show a session's token to whom it belongs are no place to record it from."""
        with self._lock:
            given = {*self._headers.values(), *self._cookies.values(), *self._firsts.values()}
        body = reply.body
        for value in sorted((one for one in given if len(one) >= _TELLING), key=len, reverse=True):
            body = body.replace(value, "").replace(value.replace("/", "\\/"), "")
        return reply if body == reply.body else replace(reply, body=body)

    def end(self, send: Send) -> None:
        """Log out, where that was said and there is a login."""
        with self._lock:
            step = self._login.steps.end
            if step is None or not self._inside:
                return
            self._inside = False
            sent = self._sent()
        send(sent.bound(self._request(step, {})))

    def _log_in(self, send: Send) -> None:
        steps = self._login.steps
        self._headers, self._cookies, self._firsts = {}, {}, {}
        values = {"username": self._login.key.reveal(), "password": self._login.secret.reveal()}
        if steps.ask is not None:
            answered = send(self._request(steps.ask, {}))
            if not (steps.header and answered.reply.status == 401):  # so Keenetic asks for a login
                answered = self._judged(answered)
            self._keep(answered.headers)
            told = (
                self._told(answered.headers, steps.header)
                if steps.header
                else self._taken(answered.reply.body, steps.take, "challenge")
            )
            values["challenge"] = told
            realm = self._told(answered.headers, steps.realm) if steps.realm else ""
            if steps.proof is not None:
                try:
                    whose = f"{values['username']}:{realm}"
                    values["proof"] = prove(steps.proof, told, values["password"], whose)
                except ValueError as error:
                    cure = "look which way to log in this version of the device wants"
                    raise impossible(
                        self._settings, f"its challenge is not the expected one: {error}", cure
                    ) from None
        answered = self._judged(send(self._sent().bound(self._request(steps.send, values))))
        self._keep(answered.headers)
        for kept in steps.keep:
            if kept.take:
                where = self._firsts if kept.first else self._headers
                where[kept.name] = self._taken(answered.reply.body, kept.take, kept.name)
            elif kept.name not in self._headers:
                raise self._nothing(f"header {kept.name}")
        if steps.cookies and not self._cookies:
            raise self._nothing("cookie for its own address")

    def _request(self, step: SessionRequest, values: Mapping[str, str]) -> Request:
        bound = {name: Typed(FieldType.TEXT, value) for name, value in values.items()}
        body = fill_structure(step.body, bound)
        request = request_to(self._settings, Call(step.method, step.path, step.query, body, accept="any"))
        if step.form and isinstance(body, Mapping):
            headers = {**request.headers, "Content-Type": "application/x-www-form-urlencoded"}
            return replace(request, headers=headers, body=urlencode(body).encode())
        return request

    def _judged(self, answered: Answered) -> Answered:
        """Give an answer of the login that can be one. What the device says is not quoted: it may repeat a secret."""
        reply, status = answered.reply, answered.reply.status or 0
        by_hand = "use an account of the device itself, without a second factor, or a key of its interface"
        failed = status < 200 or status >= 400
        if status == _SECOND_FACTOR_STATUS or (failed and _SECOND_FACTOR.search(reply.body)):
            raise impossible(self._settings, "it wants a second factor", by_hand)
        if 300 <= status < 400:
            cure = "look whether the address and the port are those of its interface"
            raise impossible(self._settings, "it sends plexops elsewhere, where nothing is sent", cure)
        if status == 429:
            cure = "wait some minutes: it counts logins"
            raise impossible(self._settings, "it takes no more logins for now (429)", cure)
        if failed:
            code = _CODE.search(reply.body)
            secret = {self._login.key.reveal(), self._login.secret.reveal()}
            said = f", {code[1]}" if code is not None and code[1] not in secret else ""
            raise refused(self._settings, f"status {status}{said}")
        if not reply.whole or len(reply.body) > _MOST_BYTES:
            raise impossible(self._settings, "its answer is far too long, or was cut off", "look at its load")
        if reply.body.lstrip("\ufeff \r\n\t")[:9].lower().startswith(("<!doctype", "<html")):
            cure = "look whether the address and the port are those of its interface"
            raise impossible(self._settings, "a page came where its interface would answer", cure)
        return answered

    def _taken(self, body: str, take: str, what: str) -> str:
        """Give the text that an expression finds in an answer. It is printable, and fits into a header."""
        found = _found(take, body)
        if not isinstance(found, str) or not found:
            raise self._nothing(what)
        if _VALUE.fullmatch(found) is None:
            raise impossible(
                self._settings, f"its {what} holds what no header may hold", "look whether it is the device"
            )
        return found

    def _told(self, headers: HTTPMessage, name: str) -> str:
        """Give a header of the answer to `ask`."""
        value = headers.get(name, "")
        if _VALUE.fullmatch(value) is None:
            raise self._nothing(f"header {name}")
        return value

    def _is_over(self, reply: Reply) -> bool:
        steps = self._login.steps
        return reply.status in steps.refused or (bool(steps.over) and _found(steps.over, reply.body) is True)

    def _nothing(self, what: str) -> PlexopsError:
        return refused(
            self._settings, f"its answer holds no {what}: some devices refuse so, and wait after failures"
        )

    def _sent(self) -> Carried:
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        headers = {**self._headers, **({"Cookie": cookies} if cookies else {})}
        return Carried(headers, firsts=dict(self._firsts))

    def _keep(self, headers: HTTPMessage) -> None:
        """Keep the cookies and headers that an answer brings; what cannot be sent back as it is stays as it was."""
        for kept in (one for one in self._login.steps.keep if not one.first):
            value = headers.get(kept.name)
            if value is not None and _VALUE.fullmatch(value):
                self._headers[kept.name] = value
        for line in headers.get_all("Set-Cookie", []) if self._login.steps.cookies else ():
            self._keep_cookie(line)

    def _keep_cookie(self, line: str) -> None:
        """Keep a cookie as RFC 6265 says, for one host: none of another's, and none for TLS alone over plain HTTP."""
        (name, value), *rest = [
            (key.strip(), text.strip()) for key, _, text in (one.partition("=") for one in line.split(";"))
        ]
        said = {key.lower(): text for key, text in rest}
        elsewhere = said.get("domain", "").lstrip(".").lower() not in ("", self._settings.host.lower())
        if elsewhere or ("secure" in said and not self._settings.secure) or not HEADER_NAME.fullmatch(name):
            return
        if not value or said.get("max-age", "1").startswith(("0", "-")):
            self._cookies.pop(name, None)
        elif _COOKIE.fullmatch(value) and (name in self._cookies or len(self._cookies) < _MOST_COOKIES):
            self._cookies[name] = value


def _found(take: str, body: str) -> Json:
    """Give what an expression finds in an answer; None also where that is no object."""
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        found: Json = jmespath.search(take, _plain(body))
    except (JMESPathError, ValueError, RecursionError):
        return None
    return found


def _plain(body: str) -> Json:
    """Give an answer as an object: JSON, or XML whose elements are texts. Raises ValueError."""
    if body.lstrip("\ufeff \r\n\t").startswith("<"):
        return {child.name: child.text for child in read_elements(body).children}
    found: Json = json.loads(body)
    return found
