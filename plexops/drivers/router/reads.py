"""The questions of a profile: what each asks, and what its answer says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from plexops.drivers.answers import Answer, understand
from plexops.drivers.router.expressions import holds
from plexops.model.exchange import Call, Command, Json, Read, Reply
from plexops.model.profile import Profile, ReadSpec, Speaks

#: What it takes to be answered, by what a family speaks.
_RIGHTS: Mapping[Speaks, str] = MappingProxyType(
    {
        Speaks.SHELL: "root",
        Speaks.ROUTEROS: "a user with the policies read, write and ssh",
        Speaks.REST: "a key and secret whose user may use this part of the API",
    }
)


def parser_of(spec: ReadSpec) -> str:
    """Give how an answer is taken apart: what the profile says, or what the question implies."""
    if spec.parse:
        return spec.parse
    if spec.uci:
        return "uci"
    if spec.menu:
        return "routeros_export"
    if spec.print:
        return "routeros_rows"
    return "json" if spec.get or spec.post else "text"


def requests(spec: ReadSpec) -> tuple[Command | Call, ...]:
    """Give the requests of one question. A menu of RouterOS is exported, and its ids are listed beside."""
    if spec.menu:
        return (
            Command(f"{spec.menu} export terse"),
            Command(f":put [{spec.menu} find where dynamic=no]"),
        )
    if spec.get:
        return (Call("GET", spec.get),)
    if spec.post:
        return (Call("POST", spec.post, body=spec.body),)
    return (Command(f"uci show {spec.uci}" if spec.uci else spec.run or spec.print),)


def asked(spec: ReadSpec) -> tuple[Read, ...]:
    """Give the requests of one question, each under a name of its own."""
    return tuple(
        Read(name, ask, spec.absent) for name, ask in zip((spec.id, _ids(spec)), requests(spec), strict=False)
    )


def answers_of(profile: Profile, replies: Sequence[Reply]) -> dict[str, Answer]:
    """Give every question's answer by its name."""
    by_id = {reply.id: reply for reply in replies}
    return {name: _answer(profile, spec, by_id) for name, spec in profile.reads.items()}


def _answer(profile: Profile, spec: ReadSpec, replies: Mapping[str, Reply]) -> Answer:
    found = _understood(profile, spec, replies[spec.id], parser_of(spec))
    if found.problem or found.absent:
        return found
    if spec.menu:
        return _with_ids(found.value, _understood(profile, spec, replies[_ids(spec)], "routeros_ids"), spec)
    if spec.must and not holds(spec.must, found.value):
        return Answer(problem=f"the answer to {spec.id} is not whole: not {spec.must}")
    return found


def _understood(profile: Profile, spec: ReadSpec, reply: Reply, parser: str) -> Answer:
    is_http = profile.speaks is Speaks.REST
    return understand(
        reply,
        parser,
        spec.absent,
        good=(None, 200) if is_http else (None, 0),
        errors=profile.errors,
        quietly=not is_http,
        rights=_RIGHTS.get(profile.speaks, ""),
    )


def _with_ids(exported: Json, ids: Answer, spec: ReadSpec) -> Answer:
    """Give the entries of an export their ids, which it leaves out; both list them in one order."""
    rows = [row for row in exported if isinstance(row, Mapping)] if isinstance(exported, list) else []
    added = [row for row in rows if row.get(".verb") == "add"]
    if ids.problem or not isinstance(ids.value, list) or len(ids.value) != len(added):
        return Answer(problem=f"{_ids(spec)} does not name the same entries as {spec.id}")
    return Answer([{**row, ".id": handle} for row, handle in zip(added, ids.value, strict=True)])


def _ids(spec: ReadSpec) -> str:
    return f"{spec.id}_ids"
