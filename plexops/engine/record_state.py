"""Make a sample of what a device answers: asked once, masked the same way in all answers, and read by its profile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime

from plexops.config.samples import EntrySample, Said, State
from plexops.drivers.router.compile import CompiledProfile
from plexops.drivers.router.profiled import ProfiledDriver
from plexops.engine.look.site import Home
from plexops.engine.proving import as_text, asks_of, observed, packets_of
from plexops.evidence.placeholders import Placeholders
from plexops.evidence.scrub import Scrubber
from plexops.model.errors import PlexopsError, Problem
from plexops.model.exchange import Reply
from plexops.model.snapshot import Entry, Kind, KindState, Role, Snapshot
from plexops.pattern import Pattern
from plexops.structs import replace
from plexops.transport.link import ReadLink

_WORD = Pattern(r"\w[\w-]*")
_GOOD = (None, 0, 200)


def record_state(family: CompiledProfile, link: ReadLink, secrets: Scrubber, today: date) -> State:
    """Ask a device all that its profile reads, and give the state. What it promises is what plexops understood.

    Raises what the link raises, and PlexopsError PLX-C606 where an answer was cut off, where plexops understands other
    things of the masked answers, or where a name is still in them.
    """
    driver = ProfiledDriver(family)
    replies = link.ask(tuple(next(driver.observe())))
    if cut := [reply.id for reply in replies if not reply.whole]:
        raise _refused(f"{', '.join(cut)} was cut off", "Record it again; a sample holds whole answers.")
    answers = {reply.id: _said(reply) for reply in replies}
    seen = observed(driver, answers)
    names = set(_names(seen))
    keys = {entry.owner.key for entry in seen.entries}
    masker = Placeholders(secrets, sorted(names), {*_WORD.findall(family.profile.whole_text), *keys})
    masked = {name: _masked(masker, said) for name, said in answers.items()}
    then = observed(driver, masked)
    if _outline(then) != _outline(seen):
        reason = "of the masked answers plexops understands other things than of the answers themselves"
        raise _refused(reason, "Rename what has a name of the device's own language, and record again.")
    if left := [name for name in _names(then) if name in names and masker.mask(name) != name]:
        raise _refused(
            f"{len(left)} names could not be masked", "Rename them on the device, or write by hand."
        )
    firmware = then.text("firmware") or "firmware not known"
    source = f"recorded and masked on {today}: {firmware}; what it promises is what plexops understood"
    return State(
        source=source,
        asks=asks_of(driver),
        answers=masked,
        packets=packets_of(then),
        facts={name: as_text(fact.value) for name, fact in then.facts.items()},
        kinds={kind: _kept(then, kind) for kind in then.kinds},
    )


def state_of(home: Home) -> State:
    """Record a site's router. Raises PlexopsError as `record_state` does."""
    driver, router = home.drivers.router, home.tasks.site.router
    if not isinstance(driver, ProfiledDriver) or router is None:
        raise _refused("the profile asks nothing", "A router that is set by hand needs no samples.")
    family = driver.profile
    declared = family.profile.params
    if other := [name for name, word in router.params.items() if word != declared[name].default]:
        reason = (
            f"the router's {', '.join(other)} differ from the profile's defaults, by which samples are proven"
        )
        raise _refused(reason, f"Write its words as defaults into {router.profile}.")
    link = home.links.read(home.access.device(Role.ROUTER), home.access.router)
    try:
        return record_state(family, link, Scrubber(home.access.secrets.known()), datetime.now(UTC).date())
    finally:
        link.close()


def _refused(reason: str, cure: str) -> PlexopsError:
    return PlexopsError(Problem("PLX-C606", reason, cure))


def _said(reply: Reply) -> str | Said:
    return reply.body if reply.status in _GOOD else Said(reply.body, reply.status or 0)


def _masked(masker: Placeholders, said: str | Said) -> str | Said:
    return masker.mask(said) if isinstance(said, str) else replace(said, text=masker.mask(said.text))


def _names(seen: Snapshot) -> Iterator[str]:
    """Give what entries of others are called, by people and by the device."""
    for entry in seen.entries:
        for name in (entry.label, getattr(entry.values, "name", "")):
            if name and not entry.owner.ours:
                yield name


def _outline(seen: Snapshot) -> object:
    """Give all that masking must not change."""
    entries = [(entry.kind, entry.values is None, entry.owner.key) for entry in seen.entries]
    return dict(seen.kinds), set(seen.facts), entries


def _kept(seen: Snapshot, kind: Kind) -> tuple[EntrySample, ...] | str:
    state = seen.state(kind)
    return tuple(map(_entry, seen.of(kind))) if state is KindState.PRESENT else str(state)


def _entry(entry: Entry) -> Mapping[str, str]:
    if entry.values is None:
        return {"not": "understood"}
    fields: tuple[str, ...] = getattr(entry.values, "__struct_fields__", ())
    told = {name: as_text(getattr(entry.values, name)) for name in fields}
    told |= {"owner": entry.owner.key, "handle": entry.handle, "label": entry.label}
    return {name: text for name, text in told.items() if text not in ("", "None")}
