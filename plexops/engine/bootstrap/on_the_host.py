"""A diagnosis on the Plex host without an inventory: what one would say of this computer, as far as it is seen."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from plexops.config.inventory import read_inventory
from plexops.config.yaml import parse_yaml
from plexops.engine.bootstrap.discovery import LOOPBACK, Reach, answers_here, mac_of, own_network, runs_here
from plexops.model.errors import Place
from plexops.model.site import Inventory, Site

#: What the site is called, in reports and in the folder of runs.
SITE = "here"


class Host(Struct, frozen=True):
    """What was found of Plex on this computer. `inventory` None: it does not run here, for all that can be seen.

    `answered`: something answers as Plex at loopback, which a tunnel to another host does as well.
    """

    inventory: Inventory | None
    answered: bool


def home_of_a_log() -> Inventory:
    """Give an inventory of one site that gives access to nothing."""
    return Inventory("the log", {SITE: Site(SITE, Place("the log", 1, 1))})


def look_at_host(reach: Reach, *, sudo: bool) -> Host:
    """Ask loopback for Plex and this computer's own tables for the rest; nothing leaves this computer.

    `sudo`: commands get root's rights by it. The router is nobody's to log in to: it is asked for what it tells anybody.
    """
    plex = answers_here(reach)
    if plex is None or not runs_here(plex, reach):
        return Host(None, plex is not None)
    network = own_network(reach)
    mac = mac_of(plex, network, reach)
    server = ["connection: local"]
    server += [f"address: {plex.address}"] if plex.address != LOOPBACK else []
    server += [f"mac: {mac}"] if mac else []
    server += ["become: {method: sudo}"] if sudo else []
    scheme = "https" if plex.secure else "http"
    lines = [
        "sites:",
        f"  {SITE}:",
        *([f"    router: {{profile: manual, address: {network.gateway}}}"] if network is not None else []),
        f"    server: {{{', '.join(server)}}}",
        f'    plex: {{url: "{scheme}://{plex.address}:{plex.port}", token: {{from: server}}}}',
    ]
    return Host(read_inventory(parse_yaml("\n".join(lines), "this computer"), Path()), answered=True)
