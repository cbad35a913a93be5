"""What real connections decided about rule sets of nft, and what the walk says of what nft lists."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from copy import deepcopy
from typing import Any

import pytest

from plexops.packets.reach import AnswerKind, Asked, Target, who_reaches
from tests.lab.node import NODE_PATH
from tests.packets.handmade import n
from tests.packets.nft_home import PROBES, decided, router, says, texts

DECIDED = decided()
#: Which of the connections stay not known, and the words of the question.
NOT_KNOWN = {
    "the protocol's raw byte": ((2,), "@nh,72,8 6"),
    "an address of anybody": ((0, 1, 2), "blackhole"),
    "a slow limit": ((0, 1, 2), "limit rate 1/minute burst 1 packets # handle 2"),
    "two neighbouring negated ports": ((1,), "tcp sport != 53 tcp dport != 32500"),
    "found: neighbouring negations": ((1,), "tcp sport != 53 tcp dport != 32500"),
    "the hours of a day": ((0, 1, 2), "what time it is “meta hour"),
    "a field that is not modelled": ((0, 1), "ip ttl != 0"),
    "the kind of a link": ((0, 1, 2), "meta iiftype ether"),
    "a table that sleeps": ((0, 1, 2), "the table inet t is not dormant"),
    "one of several addresses": ((1,), "192.168.1.51"),
    "found: notrack one way": ((0,), "a connection whose start was not tracked"),
}
#: What held in the inputs that once were read wrong: which connection, and where it ended.
FOUND = {
    "accept before dnat": (1, "router 203.0.113.20 32500"),
    "dnat for another address": (1, "router 203.0.113.20 32500"),
    "dnat on another interface": (1, "router 203.0.113.20 32500"),
    "forward vmap concat": (1, "lan 192.168.1.50 32400"),
    "raw notrack": (1, "router 203.0.113.20 32500"),
    "ip filter INPUT and another base chain": (0, ""),
    "ip filter lowercase": (0, ""),
    "vmap concat accept": (0, "router 203.0.113.20 32400"),
    "vmap named accept": (0, "router 203.0.113.20 32400"),
    "reject implies family": (2, "router 2001:db8:a::20 32400"),
    "neighbouring negations": (1, "router 203.0.113.20 32500"),
    "miniupnpd's raw bytes": (1, "lan 192.168.1.50 32400"),
}


@pytest.mark.parametrize("name", list(DECIDED))
def test_the_walk_says_what_packets_did(name: str) -> None:
    one = DECIDED[name]
    here = router(one.nft)
    open_ones, words = NOT_KNOWN.get(name, ((), ""))
    for number, (probe, ended) in enumerate(zip(PROBES, one.ended, strict=True)):
        verdict, said = says(here, probe, ended)
        assert verdict == ("not known" if number in open_ones else "right"), f"{probe}: {ended}; {said}"
        assert words in said or number not in open_ones


@pytest.mark.parametrize("name", list(FOUND))
def test_what_was_read_wrong_once_is_among_them(name: str) -> None:
    number, end = FOUND[name]
    assert DECIDED[f"found: {name}"].ended[number] in ((f"reached {end}",) if end else ("silent", "refused"))


def test_every_text_has_its_listing() -> None:
    assert list(texts()) == list(DECIDED)


def answer(nft: list[Any], number: int) -> AnswerKind:
    source, destination, port = PROBES[number]
    ended = n("192.168.1.50" if number < 2 else destination)
    asked = Asked(6 if ":" in destination else 4, n(destination), ((port, port),), n(source))
    places = Target(((n(destination), ((port, port),)), (ended, ((32400, 32400),))))
    return who_reaches([router(nft)], asked, places).kind


@pytest.mark.parametrize("name", list(DECIDED))
def test_what_nobody_knows_of_makes_nothing_more_certain(name: str) -> None:
    """A statement that no nft has yet, put into any one rule, leaves the answer as it is or opens it."""
    nft = DECIDED[name].nft
    before = [answer(nft, number) for number in range(len(PROBES))]
    for place, item in enumerate(nft):
        if "rule" not in item:
            continue
        changed = deepcopy(nft)
        changed[place]["rule"]["expr"].insert(0, {"horoscope": {"sign": "libra"}})
        after = [answer(changed, number) for number in range(len(PROBES))]
        assert all(b in (a, AnswerKind.UNKNOWN) for a, b in zip(before, after, strict=True)), place


def _without_handles(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_handles(v) for k, v in value.items() if k not in ("handle", "expires", "counter")}
    return [_without_handles(one) for one in value] if isinstance(value, list) else value


@pytest.mark.namespaces
@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or shutil.which("nft", path=NODE_PATH) is None,
    reason="needs root on Linux and nft",
)
def test_nft_still_lists_the_texts_so() -> None:
    # An index of an interface is only taken where that interface is.
    load = "ip link add wan0 type veth peer name lan0 && nft -f - && nft -j list ruleset"
    for name, text in texts().items():
        ran = subprocess.run(
            ["unshare", "-n", "sh", "-c", load],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": NODE_PATH},
        )
        assert (ran.returncode, ran.stderr) == (0, ""), name
        listed = json.loads(ran.stdout)["nftables"][1:]
        # Version 1.0.6 writes anything for a flag of a table.
        wanted = [one for one in DECIDED[name].nft if "table" not in one]
        assert _without_handles([one for one in listed if "table" not in one]) == _without_handles(wanted), (
            name
        )
