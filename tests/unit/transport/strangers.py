"""Hosts that nobody vouches for: servers on loopback that say exactly the bytes that a test gives them."""

from __future__ import annotations

import re
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextlib import suppress
from ipaddress import IPv4Address
from types import TracebackType
from typing import Self

from tests.captures.capture_files import DATA

HOME = IPv4Address("127.0.0.1")
#: Bytes are sent, numbers are waited.
Said = Iterable[bytes | float]
IGD = DATA / "upnp_igd"


class _Stranger(ABC):
    """Serves from a thread for as long as it is entered."""

    def __init__(self, answer: Callable[[bytes], Said], opened: socket.socket) -> None:
        self._answer = answer
        self._socket = opened
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._end()
        self._thread.join(60)
        self._socket.close()

    @abstractmethod
    def _serve(self) -> None:
        """Answer until `_end`."""

    @abstractmethod
    def _end(self) -> None:
        """Let `_serve` return soon."""


class TcpStranger(_Stranger):
    """Takes one request per connection and answers as told. `requests` are whole requests as they came."""

    def __init__(self, answer: Callable[[bytes], Said]) -> None:
        super().__init__(answer, socket.create_server((str(HOME), 0)))
        self.requests: list[bytes] = []
        #: Where it listens; still known when it listens no longer.
        self.port = int(self._socket.getsockname()[1])

    def url(self, path: str = "/") -> str:
        """Give the web address of a path."""
        return f"http://{HOME}:{self.port}{path}"

    def _end(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        while True:
            try:
                stream, _ = self._socket.accept()
            except OSError:
                return
            with stream, suppress(OSError):
                stream.settimeout(5)
                request = _whole(stream)
                self.requests.append(request)
                for part in self._answer(request):
                    if isinstance(part, float):
                        time.sleep(part)
                    else:
                        stream.sendall(part)


def _whole(stream: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        more = stream.recv(65536)
        if not more:
            return data
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: ([0-9]+)", head)
    while length and len(body) < int(length[1]):
        more = stream.recv(65536)
        if not more:
            break
        body += more
    return head + b"\r\n\r\n" + body


class UdpStranger(_Stranger):
    """Answers every packet as told, from the port to which it came. `packets` are those that came."""

    def __init__(self, answer: Callable[[bytes], Said]) -> None:
        super().__init__(answer, socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.packets: list[bytes] = []
        self._socket.bind((str(HOME), 0))
        self._socket.settimeout(0.05)
        #: Where it listens; still known when it listens no longer.
        self.place = (str(HOME), int(self._socket.getsockname()[1]))
        self._over = threading.Event()

    def _end(self) -> None:
        self._over.set()

    def _serve(self) -> None:
        while not self._over.is_set():
            try:
                data, sender = self._socket.recvfrom(65536)
            except TimeoutError:
                continue
            except OSError:
                return
            self.packets.append(data)
            for part in self._answer(data):
                if isinstance(part, float):
                    time.sleep(part)
                else:
                    with suppress(OSError):
                        self._socket.sendto(part, sender)


def page(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """Give a whole HTTP answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def recorded(name: str, head: str) -> bytes:
    """Give what miniupnpd answered, head and body, as it was recorded."""
    lines = (IGD / f"{head}.headers.txt").read_text(encoding="ascii").split("\n")
    return "\r\n".join(line for line in lines if line).encode() + b"\r\n\r\n" + (IGD / name).read_bytes()


def gateway(address: bytes | None = None, *, entries: int = 3) -> Callable[[bytes], Said]:
    """Answer as the recorded gateway does. `address`: another one on the internet side; `entries` of its mappings."""

    def answer(request: bytes) -> Said:
        if request.startswith(b"GET /rootDesc.xml "):
            return [recorded("rootDesc_igd2_miniupnpd-2.3.1.xml", "rootDesc")]
        if b"#GetExternalIPAddress" in request:
            told = recorded("GetExternalIPAddress.response.xml", "GetExternalIPAddress")
            if address is None:
                return [told]
            return [
                page(
                    (IGD / "GetExternalIPAddress.response.xml").read_bytes().replace(b"81.2.69.142", address)
                )
            ]
        index = re.search(rb"<NewPortMappingIndex>([0-9]+)<", request)
        number = min(int(index[1]) if index else entries, entries)
        name = f"GetGenericPortMappingEntry_{number if number < entries else 3}"
        return [recorded(f"{name}.response.xml", name)]

    return answer


def search_answer(location: str) -> bytes:
    """Give the recorded answer to a search, with the description elsewhere."""
    text = (IGD / "ssdp_response_igd1.txt").read_text(encoding="ascii").replace("\n", "\r\n")
    return text.replace("http://192.168.1.1:5000/rootDesc.xml", location).encode()
