"""What a router profile can do, and what comes of it when its questions are answered from a recording."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from plexops.config.profiles import load_profile
from plexops.drivers.router.compile import CompiledProfile, compile_profile
from plexops.drivers.router.profiled import ProfiledDriver
from plexops.model.exchange import WindowKind
from plexops.model.profile import Profile, ResourceSpec
from plexops.model.snapshot import Kind, Snapshot
from plexops.transport.link import carry
from plexops.transport.replay import ReplayLink


class Ability(Struct, frozen=True):
    """What a profile can do with one kind. `by_hand`: it says what a person does instead."""

    kind: Kind
    read: bool
    written: bool
    adopted: bool
    by_hand: bool


def load_family(name: str, directory: Path) -> CompiledProfile:
    """Load a profile and check it as a whole. Raises PlexopsError with every problem of it."""
    return compile_profile(load_profile(name, directory))


def abilities(profile: Profile) -> tuple[Ability, ...]:
    """Give what a profile can do, a line for each kind that it knows."""
    kinds = [kind for kind in Kind if kind in profile.resources or kind in profile.steps]
    return tuple(_ability(kind, profile.resources.get(kind, ()), profile.steps) for kind in kinds)


def _ability(kind: Kind, specs: tuple[ResourceSpec, ...], steps: Mapping[Kind, tuple[str, ...]]) -> Ability:
    return Ability(
        kind=kind,
        read=bool(specs),
        written=any(spec.write is not None for spec in specs),
        adopted=any(spec.adopts for spec in specs),
        by_hand=kind in steps,
    )


def window_word(profile: Profile) -> str:
    """Say in one word what undoes a change if plexops dies: the device itself, or nothing."""
    return (
        "none"
        if profile.window is None or profile.window.kind is WindowKind.NONE
        else str(profile.window.kind)
    )


def replayed(family: CompiledProfile, recording: Path, device: str) -> Snapshot:
    """Answer the profile's questions from a recording, and give what it makes of them.

    Raises PlexopsError PLX-D301 for a question that was not recorded, PLX-D302 for a damaged recording.
    """
    return carry(ProfiledDriver(family).observe(), ReplayLink(recording, device))
