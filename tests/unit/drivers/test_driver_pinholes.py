"""Pinholes over IPv6, and forwards in the order in which the device itself asks them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from plexops.config.profiles import load_profile
from plexops.drivers.compile import compile_profile
from plexops.drivers.profiled import ProfiledDriver
from plexops.model.entries import Pinhole
from plexops.model.exchange import Reply
from plexops.model.snapshot import Kind, KindState, Snapshot
from plexops.model.values import Ports, Protocol
from tests.captures.capture_files import answer, find
from tests.unit.drivers.driver_bench import Said, observe


def look(family: str, **said: Said) -> Snapshot:
    driver = ProfiledDriver(compile_profile(load_profile(family, Path())))
    return observe(driver.observe(), said, missing=1)


def pinholes(snapshot: Snapshot) -> list[tuple[str, str, Protocol | None]]:
    assert snapshot.state(Kind.PINHOLE) is KindState.PRESENT, snapshot.reasons
    found = []
    for entry in snapshot.of(Kind.PINHOLE):
        assert isinstance(entry.values, Pinhole), entry
        found.append((entry.values.address, str(entry.values.ports or ""), entry.values.protocol))
    return found


# --- OpenWrt -----------------------------------------------------------------------------------------

RULE = {"name": "Plex", "src": "wan", "dest": "lan", "target": "ACCEPT", "proto": "tcp", "dest_port": "32400"}


def uci(**changes: str) -> str:
    options = {name: text for name, text in {**RULE, **changes}.items() if text}
    lines = [f"firewall.@rule[0].{name}='{text}'" for name, text in options.items()]
    return "\n".join(["firewall.@rule[0]=rule", *lines]) + "\n"


@pytest.mark.parametrize(
    ("changes", "hole"),
    [
        ({}, ("", "32400", Protocol.TCP)),
        ({"family": "ipv6", "dest_ip": "2001:db8::50"}, ("2001:db8::50", "32400", Protocol.TCP)),
        ({"dest_ip": "::50/-64", "proto": ""}, ("::50/-64", "32400", Protocol.BOTH)),
        ({"dest_port": "", "proto": "all"}, ("", "", Protocol.ANY)),
        ({"dest_port": "32000-33000"}, ("", "32000-33000", Protocol.TCP)),
        ({"proto": "udp"}, ("", "32400", Protocol.UDP)),
        ({"src": "*"}, ("", "32400", Protocol.TCP)),
        ({"enabled": "0"}, None),
        ({"family": "ipv4"}, None),
        ({"dest_ip": "192.168.1.50"}, None),
        ({"dest": ""}, None),
        ({"src": "guest"}, None),
        ({"target": "DROP"}, None),
        ({"src_ip": "2001:db8:1::/48"}, None),
    ],
)
def test_openwrt(changes: dict[str, str], hole: tuple[str, str, Protocol] | None) -> None:
    assert pinholes(look("openwrt", firewall=uci(**changes))) == ([] if hole is None else [hole])


def test_openwrts_own_rules() -> None:
    """A person's reading of the capture: three rules pass on what comes from outside, none of them to Plex's port."""
    path = find("openwrt/uci_show_firewall_after.txt")
    assert path is not None
    snapshot = look("openwrt", firewall=answer(path, None))
    assert pinholes(snapshot) == [
        ("", "", Protocol.OTHER),
        ("", "", Protocol.OTHER),
        ("", "500", Protocol.UDP),
    ]
    labels = [entry.label for entry in snapshot.of(Kind.PINHOLE)]
    assert labels == ["Allow-ICMPv6-Forward", "Allow-IPSec-ESP", "Allow-ISAKMP"]


@pytest.mark.parametrize(
    "said", [(1, "", "uci: Entry not found"), Reply("firewall", None, uci(), whole=False), "?"]
)
def test_rules_that_were_not_read_are_unknown(said: Said) -> None:
    assert look("openwrt", firewall=said).state(Kind.PINHOLE) is KindState.UNKNOWN


def test_the_box_before_the_router() -> None:
    path = find("openwrt/live_ubus_network_interface_dump.txt")
    assert path is not None
    dump = answer(path, "ubus call network.interface dump")
    assert look("openwrt", network=dump).text("upstream.address") == "62.155.240.1"


# --- Linux -------------------------------------------------------------------------------------------

NFT = shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin")


def as_json(*objects: str) -> str:
    """Let the real nft write down what it made of these commands."""
    made = " && ".join(f"{NFT} '{text}'" for text in objects)
    done = subprocess.run(
        ["unshare", "-n", "sh", "-c", f"{made} && {NFT} -j list ruleset"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def forwarding(rule: str, family: str = "inet") -> str:
    hook = "type filter hook forward priority 0; policy drop;"
    return as_json(f"table {family} t {{ chain c {{ {hook} {rule}; }}; }}")


@pytest.mark.namespaces
@pytest.mark.skipif(NFT is None or os.geteuid() != 0, reason="needs root, nft and network namespaces")
@pytest.mark.parametrize(
    ("rule", "hole"),
    [
        ("tcp dport 32400 accept", ("", "32400", Protocol.TCP)),
        ('iifname "wan0" oifname "lan0" tcp dport 32400 ct state new accept', ("", "32400", Protocol.TCP)),
        ("ip6 daddr 2001:db8::50 tcp dport 32400 accept", ("2001:db8::50", "32400", Protocol.TCP)),
        ("ip6 daddr 2001:db8::50 accept", ("2001:db8::50", "", None)),
        ("meta nfproto ipv6 udp dport 32400 accept", ("", "32400", Protocol.UDP)),
        ("meta nfproto ipv4 tcp dport 32400 accept", None),
        ("ip daddr 192.168.1.50 tcp dport 32400 accept", None),
        ("ct state established,related accept", None),
        ("ct status dnat accept", None),
        ("ip6 saddr 2001:db8:1::/48 tcp dport 32400 accept", None),
        ('iifname "lan0" accept', None),
        ('iifname != "lan0" tcp dport 32400 accept', None),
        ("tcp dport 32400 drop", None),
    ],
)
def test_linux(rule: str, hole: tuple[str, str, Protocol | None] | None) -> None:
    assert pinholes(look("linux", ruleset=forwarding(rule))) == ([] if hole is None else [hole])


@pytest.mark.namespaces
@pytest.mark.skipif(NFT is None or os.geteuid() != 0, reason="needs root, nft and network namespaces")
def test_linux_ipv4_tables_hold_no_pinhole() -> None:
    assert pinholes(look("linux", ruleset=forwarding("tcp dport 32400 accept", "ip"))) == []


def test_a_ruleset_that_was_not_read_is_unknown() -> None:
    assert look("linux", ruleset=(1, "", "Operation not permitted")).state(Kind.PINHOLE) is KindState.UNKNOWN


@pytest.mark.parametrize("family", ["routeros", "opnsense"])
def test_other_families_do_not_know_of_pinholes(family: str) -> None:
    assert look(family).state(Kind.PINHOLE) is KindState.UNSUPPORTED


# --- the order of forwards ---------------------------------------------------------------------------

#: Two base chains with priorities, in the order in which they are made; each turns port 5555 away to a port of its own.
ORDERS = [(-100, -100), (-100, -90), (-90, -100), (-100, -150)]
ASK = """
import socket
listening = {port: socket.create_server(("127.0.0.1", port)) for port in (7000, 7001)}
caller = socket.create_connection(("127.0.0.1", 5555), 2)
for port, listener in listening.items():
    listener.settimeout(0.3)
    try:
        listener.accept()
        print(port)
    except TimeoutError:
        pass
"""


def chains(hook: str, priorities: tuple[int, int]) -> list[str]:
    return [
        f"table inet t{number} {{ chain c {{ type nat hook {hook} priority {priority}; "
        f"tcp dport 5555 redirect to :{7000 + number}; }}; }}"
        for number, priority in enumerate(priorities)
    ]


def forwards(ruleset: str) -> list[Any]:
    found = look("linux", ruleset=ruleset).of(Kind.PORT_FORWARD)
    assert all(entry.values is not None for entry in found)
    return [entry.values for entry in found]


@pytest.mark.namespaces
@pytest.mark.skipif(NFT is None or os.geteuid() != 0, reason="needs root, nft and network namespaces")
@pytest.mark.parametrize("priorities", ORDERS)
def test_the_first_forward_is_the_one_that_the_kernel_obeys(priorities: tuple[int, int]) -> None:
    """The output hook of the real kernel says who wins there; the prerouting hook keeps the same order."""
    made = " && ".join(f"{NFT} '{text}'" for text in chains("output", priorities))
    script = f'ip link set lo up && {made} && exec "$0" -c "$1"'
    done = subprocess.run(
        ["unshare", "-n", "sh", "-c", script, sys.executable, ASK], capture_output=True, text=True, check=True
    )
    winner = int(done.stdout)
    first, _ = forwards(as_json(*chains("prerouting", priorities)))
    assert first.port.single == winner


def rule(chain: str, handle: int, *expression: object) -> dict[str, object]:
    place = {"family": "ip", "table": "nat", "chain": chain, "handle": handle}
    return {"rule": {**place, "expr": list(expression)}}


def chain(name: str, **base: object) -> dict[str, object]:
    return {"chain": {"family": "ip", "table": "nat", "name": name, "handle": 1, **base}}


def dnat(port: int, address: str) -> tuple[object, object]:
    left = {"payload": {"protocol": "tcp", "field": "dport"}}
    return {"match": {"op": "==", "left": left, "right": port}}, {"dnat": {"addr": address, "port": 1}}


def test_a_chain_stands_where_the_jump_to_it_is() -> None:
    """As miniupnpd and Docker do it: their chains are listed apart, and asked in between."""
    base = {"type": "nat", "hook": "prerouting", "prio": -100, "policy": "accept"}
    ruleset = [
        chain("MINIUPNPD"),
        chain("PREROUTING", **base),
        chain("ORPHAN"),
        rule("ORPHAN", 2, *dnat(4, "192.168.1.4")),
        rule("MINIUPNPD", 3, *dnat(2, "192.168.1.2")),
        rule("PREROUTING", 4, *dnat(1, "192.168.1.1")),
        rule("PREROUTING", 5, {"jump": {"target": "MINIUPNPD"}}),
        rule("PREROUTING", 6, *dnat(3, "192.168.1.3")),
        rule("MINIUPNPD", 7, {"jump": {"target": "PREROUTING"}}),
    ]
    found = forwards(json.dumps({"nftables": ruleset}))
    assert [str(values.external_port) for values in found] == ["1", "2", "3", "4"]


def test_both_protocols_and_every_port_are_read_as_such() -> None:
    base = {"type": "nat", "hook": "prerouting", "prio": -100, "policy": "accept"}
    protocols = {
        "match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": {"set": ["tcp", "udp"]}}
    }
    ruleset = [chain("c", **base), rule("c", 2, protocols, {"dnat": {"addr": "192.168.1.20"}})]
    (values,) = forwards(json.dumps({"nftables": ruleset}))
    assert (values.protocol, values.external_port.everything, values.is_dmz) == (Protocol.BOTH, True, True)
    assert values.port == Ports.of((1, 65535))
