"""Many reads in one exec: the real shells run the script, the answer is taken apart again."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

import pytest

from plexops.languages import CONSOLES
from plexops.model.exchange import Call, Command, Read, Reply

NONCE = "k7Tq2mXw9Lr4"
SHELLS = (["dash"], ["bash"], ["bash", "--posix"], ["busybox", "sh"])


def reads_of(commands: Sequence[str]) -> list[Read]:
    return [Read(str(index), Command(command)) for index, command in enumerate(commands)]


def run(shell: Sequence[str], commands: Sequence[str]) -> tuple[Reply, ...]:
    """Run the framed reads as a transport does: `sh -c 'QUOTED'` through a login shell.

    Standard input holds something, which no read may get.
    """
    reads = reads_of(commands)
    script = CONSOLES["posix"].frame(reads, NONCE)
    quoted = "'" + script.replace("'", "'\\''") + "'"
    login = ["sh", "-c", f"{' '.join(shell)} -c {quoted}"]
    done = subprocess.run(login, capture_output=True, check=False, timeout=60, input=b"not for any read\n")
    stdout, stderr = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    return CONSOLES["posix"].split(reads, NONCE, stdout, stderr, whole=True)


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_each_read_gets_its_own_answer(shell: list[str]) -> None:
    commands = [
        "echo a",
        "printf x",
        "printf 'a\\n\\n'",
        "true",
        "exit 7",
        "echo out; echo err >&2; printf e >&2; false",
        "echo 'it'\\''s' \"q\" # comment",
        f"echo 'otherNonce12 0 end 0'; echo '{NONCE}'; echo '{NONCE} 7 end'",
        "cat",
        "cd /; PATH=/nope; LC_ALL=x; n=evil; s=9",
        'echo "$PATH:$LC_ALL"',
        "no_such_command_here 2>/dev/null",
        "if; then",
        "echo still here",
    ]
    replies = run(shell, commands)
    assert [reply.id for reply in replies] == [str(index) for index in range(len(commands))]
    assert all(reply.whole for reply in replies)
    assert [reply.status for reply in replies] == [0, 0, 0, 0, 7, 1, 0, 0, 0, 0, 0, 127, 2, 0]
    bodies = [reply.body for reply in replies]
    assert bodies[:6] == ["a\n", "x", "a\n\n", "", "", "out\n"]
    assert replies[5].stderr == "err\ne"
    assert bodies[6] == "it's q\n"
    assert bodies[7] == f"otherNonce12 0 end 0\n{NONCE}\n{NONCE} 7 end\n"
    assert bodies[8] == ""
    assert bodies[10] == "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:C\n"
    assert replies[12].stderr
    assert bodies[13] == "still here\n"
    assert [reply.stderr for reply in replies[:5]] == [""] * 5


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_binary_junk_and_megabytes(shell: list[str]) -> None:
    replies = run(shell, ["printf '\\000\\377\\033x'", "head -c 3000000 /dev/zero | tr '\\0' a", "echo end"])
    assert replies[0].body == "\x00\ufffd\x1bx"
    assert replies[1].body == "a" * 3_000_000
    assert replies[2].body == "end\n"


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_read_that_kills_its_own_subshell_is_only_its_own_failure(shell: list[str]) -> None:
    replies = run(shell, ["echo a", "sh -c 'kill -9 $PPID'; echo never", "echo b"])
    assert [(reply.status, reply.body, reply.whole) for reply in replies] == [
        (0, "a\n", True),
        (137, "", True),
        (0, "b\n", True),
    ]


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_after_the_shell_itself_was_killed_nothing_is_whole(shell: list[str]) -> None:
    replies = run(shell, ["echo a", "echo half; kill -9 $$; sleep 1", "echo b"])
    assert replies[0].whole
    assert [(reply.whole, reply.status) for reply in replies[1:]] == [(False, None), (False, None)]
    assert replies[2].body == ""


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_listing_of_processes_shows_no_marker(shell: list[str]) -> None:
    replies = run(shell, ["cat /proc/$$/cmdline; cat /proc/$PPID/cmdline", "echo b"])
    assert NONCE in replies[0].body
    assert [reply.status for reply in replies] == [0, 0]
    assert replies[1].body == "b\n"


def shell_answer(commands: Sequence[str]) -> tuple[list[Read], str, str]:
    reads = reads_of(commands)
    done = subprocess.run(
        ["dash", "-c", CONSOLES["posix"].frame(reads, NONCE)],
        capture_output=True,
        check=True,
        timeout=60,
        text=True,
    )
    return reads, done.stdout, done.stderr


def test_an_answer_cut_anywhere_never_shows_more_than_arrived() -> None:
    commands = ["echo one; echo err >&2", "printf two", "echo three"]
    reads, stdout, stderr = shell_answer(commands)
    full = CONSOLES["posix"].split(reads, NONCE, stdout, stderr, whole=True)
    assert [reply.body for reply in full] == ["one\n", "two", "three\n"]
    for end in range(len(stdout)):
        for replies in (
            CONSOLES["posix"].split(reads, NONCE, stdout[:end], stderr, whole=False),
            CONSOLES["posix"].split(reads, NONCE, stdout[:end], stderr, whole=True),
        ):
            for reply, true in zip(replies, full, strict=True):
                assert (reply == true) if reply.whole else reply.status is None
                assert true.body.startswith(reply.body.rstrip("\n")) or not reply.whole
    for end in range(len(stderr)):
        replies = CONSOLES["posix"].split(reads, NONCE, stdout, stderr[:end], whole=False)
        assert not replies[-1].whole
        assert all(reply == true for reply, true in zip(replies, full, strict=True) if reply.whole)


def test_text_around_the_answer_does_not_count() -> None:
    reads, stdout, stderr = shell_answer(["echo one", "echo two"])
    replies = CONSOLES["posix"].split(
        reads, NONCE, "Welcome!\n" + stdout + "bye\n", "motd\n" + stderr, whole=True
    )
    assert [reply.body for reply in replies] == ["one\n", "two\n"]
    assert [reply.stderr for reply in replies] == ["", ""]


def test_another_nonce_opens_nothing() -> None:
    reads, stdout, stderr = shell_answer(["echo one"])
    replies = CONSOLES["posix"].split(reads, "anotherNonce", stdout, stderr, whole=True)
    assert [(reply.whole, reply.body) for reply in replies] == [(False, "")]


@pytest.mark.parametrize("name", ["posix", "routeros"])
def test_frames_refuse_requests_and_weak_nonces(name: str) -> None:
    console = CONSOLES["posix" if name == "posix" else "routeros"]
    with pytest.raises(ValueError, match="HTTP"):
        console.frame([Read("a", Call("GET", "/x"))], NONCE)
    for nonce in ("", "short", "a b c d e f g", "x" * 65, "abcdefgh\n", "$(reboot)xx"):
        with pytest.raises(ValueError, match="nonce"):
            console.frame(reads_of(["true"]), nonce)
        with pytest.raises(ValueError, match="nonce"):
            console.split(reads_of(["true"]), nonce, "", "", whole=True)


ROUTEROS_READS = ['/ip firewall nat print where comment="a\\$b"', "/ip nonsense print", "/ip upnp print"]


def routeros_answer(failed: int | None = 1) -> str:
    """What RouterOS's exec channel gives for the frame: CR LF at line ends, no status."""
    bodies = [" 0 chain=dstnat\r\n\r\n", "", "  enabled: no\r\n"]
    text = ""
    for index, body in enumerate(bodies):
        word = "failed" if index == failed else "end"
        text += f"{NONCE} {index} start\r\n{body}{NONCE} {index} {word}\r\n"
    return text + f"{NONCE} closed\r\n"


def test_routeros_frame_parses_each_read_when_its_turn_comes() -> None:
    script = CONSOLES["routeros"].frame(reads_of(ROUTEROS_READS), NONCE)
    assert "\n" not in script
    assert script.count(":parse") == 3
    assert script.startswith(
        f':put "{NONCE} 0 start"; :do {{:local r [:parse "/ip firewall nat print where comment=\\"a\\\\\\$b\\""]; $r; '
        f':put "{NONCE} 0 end"}} on-error={{:put "{NONCE} 0 failed"}}; '
    )
    assert script.endswith(f':put "{NONCE} closed"')


def test_routeros_answers_are_told_apart() -> None:
    replies = CONSOLES["routeros"].split(reads_of(ROUTEROS_READS), NONCE, routeros_answer(), "", whole=True)
    assert [(reply.status, reply.body, reply.whole) for reply in replies] == [
        (0, " 0 chain=dstnat\n\n", True),
        (1, "", True),
        (0, "  enabled: no\n", True),
    ]


def test_a_routeros_answer_cut_anywhere_never_shows_more_than_arrived() -> None:
    reads, text = reads_of(ROUTEROS_READS), routeros_answer()
    full = CONSOLES["routeros"].split(reads, NONCE, text, "", whole=True)
    for end in range(len(text) - 1):
        for whole in (True, False):
            replies = CONSOLES["routeros"].split(reads, NONCE, text[:end], "", whole=whole)
            for reply, true in zip(replies, full, strict=True):
                assert (reply == true) if reply.whole else reply.status is None
    cut = CONSOLES["routeros"].split(reads, NONCE, text[: text.index("closed")], "", whole=False)
    assert [reply.whole for reply in cut] == [True, True, False]


def test_a_routeros_exec_that_did_not_parse_at_all_is_no_answer() -> None:
    replies = CONSOLES["routeros"].split(
        reads_of(ROUTEROS_READS), NONCE, "syntax error (line 1 column 5)\r\n", "", whole=True
    )
    assert [(reply.whole, reply.status) for reply in replies] == [(False, None)] * 3
