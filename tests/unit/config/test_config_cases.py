"""Documents that are wrong in one way each, with the places and words of what is said about them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from plexops.config.inventory import read_inventory
from plexops.config.problems import shows_secret
from plexops.config.resolve import resolve
from plexops.config.yaml import parse_yaml
from plexops.model.codes import CODES
from plexops.model.errors import Place, PlexopsError, Problem
from plexops.model.status import ExitStatus
from tests.unit.config.playbook_text import playbook_of

FOLDER = Path(__file__).parent / "cases"
MARK = "▶"
PLAIN_INVENTORY = 'sites: {home: {router: {profile: manual}, plex: {url: "http://192.168.1.50:32400"}}}'


def cases() -> list[Any]:
    return [
        pytest.param(case, id=f"{path.stem}: {case['name']}")
        for path in sorted(FOLDER.glob("*.yaml"))
        for case in yaml.safe_load(path.read_text(encoding="utf-8"))
    ]


def marked(file: str, text: str) -> tuple[str, list[str]]:
    """Take the marks out of a text; give it with the places where they stood."""
    places = []
    while MARK in text:
        before, _, after = text.partition(MARK)
        line = len(re.findall(r"\n|\r(?!\n)", before.replace("\r", ""))) + 1
        places.append(f"{file}:{line}:{len(before) - before.rfind(chr(10))}")
        text = before + after
    return text, places


def problems_of(documents: dict[str, str]) -> tuple[Problem, ...]:
    try:
        if "yaml" in documents:
            parse_yaml(documents["yaml"], "yaml.yaml")
            return ()
        path = Path("inventory.yaml")
        inventory = read_inventory(parse_yaml(documents.get("inventory", PLAIN_INVENTORY), str(path)), path)
        if "playbook" in documents:
            playbook = playbook_of(documents["playbook"])
            resolve(inventory, [playbook])
    except PlexopsError as error:
        return error.problems
    return ()


@pytest.mark.parametrize("case", cases())
def test_case(case: dict[str, Any]) -> None:
    documents: dict[str, str] = {}
    places: list[str] = []
    for kind in ("yaml", "inventory", "playbook"):
        if kind in case:
            documents[kind], marks = marked(f"{kind}.yaml", case[kind])
            places += marks
    found = problems_of(documents)
    told = "\n".join(f"{p.code} {p.place} {p.path} | {p.reason} | {p.cure} | {p.detail}" for p in found)
    assert [(p.code, str(p.place)) for p in found] == list(
        zip([code for code, _ in case["problems"]], places, strict=True)
    ), told
    for problem, (_, words) in zip(found, case["problems"], strict=True):
        assert words in f"{problem.reason} | {problem.cure}", told
        assert CODES[problem.code].status is ExitStatus.USAGE
        assert problem.cure, told
        assert "\n" not in problem.reason + problem.cure
    assert "hunter2" not in re.sub(r"#.*", "", told), "a message repeats a secret"


def test_there_are_enough_cases() -> None:
    assert len(cases()) >= 80


def test_no_source_line_with_a_secret_may_be_shown() -> None:
    """Whatever is wrong in a line that holds a secret in clear, a report must not print the line."""
    told = 0
    for param in cases():
        (case,) = param.values
        documents = {kind: marked(kind, case[kind])[0] for kind in ("inventory", "playbook") if kind in case}
        found = problems_of(documents) if documents else ()
        for problem in found:
            assert problem.place is not None
            line = documents[problem.place.file.removesuffix(".yaml")].splitlines()[problem.place.line - 1]
            if "hunter2" in line:
                told += 1
                assert shows_secret(problem, line, found), line
    assert told >= 14


@pytest.mark.parametrize(
    ("line", "hidden"),
    [
        ("    pasword: hunter2", True),
        ("  router: {profil: x, passwd: 'hunter2'}", True),
        ('  plex: {"token": hunter2}', True),
        ("  url: http://me:hunter2@nas:32400", True),
        ("  api_secret: hunter2", True),
        ("  password: {env: PLEXOPS_ROUTER_PASSWORD}", False),
        ("  token: {from: server}", False),
        ("  key_file: ~/.ssh/id_ed25519", False),
        ("  port_forward: {key: second}", True),
        ("  external_port: 0x7e90", False),
        ("  url: http://nas:32400", False),
    ],
)
def test_which_lines_may_hold_a_secret(line: str, hidden: bool) -> None:
    problem = Problem("PLX-C101", "unknown", place=Place("f", 1, 1))
    assert shows_secret(problem, line) is hidden
