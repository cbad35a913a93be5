"""Every code that plexops can say is explained, and every explanation belongs to a code that it can say."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from plexops.model.codes import CODES
from plexops.model.status import Code, ExitStatus

PACKAGE = Path(__file__).parents[3] / "plexops"
CATALOGUE = PACKAGE / "model" / "codes.md"
CODE = re.compile(r"PLX-[A-Z]\d{3}")


def docstrings(tree: ast.Module) -> set[ast.AST]:
    """The texts that only explain: a code in them is said to nobody."""
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bodies = (node.body for node in ast.walk(tree) if isinstance(node, owners))
    return {body[0].value for body in bodies if body and isinstance(body[0], ast.Expr)}


def said() -> Iterator[tuple[str, str]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        explaining = docstrings(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in explaining:
                yield from ((code, path.relative_to(PACKAGE).as_posix()) for code in CODE.findall(node.value))


SAID = sorted(said())


def test_every_code_that_is_said_is_explained() -> None:
    assert [(code, where) for code, where in SAID if code not in CODES] == []


def test_every_code_that_is_explained_can_be_said() -> None:
    assert len(SAID) > 100, "the search finds codes"
    assert sorted(set(CODES) - {code for code, _ in SAID}) == []


def test_no_code_is_explained_twice() -> None:
    every = re.findall(r"^## (\S+)", CATALOGUE.read_text(encoding="utf-8"), re.MULTILINE)
    assert every == list(CODES)


@pytest.mark.parametrize("code", CODES.values(), ids=lambda code: code.code)
def test_an_explanation_says_more_than_the_title(code: Code) -> None:
    assert CODE.fullmatch(code.code)
    assert code.title
    assert not code.title.endswith(".")
    assert len(code.explanation) > len(code.title)
    for other in CODE.findall(code.explanation):
        assert other in CODES


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("PLX-R210", ExitStatus.TAMPERED),
        ("PLX-R105", ExitStatus.TAMPERED),
        ("PLX-R110", ExitStatus.TAMPERED),
        ("PLX-R120", ExitStatus.BUSY),
        ("PLX-R201", ExitStatus.SAFE_STOP),
        ("PLX-D109", ExitStatus.INCOMPLETE),
        ("PLX-D401", ExitStatus.USAGE),
        ("PLX-D407", ExitStatus.USAGE),
        ("PLX-C001", ExitStatus.USAGE),
        ("PLX-X001", ExitStatus.BUG),
    ],
)
def test_what_a_code_ends_with(code: str, status: ExitStatus) -> None:
    assert CODES[code].status is status
