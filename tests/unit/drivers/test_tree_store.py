"""Entries of a configuration tree as they are typed: what is set, what is deleted, and what is refused."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from plexops.config.samples import load_samples
from plexops.drivers.base import Unrenderable
from plexops.drivers.router.profiled import ProfiledDriver
from plexops.engine.families import load_family
from plexops.engine.proving import observed
from plexops.model.change import Action, Change, inverse
from plexops.model.exchange import Command, Script, WindowKind
from plexops.model.resources import PortForward, Reservation
from plexops.model.snapshot import Entry, Kind, Role, Snapshot
from plexops.model.values import Ports
from plexops.structs import replace

WANT = PortForward(Ports.of(54321), IPv4Address("192.168.1.77"), Ports.of(32400), name="proof")


def seen(
    name: str, state: str = "household", old: str = "", new: str = ""
) -> tuple[ProfiledDriver, Snapshot]:
    samples = load_samples(name, Path())
    assert samples is not None
    driver, answers = ProfiledDriver(load_family(name, Path())), dict(samples.answers(state))
    config = answers["config"]
    assert isinstance(config, str)
    assert old in config
    return driver, observed(driver, {**answers, "config": config.replace(old, new) if old else config + new})


def made(key: str = "proof", want: PortForward = WANT) -> Change:
    return Change(Role.ROUTER, Kind.PORT_FORWARD, key, Action.CREATE, want=want)


def lines(script: Script) -> list[str]:
    (write,) = script.writes
    assert isinstance(write.ask, Command)
    return write.ask.text.split("\n")


def entry(now: Snapshot, handle: str) -> Entry:
    return next(one for one in now.of(Kind.PORT_FORWARD) if one.handle == handle)


@pytest.mark.parametrize(
    ("taken", "number"),
    [((), 3250), ((3250,), 3251), ((3250, 3252), 3251), (range(3250, 3299), 3299), ((3251, 9999), 3250)],
)
def test_the_first_number_that_no_rule_of_anybody_has(taken: tuple[int, ...], number: int) -> None:
    """Also where the rule is not a forward from the internet, and no entry of ours or of yours."""
    rules = "".join(f"set nat destination rule {one} inbound-interface name 'eth9'\n" for one in taken)
    driver, now = seen("vyos", new=rules)
    typed = lines(driver.script(made(), now))
    assert typed[:3] == [
        "configure",
        f"show nat destination rule {number}",
        f"set nat destination rule {number} description plexops:proof",
    ]
    assert all(f" rule {number}" in line for line in typed[1:-2])


def test_where_every_number_is_taken_nothing_is_written() -> None:
    rules = "".join(f"set nat destination rule {one} disable\n" for one in range(3250, 3300))
    driver, now = seen("vyos", new=rules)
    with pytest.raises(Unrenderable, match="every number of 3250-3299 is taken"):
        driver.script(made(), now)


@pytest.mark.parametrize(
    ("family", "old", "new", "says"),
    [
        ("vyos", "", "set firewall ipv4 forward filter default-action 'drop'\n", "a firewall stands between"),
        ("vyos", "", "set zone-policy zone LAN interface eth1\n", "a firewall stands between"),
        ("edgeos", "auto-firewall enable", "auto-firewall disable", "its rules are not judged"),
        (
            "edgeos",
            "wan-interface eth1",
            "wan-interface eth7",
            "is not set up for the interface of the internet",
        ),
        (
            "edgeos",
            "set port-forward",
            "set traffic-control x",
            "is not set up for the interface of the internet",
        ),
    ],
)
def test_what_is_not_judged_is_not_written(family: str, old: str, new: str, says: str) -> None:
    driver, now = seen(family, old=old, new=new)
    reason = now.reasons.get(Kind.PORT_FORWARD, "")
    with pytest.raises(Unrenderable) as refused:
        driver.script(made(), now)
    assert says in f"{reason} {refused.value}"


@pytest.mark.parametrize(
    ("old", "new", "interface"),
    [("", "", "inbound-interface name eth0"), ("interface name", "interface", "inbound-interface eth0")],
)
def test_leaves_are_named_as_the_routers_own(old: str, new: str, interface: str) -> None:
    driver, now = seen("vyos", old=old, new=new)
    typed = lines(driver.script(made(), now))
    assert f"set nat destination rule 3250 {interface}" in typed


@pytest.mark.parametrize(
    ("undo", "kind", "end", "confirm"),
    [
        ("reload", WindowKind.COMMIT_CONFIRM, ["commit-confirm 3", "exit"], ["confirm", "save"]),
        ("reboot", WindowKind.UNSAVED, ["commit", "exit"], ["save"]),
    ],
)
def test_a_commit_waits_only_where_that_restarts_nothing(
    undo: str, kind: WindowKind, end: list[str], confirm: list[str]
) -> None:
    driver, now = seen("vyos", old="'reload'", new=f"'{undo}'")
    script = driver.script(made(), now)
    assert script.window.kind is kind
    assert lines(script)[-2:] == end
    typed = [one.ask.text.split("\n") for one in script.window.confirm if isinstance(one.ask, Command)]
    assert typed == [["configure", word, "exit"] for word in confirm]
    assert script.window.armed is None
    assert lines(script.bare)[-3:] == ["commit", "save", "exit"]
    assert script.bare.window.kind is WindowKind.NONE


def test_a_deleted_rule_returns_under_its_number_with_all_that_it_had() -> None:
    driver, now = seen(
        "vyos", new="set nat destination rule 10 log\nset nat destination rule 10 source port '1-9'\n"
    )
    ours = replace(entry(now, "10"), values=WANT)
    change = Change(Role.ROUTER, Kind.PORT_FORWARD, "plex", Action.DELETE, before=ours)
    assert lines(driver.script(change, now).bare)[1:-3] == ["delete nat destination rule 10"]
    back = inverse(change)
    assert back is not None
    typed = lines(driver.script(back, replace(now, entries=())).bare)
    assert typed[1] == "show nat destination rule 10"
    assert {"set nat destination rule 10 log", "set nat destination rule 10 source port 1-9"} < set(typed)


def test_another_rule_is_changed_leaf_by_leaf() -> None:
    driver, now = seen("vyos", old="destination port '80,443'", new="destination port '80'")
    theirs = entry(now, "20")
    assert isinstance(theirs.values, PortForward)
    want = replace(theirs.values, address=IPv4Address("192.168.1.8"), port=Ports.of(81), enabled=False)
    fields = ("address", "port", "enabled")
    change = Change(
        Role.ROUTER, Kind.PORT_FORWARD, "web", Action.ADOPT, before=theirs, want=want, fields=fields
    )
    rule = "nat destination rule 20"
    assert lines(driver.script(change, now))[1:-2] == [
        f"set {rule} translation address 192.168.1.8",
        f"set {rule} translation port 81",
        f"set {rule} disable",
    ]
    assert driver.script(change, now).undo[0].split("\n")[1:-3] == [
        f"set {rule} translation address 192.168.1.9",
        f"delete {rule} translation port",
        f"delete {rule} disable",
    ]


def test_what_stands_beside_the_list_of_forwards_is_changed_by_hand() -> None:
    driver, now = seen("edgeos", "by hand", old="set service nat rule 1 source address 198.51.100.7\n")
    theirs = entry(now, "service nat rule 1")
    assert isinstance(theirs.values, PortForward)
    want = replace(theirs.values, address=IPv4Address("192.168.1.8"))
    change = Change(
        Role.ROUTER, Kind.PORT_FORWARD, "web", Action.ADOPT, before=theirs, want=want, fields=("address",)
    )
    with pytest.raises(Unrenderable, match="it is kept elsewhere"):
        driver.script(change, now)


@pytest.mark.parametrize("name", ["it's", "why?", "Gerät", "a\nb", "$(reboot)", "; reboot", "a b", "!!", "'"])
def test_a_network_with_a_hostile_name_is_one_word_or_refused(name: str) -> None:
    driver, now = seen("vyos")
    theirs = replace(entry(now, "20"), handle=name)
    hostile = replace(now, entries=(theirs,))
    assert isinstance(theirs.values, PortForward)
    want = replace(theirs.values, external_port=Ports.of(80), port=Ports.of(80))
    change = Change(
        Role.ROUTER,
        Kind.PORT_FORWARD,
        "web",
        Action.ADOPT,
        before=theirs,
        want=want,
        fields=("external_port",),
    )
    with pytest.raises(Unrenderable):
        driver.script(change, hostile)
    facts = {**now.facts, "x.net": replace(now.facts["x.net"], value=name)}
    wanted = Reservation(("02:00:00:00:53:01",), IPv4Address("192.168.1.77"), "proof")
    create = Change(Role.ROUTER, Kind.DHCP_RESERVATION, "proof", Action.CREATE, want=wanted)
    try:
        typed = lines(driver.script(create, replace(now, facts=facts)))
    except Unrenderable:
        assert name != "a b"
    else:
        assert all(f"shared-network-name '{name}' subnet" in line for line in typed[1:-2])
