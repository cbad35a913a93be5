"""An nvram: values by name, of which some are lists of items in one text. A list is edited on the device, item for item."""

from __future__ import annotations

import json
from collections.abc import Mapping

from plexops.drivers.patterns import TextPattern, compile_pattern
from plexops.drivers.router.stores.base import Store, Value, Wanted, command, constant, shell
from plexops.languages.base import plain
from plexops.model.change import Action
from plexops.model.exchange import Write
from plexops.model.fields import Typed
from plexops.model.profile import ListStep, ResourceSpec
from plexops.model.store import WHOLE_ROW, WriteSpec

# `item NAME OLD NEW` puts one item in the place of another: with no OLD at the end, with no NEW away. All else in the text
# stays as it is, letter for letter, and where OLD is not there, or twice, nothing is written. `s` separates the items, and
# `lead` is set where the first has it before itself, too. What is kept in `k` lives as long as a window. The switch that
# makes a whole list act is set with its first item and returns with its last: it never makes others' items act, and keeps
# none of ours from going. An `nvram` that cannot be read, or that is full, says nothing of it: an empty list would take
# all others' place, so it counts only where the rest can be read, and a switch follows only what was seen to be set.
_FUNCTIONS = (
    'text() { v=$(nvram get $1); [ -n "$v" ] || bare $1 || return; '
    '[ -z "$v" ] || [ -n "$lead" ] || v="$s$v"; v="$v$s"; }; '
    'bare() { nvram show 2>/dev/null | grep -q . && ! nvram show 2>/dev/null | grep -q "^$1=." '
    '|| no "$1 cannot be read"; }; '
    'no() { echo "$1: nothing was written" >&2; return 1; }; '
    'item() { text $1 || return; before=$v; if [ -n "$2" ]; then case "$v" in *"$s$2$s"*) ;; *) '
    'no "$1 does not hold what was seen there"; return;; esac; w="${v#*"$s$2$s"}"; '
    'case "$s$w" in *"$s$2$s"*) no "$1 holds it twice"; return;; esac; v="${v%%"$s$2$s"*}$s${3:+$3$s}$w"; '
    'else v="$v$3$s"; fi; turn "$2" || return; v="${v%"$s"}"; [ -n "$lead" ] || v="${v#"$s"}"; nvram set "$1=$v" '
    '&& { [ "$(nvram get $1)" = "$v" ] || no "$1 was not taken over"; } '
    '&& { [ -z "$t" ] || nvram set "$switch$t"; } && count; }; '
    'turn() { t=; [ -n "$switch" ] || return 0; if [ "$before" = "$s" ]; then '
    "[ ! -d $k ] || nvram get $switch >$k/$switch; t==1; "
    'elif [ "$v" = "$s" ]; then t="=$(cat $k/$switch 2>/dev/null || echo 0)"; '
    'elif [ -z "$1" ] && [ "$(nvram get $switch)" != 1 ]; then no "$switch is off, and others would act with ours"; fi; }; '
    'count() { [ -z "$entries" ] || nvram set "$entries=$(set -f; IFS=$s; n=0; for i in $v; do '
    '[ -z "$i" ] || n=$((n+1)); done; echo $n)"; }; '
    'value() { [ "$(nvram get $1)" = "$2" ] || { no "$1 does not say what was seen there"; return; }; nvram set "$1=$3"; };'
)


class NvramStore(Store, frozen=True):
    """One value, or one list of items; `pattern` writes an item as it is read."""

    spec: ResourceSpec
    write: WriteSpec
    directory: str
    step: ListStep | None
    pattern: TextPattern | None

    @classmethod
    def of(cls, spec: ResourceSpec, write: WriteSpec, directory: str, step: ListStep | None) -> NvramStore:
        """Make it; ValueError where the profile says too little."""
        if spec.mark and step is None:
            raise ValueError(
                f"no read takes the list {write.nvram} apart: say `as: {{{write.nvram}: {{list: …}}}}`"
            )
        return cls(spec, write, directory, step, None if step is None else compile_pattern(step.item))

    @property
    def functions(self) -> str:
        """What edits a text on the device."""
        return _FUNCTIONS

    def can_set(self, theirs: str) -> bool:
        """What an item holds, but for its tag; or the value itself."""
        if self.pattern is None:
            return theirs == self.write.nvram
        return theirs != self.spec.mark and theirs in (name for name, _ in self.pattern.names)

    def writes(self, wanted: Wanted) -> tuple[Write, ...]:
        """Give the one command of a change."""
        edit = self._value(wanted) if self.step is None or self.pattern is None else self._item(wanted)
        return (command(" && ".join([edit, "nvram commit", self.write.apply])),)

    def _value(self, wanted: Wanted) -> str:
        name = self.write.nvram
        before = "" if wanted.entry is None else wanted.entry.raw.get(name)
        return f"value {name} {shell(_said(before))} {shell(_said(wanted.words[name]))}"

    def _item(self, wanted: Wanted) -> str:
        action, step = wanted.change.action, self.step
        row, was_read = self._row(wanted), _whole_row(wanted) != ""
        old = "" if action is Action.CREATE else self._text(row, was_read)
        new = "" if action is Action.DELETE else self._text({**row, **_texts(wanted.words)}, was_read)
        entries = self.write.count
        # One that did not act is put back without making the list act.
        switch = "" if getattr(wanted.change.want, "enabled", True) is False else self.write.switch
        told = f"s={shell(step.items if step else '')}; lead={'1' if step and step.lead else ''}; switch={switch}; "
        told += f"entries={entries}; k={self.directory}/plexops_{wanted.window}"
        return f"{{ {told}; item {self.write.nvram} {shell(old)} {shell(new)}; }}"

    def _row(self, wanted: Wanted) -> dict[str, str]:
        """Give an item's texts by the names of its pattern: as they were read, or as we write them."""
        if read := _whole_row(wanted):
            return {name: str(text) for name, text in json.loads(read).items()}
        constants = {name: str(constant(value).value) for name, value in wanted.constants.items()}
        return {**constants, **_texts(wanted.words), self.spec.mark: wanted.tag}

    def _text(self, row: Mapping[str, str], was_read: bool) -> str:
        """Write an item. ValueError for a text that holds what separates parts or items."""
        if self.pattern is None or self.step is None:
            raise ValueError(f"{self.write.nvram} is no list")
        whole = {name: row.get(name, "") for name, _ in self.pattern.names}
        text = self.pattern.write(row if was_read and self.step.least else whole, self.step.least)
        if self.step.items in text:
            raise ValueError(f"{text!r} holds {self.step.items!r}, which separates the items there")
        return text


def _whole_row(wanted: Wanted) -> str:
    """Give the row of the entry as JSON; empty where it is ours and was not read since it was made."""
    return "" if wanted.entry is None else str(wanted.entry.raw.get(WHOLE_ROW) or "")


def _said(word: object) -> str:
    if isinstance(word, Typed):
        return plain(word)
    return word if isinstance(word, str) else ""


def _texts(words: Mapping[str, Value]) -> dict[str, str]:
    return {name: _said(word) for name, word in words.items() if not name.startswith(".")}
