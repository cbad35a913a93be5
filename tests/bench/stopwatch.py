"""Runs on the owner's PC inside the home: every command once per round, in turn, timed with its resources.

Reads a JSON list of commands on standard input, writes a JSON list of samples. Standard library only.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from typing import Any


def once(command: dict[str, Any]) -> dict[str, Any]:
    """Run a command's processes side by side and wait for all. Gives seconds, CPU seconds, MB, status, output."""
    with tempfile.TemporaryFile() as output:
        begin = time.perf_counter()
        pids = [start(argv, output.fileno()) for argv in command["argvs"]]
        cpu, memory, worst = 0.0, 0.0, 0
        for pid in pids:
            _, status, usage = os.wait4(pid, 0)
            cpu += usage.ru_utime + usage.ru_stime
            memory = max(memory, usage.ru_maxrss / 1024)
            worst = max(worst, os.waitstatus_to_exitcode(status))
        seconds = time.perf_counter() - begin
        output.seek(0)
        said = output.read().decode("utf-8", "replace")
    if command.get("says_seconds") and worst == 0:
        seconds = float(said.strip().splitlines()[-1])
    return {"seconds": seconds, "cpu": cpu, "memory": memory, "status": worst, "said": said[-20000:]}


def start(argv: list[str], output: int) -> int:
    """Start a process without standard input, its output into a file."""
    nothing = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0)]
    into = [(os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, output, 2)]
    return os.posix_spawnp(argv[0], argv, dict(os.environ), file_actions=[*nothing, *into])


def main() -> None:
    """Do one round to warm up if asked, then the rounds that count; each begins with another command."""
    told = json.load(sys.stdin)
    commands, rounds = told["commands"], told["rounds"]
    samples: list[list[dict[str, Any]]] = [[] for _ in commands]
    for number in range(-1 if told["warm_up"] else 0, rounds):
        for step in range(len(commands)):
            index = (step + number) % len(commands)
            sample = once(commands[index])
            if sample["status"] not in commands[index].get("statuses", [0]):
                json.dump({"failed": commands[index]["name"], **sample}, sys.stdout)
                return
            if number >= 0:
                samples[index].append(sample)
    json.dump({"samples": samples}, sys.stdout)


if __name__ == "__main__":
    main()
