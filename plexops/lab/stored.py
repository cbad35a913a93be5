"""Simulated stores, fed from a sample: an nvram behind a shell, collections of JSON, and a table of port mappings.

They believe whoever writes to them: a wrong path or field is right here too. Only a family's own dialect, a recorded
exchange or a real device contradicts it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO
from urllib.parse import unquote

from plexops.lab.base import DeviceLog, ExecResult
from plexops.lab.clock import ScaledClock
from plexops.lab.filesystem import FileSystem
from plexops.lab.shell import DONE, Context, Shell, fail, say

#: What makes a change act on some family. Here it does nothing.
_SERVICES = ("service", "stopservice", "startservice", "rc", "restart", "logger")


class StoredNvram:
    """An nvram behind the simulated shell."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)
        self._saved = dict(values)
        does_nothing = {name: lambda _argv, _stdin, _context: DONE for name in _SERVICES}
        self.shell = Shell(
            files=FileSystem(),
            commands={"nvram": self.command, **does_nothing},
            log=DeviceLog(),
            clock=ScaledClock(1000.0),
            lock=threading.RLock(),
        )

    def run(self, command: str) -> ExecResult:
        """Run one command line as root."""
        return self.shell.run(command, b"", "root")

    def content(self) -> str:
        """Give all that is saved."""
        return json.dumps(self._saved, indent=1, sort_keys=True)

    def command(self, argv: list[str], _stdin: BinaryIO, _context: Context) -> ExecResult:
        """Be `nvram`."""
        match argv[1:]:
            case ["get", name]:
                return say(f"{self._values.get(name, '')}\n")
            case ["show"]:
                return say("".join(f"{name}={value}\n" for name, value in self._values.items()))
            case ["set", setting] if "=" in setting:
                name, _, value = setting.partition("=")
                self._values[name] = value
                return DONE
            case ["commit"]:
                self._saved = dict(self._values)
                return DONE
            case _:
                return fail("usage: nvram [get name] [set name=value] [show] [commit]\n", 1)


class StoredJson:
    """Documents by path. Lists of objects in them are collections: POST adds, PUT and PATCH change, DELETE takes away.

    `collections` says for each path that is written, which document holds it, the member of that in which the list or
    object stands (empty: the document itself), and the member of an object that names it (empty: there is one object).
    """

    def __init__(
        self, documents: Mapping[str, Any], collections: Mapping[str, tuple[str, str, str]], success: str
    ) -> None:
        self._documents: dict[str, Any] = json.loads(json.dumps(dict(documents)))
        self._collections = collections
        self._success = success

    def content(self) -> str:
        """Give all documents."""
        return json.dumps(self._documents, indent=1, sort_keys=True)

    def get(self, path: str) -> str | None:
        """Give one document; None where there is none."""
        return json.dumps(self._documents[path]) if path in self._documents else None

    def send(self, method: str, path: str, query: Mapping[str, str], body: Any) -> tuple[int, str]:
        """Answer one request that writes."""
        whole, said = path.rstrip("/"), {**query, **(body or {})}
        # RouterOS over REST has commands behind a menu.
        verb = whole.rpartition("/")[2] if method == "POST" else ""
        if verb in ("set", "unset") and whole.rpartition("/")[0] in self._collections:
            whole, method = whole.rpartition("/")[0], "PATCH"
            if verb == "unset":
                said = {".id": said[".id"], said["value-name"]: None}
        for collection, (document, member, key) in self._collections.items():
            base = collection.rstrip("/")
            if whole == base or whole.rpartition("/")[0] == base:
                handle = unquote(whole[len(base) + 1 :])
                held = self._documents[document]
                inner = held[member] if member else held
                return self._write(inner, method, key, handle, said)
        if method == "POST":
            return 200, self._success
        return 404, ""

    def _write(self, inner: Any, method: str, key: str, handle: str, said: dict[str, Any]) -> tuple[int, str]:
        if isinstance(inner, dict):
            _lay(inner, said)
            return 200, self._success
        if not handle and method in ("POST", "PUT"):
            numbers = [row[key] for row in inner if isinstance(row.get(key), int)]
            fresh = max(numbers, default=-1) + 1 if numbers or not inner else f"new{len(inner)}"
            before = (
                [row.get(key) for row in inner].index(said.pop("place-before"))
                if "place-before" in said
                else len(inner)
            )
            inner.insert(before, {**said, key: fresh})
            return 200, self._success
        handle = handle or str(said.get(key, ""))
        found = [row for row in inner if str(row.get(key)) == handle]
        if len(found) != 1:
            return 404, ""
        if method == "DELETE":
            inner.remove(found[0])
        else:
            _lay(found[0], {name: value for name, value in said.items() if name != key})
        return 200, self._success


class StoredMappings:
    """A table of port mappings as UPnP has it (WANIPConnection:1, 2.4.16 to 2.4.18).

    A mapping of the same key to the same host is written over, one to another host is refused.
    """

    def __init__(self, rows: Sequence[Mapping[str, str]]) -> None:
        self.rows = [dict(row) for row in rows]

    def content(self) -> str:
        """Give the table."""
        return json.dumps(self.rows, indent=1, sort_keys=True)

    def add(self, said: Mapping[str, str]) -> int:
        """Make a mapping, or write over one; give the refusal, 0 for none."""
        if set(said) != set(_MAPPING):
            return 402
        found = [row for row in self.rows if _key(row) == _key(said)]
        if any(row["NewInternalClient"] != said["NewInternalClient"] for row in found):
            return 718
        if found:
            found[0].update(said)
        else:
            self.rows.append(dict(said))
        return 0

    def delete(self, said: Mapping[str, str]) -> int:
        """Take a mapping away; give the refusal, 0 for none."""
        found = [row for row in self.rows if _key(row) == _key(said)]
        self.rows = [row for row in self.rows if row not in found]
        return 0 if found else 714


_MAPPING = (
    "NewRemoteHost", "NewExternalPort", "NewProtocol", "NewInternalPort", "NewInternalClient", "NewEnabled",
    "NewPortMappingDescription", "NewLeaseDuration",
)  # fmt: skip


def _key(row: Mapping[str, str]) -> tuple[str | None, ...]:
    remote = row.get("NewRemoteHost") or "0.0.0.0"  # noqa: S104 - an address in a table
    return remote, row.get("NewExternalPort"), row.get("NewProtocol")


def _lay(over: dict[str, Any], said: Mapping[str, Any]) -> None:
    """Lay what is said over an object; None takes a member off."""
    for name, value in said.items():
        if isinstance(value, dict) and isinstance(over.get(name), dict):
            _lay(over[name], value)
        elif value is None:
            over.pop(name, None)
        else:
            over[name] = value
