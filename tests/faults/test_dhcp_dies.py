"""A DHCP server that dies of what was written: the home gets no addresses, so the write is taken back at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from plexops.lab.routers import RouterName
from plexops.lab.routers.linux import LinuxRouter
from plexops.lab.routers.openwrt_dnsmasq import OWN_DNSMASQ
from tests.cli.process import House, house


def _breaks(home: House) -> None:
    """OpenWrt: a file of the owner's gives the address to a printer, and dnsmasq takes no address twice."""
    router = home.home.router
    if isinstance(router, LinuxRouter):
        router.dnsmasq_dies = True
    else:
        router.files.install({OWN_DNSMASQ: "dhcp-host=3c:2a:f4:0d:0e:0f,192.168.1.50\n"})  # type: ignore[attr-defined]


@pytest.mark.parametrize("router", ["openwrt", "linux"])
def test_apply_takes_back_the_reservation_that_the_dhcp_server_died_of(
    router: RouterName, tmp_path: Path
) -> None:
    with house(tmp_path, "drifted", router) as home:
        before = home.home.export("router")
        _breaks(home)
        applied = home("apply", "--yes")
        assert home.home.export("router") == before
        assert applied.status == 5, applied.said
        assert home.home.router.reservations(), "dnsmasq runs again"
