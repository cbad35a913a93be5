"""That apply makes a change is said where a plan holds that very change, and nowhere else."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from plexops.config.profiles import profile_names
from plexops.engine.decide.advice_check import kept, promises
from plexops.engine.families import load_family
from plexops.engine.look.site import Home
from plexops.model.errors import Place
from plexops.model.finding import Finding, FindingStatus
from plexops.model.snapshot import Kind, Role
from plexops.runbook.causes.table import BY_ID

APPLY = "plexops apply --dry-run shows the change; plexops apply makes it."
BOTH = "Give Plex a manual port and forward it: plexops apply does both."
ADOPT = "plexops apply --dry-run --adopt router/port_forward/plex"
HAND = "No task of your playbooks changes it: do it by hand."


def finding(kind: Kind, status: FindingStatus, why: str = "", adopt_id: str = "") -> Finding:
    place = Place(str(Path("plex.yaml")), 1, 1)
    return Finding(status, Role.ROUTER, kind, "plex", "a task", why=why, place=place, adopt_id=adopt_id)


FORWARD_FINE = finding(Kind.PORT_FORWARD, FindingStatus.OK)
DRIFT = FindingStatus.DRIFT


@pytest.mark.parametrize(
    ("cause", "planned", "findings", "said"),
    [
        ("no-forward", {Kind.PORT_FORWARD}, (), (APPLY,)),
        ("no-forward", {Kind.FIREWALL_RULE}, (), (HAND,)),
        ("host-firewall-blocks", {Kind.FIREWALL_RULE}, (), (APPLY,)),
        ("host-firewall-blocks", {Kind.PORT_FORWARD}, (), (HAND,)),
        ("host-firewall-v6", set(), (), (HAND,)),
        ("no-reservation", {Kind.PORT_FORWARD}, (), (HAND,)),
        ("upnp-off", {Kind.PORT_FORWARD, Kind.PLEX_REMOTE_ACCESS}, (), (BOTH,)),
        ("upnp-off", {Kind.PLEX_REMOTE_ACCESS}, (), ("Give Plex a manual port and forward it", HAND)),
        ("upnp-off", {Kind.PORT_FORWARD}, (), ("Give Plex a manual port and forward it", HAND)),
        ("upnp-off", {Kind.DHCP_RESERVATION, Kind.FIREWALL_RULE}, (),
         ("Give Plex a manual port and forward it", HAND)),
        ("host-firewall-blocks", {Kind.PORT_FORWARD},
         (finding(Kind.FIREWALL_RULE, FindingStatus.UNSUPPORTED, "a rule of yours has that target"),),
         ("plexops apply does not change it: a rule of yours has that target.",)),
        ("forward-old-address", set(),
         (finding(Kind.DHCP_RESERVATION, DRIFT),
          finding(Kind.PORT_FORWARD, FindingStatus.CONFLICT, adopt_id="router/port_forward/plex")),
         (f"{ADOPT} shows what it would do with the entry that is there.",)),
        ("forward-foreign", set(), (), BY_ID["forward-foreign"].action),
    ],
)  # fmt: skip
def test_what_is_promised(
    cause: str, planned: set[Kind], findings: tuple[Finding, ...], said: tuple[str, ...]
) -> None:
    steps = tuple(step for step in BY_ID[cause].action if promises(step) or cause == "forward-foreign")
    found = kept(steps[:1], BY_ID[cause], frozenset(planned), findings)
    assert found == said


def test_what_a_guard_refuses_is_not_promised() -> None:
    refused = kept(
        (APPLY,), BY_ID["no-forward"], frozenset({Kind.PORT_FORWARD}), (), "apply would refuse it now (G4)"
    )
    assert refused == ("apply would refuse it now (G4)",)


@pytest.mark.parametrize(
    ("findings", "count"), [((), 1), ((finding(Kind.PORT_FORWARD, FindingStatus.CONFLICT),), 2)]
)
def test_what_apply_would_do_afterwards_needs_a_task(findings: tuple[Finding, ...], count: int) -> None:
    """“Or take the forward away there: then plexops apply makes its own.”"""
    cause = BY_ID["forward-not-met"]
    found = kept(cause.action, cause, frozenset(), findings)
    assert found == cause.action[:count]


def test_an_upnp_home_whose_forward_is_there_needs_the_port_alone() -> None:
    found = kept((BOTH,), BY_ID["upnp-stale"], frozenset({Kind.PLEX_REMOTE_ACCESS}), (FORWARD_FINE,))
    assert found == (BOTH,)


@pytest.mark.parametrize("name", profile_names())
def test_of_a_family_whose_writes_nothing_real_has_taken_that_is_said(name: str) -> None:
    profile = load_family(name, Path()).profile
    router = SimpleNamespace(profile=name)
    home: Any = SimpleNamespace(profile=profile, tasks=SimpleNamespace(site=SimpleNamespace(router=router)))
    said = Home.taught.fget(home)  # type: ignore[attr-defined]
    by_documents = {
        "asuswrt-merlin",
        "ddwrt",
        "edgeos",
        "freebox",
        "fritzbox",
        "routeros-rest",
        "unifi",
        "vyos",
    }
    assert ("no router of this family has taken a write" in said) is (name in by_documents)
