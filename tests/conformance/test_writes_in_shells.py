"""Writes on routers with a shell: nothing of a person's goes along, nothing half is left, and the service runs after."""

from __future__ import annotations

import pytest

from plexops.engine.change.sending import unexpected
from plexops.lab.routers.linux import LinuxRouter
from plexops.lab.routers.openwrt import OpenWrtRouter
from plexops.model.change import Change, is_done
from plexops.model.snapshot import Kind
from plexops.structs import replace
from tests.conformance.conformance_bench import (
    FORWARD,
    MAC,
    NEW,
    RESERVATION,
    SHELLS,
    Bench,
    Family,
    bench,
    task,
)

THINGS = ((Kind.DHCP_RESERVATION, RESERVATION), (Kind.PORT_FORWARD, FORWARD))
EACH = [pytest.param(f, k, w, id=f"{f}-{k}") for f in SHELLS for k, w in THINGS]
#: Where a family keeps what is written.
FOLDERS: dict[Family, tuple[str, ...]] = {
    "openwrt": ("/etc/config",),
    "linux": ("/etc/dnsmasq.d", "/etc/nftables.d"),
}
#: What a person has begun to change and has not committed: with `input` at ACCEPT the router itself would be open.
UNFINISHED = "uci set firewall.@zone[1].input=ACCEPT && uci set dhcp.lan.ignore=1"


def first(at: Bench, kind: Kind, want: object) -> Change:
    return at.finding(task(kind, want)).changes[0]


def files(at: Bench) -> dict[str, bytes]:
    """Give what stands in the folders that are written."""
    router = at.router
    assert isinstance(router, OpenWrtRouter | LinuxRouter)
    return {
        path: router.files.read(path)
        for folder in FOLDERS[at.family]
        for path in (f"{folder}/{name}" for name in router.files.names(folder))
    }


def free(at: Bench, kibibytes: int) -> None:
    """Let so much be free where it is written."""
    router = at.router
    assert isinstance(router, OpenWrtRouter | LinuxRouter)
    router.files.free = dict.fromkeys(FOLDERS[at.family], kibibytes * 1024)


@pytest.mark.parametrize(("kind", "want"), THINGS)
@pytest.mark.parametrize("who", ["plexops", "the window"])
def test_what_a_person_has_staged_stays_theirs(kind: Kind, want: object, who: str) -> None:
    with bench("openwrt") as at:
        change = first(at, kind, want)
        script = at.script(change)
        before = files(at)
        at.run(UNFINISHED)
        theirs = at.run("uci changes")
        assert "input='ACCEPT'" in theirs
        at.send_all(script.window.open)
        at.send_all(script.writes)
        written = files(at)
        assert written != before
        for path, word in (("/etc/config/firewall", b"ACCEPT"), ("/etc/config/dhcp", b"option ignore")):
            assert before[path].count(word) == written[path].count(word)
        assert at.run("uci changes") == theirs
        if who == "plexops":
            at.undo(change)
        else:
            at.clock.scale = 2000.0
            assert script.window.armed is not None
            while not at.ask([script.window.armed])[0].body.startswith("undone"):
                pass
        assert (files(at), at.run("uci changes")) == (before, theirs)


def test_the_way_back_returns_the_very_bytes_and_keeps_what_came_meanwhile() -> None:
    """`uci` drops comments and writes quotes of its own."""
    with bench("openwrt") as at:
        text = at.run("cat /etc/config/firewall").replace("\n\tconfig", "\n# mine\n\tconfig")
        assert isinstance(at.router, OpenWrtRouter)
        at.router.files.install({"/etc/config/firewall": f"# my own notes\n{text}"})
        before = files(at)
        change = first(at, *THINGS[1])
        script = at.script(change)
        at.send_all(script.window.open)
        at.send_all(script.writes)
        assert b"# my own notes" not in files(at)["/etc/config/firewall"]
        at.undo(change)
        assert files(at) == before
        at.send_all(script.writes)
        at.run("uci set firewall.@redirect[0].name=renamed && uci commit firewall")
        at.undo(change)
        assert "renamed" in at.run("uci show firewall")
        assert not is_done(change, at.look())


@pytest.mark.parametrize(("family", "kind", "want"), EACH)
def test_without_room_nothing_is_written(family: Family, kind: Kind, want: object) -> None:
    with bench(family) as at:
        change = first(at, kind, want)
        script = at.script(change)
        before, state = files(at), at.export()
        free(at, 40)
        at.send_all(script.window.open)
        replies = [at.send(write) for write in script.writes]
        reason = unexpected(script.writes[-1].expect, replies[-1])
        assert "40 KiB are free" in reason
        assert "64 are needed: nothing was written" in reason
        assert (files(at), at.export()) == (before, state)


@pytest.mark.parametrize(("family", "kind", "want"), EACH)
def test_the_way_back_does_not_ask_for_room(family: Family, kind: Kind, want: object) -> None:
    with bench(family) as at:
        at.make(first(at, kind, want))
        change = first(at, kind, replace(want, address=NEW))  # type: ignore[type-var]
        before = at.export()
        at.send_all(at.script(change).window.open)
        at.send_all(at.script(change).writes)
        free(at, 20)
        at.undo(change)
        assert at.export() == before


@pytest.mark.parametrize(("kind", "want"), THINGS)
def test_a_configuration_that_came_to_be_empty_is_put_back(kind: Kind, want: object) -> None:
    """So libuci leaves it where another program commits on a full flash."""
    with bench("openwrt") as at:
        script = at.script(first(at, kind, want))
        before = files(at)
        at.send_all(script.window.open)
        at.send_all(script.writes)
        broken = next(path for path in before if files(at)[path] != before[path])
        at.run(f": > {broken}")
        back = at.execute(script.undo[0])
        assert (back[2], files(at)) == (0, before)


@pytest.mark.parametrize("family", SHELLS)
def test_a_dnsmasq_that_dies_of_the_change_is_a_failed_write_and_runs_after_the_way_back(
    family: Family,
) -> None:
    """Its reload ends with success, and the home has neither addresses nor names."""
    taken = {
        "openwrt": "uci add dhcp host && uci set dhcp.@host[-1].mac=02:00:00:00:00:77 "
        f"&& uci set dhcp.@host[-1].ip={RESERVATION.address} && uci commit dhcp",
        "linux": f"echo dhcp-host=02:00:00:00:00:77,{RESERVATION.address} >> /etc/dnsmasq.d/household.conf",
    }
    with bench(family) as at:
        change = first(at, *THINGS[0])
        script = at.script(change)
        at.send_all(script.window.open)
        at.run(taken[family])
        assert any(unexpected(write.expect, at.send(write)) for write in script.writes)
        # While it is down a look says nothing of its entries: this is what the plan showed, and what the window sends.
        at.run(script.undo[0])
        assert not is_done(change, at.look())
        at.run("pidof dnsmasq")
        assert at.router.reservations()["02:00:00:00:00:77"] == RESERVATION.address
        assert MAC not in at.router.reservations()
