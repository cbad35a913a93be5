"""One SSH connection: verified, logged in, running commands. Imports paramiko: load it only when one is made."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

import paramiko
from paramiko.packet import Packetizer
from paramiko.ssh_exception import IncompatiblePeer

from plexops.model.errors import PlexopsError
from plexops.transport.answer import GRACE_SECONDS, Answer, Ending
from plexops.transport.net import Deadline, QuickAckSocket, dial
from plexops.transport.problems import closed, failure, quoted
from plexops.transport.ssh.bridge import GONE, hang_up
from plexops.transport.ssh.login import log_in
from plexops.transport.ssh.offer import TellingTransport
from plexops.transport.ssh.receive import receive
from plexops.transport.ssh_settings import SSH_PORT, SshSettings
from plexops.transport.trust.verdict import OfferedKey, Trust, fingerprint, judge, require_known

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from socket import socket

_BANNER_SECONDS = 15.0
_KEEPALIVE_SECONDS = 10
#: More than any server says before its key is known: a banner without an end must not fill our memory.
_HANDSHAKE_BYTES = 1024 * 1024
_AHEAD_BYTES = 64 * 1024
_MAX_OTHER_KEYS = 3
#: Their texts say what happened; those of other errors need their names.
_CLEAR = (paramiko.SSHException, OSError, EOFError)
_CURVE25519 = "curve25519-sha256@libssh.org"
_WEAK = ("3des", "-cbc", "arcfour", "blowfish", "md5", "sha1-96", "ssh-rsa", "ssh-dss")

# paramiko logs tracebacks on failures that are reported here in better words.
_LOG = logging.getLogger("plexops.ssh")
_LOG.addHandler(logging.NullHandler())
_LOG.propagate = False
_LOG.setLevel(logging.CRITICAL)


class _Packets(Packetizer):
    """Packets without a thread that limits the handshake's time: who starts a handshake waits with a limit of its own."""

    def start_handshake(self, timeout: float) -> None:
        """Start no timer."""


class SshSession:
    """A connection that was verified and logged in."""

    def __init__(
        self,
        settings: SshSettings,
        transport: paramiko.Transport,
        key: OfferedKey,
        verdict: Trust,
        jump: SshSession | None,
    ) -> None:
        self.settings = settings
        self.key = key
        self.verdict = verdict
        self._transport = transport
        self._jump = jump

    @property
    def alive(self) -> bool:
        """Whether the connection still stands."""
        return self._transport.is_active()

    def run(self, command: str, stdin: bytes | None, idle: float, overall: float, limit: int) -> Answer:
        """Run one command; `stdin` None leaves standard input open and empty.

        Ends after `idle` seconds without a byte, after `overall` seconds, or when more than `limit` bytes came.
        Raises PlexopsError (PLX-D106, PLX-D107, PLX-D111) only while the command was certainly not sent.
        """
        # paramiko waits without a limit for the answer to a request.
        with Deadline(overall + GRACE_SECONDS, self._transport.close) as deadline:
            channel = self._open_session()
            try:
                channel.exec_command(command)
            except GONE:
                hang_up(channel)
                if self.alive:
                    return Answer(b"", b"", None, Ending.REFUSED)
                return Answer(b"", b"", None, Ending.TIMED_OUT if deadline.fired else Ending.CLOSED)
            try:
                if stdin is not None:
                    with contextlib.suppress(*GONE):  # the command may have ended without reading
                        channel.sendall(stdin)
                        channel.shutdown_write()
                return receive(channel, self._transport, idle, overall, limit)
            finally:
                hang_up(channel)

    def open_terminal(self, width: int) -> paramiko.Channel:
        """Open a terminal of so many columns that has no colours, and the user's shell on it.

        Raises PlexopsError PLX-D106, PLX-D107, PLX-D111.
        """
        with Deadline(self.settings.auth_seconds, self._transport.close):
            channel = self._open_session()
            try:
                channel.get_pty("dumb", width, 1000)
                channel.invoke_shell()
            except GONE:
                hang_up(channel)
                if not self.alive:
                    raise self._broken() from None
                raise failure(
                    "PLX-D111",
                    f"{self.settings.device} opens no terminal",
                    "use an account that may log in to its command line",
                    self.settings.where,
                ) from None
            return channel

    def open_tcp(self, host: str, port: int, seconds: float) -> paramiko.Channel:
        """Let this host connect on to another one (`direct-tcpip`). Raises PlexopsError PLX-D108, PLX-D106."""
        try:
            return self._transport.open_channel(
                "direct-tcpip", (host, port), ("127.0.0.1", 0), timeout=seconds
            )
        except paramiko.ChannelException as error:
            reason = quoted(error.text)
        except GONE as error:
            if not self.alive:
                raise self._broken() from None
            reason = quoted(str(error))
        raise failure(
            "PLX-D108",
            f"the jump host {self.settings.device} does not connect on to {host} port {port}",
            "look whether it allows forwarding and reaches the device",
            self.settings.where,
            *((f"it said: {reason}",) if reason else ()),
        )

    def close(self) -> None:
        """End the connection, and the one to the jump host."""
        self._transport.close()
        if self._jump is not None:
            self._jump.close()

    def _open_session(self) -> paramiko.Channel:
        try:
            return self._transport.open_session(timeout=self.settings.auth_seconds)
        except paramiko.ChannelException as error:
            raise failure(
                "PLX-D111",
                f"{self.settings.device} opens no session",
                "close other sessions on it, or use an account that may run commands",
                self.settings.where,
                quoted(error.text),
            ) from None
        except GONE:
            if not self.alive:
                raise self._broken() from None
            raise failure(
                "PLX-D107",
                f"{self.settings.device} opened no session within {self.settings.auth_seconds:g} s",
                "try again later; look at the load of the device",
                self.settings.where,
            ) from None

    def _broken(self) -> PlexopsError:
        return closed(self.settings.device, self.settings.where)


def connect(settings: SshSettings, dialled: socket | None = None) -> SshSession:
    """Connect, verify the host key, log in. Nothing of the login is sent before the key was judged.

    `dialled` is a connection to the device that stands already. Raises PlexopsError with any of PLX-D101 to PLX-D211.
    """
    with contextlib.ExitStack() as unless_connected:
        jump = connect(settings.via) if settings.via is not None else None
        if jump is not None:
            unless_connected.callback(jump.close)
        transport, offered, verdict = _verified(settings, jump, dialled)
        unless_connected.callback(transport.close)
        log_in(transport, settings, verdict)
        transport.set_keepalive(_KEEPALIVE_SECONDS)
        unless_connected.pop_all()
    return SshSession(settings, transport, offered, verdict, jump)


def scan(settings: SshSettings) -> OfferedKey:
    """Give the host key that a device shows, without a login; on the way there jump hosts are logged in to.

    Raises PlexopsError where no SSH handshake comes about.
    """
    jump = connect(settings.via) if settings.via is not None else None
    try:
        transport, offered = _handshake(settings, jump, settings.host_keys.types)
        transport.close()
        return offered
    finally:
        if jump is not None:
            jump.close()


def _verified(
    settings: SshSettings, jump: SshSession | None, dialled: socket | None
) -> tuple[paramiko.Transport, OfferedKey, Trust]:
    """Shake hands and judge the key that was shown.

    A pin without a type may be of any of a device's keys, so the others are asked for before it counts as changed.
    """
    trusted = settings.host_keys
    transport, first = _handshake(settings, jump, trusted.types, dialled)
    if judge(trusted, first) is Trust.CHANGED and any(not key.type for key in trusted.keys):
        transport.close()
        families = dict.fromkeys(map(_family, transport.offer.host_keys))
        for kind in [kind for kind in families if kind != first.type][:_MAX_OTHER_KEYS]:
            with contextlib.suppress(PlexopsError):  # offered, but not understood here
                transport, offered = _handshake(settings, jump, (kind,))
                if judge(trusted, offered) is not Trust.CHANGED:
                    return transport, offered, _judged(settings, transport, offered)
                transport.close()
    return transport, first, _judged(settings, transport, first)


def _judged(settings: SshSettings, transport: paramiko.Transport, offered: OfferedKey) -> Trust:
    try:
        return require_known(settings.host_keys, offered, settings.device, settings.where, settings.address)
    except BaseException:
        transport.close()
        raise


def _stream(settings: SshSettings, jump: SshSession | None) -> socket | paramiko.Channel:
    port = settings.port or SSH_PORT
    if jump is not None:
        return jump.open_tcp(settings.host, port, settings.connect_seconds)
    return dial(settings.host, port, settings.connect_seconds, settings.where)


def _handshake(
    settings: SshSettings, jump: SshSession | None, first: Iterable[str], dialled: socket | None = None
) -> tuple[TellingTransport, OfferedKey]:
    """Connect and exchange keys. `first` names the host key types to ask for before others."""
    stream = _stream(settings, jump) if dialled is None else dialled
    kind = TellingTransport
    if settings.legacy:
        from plexops.transport.ssh.legacy import OldTransport

        kind = OldTransport
    transport = kind(stream, packetizer_class=_Packets)
    try:
        if isinstance(stream, QuickAckSocket):
            stream.allowance, stream.ahead = _HANDSHAKE_BYTES, _AHEAD_BYTES
        transport.set_log_channel(_LOG.name)
        transport.banner_timeout = _BANNER_SECONDS
        _restrict(transport, tuple(first), legacy=settings.legacy)
        transport.start_client(timeout=_BANNER_SECONDS)
        offered = _offered(transport)  # raises when the time is over and there is none yet
        if isinstance(stream, QuickAckSocket):
            stream.allowance = None
    except BaseException as error:
        transport.close()
        stream.close()
        if isinstance(error, IncompatiblePeer):
            raise _incompatible(settings, transport, error) from None
        if isinstance(error, GONE):
            raise _no_handshake(settings, error) from None
        raise
    return transport, offered


def _no_handshake(settings: SshSettings, error: Exception) -> PlexopsError:
    return failure(
        "PLX-D105",
        f"{settings.address} did not complete an SSH handshake",
        "look whether this is the SSH port, and whether the device turns this computer away",
        settings.where,
        quoted(str(error) if isinstance(error, _CLEAR) else f"{type(error).__name__}: {error}"),
    )


def _restrict(transport: paramiko.Transport, first: tuple[str, ...], *, legacy: bool) -> None:
    """Put the fast and good algorithms first and leave the weak ones out."""
    options = transport.get_security_options()

    def safe(names: Iterable[str]) -> Iterator[str]:
        return (name for name in names if legacy or not any(weak in name for weak in _WEAK))

    # paramiko compares the digests of all other ciphers byte by byte, in Python.
    options.ciphers = tuple(sorted(safe(options.ciphers), key=lambda name: "gcm" not in name))
    options.digests = tuple(safe(options.digests))
    exchanges = [name for name in options.kex if legacy or not name.endswith("-sha1")]
    options.kex = tuple(sorted(exchanges, key=lambda name: name != _CURVE25519))
    wanted = list(first)
    kinds = list(safe(options.key_types))
    options.key_types = tuple(
        sorted(
            kinds, key=lambda name: wanted.index(_family(name)) if _family(name) in wanted else len(wanted)
        )
    )


def _family(algorithm: str) -> str:
    """Give the key type behind a host key algorithm: RSA keys sign in several ways."""
    return "ssh-rsa" if algorithm.startswith("rsa-sha2-") else algorithm


def _offered(transport: paramiko.Transport) -> OfferedKey:
    key = transport.get_remote_server_key()
    return OfferedKey(key.get_name(), fingerprint(key.asbytes()))


def _incompatible(
    settings: SshSettings, transport: TellingTransport, error: IncompatiblePeer
) -> PlexopsError:
    safe = "that plexops has" if settings.legacy else "that is still considered safe"
    way_out = (
        "" if settings.legacy else "; where there is none, write `legacy_ssh: true` for it in the inventory"
    )
    return failure(
        "PLX-D110",
        f"{settings.device} speaks no SSH algorithm {safe} ({quoted(str(error))})",
        f"update its firmware{way_out}",
        settings.where,
        *transport.offer.lines(),
    )
