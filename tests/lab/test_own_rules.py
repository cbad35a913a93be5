"""Rules of the owner's own, in the real kernel: nothing is written, and the steps that are said are a cure."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from plexops.drivers.server.driver import ServerDriver
from plexops.model.exchange import Read, Reply
from plexops.model.finding import FindingStatus
from plexops.model.site import HostFirewall
from plexops.model.snapshot import Kind, KindState
from plexops.structs import replace

from .firewall_host import WANTED, FirewallHost, firewall_host
from .realhome import why_not

pytestmark = [pytest.mark.namespaces, pytest.mark.skipif(bool(why_not()), reason=why_not() or "can run here")]

NFT = """
cat >/etc/nftables.conf <<'END'
flush ruleset
table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		ct state established,related accept
		iif lo accept
		ip saddr 203.0.113.0/24 drop
		tcp dport 22 accept
	}
}
END
nft -f /etc/nftables.conf
"""
IPTABLES = """
mkdir -p /etc/iptables
cat >/etc/iptables/rules.v4 <<'END'
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A INPUT -j REJECT --reject-with icmp-port-unreachable
COMMIT
END
iptables-restore /etc/iptables/rules.v4
"""
#: As systemd prints properties of units, whether they are there or not; no systemd runs in a machine of the tests.
SYSTEMCTL = """
rm -rf /etc/ufw; rm -f /usr/bin/firewall-cmd
cat >/usr/local/sbin/systemctl <<'END'
#!/bin/sh
printf 'Id=nftables.service\\nActiveState={nftables}\\n\\nId=netfilter-persistent.service\\nActiveState={iptables}\\n\\n'
printf 'Id={alias}.service\\nActiveState={iptables}\\n'
END
chmod 755 /usr/local/sbin/systemctl
"""


def services(nftables: str = "inactive", iptables: str = "inactive", alias: str = "iptables") -> str:
    return SYSTEMCTL.format(nftables=nftables, iptables=iptables, alias=alias)


def steps(at: FirewallHost, kind: str, file: str, proof: str) -> None:
    """Do what the finding says: at once, and for every start."""
    filters, text = at.run("nft list ruleset"), at.run(f"cat {file}")
    finding = at.finding(WANTED)
    assert (finding.status, finding.changes) == (FindingStatus.UNSUPPORTED, ()), finding
    assert f"your own rules of {kind} are not changed" in finding.why
    assert at.look().text("firewall.kind") == kind
    assert (at.run("nft list ruleset"), at.run(f"cat {file}"), at.admits()) == (filters, text, False)
    at.run(re.findall(r"At once: sudo (.*?)\. For", finding.why)[0])
    assert at.admits()
    assert at.finding(WANTED).status is FindingStatus.OK
    (line,) = re.findall(r"the line “(.*?)” in ", finding.why)
    first = re.search(r".*(?:\bdrop\n|REJECT)", text.partition("policy drop;")[2] or text)
    assert first is not None
    assert proof in finding.why
    at.node.write({file: text.replace(first[0], f"{line}\n{first[0]}")})
    at.run(proof.replace("sudo ", "").replace("FILE", file))
    at.run(proof.replace("sudo ", "").replace("FILE", file).replace("-c ", "").replace("--test ", ""))
    assert at.admits()
    assert at.finding(WANTED).status is FindingStatus.OK


@pytest.mark.parametrize("word", [HostFirewall.AUTO, HostFirewall.NFTABLES])
def test_a_ruleset_of_nftables(word: HostFirewall) -> None:
    with firewall_host(services(nftables="active") + NFT) as at:
        at.driver = ServerDriver(firewall=word)
        steps(at, "nftables", "/etc/nftables.conf", "sudo nft -c -f FILE")


@pytest.mark.parametrize("alias", ["iptables", "netfilter-persistent"])
def test_a_file_of_iptables(alias: str) -> None:
    with firewall_host(services(iptables="active", alias=alias) + IPTABLES) as at:
        steps(at, "iptables", "/etc/iptables/rules.v4", "sudo iptables-restore --test FILE")


def test_two_services_that_load_rules_are_said_to_be() -> None:
    with firewall_host(services("active", "active") + NFT) as at:
        finding = at.finding(WANTED)
        assert (finding.status, finding.changes) == (FindingStatus.UNKNOWN, ())
        assert "nftables and iptables are both on" in finding.have


ANSWERS: dict[str, Callable[[Reply], Reply]] = {
    "cut off": lambda reply: replace(reply, body=reply.body[:30], status=None, whole=False),
    "no systemd": lambda reply: replace(reply, body="", stderr="sh: systemctl: not found\n", status=127),
    "garbage": lambda reply: replace(reply, body="<html>Login</html>\n"),
    "empty": lambda reply: replace(reply, body=""),
}


def distorted(odd: Callable[[Reply], Reply]) -> Callable[[Read, Reply], Reply]:
    return lambda read, reply: odd(reply) if read.id == "firewall.services" else reply


def test_services_that_are_not_told_are_no_missing_firewall() -> None:
    with firewall_host(services(nftables="active") + NFT) as at:
        for name, odd in ANSWERS.items():
            at.distort = distorted(odd)
            snapshot = at.look()
            assert snapshot.state(Kind.FIREWALL_RULE) is KindState.UNKNOWN, name
            assert snapshot.reasons[Kind.FIREWALL_RULE]
            finding = at.finding(WANTED)
            assert (finding.status, finding.changes) == (FindingStatus.UNKNOWN, ()), name
