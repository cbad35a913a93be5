"""Send one authorized step: window, writes, and whether the replies are what success looks like."""

from __future__ import annotations

import json
from collections.abc import Callable

from plexops.engine.change.open_changes import Recorder
from plexops.engine.look.access import Access
from plexops.engine.look.site import Home
from plexops.engine.look.site_state import SiteState
from plexops.model.errors import PlexopsError
from plexops.model.exchange import NOTHING_WAITS, Expect, Reply, Window, Write
from plexops.model.plan import Authorized, Step
from plexops.model.snapshot import Role
from plexops.transport.link import LinkSettings, WriteLink


class UnexpectedReply(Exception):
    """A device did not answer as success looks like, or not all of a script was sent: it is not made."""


class Unanswered(Exception):
    """The last request of a script got no whole answer: it may have been carried out. The state decides, not this."""


def settings_for(access: Access, state: SiteState, role: Role) -> LinkSettings:
    """Give the way to a stop, where it answered last."""
    if role is Role.ROUTER:
        return access.router()
    if role is Role.SERVER:
        return access.server(state.server_address)
    beside = Role.SERVER in state.identities
    return access.plex(state.token, state.server_address, inside=state.plex_inside, beside=beside)


class Sender:
    """Sends steps of one site. Each request goes out once."""

    def __init__(self, home: Home, record: Recorder) -> None:
        self._home = home
        self._record = record

    def send(self, step: Step, authorized: Authorized, state: SiteState, index: int) -> None:
        """Open the window, read back that it stands, and send the writes in order; one that they arm is read back after
        them.

        Raises UnexpectedReply, Unanswered, or PlexopsError where nothing was sent.
        """
        link = self._open(step, authorized, state)
        try:
            window = step.script.window
            for write in window.open:
                _demand(write, link.send(write))
            if not window.armed_by_write:
                self._require_armed(link, window, index, "nothing was written")
            last = len(step.script.writes) - 1
            for number, write in enumerate(step.script.writes):
                self._write(link, write, index, number, last=number == last)
            if window.armed_by_write:
                self._require_armed(link, window, index, "the change is taken back")
        finally:
            link.close()

    def _write(self, link: WriteLink, write: Write, index: int, number: int, *, last: bool) -> None:
        """Send one request, once. Only after the last one can a lost answer leave everything made."""
        lost = "the answer was cut off"
        try:
            reply = link.send(write)
        except PlexopsError as error:
            lost = str(error)
        else:
            self._record("sent", {"step": index, "request": number, "status": reply.status})
            if reply.whole:
                _demand(write, reply)
                return
        if last:
            raise Unanswered(lost)
        raise UnexpectedReply(f"request {number + 1} was not answered, and the rest was not sent: {lost}")

    def confirm(
        self,
        step: Step,
        authorized: Authorized,
        state: SiteState,
        index: int,
        keeps: Callable[[], bool] | None = None,
    ) -> bool:
        """End the window, and read that it is gone. False: it had fired already, or that is unknown; then a fresh read
        decides. `keeps` does that here: where nothing waits any more and the change is there, the rest is sent."""
        window = step.script.window
        if not window.confirm:
            return True
        link = self._open(step, authorized, state)
        try:
            for write in window.confirm:
                reply = link.send(write)
                if reply.status != NOTHING_WAITS or keeps is None or not keeps():
                    _demand(write, reply)
            if window.armed is not None:
                left = link.ask((window.armed,))[0]
                if not left.whole or _stands(left):
                    return False
        except (UnexpectedReply, PlexopsError):
            return False
        finally:
            link.close()
        self._record("confirmed", {"step": index})
        return True

    def armed(self, step: Step, authorized: Authorized, state: SiteState) -> bool:
        """Tell whether the window of a step still stands. Raises UnexpectedReply where the device does not say."""
        read = step.script.window.armed
        if read is None:
            return False
        link = self._open(step, authorized, state)
        try:
            reply = link.ask((read,))[0]
            if not reply.whole:
                raise UnexpectedReply("whether its own undo still stands was not heard to the end")
            return _stands(reply)
        finally:
            link.close()

    def _open(self, step: Step, authorized: Authorized, state: SiteState) -> WriteLink:
        return self._home.links.write(settings_for(self._home.access, state, step.change.role), authorized)

    def _require_armed(self, link: WriteLink, window: Window, index: int, so: str) -> None:
        if window.armed is not None:
            answer = link.ask((window.armed,))[0]
            if not _stands(answer):
                said = f" ({answer.body.strip()[:40]})" if answer.body.strip() else ""
                raise UnexpectedReply(f"the device's own undo was armed and does not stand{said}: {so}")
        if window.seconds:
            self._record("armed", {"step": index, "seconds": window.seconds})


def _stands(reply: Reply) -> bool:
    return reply.whole and reply.status in (None, 0) and bool(reply.body.strip())


def _demand(write: Write, reply: Reply) -> None:
    reason = unexpected(write.expect, reply)
    if reason:
        raise UnexpectedReply(reason)


def unexpected(expect: Expect, reply: Reply) -> str:
    """Give the reason why a reply is not what success looks like; empty where it is."""
    if not reply.whole:
        return "the answer was cut off"
    if expect.action:
        from plexops.parsers.soap import refused  # of a few families: the others do not load it

        if reason := refused(reply.body, expect.action):
            return reason
    said = (reply.stderr or reply.body).strip()
    first = said.splitlines()[0][:160] if said else "nothing"
    if expect.statuses and reply.status not in expect.statuses:
        return f"status {reply.status}: {first}"
    if expect.silent and said:
        return first
    if expect.path:
        return _unexpected_value(expect, reply)
    return ""


def _unexpected_value(expect: Expect, reply: Reply) -> str:
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        found = jmespath.search(expect.path, json.loads(reply.body))
    except (ValueError, RecursionError, JMESPathError):
        return f"the answer is not understood: {reply.body[:120]}"
    word = str(found).lower() if isinstance(found, bool) else str(found)
    return "" if word == expect.equals else f"{expect.path} is {word!r}: {reply.body[:160]}"
