"""A small POSIX shell for simulated devices: good enough for what tools send over SSH."""

from __future__ import annotations

import fnmatch
import io
import itertools
import posixpath
import shlex
import threading
from collections.abc import Mapping
from typing import BinaryIO, Literal

from plexops.lab.base import Clock, DeviceLog, ExecResult
from plexops.lab.file_utilities import FILE_UTILITIES
from plexops.lab.filesystem import File, FileError, FileSystem
from plexops.lab.processes import KilledError, Process, ProcessTable
from plexops.lab.shell_builtins import BUILTINS, WRAPPERS
from plexops.lab.shell_quoting import ShellSyntaxError
from plexops.lab.shell_state import (
    DONE,
    POLL_SECONDS,
    Collected,
    CommandFunction,
    Context,
    ExitShellError,
    LoopControlError,
    Output,
    State,
    Streams,
    ToFile,
    fail,
    say,
)
from plexops.lab.shell_syntax import (
    AndOr,
    Case,
    Command,
    Compound,
    Function,
    If,
    Loop,
    Parser,
    Pipeline,
    Redirect,
    Sequence,
    Simple,
)
from plexops.lab.shell_words import ExpansionError, expand, expand_document, expand_one, pattern
from plexops.lab.utilities import UTILITIES

__all__ = ["DONE", "CommandFunction", "Context", "Shell", "fail", "say"]

BIN = frozenset({"/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"})
ROOT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
USER_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/games"
ARGUMENT_PREVIEW = 200


class Shell:
    """The shell of one device, with its files, its commands and its running processes.

    `commands` are the device's own; each runs under `lock`. `free` ones take no lock (they talk to other devices).
    `sbin` names are only found by who has `/usr/sbin` in PATH.
    """

    def __init__(
        self,
        *,
        files: FileSystem,
        commands: Mapping[str, CommandFunction],
        log: DeviceLog,
        clock: Clock,
        lock: threading.RLock,
        hostname: str = "router",
        flavour: Literal["ash", "bash"] = "ash",
        free: Mapping[str, CommandFunction] | None = None,
        sbin: frozenset[str] = frozenset(),
    ) -> None:

        self.files = files
        self.log = log
        self.clock = clock
        self.hostname = hostname
        self.flavour = flavour
        self.processes = ProcessTable(files)
        #: Programs that this device does not have after all: what a busybox was built without.
        self.lacking: frozenset[str] = frozenset()
        self._lock = lock
        self._sbin = sbin
        self._locked = dict(commands)
        self._free: dict[str, CommandFunction] = {**UTILITIES, **FILE_UTILITIES, **WRAPPERS, **(free or {})}
        self._builtins = BUILTINS
        self._stopping = threading.Event()

    def run(self, command: str, stdin: bytes | BinaryIO, username: str) -> ExecResult:
        """Run one exec request as sshd does: a login without a terminal, in the user's home directory.

        Like sshd it answers only when nothing that holds the channel's output runs any more.
        """
        self.log.add(f"# exec {shlex.quote(command)}")
        home = "/root" if username == "root" else f"/home/{username}"
        variables = {
            "HOME": home,
            "USER": username,
            "LOGNAME": username,
            "PATH": ROOT_PATH if username == "root" else USER_PATH,
            "SHELL": "/bin/ash" if self.flavour == "ash" else "/bin/bash",
        }
        process = self.processes.start(command)
        state = State(username, process, variables, set(variables), home if self.files.is_dir(home) else "/")
        out, err = Collected(), Collected()
        source = io.BytesIO(stdin) if isinstance(stdin, bytes) else stdin
        status = self.script(command, state, Streams(source, out, err))
        self.processes.finish(process)
        self._await_holders(state)
        return ExecResult(out.value(), err.value(), status)

    def stop(self) -> None:
        """Kill everything that runs."""
        self._stopping.set()
        for process in self.processes.running():
            process.killed.set()

    def script(self, text: str, state: State, streams: Streams) -> int:
        """Run a program text in the given shell state; give its exit status."""
        try:
            program = Parser(text).program()
        except ShellSyntaxError as fault:
            streams.stderr.write(self._complaint(str(fault)))
            return 2
        try:
            status = self.sequence(program, state, streams)
        except ExitShellError as end:
            status = end.status
        except LoopControlError as end:
            status = end.status
        except KilledError:
            return 143
        except (ExpansionError, ShellSyntaxError) as error:
            streams.stderr.write(self._complaint(str(error)))
            status = 2
        if state.on_exit:
            action, state.on_exit = state.on_exit, ""
            self.script(action, state, streams)
        return status

    def wait(self, process: Process, seconds: float) -> None:
        """Let a process sleep for simulated seconds.

        Raises KilledError.
        """
        end = self.clock.time() + seconds
        while True:
            if process.killed.is_set() or self._stopping.is_set():
                raise KilledError
            left = end - self.clock.time()
            if left <= 0:
                return
            process.killed.wait(POLL_SECONDS)

    def sequence(self, sequence: Sequence, state: State, streams: Streams) -> int:
        """Run lists one after the other."""
        for item in sequence.items:
            if item.background:
                self._background(item, state, streams)
                state.status = 0
                continue
            final = self._and_or(item, state, streams)
            if state.errexit and not state.condition and state.status and final:
                raise ExitShellError(state.status)
        return state.status

    def invoke(self, argv: list[str], state: State, streams: Streams, *, exec_like: bool = False) -> int:
        """Run one command with its arguments; give its status.

        Raises KilledError when the process was killed.
        """
        if state.process.killed.is_set() or self._stopping.is_set():
            raise KilledError
        self.log.add(shlex.join(argv))
        name = argv[0]
        context = Context(self, state, streams)
        if not exec_like and name in state.functions:
            return self._call(state.functions[name], argv, state, streams)
        if not exec_like and name in self._builtins:
            result = self._builtins[name](argv, streams.stdin, context)
        else:
            result = self._external(name, argv, context)
        streams.stdout.write(result.stdout)
        streams.stderr.write(result.stderr)
        return result.status

    def find(self, name: str, state: State) -> CommandFunction | None:
        """Give the command of that name, or of that path."""
        short = posixpath.basename(name) if posixpath.dirname(name) in BIN else name
        if short in self.lacking:
            return None
        if short == name and name in self._sbin and "sbin" not in state.variables.get("PATH", ""):
            return None
        return self._locked.get(short) or self._free.get(short)

    def knows(self, name: str, state: State) -> bool:
        """Tell whether `command -v` finds it."""
        return name in self._builtins or name in state.functions or self.find(name, state) is not None

    def _external(self, name: str, argv: list[str], context: Context) -> ExecResult:
        function = self.find(name, context.state)
        if function is not None:
            short = posixpath.basename(name) if posixpath.dirname(name) in BIN else name
            if short in self._locked:
                with self._lock:
                    return function(argv, context.streams.stdin, context)
            return function(argv, context.streams.stdin, context)
        path = context.path(name)
        if "/" in name and self.files.exists(path):
            return self._program(path, argv, context)
        return ExecResult(b"", self._not_found(name), 127)

    def _program(self, path: str, argv: list[str], context: Context) -> ExecResult:
        node = self.files.stat(path)
        if not isinstance(node, File) or not node.mode & 0o111:
            return ExecResult(b"", self._complaint(f"{argv[0]}: Permission denied"), 126)
        state = context.state.copy()
        state.arguments = argv[1:]
        text = self.files.read(path, context.user).decode("utf-8", "surrogateescape")
        return ExecResult(b"", b"", self.script(text, state, context.streams))

    def _not_found(self, name: str) -> bytes:
        if self.flavour == "bash":
            what = "No such file or directory" if "/" in name else "command not found"
            return f"bash: line 1: {name}: {what}\n".encode()
        return f"sh: {name}: not found\n".encode()

    def _complaint(self, message: str) -> bytes:
        prefix = "bash: line 1" if self.flavour == "bash" else "sh"
        return f"{prefix}: {message}\n".encode("utf-8", "surrogateescape")

    def _await_holders(self, state: State) -> None:
        for process in state.jobs:
            while not process.finished.wait(POLL_SECONDS):
                if self._stopping.is_set():
                    return

    def _and_or(self, item: AndOr, state: State, streams: Streams) -> bool:
        """Run it; tell whether the last pipeline was the one that ran (then `set -e` counts)."""
        last = len(item.items) - 1
        ran = 0
        for index, (operator, pipeline) in enumerate(item.items):
            if (operator == "&&" and state.status) or (operator == "||" and not state.status):
                continue
            ran = index
            state.condition += index < last
            try:
                self._pipeline(pipeline, state, streams)
            finally:
                state.condition -= index < last
        return ran == last and not item.items[last][1].negated

    def _pipeline(self, pipeline: Pipeline, state: State, streams: Streams) -> None:
        state.condition += pipeline.negated
        try:
            status = self._stages(pipeline.commands, state, streams)
        finally:
            state.condition -= pipeline.negated
        state.status = int(not status) if pipeline.negated else status

    def _stages(self, commands: list[Command], state: State, streams: Streams) -> int:
        if len(commands) == 1:
            return self._command(commands[0], state, streams)
        source = streams.stdin
        for command in commands[:-1]:
            held = Collected()
            self._in_subshell(command, state.copy(), Streams(source, held, streams.stderr))
            source = io.BytesIO(held.value())
        return self._in_subshell(commands[-1], state.copy(), Streams(source, streams.stdout, streams.stderr))

    def _in_subshell(self, command: Command, state: State, streams: Streams) -> int:
        try:
            return self._command(command, state, streams)
        except (ExitShellError, LoopControlError) as end:
            return end.status
        except (ExpansionError, ShellSyntaxError) as error:
            streams.stderr.write(self._complaint(str(error)))
            return 2

    def _background(self, item: AndOr, state: State, streams: Streams) -> None:
        child = state.copy()
        child.errexit = False
        words = _describe(item) or state.process.words  # a subshell shows the command line of its parent
        process = self.processes.start(words, state.process.group)
        child.process = process
        child.shell_pid = state.shell_pid or state.process.pid
        child.exec_position = len(item.items) == 1 and len(item.items[0][1].commands) == 1
        state.last_job = process.pid
        held = Streams(io.BytesIO(), streams.stdout, streams.stderr)
        if _holds_output(item, streams):
            state.jobs.append(process)
        thread = threading.Thread(
            target=self._job, args=(item, child, held), name=f"lab-job-{process.pid}", daemon=True
        )
        thread.start()

    def _job(self, item: AndOr, state: State, streams: Streams) -> None:
        try:
            self._and_or(item, state, streams)
        except (ExitShellError, LoopControlError, KilledError):
            pass
        except (ExpansionError, ShellSyntaxError, FileError) as error:
            streams.stderr.write(self._complaint(str(error)))
        finally:
            self._await_holders(state)
            self.processes.finish(state.process)

    def _command(self, command: Command, state: State, streams: Streams) -> int:
        if isinstance(command, Simple):
            return self._simple(command, state, streams)
        if isinstance(command, Function):
            state.functions[command.name] = command.body
            return 0
        redirected = self._redirected(command.redirects, state, streams)
        if redirected is None:
            return 1
        if isinstance(command, Compound):
            return self._compound(command, state, redirected)
        if isinstance(command, If):
            return self._if(command, state, redirected)
        if isinstance(command, Case):
            return self._case(command, state, redirected)
        return self._loop(command, state, redirected)

    def _compound(self, command: Compound, state: State, streams: Streams) -> int:
        if command.kind == "group":
            return self.sequence(command.body, state, streams)
        child = state.copy()
        try:
            status = self.sequence(command.body, child, streams)
        except (ExitShellError, LoopControlError) as end:
            status = end.status
        except (ExpansionError, ShellSyntaxError) as error:
            streams.stderr.write(self._complaint(str(error)))
            status = 2
        if child.on_exit:
            self.script(child.on_exit, child, streams)
        state.jobs.extend(child.jobs)
        return status

    def _if(self, command: If, state: State, streams: Streams) -> int:
        for condition, body in command.branches:
            if condition is None or self._holds(condition, state, streams):
                state.status = 0
                return self.sequence(body, state, streams)
        return 0

    def _holds(self, condition: Sequence, state: State, streams: Streams) -> bool:
        state.condition += 1
        try:
            return self.sequence(condition, state, streams) == 0
        finally:
            state.condition -= 1

    def _case(self, command: Case, state: State, streams: Streams) -> int:
        scope = _Scope(self, state, streams)
        word = expand_one(command.word, scope)
        for patterns, body in command.clauses:
            if any(fnmatch.fnmatchcase(word, pattern(p, scope)) for p in patterns):
                state.status = 0
                return self.sequence(body, state, streams)
        return 0

    def _loop(self, loop: Loop, state: State, streams: Streams) -> int:
        status = 0
        words = iter(self._loop_words(loop, state, streams))
        while True:
            if loop.kind == "for":
                word = next(words, None)
                if word is None:
                    return status
                state.variables[loop.name] = word
            elif loop.condition is not None and self._holds(loop.condition, state, streams) != (
                loop.kind == "while"
            ):
                return status
            try:
                status = self.sequence(loop.body, state, streams)
            except LoopControlError as control:
                if control.kind == "return":
                    raise
                if control.kind == "break":
                    return 0

    def _loop_words(self, loop: Loop, state: State, streams: Streams) -> list[str]:
        if loop.words is None:
            return list(state.arguments)
        scope = _Scope(self, state, streams)
        return list(itertools.chain.from_iterable(expand(raw, scope) for raw in loop.words))

    def _simple(self, command: Simple, state: State, streams: Streams) -> int:
        scope = _Scope(self, state, streams)
        scope.substituted = 0
        argv = [word for raw in command.words for word in expand(raw, scope)]
        redirected = self._redirected(command.redirects, state, streams)
        if redirected is None:
            return 1
        values = [(name, expand_one(raw, scope)) for name, raw in command.assignments]
        if not argv:
            state.variables.update(values)
            return scope.substituted
        if argv[0] == "exec" and len(argv) == 1:
            streams.stdin, streams.stdout, streams.stderr = (
                redirected.stdin,
                redirected.stdout,
                redirected.stderr,
            )
            return 0
        if not values:
            return self._guarded(argv, state, redirected)
        before, exported = dict(state.variables), set(state.exported)
        state.variables.update(values)
        state.exported |= {name for name, _ in values}
        try:
            return self._guarded(argv, state, redirected)
        finally:
            state.variables, state.exported = before, exported

    def _guarded(self, argv: list[str], state: State, streams: Streams) -> int:
        try:
            return self.invoke(argv, state, streams)
        except FileError as error:
            streams.stderr.write(self._complaint(f"{argv[0]}: {error}"))
            return 1

    def _call(self, body: Command, argv: list[str], state: State, streams: Streams) -> int:
        arguments, state.arguments = state.arguments, argv[1:]
        try:
            return self._command(body, state, streams)
        except LoopControlError as control:
            if control.kind != "return":
                raise
            return control.status
        finally:
            state.arguments = arguments

    def _redirected(self, redirects: list[Redirect], state: State, streams: Streams) -> Streams | None:
        """Give the streams as redirections leave them; None, after a complaint, when a file cannot be opened."""
        if not redirects:
            return streams
        result = Streams(streams.stdin, streams.stdout, streams.stderr)
        scope = _Scope(self, state, streams)
        for redirect in redirects:
            name = ""
            try:
                name = (
                    redirect.target
                    if redirect.operator in ("<<", "<<-")
                    else expand_one(redirect.target, scope)
                )
                self._redirect(redirect, name, state, result, scope)
            except FileError as error:
                verb = "can't open" if redirect.operator == "<" else "can't create"
                hint = "no such file" if "No such" in str(error) and redirect.operator == "<" else str(error)
                if self.flavour == "bash":
                    result.stderr.write(self._complaint(f"{name}: {error}"))
                else:
                    result.stderr.write(self._complaint(f"{verb} {name}: {hint}"))
                return None
        return result

    def _redirect(self, redirect: Redirect, name: str, state: State, result: Streams, scope: _Scope) -> None:
        operator = redirect.operator
        path = posixpath.normpath(posixpath.join(state.directory, name))
        if operator in ("<<", "<<-"):
            text = expand_document(redirect.body, scope) if redirect.expands else redirect.body
            result.stdin = io.BytesIO(text.encode("utf-8", "surrogateescape"))
        elif operator == "<":
            result.stdin = io.BytesIO(self.files.read(path, state.user))
        elif operator in (">&", "<&"):
            self._duplicate(redirect.number, name, result)
        else:
            if path != "/dev/null":
                self.log.add(f"# write {path}")
            self.files.write(path, b"", state.user, append=operator == ">>")
            target = ToFile(self.files, path, state.user)
            if redirect.number == 1:
                result.stdout = target
            else:
                result.stderr = target

    def _duplicate(self, number: int, name: str, result: Streams) -> None:
        if number == 0:
            if name == "-":
                result.stdin = io.BytesIO()
            return
        source: Output = {"1": result.stdout, "2": result.stderr}.get(
            name, ToFile(self.files, "/dev/null", "")
        )
        if number == 1:
            result.stdout = source
        else:
            result.stderr = source


class _Scope:
    """A shell state as expansions see it."""

    def __init__(self, shell: Shell, state: State, streams: Streams) -> None:
        self._shell = shell
        self._state = state
        self._streams = streams
        self.substituted = 0

    def get(self, name: str) -> str | None:
        state = self._state
        if name.isdigit():
            index = int(name)
            if index == 0:
                return state.name
            return state.arguments[index - 1] if index <= len(state.arguments) else None
        special = {
            "?": str(state.status),
            "$": str(state.shell_pid or state.process.pid),
            "!": str(state.last_job) if state.last_job is not None else "",
            "#": str(len(state.arguments)),
            "-": "",
        }
        return special.get(name, state.variables.get(name))

    def set(self, name: str, value: str) -> None:
        self._state.variables[name] = value

    def positional(self) -> list[str]:
        return list(self._state.arguments)

    def substitute(self, text: str) -> str:
        held = Collected()
        child = self._state.copy()
        self.substituted = self._shell.script(
            text, child, Streams(self._streams.stdin, held, self._streams.stderr)
        )
        self._shell._await_holders(child)
        return held.value().decode("utf-8", "surrogateescape").replace("\0", "").rstrip("\n")

    def glob(self, pattern: str) -> list[str]:
        if pattern.startswith("/"):
            return self._shell.files.glob(pattern)
        base = self._state.directory.rstrip("/") + "/"
        return [path[len(base) :] for path in self._shell.files.glob(base + pattern)]

    def unset_is_fatal(self) -> bool:
        return self._state.nounset


def _describe(item: AndOr) -> str:
    command = item.items[0][1].commands[0]
    return " ".join(command.words)[:ARGUMENT_PREVIEW] if isinstance(command, Simple) else ""


def _holds_output(item: AndOr, streams: Streams) -> bool:
    """Tell whether a background list keeps an output open that somebody waits for: then sshd waits too."""
    held = {
        number for number, out in ((1, streams.stdout), (2, streams.stderr)) if isinstance(out, Collected)
    }
    for _, pipeline in item.items:
        for command in pipeline.commands:
            away = {r.number for r in getattr(command, "redirects", []) if r.operator.startswith(">")}
            if held - away:
                return True
    return False
