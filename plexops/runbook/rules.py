"""Every cause that a diagnosis knows, from the outside in: the first that blocks is the verdict.

Where two are equally far out, the one that explains the other comes first and covers it. Texts are for people; a test
holds that none of them advises to buy hardware while carrier NAT is not ruled out, or to open what the runbook forbids.
"""

from __future__ import annotations

from plexops.runbook.rule import Rule
from plexops.runbook.rules_beside import BESIDE, GOOD
from plexops.runbook.rules_host import PLEX, SERVER
from plexops.runbook.rules_router import ISP, ROUTER, UPNP

#: From the outside in.
RULES: tuple[Rule, ...] = (*ISP, *UPNP, *ROUTER, *SERVER, *PLEX, *BESIDE, *GOOD)
#: What proves that the way in that is meant is open.
IN_ORDER = frozenset({"in-order", "relay-in-order", "vpn-in-order", "proxy-in-order", "vpn-provider"})
