"""The port that is opened is where this very Plex answered in this run, whatever the inventory claims."""

from __future__ import annotations

import re

import pytest

from plexops.lab.https import serve_http
from plexops.lab.network import OUTSIDE_ADDRESS, Service, text_service
from plexops.lab.plex import PlexSeed, PlexServer
from plexops.lab.routers import ROUTERS, RouterName
from tests.faults.engine_bench import Bench, Ended, Homes

SAMBA = 445
PROXY = 8080


def plex_line(bench: Bench, url_port: int, port: int) -> None:
    """Write another URL and port into Plex's line of the inventory."""
    text = bench.home.inventory.read_text("utf-8")
    text, count = re.subn(
        r'(plex: \{url: "?http://[^:]+:)[0-9]+("?)', rf"\g<1>{url_port}\2, port: {port}", text
    )
    assert count == 1, text
    bench.home.inventory.write_text(text, "utf-8")


def apply(bench: Bench) -> Ended:
    return bench("apply", "--yes", "--format", "json")


def lets_in(bench: Bench, port: int) -> bool:
    """Tell whether the host's own firewall lets a stranger in."""
    return bench.home.server.admits(OUTSIDE_ADDRESS, port) == "accepted"


@pytest.mark.parametrize("router", ROUTERS)
@pytest.mark.parametrize("talks", ["as a web page", "as another Plex", "not at all"])
def test_a_claimed_port_at_which_plex_is_not_is_not_opened(
    homes: Homes, router: RouterName, talks: str
) -> None:
    with homes(router) as bench:
        if talks == "as a web page":
            bench.home.host.services[SAMBA] = text_service(lambda: "hello", "text/html")
        elif talks == "as another Plex":
            bench.home.host.services[SAMBA] = another_plex(bench)
        plex_line(bench, 32400, SAMBA)
        before = bench.state()
        ended = apply(bench)
        assert ended.status == 3, ended
        assert "port 445" in ended.out
        assert ":32400" in ended.out
        assert bench.state() == before
        assert not lets_in(bench, SAMBA)
        assert bench.writes() == []


def another_plex(bench: Bench) -> Service:
    """Another household's server: a Plex, and not this one."""
    other = PlexServer(bench.home.ways, bench.home._logs["plex"], PlexSeed(machine_identifier="f" * 40))
    other.stop()
    return Service(lambda stream: serve_http(stream, other.handle, None), other.handle)


@pytest.mark.parametrize("router", ROUTERS)
def test_a_url_that_leads_to_a_proxy_does_not_decide_the_port(homes: Homes, router: RouterName) -> None:
    """The host's firewall shuts Plex's own port: it is met there from inside the server."""
    with homes(router) as bench:
        services = bench.home.host.services
        services[PROXY] = services[32400]
        bench.home.server.shell.run(f"ufw allow {PROXY}/tcp", b"", "root")
        plex_line(bench, PROXY, 32400)
        ended = apply(bench)
        assert ended.status == 0, ended
        assert bench.is_open(32500)
        assert lets_in(bench, 32400)


def test_a_proxy_url_with_no_port_of_its_own_is_plex_port(homes: Homes) -> None:
    """Where `port:` is left out it is the URL's, and this Plex answers there too: that port is what is opened."""
    with homes() as bench:
        services = bench.home.host.services
        services[PROXY] = services[32400]
        plex_line(bench, PROXY, PROXY)
        ended = apply(bench)
        assert ended.status == 0, ended
        assert not lets_in(bench, 32400)
