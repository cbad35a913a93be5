"""Real SSH and HTTP(S) servers on loopback that log what reached them, for the tests of the transports."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import logging
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import paramiko
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID
from paramiko.common import (
    AUTH_FAILED,
    AUTH_PARTIALLY_SUCCESSFUL,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_FAILED_CONNECT_FAILED,
    OPEN_FAILED_UNKNOWN_CHANNEL_TYPE,
    OPEN_SUCCEEDED,
)
from paramiko.server import InteractiveQuery

logging.getLogger("tests.sshd").addHandler(logging.NullHandler())
logging.getLogger("tests.sshd").propagate = False

Execute = Callable[[str, paramiko.Channel], None]


def new_key() -> paramiko.Ed25519Key:
    """Make an Ed25519 key; paramiko itself cannot."""
    import io

    text = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    return paramiko.Ed25519Key.from_private_key(io.StringIO(text.decode()))


def private_text(key: ed25519.Ed25519PrivateKey, passphrase: bytes | None = None) -> str:
    """Write a private key in OpenSSH's format."""
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        encryption = serialization.BestAvailableEncryption(passphrase)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, encryption
    ).decode()


def public_blob(key: ed25519.Ed25519PrivateKey) -> bytes:
    """Give the public key in wire format."""
    import base64

    line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return base64.b64decode(line.split()[1])


#: What this device does when it is asked something harmless: only what is known to read gets on the wire, and the
#: wire has to stand floods, waits, errors and greed all the same.
DOES = {
    "cat /lab/one": "echo first; echo warning >&2; exit 3",
    "cat /lab/stdin": "cat",
    "cat /lab/three": "printf no-newline",
    "cat /lab/huge": "yes 0123456789 | head -c 10000000",
    "cat /lab/loud": "yes problem | head -c 20000000 >&2",
    "cat /lab/slow": "sleep 4",
    "cat /lab/garbage": r"printf 'a\377\000b\n'",
    "cat /lab/who": 'echo "as root for $SUDO_USER"; cat',
}


def _variable(asked: str) -> str:
    return "DOES_" + asked.rpartition("/")[2]


def _as_it_does(command: str) -> str:
    """Put what is done in the place of what is asked, however deeply it is quoted: in single quotes, this stays."""
    for asked in DOES:
        command = command.replace(asked, f'sh -c "${_variable(asked)}"')
    return command


def run_by_sh(path: str = os.environ["PATH"]) -> Execute:
    """Give an exec handler that runs the command as sshd does: by a login shell, here /bin/sh."""

    def execute(command: str, channel: paramiko.Channel) -> None:
        stdin = b""
        channel.settimeout(5)
        while data := channel.recv(4096):
            stdin += data
        process = subprocess.Popen(
            ["/bin/sh", "-c", _as_it_does(command)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": path, **{_variable(asked): done for asked, done in DOES.items()}},
            start_new_session=True,
        )
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(stdin)
            process.stdin.close()
        streams = [
            threading.Thread(target=_copy, args=(process.stdout, channel.sendall), daemon=True),
            threading.Thread(target=_copy, args=(process.stderr, channel.sendall_stderr), daemon=True),
        ]
        for stream in streams:
            stream.start()
        while process.poll() is None and not channel.closed:
            time.sleep(0.005)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(60)
        for stream in streams:
            stream.join(60)
        if process.returncode >= 0:  # a process that was killed has no status
            channel.send_exit_status(process.returncode)

    return execute


def _copy(stream: IO[bytes], send: Callable[[bytes], None]) -> None:
    with stream, contextlib.suppress(OSError, EOFError):
        while data := os.read(stream.fileno(), 65536):
            send(data)


@dataclass(slots=True)
class Behaviour:
    """What a server accepts and does; `events` is what reached it, in order."""

    keys: Sequence[paramiko.PKey]
    execute: Execute = field(default_factory=run_by_sh)
    methods: str = "publickey,password,keyboard-interactive"
    password: str | None = None
    prompts: Sequence[str] = ("Password: ",)
    public_keys: Sequence[bytes] = ()
    none_is_enough: bool = False
    two_steps: bool = False
    forwards: bool = True
    banner: str | None = None
    events: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def logins(self) -> list[tuple[str, ...]]:
        """The login attempts that reached the server."""
        return [event for event in self.events if event[0] == "login"]


class _Server(paramiko.ServerInterface):
    def __init__(self, behaviour: Behaviour, transport: paramiko.Transport) -> None:
        self._behaviour = behaviour
        self._transport = transport
        self._accepted: dict[int, paramiko.Channel] = {}
        self._lock = threading.Lock()

    def get_banner(self) -> tuple[str | None, str | None]:
        return self._behaviour.banner, "en-US"

    def get_allowed_auths(self, username: str) -> str:
        self._behaviour.events.append(("name", username))
        return self._behaviour.methods

    def check_auth_none(self, username: str) -> int:
        self._behaviour.events.append(("login", "none", username))
        return AUTH_SUCCESSFUL if self._behaviour.none_is_enough else AUTH_FAILED

    def check_auth_password(self, username: str, password: str) -> int:
        self._behaviour.events.append(("login", "password", username, password))
        if "password" not in self._behaviour.methods:
            return AUTH_FAILED
        return AUTH_SUCCESSFUL if password == self._behaviour.password else AUTH_FAILED

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self._behaviour.events.append(("login", "publickey", username))
        if key.asbytes() not in self._behaviour.public_keys:
            return AUTH_FAILED
        if self._behaviour.two_steps:
            self._behaviour.methods = "password,keyboard-interactive"
            return AUTH_PARTIALLY_SUCCESSFUL
        return AUTH_SUCCESSFUL

    def check_auth_interactive(self, username: str, _submethods: str) -> int | InteractiveQuery:
        self._behaviour.events.append(("login", "keyboard-interactive", username))
        if "keyboard-interactive" not in self._behaviour.methods:
            return AUTH_FAILED
        query = InteractiveQuery("", "")
        for prompt in self._behaviour.prompts:
            query.add_prompt(prompt, echo=False)
        return query

    def check_auth_interactive_response(self, responses: list[str]) -> int:
        self._behaviour.events.append(("answers", *responses))
        right = responses == [self._behaviour.password]
        return AUTH_SUCCESSFUL if right else AUTH_FAILED

    def check_channel_request(self, kind: str, _chanid: int) -> int:
        return OPEN_SUCCEEDED if kind == "session" else OPEN_FAILED_UNKNOWN_CHANNEL_TYPE

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self._behaviour.events.append(("exec", command.decode()))
        threading.Thread(target=self._run, args=(channel, command.decode()), daemon=True).start()
        return True

    def _run(self, channel: paramiko.Channel, command: str) -> None:
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self._behaviour.execute(command, channel)
            channel.close()

    def check_channel_direct_tcpip_request(
        self, chanid: int, _origin: tuple[str, int], destination: tuple[str, int]
    ) -> int:
        self._behaviour.events.append(("tcp", destination[0], str(destination[1])))
        if not self._behaviour.forwards:
            return OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
        try:
            onward = socket.create_connection(destination, timeout=5)
        except OSError:
            return OPEN_FAILED_CONNECT_FAILED
        threading.Thread(target=self._forward, args=(chanid, onward), daemon=True).start()
        return OPEN_SUCCEEDED

    def _channel(self, chanid: int) -> paramiko.Channel:
        """Several threads wait for channels, and each may be given another one's."""
        while True:
            with self._lock:
                if chanid in self._accepted:
                    return self._accepted.pop(chanid)
                channel = self._transport.accept(0.05)
                if channel is not None:
                    self._accepted[channel.get_id()] = channel

    def _forward(self, chanid: int, onward: socket.socket) -> None:
        channel = self._channel(chanid)
        onward.settimeout(None)

        def back() -> None:
            with contextlib.suppress(OSError, EOFError):
                while data := onward.recv(32768):
                    channel.sendall(data)
                channel.close()

        copier = threading.Thread(target=back, daemon=True)
        copier.start()
        with contextlib.suppress(OSError, EOFError):
            while data := channel.recv(32768):
                onward.sendall(data)
        with contextlib.suppress(OSError):
            onward.shutdown(socket.SHUT_RDWR)
        copier.join(60)
        onward.close()


class Listener:
    """Accepts on a loopback port and gives each connection to a handler in a thread of its own."""

    def __init__(self, handle: Callable[[socket.socket], None], host: str = "127.0.0.1") -> None:
        self._handle = handle
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self.connections = 0
        accepting = threading.Thread(target=self._accept, daemon=True)
        accepting.start()
        self._threads.append(accepting)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with contextlib.suppress(OSError, EOFError):
                self._handle(connection)
        finally:
            connection.close()

    def close(self) -> None:
        """End everything and wait for the threads."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(60)


@contextlib.contextmanager
def ssh_server(behaviour: Behaviour, host: str = "127.0.0.1") -> Iterator[int]:
    """Run an SSH server and give its port."""
    ended = threading.Event()

    def handle(connection: socket.socket) -> None:
        transport = paramiko.Transport(connection)
        transport.set_log_channel("tests.sshd")
        for key in behaviour.keys:
            transport.add_server_key(key)
        try:
            transport.start_server(event=threading.Event(), server=_Server(behaviour, transport))
            while transport.is_active() and not ended.is_set():
                transport.join(0.02)
        finally:
            transport.packetizer.complete_handshake()
            transport.close()
            transport.join(5)

    listener = Listener(handle, host)
    try:
        yield listener.port
    finally:
        ended.set()
        listener.close()


@dataclass(slots=True)
class Identity:
    """A self-signed certificate with its key, as files, and its DER."""

    certificate: Path
    key: Path
    der: bytes


def self_signed(
    folder: Path, name: str, *, expired: bool = False, common_name: str = "router.lan"
) -> Identity:
    """Make a certificate for 127.0.0.1 and `common_name`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    now = dt.datetime.now(dt.UTC)
    start = now - dt.timedelta(days=400 if expired else 1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=30))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName(common_name), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / f"{name}.crt", folder / f"{name}.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return Identity(*paths, certificate.public_bytes(serialization.Encoding.DER))


Respond = Callable[[socket.socket, str], None]


def plain_answer(body: bytes, status: str = "200 OK", headers: str = "") -> bytes:
    """Write a whole HTTP answer."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


@dataclass(slots=True)
class Web:
    """An HTTP(S) server; `requests` holds head and body of everything that reached it."""

    respond: Respond
    identity: Identity | None = None
    requests: list[str] = field(default_factory=list)
    listener: Listener = field(init=False)

    def handle(self, connection: socket.socket) -> None:
        """Serve one connection: requests one after another until either side ends."""
        if self.identity is None:
            self._serve(connection)
            return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.identity.certificate, self.identity.key)
        wrapped = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        try:
            wrapped.do_handshake()
            self._serve(wrapped)
        finally:
            wrapped.close()

    def _serve(self, connection: socket.socket) -> None:
        received = b""
        while True:
            while b"\r\n\r\n" not in received:
                data = connection.recv(65536)
                if not data:
                    return
                received += data
            head, _, rest = received.partition(b"\r\n\r\n")
            length = 0
            for line in head.decode().split("\r\n"):
                if line.lower().startswith("content-length:"):
                    length = int(line.split(":")[1])
            while len(rest) < length:
                rest += connection.recv(65536)
            request = (head + b"\r\n\r\n" + rest[:length]).decode()
            received = rest[length:]
            self.requests.append(request)
            self.respond(connection, request)


@contextlib.contextmanager
def web_server(respond: Respond, identity: Identity | None = None, host: str = "127.0.0.1") -> Iterator[Web]:
    """Run an HTTP server, or HTTPS with an identity."""
    web = Web(respond, identity)
    web.listener = Listener(web.handle, host)
    try:
        yield web
    finally:
        web.listener.close()
