"""Prove a profile against its samples, without a device: what it understands of each state, and what of bad answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct

from plexops.config.samples import EntrySample, Said, Samples
from plexops.drivers.router.compile import CompiledProfile
from plexops.drivers.router.profiled import ProfiledDriver
from plexops.engine.proving_life import Devices, life
from plexops.languages.soap import envelope
from plexops.model.exchange import Command, Read, Reply, SoapCall
from plexops.model.snapshot import Entry, Kind, KindState, Snapshot
from plexops.structs import replace

#: No status that any profile takes for "there is no such thing".
_FAILS = 5
_LOGIN_PAGE = (
    "<!DOCTYPE html><html><head><title>Login</title></head><body><form method=post>…</form></body></html>"
)
_NOT_FOUND = 127
#: HTTP's statuses: it went well, and there is no such path.
_OK, _NO_PATH, _FAULT = 200, 404, 500
#: UPnP Device Architecture 1.1, 3.2.2.
_REFUSED = (
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><detail>'
    '<UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>{}</errorCode></UPnPError>'
    "</detail></s:Fault></s:Body></s:Envelope>"
)


class Level(Struct, frozen=True):
    """What one level of the proof did: how often it looked, and what was not as it must be."""

    name: str
    looked: int
    problems: tuple[str, ...]


def prove(
    profile: CompiledProfile, samples: Samples | None, devices: Devices | None = None
) -> tuple[Level, ...]:
    """Give every level that could be tried. That the profile loads is the first; `devices` are stores to live on."""
    load = Level("load", 1, ())
    if samples is None:
        return (load, Level("understand", 0, ("there are no samples",)))
    driver = ProfiledDriver(profile)
    understood = {name: _observed(driver, samples.answers(name)) for name in samples.states}
    return (
        load,
        _level("understand", [_misread(samples, name, seen) for name, seen in understood.items()]),
        _level("names", [_unproven(profile, understood)]),
        _level("bad answers", list(_bad_answers(driver, samples, understood))),
        *([] if devices is None else [_lived(profile, samples, devices)]),
    )


def _lived(profile: CompiledProfile, samples: Samples, devices: Devices) -> Level:
    looked, problems = life(profile, samples, devices, _reply)
    return Level("life", looked, tuple(problems))


def _level(name: str, found: list[list[str]]) -> Level:
    return Level(name, len(found), tuple(problem for problems in found for problem in problems))


def _observed(
    driver: ProfiledDriver,
    answers: Mapping[str, str | Said],
    spoil: Callable[[Read, Reply], Reply] | None = None,
) -> Snapshot:
    observation = driver.observe()
    try:
        reads = next(observation)
        while True:
            replies = [_reply(read, answers.get(read.id)) for read in reads]
            if spoil is not None:
                replies = [spoil(read, reply) for read, reply in zip(reads, replies, strict=True)]
            reads = observation.send(replies)
    except StopIteration as done:
        seen: Snapshot = done.value
        return seen


def _asked(driver: ProfiledDriver, answers: Mapping[str, str | Said]) -> list[Read]:
    """Give all that a state is asked, also what is asked only after an answer."""
    asked: list[Read] = []

    def noted(read: Read, reply: Reply) -> Reply:
        asked.append(read)
        return reply

    _observed(driver, answers, noted)
    return asked


def _reply(read: Read, said: str | Said | None) -> Reply:
    if said is None:
        return Reply(read.id, _NOT_FOUND if isinstance(read.ask, Command) else _NO_PATH, "", "not found")
    if isinstance(said, str):
        return Reply(read.id, _fine(read), said, "")
    if said.fault:
        return Reply(read.id, _FAULT, _REFUSED.format(said.fault), "")
    if said.soap is not None and isinstance(read.ask, SoapCall):
        answer = replace(read.ask, action=f"{read.ask.action}Response", arguments=tuple(said.soap.items()))
        return Reply(read.id, _OK, envelope(answer).decode(), "")
    return Reply(read.id, said.status or _fine(read), said.text, "")


def _fine(read: Read) -> int:
    """Give the status of what went well: a command's, or HTTP's."""
    return 0 if isinstance(read.ask, Command) else _OK


def _misread(samples: Samples, name: str, seen: Snapshot) -> list[str]:
    """Compare what a state gave with all that it promises."""
    state = samples.states[name]
    facts = {fact: _text(found.value) for fact, found in seen.facts.items() if not fact.startswith("x.")}
    promised = dict(state.facts)
    problems = [
        f"{name}: {fact} is {facts.get(fact)!r}, not {promised.get(fact)!r}"
        for fact in sorted({*facts, *promised})
        if facts.get(fact) != promised.get(fact)
    ]
    for kind, entries in state.kinds.items():
        if isinstance(entries, str):
            if seen.state(kind) != entries:
                problems.append(f"{name}: {kind} is {seen.state(kind)}, not {entries}")
            continue
        found = [_entry(entry, wanted) for entry, wanted in zip(seen.of(kind), entries, strict=False)]
        if (
            seen.state(kind) is not KindState.PRESENT
            or len(seen.of(kind)) != len(entries)
            or found != list(entries)
        ):
            problems.append(
                f"{name}: {kind} is {seen.state(kind)} {found} of {len(seen.of(kind))}, not {list(entries)}"
            )
    return problems


def _entry(entry: Entry, wanted: EntrySample) -> dict[str, str]:
    """Give an entry's fields as the sample names them; one that is not understood has none."""
    if entry.values is None:
        return {"not": "understood"}
    told = {name: _text(getattr(entry.values, name)) for name in wanted if hasattr(entry.values, name)}
    return told | ({"owner": entry.owner.key} if "owner" in wanted else {})


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _unproven(profile: CompiledProfile, understood: Mapping[str, Snapshot]) -> list[str]:
    """Name what no state has shown: a fact, a kind, a field of the device. A slip there would be silent for ever."""
    facts = {name for seen in understood.values() for name in seen.facts}
    entries = [entry for seen in understood.values() for entry in seen.entries]
    kinds = {entry.kind for entry in entries if entry.values is not None}
    shown = {(entry.kind, name) for entry in entries for name, word in entry.raw.items() if word is not None}
    silent = [
        f"no state gives the fact {fact.spec.name}" for fact in profile.facts if fact.spec.name not in facts
    ]
    silent += [f"no state has an entry of {kind}" for kind in profile.resources if kind not in kinds]
    return silent + [
        f"no state has {mapped.name} in a row of {kind}"
        for kind, ways in profile.resources.items()
        for way in ways
        for mapped in way.spec.fields.values()
        if kind in kinds and (kind, mapped.name) not in shown
    ]


def _bad_answers(
    driver: ProfiledDriver, samples: Samples, understood: Mapping[str, Snapshot]
) -> Iterator[list[str]]:
    """Let every request fail, be cut off, and answer with a login page: nothing becomes another list, or absent."""
    spoiled: Mapping[str, Callable[[Read, Reply], Reply]] = {
        "fails": lambda _, reply: Reply(reply.id, _FAILS, "", "it failed"),
        "is cut off": lambda _, reply: Reply(
            reply.id, None, reply.body[: len(reply.body) // 2], "", whole=False
        ),
        "is a login page": lambda read, reply: Reply(reply.id, _fine(read), _LOGIN_PAGE, ""),
    }
    for name, seen in understood.items():
        answers = samples.answers(name)
        for read in _asked(driver, answers):
            for how, spoil in spoiled.items():

                def one(
                    asked: Read,
                    reply: Reply,
                    spoil: Callable[[Read, Reply], Reply] = spoil,
                    read: Read = read,
                ) -> Reply:
                    return spoil(asked, reply) if asked.id == read.id else reply

                after = _observed(driver, answers, one)
                yield [f"{name}: where {read.id} {how}, {what}" for what in _taken_otherwise(seen, after)]


def _taken_otherwise(seen: Snapshot, after: Snapshot) -> Iterator[str]:
    for kind, state in after.kinds.items():
        if state is KindState.UNKNOWN or kind not in seen.kinds:
            continue
        if state is not seen.state(kind):
            yield f"{kind} is {state}, and was {seen.state(kind)}"
        elif not _same(seen, after, kind):
            yield f"{kind} is another list"
    for name, fact in after.facts.items():
        if not name.startswith("x.") and name in seen.facts and fact.value != seen.facts[name].value:
            yield f"{name} is {_text(fact.value)}, and was {_text(seen.facts[name].value)}"


def _same(seen: Snapshot, after: Snapshot, kind: Kind) -> bool:
    """Tell whether a list is what it was, but for entries that are not understood any more."""
    before, now = seen.of(kind), after.of(kind)
    return len(before) == len(now) and all(
        new.values is None or new.values == old.values for old, new in zip(before, now, strict=True)
    )
