"""~/.ssh/config as ssh itself reads it: Include, Host, Match, first value wins. Nothing is executed, no question is asked.

Canonical host names (CanonicalizeHostname) would be asked of DNS and are left out.
"""

from __future__ import annotations

import getpass
import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from plexops.model.paths import from_home
from plexops.pattern import Pattern
from plexops.transport.problems import failure, quoted
from plexops.transport.trust.known_hosts import matches

#: What plexops takes from the file.
TAKEN = frozenset(
    {
        *("hostname", "user", "port", "identityfile", "identitiesonly", "identityagent"),
        *("hostkeyalias", "proxyjump", "proxycommand"),
    }
)
_MAX_BYTES = 1024 * 1024
_MAX_INCLUDES = 16
_LINE = Pattern(r"(?P<keyword>[A-Za-z]+)(?:\s*=\s*|\s+|$)(?P<rest>.*)")
_WORD = Pattern(r"""\s*((?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\\.|[^\s"'])+)""")
_ESCAPED = Pattern(r"""\\([\\"' ])|["']""")
_TOKEN = Pattern(r"%(.?)|\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class UnusableConfigError(ValueError):
    """What the file says cannot be used; the text says what and where."""


class Line(Struct, frozen=True):
    """One line: the keyword in small letters, its words, and where it stands."""

    keyword: str
    words: tuple[str, ...]
    place: str


class _Setting(Struct, frozen=True):
    """A line that says something, and the Host and Match lines above it that all have to hold."""

    line: Line
    under: tuple[Line, ...]


class SshConfigFile(Struct, frozen=True):
    """The file with everything that it includes, as it was when it was read."""

    path: Path
    settings: tuple[_Setting, ...]

    def lookup(self, host: str, given: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
        """Give what the file says of a host, by keyword; what is `given` is not asked of it.

        Raises UnusableConfigError where a Match that plexops cannot decide has a say in it.
        """
        found: dict[str, tuple[str, ...]] = {word: (value,) for word, value in given.items()}
        self._pass(host, found, frozenset(given), final=False)
        if any(s.line.keyword == "match" and "final" in map(str.lower, s.line.words) for s in self.settings):
            # ssh takes the name as settled before it reads the file once more.
            found["hostname"] = (_named(host, found),)
            self._pass(host, found, frozenset(given), final=True)
        return {word: values for word, values in found.items() if word not in given}

    def _pass(
        self, host: str, found: dict[str, tuple[str, ...]], given: frozenset[str], *, final: bool
    ) -> None:
        #: A Host or Match is decided where it stands, by what is known up to there.
        decided: dict[Line, bool | None] = {}
        for setting in self.settings:
            holds: bool | None = True
            for header in setting.under:
                if header not in decided:
                    decided[header] = _holds(header, host, found, final=final)
                if decided[header] is False:
                    holds = False
                    break
                holds = holds and decided[header]
            if holds is False or setting.line.keyword not in TAKEN:
                continue
            _take(setting, found, given, undecided=holds is None)


def read_ssh_config(path: Path) -> SshConfigFile | None:
    """Read the file; None where there is none. Raises PlexopsError PLX-D112 for one that ssh would not take either."""
    try:
        if not path.is_file():
            return None
        return SshConfigFile(path, tuple(_read(path, path.parent, (), 0)))
    except (UnusableConfigError, OSError, ValueError) as error:  # ValueError: a null byte in a path
        why = str(error.strerror) if isinstance(error, OSError) else str(error)
        raise failure(
            "PLX-D112",
            f"{path} could not be understood: {quoted(why)}",
            "correct it, as ssh would not take it either",
            str(path),
        ) from None


def expanded(text: str, values: Mapping[str, str]) -> str:
    """Put in what %h, %r, ${NAME} and the like stand for. Raises UnusableConfigError for one that is not known."""

    def put(match: re.Match[str]) -> str:
        letter, name = match.groups()
        known = os.environ if name else {"%": "%", "u": getpass.getuser(), "d": str(Path.home()), **values}
        if (name or letter) not in known:
            raise UnusableConfigError(f"{match[0]} in {text!r} is not understood")
        return known[name or letter]

    return _TOKEN.sub(put, text)


def _read(path: Path, folder: Path, under: tuple[Line, ...], depth: int) -> Iterator[_Setting]:
    if depth > _MAX_INCLUDES:
        raise UnusableConfigError(f"{path} is included too deeply")
    header: tuple[Line, ...] = ()
    for number, text in enumerate(_text(path).splitlines(), start=1):
        line = _line(text, f"{path}:{number}")
        if line is None:
            continue
        if line.keyword in ("host", "match"):
            header = (line,)
            # The header itself is a setting that says nothing: it is decided where it stands, also when it is empty.
            yield _Setting(line, (*under, line))
        elif line.keyword == "include":
            for pattern in line.words:
                for included in _meant(folder, pattern):
                    yield from _read(included, folder, (*under, *header), depth + 1)
        else:
            yield _Setting(line, (*under, *header))


def _meant(folder: Path, pattern: str) -> list[Path]:
    """Give the files of an Include, in the order of their names; none is no mistake."""
    from glob import glob

    found = map(Path, glob(str(folder / from_home(pattern))))  # noqa: PTH207 - Path.glob takes no absolute pattern
    return sorted(path for path in found if path.is_file())


def _text(path: Path) -> str:
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if os.name == "posix" and (
            stat.S_IMODE(status.st_mode) & 0o022 or status.st_uid not in (0, os.getuid())
        ):
            raise UnusableConfigError(f"{path} belongs to another user, or others may write to it")
        return file.read(_MAX_BYTES).decode("utf-8", "replace")


def _line(text: str, place: str) -> Line | None:
    text = text.strip()
    if not text or text.startswith("#"):
        return None
    match = _LINE.fullmatch(text)
    if match is None:
        raise UnusableConfigError(f"{place}: {text!r} is no setting")
    keyword, rest = match["keyword"].lower(), match["rest"]
    if keyword == "proxycommand":
        return Line(keyword, (rest,), place)
    words = tuple(_words(rest, place))
    if not words:
        raise UnusableConfigError(f"{place}: {match['keyword']} says nothing")
    if keyword in TAKEN and len(words) > 1:
        raise UnusableConfigError(f"{place}: {match['keyword']} takes one value")
    return Line(keyword, words, place)


def _words(rest: str, place: str) -> Iterator[str]:
    """Split as ssh does: quotes hold words together, a word that starts with # begins a comment."""
    at = 0
    while at < len(rest.rstrip()):
        match = _WORD.match(rest, at)
        if match is None:
            raise UnusableConfigError(f"{place}: a quotation mark is not closed")
        if match[1].startswith("#"):
            return
        yield _ESCAPED.sub(lambda found: found[1] or "", match[1])
        at = match.end()


def _take(
    setting: _Setting, found: dict[str, tuple[str, ...]], given: frozenset[str], *, undecided: bool
) -> None:
    keyword, words = setting.line.keyword, setting.line.words
    files = keyword == "identityfile" and keyword not in given
    # Of ProxyJump and ProxyCommand, the first one counts.
    rivals = {"proxyjump", "proxycommand"} if keyword in ("proxyjump", "proxycommand") else {keyword}
    if rivals & set(found) and not files:
        return
    if undecided:
        match = next(line for line in setting.under if line.keyword == "match")
        raise UnusableConfigError(
            f"{setting.line.place} counts or not by a Match that plexops does not decide, and runs no command for: "
            f"“{' '.join(match.words)}”"
        )
    if files:
        found[keyword] = tuple(dict.fromkeys((*found.get(keyword, ()), words[0])))
    else:
        found[keyword] = (words[0],)


def _holds(header: Line, host: str, found: Mapping[str, tuple[str, ...]], *, final: bool) -> bool | None:
    """Decide a Host or Match line; None where that takes a command or a look at what plexops does not look at."""
    if header.keyword == "host":
        return matches(host, header.words)
    user = found["user"][0] if "user" in found else getpass.getuser()
    subjects = {
        "host": _named(host, found),
        "originalhost": host,
        "user": user,
        "localuser": getpass.getuser(),
    }
    verdicts: list[bool | None] = []
    words = [part for word in header.words for part in _split(word)]
    while words:
        attribute = words.pop(0).lower()
        negated, attribute = attribute.startswith("!"), attribute.removeprefix("!")
        if attribute in ("all", "final", "canonical"):
            verdict: bool | None = attribute == "all" or final
        elif not words:
            raise UnusableConfigError(f"{header.place}: “Match {attribute}” wants a value")
        else:
            patterns = words.pop(0).split(",")
            verdict = matches(subjects[attribute], patterns) if attribute in subjects else None
        verdicts.append(verdict if verdict is None else verdict is not negated)
    if False in verdicts:
        return False
    return None if None in verdicts else True


def _named(host: str, found: Mapping[str, tuple[str, ...]]) -> str:
    return expanded(found["hostname"][0], {"h": host}) if "hostname" in found else host


def _split(word: str) -> list[str]:
    """Give the two halves of `host=name`, else the word itself."""
    name, equals, value = word.partition("=")
    known = {"host", "originalhost", "user", "localuser"}
    return [name, value] if equals and name.lower().removeprefix("!") in known else [word]
