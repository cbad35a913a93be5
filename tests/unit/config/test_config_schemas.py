"""The schemas: fresh, valid, explained to the last property, and as wide as the resource modules. And the codes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from referencing import Registry

from plexops.config.nodes import plain
from plexops.config.problems import HIDES_SOURCE
from plexops.config.profile import check_profile
from plexops.config.schemas import schema_of
from plexops.config.yaml import load_yaml_document, parse_yaml
from plexops.model.codes import CODES as ALL
from plexops.model.errors import PlexopsError
from plexops.model.resources import RESOURCES
from scripts.playbook_schema import kind_schema
from scripts.schemas import rendered

#: What comes before an inventory is said elsewhere.
BEGINNING = {name for name in ALL if name.startswith("PLX-C8")} | {"PLX-C704"}
CODES = [code for name, code in ALL.items() if name.startswith("PLX-C") and name not in BEGINNING]
ROOT = Path(__file__).resolve().parents[3]
PLAYBOOKS = ["playbooks/plex-remote-access.yaml", "playbooks/optional/hardening.yaml"]
SCHEMAS = {name: schema_of(name) for name in ("inventory", "playbook", "profile", "told")}


def properties(schema: object, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(schema, list):
        for index, item in enumerate(schema):
            yield from properties(item, f"{path}[{index}]")
    if not isinstance(schema, dict):
        return
    for name, inner in schema.get("properties", {}).items():
        yield f"{path}.{name}", inner
    for key, inner in schema.items():
        if key not in {"examples", "default", "enum"}:
            yield from properties(inner, f"{path}.{key}")


@pytest.mark.parametrize("name", rendered())
def test_the_files_in_the_repository_are_fresh(name: str) -> None:
    """If this fails: python -m scripts.schemas"""
    assert (ROOT / "schemas" / name).read_text(encoding="utf-8") == rendered()[name]


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_property_is_explained_and_shown(name: str) -> None:
    found = list(properties(SCHEMAS[name]))
    assert len(found) > 20
    for path, schema in found:
        if "$ref" in schema:
            continue
        assert len(schema.get("description", "")) > 5, path
        assert schema["description"].endswith((".", "host")), path
        assert schema.get("examples"), path


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_example_is_valid_where_it_stands(name: str) -> None:
    definitions = SCHEMAS[name]["definitions"]
    for path, schema in properties(SCHEMAS[name]):
        validator = jsonschema.Draft7Validator({**schema, "definitions": definitions}, registry=Registry())
        for shown in schema.get("examples", []):
            assert not list(validator.iter_errors(shown)), f"{path}: {shown}"


@pytest.mark.parametrize("name", SCHEMAS)
def test_editors_can_read_it(name: str) -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMAS[name])
    text = json.dumps(SCHEMAS[name])
    assert all(ref.startswith("#/") for ref in re.findall(r'"\$ref": "([^"]*)"', text))


@pytest.mark.parametrize("kind", RESOURCES)
def test_a_task_can_say_all_that_its_kind_has(kind: str) -> None:
    resource = next(r for k, r in RESOURCES.items() if k == kind)
    said = set(kind_schema(resource)["properties"]) - {"state", "key"}
    assert said == {field.name for field in resource.fields if field.in_task}


@pytest.mark.parametrize(
    "path",
    ["inventory.example.yaml", "playbooks/plex-remote-access.yaml", "playbooks/optional/hardening.yaml"],
)
def test_shipped_files_meet_their_schema_and_name_it(path: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
    assert named is not None
    schema = json.loads(((ROOT / path).parent / named[1]).read_text(encoding="utf-8"))
    jsonschema.Draft7Validator(schema, registry=Registry()).validate(plain(load_yaml_document(ROOT / path)))


def test_shipped_files_mean_the_same_to_a_reader_of_yaml_1_1() -> None:
    """Other tools and editors read them too: nothing in them may change its meaning there."""
    for path in PLAYBOOKS:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert yaml.safe_load(text) == plain(load_yaml_document(ROOT / path))


PROFILES = sorted((ROOT / "router_profiles").glob("*.yaml"))


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_shipped_profiles_are_well_formed(path: Path) -> None:
    check_profile(load_yaml_document(path))


PROFILE = "{profile: x, format: 2, title: X, speaks: shell, verified: []"


@pytest.mark.parametrize(
    ("text", "code", "place", "words"),
    [
        ("{profile: x, format: 2, title: X, speaks: shell}", "PLX-C102", "p:1:1", "verified"),
        ("{profile: x, title: X, speaks: shell, verified: []}", "PLX-C102", "p:1:1", "format"),
        ("{profile: x, format: 2, title: X, speaks: perl, verified: []}", "PLX-C104", "p:1:43", "shell"),
        ("{profile: x, format: 1, title: X, speaks: shell, verified: []}", "PLX-C104", "p:1:22", "2"),
        (PROFILE + ", read: {}}", "PLX-C101", "p:1:64", "reads"),
        (PROFILE + ", reads: {a: {as: uci}}}", "PLX-C102", "p:1:72", "run, uci, menu, print, get, post"),
        (PROFILE + ", reads: {a: {run: x, uci: x}}}", "PLX-C102", "p:1:72", "run, uci, menu"),
        (PROFILE + ", reads: {a: [x]}}", "PLX-C103", "p:1:75", "table"),
        (PROFILE + ", reads: {a: {get: x}}}", "PLX-C104", "p:1:81", "/api"),
        (PROFILE + ", kinds: {wan: {rows: a}}}", "PLX-C101", "p:1:72", "upnp"),
    ],
)
def test_a_profile_with_a_wrong_shape_is_refused(text: str, code: str, place: str, words: str) -> None:
    with pytest.raises(PlexopsError) as caught:
        check_profile(parse_yaml(text, "p"))
    (problem,) = caught.value.problems
    assert (problem.code, str(problem.place)) == (code, place)
    assert words in problem.reason + problem.cure


SOURCES = "".join(p.read_text("utf-8") for p in (ROOT / "plexops").rglob("*.py"))


def test_every_code_is_used_and_every_used_code_is_explained() -> None:
    explained = {code.code for code in CODES}
    used = set(re.findall(r"PLX-C\d{3}", SOURCES))
    assert used - explained - BEGINNING == set(), "a code without an explanation"
    assert explained - used == set(), "an explanation that no problem leads to"
    assert {code.code for code in CODES} > HIDES_SOURCE


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.code)
def test_every_code_is_explained_with_an_example(code: Any) -> None:
    assert len(re.findall(r"[.?](?:\s|$)", code.explanation)) >= 2
    assert "\n\n  " in code.explanation, "an example, indented, after the text"
    assert all(len(line) <= 125 for line in code.explanation.splitlines())
    assert code.title[0].isupper()
    assert not code.title.endswith(".")
