"""In the plexops process: links lead to a switchboard, waits cost nothing, and it may die at a chosen point."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPMessage
from multiprocessing.connection import Client
from urllib.parse import urlsplit

from plexops.engine import approved_plan
from plexops.engine.change.effect import EffectProver
from plexops.evidence.journal import Journal
from plexops.model.exchange import MAX_REPLY_BYTES, Lines, Reply
from plexops.transport import opening
from plexops.transport.answer import Answer, Ending
from plexops.transport.http import link as http_link
from plexops.transport.http.connection import Request
from plexops.transport.http.logins import Answered, Carried
from plexops.transport.problems import failure
from plexops.transport.shell import MAX_EXEC_BYTES, as_exec
from plexops.transport.ssh_settings import SSH_PORT, SshSettings
from tests.faults import wire
from tests.faults.wire import Ask, Pass, Reached, Told

_ENDINGS = {"done": Ending.DONE, "closed": Ending.CLOSED, "timed-out": Ending.TIMED_OUT}


@dataclass(slots=True)
class Wired:
    """This process's line to the home. `die_at`: the point at which it is killed; `record`: points are told."""

    address: str
    run: int
    die_at: str = ""
    record: bool = False
    _met: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def number(self, what: str) -> int:
        """Count something, from 1."""
        with self._lock:
            self._met[what] += 1
            return self._met[what]

    def pass_point(self, point: str) -> None:
        """Come past a point, or not."""
        if point == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(10)
        if self.record:
            wire.call(self.address, self.run, Reached(point))

    def exchange(self, device: str, ask: Ask) -> Told:
        """Ask one thing of the home; killed before it leaves, after it left, or with the answer in hand."""
        kind = f"{device} {'write' if ask.writes else 'read'}"
        at = f"{kind} {self.number(kind)}"
        self.pass_point(f"{at} before")
        if self.die_at == f"{at} sent":
            self._send_and_die(ask)
        told = wire.call(self.address, self.run, ask)
        if self.record:
            wire.call(self.address, self.run, Reached(f"{at} sent"))
        self.pass_point(f"{at} answered")
        return told

    def wait(self, seconds: float) -> None:
        """Let time pass, here and there."""
        wire.call(self.address, self.run, Pass(seconds))

    def _send_and_die(self, ask: Ask) -> None:
        connection = Client(self.address, family="AF_UNIX")
        connection.send((self.run, ask))
        os.kill(os.getpid(), signal.SIGKILL)


def plug_in(line: Wired) -> None:
    """Let every link of this process lead to the home, and count every point at which it can die."""
    _shorten()
    _no_waiting(line)
    _over_the_wire(line)
    for name in ("fsync", "replace", "rename", "ftruncate"):
        _count_calls(line, name)
    _count_records(line)


def _shorten() -> None:
    """Nothing is gained by the whole of Plex's patience."""
    vars(approved_plan)["EffectProver"] = lambda port, seconds: EffectProver(port, min(seconds, 30.0))


def _no_waiting(line: Wired) -> None:
    real, passed = time.monotonic, [0.0]

    def sleep(seconds: float) -> None:
        passed[0] += seconds
        line.wait(seconds)

    vars(time)["monotonic"] = lambda: real() + passed[0]
    vars(time)["sleep"] = sleep


def _over_the_wire(line: Wired) -> None:
    class Lane(http_link._Lane):
        def _once(
            self, name: str, request: Request, carried: Carried, seconds: float, lines: Lines | None
        ) -> Answered | http_link._Broken:
            settings, parts = self._settings, urlsplit(self._settings.origin + request.target)
            body = request.body or b""
            ask = Ask(
                settings.host,
                settings.port,
                f"{request.method} {request.target}",
                body,
                headers={**request.headers, **carried.headers},
                writes=request.method != "GET" and self._writes(request, parts.path),
                from_server=settings.via is not None and settings.host == "127.0.0.1",
            )
            told = line.exchange(_device(settings.device), ask)
            if told.ending == "refused":
                raise failure(
                    "PLX-D102", f"{settings.device} refuses the connection", "try again", parts.netloc
                )
            self.opened += 1
            self.sent = True
            if told.ending == "timed-out":
                line.wait(min(seconds, settings.read_seconds))
                return http_link._Broken.TIMED_OUT
            if told.ending == "closed" and not told.stdout:
                return http_link._Broken.CLOSED
            text = told.stdout[:MAX_REPLY_BYTES].decode("utf-8", "replace")
            whole = told.ending == "done" and len(told.stdout) <= MAX_REPLY_BYTES
            return Answered(Reply(name, told.status, text, whole=whole), HTTPMessage())

        def _writes(self, request: Request, path: str) -> bool:
            return request.method == "PUT" or not any(word in path for word in ("search", "/get", "status"))

    vars(opening)["SshWay"] = lambda settings: _Way(settings, line)
    vars(http_link)["_Lane"] = Lane


def _device(name: str) -> str:
    """Give a device the name of its role in the home."""
    word = name.rpartition("/")[2].split()[0]
    return {"vantage": "outside", "account": "plex_tv"}.get(word, word)


class _Way:
    """Runs commands on a device of the home."""

    def __init__(self, settings: SshSettings, line: Wired) -> None:
        self.identity = ""
        self._settings = settings
        self._line = line

    def run(self, script: str, idle: float, overall: float, *, changes: bool) -> Answer:
        """Run one script, as `plexops.transport.shell.Way` wants it."""
        settings, request = self._settings, as_exec(script, self._settings)
        port = settings.port or SSH_PORT
        ask = Ask(settings.host, port, request.text, request.stdin or b"", settings.username, writes=changes)
        told = self._line.exchange(_device(settings.device), ask)
        if told.ending == "refused":
            raise failure(
                "PLX-D108",
                f"the jump host does not connect on to {settings.address}",
                "look whether it reaches the device",
                settings.where,
            )
        self.identity = "SHA256:wire"
        if told.ending == "timed-out":
            self._line.wait(min(idle, overall))
        if len(told.stdout) > MAX_EXEC_BYTES:
            return Answer(told.stdout[:MAX_EXEC_BYTES], told.stderr, None, Ending.TOO_LONG)
        return Answer(told.stdout, told.stderr, told.status, _ENDINGS[told.ending])

    def close(self) -> None:
        """Nothing is held."""


def _count_calls(line: Wired, name: str) -> None:
    # Not the machine dies but the process: what it has written stays written, and a real fsync only costs time.
    real: Callable[..., None] = _nothing if name == "fsync" else getattr(os, name)

    def counting(*given: object, **named: object) -> None:
        at = f"{name} {line.number(name)}"
        line.pass_point(f"{at} before")
        real(*given, **named)
        line.pass_point(f"{at} done")

    vars(os)[name] = counting


def _nothing(_descriptor: int) -> None:
    """Do nothing."""


def _count_records(line: Wired) -> None:
    append = Journal.append

    def counting(self: Journal, kind: str, data: dict[str, object], *, wait: bool = True) -> str:
        at = f"journal {line.number('journal')}"
        line.pass_point(f"{at} before")
        head = append(self, kind, data, wait=wait)
        line.pass_point(f"{at} done")
        return head

    setattr(Journal, "append", counting)  # noqa: B010 - a class's own method is replaced on purpose
