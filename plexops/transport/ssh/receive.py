"""Reading what a command gives, within all limits. Imports paramiko: load it only when a connection is made."""

from __future__ import annotations

import contextlib
import time

import paramiko

from plexops.transport.answer import GRACE_SECONDS, Answer, Ending
from plexops.transport.ssh.bridge import GONE

_SLICE_SECONDS = 0.25
#: So long a command may go on before its output is taken: to wake up for each of many small packets costs more than all.
_GATHER_SECONDS = 0.1
_AT_ONCE = 1024 * 1024


def receive(
    channel: paramiko.Channel, transport: paramiko.Transport, idle: float, overall: float, limit: int
) -> Answer:
    """Read both streams to their ends, within all limits."""
    stdout, stderr = bytearray(), bytearray()
    try:
        ending = _drain(channel, stdout, stderr, idle, overall, limit)
    except GONE:
        ending = Ending.CLOSED
    status: int | None = None
    if ending is Ending.DONE:
        channel.status_event.wait(GRACE_SECONDS)  # OpenSSH sends it after the end of the streams
        code = channel.exit_status if channel.exit_status_ready() else -1
        status = None if code < 0 else code
        if status is None and not transport.is_active():
            ending = Ending.CLOSED
    return Answer(bytes(stdout), bytes(stderr), status, ending)


def _drain(
    channel: paramiko.Channel, stdout: bytearray, stderr: bytearray, idle: float, overall: float, limit: int
) -> Ending:
    channel.settimeout(_SLICE_SECONDS)
    last = time.monotonic()
    end = last + overall
    finished: float | None = None
    while True:
        channel.status_event.wait(_GATHER_SECONDS)  # it ends the wait, and says nothing of the streams
        # The two streams share one window: errors that nobody takes would stop the output.
        while channel.recv_stderr_ready() and len(stdout) + len(stderr) <= limit:
            stderr += channel.recv_stderr(65536)
            last = time.monotonic()
        if len(stdout) + len(stderr) > limit:
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
            break
        stdout += data
        last = now
        if now > end:
            return Ending.TIMED_OUT
    with contextlib.suppress(TimeoutError):  # of the errors nothing more may come
        while len(stdout) + len(stderr) <= limit and (data := channel.recv_stderr(65536)):
            stderr += data
    return Ending.TOO_LONG if len(stdout) + len(stderr) > limit else Ending.DONE
