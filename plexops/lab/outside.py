"""A vantage on the Internet: a small server from which the port is tried."""

from __future__ import annotations

import threading

from plexops.lab.base import Clock, DeviceLog
from plexops.lab.curl import Connect, LookUp, make_curl
from plexops.lab.filesystem import FileSystem
from plexops.lab.shell import Shell

USER = "probe"


class OutsideVantage:
    """A Debian host with curl and nothing else of interest."""

    def __init__(self, *, log: DeviceLog, clock: Clock, connect: Connect, look_up: LookUp) -> None:
        self.lock = threading.RLock()
        files = FileSystem()
        files.make_dir(f"/home/{USER}", parents=True)
        files.stat(f"/home/{USER}").owner = USER
        self.shell = Shell(
            files=files,
            commands={},
            free={"curl": make_curl(connect, look_up)},
            log=log,
            clock=clock,
            lock=self.lock,
            hostname="vps",
            flavour="bash",
        )

    def stop(self) -> None:
        """End everything that runs there."""
        self.shell.stop()
