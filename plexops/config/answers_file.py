"""Files of answers: what a person says about one home, with the time at which it was said. Written by hand or by `--ask`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from msgspec import Struct

from plexops.config import typed
from plexops.config.nodes import Node, Scalar, Table
from plexops.config.problems import Problems
from plexops.config.reading import Reader
from plexops.config.schemas import DRAFT, NAME, Schema, leaf, table
from plexops.config.validate import SchemaCheck
from plexops.config.yaml import load_yaml_document
from plexops.model.answers import Answer, Topic
from plexops.model.errors import Place

SCHEMA = "plexops/told/1"
_TIME = "%Y-%m-%dT%H:%M:%SZ"
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


class AnswersFile(Struct, frozen=True):
    """The answers of one file, the site that they are about, and where each stands."""

    site: str
    answers: tuple[Answer, ...]
    places: tuple[Place, ...]


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


def read_answers_file(path: Path, now: datetime) -> AnswersFile:
    """Read a file of answers. Raises PlexopsError with all that is wrong: PLX-C0…, PLX-C1…, PLX-C803.

    `now`: a time after it is none. What an answer means is judged elsewhere.
    """
    document, problems = load_yaml_document(path), Problems()
    SchemaCheck(told_schema(), {}).problems(document, problems)
    problems.raise_if_any()
    reader = Reader(cast("Table", document), "", str(path.parent), problems)
    below = reader.below("answers")
    readers = {topic: found for topic in Topic if below is not None and (found := below.below(topic))}
    answers = tuple(_answer(found, topic, now) for topic, found in readers.items())
    problems.raise_if_any()
    return AnswersFile(
        reader.text("site"), answers, tuple(found.place("answer") for found in readers.values())
    )


def _answer(reader: Reader, topic: Topic, now: datetime) -> Answer:
    text, address = _text(reader.node("answer")), reader.value("address", typed.address)
    return Answer(topic, text, _moment(reader, now), reader.port("port"), address)


def _text(node: Node | None) -> str:
    """Give an answer's text; true and false are yes and no."""
    if not isinstance(node, Scalar):
        return ""
    return {True: "yes", False: "no"}[node.value] if isinstance(node.value, bool) else node.text


def _moment(reader: Reader, now: datetime) -> datetime:
    text = reader.text("at")
    try:
        at = datetime.strptime(text, _TIME).replace(tzinfo=UTC)
        if at <= now:
            return at
        reason = "this time is still to come"
    except ValueError:
        reason = "this is no time in UTC"
    reader.complain("at", "PLX-C803", reason, "Write it as 2026-11-29T20:14:00Z.")
    return now


def told_document(site: str, answers: Sequence[Answer]) -> str:
    """Give a file's text."""
    lines = [f"schema: {SCHEMA}", f"site: {site}", "answers:"]
    for answer in sorted(answers, key=lambda one: list(Topic).index(one.topic)):
        lines += [
            f"  {answer.topic}:",
            f"    answer: {json.dumps(answer.text, ensure_ascii=False)}",
            f"    at: {answer.at.strftime(_TIME)}",
        ]
        lines += [] if answer.port is None else [f"    port: {answer.port}"]
        lines += [] if answer.address is None else [f"    address: {answer.address}"]
    return "\n".join(lines) + "\n"
