"""What is the same wherever commands run in a shell: reads in one exec, one exec per write, answers taken apart."""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from plexops.languages import CONSOLES
from plexops.languages.posix import PATH
from plexops.model.errors import PlexopsError
from plexops.model.exchange import MAX_REPLY_BYTES, Command, Read, Reply, Write
from plexops.model.plan import shown
from plexops.pattern import Pattern
from plexops.structs import replace
from plexops.transport.answer import Answer, Ending
from plexops.transport.here import LocalSettings
from plexops.transport.link import only_reads
from plexops.transport.problems import failure, quoted
from plexops.transport.redact import hidden
from plexops.transport.ssh_settings import SshSettings

if TYPE_CHECKING:
    from plexops.model.plan import Authorized

#: dropbear, the SSH server of most home routers, refuses commands longer than 9000 bytes (MAX_CMD_LEN in sysoptions.h).
_MAX_COMMAND_BYTES = 8800
#: No device is waited for longer than this in one exec, in seconds.
_MAX_SECONDS = 120.0
#: Many answers share one exec, so the exec may be longer than one answer.
MAX_EXEC_BYTES = 4 * MAX_REPLY_BYTES
_WANTS_PASSWORD = Pattern(
    r"password is required|terminal is required to (?:read|authenticate)|no password was provided"
)


#: What decides how a command is wrapped, and how its failures are told.
ShellSettings = SshSettings | LocalSettings


class Exec(Struct, frozen=True):
    """One command as a shell gets it. `stdin` None: standard input stays open and empty."""

    text: str
    stdin: bytes | None


class Way(Protocol):
    """Who runs the commands of a link."""

    @property
    def identity(self) -> str:
        """Who answered, "" before that."""
        ...

    def run(self, script: str, idle: float, overall: float, *, changes: bool) -> Answer:
        """Run one script. Ends after `idle` seconds without a byte, after `overall` seconds, or when too much came.

        `changes`: it is a write, of which no half must be left. Raises PlexopsError only while it certainly did not run.
        """
        ...

    def close(self) -> None:
        """Let go. Never raises."""
        ...


class ShellReadLink:
    """Reads by commands of a shell."""

    def __init__(self, settings: ShellSettings, way: Way) -> None:
        self._settings = settings
        self._way = way

    @property
    def identity(self) -> str:
        """Who answered, "" before that."""
        return self._way.identity

    def ask(self, reads: Sequence[Read]) -> tuple[Reply, ...]:
        """Ask all questions in as few execs as fit, and give the answers in order.

        An answer that is missing, cut off or too long has `whole=False`. Raises PlexopsError when nobody answered,
        when the wrong one did, when the login or sudo failed, and when the connection broke.
        """
        only_reads(reads, self._settings.console)
        if not reads:
            return ()
        return tuple(reply for part in _parts(reads, self._settings) for reply in self._ask_part(part))

    def close(self) -> None:
        """End the connection."""
        self._way.close()

    def _ask_part(self, reads: Sequence[Read]) -> tuple[Reply, ...]:
        nonce = secrets.token_hex(8)
        script = CONSOLES[self._settings.console].frame(reads, nonce)
        longest = max(read.seconds for read in reads)
        overall = max(longest, min(sum(read.seconds for read in reads), _MAX_SECONDS))
        answer = self._way.run(script, longest, overall, changes=False)
        return _replies(reads, nonce, answer, self._settings)


class ShellWriteLink(ShellReadLink):
    """Reads, and the writes of one authorized step."""

    def __init__(self, settings: ShellSettings, way: Way, authorized: Authorized) -> None:
        super().__init__(settings, way)
        self._authorized = authorized

    def send(self, write: Write) -> Reply:
        """Run one command, once, and give its status and output.

        Raises PlexopsError PLX-D109 when it was sent and its outcome is unknown; any other PlexopsError means that
        it was not run. Raises ValueError for a request that is not of the authorized step.
        """
        if not self._authorized.covers(write) or not isinstance(write.ask, Command):
            raise ValueError("this request is no part of the authorized step")
        nonce = secrets.token_hex(8)
        script = _single(write.ask.text, nonce, self._settings)
        answer = self._way.run(script, write.seconds, write.seconds, changes=True)
        return _outcome(answer, nonce, write, self._settings)


def _parts(reads: Sequence[Read], settings: ShellSettings) -> list[list[Read]]:
    """Split reads into runs that fit into one command line each; a read that never fits goes alone."""
    if _fits(reads, settings):
        return [list(reads)]
    parts: list[list[Read]] = [[]]
    for read in reads:
        if parts[-1] and not _fits([*parts[-1], read], settings):
            parts.append([])
        parts[-1].append(read)
    return parts


def _fits(reads: Sequence[Read], settings: ShellSettings) -> bool:
    script = CONSOLES[settings.console].frame(reads, "0" * 16)
    return len(as_exec(script, settings).text.encode()) <= _MAX_COMMAND_BYTES


def _single(command: str, nonce: str, settings: ShellSettings) -> str:
    if settings.console != "posix":
        return command
    start = f'echo "{nonce}" >&2; ' if settings.become is not None else ""
    return f"PATH={PATH}; LC_ALL=C; export PATH LC_ALL; {start}{command}"


def as_exec(script: str, settings: ShellSettings, *words: str) -> Exec:
    """Wrap a script for the shell that gets it, which may be no POSIX shell at all. `words`: what it finds as $1, $2, …"""
    if settings.console != "posix":
        return Exec(script, None)  # RouterOS takes the end of its input for the end of the session
    # sudo's password must not be left for a command to read.
    shell = " ".join(
        (f"sh -c {shlex.quote(f'exec </dev/null; {script}')}", *(("sh", *words) if words else ()))
    )
    if settings.become is None:
        return Exec(shell, b"")
    if settings.become.password is None:
        return Exec(f"env LC_ALL=C sudo -n -- {shell}", b"")
    password = settings.become.password.reveal().encode() + b"\n"
    return Exec(f"env LC_ALL=C sudo -S -p '' -- {shell}", password)


def _replies(reads: Sequence[Read], nonce: str, answer: Answer, settings: ShellSettings) -> tuple[Reply, ...]:
    if answer.ending is Ending.REFUSED:
        raise failure(
            "PLX-D111",
            f"{settings.device} does not run commands over SSH",
            "use an account that may run commands",
            settings.where,
        )
    stdout, stderr = answer.stdout.decode("utf-8", "replace"), answer.stderr.decode("utf-8", "replace")
    started = nonce in stdout or nonce in stderr
    if not started and answer.ending is Ending.DONE:
        if settings.become is not None:
            raise _sudo_refused(stderr, settings)
        # A restricted shell or a forced command: it said something, but nothing that we asked.
        return tuple(Reply(read.id, None, "", quoted(stderr or stdout), whole=False) for read in reads)
    if not started and answer.ending is Ending.TIMED_OUT:
        raise failure(
            "PLX-D107",
            f"{settings.device} did not answer within {max(read.seconds for read in reads):g} s",
            "look at the load of the device",
            f"{settings.where}: {', '.join(read.id for read in reads)}",
        )
    replies = CONSOLES[settings.console].split(reads, nonce, stdout, stderr, answer.ending is Ending.DONE)
    if answer.ending is Ending.CLOSED and not all(reply.whole for reply in replies):
        missing = ", ".join(reply.id for reply in replies if not reply.whole)
        raise failure(
            "PLX-D106",
            f"{settings.device} closed the connection before it had answered",
            "try again",
            f"{settings.where}: {missing}",
        )
    return tuple(hidden(read, _capped(reply)) for read, reply in zip(reads, replies, strict=True))


def _capped(reply: Reply) -> Reply:
    if len(reply.body) <= MAX_REPLY_BYTES and len(reply.stderr) <= MAX_REPLY_BYTES:
        return reply
    return replace(
        reply, body=reply.body[:MAX_REPLY_BYTES], stderr=reply.stderr[:MAX_REPLY_BYTES], whole=False
    )


def _outcome(answer: Answer, nonce: str, write: Write, settings: ShellSettings) -> Reply:
    stdout, stderr = answer.stdout.decode("utf-8", "replace"), answer.stderr.decode("utf-8", "replace")
    with_status = settings.console == "posix"
    if settings.become is not None:
        before, started, after = stderr.partition(f"{nonce}\n")
        if not started and answer.ending is Ending.DONE:
            raise _sudo_refused(before, settings)
        stderr = after
    unknown = answer.ending in (Ending.CLOSED, Ending.TIMED_OUT, Ending.REFUSED) or (
        with_status and answer.status is None and answer.ending is Ending.DONE
    )
    if unknown:
        how = "no answer came in time" if answer.ending is Ending.TIMED_OUT else "the connection broke"
        raise failure(
            "PLX-D109",
            f"it is unknown whether {settings.device} carried out a write: {how}",
            "plexops reads the device again and decides by what it says",
            f"{settings.where}: {quoted(shown(write))}",
        )
    status = answer.status if with_status else None
    return _capped(Reply("write", status, stdout, stderr, whole=answer.ending is Ending.DONE))


def _sudo_refused(stderr: str, settings: ShellSettings) -> PlexopsError:
    words = quoted(stderr)
    become = settings.become
    if become is not None and become.password is None and _WANTS_PASSWORD.search(stderr):
        return failure(
            "PLX-D207",
            f"sudo on {settings.device} asks for a password",
            "give it with -K, or name it in the inventory: become: {method: sudo, password: {ask: true}}",
            settings.where,
            words,
        )
    return failure(
        "PLX-D208",
        f"sudo on {settings.device} refused: {words or 'it said nothing'}",
        "check the sudo password and the sudoers of this user, or log in as root",
        settings.where,
    )
