"""OpenWrt's rules that pass on what comes in over IPv6, as their owners write them: what firewall4 makes of them, walked."""

from __future__ import annotations

import pytest

from plexops.model.intervals import network
from plexops.packets.reach import AnswerKind, Asked, Target, who_reaches
from tests.packets.openwrt_home import PLEX_6, Section, box, rule


def opens(*sections: Section) -> AnswerKind:
    at = network(PLEX_6)[1]
    return who_reaches(
        [box(*sections)], Asked(6, at, ((32400, 32400),)), Target.at(at, ((32400, 32400),))
    ).kind


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, AnswerKind.EVERYBODY),
        ({"family": "ipv6", "dest_ip": PLEX_6}, AnswerKind.EVERYBODY),
        ({"proto": ""}, AnswerKind.EVERYBODY),  # TCP and UDP
        ({"dest_port": "", "proto": "all"}, AnswerKind.EVERYBODY),
        ({"dest_port": "32000-33000"}, AnswerKind.EVERYBODY),
        ({"proto": "udp"}, AnswerKind.NOBODY),
        ({"src": "*"}, AnswerKind.EVERYBODY),
        ({"enabled": "0"}, AnswerKind.NOBODY),
        ({"family": "ipv4"}, AnswerKind.NOBODY),
        ({"dest_ip": "192.168.1.50"}, AnswerKind.NOBODY),
        ({"dest": ""}, AnswerKind.NOBODY),
        ({"src": "lan"}, AnswerKind.NOBODY),
        ({"target": "DROP"}, AnswerKind.NOBODY),
        ({"src_ip": "2001:db8:1::/48"}, AnswerKind.SOME),
    ],
)
def test_a_rule_of_openwrt(changes: dict[str, str], kind: AnswerKind) -> None:
    assert opens(rule(**changes)) is kind


def test_openwrts_own_rules_pass_nothing_on_to_plex() -> None:
    """Three rules of its own pass on what comes from outside: ICMPv6, ESP and ISAKMP."""
    assert opens() is AnswerKind.NOBODY
    passing = {
        one.name for one in box().chains["inet fw4 forward_wan"].rules if one.name.startswith("Allow-")
    }
    assert passing == {"Allow-ICMPv6-Forward", "Allow-IPSec-ESP", "Allow-ISAKMP"}
