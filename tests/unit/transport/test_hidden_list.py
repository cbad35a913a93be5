"""What is left of an answer that lists more than anybody needs to see; and the one GET with a query that may pass."""

from __future__ import annotations

import json

import pytest

from plexops.languages.plex_tv import RESOURCES
from plexops.model.exchange import Call, Only, Read, Reply
from plexops.structs import replace
from plexops.transport.link import only_reads
from plexops.transport.redact import hidden

ONLY = Only("id", "ours", frozenset({"id", "doors", "port"}))
READ = Read("rows", RESOURCES, only=ONLY)
OURS = {"id": "ours", "token": "s3cret", "doors": [{"port": 1, "uri": "s3cret"}, {"token": "s3cret"}]}


@pytest.mark.parametrize(
    ("rows", "left"),
    [
        ([{"id": "theirs", "token": "s3cret"}, OURS], [{"id": "ours", "doors": [{"port": 1}, {}]}]),
        ([], []),
    ],
)
def test_only_what_was_asked_for_is_left(rows: object, left: object) -> None:
    reply = hidden(READ, Reply("rows", 200, json.dumps(rows), "s3cret"))
    assert json.loads(reply.body) == left
    assert reply.stderr == ""


@pytest.mark.parametrize(
    "body", ['{"error": "s3cret"}', "s3cret", '[{"id": "ours", "token": "s3cr', "[" * 100_000, "", '"s3cret"']
)
def test_nothing_is_left_of_what_is_no_list(body: str) -> None:
    assert hidden(READ, Reply("rows", 401, body)) == Reply("rows", 401, "")


@pytest.mark.parametrize("odd", [{"id": ["ours"], "token": "s3cret"}, {"token": "s3cret"}, "s3cret", None])
def test_a_list_with_a_row_that_may_be_any_s_is_not_taken_for_one_that_lacks_ours(odd: object) -> None:
    assert hidden(READ, Reply("rows", 200, json.dumps([odd, {"id": "theirs"}]))).body == ""


def test_nothing_is_left_of_a_list_that_was_cut_off() -> None:
    """The rest may have been valid JSON by chance."""
    cut = Reply("rows", 200, json.dumps([OURS]), whole=False)
    assert hidden(READ, cut) == replace(cut, body="")


@pytest.mark.parametrize(
    "call",
    [
        replace(RESOURCES, query=(*RESOURCES.query, ("delete", "1"))),
        replace(RESOURCES, query=RESOURCES.query[:1]),
        replace(RESOURCES, path="/api/v2/devices"),
        replace(RESOURCES, body={}),
        replace(RESOURCES, method="POST"),
        replace(RESOURCES, method="DELETE"),
        Call("GET", "/:/prefs", query=(("ManualPortMappingMode", "1"),)),
    ],
)
def test_nothing_that_only_resembles_the_known_request_passes(call: Call) -> None:
    only_reads([READ], "json")
    with pytest.raises(ValueError, match="is no read"):
        only_reads([Read("rows", call)], "json")
