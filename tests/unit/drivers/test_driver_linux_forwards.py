"""A Linux router's forwards: rows out of its packet filter, and entries that say what a change would touch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plexops.config.profiles import load_profile
from plexops.drivers.router.compile import compile_profile
from plexops.drivers.router.profiled import ProfiledDriver
from plexops.model.intervals import network
from plexops.model.resources.port_forward import PortForward
from plexops.model.snapshot import Entry, Kind, KindState, Snapshot
from plexops.model.values import Ports, Protocol
from plexops.packets.reach import AnswerKind, Asked, Target, who_reaches
from tests.captures.capture_files import DATA, answer
from tests.unit.drivers.driver_bench import Said, observe

ADDRESSES = json.dumps(
    [
        {
            "ifname": "wan0",
            "addr_info": [{"family": "inet", "local": "203.0.113.10", "prefixlen": 24, "scope": "global"}],
        },
        {
            "ifname": "lan0",
            "addr_info": [{"family": "inet", "local": "192.168.1.1", "prefixlen": 24, "scope": "global"}],
        },
    ]
)
ROUTES = json.dumps(
    [
        {"dst": "default", "gateway": "203.0.113.1", "dev": "wan0", "flags": []},
        {"dst": "203.0.113.0/24", "dev": "wan0", "flags": []},
        {"dst": "192.168.1.0/24", "dev": "lan0", "flags": []},
    ]
)
BASE = {"type": "nat", "hook": "prerouting", "prio": -100, "policy": "accept"}
WAN_0 = {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "wan0"}}


def look(nft: Said, **said: Said) -> Snapshot:
    driver = ProfiledDriver(compile_profile(load_profile("linux", Path())))
    usual: dict[str, Said] = {"addresses": ADDRESSES, "routes": ROUTES, "routes6": "[]", "arp": ""}
    return observe(driver.observe(), {**usual, **said, "nft": nft})


def listing(*objects: object) -> str:
    return json.dumps({"nftables": [{"metainfo": {"version": "1.0.6"}}, *objects]})


def chain(name: str, **base: object) -> dict[str, object]:
    return {"chain": {"family": "ip", "table": "nat", "name": name, "handle": 1, **base}}


def rule(name: str, handle: int, *expression: object, **more: object) -> dict[str, object]:
    place = {"family": "ip", "table": "nat", "chain": name, "handle": handle}
    return {"rule": {**place, **more, "expr": list(expression)}}


def dport(port: int) -> dict[str, object]:
    return {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": port}}


def dnat(address: str, port: int | None = None) -> dict[str, object]:
    return {"dnat": {"addr": address, **({} if port is None else {"port": port})}}


def forwards(snapshot: Snapshot) -> list[Entry[PortForward]]:
    assert snapshot.state(Kind.PORT_FORWARD) is KindState.PRESENT, snapshot.reasons
    return list(snapshot.held(PortForward))


def test_a_recorded_router() -> None:
    """As a person reads it: two forwards, the table that was made last first. The hairpin is for the LAN."""
    path = DATA / "linux/nft_j_list_ruleset.json"
    ours, theirs = forwards(look(answer(path, None)))
    assert (str(theirs.values.external_port), str(theirs.values.address), str(theirs.values.port)) == (
        "8443", "192.168.1.20", "443",
    )  # fmt: skip
    assert (theirs.label, theirs.owner.ours, theirs.exhibit) == ("nas https", False, "router.nft")
    assert (str(ours.values.external_port), str(ours.values.address), str(ours.values.port)) == (
        "32500", "192.168.1.50", "32400",
    )  # fmt: skip


def test_both_protocols_and_every_port_are_read_as_such() -> None:
    protocols = {
        "match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": {"set": ["tcp", "udp"]}}
    }
    (one,) = forwards(look(listing(chain("c", **BASE), rule("c", 2, protocols, dnat("192.168.1.20")))))
    assert (one.values.protocol, one.values.external_port.everything, one.values.is_dmz) == (
        Protocol.BOTH,
        True,
        True,
    )
    assert one.values.port == Ports.of((1, 65535))
    (one,) = forwards(look(listing(chain("c", **BASE), rule("c", 2, WAN_0, dnat("192.168.1.20")))))
    assert (one.values.protocol, one.values.is_dmz) == (Protocol.ANY, True)


def test_a_chain_stands_where_the_jump_to_it_is() -> None:
    """As miniupnpd and Docker do it: their chains are listed apart, and asked in between."""
    box = look(
        listing(
            chain("MINIUPNPD"),
            chain("PREROUTING", **BASE),
            chain("ORPHAN"),
            rule("ORPHAN", 2, dport(4), dnat("192.168.1.4", 1)),
            *(rule("MINIUPNPD", 10 + port, dport(port), dnat("192.168.1.2", 1)) for port in (1, 2, 3)),
            rule("PREROUTING", 4, dport(1), dnat("192.168.1.1", 1)),
            rule("PREROUTING", 5, {"jump": {"target": "MINIUPNPD"}}),
            rule("PREROUTING", 6, dport(3), dnat("192.168.1.3", 1)),
        )
    ).box
    assert box is not None

    def leads(port: int) -> str:
        asked = Asked(4, network("203.0.113.10")[1], ((port, port),))
        hosts = [f"192.168.1.{host}" for host in range(1, 5)]
        return next(
            (
                host
                for host in hosts
                if who_reaches([box], asked, Target.at(network(host)[1], ((1, 1),))).kind
                is AnswerKind.EVERYBODY
            ),
            "",
        )

    assert [leads(port) for port in (1, 2, 3, 4)] == ["192.168.1.1", "192.168.1.2", "192.168.1.2", ""]


@pytest.mark.parametrize(
    ("match", "narrowed"),
    [
        ({"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "198.51.100.7"}},
         "198.51.100.7"),
        ({"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "sport"}}, "right": 7}}, "tcp sport 7"),
        ({"match": {"op": "==", "left": {"meta": {"key": "mark"}}, "right": 5}}, "mark"),
    ],
)  # fmt: skip
def test_what_a_forward_also_looks_at_narrows_it(match: dict[str, Any], narrowed: str) -> None:
    statements = (match, dport(32500), dnat("192.168.1.50", 32400))
    (one,) = forwards(look(listing(chain("c", **BASE), rule("c", 2, *statements))))
    assert narrowed in one.values.source


def test_a_forward_that_is_not_understood_keeps_its_place_and_blinds_no_other() -> None:
    odd = {"match": {"op": "==", "left": {"horoscope": {"sign": "libra"}}, "right": 1}}
    statements = (dport(32500), dnat("192.168.1.50", 32400))
    seen = look(
        listing(
            chain("c", **BASE), rule("c", 2, odd, *statements), rule("c", 3, dport(1), dnat("192.168.1.9"))
        )
    )
    first, second = seen.of(Kind.PORT_FORWARD)
    assert first.values is None
    assert second.values is not None


def test_a_ruleset_that_was_not_read_is_unknown() -> None:
    snapshot = look((1, "", "Operation not permitted"))
    assert snapshot.state(Kind.PORT_FORWARD) is KindState.UNKNOWN
    assert snapshot.box is not None
    asked = Asked(6, network("2001:db8:1::50")[1], ((32400, 32400),))
    target = Target.at(network("2001:db8:1::50")[1], ((32400, 32400),))
    assert who_reaches([snapshot.box], asked, target).kind is AnswerKind.UNKNOWN, "nor is it over IPv6"
