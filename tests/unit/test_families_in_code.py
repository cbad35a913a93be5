"""A router family is data: no Python outside the lab decides anything by a family's name.

Where the line is drawn:
- A *language* is Python: how a device is spoken to, how its answers are built, which requests only read, in which order a
  packet meets its rules. A profile chooses one (`speaks`, `contract`, `as`, `packets`), so that a second family of a known
  language costs none. Some bear the name of the one family that they were first seen at (`routeros`, OPNsense's contract):
  the rooms in LANGUAGES may say such a name, and only as long as it is declared as a language's.
- Words for people are no decision: docstrings, comments, messages (texts with blanks), and the examples of a schema.
- `manual` is no family: it is a router that nothing is asked of.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

import pytest

from plexops.config.profiles import profile_names
from plexops.languages.base import LanguageName
from plexops.languages.contracts import ContractName

PACKAGE = Path(__file__).resolve().parents[2] / "plexops"
#: `igd` is the name of a protocol as well, which plexops speaks without a profile.
FAMILIES = tuple(name for name in profile_names() if name not in {"manual", "igd"})
#: Where a language is made, declared or handed on, and the names that a language has.
LANGUAGES = ("languages/", "parsers/", "packets/", "drivers/rulesets/", "drivers/router/reads.py", "drivers/router/stores/",
             "model/profile.py",
             "engine/look/access.py", "transport/ssh_settings.py")  # fmt: skip
LANGUAGE_NAMES = frozenset({*get_args(LanguageName), *get_args(ContractName)})
#: The functions whose arguments explain a file to the people who write it, and show examples.
EXPLAIN = frozenset({"says", "leaf", "table", "secret", "need"})
#: What may name a family for another reason.
ALSO: Mapping[str, str] = {
    "cli/homes.py": "which of the lab's routers a simulated home has",
    "cli/commands/lab.py": "which of them is taken where none is named",
}


def found(text: str, names: tuple[str, ...]) -> str:
    """Give the family that a word without blanks names, alone or between other signs than letters and digits."""
    either = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    match = re.search(rf"(?i)(?<![a-z0-9])(?:{either})(?![a-z0-9])", text) if " " not in text else None
    return match[0].lower() if match else ""


def words(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Give the texts and the names that a part of a program makes, but for those that only explain."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue
        if isinstance(child, ast.Call) and ast.unparse(child.func).rpartition(".")[2] in EXPLAIN:
            continue
        if isinstance(child, ast.Assign) and ast.unparse(child.targets[0]).endswith("example"):
            continue
        if isinstance(child, ast.Compare) and ast.unparse(child.left) == "sys.platform":
            continue
        if isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield child.lineno, child.value
        elif isinstance(child, ast.FunctionDef | ast.ClassDef):
            yield child.lineno, child.name
        elif isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            yield child.lineno, child.id
        yield from words(child)


def named(source: str, path: str, names: tuple[str, ...] = FAMILIES) -> list[str]:
    """Give the places of a file that name a family, where it may not."""
    wrong = []
    for line, text in words(ast.parse(source)):
        family = found(text, names)
        of_a_language = family in LANGUAGE_NAMES and path.startswith(LANGUAGES)
        if family and not of_a_language and path not in ALSO:
            wrong.append(f"{path}:{line}: {text}")
    return wrong


def test_no_python_names_a_family() -> None:
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith("lab/"):
            wrong += named(path.read_text(encoding="utf-8"), name)
    assert wrong == []


def test_the_exceptions_are_needed() -> None:
    for path in ALSO:
        assert (PACKAGE / path).is_file()
    assert any(name in LANGUAGE_NAMES for name in FAMILIES), "else no room has to be let off"


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ('if family == "openwrt": pass', True),
        ('KEYS = {"opnsense": 1}', True),
        ('match family:\n    case "linux": pass', True),
        ('x = "PLEXOPS_OPNSENSE_KEY"', True),
        ('x = r"openwrt|luci"', True),
        ("_DDWRT_PORT = 1", True),
        ("def openwrt_login(): pass", True),
        ('x = f"{y}openwrt"', True),
        ('if speaks == "routeros": pass', True),
        ('"""Openwrt."""\n# openwrt\nx = "On OpenWrt look here"', False),
        ('x: Annotated[str, says("What it is.", "openwrt")] = ""', False),
        ('if sys.platform == "linux": pass', False),
        ('x = "linuxserver/plex"', False),
    ],
)
def test_a_family_in_code_would_be_found(source: str, wrong: bool) -> None:
    assert bool(named(source, "engine/x.py")) == wrong


def test_a_language_may_bear_a_familys_name_in_its_own_rooms_alone() -> None:
    assert named('x = "routeros"', "languages/x.py") == []
    assert named('x = "routeros_rows"', "parsers/x.py") == []
    assert named('x = "openwrt"', "languages/x.py") == ["languages/x.py:1: openwrt"]
