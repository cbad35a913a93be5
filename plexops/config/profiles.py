"""Where profiles are: those that come with plexops, by name, and a user's own, by path."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import cast

from plexops.config.files import shipped
from plexops.config.nodes import Listing, Node, Table, at, plain
from plexops.config.problems import nearest
from plexops.config.profile import Piece, build_profile, check_profile
from plexops.config.yaml import parse_yaml, read_text
from plexops.model.errors import Place, PlexopsError, Problem
from plexops.model.exchange import Json
from plexops.model.paths import from_home
from plexops.model.profile import Profile, Speaks
from plexops.pattern import Pattern
from plexops.structs import replace

#: The file of vocabularies among the pieces.
_WORDS = "words"
_NAME = Pattern(r"[a-z0-9][a-z0-9-]{0,39}")
#: Where the name stands in a skeleton: PRETTY_NAME is a name of the device's.
_PLACEHOLDER = Pattern(r"\bNAME\b")
#: How format 1 called two languages.
OLD_WORDS: Mapping[str, str] = MappingProxyType({"posix": "shell", "json": "rest"})
_NOTHING: Mapping[str, str] = MappingProxyType({})


def profile_names() -> tuple[str, ...]:
    """Give the names of the profiles that come with plexops."""
    return tuple(path.stem for path in _shipped_files())


def _shipped_files() -> list[Path]:
    return sorted(shipped("router_profiles").glob("*.yaml"), key=lambda path: path.stem)


def new_profile(name: str, speaks: str, folder: Path) -> list[Path]:
    """Write a profile that loads, and samples of it where something is asked. Raises PlexopsError PLX-C607."""
    skeletons = shipped("router_profiles") / "skeletons"
    files = {folder / f"{name}.yaml": skeletons / f"{speaks}.yaml"}
    if speaks != Speaks.NOTHING:
        files[folder / f"{name}.samples.yaml"] = skeletons / "samples.yaml"
    if not _NAME.fullmatch(name):
        raise _not_new(f"{name!r} is no name for a profile", "Take a-z, 0-9 and -, at most 40 of them.")
    if there := [str(path) for path in files if path.exists()]:
        raise _not_new(f"{', '.join(there)} is there already", "Take another name, or another folder.")
    for path, skeleton in files.items():
        write_new(path, _PLACEHOLDER.sub(name, skeleton.read_text(encoding="utf-8")))
    return list(files)


def write_new(path: Path, text: str) -> None:
    """Write a file that is not there yet. Raises PlexopsError PLX-C607."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        cure = "Take another name, and a folder that you may write to."
        raise _not_new(f"{path}: {error.strerror}", cure) from None


def _not_new(reason: str, cure: str) -> PlexopsError:
    return PlexopsError(Problem("PLX-C607", f"no profile was written: {reason}", cure))


def is_path(name: str) -> bool:
    """Tell whether a profile is a user's own file."""
    return "/" in name or name.endswith(".yaml")


def profile_path(name: str, directory: Path, place: Place | None = None) -> Path:
    """Find a profile: a name, or a path (with a slash) that starts at the inventory. Raises PlexopsError PLX-C601."""
    if is_path(name):
        return directory / from_home(name)
    path = shipped("router_profiles") / f"{name}.yaml"
    if path.is_file():
        return path
    close = nearest(name, profile_names())
    known = ", ".join(profile_names())
    cure = f"Did you mean {close}?" if close else f"There are {known}; `manual` serves every other box."
    raise PlexopsError(Problem("PLX-C601", f"there is no profile {name!r}", cure, place, "router.profile"))


def load_profile(
    name: str, directory: Path, place: Place | None = None, params: Mapping[str, str] = _NOTHING
) -> Profile:
    """Load one profile and fill in the router's params. Raises PlexopsError with all problems of the file."""
    path = profile_path(name, directory, place)
    text = read_text(path, str(path))
    document = parse_yaml(text, str(path))
    ours = any(text == known.read_text(encoding="utf-8") for known in _shipped_files())
    if not ours:
        if is_old(document):
            cure = f"Rewrite it: plexops profiles migrate {path}"
            raise PlexopsError(
                Problem("PLX-C104", "this file is of format 1", cure, document.place, "format")
            )
        check_profile(document)
    profile = build_profile(document, text, params, pieces_of(document, path.parent), _vocabularies())
    unknown = sorted(set(params) - set(profile.params))
    if unknown:
        known = ", ".join(profile.params) or "none"
        reason = f"the profile {name} has no param {unknown[0]!r}"
        raise PlexopsError(Problem("PLX-C602", reason, f"It has: {known}.", place, "router.params"))
    return replace(profile, shipped=ours)


def is_old(document: Node) -> bool:
    """Tell whether a file is of format 1, which did not say so itself."""
    said = cast("Mapping[str, Json]", plain(document)) if isinstance(document, Table) else {}
    return said.get("format", "resources" in said or said.get("speaks") in OLD_WORDS) == 1


def pieces_of(document: Node, beside: Path) -> list[Piece]:
    """Load what a profile uses, with its words. Raises PlexopsError for a piece that is not there, or has no such word."""
    return [_piece(use, beside) for use in _uses(document)]


def _uses(document: Node) -> list[tuple[str, Mapping[str, str], Place]]:
    """Give the pieces that a profile names, with the words that it gives them."""
    uses = at(document, ["uses"])
    found: list[tuple[str, Mapping[str, str], Place]] = []
    for item in uses.items if isinstance(uses, Listing) else ():
        said = plain(item)
        for name, words in said.items() if isinstance(said, Mapping) else ((str(said), {}),):
            given = words if isinstance(words, Mapping) else {}
            found.append((name, {key: str(word) for key, word in given.items()}, item.place))
    return found


def is_piece(name: str) -> bool:
    """Tell whether a text may be the name of a piece: it becomes the name of a file."""
    return name != _WORDS and _NAME.fullmatch(name) is not None


def _piece(use: tuple[str, Mapping[str, str], Place], beside: Path) -> Piece:
    """Load a piece: one that comes with plexops, which none of a user's hides, or one beside his profile."""
    name, words, place = use
    folders = (shipped("router_profiles") / "pieces", beside / "pieces")
    paths = [folder / f"{name}.yaml" for folder in folders] if is_piece(name) else []
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        known = sorted(found.stem for found in folders[0].glob("*.yaml") if found.stem != _WORDS)
        close = nearest(name, tuple(known))
        cure = f"Did you mean {close}?" if close else f"There are {', '.join(known)}."
        raise PlexopsError(Problem("PLX-C604", f"there is no piece {name!r}", cure, place, "uses"))
    text = read_text(path, str(path))
    document = parse_yaml(text, str(path))
    declared = at(document, ["piece"])
    unknown = sorted(set(words) - set(declared.entries if isinstance(declared, Table) else ()))
    if unknown:
        raise PlexopsError(
            Problem("PLX-C602", f"the piece {name} has no word {unknown[0]!r}", "", place, "uses")
        )
    return Piece(name, document, text, words)


def _vocabularies() -> Mapping[str, Mapping[str, Json]]:
    path = shipped("router_profiles") / "pieces" / f"{_WORDS}.yaml"
    return cast("Mapping[str, Mapping[str, Json]]", plain(parse_yaml(read_text(path, str(path)), str(path))))
