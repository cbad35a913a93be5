"""The simulated server's kernel and network, judged by the real ufw, iptables, nft and ip."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from plexops.lab.base import DeviceLog, ExecResult
from plexops.lab.clock import ScaledClock
from plexops.lab.routers.nft import Ruleset, json_tables
from plexops.lab.server import MAC, OWN_RULES, DebianServer, ServerHooks, ServerOptions
from plexops.lab.server_condition import Container, ServerCondition
from plexops.lab.ufw_rule import Rule

TESTS = Path(__file__).resolve().parents[1]
CAPTURES = TESTS / "captures" / "data" / "firewall"
PACKETS = TESTS / "packets" / "data" / "iptables"
SERVER, VIEWER = IPv4Address("192.168.1.50"), IPv4Address("93.184.216.34")
PLEX = Rule("allow", "tcp", "32400", "any", "any")
PUBLISHED = Container(published=(("0.0.0.0", 32400, 32400), ("127.0.0.1", 32469, 32469)))

TOOLS = ("iptables-restore", "ip6tables-restore", "nft", "ip")
PATH = "/usr/sbin:/sbin:/usr/bin:/bin"


def _why_not() -> str:
    if sys.platform != "linux" or os.geteuid() != 0:
        return "needs root on Linux, for a network namespace"
    missing = [tool for tool in TOOLS if shutil.which(tool, path=PATH) is None]
    if missing:
        return f"{', '.join(missing)} is not installed"
    version = subprocess.run(["iptables", "--version"], capture_output=True, text=True, check=True).stdout
    return (
        ""
        if "v1.8.9 (nf_tables)" in version
        else f"the simulation speaks as 1.8.9, this is {version.strip()}"
    )


real_kernel = pytest.mark.skipif(bool(_why_not()), reason=_why_not() or "can run here")


def make_server(
    *rules: Rule, condition: ServerCondition | None = None, ufw_enabled: bool = True
) -> DebianServer:
    options = ServerOptions(rules=rules, condition=condition or ServerCondition(), ufw_enabled=ufw_enabled)
    hooks = ServerHooks(
        log=DeviceLog(),
        clock=ScaledClock(),
        address=lambda: SERVER,
        renew=lambda: SERVER,
        connect=lambda *_: None,
    )
    return DebianServer(options, hooks)


def run(server: DebianServer, command: str, user: str = "root") -> ExecResult:
    return server.shell.run(command, b"", user)


def ok(server: DebianServer, command: str) -> str:
    result = run(server, command)
    assert (result.status, result.stderr) == (0, b""), result
    return result.stdout.decode()


def saved(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#")]


def kernel(text: str) -> list[str]:
    """Give what nft's JSON shows, without handles and counts, whatever came first: tables, chains, then rules."""
    found = []
    for thing in json.loads(text)["nftables"]:
        for inner in thing.values():
            inner.pop("handle", None)
        if "metainfo" not in thing:
            found.append(json.dumps(thing))
    return found


def of_iptables(server: DebianServer) -> Ruleset:
    """Give the kernel's tables without those of somebody's own."""
    ok(server, "nft list tables")
    return server.filters.ruleset


# --- ufw ------------------------------------------------------------------------------------------------


def test_ufws_chains_are_those_that_the_real_one_loads() -> None:
    server = make_server(PLEX, Rule("allow", "tcp", "22", "any", "192.168.1.0/24"))
    text = (CAPTURES / "ufw-active-iptables.txt").read_text()
    real = text.partition("$ iptables-save\n")[2]
    assert saved(ok(server, "iptables-save")) == saved(real)


def test_a_users_rules_stand_in_their_order_for_both_families() -> None:
    server = make_server(
        Rule("allow", "tcp", "22", "any", "any"),
        Rule("allow", "tcp", "8080", "any", "192.168.1.0/24"),
        Rule("deny", "tcp", "32400", "any", "203.0.113.0/24"),
        Rule("allow", "tcp", "32400", "any", "any"),
        Rule("allow", "tcp", "32410,32412:32414", "any", "any"),
        Rule("limit", "tcp", "2222", "any", "any"),
        Rule("reject", "tcp", "25", "any", "any", direction="out"),
    )
    for program, name in (("iptables-save", "v4"), ("ip6tables-save", "v6")):
        real = saved((PACKETS / f"ufw-many-rules.{name}.txt").read_text())
        # The simulated ufw has no rules for an interface, none that log, and none for what is passed on. When the
        # capture was made, ufw had not been started again: then it loads its limits for IPv6.
        beyond = ("--dport 8324", "-A ufw-user-forward", "-A ufw6-user-forward", "-A ufw6-user-limit")
        mine = saved(ok(server, program))
        assert [ln for ln in mine if beyond[-1] not in ln] == [
            ln for ln in real if not any(w in ln for w in beyond)
        ]


def test_nft_shows_ufws_chains_as_the_real_one_does() -> None:
    home = "192.168.1.0/24"
    server = make_server(
        Rule("allow", "tcp", "32400", "any", home),
        Rule("limit", "tcp", "32400", "any", "any"),
        Rule("allow", "tcp", "32410,32412:32414", "any", "any"),
    )
    text = (CAPTURES / "nft-of-ufw-host.json.txt").read_text()
    real = kernel(next(line for line in text.splitlines() if line.startswith("{")))
    assert kernel(ok(server, "nft -j list ruleset")) == real


def test_the_kernel_follows_the_command() -> None:
    server = make_server()
    assert "--dport 32400" not in ok(server, "iptables-save")
    ok(server, "ufw allow 32400/tcp")
    for program, chain in (("iptables-save", "ufw-user-input"), ("ip6tables-save", "ufw6-user-input")):
        assert f"-A {chain} -p tcp -m tcp --dport 32400 -j ACCEPT" in ok(server, program)
    assert '"dport"}}, "right": 32400}' in ok(server, "nft -j list ruleset")
    ok(server, "ufw disable")
    rules = [line for line in saved(ok(server, "iptables-save")) if line.startswith("-A")]
    assert rules[:2] == ["-A INPUT -j ufw-before-logging-input", "-A INPUT -j ufw-before-input"]
    assert len(rules) == 18, "the built-in chains go on jumping into what is empty now"
    assert ":INPUT ACCEPT [0:0]" in ok(server, "iptables-save")


@pytest.mark.parametrize(
    ("policy", "fate"), [("DROP", "dropped"), ("REJECT", "refused"), ("ACCEPT", "accepted")]
)
def test_policies(policy: str, fate: str) -> None:
    server = make_server()
    settings = (
        server.files.read("/etc/default/ufw")
        .decode()
        .replace('INPUT_POLICY="DROP"', f'INPUT_POLICY="{policy}"')
    )
    server.files.install({"/etc/default/ufw": settings})
    assert server.admits(VIEWER, 32400) == fate
    assert f":INPUT {'ACCEPT' if policy == 'ACCEPT' else 'DROP'} [0:0]" in ok(server, "iptables-save")


def test_counters_count_and_only_one_table_is_shown_if_asked() -> None:
    server = make_server(PLEX)
    assert server.admits(VIEWER, 32400) == "accepted"
    shown = ok(server, "iptables-save -c -t filter")
    assert "[1:60] -A ufw-user-input -p tcp -m tcp --dport 32400 -j ACCEPT" in shown
    assert "[0:0] -A ufw-before-input -i lo -j ACCEPT" in shown
    assert saved(ok(server, "iptables-save -t nat"))[:2] == ["*nat", ":PREROUTING ACCEPT [0:0]"]


def test_who_may_ask_and_what_is_not_there() -> None:
    server = make_server()
    for family in ("iptables", "ip6tables"):
        refused = run(server, f"/usr/sbin/{family}-save", "media")
        words = (
            "v1.8.9 (nf_tables): Could not fetch rule set generation id: Permission denied (you must be root)"
        )
        assert (refused.status, refused.stderr.decode()) == (4, f"{family}-save {words}\n")
        assert ok(server, f"{family}-legacy-save") == ""
        assert run(server, f"/usr/sbin/{family}-legacy-save", "media").status == 1
    assert run(server, "iptables-save -t nosuch").stderr == b"Table `nosuch' does not exist\n"
    assert run(server, "ipset save").status == 127
    never = make_server(ufw_enabled=False)
    assert ok(never, "iptables-save") == ok(never, "nft list ruleset") == ""


# --- Docker ---------------------------------------------------------------------------------------------


def test_dockers_chains_lead_a_published_port_into_the_container() -> None:
    server = make_server(condition=ServerCondition(container=PUBLISHED))
    shown = saved(ok(server, "iptables-save"))
    assert (
        "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 32400 -j DNAT --to-destination 172.17.0.2:32400"
        in shown
    )
    forward = [line for line in shown if line.startswith("-A FORWARD")]
    assert forward[:3] == [
        "-A FORWARD -j DOCKER-USER", "-A FORWARD -j DOCKER-FORWARD", "-A FORWARD -j ufw-before-logging-forward",
    ]  # fmt: skip
    assert server.admits(VIEWER, 32400) == "accepted", "no rule of ufw's is asked"
    assert server.admits(VIEWER, 32469) == "dropped", "published for the host alone"
    closed = make_server(condition=ServerCondition(container=Container()))
    assert closed.admits(VIEWER, 32400) == "dropped"


def test_a_container_in_the_hosts_network_publishes_nothing() -> None:
    server = make_server(PLEX, condition=ServerCondition(container=Container(network="host")))
    assert "DNAT" not in ok(server, "iptables-save")
    assert server.admits(VIEWER, 32400) == "accepted"


@pytest.mark.namespaces
@real_kernel
@pytest.mark.parametrize("container", [None, PUBLISHED], ids=["ufw", "ufw-and-docker"])
def test_the_real_kernel_shows_what_it_was_given(container: Container | None) -> None:
    """The real iptables-restore takes what the simulation saves, and prints and lists it alike."""
    everything = (
        *OWN_RULES, PLEX, Rule("deny", "tcp", "32000:33000", "any", "any"), Rule("reject", "any", "27", "any", "any"),
        Rule("limit", "tcp", "2222", "any", "any"), Rule("allow", "any", "any", "any", "192.168.1.7"),
        Rule("allow", "udp", "5353", "192.168.1.50", "any"), Rule("deny", "tcp", "32400", "any", "2001:db8::/32"),
    )  # fmt: skip
    server = make_server(*everything, condition=ServerCondition(container=container))
    texts = [ok(server, program) for program in ("iptables-save", "ip6tables-save")]
    shown = "iptables-save; echo ===; ip6tables-save; echo ===; nft -j list ruleset"
    given = "".join(
        f"{program}-restore <<'END'\n{text}END\n"
        for program, text in zip(("iptables", "ip6tables"), texts, strict=True)
    )
    done = _in_namespace(given + shown)
    four, six, listed = done.split("===\n")
    assert saved(four) == saved(texts[0])
    assert saved(six) == saved(texts[1])
    # Tables and chains were made in another order there.
    assert sorted(kernel(listed)) == sorted(kernel(json_tables(of_iptables(server).of(""))))
    by_chain = [line for line in kernel(listed) if '"rule"' in line]
    mine = [line for line in kernel(ok(server, "nft -j list ruleset")) if '"rule"' in line]
    for family, table, chain in {
        tuple(json.loads(r)["rule"][k] for k in ("family", "table", "chain")) for r in mine
    }:
        start = f'{{"rule": {{"family": "{family}", "table": "{table}", "chain": "{chain}"'
        assert [r for r in mine if r.startswith(start)] == [r for r in by_chain if r.startswith(start)]


def _in_namespace(script: str) -> str:
    done = subprocess.run(
        ["unshare", "-n", "bash", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": PATH},
    )
    return done.stdout


# --- the network ----------------------------------------------------------------------------------------

#: An interface as the simulated server's, made by hand.
SETUP = f"""
ip link set lo up
ip link add eth0 address {MAC} type veth peer name beyond
ip link set eth0 up; ip link set beyond up
ip addr add 192.168.1.50/24 brd + metric 1024 dev eth0
ip route add default via 192.168.1.1 proto static src 192.168.1.50 metric 1024
for i in 1 2 3 4 5 6 7 8 9 10; do ip -6 addr show dev eth0 tentative | grep -q fe80 || break; sleep 0.5; done
"""
WORDS = (
    "-j addr show",
    "-j -4 addr show",
    "-j -6 addr show",
    "-j route show",
    "-j -6 route show",
    "-j rule show",
)


@pytest.mark.namespaces
@real_kernel
def test_the_servers_network_reads_as_a_real_one() -> None:
    server = make_server(condition=ServerCondition(address_source="static"))
    outputs = _in_namespace(SETUP + "".join(f"ip {words}; echo ===\n" for words in WORDS)).split("===\n")
    for words, real in zip(WORDS, outputs, strict=False):
        assert _alike(ok(server, f"ip {words}")) == _alike(real), words


def _alike(text: str) -> list[dict[str, Any]]:
    """Leave out the other end of the cable, and what tells that it is one."""
    rows = [row for row in json.loads(text) if "beyond" not in (row.get("ifname"), row.get("dev"))]
    for row in rows:
        row.pop("link", None)
        if row.get("ifname") == "eth0":
            row.update(ifindex=2, **({"qdisc": "fq_codel"} if "qdisc" in row else {}))
    return rows


def test_neighbours() -> None:
    there = ok(make_server(), "cat /proc/net/arp").splitlines()
    assert there[0] == "IP address       HW type     Flags       HW address            Mask     Device"
    assert there[1].split()[:4] == ["192.168.1.1", "0x1", "0x2", "94:83:c4:2b:77:01"]
    nobody = make_server(condition=ServerCondition(gateway=IPv4Address("192.168.1.254")))
    assert ok(nobody, "cat /proc/net/arp").splitlines()[1].split()[2:4] == ["0x0", "00:00:00:00:00:00"]


def test_the_containers_network_is_routed() -> None:
    server = make_server(condition=ServerCondition(container=PUBLISHED))
    rows = json.loads(ok(server, "ip -j -4 route show"))
    assert ("172.17.0.0/16", "docker0") in [(row["dst"], row["dev"]) for row in rows]
