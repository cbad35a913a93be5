"""A real SSH server (paramiko's) for simulated devices: logins, exec requests, and a jump host's forwarding."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Mapping
from typing import BinaryIO, Protocol, cast

import paramiko
from msgspec import Struct
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_FAILED_CONNECT_FAILED,
    OPEN_SUCCEEDED,
)
from paramiko.server import InteractiveQuery

from plexops.lab.base import DeviceLog, ExecResult
from plexops.lab.keys import KeyPair

LOGGER = "plexops.lab.ssh"
# A client that breaks off mid-handshake is a test's doing, not this server's fault: no traceback for it.
logging.getLogger(LOGGER).addHandler(logging.NullHandler())
logging.getLogger(LOGGER).propagate = False
METHODS = ("publickey", "password", "keyboard-interactive")

Executor = Callable[[str, BinaryIO, str], ExecResult]


class Stream(Protocol):
    """What a socket and a paramiko channel have in common."""

    def settimeout(self, timeout: float | None, /) -> None:
        """Bound every later `recv` and `send`, in seconds."""

    def recv(self, size: int, /) -> bytes:
        """Wait for bytes; none means that the other side closed."""

    def send(self, data: bytes, /) -> int:
        """Send some of it; give how much."""

    def sendall(self, data: bytes, /) -> object:
        """Send all of it."""

    def close(self) -> object:
        """End the connection."""


class Account(Struct):
    """One user: `keys` as in authorized_keys, `password` empty for none."""

    keys: set[str] = set()
    password: str = ""


class SshOptions(Struct):
    """How a server treats logins. Tests change it while the server runs."""

    methods: tuple[str, ...] = METHODS
    #: Refuse that many logins, whatever they show, before accepting any.
    refuse_logins: int = 0
    #: Close the connection before the version exchange, as a server that is over its limit does.
    refuse_connections: bool = False
    #: Cut the connection as soon as an exec request with this text in it arrives; its command still runs.
    cut_after: str = ""


class Forwarder(Protocol):
    """Where a jump host's `direct-tcpip` channels lead."""

    def open(self, host: str, port: int) -> Callable[[Stream], None] | None:
        """Give what serves a connection to that host and port; None when it cannot be reached."""


class SshServer:
    """The SSH server of one device; `serve` handles one connection, on a socket or on a channel."""

    def __init__(
        self,
        *,
        host_key: KeyPair,
        accounts: Mapping[str, Account],
        log: DeviceLog,
        executor: Executor | None = None,
        forwarder: Forwarder | None = None,
        options: SshOptions | None = None,
        banner: str = "dropbear_2024.86",
    ) -> None:
        self.host_key = host_key
        self.accounts = accounts
        self.log = log
        self.executor = executor
        self.forwarder = forwarder
        self.options = options or SshOptions()
        self._banner = banner
        self._key = host_key.key()
        self._lock = threading.Lock()
        self._connections: set[_Connection] = set()
        self._closed = False

    def serve(self, stream: Stream) -> None:
        """Serve one connection until either side ends it."""
        if self.options.refuse_connections or self._closed:
            stream.close()
            return
        if isinstance(stream, socket.socket):
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = _Connection(self, stream)
        with self._lock:
            self._connections.add(connection)
        try:
            connection.run(self._key, self._banner)
        finally:
            with self._lock:
                self._connections.discard(connection)

    def disconnect_all(self) -> None:
        """Cut every connection, as when the device's address vanishes."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            connection.close()

    def close(self) -> None:
        """Cut every connection and take no more."""
        self._closed = True
        self.disconnect_all()


class _QuietEnd(Struct):
    """A stream whose end may already be gone: closing a channel of a dead connection is no error here."""

    stream: Stream
    #: paramiko looks at this attribute of a socket.
    _closed: bool = False

    def settimeout(self, timeout: float | None) -> None:
        self.stream.settimeout(timeout)

    def recv(self, size: int) -> bytes:
        return self.stream.recv(size)

    def send(self, data: bytes) -> int:
        return self.stream.send(data)

    def close(self) -> None:
        self._closed = True
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self.stream.close()


class _Transport(paramiko.Transport):
    """Starts what a request asked for only when the request has been answered.

    A worker that sends its exit status before the "yes, I run it" makes clients drop the connection.
    """

    def __init__(self, stream: Stream) -> None:
        super().__init__(cast("socket.socket", _QuietEnd(stream)))
        self.after_reply: list[Callable[[], None]] = []

    def _send_user_message(self, data: paramiko.Message) -> None:
        super()._send_user_message(data)  # type: ignore[misc]
        if threading.current_thread() is self:
            starting, self.after_reply = self.after_reply, []
            for start in starting:
                start()


class _Connection:
    """One client, from its first byte to the end."""

    def __init__(self, server: SshServer, stream: Stream) -> None:
        self._server = server
        self._transport = _Transport(stream)

    def run(self, key: paramiko.PKey, banner: str) -> None:
        """Log the client in and serve its channels."""
        transport = self._transport
        transport.local_version = f"SSH-2.0-{banner}"
        transport.set_log_channel(LOGGER)
        transport.add_server_key(key)
        interface = _Interface(self._server, transport)
        try:
            transport.start_server(event=threading.Event(), server=interface)
            while transport.is_alive():
                channel = transport.accept(1.0)
                if channel is not None:
                    interface.opened(channel)
        except (paramiko.SSHException, OSError, EOFError):
            pass  # clients leave as they like; there is nobody to tell
        finally:
            self.close()

    def close(self) -> None:
        """Cut the connection."""
        self._transport.close()


class _Interface(paramiko.ServerInterface):
    """What one client may do."""

    def __init__(self, server: SshServer, transport: _Transport) -> None:
        self._server = server
        self._transport = transport
        self._username = ""
        self._method = ""
        self._forwards: dict[int, Callable[[Stream], None]] = {}

    def get_allowed_auths(self, username: str) -> str:
        return ",".join(self._server.options.methods)

    def check_auth_none(self, username: str) -> int:
        return AUTH_FAILED

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        account = self._server.accounts.get(username)
        blob = f"{key.get_name()} {key.get_base64()}"
        known = account is not None and blob in {" ".join(k.split()[:2]) for k in account.keys}
        return self._judge(username, "publickey", accepted=known)

    def check_auth_password(self, username: str, password: str) -> int:
        account = self._server.accounts.get(username)
        known = account is not None and account.password != "" and account.password == password
        return self._judge(username, "password", accepted=known)

    def check_auth_interactive(self, username: str, submethods: str) -> int | InteractiveQuery:
        if "keyboard-interactive" not in self._server.options.methods:
            return AUTH_FAILED
        self._username = username
        return InteractiveQuery("", "", ("Password: ", False))

    def check_auth_interactive_response(self, responses: list[str]) -> int:
        account = self._server.accounts.get(self._username)
        known = account is not None and account.password != "" and responses == [account.password]
        return self._judge(self._username, "keyboard-interactive", accepted=known)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        self._welcome()
        if kind == "session" and self._server.executor is not None:
            return OPEN_SUCCEEDED
        return OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_direct_tcpip_request(
        self, chanid: int, origin: tuple[str, int], destination: tuple[str, int]
    ) -> int:
        self._welcome()
        forwarder = self._server.forwarder
        if forwarder is None:
            return OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
        self._server.log.add(f"# direct-tcpip {destination[0]}:{destination[1]}")
        serve = forwarder.open(*destination)
        if serve is None:
            return OPEN_FAILED_CONNECT_FAILED
        self._forwards[chanid] = serve
        return OPEN_SUCCEEDED

    def check_channel_env_request(self, channel: paramiko.Channel, name: bytes, value: bytes) -> bool:
        return False

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        text = command.decode("utf-8", "surrogateescape")
        self._transport.after_reply.append(lambda: self._start(channel, text))
        return True

    def opened(self, channel: paramiko.Channel) -> None:
        """Serve a channel that was opened, if it is a forwarded connection."""
        serve = self._forwards.pop(channel.get_id(), None)
        if serve is not None:
            name = f"lab-forward-{channel.get_id()}"
            threading.Thread(target=serve, args=(channel,), name=name, daemon=True).start()

    def _start(self, channel: paramiko.Channel, command: str) -> None:
        name = f"lab-exec-{channel.get_id()}"
        threading.Thread(target=self._execute, args=(channel, command), name=name, daemon=True).start()

    def _execute(self, channel: paramiko.Channel, command: str) -> None:
        server = self._server
        if server.executor is None:
            channel.close()
            return
        try:
            cut = server.options.cut_after
            if cut and cut in command:
                self._transport.close()
            result = server.executor(command, cast("BinaryIO", channel.makefile("rb")), self._username)
            with contextlib.suppress(OSError, EOFError):
                channel.sendall(result.stdout)
                channel.sendall_stderr(result.stderr)
                channel.send_exit_status(result.status)
        finally:
            with contextlib.suppress(OSError, EOFError):
                channel.close()

    def _judge(self, username: str, method: str, *, accepted: bool) -> int:
        options = self._server.options
        if method not in options.methods:
            return AUTH_FAILED
        if options.refuse_logins > 0:
            options.refuse_logins -= 1
            accepted = False
        if not accepted:
            self._server.log.add(f"# login {username} {method} refused")
            return AUTH_FAILED
        # A key is judged twice: when the client asks whether it would do, and when it proves to own it.
        self._username, self._method = username, method
        return AUTH_SUCCESSFUL

    def _welcome(self) -> None:
        """Note the login once, when the client first uses it."""
        if self._method:
            self._server.log.add(f"# login {self._username} {self._method} accepted")
            self._method = ""
