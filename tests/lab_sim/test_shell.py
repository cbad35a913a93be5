"""The simulated shell, judged by the real one."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plexops.lab.base import DeviceLog
from plexops.lab.clock import ScaledClock
from plexops.lab.filesystem import FileSystem
from plexops.lab.shell import Shell
from tests.waiting import wait_until


def make_shell(clock: ScaledClock | None = None) -> Shell:
    return Shell(
        files=FileSystem(),
        commands={},
        log=DeviceLog(),
        clock=clock or ScaledClock(),
        lock=threading.RLock(),
    )


@pytest.fixture
def shell() -> Iterator[Shell]:
    made = make_shell()
    yield made
    made.stop()


#: BusyBox's ash is what routers run; dash interprets `\\n` in `echo`.
REAL = shutil.which("busybox")

SCRIPTS = [
    "echo one; echo two && echo three || echo four",
    "false && echo no || echo yes",
    "true || echo no && echo yes",
    "echo 'a  b' \"c  d\" e\\ \\ f",
    "x='two words'; echo $x; echo \"$x\"; printf '<%s>' $x; printf '<%s>\\n' \"$x\"",
    "printf '%s\\n' 'John'\\''s NAS (https)' \"K\\\"x\\\" \\$HOME \\`id\\`\"",
    "echo \"a\\nb\" | cat; printf 'a\\tb\\n'",
    "printf '%d-%s-%%\\n' 7 x 8 y",
    "echo $(echo $(echo deep))",
    "echo `echo old; echo style`",
    "echo \"$(printf 'x\\n\\n\\n')\"end",
    'f() { echo "f $1 $#"; return 3; }; f a b; echo $?',
    "if false; then echo a; elif true; then echo b; else echo c; fi",
    "for i in 1 2 'three four'; do echo \"[$i]\"; done",
    "i=0; while [ $i -lt 3 ]; do i=$((i+1)); [ $i = 2 ] && continue; echo $i; done",
    "until false; do echo once; break; done",
    "case abc in x) echo x;; a*|b*) echo glob;; esac",
    "case 'a*' in 'a*') echo literal;; esac; case abc in 'a*') echo wrong;; *) echo right;; esac",
    "{ echo group; } ; ( echo sub; exit 3 ); echo $?",
    "( cd /tmp; pwd >/dev/null ); x=1; ( x=2 ); echo $x",
    "set -e; false || echo handled; true; ( exit 4 ); echo unreachable",
    "set -e; if false; then :; fi; ! true; echo still",
    "set -e; false && true; echo still; false; echo unreachable",
    "set -u; echo ${nothing:-default}; echo ${nothing}; echo unreachable",
    "x=/a/b/c.txt; echo ${x##*/} ${x%/*} ${x#*/} ${x%%.*} ${#x} ${x:+set} ${y:-unset} ${y:=now} $y",
    "cat <<'EOF'\n$HOME `x` \\n\nEOF",
    "v=1; cat <<EOF\n$v $(echo two) \\$v\nEOF",
    "cat <<-EOF\n\tindented\n\tEOF",
    "printf 'a b\\nc d\\n' | while read -r x y; do echo \"$y $x\"; done",
    "echo err >&2; echo out",
    "{ echo out; echo err >&2; } 2>&1 | sort",
    "echo a 2>/dev/null >&2; echo b",
    "exec 2>/dev/null; nosuchcommand_x; echo $?",
    "nosuchcommand_x 2>/dev/null; echo $?",
    "sh -c 'echo $0 $1' name arg",
    "sh -c 'exit 7'; echo $?",
    'echo hi | { read -r x; echo "got $x"; }',
    "printf 'one\\ntwo\\nthree\\n' | grep -c -E 't(wo|hree)'; printf 'a.b\\naxb\\n' | grep -F a.b",
    "printf 'x=1\\n' | grep -qxF -e 'x=1' && echo same",
    "printf '1\\n2\\n3\\n' | head -n 2 | tail -n 1; printf '1\\n2\\n' | wc -l | grep -c 2",
    "printf '1\\n2\\n3\\n' | sed -n 2p",
    "[ a = a ] && [ ! -e /nonexistent ] && [ -n x ] && [ -z '' ] && echo all",
    "test 3 -gt 2 -a 1 -eq 1 && echo both; [ 1 -eq 2 -o 2 -eq 2 ] && echo either",
    "trap 'echo bye' EXIT; echo hello",
    "eval 'x=5; echo $x'; echo $x",
    "x=outer; x=inner sh -c 'echo $x'; echo $x",
    "export A=1; env | grep '^A='; env -i B=2 sh -c 'echo $A$B'",
    "echo a#b # comment\necho c",
    "echo one \\\n two",
    'set -- a \'b c\'; echo $#; for x in "$@"; do echo "$x"; done; shift; echo $1',
    "true & wait; echo done",
    "command -v nosuchcommand_x || echo missing; command -v cd >/dev/null && echo builtin",
    "echo $((2*3+4)) $((7/2)) $((7%3)) $((1<2))",
    "printf %s \"a'b\"; echo; printf '%s\\n' \"\" ''",
    "sha=$(printf abc | sha256sum); echo ${sha%% *}",
    "( eval 'echo a; fi' ) 2>/dev/null; echo $?; eval 'echo b'; ( set -u; echo $nope ) 2>/dev/null; echo $?",
    '( eval \'echo "q"; exit 3\' ) </dev/null; s=$?; echo "$s"',
    "exit 300 2>/dev/null; echo no",
]


@pytest.mark.skipif(REAL is None, reason="no BusyBox here to compare with")
@pytest.mark.parametrize("script", SCRIPTS)
def test_agrees_with_a_real_shell(shell: Shell, script: str) -> None:
    assert REAL is not None
    argv = [REAL, "sh", "-c", script]
    real = subprocess.run(argv, capture_output=True, check=False, stdin=subprocess.DEVNULL, timeout=60)
    mine = shell.run(script, b"", "root")
    assert (mine.stdout, mine.status) == (real.stdout, real.returncode)


@pytest.mark.skipif(REAL is None, reason="no BusyBox here to compare with")
@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="ab'\"\\$`*?[](){}<>|&;#~! \t\n=%/ü", max_size=12))
def test_quotes_survive_as_in_a_real_shell(text: str) -> None:
    assert REAL is not None
    word = "'" + text.replace("'", "'\\''") + "'"
    mine = make_shell().run(f"printf '%s|' {word} \"$(printf %s {word})\"", b"", "root")
    expected = f"{text}|" + text.rstrip("\n") + "|"
    assert mine.stdout.decode() == expected


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo 'open", "sh: syntax error: unterminated quoted string"),
        ("if true; then echo a", 'sh: syntax error: unexpected end of file (expecting "fi")'),
        ("fi", 'sh: syntax error: unexpected "fi"'),
        ("echo a ;; echo b", 'sh: syntax error: unexpected ";;"'),
        ("( )", 'sh: syntax error: unexpected ")"'),
    ],
)
def test_syntax_errors_run_nothing(shell: Shell, script: str, message: str) -> None:
    result = shell.run("echo before > /tmp/x\n" + script, b"", "root")
    assert (result.status, result.stdout) == (2, b"")
    assert result.stderr.decode().strip() == message
    assert not shell.files.exists("/tmp/x")


def test_unknown_command(shell: Shell) -> None:
    result = shell.run("frobnicate --now", b"", "root")
    assert (result.status, result.stderr) == (127, b"sh: frobnicate: not found\n")


def test_log_holds_what_ran_and_nothing_else(shell: Shell) -> None:
    shell.run("false && rm /etc/passwd; x=$(echo 'a b'); echo \"$x\" > /tmp/f; : 'rm -rf /'", b"", "root")
    assert shell.log.lines[1:] == ["false", "echo 'a b'", "# write /tmp/f", "echo 'a b'", ": 'rm -rf /'"]


def test_a_program_on_stdin_is_eaten_by_the_first_command_that_reads(shell: Shell) -> None:
    assert shell.run("sh -s", b"echo one\ncat\necho two\n", "root").stdout == b"one\necho two\n"
    assert shell.run("sh -s", b"echo one\ncat </dev/null\necho two\n", "root").stdout == b"one\ntwo\n"


def test_files_modes_and_globs(shell: Shell) -> None:
    script = (
        "mkdir -p /etc/app && printf 'a\\n' > /etc/app/one && printf 'b\\n' >> /etc/app/two; "
        "cd /etc/app; echo *; cat /etc/app/*; mv one three; cp -p two four; ls; rm -f nosuch four; ls | wc -l"
    )
    assert shell.run(script, b"", "root").stdout == b"one two\na\nb\nfour\nthree\ntwo\n2\n"
    shell.files.install({"/etc/secret": "x"}, mode=0o600)
    refused = shell.run("cat /etc/secret; echo new > /etc/app/two", b"", "somebody")
    assert (refused.status, refused.stdout) == (1, b"")
    assert refused.stderr.count(b"Permission denied") == 2


def test_a_detached_timer_outlives_its_exec_and_can_be_disarmed() -> None:
    clock = ScaledClock()
    shell = make_shell(clock)
    armed = "setsid sh -c 'echo $$ > /tmp/pid; sleep 30; echo fired > /tmp/{}' >/dev/null 2>&1 </dev/null &"
    assert shell.run(armed.format("first"), b"", "root").status == 0
    assert not shell.files.exists("/tmp/first"), "the command returned before its timer fired"
    clock.scale = 1000
    wait_until(lambda: shell.files.exists("/tmp/first"))
    clock.scale = 1
    shell.run(armed.format("second") + " echo $! > /tmp/job", b"", "root")
    wait_until(lambda: shell.files.exists("/tmp/pid") and shell.files.read("/tmp/pid") != b"")
    wait_until(lambda: shell.files.read("/tmp/pid") == shell.files.read("/tmp/job"))
    assert shell.run("kill -0 $(cat /tmp/pid) && kill $(cat /tmp/pid)", b"", "root").status == 0
    wait_until(lambda: shell.run("kill -0 $(cat /tmp/pid)", b"", "root").status == 1)
    clock.scale = 1000
    time.sleep(0.1)
    assert not shell.files.exists("/tmp/second")
    shell.stop()


def test_a_job_that_holds_the_output_holds_the_exec(shell: Shell) -> None:
    started = time.monotonic()
    assert shell.run("sleep 0.2 & echo now", b"", "root").stdout == b"now\n"
    assert time.monotonic() - started >= 0.2


def test_timeout_ends_a_command() -> None:
    shell = make_shell(ScaledClock(scale=100))
    assert shell.run("timeout 2 sleep 1000; echo $?; timeout 5 echo in time", b"", "root").stdout == (
        b"124\nin time\n"
    )


def test_stop_ends_what_waits() -> None:
    shell = make_shell()
    thread = threading.Thread(target=shell.run, args=("sleep 600", b"", "root"))
    thread.start()
    shell.stop()
    thread.join(60)
    assert not thread.is_alive()
