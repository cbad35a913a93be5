"""The device's own undo: from a profile's description, or a shell's timer, to the exact requests of one change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from plexops.drivers.requests import CompiledRequest, compile_request, language_of
from plexops.languages import posix_timer
from plexops.languages.template import Template, TemplateProblem, compile_template
from plexops.languages.tree import SAVED, Edit
from plexops.model.errors import Problem
from plexops.model.exchange import Command, Read, Window, WindowKind, Write
from plexops.model.fields import FieldType, Typed
from plexops.model.profile import Profile, Speaks
from plexops.model.snapshot import Snapshot
from plexops.model.window import WindowSpec
from plexops.structs import replace

_VARIABLES: Mapping[str, FieldType] = {
    "name": FieldType.WORD,
    "seconds": FieldType.NUMBER,
    "undo": FieldType.TEXT,
}


class _Templates(Struct, frozen=True):
    """What a device of a language without processes is sent."""

    open: tuple[CompiledRequest, ...]
    confirm: tuple[CompiledRequest, ...]
    armed: Template
    last: Template | None


class CompiledWindow(Struct, frozen=True):
    """The device's own undo, ready for one change after the other. `templates` is None for a shell's timer."""

    spec: WindowSpec
    templates: _Templates | None

    def of(self, name: Typed, seconds: int, undo: Sequence[str], functions: str = "") -> Window:
        """Give the window called `name` that carries the requests of the way back out after that many seconds."""
        if self.templates is None:
            return timer(f"{self.spec.directory}/plexops_{name.value}", seconds, undo, functions)
        values = {"name": name, "seconds": Typed(FieldType.NUMBER, seconds)}
        last = "" if self.templates.last is None else f"; {self.templates.last.render(values)}"
        # What fails must not be tried again and again: whatever becomes of it, the last request is carried out.
        values["undo"] = Typed(FieldType.TEXT, f":do {{ {'; '.join(undo)} }} on-error={{}}{last}")
        return Window(
            kind=self.spec.kind,
            open=tuple(request.render(values) for request in self.templates.open),
            confirm=tuple(request.render(values) for request in self.templates.confirm),
            armed=Read("armed", Command(self.templates.armed.render(values))),
            seconds=seconds,
        )


def timer(path: str, seconds: int, undo: Sequence[str], functions: str = "") -> Window:
    """Give the window of a shell: a process that keeps its state in the directory `path`.

    `functions` are defined before the way back, which may use them.
    """
    back = " && ".join(f"( {text} )" for text in undo)
    return Window(
        kind=WindowKind.TIMER,
        open=(Write(Command(posix_timer.arm(path, seconds, f"{functions} {back}".strip()))),),
        confirm=(Write(Command(posix_timer.end(path))),),
        armed=Read("armed", Command(posix_timer.ask(path))),
        seconds=seconds,
    )


_TREE_END = "\n".join((*SAVED, "exit"))


def of_tree(spec: WindowSpec | None, now: Snapshot) -> Window:
    """Give the window of a configuration tree: a commit that waits to be confirmed, where that does no harm.

    Else what is in force is saved only when it is confirmed. No `show` tells whether a commit waits (languages/tree.py),
    so that neither can be asked.
    """
    save = Write(Command(Edit((), ("save",)).text))
    waits = spec is not None and all(now.text(fact) in words for fact, words in spec.needs.items())
    if spec is None or not waits:
        return Window(WindowKind.UNSAVED, confirm=(save,))
    confirm = Write(Command(Edit((), ("confirm",)).text))
    return Window(WindowKind.COMMIT_CONFIRM, confirm=(confirm, save), seconds=60 * spec.minutes)


def arming(write: Write, window: Window) -> Write:
    """Give the write of a change to a configuration tree so that it arms its window, and saves nothing."""
    text = write.ask.text if isinstance(write.ask, Command) else ""
    if not text.endswith(_TREE_END):
        raise ValueError("only a visit that saves what it commits can leave that to its window")
    end = f"commit-confirm {window.seconds // 60}" if window.seconds else "commit"
    return replace(write, ask=Command(f"{text.removesuffix(_TREE_END)}{end}\nexit"))


def compile_window(profile: Profile, spec: WindowSpec | None) -> tuple[CompiledWindow | None, list[Problem]]:
    """Check and prepare a profile's window; None, with what is wrong, where it is not sound, or there is none."""
    if spec is None:
        return None, []
    if profile.speaks is Speaks.TREE and spec.kind is WindowKind.COMMIT_CONFIRM and spec.minutes:
        return CompiledWindow(spec, None), []
    if (profile.speaks is Speaks.SHELL) != (spec.kind is WindowKind.TIMER and bool(spec.directory)):
        reason = f"a window of {profile.speaks} is not of this form"
        cure = "A shell's is `kind: timer` and a `directory`, a tree's `kind: commit-confirm` and `minutes`."
        return None, [Problem("PLX-D407", reason, cure, place=profile.place("window"), path="window")]
    if profile.speaks is Speaks.SHELL:
        return CompiledWindow(spec, None), []
    language = language_of(profile.speaks.language)
    asked = spec.armed.replace("{{ name }}", "name").replace("{{ seconds }}", "1")
    refused = language.refuse_read(asked.replace("{{ undo }}", '"undo"'))
    if refused:
        reason = f"this read could write: {refused}"
        return None, [Problem("PLX-D401", reason, "", place=profile.place("window"), path="window.armed")]
    try:
        templates = _Templates(
            open=tuple(compile_request(r, profile.speaks, _VARIABLES, "window.open") for r in spec.open),
            confirm=tuple(
                compile_request(r, profile.speaks, _VARIABLES, "window.confirm") for r in spec.confirm
            ),
            armed=compile_template(spec.armed, language, _VARIABLES, "window.armed"),
            last=compile_template(spec.last, language, _VARIABLES, "window.last") if spec.last else None,
        )
    except TemplateProblem as problem:
        return None, [Problem("PLX-D407", str(problem), "", place=profile.place("window"), path="window")]
    return CompiledWindow(spec, templates), []
