"""Plex's log around a change: its lines on the way in from before the first write, and those that came after it (M2)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from msgspec import Struct

from plexops.drivers.plex.log import (
    LOG_READ,
    LOGS_READ,
    LogFound,
    ask_log,
    lines_that_decide,
    understand_logs,
)
from plexops.engine.change.apply import Applied
from plexops.engine.change.sending import settings_for
from plexops.engine.look.exhibits import exhibit
from plexops.engine.look.site import Home
from plexops.engine.look.site_state import SiteState
from plexops.model.errors import PlexopsError
from plexops.model.exchange import shown
from plexops.model.run import Exhibit
from plexops.model.snapshot import KindState, Role
from plexops.structs import replace
from plexops.transport.link import carry

_SOURCES = {Role.SERVER: LOG_READ, Role.PLEX: LOGS_READ}
_CALLED = {Role.SERVER: "the server", Role.PLEX: "Plex"}


class _Lines(Struct, frozen=True):
    """The log's lines, and who gave them; or why nobody did."""

    role: Role = Role.PLEX
    text: str = ""
    why_not: str = ""


class KeptLog:
    """Reads the log over the server's SSH, else over Plex's HTTP, when it is made and once more: no failure of it raises."""

    def __init__(self, home: Home, state: SiteState) -> None:
        self._home = home
        self._seen = state
        self._before = self._read()

    def told_in(self, applied: Applied, moment: Callable[[str], None]) -> Applied:
        """Give what was applied with the lines from before and after as exhibits."""
        try:
            after = self._read()
        except KeyboardInterrupt:
            # All is made, or put back: what is left is to say so.
            after = _Lines(why_not="it was interrupted")
        known = set(self._before.text.split("\n"))
        new = "".join(f"{line}\n" for line in after.text.split("\n") if line and line not in known)
        doubt = f"before the change it could not be read, so that some may be older ({self._before.why_not})"
        lead = f"{doubt}\n" if self._before.why_not and new else ""
        why_not = self._before.why_not or after.why_not
        moment(f"Plex's log was not kept: {why_not}" if why_not else "kept Plex's log of before and after")
        kept = (_shown("before", self._before, self._before.text), _shown("after", after, new, lead))
        return replace(applied, log=kept)

    def _read(self) -> _Lines:
        reasons: list[str] = []
        for role, ask in ((Role.SERVER, self._of_server), (Role.PLEX, self._of_plex)):
            try:
                found = ask()
            except PlexopsError as error:
                found = LogFound(state=KindState.UNKNOWN, reason=f"{_CALLED[role]} did not tell: {error}")
            if found is not None and found.state is KindState.PRESENT:
                return _Lines(role, found.text)
            reasons += [found.reason] if found is not None else []
        return _Lines(why_not="; ".join(reasons) or "neither the server nor Plex is asked")

    def _of_server(self) -> LogFound | None:
        driver = self._home.drivers.server
        if driver is None:
            return None
        link = self._home.links.read(
            self._home.access.device(Role.SERVER), lambda: self._home.access.server(self._seen.server_address)
        )
        with closing(link):
            return carry(ask_log(driver.container), link)

    def _of_plex(self) -> LogFound | None:
        if self._home.drivers.plex is None:
            return None
        state, access = self._seen, self._home.access
        device = access.device(Role.PLEX) + (" from inside" if state.plex_inside else "")
        link = self._home.links.read(device, lambda: settings_for(access, state, Role.PLEX))
        with closing(link):
            (reply,) = link.ask((LOGS_READ,))
        return understand_logs(reply, token=access.knows_token(state.token))


def _shown(when: str, lines: _Lines, text: str, lead: str = "") -> Exhibit:
    said = lead + (lines_that_decide(text) or "no line on the way in\n")
    source = f"Plex's log {when} the change: {shown(_SOURCES[lines.role].ask)}"
    if lines.why_not:
        said, source = f"not read: {lines.why_not}\n", f"Plex's log {when} the change"
    return exhibit(f"plex.log.{when}", lines.role, source, said, raw=text, cut=said != text)
