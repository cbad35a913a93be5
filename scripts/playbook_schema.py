"""The JSON Schema of playbooks. Tasks come from the resource modules, so that schema and code cannot drift apart."""

from __future__ import annotations

from plexops.config.schemas import TEMPLATE, WANTS, Schema
from plexops.model.fields import Field, FieldType
from plexops.model.resources import RESOURCES, ResourceKind
from plexops.model.site import State
from scripts.inventory_schema import DRAFT, NAME, VARIABLE_DEFINITION, leaf, listing, table, variables

_INTEGER_TYPES = {FieldType.NUMBER, FieldType.PORT}


def field_schema(field: Field) -> Schema:
    """Give the schema of one field of a task: its own type, or a text with {{ names }}."""
    examples = (*field.examples, "{{ " + field.name + " }}") if field.required else field.examples
    if field.type in _INTEGER_TYPES:
        wants = "port" if field.type is FieldType.PORT else "number"
        return leaf(field.description, *examples, wants=wants, type=["integer", "string"], pattern=TEMPLATE)
    if field.type is FieldType.FLAG:
        return leaf(field.description, *examples, wants="flag", type=["boolean", "string"], pattern=TEMPLATE)
    if field.type is FieldType.PORTS:
        return leaf(field.description, *examples, wants="ports", type=["integer", "string"])
    return leaf(field.description, *examples, wants=str(field.type))


def kind_schema(resource: ResourceKind) -> Schema:
    """Give the schema of what a task writes after a kind's name."""
    properties = {field.name: field_schema(field) for field in resource.fields if field.in_task}
    if not resource.is_condition and not resource.singleton:
        properties["state"] = leaf(
            "Whether it shall be there.",
            *(str(state) for state in State),
            enum=[str(state) for state in State],
            default=str(State.PRESENT),
        )
        properties["key"] = leaf(
            "Tells several of one kind apart; it is in our tag on the device and never changes.",
            resource.default_key,
            pattern="^[a-z][a-z0-9_]{0,19}$",
            default=resource.default_key,
            wants="key",
        )
    required = [field.name for field in resource.fields if field.required]
    example = {field.name: field.examples[0] for field in resource.fields if field.required}
    return table(resource.description, example, properties, *required, type=["object", "null"])


def _tags() -> Schema:
    return listing(
        "Words by which -t and --skip-tags choose.",
        ["router"],
        leaf("One tag.", "router", pattern=NAME, wants="name"),
    )


def task_schema() -> Schema:
    """Give the schema of one task: exactly one kind."""
    properties: Schema = {
        "name": leaf("What it is for, in your words.", "The router forwards our port"),
        "tags": _tags(),
        "adopt": leaf(
            "Take over an entry that another made and that differs only in its values.",
            True,
            wants="flag",
            default=False,
        ),
    }
    properties |= {str(kind): kind_schema(resource) for kind, resource in RESOURCES.items()}
    return table(
        "One thing that shall be true.",
        {"name": "The router forwards our port", "port_forward": {"external_port": 32500}},
        properties,
        oneOf=[{"required": [str(kind)]} for kind in RESOURCES],
        **{WANTS: "task"},
    )


def playbook_schema() -> Schema:
    """Give the schema of a playbook."""
    task_example = {"name": "The host keeps its address", "dhcp_reservation": {}}
    pattern = leaf(
        "A site, a group, a glob, all, or one of these after !.", "all", "family", "!cabin", wants="pattern"
    )
    properties = {
        "name": leaf("What the play is for, in your words.", "Plex from outside"),
        "sites": {
            **pattern,
            "description": "Which homes: names, groups, globs, all; ! takes out. One text, or a list of them.",
            "examples": ["all", ["family", "!cabin"]],
            "type": ["string", "array"],
            "items": pattern,
            "minItems": 1,
        },
        "vars": variables("Variables of this play: stronger than the inventory's, weaker than -e."),
        "tags": _tags(),
        "tasks": listing("What shall be true.", [task_example], {"$ref": "#/definitions/task"}, minItems=1),
    }
    play_example = {"name": "Plex from outside", "sites": "all", "tasks": [task_example]}
    return {
        "$schema": DRAFT,
        "title": "plexops playbook",
        "description": "What shall be true at which homes.",
        "type": "array",
        WANTS: "playbook",
        "minItems": 1,
        "items": table(
            "Some tasks for some homes.", play_example, properties, "sites", "tasks", **{WANTS: "play"}
        ),
        "definitions": {"variable": VARIABLE_DEFINITION, "task": task_schema()},
    }
