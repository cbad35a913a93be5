"""Sockets for HTTP: TCP or through a jump host, TLS, and the proof of who answers before a byte of a request leaves."""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
import threading
from typing import TYPE_CHECKING

from plexops.model.errors import PlexopsError
from plexops.structs import replace
from plexops.transport.http_settings import Authorities, HttpSettings, Pinned, Whoever
from plexops.transport.net import Deadline, cut, dial
from plexops.transport.problems import closed, failure, quoted
from plexops.transport.secret_way import require_over_http
from plexops.transport.trust.certificates import tls_context
from plexops.transport.trust.spki import pin_of
from plexops.transport.trust.verdict import OfferedKey, require_known, require_outside

if TYPE_CHECKING:
    from plexops.transport.ssh.session import SshSession
    from plexops.transport.ssh_settings import SshSettings


class Dialer:
    """Opens verified connections to one device. Many threads may use it."""

    def __init__(self, settings: HttpSettings) -> None:
        self.identity = ""
        self._settings = settings
        self._lock = threading.Lock()
        self._jump: SshSession | None = None
        self._refused: PlexopsError | None = None
        self._context: ssl.SSLContext | None = None

    def open(self) -> socket.socket:
        """Give a connected socket; with https, TLS is spoken and the certificate was verified or its pin compared.

        Raises PlexopsError; nothing of a request has left then.
        """
        settings = self._settings
        stream = self._stream()
        try:
            if settings.secure:
                stream = self._wrapped(stream)
            self._may_log_in(stream)
        except BaseException as error:
            stream.close()
            if isinstance(error, OSError):  # the peer went away before it could be asked who it is
                raise closed(settings.device, settings.where, quoted(str(error.strerror))) from None
            raise
        return stream

    def close(self) -> None:
        """Let go of the jump host."""
        with self._lock:
            if self._jump is not None:
                self._jump.close()
                self._jump = None

    def _stream(self) -> socket.socket:
        settings = self._settings
        if settings.via is None:
            return dial(settings.host, settings.port, settings.connect_seconds, settings.where)
        from plexops.transport.ssh.bridge import bridge

        jump = self._jump_host(settings.via)
        return bridge(jump.open_tcp(settings.host, settings.port, settings.connect_seconds))

    def _jump_host(self, via: SshSettings) -> SshSession:
        from plexops.transport.ssh.session import connect

        with self._lock:
            if self._refused is not None:
                raise self._refused
            if self._jump is None or not self._jump.alive:
                try:
                    self._jump = connect(via)
                except PlexopsError as error:
                    self._refused = error  # four requests at a time must not be four failed logins
                    raise
            return self._jump

    def _wrapped(self, stream: socket.socket) -> ssl.SSLSocket:
        settings = self._settings
        with self._lock:
            if self._context is None:
                # Without them a pin is compared instead, before anything is sent.
                self._context = tls_context(verify=isinstance(settings.tls, Authorities))
                self._context.sslsocket_class = _ClosedIfGone
        stream.settimeout(settings.connect_seconds)
        opened = stream
        try:
            opened = wrapped = self._context.wrap_socket(
                stream, server_hostname=settings.host.split("%")[0], do_handshake_on_connect=False
            )
            # A peer that trickles its handshake would never let a single receive time out.
            with Deadline(settings.connect_seconds, lambda: cut(wrapped)):
                wrapped.do_handshake()
            self._verify(wrapped)
        except BaseException as error:
            opened.close()
            if isinstance(error, ssl.SSLCertVerificationError):
                raise self._untrusted(error) from None
            if isinstance(error, OSError | ValueError):  # ssl.SSLError is an OSError
                raise self._no_tls(error) from None
            raise
        return wrapped

    def _verify(self, wrapped: ssl.SSLSocket) -> None:
        settings = self._settings
        offered = OfferedKey("tls", pin_of(wrapped.getpeercert(binary_form=True) or b""))
        if isinstance(settings.tls, Pinned):
            address = f"{settings.host}:{settings.port}"
            verdict = require_known(settings.tls.keys, offered, settings.device, settings.where, address)
            if settings.login is not None:
                require_outside(verdict, "the login", settings.device, settings.where)
        self.identity = offered.fingerprint

    def _may_log_in(self, stream: socket.socket) -> None:
        """Refuse to send a login where it could be read, or to whom only the repository vouches for."""
        settings = self._settings
        if settings.login is not None and isinstance(settings.tls, Whoever):
            raise TypeError("a login goes to no peer whose certificate is not judged")
        # Through a jump host the peer's address is not seen: only an address in the URL itself counts then.
        peer = settings.host if settings.via is not None else str(stream.getpeername()[0])
        require_over_http(settings, peer)

    def _untrusted(self, error: ssl.SSLCertVerificationError) -> PlexopsError:
        settings = self._settings
        return failure(
            "PLX-D210",
            f"the certificate of {settings.device} is not trusted: {quoted(error.verify_message)}; nothing was sent",
            f"compare its fingerprint on the device itself, then: plexops trust {settings.device}",
            settings.where,
        )

    def _no_tls(self, error: Exception) -> PlexopsError:
        settings = self._settings
        if isinstance(error, TimeoutError):
            reason = f"no TLS handshake within {settings.connect_seconds:g} s"
        else:
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        return failure(
            "PLX-D105",
            f"{settings.host} port {settings.port} did not complete a TLS handshake",
            "look whether this port speaks https",
            settings.where,
            quoted(str(reason)),
        )


def speaks_tls(settings: HttpSettings) -> bool:
    """Tell whether the port of a plain URL completes a TLS handshake. Nothing is verified and nothing is sent."""
    try:
        scan(replace(settings, base_url=settings.origin.replace("http://", "https://", 1)))
    except PlexopsError:
        return False
    return True


def publicly_trusted(settings: HttpSettings) -> bool:
    """Tell whether a device shows a certificate of a public authority for its name. Nothing is sent."""
    with contextlib.closing(Dialer(settings)) as dialer:
        try:
            dialer.open().close()
        except PlexopsError as error:
            if any(problem.code == "PLX-D210" for problem in error.problems):
                return False
            raise
    return True


def scan(settings: HttpSettings) -> OfferedKey:
    """Give the key of the certificate that a device shows now. Nothing is verified and nothing is sent."""
    with contextlib.closing(Dialer(replace(settings, login=None, tls=Whoever()))) as dialer:
        dialer.open().close()
        return OfferedKey("tls", dialer.identity)


class _ClosedIfGone(ssl.SSLSocket):
    """A socket under TLS. Python leaves one open whose peer is gone before it is wrapped: it asks for the peer first."""

    def getpeername(self) -> object:
        """Give the peer's address. Raises ConnectionResetError where there is no peer any more."""
        try:
            return super().getpeername()
        except OSError as error:
            self.close()
            raise ConnectionResetError(errno.ECONNRESET, "the peer is gone") from error
