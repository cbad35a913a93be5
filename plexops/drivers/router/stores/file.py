"""Files of ours, one for each entry: written aside, proved, and only then put in place."""

from __future__ import annotations

from collections.abc import Callable

from plexops.drivers.router.stores.base import Store, Wanted, command, names_field, shell
from plexops.languages.template import Template
from plexops.model.change import Action
from plexops.model.exchange import Write
from plexops.model.profile import ResourceSpec, Speaks
from plexops.model.store import WriteSpec
from plexops.pattern import Pattern

# `put NEW FILE WINDOW` replaces a file only by a whole one, written beside under a name that no program reads, and
# renamed. Room is asked for before the first write of a window, not on the way back: 64 KiB are many times our files.
_FUNCTIONS = (
    "room() { [ -e @DIRECTORY@/plexops_$2/began ] || df -Pk $1 | { read -r h; read -r h h h a h; "
    '[ "$a" -ge 64 ] || { echo "$a KiB are free at $1, and 64 are needed: nothing was written" >&2; false; }; } '
    "&& { [ ! -d @DIRECTORY@/plexops_$2 ] || : > @DIRECTORY@/plexops_$2/began; }; }; "
    "put() { p=${2%/*}/.plexops; room ${2%/*} $3 && cp $1 $p && cmp -s $1 $p && sync && mv $p $2 "
    "|| { rm -f $p; return 1; }; };"
)
_PATH = Pattern(r"(?:/[A-Za-z0-9_.-]+)+")


class FileStore(Store, frozen=True):
    """One file for each entry. `$n` in its commands is the new file, written aside; `$f` is the file in place."""

    spec: ResourceSpec
    write: WriteSpec
    directory: str
    path: Template
    content: Template
    prove: Template
    load: Template
    holds: Template
    gone: Template

    @classmethod
    def of(
        cls,
        spec: ResourceSpec,
        write: WriteSpec,
        directory: str,
        compiled: Callable[[str, str, str], Template],
    ) -> FileStore:
        """Make it; `compiled` checks a template: a language, the key, the text."""
        posix = Speaks.SHELL.language
        texts = [(posix, "file", write.file), (write.speaks, "content", write.content), (posix, "prove", write.prove),
            (posix, "load", write.load), (posix, "holds", write.holds), (posix, "gone", write.gone)]  # fmt: skip
        return cls(spec, write, directory, *(compiled(*one) for one in texts))

    @property
    def functions(self) -> str:
        """What puts a file in place."""
        return _FUNCTIONS.replace("@DIRECTORY@", self.directory)

    def can_set(self, theirs: str) -> bool:
        """What its content names."""
        return names_field(self.spec, self.content.names, theirs)

    def writes(self, wanted: Wanted) -> tuple[Write, ...]:
        """Give the one command of a change: what is not shown any more must not go on working, nor the other way."""
        path = self.path.render(wanted.values)
        if _PATH.fullmatch(path) is None:
            raise ValueError(f"{path!r} is no path that a profile may write")
        gone = self.gone.render(wanted.values) if self.write.gone else ""
        apply = self.write.apply
        if wanted.change.action is Action.DELETE:
            steps = [gone, f"rm -f {path}", apply]
        else:
            steps = self._put(
                wanted, path, gone if self.write.anew and wanted.change.action is Action.UPDATE else ""
            )
            steps.append(apply)
        return (command(" && ".join(step for step in steps if step)),)

    def _put(self, wanted: Wanted, path: str, gone: str) -> list[str]:
        aside = f"{self.directory}/plexops_{wanted.window}"
        lines = " ".join(map(shell, self.content.render(wanted.values).removesuffix("\n").split("\n")))
        put = f"put $n $f {wanted.window}"
        back = f"{{ if [ -e $o ]; then put $o $f {wanted.window}; else rm -f $f; fi; false; }}"
        load = self.load.render(wanted.values)
        if gone:
            # What could not be loaded leaves the old one gone: it is loaded once more.
            load = f"{{ {load} || {{ n=$o; [ ! -e $o ] || {load}; false; }}; }}"
        return [
            f"f={path} && n={aside}.new && o={aside}.old && umask 022",
            f"printf '%s\\n' {lines} > $n && rm -f $o && {{ [ ! -e $f ] || cp $f $o; }}",
            self.prove.render(wanted.values),
            f"room ${{f%/*}} {wanted.window}" if self.write.load else "",
            gone,
            load,
            put,
            f"{{ {self.holds.render(wanted.values)} || {back}; }}" if self.write.holds else "",
            "rm -f $o $n",
        ]
