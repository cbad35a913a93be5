"""Who else is in a simulated home, and at its ISP: hosts that answer something, and another Plex server."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Literal

from plexops.lab.base import HttpRequest, HttpResponse
from plexops.lab.https import TlsFiles, serve_http
from plexops.lab.network import Host, Network, Service, text_service
from plexops.lab.plex_answers import element, respond
from plexops.lab.scenario import NEIGHBOURS, OWN_NAME, Scenario
from plexops.lab.ways import proxy

OTHER_IDENTIFIER = "0b8d55aa9c3e4f7f8c1e2d3b4a5968778695a4b3"
_BOX_PAGE = "<!DOCTYPE html>\n<html><head><title>FRITZ!Box 7590</title></head><body></body></html>\n"


def settle(scenario: Scenario, network: Network, tls: TlsFiles) -> None:
    """Put everybody else into the home, and what the scenario has at the ISP."""
    for name, (mac, address) in NEIGHBOURS.items():
        network.add(Host(name, mac, address))
    rival = scenario.rival
    if rival is not None:
        network.add(Host(rival.name, rival.mac, scenario.address, by_hand=rival.by_hand))
    network.hosts["nas"].services[443] = text_service(lambda: "<h1>NAS</h1>\n", "text/html", tls)
    if scenario.proxy_to is not None:
        _settle_proxy(scenario, scenario.proxy_to, network, tls)
    for port in scenario.intercepted:
        network.intercepted[port] = _other_plex()
    if scenario.isp in ("double_nat", "passed_on"):
        page = text_service(lambda: _BOX_PAGE, "text/html; charset=utf-8")
        network.internet[str(network.isp.gateway)] = {80: page}


def _settle_proxy(scenario: Scenario, to: IPv4Address, network: Network, tls: TlsFiles) -> None:
    """Put the proxy where it stands, and its name where everybody looks it up."""
    elsewhere = scenario.proxy == "elsewhere"
    handler = proxy(network, to, elsewhere=elsewhere)
    kind: Literal["tls", "known"] = "known" if scenario.proxy_trusted else "tls"
    served = {443: Service(lambda stream: serve_http(stream, handler, tls), handler, kind)}
    if elsewhere:
        network.internet[OWN_NAME] = served
        return
    network.hosts["pi"].services |= served
    if scenario.proxy == "at home":
        network.own_names.add(OWN_NAME)


def _other_plex() -> Service:
    """Give a Plex server that is not ours: it answers who it is, and nothing else without a token."""
    attributes: Mapping[str, bool | int | str] = {
        "size": 0, "apiVersion": "1.1.1", "claimed": True, "machineIdentifier": OTHER_IDENTIFIER,
        "version": "1.41.2.9200-c6bbc1b53",
    }  # fmt: skip
    identity = element("MediaContainer", dict(attributes))

    def handle(request: HttpRequest) -> HttpResponse:
        if request.path == "/identity":
            return respond(request, identity)
        return HttpResponse(401, b"<html><h1>401 Unauthorized</h1></html>\n", "text/html")

    tls: Literal["plain"] = "plain"
    return Service(lambda stream: serve_http(stream, handle, None), handle, tls)
