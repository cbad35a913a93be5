"""What a worker does: one home, looked at with the worker's own secrets, ~/.ssh/config and state folder."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from plexops import __version__
from plexops.cluster.assignment import Assignment, OtherVersion, decoded, placed_at, reply
from plexops.config.allowed import allowed_by, own_folder
from plexops.config.profiles import is_piece
from plexops.config.resolve import resolve_again
from plexops.config.secrets import Secrets
from plexops.engine.look.access import LiveLinks
from plexops.engine.look.site import Setting, known_hosts_files, open_home, ssh_config_file
from plexops.engine.look.wanted_secrets import take_secrets
from plexops.engine.order import Order
from plexops.engine.runner import run
from plexops.engine.tell.reporting import finished
from plexops.engine.tell.site_reports import bug_problem, problem_report
from plexops.evidence.folder import Store, state_root
from plexops.evidence.masking import Masker, mask_report
from plexops.evidence.scrub import Scrubber
from plexops.model.errors import PlexopsError
from plexops.model.run import MaskedReport, RunReport
from plexops.model.site import Site
from plexops.structs import replace
from plexops.transport.trust.store import TrustStore


def look(assignment: bytes) -> bytes:
    """Look at one home and give the masked report: the one function that a cluster calls.

    It raises nothing: what a worker raises is written into logs, with what it was called with.
    """
    try:
        return reply(_report(decoded(assignment, Assignment)))
    except OtherVersion:
        return reply(None)


def _report(assignment: Assignment) -> MaskedReport:
    """Give the report of a run here, which leaves its evidence in this worker's state folder."""
    secrets = Secrets(os.environ, None)
    try:
        secrets = Secrets(os.environ, None, allowed_by(os.environ))
        return _looked_at(assignment, secrets)
    except PlexopsError as error:
        return _not_begun(assignment, error, secrets)
    except Exception as bug:  # noqa: BLE001 - the boundary of a task: no traceback leaves the worker
        return _not_begun(assignment, PlexopsError(bug_problem(bug)), secrets)


def _looked_at(assignment: Assignment, secrets: Secrets) -> MaskedReport:
    store = Store.open(state_root(os.environ, sys.platform))
    with ExitStack() as stack:
        folder = own_folder(os.environ)
        site = placed_at(assignment.site, folder)
        if assignment.profile:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="plexops-")))
            site = _with_profile(site, assignment, folder)
        setting = Setting(
            directory=folder,
            secrets=secrets,
            store=TrustStore(store.root, assignment.pins),
            links=LiveLinks(),
            known_hosts=known_hosts_files(os.environ),
            ssh_config=ssh_config_file(os.environ),
        )
        homes = (open_home(resolve_again(site, assignment.tasks), setting),)
        take_secrets(homes, setting)
        order = Order(assignment.command, given=assignment.given, names_site=assignment.names_site)
        return run(homes, order, store)[1]


def _with_profile(site: Site, assignment: Assignment, folder: Path) -> Site:
    """Give a site whose router profile is what came along, in a folder of its own."""
    if site.router is None:
        return site
    name = Path(site.router.profile).name
    (folder / name).write_text(assignment.profile, encoding="utf-8")
    (folder / "pieces").mkdir()
    for piece, text in assignment.pieces.items():
        if is_piece(piece):
            (folder / "pieces" / f"{piece}.yaml").write_text(text, encoding="utf-8")
    return replace(site, router=replace(site.router, profile=f"./{name}"))


def _not_begun(assignment: Assignment, error: PlexopsError, secrets: Secrets) -> MaskedReport:
    """Give the report of a home that could not be begun here. The key of its pseudonyms is nobody's: there may be none."""
    site = assignment.site
    report = RunReport(
        command=assignment.command,
        run_id="",
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=0.0,
        version=__version__,
        exit_status=error.status,
        sites=(finished(problem_report(error, site.name, str(site.access))),),
    )
    return mask_report(report, Masker(os.urandom(32), Scrubber(secrets.known())))
