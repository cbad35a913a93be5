"""Doors that stood open behind a last barrier: no change of a plan takes that barrier away, judged by the home's packets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from plexops.lab.base import ForwardSeed, MappingSeed, PinholeSeed
from plexops.lab.home import HomeOptions, RunningHome
from plexops.lab.network import OUTSIDE_ADDRESS, Service
from plexops.lab.routers import ROUTERS, RouterName
from plexops.lab.scenario import AUTOMATIC, FORWARD, OLD, RESERVATION, RESERVED, Scenario
from plexops.lab.scenarios import SCENARIOS
from plexops.lab.ufw_rule import Rule
from plexops.structs import replace
from tests.faults.engine_bench import Bench, Ended, trust_plex, trust_router
from tests.forking import Forker

#: Outside ports of which each door opens at least one, and one that none does.
KNOCKED = (22, 2200, 32399, 32400, 32401, 32500, 41000, 50123)


def forwarded(external: str, port: str = "32400", protocol: str = "tcp") -> Scenario:
    """A forward that somebody made before."""
    made = ForwardSeed("of old", external, RESERVED, port, protocol)  # type: ignore[arg-type]
    return replace(SCENARIOS["in-order"], earlier=(made,))


def mapped(external: int, *, flushed: bool = False) -> Scenario:
    """A mapping that some program asked for by UPnP, for Plex's port."""
    made = MappingSeed(external, RESERVED, 32400, "tcp", "some program")
    return replace(SCENARIOS["in-order"], upnp="on", mappings=(made,), mappings_flushed=flushed)


DOORS: dict[str, Scenario] = {
    "32400 is forwarded": forwarded("32400"),
    "a range over 32400": forwarded("32390-32410", ""),
    "a DMZ": forwarded("", "", "any"),
    "a UPnP mapping of 32400": mapped(32400),
    "a UPnP mapping of another port": mapped(41000),
    "a UPnP mapping of 32400 that the filter lost and the list did not": mapped(32400, flushed=True),
    "another port is forwarded to Plex": forwarded("41000"),
}


@contextmanager
def home(forking: Forker, directory: Path, router: RouterName, scenario: Scenario) -> Iterator[Bench]:
    """Start a home of which only the state is given."""
    with RunningHome(router, scenario, directory, HomeOptions()) as running:
        made = Bench(running, forking, directory)
        trust_router(made)
        trust_plex(made)
        yield made
    forking.tidy()


def reached(bench: Bench) -> set[int]:
    """Give the outside ports at which a stranger's packets get to something on the Plex host."""
    own = set(map(id, bench.home.host.services.values()))
    network = bench.home.network
    found = {port: network.inbound(network.public_address, port, OUTSIDE_ADDRESS) for port in KNOCKED}
    return {port for port, fate in found.items() if isinstance(fate, Service) and id(fate) in own}


def refused(bench: Bench) -> Ended:
    """Apply, which has to stop before anything is sent, and leave open what was open and nothing more."""
    before, open_before = bench.state(), reached(bench)
    ended = bench("apply", "--yes")
    assert ended.status == 3, ended
    assert bench.writes() == []
    assert bench.state() == before
    assert reached(bench) == open_before
    return ended


@pytest.mark.parametrize("router", ROUTERS)
@pytest.mark.parametrize("door", DOORS)
def test_the_host_firewall_is_not_opened_to(
    forking: Forker, tmp_path: Path, router: RouterName, door: str
) -> None:
    """The server's own firewall is the last barrier, and one rule of ours would take it away."""
    with home(forking, tmp_path, router, replace(DOORS[door], rules=())) as bench:
        assert reached(bench) == set()
        ended = refused(bench)
        assert "would let in what" in " ".join(ended.out.split()), ended


def only(bench: Bench, *tasks: str) -> None:
    """Want nothing but these."""
    known = {
        "reservation": "{name: The host keeps its address, dhcp_reservation: {}}",
        "firewall": '{name: The host lets Plex in, firewall_rule: {port: "{{ plex.port }}"}}',
    }
    lines = "".join(f"    - {known[task]}\n" for task in tasks)
    text = f"- name: A part of it\n  sites: all\n  tasks:\n{lines}"
    (bench.home.playbook_dir / "plex-remote-access.yaml").write_text(text, "utf-8")


#: The host has another address than the one that it shall get, and lets strangers in to Plex and SSH.
ELSEWHERE = replace(
    SCENARIOS["drifted"],
    rules=(Rule("allow", "tcp", "32400", "any", "any"), Rule("allow", "tcp", "22", "any", "any")),
)
INTO: dict[str, Scenario] = {
    **{name: replace(ELSEWHERE, earlier=one.earlier, mappings=one.mappings, upnp=one.upnp,
                     mappings_flushed=one.mappings_flushed) for name, one in DOORS.items()},
    "another service of the host is forwarded": replace(
        ELSEWHERE, earlier=(ForwardSeed("of the last tenant", "2200", RESERVED, "22"),)
    ),
}  # fmt: skip


@pytest.mark.parametrize("router", ROUTERS)
@pytest.mark.parametrize("door", INTO)
@pytest.mark.parametrize("way", ["by a reservation", "by a lease"])
def test_the_host_is_not_brought_to(
    forking: Forker, tmp_path: Path, router: RouterName, door: str, way: str
) -> None:
    """The host's other address is the last barrier; it asks for the new one itself sooner or later, or by our hand."""
    scenario = INTO[door]
    if way == "by a lease":
        scenario = replace(scenario, reservations=(RESERVATION,))
    with home(forking, tmp_path, router, scenario) as bench:
        only(bench, "reservation")
        assert bench.home.host.address == OLD
        assert reached(bench) == set()
        if way == "by a lease" and router == "routeros":
            # Its table of leases holds the reservation, so that the host is looked for where it is not yet.
            assert bench("apply", "--yes").status == 4
            assert (bench.writes(), reached(bench)) == ([], set())
            return
        ended = refused(bench)
        assert f"would bring the Plex host to {RESERVED}" in " ".join(ended.out.split()), ended


@pytest.mark.parametrize("router", ROUTERS)
def test_what_the_playbook_names_is_let_in(forking: Forker, tmp_path: Path, router: RouterName) -> None:
    """The forward is there already, made by hand: it is what the rule and the address are for."""
    with home(forking, tmp_path, router, replace(SCENARIOS["drifted"], forwards=(FORWARD,))) as bench:
        ended = bench("apply", "--yes")
        assert ended.status == 0, ended
        assert reached(bench) == {32500}


@pytest.mark.parametrize("router", ROUTERS)
def test_a_pinhole_over_ipv6_finds_the_rule_of_ipv4_alone(
    forking: Forker, tmp_path: Path, router: RouterName
) -> None:
    scenario = replace(SCENARIOS["in-order"], rules=(), pinholes=(PinholeSeed("for Plex", 32400),))
    with home(forking, tmp_path, router, scenario) as bench:
        six = bench.home.server.files.read("/etc/ufw/user6.rules")
        ended = bench("apply", "--yes")
        assert ended.status == 0, ended
        assert reached(bench) == {32500}
        assert bench.home.server.files.read("/etc/ufw/user6.rules") == six


def test_a_neighbours_door_is_none_of_ours(forking: Forker, tmp_path: Path) -> None:
    """What leads to another host at home stays what it is, and stops nothing."""
    made = ForwardSeed("another server", "32400", IPv4Address("192.168.1.20"), "32400")
    with home(forking, tmp_path, "openwrt", replace(SCENARIOS["drifted"], earlier=(made,))) as bench:
        ended = bench("apply", "--yes")
        assert ended.status == 0, ended
        assert reached(bench) == {32500}


@pytest.mark.parametrize("router", ROUTERS)
def test_one_source_alone_does_not_prove_the_public_address(
    forking: Forker, tmp_path: Path, router: RouterName
) -> None:
    """Plex publishes nothing, and so tells no address; one echo repeats the WAN address."""
    scenario = replace(SCENARIOS["drifted"], plex={**AUTOMATIC, "PublishServerOnPlexOnlineKey": False})
    with home(forking, tmp_path, router, scenario) as bench:
        text = bench.home.inventory.read_text("utf-8")
        text = re.sub(r"echoes: \[.*?\]", "echoes: [http://v4.echo.test/ip]", text)
        bench.home.inventory.write_text(text, "utf-8")
        ended = refused(bench)
        assert "G4" in ended.out
        assert "echo.test alone says" in " ".join(ended.out.split())
