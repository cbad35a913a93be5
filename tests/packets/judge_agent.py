"""Lives in one network namespace of the judge's world: answers connections, opens connections, runs commands.

Run as `python -I -S judge_agent.py NAME [PORT...]`. It listens on the ports, prints `ready`, then reads one JSON list
a line and answers with one JSON value a line: `["run", [[argv, stdin], ...]]` gives [status, output, errors] for each;
`["probe", seconds, [[source, source port, destination, port], ...]]` opens all these connections at once and tells for
each where it ended: `reached NAME ADDRESS PORT`, `refused` or `silent`. It ends with its standard input.
"""

from __future__ import annotations

import json
import selectors
import socket
import struct
import subprocess
import sys
import threading
import time

#: Closing sends a reset: no connection lingers, and the next may have any port.
AT_ONCE = struct.pack("ii", 1, 0)
QUESTION = b"who are you?\n"


def listen(name: str, ports: list[int]) -> None:
    """Answer every connection to these ports, of either family, with who we are; in a thread of its own."""
    waiting = selectors.DefaultSelector()
    for port in ports:
        listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
        listener.setblocking(False)
        waiting.register(listener, selectors.EVENT_READ, True)

    def serve() -> None:
        while True:
            for key, _ in waiting.select():
                opened = key.fileobj
                assert isinstance(opened, socket.socket)
                try:
                    if key.data:
                        opened, _peer = opened.accept()
                        opened.setblocking(False)
                        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
                        waiting.register(opened, selectors.EVENT_READ, False)
                    elif opened.recv(100) == QUESTION:
                        address, port = opened.getsockname()[:2]
                        opened.sendall(f"{name} {address.removeprefix('::ffff:')} {port}\n".encode())
                    else:
                        raise ConnectionError("the caller has gone")
                except OSError:
                    if not key.data:
                        waiting.unregister(opened)
                        opened.close()

    threading.Thread(target=serve, daemon=True).start()


def probe(seconds: float, wanted: list[tuple[str, int, str, int]]) -> list[str]:
    """Open all connections, send over each, and wait for the answers."""
    waiting = selectors.DefaultSelector()
    found = ["silent"] * len(wanted)
    tried: list[socket.socket] = []
    for number, (source, source_port, destination, port) in enumerate(wanted):
        caller = socket.socket(socket.AF_INET6 if ":" in destination else socket.AF_INET)
        tried.append(caller)
        caller.setblocking(False)
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        try:
            caller.bind((source, source_port))
            started = caller.connect_ex((destination, port))
        except OSError as problem:
            found[number] = f"broken: {problem}"
            continue
        if started not in (0, 115):
            found[number] = "refused"
            continue
        waiting.register(caller, selectors.EVENT_WRITE, number)
    until = time.monotonic() + seconds
    while waiting.get_map() and (left := until - time.monotonic()) > 0:
        for key, _ in waiting.select(left):
            caller = tried[key.data]
            try:
                if key.events == selectors.EVENT_WRITE:
                    caller.sendall(QUESTION)
                    waiting.modify(caller, selectors.EVENT_READ, key.data)
                    continue
                answer = caller.recv(200).decode().strip()
                found[key.data] = f"reached {answer}" if answer else "refused"
            except OSError:
                found[key.data] = "refused"
            waiting.unregister(caller)
    waiting.close()
    for caller in tried:
        caller.close()
    return found


def run(commands: list[tuple[list[str], str]]) -> list[tuple[int, str, str]]:
    """Run commands one after the other."""
    done = [
        subprocess.run(
            argv, input=stdin, capture_output=True, text=True, errors="replace", timeout=60, check=False
        )
        for argv, stdin in commands
    ]
    return [(one.returncode, one.stdout, one.stderr) for one in done]


def main() -> None:
    """Do as told until nobody asks any more."""
    listen(sys.argv[1], [int(port) for port in sys.argv[2:]])
    print("ready", flush=True)  # noqa: T201 - that is how it speaks
    for line in sys.stdin:
        word, *told = json.loads(line)
        answer = run(told[0]) if word == "run" else probe(told[0], told[1])
        print(json.dumps(answer), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
