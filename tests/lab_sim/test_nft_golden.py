"""The simulated `nft` and the real one get the same input and must print the same bytes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from plexops.lab.base import DeviceLog, RouterHooks, Seed
from plexops.lab.clock import ScaledClock
from plexops.lab.routers.linux import LinuxRouter

NFT = shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin")


def _why_not() -> str:
    if sys.platform != "linux" or os.geteuid() != 0:
        return "needs root on Linux, for a network namespace"
    if NFT is None:
        return "nft is not installed"
    version = subprocess.run([NFT, "--version"], capture_output=True, text=True, check=True).stdout
    return "" if "v1.0.6 " in version else f"the simulation speaks as nft 1.0.6, this is {version.strip()}"


pytestmark = [
    pytest.mark.namespaces,
    pytest.mark.skipif(bool(_why_not()), reason=_why_not() or "can run here"),
]

ACCEPTED = """
# a comment
define WEB = { 80, 443 }
define NAS = 192.168.1.20
table inet filter {
	chain input {
		type filter hook input priority 0; policy drop;
		ct state established,related accept
		ct state related,established counter accept
		ct state { new, invalid } drop
		ct state new accept
		ct state != established accept
		ct state != { new, established } accept
		ct state { new } accept
		ct status dnat accept
		ct status dnat,snat accept
		iifname { "lo", "br-lan" } accept
		iifname { "eth10", "wan", "lo", "br-lan", "abc", "cba" } accept
		iifname {"lo"} accept
		iifname lo accept
		iif "lo" accept
		meta iifname "wan*" accept
		iifname != "wan" oifname "wan" accept
		meta l4proto icmp accept
		meta l4proto { udp, tcp } th dport 53 accept
		meta l4proto tcp tcp dport 22 accept
		meta l4proto tcp ip daddr 1.2.3.4 tcp dport 22 accept
		meta l4proto 6 accept
		meta nfproto ipv4 accept
		ip protocol icmp accept
		ip protocol tcp tcp dport 22 accept
		icmp type echo-request accept
		tcp dport 22 counter packets 3 bytes 4 accept comment "a b"
		tcp dport {22, 80, 1000-2000, 443} accept
		tcp dport { 22, 22 } accept
		tcp dport { 22, 20-30 } accept
		tcp dport $WEB accept
		tcp dport ssh accept
		tcp dport 5000-5010 accept
		tcp dport != 22 accept
		udp sport 68 udp dport 67 accept
		ip saddr 192.168.1.0/24 accept
		ip saddr 192.168.1.7/24 accept; ip saddr 1.2.3.4/32 accept
		ip saddr $NAS accept
		ip saddr {10.0.0.1, 10.1.0.0/16} accept
		ip daddr { 10.0.0.0/8, 1.2.3.4, 10.0.0.9-10.0.0.12 } accept
		ip daddr 10.0.0.1-10.0.0.9 accept
		log prefix "dropped: " drop
		log
		reject
	}
	chain more {
		reject with icmp type admin-prohibited
		reject with icmpx port-unreachable
		reject with icmp port-unreachable
		reject with tcp reset
		counter packets 0 bytes 0 reject with icmpx admin-prohibited
		jump later
		goto later
		return
		continue
		@nh,72,8 0x6 th dport 32400 @nh,128,32 0xc0a80132 accept comment "John's"
	}
	chain later {
	}
	chain pre {
		type nat hook prerouting priority dstnat + 5; policy accept;
		iifname "wan" tcp dport 32500 counter dnat ip to 192.168.1.50:32400 comment "plexops:plex"
		iifname "wan" tcp dport 32500 dnat ip to 192.168.1.50
		tcp dport 80 redirect to :8080
		tcp dport 80 redirect
		tcp dport 8000-8010 dnat ip to 192.168.1.50:9000-9010
		dnat ip to 192.168.1.50
	}
	chain post {
		type nat hook postrouting priority srcnat - 1;
		oifname "wan" masquerade
		ip saddr 192.168.1.0/24 snat ip to 1.2.3.4
	}
	chain p1 { type filter hook forward priority mangle; }
	chain p2 { type filter hook output priority -7; }
	chain p3 { type filter hook input priority 10; policy drop; }
	chain p4 { type filter hook input priority 11; }
	chain p5 { type filter hook output priority -100; }
	chain p6 { type filter hook prerouting priority 100; }
	chain p7 { type filter hook prerouting priority 55; }
	chain p8 { type nat hook prerouting priority -90; }
}
table ip nat { chain prerouting { type nat hook prerouting priority -100; policy accept;
 tcp dport 8443 dnat to 192.168.1.20:443 comment "nas https"
 tcp dport 8443 dnat 192.168.1.20:443
 tcp dport 8443 dnat to 192.168.1.20
}
}
add table inet empty
add chain inet empty c
add rule inet empty c accept
"""

#: What firewall4 and people with sets write.
MORE = """
table inet t {
	ct helper amanda {
		type "amanda" protocol udp;
	}
	set friends {
		comment "those whom I know"
		type ipv4_addr
		auto-merge
		flags interval
		elements = {
			198.51.100.0/24,
			192.0.2.9,
		}
	}
	set pairs { type ipv4_addr . inet_service
		elements = { 192.0.2.9 . 22, 192.0.2.8 . 80 }
	}
	set six { type ipv6_addr; elements = { fd00::1 }
	}
	set macs { type ether_addr
	}
	define wan_devices = { "eth1" }
	chain c {
		type filter hook forward priority 0; policy accept;
		ct state vmap { related : accept, established : accept, invalid : drop } comment "x"
		tcp flags & (fin | syn | rst | ack) == syn jump d
		tcp flags syn / syn,fin,rst tcp option maxseg size set rt mtu comment "m"
		limit rate 25/second burst 50 packets return
		limit rate 1000/second accept
		limit rate over 10/minute drop
		meta nfproto ipv4 icmp type 8 counter accept
		meta nfproto ipv6 icmpv6 type { 128, 1, 3 } limit rate 10/second accept
		ip6 saddr fe80::/10 icmpv6 type . icmpv6 code { 130 . 0, 4 . 1, 4 . 0, 2 . 0 } counter accept
		icmpv6 type . icmpv6 code { 4 . 1 } accept
		meta l4proto { "icmp", "ipv6-icmp" } accept
		meta l4proto "esp" counter jump d
		ether saddr 00:11:22:33:44:55 tcp dport 22 accept
		ether saddr { 00:11:22:33:44:56, 00:11:22:33:44:55 } accept
		ip saddr @friends tcp dport 22 accept
		ip saddr != @friends accept
		ip saddr . tcp dport @pairs accept
		ip6 saddr @six accept
		ip saddr 0.0.0.0/0 accept
		ip saddr != { 10.0.0.0/8, 1.2.3.4 } accept
		udp dport 10080 ct helper set "amanda" comment "h"
		meta nfproto ipv4 oifname "eth1" ct state invalid counter drop
		iifname != { "eth1", "eth2" } jump d
		iifname $wan_devices jump d
		fib daddr type local accept
		notrack
		ip6 daddr fd00::1 tcp dport 32400 accept
		meta l4proto tcp reject with tcp reset comment "!fw4"
		reject with icmpx type port-unreachable comment "!fw4"
		meta nfproto ipv4 tcp dport 22 tcp sport 1024-65535 ip saddr 1.2.3.4 accept
		meta nfproto ipv4 meta l4proto tcp accept
		meta l4proto tcp ip saddr 1.2.3.4 accept
		udp dport vmap { 1-5 : accept, 53 : jump d }
	}
	chain n {
		type nat hook prerouting priority dstnat; policy accept;
		meta nfproto ipv4 tcp dport 32500 counter dnat 192.168.1.100:32400 comment "d"
		meta nfproto ipv6 tcp dport 25 counter dnat [2001:db8::1]:25 comment "d"
		ip saddr 1.2.3.0/24 tcp dport 25 counter dnat 192.168.1.5
		meta nfproto ipv4 tcp dport 26 counter redirect to 26
		tcp dport 27 redirect to 30-40
		meta nfproto ipv4 meta l4proto udp counter dnat 192.168.1.5-192.168.1.9
		meta nfproto ipv4 tcp dport 25-27 counter dnat 192.168.1.5:40-50
		ip6 saddr fd00::/64 dnat fd00::5
	}
	chain s {
		type nat hook postrouting priority srcnat; policy accept;
		meta nfproto ipv4 masquerade comment "!fw4: Masq"
		ip saddr 192.168.1.0/24 ip daddr 192.168.1.100 tcp dport 32400 snat 192.168.1.1 comment "r"
	}
	chain d {
		drop
	}
}
"""

LISTINGS = (
    "list ruleset",
    "-a list ruleset",
    "-s list ruleset",
    "-s -a list ruleset",
    "-sa list ruleset",
    "list table inet filter",
    "list chain inet filter pre",
    "-a list chain ip nat prerouting",
    "list table nat",
    "list tables",
    "list chains",
    "list ruleset ip",
)
JSON_LISTINGS = (
    "-j list ruleset",
    "-j list table inet filter",
    "-j list chain inet filter pre",
    "-j list tables",
)

#: One history: what is printed and refused at each step, and the handles in between.
HISTORY = (
    "list ruleset",
    "add table inet t",
    "add chain inet t c",
    "add chain inet t c",
    "create table inet t",
    "create chain inet t c",
    "add rule inet t c tcp dport 22 accept",
    "list table inet nosuch",
    "list chain inet t nosuch",
    "list chain inet nosuch c",
    "-j list table inet nosuch",
    "delete table inet nosuch",
    "delete table nosuch",
    "add rule inet nosuch c accept",
    "add rule inet t nosuch accept",
    "insert rule inet t c handle 99 accept",
    "insert rule inet t c position 2 accept",
    "insert rule inet t c index 0 drop",
    "insert rule inet t c index 7 drop",
    "add rule inet t c index 0 return",
    "add rule inet t c handle 2 continue",
    "-a list ruleset",
    "delete rule inet t c handle 99",
    "delete rule inet t nosuch handle 1",
    "replace rule inet t c handle 99 accept",
    "delete chain inet t nosuch",
    "flush chain inet t nosuch",
    "flush table inet nosuch",
    "add rule inet t c jump nosuch",
    "add rule inet t c tcp dport 99999 accept",
    "add rule inet t c tcp dport 30-20 accept",
    "add rule inet t c tcp dport accept",
    "add rule inet t c ip daddr 1.2.3.400 accept",
    "add rule inet t c tcp dport 22 acept",
    "add rule inet t c dnat to 1.2.3.4",
    'add rule inet t c accept comment "it is"',
    "add chain inet t c { type filter hook input priority 0; policy drop; }",
    "add chain inet t d { type filter hook input priority 0; policy drop; }",
    "add chain inet t d { type filter hook input priority 0; policy accept; }",
    "add chain inet t f { type filter hook forward priority 0; }",
    "add chain inet t n { type nat hook prerouting priority dstnat; }",
    "add rule inet t n tcp dport 80 counter dnat ip to 1.2.3.4:90",
    "add rule inet t c jump f",
    "add rule inet t f jump c",
    "delete chain inet t c",
    "-e -a insert rule inet t f tcp dport { 80, 90 } accept",
    "-j -e -a add rule inet t f tcp dport 98 accept",
    "-a list ruleset",
    "-c delete table inet t",
    "-c add rule inet t f accept",
    "add rule inet t f accept",
    "-a list chain inet t f",
    "flush chain inet t f",
    "delete chain inet t c",
    "delete table inet t",
    "add table inet t",
    "-a list ruleset",
    "flush ruleset",
    "list ruleset",
    "-j list ruleset",
    "list",
    "foo",
    "-f /nosuch",
    "--version",
    "",
)

#: Here handles differ between kernels: a module may have to be loaded, and the batch is then sent twice.
OTHER_HISTORY = (
    "add table inet t",
    "add chain inet t f { type filter hook forward priority 0; }",
    "add chain inet t n { type nat hook prerouting priority dstnat; }",
    "add chain inet t bad { type nat hook forward priority 0; }",
    "add rule inet t f tcp dport 80 dnat ip to 1.2.3.4:90",
    "add rule inet t n masquerade",
    "add rule inet t n tcp dport 80 dnat ip to 1.2.3.4:90",
    "insert rule inet t f tcp dport 22 accept",
    "replace rule inet t f index 0 drop",
    "list ruleset",
)

FILES = (
    "table inet one { chain c { type filter hook input priority 0; accept }\n}\n",
    "table inet one {\n  chain c {\n  tcp dport 32400 acccept\n  }\n}\n",
    "table inet one {\n  chain c {\n  tcp dport 32400 accept\n",
    "table inet one {\n\tchain c {\n\t\ttcp dport 70000 accept\n\t}\n}\n",
    'include "/nosuch.nft"\n',
    'include "/nosuch/*.nft"\nadd table inet household\n',
    "add table inet t\nadd rule inet t c tcp dport $q accept\n",
    "add rule inet nosuch c accept\nadd rule inet t c accept; add rule inet nosuch d drop\n",
    (
        "table inet plexops_plex\ndelete table inet plexops_plex\ntable inet plexops_plex {\n  chain c {\n"
        "    type nat hook prerouting priority dstnat; policy accept;\n"
        '    iifname "wan" tcp dport 32500 counter dnat ip to 192.168.1.50:32400 comment "Küche"\n  }\n}\n'
    ),
    "delete table inet plexops_plex\ndelete table inet plexops_plex\n",
)


@dataclass(slots=True)
class RealNft:
    """The real nft in a network namespace of its own."""

    space: subprocess.Popen[bytes]

    def run(self, words: str, stdin: str = "") -> tuple[int, str, str]:
        argv = ["nsenter", "-t", str(self.space.pid), "-n", "nft", *words.split()]
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def real() -> Iterator[RealNft]:
    with subprocess.Popen(["unshare", "-n", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as space:
        assert space.stdin is not None
        assert space.stdout is not None
        space.stdin.write(b"ready\n")
        space.stdin.flush()
        assert space.stdout.readline() == b"ready\n", "cat answers when the namespace is there"
        yield RealNft(space)
        space.stdin.close()


@pytest.fixture
def simulated() -> Iterator[LinuxRouter]:
    router = LinuxRouter(Seed(), RouterHooks(DeviceLog(), ScaledClock()))
    router.ruleset.tables.clear()
    router.ruleset.last_table = 0
    yield router
    router.stop()


def simulate(router: LinuxRouter, words: str, stdin: str = "") -> tuple[int, str, str]:
    quoted = " ".join("'" + word + "'" for word in words.split())
    done = router.execute(f"nft {quoted}".strip(), stdin.encode(), "root")
    return done.status, done.stdout.decode(), done.stderr.decode()


def without_process(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if "new generation" not in line)


def test_listings(real: RealNft, simulated: LinuxRouter) -> None:
    assert real.run("-f -", ACCEPTED) == (0, "", "")
    assert simulate(simulated, "-f -", ACCEPTED) == (0, "", "")
    for words in LISTINGS:
        status, out, error = real.run(words)
        assert simulate(simulated, words) == (status, out, error), words


def test_json_listings(real: RealNft, simulated: LinuxRouter) -> None:
    real.run("-f -", ACCEPTED)
    simulate(simulated, "-f -", ACCEPTED)
    for words in JSON_LISTINGS:
        expected = real.run(words)
        got = simulate(simulated, words)
        assert json.loads(got[1]) == json.loads(expected[1]), words
        assert got == expected, "the same keys in the same order"


def test_what_firewall4_writes(real: RealNft, simulated: LinuxRouter) -> None:
    assert real.run("-f -", MORE) == (0, "", "")
    assert simulate(simulated, "-f -", MORE) == (0, "", "")
    for words in (
        "list ruleset",
        "-t list ruleset",
        "-a list ruleset",
        "-s list ruleset",
        "list chain inet t c",
    ):
        assert simulate(simulated, words) == real.run(words), words
    for words in ("-j list ruleset", "-jt list ruleset", "-j list table inet t"):
        expected, got = real.run(words), simulate(simulated, words)
        assert json.loads(got[1]) == json.loads(expected[1]), words
        assert got == expected, words


def test_printed_ruleset_can_be_read_again(real: RealNft, simulated: LinuxRouter) -> None:
    simulate(simulated, "-f -", ACCEPTED)
    printed = simulate(simulated, "list ruleset")[1]
    assert real.run("-f -", printed) == (0, "", "")
    simulate(simulated, "-f -", f"flush ruleset\n{printed}")
    assert simulate(simulated, "list ruleset") == real.run("list ruleset")


def test_history(real: RealNft, simulated: LinuxRouter) -> None:
    for words in HISTORY:
        status, out, error = real.run(words)
        assert simulate(simulated, words) == (status, without_process(out), error), words


def test_history_whose_handles_differ(real: RealNft, simulated: LinuxRouter) -> None:
    for words in OTHER_HISTORY:
        assert simulate(simulated, words) == real.run(words), words


def test_statement_behind_a_verdict(real: RealNft, simulated: LinuxRouter) -> None:
    for words in ("add table inet t", "add chain inet t c"):
        assert simulate(simulated, words) == real.run(words)
    words = "add rule inet t c accept counter"
    # The real one also underlines the verdict; message and line are the same.
    assert simulate(simulated, words)[2].splitlines()[:2] == real.run(words)[2].splitlines()[:2]


def test_files_and_what_is_wrong_with_them(real: RealNft, simulated: LinuxRouter) -> None:
    for text in FILES:
        for words in ("-c -f -", "-f -"):
            status, out, error = real.run(words, text)
            # After a syntax error the real one stumbles on: only its first complaint counts.
            got = simulate(simulated, words, text)
            assert got[:2] == (status, out), text
            if "syntax error" in error:
                assert got[2] != "", text
                assert error.startswith(got[2]), text
            else:
                assert got[2] == error, text
    assert simulate(simulated, "-a list ruleset") == real.run("-a list ruleset")


def test_household_rules_are_the_same_in_both(real: RealNft) -> None:
    """The router's own configuration file, as the simulated home starts with it."""
    from plexops.lab.scenarios import SCENARIOS

    seed = SCENARIOS["drifted"].seed()
    router = LinuxRouter(seed, RouterHooks(DeviceLog(), ScaledClock()))
    text = router.files.read("/etc/nftables.conf").decode().replace('include "/etc/nftables.d/*.nft"', "")
    assert real.run("-f -", text) == (0, "", "")
    simulate(router, "-f -", text)
    assert simulate(router, "-s list ruleset") == real.run("-s list ruleset")
    router.stop()
