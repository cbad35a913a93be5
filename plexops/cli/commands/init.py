"""`plexops init`."""

from __future__ import annotations

import os
import sys
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plexops.cli.options import PATH
from plexops.cli.output import emit, note, show_problems
from plexops.model.errors import PlexopsError, Problem
from plexops.pattern import Pattern

if TYPE_CHECKING:
    from plexops.engine.bootstrap.discovery import Reach, Surroundings
    from plexops.engine.bootstrap.first_inventory import Proposal
    from plexops.model.quick import SeenPlex

_INVENTORY = "inventory.yaml"
_PLAYBOOK = Path("playbooks", "plex-remote-access.yaml")
_SITE = Pattern(r"[A-Za-z][A-Za-z0-9_-]{0,39}")


@click.command("init")
@click.argument("folder", default=Path(), type=PATH, required=False)
@click.option("-y", "--yes", is_flag=True, help="Write without asking.")
@click.option("--site", default="home", show_default=True, metavar="NAME", help="What to call this home.")
@click.option("--router", metavar="ADDRESS", help="The router, where it is not this computer's gateway.")
@click.option("--plex", metavar="ADDRESS[:PORT]", help="The Plex server, where several or none are found.")
def command(folder: Path, yes: bool, site: str, router: str | None, plex: str | None) -> int:
    """Look around and write a first inventory and playbook into FOLDER (default: here).

    It looks for this computer's gateway and for Plex in its network, shows what it found and what it would write,
    and asks. It logs in nowhere, changes no device, and never overwrites a file.

    Exit status: 0 written and in order, 1 not written or something is left to do, 2 a mistake, 4 nothing was found.
    """
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask at: give --yes to write without asking.")
    if not _SITE.fullmatch(site) or site == "all":
        raise click.BadParameter("letters, digits, _ and -, and not “all”", param_hint="--site")
    given_router, given_plex = _address("--router", router), _address("--plex", plex)
    _refuse_what_is_there(folder)
    proposal = _look(site, given_router and given_router[0], given_plex, interactive=not yes)
    return _propose(folder, proposal, yes=yes)


def _address(option: str, text: str | None) -> tuple[IPv4Address, int] | None:
    if text is None:
        return None
    address, colon, port = text.partition(":")
    try:
        number = int(port) if colon and port.isascii() and port.isdigit() else 32400
        if (colon and not port.isdigit()) or not 1 <= number <= 65535:
            raise ValueError
        return IPv4Address(address), number
    except ValueError:
        raise click.BadParameter(f"{text!r} is no IPv4 address", param_hint=option) from None


def _refuse_what_is_there(folder: Path) -> None:
    # A dangling link is something, too: writing through it would make a file elsewhere.
    there = [path for path in (folder / _INVENTORY, folder / _PLAYBOOK) if os.path.lexists(path)]
    if there:
        raise PlexopsError([_is_there(path) for path in there])


def _is_there(path: object) -> Problem:
    return Problem("PLX-C811", f"{path} is there already", "Name another folder, or move it away first.")


def _look(
    site: str, router: IPv4Address | None, plex: tuple[IPv4Address, int] | None, *, interactive: bool
) -> Proposal:
    import getpass

    from plexops.engine.bootstrap.discovery import Reach, look_around
    from plexops.engine.bootstrap.first_inventory import propose

    note("looking around: this computer's gateway, UPnP, Plex …")
    reach = Reach()
    around = look_around(reach)
    if router is None and around.network is not None:
        router = around.network.gateway
    server = _chosen(around, plex, reach, interactive=interactive)
    if router is None and server is None:
        reason = "neither a gateway nor a Plex server was found from this computer"
        raise PlexopsError(Problem("PLX-C812", reason, "Name what you know: --router ADDRESS --plex ADDRESS"))
    try:
        login = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        login = ""
    return propose(around, server, reach, site=site, router=router, login=login)


def _chosen(
    around: Surroundings, given: tuple[IPv4Address, int] | None, reach: Reach, *, interactive: bool
) -> SeenPlex | None:
    from plexops.engine.bootstrap.discovery import named_plex

    if given is not None:
        return named_plex(around, given[0], given[1], reach)
    local = [server for server in around.plex if server.local]
    if len(around.plex) <= 1 or (len(local) == 1 and not interactive):
        return next(iter(local or around.plex), None)
    listed = [f"{server.address}:{server.port} {server.name or server.identifier}" for server in around.plex]
    if not interactive:
        raise click.UsageError(
            f"there are {len(listed)} Plex servers: name one with --plex. {'; '.join(listed)}"
        )
    for number, text in enumerate(listed, 1):
        note(f"  {number}  {text}")
    chosen: int = click.prompt("Which Plex server?", type=click.IntRange(1, len(listed)), default=1, err=True)
    return around.plex[chosen - 1]


def _propose(folder: Path, proposal: Proposal, *, yes: bool) -> int:
    from plexops.engine.bootstrap.first_inventory import inventory_text

    text = inventory_text(proposal)
    emit(f"# {folder / _INVENTORY}\n{text}")
    for shown in proposal.keys:
        note(f"{shown.device} at {shown.address} shows {shown.key.type} {shown.key.fingerprint}")
    if proposal.keys:
        note("These keys are not compared yet, and not trusted: plexops trust does that.")
    if not yes and not click.confirm(f"Write this, and {_PLAYBOOK}, into {folder.absolute()}?", err=True):
        note("nothing was written")
        return 1
    _write(folder, text)
    note(f"written: {folder / _INVENTORY}, {folder / _PLAYBOOK}")
    return _checked(folder, proposal)


def _write(folder: Path, text: str) -> None:
    from plexops.config.files import shipped

    lines = (shipped("playbooks") / _PLAYBOOK.name).read_text(encoding="utf-8").splitlines(keepends=True)
    # The schema that its first line names lies beside the original.
    own = "".join(line for line in lines if not line.startswith("# yaml-language"))
    try:
        (folder / _PLAYBOOK).parent.mkdir(parents=True, exist_ok=True)
        for path, content in ((folder / _INVENTORY, text), (folder / _PLAYBOOK, own)):
            with path.open("x", encoding="utf-8", newline="\n") as file:
                file.write(content)
    except FileExistsError as error:
        raise PlexopsError(_is_there(error.filename)) from None
    except OSError as error:
        reason = f"{error.filename or folder} cannot be written: {error.strerror}"
        raise PlexopsError(Problem("PLX-C703", reason, "Name a folder that you may write.")) from None


def _checked(folder: Path, proposal: Proposal) -> int:
    """Check what was written as `plexops check` does, and say what comes next."""
    from plexops.cli.session import Files

    try:
        Files(folder / _INVENTORY, (folder / _PLAYBOOK,)).tasks()
    except PlexopsError as error:
        show_problems(error.problems)
        note("fill that in; next: plexops check")
        return 1
    for step in [*(f"plexops trust {shown.device}" for shown in proposal.keys), "plexops diagnose"]:
        note(f"next: {step}")
    return 0
