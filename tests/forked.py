"""A process that has plexops loaded and forks a child for every command: a child can be killed, and starts at once.

One JSON line in: what to run. Two JSON lines out: the child's process id, and how it ended (negative: by that signal).
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

import plexops.cli.main

#: Loaded before the first fork, with all of plexops: what its commands load when they need it.
LIBRARIES = (
    "paramiko",
    "plexapi.server",
    "requests",
    "jinja2",
    "jsonschema",
    "jmespath",
    "yaml",
    "xml.parsers.expat",
)


def load() -> None:
    """Load all that a command may load, once for all children."""
    modules = (found.name for found in walk_packages(plexops.__path__, "plexops."))
    for name in (*LIBRARIES, *modules):
        if not name.endswith(".__main__"):
            import_module(name)
    gc.freeze()


def serve(prepare: Callable[[Mapping[str, Any]], None]) -> None:
    """Serve commands until standard input ends. `prepare` gets each order, in the child that carries it out."""
    load()
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            become(order, prepare)
        _say({"pid": child})
        _say({"status": os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])})


def _say(what: Mapping[str, int]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def become(order: Mapping[str, Any], prepare: Callable[[Mapping[str, Any]], None]) -> None:
    """Run one command as its own process would, and never return."""
    try:
        os.chdir(order["cwd"])
        os.environ.clear()
        os.environ.update(order["env"])
        time.tzset()
        writing = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        for number, name in enumerate(order["streams"]):
            os.dup2(os.open(name, writing if number else os.O_RDONLY, 0o600), number)
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.argv = ["plexops", *order["argv"]]
        prepare(order)
        plexops.cli.main.main(list(order["argv"]))
    finally:
        os._exit(99)


if __name__ == "__main__":
    serve(lambda _order: None)
