"""Plex's log, wherever a driver gets it from: lines that `grep` selected, each behind the name of its file.

Over SSH the current file is read in the first round, in whatever usual folder it lies. A second round reads what is
older, where the current file alone does not tell enough; and where no folder held a log, what the container that Plex
runs in has mounted from the host. Plex itself gives the same lines over HTTP.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence

from msgspec import Struct

from plexops.drivers.answers import failed
from plexops.drivers.containers import container_reads, log_folders, mounts_read, plex_container
from plexops.drivers.plex.answers import refusal
from plexops.languages import LANGUAGES
from plexops.model.entries import LogEvent, LogWord
from plexops.model.errors import WhyNot
from plexops.model.exchange import Call, Command, Lines, Read, Reply
from plexops.model.fields import FieldType, Typed
from plexops.model.site import Container
from plexops.model.snapshot import FOREIGN, Entry, Kind, KindState
from plexops.parsers import plex_log
from plexops.pattern import Pattern
from plexops.structs import replace

_CURRENT = plex_log.PLEX_LOG_FILES[-1]
LOG_FILES = tuple(f"{folder}/{_CURRENT}" for folder in plex_log.PLEX_LOG_DIRS)
#: Of the current file's lines, so many bytes at the end are read: requests can be any number.
LOG_BYTES = 1_500_000
#: Of each older file, so many lines are read: a file of 10 MB holds some hundreds that decide.
OLDER_LINES = 1000
#: A diagnosis shows so many lines of the log at most.
_EXCERPT_LINES = 40

LOG_READ = Read(
    "log",
    Command(
        f"grep -aE '{plex_log.GREP_PATTERN}' "
        + " ".join(f"'{path}'" for path in LOG_FILES)
        + f" | tail -c {LOG_BYTES}"
    ),
    log=True,
)
#: What plexapi's downloadLogs() asks for. It needs the owner's token.
LOGS_READ = Read(
    "logs",
    Call(
        "GET",
        "/diagnostics/logs",
        accept="any",
        lines=Lines(plex_log.PLEX_LOG_FILES, plex_log.GREP_PATTERN, plex_log.REQUEST_PATTERN),
    ),
    sometimes=True,
    log=True,
)

#: How `grep` names the file of a line. A log's own text stands behind that.
_NAMED = Pattern(r"(?P<folder>(?:/[^\n]*?/)?)(?P<name>Plex Media Server(?:\.[^/:\n]{1,40})?\.log):")
#: Only this ends a line: what clients say may hold other separators.
_LINE = Pattern(r"[^\n]*\n|[^\n]+")
_USER = Pattern(r"\(user=[^,)]*")
_GONE = (": No such file or directory", ": Not a directory")

#: The text of each file of one folder, by its name.
Texts = Mapping[str, str]


class LogFound(Struct, frozen=True):
    """What a log came to: its events as entries, and the lines of its files as they stand; or why there are none."""

    entries: tuple[Entry, ...] = ()
    state: KindState = KindState.PRESENT
    reason: str = ""
    text: str = ""


def log_excerpt(body: str) -> str:
    """Give what an exhibit shows of the log: the lines that decide, without the owner's name."""
    found = _newest(body)
    if isinstance(found, LogFound) or not body:
        return body
    folder, texts = found
    names = ", ".join(f"{folder}{name}" for name in texts)
    return f"{names}\n" + lines_that_decide("".join(texts.values()))


def lines_that_decide(text: str) -> str:
    """Give the newest lines that decide, a bounded number, without the owner's name."""
    return without_owner(plex_log.excerpt(text, _EXCERPT_LINES))


def without_owner(text: str) -> str:
    """Take the account's name out of lines of the log."""
    return _USER.sub("(user=…", text)


# --- over SSH ----------------------------------------------------------------------------------------


def ask_log(container: Container) -> Generator[Sequence[Read], Sequence[Reply], LogFound]:
    """Ask a server for the log alone: in the usual folders, then in those of the container that Plex runs in."""
    replies = {reply.id: reply for reply in (yield (LOG_READ, *container_reads(container)))}
    return (yield from follow_log(replies, container))


def follow_log(
    replies: Mapping[str, Reply], container: Container
) -> Generator[Sequence[Read], Sequence[Reply], LogFound]:
    """Understand the log of the first round, and ask further where it does not tell enough or is not there."""
    reply = replies[LOG_READ.id]
    state, reason = _state(reply, len(LOG_FILES))
    if state is KindState.PRESENT:
        found = _newest(_without_cut(reply.body))
        if isinstance(found, LogFound):
            return found
        folder, texts = found
        older: Reply | None = None
        if _tells_little(reply, texts):
            # Without its name: the usual folders about whose file `grep` did not complain.
            there = (path for path in LOG_FILES if f"{path}: " not in reply.stderr)
            folders = [folder] if folder else [path.removesuffix(_CURRENT) for path in there]
            (older,) = yield (_older_read("log.older", folders),)
        return _found(reply, texts, older, "server")
    inside = plex_container(replies, container)
    if inside is None:
        return LogFound((), state, reason)
    return (yield from _follow_mounts(*inside, LogFound((), state, reason)))


def _follow_mounts(
    engine: str, name: str, otherwise: LogFound
) -> Generator[Sequence[Read], Sequence[Reply], LogFound]:
    """Ask which folders of the host Plex's container has, and look for the log there."""
    (mounts,) = yield (mounts_read(engine, name),)
    folders = log_folders(mounts)
    if isinstance(folders, WhyNot):
        return LogFound((), KindState.UNKNOWN, folders.text)
    good = [folder for folder in folders if _may_be_read(folder)]
    if not good:
        return replace(
            otherwise,
            reason=f"{otherwise.reason}, and {name} keeps none in a folder of the host that can be read",
        )
    files = " ".join(_quoted(f"{folder}{_CURRENT}") for folder in good)
    command = Command(f"grep -aHE '{plex_log.GREP_PATTERN}' {files} | tail -c {LOG_BYTES}")
    mounted = Read("log.mounted", command, sometimes=True, log=True)
    current, older = yield mounted, _older_read("log.mounted.older", good)
    state, reason = _state(current, len(good))
    if state is not KindState.PRESENT:
        return LogFound((), state, reason)
    found = _newest(_without_cut(current.body))
    return found if isinstance(found, LogFound) else _found(current, found[1], older, "server")


def _older_read(name: str, folders: Sequence[str]) -> Read:
    files = " ".join(f"{_quoted(f'{folder}Plex Media Server.')}*log" for folder in folders)
    # Without requests, and the current file as well: its beginning may have been cut off.
    command = Command(f"grep -aHE -m {OLDER_LINES} '{plex_log.DECIDING_PATTERN}' {files}")
    return Read(name, command, sometimes=True, log=True)


def _quoted(path: str) -> str:
    return LANGUAGES["posix"].quote(Typed(FieldType.TEXT, path))


def _may_be_read(folder: str) -> bool:
    """Judge a folder that an engine named, as every read is judged. What it says is text from outside."""
    try:
        word = _quoted(f"{folder}{_CURRENT}")
    except ValueError:
        return False
    return LANGUAGES["posix"].refuse_read(f"grep -aHE x {word}") is None


def _state(reply: Reply, files: int) -> tuple[KindState, str]:
    """Tell whether the log was read, does not exist, or could not be read, and why."""
    if not reply.whole or reply.status not in (0, 1, 2):
        return KindState.UNKNOWN, failed(reply)
    complaints = [line for line in reply.stderr.splitlines() if line.strip()]
    missing = [line for line in complaints if line.endswith(_GONE)]
    if len(missing) != len(complaints) or (reply.status == 2 and not complaints):
        return KindState.UNKNOWN, next((x for x in complaints if x not in missing), failed(reply))
    if len(missing) >= files:
        return KindState.ABSENT, "no log of Plex lies in any of the usual folders"
    return KindState.PRESENT, ""


# --- over HTTP ---------------------------------------------------------------------------------------


def understand_logs(reply: Reply, *, token: bool = True) -> LogFound:
    """Make entries of what Plex itself gives of its logs. `token`: one was sent."""
    if refused := refusal(reply.status, token=token):
        return LogFound((), KindState.UNKNOWN, refused)
    if not reply.whole:
        return LogFound((), KindState.UNKNOWN, reply.stderr or "the answer to logs was cut off")
    if reply.status != 200:
        return LogFound((), KindState.UNKNOWN, f"Plex answered logs with status {reply.status}")
    if reply.stderr:
        return LogFound((), KindState.ABSENT, reply.stderr)
    found = _newest(reply.body)
    return found if isinstance(found, LogFound) else _found(reply, found[1], None, "plex")


# --- the lines ---------------------------------------------------------------------------------------


def _tells_little(reply: Reply, texts: Texts) -> bool:
    """Tell whether what decides may lie before what was read: Plex announced nothing yet in this file, or it was cut."""
    events = plex_log.parse_plex_log(texts.get(_CURRENT, ""))
    return _was_cut(reply.body) or all(event.word is not LogWord.ANNOUNCED for event in events)


def _was_cut(body: str) -> bool:
    return len(body.encode()) >= LOG_BYTES


def _without_cut(body: str) -> str:
    """Give the lines from the first that is whole."""
    return body[body.find("\n") + 1 :] if _was_cut(body) else body


def _newest(body: str) -> tuple[str, Texts] | LogFound:
    """Give the folder and the texts, oldest first, of the log whose last line is the newest.

    An old installation may have left its own. Empty where there are no lines at all; a log that is not known where one
    names no file.
    """
    folders: dict[str, dict[str, list[str]]] = {}
    for line in _LINE.findall(body):
        named = _NAMED.match(line)
        if named is None:
            return LogFound((), KindState.UNKNOWN, "the lines of the log do not name their file")
        files = folders.setdefault(named["folder"], {})
        files.setdefault(named["name"], []).append(line[named.end() :])
    found = [
        (folder, {name: "".join(files[name]) for name in plex_log.PLEX_LOG_FILES if name in files})
        for folder, files in folders.items()
    ]
    return max(found, key=lambda item: _last_time(item[1].values()), default=("", {}))


def _last_time(texts: Iterable[str]) -> str:
    events = plex_log.merge_logs(tuple(texts))
    return events[-1].time if events else ""


def _found(reply: Reply, texts: Texts, older: Reply | None, role: str) -> LogFound:
    """Make entries of a log and of what is older. Older lines may only go before what follows them without a gap."""
    before = {} if older is None else _without_gap(older)
    shown = frozenset(event for text in texts.values() for event in plex_log.parse_plex_log(text))
    # Where requests pushed out the beginning of the current file, what decides is whole in the older answer.
    joined = before if before and _was_cut(reply.body) else {**before, **texts}
    events = plex_log.merge_logs([joined[name] for name in plex_log.PLEX_LOG_FILES if name in joined])

    def entry(at: int, event: LogEvent) -> Entry:
        exhibit = reply.id if older is None or event in shown else older.id
        return Entry(Kind.LOG_EVENT, event, {}, FOREIGN, str(at), f"{role}.{exhibit}", at, str(event.word))

    entries = tuple(entry(at, event) for at, event in enumerate(events))
    return LogFound(entries, text="".join(texts.values()))


def _without_gap(older: Reply) -> Texts:
    """Give the files, back from the newest to the first of which not all lines came."""
    if not older.whole or older.status not in (0, 1, 2):
        return {}
    found = _newest(older.body)
    texts = {} if isinstance(found, LogFound) else found[1]
    whole: dict[str, str] = {}
    for name in reversed(plex_log.PLEX_LOG_FILES):
        if name in texts:
            if texts[name].count("\n") >= OLDER_LINES:
                break
            whole[name] = texts[name]
    return whole
