"""Another machine's run on the same devices: nothing is sent, and the text says whose it is and what ends it."""

from __future__ import annotations

import io

import pytest

from plexops.lab.home import Role
from plexops.lab.routers import RouterName
from plexops.languages import markers as fences
from plexops.model.exchange import Ask, Command, Marker
from tests.faults.engine_bench import KILLED, Bench, Homes, trust_plex

OTHER = fences.holder_word("01hzzzzzzzzzzzzzzzzzzzzzz2", "nas")
FENCED: tuple[RouterName, ...] = ("openwrt", "linux", "routeros")


def marker(router: RouterName) -> Marker:
    if router == "routeros":
        return fences.routeros(OTHER)
    return fences.posix("/tmp" if router == "openwrt" else "/run", OTHER)


def on(made: Bench, role: Role, ask: Ask | str) -> str:
    """Do something on a device as its owner would."""
    execute = made.home.ssh[role].executor
    assert execute is not None
    text = ask.text if isinstance(ask, Command) else str(ask)
    return execute(text, io.BytesIO(), "root").stdout.decode()


def holders(made: Bench, router: RouterName) -> tuple[tuple[str, str], ...]:
    """Give whom the router names as holders."""
    asked = marker(router).holders.ask
    assert isinstance(asked, Command)
    return fences.holders_in(on(made, "router", asked))


@pytest.mark.parametrize("router", FENCED)
def test_another_machines_run_is_left_alone(homes: Homes, router: RouterName) -> None:
    fence = marker(router)
    with homes(router) as made:
        on(made, "router", fence.take.ask)
        before = made.state()
        ended = made("apply", "--yes", "--format", "json")
        assert ended.status == 7, ended
        problem = ended.document["errors"][-1]
        assert problem["code"] == "PLX-R122"
        assert "01hzzzzzzzzzzzzzzzzzzzzzz2" in problem["reason"]
        assert "on nas, since 2" in problem["reason"]
        assert fence.by_hand in problem["cure"]
        assert made.state() == before
        assert holders(made, router) == ((OTHER[:26], "nas"),), "it is not ours to take away"
        assert made("audit").status == 1, "a look is not kept out"
        on(made, "router", fence.by_hand)
        assert made("apply", "--yes").status == 0
        assert holders(made, router) == ()


def test_a_marker_on_the_server_keeps_all_of_the_run_out(homes: Homes) -> None:
    fence = fences.posix("/run", OTHER)
    with homes("openwrt") as made:
        on(made, "server", fence.take.ask)
        before = made.state()
        assert made("apply", "--yes").status == 7
        assert made.state() == before
        assert holders(made, "openwrt") == (), "what the router had got before is taken away again"


@pytest.mark.parametrize("router", FENCED)
def test_recover_takes_the_marker_of_a_killed_run_away(homes: Homes, router: RouterName) -> None:
    with homes(router) as made:
        before = made.state()
        assert made("apply", "--yes", die_at=3, die_before=True).status == KILLED
        assert len(holders(made, router)) == 1
        assert made("apply", "--yes").status == 7
        assert made("recover").status == 0
        assert holders(made, router) == ()
        assert made.state() == before


@pytest.mark.parametrize("router", FENCED)
def test_two_sites_with_one_router_never_write_at_once(homes: Homes, router: RouterName) -> None:
    """Each has a lock of its own, on the same machine: the router's marker is the one thing that they share."""
    with homes(router) as made:
        text = made.home.inventory.read_text("utf-8")
        head, _, site = text.partition("sites:\n")
        made.home.inventory.write_text(
            f"{head}sites:\n{site}{site.replace('  home:', '  cabin:', 1)}", "utf-8"
        )
        trust_plex(made, "cabin")
        assert made("apply", "--yes", "--limit", "home", die_at=3, die_before=True).status == KILLED
        before = made.state()
        beside = made("apply", "--yes", "--limit", "cabin", "--format", "json")
        assert beside.status == 7, beside
        assert [e["code"] for e in beside.document["errors"]] == ["PLX-R122"]
        assert made.state() == before
        assert made("recover", "--limit", "home").status == 0
        assert made("apply", "--yes", "--limit", "cabin").status == 0
