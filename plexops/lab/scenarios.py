"""The states in which a simulated home can start: most are named like the cause that a diagnosis finds there."""

from __future__ import annotations

from collections.abc import Mapping

from plexops.lab.scenario import (
    AUTOMATIC,
    EXTERNAL_PORT,
    FOREIGN_FORWARDS,
    FOREIGN_RESERVATIONS,
    FORWARD,
    MANUAL,
    MAPPINGS,
    NEIGHBOURS,
    OLD,
    PLEX_PORT,
    PLEX_RULE,
    RESERVATION,
    RESERVED,
    Scenario,
)
from plexops.lab.scenarios_access import ACCESS
from plexops.lab.scenarios_internet import INTERNET
from plexops.lab.scenarios_plex import PLEX
from plexops.lab.scenarios_router import ROUTER
from plexops.lab.scenarios_server import SERVER
from plexops.lab.scenarios_upnp import UPNP, UPNP_LOGS

__all__ = [
    "AUTOMATIC", "EXTERNAL_PORT", "FOREIGN_FORWARDS", "FOREIGN_RESERVATIONS", "FORWARD", "MANUAL", "MAPPINGS",
    "NEIGHBOURS", "OLD", "PLEX_PORT", "PLEX_RULE", "RESERVATION", "RESERVED", "SCENARIOS", "Scenario",
]  # fmt: skip

GENERAL = (
    Scenario(
        "drifted",
        "nothing was ever set up: dynamic address, host firewall closed, no forward, Plex on automatic",
        address=OLD,
        reservations=(),
        forwards=(),
        rules=(),
        plex=AUTOMATIC,
    ),
    Scenario("in-order", "everything is as the playbook wants it, made by hand"),
    Scenario(
        "outside-cut",
        "drifted, and no place outside can say whether the port is open: no vantage, Plex is throttled",
        address=OLD,
        reservations=(),
        forwards=(),
        rules=(),
        plex=AUTOMATIC,
        outside=False,
    ),
)

SCENARIOS: Mapping[str, Scenario] = {
    scenario.name: scenario
    for scenario in (*GENERAL, *INTERNET, *ROUTER, *UPNP, *UPNP_LOGS, *SERVER, *PLEX, *ACCESS)
}
