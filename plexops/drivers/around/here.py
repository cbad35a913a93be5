"""Our public address as this computer sees it: asked of echoes over HTTP, and of STUN servers over UDP."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import AddressValueError, IPv4Address
from urllib.parse import urlsplit

from msgspec import Struct

from plexops.drivers.around.outside import ECHO_SECONDS
from plexops.drivers.base import Observation
from plexops.model.entries import Echo
from plexops.model.exchange import Look, LookKind, Read, Reply
from plexops.model.snapshot import FOREIGN, Entry, Kind, KindState, Role, Snapshot

#: Who is asked over UDP: a second way, which no proxy for web pages touches.
USUAL_STUN: tuple[str, ...] = ("stun.cloudflare.com:3478",)
#: A STUN server answers at once or never; in this time it is asked twice.
_STUN_SECONDS = 2.0


class Saw(Struct, frozen=True):
    """What one of them said. `source` is its name, `asked` all that was asked; `failure` says why there is no address."""

    source: str
    asked: str
    address: IPv4Address | None
    failure: str = ""


class OwnViewDriver(Struct, frozen=True):
    """Asks all of them at once; `seconds` bounds each echo."""

    echoes: tuple[str, ...]
    stun: tuple[str, ...] = ()
    seconds: float = float(ECHO_SECONDS)

    def reads(self) -> tuple[Read, ...]:
        """Give the questions."""
        pages = [Read(f"here.{url}", Look(LookKind.ECHO, url), seconds=self.seconds) for url in self.echoes]
        packets = [
            Read(f"here.stun:{server}", Look(LookKind.STUN, server), seconds=_STUN_SECONDS)
            for server in self.stun
        ]
        return (*pages, *packets)

    def observe(self) -> Observation:
        """Ask them all in one round."""
        replies = yield self.reads()
        entries = tuple(
            Entry(
                Kind.ECHO,
                Echo(said.source, said.address, "controller"),
                {"answer": str(said.address)},
                FOREIGN,
                f"here {said.asked}",
                f"outside.{reply.id}",
            )
            for said, reply in zip(self.understand(replies), replies, strict=True)
            if said.address is not None
        )
        return Snapshot(Role.OUTSIDE, {}, entries, {Kind.ECHO: KindState.PRESENT} if entries else {}, {})

    def understand(self, replies: Sequence[Reply]) -> tuple[Saw, ...]:
        """Say who saw what, in the order of the questions."""
        names = [(urlsplit(url).netloc, url) for url in self.echoes]
        names += [(f"stun:{server.partition(':')[0]}", f"stun:{server}") for server in self.stun]
        return tuple(Saw(*name, *found_address(reply)) for name, reply in zip(names, replies, strict=True))


def found_address(reply: Reply) -> tuple[IPv4Address | None, str]:
    """Read an address that this computer found out; or why there is none."""
    if reply.status != 0 or not reply.whole:
        return None, reply.stderr or "no whole answer"
    try:
        return IPv4Address(reply.body.strip()), ""
    except AddressValueError:
        return None, "no address in the answer"
