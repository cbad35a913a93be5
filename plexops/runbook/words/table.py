"""Every cause that a diagnosis knows, in the order of the ways, from the outside in.

Texts are for people; a test holds that none of them advises to buy hardware while carrier NAT is not ruled out, or to
open what the runbook forbids.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from plexops.runbook.cause import Cause
from plexops.runbook.words.beside import BESIDE, GOOD
from plexops.runbook.words.headlines import HEADLINES
from plexops.runbook.words.host import PLEX, SERVER
from plexops.runbook.words.router import ISP, ROUTER, UPNP

CAUSES: tuple[Cause, ...] = (*ISP, *UPNP, *ROUTER, *SERVER, *PLEX, *BESIDE, *HEADLINES, *GOOD)
BY_ID: Mapping[str, Cause] = MappingProxyType({cause.id: cause for cause in CAUSES})
#: What proves that the way in that is meant is open.
IN_ORDER = frozenset({"in-order", "relay-in-order", "vpn-in-order", "proxy-in-order", "vpn-provider"})
