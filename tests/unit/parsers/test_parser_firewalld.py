"""Zones as firewalld 1.3.3 printed them on Debian 12, and what is none."""

from __future__ import annotations

import pytest

from plexops.parsers.base import ParseError
from plexops.parsers.firewalld import parse_firewalld_zones

DROP = """drop
  target: DROP
  icmp-block-inversion: no
  interfaces:\x20
  sources:\x20
  services:\x20
  ports:\x20
  protocols:\x20
  forward: yes
  masquerade: no
  forward-ports:\x20
  source-ports:\x20
  icmp-blocks:\x20
  rich rules:\x20

"""
RULE = 'rule family="ipv4" port port="32400" protocol="tcp" nflog prefix="plexops:plex" accept'
PUBLIC = f"""public (active)
  target: default
  icmp-block-inversion: no
  interfaces: eth0
  sources: 10.0.0.0/8 ipset:friends
  services: dhcpv6-client ssh
  ports: 32400/tcp 1714-1764/udp
  protocols:\x20
  forward: yes
  masquerade: no
  forward-ports:\x20
	port=80:proto=tcp:toport=8080:toaddr=
  source-ports:\x20
  icmp-blocks:\x20
  rich rules:\x20
	{RULE}
	rule family="ipv4" source address="203.0.113.0/24" drop
"""


def test_zones() -> None:
    drop, public = parse_firewalld_zones(DROP + PUBLIC)
    assert (drop["zone"], drop["flags"], drop["target"]) == ("drop", "", "DROP")
    assert [drop[name] for name in ("interfaces", "ports", "rich rules")] == [[], [], []]
    assert (public["zone"], public["flags"], public["interfaces"]) == ("public", "active", ["eth0"])
    assert public["sources"] == ["10.0.0.0/8", "ipset:friends"]
    assert public["ports"] == ["32400/tcp", "1714-1764/udp"]
    assert public["forward-ports"] == ["port=80:proto=tcp:toport=8080:toaddr="]
    assert public["rich rules"] == [RULE, 'rule family="ipv4" source address="203.0.113.0/24" drop']


def test_what_is_default_too_says_so() -> None:
    """As older versions write it."""
    (zone,) = parse_firewalld_zones(PUBLIC.replace("(active)", "(default, active)"))
    assert (zone["zone"], zone["flags"]) == ("public", "default, active")


MISSPELT = DROP.replace("  ports: ", "  porst: ")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "<html>Login</html>\n",
        "public\n",
        DROP[:40],
        "  target: default\n",
        "not running\n",
        MISSPELT,
    ],
)
def test_what_is_no_zone(text: str) -> None:
    with pytest.raises(ParseError):
        parse_firewalld_zones(text)


def test_a_zone_that_was_cut_is_none() -> None:
    for end in range(len(PUBLIC) - len(PUBLIC.partition("rich rules")[2]) - 1):
        with pytest.raises(ParseError):
            parse_firewalld_zones(PUBLIC[:end])
