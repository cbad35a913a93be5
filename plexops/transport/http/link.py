"""Links over HTTP: up to four requests at a time where the device is slow, bounded answers, no redirects, no proxies."""

from __future__ import annotations

import queue
import socket
import time
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from enum import Enum
from typing import TYPE_CHECKING

from plexops.model.errors import PlexopsError
from plexops.model.exchange import MAX_REPLY_BYTES, Call, Lines, Read, Reply, SoapCall, Write
from plexops.model.plan import shown
from plexops.pattern import Pattern
from plexops.structs import replace
from plexops.transport.http.dial import Dialer, speaks_tls
from plexops.transport.http.logins import (
    MOST_SENDS,
    Answered,
    Carried,
    ConstantLogin,
    Digest,
    impossible,
)
from plexops.transport.http_settings import DigestLogin, HttpSettings, SessionLogin
from plexops.transport.link import only_reads
from plexops.transport.net import Deadline, cut
from plexops.transport.problems import failure
from plexops.transport.redact import hidden
from plexops.transport.workers import workers

if TYPE_CHECKING:
    from http.client import HTTPResponse

    from plexops.model.plan import Authorized
    from plexops.transport.http.connection import Connection, Request

_PARALLEL = 4
#: A device that answers in so many seconds is asked one thing after the other: connections and threads cost more.
_QUICK = 0.1
_LOGOUT_SECONDS = 5.0
_NO_LOGIN = ("PLX-D204", "PLX-D216")
#: What nginx, Apache and Go's servers answer to plain HTTP at a port for TLS.
_NOT_PLAIN = Pattern(
    r"plain HTTP (?:request was sent to HTTPS port|to an SSL-enabled)|HTTP request to an HTTPS server"
)


class HttpReadLink:
    """Reads over HTTP. A status of 400 and more is an answer like any other: what it means is the driver's."""

    def __init__(self, settings: HttpSettings) -> None:
        self._settings = settings
        self._dialer = Dialer(settings)
        self._login = _login_of(settings)
        self._lanes: queue.SimpleQueue[_Lane] = queue.SimpleQueue()

    @property
    def identity(self) -> str:
        """The pin of the certificate that answered, "" for plain http and before the first answer."""
        return self._dialer.identity

    def ask(self, reads: Sequence[Read]) -> tuple[Reply, ...]:
        """Send all requests and give the answers in order.

        An answer that was cut off, or that did not come while others did, has `whole=False`. Raises PlexopsError
        when no answer came at all, or when it is not the right one who answers.
        """
        only_reads(reads, "json", self._settings.contract)
        if not reads:
            return ()
        down: list[PlexopsError] = []

        def ask_one(read: Read) -> Reply | PlexopsError:
            return down[0] if down else self._ask_one(read, down)

        outcomes, begun = list[Reply | PlexopsError](), time.monotonic()
        for read in reads:
            outcomes.append(ask_one(read))
            if time.monotonic() - begun > _QUICK * len(outcomes):
                break
        if left := reads[len(outcomes) :]:
            with workers(min(_PARALLEL, len(left))) as pool:
                outcomes += pool.map(ask_one, left)
        errors = [outcome for outcome in outcomes if isinstance(outcome, PlexopsError)]
        decisive = [error for error in errors if not _concerns_one_request(error)]
        if decisive or len(errors) == len(outcomes):
            raise (decisive or errors)[0]
        return tuple(
            Reply(read.id, None, "", str(outcome), whole=False)
            if isinstance(outcome, PlexopsError)
            else outcome
            for read, outcome in zip(reads, outcomes, strict=True)
        )

    def close(self) -> None:
        """Log out where that is to be done, and end all connections."""
        lane = _Lane(self._settings, self._dialer, self._login)
        with suppress(PlexopsError):
            self._login.end(lambda request: lane.plainly(request, _LOGOUT_SECONDS))
        lane.close()
        while not self._lanes.empty():
            self._lanes.get().close()
        self._dialer.close()

    def _ask_one(self, read: Read, down: list[PlexopsError]) -> Reply | PlexopsError:
        """Ask one question; what concerns the device as a whole goes to `down`, and spares the others the wait."""
        from plexops.transport.http.connection import request_to

        call = read.ask
        if not isinstance(call, Call | SoapCall):
            raise TypeError("only calls go over HTTP")
        request = request_to(self._settings, call)
        try:
            lane = self._lanes.get_nowait()
        except queue.Empty:
            lane = _Lane(self._settings, self._dialer, self._login)
        lines = call.lines if isinstance(call, Call) else None
        try:
            return hidden(read, lane.exchange(read.id, request, read.seconds, again=True, lines=lines))
        except PlexopsError as error:
            if not _concerns_one_request(error):
                down.append(error)
            return error
        finally:
            self._lanes.put(lane)


class HttpWriteLink(HttpReadLink):
    """Reads, and the writes of one authorized step."""

    def __init__(self, settings: HttpSettings, authorized: Authorized) -> None:
        super().__init__(settings)
        self._authorized = authorized

    def send(self, write: Write) -> Reply:
        """Send one request, once, over a connection of its own.

        Raises PlexopsError PLX-D109 when it left and its outcome is unknown; any other PlexopsError means that it
        did not leave. Raises ValueError for a request that is not of the authorized step.
        """
        from plexops.transport.http.connection import request_to

        if not self._authorized.covers(write) or not isinstance(write.ask, Call | SoapCall):
            raise ValueError("this request is no part of the authorized step")
        request = request_to(self._settings, write.ask)
        # A connection that was kept open may be closed by the device at any time, and the write would be in doubt.
        lane = _Lane(self._settings, self._dialer, self._login)
        try:
            reply = lane.exchange("write", request, write.seconds, again=False)
        except PlexopsError as error:
            # What was refused for want of a login was not carried out.
            if not lane.sent or any(problem.code in _NO_LOGIN for problem in error.problems):
                raise
            raise self._in_doubt(write, str(error)) from None
        finally:
            lane.close()
        if not reply.whole and len(reply.body.encode()) < MAX_REPLY_BYTES:
            raise self._in_doubt(write, "the answer was cut off")
        return reply

    def _in_doubt(self, write: Write, why: str) -> PlexopsError:
        settings = self._settings
        return failure(
            "PLX-D109",
            f"it is unknown whether {settings.device} carried out a write",
            "plexops reads the device again and decides by what it says",
            f"{settings.where}: {shown(write)}",
            why,
        )


class _Broken(Enum):
    """Why an exchange gave no answer: the problem's code, what the device did, and what to do."""

    CLOSED = ("PLX-D106", "closed the connection without an answer", "try again")
    GARBLED = ("PLX-D106", "answered with what is no HTTP", "look whether this is its port")
    TIMED_OUT = ("PLX-D107", "did not answer in time", "look at its load")


class _Lane:
    """One connection, kept open between requests, with a limit on the whole of each exchange."""

    def __init__(self, settings: HttpSettings, dialer: Dialer, login: ConstantLogin) -> None:
        self.opened = 0
        #: Whether a request left that is not the login's own.
        self.sent = False
        self._settings = settings
        self._dialer = dialer
        self._login = login
        self._stream: socket.socket | None = None
        self._connection: Connection | None = None

    def exchange(
        self,
        name: str,
        request: Request,
        seconds: float,
        *,
        again: bool,
        lines: Lines | None = None,
    ) -> Reply:
        """Send a request with its login and read its answer. `again`: it only reads, so that it may be sent twice: over a
        new connection where a kept one was closed meanwhile, and with a new login where the device knows no more of it.

        A challenge of HTTP Digest is answered in any case: what is refused for want of a login was not carried out.
        `lines` are what is wanted of an archive. Raises PlexopsError PLX-D106, PLX-D107, PLX-D114, PLX-D204, PLX-D216
        and all that opening a connection raises.
        """
        for _ in range(MOST_SENDS):
            carried = self._login.carry(request, lambda asked: self.plainly(asked, seconds))
            answered = self._exchanged(name, request, carried, seconds, again=again, lines=lines)
            if not self._login.again(carried, answered, again=again):
                return self._login.without(answered.reply)
        cure = "look at its log; it may be of use to restart its web interface"
        raise impossible(self._settings, "it asks for a new one again and again", cure)

    def plainly(self, request: Request, seconds: float) -> Answered:
        """Send a request of the login itself, once. Raises as `exchange` does."""
        sent = self.sent
        try:
            return self._exchanged("login", request, Carried(), seconds, again=False)
        finally:
            self.sent = sent

    def _exchanged(
        self,
        name: str,
        request: Request,
        carried: Carried,
        seconds: float,
        *,
        again: bool,
        lines: Lines | None = None,
    ) -> Answered:
        before = self.opened
        outcome = self._once(name, request, carried, seconds, lines)
        if outcome is _Broken.CLOSED and again and before and self.opened == before:
            outcome = self._once(name, request, carried, seconds, lines)
        settings = self._settings
        if not settings.secure and again and _asks_for_tls(outcome, settings):
            raise failure(
                "PLX-D114",
                f"{settings.device} speaks https only at port {settings.port}",
                f"write {settings.base_url.replace('http://', 'https://', 1)} as plex.url, "
                f"then compare and pin its key: plexops trust {settings.device}",
                settings.where,
            )
        if isinstance(outcome, Answered):
            return outcome
        code, what, cure = outcome.value
        where = f"{settings.where}: {request.method} {request.target}"
        raise failure(code, f"{settings.device} {what}", cure, where)

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()

    def _open(self) -> socket.socket:
        self._stream = self._dialer.open()
        self.opened += 1
        return self._stream

    def _once(
        self, name: str, request: Request, carried: Carried, seconds: float, lines: Lines | None
    ) -> Answered | _Broken:
        from http.client import IncompleteRead, RemoteDisconnected

        from plexops.transport.http.connection import Connection

        if self._connection is None:
            self._connection = Connection(self._settings, self._open)
        settings = self._settings
        limit = min(seconds, settings.read_seconds)
        # Connecting has its own limit; this one is for a peer that keeps every single receive alive.
        deadline = Deadline(settings.connect_seconds + limit, self._cut)
        socket_sees_to_it = not settings.secure and settings.via is None
        try:
            with nullcontext() if socket_sees_to_it else deadline:
                if self._connection.sock is None:
                    self._connection.connect()
                self.sent = True
                response = self._connection.exchange(carried.bound(request), limit)
                reply = _reply(name, response, lines)
            if not reply.whole:
                self._connection.close()  # what still comes is no answer to the next request
            # To the reader, a connection that was cut looks like one that ended.
            return Answered(replace(reply, whole=False) if deadline.fired else reply, response.headers)
        except PlexopsError:
            raise
        except TimeoutError:
            broken = _Broken.TIMED_OUT
        except (OSError, RemoteDisconnected, IncompleteRead):
            broken = _Broken.CLOSED
        except Exception:  # noqa: BLE001 - whatever reading an answer raises is about that answer
            broken = _Broken.GARBLED
        self._connection.close()
        return _Broken.TIMED_OUT if deadline.fired else broken

    def _cut(self) -> None:
        if self._stream is not None:
            cut(self._stream)


def _login_of(settings: HttpSettings) -> ConstantLogin:
    login = settings.login
    if isinstance(login, SessionLogin):
        from plexops.transport.http.session import Session

        return Session(settings, login)
    return Digest(settings, login) if isinstance(login, DigestLogin) else ConstantLogin(login)


def _asks_for_tls(outcome: Answered | _Broken, settings: HttpSettings) -> bool:
    """Tell whether a plain request met a port for TLS: its server says so, or hangs up on it and takes a handshake."""
    if isinstance(outcome, Answered):
        return outcome.reply.status == 400 and _NOT_PLAIN.search(outcome.reply.body) is not None
    return outcome in (_Broken.CLOSED, _Broken.GARBLED) and speaks_tls(settings)


def _reply(name: str, response: HTTPResponse, lines: Lines | None) -> Reply:
    """Read an answer up to the limit; of an archive, give the lines that are wanted."""
    status, date = response.status, response.headers.get("Date", "")[:64]
    if lines is None:
        body, whole = _body(response, MAX_REPLY_BYTES)
        return Reply(name, status, body.decode("utf-8", "replace"), whole=whole, date=date)
    from plexops.transport.http import archive

    body, whole = _body(response, archive.LIMITS.archive_bytes)
    if status != 200:
        # It may be a page, or anything: what is no archive is not handed on.
        return Reply(name, status, "", whole=whole, date=date)
    try:
        if not whole:
            raise archive.ArchiveError("the archive was cut off, or is too large")
        found = archive.selected(body, lines.files, lines.pattern)
    except archive.ArchiveError as reason:
        return Reply(name, status, "", str(reason), whole=False, date=date)
    if not found:
        return Reply(name, status, "", f"the archive holds no {lines.files[-1]}", date=date)
    text = archive.as_grep(found, lines.spare, MAX_REPLY_BYTES)
    return Reply(name, status, text[:MAX_REPLY_BYTES], whole=len(text) <= MAX_REPLY_BYTES, date=date)


def _body(response: HTTPResponse, limit: int) -> tuple[bytes, bool]:
    """Read at most `limit` bytes, and tell whether that is all."""
    from http.client import HTTPException

    body = bytearray()
    # What is packed although it was not asked for is not unpacked: a few bytes could become gigabytes.
    whole = response.headers.get("Content-Encoding", "identity") == "identity"
    try:
        while len(body) <= limit:
            data = response.read(65536)
            if not data:
                break
            body += data
    except (HTTPException, OSError, ValueError):
        whole = False
    # http.client takes an answer that broke off for a whole one; `length` is what its head had announced, and is missing.
    return bytes(body[:limit]), whole and not response.length and len(body) <= limit


def _concerns_one_request(error: PlexopsError) -> bool:
    """Tell whether an error may concern one request alone."""
    return all(problem.code in ("PLX-D106", "PLX-D107") for problem in error.problems)
