"""The router's answers as the product's front ends read them."""

from __future__ import annotations

import json
from collections.abc import Mapping

from plexops.drivers.rulesets.netfilter import NetfilterAnswers, netfilter_box
from plexops.drivers.rulesets.network import read_addresses, read_routes
from plexops.model.packets import Box
from plexops.parsers.proc_net import parse_proc_arp


def box_of(reads: Mapping[str, str], internet_side: str) -> Box:
    """Make the box of what was read in the judge's world.

    nft 1.0.6 sometimes writes what is no JSON (a table's flag out of freed memory): then it is not read.
    """
    nft, unread = None, {}
    try:
        nft = json.loads(reads["nft"])
    except ValueError:
        unread = {"nft": "what it answered is no JSON"}
    return netfilter_box(
        NetfilterAnswers(
            internet_side=internet_side,
            nft=nft,
            unread=unread,
            iptables=reads["iptables"],
            ip6tables=reads["ip6tables"],
            iptables_legacy=reads["iptables-legacy"],
            ip6tables_legacy=reads["ip6tables-legacy"],
            ipset=reads["ipset"],
            addresses=read_addresses(json.loads(reads["addresses"])),
            routes=read_routes(json.loads(reads["routes4"])) + read_routes(json.loads(reads["routes6"]), 6),
            arp={str(a): mac for a, mac in parse_proc_arp(reads["arp"]).items()},
        )
    )
