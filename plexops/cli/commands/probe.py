"""`plexops probe`."""

from __future__ import annotations

import platform
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plexops.cli.options import PATH
from plexops.pattern import Pattern

if TYPE_CHECKING:
    from plexops.engine.bootstrap.probing import Probed
    from plexops.model.values import Endpoint

_TARGET = Pattern(r"(?:[A-Za-z0-9][A-Za-z0-9.-]{0,252}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}")


@click.command("probe")
@click.argument("target", metavar="HOST:PORT")
@click.option(
    "--as", "vantage", metavar="NAME", help="What to call this place (default: this computer's name)."
)
@click.option("--out", metavar="FILE", type=PATH, help="Write what was seen, for diagnose --probes FILE.")
@click.option("--expect", metavar="ID", help="The machineIdentifier that has to answer.")
@click.option(
    "--inside", is_flag=True, help="This computer is in the home itself: success then proves nothing."
)
def command(target: str, vantage: str | None, out: Path | None, expect: str | None, inside: bool) -> int:
    """Try from this computer whether Plex answers at an address, as an app outside would.

    HOST is an address ([2001:db8::50] for IPv6) or a name; the name of a proxy is asked as apps ask, certificate and all.
    Needs no inventory and no login: run it on a laptop on a phone's hotspot, or at a friend's, and carry the file
    home. It opens a TCP connection and asks for /identity, which every Plex server tells.

    Exit status: 0 Plex answered, 1 it did not, 2 a mistake on the command line.
    """
    at = _target(target)
    name = _vantage(vantage)
    if expect is not None and not re.fullmatch(r"[A-Za-z0-9-]{1,64}", expect):
        raise click.BadParameter("a machineIdentifier is letters and digits", param_hint="--expect")
    from plexops.cli.output import emit
    from plexops.engine.bootstrap.probing import probe_once
    from plexops.model.entries import ProbeAnswer

    probed = probe_once(at, name, expected=expect or "", inside=inside)
    emit(_line(target, probed))
    if out is not None:
        _write(out, at.host, probed)
    return 0 if probed.probe is not None and probed.probe.answer is ProbeAnswer.OPEN else 1


def _target(text: str) -> Endpoint:
    from plexops.model.values import Endpoint

    if _TARGET.fullmatch(text):
        at = Endpoint.parse(text)
        if 1 <= at.port <= 65535 and (at.address is not None or not text.startswith("[")):
            return at
    wanted = "such as 203.0.113.20:32500 or [2001:db8::50]:32400"
    raise click.BadParameter(f"{text!r} is no HOST:PORT, {wanted}", param_hint="HOST:PORT")


def _vantage(given: str | None) -> str:
    from plexops.config.probe_file import is_vantage

    if given is not None and not is_vantage(given):
        raise click.BadParameter("letters, digits, dots, dashes and spaces, 40 at most", param_hint="--as")
    if given is not None:
        return given
    own = re.sub(r"[^A-Za-z0-9._-]", "", platform.node())[:40].lstrip("._-")
    return own or "somewhere"


def _line(target: str, probed: Probed) -> str:
    from plexops.report.terminal import safe_term

    probe = probed.probe
    if probe is None:
        return f"{target}  unknown  {safe_term(probed.detail)}\n"
    inside = (
        "This was tried from inside the home: it says nothing about the way in.\n" if probe.inside else ""
    )
    return (
        f"{target}  {probe.answer}  {safe_term(probed.detail)}\n"
        f"{probe.vantage}, {probe.made}, {probed.milliseconds} ms\n{inside}"
    )


def _write(out: Path, host: str, probed: Probed) -> None:
    from plexops.cli.output import note, save
    from plexops.config.probe_file import probe_document

    if probed.probe is None:
        note(f"{out} was not written: nothing was tried")
        return
    save(out, probe_document(probed.probe, host, probed.milliseconds, probed.detail))
    note(f"{out}: give it to plexops diagnose --probes {out}")
