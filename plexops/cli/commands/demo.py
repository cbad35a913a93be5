"""`plexops demo`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click
from msgspec import Struct

from plexops.cli.commands.lab import ROUTER, run_in
from plexops.cli.homes import LabHome, lab_home
from plexops.cli.options import PATH


class Scene(Struct, frozen=True):
    """One command of the demo: what is told before it, and the status that it ends with."""

    told: str
    words: tuple[str, ...]
    status: int
    writes: bool = False


#: What the report is called in the home's folder.
PAGE = "report.html"

SCENES: tuple[Scene, ...] = (
    Scene(
        "A home where remote access was never set up. What is true there, against what the playbook wants?",
        ("audit",),
        1,
    ),
    Scene(
        "Four drifts. Which requests would mend them, in which order, and how would each be undone?",
        ("apply", "--dry-run"),
        0,
    ),
    Scene(
        "Now for real: each change is read back over a new connection, and the port is tried from outside.",
        ("apply", "--yes"),
        0,
        writes=True,
    ),
    Scene("And what is true now?", ("audit",), 0),
    Scene("A second apply finds nothing to do and writes nothing.", ("apply", "--yes"), 0),
)


@click.command("demo")
@ROUTER
@click.option("--keep", type=PATH, metavar="DIR", help="Use this new folder (default: a temporary one).")
def command(router: str, keep: Path | None) -> int:
    """Watch the whole job on a simulated home on this machine: audit, plan, apply, proof. Nothing real is touched.

    The commands are the real ones. The home's folder is kept, with the evidence and an HTML report in it.
    """
    from plexops.cli.output import emit

    folder = keep or Path(tempfile.mkdtemp(prefix="plexops-demo-"))
    emit(f"A simulated home (router family {router}) runs on this machine now; its folder is {folder}.\n")
    with lab_home(router, "drifted", folder) as home:
        for number, scene in enumerate(SCENES, 1):
            emit(f"\n{number}. {scene.told}\n\n$ plexops {' '.join(scene.words)}\n")
            complaint = play(home, scene) or (write_page(home) if scene.writes else "")
            if complaint:
                emit(f"\nThis did not end as announced: {complaint}. Please report it.\n")
                return 1
    emit(
        f"\nThe report of the run that changed something, as one page: {home.directory / PAGE}\n"
        f"The devices' own logs are in {home.directory / 'log'}. Delete the folder when you like.\n"
    )
    return 0


def write_page(home: LabHome) -> str:
    """Render the run that was just made. Gives what went wrong, empty where nothing did."""
    status = run_in(home, ("plexops", "report", "last", "--format", f"html:{home.directory / PAGE}"))
    return f"the report could not be written (exit {status})" if status else ""


def play(home: LabHome, scene: Scene) -> str:
    """Run one scene. Gives what was not as told, judged by the devices' own state as well; empty where all was."""
    before = home.state_of_devices()
    status = run_in(home, ("plexops", *scene.words))
    if status != scene.status:
        return f"exit {status} instead of {scene.status}"
    changed = home.state_of_devices() != before
    if changed != scene.writes:
        return "a device was changed" if changed else "no device was changed"
    return ""
