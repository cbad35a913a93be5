"""plexops on the Plex host itself: it reads what it reads over SSH, and changes what it changes over SSH."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from . import links
from .owner import (
    armed_windows,
    mark,
    on_the_machine,
    plexops,
    requests_since,
    snapshot_of,
    state_of,
    without_vantage,
)
from .realhome import PLEX_PORT, RealHome, real_home, why_not

pytestmark = [pytest.mark.namespaces, pytest.mark.skipif(bool(why_not()), reason=why_not() or "can run here")]

INVENTORY = f"""sites:
  home:
    router: {{profile: manual, address: {links.LAN_ROUTER}}}
    server: {{address: 192.168.1.50, mac: "{links.SERVER_MAC}", connection: local}}
    plex: {{url: "http://192.168.1.50:{PLEX_PORT}", token: {{from: server}}}}
    echoes: []
"""
PLAYBOOK = "- {name: Plex, sites: all, tasks: [{name: The firewall lets Plex in, firewall_rule: {}}]}\n"


@pytest.fixture
def home() -> Iterator[RealHome]:
    with real_home() as made:
        yield without_vantage(made)


def on_the_server(home: RealHome, *words: str) -> subprocess.CompletedProcess[str]:
    return on_the_machine(home, "server", *words)


def described(home: RealHome) -> None:
    home.nodes["server"].write({"/srv/inventory.yaml": INVENTORY, "/srv/playbooks/plex.yaml": PLAYBOOK})


def looked(home: RealHome, site: str) -> Any:
    """Give what the newest run on the server kept of the server, without what moves."""
    folder = f"/root/.local/state/plexops/{site}/runs"
    newest = home.nodes["server"].sh(f"ls {folder}").split()[-1]
    return snapshot_of(home.read("server", f"{folder}/{newest}/private/snapshots.json"), "server")


def test_the_plex_host_tells_itself_what_it_tells_over_ssh(home: RealHome) -> None:
    described(home)
    assert plexops(home, "diagnose --offline").returncode in (0, 1, 3, 4)
    (kept,) = (home.directory / "owner").glob("state/plexops/home/runs/*/private/snapshots.json")
    marked = mark(home)
    done = on_the_server(home, "diagnose", "--offline")
    assert done.returncode in (0, 1, 3, 4), done.stdout + done.stderr
    assert requests_since(home, marked)["server"] == []
    here, over_ssh = looked(home, "home"), snapshot_of(kept.read_text(), "server")
    assert here["facts"].keys() >= {"host.addresses", "firewall.active", "firewall.kind", "host.renew"}
    assert here == over_ssh


def test_without_an_inventory_the_plex_host_is_read_and_nothing_changed(home: RealHome) -> None:
    home.nodes["server"].sh("mkdir -p /srv")
    before = state_of(home)
    done = on_the_server(home, "diagnose", "--offline")
    assert "there is no inventory.yaml here, and Plex runs on this computer" in done.stderr
    assert done.returncode == 1, done.stdout + done.stderr
    assert "ufw stops tcp 32400 over IPv4" in done.stdout
    assert looked(home, "here")["facts"]["firewall.kind"]["value"] == "ufw"
    assert state_of(home).differs(before) == []
    proposed = on_the_server(home, "init", "--yes", "/srv/new")
    assert "connection: local" in proposed.stdout, proposed.stdout + proposed.stderr
    assert on_the_server(home, "diagnose", "--offline", "-i", "/srv/new/inventory.yaml").returncode in (
        1,
        3,
        4,
    )


def test_a_change_on_the_plex_host_is_armed_read_back_and_put_back(home: RealHome) -> None:
    described(home)
    before, marked = state_of(home), mark(home)
    done = on_the_server(home, "apply", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    # As ufw writes a comment: in hexadecimal.
    assert b"plexops:plex".hex() in home.read("server", "/etc/ufw/user.rules")
    assert armed_windows(home) == [], "it was armed, and ended after it was read back"
    back = on_the_server(home, "rollback", "last", "--yes")
    assert back.returncode == 0, back.stdout + back.stderr
    assert state_of(home).differs(before) == []
    assert requests_since(home, marked)["server"] == []


def test_a_container_on_the_plex_host_changes_nothing(home: RealHome) -> None:
    described(home)
    home.nodes["server"].write({"/.dockerenv": ""})
    before = state_of(home)
    done = on_the_server(home, "apply", "--yes")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "runs in a container here" in " ".join(done.stdout.split())
    assert state_of(home).differs(before) == []
