"""What a box that says by UPnP that it leads to the internet tells anybody: what it is, its address there, its mappings.

All that it says is untrusted text. There is no question here that could change anything.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from ipaddress import AddressValueError, IPv4Address

from msgspec import Struct

from plexops.model.entries import UpnpMapping
from plexops.model.errors import WhyNot
from plexops.model.exchange import Look, LookKind, Read, Reply
from plexops.model.igd import SSDP_GROUP, Service
from plexops.model.quick import SeenGateway
from plexops.parsers import igd as description
from plexops.parsers.base import ParseError
from plexops.structs import replace

SEARCH_SECONDS = 2.0
ANSWER_SECONDS = 2.0
_SERVICES = frozenset(str(service) for service in Service)
#: Some boxes describe several connections of which one is in use.
_MOST_SERVICES = 4
#: How many places of the table are asked at once, and for how many seconds. Most homes have a handful, and few boxes
#: like many questions at once; together it is the longest table, and no longer than 8 s.
TABLE_ROUNDS: tuple[tuple[int, float], ...] = ((4, 2.0), (4, 2.0), (8, 1.0), (16, 1.0), (16, 1.0), (16, 1.0))


class Box(Struct, frozen=True):
    """A box that says it is a gateway: its address, where its description is, and what it says it runs."""

    address: IPv4Address
    location: str
    server: str = ""


class IgdAnswer(Struct, frozen=True):
    """What a box told. `asked` is the read that gave the address; `mappings` are by their place in the table.

    The rest is as in `SeenGateway`.
    """

    described: description.Described | None = None
    wan: IPv4Address | None = None
    wanless: bool = False
    asked: str = ""
    mappings: tuple[tuple[int, UpnpMapping], ...] | None = None
    whole: bool = True
    why: str = ""

    def seen(self, box: Box) -> SeenGateway:
        """Give it as a look from this computer shows it."""
        said = self.described or description.Described("", "", "", ())
        mappings = None if self.mappings is None else tuple(mapping for _, mapping in self.mappings)
        names = (said.title, said.maker, said.model, box.server)
        return SeenGateway(box.address, *names, self.wan, self.wanless, mappings, self.whole, self.why)


#: Mappings by their place, whether they are all, and else why not.
_Table = tuple[tuple[tuple[int, UpnpMapping], ...] | None, bool, str]
#: Asks a box, and returns what it told.
Asking = Generator[Sequence[Read], Sequence[Reply], IgdAnswer]


def search(
    gateway: IPv4Address | None, group: tuple[str, int] = SSDP_GROUP, seconds: float = SEARCH_SECONDS
) -> Read:
    """Give the question who is a gateway here. `gateway` is asked by itself as well."""
    target = f"{group[0]}:{group[1]}"
    return Read(
        "igd.search", Look(LookKind.SSDP, target, "" if gateway is None else str(gateway)), seconds=seconds
    )


def found_boxes(reply: Reply) -> tuple[Box, ...]:
    """Read the answer to a search: one line a box."""
    if reply.status != 0 or not reply.whole:
        return ()
    boxes = []
    for line in reply.body.splitlines():
        address, _, rest = line.partition(" ")
        location, _, server = rest.partition(" ")
        try:
            boxes.append(Box(IPv4Address(address), location, server))
        except AddressValueError:
            continue
    return tuple(boxes)


class IgdDriver(Struct, frozen=True):
    """Asks one box, which an answer to a search named. `seconds` bounds each answer."""

    box: Box
    seconds: float = ANSWER_SECONDS

    def describe(self) -> Generator[Sequence[Read], Sequence[Reply], description.Described | WhyNot]:
        """Ask what the box is, and nothing else; return why that cannot be read where it cannot."""
        look = Look(LookKind.IGD, self.box.location)
        (reply,) = yield (Read("igd.description", look, seconds=self.seconds),)
        try:
            if _silent(reply):
                return WhyNot(f"its description cannot be read ({_silent(reply)})")
            return description.parse_description(reply.body, self.box.location)
        except (ParseError, ValueError) as error:
            return WhyNot(f"its description cannot be read ({error})")

    def ask(self) -> Asking:
        """Ask what the box is, for its address on the internet side and for its mappings."""
        described = yield from self.describe()
        if isinstance(described, WhyNot):
            return IgdAnswer(why=described.text)
        known = [(kind, url) for kind, url in described.services if kind in _SERVICES][:_MOST_SERVICES]
        if not known:
            return IgdAnswer(described, why="it describes no connection to the internet")
        replies = yield tuple(
            Read(f"igd.address.{number}", Look(LookKind.IGD_ADDRESS, url, kind), seconds=self.seconds)
            for number, (kind, url) in enumerate(known)
        )
        said = [(service, _wan(reply, described)) for service, reply in zip(known, replies, strict=True)]
        # A box may describe several connections: the one that has an address is in use.
        (kind, url), told = min(said, key=lambda pair: (pair[1].wan is None, not pair[1].wanless))
        if told.wan is None and not told.wanless:
            return told
        mappings, whole, unread = yield from self._table(url, kind)
        why = "; ".join(filter(None, (told.why, unread)))
        return replace(told, mappings=mappings, whole=whole, why=why)

    def _table(self, url: str, kind: str) -> Generator[Sequence[Read], Sequence[Reply], _Table]:
        """Ask for the table from its begin; return what was read, whether that is all, and else why not."""
        found: list[tuple[int, UpnpMapping]] = []
        first = 0
        for count, most in TABLE_ROUNDS:
            places = range(first, first + count)
            seconds = min(self.seconds, most)
            looks = {place: Look(LookKind.IGD_MAPPING, url, f"{kind} {place}") for place in places}
            replies = yield tuple(
                Read(f"igd.mapping.{n}", look, seconds=seconds) for n, look in looks.items()
            )
            for place, reply in zip(places, replies, strict=True):
                held = _place(reply)
                if held is None:
                    return tuple(found), True, ""
                if isinstance(held, WhyNot):
                    return tuple(found) or None, False, held.text
                if held.enabled:
                    found.append((place, held.mapping))
            first += count
        return tuple(found), False, f"it has {first} mappings or more"


def _silent(reply: Reply) -> str:
    """Say why there is no answer; empty where there is one, be it a refusal."""
    if not reply.whole:
        return "its answer was cut off"
    return reply.stderr or "no answer" if reply.status == 1 else ""


def _wan(reply: Reply, described: description.Described) -> IgdAnswer:
    said = "it did not tell its address on the internet side"
    if _silent(reply):
        return IgdAnswer(described, why=f"{said} ({_silent(reply)})")
    if reply.status != 200:
        return IgdAnswer(described, why=f"{said} (status {reply.status})")
    try:
        address = description.parse_external_address(reply.body)
    except ParseError as error:
        return IgdAnswer(described, why=f"{said} ({error})")
    if address is None or address.is_unspecified:
        why = "it says that it has no address on the internet side"
        return IgdAnswer(described, wanless=True, asked=reply.id, why=why)
    return IgdAnswer(described, address, asked=reply.id)


def _place(reply: Reply) -> description.IgdMapping | WhyNot | None:
    """Read one place of the table: a mapping, why it cannot be read, or None behind the end."""
    if _silent(reply):
        return WhyNot(f"its mappings cannot be read ({_silent(reply)})")
    try:
        if reply.status == 200:
            return description.parse_mapping(reply.body)
        if description.is_end_of_table(reply.body):
            return None
    except ParseError as error:
        return WhyNot(f"its mappings cannot be read ({error})")
    return WhyNot(f"it did not list its mappings (status {reply.status})")
