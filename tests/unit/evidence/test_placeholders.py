"""Placeholders: nothing of a home is left, what joins two answers still joins them, and the form stays."""

from __future__ import annotations

import pytest

from plexops.evidence.placeholders import Placeholders
from plexops.evidence.scrub import Scrubber
from plexops.model.secret import Secret

NAMES = ("Küche-Cam", "Bob's NAS (old)", "nas", "lan")


def masker() -> Placeholders:
    return Placeholders(Scrubber([Secret("Tr0ub4dor&3", "password")]), NAMES, ["lan", "router"])


@pytest.mark.parametrize(
    ("written", "canary"),
    [
        ("inet 84.133.7.9/24 scope global", "84.133"),
        ('"nexthop": "84.133.7.1"', "84.133"),
        ("inet6 2003:e1:7f01::a5/64", "2003:e1"),
        ("inet6 fe80::9a5f:d3ff:fea1:a2a3/64", "a1:a2a3"),
        ("98:5F:D3:A1:A2:A3 dev br-lan", "D3:A1"),
        ("mac=985fd3a1a2a3", "985fd3"),
        ("985f.d3a1.a2a3", "d3a1"),
        ("client-id=1:98:5f:d3:a1:a2:a3 server=x", "d3:a1"),
        ("client-id=01:98:5f:d3:a1:a2:a3 server=x", "d3:a1"),
        ("86400 00:11:32:aa:bb:01 192.168.1.9 nas *", " nas "),
        ("dhcp.@host[0].name='Bob'\\''s NAS (old)'", "Bob"),
        ('comment="K\\C3\\BCche-Cam"', "che-Cam"),
        ('{"descr": "K\\u00fcche-Cam"}', "che-Cam"),
        ('"hostname": "roberts-iphone"', "roberts"),
        ("host-name=roberts-iphone", "roberts"),
        ("wireless.radio0.key='geheim99'\n", "geheim99"),
        ("ppp.password='geheim99'\n", "geheim99"),
        ('{"api_key": "wJalrXUtnFEMI"}', "wJalr"),
        ("X-Plex-Token=yXz-1234567890abcdef", "1234567890abcdef"),
        ("set login Tr0ub4dor&3 now", "Tr0ub4dor"),
        ("set login Tr0ub4dor%263 now", "Tr0ub4dor"),
        ("mail bob@example-isp.de", "bob@"),
        ("wireless.radio0.ssid='Bob hears you'", "hears"),
        ("# serial number = 8A3B0C1D2E3F", "8A3B0C"),
        ("# software id = K3QX-7T2M", "K3QX"),
        ('"uuid": "8f14e45f-ceea-467f-a9a5-2d8a1f0d3c55"', "8f14e45f"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----", "MIIEow"),
        ("option key '$6$saltsalt$abcdefghijkl'", "saltsalt"),
    ],
)
def test_no_canary_is_left(written: str, canary: str) -> None:
    assert canary in written
    masked = masker().mask(written)
    assert canary.lower() not in masked.lower()
    assert "·" not in masked  # a placeholder has the form of what it stands for


def test_a_value_has_one_placeholder_in_all_answers_and_spellings() -> None:
    mask = masker().mask
    assert mask("at 84.133.7.9") == "at 203.0.113.1"
    assert mask("via 84.133.7.1, not 9.9.1.2") == "via 203.0.113.2, not 198.51.100.1"
    assert mask("84.133.7.9/32 in 84.133.7.0/24") == "203.0.113.1/32 in 203.0.113.0/24"
    assert mask("98:5F:D3:A1:A2:A3") == mask("98:5f:d3:a1:a2:a3") == "02:00:00:00:00:01"
    assert mask("985f.d3a1.a2a3") == "0200.0000.0001"
    assert mask('"host": "nas"').split('"')[3] == mask("NAS")
    assert mask('"hostname": "nas"').split('"')[3] == mask("nas")


def test_what_is_the_familys_own_word_or_the_homes_network_stays() -> None:
    text = "lan 192.168.1.9 router fe80::1 100.64.0.1 enabled='1' natural"
    assert masker().mask(text) == text
    assert masker().mask('"pass": "rule", "hostname": "router"') == '"pass": "rule", "hostname": "router"'
