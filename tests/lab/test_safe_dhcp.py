"""In a real home: a reservation is no reservation where the router's DHCP server does not serve the LAN."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from .owner import plexops, without_vantage
from .realhome import RealHome, real_home, why_not

pytestmark = [
    pytest.mark.namespaces,
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "can run here"),
    pytest.mark.timeout(300),
]
OFF = "/etc/dnsmasq.d/off.conf"
#: A second DHCP server, on the Plex host itself, which is a machine of the LAN as good as any.
ANOTHER = "dnsmasq -C /dev/null -p 0 -x /run/another.pid -l /run/another.leases"
SECOND = f"{ANOTHER} -i eth0 --bind-interfaces -F 192.168.1.60,192.168.1.70"
VIRTUAL = f"{ANOTHER} -i virbr0 --bind-dynamic -F 10.7.0.2,10.7.0.9"


@pytest.fixture(scope="module")
def home() -> Iterator[RealHome]:
    """A home whose household reserved the host's address by hand."""
    with real_home(lease="reserved") as running:
        yield without_vantage(running)


def _reservation(home: RealHome) -> tuple[int, Any]:
    ended = plexops(home, "audit --format json")
    rows = json.loads(ended.stdout)["sites"][0]["findings"]
    return ended.returncode, next(row for row in rows if row["kind"] == "dhcp_reservation")


def _router(home: RealHome, script: str) -> None:
    home.nodes["router"].sh(script)


def test_the_running_server_serves(home: RealHome) -> None:
    assert _reservation(home)[1]["status"] == "ok"


def test_a_server_that_ended_serves_nothing(home: RealHome) -> None:
    """A dnsmasq for another purpose runs on, as a virtual machine's network has one."""
    _router(home, "service dnsmasq stop; ip link add virbr0 type bridge; ip link set virbr0 up")
    _router(home, f"ip addr add 10.7.0.1/24 dev virbr0; {VIRTUAL}")
    status, found = _reservation(home)
    _router(home, "kill $(cat /run/another.pid); ip link del virbr0; service dnsmasq start")
    assert (status, found["status"]) == (4, "unknown"), found
    assert "neither dnsmasq, dhcpd nor Kea answers DHCP" in found["have"]


def test_switched_off_in_the_lan_while_another_one_serves(home: RealHome) -> None:
    home.nodes["router"].write({OFF: "no-dhcp-interface=br-lan\n"})
    _router(home, "service dnsmasq restart")
    home.nodes["server"].sh(SECOND)
    files = home.dnsmasq_files()
    status, found = _reservation(home)
    applied = plexops(home, "apply --yes")
    home.nodes["server"].sh("kill $(cat /run/another.pid)")
    assert (status, found["status"]) == (4, "unknown"), found
    assert "br-lan" in found["have"]
    assert home.dnsmasq_files() == files, applied.stdout
    _router(home, f"rm {OFF}; service dnsmasq restart")
    assert _reservation(home)[1]["status"] == "ok"
