"""The command line of a router with a configuration tree, for a real sshd to start on a real terminal.

Usage: tree_console.py STATE. STATE is a JSON file: what is active and saved as `set` lines, until when a commit-confirm
waits, what else it `shows`, and a `fault` to play. What it is: plexops/lab/tree.py.
"""

from __future__ import annotations

import json
import os
import sys
import termios
import time
import tty
from pathlib import Path
from typing import Any

from plexops.lab.tree import TreeConsole

FILE = Path(sys.argv[1])


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


def keep(state: dict[str, Any]) -> None:
    whole = FILE.with_suffix(f".{os.getpid()}")
    whole.write_text(json.dumps(state))
    whole.replace(FILE)


class Console(TreeConsole):
    def __init__(self) -> None:
        super().__init__(lambda: json.loads(FILE.read_text()), keep, time.time, self.proceeds)
        self.fault = self.state.get("fault", "")
        self.paging = True

    def proceeds(self, question: str) -> bool:
        tell(question)
        answer = one_key("Proceed? [confirm]") if self.fault == "one key" else input("Proceed ? [Y/n] ")
        return answer in ("y", "")

    def show(self, what: str) -> str:
        if what in self.state.get("shows", {}):
            return str(self.state["shows"][what])
        if what == "version":
            return "Version:          VyOS 1.4.0\nRelease train:    sagitta\n"
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

    def type(self, line: str) -> str:
        self.expire()
        self.fault = self.state.get("fault", "")
        return self.operate(line) if self.staged is None else self.configure(line)

    def operate(self, line: str) -> str:
        if line == "configure" and self.fault == "no rights":
            return "User is not authorized to enter configuration mode: permission denied\n"
        if line == "configure":
            self.state["visits"] = self.state.get("visits", 0) + 1
            self.keep()
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
        return super().type(line)

    def configure(self, line: str) -> str:
        verb = line.partition(" ")[0]
        if self.fault == "hangs at a line" and verb == "set":
            time.sleep(600)
        if self.fault == "closes at commit" and verb == "commit":
            sys.exit(0)
        if self.fault == "full" and verb == "save":
            return "Saving configuration to '/config/config.boot'...\nNo space left on device\n"
        return super().type(line)

    def run(self) -> None:
        tell("Welcome to VyOS!\nvyos@vyos:~$ \nCheck out project news at https://blog.vyos.io\n")
        if self.fault == "asks":
            input("You are required to change your password. Current password: ")
        while True:
            line = input(self.prompt).strip()
            if line:
                tell(self.type(line))


if __name__ == "__main__":
    if "readline" in sys.argv:
        import readline  # noqa: F401  the line is edited, and echoed, as bash does it
    Console().run()
