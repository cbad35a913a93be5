"""Quoting, judged by the real shell and by a RouterOS tokenizer written for this test alone."""

from __future__ import annotations

import shlex
import subprocess
from ipaddress import IPv4Address
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plexops.languages import LANGUAGES
from plexops.languages.base import LanguageName
from plexops.model.fields import FieldType, FieldValue, Typed
from plexops.model.values import Ports, Protocol

ALL: tuple[LanguageName, ...] = ("posix", "routeros", "nft", "dnsmasq", "json", "tree")

BARE: tuple[tuple[FieldType, FieldValue, str], ...] = (
    (FieldType.NUMBER, 90, "90"),
    (FieldType.PORT, 32500, "32500"),
    (FieldType.PORTS, Ports.of(32500), "32500"),
    (FieldType.PORTS, Ports.of((1000, 2000)), "1000-2000"),
    (FieldType.ADDRESS, IPv4Address("192.168.1.50"), "192.168.1.50"),
    (FieldType.KEY, "plex_2", "plex_2"),
    (FieldType.WORD, "nas.home-1", "nas.home-1"),
    (FieldType.PROTOCOL, Protocol.TCP, "tcp"),
    (FieldType.HANDLE, "plexops_plex", "plexops_plex"),
)

REFUSED: tuple[tuple[FieldType, FieldValue], ...] = (
    (FieldType.NUMBER, True),
    (FieldType.NUMBER, -1),
    (FieldType.NUMBER, "1;reboot"),
    (FieldType.NUMBER, "1\n"),
    (FieldType.NUMBER, "١"),
    (FieldType.PORT, 0),
    (FieldType.PORT, 65536),
    (FieldType.PORTS, Ports.of(22, 80)),
    (FieldType.PORTS, Ports(())),
    (FieldType.ADDRESS, "192.168.1.50; reboot"),
    (FieldType.ADDRESS, "192.168.1.050"),
    (FieldType.ADDRESS, 3232235826),
    (FieldType.MAC, "3C:EC:EF:12:34:56"),
    (FieldType.MAC, "3c:ec:ef:12:34:56\n"),
    (FieldType.KEY, "Plex"),
    (FieldType.KEY, "a" * 21),
    (FieldType.KEY, "plex\n"),
    (FieldType.WORD, "-n"),
    (FieldType.WORD, ""),
    (FieldType.WORD, "a b"),
    (FieldType.WORD, "a$b"),
    (FieldType.PROTOCOL, "tcp;"),
    (FieldType.FLAG, True),
    (FieldType.HANDLE, "a'b"),
    (FieldType.HANDLE, "a$b"),
    (FieldType.HANDLE, ""),
    (FieldType.HANDLE, "-x"),
    (FieldType.HANDLE, "a" * 129),
    (FieldType.TEXT, 7),
    (FieldType.TEXT, "a\nb"),
    (FieldType.TEXT, "a\x00b"),
    (FieldType.TEXT, "a\x7fb"),
    (FieldType.TEXT, "a\x9bb"),
    (FieldType.TEXT, "a\ud800b"),
)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("kind", "value", "written"), BARE)
def test_closed_alphabets_are_written_bare(
    name: LanguageName, kind: FieldType, value: FieldValue, written: str
) -> None:
    assert LANGUAGES[name].quote(Typed(kind, value)) == written


@pytest.mark.parametrize("name", ["posix", "routeros", "nft", "dnsmasq", "tree"])
def test_a_mac_address_is_bare_but_in_a_url(name: LanguageName) -> None:
    mac = Typed(FieldType.MAC, "3c:ec:ef:12:34:56")
    assert LANGUAGES[name].quote(mac) == "3c:ec:ef:12:34:56"
    assert LANGUAGES["json"].quote(mac) == "3c%3Aec%3Aef%3A12%3A34%3A56"


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("kind", "value"), REFUSED)
def test_everything_outside_the_alphabet_is_refused(
    name: LanguageName, kind: FieldType, value: FieldValue
) -> None:
    with pytest.raises(ValueError):
        LANGUAGES[name].quote(Typed(kind, value))


@pytest.mark.parametrize(
    ("name", "handle", "written"),
    [
        ("posix", "@redirect[0]", "'@redirect[0]'"),
        ("posix", "*1A", "'*1A'"),
        ("posix", "a b", "'a b'"),
        ("posix", "ip/nat:3", "ip/nat:3"),
        ("routeros", "*1A", "*1A"),
        ("routeros", "ether1", "ether1"),
        ("routeros", "a b", '"a b"'),
        ("routeros", "[x]", '"[x]"'),
        ("nft", "12", "12"),
        ("nft", "inet filter forward", "inet filter forward"),
        ("nft", "plexops:plex", '"plexops:plex"'),
        ("dnsmasq", "3c:ec:ef:12:34:56", "3c:ec:ef:12:34:56"),
        ("json", "20a69181-1e18-49a4", "20a69181-1e18-49a4"),
        ("json", "a/b", "a%2Fb"),
    ],
)
def test_handles_are_quoted_where_they_must_be(name: LanguageName, handle: str, written: str) -> None:
    assert LANGUAGES[name].quote(Typed(FieldType.HANDLE, handle)) == written


def test_dnsmasq_has_no_quoting_for_handles() -> None:
    with pytest.raises(ValueError, match="can't hold"):
        LANGUAGES["dnsmasq"].quote(Typed(FieldType.HANDLE, "a b"))


@pytest.mark.parametrize("text", ['a"b', "a\\b", "x" * 129, "ä" * 65])
def test_nft_refuses_what_it_can_not_escape_or_hold(text: str) -> None:
    with pytest.raises(ValueError):
        LANGUAGES["nft"].quote(Typed(FieldType.TEXT, text))


def test_nft_takes_128_bytes() -> None:
    assert LANGUAGES["nft"].quote(Typed(FieldType.TEXT, "ä" * 64)) == '"' + "ä" * 64 + '"'


@pytest.mark.parametrize("text", ["", ".", ".."])
def test_a_url_segment_can_not_leave_its_place(text: str) -> None:
    with pytest.raises(ValueError):
        LANGUAGES["json"].quote(Typed(FieldType.TEXT, text))


def test_routeros_writes_bytes_that_are_not_ascii_in_capital_hexadecimal() -> None:
    quoted = LANGUAGES["routeros"].quote(Typed(FieldType.TEXT, 'Jürgen\'s "NAS" $5? a\\b'))
    assert quoted == '"J\\C3\\BCrgen\'s \\"NAS\\" \\$5\\? a\\\\b"'


TEXTS = st.text(
    alphabet=st.one_of(
        st.sampled_from("'\"\\$`;&|()<>*?[]{}#!~ =%-\u00e4\U0001f600"),
        st.characters(exclude_categories=("Cc", "Cs")),
    ),
    max_size=60,
)
MANY = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@MANY
@given(st.lists(TEXTS, min_size=1, max_size=20))
def test_a_real_shell_prints_back_whatever_was_quoted(texts: list[str]) -> None:
    quoted = [LANGUAGES["posix"].quote(Typed(FieldType.TEXT, text)) for text in texts]
    script = "; ".join(f"printf '%s\\n' {word}" for word in quoted)
    for shell in (["dash"], ["busybox", "sh"]):
        done = subprocess.run([*shell, "-c", script], capture_output=True, check=True, timeout=30)
        assert done.stdout.decode().split("\n") == [*texts, ""]
    assert shlex.split(" ".join(quoted)) == texts


HEX = "0123456789ABCDEF"


def routeros_value(text: str) -> tuple[str, str]:
    """Read one RouterOS string by its manual; give the value and what stands behind the string."""
    assert text[0] == '"'
    out = bytearray()
    at = 1
    while text[at] != '"':
        character = text[at]
        assert character not in "$?", "an unescaped sign has a meaning"
        assert 0x20 <= ord(character) < 0x7F
        if character != "\\":
            out += character.encode()
            at += 1
        elif text[at + 1] in HEX and text[at + 2] in HEX:
            out.append(int(text[at + 1 : at + 3], 16))
            at += 3
        else:
            assert text[at + 1] in '"\\$?'
            out += text[at + 1].encode()
            at += 2
    return out.decode(), text[at + 1 :]


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_routeros_reads_back_whatever_was_quoted(text: str) -> None:
    quoted = LANGUAGES["routeros"].quote(Typed(FieldType.TEXT, text))
    assert routeros_value(quoted + " disabled=no") == (text, " disabled=no")


@settings(max_examples=200, deadline=None)
@given(TEXTS.filter(lambda text: text not in {"", ".", ".."}))
def test_a_url_segment_holds_whatever_was_quoted(text: str) -> None:
    quoted = LANGUAGES["json"].quote(Typed(FieldType.TEXT, text))
    assert unquote(quoted) == text
    assert not set(quoted) & set("/?#&=;\\ \"'<>")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40), st.sampled_from(ALL))
def test_control_characters_and_surrogates_never_pass(text: str, name: LanguageName) -> None:
    bad = [c for c in text if ord(c) < 0x20 or 0x7F <= ord(c) <= 0x9F or 0xD800 <= ord(c) <= 0xDFFF]
    for kind in (FieldType.TEXT, FieldType.HANDLE):
        try:
            LANGUAGES[name].quote(Typed(kind, text))
        except ValueError:
            continue
        assert not bad
