"""plexops as a process of its own without its start: forked from one that has all libraries loaded."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]


@dataclass(slots=True)
class Forker:
    """The process that forks a child for every command."""

    process: subprocess.Popen[str]
    #: The command under way; 0: none.
    child: int = 0

    def start(self, order: Mapping[str, Any]) -> int:
        """Start one command and give its process id; `wait` before the next one."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        self.child = int(self._line()["pid"])
        return self.child

    def wait(self) -> int:
        """Give how the command ended."""
        status = int(self._line()["status"])
        self.child = 0
        return status

    def tidy(self) -> None:
        """End a command that a failed test left behind."""
        if self.child:
            os.kill(self.child, signal.SIGKILL)
            self.wait()

    def _line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found


@contextmanager
def forker(module: str, variables: Mapping[str, str] | None = None) -> Iterator[Forker]:
    """Start the forking process, and end it. `variables`: its whole environment, where it is not this one."""
    command = [sys.executable, "-m", module]
    with subprocess.Popen(
        command, cwd=CHECKOUT, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Forker(process)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(60)
