"""The inventory and playbook that a simulated home writes for whoever looks after it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import cast

from msgspec import Struct

from plexops.lab.outside import USER as OUTSIDE_USER
from plexops.lab.scenario import EXTERNAL_PORT, PLEX_PORT, RESERVED, Vantage
from plexops.lab.server import MAC
from plexops.lab.server import USER as SERVER_USER
from plexops.lab.ways import ECHOES

PLAYBOOK = """- name: Plex from outside, by a port we chose
  sites: all
  tasks:
    - {name: The host keeps its address, dhcp_reservation: {}}
    - {name: The host lets Plex in, firewall_rule: {port: "{{ plex.port }}"}}
    - {name: The router forwards our port, port_forward: {external_port: "{{ external_port }}"}}
    - {name: Plex announces it, plex_remote_access: {manual_port: "{{ external_port }}"}}
"""
Entry = Mapping[str, object]
_AS_ROOT: Entry = {"become": {"method": "sudo"}, "firewall": "auto"}


class Accounts(Struct, frozen=True):
    """How each device is logged in to: host key and key file, ready to be written."""

    via: Entry
    router: Entry
    #: Empty: nobody logs in to the server.
    server: Entry
    #: Where Plex's token is.
    token: Entry
    vantages: Sequence[tuple[Vantage, Entry]]


def inventory_text(
    accounts: Accounts, *, access: str, static: bool, passes_on: bool, plex_tv: tuple[str, int]
) -> str:
    """Write the inventory of one home; `plex_tv` is where its plex.tv listens."""
    site: dict[str, object] = {} if access == "forward" else {"access": access}
    site |= {"upstream": {"profile": "manual", "passes_on": True}} if passes_on else {}
    site |= {
        "vars": {"external_port": EXTERNAL_PORT},
        "via": accounts.via,
        "router": accounts.router,
        "server": {
            "address": str(RESERVED),
            "mac": MAC,
            **({"address_by": "static"} if static else {}),
            **({"username": SERVER_USER, **accounts.server, **_AS_ROOT} if accounts.server else {}),
        },
        "plex": {"url": f"http://{RESERVED}:{PLEX_PORT}", "token": accounts.token},
        "vantages": [
            {"ssh": f"{OUTSIDE_USER}@{vantage.address}", "via": accounts.via, **trust}
            for vantage, trust in accounts.vantages
        ],
        "echoes": [f"http://{name}/ip" for name in ECHOES],
        "plex_tv": f"http://{plex_tv[0]}:{plex_tv[1]}",
    }
    lines = "".join(f"    {key}: {_flow(value)}\n" for key, value in site.items())
    return f"sites:\n  home:\n{lines}"


def _flow(value: object) -> str:
    """Write YAML in flow style; JSON's scalars are YAML's."""
    if isinstance(value, Mapping):
        pairs = cast("Mapping[str, object]", value)
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in pairs.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item) for item in cast("list[object]", value)) + "]"
    return json.dumps(value)
