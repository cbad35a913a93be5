"""Carry a driver's questions to one stop and its answers back, keeping what was said as exhibits."""

from __future__ import annotations

from msgspec import Struct

from plexops.drivers.around.outside import merge
from plexops.drivers.base import Observation
from plexops.engine.look.exhibits import exhibit_of
from plexops.model.errors import Problem
from plexops.model.exchange import Command, Read, Reply
from plexops.model.run import Exhibit
from plexops.model.secret import Secret
from plexops.model.snapshot import Role, Snapshot
from plexops.pattern import Pattern
from plexops.transport.link import ReadLink

#: Where Plex keeps its token on a Debian or Ubuntu server.
TOKEN_READ = Read(
    "token",
    Command("cat '/var/lib/plexmediaserver/Library/Application Support/Plex Media Server/Preferences.xml'"),
    secret=True,
)
_TOKEN = Pattern(r'PlexOnlineToken="([^"]+)"')


class Answered(Struct):
    """One stop's part, as its thread leaves it."""

    snapshot: Snapshot | None = None
    #: What services outside told the server.
    outside: Snapshot | None = None
    exhibits: list[Exhibit] = []
    identity: str = ""
    problems: tuple[Problem, ...] = ()
    address: str = ""
    token: Secret | None = None
    inside: bool = False
    #: The address and port at which this very Plex was met.
    met: tuple[str, int] | None = None

    def add_outside(self, other: Answered) -> None:
        """Put what services outside told this computer beside what they told the server."""
        if other.outside is not None:
            self.outside = merge([other.outside, *([] if self.outside is None else [self.outside])])
            self.exhibits += other.exhibits


def ask_all(
    observation: Observation, link: ReadLink, role: Role, extra: tuple[Read, ...] = (), *, close: bool = True
) -> Answered:
    """Carry a driver's questions and answers. `extra` are asked in the same round, and not by the driver."""
    part = Answered()
    try:
        reads = tuple(next(observation))
        while True:
            replies = link.ask((*reads, *extra))
            for read, reply in zip((*reads, *extra), replies, strict=True):
                if not read.secret:
                    part.exhibits.append(exhibit_of(role, read, reply))
                elif read.id == TOKEN_READ.id:
                    part.token = _token(reply)
            extra, answers = (), replies[: len(reads)]
            reads = tuple(observation.send(answers))
    except StopIteration as done:
        part.snapshot = done.value
        part.identity = link.identity
    finally:
        if close:
            link.close()
    return part


def _token(reply: Reply) -> Secret | None:
    found = _TOKEN.search(reply.body) if reply.whole else None
    return Secret(found[1], "server:PlexOnlineToken") if found else None
