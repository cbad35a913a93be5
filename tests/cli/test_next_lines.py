"""What a report says to do next is a command that works; and every command that is named anywhere is one."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from plexops.cli.main import COMMANDS, root
from tests.cli.process import Ended, House, house

PACKAGE = Path(__file__).parents[2] / "plexops"
#: A command in a text: its name, and the words behind it that are options, arguments in capitals, or file names.
_SUB = "last|list|verify|export|prune|show|check"
_WORD = rf"(?:-{{1,2}}[A-Za-z][A-Za-z-]*|[A-Z][A-Z:]+\b|(?:{_SUB})\b|[\w/-]+\.(?:json|html|yaml)|\{{\}})"
_NAMED = re.compile(rf"\bplexops ({'|'.join(COMMANDS)})((?: {_WORD})*)")


def parsed(words: list[str]) -> click.Context:
    """Let the real parser read a command line. Raises click.UsageError."""
    name, *rest = words
    command = root.get_command(click.Context(root), name)
    assert command is not None, name
    context = command.make_context(name, rest)
    if isinstance(command, click.Group):
        inner = command.get_command(context, rest[0]) if rest else None
        assert inner is not None, words
        inner.make_context(rest[0], rest[1:])
    return context


def texts(path: Path) -> Iterator[str]:
    """Every text of a module, docstrings too; what is computed stands as {}."""
    inside: set[ast.AST] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            inside |= set(node.values)
            yield "".join(str(v.value) if isinstance(v, ast.Constant) else "{}" for v in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in inside:
            yield node.value


def named() -> Iterator[tuple[str, str]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        for text in texts(path):
            for found in _NAMED.finditer(" ".join(text.split())):
                yield path.name, f"{found[1]}{found[2]}"


NAMED = sorted({line for _, line in named()})


def mistake(words: list[str]) -> str:
    """Give what the parser says against a command line; empty where it has nothing to say."""
    try:
        parsed(words)
    except click.UsageError as reason:
        return reason.format_message()
    return ""


@pytest.mark.parametrize("line", NAMED)
def test_every_command_that_a_text_names_has_these_options(line: str) -> None:
    words = line.replace("{}", "0123456789ab").split()
    said = mistake(words)
    # Spoken of, an option may lack its value, and a command its argument; a file of that name is not here.
    lacks = ("Missing argument", "does not exist", f"Option '{words[-1]}' requires an argument.")
    assert not said or any(reason in said for reason in lacks) or (len(words) == 1 and "Usage:" in said)


def test_there_are_such_texts() -> None:
    assert len(NAMED) > 20
    assert {"apply --dry-run --out plan.json", "trust {}", "recover"} <= set(NAMED)


def next_lines(ended: Ended) -> list[list[str]]:
    """The commands that a report says to do next, as words behind `plexops`."""
    found = re.findall(r"\bnext: (plexops .*?)(?: {2,}exit \d+)?$", ended.out + ended.err, re.MULTILINE)
    lines = [shlex.split(line) for line in found]
    for words in lines:
        parsed(words[1:])
    return [words[1:] for words in lines]


def moved(home: House) -> tuple[str, ...]:
    """Give the files other names, so that a command finds them only where they are named."""
    homes, plays = home.directory / "my homes.yaml", home.directory / "my plays"
    (home.directory / "inventory.yaml").rename(homes)
    (home.directory / "playbooks").rename(plays)
    play = next(plays.glob("*.yaml"))
    return (str(play), "-i", str(homes), "-e", "note=two words", "-l", "home")


def test_what_is_next_works_as_it_is_printed(tmp_path: Path) -> None:
    with house(tmp_path) as home:
        files = moved(home)
        audit = home("audit", *files)
        assert audit.status == 1
        (show,) = next_lines(audit)
        shown = home(*show)
        assert shown.status == 0, shown.said
        (apply,) = next_lines(shown)
        done = home(*apply)
        assert done.status == 0, done.said
        assert "plexops_plex" in home.home.export("router")
        look = home("rollback", "last", "--dry-run", *files)
        assert look.status == 0, look.said
        assert look.out.startswith("plexops rollback --dry-run")
        (back,) = next_lines(look)
        assert back[:2] == ["rollback", "last"]
        undone = home(*back)
        assert undone.status == 0, undone.said
        assert "plexops_plex" not in home.home.export("router")


def test_what_would_be_refused_is_not_offered(tmp_path: Path) -> None:
    """The plan is whole, and that no Plex answered where its port shall be opened keeps it from being sent."""
    with house(tmp_path, "host-firewall") as home:
        assert "--approve" in home("apply", "--dry-run").said
        home.edit("inventory.yaml", ":32400", ":32401")
        ended = home("apply", "--dry-run", "--format", "json", "--format", "text:plan.txt")
        assert ended.status == 3
        (site,) = json.loads(ended.out)["sites"]
        assert {guard["id"] for guard in site["guards"] if guard["verdict"] == "refuses"} >= {"G9"}
        assert site["changes"]
        assert "--approve" not in (home.directory / "plan.txt").read_text(encoding="utf-8")
