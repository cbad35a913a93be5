"""A home's devices in a process of their own, asked without SSH and sockets of the network: what a fault bench can afford.

What plexops sends is the very command or request that a link would carry, and what comes back is what the simulated
device answers; login, encryption and HTTP's framing are left out (tests/faults/test_transport_* have them).
"""

from __future__ import annotations

import contextlib
import io
import threading
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Client, Connection, Listener
from typing import BinaryIO, Literal, cast

from msgspec import Struct

from plexops.lab.base import ExecResult, HttpRequest, HttpResponse
from plexops.lab.home import Role, RunningHome
from plexops.lab.network import JUMP_ADDRESS, Service
from plexops.structs import replace

#: How an exchange ended. `refused`: nobody took the connection, and nothing was sent.
Ending = Literal["done", "closed", "timed-out", "refused"]


class Ask(Struct, frozen=True):
    """One exchange. Over SSH `text` is the command, else `method path?query`; `writes`: it is no read."""

    host: str
    port: int
    text: str
    body: bytes = b""
    username: str = ""
    headers: Mapping[str, str] | None = None
    writes: bool = False
    #: By a connection that the server itself opens.
    from_server: bool = False


class Told(Struct, frozen=True):
    """What came back. Over HTTP `stdout` is the body; `status` is None where the device named none."""

    stdout: bytes = b""
    stderr: bytes = b""
    status: int | None = None
    ending: Ending = "done"


class Pass(Struct, frozen=True):
    """That many seconds pass, for plexops and for the home."""

    seconds: float


class Reached(Struct, frozen=True):
    """A run came past a point at which it could be killed."""

    point: str


#: Stands before a device: gets the role, what was asked, and what does it.
Meddler = Callable[[Role, Ask, Callable[[Ask], Told]], Told]


def honest(_role: Role, ask: Ask, do: Callable[[Ask], Told]) -> Told:
    """Do what was asked."""
    return do(ask)


class Exchange(Struct, frozen=True):
    """One line of the devices' own account: whose process asked what of whom, and when, in the home's own order."""

    run: int
    role: Role
    writes: bool
    text: str


class Switchboard:
    """Answers plexops processes for the devices of one home."""

    def __init__(self, home: RunningHome) -> None:
        self.home = home
        self.meddler: Meddler = honest
        self.points: list[str] = []
        self.exchanges: list[Exchange] = []
        self._busy = 0
        self._changed = threading.Condition()
        self._listener = Listener(family="AF_UNIX")
        self.address = cast("str", self._listener.address)
        threading.Thread(target=self._accept, name="wire", daemon=True).start()

    def settle(self, seconds: float = 20.0) -> None:
        """Wait until what a killed process had asked for is done."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while self._busy and time.monotonic() < deadline:
                self._changed.wait(0.5)

    def pass_time(self, seconds: float) -> None:
        """Let the home's clock jump, and what was waiting for it act."""
        clock = self.home.clock
        with clock._lock:
            clock._simulated += seconds
        plex = self.home.plex
        plex._checked_at -= seconds
        with contextlib.suppress(TimeoutError):
            plex.settle(5.0)
        if seconds > 1:
            time.sleep(0.07)  # who sleeps looks at the clock every 0.05 s

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listener.accept()
            except (OSError, EOFError):
                continue
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        with connection:
            try:
                run, message = connection.recv()
            except (EOFError, OSError):
                return
            with self._changed:
                self._busy += 1
            try:
                answer = self._answer(run, message)
            finally:
                with self._changed:
                    self._busy -= 1
                    self._changed.notify_all()
            try:
                connection.send(answer)
            except OSError:
                return  # it was killed meanwhile

    def _answer(self, run: int, message: Ask | Pass | Reached) -> Told:
        if isinstance(message, Reached):
            self.points.append(message.point)
        elif isinstance(message, Pass):
            self.pass_time(message.seconds)
        else:
            return self._exchange(run, message)
        return Told()

    def _exchange(self, run: int, ask: Ask) -> Told:
        found = self._lead(ask)
        if found is None:
            return Told(ending="refused")
        role, do = found
        self.exchanges.append(Exchange(run, role, ask.writes, ask.text))
        told = self.meddler(role, ask, do)
        # The connection breaks under whoever made the device take another address.
        return told if told.ending != "done" or self._lead(ask) else replace(told, ending="closed")

    def _lead(self, ask: Ask) -> tuple[Role, Callable[[Ask], Told]] | None:
        """Find who answers at an address now."""
        home = self.home
        if ask.from_server:
            found = home.ways.from_server(ask.host, ask.port)
        elif ask.host == "127.0.0.1":
            return "plex_tv", _over_http(home.plex_tv.handle)
        else:
            found = home.network.from_lan(JUMP_ADDRESS, ask.host, ask.port)
        if not isinstance(found, Service):
            return None
        if found.http is not None:
            return ("plex" if ask.port != 443 else "router"), _over_http(found.http)
        role = next(role for role, server in home.ssh.items() if found.serve == server.serve)
        server = home.ssh[role]
        if server.options.refuse_connections or server.executor is None:
            return None
        return role, _over_ssh(server.executor)


def _over_ssh(executor: Callable[[str, BinaryIO, str], ExecResult]) -> Callable[[Ask], Told]:
    def do(ask: Ask) -> Told:
        result = executor(ask.text, io.BytesIO(ask.body), ask.username)
        return Told(result.stdout, result.stderr, result.status)

    return do


def _over_http(handle: Callable[[HttpRequest], HttpResponse]) -> Callable[[Ask], Told]:
    def do(ask: Ask) -> Told:
        method, _, target = ask.text.partition(" ")
        path, _, query = target.partition("?")
        headers = {name.lower(): value for name, value in (ask.headers or {}).items()}
        response = handle(HttpRequest(method, path, query, headers, ask.body))
        return Told(response.body, b"", response.status)

    return do


def call(address: str, run: int, message: Ask | Pass | Reached) -> Told:
    """Ask a switchboard, as a plexops process does. A home that is gone looks like a connection that broke."""
    try:
        with Client(address, family="AF_UNIX") as connection:
            connection.send((run, message))
            answer: Told = connection.recv()
            return answer
    except (EOFError, OSError):
        return Told(ending="closed")
