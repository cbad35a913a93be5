"""Templates of profiles: `{{ name }}` and nothing else, checked when they are loaded."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from plexops.languages import LANGUAGES
from plexops.languages.template import TemplateProblem, check_structure, compile_template, fill_structure
from plexops.model.exchange import Json
from plexops.model.fields import FieldType, Typed
from plexops.model.values import Ports

VARIABLES = {
    "key": FieldType.KEY,
    "name": FieldType.TEXT,
    "handle": FieldType.HANDLE,
    "address": FieldType.ADDRESS,
    "external_port": FieldType.PORTS,
    "port": FieldType.PORT,
    "enabled": FieldType.FLAG,
}
VALUES = {
    "key": Typed(FieldType.KEY, "plex"),
    "name": Typed(FieldType.TEXT, 'it\'s "Plex"'),
    "handle": Typed(FieldType.HANDLE, "@redirect[0]"),
    "address": Typed(FieldType.ADDRESS, IPv4Address("192.168.1.50")),
    "external_port": Typed(FieldType.PORTS, Ports.of(32500)),
    "port": Typed(FieldType.PORT, 32400),
}
POSIX = LANGUAGES["posix"]


def test_values_are_quoted_by_type() -> None:
    template = compile_template(
        "uci set firewall.{{ handle }}.name={{ name }}; uci set firewall.plexops_{{ key }}.dest_ip={{address}}\n",
        POSIX,
        VARIABLES,
        "openwrt.yaml:12",
    )
    assert template.names == {"handle", "name", "key", "address"}
    assert template.render(VALUES) == (
        "uci set firewall.'@redirect[0]'.name='it'\\''s \"Plex\"'; uci set firewall.plexops_plex.dest_ip=192.168.1.50\n"
    )


def test_routeros_and_nft_quote_their_own_way() -> None:
    routeros = compile_template(
        "add comment={{ name }} to-ports={{ port }}", LANGUAGES["routeros"], VARIABLES, ""
    )
    assert routeros.render(VALUES) == 'add comment="it\'s \\"Plex\\"" to-ports=32400'
    nft = compile_template(
        "tcp dport {{ external_port }} comment {{ name }};", LANGUAGES["nft"], VARIABLES, ""
    )
    plain = {**VALUES, "name": Typed(FieldType.TEXT, "plexops:plex")}
    assert nft.render(plain) == 'tcp dport 32500 comment "plexops:plex";'
    with pytest.raises(TemplateProblem, match="no escape"):
        nft.render(VALUES)


@pytest.mark.parametrize(
    "text",
    [
        "{{ key | upper }}",
        "{{ key.x }}",
        "{{ key['x'] }}",
        "{{ key() }}",
        "{{ 'x' }}",
        "{{ 1 }}",
        "{{ key ~ port }}",
        "{{ key port }}",
        "{{ }}",
        "{{- key }}",
        "{{ key -}}",
        "{% if key %}x{% endif %}",
        "{% raw %}{{ key }}{% endraw %}",
        "{# note #}",
        "{{ key",
        "{{ key }",
        "${#x}",
        "{{ {{ key }} }}",
    ],
)
def test_anything_but_a_name_is_refused(text: str) -> None:
    with pytest.raises(TemplateProblem) as caught:
        compile_template(text, POSIX, VARIABLES, "profile.yaml:3")
    assert str(caught.value).startswith("profile.yaml:3: ")


def test_an_unknown_name_is_told_with_the_nearest_one() -> None:
    with pytest.raises(TemplateProblem, match="'adress'; did you mean 'address'"):
        compile_template("{{ adress }}", POSIX, VARIABLES, "")


@pytest.mark.parametrize(
    "text",
    [
        "echo '{{ name }}'",
        'echo "{{ name }}"',
        "echo {{ key }}{{ name }}",
        "echo {{ name }}{{ key }}",
        "sh -c 'x {{ handle }}'",
    ],
)
def test_text_at_a_bad_place_is_refused_when_loaded(text: str) -> None:
    with pytest.raises(TemplateProblem, match="stands inside"):
        compile_template(text, POSIX, VARIABLES, "")


def test_bare_values_may_stand_inside_quotes_and_words() -> None:
    template = compile_template("echo 'a {{ port }}' plexops_{{ key }}", POSIX, VARIABLES, "")
    assert template.render(VALUES) == "echo 'a 32400' plexops_plex"


def test_a_flag_needs_the_devices_words() -> None:
    with pytest.raises(TemplateProblem, match="values:"):
        compile_template("{{ enabled }}", POSIX, VARIABLES, "")


def test_a_missing_value_and_one_of_another_type_are_errors() -> None:
    template = compile_template("x={{ port }}", POSIX, VARIABLES, "p:1")
    with pytest.raises(TemplateProblem, match="p:1: no value for 'port'"):
        template.render({})
    with pytest.raises(TemplateProblem, match="port"):
        template.render({"port": Typed(FieldType.TEXT, "1; reboot")})
    with pytest.raises(TemplateProblem, match="no port"):
        template.render({"port": Typed(FieldType.PORT, 0)})


def test_a_value_is_never_a_template_again() -> None:
    template = compile_template("echo {{ name }} {{ port }}", POSIX, VARIABLES, "")
    values = {**VALUES, "name": Typed(FieldType.TEXT, "{{ port }} {% x %}")}
    assert template.render(values) == "echo '{{ port }} {% x %}' 32400"


def test_a_final_line_end_is_kept() -> None:
    assert compile_template("a\n\n", POSIX, {}, "").render({}) == "a\n\n"


BODY: Json = {
    "rule": {
        "disabled": "0",
        "destination": {"network": "wanip", "port": "{{ external_port }}"},
        "target": "{{ address }}",
        "local-port": "{{ port }}",
        "descr": "{{ name }}",
        "list": ["{{key}}", "x", 3, None, True],
    }
}


def test_a_body_is_filled_leaf_by_leaf() -> None:
    assert check_structure(BODY, VARIABLES, "put") == {"external_port", "address", "port", "name", "key"}
    assert fill_structure(BODY, VALUES) == {
        "rule": {
            "disabled": "0",
            "destination": {"network": "wanip", "port": "32500"},
            "target": "192.168.1.50",
            "local-port": "32400",
            "descr": 'it\'s "Plex"',
            "list": ["plex", "x", 3, None, True],
        }
    }


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"a": "x {{ port }}"}, r"put\.a: .*exactly one"),
        ({"a": ["{{ port }}{{ port }}"]}, r"put\.a\[0\]: .*exactly one"),
        ({"a": "{{ port | upper }}"}, "exactly one"),
        ({"a": "{% x %}"}, "exactly one"),
        ({"{{ key }}": "x"}, "literal name"),
        ({"a": "{{ prot }}"}, "did you mean 'port'"),
        ({"a": "{{ enabled }}"}, "values:"),
    ],
)
def test_a_bad_body_is_refused_when_loaded(body: Json, reason: str) -> None:
    with pytest.raises(TemplateProblem, match=reason):
        check_structure(body, VARIABLES, "put")


def test_a_body_refuses_values_outside_their_alphabet() -> None:
    with pytest.raises(TemplateProblem, match="port"):
        fill_structure({"a": "{{ port }}"}, {"port": Typed(FieldType.PORT, 70000)})
    with pytest.raises(TemplateProblem, match="control character"):
        fill_structure({"a": "{{ name }}"}, {"name": Typed(FieldType.TEXT, "a\nb")})
    with pytest.raises(TemplateProblem, match="no value"):
        fill_structure({"a": "{{ name }}"}, {})
