"""Ask every stop of a site, all at once, and keep what was said as exhibits."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from ipaddress import IPv4Address
from types import MappingProxyType
from urllib.parse import urlsplit

from plexops.drivers.base import Driver, Observation
from plexops.drivers.outside import USUAL_ECHOES, EchoDriver, ProbeDriver, merge
from plexops.drivers.plex import PlexDriver, load_plexapi
from plexops.drivers.profiled import ProfiledDriver
from plexops.drivers.server import ServerDriver
from plexops.drivers.server_extra import LOG_READ, log_excerpt
from plexops.engine.access import Access, Links
from plexops.engine.vantages import is_inside, ports_to_try
from plexops.model.entries import ProbeAnswer
from plexops.model.errors import PlexopsError, Problem
from plexops.model.exchange import Call, Command, Read, Reply
from plexops.model.run import Exhibit
from plexops.model.secret import Secret
from plexops.model.site import AddressBy, ServerDevice, Vantage
from plexops.model.snapshot import Kind, Role, Snapshot
from plexops.runbook.conditions import public_addresses
from plexops.runbook.view import SiteView
from plexops.transport.link import ReadLink
from plexops.transport.loading import load_http

#: An exhibit is cut at this many characters; the whole stays in the private snapshot.
EXHIBIT_CHARACTERS = 16384

#: Where Plex keeps its token on a Debian or Ubuntu server.
_TOKEN_READ = Read(
    "token",
    Command("cat '/var/lib/plexmediaserver/Library/Application Support/Plex Media Server/Preferences.xml'"),
    secret=True,
)
_TOKEN = re.compile(r'PlexOnlineToken="([^"]+)"')

#: The problems that mean "nobody answers there": the host may have another address now.
_NOBODY = frozenset({"PLX-D102", "PLX-D103", "PLX-D104", "PLX-D108"})


@dataclass(frozen=True, slots=True)
class Drivers:
    """The drivers of one site's stops."""

    router: ProfiledDriver | None = None
    server: ServerDriver | None = None
    plex: PlexDriver | None = None

    def of(self, role: Role) -> Driver:
        """Give a stop's driver. KeyError where the site has none."""
        found: Mapping[Role, Driver | None] = {
            Role.ROUTER: self.router,
            Role.SERVER: self.server,
            Role.PLEX: self.plex,
        }
        driver = found[role]
        if driver is None:
            raise KeyError(role)
        return driver


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look at a site came to."""

    view: SiteView
    exhibits: tuple[Exhibit, ...] = ()
    #: Who answered, by role: host key fingerprints and pins.
    identities: Mapping[Role, str] = field(default_factory=lambda: MappingProxyType({}))
    problems: tuple[Problem, ...] = ()
    #: Where the server answered; empty: where the inventory says.
    server_address: str = ""
    token: Secret | None = None
    #: Plex answered only from inside the server: nothing else lets its port through.
    plex_inside: bool = False
    #: When each stop was asked, by the clock that never jumps.
    taken: Mapping[Role, float] = field(default_factory=lambda: MappingProxyType({}))

    def aged(self) -> SiteView:
        """Give the view with the age that each snapshot has by now: what guards look at."""
        now = time.monotonic()
        return replace(
            self.view, ages=MappingProxyType({role: now - taken for role, taken in self.taken.items()})
        )


@dataclass(slots=True)
class _Answered:
    """One stop's part, as its thread leaves it."""

    snapshot: Snapshot | None = None
    #: What services outside told the server.
    outside: Snapshot | None = None
    exhibits: list[Exhibit] = field(default_factory=list)
    identity: str = ""
    problems: tuple[Problem, ...] = ()
    address: str = ""
    token: Secret | None = None
    inside: bool = False

    def add_outside(self, other: _Answered) -> None:
        """Put what services outside told this computer beside what they told the server."""
        if other.outside is not None:
            self.outside = merge([other.outside, *([] if self.outside is None else [self.outside])])
            self.exhibits += other.exhibits


@contextmanager
def _pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Give threads that a person who interrupts does not wait for: a silent device may take its whole time limit."""
    pool = ThreadPoolExecutor(max_workers=workers)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


class Observer:
    """Looks at one site. Each look opens links of its own, so that a read-back is never the old connection."""

    def __init__(
        self, access: Access, drivers: Drivers, links: Links, view: SiteView, *, thorough: bool = False
    ) -> None:
        self._asks_everything = thorough
        self._access = access
        self._drivers = drivers
        self._links = links
        #: What the inventory says; snapshots are filled in.
        self._blank = view

    def look(self, probe_port: int | None, *, thorough: bool = False) -> Seen:
        """Ask every stop in parallel, then the vantages for `probe_port`.

        `thorough` is a diagnosis: what an audit has no use for is asked as well, and the vantages try the ports that
        Plex announces and the router forwards besides, whether a port is given or not.
        """
        if thorough:
            return self._thorough().look(probe_port)
        asked = time.monotonic()
        with _pool(4) as pool:
            router = pool.submit(self._guarded, self._router)
            server = pool.submit(self._guarded, self._server, router)
            plex = pool.submit(self._guarded, self._plex, router, server)
            here = pool.submit(self._from_here)
            parts = {Role.ROUTER: router.result(), Role.SERVER: server.result(), Role.PLEX: plex.result()}
            parts[Role.SERVER].add_outside(here.result())
        return self._put_together(parts, probe_port, asked)

    def _thorough(self) -> Observer:
        """Give an observer of the same site whose drivers ask everything."""
        server, plex = self._drivers.server, self._drivers.plex
        drivers = replace(
            self._drivers,
            server=None if server is None else replace(server, thorough=True),
            plex=None if plex is None else replace(plex, thorough=True),
        )
        return Observer(self._access, drivers, self._links, self._blank, thorough=True)

    def again(self, seen: Seen, role: Role) -> Seen:
        """Ask one stop again, over a new connection. Raises PlexopsError where it does not answer."""
        asked = time.monotonic()
        part = _Answered()
        if role is Role.ROUTER:
            part = self._router()
        elif role is Role.SERVER:
            part = self._ask_server(seen.server_address)
        elif role is Role.PLEX:
            part = self._ask_plex(seen.token, seen.server_address)
        if part.snapshot is None:
            raise PlexopsError(part.problems or Problem("PLX-D101", f"the {role} did not answer"))
        plex = self._access.site.plex
        fresh = replace(seen, taken=MappingProxyType({**seen.taken, role: asked}))
        return _renewed(fresh, role, part, "" if plex is None else plex.url)

    def probe(self, seen: Seen, port: int) -> Seen:
        """Try the port again from every vantage."""
        old = seen.view.of(Role.OUTSIDE)
        kept = replace(old, entries=tuple(e for e in old.entries if e.kind is not Kind.PROBE))
        found, exhibits = self._probes(seen.view, (port,))
        outside = merge([kept, *found])
        view = seen.view.with_snapshot(outside)
        return replace(seen, view=view, exhibits=_with(seen.exhibits, exhibits))

    def moved_to(self, address: str) -> bool:
        """Tell whether the server answers at an address now, with its own host key."""
        link = self._links.read(self._access.device(Role.SERVER), lambda: self._access.server(address))
        try:
            link.ask((Read("hostname", Command("hostname")),))
        except PlexopsError:
            return False
        finally:
            link.close()
        return True

    def _guarded(self, ask: object, *futures: Future[_Answered]) -> _Answered:
        """Turn a failure to ask into problems: one silent stop does not end the look at the others."""
        try:
            part: _Answered = ask(*futures)  # type: ignore[operator]
        except PlexopsError as error:
            return _Answered(problems=error.problems)
        return part

    def _from_here(self) -> _Answered:
        """Ask for our public address from this computer too, in a diagnosis of a home in which it stands."""
        if not (self._asks_everything and self._links.live):
            return _Answered()
        from plexops.engine.own_view import own_view

        found = own_view(self._access.site)
        return _Answered() if found is None else _Answered(outside=found[0], exhibits=list(found[1]))

    def _router(self) -> _Answered:
        driver = self._drivers.router
        if driver is None:
            return _Answered()
        link = self._links.read(self._access.device(Role.ROUTER), self._access.router)
        return _run(driver.observe(), link, Role.ROUTER)

    def _server(self, router: Future[_Answered]) -> _Answered:
        server = self._access.site.server
        if self._drivers.server is None or server is None or server.login is None:
            return _Answered()
        try:
            return self._ask_server("")
        except PlexopsError as error:
            if not _nobody(error):
                raise
            address = _leased_address(router.result(), server)
            if not address:
                raise
            return self._ask_server(address)

    def _ask_server(self, address: str) -> _Answered:
        driver = self._drivers.server
        if driver is None:
            return _Answered()
        link = self._links.read(self._access.device(Role.SERVER), lambda: self._access.server(address))
        wants_token = self._links.live and self._access.wants_token_from_server()
        extra = (_TOKEN_READ,) if wants_token else ()
        urls = self._access.site.echoes
        echoes = EchoDriver(USUAL_ECHOES if urls is None else urls, "server")
        try:
            part = _run(driver.observe(), link, Role.SERVER, extra, close=False)
            if part.token is not None:
                self._access.secrets.learn(part.token)
            outside = _run(echoes.observe(), link, Role.OUTSIDE, close=False)
        finally:
            link.close()
        part.address = address
        part.exhibits += outside.exhibits
        part.outside = outside.snapshot
        return part

    def _plex(self, router: Future[_Answered], server: Future[_Answered]) -> _Answered:
        if self._drivers.plex is None:
            return _Answered()
        # The server is asked first, for Plex's token; meanwhile there is time to load what Plex needs.
        if self._links.live:
            load_http(after_ssh=self._drivers.server is not None)
        load_plexapi()
        host = server.result()
        address = host.address
        device = self._access.site.server
        if not host.snapshot and device is not None:
            address = self._leased_if_silent(router, device)
        return self._ask_plex(host.token, address, server_answers=host.snapshot is not None)

    def _leased_if_silent(self, router: Future[_Answered], device: ServerDevice) -> str:
        """Where nobody logs in to the server, the router's lease alone says that Plex may be elsewhere."""
        plex = self._access.site.plex
        if device.login is not None or plex is None:
            return ""
        return _leased_address(router.result(), device)

    def _ask_plex(self, token: Secret | None, moved: str, *, server_answers: bool = True) -> _Answered:
        """Ask Plex where it is; where nothing gets through to it, from inside the server."""
        driver = self._drivers.plex
        plex, server = self._access.site.plex, self._access.site.server
        if driver is None or plex is None:
            return _Answered()
        same_host = server is not None and urlsplit(plex.url).hostname == str(server.address)
        address = moved if same_host else ""
        try:
            part = self._ask_plex_at(driver, token, address, inside=False)
        except PlexopsError as error:
            login = None if server is None else server.login
            if not _nobody(error) or not same_host or login is None or not server_answers:
                raise
            part = self._ask_plex_at(driver, token, address, inside=True)
            part.inside = True
        part.address = address
        part.token = token
        return part

    def _ask_plex_at(
        self, driver: PlexDriver, token: Secret | None, address: str, *, inside: bool
    ) -> _Answered:
        device = self._access.device(Role.PLEX) + (" from inside" if inside else "")
        link = self._links.read(device, lambda: self._access.plex(token, address, inside=inside))
        return _run(driver.observe(), link, Role.PLEX)

    def _put_together(self, parts: Mapping[Role, _Answered], probe_port: int | None, asked: float) -> Seen:
        snapshots = {role: part.snapshot for role, part in parts.items() if part.snapshot is not None}
        outside = parts[Role.SERVER].outside or Snapshot(Role.OUTSIDE)
        snapshots[Role.OUTSIDE] = outside
        view = replace(
            self._blank,
            snapshots=MappingProxyType(snapshots),
            ages=MappingProxyType(dict.fromkeys(snapshots, time.monotonic() - asked)),
            plex_answered_at=self._plex_answered_at(parts[Role.PLEX]),
        )
        exhibits = [exhibit for part in parts.values() for exhibit in part.exhibits]
        ports: tuple[int, ...] = () if probe_port is None else (probe_port,)
        if self._asks_everything:
            ports = ports_to_try(view, probe_port)
        if ports:
            found, more = self._probes(view, ports)
            view = view.with_snapshot(merge([outside, *found]))
            exhibits += more
        return Seen(
            view=view,
            exhibits=tuple(exhibits),
            identities=MappingProxyType(
                {role: part.identity for role, part in parts.items() if part.snapshot}
            ),
            problems=tuple(problem for part in parts.values() for problem in part.problems),
            server_address=parts[Role.SERVER].address or parts[Role.PLEX].address,
            token=parts[Role.SERVER].token,
            plex_inside=parts[Role.PLEX].inside,
            taken=MappingProxyType(dict.fromkeys(snapshots, asked)),
        )

    def _plex_answered_at(self, part: _Answered) -> tuple[str, int] | None:
        plex = self._access.site.plex
        if part.snapshot is None or plex is None:
            return None
        return _answered_at(part, plex.url, plex.port)

    def _probes(self, view: SiteView, ports: Sequence[int]) -> tuple[list[Snapshot], list[Exhibit]]:
        """Try the ports from every vantage at once; a vantage that cannot be asked leaves its answer unknown."""
        vantages = self._access.site.vantages
        address = _public_address(view)
        if not vantages or address is None:
            return [], []
        with ThreadPoolExecutor(max_workers=len(vantages)) as pool:
            parts = list(
                pool.map(lambda vantage: self._from_vantage(vantage, view, address, ports), vantages)
            )
        found = [part.snapshot for of_one in parts for part in of_one if part.snapshot is not None]
        return found, [exhibit for of_one in parts for part in of_one for exhibit in part.exhibits]

    def _from_vantage(
        self, vantage: Vantage, view: SiteView, address: IPv4Address, ports: Sequence[int]
    ) -> list[_Answered]:
        """Try the ports at once, each over a connection of its own: one that drops costs seconds.

        A vantage is a witness, not a stop: one that cannot be asked proves nothing, and stops nothing.
        """
        identifier = view.of(Role.PLEX).text("plex.identifier") or ""
        first = ProbeDriver(vantage.name, address, ports[0], identifier, inside=is_inside(vantage, view))
        others = [replace(first, port=port, further=True) for port in ports[1:]]
        if self._asks_everything:
            # A vantage at home is known by what the world takes it for; asking once is enough.
            first = replace(first, echo=self._echo())
        with ThreadPoolExecutor(max_workers=len(ports)) as pool:
            parts = list(pool.map(lambda driver: self._try(vantage, driver), (first, *others)))
        return [_as_inside(part) for part in parts] if any(map(_says_inside, parts)) else parts

    def _try(self, vantage: Vantage, driver: ProbeDriver) -> _Answered:
        """Try one port; where the vantage cannot be asked, that is the answer."""
        device = self._access.device(f"vantage {vantage.name}")
        try:
            link = self._links.read(device, lambda: self._access.vantage(vantage))
            return _run(driver.observe(), link, Role.OUTSIDE)
        except PlexopsError:
            return _Answered(snapshot=driver.unasked())

    def _echo(self) -> str:
        urls = self._access.site.echoes
        return next(iter(USUAL_ECHOES if urls is None else urls), "")


def _says_inside(part: _Answered) -> bool:
    return part.snapshot is not None and any(entry.values.inside for entry in part.snapshot.entries)


def _as_inside(part: _Answered) -> _Answered:
    """Give what was seen from inside the home: it proves nothing."""
    if part.snapshot is None:
        return part
    seen = (replace(e, values=replace(e.values, inside=True)) for e in part.snapshot.entries)
    return replace(part, snapshot=replace(part.snapshot, entries=tuple(seen)))


def _renewed(seen: Seen, role: Role, part: _Answered, url: str) -> Seen:
    snapshot = part.snapshot
    if snapshot is None:
        return seen
    view = seen.view.with_snapshot(snapshot)
    if role is Role.PLEX:
        view = replace(view, plex_answered_at=_answered_at(part, url, view.plex_port))
        seen = replace(seen, plex_inside=part.inside)
    return replace(seen, view=view, exhibits=_with(seen.exhibits, part.exhibits))


def _answered_at(part: _Answered, url: str, port: int) -> tuple[str, int]:
    """Give where Plex answered; what only the server itself can reach counts as its loopback."""
    if part.inside:
        return "127.0.0.1", port
    return part.address or urlsplit(url).hostname or "", urlsplit(url).port or port


def _with(old: Sequence[Exhibit], new: Sequence[Exhibit]) -> tuple[Exhibit, ...]:
    """Put newer exhibits in the place of older ones with the same id."""
    fresh = {exhibit.id for exhibit in new}
    return (*(exhibit for exhibit in old if exhibit.id not in fresh), *new)


def _run(
    observation: Observation, link: ReadLink, role: Role, extra: tuple[Read, ...] = (), *, close: bool = True
) -> _Answered:
    """Carry a driver's questions and answers. `extra` are asked in the same round, and not by the driver."""
    part = _Answered()
    try:
        reads = tuple(next(observation))
        while True:
            replies = link.ask((*reads, *extra))
            for read, reply in zip((*reads, *extra), replies, strict=True):
                if not read.secret:
                    part.exhibits.append(_exhibit(role, read, reply))
                elif read.id == _TOKEN_READ.id:
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


def _exhibit(role: Role, read: Read, reply: Reply) -> Exhibit:
    source = read.ask.text if isinstance(read.ask, Command) else _request(read.ask)
    text = reply.body if reply.body or not reply.stderr else reply.stderr
    shown = log_excerpt(text) if read == LOG_READ else text
    return Exhibit(
        id=f"{role}.{read.id}",
        device=str(role),
        source=source,
        time=datetime.now(UTC).isoformat(timespec="milliseconds"),
        text=shown[:EXHIBIT_CHARACTERS],
        sha256_raw=hashlib.sha256(reply.body.encode()).hexdigest(),
        cut=shown != text or len(text) > EXHIBIT_CHARACTERS or not reply.whole,
    )


def _request(call: Call) -> str:
    return f"{call.method} {call.path}"


def _nobody(error: PlexopsError) -> bool:
    return any(problem.code in _NOBODY for problem in error.problems)


def _leased_address(router: _Answered, server: ServerDevice) -> str:
    """Give where the router's leases say the host is, when that is not where it shall be."""
    if router.snapshot is None or not server.mac or server.address_by is AddressBy.STATIC:
        return ""
    for entry in router.snapshot.of(Kind.LEASE):
        if (
            entry.values is not None
            and entry.values.mac == server.mac
            and entry.values.address != server.address
        ):
            return str(entry.values.address)
    return ""


def _public_address(view: SiteView) -> IPv4Address | None:
    """Give the address to try from outside: what others see, else the router's own WAN address."""
    seen = public_addresses(view)
    if seen:
        return seen[0][0]
    text = view.of(Role.ROUTER).text("wan.address")
    return None if text is None else IPv4Address(text)


def unanswered(seen: Seen) -> tuple[str, ...]:
    """Give the vantages that were asked and did not know."""
    return tuple(
        entry.values.vantage
        for entry in seen.view.of(Role.OUTSIDE).of(Kind.PROBE)
        if entry.values.answer is ProbeAnswer.UNKNOWN
    )
