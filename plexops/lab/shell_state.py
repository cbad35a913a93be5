"""What belongs to one running shell of a simulated device: its variables, its streams, and how commands see them."""

from __future__ import annotations

import posixpath
import threading
from collections.abc import Callable
from typing import BinaryIO, Literal, Protocol

from msgspec import Struct

from plexops.lab.base import Clock, DeviceLog, ExecResult
from plexops.lab.filesystem import FileSystem
from plexops.lab.processes import Process, ProcessTable
from plexops.lab.shell_syntax import Command, Sequence

POLL_SECONDS = 0.02
DONE = ExecResult(b"", b"", 0)


def fail(message: str, status: int = 1) -> ExecResult:
    """Give the answer of a command that only complains."""
    return ExecResult(b"", message.encode() + b"\n", status)


def say(text: str, status: int = 0) -> ExecResult:
    """Give the answer of a command that only prints."""
    return ExecResult(text.encode("utf-8", "surrogateescape"), b"", status)


class Output(Protocol):
    """Where a command's output goes."""

    def write(self, data: bytes, /) -> object:
        """Append bytes."""


class Collected:
    """Output that is kept; several threads may write."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._lock = threading.Lock()

    def write(self, data: bytes) -> None:
        """Append bytes."""
        with self._lock:
            self._data += data

    def value(self) -> bytes:
        """Give what was written so far."""
        with self._lock:
            return bytes(self._data)


class ToFile(Struct):
    """A standard output that is redirected to a file."""

    files: FileSystem
    path: str
    user: str

    def write(self, data: bytes) -> None:
        """Append to the file, with the user's rights."""
        if data:
            self.files.write(self.path, data, self.user, append=True)


class Streams(Struct):
    """Standard input, output and error of a running command."""

    stdin: BinaryIO
    stdout: Output
    stderr: Output


class Shell(Protocol):
    """The shell as its commands know it."""

    files: FileSystem
    log: DeviceLog
    clock: Clock
    hostname: str
    flavour: Literal["ash", "bash"]
    processes: ProcessTable

    def script(self, text: str, state: State, streams: Streams) -> int:
        """Run a text as a script and give its status."""

    def sequence(self, sequence: Sequence, state: State, streams: Streams) -> int:
        """Run parsed commands and give the last one's status."""

    def invoke(self, argv: list[str], state: State, streams: Streams, *, exec_like: bool = False) -> int:
        """Run one command and give its status."""

    def wait(self, process: Process, seconds: float) -> None:
        """Let a process sleep."""

    def find(self, name: str, state: State) -> CommandFunction | None:
        """Give what a name runs; None where there is no such command."""

    def knows(self, name: str, state: State) -> bool:
        """Tell whether there is a command of this name."""


class Context(Struct):
    """What a command knows of the shell that started it."""

    shell: Shell
    state: State
    streams: Streams

    @property
    def user(self) -> str:
        """Name whose rights count."""
        return self.state.user

    @property
    def files(self) -> FileSystem:
        """The device's files."""
        return self.shell.files

    def path(self, name: str) -> str:
        """Make a path absolute."""
        return posixpath.normpath(posixpath.join(self.state.directory, name))

    def run(self, argv: list[str], *, user: str | None = None, process: Process | None = None) -> int:
        """Run another command in this one's place and give its status."""
        state = self.state.copy()
        state.user = user or state.user
        state.process = process or state.process
        return self.shell.invoke(argv, state, self.streams, exec_like=True)

    def sleep(self, seconds: float) -> None:
        """Wait that many simulated seconds.

        Raises KilledError when the process gets a signal meanwhile.
        """
        self.shell.wait(self.state.process, seconds)


CommandFunction = Callable[[list[str], BinaryIO, Context], ExecResult]


class State(Struct):
    """One shell's variables and options."""

    user: str
    process: Process
    variables: dict[str, str]
    exported: set[str]
    directory: str = "/"
    name: str = "sh"
    arguments: list[str] = []
    functions: dict[str, Command] = {}
    status: int = 0
    last_job: int | None = None
    errexit: bool = False
    nounset: bool = False
    #: How many conditions surround the command: `set -e` does not count inside.
    condition: int = 0
    on_exit: str = ""
    jobs: list[Process] = []
    #: The command about to run is this process itself (a background job, or after `exec`), not its child.
    exec_position: bool = False
    #: What `$$` gives in a background job: the shell that it belongs to, not its own process.
    shell_pid: int | None = None

    def copy(self) -> State:
        """Give a subshell's state."""
        return State(
            self.user,
            self.process,
            dict(self.variables),
            set(self.exported),
            self.directory,
            self.name,
            list(self.arguments),
            dict(self.functions),
            self.status,
            self.last_job,
            self.errexit,
            self.nounset,
            self.condition,
            shell_pid=self.shell_pid,
        )

    def environment(self) -> dict[str, str]:
        """Give the exported variables."""
        return {name: self.variables[name] for name in sorted(self.exported) if name in self.variables}


class ExitShellError(Exception):
    """`exit`, or `set -e` after a failure."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class LoopControlError(Exception):
    """`break` or `continue` (or `return`, which ends a function)."""

    def __init__(self, kind: Literal["break", "continue", "return"], status: int = 0) -> None:
        super().__init__(kind)
        self.kind = kind
        self.status = status
