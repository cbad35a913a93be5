"""Who answered the router at which address, as each family tells it; and the MAC addresses that are the server's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plexops.config.profiles import load_profile
from plexops.drivers.router.compile import compile_profile
from plexops.drivers.router.profiled import ProfiledDriver
from plexops.drivers.server.driver import ServerDriver
from plexops.model.entries import Neighbour
from plexops.model.exchange import Reply
from plexops.model.snapshot import Kind, KindState
from tests.unit.drivers.driver_bench import observe

_LINUX = (
    "192.168.1.50 dev lan0 lladdr 3c:2a:f4:0d:0e:0f REACHABLE \n"
    "192.168.1.51 dev lan0 lladdr 52:54:00:12:34:56 STALE \n192.168.1.52 dev lan0  FAILED \n"
)
_ROUTEROS = (
    " 0 DC address=192.168.1.50 mac-address=3C:2A:F4:0D:0E:0F interface=bridge published=no status=reachable \n"
    " 1 DC address=192.168.1.51 mac-address=52:54:00:12:34:56 interface=bridge published=no status=stale \n"
    " 2 D  address=192.168.1.52 interface=bridge published=no status=failed \n"
)
_ROUTEROS_6 = (
    " 0 DC address=192.168.1.50 mac-address=3C:2A:F4:0D:0E:0F interface=bridge published=no \n"
    " 1 DC address=192.168.1.51 mac-address=52:54:00:12:34:56 interface=bridge published=no \n"
)
_SEEN = {"intf": "igc1", "type": "ethernet", "manufacturer": "", "hostname": "", "permanent": False}
_OPNSENSE = json.dumps(
    {
        "total": 4,
        "rows": [
            {"mac": "3c:2a:f4:0d:0e:0f", "ip": "192.168.1.50", "expired": False, "expires": 1187, **_SEEN},
            {"mac": "52:54:00:12:34:56", "ip": "192.168.1.51", "expired": False, "expires": 402, **_SEEN},
            {"mac": "52:54:00:99:99:99", "ip": "192.168.1.53", "expired": True, "expires": -3, **_SEEN},
            {**_SEEN, "mac": "00:0d:b9:00:00:01", "ip": "192.168.1.1", "expired": False, "expires": -1, "permanent": True},
        ]
    }
)  # fmt: skip


@pytest.mark.parametrize(
    ("family", "read", "text", "current"),
    [
        ("linux", "neighbours", _LINUX, [True, False]),
        ("openwrt", "neighbours", _LINUX, [True, False]),
        ("routeros", "arp", _ROUTEROS, [True, False]),
        # It does not tell when.
        ("routeros", "arp", _ROUTEROS_6, [False, False]),
        ("opnsense", "arp", _OPNSENSE, [True, False]),
    ],
)
def test_each_family_tells_its_neighbours(family: str, read: str, text: str, current: list[bool]) -> None:
    driver = ProfiledDriver(compile_profile(load_profile(family, Path())))
    seen = observe(driver.observe(), {read: text}, missing=404 if family == "opnsense" else 1)
    found = [entry.values for entry in seen.held(Neighbour)]
    assert [(one.mac, str(one.address)) for one in found] == [
        ("3c:2a:f4:0d:0e:0f", "192.168.1.50"),
        ("52:54:00:12:34:56", "192.168.1.51"),
    ]
    assert [one.current for one in found] == current
    cut = Reply(read, None, "", "", whole=False)
    lost = observe(driver.observe(), {read: cut}, missing=404 if family == "opnsense" else 1)
    assert lost.state(Kind.NEIGHBOUR) is KindState.UNKNOWN
    assert lost.reasons[Kind.NEIGHBOUR]


def test_a_server_has_the_mac_addresses_of_all_its_interfaces() -> None:
    def link(name: str, mac: str, *addresses: str, **more: str) -> dict[str, object]:
        held = [{"family": "inet", "local": address, "scope": "global"} for address in addresses]
        return {"ifname": name, "address": mac, "addr_info": held, **more}

    links = [
        {"ifname": "lo", "address": "00:00:00:00:00:00", "addr_info": [{"family": "inet", "local": "127.0.0.1"}]},
        # bonding gives all slaves the first one's MAC address, and keeps each one's own beside it
        link("eth0", "52:54:00:12:34:56"),
        link("eth1", "52:54:00:12:34:56", permaddr="52:54:00:12:34:57"),
        link("bond0", "52:54:00:12:34:56", "192.168.1.50"),
        link("docker0", "02:42:8b:1f:2e:01", "172.17.0.1"),
    ]  # fmt: skip
    seen = observe(ServerDriver().observe(), {"addresses": json.dumps(links)})
    assert seen.facts["host.macs"].value == (
        "52:54:00:12:34:56",
        "52:54:00:12:34:57",
        "52:54:00:12:34:56 192.168.1.50",
        "02:42:8b:1f:2e:01 172.17.0.1",
    )
