"""The ordered changes of one run, bound by a digest to all that they rest on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from plexops.model.change import Change
from plexops.model.exchange import Call, Marker, Script, SoapCall, Window, Write
from plexops.model.snapshot import Role, canonical

PLAN_SCHEMA = "plexops.plan/1"
#: The guards of which each has to give its verdict before anything is sent.
GUARD_NAMES: tuple[str, ...] = tuple(f"G{number}" for number in range(1, 14))
#: A plan is good for a day, in seconds.
PLAN_LIFETIME = 24 * 3600


class Step(Struct, frozen=True):
    """One change with its exact requests, rendered on the state that the steps before it leave.

    `no_way_back` says why it will not be undone: guards would refuse the old state. `marker` is the one that is set
    before anything is sent to this device, of the first step there: `RUN` stands for the run, which no plan knows.
    """

    change: Change
    script: Script
    no_way_back: str = ""
    marker: Marker | None = None


class GuardVerdict(Struct, frozen=True):
    """What one guard says of a plan. `holds` is False exactly when it refuses."""

    guard: str
    title: str
    holds: bool
    reason: str
    applies: bool = True


class Plan(Struct, frozen=True):
    """The steps for one site, and the basis: named parts, each with a digest of its own, so that a stale plan can
    name what moved."""

    site: str
    steps: tuple[Step, ...]
    verdicts: tuple[GuardVerdict, ...]
    basis: Mapping[str, str]

    @property
    def digest(self) -> str:
        """The SHA-256 over the basis and every request, in hexadecimal."""
        return sha256({"basis": dict(self.basis), "steps": [canonical_step(step) for step in self.steps]})

    @property
    def refused(self) -> tuple[GuardVerdict, ...]:
        """The guards that stand in the way."""
        return tuple(verdict for verdict in self.verdicts if not verdict.holds)


def sha256(value: object) -> str:
    """Give the SHA-256 of canonical JSON."""
    text = json.dumps(canonical(value), sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def canonical_step(step: Step) -> Mapping[str, object]:
    """Give what of a step is bound by the digest: handles count by name only, because devices renumber them."""
    change = step.change
    return {
        "id": change.id,
        "action": change.action,
        "want": change.want,
        "before": None if change.before is None else change.before.values,
        "requests": [shown(write) for write in step.script.writes],
        "window": list(window_requests(step)),
        "undo": list(step.script.undo),
    }


def shown(write: Write) -> str:
    """Give a request as it is sent: a plan shows nothing else, and nothing else is sent."""
    if isinstance(write.ask, Call):
        query = "&".join(f"{name}={value}" for name, value in write.ask.query)
        body = "" if write.ask.body is None else " " + json.dumps(write.ask.body, ensure_ascii=False)
        return f"{write.ask.method} {write.ask.path}{'?' if query else ''}{query}{body}"
    if isinstance(write.ask, SoapCall):
        sent = json.dumps(dict(write.ask.arguments), ensure_ascii=False)
        return f"POST {write.ask.path} {write.ask.service}#{write.ask.action} {sent}"
    return write.ask.text


def window_requests(step: Step) -> tuple[str, ...]:
    """Give what is sent around a step, as it is sent: its marker, then to arm the window, to ask whether it stands, and to
    end it."""
    window, marker = step.script.window, step.marker
    asks = [] if marker is None else [marker.take.ask, marker.holders.ask]
    asks += [write.ask for write in window.open]
    asks += [] if window.armed is None else [window.armed.ask]
    asks += [write.ask for write in window.confirm]
    asks += [] if marker is None else [marker.drop.ask]
    return tuple(shown(Write(ask)) for ask in asks)  # type: ignore[arg-type]  # none of them is a look around


_AUTHORIZED = object()


class Authorized:
    """Leave to send one step to one device. Only `authorize` makes it, after every guard held, and `authorize_end`."""

    __slots__ = ("role", "script", "site")

    def __init__(self, token: object, site: str, role: Role, script: Script) -> None:
        if token is not _AUTHORIZED:
            raise TypeError("only plexops.model.plan.authorize gives leave to write")
        self.site = site
        self.role = role
        self.script = script

    def covers(self, write: Write) -> bool:
        """Tell whether a request is one of the step's own, or of its window."""
        window = self.script.window
        return write in self.script.writes or write in window.open or write in window.confirm


def authorize(site: str, step: Step, verdicts: tuple[GuardVerdict, ...]) -> Authorized | Literal[False]:
    """Give leave to send a step if every guard gave its verdict, in order, and holds; else False."""
    return Authorized(_AUTHORIZED, site, step.change.role, step.script) if _all_hold(verdicts) else False


def authorize_marker(
    site: str, role: Role, marker: Marker, verdicts: tuple[GuardVerdict, ...]
) -> Authorized | Literal[False]:
    """Give leave to set and end a marker if every guard gave its verdict, in order, and holds; else False."""
    script = Script((marker.take, marker.drop))
    return Authorized(_AUTHORIZED, site, role, script) if _all_hold(verdicts) else False


def _all_hold(verdicts: tuple[GuardVerdict, ...]) -> bool:
    heard = tuple(verdict.guard for verdict in verdicts)
    return heard == GUARD_NAMES and all(verdict.holds for verdict in verdicts)


def authorize_end(site: str, step: Step) -> Authorized:
    """Give leave to end the window of a step that a plan showed, and for nothing else.

    It changes nothing that guards judge, and a device that acts later by itself makes no home safer.
    """
    window = Window(confirm=step.script.window.confirm, armed=step.script.window.armed)
    return Authorized(_AUTHORIZED, site, step.change.role, Script((), window))
