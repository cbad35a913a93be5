"""The simulated OPNsense carries packets by itself; what its API tells, walked, leads to the same places."""

from __future__ import annotations

import base64
import json
from ipaddress import IPv4Address
from typing import Any

import pytest

from plexops.lab.base import DeviceLog, ForwardSeed, HttpRequest, Lease, Packet, RouterHooks, Seed
from plexops.lab.clock import ScaledClock
from plexops.lab.routers.opnsense import API_KEY, API_SECRET, OpnSenseRouter
from plexops.model.intervals import Numbers
from plexops.model.packets import Box
from plexops.packets.reach import AnswerKind, Asked, Target, who_reaches
from tests.packets.pf_home import answered

STRANGERS = ("203.0.113.7", "198.51.100.20")


def host(number: int) -> IPv4Address:
    return IPv4Address(f"192.168.1.{number}")


def one(address: IPv4Address) -> Numbers:
    return ((int(address), int(address)),)


FORWARDS = (
    ForwardSeed("NAS", "8443", host(10), "443"),
    ForwardSeed("games", "27000-27050", host(20)),
    ForwardSeed("old camera", "8080", host(30), "80", enabled=False),
    ForwardSeed("udp", "51820", host(10), protocol="udp"),
    ForwardSeed("office", "2222", host(10), "22", source="203.0.113.0/24"),
    ForwardSeed("torrent", "51413-51420", host(12), "6881", protocol="both"),
    ForwardSeed("without a rule", "9000", host(13), passage=False),
    ForwardSeed("plex", "32500", host(50), "32400", ours=True),
    ForwardSeed("late", "8443", host(14)),
)
PORTS = (8443, 27000, 27049, 8080, 51820, 2222, 51413, 51419, 9000, 32500, 32400, 443)


def rows(router: OpnSenseRouter, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = answer(router, path)["rows"]
    return found


def answer(router: OpnSenseRouter, path: str) -> Any:
    key = base64.b64encode(f"{API_KEY}:{API_SECRET}".encode()).decode()
    body = (
        b""
        if "overview" in path or "pf_" in path
        else json.dumps({"current": 1, "rowCount": -1, "show_all": "1"}).encode()
    )
    method = "POST" if body else "GET"
    request = HttpRequest(method, f"/api/{path}", "", {"authorization": f"Basic {key}"}, body)
    return json.loads(router.handle(request).body)


def home() -> tuple[OpnSenseRouter, Box]:
    router = OpnSenseRouter(Seed(forwards=FORWARDS, upnp=False), RouterHooks(DeviceLog(), ScaledClock()))
    router.set_leases((Lease("3c:ec:ef:12:34:56", host(50), "plex"),))
    return router, answered(
        {
            "forwards": rows(router, "firewall/d_nat/search_rule"),
            "filters": rows(router, "firewall/filter/search_rule"),
            "aliases": rows(router, "firewall/alias/search_item"),
            "interfaces": rows(router, "interfaces/overview/interfaces_info"),
            "arp": rows(router, "diagnostics/interface/search_arp"),
            "loaded": answer(router, "diagnostics/firewall/pf_statistics/rules"),
        }
    )


@pytest.mark.parametrize("port", PORTS)
def test_the_walk_and_the_simulated_firewall_agree(port: int) -> None:
    router, box = home()
    wan = Seed().wan_address
    for stranger in map(IPv4Address, STRANGERS):
        carried = router.inbound(Packet(stranger, wan, port))
        asked = Asked(4, one(wan), ((port, port),), one(stranger))
        if isinstance(carried, Packet):
            target = Target.at(one(carried.destination), ((carried.port, carried.port),))
            assert who_reaches([box], asked, target).kind is AnswerKind.EVERYBODY
        else:
            everywhere = Target.at(((0, 2**32 - 1),), ((0, 65535),))
            assert who_reaches([box], asked, everywhere).kind is AnswerKind.NOBODY


def test_what_the_firewall_tells_of_itself() -> None:
    _, box = home()
    assert (box.internet_side, box.gateway_mac is not None) == ("igb1", True)
    assert int(Seed().wan_address) in {a.number for a in box.addresses or ()}
    assert box.outside_model == ()
    assert not any(chain.unread for chain in box.chains.values())
