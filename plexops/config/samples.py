"""Samples of a profile: what a device answers in named states, and what plexops shall understand of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct, ValidationError, convert

from plexops.config.nodes import plain
from plexops.config.profiles import is_path, profile_path, shipped
from plexops.config.yaml import parse_yaml, read_text
from plexops.model.errors import PlexopsError, Problem
from plexops.model.snapshot import Kind


class Said(Struct, frozen=True, forbid_unknown_fields=True):
    """One answer that is not a command's output with status 0: its text and its status.

    By SOAP, the values of an action (`soap`), or the number of its refusal (`fault`).
    """

    text: str = ""
    status: int = 0
    soap: Mapping[str, str] | None = None
    fault: int = 0


#: The fields of one entry as texts; `owner` is the key of one of ours.
EntrySample = Mapping[str, str]


class State(Struct, frozen=True, forbid_unknown_fields=True):
    """One state of a device. Answers are by the request's name: the read's, or `READ.NAME` of an nvram.

    `kinds` gives all entries of a kind, or one word: `absent`, `unknown`, `unsupported`.
    """

    source: Annotated[str, Meta(min_length=3)]
    like: str = ""
    answers: Mapping[str, str | Said] = {}
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
    document = plain(parse_yaml(read_text(path, str(path)), str(path)))
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


_CURE = "See docs/profiles.md, “Samples”."
