"""One command on this computer, within all limits, that leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from typing import IO

from plexops.languages.posix import PATH
from plexops.transport.answer import GRACE_SECONDS, Answer, Ending
from plexops.transport.workers import workers

_SLICE_SECONDS = 0.25
#: So long a write that was begun may still take after an interruption, in seconds: no half of it shall be left.
_FINISH_SECONDS = 10.0


def run_child(
    command: str, stdin: bytes, idle: float, overall: float, limit: int, *, changes: bool
) -> Answer:
    """Run one line of shell, in a session and an environment of its own, as sshd would.

    Ends after `idle` seconds without a byte, after `overall` seconds, or when more than `limit` bytes came; then, and
    after a command that only reads, all that it started is ended, but what has a session of its own. With `changes` an
    interruption waits for the command's end. Raises OSError where nothing was started.
    """
    answer: Answer | None = None
    # In a thread of its own, which no interruption reaches: one that came while it starts would not know what began.
    with workers(1) as pool:
        started = pool.submit(_start, command, stdin)
        try:
            process = started.result()
            _give(process.stdin, stdin)
            answer = _receive(process, time.monotonic() + overall, idle, limit)
        except BaseException:
            if changes and started.exception() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    started.result().wait(_FINISH_SECONDS)
            raise
        finally:
            if started.exception() is None:
                process = started.result()
                if not changes or answer is None or answer.ending is not Ending.DONE:
                    _end(process)
                for stream in (process.stdout, process.stderr):
                    if stream is not None:
                        stream.close()
    return answer


def _start(command: str, stdin: bytes) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["/bin/sh", "-c", command],
        stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        env=_environment(),
        start_new_session=True,
    )


def _environment() -> dict[str, str]:
    """Give what a login over SSH would have, and nothing of ours: it may hold secrets."""
    import pwd

    found = {"PATH": PATH, "LC_ALL": "C", "HOME": "/", "SHELL": "/bin/sh"}
    with contextlib.suppress(KeyError):  # a container's user may have no name
        user = pwd.getpwuid(os.geteuid())
        found |= {"HOME": user.pw_dir, "USER": user.pw_name, "LOGNAME": user.pw_name}
    return found


def _give(stream: IO[bytes] | None, data: bytes) -> None:
    if stream is not None:
        with contextlib.suppress(BrokenPipeError), stream:  # the command may have ended without reading
            stream.write(data)


def _receive(process: subprocess.Popen[bytes], end: float, idle: float, limit: int) -> Answer:
    streams = [stream for stream in (process.stdout, process.stderr) if stream is not None]
    received = {stream.fileno(): bytearray() for stream in streams}

    def answer(ending: Ending, status: int | None = None) -> Answer:
        stdout, stderr = (bytes(data) for data in received.values())
        return Answer(stdout, stderr, status, ending)

    last, finished = time.monotonic(), None
    with selectors.DefaultSelector() as waiting:
        for descriptor in received:
            waiting.register(descriptor, selectors.EVENT_READ)
        while waiting.get_map():
            for key, _ in waiting.select(_SLICE_SECONDS):
                data = os.read(key.fd, 65536)
                if not data:
                    waiting.unregister(key.fd)
                received[key.fd] += data
                last = time.monotonic()
            now = time.monotonic()
            if sum(map(len, received.values())) > limit:
                return answer(Ending.TOO_LONG)
            if finished is None and process.poll() is not None:
                finished = now
            if finished is not None and now - finished > GRACE_SECONDS:
                break  # what runs on in the background holds the streams open
            if now - last > idle or now > end:
                return answer(Ending.TIMED_OUT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(max(0.0, min(idle, end - time.monotonic())))
    if process.returncode is None:
        return answer(Ending.TIMED_OUT)
    return answer(Ending.DONE, process.returncode if process.returncode >= 0 else None)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the session's processes. What sudo made root's is not ours to end: its own watch sees that we are gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
