"""Plex on the server of a real home: the simulated Plex Media Server behind a real port of a real machine.

Its checks from outside are real too: it opens a connection from the Internet's network to the home's public
address, which crosses the ISP, the router's translation and filter and the server's own firewall.
Run with one argument, JSON: listen (an address; `::` is both families), port, public_address, address6 (as plex.tv
lists it), token, machine_identifier, throttled,
settings, igd_address, log and requests (paths of its own log and of a list of all requests), `internet` and `owner`,
open files of network namespaces, and `plex_tv`, the port at the owner's computer at which plex.tv lists the server.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from plexops.lab.base import DeviceLog
from plexops.lab.https import serve_http
from plexops.lab.network import Listener
from plexops.lab.plex import PlexCondition, PlexSeed, PlexServer
from plexops.lab.plex_tv import Listing, PlexTv

CLONE_NEWNET = 0x40000000
PR_SET_NAME = 15
#: plex.tv waits five seconds; in a home of virtual cables one is plenty, and tests wait for it often.
PATIENCE_SECONDS = 1.0
IGD = "http://192.168.1.1:5000/rootDesc.xml"


def list_servers(plex_tv: PlexTv, port: int) -> Listener:
    """Let plex.tv listen in the network of the thread that asks for it."""
    return Listener(lambda stream: serve_http(stream, plex_tv.handle, None), "plex.tv", ("127.0.0.1", port))


def in_network(namespace: int, act: Callable[[], object]) -> None:
    """Do something in another network: on a thread of its own, to which alone the namespace belongs, and which ends."""

    def enter() -> None:
        if ctypes.CDLL(None, use_errno=True).setns(namespace, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        act()

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()


class Surroundings:
    """What Plex asks the home around it."""

    def __init__(self, internet: int, public_address: str, machine_identifier: str, port: int) -> None:
        self._internet = internet
        self._public_address = public_address
        self._machine_identifier = machine_identifier.encode()
        self._port = port

    def public_address(self) -> str:
        """Give the address that the world sees."""
        return self._public_address

    def reachable(self, port: int) -> bool | Literal["refused"]:
        """Ask for /identity from the Internet, as plex.tv does: this very server must answer."""
        answers: list[bytes] = []
        refused: list[OSError] = []

        def visit() -> None:
            try:
                with socket.create_connection((self._public_address, port), PATIENCE_SECONDS) as stream:
                    stream.sendall(b"GET /identity HTTP/1.1\r\nHost: plex\r\nConnection: close\r\n\r\n")
                    answers.extend(iter(lambda: stream.recv(65536), b""))
            except TimeoutError:
                return
            except OSError as error:
                refused.append(error)

        in_network(self._internet, visit)
        if refused:
            return "refused"
        return self._machine_identifier in b"".join(answers)

    def upnp_map(self, port: int) -> bool:
        """Ask the real miniupnpd for a mapping."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
            try:
                route.connect(("192.168.1.1", 5000))
            except OSError:
                return False
            address = route.getsockname()[0]
        argv = [
            "upnpc",
            "-u",
            IGD,
            "-e",
            "Plex Media Server",
            "-a",
            address,
            str(self._port),
            str(port),
            "TCP",
        ]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=20)
        return f"external {self._public_address}:{port} TCP is redirected" in done.stdout


def main() -> None:
    """Serve until the machine goes down, or standard input is closed."""
    settings: dict[str, Any] = json.loads(sys.argv[1])
    # What `ss -p` shows of the real server: the kernel keeps fifteen letters.
    ctypes.CDLL(None).prctl(PR_SET_NAME, b"Plex Media Serv", 0, 0, 0)
    port: int = settings["port"]
    identifier: str = settings["machine_identifier"]
    around = Surroundings(settings["internet"], settings["public_address"], identifier, port)
    seed = PlexSeed(
        token=settings["token"],
        machine_identifier=identifier,
        port=port,
        throttled=settings["throttled"],
        settings=settings["settings"],
        condition=PlexCondition(router_address=settings["igd_address"]),
    )
    log, requests = Path(settings["log"]), Path(settings["requests"])
    log.parent.mkdir(parents=True, exist_ok=True)
    with requests.open("a", buffering=1) as list_of_requests:
        server = PlexServer(around, DeviceLog(sink=lambda line: print(line, file=list_of_requests)), seed)
        Listener(lambda stream: serve_http(stream, server.handle, None), "plex", (settings["listen"], port))
        plex_tv = PlexTv(
            server,
            seed,
            Listing(),
            log=DeviceLog(),
            lan_address=lambda: "192.168.1.50",
            public_address=around.public_address,
            address6=lambda: settings["address6"],
        )
        in_network(settings["owner"], lambda: list_servers(plex_tv, settings["plex_tv"]))
        print("ready", flush=True)  # noqa: T201 (this is a program of its own)
        keep_log(server, log)
    os._exit(0)  # without waiting for connections that stay open


def keep_log(server: PlexServer, log: Path) -> None:
    """Write what the server logs into its file, until nobody holds our standard input any more."""
    written = 0
    with log.open("w") as file:
        while not select.select([sys.stdin], [], [], 0.05)[0]:
            text = server.log.text()
            file.write(text[written:])
            file.flush()
            written = len(text)


if __name__ == "__main__":
    main()
