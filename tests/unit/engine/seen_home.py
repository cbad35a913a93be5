"""A simulated home as the engine sees it: looked at once, and planned as often as a test wants."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from plexops.cli.homes import LabHome, pin_keys
from plexops.config.inventory import load_inventory
from plexops.config.playbook import load_playbooks
from plexops.config.resolve import resolve
from plexops.config.secrets import Secrets
from plexops.engine.decide.compare import Comparison, compare
from plexops.engine.decide.planning import Planned, make_plan
from plexops.engine.look.access import LiveLinks
from plexops.engine.look.site import Home, Setting, open_home
from plexops.engine.look.site_state import SiteState
from plexops.lab.home import HomeOptions, RunningHome
from plexops.lab.routers import RouterName
from plexops.lab.scenarios import SCENARIOS, Scenario
from plexops.model.change import Action
from plexops.model.snapshot import Role, Snapshot
from plexops.structs import replace
from plexops.transport.trust.store import TrustStore


class Looked(Struct, frozen=True):
    """A home and what one look at it came to."""

    home: Home
    seen: SiteState
    running: RunningHome

    def plan(self, seen: SiteState | None = None, *, adopt: frozenset[str] = frozenset()) -> Planned:
        """Compare and plan, on what was seen or on something altered."""
        now = seen or self.seen
        given = Comparison(self.home.tasks, now.view, self.home.drivers, self.home.profile, adopt)
        findings = compare(given)
        adopted = frozenset(c.id for f in findings for c in f.changes if c.action is Action.ADOPT)
        return make_plan(given, now, findings, adopted=adopted)

    def altered(self, snapshot: Snapshot) -> SiteState:
        """What was seen, with another snapshot of one stop."""
        return replace(self.seen, view=self.seen.view.with_snapshot(snapshot))

    def snapshot(self, role: Role) -> Snapshot:
        """What one stop said."""
        return self.seen.view.of(role)


@contextmanager
def looked_at(router: RouterName, scenario: str | Scenario, directory: Path) -> Iterator[Looked]:
    """Start a home, look at it, and keep it running: nothing is ever written to it."""
    chosen = SCENARIOS[scenario] if isinstance(scenario, str) else scenario
    with RunningHome(router, chosen, directory, HomeOptions()) as running:
        pin_keys(LabHome(running, directory))
        inventory = load_inventory(running.inventory)
        (tasks,) = resolve(inventory, load_playbooks(tuple(sorted(running.playbook_dir.glob("*.yaml")))))
        setting = Setting(
            directory=directory,
            secrets=Secrets(dict(os.environ), None),
            store=TrustStore.load(directory / "state" / "plexops"),
            links=LiveLinks(),
        )
        home = open_home(tasks, setting)
        yield Looked(home, home.observer().look(None), running)
