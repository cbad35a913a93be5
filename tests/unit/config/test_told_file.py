"""Files of answers: what is read of one, what is wrong with one and where, and that what is written is read again."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path

import jsonschema
import pytest

from plexops.config.answers_file import read_answers_file, told_document
from plexops.config.nodes import plain
from plexops.config.schemas import schema_of
from plexops.config.yaml import parse_yaml
from plexops.engine.look.user_evidence import bring_answers
from plexops.model.answers import Answer, Topic
from plexops.model.errors import PlexopsError

NOW = datetime(2026, 11, 29, 21, 0, tzinfo=UTC)
AT = datetime(2026, 11, 29, 20, 14, tzinfo=UTC)
HEAD = "schema: plexops/told/1\nsite: home\nanswers:\n"
WRONG = (
    ("answers: {}\n", "PLX-C102", "1:1", "schema"),
    (HEAD + "  wan: {answer: x, at: 2026-11-29T20:14:00Z}\n", "PLX-C101", "4:3", "wan-address"),
    (HEAD + "  vpn: {answer: maybe, at: 2026-11-29T20:14:00Z}\n", "PLX-C803", "4:17", "no, yes, container"),
    (HEAD + "  vpn: {answer: no}\n", "PLX-C102", "4:3", "at"),
    (HEAD + "  vpn: {answer: no, at: yesterday}\n", "PLX-C803", "4:25", "no time in UTC"),
    (HEAD + "  vpn: {answer: no, at: 2026-11-30T20:14:00Z}\n", "PLX-C803", "4:25", "still to come"),
    (HEAD + "  vpn: {answer: [no], at: 2026-11-29T20:14:00Z}\n", "PLX-C103", "4:17", "a list"),
    (HEAD + "  forward: {answer: none, at: 2026-11-29T20:14:00Z, port: 0}\n", "PLX-C104", "4:59", "port"),
    (HEAD.replace("told/1", "told/2") + "  {}\n", "PLX-C104", "1:9", "plexops/told/1"),
    (
        HEAD.replace("home", "cabin") + "  vpn: {answer: no, at: 2026-11-29T20:14:00Z}\n",
        "PLX-C804",
        "",
        "cabin",
    ),
)


@pytest.mark.parametrize(("text", "code", "place", "words"), WRONG, ids=[f"{r[1]} {r[3]}" for r in WRONG])
def test_what_is_wrong_says_where(tmp_path: Path, text: str, code: str, place: str, words: str) -> None:
    file = tmp_path / "told.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(PlexopsError) as caught:
        bring_answers(file, ["home"], NOW)
    problem = next(one for one in caught.value.problems if one.code == code)
    assert str(problem.place or "") == (f"{file}:{place}" if place else "")
    assert words in problem.reason + problem.cure


def test_true_and_false_are_yes_and_no(tmp_path: Path) -> None:
    file = tmp_path / "told.yaml"
    file.write_text(HEAD + "  vpn: {answer: false, at: 2026-11-29T20:14:00Z}\n", encoding="utf-8")
    (given,) = read_answers_file(file, NOW).answers
    assert given == Answer(Topic.VPN, "no", AT)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    given = (
        Answer(Topic.PHONE, 'machineIdentifier="0123456789ab"', AT, 32500, IPv4Address("203.0.113.20")),
        Answer(Topic.FORWARD, "tcp 192.168.1.50:32400 # {no}: *yes", AT, 32500),
        Answer(Topic.PLEX_WEB, "在您的网络外部不可用", AT),
    )
    file = tmp_path / "told.yaml"
    file.write_text(told_document("home", given), encoding="utf-8")
    read = read_answers_file(file, NOW)
    assert (read.site, set(read.answers)) == ("home", set(given))
    assert [one.topic for one in read.answers] == [Topic.PLEX_WEB, Topic.FORWARD, Topic.PHONE]
    jsonschema.Draft7Validator(schema_of("told")).validate(
        plain(parse_yaml(file.read_text("utf-8"), "told.yaml"))
    )


def test_the_page_shows_a_file_that_is_read_and_names_every_key(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "asking.md").read_text(encoding="utf-8")
    shown = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    file = tmp_path / "told.yaml"
    file.write_text(shown[0], encoding="utf-8")
    assert len(bring_answers(file, ["home"], NOW).user_answers) == 3
    assert all(f"`{topic}`" in page for topic in Topic)
