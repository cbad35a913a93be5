"""The box before the router, where there is one: what it calls itself, by UPnP or on its own page."""

from __future__ import annotations

from ipaddress import IPv4Address
from types import MappingProxyType

from msgspec import Struct

from plexops.drivers.around.igd import IgdDriver, found_boxes, search
from plexops.drivers.base import Observation
from plexops.model.errors import WhyNot
from plexops.model.exchange import Look, LookKind, Read, Reply
from plexops.model.snapshot import Fact, Role, Snapshot
from plexops.parsers.igd import Described

#: It is one hop away, and its name is a courtesy: it is not waited for long for it.
_SEARCH_SECONDS = 1.0
_PAGE_SECONDS = 2.0
#: Longer names are cut: they stand in the middle of a sentence.
_LONGEST = 60


class UpstreamDriver(Struct, frozen=True):
    """Asks one box for its name, by itself: no search goes out. `shown` is the exhibit that gives its address.

    `ask` False: the address is kept, and nothing is sent there.
    """

    address: IPv4Address
    shown: str
    ask: bool = True
    port: int = 1900
    page: str = ""

    def observe(self) -> Observation:
        """Ask by UPnP, else for its page."""
        facts = {"upstream.address": Fact("upstream.address", str(self.address), self.shown)}
        reasons = {"upstream.title": "it was not asked: it may be the ISP's own"}
        if self.ask:
            (reply,) = yield (search(None, (str(self.address), self.port), _SEARCH_SECONDS),)
            title, read = "", "igd.description"
            for box in found_boxes(reply):
                if box.address == self.address:
                    described = yield from IgdDriver(box).describe()
                    title = _named(described)
            if not title:
                read = "title"
                look = Look(LookKind.TITLE, self.page or str(self.address))
                (answer,) = yield (Read(read, look, seconds=_PAGE_SECONDS),)
                title = _titled(answer)
            reasons = {"upstream.title": "it does not tell its name, by UPnP or on a page"}
            if title:
                facts["upstream.title"] = Fact("upstream.title", title, f"upstream.{read}")
        return Snapshot(
            Role.UPSTREAM,
            MappingProxyType(facts),
            reasons=MappingProxyType({k: why for k, why in reasons.items() if k not in facts}),
        )


def _named(described: Described | WhyNot) -> str:
    if isinstance(described, WhyNot):
        return ""
    title, model = described.title, described.model
    if title and model and model.casefold() not in title.casefold():
        return _cut(f"{title} {model}")
    return _cut(title or f"{described.maker} {model}")


def _titled(reply: Reply) -> str:
    return _cut(reply.body) if reply.status == 0 and reply.whole else ""


def _cut(text: str) -> str:
    plain = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 1] + "…"
