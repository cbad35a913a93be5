"""Whether this computer stands in the home, so that what it sees by itself counts beside what the server sees."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from plexops.drivers.around.outside import USUAL_ECHOES, USUAL_STUN, OwnViewDriver
from plexops.drivers.base import Observation
from plexops.engine.look.access import Access, Links
from plexops.engine.look.asking import Answered, ask_all
from plexops.model.errors import PlexopsError
from plexops.model.site import Site
from plexops.model.snapshot import Role
from plexops.transport.here import SOMEWHERE, address_towards


def own_view(site: Site) -> OwnViewDriver | None:
    """Give what asks the site's echoes from here, and STUN servers where the usual ones are asked.

    None where nothing on the internet is to be asked.
    """
    urls = USUAL_ECHOES if site.echoes is None else site.echoes
    return OwnViewDriver(urls, USUAL_STUN if site.echoes is None else ()) if urls else None


def stands_in(site: Site) -> bool:
    """Tell whether this computer stands in the home and leaves it by the home's own way, not through a VPN.

    Elsewhere it would see another network's address. Only this computer's own routes are looked up.
    """
    host = _plex_host(site)
    here = None if host is None else address_towards(host)
    if host is None or here is None or host not in IPv4Network(f"{here}/24", strict=False):
        return False
    return address_towards(SOMEWHERE) in (None, here)


def ask_here(access: Access, links: Links, observation: Observation, role: Role) -> Answered:
    """Ask what is around this computer; an empty part where a recording was made elsewhere than in the home."""
    link = links.read(access.device("here"), access.here)
    try:
        return ask_all(observation, link, role)
    except PlexopsError:
        return Answered()


def _plex_host(site: Site) -> IPv4Address | None:
    server = None if site.server is None else site.server.address
    return server or (None if site.plex is None else site.plex.address)
