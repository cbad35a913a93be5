"""The signs by which a box is recognised before anybody logs in: what a profile, or a box set by hand, says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated

from msgspec import Struct
from msgspec.structs import asdict

from plexops.pattern import Pattern, why_slow
from plexops.structs import says

#: What was heard, by the sign that it is held against.
Heard = Mapping[str, tuple[str, ...]]
#: So much of a text is looked at; a text longer than the second is not quoted, but what fits of it.
_LOOKED_AT, _QUOTED = 2048, 80


# fmt: off
class Detect(Struct, frozen=True, forbid_unknown_fields=True):
    """How a box gives itself away to anybody: regular expressions, in which capitals do not count, and prefixes."""

    ssdp: Annotated[str, says("What it says by UPnP: title, maker, model, software.", "mikrotik")] = ""
    page: Annotated[str, says("The title of its web page, or how a page without one begins.", "opnsense")] = ""
    header: Annotated[str, says("A header of that page, as `name: value`.", "^location: .*luci")] = ""
    ssh: Annotated[str, says("The version line of its SSH server.", "-rosssh")] = ""
    banner: Annotated[str, says("What its SSH server shows before a login. `init` does not ask so far.", "edgeos")] = ""
    mdns: Annotated[str, says("A service that it announces by mDNS. `init` does not ask for it.", "^_fbx-api")] = ""
    mac: Annotated[tuple[str, ...], says("How MAC addresses of its vendor begin.", ["4c:5e:0c"])] = ()
    # fmt: on

    def expressions(self) -> Iterator[tuple[str, str]]:
        """Give the expressions, each behind its key."""
        return ((key, said) for key, said in asdict(self).items() if isinstance(said, str) and said)

    def unfit(self) -> Iterator[tuple[str, str]]:
        """Give the keys that cannot be used, and why."""
        for key, source in self.expressions():
            if reason := why_slow(source):
                yield key, reason
        for prefix in self.mac:
            if not re.fullmatch(r"(?:[0-9a-f]{2}:){2}[0-9a-f]{2}", prefix):
                yield "mac", f"{prefix!r} is no beginning of a MAC address, as 4c:5e:0c"

    def fits(self, heard: Heard) -> str:
        """Quote what fits of what was heard; empty where nothing does."""
        for key, source in self.expressions():
            for text in heard.get(key, ()):
                if found := Pattern(source, re.IGNORECASE).search(text[:_LOOKED_AT]):
                    return text if len(text) <= _QUOTED else found[0][:_QUOTED]
        macs = heard.get("mac", ())
        return next((prefix for prefix in self.mac if any(mac.startswith(prefix) for mac in macs)), "")


# fmt: off
class Account(Struct, frozen=True, forbid_unknown_fields=True):
    """The account with which plexops logs in, in the words of the box."""

    where: Annotated[str, says("Where the box makes it, or its key, and lets it in.",
        "System → Access → Users → API keys")]
    username: Annotated[str, says("Its name, where every such box has the same.", "root",
        pattern="^[a-z_][a-z0-9_-]{0,31}$")] = ""
    # fmt: on
