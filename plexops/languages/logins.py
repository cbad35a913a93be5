"""What a device's own login may send: nothing but what begins a login and ends it, whoever wrote it down."""

from __future__ import annotations

from collections.abc import Mapping

from plexops.languages.contracts import refuse_login, refuse_read
from plexops.languages.template import check_structure
from plexops.model.fields import FieldType
from plexops.model.login import PLACEHOLDERS, SessionSteps
from plexops.pattern import Pattern

HEADER_NAME = Pattern(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_VARIABLES = dict.fromkeys(PLACEHOLDERS, FieldType.TEXT)


def check_login(steps: SessionSteps) -> None:
    """Refuse steps that could do anything but log in and out, or that lack what they name. Raises ValueError."""
    if (steps.proof == "sha256-md5") != bool(steps.realm) or (steps.header and steps.take):
        raise ValueError("ask: a realm is for sha256-md5, and a challenge is at one place")
    for step, where in ((steps.ask, "ask"), (steps.send, "send"), (steps.end, "end")):
        if step is None:
            continue
        names = check_structure(step.body, _VARIABLES if where == "send" else {}, where)
        if names & {"challenge", "proof"} and (
            steps.ask is None or ("proof" in names and steps.proof is None)
        ):
            raise ValueError(f"{where}: no challenge is asked for, or no proof is said")
        if step.form and not (
            isinstance(step.body, Mapping) and all(isinstance(leaf, str) for leaf in step.body.values())
        ):
            raise ValueError(f"{where}: a form holds texts by name")
        asked = f"{step.method} {step.path}" + (
            "?" + "&".join(f"{n}={v}" for n, v in step.query) if step.query else ""
        )
        if where == "ask":
            # A login begins at the path that takes it, or at one that only reads.
            begins = (
                step.method == "GET"
                and step.body is None
                and refuse_login("send", asked.replace("GET", "POST", 1)) is None
            )
            reason = None if begins else refuse_read("rest", asked, step.body)
        else:
            reason = refuse_login("send" if where == "send" else "end", asked, step.body)
        if reason:
            raise ValueError(f"{where}: {reason}")
    for kept in steps.keep:
        if kept.first and not kept.take:
            raise ValueError(f"keep: {kept.name} needs `take`: where the answer has its first value")
        if HEADER_NAME.fullmatch(kept.name) is None or kept.name.lower() in (
            "host",
            "cookie",
            "content-length",
            "connection",
        ):
            raise ValueError(f"keep: {kept.name!r} is no header of a login")
