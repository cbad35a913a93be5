"""A real home behind carrier NAT that has IPv6: what packets meet there, and what a diagnosis says of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from .diagnosed import ALLOW, check_again, nft, ufw
from .links import IPV6, SERVER_6
from .owner import plexops
from .realhome import RealHome, real_home, why_not

pytestmark = [
    pytest.mark.namespaces,
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "can run here"),
    pytest.mark.timeout(300),
]
AT = f"[{SERVER_6}]:32400"
HOLE = f'insert rule inet filter forward ip6 daddr {SERVER_6} tcp dport 32400 accept comment "hole"'


@pytest.fixture(scope="module")
def home() -> Iterator[RealHome]:
    settings = {
        "PublishServerOnPlexOnlineKey": True,
        "ManualPortMappingMode": True,
        "ManualPortMappingPort": 32500,
    }
    with real_home("cgnat", lease="reserved") as made:
        for node, text in IPV6.items():
            made.nodes[node].sh(text)
        made.start_plex(settings, listen="::", address6=SERVER_6)
        check_again(made)
        yield made


def arrives(home: RealHome) -> bool:
    """Tell whether a viewer with IPv6 meets this Plex at the address that apps are told."""
    asked = home.exec("outside", ["curl", "-s", "-m", "1", f"http://{AT}/identity"])
    return home.machine_identifier in asked.stdout


def site(home: RealHome) -> dict[str, Any]:
    done = plexops(home, "diagnose", "--format", "json")
    found: dict[str, Any] = json.loads(done.stdout)["sites"][0]
    return found


def ways(found: dict[str, Any]) -> dict[str, str]:
    return {stop["stop"]: stop["state"] for stop in found["ways"] if stop["way"] == "way in over IPv6"}


def test_what_a_viewer_meets_over_ipv6_is_what_a_diagnosis_says(home: RealHome) -> None:
    """First all is shut, then the router is opened by hand, then the server too; in the end plex.tv tells an old address."""
    assert not arrives(home)
    shut = site(home)
    assert (shut["verdict"]["id"], shut["exit_status"]) == ("carrier-nat", 3)
    assert (ways(shut)["ipv6.address"], ways(shut)["ipv6.router"]) == ("passes", "stops")

    nft(home, HOLE)
    assert not arrives(home), "the server's own firewall keeps it shut"
    halfway = site(home)
    assert halfway["verdict"]["id"] == "carrier-nat"
    assert (ways(halfway)["ipv6.router"], ways(halfway)["ipv6.server"]) == ("passes", "stops")

    ufw(home, ALLOW)
    assert arrives(home)
    open_ = site(home)
    assert (open_["verdict"]["id"], open_["exit_status"]) == ("in-order-over-ipv6", 0), open_["verdict"]
    assert set(ways(open_).values()) == {"passes"}
    assert any("carrier NAT" in one["says"] for one in open_["verdict"]["also"])

    home.nodes["outside"].sh("ip -6 route del default")
    untried = site(home)
    assert (untried["verdict"]["id"], untried["exit_status"]) == ("open-over-ipv6", 4), untried["verdict"]
    assert any(f"plexops probe '{AT}'" in step for step in untried["next_steps"])
