"""Services outside that try a port: what the inventory and `--check-port` may say of them."""

from __future__ import annotations

import re

from plexops.config.nodes import Table
from plexops.config.problems import nearest, shown
from plexops.config.reading import Reader, web_address
from plexops.config.typed import Misfit
from plexops.model.site import CHECKERS, Checker, CheckerName
from plexops.pattern import Pattern

_NAMES = ", ".join(CheckerName)
#: The server's `curl` asks as well: what could mean anything to a shell is no part of such an address.
_PATH = Pattern(r"(?:/[A-Za-z0-9._~-]+)*/?", re.ASCII)
_HERE = frozenset({"127.0.0.1", "localhost"})
_KEYS = frozenset({"checker", "at"})


def checker(name: str, at: str = "") -> Checker:
    """Give the service of that name; `at` is where, and empty means the usual place. Raises Misfit."""
    if name not in set(CheckerName):
        close = nearest(name, list(CheckerName))
        meant = f" Did you mean {close}?" if close else ""
        raise Misfit("PLX-C104", f"{shown(name)} is no service that tries ports", f"Known: {_NAMES}.{meant}")
    known = CheckerName(name)
    if not at and known not in CHECKERS:
        reason = f"{known} is a program that many people run, and here is not said whose to ask"
        raise Misfit("PLX-C102", reason, "Say where: https://ifconfig.co, or your own.")
    return Checker(known, _place(at) if at else CHECKERS[known])


def named(word: str) -> Checker:
    """Read what the command line says: NAME, or NAME=URL. Raises Misfit."""
    name, _, at = word.partition("=")
    return checker(name, at)


def read_checker(reader: Reader, table: Table) -> Checker | None:
    """Read `{checker: NAME, at: URL}`; None where it cannot be used, which was told then."""
    for key in table.entries:
        if key not in _KEYS:
            reason = f"the key {shown(key)} is not known here: plexops does not log in to a service"
            cure = "Here one can write: checker, at."
            reader.problems.add("PLX-C101", table.key_place(key), f"{reader.path}.{key}", reason, cure)
    name = reader.text("checker")
    if name not in set(CheckerName):
        return None
    try:
        return checker(name, reader.text("at"))
    except Misfit as misfit:
        reader.problems.add(misfit.code, reader.place("at"), reader.path, misfit.reason, misfit.cure)
        return None


def _place(text: str) -> str:
    parts = web_address(text)
    if parts.scheme != "https" and parts.hostname not in _HERE:
        reason = f"{shown(text)} is not encrypted: another device on the way could answer in its place"
        raise Misfit("PLX-C204", reason, "Write https://.")
    if parts.query or not _PATH.fullmatch(parts.path) or ":" in (parts.hostname or ""):
        reason = f"{shown(text)} is more than a service's own address"
        raise Misfit("PLX-C204", reason, "Write only https:// and its name, and a path of plain words.")
    return parts.geturl().rstrip("/")
