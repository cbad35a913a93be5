"""Of a forward “only” is said where something keeps anybody out, and not of all senders, all days or our own address."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from plexops.config.profiles import load_profile
from plexops.drivers.router.rows import entry_of
from plexops.model.resources import KINDS
from plexops.model.resources.port_forward import ANYBODY, PortForward
from plexops.model.snapshot import Kind

WAN = "203.0.113.20"
UCI = {".name": "cfg1", "src_dport": "32500", "dest_ip": "192.168.1.50", "dest_port": "32400", "proto": "tcp"}
ROUTEROS = {
    ".id": "*1",
    "dst-port": "32500",
    "to-addresses": "192.168.1.50",
    "to-ports": "32400",
    "protocol": "tcp",
}
SAYS = "32500 → 192.168.1.50:32400"


@pytest.mark.parametrize(
    ("family", "row", "says"),
    [
        ("openwrt", UCI, SAYS),
        ("openwrt", UCI | {"src_ip": "0.0.0.0/0"}, SAYS),
        ("openwrt", UCI | {"src_dip": WAN}, SAYS),
        ("openwrt", UCI | {"src_dip": f"{WAN}/32"}, SAYS),
        ("openwrt", UCI | {"weekdays": "Mon Tue Wed Thu Fri Sat Sun"}, SAYS),
        ("openwrt", UCI | {"weekdays": "Sun Mon Tue Wed Thu Fri"}, f"{SAYS} (only where weekdays Sun Mon Tue Wed Thu Fri)"),
        ("openwrt", UCI | {"weekdays": "! Sat Sun"}, f"{SAYS} (only where weekdays ! Sat Sun)"),
        ("openwrt", UCI | {"src_dip": "203.0.113.99"}, f"{SAYS} (only where src_dip 203.0.113.99)"),
        ("openwrt", UCI | {"src_ip": "198.51.100.7"}, f"{SAYS} (only from 198.51.100.7)"),
        ("openwrt", UCI | {"src_ip": "!0.0.0.0/0"}, f"{SAYS} (only from !0.0.0.0/0)"),
        ("openwrt", UCI | {"src_ip": "198.51.100.7", "mark": "1"}, f"{SAYS} (only from 198.51.100.7 where mark 1)"),
        ("routeros", ROUTEROS | {"src-address": "0.0.0.0/0"}, SAYS),
        ("routeros", ROUTEROS | {"time": "0s-1d,sun,mon,tue,wed,thu,fri,sat"}, SAYS),
        ("routeros", ROUTEROS | {"time": "8h-22h,sun,mon,tue,wed,thu,fri,sat"},
         f"{SAYS} (only where time 8h-22h,sun,mon,tue,wed,thu,fri,sat)"),
        ("routeros", ROUTEROS | {"src-address-list": "friends"}, f"{SAYS} (only where src-address-list friends)"),
    ],
)  # fmt: skip
def test_only_is_said_of_what_narrows(family: str, row: Mapping[str, str], says: str) -> None:
    (spec,) = load_profile(family, Path()).resources[Kind.PORT_FORWARD]
    entry = entry_of(spec, row, 0, "", WAN)
    assert isinstance(entry.values, PortForward)
    assert KINDS[Kind.PORT_FORWARD].says(entry.values) == says
    assert (entry.values.source == ANYBODY) is (says == SAYS)
