"""The forking process of these tests: a command's order also says which waits are short, and where it dies."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

from tests.forked import serve


def prepare(order: Mapping[str, Any]) -> None:
    """Make waits short, and arrange where this process dies."""
    from plexops.drivers.router import profiled
    from plexops.engine import approved_plan
    from plexops.engine.change import apply, undo
    from plexops.engine.change.effect import EffectProver

    effect = float(order["effect_seconds"])
    vars(approved_plan)["EffectProver"] = lambda port, seconds: EffectProver(port, min(seconds, effect))
    vars(apply)["ARRIVAL_SECONDS"] = order["arrival_seconds"]
    vars(undo)["_RETURN_SECONDS"] = 4.0
    vars(undo)["_TRY_EVERY"] = 0.5
    vars(undo)["RENEWED_SECONDS"] = 1.5
    if order["window_seconds"]:
        vars(profiled)["WINDOW_SECONDS"] = order["window_seconds"]
        vars(profiled)["FORWARD_WINDOW_SECONDS"] = order["window_seconds"]
        vars(undo)["_WINDOW_SLACK"] = 1.0
    if order["offline"]:
        sys.addaudithook(_no_sockets)
    if order["die_at"]:
        _die_at(int(order["die_at"]), before=order["die_before"])


def _no_sockets(event: str, arguments: object) -> None:
    """Die at once, loudly: an exception could be taken for a device that does not answer."""
    if event.startswith("socket.") and event != "socket.gethostname":
        sys.stderr.write(f"a socket was used: {event} {arguments}\n")
        sys.stderr.flush()
        os._exit(98)


def _die_at(number: int, *, before: bool) -> None:
    """Die right before or right after that many journal records of this process, counted from 1."""
    from plexops.evidence.journal import Journal

    append: Callable[..., str] = Journal.append
    counted = 0

    def dying(self: Journal, kind: str, data: Mapping[str, Any], *, wait: bool = True) -> str:
        nonlocal counted
        counted += 1
        if counted == number and before:
            os.kill(os.getpid(), signal.SIGKILL)
        head = append(self, kind, data, wait=wait)
        if counted == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return head

    setattr(Journal, "append", dying)  # noqa: B010 - a class's own method is replaced on purpose


if __name__ == "__main__":
    serve(prepare)
