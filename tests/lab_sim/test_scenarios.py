"""Each scenario is what its name says: seen from outside, by the devices' own words, and in Plex's log."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from plexops.lab.base import HttpRequest
from plexops.lab.home import RunningHome, start_home
from plexops.lab.network import PLEX_TV_ADDRESS
from plexops.lab.routers import RouterName
from plexops.lab.routers.opnsense import API_KEY, API_SECRET
from plexops.lab.scenarios import RESERVED, SCENARIOS
from tests.lab_sim.looking import LOG, agrees, echo, hop, log, router, server, tried, verdict
from tests.lab_sim.scenario_checks import CHECKS, INSPECT, LISTED

PUBLIC = "62.155.240.55"
SHARED = "62.155.33.77"


@dataclass(frozen=True)
class World:
    """What is to be seen: the port from outside, Plex's verdict, what the two echoes tell, hops 2 and 3."""

    #: `open`, `closed` (dropped, or refused by a router that rejects), `dropped`, `refused`, or `other` (not our Plex).
    outside: str
    plex: str
    echoes: tuple[str, str] = (PUBLIC, PUBLIC)
    hops: tuple[str, str] = ("62.155.240.1", "62.154.6.94")


FINE = World("open", f"mapped {PUBLIC}:32500")
UNREACHABLE = World("closed", "mapped unreachable")
DROPPED = World("dropped", "mapped unreachable")
REFUSED = World("refused", "mapped unreachable")
FAILED = World("closed", "failed")
OFF = World("closed", "unknown")


def shared(hop: str, beyond: str = "62.154.6.94", plex: str = "mapped unreachable") -> World:
    return World("dropped", plex, (SHARED, SHARED), (hop, beyond))


TUNNEL = ("185.65.134.70", "185.65.134.70")
WORLDS: Mapping[str, World] = {
    "drifted": FAILED,
    "in-order": FINE,
    "outside-cut": FAILED,
    "wan-down": World("dropped", "mapped myplexgone", ("6", "6"), ("net!", "net!")),
    "cgnat": shared("100.72.0.1"),
    "cgnat-over-ipv6": shared("100.72.0.1"),
    "ds-lite": shared("192.0.0.1"),
    "wan-differs": shared("25.30.40.1", "-"),
    "isp-blocks": World("dropped", "mapped unreachable", hops=("62.155.240.1", "-")),
    "double-nat": shared("192.168.178.1"),
    "passed-on": World("open", f"mapped {SHARED}:32500", (SHARED, SHARED), ("192.168.178.1", "62.154.6.94")),
    "passed-on-no-forward": World(
        "closed", "mapped unreachable", (SHARED, SHARED), ("192.168.178.1", "62.154.6.94")
    ),
    "port-outside-share": DROPPED,
    "server-by-vpn": World(
        "dropped", "mapped unreachable", ("185.65.134.80", "185.65.134.80"), ("10.9.0.1", "-")
    ),
    "documentation-address": World(
        "open", "mapped 203.0.113.20:32500", ("203.0.113.20", "203.0.113.20"), ("203.0.113.1", "62.154.6.94")
    ),
    "echoes-disagree": World("open", f"mapped {PUBLIC}:32500", (PUBLIC, "62.155.240.99")),
    "second-nat-by-log": shared("192.168.178.1"),
    "two-ways-out": World(
        "dropped", "mapped unreachable", ("84.133.10.9", "84.133.10.9"), ("84.133.10.1", "62.154.6.94")
    ),
    "no-forward": UNREACHABLE,
    "forward-disabled": UNREACHABLE,
    "forward-udp-only": UNREACHABLE,
    "forward-not-met": UNREACHABLE,
    "stale-forward": DROPPED,
    "foreign-rule": World("other", "mapped unreachable"),
    "forward-wrong-port": DROPPED,
    "forward-shadowed": REFUSED,
    "forward-behind-dmz": REFUSED,
    "router-filter": DROPPED,
    "router-other-filter": DROPPED,
    "router-other-filter-unclear": DROPPED,
    "four-addresses": DROPPED,
    "address-conflict": REFUSED,
    "address-conflict-by-hand": REFUSED,
    "two-reservations": FINE,
    "no-reservation": FINE,
    "not-persistent": FINE,
    "exposed-32400": FINE,
    "plex-dmz": FINE,
    "ipv6-pinhole": FINE,
    "upnp-off": FAILED,
    "automatic-unmapped": World("open", "failed"),
    "no-igd": FAILED,
    "upnp-stale": UNREACHABLE,
    "upnp-flushed": UNREACHABLE,
    "upnp-old-address": UNREACHABLE,
    "upnp-conflict": FAILED,
    "log-over-http": FAILED,
    "log-in-container": FAILED,
    "nothing-listens": World("refused", "unknown"),
    "loopback-only": REFUSED,
    "host-firewall": DROPPED,
    "host-firewall-order": DROPPED,
    "host-other-filter": DROPPED,
    "host-other-filter-unclear": DROPPED,
    "host-filter-of-others": FINE,
    "host-firewall-not-as-said": FINE,
    "host-firewall-v6": FINE,
    "host-firewall-off": FINE,
    "docker-unpublished": REFUSED,
    "docker-loopback": REFUSED,
    "server-offline": World("dropped", "mapped myplexgone", ("7", "7"), ("host!", "host!")),
    "server-dns": World("open", "mapped myplexgone", ("6", "6")),
    "port-taken": World("other", "unknown"),
    "container-in-vpn": DROPPED,
    "announces-other-way": World("open", "mapped unreachable"),
    "plex-tv-blocked": World("open", "mapped myplexgone"),
    "plex-tv-not-found": World("open", "mapped myplexgone"),
    "vpn-egress": World("dropped", "mapped unreachable", TUNNEL, ("185.65.134.1", "-")),
    "vpn-provider": World("closed", "mapped 185.65.134.70:32500", TUNNEL, ("185.65.134.1", "-")),
    "not-claimed": World("open", "unknown"),
    "sign-in-broken": World("open", "mapped badauth"),
    "publishing-off": World("open", "unknown"),
    "no-verdict-yet": World("open", "waiting"),
    "manual-off": World("open", "failed"),
    "port-mismatch": UNREACHABLE,
    "refused": REFUSED,
    "unreachable": REFUSED,
    "wrong-server": World("other", "mapped unreachable"),
    "entitlement": FINE,
    "not-online": FINE,
    "not-listed": FINE,
    "stale-announcement": FINE,
    "dns-rebinding": FINE,
    "stale-log": FINE,
    "plex-interface": FINE,
    "announces-other-address": FINE,
    "no-login-needed": FINE,
    "upnp-established-lie": FINE,
    "client-network": FINE,
    "hairpin-only": UNREACHABLE,
    "no-direct-way": World("dropped", "mapped unreachable", hops=("62.155.240.1", "-")),
    "relay-only": World("dropped", "mapped unreachable", hops=("62.155.240.1", "-")),
    "relay-in-order": shared("100.72.0.1", plex="failed"),
    "relay-off": shared("100.72.0.1", plex="failed"),
    "vpn-in-order": OFF,
    "proxy-in-order": OFF,
    "proxy-broken": OFF,
    "proxy-elsewhere": shared("100.72.0.1", plex="unknown"),
    "proxy-elsewhere-broken": shared("100.72.0.1", plex="unknown"),
    "proxy-no-name": OFF,
    "proxy-certificate": OFF,
    "proxy-not-forwarded": OFF,
}


@contextmanager
def started(router: RouterName, scenario: str, directory: Path) -> Iterator[RunningHome]:
    with start_home(router, scenario, directory=directory) as home:
        home.plex.settle()
        yield home


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_is_what_it_says(tmp_path: Path, name: str) -> None:
    wanted = WORLDS[name]
    with started(SCENARIOS[name].routers[0], name, tmp_path) as home:
        assert agrees(tried(home), wanted.outside)
        assert verdict(home) == wanted.plex
        assert (echo(home, "v4.echo.test"), echo(home, "echo2.test")) == wanted.echoes
        assert (hop(home, 2), hop(home, 3)) == wanted.hops
        # What the vantage sees and what Plex says follow from one and the same way of a packet.
        reached = home.network.inbound(home.network.public_address, 32500, PLEX_TV_ADDRESS)
        assert (reached is home.ways.plex) == (wanted.outside == "open")
        if name in CHECKS:
            CHECKS[name](home)


@pytest.mark.parametrize(
    ("router", "name"),
    [(router, name) for name, scenario in SCENARIOS.items() for router in scenario.routers[1:]],
)
def test_the_other_routers_show_the_same(tmp_path: Path, router: RouterName, name: str) -> None:
    wanted = WORLDS[name]
    with started(router, name, tmp_path) as home:
        assert agrees(tried(home), wanted.outside)
        assert verdict(home) == wanted.plex


def test_every_scenario_has_its_world_and_nothing_else_has() -> None:
    assert set(WORLDS) == set(SCENARIOS)
    assert set(CHECKS) <= set(SCENARIOS)


def test_routers_without_an_address_say_so_in_their_own_words(tmp_path: Path) -> None:
    with started("linux", "wan-down", tmp_path / "a") as home:
        # A link without an address of the family that was asked for is left out.
        assert "wan0" not in [link["ifname"] for link in json.loads(router(home, "ip -j -4 addr show")[0])]
        links = json.loads(router(home, "ip -j addr show")[0])
        (wan,) = [link for link in links if link["ifname"] == "wan0"]
        assert [info["family"] for info in wan["addr_info"]] == ["inet6"]
        assert "default" not in router(home, "ip route show")[0]
    with started("routeros", "wan-down", tmp_path / "b") as home:
        assert PUBLIC not in router(home, "/ip address print terse without-paging")[0]
        assert "searching..." in router(home, "/ip dhcp-client print terse without-paging")[0]
    with started("opnsense", "wan-down", tmp_path / "c") as home:
        key = base64.b64encode(f"{API_KEY}:{API_SECRET}".encode()).decode()
        headers = {"authorization": f"Basic {key}"}
        asked = HttpRequest("GET", "/api/interfaces/overview/interfaces_info", "", headers, b"")
        rows = json.loads(home.router.handle(asked).body)["rows"]
        assert [row["addr4"] for row in rows] == ["192.168.1.1/24", ""]


def test_a_pinhole_of_a_linux_router(tmp_path: Path) -> None:
    with started("linux", "ipv6-pinhole", tmp_path) as home:
        rule = 'meta nfproto ipv6 tcp dport 32400 accept comment "Plex over IPv6"'
        assert rule in router(home, "nft list ruleset")[0]


def test_a_host_without_docker_has_no_such_command(tmp_path: Path) -> None:
    with started("openwrt", "in-order", tmp_path) as home:
        assert server(home, LISTED) == ("", 127)
        assert server(home, INSPECT)[1] == 127
        info = json.loads(server(home, "ip -j -4 addr show")[0])[1]["addr_info"][0]
        assert info["dynamic"] is True
        route = json.loads(server(home, "ip -j -4 route get 1.1.1.1")[0])[0]
        assert (route["dev"], route["prefsrc"], route["dst"]) == ("eth0", str(RESERVED), "1.1.1.1")
        out, status = server(home, "ping -n -c 1 -W 1 -t 9 1.1.1.1")
        assert (status, "64 bytes from 1.1.1.1: icmp_seq=1" in out) == (0, True)


def test_docker_lists_what_is_not_there_as_docker_does(tmp_path: Path) -> None:
    with started("openwrt", "docker-loopback", tmp_path) as home:
        done = home.server.shell.run("docker inspect --format '{{.Name}}' nobody", b"", "media")
        assert (done.stdout, done.stderr, done.status) == (b"", b"Error: No such object: nobody\n", 1)
        assert server(home, "docker ps --frobnicate")[1] == 125
        assert server(home, "docker ps -q")[0] == "4f1d2c9a7be0\n"
        row = json.loads(server(home, "docker ps --format '{{json .}}'")[0])
        assert (row["Names"], row["Networks"]) == ("plex", "bridge")


def test_the_log_is_live(tmp_path: Path) -> None:
    with started("openwrt", "in-order", tmp_path) as home:
        before = log(home, "Toggling")
        home.plex.log.note("Toggling server publish state.")
        assert (before, log(home, "Toggling").count("Toggling")) == ("", 1)
        assert server(home, f"grep -aE Toggling {LOG} /config/none")[1] == 2
