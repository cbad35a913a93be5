"""Check a profile as a whole before anything is asked: reads only read, templates quote, names are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from msgspec import Struct, field

from plexops.drivers.answers import PACKETS
from plexops.drivers.patterns import compile_pattern
from plexops.drivers.requests import language_of
from plexops.drivers.router.expressions import Expression, compile_expression
from plexops.drivers.router.reads import requests, steps_of
from plexops.drivers.router.rows import READ_FIELDS, wrong_words
from plexops.drivers.router.stores.base import Store
from plexops.drivers.router.stores.choosing import store_of
from plexops.drivers.windows import CompiledWindow, compile_window
from plexops.languages.contracts import refuse_read
from plexops.languages.logins import HEADER_NAME, check_login
from plexops.languages.posix_reads import loses_status
from plexops.model.errors import PlexopsError, Problem
from plexops.model.exchange import Call, Command, Json
from plexops.model.facts import FACTS
from plexops.model.fields import FieldType
from plexops.model.login import PLACEHOLDERS
from plexops.model.profile import FactSpec, KindSpec, Profile, ReadSpec, ResourceSpec, Speaks, Step
from plexops.model.resources import KINDS
from plexops.model.snapshot import Kind
from plexops.parsers import PARSERS
from plexops.pattern import Pattern

_WORD = Pattern(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_FLAG = frozenset({"true", "false"})
_FIELD = Pattern(r"\{\{ ([a-z_]+) \}\}")
#: Two braces together, or a word alone in them: more than the device's own text would have.
_SLIP = Pattern(r"\{\{|\}\}|\{ *\w+ *\}")
_FACT = Pattern(r"\{\{ *fact\.([a-z0-9_.]+) *\}\}")
#: What a driver of ours may ask, with arguments of its own, and a profile may not: others than the device, its
#: environment, and files that hold keys or are a person's.
_NOT_FOR_PROFILES = Pattern(
    r"^(?:curl|ping|getent|printenv)\b|^grep(?: -\S+)* -[A-Za-z]*r(?! ''(?: /etc/dnsmasq\S*)+$"
    r"|vi -e password -e secret /etc/(?:dhcp|kea)/$)|[ =]/(?:root|home)\b|/\."
    r"|\.(?:key|pem|p12|pfx)\b|/etc/(?:ssl|wireguard|openvpn|ppp)\b"
)


class CompiledFact(Struct, frozen=True):
    """A fact with its expression ready."""

    spec: FactSpec
    take: Expression


class CompiledResource(Struct, frozen=True):
    """One kind (of one backend), ready. `variables` are the types that templates were checked for."""

    spec: ResourceSpec
    rows: Expression
    #: Columns from other reads, by the name of the field.
    beside: Mapping[str, Expression]
    variables: Mapping[str, FieldType] = MappingProxyType({})
    store: Store | None = None


class CompiledProfile(Struct, frozen=True):
    """A profile that was found to be sound."""

    profile: Profile
    facts: tuple[CompiledFact, ...] = ()
    resources: Mapping[Kind, tuple[CompiledResource, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    window: CompiledWindow | None = None


class _Problems:
    """What was found wrong, gathered so that all of it is told at once."""

    def __init__(self, profile: Profile) -> None:
        self.found: list[Problem] = []
        self._profile = profile

    def add(self, code: str, reason: str, cure: str, path: str) -> None:
        self.found.append(Problem(code, reason, cure, place=self._profile.place(path), path=path))

    def no_read(self, name: str, path: str) -> None:
        self.add("PLX-D404", f"there is no read {name!r}", "Name one of `reads`.", path)


def compile_profile(profile: Profile) -> CompiledProfile:
    """Check and prepare a profile. Raises PlexopsError with every problem of it."""
    problems = _Problems(profile)
    for read in profile.reads.values():
        _check_read(profile, read, problems)
    if profile.speaks is Speaks.SOAP and profile.window:
        reason = f"a family that speaks {profile.speaks} has no window"
        problems.add("PLX-D407", reason, "Take its window out.", "window")
        raise PlexopsError(problems.found)
    before: list[str] = []
    found: list[CompiledFact | None] = []
    for spec in profile.facts.values():
        found.append(_fact(profile, spec, before, problems))
        before.append(spec.name)
    resources = {
        kind: tuple(_resource(profile, spec, problems) for spec in specs)
        for kind, specs in profile.resources.items()
    }
    _check_logins(profile, problems)
    for kind, kept in profile.kinds.items():
        if kept.unseen and kept != KindSpec(kind=kind, unseen=kept.unseen):
            reason = f"{kind} is said not to be seen, and how it is kept"
            problems.add("PLX-D406", reason, "`unseen` stands alone.", f"kinds.{kind}")
    for kind, lines in profile.steps.items():
        _check_steps(kind, lines, problems)
    for way in (way for ways in profile.resources.values() for way in ways):
        _check_steps(way.kind, way.steps, problems)
    for key, reason in () if profile.detect is None else profile.detect.unfit():
        problems.add("PLX-D402", reason, "One character or class may be repeated, once.", f"detect.{key}")
    window, unsound = compile_window(profile, profile.window)
    problems.found += unsound
    for name in () if profile.window is None else profile.window.needs:
        if name not in profile.facts:
            problems.add("PLX-D403", f"there is no fact {name!r}", "Name one of `facts`.", "window.needs")
    configured = None if profile.packets is None else profile.packets.configured
    if configured is not None and configured.read not in profile.reads:
        problems.no_read(configured.read, "packets.configured")
    if problems.found:
        raise PlexopsError(problems.found)
    facts = tuple(fact for fact in found if fact is not None)
    return CompiledProfile(profile, facts, MappingProxyType(resources), window)


#: What to do about a read that is refused. The lists are plexops' own; docs/profiles.md names what they hold.
_PLAIN_COMMAND = "Take a plain command that prints; docs/your-router.md says what cannot be asked."
_CURES = {
    Speaks.REST: "Ask by GET, or name the family's `contract`; docs/your-router.md says what cannot be asked.",
    Speaks.TREE: "Ask by `show …` alone; of a configuration by `show configuration commands`.",
}


def _check_read(profile: Profile, read: ReadSpec, problems: _Problems) -> None:
    path = f"reads.{read.id}"
    for step in (*steps_of(read), *(step for steps in read.parts.values() for step in steps)):
        _check_step(step, path, problems)
    for name in read.parts:
        if name not in read.nvram:
            problems.add("PLX-D402", f"no value {name!r} is read there", "Name one of `nvram`.", path)
    if read.must:
        _parses(read.must, f"{path}.must", problems)
    if (profile.speaks is Speaks.SOAP) != bool(read.call):
        reason = f"a family that speaks {profile.speaks} is not asked so"
        problems.add("PLX-D401", reason, "`call` is for soap, and all there is for it.", path)
        return
    if read.call:
        from plexops.drivers.router.soap_reads import unsound

        if reason := unsound(profile, read):
            problems.add("PLX-D401", reason, "See docs/profiles.md, “Reads”.", path)
        return
    for ask in requests(read):
        refused = _refused(profile, ask)
        if refused:
            reason = f"this read could write: {refused}"
            problems.add("PLX-D401", reason, _CURES.get(profile.speaks, _PLAIN_COMMAND), path)
        elif isinstance(ask, Command) and profile.speaks is Speaks.SHELL and loses_status(ask.text):
            reason = (
                "a failure of this read would look like an empty answer: behind a pipe its own status is lost"
            )
            problems.add("PLX-D401", reason, "Leave the pipe out.", path)


def _check_step(step: Step, path: str, problems: _Problems) -> None:
    """Hold one step against what there is: exactly one way, a parser, a pattern, an expression."""
    ways = [way for way in (step.parser, step.each, step.list, step.take, step.unescape) if way]
    if len(ways) != 1:
        problems.add("PLX-D402", "a step says one thing to do", "One of each, list, take, unescape.", path)
    if step.parser and step.parser not in PARSERS:
        known = ", ".join(sorted(PARSERS))
        problems.add("PLX-D402", f"there is no parser {step.parser!r}", f"Use one of: {known}.", path)
    if step.take:
        _parses(step.take, path, problems)
    pattern = step.each.line if step.each else step.list.item if step.list else ""
    try:
        if pattern:
            compile_pattern(pattern)
    except ValueError as reason:
        problems.add("PLX-D402", str(reason), "A pattern is text with names: *mac>*address.", path)


def _check_steps(kind: Kind, lines: Sequence[str], problems: _Problems) -> None:
    """Hold what stands in braces in a person's steps against the kind's fields."""
    known = {item.name for item in KINDS[kind].fields} if kind in KINDS else set()
    for number, line in enumerate(lines):
        left = _FIELD.sub(lambda found: "" if found[1] in known else found[0], line)
        if _SLIP.search(left):
            reason = f"this step holds a brace that is no field of {kind}: {line!r}"
            cure = f"Write {{{{ name }}}}; its fields: {', '.join(sorted(known))}."
            problems.add("PLX-D406", reason, cure, f"steps.{kind}[{number}]")


def _refused(profile: Profile, ask: Command | Call) -> str | None:
    """Tell why a request is not known to only read; None where it is."""
    speaks = profile.speaks
    if isinstance(ask, Command):
        if speaks is Speaks.REST:
            return "a device that speaks JSON has no command line"
        if speaks is Speaks.SHELL and _NOT_FOR_PROFILES.search(ask.text):
            return "it asks others than the device, or for what is a person's or a key"
        return language_of(speaks.language).refuse_read(ask.text)
    if speaks is not Speaks.REST:
        return "only a family that speaks rest has paths"
    asked = "&".join(f"{name}={value}" for name, value in ask.query)
    target = f"{ask.method} {ask.path}{'?' if asked else ''}{asked}"
    return refuse_read(profile.contract, target, ask.body, dict(ask.headers))


def _check_logins(profile: Profile, problems: _Problems) -> None:
    """Hold the ways to log in against what there is, and the expressions of logins and envelope."""
    cure = "See docs/profiles.md, “Logins”."
    for name in sorted(set(profile.params) & set(PLACEHOLDERS)):
        problems.add("PLX-D411", f"no param may be called {name}: a login has that", "Rename it.", "params")
    if profile.login and not profile.speaks.over_http:
        reason = f"a family that speaks {profile.speaks} says no login here"
        problems.add("PLX-D411", reason, "Take `login` out.", "login")
    texts: list[str] = []
    for login in profile.login:
        ways = [way for way in (login.word, login.header, login.basic, login.session) if way]
        if len(ways) != 1 or login.word not in ("", "basic", "digest"):
            problems.add("PLX-D411", f"there is no login {login.word!r}", cure, "login")
        header = login.header or login.basic
        if header and HEADER_NAME.fullmatch(header) is None:
            problems.add("PLX-D411", f"{header!r} is no name of a header", cure, "login")
        if login.session is not None:
            steps = login.session.steps
            texts += [steps.take, steps.over, *(kept.take for kept in steps.keep)]
            try:
                check_login(steps)
            except ValueError as reason:
                problems.add("PLX-D411", str(reason), cure, "login")
    for text in filter(None, texts):
        _parses(text, "login", problems)
    wrapped = profile.envelope
    said = () if wrapped is None else (wrapped.ok, wrapped.data, wrapped.says, wrapped.status)
    for text in filter(None, said):
        _parses(text, "envelope", problems)


def _fact(
    profile: Profile, spec: FactSpec, before: Sequence[str], problems: _Problems
) -> CompiledFact | None:
    path = f"facts.{spec.name}"
    if spec.name not in FACTS and not spec.name.startswith("x."):
        reason = f"there is no fact {spec.name!r}"
        problems.add("PLX-D403", reason, "A fact of your own starts with `x.`.", path)
    is_flag = spec.name in FACTS and FACTS[spec.name].type == "flag"
    if is_flag and (set(spec.values) not in (set(), _FLAG) or spec.default not in (None, *_FLAG)):
        problems.add("PLX-D403", f"{spec.name} is true or false", "Give it both words, and no other.", path)
    take = _expression(profile, spec.take, path, problems, before)
    return None if take is None else CompiledFact(spec, take)


def _expression(
    profile: Profile, text: str, path: str, problems: _Problems, facts: Sequence[str] = ()
) -> Expression | None:
    reads = (*profile.reads, *(() if profile.packets is None else (PACKETS,)))
    try:
        return compile_expression(text, reads, facts)
    except ValueError as reason:
        problems.add("PLX-D405", str(reason), "See jmespath.org; outermost are the names of `reads`.", path)
        return None


def _parses(text: str, path: str, problems: _Problems) -> None:
    from plexops.drivers.router.functions import checked

    try:
        checked(text)
    except ValueError as reason:
        problems.add("PLX-D405", str(reason), "See jmespath.org.", path)


def _variables(spec: ResourceSpec) -> dict[str, FieldType]:
    """Give the variables of a resource's templates; a field with words of its own is bare where they all are."""
    variables = {
        "key": FieldType.KEY,
        "window": FieldType.WORD,
        **dict.fromkeys(("tag", "handle", "place"), FieldType.HANDLE),
    }
    resource = KINDS.get(spec.kind)
    for item in () if resource is None else resource.fields:
        mapped = spec.fields.get(item.name)
        if mapped is not None and mapped.values:
            words = [words[0] for words in mapped.values.values() if words]
            bare = all(_WORD.fullmatch(word) for word in words)
            variables[item.name] = FieldType.WORD if bare else FieldType.TEXT
        else:
            variables[item.name] = item.type
    return variables


def _resource(profile: Profile, spec: ResourceSpec, problems: _Problems) -> CompiledResource:
    path = f"kinds.{spec.kind}" + (f".backends.{spec.backend}" if spec.backend else "")
    if spec.in_force is not None and spec.in_force.read not in profile.reads:
        problems.no_read(spec.in_force.read, path)
    known = READ_FIELDS.get(spec.kind) or {f.name: f.type for f in KINDS[spec.kind].fields}
    for name, mapped in spec.fields.items():
        if name not in known:
            fields = ", ".join(known)
            problems.add("PLX-D406", f"{spec.kind} has no field {name!r}", f"Its fields: {fields}.", path)
        elif wrong := wrong_words(known[name], mapped):
            problems.add("PLX-D406", f"{name}: {wrong}", "See docs/profiles.md, “Facts”.", path)
    serving = () if spec.serves is None else (spec.serves.fact, spec.serves.ranges)
    for name in (name for name in serving if name and name not in profile.facts):
        reason = f"{spec.kind} is served by a fact {name!r} that there is not"
        problems.add("PLX-D403", reason, "Name one of `facts`.", path)
    keyed = spec.write is not None and spec.kind is not Kind.UPNP
    if keyed and not any("{{ key }}" in tag for tag in spec.owner.values()):
        cure = 'Write `owner: {FIELD: "plexops:{{ key }}"}`.'
        problems.add("PLX-D406", f"of a {spec.kind} it is not known which are ours", cure, path)
    variables = _variables(spec)
    facts = tuple(found for value in spec.set.values() if (found := fact_of(value)))
    for name in (name for name in facts if name not in profile.facts):
        problems.add("PLX-D403", f"there is no fact {name!r}", "Name one of `facts`.", f"{path}.set")
    for name in (f.name for ours, f in spec.fields.items() if f.name in spec.set and ours != "source"):
        problems.add(
            "PLX-D406", f"{name!r} is a field and a constant", "Leave one of them out.", f"{path}.set"
        )
    for name, value in spec.set.items():
        if isinstance(value, str) and "{" in value and not fact_of(value):
            reason = f"{name}: {value!r} is no param, and no fact as {{{{ fact.NAME }}}}"
            problems.add("PLX-D407", reason, "See docs/profiles.md, “Stores”.", f"{path}.set")
    store: Store | None = None
    try:
        store = None if spec.write is None else store_of(profile, spec, variables)
    except ValueError as reason:
        problems.add("PLX-D407", str(reason), "See docs/profiles.md, “Stores”.", f"{path}.write")
    for name in (name for name in (() if store is None else store.facts) if name not in profile.facts):
        problems.add("PLX-D403", f"there is no fact {name!r}", "Name one of `facts`.", f"{path}.write")
    return CompiledResource(
        spec=spec,
        rows=_expression(profile, spec.rows, f"{path}.rows", problems, tuple(profile.facts))
        or Expression("", ()),
        beside={
            name: _expression(profile, text, f"{path}.with", problems) or Expression("", ())
            for name, text in spec.beside.items()
        },
        variables=MappingProxyType(variables),
        store=store,
    )


def fact_of(value: Json) -> str:
    """Give the fact that a constant is, as `{{ fact.NAME }}`; empty for one that is written out."""
    found = _FACT.fullmatch(value) if isinstance(value, str) else None
    return found[1] if found else ""
