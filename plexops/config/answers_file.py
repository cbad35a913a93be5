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
from plexops.config.schemas import schema_of
from plexops.config.validate import SchemaCheck
from plexops.config.yaml import load_yaml_document
from plexops.model.answers import Answer, Topic
from plexops.model.errors import Place

SCHEMA = "plexops/told/1"
_TIME = "%Y-%m-%dT%H:%M:%SZ"


class AnswersFile(Struct, frozen=True):
    """The answers of one file, the site that they are about, and where each stands."""

    site: str
    answers: tuple[Answer, ...]
    places: tuple[Place, ...]


def read_answers_file(path: Path, now: datetime) -> AnswersFile:
    """Read a file of answers. Raises PlexopsError with all that is wrong: PLX-C0…, PLX-C1…, PLX-C803.

    `now`: a time after it is none. What an answer means is judged elsewhere.
    """
    document, problems = load_yaml_document(path), Problems()
    SchemaCheck(schema_of("told")).problems(document, problems)
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
