"""What devices write reaches the terminal as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plexops.report.terminal import Pen, Style, one_line, safe_term, width_of, wrap

CONTROLS = [*range(0x20), 0x7F, *range(0x80, 0xA0)]


@pytest.mark.parametrize("code", CONTROLS)
def test_each_control_is_shown_as_its_number(code: int) -> None:
    assert safe_term(f"a{chr(code)}b") == f"a\\x{code:02x}b"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]8;;http://evil\x07click\x1b]8;;\x07", "\\x1b]8;;http://evil\\x07click\\x1b]8;;\\x07"),
        ("\x1b]52;c;cm0gLXJm\x07", "\\x1b]52;c;cm0gLXJm\\x07"),
        ("\x9b31mred", "\\x9b31mred"),
        ("\x1bP1$qm\x1b\\", "\\x1bP1$qm\\x1b\\"),
        ("user\u202etxt.exe", "user\\u202etxt.exe"),
        ("a\u2066b\u2069c", "a\\u2066b\\u2069c"),
        ("pay\u200bpal", "pay\\u200bpal"),
        ("\ufeffx", "\\ufeffx"),
        ("one\u2028two", "one\\u2028two"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("half\ud800", "half\\ud800"),
        ("Müller – 192.168.1.50 → 短", "Müller – 192.168.1.50 → 短"),
    ],
)
def test_sequences_and_direction_marks_are_shown(text: str, shown: str) -> None:
    assert safe_term(text) == shown


def test_stacked_marks_are_capped() -> None:
    assert "\u0301" * 5 not in safe_term("e" + "\u0301" * 300)
    assert safe_term("e\u0301\u0323") == "e\u0301\u0323"


def test_kept_controls_stay() -> None:
    assert safe_term("a\n\tb\r", keep="\n\t") == "a\n\tb\\x0d"


@given(st.text())
def test_nothing_a_terminal_acts_on_is_left(text: str) -> None:
    shown = safe_term(text)
    assert not [char for char in shown if ord(char) < 32 or 0x7F <= ord(char) < 0xA0]
    assert safe_term(shown) == shown
    shown.encode()


@given(st.text(alphabet="ab 短é", max_size=200), st.integers(1, 40))
def test_wrapped_lines_fit_and_lose_no_letter(text: str, width: int) -> None:
    lines = wrap(text, max(2, width))
    assert all(width_of(line) <= max(2, width) for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_pen_writes_colour_only_when_asked() -> None:
    assert Pen(colour=True).paint("drift", Style.DRIFT) == "\x1b[33mdrift\x1b[0m"
    assert Pen(colour=False).paint("drift", Style.DRIFT) == "drift"
    assert Pen(unicode=False).finish("a → b · ü") == "a -> b . \\xfc"


def test_one_line() -> None:
    assert one_line("a\n  b\n\nc ") == "a b c"
