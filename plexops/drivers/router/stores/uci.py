"""OpenWrt's configurations: sections of options, edited on a copy and put in place whole."""

from __future__ import annotations

from collections.abc import Iterator

from plexops.drivers.router.stores.base import Store, Value, Wanted, command, constant, shell
from plexops.languages.template import Template
from plexops.model.change import Action
from plexops.model.exchange import Write
from plexops.model.fields import FieldType, Typed
from plexops.model.profile import ResourceSpec
from plexops.model.store import WriteSpec

# `edit CONFIG WINDOW` runs `b` on a copy in memory, under a name of ours: `uci -t` would take along what a person has
# staged, since libuci always reads /tmp/.uci too. The result replaces the file only when it is whole (libuci renames
# an empty one where the flash is full), by a rename, and only if nothing else was written meanwhile. While a window is
# open the first file is kept in memory: where the change back means the same as that, its very bytes return, and it takes
# the place of a file that is broken. 64 KiB are twice the longest configuration, and what a flash needs to go on writing.
# `uci` is quiet about mistakes in batches, so every word stands alone and stops the rest.
_FUNCTIONS = (
    'u() { uci -c $d -t $d/t "$@"; }; '
    "m() { u export $1 | tail -n +2 | sha256sum; }; "
    'room() { df -Pk $1 | { read -r h; read -r h h h a h; [ "$a" -ge 64 ] || '
    '{ echo "$a KiB are free at $1, and 64 are needed: nothing was written" >&2; false; }; }; }; '
    "kept() { [ -e $k/before ] || { room ${f%/*} && "
    "{ [ ! -d $k ] || { cp -p $f $k/new && cmp -s $f $k/new && mv $k/new $k/before; }; }; }; }; "
    "made() { cp $f $d/was && cp $f $d/plexops && "
    "{ { [ -s $f ] && u -q show plexops >/dev/null; } || cp $k/before $d/plexops; } && b "
    '&& s=$(m plexops) && u commit plexops && [ -s $d/plexops ] && [ "$s" = "$(m plexops)" ] '
    '&& { [ ! -e $k/before ] || { cp $k/before $d/before && [ "$(m before)" != "$s" ]; } || cp $k/before $d/plexops; }; }; '
    "put() { cmp -s $d/plexops $f || { kept && cp -p $f $n && cat $d/plexops > $n && cmp -s $d/plexops $n "
    "&& sync && cmp -s $d/was $f && mv $n $f; }; }; "
    "edit() { f=/etc/config/$1; n=/etc/config/.plexops; k=@DIRECTORY@/plexops_$2; d=$(mktemp -d) || return; "
    "made && put; r=$?; rm -rf $d $n; return $r; };"
)


class UciStore(Store, frozen=True):
    """One configuration. Ours are named sections, called by their tag."""

    write: WriteSpec
    directory: str
    holds: Template | None

    @classmethod
    def of(cls, spec: ResourceSpec, write: WriteSpec, directory: str, holds: Template | None) -> UciStore:
        """Make it; ValueError where the profile says too little or what does not fit."""
        if spec.mark and not write.type:
            raise ValueError("a section of ours has a type: say `type`")
        return cls(write, directory, holds)

    @property
    def functions(self) -> str:
        """What `edit` is made of."""
        return _FUNCTIONS.replace("@DIRECTORY@", self.directory)

    def can_set(self, theirs: str) -> bool:
        """All but its own name."""
        return not theirs.startswith(".")

    def writes(self, wanted: Wanted) -> tuple[Write, ...]:
        """Give the one command of a change."""
        name = wanted.tag if self.write.type and not wanted.adopting else wanted.handle
        section = f"plexops.{shell(Typed(FieldType.HANDLE, name))}"
        action, then = wanted.change.action, [self.write.apply]
        if action is Action.DELETE:
            lines = [f"! u -q get {section} >/dev/null || u delete {section}"]
        else:
            lines = [
                line for name, word in wanted.known.items() for line in self._set(wanted, section, name, word)
            ]
            if action is Action.ADOPT:
                lines = [*_is_still(wanted, section), *lines]
            if not wanted.adopting and self.write.type:
                constants = (f"u set {section}.{n}={shell(constant(v))}" for n, v in wanted.constants.items())
                order = [f"u reorder {section}={_place(wanted)}"] if self.write.ordered else []
                lines = [f"u set {section}={self.write.type}", *constants, *lines, *order]
                then += [] if self.holds is None else [self.holds.render(wanted.values)]
        body = " && ".join(lines)
        return (command(" && ".join([f"b() {{ {body} ; }}; edit {self.write.uci} {wanted.window}", *then])),)

    def _set(self, wanted: Wanted, section: str, name: str, word: Value) -> Iterator[str]:
        """Set one option, or take it off; another's only where it still says what was seen."""
        if name.startswith("."):
            return
        option = f"{section}.{name}"
        before = None if wanted.entry is None else wanted.entry.raw.get(name)
        if wanted.adopting and not (word is None and before is None):
            said = before if isinstance(before, str) else " ".join(before or ())
            yield _says(option, said)
        if word is None:
            yield f"{{ ! u -q get {option} >/dev/null || u delete {option}; }}"
        elif isinstance(word, tuple):
            yield f"{{ u -q delete {option} || :; }}"
            yield from (f"u add_list {option}={shell(one)}" for one in word)
        else:
            yield f"u set {option}={shell(word)}"


def _is_still(wanted: Wanted, section: str) -> Iterator[str]:
    """Hold another's section against all else that was seen of it: a section without a name is called by its place."""
    for name, word in ({} if wanted.entry is None else wanted.entry.raw).items():
        if isinstance(word, str) and not name.startswith(".") and name not in wanted.words:
            yield _says(f"{section}.{name}", word)


def _says(option: str, text: str) -> str:
    return f"( u -q get {option} || echo ) | grep -qxF -e {shell(text)}"


#: More than any device holds.
_LAST = 9999


def _place(wanted: Wanted) -> int:
    """Give the place at which a section is written: its own, or that which it had; a new one stands behind all."""
    if wanted.change.at is not None:
        return wanted.change.at
    return _LAST if wanted.entry is None else wanted.entry.position
