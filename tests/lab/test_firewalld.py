"""firewalld itself judges: what it says, what the kernel lets in, what is left behind."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from plexops.drivers.base import Unrenderable
from plexops.drivers.server.driver import ServerDriver
from plexops.engine.decide.planning import foreign
from plexops.model.change import Action, Change
from plexops.model.change_json import change_from_json, change_to_json
from plexops.model.entries import HostRule
from plexops.model.exchange import Read, Reply
from plexops.model.finding import FindingStatus
from plexops.model.resources.firewall_rule import FirewallRule
from plexops.model.site import HostFirewall
from plexops.model.snapshot import Kind, KindState, Role
from plexops.structs import replace

from .firewall_host import ABSENT, OTHER, WANTED, FirewallHost, firewall_host
from .node import NODE_PATH
from .owner import PORT, plexops, run_id
from .realhome import real_home, why_not

_MISSING = why_not() or ("" if shutil.which("firewalld", path=NODE_PATH) else "not installed: firewalld")
pytestmark = [pytest.mark.namespaces, pytest.mark.skipif(bool(_MISSING), reason=_MISSING or "can run here")]

START = """
dbus-daemon --system --nofork --nopidfile >/tmp/dbus.log 2>&1 </dev/null &
i=0; until [ -S /run/dbus/system_bus_socket ]; do i=$((i + 1)); [ $i -lt 100 ]; sleep 0.05; done
firewalld --nofork --nopid >/tmp/firewalld.log 2>&1 </dev/null &
i=0; until firewall-cmd --state >/dev/null 2>&1; do i=$((i + 1)); [ $i -lt 100 ]; sleep 0.1; done
"""
#: What an owner has in a zone's file of their own.
OWNER = """
firewall-cmd --permanent --zone=public --add-service=samba
firewall-cmd --permanent --zone=public --add-rich-rule='rule family="ipv4" source address="203.0.113.0/24" drop'
firewall-cmd --reload
"""


@contextmanager
def firewalld(script: str = "", before: str = "") -> Iterator[FirewallHost]:
    """Start a host on which firewalld runs, and do something there."""
    with firewall_host(f"rm -rf /etc/ufw\n{before}\n{START}\n{script}") as at:
        yield at


def kept(at: FirewallHost) -> str:
    """Give all that firewalld has, in force and kept, by its own account."""
    return at.run("firewall-cmd --list-all-zones; echo; firewall-cmd --permanent --list-all-zones")


def zone_file(at: FirewallHost) -> str:
    return at.run("cat /etc/firewalld/zones/public.xml")


def test_from_drift_to_a_rule_that_stays_and_back() -> None:
    with firewalld(OWNER) as at:
        before, file, filters = kept(at), zone_file(at), at.run("nft list ruleset")
        assert not at.admits()
        finding = at.finding(WANTED)
        assert (finding.status, at.look().text("firewall.zone")) == (FindingStatus.DRIFT, "public")
        change = at.carry_out(finding)
        assert at.admits()
        assert at.ours() == [("plex", FirewallRule(32400))]
        sent = len(at.sent)
        again = at.finding(WANTED)
        assert (again.status, again.changes, len(at.sent)) == (FindingStatus.OK, (), sent)
        at.run("firewall-cmd --reload")
        assert at.admits()
        assert at.finding(WANTED).status is FindingStatus.OK
        at.undo(change_from_json(json.loads(json.dumps(change_to_json(change)))))
        assert (kept(at), zone_file(at), at.run("nft list ruleset")) == (before, file, filters)
        assert not at.admits()


def test_a_zone_that_was_never_changed_means_the_same_afterwards() -> None:
    with firewalld() as at:
        before = kept(at)
        at.carry_out(at.finding(WANTED))
        at.undo(at.carry_out(at.finding(ABSENT)))
        at.carry_out(at.finding(ABSENT))
        assert kept(at) == before


def test_another_port_and_back_and_what_was_for_both_families() -> None:
    both = 'rule port port="32400" protocol="tcp" nflog prefix="plexops:plex" accept'
    with firewalld() as at:
        for way in ("", "--permanent "):
            at.run(f"firewall-cmd {way}--add-rich-rule='{both}'")
        before = kept(at)
        assert at.ours() == [("plex", FirewallRule(32400, over_ipv6=True))]
        change = at.carry_out(at.finding(WANTED))
        assert at.ours() == [("plex", FirewallRule(32400))]
        moved = at.carry_out(at.finding(OTHER))
        assert moved.action is Action.UPDATE
        assert (at.admits(32400), at.admits(32401)) == (False, True)
        at.undo(moved)
        at.undo(change)
        assert kept(at) == before


#: What an owner did, the finding, and whether a viewer gets in.
HOMES: dict[str, tuple[str, FindingStatus, bool]] = {
    "the zone drops": ("firewall-cmd --set-default-zone=drop", FindingStatus.DRIFT, False),
    "the zone trusts": ("firewall-cmd --set-default-zone=trusted", FindingStatus.OK, True),
    "bound to another zone": ("firewall-cmd --zone=home --change-interface=eth0", FindingStatus.DRIFT, False),
    "its port is open": ("firewall-cmd --permanent --add-port=32400/tcp; firewall-cmd --reload", FindingStatus.OK, True),
    "a range is open": ("firewall-cmd --add-port=32000-33000/tcp", FindingStatus.OK, True),
    "its own service": ("firewall-cmd --permanent --add-service=plex; firewall-cmd --reload", FindingStatus.OK, True),
    "panic": ("firewall-cmd --panic-on", FindingStatus.UNSUPPORTED, False),
    "denied to everybody": (
        """firewall-cmd --add-rich-rule='rule family="ipv4" port port="32400" protocol="tcp" reject'""",
        FindingStatus.UNSUPPORTED,
        False,
    ),
    "all senders have a zone that drops": (
        "firewall-cmd --zone=block --add-source=0.0.0.0/1; firewall-cmd --zone=block --add-source=128.0.0.0/1",
        FindingStatus.UNSUPPORTED,
        False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOMES)
def test_what_is_in_force_decides(name: str) -> None:
    script, status, admits = HOMES[name]
    with firewalld(script) as at:
        finding = at.finding(WANTED)
        assert (finding.status, at.admits()) == (status, admits), finding
        if finding.changes:
            before = kept(at)
            change = at.carry_out(finding)
            assert at.admits()
            at.undo(change)
            assert kept(at) == before


def test_a_policy_that_denies_first_is_not_overruled() -> None:
    policy = """
    firewall-cmd --permanent --new-policy=shut; firewall-cmd --permanent --policy=shut --add-ingress-zone=ANY
    firewall-cmd --permanent --policy=shut --add-egress-zone=HOST
    firewall-cmd --permanent --policy=shut --add-rich-rule='rule family="ipv4" port port="32400" protocol="tcp" drop'
    firewall-cmd --reload"""
    with firewalld(policy) as at:
        finding = at.finding(WANTED)
        assert (finding.status, finding.changes, at.admits()) == (FindingStatus.UNSUPPORTED, (), False)


def test_what_is_not_kept_is_said() -> None:
    with firewalld("firewall-cmd --add-port=32400/tcp") as at:
        finding = at.finding(WANTED)
        assert finding.status is FindingStatus.OK
        assert "until the firewall is loaded anew: “port 32400/tcp” is not kept" in finding.have


@pytest.mark.parametrize(("words", "said"), [("", "is not in force"), ("--permanent ", "is not kept")])
def test_half_a_rule_of_ours_is_neither_done_nor_gone(words: str, said: str) -> None:
    with firewalld() as at:
        before = kept(at)
        change = at.carry_out(at.finding(WANTED))
        at.run(f"firewall-cmd {words}--remove-rich-rule='{at.look().of(Kind.FIREWALL_RULE)[0].raw['rule']}'")
        snapshot = at.look()
        assert snapshot.state(Kind.FIREWALL_RULE) is KindState.UNKNOWN
        finding = at.finding(WANTED)
        assert (finding.status, finding.changes) == (FindingStatus.UNKNOWN, ())
        assert said in finding.have
        line = next(e for e in snapshot.of(Kind.HOST_RULE) if e.owner.ours)
        ours = replace(line, kind=Kind.FIREWALL_RULE, values=change.want)
        gone = Change(Role.SERVER, Kind.FIREWALL_RULE, "plex", Action.DELETE, ours)
        at.send_all(at.driver.script(gone, snapshot).writes)
        assert kept(at) == before


def test_firewalld_that_does_not_run_stops_nothing_and_is_not_started() -> None:
    with firewall_host("rm -rf /etc/ufw\n" + START.split("firewalld", maxsplit=1)[0]) as at:
        finding = at.finding(WANTED)
        assert (finding.status, finding.changes) == (FindingStatus.OK, ())
        assert at.look().text("firewall.kind") == "firewalld"
        assert at.look().flag("firewall.active") is False


def test_two_that_are_on_are_said_to_be_and_neither_is_changed() -> None:
    with firewall_host(f"{START}\nufw --force enable") as at:
        finding = at.finding(WANTED)
        assert (finding.status, finding.changes) == (FindingStatus.UNKNOWN, ())
        assert "ufw and firewalld are both on" in finding.have
        at.driver = ServerDriver(firewall=HostFirewall.FIREWALLD)
        assert at.look().state(Kind.FIREWALL_RULE) is KindState.PRESENT


def test_the_windows_own_undo_takes_the_rule_out_again() -> None:
    with firewalld() as at:
        at.take_back_by_the_window(kept)


def test_its_own_service_is_named_with_what_it_opens() -> None:
    with firewalld("firewall-cmd --add-service=plex") as at:
        labels = [e.label for e in at.look().held(HostRule)]
        assert "service plex: 32400/tcp" in labels
        assert "service plex: 3005/tcp" in labels
        assert "service plex: all of the service ssdp" in labels
        notes = [f.have for f in at.findings(WANTED) if f.status is FindingStatus.NOTE]
        assert any("“plex” lets in more than viewers need: 32400/udp, 32469/tcp" in note for note in notes), (
            notes
        )


DISTORTED: dict[str, Callable[[Reply], Reply]] = {
    "cut off": lambda reply: replace(reply, body=reply.body[:9], status=None, whole=False),
    "denied": lambda reply: replace(reply, body="", stderr="Authorization failed.\n", status=253),
    "garbage": lambda reply: replace(reply, body="<html>Login</html>\n"),
    "empty": lambda reply: replace(reply, body=""),
}
ASKED = tuple(f"firewalld{part}" for part in ("", ".state", ".version", ".default", ".zones", ".kept"))


def distorted(asked: str, odd: Callable[[Reply], Reply]) -> Callable[[Read, Reply], Reply]:
    return lambda read, reply: odd(reply) if read.id == asked else reply


def test_what_is_no_answer_is_unknown_with_a_reason() -> None:
    with firewalld() as at:
        for asked in ASKED:
            for name, odd in DISTORTED.items():
                at.distort = distorted(asked, odd)
                snapshot = at.look()
                assert snapshot.state(Kind.FIREWALL_RULE) is KindState.UNKNOWN, (asked, name)
                assert snapshot.reasons[Kind.FIREWALL_RULE]
                finding = at.finding(WANTED)
                assert (finding.status, finding.changes) == (FindingStatus.UNKNOWN, ()), (asked, name)


def test_an_edit_of_others_is_seen_although_it_bears_our_tag() -> None:
    with firewalld() as at:
        (change,) = at.finding(WANTED).changes
        start = foreign(at.look(), Role.SERVER, (change,))
        at.carry_out(at.finding(WANTED))
        assert foreign(at.look(), Role.SERVER, (change,)) == start
        at.run(
            """firewall-cmd --add-rich-rule='rule port port="9" protocol="tcp" nflog prefix="plexops:plex" drop'"""
        )
        assert foreign(at.look(), Role.SERVER, (change,)) != start


def test_an_older_one_cannot_bear_our_tag_and_the_steps_are_said() -> None:
    with firewalld() as at:
        at.distort = lambda read, reply: (
            replace(reply, body="0.9.3\n") if read.id == "firewalld.version" else reply
        )
        finding = at.finding(WANTED)
        assert (finding.status, finding.changes) == (FindingStatus.UNSUPPORTED, ())
        with pytest.raises(Unrenderable, match="cannot bear our tag") as told:
            at.script(
                Change(Role.SERVER, Kind.FIREWALL_RULE, "plex", Action.CREATE, want=FirewallRule(32400))
            )
        at.run(str(told.value).partition("by hand (")[2].removesuffix(")").replace("sudo ", ""))
        assert at.admits()
        assert at.finding(WANTED).status is FindingStatus.OK


def test_a_whole_home_is_set_up_and_given_back() -> None:
    """Drift, apply, a second apply that writes nothing there, and back, with the program that people run."""
    with real_home() as home:
        server = home.nodes["server"]
        server.sh(f"ufw --force disable; {START}", timeout=60)
        zones = "firewall-cmd --list-all-zones; firewall-cmd --permanent --list-all-zones"
        before = server.sh(zones)
        assert home.connect_from_outside(PORT) != "open"
        applied = plexops(home, "apply --yes")
        assert applied.returncode == 0, applied.stdout + applied.stderr
        assert home.connect_from_outside(PORT) == "open"
        assert 'nflog prefix="plexops:' in server.sh(zones)
        there = server.sh(zones)
        again = plexops(home, "apply --yes")
        assert again.returncode == 0, again.stdout + again.stderr
        assert server.sh(zones) == there
        back = plexops(home, f"rollback {run_id(applied)} --yes")
        assert back.returncode == 0, back.stdout + back.stderr
        assert server.sh(zones) == before
        assert home.connect_from_outside(PORT) != "open"
