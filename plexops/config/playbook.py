"""Playbooks to the model. The schema has judged the shape; values that are written out are judged here already."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

from plexops.config.nodes import Listing, Node, Scalar, Table, join
from plexops.config.problems import Problems
from plexops.config.schemas import schema_of
from plexops.config.templates import is_template
from plexops.config.typed import Misfit, typed
from plexops.config.validate import SchemaCheck
from plexops.config.variables import check_text, read_variables
from plexops.config.yaml import load_yaml_document
from plexops.model.errors import Place, PlexopsError, Problem
from plexops.model.fields import FieldType
from plexops.model.resources import RESOURCES, ResourceKind
from plexops.model.site import Pattern, Play, Playbook, Setting, State, Task

DEFAULT_FOLDER = "playbooks"
_PLAIN_KEYS = frozenset({"state", "key"})


def load_playbooks(paths: Sequence[Path] = ()) -> tuple[Playbook, ...]:
    """Read playbooks: the files given, all `*.yaml` of a folder given, or all of `playbooks/` here.

    Raises PlexopsError with all problems of all files.
    """
    problems = Problems()
    check = SchemaCheck(schema_of("playbook"), "playbook")
    found = []
    for path in _files(paths or (Path(DEFAULT_FOLDER),), given=bool(paths)):
        try:
            found.append(_read(load_yaml_document(path), str(path), check, problems))
        except PlexopsError as error:
            problems.keep(error.problems)
    problems.raise_if_any()
    return tuple(found)


def _files(paths: Sequence[Path], *, given: bool) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(path.glob("*.yaml"))
        if not inside:
            other = " It has files that end in .yml: rename them to .yaml." if any(path.glob("*.yml")) else ""
            reason = f"there is no playbook (*.yaml) in {path}"
            raise PlexopsError(Problem("PLX-C510", reason, f"Put one there, or name a file.{other}"))
        found += inside
    if not given and not Path(DEFAULT_FOLDER).is_dir():
        reason = f"there is no folder {DEFAULT_FOLDER} here, and no playbook was named"
        raise PlexopsError(
            Problem("PLX-C510", reason, "Name a playbook, or go to the folder of your inventory.")
        )
    return found


def _read(document: Node, file: str, check: SchemaCheck, problems: Problems) -> Playbook:
    check.problems(document, problems)
    items = document.items if isinstance(document, Listing) else ()
    plays = tuple(
        _play(item, f"[{index}]", index, problems)
        for index, item in enumerate(items)
        if isinstance(item, Table)
    )
    return Playbook(file, plays)


def _play(table: Table, path: str, index: int, problems: Problems) -> Play:
    tags = _texts(table.get("tags"))
    tasks = table.get("tasks")
    read = (
        _task(item, join(f"{path}.tasks", number), tags, problems)
        for number, item in enumerate(tasks.items if isinstance(tasks, Listing) else ())
        if isinstance(item, Table)
    )
    return Play(
        name=_text(table.get("name")) or f"play {index + 1}",
        place=table.place,
        sites=_patterns(table.get("sites")),
        tasks=tuple(task for task in read if task is not None),
        variables=read_variables(table.get("vars"), f"{path}.vars", problems),
    )


def _task(table: Table, path: str, play_tags: frozenset[str], problems: Problems) -> Task | None:
    kinds = [kind for kind in RESOURCES if str(kind) in table.entries]
    if len(kinds) != 1:
        return None
    kind = kinds[0]
    resource = RESOURCES[kind]
    body = table.get(str(kind))
    fields = body if isinstance(body, Table) else Table(MappingProxyType({}), table.place)
    adopt = table.get("adopt")
    if isinstance(adopt, Scalar) and adopt.value is True and (resource.is_condition or resource.singleton):
        reason = f"{kind} cannot be adopted: it is a setting, and no entry that another made"
        problems.add("PLX-C506", adopt.place, join(path, "adopt"), reason, "Take “adopt:” out.")
    return Task(
        name=_text(table.get("name")) or resource.title,
        kind=kind,
        place=table.key_place(str(kind)),
        key=_text(fields.get("key")),
        values=MappingProxyType(_settings(fields, resource, join(path, str(kind)), problems)),
        state=State.ABSENT if _text(fields.get("state")) == str(State.ABSENT) else State.PRESENT,
        adopt=isinstance(adopt, Scalar) and adopt.value is True,
        tags=_texts(table.get("tags")) | play_tags,
    )


def _settings(table: Table, resource: ResourceKind, path: str, problems: Problems) -> dict[str, Setting]:
    known = {field.name: field for field in resource.fields if field.in_task}
    found = {}
    for name, entry in table.entries.items():
        node = entry.value
        if name in _PLAIN_KEYS or name not in known or not isinstance(node, Scalar) or node.value is None:
            continue
        if isinstance(node.value, str) and is_template(node.value):
            check_text(node.value, node.place, join(path, name), problems)
        else:
            _judge(known[name].type, node, join(path, name), problems)
        found[name] = Setting(node.value, node.place)
    return found


def _judge(field_type: FieldType, node: Scalar, path: str, problems: Problems) -> None:
    """Judge a value that is written out, as far as the schema has not: an impossible MAC address, say."""
    if isinstance(node.value, str) and field_type not in {FieldType.PORT, FieldType.NUMBER, FieldType.FLAG}:
        try:
            typed(field_type, node.value)
        except Misfit as misfit:
            problems.add(misfit.code, node.place, path, misfit.reason, misfit.cure)


def _patterns(node: Node | None) -> tuple[Pattern, ...]:
    items = node.items if isinstance(node, Listing) else (node,)
    return tuple(
        pattern
        for item in items
        if isinstance(item, Scalar) and isinstance(item.value, str)
        for pattern in split_patterns(item.text, item.place)
    )


def split_patterns(text: str, place: Place | None = None) -> tuple[Pattern, ...]:
    """Split what `sites:` or `--limit` says at its commas."""
    return tuple(Pattern(part.strip(), place) for part in text.split(",") if part.strip())


def _text(node: Node | None) -> str:
    return node.text if isinstance(node, Scalar) and isinstance(node.value, str) else ""


def _texts(node: Node | None) -> frozenset[str]:
    items = node.items if isinstance(node, Listing) else ()
    return frozenset(item.text for item in items if isinstance(item, Scalar))
