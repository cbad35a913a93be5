"""A small HTTP/1.1 server over one connected stream, with or without TLS."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import hashlib
import http
import ssl
import time
from collections.abc import Callable, Sequence
from email.utils import formatdate
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from msgspec import Struct

from plexops.lab.base import HttpRequest, HttpResponse

if TYPE_CHECKING:
    from cryptography.x509 import GeneralName

MAX_HEAD = 32 * 1024
MAX_BODY = 1024 * 1024
#: How long a connection may stay silent, and how long one request may take to arrive.
PATIENCE_SECONDS = 30.0

Handler = Callable[[HttpRequest], HttpResponse]
Result = TypeVar("Result")


class Connection(Protocol):
    """What a socket and a paramiko Channel have in common."""

    def settimeout(self, timeout: float | None, /) -> None:
        """Bound every later `recv` and `sendall`, in seconds."""

    def recv(self, size: int, /) -> bytes:
        """Wait for bytes; none means that the other side closed."""

    def sendall(self, data: bytes, /) -> object:
        """Send all of it."""

    def close(self) -> object:
        """End the connection."""


class TlsFiles(Struct, frozen=True):
    """A self-signed certificate, its key, and `pin` as curl's `--pinnedpubkey` wants it."""

    certificate: Path
    key: Path
    pin: str


class _RefusedError(Exception):
    """A request that is not answered by the handler."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _Stream:
    """Bytes in both directions over a connection, through TLS where a context is given.

    TLS runs over memory buffers and not over a file descriptor: an SSH channel has none that carries data.
    """

    def __init__(self, connection: Connection, context: ssl.SSLContext | None) -> None:
        self._connection = connection
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True) if context else None
        self._buffer = b""
        self.deadline = time.monotonic() + PATIENCE_SECONDS

    def handshake(self) -> None:
        if self._tls is not None:
            self._pump(self._tls.do_handshake)

    def read_until(self, mark: bytes, limit: int) -> bytes:
        while mark not in self._buffer:
            if len(self._buffer) > limit:
                raise _RefusedError(431)
            self._more()
        head, _, self._buffer = self._buffer.partition(mark)
        if len(head) > limit:
            raise _RefusedError(431)
        return head

    def read(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._more()
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def write(self, data: bytes) -> None:
        self._connection.settimeout(PATIENCE_SECONDS)
        if self._tls is None:
            self._connection.sendall(data)
            return
        self._tls.write(data)
        self._flush()

    def close(self) -> None:
        if self._tls is not None:
            with contextlib.suppress(ssl.SSLError, OSError):
                self._tls.unwrap()
            with contextlib.suppress(OSError, EOFError):
                self._flush()
        with contextlib.suppress(OSError, EOFError):  # the other side may be gone already
            self._connection.close()

    def _more(self) -> None:
        tls = self._tls
        data = self._receive() if tls is None else self._pump(lambda: tls.read(65536))
        if not data:
            raise EOFError
        self._buffer += data

    def _receive(self) -> bytes:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv(65536)

    def _pump(self, step: Callable[[], Result]) -> Result:
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._flush()
                data = self._receive()
                if not data:
                    raise EOFError from None
                self._incoming.write(data)
            else:
                self._flush()
                return result

    def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            self._connection.sendall(data)


def serve_http(connection: Connection, handler: Handler, tls: TlsFiles | None) -> None:
    """Answer requests on a connected stream until either side ends it, and close it.

    Heads are bounded to `MAX_HEAD`, bodies to `MAX_BODY` bytes, silence to `PATIENCE_SECONDS`. A handler that
    raises answers 500, and the exception goes on: in a simulation it is a bug to be seen.
    """
    stream = _Stream(connection, _server_context(tls) if tls else None)
    try:
        # Resets, silence and half requests are how clients leave; there is nobody to tell.
        with contextlib.suppress(OSError, EOFError):
            stream.handshake()
            while _serve_one(stream, handler):
                pass
    finally:
        with contextlib.suppress(OSError):
            stream.close()


def _serve_one(stream: _Stream, handler: Handler) -> bool:
    """Answer one request; tell whether the connection goes on."""
    stream.deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        request, keep = _read_request(stream)
    except _RefusedError as refusal:
        reason = http.HTTPStatus(refusal.status).phrase.encode()
        _write_response(
            stream, HttpResponse(refusal.status, reason, "text/plain"), head_only=False, keep=False
        )
        return False
    try:
        response = handler(request)
    except Exception:
        failed = HttpResponse(500, b"Internal Server Error", "text/plain")
        _write_response(stream, failed, head_only=False, keep=False)
        raise
    _write_response(stream, response, head_only=request.method == "HEAD", keep=keep)
    return keep


def _read_request(stream: _Stream) -> tuple[HttpRequest, bool]:
    lines = stream.read_until(b"\r\n\r\n", MAX_HEAD).decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or words[2] not in {"HTTP/1.0", "HTTP/1.1"} or not words[1].startswith("/"):
        raise _RefusedError(400)
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or name != name.strip():
            raise _RefusedError(400)
        headers[name.lower()] = value.strip()
    path, _, query = words[1].partition("?")
    body = _read_body(stream, headers)
    wish = headers.get("connection", "").lower()
    keep = wish == "keep-alive" if words[2] == "HTTP/1.0" else wish != "close"
    return HttpRequest(words[0], path, query, headers, body), keep


def _read_body(stream: _Stream, headers: dict[str, str]) -> bytes:
    if "transfer-encoding" in headers:
        raise _RefusedError(501)
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise _RefusedError(400)
    if int(length) > MAX_BODY:
        raise _RefusedError(413)
    if headers.get("expect", "").lower() == "100-continue":
        stream.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return stream.read(int(length))


def _write_response(stream: _Stream, response: HttpResponse, *, head_only: bool, keep: bool) -> None:
    lines = [f"HTTP/1.1 {response.status} {http.HTTPStatus(response.status).phrase}"]
    if response.content_type:
        lines.append(f"Content-Type: {response.content_type}")
    if response.date is not None:
        lines.append(f"Date: {formatdate(response.date, usegmt=True)}")
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    lines += [
        f"Content-Length: {len(response.body)}",
        f"Connection: {'keep-alive' if keep else 'close'}",
        "",
        "",
    ]
    head = "\r\n".join(lines).encode("latin-1")
    stream.write(head if head_only else head + response.body)


def _server_context(tls: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(tls.certificate, tls.key)
    return context


def make_tls(directory: Path, names: Sequence[str]) -> TlsFiles:
    """Make a self-signed certificate for host names and addresses; the key is readable by its owner alone."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    private = ec.generate_private_key(ec.SECP256R1())
    public = private.public_key()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
    now = dt.datetime.now(dt.UTC)
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, crl_sign=False, encipher_only=False,
        decipher_only=False,
    )  # fmt: skip
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=397))
        .add_extension(x509.SubjectAlternativeName([_general_name(text) for text in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(private, hashes.SHA256())
    )
    directory.mkdir(parents=True, exist_ok=True)
    files = TlsFiles(directory / "certificate.pem", directory / "key.pem", _pin(public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)))  # fmt: skip
    files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files.key.touch(mode=0o600)
    files.key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return files


def _general_name(text: str) -> GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _pin(public_key_info: bytes) -> str:
    return "sha256//" + base64.b64encode(hashlib.sha256(public_key_info).digest()).decode()
