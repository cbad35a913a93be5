"""What is sent was shown: every request that a device got beside reads, in an apply, its undo and a rollback."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable
from typing import Any, BinaryIO

import pytest

from plexops.lab.base import ExecResult
from plexops.lab.home import Role, RunningHome
from plexops.lab.routers import ROUTERS, RouterName
from plexops.languages import LANGUAGES, posix_timer
from plexops.languages.posix_reads import refuse_read
from tests.faults.engine_bench import Bench, Ended, Homes
from tests.faults.test_engine_devices import put_back

#: The one request that no plan can show: it asks Plex to look again, after everything was made, and changes nothing.
NUDGE = ("PUT /myplex/refreshReachability", None)
#: What a plan cannot say the same way: reports show of a MAC address its maker alone, and take OPNsense's word `pass` for a
#: password; what OPNsense will call a new entry is known after it was made; and no plan knows which run it will be.
_OTHERWISE = (
    (re.compile(r"52:54:00:(?:12:34:56|··:··:··#\w+)"), "MAC"),
    (re.compile(r'"pass": "(?:pass|\[removed\])"'), '"pass": ""'),
    (re.compile(r"/(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|plexops-plex|····#\w+)(?= |$)"), "/UUID"),
    (re.compile(r"[0-9a-hjkmnp-tv-z]{26}\.[A-Za-z0-9-]+"), "RUN"),
)
_PARSED = re.compile(r'\[:parse "((?:[^"\\]|\\.)*)"\]')
_FRAMED = re.compile(r"\( eval ('(?:[^']|'\\'')*') \)")

Request = tuple[str, Any]
_SHELLS: tuple[Role, ...] = ("router", "server")


class Listener:
    """Stands before the shells of a home and keeps what they were sent."""

    def __init__(self, home: RunningHome) -> None:
        self.texts: list[tuple[str, str]] = []
        for role in _SHELLS:
            server = home.ssh.get(role)
            if server is not None and server.executor is not None:
                server.executor = self._keeping(role, server.executor)

    def _keeping(self, role: str, real: Any) -> Any:
        def execute(command: str, stdin: BinaryIO, user: str) -> ExecResult:
            self.texts.append((role, command))
            found: ExecResult = real(command, stdin, user)
            return found

        return execute


def plain(text: str) -> str:
    """Write a request as a plan could have shown it."""
    for pattern, word in _OTHERWISE:
        text = pattern.sub(word, text)
    return text


def asked(text: str) -> list[str]:
    """Take what a device was sent apart into the commands that plexops speaks of."""
    if "sh -c " not in text:
        return [re.sub(r"\\(.)", r"\1", each) for each in _PARSED.findall(text)] or [text]
    script = shlex.split(text[text.index("sh -c ") :])[2]
    framed = _FRAMED.findall(script)
    if framed:
        return [shlex.split(each)[0] for each in framed]
    return [
        re.sub(r"^exec </dev/null; PATH=\S+; LC_ALL=C; export PATH LC_ALL; (echo \"\w+\" >&2; )?", "", script)
    ]


def is_plain_read(text: str) -> bool:
    """Tell whether a command is one of an audit's."""
    if posix_timer.only_asks(text):
        return False
    return refuse_read(text) is None or LANGUAGES["routeros"].refuse_read(text) is None


def requests(lines: Iterable[str]) -> list[Request]:
    """Give HTTP requests with their bodies understood."""
    found: list[Request] = []
    for line in lines:
        words = line.split(" ", 2)
        if words[0] in ("POST", "PUT", "DELETE", "PATCH"):
            found.append((" ".join(words[:2]), json.loads(words[2]) if len(words) > 2 and words[2] else None))
    return found


def shown_by(*documents: dict[str, Any]) -> set[str]:
    """Give every request that the changes of reports show."""
    return {
        plain(text)
        for document in documents
        for change in document["changes"]
        for part in ("commands", "undo", "window_commands")
        for text in change[part]
    }


def unshown(made: Bench, heard: Listener, shown: set[str], since: dict[str, int]) -> list[object]:
    """Give what devices were sent and no plan shows; reads of an audit aside."""
    texts = [plain(text) for _, line in heard.texts for text in asked(line)]
    missing: list[object] = [text for text in texts if text not in shown and not is_plain_read(text)]
    known = requests(shown)
    heard_of: list[Role] = ["plex", "router"] if made.home.router_name == "opnsense" else ["plex"]
    for role in heard_of:
        lines = (plain(line) for line in made.home.commands(role)[since[role] :])
        missing += [
            request
            for request in requests(lines)
            if request not in known and request != NUDGE and not re.search(r"/(search|get)", request[0])
        ]
    return missing


def dry(made: Bench, *words: str) -> dict[str, Any]:
    return made(*words, "--dry-run", "--format", "json").document


@pytest.mark.parametrize("family", list(ROUTERS))
@pytest.mark.parametrize("ends", ["proven and rolled back", "refuted and undone"])
def test_nothing_is_sent_that_no_plan_showed(homes: Homes, family: RouterName, ends: str) -> None:
    with homes(family) as made:
        heard = Listener(made.home)
        plan = dry(made, "apply")
        assert plan["changes"]
        assert all(change["window_commands"] for change in plan["changes"] if "survives" in change["window"])
        since = {role: len(made.home.commands(role)) for role in ("router", "plex")}
        heard.texts.clear()
        if ends.startswith("refuted"):
            made.home.network.blocked_ports |= {32500}
        ended: Ended = made("apply", "--yes", "--format", "json")
        assert put_back(ended) if ends.startswith("refuted") else ended.status == 0, ended
        shown = shown_by(plan)
        assert unshown(made, heard, shown, since) == []
        sent = {plain(text) for _, line in heard.texts for text in asked(line)}
        windows = {plain(t) for change in plan["changes"] for t in change["window_commands"]}
        assert windows <= sent, "what is shown is sent, too"
        if ends.startswith("proven"):
            run = made.runs()[-1].name
            back = dry(made, "rollback", run)
            since = {role: len(made.home.commands(role)) for role in ("router", "plex")}
            heard.texts.clear()
            ended = made("rollback", run, "--yes", "--format", "json")
            assert ended.status == 0, ended
            assert unshown(made, heard, shown_by(back), since) == []
