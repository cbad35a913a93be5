"""No setting, flag or environment reaches a guard, and nothing gets past them. Judged by the source itself."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from plexops.model.exchange import Script
from plexops.model.plan import GUARD_NAMES, Authorized
from plexops.model.snapshot import Role
from plexops.runbook.guards.judge import GUARDS, Case

PACKAGE = Path(__file__).parents[3] / "plexops"
RUNBOOK = sorted((PACKAGE / "runbook").rglob("*.py"))
FOREIGN = {
    "os",
    "sys",
    "click",
    "time",
    "datetime",
    "random",
    "socket",
    "subprocess",
    "pathlib",
    "logging",
    "io",
}
WORLDLY = {"open", "input", "print", "getattr", "eval", "exec", "__import__", "globals"}
#: What reads a clock of this computer.
CLOCKS = {"now", "today", "utcnow", "monotonic", "perf_counter"}
#: Words that no option may bear: each would be a way past a guard.
BANNED = (
    "force",
    "insecure",
    "no-verify",
    "skip-guard",
    "unsafe",
    "ignore",
    "trust-all",
    "no-check",
    "override",
)


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)


@pytest.mark.parametrize("path", RUNBOOK, ids=lambda path: path.name)
def test_the_runbook_knows_only_the_model_the_walk_and_itself(path: Path) -> None:
    for name in imported(path):
        first, *rest = name.split(".")
        # A log's times are compared with the server's own: no clock of this computer is read.
        clock = path.parent.name == "log" and name == "datetime"
        # The tables lie beside the code.
        beside = path.stem == "data" and first == "pathlib"
        assert first not in FOREIGN or clock or beside, name
        assert first != "plexops" or rest[0] in (
            "structs",
            "pattern",
            "model",
            "packets",
            "runbook",
            "parsers",
        ), name


@pytest.mark.parametrize("path", RUNBOOK, ids=lambda path: path.name)
def test_the_runbook_touches_nothing_and_remembers_nothing(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert called & WORLDLY == set()
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in CLOCKS]
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Global | ast.Nonlocal)]


def test_there_are_thirteen_guards_and_each_takes_the_case_alone() -> None:
    assert tuple(name for name, _, _ in GUARDS) == GUARD_NAMES
    for name, title, guard in GUARDS:
        (only,) = inspect.signature(guard).parameters.values()
        assert (only.name, only.annotation, only.default) == ("case", "Case", inspect.Parameter.empty)
        assert (guard.__doc__ or "").startswith(f"{name}: ")
        assert title
    assert len({guard for _, _, guard in GUARDS}) == len(GUARDS)


def test_a_case_holds_no_setting() -> None:
    states = ["before", "after", "changes", "adopted", "undoing", "restoring", "in_the_end"]
    assert list(Case.__struct_fields__) == states


def test_only_authorize_gives_leave() -> None:
    makers = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "Authorized":
                makers.append(path.relative_to(PACKAGE).as_posix())
            names = [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
            assert "_AUTHORIZED" not in names, path
    assert set(makers) == {"model/plan.py"}
    with pytest.raises(TypeError, match="gives leave to write"):
        Authorized(object(), "home", Role.ROUTER, Script(()))


def test_verdicts_go_to_authorize_as_the_guards_gave_them() -> None:
    """Whoever filters verdicts on their way would authorize what was refused."""
    seen = 0
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or ast.unparse(node.func).split(".")[-1] != "authorize":
                continue
            seen += 1
            verdicts = ast.unparse(node.args[2])
            assert verdicts == "verdicts" or verdicts.startswith("judge("), f"{path}: {verdicts}"
    assert seen >= 3


def test_no_source_of_the_command_line_declares_a_way_past() -> None:
    found = []
    for path in sorted((PACKAGE / "cli").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not ast.unparse(node.func).endswith("option"):
                continue
            texts = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            found += [text for text in texts if text.startswith("-")]
    assert "--approve" in found, "the search finds options"
    assert [text for text in found if any(word in text for word in BANNED)] == []
