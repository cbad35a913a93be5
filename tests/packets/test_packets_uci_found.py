"""Redirects that the real firewall4 loaded, and what real packets did: what is made of the configuration says the same."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from plexops.model.intervals import intersect, subtract
from plexops.packets.reach import PUBLIC_V4, AnswerKind
from tests.packets.uci_home import DATA, WAN, ask, box, etc_config, numbers

CASES: list[dict[str, Any]] = yaml.safe_load((DATA / "redirects.yaml").read_text("utf-8"))
FOUND: list[dict[str, Any]] = yaml.safe_load((DATA / "found.yaml").read_text("utf-8"))
#: The router itself is no viewer.
VIEWERS_AT_LARGE = subtract(PUBLIC_V4, numbers(WAN))
VIEWERS = {"viewer_1": "192.0.2.200", "viewer_2": "198.51.100.77"}
#: What cannot be told: a slow limit, hours, an option that firewall4 does not name, a file that was not read.
NOT_KNOWN = {
    "limit": {32500}, "time": {32500}, "device": {32500}, "include_nft": {32500}, "include_script": {32500, 32400},
}  # fmt: skip


def text_of(case: dict[str, Any]) -> str:
    return str(case["firewall"]).replace("OTHER-PUBLIC", "203.0.113.99").replace("'WAN'", f"'{WAN}'")


@pytest.mark.parametrize("viewer", VIEWERS)
@pytest.mark.parametrize("port", [32500, 32400])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_a_redirect_lets_in_whom_firewall4_lets_in(case: dict[str, Any], port: int, viewer: str) -> None:
    answer = ask(box(etc_config(text_of(case))), port, VIEWERS[viewer])
    if port in NOT_KNOWN.get(case["id"], set()):
        assert answer.kind is AnswerKind.UNKNOWN
        assert answer.questions
    else:
        assert answer.kind is (AnswerKind.EVERYBODY if case[viewer][port] else AnswerKind.NOBODY)


@pytest.mark.parametrize("case", FOUND, ids=lambda case: case["id"])
def test_found(case: dict[str, Any]) -> None:
    router = box(etc_config(text_of(case)))
    reached = ask(router, 32500, VIEWERS["viewer_2"]).kind
    assert reached is (AnswerKind.NOBODY if case["packet"] == "refused" else AnswerKind.EVERYBODY)
    answer = ask(router, 32500)
    only = {"ipset-only": "192.0.2.9", "src_ip-only": "198.51.100.200"}.get(case["id"])
    assert answer.kind is (AnswerKind.SOME if only else reached)
    if only:
        assert answer.senders == numbers(only)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_an_option_that_nobody_knows_makes_no_answer_more_certain(case: dict[str, Any]) -> None:
    rows = etc_config(text_of(case))
    before = {port: ask(box(rows), port) for port in (32500, 32400)}
    for index, row in enumerate(rows):
        changed = [*rows[:index], row | {"surprise": "1"}, *rows[index + 1 :]]
        for port, known in before.items():
            answer = ask(box(changed), port)
            assert not subtract(answer.senders, known.senders)
            kept_out = subtract(subtract(VIEWERS_AT_LARGE, answer.senders), answer.doubtful)
            assert not intersect(kept_out, known.senders)
            assert not subtract(known.doubtful, answer.doubtful)
