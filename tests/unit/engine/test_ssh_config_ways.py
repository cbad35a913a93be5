"""What is judged by a login's address or port is judged by where ~/.ssh/config really leads."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from plexops.config.inventory import load_inventory
from plexops.config.playbook import load_playbooks
from plexops.config.resolve import resolve
from plexops.config.secrets import Secrets
from plexops.engine.look.access import LiveLinks, ReplayedLinks
from plexops.engine.look.site import Home, Setting, open_home, ssh_config_file
from plexops.engine.look.vantages import Vantages
from plexops.model.change import Action, Change
from plexops.model.entries import Probe
from plexops.model.errors import PlexopsError
from plexops.model.resources.firewall_rule import FirewallRule
from plexops.model.resources.port_forward import PortForward
from plexops.model.snapshot import FOREIGN, Entry, Fact, Kind, Role, Snapshot
from plexops.model.values import Ports
from plexops.runbook.guards.circumstances import no_lock_out
from plexops.runbook.guards.judge import Case
from plexops.structs import replace
from plexops.transport.trust.store import TrustStore

INVENTORY = """\
sites:
  home:
    router: {profile: openwrt, address: attic}
    server: {address: 192.168.1.50, mac: "52:54:00:12:34:56", username: media, password: {env: PLEXOPS_NOT_SET}}
    plex: {url: "http://192.168.1.50:32400"}
    vantages: [{ssh: me@pi}, {ssh: me@far}]
    echoes: []
"""
CONFIG = "Host attic\n HostName 203.0.113.9\n Port 32600\nHost 192.168.1.50\n Port 2200\nHost pi\n HostName 192.168.1.21\n"
PLAYBOOK = "- {name: p, sites: all, tasks: [{name: t, upnp: {enabled: false}}]}\n"


def home_of(folder: Path, config: str, inventory: str = INVENTORY) -> Home:
    (folder / ".ssh").mkdir()
    (folder / ".ssh" / "config").write_text(config)
    (folder / "inventory.yaml").write_text(inventory)
    (folder / "p.yaml").write_text(PLAYBOOK)
    (tasks,) = resolve(load_inventory(folder / "inventory.yaml"), load_playbooks((folder / "p.yaml",)))
    read = ssh_config_file({"HOME": str(folder)})
    store = TrustStore.load(folder)
    return open_home(tasks, Setting(folder, Secrets({}, None), store, LiveLinks(), ssh_config=read))


def test_the_guard_against_a_lock_out_sees_the_real_address_and_port(tmp_path: Path) -> None:
    view = home_of(tmp_path, CONFIG).view
    assert dict(view.management) == {
        Role.ROUTER: ("203.0.113.9", 32600),
        Role.SERVER: ("192.168.1.50", 2200),
    }
    wan = Snapshot(Role.ROUTER, {"wan.address": Fact("wan.address", "203.0.113.9", "router.wan")})
    view = view.with_snapshot(wan)
    forward = PortForward(Ports.of(32600), IPv4Address("192.168.1.50"), Ports.of(32400))
    takes = Change(Role.ROUTER, Kind.PORT_FORWARD, "plex", Action.CREATE, want=forward)
    reason = no_lock_out(Case(view, view, (takes,)))
    assert reason is not None
    assert "the port by which plexops reaches the router" in reason
    rule = Entry(Kind.FIREWALL_RULE, FirewallRule(2200), {}, FOREIGN, "1", "server.ufw")
    closes = Change(Role.SERVER, Kind.FIREWALL_RULE, "ssh", Action.DELETE, before=rule)
    reason = no_lock_out(Case(view, view, (closes,)))
    assert reason is not None
    assert "the port by which plexops reaches the server" in reason
    other = replace(closes, before=replace(rule, values=FirewallRule(22)))
    assert no_lock_out(Case(view, view, (other,))) is None


def test_what_the_inventory_says_wins(tmp_path: Path) -> None:
    inventory = INVENTORY.replace("address: attic", "address: attic, port: 22")
    view = home_of(tmp_path, CONFIG, inventory).view
    assert view.management[Role.ROUTER] == ("203.0.113.9", 22)


def test_a_vantage_is_at_home_where_its_alias_leads_there(tmp_path: Path) -> None:
    home = home_of(tmp_path, CONFIG)
    facts = {
        "wan.address": Fact("wan.address", "192.0.2.9", "router.wan"),
        "lan.network": Fact("lan.network", "192.168.1.0/24", "router.lan"),
    }
    view = home.view.with_snapshot(Snapshot(Role.ROUTER, facts))
    # Nobody answers: there is nothing in this recording.
    found, _ = Vantages(home.access, ReplayedLinks(tmp_path / "nothing")).ask(view, (32600,))
    seen = {entry.values.vantage: entry.values.inside for one in found for entry in one.held(Probe)}
    assert seen == {"pi": True, "far": False}


def test_every_login_that_cannot_be_used_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(PlexopsError) as caught:
        home_of(tmp_path, "Host attic far\n ProxyCommand nc %h %p\n")
    assert {p.code for p in caught.value.problems} == {"PLX-D112"}
    assert [p.where for p in caught.value.problems] == [
        "home/vantage far, ssh far:22",
        "home/router, ssh attic:22",
    ]
