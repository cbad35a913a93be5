"""The command line of a router with a configuration tree, as VyOS has it: modes, staged changes, commit, confirm, save.

Its words are those of VyOS's manual and sources; what it does is written down here a second time. It believes whoever
writes to it, but for what the texts below refuse.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Sequence
from typing import Any

#: What is active and what is saved, as `set` lines; until when a commit waits, and what was active before it.
State = dict[str, Any]
NOT_VALID = "Configuration path: [{}] is not valid\nSet failed\n"
EMPTY = "Configuration under specified path is empty\n"
_ROOTS = frozenset({"nat", "system", "service", "port-forward", "interfaces", "firewall"})
#: Nodes below which no leaf has two values.
_SINGLE = frozenset({"rule", "static-mapping"})
_ALONE = frozenset({"disable", "log", "exclude"})
_RELOADS = "set system config-management commit-confirm action 'reload'"


def words_of(line: str) -> list[str]:
    """Give the words of a `set` line, without `set`."""
    return shlex.split(line)[1:]


def line_of(words: Sequence[str]) -> str:
    """Give a leaf as VyOS shows it: its value in quotes."""
    if words[-1] in _ALONE:
        return f"set {' '.join(words)}"
    return f"set {' '.join(words[:-1])} '{words[-1]}'"


class TreeConsole:
    """One session. `proceeds` is asked a question and tells whether the answer is yes."""

    def __init__(
        self, load: Callable[[], State], keep: Callable[[State], None],
        now: Callable[[], float], proceeds: Callable[[str], bool],
    ) -> None:  # fmt: skip
        self._load, self._keep, self._now, self._proceeds = load, keep, now, proceeds
        self.state = load()
        self.staged: list[str] | None = None

    @property
    def prompt(self) -> str:
        """The prompt of the mode that it is in."""
        return "vyos@vyos:~$ " if self.staged is None else "[edit]\nvyos@vyos# "

    def keep(self) -> None:
        """Write down what it holds."""
        self._keep(self.state)

    def expire(self) -> None:
        """Take back what was not confirmed in time, as a router does whoever is logged in."""
        self.state = self._load()
        deadline = self.state.get("deadline")
        if deadline is not None and self._now() > deadline:
            reloads = _RELOADS in self.state["active"] and "before" in self.state
            back = self.state["before"] if reloads else self.state["saved"]
            self.state |= {"active": list(back), "deadline": None}
            self.keep()

    def type(self, line: str) -> str:
        """Carry out a line, and give what it prints."""
        self.expire()
        if self.staged is None:
            if line == "configure":
                self.staged = list(self.state["active"])
                return ""
            if line == "show configuration commands":
                return "".join(f"{one}\n" for one in self.state["active"])
            return f"\n  Invalid command: [{line}]\n\n"
        verb, *words = shlex.split(line)
        if verb in ("set", "delete", "show"):
            return self._edit(verb, words)
        return self._end(verb, words)

    def _edit(self, verb: str, words: list[str]) -> str:
        assert self.staged is not None  # noqa: S101
        below = [line for line in self.staged if words_of(line)[: len(words)] == words]
        if verb == "show":
            return "".join(f" {line.removeprefix('set ')}\n" for line in below) or EMPTY
        if verb == "delete":
            self.staged = [line for line in self.staged if line not in below]
            return "" if below else "Nothing to delete (the specified node does not exist)\nDelete failed\n"
        if self.state.get("fault") == "set fails":
            return "Value validation failed\nSet failed\n"
        if words[0] not in _ROOTS:
            return NOT_VALID.format(" ".join(words))
        if below:
            return f"Configuration path: [{' '.join(words)}] already exists\n"
        self._set(words)
        return ""

    def _set(self, words: list[str]) -> None:
        assert self.staged is not None  # noqa: S101
        known = [words_of(line) for line in self.staged]
        if _SINGLE & set(words[:-2]):
            known = [one for one in known if one[:-1] != words[:-1] or words[-1] in _ALONE]
        shared = max((_shared(one, words) for one in known), default=0)
        family = [index for index, one in enumerate(known) if one[:shared] == words[:shared]]
        before = [index for index in family if _natural(known[index]) < _natural(words)]
        known.insert(before[-1] + 1 if before else family[0] if family else 0, words)
        kept = {tuple(words_of(line)): line for line in self.staged}
        self.staged = [kept.get(tuple(one)) or line_of(one) for one in known]

    def _end(self, verb: str, words: list[str]) -> str:
        assert self.staged is not None  # noqa: S101
        active, saved = self.state["active"], self.state["saved"]
        match verb:
            case "compare":
                other, name = (saved, "saved") if words else (active, "active")
                changed = sorted(set(other) ^ set(self.staged))
                none = f"No changes between working and {name} configurations.\n"
                return "".join(f"{line}\n" for line in changed) or none
            case "discard":
                changed_any, self.staged = active != self.staged, list(active)
                return f"{'Changes' if changed_any else 'No changes'} have been discarded\n"
            case "save":
                self.state["saved"] = list(active)
                self.keep()
                return "Saving configuration to '/config/config.boot'...\nDone\n"
            case "confirm":
                waits, self.state["deadline"] = self.state.get("deadline"), None
                self.keep()
                return "No confirm pending\n" if waits is None else "Reboot timer stopped\n"
            case "commit" | "commit-confirm":
                return self._commit(int(words[0]) if words else 0)
            case "exit":
                return self._leave()
        return f"\n  Invalid command: [{verb}]\n\n"

    def _commit(self, minutes: int) -> str:
        assert self.staged is not None  # noqa: S101
        if self.staged == self.state["active"]:
            return "No configuration changes to commit\n"
        if minutes:
            if self.state.get("deadline") is not None:
                return "Another confirm is pending\n"
            asks = f"commit-confirm will automatically reboot in {minutes} minutes unless changes\nare confirmed.\n\n"
            if not self._proceeds(asks):
                return "commit-confirm canceled\n"
            # Before anything is committed, and whether or not that goes well.
            self.state |= {"deadline": self._now() + 60 * minutes, "before": self.state["active"]}
            self.keep()
        if self.state.get("fault") == "commit fails" or any(
            re.search(r"(?:translation|forward-to) address '?(?![0-9.']+$)", line) for line in self.staged
        ):
            return "[ nat ]\nTranslation address is no address\n[[nat]] failed\nCommit failed\n"
        self.state["active"] = list(self.staged)
        self.keep()
        return "Initialized commit-confirm\n" if minutes else ""

    def _leave(self) -> str:
        if self.staged != self.state["active"]:
            return (
                "Cannot exit: configuration modified.\nUse 'exit discard' to discard the changes and exit.\n"
            )
        self.staged = None
        unsaved = self.state["active"] != self.state["saved"]
        return "exit\n" + ("Warning: configuration changes have not been saved.\n" if unsaved else "")


class StoredTree:
    """A tree in memory, on which visits are made to configuration mode, one after the other."""

    def __init__(self, config: str) -> None:
        lines = [line_of(words_of(line)) for line in config.splitlines()]
        self._state: State = {"active": lines, "saved": lines, "deadline": None}
        self._now = 0.0
        self._console = TreeConsole(
            lambda: self._state, self._state.update, lambda: self._now, lambda _: True
        )

    def shown(self) -> str:
        """Give what `show configuration commands` prints."""
        return self._console.type("show configuration commands")

    def visit(self, text: str) -> tuple[int, str]:
        """Type line by line as long as none is refused; then nothing is left staged. 2: there was nothing to confirm."""
        first, *lines, last = text.split("\n")
        if (first, last) != ("configure", "exit"):
            return 1, "no visit to configuration mode"
        self._console.type(first)
        for line in lines:
            said = self._console.type(line)
            if _refused(line, said):
                self._console.type("discard")
                self._console.type(last)
                return 2 if said.startswith("No confirm") else 1, said
        self._console.type(last)
        return 0, ""

    def content(self) -> str:
        """Give what is in force."""
        return json.dumps(sorted(self._state["active"]), indent=1)

    def lapse(self, seconds: int) -> None:
        """Let time go by; where no clock ends anything, the router restarts."""
        self._now += seconds + 1
        if not seconds:
            self._state["active"] = list(self._state["saved"])
        self._console.expire()


def _refused(line: str, said: str) -> bool:
    verb = line.partition(" ")[0]
    if verb == "show":
        return said != EMPTY
    if verb in ("set", "delete"):
        return bool(said) and "already exists" not in said
    return any(word in said for word in ("failed", "Invalid", "No c", "Another", "canceled"))


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    return next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def _natural(words: Sequence[str]) -> list[tuple[int, str]]:
    return [(int(word) if word.isdecimal() else 1 << 30, word) for word in words]
