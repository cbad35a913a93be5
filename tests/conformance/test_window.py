"""The device's own undo: it stands until confirmed, and when nobody confirms it undoes our change and only that."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from msgspec import Struct

from plexops.lab.routers.linux import LinuxRouter
from plexops.lab.routers.openwrt import OpenWrtRouter
from plexops.lab.shell import Shell
from plexops.model.change import Change, is_done
from plexops.model.exchange import Script, WindowKind
from plexops.model.resources.upnp import Upnp
from plexops.model.site import ResolvedTask, State
from plexops.model.snapshot import Kind
from plexops.structs import replace
from tests.conformance.conformance_bench import (
    FORWARD,
    HOUSEHOLD,
    NEW,
    RESERVATION,
    SHELLS,
    Bench,
    Family,
    bench,
    task,
)
from tests.conformance.test_adoption import STALE_HOME
from tests.conformance.test_resources import carry_out

#: Simulated seconds in a real one, once a test waits for the end of a window. Until then time runs as it does.
FAST = 2000.0
WINDOWED: tuple[Family, ...] = ("openwrt", "linux", "routeros")
KINDS: dict[Family, WindowKind] = {
    "openwrt": WindowKind.TIMER,
    "linux": WindowKind.TIMER,
    "routeros": WindowKind.SCHEDULER,
}
#: What somebody else does on the device while our window stands.
FOREIGN = {
    "openwrt": "uci set firewall.@redirect[0].enabled=1 && uci set dhcp.@host[0].ip=192.168.1.12 && uci commit",
    "linux": "nft add rule inet filter forward tcp dport 8 accept comment '\"later\"' "
    "&& printf 'dhcp-host=02:00:00:00:00:09,192.168.1.99\\n' >> /etc/dnsmasq.d/household.conf",
    "routeros": "/ip firewall nat set [find where comment=Minecraft] disabled=yes; "
    "/ip dhcp-server lease set [find where comment=tv] address=192.168.1.41",
}


class Way(Struct, frozen=True):
    """A change to arm: the task that leads to the state before it, and the one that asks for it."""

    name: str
    first: ResolvedTask | None
    then: ResolvedTask
    #: Which of the finding's changes; the passage comes second.
    index: int = 0
    adopting: bool = False


def _ways(kind: Kind, want: Any, other: Any) -> tuple[Way, ...]:
    present = task(kind, want)
    return (
        Way(f"create {kind}", None, present),
        Way(f"update {kind}", present, task(kind, other)),
        Way(f"delete {kind}", present, task(kind, want, state=State.ABSENT)),
    )


MOVED = replace(FORWARD, address=NEW)
WAYS = (
    *_ways(Kind.DHCP_RESERVATION, RESERVATION, replace(RESERVATION, address=NEW)),
    *_ways(Kind.PORT_FORWARD, FORWARD, MOVED),
)
PASSAGES = (
    Way("create passage", None, task(Kind.PORT_FORWARD, FORWARD), index=1),
    Way("update passage", task(Kind.PORT_FORWARD, FORWARD), task(Kind.PORT_FORWARD, MOVED), index=1),
    Way(
        "delete passage",
        task(Kind.PORT_FORWARD, FORWARD),
        task(Kind.PORT_FORWARD, FORWARD, state=State.ABSENT),
        index=1,
    ),
)
ADOPTIONS = (
    Way("adopt forward", None, task(Kind.PORT_FORWARD, FORWARD, adopt=True), adopting=True),
    Way("adopt reservation", None, task(Kind.DHCP_RESERVATION, RESERVATION, adopt=True), adopting=True),
)
SWITCH = Way("switch UPnP off", None, task(Kind.UPNP, Upnp(enabled=False)))
BY_FAMILY: dict[Family, tuple[Way, ...]] = {
    "openwrt": (*WAYS, *ADOPTIONS, SWITCH),
    "linux": (*WAYS, *PASSAGES),
    "routeros": (*WAYS, *PASSAGES, *ADOPTIONS, SWITCH),
}
CASES = [pytest.param(f, way, id=f"{f}-{way.name}") for f, ways in BY_FAMILY.items() for way in ways]


@contextmanager
def ready(family: Family, way: Way) -> Iterator[tuple[Bench, Change]]:
    """Bring a device to the state before a change, and give the change."""
    with bench(family, STALE_HOME if way.adopting else HOUSEHOLD) as at:
        if way.first is not None:
            carry_out(at, at.finding(way.first))
        changes = at.finding(way.then).changes
        for earlier in changes[: way.index]:
            at.make(earlier)
        yield at, changes[way.index]


def shell(at: Bench) -> Shell:
    """Give the shell of a simulated router."""
    assert isinstance(at.router, OpenWrtRouter | LinuxRouter)
    return at.router.shell


def mark(at: Bench, change: Change) -> str:
    """Give where the mark of a change's timer is."""
    return f"{'/tmp' if at.family == 'openwrt' else '/run'}/plexops_{change.kind}_{change.key}/armed"


def stands(at: Bench, script: Script) -> bool:
    """Ask the device whether the window still stands."""
    assert script.window.armed is not None
    reply = at.ask([script.window.armed])[0]
    return reply.whole and reply.status in (None, 0) and bool(reply.body.strip())


def word(at: Bench, script: Script) -> str:
    """Give what a shell says of its timer."""
    assert script.window.armed is not None
    return at.ask([script.window.armed])[0].body.strip()


def until(condition: Callable[[], bool]) -> bool:
    """Wait for a condition, at most a real minute."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


@pytest.mark.parametrize("family", SHELLS)
def test_a_shell_without_setsid_has_a_window_all_the_same(family: Family) -> None:
    """OpenWrt 21.02 to 23.05: there a window was armed that could not fire, and counted as standing."""
    with ready(family, WAYS[3]) as (at, change):
        shell(at).lacking = frozenset({"setsid", "start-stop-daemon", "nohup", "at", "timeout"})
        before = at.export()
        script = at.script(change)
        at.send_all(script.window.open)
        at.send_all(script.writes)
        assert stands(at, script)
        at.clock.scale = FAST
        assert until(lambda: word(at, script).startswith("undone"))
        assert at.export() == before


@pytest.mark.parametrize("family", SHELLS)
def test_a_timer_that_died_does_not_stand_though_its_mark_does(family: Family) -> None:
    with ready(family, WAYS[3]) as (at, change):
        script = at.script(change)
        at.send_all(script.window.open)
        number = at.run(f"cat {mark(at, change)}").split()[0]
        assert (stands(at, script), word(at, script)) == (True, "armed alive")
        at.run(f"kill {number}")
        assert until(lambda: word(at, script) == "armed dead")
        assert not stands(at, script)
        at.run(f"sleep 600 >/dev/null 2>&1 & echo $! 1 > {mark(at, change)}")
        assert not stands(at, script), "another process has its number now"


@pytest.mark.parametrize("family", SHELLS)
def test_a_timer_whose_way_back_fails_says_that_it_is_not_through(family: Family) -> None:
    with ready(family, WAYS[3]) as (at, change):
        script = at.script(change)
        at.send_all(script.window.open)
        at.send_all(script.writes)
        shell(at).lacking = frozenset({"uci", "nft"})
        at.clock.scale = FAST
        assert until(lambda: word(at, script) == "fired dead")
        assert not stands(at, script)
        assert at.send(script.window.confirm[0]).status != 0


@pytest.mark.parametrize("family", SHELLS)
def test_a_mark_that_is_gone_or_anothers_ends_the_timer(family: Family) -> None:
    with ready(family, WAYS[3]) as (at, change):
        script = at.script(change)
        at.send_all(script.window.open)
        number = at.run(f"cat {mark(at, change)}").split()[0]
        at.send_all(script.window.open)
        after = at.export()
        at.clock.scale = 20.0
        assert until(lambda: not shell(at).processes.find(int(number)))
        assert (stands(at, script), at.export()) == (True, after)


@pytest.mark.parametrize("family", WINDOWED)
def test_each_kind_of_window_says_what_it_survives(family: Family) -> None:
    assert KINDS[family].survives.startswith("survives the end of plexops")
    assert ("not a restart" in KINDS[family].survives) == (KINDS[family] is WindowKind.TIMER)


def test_routeros_knows_an_entry_of_that_name_that_is_not_ours_or_does_nothing() -> None:
    with ready("routeros", WAYS[3]) as (at, change):
        script = at.script(change)
        entry = "[find where name=plexops_port_forward_plex]"
        for harm in ("on-event=beep", "interval=1d", "disabled=yes"):
            at.send_all(script.window.open)
            assert stands(at, script)
            at.run(f"/system scheduler set {entry} {harm}")
            assert not stands(at, script), harm
            at.send_all(script.window.confirm)


def test_routeros_never_fires_a_second_time_though_its_way_back_failed() -> None:
    with ready("routeros", WAYS[4]) as (at, change):
        script = at.script(change)
        at.send_all(script.window.open)
        at.run('/ip firewall nat remove [find where comment~"plexops"]')
        at.clock.scale = FAST
        assert until(lambda: not stands(at, script))
        assert "plexops_port_forward" not in at.export()


@pytest.mark.parametrize(("family", "way"), CASES)
def test_a_window_that_nobody_confirms_undoes_our_change_and_nothing_else(family: Family, way: Way) -> None:
    with ready(family, way) as (twin, _):
        twin.run(FOREIGN[family])
        expected = twin.export()
    with ready(family, way) as (at, change):
        script = at.script(change)
        assert script.window.kind is KINDS[family]
        at.send_all(script.window.open)
        assert stands(at, script)
        at.send_all(script.writes)
        assert is_done(change, at.look())
        at.run(FOREIGN[family])
        at.clock.scale = FAST
        assert until(lambda: not stands(at, script)), "it never fired"
        until(lambda: at.export() == expected)
        assert at.export() == expected


@pytest.mark.parametrize(("family", "way"), [c for c in CASES if "create" in str(c.id)])
def test_a_confirmed_window_is_gone_and_never_fires(family: Family, way: Way) -> None:
    with ready(family, way) as (at, change):
        script = at.script(change)
        at.send_all(script.window.open)
        at.send_all(script.writes)
        at.send_all(script.window.confirm)
        assert not stands(at, script)
        after = at.export()
        at.clock.scale = FAST
        time.sleep(script.window.seconds / FAST + 0.3)
        assert at.export() == after
        assert is_done(change, at.look())


@pytest.mark.parametrize("family", WINDOWED)
def test_confirming_what_has_fired_fails(family: Family) -> None:
    """Only one of timer and confirmation wins, and the device says which."""
    with ready(family, WAYS[3]) as (at, change):
        script = at.script(change)
        at.send_all(script.window.open)
        at.send_all(script.writes)
        at.clock.scale = FAST
        assert until(lambda: not stands(at, script))
        reply = at.send(script.window.confirm[0])
        assert family == "routeros" or reply.status != 0
        until(lambda: not is_done(change, at.look()))
        assert not is_done(change, at.look())


@pytest.mark.parametrize("family", WINDOWED)
def test_a_forwards_window_is_longer_than_a_reservations(family: Family) -> None:
    with bench(family) as at:
        lengths = {
            kind: at.script(at.finding(task(kind, want)).changes[0]).window.seconds
            for kind, want in ((Kind.PORT_FORWARD, FORWARD), (Kind.DHCP_RESERVATION, RESERVATION))
        }
        assert lengths == {Kind.PORT_FORWARD: 180, Kind.DHCP_RESERVATION: 90}


@pytest.mark.parametrize("family", ["opnsense", "opnsense-kea"])
def test_a_family_without_a_window_claims_none(family: Family) -> None:
    with bench(family) as at:
        script = at.script(at.finding(task(Kind.PORT_FORWARD, FORWARD)).changes[0])
        assert (script.window.kind, script.window.open, script.window.confirm) == (WindowKind.NONE, (), ())
        assert script.window.armed is None
