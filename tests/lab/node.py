"""Nodes: machines made of Linux namespaces. A node is one process and all that runs below it."""

from __future__ import annotations

import ctypes
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

CLONE_NEWNET = 0x40000000
INIT = Path(__file__).with_name("nodeinit.py")
#: sbin is where nft, ip, sshd and ufw live; a minimal PATH is what sshd and cron give too.
NODE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(slots=True)
class Node:
    """A running node. `full` nodes have all their files copy-on-write; `thin` ones share the machine's."""

    name: str
    kind: Literal["full", "thin"]
    pid: int
    _pidfd: int
    _init: subprocess.Popen[bytes]

    def enter(self, argv: Sequence[str], directory: str = "/") -> list[str]:
        """Give the command line that runs `argv` inside this node."""
        return [*self._nsenter("-m", "-u", "-i", "-n", "-p"), "--", "env", "-C", directory, *argv]

    def enter_network(self, argv: Sequence[str]) -> list[str]:
        """Give the command line for a program of the tests: the node's network and processes, our files."""
        return [*self._nsenter("-n", "-p"), "--", *argv]

    def _nsenter(self, *namespaces: str) -> list[str]:
        return ["nsenter", "-t", str(self.pid), *namespaces]

    def exec(
        self, argv: Sequence[str], stdin: str = "", *, timeout: float = 30, check: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the node and wait for it; daemons must close their output or name a log file."""
        done = subprocess.run(
            self.enter(argv),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env={"PATH": NODE_PATH, "HOME": "/root", "LANG": "C.UTF-8"},
        )
        if check and done.returncode != 0:
            raise RuntimeError(
                f"{self.name}: {list(argv)} gave {done.returncode}: {done.stdout}{done.stderr}"
            )
        return done

    def sh(self, script: str, *, timeout: float = 30) -> str:
        """Run a shell script that must succeed; gives what it printed."""
        return self.exec(["sh", "-exc", script], timeout=timeout, check=True).stdout

    def read(self, path: str) -> str:
        """Read a file as the node sees it (links are followed inside the node)."""
        return self.exec(["cat", "--", path], check=True).stdout

    def write(self, files: Mapping[str, str], mode: int = 0o644) -> None:
        """Put files into a full node. Their directories must hold no symbolic link: it would lead outside."""
        assert self.kind == "full", "a thin node has the machine's own files"
        root = Path(f"/proc/{self.pid}/root")
        for path, text in files.items():
            target = root / path.lstrip("/")
            missing = [p for p in target.parents if not p.exists()]
            for directory in reversed(missing):
                directory.mkdir(mode=0o755)
            steps = [target, *target.parents]
            assert not any(p.is_symlink() for p in steps[: steps.index(root)]), f"{path} leads outside"
            target.write_text(text)
            target.chmod(mode)

    def socket(self, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
        """Give a new IPv4 socket that lives in this node's network."""
        return socket_in(f"/proc/{self.pid}/ns/net", kind)

    def alive(self) -> bool:
        """Tell whether the node still runs."""
        return not select.select([self._pidfd], [], [], 0)[0]

    def stop(self) -> None:
        """End the node: the kernel ends all its processes and takes its links and mounts with them."""
        if self.alive():
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        ended = select.select([self._pidfd], [], [], 10)[0]
        os.close(self._pidfd)
        for pipe in (self._init.stdin, self._init.stdout):
            if pipe is not None:
                pipe.close()
        self._init.wait(10)
        if not ended:
            raise RuntimeError(f"node {self.name} did not end")


def socket_in(namespace: str | int, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """Open a socket in another network namespace, given as a path or an open file.

    A namespace belongs to a thread and a socket to the namespace in which it was made; so a thread goes there,
    opens it and ends, and the process itself never moves.
    """
    made: list[socket.socket] = []
    errors: list[OSError] = []

    def visit() -> None:
        handle = namespace if isinstance(namespace, int) else os.open(namespace, os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).setns(handle, CLONE_NEWNET) != 0:
                errors.append(OSError(ctypes.get_errno(), "setns"))
            else:
                made.append(socket.socket(socket.AF_INET, kind))
        finally:
            if handle is not namespace:
                os.close(handle)

    thread = threading.Thread(target=visit)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return made[0]


def start_nodes(kinds: Mapping[str, Literal["full", "thin"]]) -> dict[str, Node]:
    """Start nodes side by side and wait until all are ready; if one fails, none is left."""
    inits = {
        name: subprocess.Popen(
            [sys.executable, "-I", "-S", str(INIT), kind, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for name, kind in kinds.items()
    }
    nodes: dict[str, Node] = {}
    failed: list[str] = []
    for name, init in inits.items():
        assert init.stdout is not None
        # Two processes write here, each one line: in whichever order.
        said = init.stdout.read().decode()
        pid = re.search(r"^pid (\d+)$", said, re.MULTILINE)
        if pid is None:
            failed.append(f"{name}: {said}")
            init.communicate()
            continue
        nodes[name] = Node(name, kinds[name], int(pid[1]), os.pidfd_open(int(pid[1])), init)
        if "ready" not in said.splitlines():
            failed.append(f"{name}: {said}")
    if failed:
        for node in nodes.values():
            node.stop()
        raise RuntimeError(f"nodes that did not start: {'; '.join(failed)}")
    return nodes
