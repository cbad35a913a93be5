"""A terminal on an SSH connection that was verified and logged in, read by netmiko. Imports netmiko: load it late.

netmiko gets the channel and nothing else: no address, no login, no key to trust. Its type is `terminal_server`, which
sends nothing of its own. The types `vyos` and `ubiquiti_edgerouter` find the prompt wherever an answer has the same
text, wait five seconds before the first command, and leave configuration mode by throwing away what is staged.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from netmiko.channel import SSHChannel
from netmiko.exceptions import ReadException, ReadTimeout
from netmiko.terminal_server.terminal_server import TerminalServerSSH

from plexops.model.exchange import MAX_REPLY_BYTES
from plexops.pattern import Pattern
from plexops.transport.ssh.bridge import GONE, hang_up

if TYPE_CHECKING:
    import paramiko

    from plexops.transport.ssh.session import SshSession

#: Lines that are longer would be broken by the terminal; no line that is typed is (languages/tree.py).
_COLUMNS = 4096
#: Every byte is a character, so that netmiko drops none and splits none.
_BYTES = "latin-1"
_ENDS_LIKE_A_PROMPT = r"[$#>%] ?\Z"
_COLOURS = r"(?:\x1b\[[0-9;]*m)*"
_ASKS = r"[Pp]roceed ?\?[^\n]*\Z"
_SETTLE_SECONDS = 0.2
_TRIES = 5
_CONTROL = Pattern(r"[\x00-\x08\x0b-\x1f\x7f]")


class LostError(Exception):
    """What came does not fit, or too much did, or nothing in time: what belongs to which command is lost."""


class HungUpError(LostError):
    """The device closed the terminal, or the connection."""


class _Bounded(SSHChannel):
    """netmiko's channel, which notices an end and a flood."""

    def __init__(self, channel: paramiko.Channel) -> None:
        super().__init__(conn=channel, encoding=_BYTES)
        self._shell = channel
        self.received = 0

    def read_buffer(self) -> str:
        text: str = super().read_buffer()
        if not text and (self._shell.closed or self._shell.eof_received):
            raise HungUpError
        self.received += len(text)
        if self.received > MAX_REPLY_BYTES:
            raise LostError("too long")
        return text


class Terminal:
    """A prompt at which lines are typed, one after the other. After an error it is of no use but to be closed."""

    def __init__(self, session: SshSession, seconds: float) -> None:
        """Open it and learn its prompt within `seconds`. Raises LostError where there is none, PlexopsError."""
        self._shell = session.open_terminal(_COLUMNS)
        self._shell.settimeout(seconds)
        self._reader = TerminalServerSSH(host=session.settings.host, auto_connect=False, encoding=_BYTES)
        self._reader.remote_conn = self._shell
        self._reader.channel = self._channel = _Bounded(self._shell)
        self._prompt = ""
        try:
            end = time.monotonic() + seconds
            self._until(_ENDS_LIKE_A_PROMPT, end)
            self._learn(end)
        except BaseException:
            self.close()
            raise

    def type(self, line: str, seconds: float, *, moves: bool = False, proceeds: bool = False) -> str:
        """Type a line and give what it printed, without the echo and the prompt.

        Where it `moves`, the prompt changes; where it `proceeds`, a question whether to do so is answered with yes.
        Raises LostError (HungUpError) unless exactly this came: the echo, the answer, the prompt, and on an empty line
        after it the prompt again and nothing else. A text in the answer that looks like the prompt does not pass for it.
        """
        end = time.monotonic() + seconds
        self._channel.received = 0
        if self._read():
            raise LostError("the device prints without being asked")
        self._write(f"{line}\n")
        prompt = f"\n{_COLOURS}{re.escape(self._prompt[1:])}\\Z"
        text = self._until(_ENDS_LIKE_A_PROMPT if moves else f"{prompt}|{_ASKS}" if proceeds else prompt, end)
        if proceeds and (asked := re.search(_ASKS, text)):
            time.sleep(_SETTLE_SECONDS)
            text += self._read()
            self._write("y\n" if "/" in text[asked.start() :] else "y")
            text += self._until(prompt, end)
        if moves:
            self._learn(end)
            text = text.rpartition("\n")[0]
        else:
            self._write("\n")
            if self._until(prompt, end) != self._prompt or self._read():
                raise LostError("something came after the prompt")
            text = re.sub(prompt, "", text)
        return _plain(self._reader, text, line)

    def close(self) -> None:
        """Close it. Never raises."""
        hang_up(self._shell)
        with contextlib.suppress(*GONE):
            self._reader.disconnect()

    def _learn(self, end: float) -> None:
        """Learn the prompt, whatever was printed before: it is what an empty line is answered with, twice the same."""
        before = ""
        for _ in range(_TRIES):
            self._write("\n")
            time.sleep(_SETTLE_SECONDS)
            self._prompt = self._until(_ENDS_LIKE_A_PROMPT, end)
            if self._prompt == before:
                return
            before = self._prompt
        raise LostError("no prompt")

    def _until(self, pattern: str, end: float) -> str:
        with _as_lost():
            text: str = self._reader.read_until_pattern(
                pattern, read_timeout=max(end - time.monotonic(), 0.01)
            )
            return text

    def _read(self) -> str:
        with _as_lost():
            text: str = self._reader.read_channel()
            return text

    def _write(self, text: str) -> None:
        with _as_lost():
            self._reader.write_channel(text)


@contextlib.contextmanager
def _as_lost() -> Iterator[None]:
    try:
        yield
    except LostError:
        raise
    except (ReadTimeout, ReadException) as error:
        raise LostError(
            "no prompt in time" if isinstance(error, ReadTimeout) else "netmiko is lost"
        ) from None
    except GONE:
        raise HungUpError from None


def _plain(reader: TerminalServerSSH, text: str, line: str) -> str:
    """Give what came after the echo of the line, as text without colours. Raises LostError."""
    if text != line and not text.startswith(f"{line}\n"):
        raise LostError("the line was not echoed")
    stripped: str = reader.strip_ansi_escape_codes(text[len(line) + 1 :])
    if _CONTROL.search(stripped):
        raise LostError("control characters")
    body = stripped.encode(_BYTES).decode("utf-8", "replace")
    return f"{body}\n" if body else ""
