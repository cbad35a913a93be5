"""One site's part of a report, of a run that looks: what was seen."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from plexops.engine.look.site import Home
from plexops.engine.look.site_state import SiteState
from plexops.engine.order import Log, Order
from plexops.engine.tell.reporting import finding_report, hops
from plexops.model.answers import Topic
from plexops.model.errors import PlexopsError, Problem
from plexops.model.finding import FINDING_EXIT, Finding, FindingStatus
from plexops.model.run import SiteReport
from plexops.model.snapshot import Kind, Role
from plexops.model.status import ExitStatus, worst
from plexops.runbook import conditions
from plexops.runbook.situation import Situation
from plexops.structs import replace

#: What it adds in red, by Plex's mappingError: the beginning, as Plex Web's own catalogue of texts has it.
_IN_RED: Mapping[str, str] = MappingProxyType(
    {
        "unreachable": "Your server is signed in to Plex, but is not reachable from outside your network.",
        "doublenat": "It looks like your server may be connected to the internet through multiple routers",
        "jumboframes": 'It looks like the devices between your server and the internet have "jumbo frames" enabled',
    }
)
NO_VANTAGE = "no vantage outside"

#: Before the first request, and once another run might have been met: its marker came and went.
NOTHING_SENT, NOTHING_CHANGED = "nothing was sent", "nothing was changed"


def status_of(findings: Sequence[Finding], problems: Sequence[Problem], view_unfinished: str) -> ExitStatus:
    """Give the exit status of an audit."""
    besides = ((problems, ExitStatus.INCOMPLETE), (view_unfinished, ExitStatus.BUSY))
    return worst([*(FINDING_EXIT[f.status] for f in findings), *(status for so, status in besides if so)])


def site_report(home: Home, state: SiteState, findings: Sequence[Finding], log: Log) -> SiteReport:
    """Give what every part of a report has: the path, the findings, the exhibits."""
    stop = next((f for f in findings if f.status is FindingStatus.STOPPED and f.kind is Kind.WAN), None)
    wan = conditions.wan(state.view)
    safe_stop = f"{wan.says}. plexops will not change any forward while this holds, with any flag."
    return SiteReport(
        name=home.view.name,
        access=home.view.access,
        outcome="",
        safe_stop=None if stop is None else safe_stop,
        hops=hops(findings, state),
        findings=tuple(finding_report(f) for f in findings),
        plex_web=plex_web(Situation(state.view, home.tasks.external_port)),
        exhibits=state.exhibits,
        timeline=tuple(log.moments),
        not_asked=not_asked(home),
        asked=asked(home, state),
        errors=state.problems,
    )


def plex_web(situation: Situation) -> str:
    """Give what Plex Web shows under Settings, Remote Access, word for word (runbook M1), and whence that is known.

    It is told, or inferred and said to be; empty where it is not known.
    """
    found = []
    heard = next((one for one in situation.heard if one.answer.topic is Topic.PLEX_WEB), None)
    if heard is not None:
        found.append(f"“{heard.answer.text}”, as you read there")
    if inferred := situation.plex_web_says:
        more = _IN_RED.get(situation.plex.text("plex.mapping_error") or "", "")
        more = f" “{more}”" if more and inferred.startswith("Not") else ""
        found.append(f"“{inferred}”{more}, inferred from Plex's own state")
    return "; ".join(found)


def unfinished_finding(run_id: str) -> Finding:
    """Say that an interrupted run has to be settled first."""
    return Finding(
        FindingStatus.NOTE,
        Role.ROUTER,
        Kind.PORT_FORWARD,
        "",
        "An interrupted run",
        have=f"run {run_id} was interrupted: settle it with `plexops recover`",
    )


def not_asked(home: Home) -> tuple[str, ...]:
    """Name the stops that the inventory gives no access to."""
    site = home.access.site
    outside = site.vantages or site.checkers or None
    stops = {"router": home.drivers.router, "server": home.drivers.server, "Plex": home.drivers.plex}
    return tuple(name for name, there in {**stops, NO_VANTAGE: outside}.items() if there is None)


def asked(home: Home, state: SiteState, not_asked: str = "") -> tuple[str, ...]:
    """Say what the services outside were asked and told. `not_asked`: why one was not asked, where that is known here."""
    if not home.access.site.checkers:
        return ()
    from plexops.engine.look.checkers import account_of

    return account_of(home.access.site.checkers, state.view.of(Role.OUTSIDE), not_asked)


def audited_report(
    home: Home, state: SiteState, findings: Sequence[Finding], log: Log, order: Order
) -> SiteReport:
    """Give the part of an audit."""
    status = status_of(findings, state.problems, home.view.unfinished_run)
    report = site_report(home, state, findings, log)
    steps = tuple(step for f in findings if f.status is FindingStatus.STOPPED for step in f.steps)
    if not steps and any(finding.changes for finding in findings):
        steps = (order.again(home.view.name, "--dry-run"),)
    outcome = {
        ExitStatus.IN_ORDER: "everything is in order",
        ExitStatus.FINDINGS: "it is not as the playbook says",
        ExitStatus.SAFE_STOP: "a safe stop: plexops would refuse to go on",
        ExitStatus.INCOMPLETE: "not everything could be seen",
    }.get(status, "an earlier run has to be settled first")
    return replace(report, outcome=outcome, exit_status=status, next_steps=steps)


def bug_problem(bug: Exception) -> Problem:
    """Say where in the program something went wrong, without any value."""
    frames = traceback.extract_tb(bug.__traceback__)
    return Problem(
        "PLX-X001",
        f"plexops has a bug: {type(bug).__name__}",
        "Please attach these lines to an issue. If a change was under way: plexops recover",
        detail=tuple(f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}" for frame in frames),
    )


def problem_report(error: PlexopsError, name: str, access: str) -> SiteReport:
    """Give a site's part of a report when it could not even be begun."""
    return SiteReport(name, access, "not begun", exit_status=error.status, errors=error.problems)
