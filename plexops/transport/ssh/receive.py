"""Reading what a command gives, within all limits. Imports paramiko: load it only when a connection is made."""

from __future__ import annotations

import contextlib
import time

import paramiko
from msgspec import Struct

from plexops.transport.answer import GRACE_SECONDS, Answer, Ending
from plexops.transport.ssh.bridge import GONE

_SLICE_SECONDS = 0.25
#: So long a command may go on before its output is taken: to wake up for each of many small packets costs more than all.
_GATHER_SECONDS = 0.1
_AT_ONCE = 1024 * 1024


class _Received(Struct):
    stdout: bytearray
    stderr: bytearray

    @property
    def size(self) -> int:
        return len(self.stdout) + len(self.stderr)


def receive(
    channel: paramiko.Channel, transport: paramiko.Transport, idle: float, overall: float, limit: int
) -> Answer:
    """Read both streams to their ends, within all limits."""
    received = _Received(bytearray(), bytearray())
    try:
        ending = _drain(channel, received, idle, overall, limit)
    except GONE:
        ending = Ending.CLOSED
    status: int | None = None
    if ending is Ending.DONE:
        channel.status_event.wait(GRACE_SECONDS)  # OpenSSH sends it after the end of the streams
        code = channel.exit_status if channel.exit_status_ready() else -1
        status = None if code < 0 else code
        if status is None and not transport.is_active():
            ending = Ending.CLOSED
    return Answer(bytes(received.stdout), bytes(received.stderr), status, ending)


def _drain(channel: paramiko.Channel, received: _Received, idle: float, overall: float, limit: int) -> Ending:
    channel.settimeout(_SLICE_SECONDS)
    end = time.monotonic() + overall
    last = time.monotonic()
    finished: float | None = None
    while True:
        channel.status_event.wait(_GATHER_SECONDS)  # it ends the wait, and says nothing of the streams
        # The two streams share one window: errors that nobody takes would stop the output.
        while channel.recv_stderr_ready() and received.size <= limit:
            received.stderr += channel.recv_stderr(65536)
            last = time.monotonic()
        if received.size > limit:
            return Ending.TOO_LONG
        now = time.monotonic()
        try:
            data = channel.recv(_AT_ONCE)
        except TimeoutError:
            if finished is None and channel.exit_status_ready():
                finished = now
            if finished is not None and now - finished > GRACE_SECONDS:
                return Ending.DONE
            if now - last > idle or now > end:
                return Ending.TIMED_OUT
            continue
        if not data:
            _rest_of_errors(channel, received, limit)
            return Ending.TOO_LONG if received.size > limit else Ending.DONE
        received.stdout += data
        last = now
        if now > end:
            return Ending.TIMED_OUT


def _rest_of_errors(channel: paramiko.Channel, received: _Received, limit: int) -> None:
    with contextlib.suppress(TimeoutError):
        while received.size <= limit:
            data = channel.recv_stderr(65536)
            if not data:
                return
            received.stderr += data
