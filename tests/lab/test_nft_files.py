"""A rule of ours in the owner's ruleset, kept in a folder that nftables.conf includes: the real nft and kernel judge."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from plexops.drivers.server.driver import ServerDriver
from plexops.model.change import Action, Change
from plexops.model.change_json import change_from_json, change_to_json
from plexops.model.exchange import Read, Reply
from plexops.model.finding import FindingStatus
from plexops.model.resources.firewall_rule import FirewallRule
from plexops.model.site import HostFirewall
from plexops.model.snapshot import Kind, KindState, Role
from plexops.structs import replace

from .firewall_host import ABSENT, OTHER, WANTED, FirewallHost, firewall_host
from .realhome import why_not

pytestmark = [pytest.mark.namespaces, pytest.mark.skipif(bool(why_not()), reason=why_not() or "can run here")]

CONF, FILE = "/etc/nftables.conf", "/etc/nftables.d/plexops-host_plex.nft"
INCLUDE = 'include "/etc/nftables.d/*.nft"\n'
RULES = """flush ruleset
table inet filter {
	set friends { type ipv4_addr; elements = { 203.0.113.9 } }
	chain input {
		type filter hook input priority filter; policy drop;
		ct state established,related accept
		iif lo accept
		ip saddr 203.0.113.0/24 drop
		tcp dport 22 accept
	}
}
"""
#: As systemd says it of nftables.service alone.
SYSTEMCTL = """
rm -rf /etc/ufw; rm -f /usr/bin/firewall-cmd
cat >/usr/local/sbin/systemctl <<'END'
#!/bin/sh
[ "$1" != is-enabled ] || { echo @; [ @ = enabled ]; exit; }
printf 'Id=nftables.service\\nActiveState=active\\n\\nId=netfilter-persistent.service\\nActiveState=inactive\\n\\n'
printf 'Id=iptables.service\\nActiveState=inactive\\n'
END
chmod 755 /usr/local/sbin/systemctl
"""


@contextmanager
def nftables(conf: str = RULES + INCLUDE, unit: str = "enabled") -> Iterator[FirewallHost]:
    """Start a host whose nftables.conf says this, and is loaded."""
    script = f"{SYSTEMCTL.replace('@', unit)}\nmkdir -p /etc/nftables.d\ncat >{CONF} <<'END'\n{conf}END\nnft -f {CONF}\n"
    with firewall_host(script) as at:
        yield at


def state(at: FirewallHost) -> str:
    """Give all that may change: the kernel's rules, and the files."""
    return at.run(
        f"nft list ruleset; cat {CONF}; ls -A /etc/nftables.d || true; cat /etc/nftables.d/* 2>/dev/null || true"
    )


def restart(at: FirewallHost) -> None:
    """What a restart of the host comes to."""
    at.run(f"nft flush ruleset; nft -f {CONF}")


@pytest.mark.parametrize("word", [HostFirewall.AUTO, HostFirewall.NFTABLES])
def test_from_drift_to_a_rule_that_stays_and_back(word: HostFirewall) -> None:
    with nftables() as at:
        at.driver = ServerDriver(firewall=word)
        before = state(at)
        assert not at.admits()
        change = at.carry_out(at.finding(WANTED))
        assert at.admits()
        assert at.ours() == [("plex", FirewallRule(32400))]
        there = state(at)
        again = at.finding(WANTED)
        assert (again.status, again.changes, state(at)) == (FindingStatus.OK, (), there)
        restart(at)
        assert at.admits()
        assert (at.finding(WANTED).status, state(at)) == (FindingStatus.OK, there)
        at.undo(change_from_json(json.loads(json.dumps(change_to_json(change)))))
        assert state(at) == before
        assert not at.admits()


def test_another_port_and_away_and_back() -> None:
    with nftables() as at:
        before = state(at)
        change = at.carry_out(at.finding(WANTED))
        with_ours = state(at)
        moved = at.carry_out(at.finding(OTHER))
        assert moved.action is Action.UPDATE
        assert (at.admits(32400), at.admits(32401)) == (False, True)
        at.undo(moved)
        assert state(at) == with_ours
        at.undo(at.carry_out(at.finding(ABSENT)))
        assert state(at) == with_ours
        at.undo(change)
        assert state(at) == before


def test_it_goes_as_well_where_nothing_drops_any_more() -> None:
    with nftables() as at:
        at.carry_out(at.finding(WANTED))
        at.run(f"sed -i 's/policy drop/policy accept/; s/ip saddr .* drop//' {CONF}")
        restart(at)
        there = state(at)
        change = at.carry_out(at.finding(ABSENT))
        assert "plexops" not in state(at)
        at.undo(change)
        assert state(at) == there


def test_the_windows_own_undo_takes_the_rule_out_again() -> None:
    with nftables() as at:
        at.take_back_by_the_window(state)


#: Where it has no place: nothing is written, and the steps are said.
NO_PLACE = {
    "no folder": (RULES, "enabled"),
    "another folder": (RULES + 'include "/etc/nftables.more/*.nft"\n', "enabled"),
    "not loaded at a start": (RULES + INCLUDE, "disabled"),
    "included in a table": (f"{RULES}table inet more {{\n\t{INCLUDE}}}\n", "enabled"),
    "the folder is not there": (RULES + INCLUDE, "enabled"),
    "two chains that drop": (
        RULES + "table ip more { chain input { type filter hook input priority 5; policy drop; tcp dport 22 accept; }; }\n"
        + INCLUDE,
        "enabled",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NO_PLACE)
def test_where_it_has_no_place_nothing_is_written(name: str) -> None:
    with nftables(*NO_PLACE[name]) as at:
        if "not there" in name:
            at.run("rmdir /etc/nftables.d")
        before = state(at)
        finding = at.finding(WANTED)
        assert (finding.status, finding.changes) == (FindingStatus.UNSUPPORTED, ())
        assert "by hand" in finding.why
        assert state(at) == before


#: What nft refuses as a whole once our file is there: it leaves nothing behind.
REFUSED = {
    "the folder is read before the chain is made": INCLUDE.join(RULES.split("\n", 1)).replace(
        "flush ruleset", "flush ruleset\n"
    ),
    "a file of the owner's is broken": RULES + INCLUDE,
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_nftables_conf_does_not_take_is_not_kept(name: str) -> None:
    with nftables(REFUSED[name]) as at:
        if "broken" in name:
            at.run("echo 'table inet filter { chain in' >/etc/nftables.d/zz.nft")
        before = state(at)
        (change,) = at.finding(WANTED).changes
        (write,) = at.script(change).writes
        done = at.node.exec(["sh", "-c", write.ask.text])  # type: ignore[union-attr]
        assert done.returncode != 0
        assert "rror" in done.stderr
        assert state(at) == before
        assert not at.admits()


def test_a_chain_that_the_owner_renames_does_not_keep_the_rest_from_loading() -> None:
    with nftables() as at:
        at.carry_out(at.finding(WANTED))
        at.run(f"sed -i 's/chain input/chain incoming/' {CONF}")
        restart(at)
        assert "chain incoming" in at.run("nft list ruleset")
        assert not at.admits()
        assert at.look().state(Kind.FIREWALL_RULE) is KindState.UNKNOWN
        assert "is not in force" in at.finding(WANTED).have


@pytest.mark.parametrize(
    ("half", "said"),
    [
        (f"rm {FILE}", "is not kept"),
        (f"mv {FILE} /tmp/x; nft -f {CONF}; mv /tmp/x {FILE}", "is not in force"),
    ],
)
def test_half_a_rule_of_ours_is_neither_done_nor_gone(half: str, said: str) -> None:
    with nftables() as at:
        before = state(at)
        change = at.carry_out(at.finding(WANTED))
        (ours,) = at.look().of(Kind.FIREWALL_RULE)
        at.run(half)
        snapshot = at.look()
        assert snapshot.state(Kind.FIREWALL_RULE) is KindState.UNKNOWN
        finding = at.finding(WANTED)
        assert (finding.status, finding.changes) == (FindingStatus.UNKNOWN, ())
        assert said in finding.have
        gone = Change(
            Role.SERVER, Kind.FIREWALL_RULE, "plex", Action.DELETE, replace(ours, values=change.want)
        )
        at.send_all(at.driver.script(gone, snapshot).writes)
        assert state(at) == before


DISTORTED: dict[str, Callable[[Reply], Reply]] = {
    "cut off": lambda reply: replace(reply, body=reply.body[:9], status=None, whole=False),
    "denied": lambda reply: replace(reply, body="", stderr="Permission denied\n", status=126),
}


def distorted(asked: str, odd: Callable[[Reply], Reply]) -> Callable[[Read, Reply], Reply]:
    return lambda read, reply: odd(reply) if read.id == asked else reply


def test_what_is_no_answer_is_unknown_with_a_reason() -> None:
    with nftables() as at:
        for asked in ("nftables.includes", "nftables.enabled", "nftables.folder", "nftables.kept"):
            for name, odd in DISTORTED.items():
                at.distort = distorted(asked, odd)
                snapshot = at.look()
                assert snapshot.state(Kind.FIREWALL_RULE) is KindState.UNKNOWN, (asked, name)
                assert snapshot.reasons[Kind.FIREWALL_RULE]
                finding = at.finding(WANTED)
                assert (finding.status, finding.changes) == (FindingStatus.UNKNOWN, ()), (asked, name)
