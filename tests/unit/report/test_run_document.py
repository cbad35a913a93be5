"""The run's document: it comes back from JSON as it went, and what is not one is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from plexops.model.errors import PlexopsError
from plexops.model.run import RUN_SCHEMA, MaskedReport, map_texts
from plexops.model.run_json import read_report
from plexops.model.status import ExitStatus
from tests.unit.report.report_samples import APPLIED, SAMPLES, everywhere


def document() -> dict[str, Any]:
    loaded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(APPLIED))
    return loaded


@pytest.mark.parametrize("name", SAMPLES)
def test_round_trip(name: str) -> None:
    report = SAMPLES[name]
    stored = msgspec.json.encode(report)
    assert read_report(stored, MaskedReport) == report
    assert stored.startswith(b'{"schema":"plexops.run/1"')


def test_fields_of_a_later_version_within_the_schema_are_left_out() -> None:
    stored = document()
    stored["weather"] = "rain"
    stored["sites"][0]["hops"][0]["colour"] = "blue"
    assert read_report(json.dumps(stored), MaskedReport) == APPLIED


def test_fields_that_an_earlier_version_did_not_write_take_their_default() -> None:
    stored = document()
    del stored["journal_head"]
    del stored["sites"][0]["not_asked"]
    report = read_report(json.dumps(stored), MaskedReport)
    assert report.journal_head == ""
    assert report.sites[0].not_asked == ()


@pytest.mark.parametrize("schema", ["plexops.run/2", "plexops.plan/1", ""])
def test_another_schema_is_refused_by_name(schema: str) -> None:
    with pytest.raises(PlexopsError) as caught:
        read_report(json.dumps({**document(), "schema": schema}), MaskedReport)
    assert caught.value.problems[0].code == "PLX-R106"
    assert repr(schema) in caught.value.problems[0].reason
    assert RUN_SCHEMA in caught.value.problems[0].reason
    assert caught.value.status is ExitStatus.USAGE


def _edit(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def edit(stored: dict[str, Any]) -> None:
        target: Any = stored
        *way, last = path.split("/")
        for step in way:
            target = target[int(step)] if step.isdigit() else target[step]
        target[last] = value

    return edit


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("seconds", "0.4"),
        ("exit_status", True),
        ("exit_status", 1.5),
        ("command", "destroy"),
        ("sites", {}),
        ("sites/0/hops/0/mark", "fine"),
        ("sites/0/findings/0/status", "perfect"),
        ("sites/0/findings/0/place", "a.yaml:1:2"),
        ("sites/0/findings/0/exhibits", [1]),
        ("sites/0/exhibits/0/cut", "no"),
        ("sites/0/name", None),
        ("sites/0/changes/0/symbol", "*"),
    ],
)
def test_what_is_not_a_report_is_damage(path: str, value: object) -> None:
    stored = document()
    _edit(path, value)(stored)
    with pytest.raises(PlexopsError) as caught:
        read_report(json.dumps(stored), MaskedReport)
    assert caught.value.problems[0].code == "PLX-R105"
    assert path.rsplit("/", 1)[-1] in caught.value.problems[0].reason
    assert caught.value.status is ExitStatus.TAMPERED


@pytest.mark.parametrize("stored", [None, [], "x", 3])
def test_what_is_no_object_is_damage(stored: object) -> None:
    with pytest.raises(PlexopsError) as caught:
        read_report(json.dumps(stored), MaskedReport)
    assert caught.value.problems[0].code == "PLX-R105"


def test_every_free_text_is_reached() -> None:
    seen: list[str] = []

    def note(name: str, text: str) -> str:
        seen.append(name)
        return text

    map_texts(everywhere("§"), note)
    texts = msgspec.json.encode(everywhere("§")).decode()
    assert {
        "title",
        "want",
        "have",
        "why",
        "detail",
        "reason",
        "commands",
        "undo",
        "before",
        "after",
        "file",
    } <= set(seen)
    for left in ("192.168", "OpenWrt", "uci ", "playbooks", "2026"):
        assert left not in texts
