"""OpenWrt's kernel after the real firewall4: the walk says what real connections did there, and why not."""

from __future__ import annotations

import json
from functools import cache

import pytest

from plexops.packets.reach import PUBLIC_V4, AnswerKind
from plexops.packets.why import why_not
from plexops.runbook.way_in import says
from tests.packets import firewall4
from tests.packets.handmade import n
from tests.packets.uci_home import DUMP, STORE, ask, asking, box, cases, rulesets

VIEWERS = ("192.0.2.200", "198.51.100.77")
PORTS = (32500, 32400)
#: For whom a forward is, where it is for some.
ONLY = {
    "found: ipset-only": "192.0.2.9",
    "found: src_ip-only": "198.51.100.200",
    "zone: subnet=198.51.100.0/24": "198.51.100.0/24",
}


@cache
def packets() -> dict[str, tuple[list[str], str]]:
    """Where the connections ended by case, and the cause or question."""
    found: dict[str, tuple[list[str], str]] = {}
    for line in (STORE / "packets.txt").read_text("utf-8").splitlines():
        name, arrow, rest = line.partition(" -> ")
        if arrow and not line.startswith("#"):
            ends, _, cause = rest.partition(" -> ")
            found[name] = (ends.split(", "), cause)
    return found


@pytest.mark.parametrize("name", packets())
def test_the_walk_says_what_packets_did(name: str) -> None:
    ends, cause = packets()[name]
    router = box(name)
    for (viewer, port), end in zip([(v, p) for v in VIEWERS for p in PORTS], ends, strict=True):
        answer = ask(router, port, viewer)
        if cause.startswith("not known: ") and port == PORTS[0]:
            assert answer.kind is AnswerKind.UNKNOWN
            assert cause.removeprefix("not known: ") in "; ".join(map(str, answer.questions))
        else:
            assert answer.kind is (AnswerKind.EVERYBODY if end == "reached" else AnswerKind.NOBODY)


@pytest.mark.parametrize(
    "name", [name for name, (_, cause) in packets().items() if cause and "known" not in cause]
)
def test_why_a_viewer_does_not_get_to_plex(name: str) -> None:
    router, (asked, target) = box(name), asking(PORTS[0], VIEWERS[1])
    first = why_not([router], asked, target, ask(router, PORTS[0], VIEWERS[1]))[0]
    kind, _, word = packets()[name][1].partition(": ")
    assert first.why == kind, says(first)
    assert word in says(first)


@pytest.mark.parametrize(("name", "senders"), ONLY.items())
def test_a_forward_that_is_for_some_is_for_these(name: str, senders: str) -> None:
    assert ask(box(name), PORTS[0]).senders == n(senders)


def test_everybody_is_every_public_address() -> None:
    answer = ask(box("redirects: plain"), PORTS[0])
    assert (answer.kind, answer.senders) == (AnswerKind.EVERYBODY, PUBLIC_V4)


def test_each_case_has_its_ruleset_and_its_packets() -> None:
    assert set(packets()) == set(rulesets())
    assert set(cases()) - set(packets()) == {
        "rule: target=HELPER; set_helper=ftp"
    }  # the helper's module is not there


@pytest.mark.nightly
@pytest.mark.namespaces
@pytest.mark.skipif(bool(firewall4.missing()), reason=firewall4.missing())
def test_firewall4_and_nft_still_make_the_same() -> None:
    for name in rulesets():
        if "include" not in name:
            made = firewall4.listed(firewall4.rendered(cases()[name], DUMP)[0])
            assert json.dumps(made) == json.dumps(rulesets()[name]), name
