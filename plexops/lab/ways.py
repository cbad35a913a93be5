"""From where in a simulated home, or outside of it, a connection leads to what."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Address
from typing import Literal

from plexops.lab.base import HttpRequest, HttpResponse
from plexops.lab.curl import Connect
from plexops.lab.https import serve_http
from plexops.lab.network import PLEX_TV_ADDRESS, Answer, Host, Network, Service, text_service
from plexops.lab.scenario import OWN_NAME, PI, PLEX_PORT, PROXY_ADDRESS, Scenario, Vantage
from plexops.lab.server_condition import CONTAINER_ADDRESS, EVERYWHERE, LAN
from plexops.lab.server_network import INTERNET

PLEX_TV_NAME = "plex.tv"
ECHOES = ("v4.echo.test", "echo2.test")
#: A host that runs echoip, with a certificate that everybody knows; and from where it tries ports.
PORT_ECHO = "ports.echo.test"
_PORT_ECHO_ADDRESS = IPv4Address("203.0.113.99")
_TUNNEL_BEYOND = IPv4Address("185.65.134.1")


class Ways:
    """What the server, the vantages and plex.tv reach. `host` and `plex` are set when they exist.

    For Plex it is the home around it (`PlexHooks`).
    """

    def __init__(self, scenario: Scenario, network: Network, echoes: Mapping[str, str]) -> None:
        self._scenario = scenario
        self._network = network
        self._told = {**scenario.echoes, **echoes}
        self.host: Host | None = None
        self.plex: Service | None = None
        #: Plex publishes from its start on, and asks for what is only there when the home stands.
        self.ready = threading.Event()
        for name in ECHOES:
            network.internet[name] = self._echo(name, lambda: network.public_address)
        network.internet[PORT_ECHO] = self._port_echo(lambda: network.public_address)

    def _echo(self, name: str, seen: Callable[[], IPv4Address]) -> dict[int, Service]:
        return {80: text_service(lambda: f"{self._told.get(name, str(seen()))}\n", "text/plain")}

    def _port_echo(self, seen: Callable[[], IPv4Address]) -> dict[int, Service]:
        def handle(request: HttpRequest) -> HttpResponse:
            port, address = int(request.path.removeprefix("/port/")), seen()
            found = self.inbound(address, port, _PORT_ECHO_ADDRESS)
            said = {"ip": str(address), "port": port, "reachable": isinstance(found, Service)}
            return HttpResponse(200, json.dumps(said, indent=2).encode(), "application/json")

        return {443: Service(lambda stream: serve_http(stream, handle, None), handle, "known")}

    # --- what Plex asks --------------------------------------------------------------------------------

    def reachable(self, port: int) -> bool | Literal["refused"]:
        """Tell Plex what plex.tv finds on that port of the address that it saw."""
        seen = self.public_address()
        if not self.ready.wait(5) or not seen:
            return False
        found = self.inbound(IPv4Address(seen), port, PLEX_TV_ADDRESS)
        if found is self.plex:
            return True
        # Another server's answer is as quick as a refusal.
        return False if found == "dropped" else "refused"

    def upnp_map(self, port: int) -> bool:
        """Answer Plex's own mapping request; no router here keeps anything of it."""
        return self._scenario.forgets_mappings

    def public_address(self) -> str:
        """Tell Plex what v4.plex.tv sees; empty where Plex does not get that far."""
        condition = self._scenario.server
        if not (self._network.isp.up and condition.online and PLEX_TV_ADDRESS in self.look_up(PLEX_TV_NAME)):
            return ""
        tunnel = condition.tunnel
        return str(tunnel.public if tunnel else condition.plex_tv_proxy or self._network.public_address)

    def look_up(self, name: str) -> tuple[IPv4Address, ...]:
        """Give the addresses that the server's resolver has for a name; none where it does not find it."""
        condition, network = self._scenario.server, self._network
        if condition.dns and condition.filters(name):
            return () if condition.filtered_answer is None else (condition.filtered_answer,)
        if not condition.dns or not network.isp.up:
            return ()
        if name in network.own_names:
            return (network.public_address,)
        return (PLEX_TV_ADDRESS,) if name in network.internet or name == PLEX_TV_NAME else ()

    # --- who reaches what ------------------------------------------------------------------------------

    def inbound(self, public: IPv4Address, port: int, source: IPv4Address) -> Service | Answer:
        """Follow a connection from the Internet to a public address: the home's, or its VPN provider's."""
        condition = self._scenario.server
        tunnel = condition.tunnel
        if tunnel is None or public != tunnel.public:
            return self._network.inbound(public, port, source)
        inner = dict(tunnel.forwards).get(port)
        if inner is None or self.host is None:
            return "dropped"
        if condition.vpn is None:  # the container's own tunnel, which none of the host's rules sees
            return self.plex if inner == PLEX_PORT and self.plex else "refused"
        verdict = self.host.firewall(source, inner)
        return self.host.services.get(inner, "refused") if verdict == "accepted" else verdict

    def from_server(self, host: str, port: int) -> Service | Answer | None:
        """Follow a connection that the server itself makes; None where a name is not found."""
        server, network, condition = self.host, self._network, self._scenario.server
        if server is None or host in ("127.0.0.1", "localhost"):
            return self._local(port, outer=False)
        if host == str(server.address):
            return self._local(port, outer=True)
        if condition.isolated and host == str(CONTAINER_ADDRESS):
            return self.plex if port == PLEX_PORT and self.plex else "refused"
        if not _is_address(host):
            if not self.look_up(host):
                return None
            if condition.dns and condition.filters(host):
                return "refused"
        elif IPv4Address(host) in LAN:
            return "unreachable" if server.address is None else network.from_lan(server.address, host, port)
        if not condition.online or server.address is None:
            return "unreachable"
        if condition.vpn is None or not network.isp.up:
            return network.from_lan(server.address, host, port)
        return self._from_internet(host, port, condition.vpn.public)

    def from_vantage(self, vantage: Vantage) -> Connect:
        """Give where connections lead that a vantage makes."""

        def inside(host: str, port: int) -> Service | Answer | None:
            return self._network.from_lan(PI, host, port)

        def outside(host: str, port: int) -> Service | Answer | None:
            if port in vantage.blocked_ports:
                return "dropped"
            return self._from_internet(host, port, vantage.address)

        return inside if vantage.role == "inside" else outside

    def address_of(self, host: str) -> str:
        """Give where a name leads that is asked for on the Internet; empty for one that leads nowhere."""
        network = self._network
        if ":" in host or _is_address(host):
            return host
        if host in network.own_names:
            return str(network.public_address)
        if host == OWN_NAME:
            return str(PROXY_ADDRESS) if host in network.internet else ""
        return str(PLEX_TV_ADDRESS) if host in (*network.internet, PLEX_TV_NAME) else ""

    def hops(self) -> Sequence[IPv4Address | None]:
        """Give what answers on the server's way to the Internet, up to the far end."""
        vpn, isp = self._scenario.server.vpn, self._network.isp
        if not isp.up:
            return (self._network.lan_address,)
        if vpn is not None:
            return (vpn.gateway, _TUNNEL_BEYOND, None, INTERNET)
        return (self._network.lan_address, *isp.beyond, INTERNET)

    def _from_internet(self, host: str, port: int, source: IPv4Address) -> Service | Answer | None:
        """Follow a connection by somebody whom the Internet sees as `source`."""
        network = self._network
        if ":" in host:
            return "unreachable"  # no vantage has IPv6
        if host in ECHOES:
            return self._echo(host, lambda: source).get(port, "refused")
        if host == PORT_ECHO:
            return self._port_echo(lambda: source).get(port, "refused")
        if host in network.own_names:
            return self.inbound(network.public_address, port, source)
        if not _is_address(host):
            return network.internet.get(host, {}).get(port)
        return self.inbound(IPv4Address(host), port, source)

    def _local(self, port: int, *, outer: bool) -> Service | Answer:
        """Follow a connection within the server; `outer`: to its LAN address, which not everything listens on."""
        if self.host is None:
            return "refused"
        bound = self._scenario.server.bindings(port) if port == PLEX_PORT else (EVERYWHERE,)
        if not bound or (outer and EVERYWHERE not in bound):
            return "refused"
        return self.host.services.get(port, "refused")


def proxy(network: Network, to: IPv4Address, *, elsewhere: bool) -> Callable[[HttpRequest], HttpResponse]:
    """Make the handler of a reverse proxy that passes everything on to Plex's port at `to`.

    It runs on the Pi, or `elsewhere`: then it gets to the Pi by a tunnel that the home's own line carries.
    """

    def handle(request: HttpRequest) -> HttpResponse:
        there = network.isp.up or not elsewhere
        found = network.from_lan(PI, str(to), PLEX_PORT) if there else "unreachable"
        if isinstance(found, Service) and found.http is not None:
            return found.http(request)
        return HttpResponse(502, b"<html><h1>502 Bad Gateway</h1></html>\n", "text/html")

    return handle


def _is_address(text: str) -> bool:
    return all(part.isdigit() for part in text.split("."))
