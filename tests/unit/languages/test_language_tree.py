"""The configuration tree: what is typed is one value to bash, and what consoles say no with is seen."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plexops.languages import LANGUAGES
from plexops.languages.tree import Edit, edit_of, refuses
from plexops.model.fields import FieldType, Typed

TREE = LANGUAGES["tree"]
TYPED = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="'?"), max_size=60)


@given(TYPED)
def test_text_is_one_value_to_the_shell_and_fits_a_line(text: str) -> None:
    written = TREE.quote(Typed(FieldType.TEXT, text))
    assert shlex.split(written) == [text]
    line = f"set nat destination rule 3250 description {written}"
    assert edit_of(f"configure\n{line}\ncommit\nexit") == Edit((line,), ("commit",))


@pytest.mark.parametrize("text", ["it's", "why?", "Gerät", "a\nb", "a\tb", "\x1b[A"])
def test_what_a_terminal_or_the_tree_would_take_for_something_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"typed|control"):
        TREE.quote(Typed(FieldType.TEXT, text))


@pytest.mark.parametrize(
    "text", ["show configuration commands", "show nat destination rules", "show version"]
)
def test_show_only_reads(text: str) -> None:
    assert TREE.refuse_read(text) is None


@pytest.mark.parametrize(
    "text",
    [
        *(
            "show",
            "configure",
            "set x y",
            "commit",
            "reboot now",
            "run show version",
            "show  version",
            " show version",
        ),
        *(
            "show version | no-more",
            "show x; reboot",
            "show `reboot`",
            "show $(reboot)",
            "show x > /config/a",
        ),
        *(
            "show x\nreboot",
            "show 'x'",
            "show !!",
            "show x?",
            "show tech-support",
            "show interfaces ethernet eth0 capture",
        ),
        "show " + "a" * 1000,
    ],
)
def test_everything_else_is_no_read(text: str) -> None:
    assert TREE.refuse_read(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        "configure\nset x y\ncommit-confirm 3\nsave\nexit",  # it would make last what nobody has confirmed
        "configure\nset x y\nsave\ncommit\nexit",
        "configure\nset x y\nconfirm\nexit",
        "configure\ncommit\nexit",
        *("", "configure", "configure\nexit", "set x y\ncommit\nexit", "configure\ncommit\nset x y\nexit"),
        *(
            "configure\nset x y\ncommit",
            "configure\nset x y\nexit",
            "configure\nset x y\ncommit-confirm\nexit",
        ),
        *(
            "configure\nset x 'a' 'b\ncommit\nexit",
            "configure\nset x a;reboot\ncommit\nexit",
            "configure\nset x $a\ncommit\nexit",
        ),
        *(
            "configure\nset x 'a?'\ncommit\nexit",
            "configure\nset x \t\ncommit\nexit",
            "configure\nload a\ncommit\nexit",
        ),
    ],
)
def test_a_write_of_another_shape_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no visit"):
        edit_of(text)


#: From the manuals of VyOS and EdgeOS and from FRR's vtysh.
NO = (
    ("show nat x", "\n  Invalid command: show nat [x]\n\n"),
    ("show foo", "% Unknown command: show foo\n"),
    ("show foo", "% Invalid input detected at '^' marker.\n"),
    ("show log", "cat: /var/log/messages: Permission denied\n"),
    ("set nat x 1", "Configuration path: [nat x] is not valid\nSet failed\n[edit]\n"),
    ("set nat x 1", "anything else that was not foreseen\n"),
    ("delete nat x", "Nothing to delete (the specified node does not exist)\nDelete failed\n"),
    ("commit", "[ nat ]\nError: wrong\n\n[[nat]] failed\nCommit failed\n"),
    ("commit", "No configuration changes to commit\n"),
    ("commit", "Configuration system temporarily locked due to another commit in progress\n"),
    ("commit-confirm 3", "Another confirm is pending.\n"),
    ("commit-confirm 3", "commit-revisions is not configured.\n"),
    ("confirm", "No confirm pending.\n"),
    ("save", "Saving configuration to '/config/config.boot'...\nNo space left on device\n"),
    ("save", ""),
)
YES = (
    ("show configuration commands", "set system host-name 'invalid command'\n"),
    ("show configuration commands", "set a b\n" * 5 + "% Invalid\n"),
    ("show upnp2 rules", ""),
    ("set nat x 1", ""),
    ("set nat x 1", "[edit]\n"),
    ("set nat x 1", "\n  Configuration path: [nat x 1] already exists\n\n[edit]\n"),
    ("commit", "[ service dhcp-server ]\nStarting DHCP server daemon...\n"),
    (
        "commit-confirm 3",
        "commit-confirm will reboot in 3 minutes\nProceed ? [Y/n] y\nInitialized commit-confirm\n",
    ),
    ("confirm", "Reboot timer stopped\n"),
    ("save", "Saving configuration to '/config/config.boot'...\nDone\n[edit]\n"),
)


@pytest.mark.parametrize(("line", "answer"), NO)
def test_a_no_in_words_is_a_no(line: str, answer: str) -> None:
    assert refuses(line, answer)


@pytest.mark.parametrize(("line", "answer"), YES)
def test_a_yes_is_none(line: str, answer: str) -> None:
    assert not refuses(line, answer)
