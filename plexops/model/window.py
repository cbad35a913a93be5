"""How a profile says that a device undoes by itself."""

from __future__ import annotations

from typing import Annotated

from msgspec import Struct

from plexops.model.exchange import WindowKind
from plexops.model.fields import Words
from plexops.model.store import Requests
from plexops.structs import says


class WindowSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """The device's own undo.

    A timer of a shell needs only a `directory` of its memory, a commit that waits to be confirmed its `minutes`.
    Otherwise templates know `name`, `seconds` and `undo`, the requests of the way back as one text; `last` is appended
    to it: how what undoes removes itself.
    """

    kind: Annotated[WindowKind, says("Who fires it.", "timer", enum=["timer", "scheduler", "commit-confirm"])]
    directory: Annotated[
        str,
        says(
            "Where a shell's timer keeps its state: a directory that a restart empties.",
            "/run",
            pattern="^(?:/[A-Za-z0-9_-]+)+$",
        ),
    ] = ""
    minutes: Annotated[int, says("How long a commit waits to be confirmed.", 3, minimum=1, maximum=60)] = 0
    needs: Annotated[Words, says("The facts without which there is none.", {"x.undo": ["reload"]})] = {}
    open: Annotated[Requests, says("Arms it.", [{"run": "…"}], minItems=1)] = ()
    confirm: Annotated[Requests, says("Takes it away.", [{"run": "…"}], minItems=1)] = ()
    armed: Annotated[
        str,
        says(
            "A read that tells whether it still stands, and is ours.",
            ":put [/system scheduler find where name=plexops_{{ name }} interval={{ seconds }}s]",
        ),
    ] = ""
    last: Annotated[
        str, says("What the undo does last.", "/system scheduler remove [find where name=plexops_{{ name }}]")
    ] = ""
