"""The glossary: every module's name is a word of it, or made of its words."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
EXPLAINED, _, PLAIN = GLOSSARY.partition("## Plain words in names of modules")


def words(text: str) -> set[str]:
    """Give the words of a text; a plural stands for its singular too."""
    found = set(re.findall(r"[a-z0-9]+", text.lower().replace("nat-pmp", "natpmp")))
    return found | {word.removesuffix("s") for word in found}


def explained() -> set[str]:
    heads = re.findall(r"^\*\*(.+?)\*\*: (.+)", EXPLAINED, re.MULTILINE)
    named = re.search(r"by their own names\*\*:([^.]*)", EXPLAINED)
    assert named is not None
    return words(" ".join(head for head, _ in heads) + named[1])


def in_modules() -> dict[str, str]:
    """Give each word of a module's name, and a module that bears it. The lab's words are its own."""
    paths = [path for path in (ROOT / "plexops").rglob("*.py") if "lab" not in path.parent.parts]
    return {word: str(path.relative_to(ROOT)) for path in paths for word in path.stem.split("_") if word}


def test_a_modules_name_is_made_of_words_that_are_explained_or_plain() -> None:
    known = explained() | words(PLAIN)
    unknown = {word: where for word, where in in_modules().items() if not words(word) & known}
    assert unknown == {}, "explain the word in docs/glossary.md, or take a better one"


def test_no_plain_word_is_left_over() -> None:
    used = {each for word in in_modules() for each in words(word)}
    assert {word for word in re.findall(r"[a-z0-9]+", PLAIN) if not words(word) & used} == set()


def test_plain_words_are_not_explained_as_well() -> None:
    assert set(re.findall(r"[a-z0-9]+", PLAIN)) & explained() == set()


def test_the_pages_name_files_that_there_are() -> None:
    """A name with a folder is a path from the repository or the package; one without may be in any folder."""
    missing = set()
    for page in sorted((ROOT / "docs").glob("*.md")):
        for name in re.findall(r"`((?:[a-z_]+/)*[a-z_]+\.(?:py|yaml))`", page.read_text(encoding="utf-8")):
            known = (ROOT / name, ROOT / "plexops" / name, ROOT / "router_profiles" / name)
            loose = "/" not in name and any(
                (ROOT / room).rglob(name) for room in ("plexops", "tests", "playbooks")
            )
            if not loose and not any(path.exists() for path in known):
                missing.add(f"{page.name}: {name}")
    assert missing == set()
