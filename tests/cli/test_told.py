"""`--told` and `--ask` as a person meets them, in homes whose router is set by hand."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from plexops.config.answers_file import told_document
from plexops.lab.scenarios import EXTERNAL_PORT
from plexops.model.answers import Answer, Topic
from tests.cli.process import PLEXOPS, House, at_a_terminal, house

FORWARD = Answer(Topic.FORWARD, "tcp 192.168.1.83:32400", datetime.now(UTC), EXTERNAL_PORT)


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The forward leads to an address that Plex had once, and the router answers no program."""
    with house(tmp_path_factory.mktemp("by-hand"), "stale-forward") as home:
        path = home.directory / "inventory.yaml"
        text = path.read_text(encoding="utf-8")
        path.write_text(
            re.sub(r"(?m)^    router: .*$", "    router: {profile: manual}", text), encoding="utf-8"
        )
        yield home


def write(home: House, *answers: Answer, site: str = "home") -> str:
    (home.directory / "told.yaml").write_text(told_document(site, answers), encoding="utf-8")
    return "told.yaml"


def asked(home: House, words: list[str], lines: list[str]) -> tuple[int, str, str]:
    """Run plexops with a terminal for questions and a file for the report; answer each prompt with the next line."""
    state = {"XDG_STATE_HOME": str(home.directory / "state")}
    report = home.directory / "report"
    with report.open("wb") as out:
        status, said = at_a_terminal(
            [*PLEXOPS, *words], home.directory, state, "(Enter: leave out)", lines, out.fileno()
        )
    return status, report.read_text(encoding="utf-8"), said


def test_what_you_say_leads_to_a_likely_cause(by_hand: House) -> None:
    ended = by_hand("diagnose", "--told", write(by_hand, FORWARD), COLUMNS="100")
    assert ended.status == 1, ended.said
    assert "Verdict router: The forward leads to an address that Plex does not have" in ended.said
    assert "because if the router's page shows that port 32500 leads to 192.168.1.83" in ended.said
    assert "see likely · runbook R4, R5" in ended.said
    assert re.search(r"E1 you: answered by you, \d\d:\d\d UTC", ended.said)
    assert "Forward TCP, external port 32500, to 192.168.1.50, internal port 32400." in ended.said
    assert "Then look again, and let plex.tv try the port: plexops diagnose --refresh." in ended.said
    assert "plexops apply" not in ended.said


def test_without_it_the_report_names_the_question(by_hand: House) -> None:
    ended = by_hand("diagnose", COLUMNS="100")
    assert (
        "plexops diagnose --ask asks you what decides next: Which internet (WAN, IPv4) address" in ended.said
    )


def test_an_audit_takes_it_for_a_day(by_hand: House) -> None:
    ended = by_hand("audit", "--told", write(by_hand, FORWARD), COLUMNS="100")
    assert "have if the router's page shows that port 32500 leads to 192.168.1.83" in ended.said
    assert "1 drift" in ended.said
    old = Answer(Topic.WAN_ADDRESS, "100.72.13.5", datetime.now(UTC) - timedelta(hours=25))
    ended = by_hand("audit", "--told", write(by_hand, old), COLUMNS="100")
    assert "not asked your answer on the router's WAN address of" in ended.said
    assert "more than a day old, not counted" in ended.said
    fresh = Answer(Topic.WAN_ADDRESS, "100.72.13.5", datetime.now(UTC))
    ended = by_hand("audit", "--told", write(by_hand, fresh), COLUMNS="100")
    assert (ended.status, "carrier NAT" in ended.said) == (3, True)


def test_questions_come_at_the_terminal_and_answers_are_kept(by_hand: House) -> None:
    file = by_hand.directory / "answers.yaml"
    file.unlink(missing_ok=True)
    words = ["diagnose", "--ask", "--told", file.name, "--format", "json"]
    status, out, said = asked(by_hand, words, ["192.168.1.1", "62.155.240.55", "tcp 192.168.1.83:32400"])
    assert status == 1, said
    assert "192.168.1.1 is an address at home" in said
    site: Any = json.loads(out)["sites"][0]
    assert (site["verdict"]["id"], site["verdict"]["confidence"]) == ("forward-old-address", "likely")
    shown = [one for one in site["exhibits"] if one["device"] == "you"]
    assert len(shown) == 2
    assert all(one["source"].startswith("answered by you, ") for one in shown)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    kept = file.read_text(encoding="utf-8")
    assert 'answer: "tcp 192.168.1.83:32400"' in kept
    again, _, shown_again = asked(by_hand, words, [])
    assert (again, "Enter: leave out" in shown_again) == (1, False), "what was answered is not asked again"


def test_enter_leaves_all_out(by_hand: House) -> None:
    status, out, said = asked(by_hand, ["diagnose", "--ask"], [""] * 9)
    assert (status, "Verdict" in out) == (1, True), said
    assert said.count("(Enter: leave out)") < 9


def test_without_a_terminal_it_says_what_to_do_instead(by_hand: House) -> None:
    ended = by_hand("diagnose", "--ask")
    assert ended.status == 2
    assert "write your answers into a file and give it with --told FILE" in ended.said


@pytest.mark.parametrize("words", [("--quick", "--ask"), ("--quick", "--told", "told.yaml")])
def test_a_quick_look_takes_no_answers(by_hand: House, words: tuple[str, ...]) -> None:
    ended = by_hand("diagnose", *words)
    assert (ended.status, "--quick looks from this computer alone" in ended.said) == (2, True)


def test_a_file_that_cannot_be_used_is_refused_before_anything_is_asked(
    by_hand: House, tmp_path: Path
) -> None:
    before = by_hand.home.log("server")
    ended = by_hand("diagnose", "--told", str(tmp_path / "nowhere.yaml"))
    assert (ended.status, "PLX-C001" in ended.said) == (2, True)
    ended = by_hand("diagnose", "--told", write(by_hand, Answer(Topic.VPN, "perhaps", datetime.now(UTC))))
    assert (ended.status, "told.yaml:5:13" in ended.said) == (2, True), ended.said
    ended = by_hand("diagnose", "--told", write(by_hand, FORWARD, site="cabin"))
    assert (ended.status, "PLX-C804" in ended.said) == (2, True)
    assert by_hand.home.log("server") == before


def test_both_are_said_where_what_you_say_contradicts_what_was_read(tmp_path: Path) -> None:
    with house(tmp_path, "in-order") as home:
        ended = home(
            "diagnose", "--told", write(home, Answer(Topic.FORWARD, "off", datetime.now(UTC))), COLUMNS="100"
        )
    assert "Verdict Plex: Reachable from outside" in ended.said
    assert "yet if the router's page shows the forward of port 32500 as off" in ended.said
