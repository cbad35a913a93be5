"""A scheduler and workers of Dask on loopback, each worker with a home of its own, and gates that see what passes."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from tests.cli.process import environment

_WAIT = 60.0


class Gate:
    """A port that leads to another. It keeps all bytes, and holds the first connection from `hold` until `release`."""

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.passed: list[bytes] = []
        self.arrived: threading.Event = threading.Event()
        self.caller = 0
        self._open = threading.Event()
        self._open.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens, on loopback."""
        return int(self._listener.getsockname()[1])

    def hold(self) -> None:
        """Hold the next connection."""
        self.arrived.clear()
        self._open.clear()

    def release(self) -> None:
        """Let it go on."""
        self._open.set()

    def close(self) -> None:
        """Take no more connections."""
        self.release()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, address = self._listener.accept()
                first = not self._open.is_set() and not self.arrived.is_set()
                if first:
                    self.caller = address[1]
                    self.arrived.set()
                threading.Thread(target=self._lead, args=(caller, first), daemon=True).start()

    def _lead(self, caller: socket.socket, first: bool) -> None:
        if first:
            self._open.wait(_WAIT)
        with caller, contextlib.suppress(OSError), socket.create_connection(self.target) as other:
            back = threading.Thread(target=self._copy, args=(other, caller), daemon=True)
            back.start()
            self._copy(caller, other)
            back.join()

    def _copy(self, source: socket.socket, to: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.passed.append(data)
                to.sendall(data)
        with contextlib.suppress(OSError):
            to.shutdown(socket.SHUT_WR)


class Cluster:
    """A scheduler behind a gate, and the workers that were started."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes], scheduler: Path) -> None:
        self.scheduler = process
        host, port = (
            json.loads(scheduler.read_text(encoding="utf-8"))["address"].removeprefix("tcp://").split(":")
        )
        self.folder = folder
        self.gate = Gate(host, int(port))
        self.workers: list[subprocess.Popen[bytes]] = []

    @property
    def address(self) -> str:
        """What --cluster takes."""
        return f"tcp://127.0.0.1:{self.gate.port}"

    def start_worker(self, keys: Mapping[str, Path], **variables: str) -> None:
        """Start a worker of one thread, in whose own folder these keys are."""
        home = self.folder / f"worker{len(self.workers)}"
        for name, folder in keys.items():
            shutil.copytree(folder, home / ".config" / "plexops" / name)
        log = (self.folder / f"worker{len(self.workers)}.log").open("wb")
        words = (
            "--no-nanny",
            "--nthreads",
            "1",
            "--no-dashboard",
            "--host",
            "127.0.0.1",
            "--memory-limit",
            "0",
        )
        self.workers.append(
            subprocess.Popen(
                [sys.executable, "-m", "distributed.cli.dask_worker", self.address, *words,
                 "--local-directory", str(home)],
                env=environment(HOME=str(home), XDG_STATE_HOME=str(home / "state"), **variables),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )
        )  # fmt: skip
        log.close()

    def state_of(self, worker: int) -> Path:
        """Give a worker's own state folder."""
        return self.folder / f"worker{worker}" / "state" / "plexops"

    def kill_whoever_called_from(self, port: int) -> None:
        """Kill the worker that holds this local port."""
        for worker in self.workers:
            if worker.poll() is None and any(
                link.laddr and link.laddr.port == port
                for link in psutil.Process(worker.pid).net_connections()
            ):
                worker.kill()
                worker.wait(_WAIT)
                return
        raise AssertionError(f"no worker has a connection from port {port}")


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Start a scheduler, without a worker."""
    file = folder / "scheduler.json"
    words = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file))
    with (folder / "scheduler.log").open("wb") as log:
        scheduler = subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_scheduler", *words],
            env=environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    made: Cluster | None = None
    try:
        until = time.monotonic() + _WAIT
        while not (file.exists() and file.read_text(encoding="utf-8").endswith("}")):
            assert scheduler.poll() is None, (folder / "scheduler.log").read_text()
            assert time.monotonic() < until
            time.sleep(0.05)
        made = Cluster(folder, scheduler, file)
        yield made
    finally:
        for process in [*(made.workers if made else ()), scheduler]:
            process.kill()
            process.wait(_WAIT)
        if made is not None:
            made.gate.close()
