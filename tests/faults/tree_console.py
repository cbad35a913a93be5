"""The command line of a router with a configuration tree, as VyOS has it, for a real sshd to start on a real terminal.

Usage: tree_console.py STATE. STATE is a JSON file: what is active and saved as `set` lines, until when a commit-confirm
waits, what else it `shows`, and a `fault` to play. Its words are those of VyOS's manual; what it does is written down here
a second time.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
import termios
import time
import tty
from pathlib import Path

FILE = Path(sys.argv[1])
NOT_VALID = "Configuration path: [{}] is not valid\nSet failed\n"


def tell(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def one_key(question: str) -> str:
    """Ask as EdgeOS does, which takes the first key for the answer."""
    tell(question)
    before = termios.tcgetattr(0)
    tty.setcbreak(0)
    key = os.read(0, 1).decode()
    termios.tcsetattr(0, termios.TCSADRAIN, before)
    tell(f"{key}\n")
    return key


class Console:
    def __init__(self) -> None:
        self.state = json.loads(FILE.read_text())
        self.fault = self.state.get("fault", "")
        self.paging = True
        self.staged: list[str] | None = None
        if self.state["deadline"] is not None and time.time() > self.state["deadline"]:
            self.state |= {"active": self.state["saved"], "deadline": None}
            self.keep()

    def keep(self) -> None:
        FILE.write_text(json.dumps(self.state))

    @property
    def prompt(self) -> str:
        return "vyos@vyos:~$ " if self.staged is None else "[edit]\nvyos@vyos# "

    def show(self, what: str) -> str:
        if what == "version":
            return "Version:          VyOS 1.4.0\nRelease train:    sagitta\n"
        if what in self.state.get("shows", {}):
            return str(self.state["shows"][what])
        if what != "configuration commands":
            return f"\n  Invalid command: show [{what.partition(' ')[0]}]\n\n"
        if self.fault == "closes":
            tell("set system host-name\n")
            sys.exit(0)
        if self.fault == "hangs":
            tell("set system host-name\n")
            time.sleep(600)
        text = "".join(f"{line}\n" for line in self.state["active"])
        if self.fault == "prompt in the middle":
            tell(f"{text}\n{self.prompt}")
            time.sleep(1)
            return text
        if self.fault == "flood":
            return text * 100_000
        return (
            "\n".join(f"\x1b[32m{line}\x1b[0m" for line in text.split("\n"))
            if self.fault == "colours"
            else text
        )

    def operate(self, line: str) -> str:
        if line == "configure":
            if self.fault == "no rights":
                return "User is not authorized to enter configuration mode: permission denied\n"
            self.staged = list(self.state["active"])
            return ""
        if line == "set terminal length 0":
            self.paging = False
            return ""
        if line == "exit":
            sys.exit(0)
        if line.startswith("show "):
            answer = self.show(line.removeprefix("show "))
            if self.paging:
                input(f"{answer}:")
                return ""
            return answer
        return f"\n  Invalid command: [{line.partition(' ')[0]}]\n\n"

    def configure(self, line: str) -> str:
        assert self.staged is not None
        verb, *words = shlex.split(line)
        if self.fault == "hangs at a line" and verb == "set":
            time.sleep(600)
        plain = "set " + " ".join(
            f"'{word}'" if index == len(words) - 1 else word for index, word in enumerate(words)
        )
        if verb == "set":
            if words[0] not in ("nat", "system", "service"):
                return NOT_VALID.format(" ".join(words))
            if plain in self.staged:
                return f"Configuration path: [{' '.join(words)}] already exists\n"
            self.staged.append(plain)
            return ""
        if verb == "delete":
            left = [kept for kept in self.staged if shlex.split(kept)[1 : len(words) + 1] != words]
            found, self.staged = len(left) < len(self.staged), left
            return "" if found else "Nothing to delete (the specified node does not exist)\nDelete failed\n"
        return self.end(verb, words)

    def end(self, verb: str, words: list[str]) -> str:
        assert self.staged is not None
        active, saved = self.state["active"], self.state["saved"]
        if verb == "compare":
            other, name = (saved, "saved") if words else (active, "active")
            same = sorted(other) == sorted(self.staged)
            changed = sorted(set(other) ^ set(self.staged))
            return (
                f"No changes between working and {name} configurations.\n"
                if same
                else "\n".join(changed) + "\n"
            )
        if verb == "discard":
            changed_any, self.staged = active != self.staged, list(active)
            return "Changes have been discarded\n" if changed_any else "No changes have been discarded\n"
        if verb == "save":
            if self.fault == "full":
                return "Saving configuration to '/config/config.boot'...\nNo space left on device\n"
            self.state["saved"] = active
            self.keep()
            return "Saving configuration to '/config/config.boot'...\nDone\n"
        if verb == "confirm":
            waits, self.state["deadline"] = self.state["deadline"], None
            self.keep()
            return "No confirm pending\n" if waits is None else "Reboot timer stopped\n"
        if verb in ("commit", "commit-confirm"):
            return self.commit(verb, words)
        return f"\n  Invalid command: [{verb}]\n\n"

    def commit(self, verb: str, words: list[str]) -> str:
        assert self.staged is not None
        if self.staged == self.state["active"]:
            return "No configuration changes to commit\n"
        if any(re.search(r"translation address '?(?![0-9.']+$)", line) for line in self.staged):
            return "[ nat ]\nTranslation address is no address\n[[nat]] failed\nCommit failed\n"
        if verb == "commit-confirm":
            tell(
                f"commit-confirm will automatically reboot in {words[0]} minutes unless changes\nare confirmed.\n\n"
            )
            asked = one_key("Proceed? [confirm]") if self.fault == "one key" else input("Proceed ? [Y/n] ")
            if asked not in ("y", ""):
                return "commit-confirm canceled\n"
            self.state["deadline"] = time.time() + 60 * int(words[0])
        if self.fault == "closes at commit":
            sys.exit(0)
        self.state["active"] = list(self.staged)
        self.keep()
        return "Initialized commit-confirm\n" if verb == "commit-confirm" else ""

    def leave(self) -> str:
        if self.staged != self.state["active"]:
            return (
                "Cannot exit: configuration modified.\nUse 'exit discard' to discard the changes and exit.\n"
            )
        self.staged = None
        unsaved = self.state["active"] != self.state["saved"]
        return "exit\n" + ("Warning: configuration changes have not been saved.\n" if unsaved else "")

    def run(self) -> None:
        tell("Welcome to VyOS!\nvyos@vyos:~$ \nCheck out project news at https://blog.vyos.io\n")
        if self.fault == "asks":
            input("You are required to change your password. Current password: ")
        while True:
            line = input(self.prompt).strip()
            if not line:
                continue
            does = self.operate if self.staged is None else self.configure
            tell(self.leave() if self.staged is not None and line == "exit" else does(line))


if __name__ == "__main__":
    if "readline" in sys.argv:
        import readline  # noqa: F401  the line is edited, and echoed, as bash does it
    Console().run()
