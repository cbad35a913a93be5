"""The vantages: which ports they try, which of them stand in the home itself, and asking them."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import AddressValueError, IPv4Address, IPv4Network

from msgspec import Struct

from plexops.drivers.around.outside import USUAL_ECHOES, ProbeDriver
from plexops.engine.look.access import Access, Links
from plexops.engine.look.asking import Answered, ask_all
from plexops.model.entries import Probe
from plexops.model.errors import PlexopsError
from plexops.model.resources.port_forward import PortForward
from plexops.model.run import Exhibit
from plexops.model.site import Vantage
from plexops.model.snapshot import Role, Snapshot
from plexops.model.values import Endpoint, Protocol
from plexops.runbook import endpoints
from plexops.runbook.view import SiteView, public_addresses
from plexops.structs import replace
from plexops.transport.workers import workers

#: A port that drops costs each vantage seconds.
_MOST = 2


class Vantages(Struct, frozen=True):
    """The hosts outside from which a site's port is tried. Each also says where it stands itself."""

    access: Access
    links: Links

    def ask(self, view: SiteView, ports: Sequence[int]) -> tuple[list[Snapshot], list[Exhibit]]:
        """Try where viewers come in from every vantage at once: the ports at the home's address, or the proxy's name.

        What apps are told over IPv6 is tried as well. A vantage that cannot be asked leaves its answer unknown.
        """
        vantages = self.access.site.vantages
        wanted = where_to_try(view, ports)
        if not vantages or not wanted:
            return [], []
        with workers(len(vantages)) as pool:
            parts = list(pool.map(lambda vantage: self._from_vantage(vantage, view, wanted), vantages))
        found = [part.snapshot for of_one in parts for part in of_one if part.snapshot is not None]
        return found, [exhibit for of_one in parts for part in of_one for exhibit in part.exhibits]

    def _from_vantage(self, vantage: Vantage, view: SiteView, wanted: Sequence[Endpoint]) -> list[Answered]:
        """Try all at once, each over a connection of its own: one that drops costs seconds.

        A vantage is a witness, not a stop: one that cannot be asked proves nothing, and stops nothing.
        """
        url = endpoints.proxy(view)  # it is then all that is tried
        first = ProbeDriver(
            vantage.name,
            wanted[0],
            view.of(Role.PLEX).text("plex.identifier") or "",
            home=address_outside(view),
            inside=self._is_inside(vantage, view),
            secure=None if url is None else url.secure,
        )
        others = [
            replace(first, at=at, further="ipv6" if at.over_ipv6 else str(at.port)) for at in wanted[1:]
        ]
        # A vantage at home is known by what the world takes it for; asking once is enough.
        first = replace(first, echo=self._echo())
        with workers(len(wanted)) as pool:
            parts = list(pool.map(lambda driver: self._try(vantage, driver), (first, *others)))
        return [_as_inside(part) for part in parts] if any(map(_says_inside, parts)) else parts

    def _try(self, vantage: Vantage, driver: ProbeDriver) -> Answered:
        """Try one port; where the vantage cannot be asked, that is the answer."""
        device = self.access.device(f"vantage {vantage.name}")
        try:
            link = self.links.read(device, lambda: self.access.vantage(vantage))
            return ask_all(driver.observe(), link, Role.OUTSIDE)
        except PlexopsError:
            return Answered(snapshot=driver.not_asked())

    def _is_inside(self, vantage: Vantage, view: SiteView) -> bool:
        try:
            return is_inside(self.access.way(vantage.ssh).host, view)
        except PlexopsError:
            return False  # it cannot be asked either

    def _echo(self) -> str:
        urls = self.access.site.echoes
        return next(iter(USUAL_ECHOES if urls is None else urls), "")


def where_to_try(view: SiteView, ports: Sequence[int]) -> tuple[Endpoint, ...]:
    """Give what a vantage tries: the proxy's name, else the ports at the home's address; and one address of IPv6."""
    url, address = endpoints.proxy(view), address_outside(view)
    if url is not None:
        return (url.at,)
    over_ipv4 = () if address is None else tuple(Endpoint(str(address), port) for port in ports)
    return (*over_ipv4, *(endpoints.over_ipv6(view) or ())[:1])


def ports_to_try(view: SiteView, wanted: int | None) -> tuple[int, ...]:
    """Give the port at which outsiders knock, the one that is wanted, and those that the router forwards to Plex."""
    from plexops.runbook.situation import Situation

    found: list[int | None] = [Situation(view, wanted).door, wanted]
    for entry in view.of(Role.ROUTER).held(PortForward):
        forward = entry.values
        if not forward.enabled or forward.address not in view.plex_host:
            continue
        if forward.protocol is not Protocol.UDP and forward.port.single == view.plex_port:
            found.append(forward.external_port.single)
    return tuple(dict.fromkeys(port for port in found if port))[:_MOST]


def is_inside(host: str, view: SiteView) -> bool:
    """Tell whether a vantage stands in the LAN, as far as its address shows it: success there proves nothing."""
    lan = view.of(Role.ROUTER).text("lan.network")
    try:
        address = IPv4Address(host)
    except AddressValueError:
        return False
    return address in view.plex_host or (lan is not None and address in IPv4Network(lan))


def _says_inside(part: Answered) -> bool:
    return part.snapshot is not None and any(entry.values.inside for entry in part.snapshot.held(Probe))


def _as_inside(part: Answered) -> Answered:
    """Give what was seen from inside the home: it proves nothing."""
    if part.snapshot is None:
        return part
    seen = (replace(e, values=replace(e.values, inside=True)) for e in part.snapshot.held(Probe))
    return replace(part, snapshot=replace(part.snapshot, entries=tuple(seen)))


def address_outside(view: SiteView) -> IPv4Address | None:
    """Give the address to try from outside: what others see, else the router's own WAN address."""
    seen = public_addresses(view)
    if seen:
        return seen[0][0]
    text = view.of(Role.ROUTER).text("wan.address")
    return None if text is None else IPv4Address(text)
