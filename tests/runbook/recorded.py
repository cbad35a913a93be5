"""The table of scenarios, and each scenario diagnosed once: its report and its recording serve every test here."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct

from plexops.lab.routers import RouterName
from plexops.lab.scenarios import SCENARIOS
from tests.cli.process import Ended, House, house

TABLE = Path(__file__).with_name("scenarios.yaml")
RECORDING = "recording"


class Expected(Struct, frozen=True):
    """One row: what a person expects."""

    scenario: str
    verdict: str
    layer: str
    exit: int
    stop: bool = False
    #: Where it is not decided, the candidate that must stand first.
    first: str = ""
    also: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    #: What is true of the home although the verdict, as it should, does not go so far.
    truth: tuple[str, ...] = ()


class Diagnosed(Struct, frozen=True):
    """What plexops said, and where the recording and the inventory are."""

    ended: Ended
    directory: Path
    #: What the devices got, and how they were before and after.
    commands: dict[str, list[str]]
    unchanged: bool

    @property
    def site(self) -> Any:
        """The site's part of the report."""
        return json.loads(self.ended.out)["sites"][0]


@cache
def table() -> tuple[Expected, ...]:
    """Read the table."""
    rows = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return tuple(_expected(row) for row in rows)


def _expected(row: dict[str, Any]) -> Expected:
    lists: dict[str, Any] = {name: tuple(row.pop(name, ())) for name in ("also", "never", "truth")}
    return Expected(**row, **lists)


def router_for(scenario: str) -> RouterName:
    """Give the first router that can show a scenario."""
    return SCENARIOS[scenario].routers[0]


def diagnose(scenario: str, directory: Path, router: RouterName | None = None) -> Diagnosed:
    """Start the home, diagnose it once with a recording, and take it down."""
    directory.mkdir(parents=True, exist_ok=True)
    with house(directory, scenario, router or router_for(scenario)) as home:
        before = home.exports()
        ended = home("diagnose", "--format", "json", "--record", RECORDING)
        commands = {role: list(home.home.log(role)) for role in ("router", "server", "plex", "outside")}
        return Diagnosed(ended, directory, commands, home.exports() == before)


__all__ = ["RECORDING", "Diagnosed", "Expected", "House", "diagnose", "router_for", "table"]
