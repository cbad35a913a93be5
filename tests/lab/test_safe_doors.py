"""Doors of a real home: the host is not brought into somebody's DMZ, and the rule of its real ufw is of IPv4 alone."""

from __future__ import annotations

import pytest

from .owner import PORT, mark, plexops, run_id, state_of, writes_since
from .realhome import UFW_RULES, real_home, why_not

pytestmark = [pytest.mark.namespaces, pytest.mark.skipif(bool(why_not()), reason=why_not() or "can run here")]

DMZ = """
table ip somebody {
  chain prerouting {
    type nat hook prerouting priority -90;
    iifname "wan" dnat to 192.168.1.50
  }
}
"""
SIX = "/etc/ufw/user6.rules"
OF_OLD = "prepend allow in proto tcp from any to any port 32400 comment plexops:plex"


def test_the_host_is_not_brought_into_a_dmz() -> None:
    """The host holds .104; a DMZ leads to .50, which the playbook reserves for it. SSH stands open behind it."""
    with real_home(lease="moved", ufw_rules=UFW_RULES) as home:
        home.nodes["router"].exec(["nft", "-f", "-"], DMZ, check=True)
        passes = "insert rule inet filter forward ct status dnat accept"
        home.nodes["router"].exec(["nft", passes], check=True)
        before, marked = state_of(home), mark(home)
        assert home.connect_from_outside(22) != "open"
        applied = plexops(home, "apply --yes")
        said = " ".join(applied.stdout.split())
        assert applied.returncode == 3, applied.stdout + applied.stderr
        assert "would bring the Plex host to 192.168.1.50" in said, said
        assert writes_since(home, marked) == {}
        assert state_of(home).differs(before) == []
        assert home.address_of_server() == "192.168.1.104"
        assert home.connect_from_outside(22) != "open"


def test_the_real_ufw_gets_a_rule_of_ipv4_alone_and_an_old_one_is_narrowed() -> None:
    with real_home(lease="reserved") as home:
        clean = home.read("server", SIX)
        first = plexops(home, "apply --yes")
        assert first.returncode == 0, first.stdout + first.stderr
        assert home.read("server", SIX) == clean
        assert home.connect_from_outside(PORT) == "open"
        taken = "--force delete allow in proto tcp from any to 0.0.0.0/0 port 32400"
        for words in (taken, OF_OLD):
            home.nodes["server"].exec(["ufw", *words.split()], check=True)
        wide = home.read("server", SIX)
        assert wide != clean
        narrowed = plexops(home, "apply --yes")
        assert narrowed.returncode == 0, narrowed.stdout + narrowed.stderr
        assert home.read("server", SIX) == clean
        assert home.connect_from_outside(PORT) == "open"
        back = plexops(home, f"rollback {run_id(narrowed)} --yes")
        assert back.returncode in (0, 4), back.stdout + back.stderr
        assert home.read("server", SIX) == wide
