"""Stand-ins for services that try ports. The shapes are the services' own: check-host.net/about/api, portchecker.io's API,
echoip's README; the values were put in by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from tests.unit.transport.strangers import Said, page

#: What check-host documents of a place that tries: code, country, town, address, network.
NODES = {
    "de1.node.check-host.net": ["de", "Germany", "Nuremberg", "167.235.135.184", "AS24940"],
    "us1.node.check-host.net": ["us", "USA", "Los Angeles", "5.253.30.82", "AS18978"],
    "pt1.node.check-host.net": ["pt", "Portugal", "Viana", "185.83.213.25", "AS44222"],
}
BEGAN = {
    "ok": 1,
    "request_id": "4f96e3c5kd18",
    "permanent_link": "https://check-host.net/check-report/4f96e3c5kd18",
    "nodes": NODES,
}
TIMED_OUT, REFUSED = [{"error": "Connection timed out"}], [{"error": "Connection refused"}]
Told = object


def connected(address: str) -> Told:
    """What a place tells that got a connection."""
    return [{"time": 0.035, "address": address}]


def polls(*rounds: Sequence[Told]) -> list[dict[str, Told]]:
    """What the three places have told at each time that somebody asks; the last goes on."""
    return [dict(zip(NODES, told, strict=True)) for told in rounds]


def js(document: object) -> bytes:
    """Give an answer of JSON."""
    return page(json.dumps(document).encode(), "200 OK", "Content-Type: application/json")


def check_host(results: Sequence[object], began: object = BEGAN) -> Callable[[bytes], Said]:
    """Answer as check-host.net does."""
    left = list(results)

    def answer(request: bytes) -> Said:
        target = request.split(b" ")[1]
        if target.startswith(b"/check-tcp?"):
            return [js(began)]
        if target != b"/check-result/4f96e3c5kd18":
            return [page(b"<html>404</html>", "404 Not Found")]
        return [js(left.pop(0) if len(left) > 1 else left[0])]

    return answer
