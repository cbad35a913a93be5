"""Every slip in a profile is noticed: what is deleted or misspelt in a shipped one is refused at load, or found by `prove`.

Mutants are made of the tree of each file: every key and item deleted, every key misspelt, and every name in its texts. Of
those that load, the proof is tried; what it says beyond what it says of the profile itself is a slip that was noticed. So
many are tried, spread evenly over the file; SLIPS=all tries each. python -m tests.conformance.test_misspelt NAME… lists
those that survive. A key that stands there twice is refused before anything else is looked at.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from plexops.config.files import shipped
from plexops.config.nodes import places, plain
from plexops.config.profile import with_piece
from plexops.config.profiles import load_profile, pieces_of
from plexops.config.samples import Samples, load_samples
from plexops.config.yaml import parse_yaml
from plexops.drivers.router.compile import CompiledProfile, compile_profile
from plexops.engine.proving import prove
from plexops.model.errors import PlexopsError

ROOT = shipped("router_profiles")
SAMPLED = sorted(path.stem for path in (ROOT / "samples").glob("*.yaml"))
#: So many of each family.
MOST = 10_000 if os.environ.get("SLIPS") == "all" else 36
#: Texts for people.
FOR_PEOPLE = ("title", "steps", "verified", "*.means", "*.because", "*.unseen")
#: What is sent, which the conformance suite holds against devices, and how a device is reached.
SENT = (
    "functions",
    "window",
    "login",
    "errors",
    "detect",
    "account",
    "kinds.*.write",
    "kinds.*.set",
    "kinds.*.fields.*.writes",
    "reads.*.hides",
    "envelope.says",
    "services",
    "params.*.default",
    "*.room",
    "*.as",
    "packets.inserts",
)
#: What survives, by kind: where it is, what was done, and why neither loading nor a sample can tell.
SURVIVING = (
    (r"^facts\..*\.values\.", " misspelt$", "one of several words of the device, which no state has"),
    ("", r"^literal ", "a word in an expression's quotes, in a branch that no state takes"),
    (
        r"\.(?:absent|must|default|serves|ranges|ends)(?:\[\d+\])?$",
        "^deleted$",
        "no state is of the kind that it is for",
    ),
    (
        r"\.(?:values|words|where|unless|limits|harmless|otherwise|else)\b",
        "^deleted$",
        "a word that no state has",
    ),
    (
        r"\.(?:lead|least|label|handle)$|\.backends\.\w+$",
        "",
        "a name of its own, or what says no more than the rest",
    ),
    (
        r"^reads\.\w+(?:\.as)?$|^kinds\.\w+(?:\.fields\.\w+)?$",
        "^deleted$",
        "a piece has the same, or it is silence",
    ),
    (r"^kinds\.neighbour\.fields\.current\.default", "", "false is also what silence means"),
)
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


class Slip(Struct, frozen=True):
    """One mutant: where, what was done, and the whole tree."""

    where: str
    what: str
    tree: object


def misspelt(word: str) -> str:
    """Give a word with its last two letters in the other order, or with one more where those are alike."""
    turned = word[:-2] + word[-1] + word[-2] if len(word) > 1 else word
    return turned if turned != word else word + "x"


def slips(tree: object) -> Iterator[Slip]:
    """Give all mutants of a tree."""
    for where, what, part in _of(tree, ""):
        yield Slip(where, what, part)


def _of(part: object, where: str) -> Iterator[tuple[str, str, object]]:
    if isinstance(part, Mapping):
        for key, value in part.items():
            at = f"{where}.{key}" if where else str(key)
            rest = {name: kept for name, kept in part.items() if name != key}
            yield at, "deleted", rest
            yield (
                at,
                "key misspelt",
                {misspelt(str(name)) if name == key else name: v for name, v in part.items()},
            )
            for place, what, changed in _of(value, at):
                yield place, what, {**part, key: changed}
    elif isinstance(part, list):
        for number, item in enumerate(part):
            yield f"{where}[{number}]", "deleted", [*part[:number], *part[number + 1 :]]
            for place, what, changed in _of(item, f"{where}[{number}]"):
                yield place, what, [*part[:number], changed, *part[number + 1 :]]
    elif isinstance(part, str):
        for found in NAME.finditer(part):
            changed = part[: found.start()] + misspelt(found[0]) + part[found.end() :]
            quoted = any(part.count(quote, 0, found.start()) % 2 for quote in "'`")
            yield where, f"{'literal ' if quoted else ''}{found[0]} misspelt", changed


def excused(where: str) -> bool:
    """Tell whether a place is one that reading does not rest on."""

    def fits(pattern: str) -> bool:
        shape = re.escape(pattern).replace(
            r"\*", ".*" if pattern.startswith("*") else r"[^.]+(?:\.backends\.[^.]+)?"
        )
        return re.match(rf"{shape}(?:$|[.\[])", where) is not None

    return any(map(fits, (*FOR_PEOPLE, *SENT)))


def hints(family: CompiledProfile, samples: Samples) -> set[str] | None:
    """Give what the proof hints at; None as soon as a level has a problem."""
    found: set[str] = set()
    for level in prove(family, samples):
        if level.problems:
            return None
        found.update(level.hints)
    return found


def survives(slip: Slip, samples: Samples, known: set[str], folder: Path) -> bool:
    """Tell whether neither loading, nor the samples, nor a new hint notice a slip."""
    (folder / "mine.yaml").write_text(json.dumps(slip.tree, ensure_ascii=False), encoding="utf-8")
    try:
        family: CompiledProfile = compile_profile(load_profile(f"{folder}/mine.yaml", folder))
    except PlexopsError:
        return False
    told = hints(family, samples)
    return told is not None and told <= known


def with_pieces(name: str) -> dict[str, Any]:
    """Give a profile in one piece: what it uses stands in it, with its words filled in."""
    path = ROOT / f"{name}.yaml"
    document = parse_yaml(path.read_text(encoding="utf-8"), str(path))
    tree = plain(document)
    assert isinstance(tree, dict)
    for piece in pieces_of(document, path.parent):
        tree = with_piece(tree, piece)
    return {part: entries for part, entries in tree.items() if part != "uses"}


def surviving(name: str, folder: Path, most: int) -> list[Slip]:
    """Give the slips that nothing notices, of so many that are tried."""
    family, samples = compile_profile(load_profile(name, Path())), load_samples(name, Path())
    assert samples is not None
    known = hints(family, samples)
    assert known is not None
    found = list(slips(with_pieces(name)))
    tried = [slip for slip in found if not excused(slip.where)]
    assert len(tried) > 150
    return [slip for slip in tried[:: -(-len(tried) // most)] if survives(slip, samples, known, folder)]


def explained(slip: Slip) -> bool:
    """Tell whether a slip is of a kind that is known to survive."""
    return any(re.search(where, slip.where) and re.search(what, slip.what) for where, what, _ in SURVIVING)


@pytest.mark.parametrize("name", SAMPLED)
def test_what_no_sample_notices_is_of_a_known_kind(name: str, tmp_path: Path) -> None:
    left = surviving(name, tmp_path, MOST)
    assert [(slip.where, slip.what) for slip in left if not explained(slip)] == []


@pytest.mark.parametrize("name", SAMPLED)
def test_a_key_that_stands_there_twice_is_refused(name: str) -> None:
    path = ROOT / f"{name}.yaml"
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    keyed = {place.line for place in places(parse_yaml(text, name)).values()}
    whole = [n for n in keyed if re.fullmatch(r" *[A-Za-z_.]+: [^\[{>|\n]*[^\[{>|,\n]\n", lines[n - 1])]
    assert len(whole) > 4
    for number in whole:
        with pytest.raises(PlexopsError):
            parse_yaml("".join((*lines[:number], *lines[number - 1 :])), name)


if __name__ == "__main__":
    for named in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as made:
            for one in surviving(named, Path(made), 10_000):
                sys.stdout.write(f"{named}\t{one.where}\t{one.what}\t{'known' if explained(one) else '?'}\n")
