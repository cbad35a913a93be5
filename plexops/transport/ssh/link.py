"""Links over SSH: one connection, one exec for all reads of an `ask`, one exec per write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plexops.model.errors import PlexopsError
from plexops.transport.answer import Answer, Ending
from plexops.transport.net import dial
from plexops.transport.secret_way import require_over_ssh
from plexops.transport.shell import MAX_EXEC_BYTES, ShellReadLink, ShellWriteLink, as_exec
from plexops.transport.ssh.loading import load_paramiko
from plexops.transport.ssh_settings import SSH_PORT, SshSettings
from plexops.transport.trust.verdict import OfferedKey

if TYPE_CHECKING:
    from socket import socket

    from plexops.model.plan import Authorized
    from plexops.transport.ssh.session import SshSession


class SshReadLink(ShellReadLink):
    """Reads over SSH. Connects at the first `ask`; after a refused login it never tries again."""

    def __init__(self, settings: SshSettings) -> None:
        super().__init__(settings, _Way(settings))


class SshWriteLink(ShellWriteLink):
    """Reads, and the writes of one authorized step, over SSH."""

    def __init__(self, settings: SshSettings, authorized: Authorized) -> None:
        super().__init__(settings, _Way(settings), authorized)


def scan(settings: SshSettings) -> OfferedKey:
    """Give the host key that a device shows now, without a login. Raises PlexopsError where it cannot be reached."""
    from plexops.transport.ssh.session import scan as scan_session

    return scan_session(settings)


class _Way:
    """The connection behind a link: made when needed, made again when it broke, not after a refused login."""

    def __init__(self, settings: SshSettings) -> None:
        self.identity = ""
        self._settings = settings
        self._session: SshSession | None = None
        self._refused: PlexopsError | None = None

    def run(self, script: str, idle: float, overall: float, *, changes: bool) -> Answer:
        del changes  # what was sent runs to its end there, whatever becomes of the connection
        request = as_exec(script, self._settings)
        session = self._connected()
        if request.stdin:  # only ever sudo's password
            require_over_ssh(self._settings, session.verdict, "the sudo password")
        answer = session.run(request.text, request.stdin, idle, overall, MAX_EXEC_BYTES)
        if answer.ending is not Ending.DONE:
            self.close()  # what still comes belongs to nobody
        return answer

    def close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _connected(self) -> SshSession:
        if self._refused is not None:
            raise self._refused
        if self._session is not None and not self._session.alive:
            self.close()
        if self._session is None:
            # The device wakes up for us while the library loads.
            dialled = self._dialled()
            load_paramiko()
            from plexops.transport.ssh.session import connect

            try:
                self._session = connect(self._settings, dialled)
            except PlexopsError as error:
                if any(problem.code == "PLX-D204" for problem in error.problems):
                    self._refused = error  # a second try would only bring a lock-out nearer
                raise
            self.identity = self._session.key.fingerprint
        return self._session

    def _dialled(self) -> socket | None:
        settings = self._settings
        if settings.via is not None:
            return None
        return dial(settings.host, settings.port or SSH_PORT, settings.connect_seconds, settings.where)
