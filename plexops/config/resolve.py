"""Playbooks and an inventory to what shall be true at each site: every field with its typed value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from types import MappingProxyType

from plexops.config.playbook import split_patterns
from plexops.config.problems import Problems, nearest, shown
from plexops.config.typed import Misfit, typed
from plexops.config.variables import Scope, TemplateMisfit, built_ins
from plexops.model.errors import Place, Places, PlexopsError, Problem
from plexops.model.fields import Field, FieldValue, FromSite
from plexops.model.resources import RESOURCES
from plexops.model.site import (
    Access,
    AddressBy,
    Inventory,
    Pattern,
    Play,
    Playbook,
    ResolvedTask,
    Setting,
    Site,
    SiteTasks,
    State,
    Task,
    Value,
    Variable,
)
from plexops.model.snapshot import Kind
from plexops.structs import replace

#: What makes two entries of one kind the same thing on a device, whatever their keys.
_NATURAL_KEYS: Mapping[Kind, tuple[str, ...]] = {
    Kind.PORT_FORWARD: ("external_port",),
    Kind.DHCP_RESERVATION: ("mac", "address"),
    Kind.FIREWALL_RULE: ("port",),
}
_FORWARDING = frozenset({Kind.PORT_FORWARD, Kind.PLEX_REMOTE_ACCESS})
_NOTHING: Mapping[str, Variable] = MappingProxyType({})


def resolve(
    inventory: Inventory,
    playbooks: Sequence[Playbook],
    *,
    limit: Sequence[str] = (),
    tags: Sequence[str] = (),
    skip_tags: Sequence[str] = (),
    extra: Mapping[str, Variable] = _NOTHING,
    keep_all: bool = False,
) -> tuple[SiteTasks, ...]:
    """Give the tasks of each site that `limit` names, in the inventory's order.

    Sites without any are left out, unless `keep_all`: a diagnosis needs no playbook.
    Raises PlexopsError with all problems: names that match nothing, values that do not fit, tasks that disagree.
    """
    problems = Problems()
    plays = [play for playbook in playbooks for play in playbook.plays]
    if not plays and not keep_all:
        reason = "there is no play to carry out"
        raise PlexopsError(Problem("PLX-C501", reason, "Name a playbook that has one."))
    chosen = set(_limited(inventory, limit, problems))
    per_play = [(play, select_sites(inventory, play.sites, problems)) for play in plays]
    problems.raise_if_any()
    found = []
    for site in inventory.sites.values():
        if site.name in chosen:
            theirs = [play for play, names in per_play if site.name in names]
            variables = inventory.variables.get(site.name, _NOTHING)
            found.append(SiteTasks(site, _Resolving(site, variables, extra, problems).tasks(theirs)))
    problems.raise_if_any()
    kept = found if keep_all else _by_tags(found, tags, skip_tags, plays)
    if not kept:
        reason = "no play is about the sites that --limit names" if limit else "no site has a task"
        raise PlexopsError(Problem("PLX-C503", reason, "Look at “sites:” of the plays."))
    return tuple(kept)


def resolve_again(site: Site, tasks: Sequence[Task]) -> SiteTasks:
    """Give what `resolve` gave elsewhere, of its tasks as `as_written` has them. Raises PlexopsError as `resolve` does."""
    problems = Problems()
    resolving = _Resolving(site, _NOTHING, _NOTHING, problems)
    found = [resolving.task(task, _NoTemplates({}, {})) for task in tasks]
    problems.raise_if_any()
    return SiteTasks(site, tuple(task for task in found if task is not None))


def as_written(task: ResolvedTask) -> Task:
    """Give a resolved task as one that a playbook would write in full, without a template."""
    return Task(
        name=task.name,
        kind=task.kind,
        place=task.place,
        key=task.key,
        values={
            name: Setting(
                value if isinstance(value, int) else str(value), task.places.get(name) or task.place
            )
            for name, value in task.values.items()
        },
        state=task.state,
        adopt=task.adopt,
        tags=task.tags,
    )


class _NoTemplates(Scope):
    """The values of a task whose templates are filled in already: what looks like one was a value."""

    def render(self, text: str) -> Value:
        """Give the text itself."""
        return text

    def origin(self, value: object) -> Place | None:
        """It came from no variable."""
        return None


def select_sites(inventory: Inventory, patterns: Sequence[Pattern], problems: Problems) -> frozenset[str]:
    """Give the names that patterns choose: what is named, less what is named after `!`. Adds what matches nothing."""
    wanted: set[str] = set()
    unwanted: set[str] = set()
    for pattern in patterns:
        negated = pattern.text.startswith("!")
        names = _matching(inventory, pattern.text.removeprefix("!"))
        if not names:
            _unmatched(inventory, pattern, problems)
        (unwanted if negated else wanted).update(names)
    if all(pattern.text.startswith("!") for pattern in patterns):
        wanted = set(inventory.sites)
    left = wanted - unwanted
    if wanted and not left:
        reason = "these patterns take out every site that they name"
        problems.add("PLX-C503", patterns[0].place, "sites", reason, "Take one of the ! out.")
    return frozenset(left)


def _matching(inventory: Inventory, text: str) -> set[str]:
    if text == "all":
        return set(inventory.sites)
    if text in inventory.sites:
        return {text}
    return {
        site.name
        for site in inventory.sites.values()
        if fnmatchcase(site.name, text) or any(fnmatchcase(group, text) for group in site.groups)
    }


def _unmatched(inventory: Inventory, pattern: Pattern, problems: Problems) -> None:
    groups = {group for site in inventory.sites.values() for group in site.groups}
    known = sorted(groups | set(inventory.sites))
    close = nearest(pattern.text.removeprefix("!"), known)
    some = ", ".join(known[:8]) + (" …" if len(known) > 8 else "")
    cure = f"Did you mean {close}?" if close else f"Sites and groups are: {some}."
    reason = f"no site or group matches {shown(pattern.text)}{'' if pattern.place else ' (--limit)'}"
    problems.add("PLX-C503", pattern.place, "sites", reason, cure)


def _limited(inventory: Inventory, limit: Sequence[str], problems: Problems) -> frozenset[str]:
    if not limit:
        return frozenset(inventory.sites)
    patterns = [pattern for text in limit for pattern in split_patterns(text)]
    return select_sites(inventory, patterns, problems)


def _by_tags(
    found: Sequence[SiteTasks], tags: Sequence[str], skip_tags: Sequence[str], plays: Sequence[Play]
) -> list[SiteTasks]:
    wanted = {pattern.text for text in tags for pattern in split_patterns(text)}
    skipped = {pattern.text for text in skip_tags for pattern in split_patterns(text)}
    known = {tag for play in plays for task in play.tasks for tag in task.tags}
    for tag in sorted((wanted | skipped) - known):
        close = nearest(tag, known)
        tags_are = f"Tags are: {', '.join(sorted(known)) or 'none at all'}."
        cure = f"Did you mean {close}?" if close else tags_are
        raise PlexopsError(Problem("PLX-C509", f"no task has the tag {shown(tag)}", cure))
    kept = []
    for site in found:
        tasks = tuple(t for t in site.tasks if (not wanted or t.tags & wanted) and not t.tags & skipped)
        if tasks:
            kept.append(SiteTasks(site.site, tasks))
    if not kept and any(site.tasks for site in found):
        cure = "Choose fewer tags with --skip-tags or more with -t."
        raise PlexopsError(Problem("PLX-C509", "these tags leave no task", cure))
    return kept


class _Resolving:
    """All tasks of one site on their way to typed values."""

    def __init__(
        self,
        site: Site,
        variables: Mapping[str, Variable],
        extra: Mapping[str, Variable],
        problems: Problems,
    ) -> None:
        self._site = site
        self._variables = variables
        self._extra = extra
        self._problems = problems
        self._builtins = built_ins(site)
        self._at_site = (f"at site {site.name}",)

    def tasks(self, plays: Sequence[Play]) -> tuple[ResolvedTask, ...]:
        """Give the site's tasks: the same wanted twice is one, and what disagrees is a problem."""
        found: dict[tuple[Kind, str], ResolvedTask] = {}
        for play in plays:
            variables = {**self._variables, **play.variables, **self._extra}
            scope = Scope(self._builtins, variables)
            for task in play.tasks:
                resolved = self.task(task, scope)
                if resolved is not None:
                    self._add(found, resolved)
        self._refuse_shared(list(found.values()))
        return tuple(found.values())

    def task(self, task: Task, scope: Scope) -> ResolvedTask | None:
        """Give one task with its typed values, or None: then why not has been added."""
        resource = RESOURCES[task.kind]
        key = task.key or resource.default_key
        reason = _not_applicable(self._site, task)
        if reason:
            return ResolvedTask(
                name=task.name, kind=task.kind, key=key, place=task.place, state=task.state, tags=task.tags,
                adopt=task.adopt, not_applicable=reason,
            )  # fmt: skip
        values: dict[str, FieldValue] = {}
        sound = True
        for field in resource.fields:
            value = self._value(task, field, scope)
            if value is not None:
                values[field.name] = value
            elif field.required or isinstance(field.default, FromSite) or field.name in task.values:
                sound = False
        if not sound:
            return None
        return ResolvedTask(
            name=task.name,
            kind=task.kind,
            key=key,
            place=task.place,
            values=MappingProxyType(values),
            want=None if resource.is_condition else resource.build(values),
            state=task.state,
            adopt=task.adopt,
            tags=task.tags,
            places=Places({name: setting.place for name, setting in task.values.items()}),
        )

    def _value(self, task: Task, field: Field, scope: Scope) -> FieldValue | None:
        """Give one field's value, or None: either it has none, or why not has been added."""
        setting = task.values.get(field.name)
        path = f"{task.kind}.{field.name}"
        try:
            if setting is not None:
                raw = scope.render(setting.value) if isinstance(setting.value, str) else setting.value
                return typed(field.type, raw)
            if isinstance(field.default, FromSite):
                return typed(field.type, self._from_site(field.default.path, task, field))
        except TemplateMisfit as misfit:
            place = misfit.place or (setting.place if setting else task.place)
            self._problem(misfit, place, path)
            return None
        except Misfit as misfit:
            origin = scope.origin(setting.value) if setting else None
            place = origin or (setting.place if setting else task.place)
            self._problem(misfit, place, path, used=setting.place if setting and origin else None)
            return None
        return field.default

    def _from_site(self, path: str, task: Task, field: Field) -> Value:
        role, _, name = path.partition(".")
        known = self._builtins[role]
        if isinstance(known, Mapping) and name in known:
            return known[name]
        reason = f"{task.kind} needs “{field.name}:”, and the inventory does not say {path} for this site"
        cure = f"Write “{name}:” under the site's “{role}:”, or “{field.name}:” in the task."
        raise Misfit("PLX-C507", reason, cure)

    def _problem(self, misfit: Misfit, place: Place, path: str, used: Place | None = None) -> None:
        detail = (f"used at {used}", *self._at_site) if used else self._at_site
        self._problems.add(misfit.code, place, path, misfit.reason, misfit.cure, detail=detail)

    def _add(self, found: dict[tuple[Kind, str], ResolvedTask], task: ResolvedTask) -> None:
        known = found.get((task.kind, task.key))
        if known is None:
            found[task.kind, task.key] = task
        elif (known.values, known.state, known.adopt) != (task.values, task.state, task.adopt):
            differing = _differing(known, task)
            reason = f"this wants {task.kind} “{task.key}” otherwise than {known.place}: {differing}"
            cure = "Make them agree, or give one of them a “key:” of its own."
            self._problems.add("PLX-C504", task.place, str(task.kind), reason, cure,
                               detail=(f"first: {known.place}", *self._at_site))  # fmt: skip
        else:
            # The same wanted twice is wanted once; either tag chooses it.
            found[task.kind, task.key] = replace(known, tags=known.tags | task.tags)

    def _refuse_shared(self, tasks: Sequence[ResolvedTask]) -> None:
        seen: dict[tuple[Kind, str, FieldValue], ResolvedTask] = {}
        for task in tasks:
            for name in _NATURAL_KEYS.get(task.kind, ()):
                if name not in task.values:
                    continue
                other = seen.setdefault((task.kind, name, task.values[name]), task)
                if other is not task:
                    value = task.values[name]
                    reason = f"this {task.kind} and the one at {other.place} both hold {name} {value}"
                    cure = "A device can hold it only once: take one out, or change its value."
                    self._problems.add("PLX-C505", task.place, str(task.kind), reason, cure,
                                       detail=(f"first: {other.place}", *self._at_site))  # fmt: skip
                    break


def _not_applicable(site: Site, task: Task) -> str:
    """Tell why a task has no meaning at a site; then none of its values is asked for."""
    if task.state is State.ABSENT:
        return ""
    if task.kind in _FORWARDING and site.access is not Access.FORWARD:
        return f"access is {site.access}: this site is not meant to be reached through a forward"
    static = site.server is not None and site.server.address_by is AddressBy.STATIC
    if task.kind is Kind.DHCP_RESERVATION and static:
        return "the server has its address from itself (address_by: static)"
    return ""


def _said(value: FieldValue | None) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _differing(known: ResolvedTask, task: ResolvedTask) -> str:
    there, here = known.values, task.values
    names = sorted(name for name in {**there, **here} if there.get(name) != here.get(name))
    words = [f"{name} {_said(here.get(name))}, there {_said(there.get(name))}" for name in names]
    if known.state is not task.state:
        words.append(f"{task.state}, there {known.state}")
    if known.adopt is not task.adopt:
        words.append("with adopt, there without" if task.adopt else "without adopt, there with it")
    return "; ".join(words)
