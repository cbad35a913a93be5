"""Links to this computer itself: the same execs as over SSH, run here by its own shell."""

from __future__ import annotations

import os
from collections.abc import Sequence

from plexops.model.exchange import Read, Reply
from plexops.structs import replace
from plexops.transport.answer import Answer
from plexops.transport.child import run_child
from plexops.transport.here import LocalSettings
from plexops.transport.machine import in_container, own_identity
from plexops.transport.problems import failure, quoted
from plexops.transport.shell import MAX_EXEC_BYTES, ShellReadLink, as_exec

#: Looks every second whether those still live on whom the script depends, else ends all of it. It runs beside the script
#: and with its rights: only so what sudo made root's is ended as well. `kill -9 0`: its whole process group.
_WATCH = '( while {alive}; do sleep 1; done; kill -9 0 ) >/dev/null 2>&1 & trap "kill $!" EXIT; '


class LocalReadLink(ShellReadLink):
    """Reads on this computer."""

    def __init__(self, settings: LocalSettings) -> None:
        super().__init__(settings, LocalWay(settings))

    def ask(self, reads: Sequence[Read]) -> tuple[Reply, ...]:
        """Ask this computer's own shell. In a container, what is not there is unknown: its host may well have it."""
        replies = super().ask(reads)
        if not in_container():
            return replies
        return tuple(_in_container(read, reply) for read, reply in zip(reads, replies, strict=True))


class LocalWay:
    """Runs scripts here. A read ends with us; a write is only ended when its time is over."""

    def __init__(self, settings: LocalSettings) -> None:
        self.identity = ""
        self._settings = settings

    def run(self, script: str, idle: float, overall: float, *, changes: bool) -> Answer:
        """Run one script, as `plexops.transport.shell.Way` wants it."""
        alive = 'kill -0 "$1"' if changes else f'kill -0 "$1" && kill -0 {os.getpid()}'
        request = as_exec(_WATCH.format(alive=alive) + script, self._settings, '"$$"')
        try:
            # What follows keeps the shell from becoming the command: it is the process that can be ended without sudo.
            answer = run_child(
                f"{request.text}; exit $?",
                request.stdin or b"",
                idle,
                overall,
                MAX_EXEC_BYTES,
                changes=changes,
            )
        except OSError as error:
            raise failure(
                "PLX-D113",
                f"no command could be started on this computer: {quoted(error.strerror or str(error))}",
                "look whether /bin/sh is there, and at this computer's limits of processes and memory",
                self._settings.where,
            ) from None
        self.identity = own_identity()
        return answer

    def close(self) -> None:
        """Nothing is open."""


def _in_container(read: Read, reply: Reply) -> Reply:
    if reply.status not in read.absent:
        return reply
    why = f"plexops runs in a container, where this is not: {quoted(reply.stderr)}".rstrip(": ")
    return replace(reply, status=None, stderr=why, whole=False)
