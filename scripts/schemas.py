"""Write the schema files that come with plexops, and that editors read: python -m scripts.schemas"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import msgspec

from plexops.config.allowed import UserConfig
from plexops.config.answers_file import SCHEMA
from plexops.config.schemas import Schema
from plexops.model.answers import Topic
from plexops.model.profile import Profile
from plexops.model.resources import KINDS
from plexops.model.run import RunReport
from plexops.model.snapshot import Kind
from plexops.model.status import PRECEDENCE, ExitStatus
from scripts.file_schema import declared_schema
from scripts.inventory_schema import DRAFT, NAME, inventory_schema, leaf, table
from scripts.playbook_schema import playbook_schema

FOLDER = Path(__file__).resolve().parents[1] / "schemas"
#: What each status means to who calls us. 130 and 143 are the shell's own way to say which signal ended a process.
MEANINGS: tuple[tuple[int, str, str], ...] = (
    (ExitStatus.IN_ORDER, "in-order", "in order; planned; applied and proven"),
    (ExitStatus.FINDINGS, "findings", "it is not as the playbook says"),
    (ExitStatus.USAGE, "usage", "a usage or configuration error; no device was contacted"),
    (ExitStatus.SAFE_STOP, "safe-stop", "a safe stop, or a guard refused; nothing was changed"),
    (ExitStatus.INCOMPLETE, "incomplete", "something could not be seen, or the effect is unknown"),
    (ExitStatus.UNDONE, "undone", "apply failed or was refuted; undone, and the old state was read back"),
    (ExitStatus.UNDO_UNPROVEN, "undo-unproven", "the undo could not be verified: a person must look"),
    (ExitStatus.BUSY, "busy", "another run holds the site, or one needs recover"),
    (ExitStatus.TAMPERED, "tampered", "evidence or plan failed its integrity check"),
    (ExitStatus.BUG, "bug", "a bug of plexops; a masked crash report was written"),
    (130, "interrupted", "SIGINT ended it"),
    (143, "terminated", "SIGTERM ended it"),
)
_CHOICES = {
    "ReadSpec": (("run",), ("uci",), ("menu",), ("print",), ("get",), ("post",), ("nvram",), ("call",)),
    "Request": (("run",), ("send",), ("file",)),
    "KindSpec": (("rows",), ("backends",), ("unseen",)),
    "WindowSpec": (("directory",), ("minutes",), ("open", "confirm", "armed")),
    "Service": (("at",), ("found",)),
    "LoginSpec": (("header",), ("session",), ("basic",)),
    "LoginRequest": (("get",), ("post",), ("delete",)),
}
_READ_ONLY = (Kind.LEASE, Kind.NEIGHBOUR, Kind.UPNP_MAPPING)
_DOCS = "docs/asking.md"
#: What each answer is, and how one is written.
_WORDS: dict[Topic, tuple[str, str]] = {
    Topic.PLEX_WEB: ("Plex Web's words under Settings, Remote Access.", "Not available outside your network"),
    Topic.WAN_ADDRESS: ("The WAN address on the router's page, or none, ds-lite, down.", "203.0.113.20"),
    Topic.BOX_BEFORE: ("Whether the box before the router hands the port on to it.", "no"),
    Topic.FORWARD: ("The port in the router's list of forwards: none, off, or what stands there.",
                    "tcp 192.168.1.50:32400"),
    Topic.PHONE: ("What a phone without Wi-Fi gets: refused, nothing, other, or the machineIdentifier.", "nothing"),
    Topic.ROUTER_FILTER: ("Whether an extra filter of the router is on.", "no"),
    Topic.SERVER_FIREWALL: ("The firewall where Plex runs: off, rule, or no rule.", "rule"),
    Topic.VPN: ("Whether Plex's computer or container uses a VPN: no, computer, container.", "no"),
    Topic.OTHER_NETWORK: ("Whether Plex plays directly in another network: yes, indirect, no.", "yes"),
}  # fmt: skip


def profile_schema() -> Schema:
    """Give the schema of a router profile. A kind is a key of its own, so that a misspelt one is told as such."""
    schema = declared_schema(Profile, "plexops router profile", _CHOICES)
    kept = (*(kind for kind, resource in KINDS.items() if not resource.is_condition), *_READ_ONLY)
    for part, kinds in (("kinds", kept), ("steps", tuple(KINDS))):
        table = schema["properties"][part]
        del table["propertyNames"]
        table["properties"] = {str(kind): {"$ref": f"#/definitions/{part}"} for kind in kinds}
        schema["definitions"][part] = table["additionalProperties"]
        table["additionalProperties"] = False
    del schema["definitions"]["Kind"]
    definitions = schema["definitions"]
    for name in ("ReadSpec", "FactSpec", "FieldMap"):
        definitions[name]["type"] = ["string", "object"]
    # What is wanted of a table is no wish of the text that may stand for it.
    reads = definitions["ReadSpec"]
    reads["oneOf"] = [{"type": "string"}, *({"type": "object", **way} for way in reads["oneOf"])]
    reads["properties"]["as"]["type"] = ["string", "object", "array"]
    for step in (definitions["Step"], definitions["Step"]["properties"]["each"]):
        step["type"] = ["string", "object"]
    reads["properties"]["nvram"] = {
        **reads["properties"]["nvram"],
        "type": "array",
        "additionalProperties": True,
    }
    schema["properties"]["uses"]["items"]["type"] = ["string", "object"]
    schema["properties"]["login"]["type"] = ["string", "object", "array"]
    way = definitions["LoginSpec"]
    way["oneOf"] = [{"type": "string"}, *({"type": "object", **one} for one in way["oneOf"])]
    way["type"] = definitions["KeptSpec"]["type"] = ["string", "object"]
    for name in ("KindSpec", "Backend"):
        fields = definitions[name]["properties"]
        fields["harmless"] = {**fields["harmless"], "type": "array", "additionalProperties": True}
        for rule in ("where", "unless"):
            definitions[name]["properties"][rule]["additionalProperties"]["items"]["type"] += ["null"]
    return schema


def told_schema() -> Schema:
    """Give the schema of a file of answers."""
    answers = {str(topic): _answer_schema(*words) for topic, words in _WORDS.items()}
    answer = {"answer": "203.0.113.20", "at": "2026-11-29T20:14:00Z"}
    properties = {
        "schema": leaf("The shape of this file.", SCHEMA, const=SCHEMA),
        "site": leaf(
            "The site of the inventory that the answers are about.", "home", pattern=NAME, wants="name"
        ),
        "answers": table("Each answer by what it is about.", {"wan-address": answer}, answers),
    }
    example = {"schema": SCHEMA, "site": "home", "answers": {"wan-address": answer}}
    about = f"What a person says about one home, for diagnose --told and audit --told. {_DOCS} explains it."
    return {
        "$schema": DRAFT,
        "title": "plexops answers",
        **table(about, example, properties, *properties),
        "definitions": {},
    }


def _answer_schema(about: str, example: str) -> Schema:
    properties = {
        "answer": leaf(about, example, type=["string", "boolean"]),
        "at": leaf("When it was said, in UTC.", "2026-11-29T20:14:00Z"),
        "port": leaf("The port that it is about.", 32500, wants="port"),
        "address": leaf("The address at which a phone tried.", "203.0.113.20"),
    }
    return table(about, {"answer": example, "at": "2026-11-29T20:14:00Z"}, properties, "answer", "at")


def run_schema() -> Schema:
    """Give the schema of what `--format json` prints."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(RunReport)}


def exit_codes() -> Schema:
    """Give every exit status, and which one decides when several occurred."""
    return {
        "statuses": [
            {"status": int(status), "name": name, "meaning": meaning} for status, name, meaning in MEANINGS
        ],
        "precedence": [int(status) for status in PRECEDENCE],
    }


def rendered() -> Mapping[str, str]:
    """Give the schema files by name, as the repository keeps them."""
    schemas = {
        "inventory.json": inventory_schema(),
        "playbook.json": playbook_schema(),
        "profile.json": profile_schema(),
        "told.json": told_schema(),
        "config.json": declared_schema(UserConfig, "plexops user configuration", {}),
        "run.json": run_schema(),
        "exit-codes.json": exit_codes(),
    }
    return {name: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for name, schema in schemas.items()}


if __name__ == "__main__":
    for name, text in rendered().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
