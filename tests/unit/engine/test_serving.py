"""Who gave the host its address: a reservation on another device keeps nothing."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path
from types import MappingProxyType

import pytest

from plexops.drivers.server.lease import lease_server
from plexops.engine.decide.compare import Comparison, compare
from plexops.lab.routers import ROUTERS, RouterName
from plexops.lab.scenarios import SCENARIOS
from plexops.model.exchange import Reply
from plexops.model.finding import Finding, FindingStatus
from plexops.model.snapshot import Fact, Kind, Role, Snapshot
from plexops.structs import replace
from tests.cli.process import house
from tests.unit.engine.seen_home import Looked, looked_at

IN_ORDER = SCENARIOS["in-order"]
PI = IPv4Address("192.168.1.21")
BY_THE_PI = replace(IN_ORDER, dhcp_server=PI)


def _found(home: Looked, altered: Snapshot | None = None) -> Finding:
    seen = home.seen if altered is None else home.altered(altered)
    given = Comparison(home.home.tasks, seen.view, home.home.drivers, home.home.profile, frozenset())
    return next(f for f in compare(given) if f.kind is Kind.DHCP_RESERVATION)


@pytest.mark.parametrize("router", ROUTERS)
def test_the_router_that_gave_the_address_serves(router: RouterName, tmp_path: Path) -> None:
    with looked_at(router, "in-order", tmp_path) as home:
        assert home.snapshot(Role.SERVER).text("host.dhcp_server") == "192.168.1.1"
        assert _found(home).status is FindingStatus.OK


@pytest.mark.parametrize("router", ROUTERS)
def test_another_dhcp_server_is_named(router: RouterName, tmp_path: Path) -> None:
    with looked_at(router, BY_THE_PI, tmp_path) as home:
        found = _found(home)
        assert found.status is FindingStatus.UNKNOWN
        assert f"{PI} gave the host its address" in found.have
        assert found.why, "and why the router does not"
        assert not found.changes


@pytest.mark.parametrize("router", ROUTERS)
def test_a_second_server_beside_the_router_is_named_as_well(router: RouterName, tmp_path: Path) -> None:
    """Both serve: what counts is whose address the host has."""
    with looked_at(router, "in-order", tmp_path) as home:
        server = home.snapshot(Role.SERVER)
        given = Fact("host.dhcp_server", str(PI), "server.leases")
        found = _found(home, replace(server, facts=MappingProxyType({**server.facts, given.name: given})))
        assert found.status is FindingStatus.UNKNOWN
        assert str(PI) in found.have


@pytest.mark.parametrize("router", ROUTERS)
def test_the_audit_is_incomplete_and_apply_reserves_nothing_there(router: RouterName, tmp_path: Path) -> None:
    unreserved = replace(BY_THE_PI, reservations=())
    with house(tmp_path, unreserved, router) as home:
        before = home.home.export("router")
        assert home("audit").status == 4
        applied = home("apply", "--yes")
        assert str(PI) in applied.said
        assert home.home.export("router") == before


NETWORKD = """/run/systemd/netif/leases/2:SERVER_ADDRESS=192.168.1.1
/run/systemd/netif/leases/3:SERVER_ADDRESS=10.0.0.1
/var/lib/dhcp/dhclient.leases:  interface "eth0";
/var/lib/dhcp/dhclient.leases:  option dhcp-server-identifier 192.168.1.7;
"""
DHCLIENT = """/var/lib/dhcp/dhclient.leases:  interface "eth0";
/var/lib/dhcp/dhclient.leases:  option dhcp-server-identifier 192.168.1.7;
/var/lib/dhcp/dhclient.leases:  interface "wlan0";
/var/lib/dhcp/dhclient.leases:  option dhcp-server-identifier 10.0.0.9;
/var/lib/dhcp/dhclient.leases:  interface "eth0";
/var/lib/dhcp/dhclient.leases:  option dhcp-server-identifier 192.168.1.1;
"""
NMCLI = """GENERAL.DEVICE:wlan0
DHCP4.OPTION[1]:dhcp_server_identifier = 10.0.0.9

GENERAL.DEVICE:eth0
DHCP4.OPTION[1]:dhcp_lease_time = 86400
DHCP4.OPTION[2]:dhcp_server_identifier = 192.168.1.1

GENERAL.DEVICE:lo
"""


@pytest.mark.parametrize(
    ("client", "leases", "nmcli", "server"),
    [
        ("systemd-networkd", NETWORKD, "", "192.168.1.1"),
        ("dhclient", DHCLIENT, "", "192.168.1.1"),
        ("NetworkManager", "", NMCLI, "192.168.1.1"),
        ("dhclient", NETWORKD, "", "192.168.1.7"),
        ("dhcpcd", NETWORKD, NMCLI, None),
        ("systemd-networkd", "", "", None),
        ("systemd-networkd", "/run/systemd/netif/leases/2:SERVER_ADDRESS=n/a\n", "", None),
    ],
)
def test_the_running_clients_own_lease_names_it(
    client: str, leases: str, nmcli: str, server: str | None
) -> None:
    replies = {"leases": Reply("leases", 2, leases), "nmcli": Reply("nmcli", 0, nmcli)}
    assert lease_server(replies, client, "eth0", "2") == server
