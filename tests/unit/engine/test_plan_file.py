"""A saved plan is a claim: any edit of it is noticed, and so is its age."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from plexops.engine.tell.plan_file import plan_json, read_plan_file
from plexops.model.errors import PlexopsError
from plexops.model.plan import Plan, sha256
from plexops.model.snapshot import canonical
from plexops.model.status import ExitStatus
from tests.unit.engine.seen_home import looked_at


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plan]:
    with looked_at("openwrt", "drifted", tmp_path_factory.mktemp("home")) as looked:
        yield looked.plan().plan


@pytest.fixture
def path(plan: Plan, tmp_path: Path) -> Path:
    file = tmp_path / "plan.json"
    file.write_text(plan_json(plan), encoding="utf-8")
    return file


def refused(path: Path, digest: str) -> tuple[str, ExitStatus]:
    with pytest.raises(PlexopsError) as caught:
        read_plan_file(path, digest)
    (problem,) = caught.value.problems
    assert str(path) in problem.reason
    assert problem.cure
    return problem.code, caught.value.status


def write(path: Path, document: Any, *, sealed: bool = False) -> None:
    if sealed:
        covered = {name: value for name, value in document.items() if name != "checksum"}
        document = {**document, "checksum": sha256(covered)}
    path.write_text(json.dumps(document), encoding="utf-8")


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a document that holds a text or number."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, index))
    else:
        yield path


def flipped(document: Any, place: tuple[Any, ...]) -> Any:
    copy = json.loads(json.dumps(document))
    holder = copy
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = str(holder[place[-1]]) + "x"
    return copy


def test_what_was_written_is_read(plan: Plan, path: Path) -> None:
    for digest in (plan.digest, plan.digest[:12], plan.digest[:12].upper()):
        document = read_plan_file(path, digest)
        assert document.digest == plan.digest
        assert document.basis == dict(plan.basis)
        assert [step.id for step in document.steps] == [step.change.id for step in plan.steps]
        assert all(step.requests for step in document.steps)


def test_any_field_that_was_edited_is_noticed(plan: Plan, path: Path) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    places = list(leaves(document))
    assert len(places) > 30
    for place in places:
        write(path, flipped(document, place))
        assert refused(path, plan.digest) == ("PLX-R210", ExitStatus.TAMPERED), place


def test_a_part_that_is_missing_is_noticed(plan: Plan, path: Path) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    for name in document:
        write(path, {key: value for key, value in document.items() if key != name})
        assert refused(path, plan.digest)[0] == "PLX-R210", name
    write(path, {**document, "steps": document["steps"][:-1]})
    assert refused(path, plan.digest)[0] == "PLX-R210"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "7", '"plan"', "{}", "[" * 100_000, '{"checksum": NaN}']
)
def test_what_is_no_plan_is_said_to_be_none(plan: Plan, path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    assert refused(path, plan.digest) == ("PLX-R210", ExitStatus.TAMPERED)


def test_a_plan_that_is_not_there_is_said_to_be_missing(plan: Plan, tmp_path: Path) -> None:
    assert refused(tmp_path / "gone.json", plan.digest) == ("PLX-C001", ExitStatus.USAGE)


@pytest.mark.parametrize(("name", "value"), [("made", "2026-11-22T10:00:00"), ("made", 7), ("basis", "x")])
def test_a_wrong_shape_under_a_right_checksum_is_no_plan(
    plan: Plan, path: Path, name: str, value: object
) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    write(path, {**document, name: value}, sealed=True)
    assert refused(path, plan.digest)[0] == "PLX-R210"


def test_another_digest_was_approved(plan: Plan, path: Path) -> None:
    other = "0" * 12 if not plan.digest.startswith("0" * 12) else "1" * 12
    assert refused(path, other)[0] == "PLX-R212"


@pytest.mark.parametrize(
    ("age", "fresh"),
    [
        (timedelta(hours=23, minutes=59), True),
        (timedelta(hours=24, seconds=5), False),
        (timedelta(hours=-1), False),
    ],
)
def test_a_plan_is_good_for_a_day(plan: Plan, path: Path, age: timedelta, fresh: bool) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    made = (datetime.now(UTC) - age).isoformat(timespec="seconds")
    write(path, {**document, "made": made}, sealed=True)
    if fresh:
        assert read_plan_file(path, plan.digest).made == made
    else:
        assert refused(path, plan.digest)[0] == "PLX-R211"


def test_canonical_json_does_not_depend_on_order_or_container() -> None:
    assert sha256({"a": 1, "b": (2, 3)}) == sha256({"b": [2, 3], "a": 1})
    # What sha256sum says of the ASCII text {"\u00e4":"\u00f6"}.
    assert sha256({"ä": "ö"}) == "d72e54f1bacec8a8ebdb970cd36688efd91ff2ca03142f1906f1963938677789"
    assert canonical({1: None, "x": True}) == {"1": None, "x": True}
