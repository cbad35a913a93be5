"""A process that has plexops loaded and forks a child for every command: a child can be killed, and starts at once.

One JSON line in: what to run, and where to die. One JSON line out: how it ended (negative: by that signal).
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

#: Loaded before the first fork: what every command needs in the end.
PRELOADED = (
    "paramiko",
    "plexapi.server",
    "requests",
    "jinja2",
    "jsonschema",
    "yaml",
    "plexops.cli.commands.apply",
    "plexops.cli.commands.audit",
    "plexops.cli.commands.recover",
    "plexops.cli.commands.rollback",
    "plexops.cli.output",
    "plexops.cli.session",
    "plexops.engine.runner",
    "plexops.report.text",
    "plexops.transport.ssh",
    "plexops.transport.http",
)


def main() -> None:
    """Serve commands until standard input ends."""
    from importlib import import_module

    for name in PRELOADED:
        import_module(name)
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(order)
        _say({"pid": child})
        _say({"status": os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])})


def _say(what: Mapping[str, int]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def _become(order: Mapping[str, Any]) -> None:
    """Run one command as its own process would, and never return."""
    status = 99
    try:
        os.chdir(order["cwd"])
        os.environ.clear()
        os.environ.update(order["env"])
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, name in ((0, ""), (1, order["stdout"]), (2, order["stderr"])):
            opened = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600) if name else nothing
            os.dup2(opened, number)
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.argv = ["plexops", *order["argv"]]
        prepare(order)
        from plexops.cli.main import run

        status = run(list(order["argv"]))
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def prepare(order: Mapping[str, Any]) -> None:
    """Make waits short, and arrange where this process dies."""
    from plexops.drivers import profiled
    from plexops.engine import apply, runner, undo
    from plexops.engine.effect import EffectProver

    effect = float(order["effect_seconds"])
    vars(runner)["EffectProver"] = lambda port, seconds: EffectProver(port, min(seconds, effect))
    vars(apply)["ARRIVAL_SECONDS"] = order["arrival_seconds"]
    vars(undo)["_RETURN_SECONDS"] = 4.0
    vars(undo)["_TRY_EVERY"] = 0.5
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

    def dying(self: Journal, kind: str, data: Mapping[str, Any]) -> str:
        nonlocal counted
        counted += 1
        if counted == number and before:
            os.kill(os.getpid(), signal.SIGKILL)
        head = append(self, kind, data)
        if counted == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return head

    setattr(Journal, "append", dying)  # noqa: B010 - a class's own method is replaced on purpose


if __name__ == "__main__":
    main()
