"""Prove a profile against its samples, without a device: what it understands of each state, and what of bad answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized

from msgspec import Struct

from plexops.config.samples import EntrySample, Said, Samples
from plexops.drivers.router.compile import CompiledProfile
from plexops.drivers.router.profiled import ProfiledDriver
from plexops.drivers.router.reads import ask
from plexops.engine.proving_life import Devices, life
from plexops.engine.shown import Shown, unshown_names, unshown_words
from plexops.languages.soap import envelope
from plexops.model.exchange import Call, Command, Json, Question, Read, Reply, SoapCall, shown
from plexops.model.snapshot import Entry, Kind, KindState, Snapshot
from plexops.structs import replace
from plexops.transport.link import carry

#: No status that any profile takes for "there is no such thing".
_FAILS = 5
_LOGIN_PAGE = (
    "<!DOCTYPE html><html><head><title>Login</title></head><body><form method=post>…</form></body></html>"
)
_NOT_FOUND = 127
#: HTTP's statuses: it went well, there is no such path, and a SOAP action was refused.
_OK, _NO_PATH, _FAULT = 200, 404, 500
#: UPnP Device Architecture 1.1, 3.2.2.
_REFUSED = (
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><detail>'
    '<UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>{}</errorCode></UPnPError>'
    "</detail></s:Fault></s:Body></s:Envelope>"
)
#: The states that a family shall show, and what they hold.
_WANTED = (
    ("household", "entries of others, and one of ours"),
    ("absent", "nothing is installed and nothing was ever entered"),
    ("odd", "entries as people write them: ranges, other protocols, switched off"),
    ("limits", "entries for some senders or times alone"),
    ("full", "as much as the device takes"),
)


class Level(Struct, frozen=True):
    """What one level of the proof did: how often it looked, what was not as it must be, and what to do next."""

    name: str
    looked: int
    problems: tuple[str, ...]
    hints: tuple[str, ...] = ()


def prove(
    profile: CompiledProfile, samples: Samples | None, devices: Devices | None = None
) -> Iterator[Level]:
    """Give every level that can be tried, each when it is asked for; `devices` are stores to live on.

    That the profile loads is the first.
    """
    yield Level("load", 1, ())
    if samples is None:
        yield Level("understand", 0, ("there are no samples",))
        return
    yield Level("samples", len(samples.states), (), tuple(_lacking(profile, samples)))
    if not any(samples.answers(name) for name in samples.states):
        yield Level("understand", 0, ("no state answers anything",))
        return
    driver = ProfiledDriver(profile)
    understood = {name: observed(driver, samples.answers(name)) for name in samples.states}
    yield _level("understand", [_misread(driver, samples, name, seen) for name, seen in understood.items()])
    all_shown = _shown(profile, samples, understood)
    unproven = (*_unproven(profile, understood), *unshown_names(profile, all_shown))
    yield Level("names", 1, unproven, tuple(unshown_words(profile, all_shown)))
    yield _level("bad answers", list(_bad_answers(driver, samples, understood)))
    if devices is not None:
        looked, problems = life(profile, samples, devices, reply_of)
        yield Level("life", looked, tuple(problems))
        looked, problems = life(profile, samples, devices, reply_of, windows=True)
        if looked:
            yield Level("window", looked, tuple(problems))


def _shown(profile: CompiledProfile, samples: Samples, understood: Mapping[str, Snapshot]) -> Shown:
    answers = [samples.answers(name) for name in samples.states]
    told = [carry(ask(profile.profile), _Sampled(said)) for said in answers]
    texts = [
        said if isinstance(said, str) else said.text or " ".join((said.soap or {}).values())
        for state in answers
        for said in state.values()
    ]
    return Shown.of(told, understood.values(), texts)


def _lacking(profile: CompiledProfile, samples: Samples) -> Iterator[str]:
    """Name the states and the answers that nothing shows yet. A kind that is not seen needs none."""
    answered = {read for name in samples.states for read in samples.answers(name)}
    if silent := [read for read in asks_of(ProfiledDriver(profile)) if read not in answered]:
        yield f"no state answers {', '.join(silent)}"
    for name, holds in _WANTED:
        if name not in samples.states:
            yield f"there is no state {name} ({holds})"
        elif not samples.answers(name):
            yield f"{name} has no answers yet: plexops profiles record FILE SITE/router --state {name}"


def _level(name: str, found: list[list[str]]) -> Level:
    return Level(name, len(found), tuple(problem for problems in found for problem in problems))


class _Sampled(Struct, frozen=True):
    """A state that answers: what it says to each read by its name, and how that is spoiled on the way."""

    answers: Mapping[str, str | Said]
    spoil: Callable[[Read, Reply], Reply] | None = None

    def ask(self, reads: Sequence[Read]) -> list[Reply]:
        """Answer all of them."""
        replies = [reply_of(read, self.answers.get(read.id)) for read in reads]
        if self.spoil is None:
            return replies
        return [self.spoil(read, reply) for read, reply in zip(reads, replies, strict=True)]


def observed(
    driver: ProfiledDriver,
    answers: Mapping[str, str | Said],
    spoil: Callable[[Read, Reply], Reply] | None = None,
) -> Snapshot:
    """Give what a driver makes of answers, each by its request's name."""
    return carry(driver.observe(), _Sampled(answers, spoil))


def _asked(driver: ProfiledDriver, answers: Mapping[str, str | Said]) -> list[Read]:
    """Give all that a state is asked, also what is asked only after an answer."""
    asked: list[Read] = []

    def noted(read: Read, reply: Reply) -> Reply:
        asked.append(read)
        return reply

    observed(driver, answers, noted)
    return asked


def reply_of(read: Read, said: str | Said | None) -> Reply:
    """Give a sample's answer as a device's; None is one that knows no such thing."""
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


def _fine(read: Read) -> int | None:
    """Give the status of what went well: of a command none need be told."""
    return None if isinstance(read.ask, Command) else _OK


def _misread(driver: ProfiledDriver, samples: Samples, name: str, seen: Snapshot) -> list[str]:
    """Compare what a state gave with all that it promises, and what it answers with what is asked."""
    state = samples.states[name]
    asked = {read.id: _as_asked(read.ask) for read in _asked(driver, samples.answers(name))}
    family = driver.profile.profile.name
    problems = (
        [] if samples.profile == family else [f"these are samples of {samples.profile!r}, not {family!r}"]
    )
    problems += [
        f"{name}: {read} was answered to {ask!r}, and {asked.get(read, 'nothing')!r} is asked"
        for read, ask in state.asks.items()
        if asked.get(read) != ask
    ]
    if state.packets and state.packets != packets_of(seen):
        problems.append(f"{name}: packets are {packets_of(seen)!r}, not {state.packets!r}")
    promised = dict(state.facts)
    facts = {fact: as_text(found.value) for fact, found in seen.facts.items()}
    for fact in sorted({*promised, *(fact for fact in facts if not fact.startswith("x."))}):
        if fact not in promised:
            problems.append(f"{name}: {fact} is {facts[fact]!r}, which the state does not promise")
        elif fact not in facts:
            problems.append(f"{name}: {fact} is unknown, not {promised[fact]!r}")
        elif facts[fact] != promised[fact]:
            problems.append(f"{name}: {fact} is {facts[fact]!r}, not {promised[fact]!r}")
    for kind, entries in state.kinds.items():
        if isinstance(entries, str):
            if seen.state(kind) != entries:
                problems.append(f"{name}: {kind} is {_stands(seen, kind)}, not {entries}")
            continue
        found = [_entry(entry, wanted) for entry, wanted in zip(seen.of(kind), entries, strict=False)]
        if (
            seen.state(kind) is not KindState.PRESENT
            or len(seen.of(kind)) != len(entries)
            or found != list(entries)
        ):
            problems.append(
                f"{name}: {kind} is {_stands(seen, kind)} {found} of {len(seen.of(kind))}, not {list(entries)}"
            )
    return problems


def _stands(seen: Snapshot, kind: Kind) -> str:
    """Give a kind's state, with the reason where it is unknown."""
    reason = seen.reasons.get(kind)
    return f"{seen.state(kind)} ({reason})" if reason else str(seen.state(kind))


def _entry(entry: Entry, wanted: EntrySample) -> dict[str, str]:
    """Give an entry's fields as the sample names them; one that is not understood has none."""
    if entry.values is None:
        return {"not": "understood"}
    told = {name: as_text(getattr(entry.values, name)) for name in wanted if hasattr(entry.values, name)}
    beside = {"owner": entry.owner.key, "handle": entry.handle, "label": entry.label}
    return told | {name: text for name, text in beside.items() if name in wanted}


def asks_of(driver: ProfiledDriver) -> dict[str, str]:
    """Give what is asked, each by its request's name."""
    return {read.id: _as_asked(read.ask) for read in next(driver.observe())}


def _as_asked(ask: Question) -> str:
    said: Json = ask.body if isinstance(ask, Call) else None
    if isinstance(ask, SoapCall) and ask.arguments:
        said = dict(ask.arguments)
    return shown(ask) if said is None else f"{shown(ask)} {json.dumps(said)}"


def packets_of(seen: Snapshot) -> str:
    """Sum up what decides about packets; empty where a profile tells nothing of that."""
    box = seen.box
    if box is None:
        return ""
    chains = box.chains.values()
    parts: dict[str, Sized | None] = {
        "chains": chains,
        "rules": [rule for chain in chains for rule in chain.rules],
        "unread": [chain for chain in chains if chain.unread],
        "addresses": box.addresses,
        "routes": box.routes,
        "sets": box.sets,
        "lists": box.lists,
        "not modelled": box.outside_model,
    }
    counted = (f"{'?' if part is None else len(part)} {word}" for word, part in parts.items())
    return f"{box.plumbing}: {', '.join(counted)}; from {box.internet_side or '?'}"


def as_text(value: object) -> str:
    """Give a value as samples write it."""
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
    ours = {entry.kind for entry in entries if entry.owner.ours}
    silent += [
        f"no state has a {kind} of ours"
        for kind, ways in profile.resources.items()
        if kind in kinds - ours and any(way.spec.owner for way in ways)
    ]
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
    """Let every request fail, be cut off, lack a row, be a login page: nothing becomes another list, or absent."""
    spoiled: Mapping[str, Callable[[Reply], Reply]] = {
        "fails": lambda reply: Reply(reply.id, _FAILS, "", "it failed"),
        "is cut off": lambda reply: Reply(
            reply.id, None, reply.body[: len(reply.body) // 2], "", whole=False
        ),
        "holds less than it says": _shortened,
        "is a login page": lambda reply: Reply(reply.id, None, _LOGIN_PAGE, ""),
    }
    for name, seen in understood.items():
        answers = samples.answers(name)
        for read in _asked(driver, answers):
            for how, spoil in spoiled.items():

                def one(
                    asked: Read,
                    reply: Reply,
                    spoil: Callable[[Reply], Reply] = spoil,
                    read: Read = read,
                ) -> Reply:
                    return spoil(reply) if asked.id == read.id else reply

                after = observed(driver, answers, one)
                yield [f"{name}: where {read.id} {how}, {what}" for what in _taken_otherwise(seen, after)]


def _shortened(reply: Reply) -> Reply:
    """Take the last row out of an answer that says how many it has."""
    try:
        told = json.loads(reply.body)
    except ValueError:
        return reply
    if not isinstance(told, dict):
        return reply
    counts = {count for count in told.values() if isinstance(count, int) and not isinstance(count, bool)}
    lists = {
        name: part[:-1]
        for name, part in told.items()
        if isinstance(part, list) and part and len(part) in counts
    }
    return replace(reply, body=json.dumps({**told, **lists}))


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
            yield f"{name} is {as_text(fact.value)}, and was {as_text(seen.facts[name].value)}"


def _same(seen: Snapshot, after: Snapshot, kind: Kind) -> bool:
    """Tell whether a list is what it was, but for entries that are not understood any more."""
    before, now = seen.of(kind), after.of(kind)
    return len(before) == len(now) and all(
        new.values is None or new.values == old.values for old, new in zip(before, now, strict=True)
    )
