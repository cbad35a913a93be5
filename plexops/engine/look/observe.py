"""Ask every stop of a site, all at once, and keep what was said as exhibits."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from ipaddress import IPv4Address
from types import MappingProxyType

from plexops.drivers.around.outside import USUAL_ECHOES, EchoDriver, merge
from plexops.engine.look.access import Access, Links
from plexops.engine.look.asking import TOKEN_READ, Answered, ask_all
from plexops.engine.look.asking_plex import AskingPlex, nobody_answers
from plexops.engine.look.site_state import Drivers, SiteState, with_exhibits
from plexops.engine.look.vantages import Vantages, ports_to_try
from plexops.model.entries import Lease
from plexops.model.errors import PlexopsError, Problem
from plexops.model.exchange import Command, Read
from plexops.model.run import Exhibit
from plexops.model.secret import Secret
from plexops.model.site import AddressBy, ServerDevice
from plexops.model.snapshot import Kind, KindState, Role, Snapshot
from plexops.runbook.endpoints import proxy
from plexops.runbook.view import SiteView
from plexops.structs import replace
from plexops.transport.here import holds_address
from plexops.transport.ssh.loading import load_paramiko
from plexops.transport.workers import workers


def _nothing() -> None:
    """Nothing is to be done meanwhile."""


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

    def look(
        self,
        probe_port: int | None,
        *,
        thorough: bool = False,
        outside: bool = False,
        meanwhile: Callable[[], None] = _nothing,
    ) -> SiteState:
        """Ask every stop in parallel, then the vantages for `probe_port`.

        With `outside` also plex.tv's list of the account's servers, and the services that try ports.

        `thorough` is a diagnosis: what an audit has no use for is asked as well, and the vantages try the ports that
        Plex announces and the router forwards besides, whether a port is given or not.

        `meanwhile` is done once all are asked: there is time for it until they answer.
        """
        if thorough:
            return self._thorough().look(probe_port, outside=outside, meanwhile=meanwhile)
        asked = time.monotonic()
        with workers(4) as pool:
            router = pool.submit(self._guarded, self._router)
            server = pool.submit(self._guarded, self._server, router)
            here = pool.submit(self._from_here) if self._asks_here else None
            around = None if here is None else pool.submit(self._around, router, server, here)
            self._load()
            meanwhile()
            # Who puts all together asks the last ones: a thread for each would only wait for the server.
            plex = self._guarded(self._plex, router, server)
            listed = self._from_plex_tv(plex if outside or self._asks_everything else None)
            parts = {Role.ROUTER: router.result(), Role.SERVER: server.result(), Role.PLEX: plex}
            if here is not None and around is not None:
                parts |= around.result()
                parts[Role.SERVER].add_outside(here.result())
            parts[Role.SERVER].add_outside(listed)
        state = self._put_together(parts, asked)
        ports: tuple[int, ...] = () if probe_port is None else (probe_port,)
        if self._asks_everything:
            ports = ports_to_try(state.view, probe_port)
        return self._tried(state, ports, checkers=outside)

    def _load(self) -> None:
        """Load what links need: what logs in first, since those who are asked over HTTP wait for its answers."""
        if not self._links.live:
            return
        shells = {Role.SERVER: self._drivers.server is not None, Role.ROUTER: self._router_has_shell()}
        if any(asked and not self._access.is_local(role) for role, asked in shells.items()):
            load_paramiko()
        if self._drivers.server is not None:
            import plexops.drivers.rulesets.netfilter
        if self._drivers.plex is not None:
            import plexops.transport.http.connection  # noqa: F401

    def _router_has_shell(self) -> bool:
        return self._drivers.router is not None and not self._access.speaks.over_http

    def _thorough(self) -> Observer:
        """Give an observer of the same site whose drivers ask everything."""
        server, plex = self._drivers.server, self._drivers.plex
        offline = self._access.site.echoes == ()
        drivers = replace(
            self._drivers,
            server=None if server is None else replace(server, thorough=True, offline=offline),
            plex=None if plex is None else replace(plex, thorough=True),
        )
        return Observer(self._access, drivers, self._links, self._blank, thorough=True)

    def again(self, state: SiteState, role: Role) -> SiteState:
        """Ask one stop again, over a new connection. Raises PlexopsError where it does not answer."""
        asked = time.monotonic()
        part = Answered()
        if role is Role.ROUTER:
            part = self._router()
        elif role is Role.SERVER:
            part = self._ask_server(state.server_address)
        elif role is Role.PLEX:
            part = self._ask_plex(
                state.token, state.server_address, host_told=Role.SERVER in state.identities
            )
        if part.snapshot is None:
            raise PlexopsError(part.problems or Problem("PLX-D101", f"the {role} did not answer"))
        fresh = replace(state, taken=MappingProxyType({**state.taken, role: asked}))
        return _renewed(fresh, role, part)

    def probe(self, state: SiteState, port: int) -> SiteState:
        """Try the port again from every vantage. What a service outside told stays: it is asked once a run."""
        from plexops.drivers.around.checkers import BY

        old = state.view.of(Role.OUTSIDE)
        kept = tuple(e for e in old.entries if e.kind is not Kind.PROBE or BY in e.raw)
        state = replace(state, view=state.view.with_snapshot(replace(old, entries=kept)))
        return self._tried(state, (port,))

    def ask_checkers(self, state: SiteState, port: int) -> SiteState:
        """Let the services outside try the port."""
        from plexops.engine.look.checkers import Checkers

        asked = Checkers(self._access, self._links, state.server_address)
        return _with_outside(state, *asked.ask(state.view, port))

    def _tried(self, state: SiteState, ports: Sequence[int], *, checkers: bool = False) -> SiteState:
        """Have the ports tried by the vantages, and by the services only the first: the one at which outsiders knock."""
        if not ports and proxy(state.view) is None:
            return state
        tried = _with_outside(state, *Vantages(self._access, self._links).ask(state.view, ports))
        first = ports[0] if ports else 0
        return self.ask_checkers(tried, first) if checkers and self._access.site.checkers else tried

    def moved_to(self, address: str) -> bool:
        """Tell whether the server answers at an address now, with its own host key; or, being this one, has it."""
        if self._links.live and self._access.is_local(Role.SERVER):
            return holds_address(IPv4Address(address))
        link = self._links.read(self._access.device(Role.SERVER), lambda: self._access.server(address))
        try:
            link.ask((Read("hostname", Command("hostname")),))
        except PlexopsError:
            return False
        finally:
            link.close()
        return True

    def _guarded(self, ask: object, *futures: Future[Answered]) -> Answered:
        """Turn a failure to ask into problems: one silent stop does not end the look at the others."""
        try:
            part: Answered = ask(*futures)  # type: ignore[operator]
        except PlexopsError as error:
            return Answered(problems=error.problems)
        return part

    @property
    def _asks_here(self) -> bool:
        """In a diagnosis; and always where no login to the server is known, since no one else could tell then."""
        return self._asks_everything or self._drivers.server is None

    def _from_here(self) -> Answered:
        """Ask for our public address from this computer, where it stands in the home."""
        from plexops.engine.look.own_view import ask_here, own_view, stands_in

        driver = own_view(self._access.site)
        if driver is None or (self._links.live and not stands_in(self._access.site)):
            return Answered()
        part = ask_here(self._access, self._links, driver.observe(), Role.OUTSIDE)
        return Answered(outside=part.snapshot, exhibits=part.exhibits)

    def _around(
        self, router: Future[Answered], server: Future[Answered], here: Future[Answered]
    ) -> dict[Role, Answered]:
        """Ask the router that did not answer to a login, and the box before it, in a diagnosis.

        After the echoes: what this computer finds out is recorded in one order.
        """
        if not self._asks_everything:
            return {}
        from plexops.engine.look.neighbours import Neighbours

        here.result()
        neighbours = Neighbours(self._access, self._links)
        own_word = neighbours.router(router.result(), server)
        return {Role.ROUTER: own_word, Role.UPSTREAM: neighbours.upstream(own_word, server.result())}

    def _from_plex_tv(self, plex: Answered | None) -> Answered:
        """Ask plex.tv how it lists this server, once Plex has told who it is; not asked where `plex` is None."""
        if plex is None:
            return Answered()
        from plexops.engine.look.account import PlexTv

        return PlexTv(self._access, self._links).ask(plex.snapshot, plex.token)

    def _router(self) -> Answered:
        driver = self._drivers.router
        if driver is None:
            return Answered()
        link = self._links.read(self._access.device(Role.ROUTER), self._access.router)
        return ask_all(driver.observe(), link, Role.ROUTER)

    def _server(self, router: Future[Answered]) -> Answered:
        server = self._access.site.server
        if self._drivers.server is None or server is None or not server.asked:
            return Answered()
        try:
            part = self._ask_server("")
        except PlexopsError as error:
            if not nobody_answers(error):
                raise
            address = _leased_address(router.result(), server)
            if not address:
                raise
            return self._ask_server(address)
        if self._access.is_local(Role.SERVER):
            part.address = _moved_here(part, router, server)
        return part

    def _ask_server(self, address: str) -> Answered:
        driver = self._drivers.server
        if driver is None:
            return Answered()
        link = self._links.read(self._access.device(Role.SERVER), lambda: self._access.server(address))
        wants_token = self._links.live and self._access.wants_token_from_server()
        extra = (TOKEN_READ,) if wants_token else ()
        urls = self._access.site.echoes
        echoes = EchoDriver(USUAL_ECHOES if urls is None else urls, "server")
        try:
            part = ask_all(driver.observe(), link, Role.SERVER, extra, close=False)
            if part.token is not None:
                self._access.secrets.learn(part.token)
            outside = ask_all(echoes.observe(), link, Role.OUTSIDE, close=False)
        finally:
            link.close()
        part.address = address
        part.exhibits += outside.exhibits
        part.outside = outside.snapshot
        return part

    def _plex(self, router: Future[Answered], server: Future[Answered]) -> Answered:
        if self._drivers.plex is None:
            return Answered()
        host = server.result()
        address = host.address
        device = self._access.site.server
        if not host.snapshot and device is not None:
            address = self._leased_if_silent(router, device)
        return self._ask_plex(
            host.token,
            address,
            host_told=host.snapshot is not None,
            logs=self._asks_everything and not _told_log(host.snapshot),
        )

    def _leased_if_silent(self, router: Future[Answered], device: ServerDevice) -> str:
        """Where nobody logs in to the server, the router's lease alone says that Plex may be elsewhere."""
        plex = self._access.site.plex
        if device.asked or plex is None:
            return ""
        return _leased_address(router.result(), device)

    def _ask_plex(self, token: Secret | None, moved: str, *, host_told: bool, logs: bool = False) -> Answered:
        driver = self._drivers.plex
        if driver is None:
            return Answered()
        return AskingPlex(self._access, self._links, driver, logs).ask(token, moved, host_told=host_told)

    def _put_together(self, parts: Mapping[Role, Answered], asked: float) -> SiteState:
        snapshots = {role: part.snapshot for role, part in parts.items() if part.snapshot is not None}
        snapshots[Role.OUTSIDE] = parts[Role.SERVER].outside or Snapshot(Role.OUTSIDE)
        view = replace(
            self._blank,
            snapshots=MappingProxyType(snapshots),
            ages=MappingProxyType(dict.fromkeys(snapshots, time.monotonic() - asked)),
            plex_answered_at=parts[Role.PLEX].met,
        )
        return SiteState(
            view=view,
            exhibits=tuple(exhibit for part in parts.values() for exhibit in part.exhibits),
            identities=MappingProxyType(
                {role: part.identity for role, part in parts.items() if part.snapshot}
            ),
            problems=tuple(problem for part in parts.values() for problem in part.problems),
            server_address=parts[Role.SERVER].address or parts[Role.PLEX].address,
            token=parts[Role.SERVER].token,
            plex_inside=parts[Role.PLEX].inside,
            taken=MappingProxyType(dict.fromkeys(snapshots, asked)),
        )


def _with_outside(state: SiteState, found: Sequence[Snapshot], exhibits: Sequence[Exhibit]) -> SiteState:
    """Put what was seen outside beside what is known from there."""
    view = state.view.with_snapshot(merge([state.view.of(Role.OUTSIDE), *found]))
    return replace(state, view=view, exhibits=with_exhibits(state.exhibits, exhibits))


def _renewed(state: SiteState, role: Role, part: Answered) -> SiteState:
    snapshot = part.snapshot
    if snapshot is None:
        return state
    view = state.view.with_snapshot(snapshot)
    if role is Role.PLEX:
        view = replace(view, plex_answered_at=part.met)
        state = replace(state, plex_inside=part.inside)
    return replace(state, view=view, exhibits=with_exhibits(state.exhibits, part.exhibits))


def _told_log(server: Snapshot | None) -> bool:
    """Tell whether the server itself gave Plex's log."""
    return server is not None and server.state(Kind.LOG_EVENT) is KindState.PRESENT


def _moved_here(part: Answered, router: Future[Answered], server: ServerDevice) -> str:
    """Give where this computer is, being the server, when that is not where it shall be; empty where nobody knows."""
    fact = None if part.snapshot is None else part.snapshot.facts.get("host.addresses")
    held = fact.value if fact is not None and isinstance(fact.value, tuple) else ()
    if not held or server.address is None or str(server.address) in held:
        return ""
    leased = _leased_address(router.result(), server)
    if leased in held:
        return leased
    return held[0] if len(held) == 1 else ""


def _leased_address(router: Answered, server: ServerDevice) -> str:
    """Give where the router's leases say the host is, when that is not where it shall be."""
    if router.snapshot is None or not server.mac or server.address_by is AddressBy.STATIC:
        return ""
    for entry in router.snapshot.held(Lease):
        if entry.values.mac == server.mac and entry.values.address != server.address:
            return str(entry.values.address)
    return ""
