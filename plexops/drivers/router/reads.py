"""The questions of a profile: what each asks, and what its answer says."""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from types import MappingProxyType

from plexops.drivers.answers import Answer, NoSuchThingError, understand
from plexops.drivers.router.expressions import holds
from plexops.drivers.router.steps import taken, taken_apart
from plexops.model.envelope import Envelope
from plexops.model.exchange import Call, Command, Json, Read, Reply
from plexops.model.profile import Profile, ReadSpec, Speaks, Step, Steps
from plexops.parsers import ParseError
from plexops.structs import replace

_IDS, _TEXT = (Step(parser="routeros_ids"),), (Step(parser="text"),)
#: What it takes to be answered, by what a family speaks.
_RIGHTS: Mapping[Speaks, str] = MappingProxyType(
    {
        Speaks.SHELL: "root",
        Speaks.ROUTEROS: "a user with the policies read, write and ssh",
        Speaks.TREE: "a user who may see the whole configuration",
        Speaks.REST: "a login that may use this part of the API",
    }
)


def steps_of(spec: ReadSpec) -> Steps:
    """Give how an answer is taken apart: what the profile says, or what the question implies."""
    if spec.steps:
        return spec.steps
    if spec.uci:
        return (Step(parser="uci"),)
    if spec.menu:
        return (Step(parser="routeros_export"),)
    if spec.print:
        return (Step(parser="routeros_rows"),)
    return (Step(parser="json" if spec.get or spec.post else "text"),)


def requests(spec: ReadSpec) -> tuple[Command | Call, ...]:
    """Give the requests of one question. A menu of RouterOS is exported, and its ids are listed beside."""
    if spec.menu:
        return (
            Command(f"{spec.menu} export terse"),
            Command(f":put [{spec.menu} find where dynamic=no]"),
        )
    if spec.nvram:
        return tuple(Command(f"nvram get {name}") for name in spec.nvram.values())
    if spec.get:
        path, _, query = spec.get.partition("?")
        named = (one.partition("=") for one in query.split("&") if one)
        return (Call("GET", path, tuple((name, value) for name, _, value in named)),)
    if spec.post:
        return (Call("POST", spec.post, body=spec.body, headers=tuple(spec.headers.items())),)
    return (Command(f"uci show {spec.uci}" if spec.uci else spec.run or spec.print),)


def asked(spec: ReadSpec) -> tuple[Read, ...]:
    """Give the requests of one question, each under a name of its own."""
    return tuple(
        Read(name, ask, spec.absent, hides=spec.hides)
        for name, ask in zip(_names(spec), requests(spec), strict=False)
    )


def ask(profile: Profile) -> Generator[Sequence[Read], Sequence[Reply], dict[str, Answer]]:
    """Ask all questions, and give the answers by name: in one round, but for a device that speaks SOAP."""
    if profile.speaks is Speaks.SOAP:
        from plexops.drivers.router import soap_reads  # of a few families: the others do not load it

        return (yield from soap_reads.ask(profile))
    replies = yield [read for spec in profile.reads.values() for read in asked(spec)]
    return answers_of(profile, replies)


def answers_of(profile: Profile, replies: Sequence[Reply]) -> dict[str, Answer]:
    """Give every question's answer by its name."""
    by_id = {reply.id: reply for reply in replies}
    return {name: _answer(profile, spec, by_id) for name, spec in profile.reads.items()}


def _answer(profile: Profile, spec: ReadSpec, replies: Mapping[str, Reply]) -> Answer:
    if spec.nvram:
        return _values(profile, spec, replies)
    found = _understood(profile, spec, replies[spec.id], steps_of(spec))
    if found.problem or found.absent:
        return found
    if spec.menu:
        return _with_ids(found.value, _understood(profile, spec, replies[_ids(spec)], _IDS), spec)
    return _whole(found, spec)


def _whole(found: Answer, spec: ReadSpec) -> Answer:
    if spec.must and not holds(spec.must, found.value):
        return Answer(problem=f"the answer to {spec.id} is not whole: not {spec.must}")
    return found


def _values(profile: Profile, spec: ReadSpec, replies: Mapping[str, Reply]) -> Answer:
    """Give the values of an nvram in one object; one that is not had spoils all of them."""
    found: dict[str, Json] = {}
    for name, read in zip(spec.nvram, _names(spec), strict=True):
        reply = replies[read]
        line = replace(reply, body=reply.body.removesuffix("\n"))  # a value has no end of line of its own
        said = _understood(profile, spec, line, spec.parts.get(name, _TEXT))
        if said.problem or said.absent:
            return said
        found[name] = said.value
    return _whole(Answer(found), spec)


def _understood(profile: Profile, spec: ReadSpec, reply: Reply, steps: Steps) -> Answer:
    is_http = profile.speaks is Speaks.REST
    return understand(
        reply,
        lambda text: _content(profile.envelope, text, steps, spec.absent),
        spec.absent,
        good=(None, 200) if is_http else (None, 0),
        errors=profile.errors,
        quietly=not is_http,
        rights=_RIGHTS.get(profile.speaks, ""),
    )


def _content(envelope: Envelope | None, text: str, steps: Steps, absent: Collection[int]) -> Json:
    """Take an answer out of its family's envelope, then apart. Raises ParseError where the envelope says that it is none,
    NoSuchThingError where it says that there is none.
    """
    if envelope is None or steps[0].parser != "json":
        return taken_apart(text, steps)
    whole = taken_apart(text, steps[:1])
    status = taken(whole, envelope.status) if envelope.status else None
    if isinstance(status, int) and status in absent:
        raise NoSuchThingError
    if not holds(envelope.ok, whole):
        reason = taken(whole, envelope.says) if envelope.says else None
        raise ParseError(str(reason)[:120] if reason else f"not {envelope.ok}")
    content = taken(whole, envelope.data) if envelope.data else whole
    return taken_apart(content, steps[1:])


def _with_ids(exported: Json, ids: Answer, spec: ReadSpec) -> Answer:
    """Give the entries of an export their ids, which it leaves out; both list them in one order."""
    rows = [row for row in exported if isinstance(row, Mapping)] if isinstance(exported, list) else []
    added = [row for row in rows if row.get(".verb") == "add"]
    if ids.problem or not isinstance(ids.value, list) or len(ids.value) != len(added):
        return Answer(problem=f"{_ids(spec)} does not name the same entries as {spec.id}")
    return Answer([{**row, ".id": handle} for row, handle in zip(added, ids.value, strict=True)])


def _names(spec: ReadSpec) -> tuple[str, ...]:
    return tuple(f"{spec.id}.{name}" for name in spec.nvram) or (spec.id, _ids(spec))


def _ids(spec: ReadSpec) -> str:
    return f"{spec.id}_ids"
