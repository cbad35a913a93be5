"""Faults of devices and networks, as things that stand between plexops and what it asks."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from plexops.lab.filesystem import FileError
from plexops.lab.home import Role
from plexops.lab.shell import Shell
from plexops.structs import replace
from tests.faults.generate import hashed
from tests.faults.wire import Ask, Switchboard, Told

_NONCE = re.compile(rb"\b[0-9a-f]{16}\b")
_MARK = re.compile(rb"^[0-9a-f]{16} (?:\d+ (?:start|end|failed)|closed)")
_COMPLAINT = b"sh: out of memory\nfailure: internal error\n"
Do = Callable[[Ask], Told]


@dataclass(slots=True)
class Scene:
    """Where a fault acts. `first` is the request that it was meant for; later ones come to it as well."""

    board: Switchboard
    role: Role
    ask: Ask
    do: Do
    first: bool
    #: How many requests of this device came since, this one included, from 1.
    number: int
    memory: dict[bytes, Told]
    previous: Told


Act = Callable[[Scene], Told]


def bodies(told: Told, edit: Callable[[bytes], bytes]) -> Told:
    """Edit what a device says, and leave the markers around each answer as they are."""
    parts: list[bytes] = []
    body: list[bytes] = []
    for line in told.stdout.splitlines(keepends=True):
        if _MARK.match(line):
            parts += [edit(b"".join(body)) if body or parts else b"", line]
            body = []
        else:
            body.append(line)
    if not parts:
        return replace(told, stdout=edit(told.stdout))
    return replace(told, stdout=b"".join([*parts, *body]))


def _over_http(scene: Scene) -> bool:
    return scene.ask.text.startswith(("GET /", "POST /", "PUT /"))


def _yes(scene: Scene) -> Told:
    """Answer as success looks like."""
    if _over_http(scene):
        return Told(b'{"result": "saved", "status": "ok"}', b"", 200)
    return Told(b"", b"", 0) if scene.ask.writes else bodies(scene.do(scene.ask), lambda _: b"\n")


def _no(scene: Scene) -> Told:
    return Told(b'{"message": "internal error"}', b"", 500) if _over_http(scene) else Told(b"", _COMPLAINT, 1)


def _half(ask: Ask) -> Ask:
    """Give the first half of what was asked: of the commands of a line, or of the values of a request."""
    if ask.body and ask.text.startswith("POST"):
        shorter = re.sub(rb',\s*"[a-z_-]+": ?("[^"]*"|\d+)(\}+)$', rb"\2", ask.body)
        return replace(ask, body=shorter)
    commands = ask.text.split(" && ")
    if len(commands) > 2:
        return replace(ask, text=" && ".join(commands[: len(commands) // 2]))
    return replace(ask, text=re.sub(r" [a-z-]+=\S+$", "", ask.text))


def says_yes_and_does_nothing(scene: Scene) -> Told:
    return _yes(scene) if scene.first else scene.do(scene.ask)


def does_it_and_says_no(scene: Scene) -> Told:
    told = scene.do(scene.ask)
    return _no(scene) if scene.first else told


def does_half(scene: Scene) -> Told:
    return scene.do(_half(scene.ask) if scene.first else scene.ask)


def does_it_twice(scene: Scene) -> Told:
    if scene.first:
        scene.do(scene.ask)
    return scene.do(scene.ask)


def empty_answer(scene: Scene) -> Told:
    told = scene.do(scene.ask)
    return bodies(told, lambda _: b"\n") if scene.first else told


def cut_answer(scene: Scene) -> Told:
    told = scene.do(scene.ask)
    return replace(told, stdout=told.stdout[: len(told.stdout) // 2]) if scene.first else told


def half_of_each_answer(scene: Scene) -> Told:
    told = scene.do(scene.ask)
    return bodies(told, lambda body: body[: len(body) // 2] + b"\n") if scene.first else told


def answer_of_another(scene: Scene) -> Told:
    told = scene.do(scene.ask)
    return scene.previous if scene.first and scene.previous.status is not None else told


def complains_with_status_0(scene: Scene) -> Told:
    told = scene.do(scene.ask)
    return bodies(told, lambda _: _COMPLAINT) if scene.first else told


def garbage(scene: Scene) -> Told:
    told = scene.do(scene.ask)
    noise = random.Random(7).randbytes(400) + b"\x00\x1b]0;owned\x07\x1b[2J"  # noqa: S311
    return bodies(told, lambda body: noise + body[::-1] + b"\n") if scene.first else told


def ten_megabytes(scene: Scene) -> Told:
    told = scene.do(scene.ask)
    return bodies(told, lambda body: b"x" * 10_000_000 + body) if scene.first else told


def reads_fail_from_here(scene: Scene) -> Told:
    """Every later read fails, and writes are still carried out."""
    if scene.ask.writes:
        return scene.do(scene.ask)
    return _no(scene) if _over_http(scene) else Told(b"", b"sh: not found\n", 127)


def shows_the_old_state(scene: Scene) -> Told:
    """For the next five looks, what was shown before."""
    told = scene.do(scene.ask)
    key = _NONCE.sub(b"", scene.ask.text.encode())
    seen = scene.memory.setdefault(key, told)
    if scene.ask.writes or scene.number > 5:
        return told
    nonce = _NONCE.search(told.stdout)
    return seen if nonce is None else replace(seen, stdout=_NONCE.sub(nonce.group(), seen.stdout))


def _processes(scene: Scene) -> Iterator[object]:
    shell = getattr(scene.board.home.router, "shell", None)
    if isinstance(shell, Shell):
        for process in shell.processes.running():
            if process.words.startswith("setsid"):
                process.killed.set()
                yield process


def the_timer_dies(scene: Scene) -> Told:
    """What was to undo it is gone, without a trace."""
    if scene.first:
        list(_processes(scene))
    return scene.do(scene.ask)


def restarts(scene: Scene) -> Told:
    """The device restarts right after it: its processes end, and it is away for a minute."""
    if not scene.first:
        return scene.do(scene.ask) if scene.number > 3 else Told(ending="refused")
    told = scene.do(scene.ask)
    list(_processes(scene))
    shell = getattr(scene.board.home.router, "shell", None)
    if isinstance(shell, Shell) and scene.role == "router":
        for folder in ("/tmp", "/run"):
            for path in shell.files.glob(f"{folder}/plexops*"):
                shell.files.remove_tree(path)
    return replace(told, ending="closed", stdout=b"")


def the_window_fires_early(scene: Scene) -> Told:
    if scene.first:
        scene.board.pass_time(1000.0)
    return scene.do(scene.ask)


def the_window_fires_right_after(scene: Scene) -> Told:
    told = scene.do(scene.ask)
    if scene.first:
        scene.board.pass_time(1000.0)
    return told


def flash_is_full(scene: Scene) -> Told:
    """From here on nothing can be written any more."""
    shell = getattr(
        scene.board.home.server if scene.role == "server" else scene.board.home.router, "shell", None
    )
    if scene.role not in ("router", "server") or not isinstance(shell, Shell):
        return _no(scene) if scene.ask.writes else scene.do(scene.ask)
    if scene.first:

        def full(*_given: object, **_named: object) -> None:
            raise FileError("No space left on device")

        shell.files.write = full  # type: ignore[method-assign]
    return scene.do(scene.ask)


def refused(scene: Scene) -> Told:
    return Told(ending="refused") if scene.first else scene.do(scene.ask)


def reset_before(scene: Scene) -> Told:
    return Told(ending="closed") if scene.first else scene.do(scene.ask)


def reset_after(scene: Scene) -> Told:
    scene.do(scene.ask)
    return Told(ending="closed") if scene.first else scene.do(scene.ask)


def half_an_answer_then_reset(scene: Scene) -> Told:
    told = scene.do(scene.ask)
    return (
        replace(told, stdout=told.stdout[: len(told.stdout) // 2], ending="closed") if scene.first else told
    )


def silent_before(scene: Scene) -> Told:
    return Told(ending="timed-out") if scene.first else scene.do(scene.ask)


def silent_after(scene: Scene) -> Told:
    told = scene.do(scene.ask)
    return Told(ending="timed-out") if scene.first else told


def half_open(scene: Scene) -> Told:
    """The old connection is dead and does not know it; new ones are refused for a while."""
    if scene.number > 4:
        return scene.do(scene.ask)
    return Told(ending="timed-out" if scene.first else "refused")


def gone_for_a_while(scene: Scene) -> Told:
    return scene.do(scene.ask) if scene.number > 6 else Told(ending="refused")


def gone_for_good(scene: Scene) -> Told:
    return Told(ending="refused")


def every_second_is_lost(scene: Scene) -> Told:
    return Told(ending="timed-out") if scene.number % 2 else scene.do(scene.ask)


DEVICE_FAULTS: Mapping[str, Act] = MappingProxyType(
    {
        act.__name__.replace("_", " "): act
        for act in (
            says_yes_and_does_nothing,
            does_it_and_says_no,
            does_half,
            does_it_twice,
            empty_answer,
            cut_answer,
            half_of_each_answer,
            answer_of_another,
            complains_with_status_0,
            garbage,
            ten_megabytes,
            reads_fail_from_here,
            shows_the_old_state,
            the_timer_dies,
            restarts,
            the_window_fires_early,
            the_window_fires_right_after,
            flash_is_full,
        )
    }
)
NETWORK_FAULTS: Mapping[str, Act] = MappingProxyType(
    {
        act.__name__.replace("_", " "): act
        for act in (
            refused,
            reset_before,
            reset_after,
            half_an_answer_then_reset,
            silent_before,
            silent_after,
            half_open,
            gone_for_a_while,
            gone_for_good,
            every_second_is_lost,
        )
    }
)


@dataclass(slots=True)
class Meddling:
    """Puts one fault before one device, from a request on; `over` ends it."""

    board: Switchboard
    act: Act
    #: Such as `router write 3`.
    at: str
    begun: bool = False
    over: bool = False
    _met: Counter[str] = field(default_factory=Counter)
    _memory: dict[bytes, Told] = field(default_factory=dict)
    _previous: dict[Role, Told] = field(default_factory=dict)
    _number: int = 0

    def __call__(self, role: Role, ask: Ask, do: Do) -> Told:
        """Let it through, or not."""
        kind = f"{role} {'write' if ask.writes else 'read'}"
        self._met[kind] += 1
        first = f"{kind} {self._met[kind]}" == self.at
        self.begun = self.begun or first
        acts = self.begun and not self.over and role == self.at.partition(" ")[0]
        told = self._acted(role, ask, do, first=first) if acts else do(ask)
        if told.stdout:
            self._previous[role] = told
            key = _NONCE.sub(b"", ask.text.encode())
            if not self.begun:
                self._memory[key] = told
        return told

    def _acted(self, role: Role, ask: Ask, do: Do, *, first: bool) -> Told:
        self._number += 1
        previous = self._previous.get(role, Told())
        return self.act(Scene(self.board, role, ask, do, first, self._number, self._memory, previous))


def choice(salt: str, names: list[str], count: int) -> list[str]:
    """Choose that many names, the same ones each time."""
    return sorted(names, key=lambda name: hashed(salt + name))[:count]
