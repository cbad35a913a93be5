"""One rule of ufw, as its command line takes it."""

from __future__ import annotations

from ipaddress import ip_network

from msgspec import Struct

from plexops.structs import replace

ANYWHERE = {4: "0.0.0.0/0", 6: "::/0"}


class Rule(Struct, frozen=True):
    """One rule; `protocol` and `port` are `any` where nothing is said, networks as written."""

    action: str
    protocol: str
    port: str
    destination: str
    source: str
    direction: str = "in"
    comment: str = ""

    def matches(self, other: Rule) -> bool:
        """Tell whether both are about the same packets, whatever they do with them."""
        mine = replace(self, action="", comment="")
        return mine == replace(other, action="", comment="")

    def version(self, version: int) -> Rule | None:
        """Give the rule for IPv4 or IPv6; None when its addresses are of the other one."""
        sides = []
        for text in (self.destination, self.source):
            if text == "any":
                sides.append(ANYWHERE[version])
            elif ip_network(text, strict=False).version != version:
                return None
            else:
                sides.append(text)
        return replace(self, destination=sides[0], source=sides[1])
