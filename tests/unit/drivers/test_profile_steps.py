"""Patterns and steps of profiles: what fits is read whole and written back, what does not is not understood."""

from __future__ import annotations

import pytest

from plexops.drivers.patterns import compile_pattern
from plexops.drivers.router.steps import taken_apart
from plexops.model.profile import LineStep, ListStep, Step
from plexops.parsers import ParseError

#: As ASUSWRT keeps its port forwards (`vts_rulelist`): name, external, address, port, protocol, and since 384 the source.
ASUS = "*name>*external>*address>*port>*protocol>*source"
ASUS_LIST = Step(list=ListStep(items="<", lead=True, item=ASUS, least=5))
#: As DD-WRT keeps them (`forward_spec`).
DDWRT = "*name:*on:*protocol:*external>*address:*port"


@pytest.mark.parametrize(
    ("pattern", "text", "values"),
    [
        (DDWRT, "plex:on:tcp:32500>192.168.1.50:32400", "plex on tcp 32500 192.168.1.50 32400"),
        (
            "*expires *mac *address",
            "1700000000   02:00:00:00:00:01  192.168.1.5",
            "1700000000 02:00:00:00:00:01 192.168.1.5",
        ),
        ("set *path", "set a b c", "a b c"),
    ],
)
def test_a_pattern_reads_a_line_whole_and_the_last_name_takes_the_rest(
    pattern: str, text: str, values: str
) -> None:
    found = compile_pattern(pattern).read(text)
    assert found is not None
    assert " ".join(found.values()) == values


@pytest.mark.parametrize(
    ("pattern", "text"),
    [(DDWRT, "plex:on:tcp:32500>192.168.1.50"), (DDWRT, ""), ("set *path", "delete a"), ("*a,", "x")],
)
def test_what_does_not_fit_is_not_read(pattern: str, text: str) -> None:
    assert compile_pattern(pattern).read(text) is None


@pytest.mark.parametrize(
    ("text", "least", "names"),
    [
        ("plex>32500>192.168.1.50>32400>TCP>", 5, 6),
        ("plex>32500>192.168.1.50>32400>TCP", 5, 5),
        ("plex>32500>192.168.1.50>32400", 5, 0),
        ("plex>32500>192.168.1.50>32400", 4, 4),
    ],
)
def test_names_at_the_end_may_be_missing_where_the_profile_says_so(text: str, least: int, names: int) -> None:
    assert len(compile_pattern(ASUS).read(text, least) or {}) == names


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("plain", "no *name"),
        ("*a>*a", "twice"),
        ("*a*b", "without a text between"),
        ("*A>*b", "before no name"),
        ("* *a", "no name"),
    ],
)
def test_a_pattern_that_cannot_tell_its_parts_apart_is_refused(pattern: str, says: str) -> None:
    with pytest.raises(ValueError) as refused:
        compile_pattern(pattern)
    assert says in str(refused.value)


def test_what_a_pattern_reads_it_writes_back() -> None:
    pattern = compile_pattern(DDWRT)
    text = "plexops_plex:on:tcp:32500>192.168.1.50:32400"
    found = pattern.read(text)
    assert found is not None
    assert pattern.write(found) == text


@pytest.mark.parametrize(("name", "value"), [("name", "a:b"), ("external", "1>2"), ("address", "x:y")])
def test_a_value_that_holds_what_separates_the_parts_is_not_written(name: str, value: str) -> None:
    pattern = compile_pattern(DDWRT)
    values = pattern.read("plex:on:tcp:32500>192.168.1.50:32400")
    assert values is not None
    with pytest.raises(ValueError, match="separates the parts"):
        pattern.write({**values, name: value})


def test_a_list_in_one_text_becomes_rows() -> None:
    text = "<plex>32500>192.168.1.50>32400>TCP><games>3074>192.168.1.160>>UDP>198.51.100.7"
    rows = taken_apart(text, (ASUS_LIST,))
    assert isinstance(rows, list)
    assert [(row["name"], row["port"], row.get("source")) for row in rows] == [
        ("plex", "32400", ""),
        ("games", "", "198.51.100.7"),
    ]
    assert taken_apart("", (ASUS_LIST,)) == []


@pytest.mark.parametrize(
    "text",
    [
        "plex>32500>192.168.1.50>32400>TCP>",
        "<plex>32500",
        "<",
        "<a>b>c>d>e><",
        "<html><body>Login</body></html>",
    ],
)
def test_one_item_that_does_not_fit_makes_the_whole_list_not_understood(text: str) -> None:
    with pytest.raises(ParseError):
        taken_apart(text, (ASUS_LIST,))


def test_lines_become_rows_and_what_is_skipped_is_said() -> None:
    step = Step(each=LineStep(line="*expires *mac *address *name *client", least=4, skip=("duid",)))
    text = "1700000000 02:00:00:00:00:01 192.168.1.5 tv *\nduid 00:01\n\n0 02:00:00:00:00:02 192.168.1.6 *\n"
    rows = taken_apart(text, (step,))
    assert isinstance(rows, list)
    assert [(row["address"], row["name"]) for row in rows] == [("192.168.1.5", "tv"), ("192.168.1.6", "*")]
    with pytest.raises(ParseError):
        taken_apart("what is this\n", (step,))


def test_steps_follow_one_another() -> None:
    steps = (
        Step(parser="json"),
        Step(take="result.list"),
        Step(unescape="html"),
        Step(list=ListStep(items=";", item="*a=*b")),
    )
    assert taken_apart('{"result": {"list": "x=1&lt;2;y=3"}}', steps) == [
        {"a": "x", "b": "1<2"},
        {"a": "y", "b": "3"},
    ]
    with pytest.raises(ParseError):
        taken_apart('{"result": {}}', steps)
