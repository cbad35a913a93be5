"""A tiny network out of namespaces, without uplink, where a router's packet filter is tried with real connections.

    viewers (up0) ---- wan0 router lan0 ---- lan (192.168.1.50, .99 …)
                              docker0 ------ container (172.17.0.2)
                              guest0         (nothing behind it)

Neighbours are permanent, so that no rule can cut off neighbour discovery, which the walk does not model.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal

from msgspec import Struct, field

from tests.lab.node import NODE_PATH, Node, start_nodes

NODES: tuple[tuple[str, Literal["full", "thin"]], ...] = (
    ("viewers", "thin"),
    ("router", "full"),
    ("lan", "thin"),
    ("container", "thin"),
)
VIEWERS_4 = ("198.51.100.77", "192.0.2.9", "203.0.113.77")
VIEWERS_6 = ("2001:db8:99::77", "2001:db8:98::9")
VIEWERS = (*VIEWERS_4, *VIEWERS_6)
#: Everything that a rule of the grammars can lead to has a listener.
PORTS = (22, 53, 80, 443, 8096, 32000, 32400, 32401, 32402, 32500, 32501, 32600)
#: Node, interface, its peer in the router, hardware address; addresses, and the neighbours it has to know.
LINKS = (
    ("viewers", "up0", "wan0", "02:00:00:00:01:01"),
    ("lan", "eth0", "lan0", "02:00:00:00:01:02"),
    ("container", "eth0", "port0", "02:00:00:00:01:03"),
    ("container", "eth1", "guest0", "02:00:00:00:01:04"),
)
ADDRESSES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "viewers",
        "up0",
        ("203.0.113.1/24", "2001:db8:a::1/64", *(f"{one}/{128 if ':' in one else 32}" for one in VIEWERS)),
    ),
    ("router", "wan0", ("203.0.113.20/24", "203.0.113.21/24", "2001:db8:a::20/64")),
    ("router", "lan0", ("192.168.1.1/24", "2001:db8:1::1/64")),
    ("router", "guest0", ("192.168.50.1/24",)),
    ("router", "docker0", ("172.17.0.1/16", "2001:db8:17::1/64")),
    (
        "lan",
        "eth0",
        tuple(f"192.168.1.{number}/24" for number in (50, 51, 52, 99))
        + tuple(f"2001:db8:1::{number}/64" for number in (50, 51, 52, 99)),
    ),
    ("container", "eth0", ("172.17.0.2/16", "2001:db8:17::2/64")),
)
ROUTES = (
    ("viewers", "2001:db8:1::/64 via 2001:db8:a::20"),
    ("viewers", "2001:db8:17::/64 via 2001:db8:a::20"),
    ("router", "default via 203.0.113.1"),
    ("router", "default via 2001:db8:a::1"),
    ("lan", "default via 192.168.1.1"),
    ("lan", "default via 2001:db8:1::1"),
    ("container", "default via 172.17.0.1"),
    ("container", "default via 2001:db8:17::1"),
)
SYSCTLS = (
    "net.ipv4.ip_forward=1",
    "net.ipv6.conf.all.forwarding=1",
    "net.ipv4.conf.all.rp_filter=0",
    "net.ipv4.conf.wan0.rp_filter=0",
    "net.ipv4.icmp_ratelimit=0",
)
LEGACY = {4: "iptables-legacy", 6: "ip6tables-legacy"}
TABLES = ("raw", "mangle", "nat", "filter", "security")
#: What the product reads on a router or host: name, command.
READS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("nft", ("nft", "-j", "list", "ruleset")),
    ("iptables", ("iptables-save",)),
    ("ip6tables", ("ip6tables-save",)),
    ("iptables-legacy", ("iptables-legacy-save",)),
    ("ip6tables-legacy", ("ip6tables-legacy-save",)),
    ("ipset", ("ipset", "save")),
    ("addresses", ("ip", "-j", "addr", "show")),
    ("routes4", ("ip", "-j", "-4", "route", "show")),
    ("routes6", ("ip", "-j", "-6", "route", "show")),
    ("arp", ("cat", "/proc/net/arp")),
)

#: Those that no rule changes.
STEADY = ("addresses", "routes4", "routes6", "arp")


class Ran(Struct, frozen=True):
    """How a command ended."""

    status: int
    output: str
    errors: str


class Agent(Struct, frozen=True):
    """The helper in one namespace."""

    process: subprocess.Popen[str]
    asks: IO[str]
    answers: IO[str]

    def ask(self, *words: object) -> object:
        """Send one command and wait for its answer. Raises RuntimeError where the helper has died."""
        self.asks.write(json.dumps(words) + "\n")
        self.asks.flush()
        line = self.answers.readline()
        if not line:
            raise RuntimeError("a helper of the judge's world died")
        answer: object = json.loads(line)
        return answer

    def run(self, commands: Sequence[tuple[Sequence[str], str]]) -> list[Ran]:
        """Run commands there, one after the other."""
        found = self.ask("run", commands)
        assert isinstance(found, list)
        return [Ran(*one) for one in found]


class World(Struct):
    """The running network. `port` is the source port of the next connection: none is used twice in a row."""

    agents: dict[str, Agent]
    port: int = 40000
    #: Nodes where legacy iptables has rules, and where any rule is.
    legacy: set[str] = field(default_factory=set)
    filled: set[str] = field(default_factory=set)
    #: What was read once of each node, and stays.
    places: dict[str, dict[str, str]] = field(default_factory=dict)

    def probe(self, wanted: Sequence[tuple[str, str, int]], seconds: float) -> list[str]:
        """Open connections (viewer, address, port) side by side and tell where each ended."""
        tried = []
        for source, destination, port in wanted:
            self.port = self.port + 1 if self.port < 60000 else 40000
            tried.append((source, self.port, destination, port))
        found = self.agents["viewers"].ask("probe", seconds, tried)
        assert isinstance(found, list)
        return found

    def read(self, node: str = "router") -> dict[str, str]:
        """Give what a node answers to every read; an unanswered one is empty."""
        found = self.places.setdefault(node, {})
        reads = [(name, argv) for name, argv in READS if name not in found]
        ran = self.agents[node].run([(argv, "") for _, argv in reads])
        answers = {name: one.output for (name, _), one in zip(reads, ran, strict=True)}
        found.update({name: answers[name] for name in STEADY if name in answers})
        return found | answers

    def clear(self, node: str) -> list[tuple[Sequence[str], str]]:
        """Give the commands that leave a node without any rule, set or connection."""
        commands: list[tuple[Sequence[str], str]] = [(("nft", "flush", "ruleset"), "")]
        if node in self.legacy:
            for program in LEGACY.values():
                empty = "".join(f"*{table}\n{_policies(table)}COMMIT\n" for table in TABLES)
                commands.append(((f"{program}-restore",), empty))
            self.legacy.remove(node)
        # Sets stay, empty: one that rules used a moment ago cannot go yet.
        return [*commands, (("ipset", "flush"), ""), (("conntrack", "-F"), "")]

    def load(self, commands: Sequence[tuple[Sequence[str], str]]) -> tuple[int, str]:
        """Put rules in place of those that are there; give the first command that was refused, and what it said.

        A command whose program is `lan/PROGRAM` is for the server at home, every other one for the router.
        """
        refused: list[tuple[int, str]] = []
        for node in sorted(self.filled | {_node(argv[0]) for argv, _ in commands}):
            before = self.clear(node)
            mine = [(n, one) for n, one in enumerate(commands) if _node(one[0][0]) == node]
            if any("legacy" in argv[0] for _, (argv, _) in mine):
                self.legacy.add(node)
            (self.filled.add if mine else self.filled.discard)(node)
            plain = [((argv[0].rpartition("/")[2], *argv[1:]), text) for _, (argv, text) in mine]
            ran = self.agents[node].run([*before, *plain])[len(before) :]
            refused += [
                (n, one.errors.strip() or "refused")
                for (n, _), one in zip(mine, ran, strict=True)
                if one.status
            ]
        return min(refused, default=(0, ""))


def _node(program: str) -> str:
    return program.rpartition("/")[0] or "router"


def _policies(table: str) -> str:
    chains = {
        "raw": "PREROUTING OUTPUT",
        "nat": "PREROUTING INPUT OUTPUT POSTROUTING",
        "mangle": "PREROUTING INPUT FORWARD OUTPUT POSTROUTING",
    }.get(table, "INPUT FORWARD OUTPUT")
    return "".join(f":{chain} ACCEPT [0:0]\n" for chain in chains.split())


def _wire(nodes: dict[str, Node]) -> None:
    """Connect the nodes: links, addresses, routes, and neighbours that never have to be asked for."""
    router = nodes["router"]
    router.sh("ip link add docker0 address 02:00:00:00:02:00 type bridge")
    for number, (end, device, peer, mac) in enumerate(LINKS):
        # From outside, for only there a node's process number is known.
        outer = f"{peer} address 02:00:00:00:02:0{number + 1} netns {router.pid} type veth"
        inner = f"peer name {device} address {mac} netns {nodes[end].pid}"
        subprocess.run(["ip", "link", "add", *outer.split(), *inner.split()], check=True)
    router.sh("\n".join(["ip link set port0 master docker0", *(f"sysctl -qw {one}" for one in SYSCTLS)]))
    for name, node in nodes.items():
        devices = [d for n, d, _, _ in LINKS if n == name]
        if name == "router":
            devices = ["wan0", "lan0", "guest0", "port0", "docker0"]
        lines = ["ip link set lo up", *(f"ip link set {one} addrgenmode none up" for one in devices)]
        for where, device, addresses in ADDRESSES:
            if where == name:
                lines += [
                    f"ip addr add {one} dev {device}{' nodad' if ':' in one else ''}" for one in addresses
                ]
        lines += [f"ip route add {route}" for where, route in ROUTES if where == name]
        node.sh("\n".join(lines + _neighbours(name)))


def _neighbours(name: str) -> list[str]:
    """Name everybody on the other end of each link of a node."""
    ends = (("wan0", "viewers", "up0", 1), ("lan0", "lan", "eth0", 2), ("docker0", "container", "eth0", 0))
    macs = {(node, device): mac for node, device, _, mac in LINKS}
    held = {(node, device): addresses for node, device, addresses in ADDRESSES}
    lines = []
    for here, node, device, number in ends:
        if name == "router":
            lines += [(one, here, macs[node, device]) for one in held[node, device]]
        elif name == node:
            lines += [(one, device, f"02:00:00:00:02:0{number}") for one in held["router", here]]
    return [
        f"ip neigh replace {one.partition('/')[0]} lladdr {mac} dev {dev} nud permanent"
        for one, dev, mac in lines
    ]


def _start_agent(node: Node) -> Agent:
    program = [sys.executable, "-I", "-S", str(Path(__file__).with_name("judge_agent.py")), node.name]
    process = subprocess.Popen(
        node.enter([*program, *map(str, PORTS)]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": NODE_PATH, "HOME": "/root", "LANG": "C.UTF-8"},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    if process.stdout.readline() != "ready\n":
        raise RuntimeError(f"the helper of {node.name} did not start")
    return Agent(process, process.stdin, process.stdout)


@contextmanager
def world(*full: str) -> Iterator[World]:
    """Make the network, and end it whatever happens. `full`: more nodes that have files of their own."""
    nodes = start_nodes({**dict(NODES), **dict.fromkeys(full, "full")})
    agents: dict[str, Agent] = {}
    try:
        _wire(nodes)
        agents = {name: _start_agent(node) for name, node in nodes.items()}
        yield World(agents)
    finally:
        for node in nodes.values():
            node.stop()
        for agent in agents.values():
            agent.asks.close()
            agent.answers.close()
            agent.process.wait(60)
