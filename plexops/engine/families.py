"""What a router profile can do, and what comes of it when its questions are answered from a recording."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from plexops.config.profiles import load_profile, profile_names
from plexops.drivers.router.compile import CompiledProfile, compile_profile
from plexops.drivers.router.profiled import ProfiledDriver
from plexops.model.exchange import WindowKind
from plexops.model.profile import Profile, Speaks
from plexops.model.snapshot import Kind, Snapshot
from plexops.transport.link import carry
from plexops.transport.replay import ReplayLink

#: A profile that was found to be sound.
Family = CompiledProfile


class Ability(Struct, frozen=True):
    """What a profile can do with one kind. `by_hand`: it says what a person does instead; `unseen`: why it is not read."""

    kind: Kind
    read: bool
    written: bool
    adopted: bool
    by_hand: bool
    unseen: str = ""


class FamilyLine(Struct, frozen=True):
    """One family in the matrix: how it is asked, what undoes a change, how it was verified, and what it can do."""

    name: str
    title: str
    login: str
    window: str
    verified: tuple[str, ...]
    abilities: tuple[Ability, ...]


def load_family(name: str, directory: Path) -> CompiledProfile:
    """Load a profile and check it as a whole. Raises PlexopsError with every problem of it."""
    return compile_profile(load_profile(name, directory))


def abilities(family: CompiledProfile) -> tuple[Ability, ...]:
    """Give what a profile can do, a line for each kind that it knows."""
    profile = family.profile
    kinds = [kind for kind in Kind if kind in profile.kinds or kind in profile.steps]
    return tuple(_ability(kind, family) for kind in kinds)


def _ability(kind: Kind, family: CompiledProfile) -> Ability:
    kept = family.resources.get(kind, ())
    said = family.profile.kinds.get(kind)
    return Ability(
        kind=kind,
        read=bool(kept),
        written=any(way.spec.write is not None for way in kept),
        adopted=any(way.spec.adopts for way in kept),
        by_hand=kind in family.profile.steps or any(way.spec.steps for way in kept),
        unseen="" if said is None else said.unseen,
    )


def matrix() -> tuple[FamilyLine, ...]:
    """Give every family that comes with plexops, from its profile alone."""
    return tuple(_line(load_family(name, Path())) for name in profile_names())


def _line(family: CompiledProfile) -> FamilyLine:
    profile = family.profile
    over_http = " or ".join(one.kind for one in profile.login) or "none"
    asked = {Speaks.NOTHING: "none", Speaks.REST: over_http, Speaks.SOAP: over_http}
    return FamilyLine(
        name=profile.name,
        title=profile.title,
        login=asked.get(profile.speaks, "ssh"),
        window=window_word(profile),
        verified=tuple(dict.fromkeys(verified.how for verified in profile.verified)),
        abilities=abilities(family),
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
