"""Filters beside ufw against the kernel: real rules of nft and iptables, as the driver reads them, and a real visitor."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from ipaddress import IPv4Address
from types import MappingProxyType

import pytest

from plexops.drivers import other_filters
from plexops.model.exchange import Reply
from plexops.model.snapshot import Fact, Role, Snapshot
from plexops.runbook.filtering import Passes
from plexops.runbook.view import SiteView
from plexops.runbook.walks import host_other_walk

_PATH = "/usr/sbin:/sbin:/usr/bin:/bin"
_TOOLS = ("nft", "iptables", "iptables-save", "unshare")
pytestmark = [
    pytest.mark.namespaces,
    pytest.mark.skipif(
        os.geteuid() != 0 or sys.platform != "linux" or not all(shutil.which(t, path=_PATH) for t in _TOOLS),
        reason="needs root, nft, iptables and network namespaces",
    ),
]

HOST = "192.168.1.50"
#: One case's life: a host, the owner's commands, what both programs say, and whether a visitor gets in.
SCRIPT = """
ip link set lo up
ip addr add 192.168.1.50/32 dev lo
ip addr add 198.51.100.77/32 dev lo
set -e
eval "$1"
set +e
nft -jt list ruleset
echo ====
iptables-save
echo ====
exec "$2" -c '
import socket
listener = socket.create_server(("192.168.1.50", 32400))
caller = socket.socket()
caller.settimeout(0.4)
caller.bind(("198.51.100.77", 0))
try:
    caller.connect(("192.168.1.50", 32400))
    print("passed")
except OSError:
    print("stopped")
'
"""
TABLE = "nft add table inet t; nft 'add chain inet t c { type filter hook input priority -5; }'; "
RULE = "nft add rule inet t c"
#: By name: what the owner did, and whether the answer may be left open.
CASES: tuple[tuple[str, str, bool], ...] = (
    ("nothing at all", "true", False),
    ("a drop for visitors", f"{TABLE}{RULE} ip saddr != 192.168.0.0/16 tcp dport 32400 drop", False),
    ("a drop for one network", f"{TABLE}{RULE} ip saddr 45.155.205.0/24 drop", False),
    ("a drop for everybody but one network", f"{TABLE}{RULE} ip saddr != 45.155.205.0/24 drop", True),
    ("a drop on another interface", f"{TABLE}{RULE} iifname != lo tcp dport 32400 drop", False),
    ("a drop over IPv6", f"{TABLE}{RULE} ip6 saddr 2001:db8::/32 tcp dport 32400 drop", False),
    (
        "a block list",
        (
            f"{TABLE}nft 'add set inet t bad {{ type ipv4_addr; elements = {{ 198.51.100.77 }}; }}';"
            f"{RULE} ip saddr @bad drop"
        ),
        True,
    ),
    ("a limit", f"{TABLE}{RULE} limit rate 1000/second drop", True),
    (
        "before connections are tracked",
        (
            "nft add table ip e; nft 'add chain ip e c { type filter hook prerouting priority raw; }';"
            "nft add rule ip e c tcp dport 32000-33000 drop"
        ),
        False,
    ),
    ("iptables alone", "iptables -A INPUT -p tcp --dport 32400 -j DROP", False),
    ("iptables for visitors", "iptables -A INPUT ! -s 192.168.0.0/16 -p tcp --dport 32400 -j REJECT", False),
    ("iptables for other ports", "iptables -A INPUT -p tcp -m multiport --dports 22,80:90 -j DROP", False),
    ("iptables' policy", "iptables -P INPUT DROP; iptables -A INPUT -i eth0 -j ACCEPT", False),
    (
        "iptables' policy, and an accept",
        "iptables -P INPUT DROP; iptables -A INPUT -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT",
        False,
    ),
    (
        "a chain that comes back",
        (
            "iptables -N f2b; iptables -A f2b -s 45.155.205.7 -j REJECT; iptables -A f2b -j RETURN;"
            "iptables -A INPUT -p tcp -j f2b"
        ),
        False,
    ),
    (
        "a goto that does not",
        (
            "iptables -P INPUT DROP; iptables -N g; iptables -A g -p udp -j ACCEPT;"
            "iptables -A INPUT -g g; iptables -A INPUT -j ACCEPT"
        ),
        False,
    ),
    (
        "what is not for this host",
        "iptables -A INPUT -m addrtype --dst-type LOCAL -j RETURN; iptables -A INPUT -j DROP",
        False,
    ),
    ("what is no broadcast", "iptables -A INPUT -m addrtype ! --dst-type BROADCAST -j DROP", False),
    ("raw", "iptables -t raw -A PREROUTING -p tcp --dport 32400 -j DROP", False),
    (
        "a log and no more",
        "iptables -A INPUT -p tcp --dport 32400 -j LOG --log-prefix 'plex -j DROP '",
        False,
    ),
    ("by a mark", "iptables -A INPUT -m mark --mark 0x8000/0x8000 -j DROP", True),
    ("ufw's own chains", "iptables -N ufw-user-input; iptables -A INPUT -j ufw-user-input", False),
)


def answered(name: str, commands: str) -> tuple[Passes, str]:
    """Give what plexops says of a case, and what became of the visitor."""
    done = subprocess.run(
        ["unshare", "-n", "sh", "-c", SCRIPT, "sh", commands, sys.executable],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={"PATH": _PATH},
    )
    assert done.returncode == 0, (name, done.stderr)
    nft, iptables, fate = done.stdout.split("====\n")
    found = other_filters.understand(
        {"nft": Reply("nft", 0, nft), "iptables": Reply("iptables", 0, iptables)}
    )
    facts = {"host.interface": Fact("host.interface", "lo", "x")}
    server = Snapshot(Role.SERVER, facts, found.entries, {"other_filter": found.state})  # type: ignore[dict-item]
    view = replace(
        SiteView("home"),
        server_address=IPv4Address(HOST),
        snapshots=MappingProxyType({Role.SERVER: server}),
    )
    return host_other_walk(view, 32400, contained=False).passes, fate.strip()


@pytest.mark.parametrize(("name", "commands", "open_"), CASES, ids=[case[0] for case in CASES])
def test_the_walk_says_what_the_kernel_does(name: str, commands: str, open_: bool) -> None:
    said, fate = answered(name, commands)
    if open_:
        assert said is Passes.UNKNOWN
        return
    assert said is {"passed": Passes.YES, "stopped": Passes.NO}[fate]
