"""What boxes around this computer tell it in a diagnosis: the router without a login, and the box before it."""

from __future__ import annotations

from concurrent.futures import Future
from ipaddress import IPv4Address, IPv4Network

from msgspec import Struct

from plexops.drivers.around.gateway import GatewayDriver, UpstreamDriver
from plexops.drivers.base import Observation
from plexops.engine.look.access import Access, Links
from plexops.engine.look.asking import Answered
from plexops.engine.look.own_view import ask_here, stands_in
from plexops.model.snapshot import Kind, KindState, Role, Snapshot
from plexops.model.values import CARRIER_NAT_NETWORKS, PRIVATE_NETWORKS, is_public
from plexops.runbook.view import ipv4
from plexops.structs import replace

#: What boxes at home have. ISPs number their own gear from the other private networks.
_AT_HOME = IPv4Network("192.168.0.0/16")


class Neighbours(Struct, frozen=True):
    """Asks them, where this computer stands in the home. Nobody logs in anywhere, and nothing is changed."""

    access: Access
    links: Links

    def router(self, asked: Answered, server: Future[Answered]) -> Answered:
        """Give what the router said to its login, else what it says to anybody. Its own problems stay."""
        if asked.snapshot is not None or not self._may_ask:
            return asked
        device = self.access.site.router
        address = None if device is None else ipv4(self.access.router_at()[0])
        found = self._ask(GatewayDriver(address).observe(), Role.ROUTER)
        if found.snapshot is None or not _is_its_router(found.snapshot, server.result().snapshot):
            return asked
        if asked.problems and not _told(found.snapshot):
            return asked
        return replace(asked, snapshot=found.snapshot, exhibits=[*asked.exhibits, *found.exhibits])

    def upstream(self, router: Answered, server: Answered) -> Answered:
        """Give the box before the router, with what it calls itself; an empty part where none was seen."""
        place = _before(router.snapshot or Snapshot(Role.ROUTER), server.snapshot or Snapshot(Role.SERVER))
        if place is None:
            return Answered()
        if place.ask and self._may_ask:
            found = self._ask(place.observe(), Role.UPSTREAM)
            if found.snapshot is not None:
                return found
        return self._ask(replace(place, ask=False).observe(), Role.UPSTREAM)

    @property
    def _may_ask(self) -> bool:
        return not self.links.live or stands_in(self.access.site)

    def _ask(self, observation: Observation, role: Role) -> Answered:
        return ask_here(self.access, self.links, observation, role)


def _told(router: Snapshot) -> bool:
    return "wan.address" in router.facts or router.state(Kind.UPNP_MAPPING) is KindState.PRESENT


def _is_its_router(router: Snapshot, server: Snapshot | None) -> bool:
    """Tell whether our gateway is the server's too, as far as the server says which one it has."""
    gateway = None if server is None else server.text("host.gateway")
    return gateway is None or router.text("lan.address") in (None, gateway)


def _before(router: Snapshot, server: Snapshot) -> UpstreamDriver | None:
    """Give the box before the router: its own next hop, else the server's second one, where that is nobody's public.

    Where the router's address is public, what comes next is the ISP's own, whatever it is numbered from.
    """
    fact, hops = router.facts.get("upstream.address"), server.facts.get("host.hops")
    if fact is not None:
        address, shown = ipv4(str(fact.value)), fact.exhibit
    elif hops is not None and isinstance(hops.value, tuple) and hops.value:
        address, shown = ipv4(hops.value[0]), hops.exhibit
    else:
        return None
    wan = ipv4(router.text("wan.address"))
    if address is None or (wan is not None and is_public(wan)):
        return None
    if not any(address in network for network in (*PRIVATE_NETWORKS, *CARRIER_NAT_NETWORKS)):
        return None
    return UpstreamDriver(address, shown, ask=_at_home(address, wan))


def _at_home(address: IPv4Address, wan: IPv4Address | None) -> bool:
    """Tell whether a box before the router is the household's: only that is asked for its name."""
    if wan is None:
        return address in _AT_HOME
    private = (any(one in network for network in PRIVATE_NETWORKS) for one in (address, wan))
    return all(private)
