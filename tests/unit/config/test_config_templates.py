"""Variables and `{{ }}`: what a text becomes, which value wins, and that no text can cost time or reach further."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from plexops.config import templates
from plexops.config.templates import MAX_TEMPLATE, Name, parse_template
from plexops.config.typed import Misfit
from plexops.config.variables import Scope, extra_variables
from plexops.model.errors import PlexopsError
from plexops.model.site import Value, Variable

BUILT_INS: Mapping[str, Value] = {"site": "home", "plex": {"port": 32400, "address": "192.168.1.50"}}
VARIABLES: Mapping[str, Value] = {
    "external_port": 32500,
    "same": "{{ external_port }}",
    "name": "Plex-Box",
    "on": True,
    "table": {"inner": "{{ name }}", "deep": {"port": 1}},
    "greeting": "hello {{ table.inner }}",
}


def render(text: str) -> Value:
    return Scope(BUILT_INS, {name: Variable(value) for name, value in VARIABLES.items()}).render(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("{{ external_port }}", 32500),
        ("{{external_port}}", 32500),
        ("{{- external_port -}}", 32500),
        ("{{ same }}", 32500),
        ("{{ on }}", True),
        ("{{ plex.port }}", 32400),
        ("{{ site }}", "home"),
        ("port {{ external_port }}", "port 32500"),
        ("{{ on }}!", "true!"),
        ("{{ greeting }}", "hello Plex-Box"),
        ("{{ table.deep.port }}", 1),
        ("{{ table.deep }}", {"port": 1}),
        ("{{ name | lower }}", "plex-box"),
        ("{{ name | upper }}", "PLEX-BOX"),
        ("{{ name | lower | replace('-', '_') }}", "plex_box"),
        ("{{ external_port | string }}", "32500"),
        ("{{ '32501' | int }}", 32501),
        ("{{ missing | default(32502) }}", 32502),
        ("{{ missing | default(same) }}", 32500),
        ("{{ table.missing | default('x') }}", "x"),
        ("{{ external_port | default(1) }}", 32500),
        ("{{ 'a' }}{{ 5 }}{{ true }}", "a5true"),
        ("{{ 'it is {{ quoted }}' }}", "it is {{ quoted }}"),
        ("a\n", "a\n"),
        ("{{ name }}\n", "Plex-Box\n"),
        ("a { b } c", "a { b } c"),
        ("a }} b", "a }} b"),
    ],
)
def test_what_a_text_becomes(text: str, value: Value) -> None:
    found = render(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("name", ["a", "a.b", "plex.port", "_x.y_1.z"])
def test_the_short_way_reads_a_name_as_jinja_does(name: str) -> None:
    short = parse_template("{{ " + name + " }}")
    # A second space at the start of a line break forces the long way.
    long = parse_template("{{\n" + name + "\n}}")
    assert short == long == (Name(tuple(name.split("."))),)


def test_a_plain_name_does_not_import_jinja() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from plexops.config.templates import parse_template; parse_template('{{ a.b }}'); "
        "assert 'jinja2' not in sys.modules; parse_template('{{ a }}b'); assert 'jinja2' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "text",
    [
        "{{ 'a' * 10**9 }}",
        "{{ 10 ** 10 ** 10 }}",
        "{{ range(10**9) | list }}",
        "{{ 'a' | center(10**9) }}",
        "{{ '%1000000000d' | format(1) }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ lipsum.__globals__['os'] }}",
        "{{ self }}",
        "{{ a[b] }}",
        "{{ a['b'] }}",
        "{{ a[1:2] }}",
        "{{ (a, b) }}",
        "{{ [a] }}",
        "{{ {'a': b} }}",
        "{{ -a }}",
        "{{ a ~ b }}",
        "{{ not a }}",
        "{{ a is defined }}",
        "{{ a | map('upper') }}",
        "{{ a | default(b, true) }}",
        "{{ a | default(default_value=1) }}",
        "{{ a | replace('x') }}",
        "{{ a.b() }}",
        "{{ 1.5 }}",
        "{{ loop.index }}",
        "{% set a = 1 %}{{ a }}",
        "{% include '/etc/passwd' %}",
        "{{ " + "(" * 3000 + "a" + ")" * 3000 + " }}",
        "{{ a" + ".b" * 1500 + " }}",
        "{{ a" + "|lower" * 500 + " }}",
        "{{ 'x' }}" * 400,
        "{{",
        "{{ }}",
        "{{ a }",
        "{{ 'a }}",
        "{#",
        "{%",
    ],
)
def test_what_is_not_read_is_refused_at_once(text: str) -> None:
    with pytest.raises(Misfit) as caught:
        parse_template(text)
    assert caught.value.code == "PLX-C401"


@given(st.text(alphabet="{}%#|.()[]'\"ab10*-+~ ,=_\n", max_size=120).map(lambda text: "{{" + text))
@example("{{ a.1 }}")
@example("{{ a.b.c")
@example("{{ 1.a }}")
@example("{{ 0x1f }}")
@example("{{ 1_0 }}")
def test_any_template_is_read_or_refused(text: str) -> None:
    code = "PLX-C401"
    try:
        parse_template(text)
    except Misfit as misfit:
        code = misfit.code
    assert code == "PLX-C401"


@given(st.text(alphabet="{} |abns.teigrplc'()", max_size=80).map(lambda text: "{{ name " + text + " }}"))
def test_any_result_is_short(text: str) -> None:
    try:
        found = render(text)
    except Misfit:
        return
    assert not isinstance(found, str) or len(found) <= MAX_TEMPLATE


def test_a_circle_of_one() -> None:
    with pytest.raises(Misfit, match="a → a"):
        Scope({}, {"a": Variable("{{ a }}")}).render("{{ a }}")


def test_the_list_of_filters_is_complete() -> None:
    names = {"int", "string", "lower", "upper", "default", "replace"}
    assert set(templates._FILTERS) == names


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("a=32500", 32500),
        ("a=true", True),
        ("a=0x10", "0x10"),
        ("a=", ""),
        ("a=b=c", "b=c"),
        ("a={{ site }}", "{{ site }}"),
        ('{"a": 32500}', 32500),
        ("{a: x}", "x"),
        ('{"a": {"b": 1}}', {"b": 1}),
    ],
)
def test_variables_from_the_command_line(option: str, value: Value) -> None:
    assert extra_variables([option])["a"].value == value


def test_the_last_one_of_the_command_line_wins(tmp_path: Path) -> None:
    path = tmp_path / "vars.yaml"
    path.write_text("a: 1\nb: 2\n")
    found = extra_variables(["a=0", f"@{path}", '{"b": 3}'])
    assert {name: variable.value for name, variable in found.items()} == {"a": 1, "b": 3}


@pytest.mark.parametrize(
    ("option", "code"),
    [
        ("a", "PLX-C405"),
        ("=1", "PLX-C108"),
        ("a-b=1", "PLX-C108"),
        ("plex=1", "PLX-C406"),
        ("token=hunter2", "PLX-C406"),
        ("{a: [1]}", "PLX-C103"),
        ("{a: 1", "PLX-C004"),
        ("@/does/not/exist", "PLX-C001"),
        ("a={{ 1 + 1 }}", "PLX-C401"),
    ],
)
def test_variables_that_the_command_line_cannot_set(option: str, code: str) -> None:
    with pytest.raises(PlexopsError) as caught:
        extra_variables([option])
    assert [problem.code for problem in caught.value.problems] == [code]
    assert "hunter2" not in str(caught.value.problems)
