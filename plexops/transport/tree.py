"""Links to a router that is spoken to on a terminal: a configuration tree, with commit, confirm and save."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from plexops.languages.tree import CLEAN, SAVED, Edit, edit_of, nothing_waits, refuses, stops, waits
from plexops.model.errors import PlexopsError
from plexops.model.exchange import NOTHING_WAITS, Command, Read, Reply, Write
from plexops.model.plan import shown
from plexops.transport.link import only_reads
from plexops.transport.problems import closed, failure, quoted
from plexops.transport.redact import hidden, masked

if TYPE_CHECKING:
    from plexops.model.plan import Authorized
    from plexops.transport.ssh.link import SshWay
    from plexops.transport.ssh.terminal import Terminal
    from plexops.transport.ssh_settings import SshSettings

#: All questions of one look are answered within this, in seconds.
_MAX_SECONDS = 120.0
_LEAVE_SECONDS = 10.0
#: VyOS knows one of the two ways to switch paging off, EdgeOS and FRR the other; each lets the stranger pass unharmed.
_NO_PAGES = ("terminal length 0", "set terminal length 0")


class TreeReadLink:
    """Reads by `show` on a terminal, which stays open between them."""

    def __init__(self, settings: SshSettings, way: SshWay) -> None:
        self._settings = settings
        self._way = way
        self._terminal: Terminal | None = None

    @property
    def identity(self) -> str:
        """Who answered, "" before that."""
        return self._way.identity

    def ask(self, reads: Sequence[Read]) -> tuple[Reply, ...]:
        """Ask one question after the other. A status of 1 means that the device said no in words.

        An answer of which it is not sure where it ends has `whole=False`. Raises PlexopsError as `ReadLink` says.
        """
        only_reads(reads, "tree")
        end = time.monotonic() + _MAX_SECONDS
        return tuple(
            hidden(read, self._ask(read, min(read.seconds, end - time.monotonic()))) for read in reads
        )

    def close(self) -> None:
        """End the terminal and the connection."""
        self._hang_up()
        self._way.close()

    def _ask(self, read: Read, seconds: float) -> Reply:
        from plexops.transport.ssh.terminal import HungUpError, LostError

        if not isinstance(read.ask, Command):
            raise TypeError(f"read {read.id!r} has no place on a terminal")
        if seconds <= 0:
            return Reply(read.id, None, "", "no time was left for it", whole=False)
        terminal = self._at_prompt(seconds)
        try:
            body = terminal.type(read.ask.text, seconds)
        except LostError as error:
            self._hang_up()  # what still comes belongs to nobody
            if isinstance(error, HungUpError):
                raise closed(self._settings.device, self._settings.where) from None
            return Reply(read.id, None, "", str(error), whole=False)
        return Reply(read.id, int(refuses(read.ask.text, body)), masked(body))

    def _at_prompt(self, seconds: float) -> Terminal:
        session = self._way.session()
        from plexops.transport.ssh.terminal import LostError, Terminal

        if self._terminal is None:
            try:
                self._terminal = Terminal(session, min(seconds, self._settings.auth_seconds))
                for line in _NO_PAGES:
                    self._terminal.type(line, seconds)
            except LostError as error:
                self._hang_up()
                raise failure(
                    "PLX-D115",
                    f"{self._settings.device} gave no prompt that plexops understands ({error or 'it hung up'})",
                    "log in by hand with this account: it must come to a command line without being asked anything",
                    self._settings.where,
                ) from None
        return self._terminal

    def _hang_up(self) -> None:
        if self._terminal is not None:
            self._terminal.close()
            self._terminal = None


class TreeWriteLink(TreeReadLink):
    """Reads, and the writes of one authorized step: each a visit to configuration mode."""

    def __init__(self, settings: SshSettings, way: SshWay, authorized: Authorized) -> None:
        super().__init__(settings, way)
        self._authorized = authorized

    def send(self, write: Write) -> Reply:
        """Make one visit to configuration mode, once. A status of 1: the device said no, and what was staged is gone;
        NOTHING_WAITS: there was nothing to confirm.

        What is in force and not saved is left alone, except by an edit after which there is no such thing any more: the
        way back of a change that was not saved. It ends what waits for `confirm`, too, for that was in what it took back.

        Raises PlexopsError PLX-D109 when it broke off after a line that takes effect, PLX-D116 where somebody else is
        in the middle of a change; any other PlexopsError means that nothing took effect. Raises ValueError for a request
        that is not of the authorized step.
        """
        if not self._authorized.covers(write) or not isinstance(write.ask, Command):
            raise ValueError("this request is no part of the authorized step")
        from plexops.transport.ssh.terminal import LostError

        edit = edit_of(write.ask.text)
        end = time.monotonic() + write.seconds
        terminal = self._at_prompt(write.seconds)
        done: list[str] = []
        try:
            return self._visit(terminal, edit, end, done)
        except LostError as error:
            self._hang_up()
            if done and done[-1].partition(" ")[0] not in ("show", "set", "delete"):
                raise failure(
                    "PLX-D109",
                    f"it is unknown whether {self._settings.device} carried out “{done[-1]}”: {error or 'it hung up'}",
                    "plexops reads the device again and decides by what it says",
                    f"{self._settings.where}: {quoted(shown(write))}",
                ) from None
            raise failure(
                "PLX-D106",
                f"{self._settings.device} was lost before anything was committed: {error or 'it hung up'}",
                "try again",
                self._settings.where,
            ) from None

    def _visit(self, terminal: Terminal, edit: Edit, end: float, done: list[str]) -> Reply:
        answer = terminal.type("configure", end - time.monotonic(), moves=True)
        if refuses("configure", answer):
            return Reply("write", 1, answer)
        try:
            reply = self._edited(terminal, edit, end, done)
        except PlexopsError:
            self._leave(terminal, discard=True)
            raise
        self._leave(terminal, discard=reply.status != 0)
        return reply

    def _edited(self, terminal: Terminal, edit: Edit, end: float, done: list[str]) -> Reply:
        if not edit.lines:
            return _typed(terminal, edit.ends, end, done)
        if staged := self._changes(terminal, "compare", end):
            raise staged
        unsaved = self._changes(terminal, "compare saved", end)
        if unsaved and edit.ends != SAVED:
            raise unsaved
        reply = _typed(terminal, edit.lines, end, done)
        if reply.status or not unsaved:
            return reply if reply.status else _typed(terminal, edit.ends, end, done)
        if self._changes(terminal, "compare saved", end):
            raise unsaved
        reply = _typed(terminal, ("commit",), end, done)
        if not reply.status:
            terminal.type("confirm", end - time.monotonic())
        return reply

    def _changes(self, terminal: Terminal, question: str, end: float) -> PlexopsError | None:
        """Compare; give what is wrong where there are changes."""
        answer = terminal.type(question, end - time.monotonic())
        if answer.startswith(CLEAN[question]):
            return None
        return failure(
            "PLX-D116",
            f"{self._settings.device} holds a change that is staged, unconfirmed or not saved",
            f"commit, confirm and save it, or discard it; `{question}` in configuration mode shows it",
            self._settings.where,
            quoted(masked(answer)),
        )

    def _leave(self, terminal: Terminal, *, discard: bool) -> None:
        """Leave nothing staged behind: what is staged belongs to its terminal, and ends with it at the latest."""
        from plexops.transport.ssh.terminal import LostError

        try:
            if discard:
                terminal.type("discard", _LEAVE_SECONDS)
            terminal.type("exit", _LEAVE_SECONDS, moves=True)
        except LostError:
            self._hang_up()


def _typed(terminal: Terminal, lines: Sequence[str], end: float, done: list[str]) -> Reply:
    said = ""
    for line in lines:
        done.append(line)  # before it is typed: from then on it may have taken effect
        answer = terminal.type(line, end - time.monotonic(), proceeds=line.startswith("commit-confirm"))
        if stops(line, answer):
            if waits(line, answer):
                terminal.type("confirm", end - time.monotonic())
            status = NOTHING_WAITS if nothing_waits(line, answer) else 1
            last = next((text for text in reversed(answer.split("\n")) if text.strip()), "nothing was said")
            return Reply("write", status, f"{last.strip()} (“{line}”)\n{answer}")
        said += answer
    return Reply("write", 0, said)
