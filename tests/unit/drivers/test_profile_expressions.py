"""Expressions of profiles: over all reads, checked when a profile is loaded, unknown where they rest on nothing."""

from __future__ import annotations

import re

import pytest

from plexops.drivers.answers import Answer
from plexops.drivers.router.expressions import compile_expression, literal, rows_of
from plexops.drivers.router.functions import search

READS = ("network", "dhcp", "version", "live")


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("network.interface[?up].name", ("network",)),
        ("dhcp[?\".name\"=='lan'] | [0].start", ("dhcp",)),
        ("join(' ', ['RouterOS', version])", ("version",)),
        ("dhcp[?interface==network].start", ("dhcp",)),
        ("!dhcp && 'none' || network.name", ("dhcp", "network")),
        ("{a: dhcp, b: network}", ("dhcp", "network")),
        ("sort_by(dhcp, &start)[0]", ("dhcp",)),
        ("dhcp[0].[start, limit]", ("dhcp",)),
        ("network.*.name", ("network",)),
        ("dhcp[1:].start[]", ("dhcp",)),
        ("length(dhcp) > `0`", ("dhcp",)),
        ("`1`", ()),
    ],
)
def test_the_outermost_names_are_reads(text: str, reads: tuple[str, ...]) -> None:
    assert compile_expression(text, READS).reads == reads


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("dhpc[0]", "there is no read 'dhpc': did you mean 'dhcp'?"),
        ("[0].start", "begins with the name of a read"),
        ("@", "begins with the name of a read"),
        ("dhcp[", "no JMESPath"),
        ("{{ wan }}", "no JMESPath"),
        ("dhcp[?interface=={{ wna }}]", "no JMESPath"),
        ("lenght(dhcp)", "there is no function lenght"),
        ("dhcp[?lenght(a)]", "there is no function lenght"),
        ("dhcp[*].{a: b}.{c: a}", "go on with `| [*]`"),
        ("dhcp[?a].{a: b}.a", "go on with `| [*]`"),
        ("length(dhcp, network)", "length takes 1 values, and here it is given 2"),
        ("join(' ')", "join takes 2 values"),
        ("not_null()", "not_null takes 1 or more values"),
        ("live[?name=={{ fact.x.wan }}]", "there is no fact 'x.wan' before this one"),
    ],
)
def test_what_is_misspelt_is_refused_when_the_profile_is_loaded(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        compile_expression(text, READS)


def test_what_rests_on_a_failed_read_is_unknown_however_little_of_it_counts() -> None:
    expression = compile_expression("version || network.name", READS)
    answers = {"version": Answer("7.1"), "network": Answer(problem="network failed with status 1")}
    assert expression.of(answers).problem == "network failed with status 1"


def test_a_read_that_the_device_has_not_is_null_beside_others_and_absent_alone() -> None:
    beside = compile_expression("!dhcp && version", READS)
    assert beside.of({"dhcp": Answer(absent=True), "version": Answer("7.1")}).value == "7.1"
    alone = compile_expression("dhcp[0].start", READS)
    assert alone.of({"dhcp": Answer(absent=True)}).absent


@pytest.mark.parametrize("name", ["wan", "it's", 'a"b', "a`b", "a\\", "\\`", "é", ""])
def test_a_fact_before_it_stands_there_as_a_literal(name: str) -> None:
    expression = compile_expression("live[?name=={{ fact.x.wan }}] | [0].address", READS, ("x.wan",))
    answers = {
        "live": Answer([{"name": "else", "address": "192.0.2.1"}, {"name": name, "address": "192.0.2.9"}])
    }
    assert expression.of(answers, {"x.wan": name}).value == "192.0.2.9"
    assert search(literal(name), None) == name


def test_without_that_fact_it_is_unknown() -> None:
    expression = compile_expression("live[?name=={{ fact.x.wan }}]", READS, ("x.wan",))
    assert expression.of({"live": Answer([])}, {}).problem == "x.wan is unknown"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("split('192.168.1.100-192.168.1.199', '-')[-1]", "192.168.1.199"),
        ("split('a', '-')", ["a"]),
        (
            """joined(`[{"to": "AA", "ip": "own"}, {"to": "b"}, {"n": "1"}, "x"]`, 'to',
            `[{"mac": "aa", "at": "1", "ip": "2"}, {"mac": "AA", "at": "3"}, {"at": "9"}, "y"]`, 'mac')""",
            [{"mac": "aa", "at": "1", "ip": "own", "to": "AA"}, {"to": "b"}, {"n": "1"}, "x"],
        ),
        ("split('a', '')", ["a"]),
        ("network('192.168.1.7', '255.255.255.0')", "192.168.1.0/24"),
        ("network('192.168.1.7', `20`)", "192.168.0.0/20"),
        ("network('192.168.1.7', 'x')", None),
        ("item(`{\"lan\": 1}`, 'lan')", 1),
        ("item(`{}`, 'lan')", None),
        ("item(`null`, 'lan')", None),
    ],
)
def test_the_functions_that_jmespath_lacks(text: str, value: object) -> None:
    assert search(text, None) == value


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (Answer({"a": 1}), "the answer to dhcp holds no list"),
        (Answer("text"), "the answer to dhcp holds no list"),
        (Answer(problem="dhcp was cut off"), "dhcp was cut off"),
    ],
)
def test_what_is_no_list_of_rows_is_unknown_and_not_empty(answer: Answer, problem: str) -> None:
    assert rows_of(compile_expression("dhcp", READS), {"dhcp": answer}).problem == problem


def test_an_answer_of_another_kind_than_an_expression_wants_is_not_understood() -> None:
    found = rows_of(
        compile_expression("sort_by(dhcp, &start)", READS), {"dhcp": Answer([{"start": 1}, {"start": "x"}])}
    )
    assert found.problem.startswith("the answer to dhcp is not understood: ")
