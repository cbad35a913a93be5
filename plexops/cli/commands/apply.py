"""`plexops apply`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from plexops.cli.options import DRY_RUN, LIST_TASKS, NO_CLUSTER, PATH, given_words, with_files, with_run

if TYPE_CHECKING:
    from plexops.cli.progress import Progress
    from plexops.engine.tell.plan_file import PlanFile
    from plexops.model.plan import Plan
    from plexops.model.run import SiteReport

#: A digest given by hand has at least this many hexadecimal digits.
SHORTEST_DIGEST = 12


@click.command("apply")
@with_files
@with_run
@NO_CLUSTER
@LIST_TASKS
@DRY_RUN
@click.option("--exit-code", is_flag=True, help="With --dry-run: status 1 when there are changes.")
@click.option("--out", type=PATH, help="With --dry-run: save the plan to this file.")
@click.option(
    "--approve",
    multiple=True,
    metavar="DIGEST",
    help="Send exactly the plan with this digest (12 digits are enough). Once for each site.",
)
@click.option("--yes", is_flag=True, help="Send without asking. It does not adopt anything.")
@click.option(
    "-D", "--diff", is_flag=True, hidden=True, help="Changes are always shown; for Ansible's fingers."
)
@click.option(
    "--adopt", multiple=True, metavar="ID", help="Change this entry that another made, as the audit names it."
)
def command(**options: Any) -> int:
    """Make it so: look, plan, ask, change, read back, prove the effect, and undo what cannot be proven.

    PLAYBOOKS may also be one plan file that --out wrote: then --approve DIGEST is needed, and a plan that no longer
    fits is refused. Exit status: 0 proven, 3 refused, 4 kept but unproven, 5 undone, 6 the undo failed.
    """
    from plexops.cli.fleet import carrying, look
    from plexops.cli.output import emit, parse_formats, require_writable, write_reports
    from plexops.cli.progress import Progress
    from plexops.cli.session import files_from, open_homes, open_store
    from plexops.engine.change.open_changes import silent
    from plexops.engine.order import Order
    from plexops.engine.runner import run

    if options["list_tasks"]:
        from plexops.cli.listing import task_list

        emit(task_list(files_from(options).tasks()))
        return 0
    refuse_odd_options(options)
    saved = take_plan_file(options)
    formats = parse_formats(options["formats"])
    if options["out"] is not None:
        require_writable(options["out"])
    store, files = open_store(), files_from(options)
    homes = open_homes(files, store, options, sends="" if options["dry_run"] else "apply")
    if len(homes) > 1 and not options["dry_run"] and not options["approve"]:
        raise click.UsageError("several sites: name one with --limit, or give --approve DIGEST.")
    progress = Progress()
    order = Order(
        tell=progress,
        # Of many homes a bar tells: what each of them begins would only scroll it away.
        watch=silent if options["dry_run"] and len(homes) > 1 else progress.at_a_terminal,
        command="dry-run" if options["dry_run"] else "apply",
        adopt=frozenset(options["adopt"]),
        approve=None if options["dry_run"] else approval(options, progress),
        exit_code_for_changes=options["exit_code"],
        saved=None if saved is None else saved.basis,
        save_plan=options["out"],
        given=given_words(options),
        names_site=len(homes) > 1 or bool(options["limit"]),
    )
    if options["dry_run"]:
        return look(homes, order, formats, options["verbose"], carrying(homes, order, store, files, options))
    report, masked = run(homes, order, store)
    progress.pause()
    return write_reports(report, masked, formats, options["verbose"])


def refuse_odd_options(options: dict[str, Any]) -> None:
    """Raise click.UsageError for what cannot be meant, before any device is asked."""
    if options["dry_run"]:
        if options["approve"] or options["yes"]:
            raise click.UsageError("--dry-run sends nothing: leave --approve and --yes out.")
        return
    if options["out"] is not None or options["exit_code"]:
        raise click.UsageError("--out and --exit-code belong to --dry-run.")
    for given in options["approve"]:
        digest_fits(given, "")
    require_approver(options)


def require_approver(options: dict[str, Any]) -> None:
    """Raise click.UsageError where nothing and nobody could approve a plan."""
    if not (options["approve"] or options["yes"] or sys.stdin.isatty()):
        raise click.UsageError(
            "there is no terminal to ask at: review with --dry-run, then give --approve DIGEST (or --yes)."
        )


def take_plan_file(options: dict[str, Any]) -> PlanFile | None:
    """Take a plan file out of the playbooks. It is a claim: its digest has to be the approved one.

    Raises PlexopsError for a file that was edited, and click.UsageError where --approve is missing.
    """
    plans = [path for path in options["playbooks"] if path.suffix == ".json"]
    if not plans:
        return None
    if len(plans) > 1 or len(options["playbooks"]) > 1:
        raise click.UsageError("give one plan file, and no playbooks beside it.")
    if len(options["approve"]) != 1:
        raise click.UsageError("a plan file needs --approve DIGEST: the digest that you reviewed.")
    from plexops.engine.tell.plan_file import read_plan_file

    options["playbooks"] = ()
    return read_plan_file(plans[0], options["approve"][0])


def approval(options: dict[str, Any], progress: Progress) -> Callable[[SiteReport, Plan], bool]:
    """Give what decides whether a plan is sent: the digest, --yes, or a person at the terminal."""

    def decide(report: SiteReport, plan: Plan) -> bool:
        if options["approve"]:
            return _fits_or_says_so(options["approve"], plan.digest)
        if options["yes"]:
            return True
        if not sys.stdin.isatty():
            return False
        progress.pause()
        _show(report)
        return bool(click.confirm("Send these changes?", default=False, err=True))

    return decide


def _fits_or_says_so(approved: Sequence[str], digest: str) -> bool:
    from plexops.cli.output import note

    fits = any(digest_fits(given, digest) for given in approved)
    if not fits:
        given = ", ".join(text[:SHORTEST_DIGEST] for text in approved)
        note(f"the plan is {digest[:SHORTEST_DIGEST]} now, and {given} was approved: look again")
    return fits


def digest_fits(given: str, digest: str) -> bool:
    """Tell whether a digest that a person gave is this plan's. Raises click.UsageError for one that is too short."""
    wanted = given.lower()
    if len(wanted) < SHORTEST_DIGEST or any(c not in "0123456789abcdef" for c in wanted):
        raise click.UsageError(
            f"--approve takes at least {SHORTEST_DIGEST} hexadecimal digits of the plan's digest."
        )
    return digest.startswith(wanted)


def _show(report: SiteReport) -> None:
    from plexops import __version__
    from plexops.cli.output import view_for
    from plexops.model.run import RunReport
    from plexops.report.text import render

    plan = RunReport(
        command="dry-run",
        run_id="",
        started="",
        seconds=0.0,
        version=__version__,
        exit_status=0,
        sites=(report,),
    )
    print(render(plan, view_for(sys.stderr)), file=sys.stderr)
