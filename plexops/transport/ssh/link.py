"""The way of a link over SSH: one connection, on which every script is an exec."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plexops.model.errors import PlexopsError
from plexops.transport.answer import Answer, Ending
from plexops.transport.net import dial
from plexops.transport.secret_way import require_over_ssh
from plexops.transport.shell import MAX_EXEC_BYTES, as_exec
from plexops.transport.ssh.loading import load_paramiko
from plexops.transport.ssh_settings import SSH_PORT, SshSettings
from plexops.transport.trust.verdict import OfferedKey

if TYPE_CHECKING:
    from socket import socket

    from plexops.transport.ssh.session import SshSession


def scan(settings: SshSettings) -> OfferedKey:
    """Give the host key that a device shows now, without a login. Raises PlexopsError where it cannot be reached."""
    from plexops.transport.ssh.session import scan as scan_session

    return scan_session(settings)


class SshWay:
    """The connection behind a link: made at the first script, made again when it broke, not after a refused login."""

    def __init__(self, settings: SshSettings) -> None:
        self.identity = ""
        self._settings = settings
        self._session: SshSession | None = None
        self._refused: PlexopsError | None = None

    def run(self, script: str, idle: float, overall: float, *, changes: bool) -> Answer:
        """Run one script, as `plexops.transport.shell.Way` wants it."""
        del changes  # what was sent runs to its end there, whatever becomes of the connection
        request = as_exec(script, self._settings)
        session = self.session()
        if request.stdin:  # only ever sudo's password
            require_over_ssh(self._settings, session.verdict, "the sudo password")
        answer = session.run(request.text, request.stdin, idle, overall, MAX_EXEC_BYTES)
        if answer.ending is not Ending.DONE:
            self.close()  # what still comes belongs to nobody
        return answer

    def close(self) -> None:
        """End the connection."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def session(self) -> SshSession:
        """Give the connection, made where there is none: its host key was judged before the login. Raises PlexopsError."""
        if self._refused is not None:
            raise self._refused
        if self._session is not None and not self._session.alive:
            self.close()
        if self._session is None:
            # The device wakes up for us while the library loads.
            settings = self._settings
            dialled: socket | None = None
            if settings.via is None:
                port = settings.port or SSH_PORT
                dialled = dial(settings.host, port, settings.connect_seconds, settings.where)
            load_paramiko()
            from plexops.transport.ssh.session import connect

            try:
                self._session = connect(settings, dialled)
            except PlexopsError as error:
                if any(problem.code == "PLX-D204" for problem in error.problems):
                    self._refused = error  # a second try would only bring a lock-out nearer
                raise
            self.identity = self._session.key.fingerprint
        return self._session
