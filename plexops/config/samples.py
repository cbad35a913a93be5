"""Samples of a profile: what a device answers in named states, and what plexops shall understand of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from textwrap import indent
from typing import Annotated

from msgspec import Meta, Struct, ValidationError, convert, to_builtins

from plexops.config.files import shipped
from plexops.config.nodes import plain
from plexops.config.profiles import is_path, profile_path
from plexops.config.yaml import as_yaml, parse_yaml, read_text
from plexops.model.errors import PlexopsError, Problem
from plexops.model.snapshot import Kind


class Said(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One answer that is not a command's output with status 0: its text and its status.

    By SOAP, the values of an action (`soap`), or the number of its refusal (`fault`).
    """

    text: str = ""
    status: int = 0
    soap: Mapping[str, str] | None = None
    fault: int = 0


#: The fields of one entry as texts; `owner` is the key of one of ours.
EntrySample = Mapping[str, str]


class State(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One state of a device. Answers are by the request's name: the read's, or `READ.NAME` of an nvram.

    `kinds` gives all entries of a kind, or one word: `absent`, `unknown`, `unsupported`. `asks` are the questions that were
    asked, and `packets` sums up what decides about packets: both are known where a device was recorded.
    """

    source: Annotated[str, Meta(min_length=3)]
    like: str = ""
    asks: Mapping[str, str] = {}
    answers: Mapping[str, str | Said] = {}
    packets: str = ""
    facts: Mapping[str, str] = {}
    kinds: Mapping[Kind, tuple[EntrySample, ...] | str] = {}


class Samples(Struct, frozen=True, forbid_unknown_fields=True):
    """All states of one family."""

    profile: str
    states: Mapping[str, State]

    def answers(self, name: str) -> Mapping[str, str | Said]:
        """Give what a state answers, with what the one that it is like answers elsewhere."""
        state = self.states[name]
        return {**(self.answers(state.like) if state.like else {}), **state.answers}


def samples_path(name: str, directory: Path) -> Path:
    """Give where a profile's samples are: those of plexops in `samples`, of one's own beside it as NAME.samples.yaml."""
    if is_path(name):
        path = profile_path(name, directory)
        return path.with_name(f"{path.stem}.samples.yaml")
    return shipped("router_profiles") / "samples" / f"{name}.yaml"


def load_samples(name: str, directory: Path) -> Samples | None:
    """Load a profile's samples; None where there are none. Raises PlexopsError PLX-C605 for what is not understood."""
    path = samples_path(name, directory)
    if not path.is_file():
        return None
    return _samples(read_text(path, str(path)), path)


def _samples(text: str, path: Path) -> Samples:
    document = plain(parse_yaml(text, str(path)))
    try:
        found = convert(document, Samples)
    except ValidationError as reason:
        raise PlexopsError(Problem("PLX-C605", f"{path}: {reason}", _CURE, where=str(path))) from None
    for state in found.states.values():
        if state.like and state.like not in found.states:
            raise PlexopsError(
                Problem("PLX-C605", f"{path}: there is no state {state.like!r}", _CURE, where=str(path))
            )
    return found


def write_state(name: str, directory: Path, called: str, state: State, *, replaces: bool = False) -> Path:
    """Write a state into a profile's samples, whose other lines stay as they are, and give the file.

    Raises PlexopsError PLX-C606 where a state of that name holds answers and `replaces` is not given, and PLX-C605 where
    the file is not written line by line.
    """
    path = samples_path(name, directory)
    text = f"profile: {profile_path(name, directory).stem}\nstates:\n"
    before: Mapping[str, State] = {}
    if path.exists():
        text = read_text(path, str(path)).rstrip("\n") + "\n"
        before = _samples(text, path).states
    if called in before and before[called].answers and not replaces:
        cure = "Give it another name, or --replace to put the new one in its place."
        raise PlexopsError(Problem("PLX-C606", f"{path} has a state {called!r}", cure, where=str(path)))
    known = re.compile(rf"^  {re.escape(called)}:.*\n(?:(?:   .*)?\n)*", re.MULTILINE)
    kept = known.sub("", text) if called in before else text
    written = kept + indent(as_yaml({called: to_builtins(state)}), "  ")
    with suppress(PlexopsError):
        if _samples(written, path).states == {**before, called: state}:
            path.write_text(written, encoding="utf-8")
            return path
    reason = f"{path}: a state cannot be added to it line by line"
    cure = "Write `states:` at its end, each state beneath it with two spaces before its name."
    raise PlexopsError(Problem("PLX-C605", reason, cure, where=str(path)))


_CURE = "See docs/profiles.md, “Samples”."
