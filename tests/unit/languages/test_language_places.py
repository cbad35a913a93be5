"""Where text may stand. For the shell, what is allowed is tried in a real one with a hostile text."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plexops.languages import LANGUAGES
from plexops.languages.base import LanguageName
from plexops.model.fields import FieldType, Typed

ALLOWED: tuple[tuple[LanguageName, str, str], ...] = (
    ("posix", "", ""),
    ("posix", "uci set firewall.x.name=", "; uci commit firewall"),
    ("posix", "echo 'it'\\''s' ", ""),
    ("posix", 'echo "a b" ', " >/dev/null"),
    ("posix", "( sleep 90; echo ", ") &"),
    ("posix", "# a comment with ' in it\necho ", "\n"),
    ("posix", "echo a#b ", ""),
    ("posix", 'a="$(date)"; echo ', ""),
    ("posix", "a=${HOME}; echo ", ""),
    ("posix", "case x in a) echo ", " ;; esac"),
    ("routeros", "/ip firewall nat add comment=", " dst-port=1"),
    ("routeros", "/ip firewall nat remove [find where comment=", "]"),
    ("routeros", ':put "a\\"b"; :put ', ""),
    ("routeros", ":do {:put ", "} on-error={}"),
    ("nft", "    dnat ip to 1.2.3.4 comment ", ";\n"),
    ("nft", '# it"s\n  accept comment ', "\n"),
    ("dnsmasq", "# ", "\ndhcp-host=x"),
    ("json", "/api/firewall/d_nat/set_rule/", ""),
    ("json", "/api/", "/rules"),
    ("tree", "set nat destination rule ", " description x"),
    ("tree", "set system host-name ", ""),
)

REFUSED: tuple[tuple[LanguageName, str, str, str], ...] = (
    ("posix", "echo '", "'", "single quotes"),
    ("posix", 'echo "', '"', "double quotes"),
    ("posix", 'echo "a\\"', '"', "double quotes"),
    ("posix", "echo a", "", "word"),
    ("posix", "echo ", "b", "word"),
    ("posix", "echo ", "'x'", "word"),
    ("posix", "echo \\", "", "backslash"),
    ("posix", "echo $", "", "dollar"),
    ("posix", "echo # ", "", "comment"),
    ("posix", "cat <<EOF\n", "\nEOF", "here-document"),
    ("posix", "cat <<'EOF'\nx\nEOF\necho ", "", "here-document"),
    ("posix", 'a="$(echo ', ')"', r"\$\("),
    ("posix", 'a="$( (echo ', '))"', r"\$\("),
    ("posix", "a=`echo ", "`", "backticks"),
    ("posix", "a=${b:-", "}", r"\$\{"),
    ("posix", "echo $'a' ", "", "can't be followed"),
    ("posix", 'echo ${a#"\'"} ', "", "can't be followed"),
    ("posix", 'a="$(case x in a) echo "b ', "", "can't be followed"),
    ("posix", "$(", ")", "word"),
    ("routeros", ':put "', '"', "double quotes"),
    ("routeros", ':put "a\\"', '"', "double quotes"),
    ("routeros", ":put $", "", "word"),
    ("routeros", ":put a", "", "word"),
    ("routeros", ":put ", "b", "word"),
    ("routeros", "# ", "", "comment"),
    ("routeros", ":put \\", "", "backslash"),
    ("routeros", ':put "a$[/x get y]b" ', "", "followed"),
    ("nft", '  comment "', '"', "double quotes"),
    ("nft", "# ", "", "comment"),
    ("nft", "table inet plexops_", "", "word"),
    ("nft", "comment ", "x", "word"),
    ("dnsmasq", "dhcp-host=", "", "comment"),
    ("dnsmasq", "# a\ndhcp-host=", "", "comment"),
    ("json", "/api/x?name=", "", "query"),
    ("json", "/api/x-", "", "segment"),
    ("json", "/api/", "x", "segment"),
    ("json", "", "", "segment"),
    ("tree", "set system host-name '", "'", "quotes"),
    ("tree", 'set x "a" ', "", "quotes"),
    ("tree", "set x a\\", "", "quotes"),
    ("tree", "set x a", "", "word"),
    ("tree", "set x ", "b", "word"),
)


@pytest.mark.parametrize(("name", "before", "after"), ALLOWED)
def test_text_may_stand_here(name: LanguageName, before: str, after: str) -> None:
    assert LANGUAGES[name].refuse_text_at(before, after) is None


@pytest.mark.parametrize(("name", "before", "after", "reason"), REFUSED)
def test_text_may_not_stand_here(name: LanguageName, before: str, after: str, reason: str) -> None:
    refusal = LANGUAGES[name].refuse_text_at(before, after)
    assert refusal is not None
    import re

    assert re.search(reason, refusal)


def test_a_handle_may_be_part_of_a_word_in_the_shell_only() -> None:
    posix = LANGUAGES["posix"]
    assert posix.refuse_text_at("uci set firewall.", ".enabled=0", FieldType.HANDLE) is None
    assert posix.refuse_text_at("uci set firewall.", ".enabled=0") is not None
    assert posix.refuse_text_at("uci set 'firewall.", ".enabled=0'", FieldType.HANDLE) is not None
    assert posix.refuse_text_at("echo $", "", FieldType.HANDLE) is not None
    assert LANGUAGES["routeros"].refuse_text_at("set x", "", FieldType.HANDLE) is not None
    assert LANGUAGES["dnsmasq"].refuse_text_at("dhcp-host=", "", FieldType.HANDLE) is None


PIECES = st.sampled_from(
    [
        "echo ",
        "a",
        " ",
        "=",
        "'",
        '"',
        "\\",
        "$",
        "(",
        ")",
        "{",
        "}",
        "`",
        "#",
        "\n",
        ";",
        "&",
        "|",
        "<",
        ">",
        "$(",
        "${",
        "x=",
        "'a'",
        '"b"',
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=8).map("".join), st.sampled_from(["", " ", ";", " b", ")", "\n"]))
def test_what_is_allowed_can_not_run_a_command(before: str, after: str) -> None:
    """Two texts in one place: wherever a place is allowed, no shell runs what the text says."""
    posix = LANGUAGES["posix"]
    if posix.refuse_text_at(before, after) is not None:
        return
    hostile = posix.quote(Typed(FieldType.TEXT, "x'\"$(echo BROKEN >&2)`echo BROKEN >&2`;echo BROKEN >&2 #"))
    script = "BROKEN() { echo BROKEN >&2; }; " + before + hostile + after
    # Syntax errors and unknown commands are fine; a file named by a redirection must not appear anywhere.
    done = subprocess.run(
        ["dash", "-c", script],
        capture_output=True,
        check=False,
        timeout=20,
        stdin=subprocess.DEVNULL,
        cwd="/proc/self",
    )
    lines = [line for line in done.stderr.decode("utf-8", "replace").split("\n") if line == "BROKEN"]
    assert not lines
