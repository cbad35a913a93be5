"""The host firewall driver for ufw against a simulated Debian: the firewall's own files and verdicts judge."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any

import pytest

from plexops.drivers.base import Unrenderable
from plexops.drivers.server.driver import ServerDriver
from plexops.engine.change.sending import unexpected
from plexops.engine.decide.compare import Comparison, compare
from plexops.engine.decide.planning import foreign
from plexops.engine.look.site_state import Drivers
from plexops.lab.base import DeviceLog
from plexops.lab.clock import ScaledClock
from plexops.lab.server import OWN_RULES, DebianServer, ServerHooks, ServerOptions
from plexops.lab.ufw_rule import Rule
from plexops.languages import CONSOLES
from plexops.model.change import Action, Change, find, inverse, is_done
from plexops.model.change_json import change_from_json, change_to_json
from plexops.model.exchange import Command, Read, Reply, Script, WindowKind, Write
from plexops.model.finding import Finding, FindingStatus
from plexops.model.resources.firewall_rule import FirewallRule
from plexops.model.site import HostFirewall, ResolvedTask, Site, SiteTasks, State
from plexops.model.snapshot import Kind, KindState, Role, Snapshot
from plexops.runbook.view import SiteView
from plexops.structs import replace
from tests.conformance.conformance_bench import HERE, NONCE, PLEX, changed, observed, task
from tests.conformance.hostile_names import HOSTILE

OUTSIDE = IPv4Address("198.51.100.77")
WANTED = task(Kind.FIREWALL_RULE, FirewallRule(32400))
OTHER = task(Kind.FIREWALL_RULE, FirewallRule(32401))
ABSENT = task(Kind.FIREWALL_RULE, FirewallRule(32400), state=State.ABSENT)
DENY = Rule("deny", "tcp", "32400", "any", "any", comment="not from outside")


@dataclass(slots=True)
class Host:
    """A server under test; `distort` stands for what goes wrong between it and us."""

    server: DebianServer
    log: DeviceLog
    clock: ScaledClock
    driver: ServerDriver
    distort: Callable[[Read, Reply], Reply] = lambda _read, reply: reply
    sent: list[Write] = field(default_factory=list)

    def execute(self, text: str) -> tuple[str, str, int]:
        """Run a text as root."""
        done = self.server.shell.run(f"sh -c {shlex.quote(f'exec </dev/null; {text}')}", b"", "root")
        return done.stdout.decode(), done.stderr.decode(), done.status

    def run(self, text: str) -> None:
        """Do something as the owner would."""
        out, errors, status = self.execute(text)
        assert status == 0, (text, out, errors)

    def ask(self, reads: Sequence[Read]) -> tuple[Reply, ...]:
        """Carry questions to the host."""
        console = CONSOLES["posix"]
        out, errors, _ = self.execute(console.frame(reads, NONCE))
        replies = console.split(reads, NONCE, out, errors, whole=True)
        return tuple(self.distort(read, reply) for read, reply in zip(reads, replies, strict=True))

    def look(self) -> Snapshot:
        """Observe once."""
        return observed(self.driver.observe(), self.ask)

    def send_all(self, writes: Sequence[Write]) -> None:
        """Send requests in order."""
        for write in writes:
            assert isinstance(write.ask, Command)
            self.sent.append(write)
            out, errors, status = self.execute(write.ask.text)
            assert unexpected(write.expect, Reply("write", status, out, errors)) == "", write.ask

    def make(self, change: Change) -> Snapshot:
        """Carry a change out without its window."""
        self.send_all(self.driver.script(change, self.look()).writes)
        return self.look()

    def undo(self, change: Change) -> None:
        """Put it back, rendered from a fresh read."""
        back, now = inverse(change), self.look()
        assert back is not None
        found = find(change, now)
        if back.action is not Action.CREATE:
            back = replace(back, before=found[0])
        self.send_all(self.driver.script(back, now).writes)

    def finding(self, wanted: ResolvedTask) -> Finding:
        """Compare one task with the host as it is."""
        view = SiteView("home", server_address=PLEX).with_snapshot(self.look())
        tasks = SiteTasks(Site("home", HERE), (wanted,))
        return compare(Comparison(tasks, view, Drivers(server=self.driver), None))[0]

    def export(self) -> str:
        """Give the firewall's own files."""
        return self.server.export()

    def admits(self, port: int = 32400) -> str:
        """Ask the firewall itself what it does with a viewer from the internet."""
        return self.server.admits(OUTSIDE, port)


@contextmanager
def host(*rules: Rule, driver: ServerDriver | None = None, **options: Any) -> Iterator[Host]:
    """Start a server with its owner's rules and these."""
    log, clock = DeviceLog(), ScaledClock()
    hooks = ServerHooks(log, clock, lambda: PLEX, lambda: PLEX, lambda _host, _port: "refused")
    server = DebianServer(ServerOptions(rules=(*OWN_RULES, *rules), **options), hooks)
    try:
        yield Host(server, log, clock, driver or ServerDriver())
    finally:
        clock.stop()
        server.stop()


def carry_out(at: Host, finding: Finding) -> Change:
    """Make the one change of a finding."""
    # Drivers are on the bench here, not guards: those stop some of these wishes, and the change is there all the same.
    assert finding.status in (FindingStatus.DRIFT, FindingStatus.STOPPED), finding
    assert finding.changes
    (change,) = finding.changes
    assert is_done(change, at.make(change))
    return change


def test_create_admits_plex_and_leaves_the_other_rules() -> None:
    with host() as at:
        before = at.export()
        assert at.admits() == "dropped"
        carry_out(at, at.finding(WANTED))
        assert at.admits() == "accepted"
        ours = [e for e in at.look().of(Kind.FIREWALL_RULE) if e.owner.ours]
        assert [(e.owner.key, e.values) for e in ours] == [("plex", FirewallRule(32400))]
        assert changed("linux", before, at.export())[0] == []


def rules6_of(at: Host) -> str:
    return at.server.files.read("/etc/ufw/user6.rules").decode()


def test_our_rule_is_for_ipv4_alone() -> None:
    """A forward is of IPv4: who is let in over IPv6 is none of its business."""
    with host() as at:
        before = rules6_of(at)
        made = carry_out(at, at.finding(WANTED))
        assert rules6_of(at) == before
        at.undo(made)
        assert rules6_of(at) == before


BOTH = "ufw prepend allow in proto tcp from any to any port 32400 comment plexops:plex"


def test_what_an_earlier_version_made_for_both_is_narrowed_and_given_back() -> None:
    with host() as at:
        six = rules6_of(at)
        at.run(BOTH)
        before = at.export()
        finding = at.finding(WANTED)
        assert finding.status is FindingStatus.DRIFT
        assert "over IPv6 too" in finding.have
        four = rules_of(at)
        change = carry_out(at, finding)
        assert (rules6_of(at), rules_of(at)) == (six, four)
        assert at.admits() == "accepted"
        assert at.finding(WANTED).status is FindingStatus.OK
        at.undo(change_from_json(json.loads(json.dumps(change_to_json(change)))))
        assert at.export() == before


@pytest.mark.parametrize("wanted", [OTHER, ABSENT])
def test_what_an_earlier_version_made_is_moved_or_taken_away_whole(wanted: ResolvedTask) -> None:
    with host() as at:
        six = rules6_of(at)
        at.run(BOTH)
        before = at.export()
        change = carry_out(at, at.finding(wanted))
        assert rules6_of(at) == six
        at.undo(change)
        assert at.export() == before


def test_a_twin_that_stands_behind_others_is_not_taken_without_a_way_back() -> None:
    with host() as at:
        at.run(BOTH)
        at.run("ufw prepend deny proto tcp from any to ::/0 port 9000")
        before = at.export()
        finding = at.finding(WANTED)
        assert (finding.status, finding.changes) == (FindingStatus.UNSUPPORTED, ())
        assert "its place could not be put back" in finding.why
        assert at.export() == before


def test_a_rule_of_others_for_both_is_left_as_it_is() -> None:
    with host() as at:
        at.run("ufw allow 32400/tcp comment mine")
        assert at.finding(WANTED).status is FindingStatus.OK


def test_a_second_apply_has_nothing_to_do() -> None:
    with host() as at:
        carry_out(at, at.finding(WANTED))
        after, sent = at.export(), len(at.sent)
        again = at.finding(WANTED)
        assert (again.status, again.changes) == (FindingStatus.OK, ())
        assert (at.export(), len(at.sent)) == (after, sent)


def test_delete_and_undo_of_create_give_the_first_files_back() -> None:
    with host() as at:
        before = at.export()
        carry_out(at, at.finding(WANTED))
        carry_out(at, at.finding(ABSENT))
        assert at.export() == before
        at.undo(carry_out(at, at.finding(WANTED)))
        assert at.export() == before


def test_update_moves_our_rule_to_another_port_and_back() -> None:
    with host() as at:
        first = at.export()
        carry_out(at, at.finding(WANTED))
        before = at.export()
        change = carry_out(at, at.finding(OTHER))
        assert change.action is Action.UPDATE
        assert (at.admits(32400), at.admits(32401)) == ("dropped", "accepted")
        assert at.finding(OTHER).status is FindingStatus.OK
        assert changed("linux", first, at.export())[0] == []
        at.undo(change)
        assert at.export() == before


def test_undo_of_delete_gives_the_files_back() -> None:
    with host() as at:
        carry_out(at, at.finding(WANTED))
        before = at.export()
        at.undo(carry_out(at, at.finding(ABSENT)))
        assert at.export() == before


def rules_of(at: Host) -> str:
    """Give the IPv4 rules. The place of the IPv6 form is ufw's choice, and no packet for Plex meets it."""
    return at.server.files.read("/etc/ufw/user.rules").decode()


#: What the owner puts around our rule later, and how many of the rules are before it then.
AROUND: dict[str, tuple[tuple[str, ...], int]] = {
    "on top": ((), 0),
    "second": (("prepend deny from 203.0.113.9",), 1),
    "in the middle": (("prepend deny from 203.0.113.9", "prepend allow 9000/tcp"), 2),
    "the last but one": (("--force delete 3", "--force delete 2", "prepend deny from 203.0.113.9"), 1),
}


def _behind(at: Host, owner: Sequence[str]) -> int:
    """Make our rule, then what the owner puts before it; give how many rules are before ours."""
    carry_out(at, at.finding(WANTED))
    for words in owner:
        at.run(f"ufw {words}")
    (ours,) = [e for e in at.look().of(Kind.FIREWALL_RULE) if e.owner.ours]
    return ours.position


@pytest.mark.parametrize("name", AROUND)
def test_undo_of_delete_puts_the_rule_back_to_its_place(name: str) -> None:
    owner, before_ours = AROUND[name]
    with host() as at:
        assert _behind(at, owner) == before_ours
        before = rules_of(at)
        change = carry_out(at, at.finding(ABSENT))
        assert rules_of(at) != before
        at.undo(change)
        assert rules_of(at) == before


def test_undo_of_delete_puts_the_last_rule_back_to_the_end() -> None:
    with host() as at:
        at.run("ufw allow proto tcp from any to any port 32400 comment plexops:plex")
        before = rules_of(at)
        at.undo(carry_out(at, at.finding(ABSENT)))
        assert rules_of(at) == before


def test_the_servers_own_undo_of_a_delete_knows_the_place_too() -> None:
    """It is rendered while our rule is still there: the rules are then one more than when it is sent."""
    for words in (("prepend deny from 203.0.113.9",), ("prepend allow 9000/tcp", "prepend allow 9001/tcp")):
        with host() as at:
            assert _behind(at, words) == len(words)
            before = rules_of(at)
            (change,) = at.finding(ABSENT).changes
            script = at.driver.script(change, at.look())
            at.send_all(script.window.open)
            at.send_all(script.writes)
            at.clock.scale = 1000.0
            deadline = time.monotonic() + 60
            while rules_of(at) != before and time.monotonic() < deadline:
                time.sleep(0.05)
            assert rules_of(at) == before
    with host() as at:
        at.run("ufw allow proto tcp from any to any port 32400 comment plexops:plex")
        (change,) = at.finding(ABSENT).changes
        (undo,) = at.driver.script(change, at.look()).undo
        assert undo == "ufw allow in proto tcp from any to any port 32400 comment 'plexops:plex'"


def test_the_place_comes_back_from_the_journal() -> None:
    with host() as at:
        _behind(at, ("prepend deny from 203.0.113.9",))
        before = rules_of(at)
        change = carry_out(at, at.finding(ABSENT))
        read = change_from_json(json.loads(json.dumps(change_to_json(change))))
        at.undo(read)
        assert rules_of(at) == before


def test_a_rule_of_ours_behind_a_deny_is_not_moved_without_a_way_back() -> None:
    with host() as at:
        carry_out(at, at.finding(WANTED))
        at.run("ufw prepend deny in proto tcp from any to any port 32000:33000")
        before = at.export()
        finding = at.finding(WANTED)
        assert (finding.status, finding.changes) == (FindingStatus.UNSUPPORTED, ())
        assert "its place could not be put back" in finding.why
        assert at.export() == before


def test_a_wider_deny_is_passed_by_and_not_changed() -> None:
    with host(Rule("deny", "any", "any", "any", "any")) as at:
        before = at.export()
        carry_out(at, at.finding(WANTED))
        assert at.admits() == "accepted"
        assert changed("linux", before, at.export())[0] == []


def test_somebodys_rule_for_exactly_this_port_is_never_overwritten() -> None:
    with host(DENY) as at:
        before = at.export()
        finding = at.finding(WANTED)
        assert (finding.status, finding.changes) == (FindingStatus.UNSUPPORTED, ())
        assert "ufw would overwrite it: remove it by hand" in finding.why
        assert at.export() == before


def test_somebodys_rule_that_admits_plex_is_enough() -> None:
    with host(Rule("allow", "tcp", "32400", "any", "any", comment="Plex")) as at:
        assert at.finding(WANTED).status is FindingStatus.OK


@pytest.mark.parametrize(
    "rule",
    [
        "ufw allow in on wg0 proto tcp from any to any port 32400",
        "ufw allow in on wg0",
        "ufw allow proto udp from any to any port 32400",
        "ufw allow proto tcp from 192.168.1.0/24 to any port 32400",
        "ufw allow proto tcp from any to any port 32399",
    ],
)
def test_a_rule_that_admits_others_is_not_enough(rule: str) -> None:
    """Read from the file as ufw writes it; the simulated ufw takes no interfaces, so those lines are put there."""
    with host() as at:
        if "wg0" in rule:
            ports = "tcp 32400" if "32400" in rule else "any any"
            line = f"### tuple ### allow {ports} 0.0.0.0/0 any 0.0.0.0/0 in_wg0"
            rules = at.server.files.read("/etc/ufw/user.rules").decode()
            rules = rules.replace("### RULES ###\n", f"### RULES ###\n\n{line}\n", 1)
            at.server.files.install({"/etc/ufw/user.rules": rules})
        else:
            at.run(rule)
        assert at.finding(WANTED).status is FindingStatus.DRIFT


def test_two_rules_with_our_tag_are_a_conflict() -> None:
    with host() as at:
        carry_out(at, at.finding(WANTED))
        at.run("ufw allow 32402/tcp comment plexops:plex")
        for wanted in (WANTED, ABSENT):
            finding = at.finding(wanted)
            assert (finding.status, finding.changes) == (FindingStatus.CONFLICT, ())
            assert "2 " in finding.have


def test_a_firewall_that_is_off_stops_nothing_and_is_not_switched_on() -> None:
    with host(ufw_enabled=False) as at:
        before = at.export()
        finding = at.finding(WANTED)
        assert (finding.status, finding.changes) == (FindingStatus.OK, ())
        assert at.export() == before


def test_no_firewall_that_we_know_is_unknown_and_not_none() -> None:
    with host(ufw_installed=False) as at:
        snapshot = at.look()
        assert snapshot.state(Kind.FIREWALL_RULE) is KindState.UNKNOWN
        assert "say `firewall: none`" in snapshot.reasons[Kind.FIREWALL_RULE]
    with host(ufw_installed=False, driver=ServerDriver(firewall=HostFirewall.UFW)) as at:
        assert at.look().state(Kind.FIREWALL_RULE) is KindState.ABSENT


DISTORTED: dict[str, Callable[[Read, Reply], Reply]] = {
    "cut off": lambda _r, reply: replace(reply, body=reply.body[:40], status=None, whole=False),
    "denied": lambda _r, reply: replace(reply, body="", stderr="cat: x: Permission denied\n", status=1),
    "not found": lambda _r, reply: replace(reply, body="", stderr="sh: cat: not found\n", status=127),
    "garbage": lambda _r, reply: replace(reply, body="<html>Login</html>\n"),
    "half a rule": lambda _r, reply: replace(reply, body="### RULES ###\n### tuple ### allow tcp\n"),
    "empty": lambda _r, reply: replace(reply, body=""),
}


@pytest.mark.parametrize("name", DISTORTED)
@pytest.mark.parametrize("read", ["ufw.conf", "ufw.default", "ufw.rules", "ufw.rules6"])
def test_what_is_no_answer_is_unknown_with_a_reason(read: str, name: str) -> None:
    if (read, name) in (("ufw.conf", "half a rule"), ("ufw.default", "half a rule")):
        name = "garbage"
    with host() as at:
        at.distort = lambda asked, reply: DISTORTED[name](asked, reply) if asked.id == read else reply
        snapshot = at.look()
        assert snapshot.state(Kind.FIREWALL_RULE) is KindState.UNKNOWN, (
            snapshot.of(Kind.FIREWALL_RULE),
            read,
        )
        assert snapshot.of(Kind.FIREWALL_RULE) == ()
        assert snapshot.reasons[Kind.FIREWALL_RULE]
        assert (at.finding(WANTED).status, at.finding(WANTED).changes) == (FindingStatus.UNKNOWN, ())


def _stands(at: Host, script: Script) -> bool:
    assert script.window.armed is not None
    return at.ask([script.window.armed])[0].status == 0


@pytest.mark.parametrize("way", ["create", "update", "delete"])
def test_an_unconfirmed_window_undoes_ours_and_nothing_else(way: str) -> None:
    foreign = "ufw allow 9000/tcp comment 'meanwhile'"
    wanted = {"create": WANTED, "update": OTHER, "delete": ABSENT}[way]
    with host() as twin:
        if way != "create":
            carry_out(twin, twin.finding(WANTED))
        twin.run(foreign)
        expected = twin.export()
    with host() as at:
        if way != "create":
            carry_out(at, at.finding(WANTED))
        (change,) = at.finding(wanted).changes
        script = at.driver.script(change, at.look())
        assert (script.window.kind, script.window.seconds) == (WindowKind.TIMER, 90)
        at.send_all(script.window.open)
        assert _stands(at, script)
        at.send_all(script.writes)
        at.run(foreign)
        at.clock.scale = 1000.0
        deadline = time.monotonic() + 60
        while at.export() != expected and time.monotonic() < deadline:
            time.sleep(0.05)
        assert at.export() == expected
        assert not _stands(at, script)


def test_a_confirmed_window_never_fires() -> None:
    with host() as at:
        (change,) = at.finding(WANTED).changes
        script = at.driver.script(change, at.look())
        for writes in (script.window.open, script.writes, script.window.confirm):
            at.send_all(writes)
        assert not _stands(at, script)
        after = at.export()
        at.clock.scale = 1000.0
        time.sleep(0.5)
        assert at.export() == after


def test_hostile_comments_of_others_are_read_and_left_alone() -> None:
    rules = tuple(
        Rule("allow", "tcp", str(20000 + number), "any", "any", comment=text)
        for number, text in enumerate(HOSTILE)
        if text and "\ud800" not in text and "\udcff" not in text and not text.startswith("plexops:")
    )
    assert len(rules) > 200
    with host(*rules) as at:
        before = at.export()
        found = {e.values.port: e.label for e in at.look().held(FirewallRule) if e.values.port >= 20000}
        assert {rule.port: rule.comment for rule in rules} == {
            str(port): text for port, text in found.items()
        }
        mark = len(at.log.lines)
        change = carry_out(at, at.finding(WANTED))
        assert changed("linux", before, at.export())[0] == []
        ran = [line for line in at.log.lines[mark:] if line.startswith("ufw ")]
        assert ran == ["ufw prepend allow in proto tcp from any to 0.0.0.0/0 port 32400 comment plexops:plex"]
        at.undo(change)
        assert at.export() == before


def test_a_key_is_a_key() -> None:
    with host() as at:
        now = at.look()
        for key in (*HOSTILE, "plex\n", "Plex"):
            if key in ("null", "true", "accept", "drop", "cfg073837"):
                continue
            change = Change(Role.SERVER, Kind.FIREWALL_RULE, key, Action.CREATE, want=FirewallRule(32400))
            with pytest.raises(Unrenderable, match="is no key"):
                at.driver.script(change, now)


@pytest.mark.parametrize(
    "edit",
    [
        "ufw prepend deny proto tcp from any to any port 32400:32401 comment plexops:plex",
        "ufw allow 9000/tcp comment plexops:plex",
        "ufw deny in proto tcp from any to any port 32400 comment plexops:plex",
    ],
)
@pytest.mark.parametrize("made", [False, True])
def test_an_edit_of_others_is_seen_although_it_bears_our_tag(edit: str, made: bool) -> None:
    with host() as at:
        (change,) = at.finding(WANTED).changes
        start = foreign(at.look(), Role.SERVER, (change,))
        if made:
            at.make(change)
        assert foreign(at.look(), Role.SERVER, (change,)) == start, "our own change is none"
        at.run(edit)
        assert foreign(at.look(), Role.SERVER, (change,)) != start
