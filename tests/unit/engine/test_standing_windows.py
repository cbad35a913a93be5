"""A device's own undo is asked for and ended as the journal has it; silence ends none."""

from __future__ import annotations

import json

import pytest

from plexops.model.change import Action, Change
from plexops.model.change_json import window_from_json, window_to_json
from plexops.model.exchange import Command, Expect, Read, Script, Window, WindowKind, Write
from plexops.model.plan import Step, authorize_end
from plexops.model.snapshot import Kind, Role
from plexops.structs import replace

END = Write(Command("end it"), Expect(statuses=frozenset(), silent=True))
WINDOW = Window(
    WindowKind.SCHEDULER, (Write(Command("arm it")),), (END,), Read("armed", Command("ask it")), 180
)


@pytest.mark.parametrize("window", [WINDOW, Window()])
def test_what_asks_and_ends_a_window_survives_the_journal(window: Window) -> None:
    again = window_from_json(json.loads(json.dumps(window_to_json(window))))
    assert again == replace(window, kind=WindowKind.NONE, open=())


def test_leave_to_end_a_window_is_leave_for_nothing_else() -> None:
    write = Write(Command("write"))
    change = Change(Role.ROUTER, Kind.PORT_FORWARD, "plex", Action.DELETE)
    leave = authorize_end("home", Step(change, Script((write,), WINDOW)))
    assert leave.covers(END)
    assert not leave.covers(write)
    assert not leave.covers(WINDOW.open[0])
