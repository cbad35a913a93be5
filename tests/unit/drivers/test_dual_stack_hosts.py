"""One reservation that names an address of each family, as OPNsense's dnsmasq has them, is one of the IPv4 address."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from plexops.config.profiles import load_profile
from plexops.drivers.router.rows import entry_of
from plexops.model.resources.dhcp_reservation import Reservation
from plexops.model.snapshot import Kind

#: As `dnsmasq/settings/search_host` of 26.7 answered it.
HOST = {
    "uuid": "4e2ba567-e287-4143-ad83-d13011eb220f", "host": "media", "domain": "", "local": "0",
    "ip": "192.168.1.50,fd00::50", "cnames": "", "client_id": "", "hwaddr": "52:54:00:12:34:56", "lease_time": "",
    "ignore": "0", "set_tag": "", "descr": "", "comments": "", "aliases": "",
}  # fmt: skip


@pytest.mark.parametrize(
    ("said", "right"),
    [
        (HOST["ip"], "192.168.1.50"), ("fd00::50,192.168.1.50", "192.168.1.50"), ("192.168.1.50", "192.168.1.50"),
        ("192.168.1.50,192.168.1.51", None), ("fd00::50", None), ("192.168.1.50,nas", None),
    ],
)  # fmt: skip
def test_a_host_with_an_address_of_each_family(said: str, right: str | None) -> None:
    profile = load_profile("opnsense", Path())
    spec = next(s for s in profile.resources[Kind.DHCP_RESERVATION] if s.backend == "dnsmasq")
    entry = entry_of(spec, HOST | {"ip": said}, 0, "")
    held = entry.values.address if isinstance(entry.values, Reservation) else None
    assert held == (right and IPv4Address(right))
    assert entry.raw["ip"] == said
