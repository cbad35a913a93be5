"""What a Linux router's tools do not show is not known: a router translates, whether or not something there tells how."""

from __future__ import annotations

import pytest

from plexops.drivers.answers import Answer
from plexops.drivers.rulesets.base import BoxInput
from plexops.drivers.rulesets.boxes import build_box
from plexops.model.snapshot import Role

TOOLS = ("nft", "iptables", "ip6tables", "iptables_legacy", "ip6tables_legacy", "ipset")
NOT_THERE = Answer(absent=True)


def unread(role: Role, **answers: Answer) -> set[str]:
    """Give the reasons of the chains that were not read."""
    device = BoxInput({**dict.fromkeys(TOOLS, NOT_THERE), **answers}, str(role), "eth0")
    return {chain.unread for chain in build_box("netfilter", device).chains.values() if chain.unread}


def test_a_router_without_any_tool_is_unknown() -> None:
    assert unread(Role.ROUTER) == {"neither nft nor iptables-save is there to show what it translates"}


@pytest.mark.parametrize("tool", ["nft", "iptables", "iptables_legacy"])
def test_one_tool_tells_it(tool: str) -> None:
    listed = {"nftables": [{"metainfo": {"json_schema_version": 1}}]}
    said = Answer(listed) if tool == "nft" else Answer("*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n")
    assert unread(Role.ROUTER, **{tool: said}) == set()


def test_a_host_without_any_tool_has_no_filter() -> None:
    assert unread(Role.SERVER) == set()
