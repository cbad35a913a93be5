"""The loader: what scalars mean, where values stand, what files and texts are refused, and that it never breaks."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from plexops.config.nodes import Listing, Scalar, Table, at, dotted, plain
from plexops.config.yaml import MAX_BYTES, MAX_DEPTH, MAX_NODES, decode, load_yaml_document, parse_yaml
from plexops.model.codes import CODES
from plexops.model.errors import Place, PlexopsError, Problem
from plexops.model.status import ExitStatus


def only_code(text: str) -> str:
    with pytest.raises(PlexopsError) as caught:
        parse_yaml(text, "f")
    assert len(caught.value.problems) == 1, caught.value.problems
    return caught.value.problems[0].code


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("32500", 32500),
        ("0", 0),
        ("007", "007"),
        ("+1", "+1"),
        ("-1", -1),
        ("-0", "-0"),
        ("-01", "-01"),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("0o17", "0o17"),
        ("0b1", "0b1"),
        ("1:20", "1:20"),
        ("1.5", "1.5"),
        (".inf", ".inf"),
        ("1e3", "1e3"),
        ("2026-11-22", "2026-11-22"),
        ("10:11:22:33:44:55", "10:11:22:33:44:55"),
        ("true", True),
        ("false", False),
        ("True", "True"),
        ("TRUE", "TRUE"),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("y", "y"),
        ("null", None),
        ("~", None),
        ("", None),
        ("Null", "Null"),
        ("=", "="),
        ("'32500'", "32500"),
        ('"true"', "true"),
        ("'~'", "~"),
        ("''", ""),
        ("1234567890123456789012345", "1234567890123456789012345"),
    ],
)
def test_what_a_scalar_means(text: str, value: object) -> None:
    document = parse_yaml(f"a: {text}\n", "f")
    found = plain(document)
    assert isinstance(found, dict)
    assert found == {"a": value}
    assert type(found["a"]) is type(value)


def test_both_parsers_give_the_same_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a: [1, 'x', {b: ~}]\nc: |\n  two\n  lines\nd: \"q\"\n"
    fast = parse_yaml(text, "f")
    monkeypatch.setattr(yaml, "CSafeLoader", yaml.SafeLoader)
    assert parse_yaml(text, "f") == fast


def test_places_are_one_based_and_count_characters() -> None:
    document = parse_yaml("ä: {ö: 5,\n   ü: [x, '😀', y]}\n", "some/file.yaml")
    assert isinstance(document, Table)
    assert document.place == Place("some/file.yaml", 1, 1)
    assert at(document, ["ä", "ö"]) == Scalar(5, "5", Place("some/file.yaml", 1, 8))
    last = at(document, ["ä", "ü", 2])
    assert last == Scalar("y", "y", Place("some/file.yaml", 2, 16))
    assert at(document, ["ä", "ü", 3]) is None
    inner = at(document, ["ä"])
    assert isinstance(inner, Table)
    assert inner.key_place("ü") == Place("some/file.yaml", 2, 4)
    assert isinstance(inner.get("ü"), Listing)
    assert dotted(["ä", "ü", 2]) == "ä.ü[2]"


def test_windows_line_ends_shift_no_place() -> None:
    document = parse_yaml("a: 1\r\nb: 2\r\n", "f")
    assert at(document, ["b"]) == Scalar(2, "2", Place("f", 2, 4))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PlexopsError) as caught:
        load_yaml_document(tmp_path / "inventory.yaml")
    assert caught.value.problems[0].code == "PLX-C001"
    assert caught.value.status is ExitStatus.USAGE


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(PlexopsError) as caught:
        load_yaml_document(tmp_path)
    assert "directory" in caught.value.problems[0].reason


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("a: 1")
    path.chmod(0)
    with pytest.raises(PlexopsError) as caught:
        load_yaml_document(path)
    assert caught.value.problems[0].code == "PLX-C001"


@pytest.mark.parametrize(
    ("data", "words", "line", "column"),
    [
        ("a: 1\n".encode("utf-16"), "UTF-16", 1, 1),
        (b"\xef\xbb\xbfa: 1\n", "byte order mark", 1, 1),
        (b"a: 1\nname: M\xfcller\n", "0xfc is not UTF-8", 2, 8),
        (b"a: \xf0\x9f\x98\n", "0xf0 is not UTF-8", 1, 4),
        (b"a: x\x00y\n", "U+0000", 1, 5),
    ],
)
def test_bytes_that_are_no_text(tmp_path: Path, data: bytes, words: str, line: int, column: int) -> None:
    path = tmp_path / "f"
    path.write_bytes(data)
    with pytest.raises(PlexopsError) as caught:
        load_yaml_document(path, "f")
    (problem,) = caught.value.problems
    assert problem.code == "PLX-C003"
    assert words in problem.reason
    assert problem.place == Place("f", line, column)


def test_a_file_of_twice_what_is_allowed_is_not_even_parsed(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"a: 1\n" * (2 * MAX_BYTES // 5))
    with pytest.raises(PlexopsError) as caught:
        load_yaml_document(path)
    assert caught.value.problems[0].code == "PLX-C002"


def test_forty_levels_are_read_and_forty_one_are_not() -> None:
    # The scalar inside is a level of its own.
    parse_yaml("[" * (MAX_DEPTH - 1) + "1" + "]" * (MAX_DEPTH - 1), "f")
    assert only_code("[" * MAX_DEPTH + "1" + "]" * MAX_DEPTH) == "PLX-C002"
    assert only_code("[" * 100_000) == "PLX-C002"
    assert only_code("{a: " * 5_000) == "PLX-C002"
    assert only_code("- " * 5_000 + "1") == "PLX-C002"


def test_too_many_values() -> None:
    assert only_code("[" + "1," * (MAX_NODES + 10) + "]") == "PLX-C002"


def test_a_thousand_homes_that_are_each_said_in_full_stay_below() -> None:
    example = Path("inventory.example.yaml").read_text()
    cabin = example[example.index("  cabin:\n") : example.index("  # A home behind carrier NAT")]
    homes = "".join(cabin.replace("  cabin:", f"  cabin-{number}:", 1) for number in range(1000))
    tree = parse_yaml(f"sites:\n{homes}", "f")
    assert isinstance(tree, Table)
    assert isinstance(sites := tree.get("sites"), Table)
    assert len(sites.entries) == 1000


def test_the_alias_bomb_is_refused_at_once() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    with pytest.raises(PlexopsError) as caught:
        parse_yaml("\n".join(levels), "f")
    assert {problem.code for problem in caught.value.problems} == {"PLX-C005", "PLX-C099"}


def test_many_problems_are_counted() -> None:
    with pytest.raises(PlexopsError) as caught:
        parse_yaml("".join(f"a{n}: !t {n}\n" for n in range(45)), "f")
    assert len(caught.value.problems) == 21
    assert caught.value.problems[-1].code == "PLX-C099"
    assert "25 more problems" in caught.value.problems[-1].reason


YAMLISH = st.text(alphabet="ab1: -\n\t[]{},&*!|>'\"%#?~<\\@`=.é\u202e\x00", max_size=200)


@given(st.one_of(YAMLISH, st.text(max_size=300)))
@example("? ")
@example("%YAML 9.9\n---\na")
@example("a: *b")
@example("--- !\n...\n...")
@example("\\")
@example('"\\ud800"')
@example('"\\x"')
@example("&a &b c")
@example("!<tag:x> {")
def test_any_text_is_read_or_refused_in_our_own_way(text: str) -> None:
    problems = read_or_refused(text.encode("utf-8", "surrogatepass"))
    lines = text.count("\n") + 1
    places = [problem.place for problem in problems if problem.code != "PLX-C099"]
    assert all(place is not None and 1 <= place.line <= lines and place.column >= 1 for place in places)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_in_our_own_way(data: bytes) -> None:
    assert all(CODES[problem.code].status is ExitStatus.USAGE for problem in read_or_refused(data))


def read_or_refused(data: bytes) -> tuple[Problem, ...]:
    try:
        plain(parse_yaml(decode(data, "f"), "f"))
    except PlexopsError as error:
        return error.problems
    return ()


JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.text("abc :'\"#{}é-", max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.text("abc", min_size=1), JSONISH, min_size=1, max_size=4))
def test_what_another_program_wrote_is_read_as_it_was_meant(document: dict[str, object]) -> None:
    assert plain(parse_yaml(json.dumps(document), "f")) == document
