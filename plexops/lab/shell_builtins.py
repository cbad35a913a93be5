"""What a simulated shell does itself, and the commands that run another command."""

from __future__ import annotations

import io
import re
import shlex
import threading
from collections.abc import Mapping
from typing import BinaryIO, Literal

from plexops.lab.base import ExecResult
from plexops.lab.filesystem import FileError
from plexops.lab.processes import Process
from plexops.lab.shell_quoting import ShellSyntaxError
from plexops.lab.shell_state import (
    DONE,
    POLL_SECONDS,
    Collected,
    CommandFunction,
    Context,
    ExitShellError,
    LoopControlError,
    State,
    Streams,
    fail,
    say,
)
from plexops.lab.shell_syntax import Parser

SIGNALS = {"TERM": 15, "KILL": 9, "HUP": 1, "INT": 2, "USR1": 10, "USR2": 12, "0": 0}
FAILURE = ExecResult(b"", b"", 1)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text: str) -> float:
    """Read a duration as `sleep` and `timeout` take it.

    Raises ValueError.
    """
    if text[-1:] in _UNITS:
        return float(text[:-1]) * _UNITS[text[-1]]
    return float(text)


def _cd(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    path = context.path(argv[1] if len(argv) > 1 else context.state.variables.get("HOME", "/"))
    if not context.files.is_dir(path):
        return fail(f"sh: cd: can't cd to {argv[1]}: No such file or directory", 2)
    context.state.directory = path
    return DONE


def _export(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    for word in argv[1:]:
        name, equals, value = word.partition("=")
        if equals:
            context.state.variables[name] = value
        context.state.exported.add(name)
    return DONE


def _set(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    state = context.state
    words = argv[1:]
    while words and words[0][:1] in ("-", "+") and len(words[0]) > 1:
        word = words.pop(0)
        if word == "--":
            break
        if word in ("-o", "+o"):
            words = words[1:]
            continue
        for letter in word[1:]:
            if letter == "e":
                state.errexit = word[0] == "-"
            elif letter == "u":
                state.nounset = word[0] == "-"
    else:
        if not words:
            return DONE
    state.arguments = words
    return DONE


def _exit(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    raise ExitShellError(int(argv[1]) & 255 if len(argv) > 1 and argv[1].isdigit() else context.state.status)


def _true(_argv: list[str], _stdin: BinaryIO, _context: Context) -> ExecResult:
    return DONE


def _false(_argv: list[str], _stdin: BinaryIO, _context: Context) -> ExecResult:
    return FAILURE


def _read(argv: list[str], stdin: BinaryIO, context: Context) -> ExecResult:
    words = [word for word in argv[1:] if not word.startswith("-")]
    line = stdin.readline()
    text = line.decode("utf-8", "surrogateescape").rstrip("\n")
    raw = "-r" in argv
    if not raw:
        text = re.sub(r"\\(.)", r"\1", text)
    separators = context.state.variables.get("IFS", " \t\n")
    values = text.strip(separators).split(maxsplit=len(words) - 1) if separators and len(words) > 1 else []
    if len(words) == 1:
        values = [text.strip(separators)] if separators else [text]
    for index, name in enumerate(words):
        context.state.variables[name] = values[index] if index < len(values) else ""
    return DONE if line.endswith(b"\n") else FAILURE


def _shift(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    context.state.arguments = context.state.arguments[int(argv[1]) if len(argv) > 1 else 1 :]
    return DONE


def _unset(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    for name in argv[1:]:
        context.state.variables.pop(name, None)
        context.state.exported.discard(name)
    return DONE


def _loop_control(kind: Literal["break", "continue", "return"]) -> CommandFunction:
    def control(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
        given = kind == "return" and len(argv) > 1
        raise LoopControlError(kind, int(argv[1]) if given else context.state.status)

    return control


def _trap(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    """Keep an EXIT action; traps of signals are accepted and never run."""
    if len(argv) > 2 and {"EXIT", "0"} & set(argv[2:]):
        context.state.on_exit = "" if argv[1] == "-" else argv[1]
    return DONE


def _command(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    if len(argv) > 1 and argv[1] in ("-v", "-V"):
        found = [name for name in argv[2:] if context.shell.knows(name, context.state)]
        builtin = ("echo", "printf", "test", "cd", "true", "false", "read", "set", "kill")
        text = "".join(
            f"{name if name in builtin or '/' in name else '/usr/bin/' + name}\n" for name in found
        )
        return say(text, 0 if found else 127)
    return _status(context.run(argv[1:])) if len(argv) > 1 else DONE


def _exec(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    context.state.exec_position = True
    raise ExitShellError(context.run(argv[1:]))


def _eval(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    program = Parser(" ".join(argv[1:])).program()
    return _status(context.shell.sequence(program, context.state, context.streams))


def _source(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    try:
        text = context.files.read(context.path(argv[1]), context.user).decode("utf-8", "surrogateescape")
    except FileError:
        return fail(f"sh: .: can't open '{argv[1]}': No such file or directory", 2)
    return _status(context.shell.sequence(Parser(text).program(), context.state, context.streams))


def _wait(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    pids = [int(word) for word in argv[1:] if word.isdigit()]
    table = context.shell.processes
    jobs = [p for pid in pids for p in table.find(pid)] if pids else context.state.jobs
    for process in jobs:
        while not process.finished.is_set():
            context.sleep(0.05)
    return DONE


def _kill(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    words = argv[1:]
    signal = 15
    if words and words[0] == "-s":
        signal, words = SIGNALS.get(words[1].removeprefix("SIG"), 15), words[2:]
    elif words and re.fullmatch(r"-(SIG)?[A-Z]+[12]?|-\d+", words[0]) and len(words) > 1:
        name = words[0][1:].removeprefix("SIG")
        signal, words = int(name) if name.isdigit() else SIGNALS.get(name, 15), words[1:]
    status, errors = 0, []
    for word in [w for w in words if w != "--"]:
        found = context.shell.processes.find(int(word)) if re.fullmatch(r"-?\d+", word) else []
        if not found:
            status = 1
            errors.append(f"sh: can't kill pid {word}: No such process\n")
        if signal in (1, 2, 9, 15):
            for process in found:
                process.killed.set()
    return ExecResult(b"", "".join(errors).encode(), status)


def _status(status: int) -> ExecResult:
    return ExecResult(b"", b"", status)


def _sh(argv: list[str], stdin: BinaryIO, context: Context) -> ExecResult:
    """Run `sh -c TEXT [NAME ARGUMENT…]`, `sh -s`, or `sh FILE`."""
    words = argv[1:]
    flags = ""
    while words and words[0].startswith("-") and len(words[0]) > 1:
        flags += words.pop(0)[1:]
    state = _fresh(context)
    state.errexit = "e" in flags
    state.nounset = "u" in flags
    if "c" in flags:
        if not words:
            return fail("sh: -c requires an argument", 2)
        text, state.arguments = words[0], words[2:]
        state.name = words[1] if len(words) > 1 else argv[0]
    elif words and "s" not in flags:
        try:
            text = context.files.read(context.path(words[0]), context.user).decode("utf-8", "surrogateescape")
        except FileError:
            return fail(f"sh: can't open '{words[0]}': No such file or directory", 2)
        state.arguments = words[1:]
    else:
        return _status(_interactive(state, stdin, context))
    return _status(_in_process(text, argv, state, context))


def _interactive(state: State, stdin: BinaryIO, context: Context) -> int:
    """Read commands from standard input: a command that reads it eats the rest of the program."""
    text = ""
    while True:
        line = stdin.readline().decode("utf-8", "surrogateescape")
        text += line
        if not line or _complete(text):
            if text.strip():
                try:
                    state.status = context.shell.script(text, state, context.streams)
                except ExitShellError as end:
                    return end.status
                if state.status and state.errexit:
                    return state.status
            text = ""
        if not line:
            return state.status


def _complete(text: str) -> bool:
    try:
        Parser(text).program()
    except ShellSyntaxError as fault:
        return "end of file" not in str(fault) and "unterminated" not in str(fault)
    return "<<" not in text or bool(re.search(r"<<-?\s*['\"]?(\w+)['\"]?[\s\S]*\n\t*\1\n", text))


def _fresh(context: Context) -> State:
    state = context.state.copy()
    state.variables = state.environment()
    state.functions = {}
    state.arguments = []
    state.errexit = state.nounset = False
    state.condition = 0
    state.shell_pid = None
    return state


def _in_process(text: str, argv: list[str], state: State, context: Context) -> int:
    shell = context.shell
    if context.state.exec_position:
        context.state.exec_position = False
        return shell.script(text, state, context.streams)
    process = shell.processes.start(" ".join(argv), context.state.process.group)
    state.process = process
    try:
        status = shell.script(text, state, context.streams)
    finally:
        shell.processes.finish(process)
    context.state.jobs.extend(state.jobs)
    return status


def _setsid(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    words = [w for w in argv[1:] if w not in ("-w", "-f", "--fork", "--wait")]
    if not words:
        return fail("setsid: no command specified")
    if context.state.exec_position:
        context.state.process.group = context.state.process.pid
        state = context.state.copy()
        state.exec_position = True
        return _status(context.shell.invoke(words, state, context.streams, exec_like=True))
    return _status(context.run(words))


def _nohup(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    state = context.state.copy()
    state.exec_position = context.state.exec_position
    return _status(context.shell.invoke(argv[1:], state, context.streams, exec_like=True))


def _timeout(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    words = argv[1:]
    while words and words[0].startswith("-"):
        words = words[2:] if words[0] in ("-s", "-k") else words[1:]
    limit = seconds(words[0])
    process = context.shell.processes.start(" ".join(words[1:]), context.state.process.group)
    late = threading.Event()
    watcher = threading.Thread(target=_watch, args=(context, process, limit, late), daemon=True)
    watcher.start()
    state = context.state.copy()
    state.process = process
    status = context.shell.script(shlex.join(words[1:]), state, context.streams)
    context.shell.processes.finish(process)
    return _status(124 if late.is_set() else status)


def _watch(context: Context, process: Process, limit: float, late: threading.Event) -> None:
    clock = context.shell.clock
    end = clock.time() + limit
    while not process.finished.wait(POLL_SECONDS):
        if clock.time() >= end:
            late.set()
            process.killed.set()
            return


def _env(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    words = argv[1:]
    state = context.state.copy()
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option in ("-i", "-", "--ignore-environment"):
            state.variables, state.exported = {}, set()
        elif option == "-u":
            state.variables.pop(words.pop(0), None)
    while words and re.match(r"[A-Za-z_]\w*=", words[0]):
        name, _, value = words.pop(0).partition("=")
        state.variables[name] = value
        state.exported.add(name)
    if not words:
        return say("".join(f"{name}={value}\n" for name, value in state.environment().items()))
    state.exec_position = context.state.exec_position
    return _status(context.shell.invoke(words, state, context.streams, exec_like=True))


def _flock(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    words = argv[1:]
    while words and words[0].startswith("-") and words[0] != "-c":
        words = words[2:] if words[0] in ("-w", "--timeout", "-E") else words[1:]
    words = words[1:]
    if not words:
        return DONE
    if words[0] == "-c":
        words = ["sh", "-c", words[1]]
    return _status(context.run(words))


def _xargs(argv: list[str], stdin: BinaryIO, context: Context) -> ExecResult:
    words = [word for word in argv[1:] if word not in ("-r", "-0")]
    data = stdin.read().decode("utf-8", "surrogateescape")
    items = data.strip("\0").split("\0") if "-0" in argv else shlex.split(data)
    if not items and "-r" in argv:
        return DONE
    return _status(context.run([*(words or ["echo"]), *items]))


def _start_stop_daemon(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    """Start in the background what `-S -b -x PROGRAM -- ARGUMENTS` names."""
    words = argv[1:]
    after = words[words.index("--") + 1 :] if "--" in words else []
    if "-S" not in words or "-x" not in words:
        return fail("start-stop-daemon: need one of -S or -K")
    program = words[words.index("-x") + 1]
    state = _fresh(context)
    state.process = context.shell.processes.start(" ".join([program, *after]))
    state.exec_position = True
    quiet = Streams(io.BytesIO(), Collected(), Collected())
    thread = threading.Thread(
        target=_daemon, args=(context, [program, *after], state, quiet), name="lab-daemon", daemon=True
    )
    thread.start()
    return DONE


def _daemon(context: Context, argv: list[str], state: State, streams: Streams) -> None:
    context.shell.script(shlex.join(argv), state, streams)
    context.shell.processes.finish(state.process)


def _sleep(argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
    try:
        context.sleep(sum(seconds(word) for word in argv[1:]))
    except ValueError:
        return fail(f"sleep: invalid number '{argv[1]}'")
    return DONE


BUILTINS: Mapping[str, CommandFunction] = {
    "cd": _cd,
    "export": _export,
    "readonly": _export,
    "local": _export,
    "set": _set,
    "exit": _exit,
    ":": _true,
    "umask": _true,
    "ulimit": _true,
    "read": _read,
    "shift": _shift,
    "unset": _unset,
    "break": _loop_control("break"),
    "continue": _loop_control("continue"),
    "return": _loop_control("return"),
    "trap": _trap,
    "command": _command,
    "type": lambda argv, stdin, context: _command(["command", "-v", *argv[1:]], stdin, context),
    "exec": _exec,
    "eval": _eval,
    ".": _source,
    "wait": _wait,
}
WRAPPERS: Mapping[str, CommandFunction] = {
    "true": _true,
    "false": _false,
    "kill": _kill,
    "sh": _sh,
    "ash": _sh,
    "dash": _sh,
    "bash": _sh,
    "setsid": _setsid,
    "nohup": _nohup,
    "nice": _nohup,
    "timeout": _timeout,
    "env": _env,
    "flock": _flock,
    "xargs": _xargs,
    "start-stop-daemon": _start_stop_daemon,
    "sleep": _sleep,
}
