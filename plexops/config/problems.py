"""Collecting all that is wrong, so that a person mends a file once and not twenty times."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from plexops.model.errors import Place, PlexopsError, Problem
from plexops.pattern import Pattern
from plexops.structs import replace

#: More than this nobody reads at once; the rest is counted.
SHOWN = 20
_SECRET_TEXT = Pattern(
    r"(?:pas+w|passphrase|secret|token|api_?key|private|\bkey\b|://[^/\s]*@)[\w\"'-]*(?:\s*:\s*[^\s{]|[^:\s]*@)",
    re.IGNORECASE,
)
#: The keys of an inventory behind which a secret is named, and what people may take for one.
_SECRET_KEYS = ("password", "passphrase", "token", "key", "api_key", "api_secret", "secret")
#: The source line of these must not be shown: it may hold a secret, or be another file's.
HIDES_SOURCE = frozenset({"PLX-C206", "PLX-C207", "PLX-C208", "PLX-C307"})
#: How many sites are named for one problem that many share.
MAX_DETAILS = 10


def nearest(word: str, known: Iterable[str]) -> str:
    """Give the known word that looks most like this one, or an empty text if none does."""
    from difflib import get_close_matches  # only what is misspelt asks for it

    found = get_close_matches(word[:100], list(known), n=1, cutoff=0.6)
    return found[0] if found else ""


def misspelt(name: str, keys: Iterable[str]) -> bool:
    """Tell whether one of these unknown keys is meant for `name`: then it is not missing as well."""
    return any(nearest(key, [name]) for key in keys)


def shown(text: object, limit: int = 60) -> str:
    """Put a value of a file into quotes for a message: on one line, escaped and cut."""
    words = ascii_safe(str(text))
    return f"“{words if len(words) <= limit else words[: limit - 1] + '…'}”"


def ascii_safe(text: str) -> str:
    """Make what cannot be printed visible, and leave letters of all languages as they are."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


class Problems:
    """The errors and notes of one reading. The same problem at the same place counts once."""

    def __init__(self) -> None:
        self._errors: dict[tuple[str, str, str], Problem] = {}
        self._notes: dict[tuple[str, str, str], Problem] = {}

    def add(
        self,
        code: str,
        place: Place | None,
        path: str,
        reason: str,
        cure: str = "",
        *,
        detail: tuple[str, ...] = (),
    ) -> None:
        """Keep one error."""
        self.keep((Problem(code=code, reason=reason, cure=cure, place=place, path=path, detail=detail),))

    def keep(self, problems: Iterable[Problem]) -> None:
        """Keep errors that were raised elsewhere. Of one that comes again only the details are added."""
        for problem in problems:
            identity = _identity(problem)
            known = self._errors.setdefault(identity, problem)
            fresh = tuple(line for line in problem.detail if line not in known.detail)
            if fresh and len(known.detail) < MAX_DETAILS:
                self._errors[identity] = replace(known, detail=(*known.detail, *fresh))

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Keep the errors that are raised inside, and go on behind it."""
        try:
            yield
        except PlexopsError as error:
            self.keep(error.problems)

    def note(self, code: str, place: Place | None, path: str, reason: str, cure: str = "") -> None:
        """Keep a note: allowed, but a person should know."""
        problem = Problem(code=code, reason=reason, cure=cure, place=place, path=path)
        self._notes.setdefault(_identity(problem), problem)

    def __bool__(self) -> bool:
        return bool(self._errors)

    @property
    def notes(self) -> tuple[Problem, ...]:
        """All notes, in the order of their places."""
        return tuple(sorted(self._notes.values(), key=_order))

    @property
    def errors(self) -> tuple[Problem, ...]:
        """All errors in the order of their places, at most `SHOWN` and then one that counts the rest."""
        found = sorted(self._errors.values(), key=_order)
        rest = len(found) - SHOWN
        if rest <= 0:
            return tuple(found)
        more = Problem(
            "PLX-C099", f"{rest} more {'problem' if rest == 1 else 'problems'} not shown", "Mend these first."
        )
        return (*found[:SHOWN], more)

    def raise_if_any(self) -> None:
        """Raise PlexopsError with all errors, if there are any."""
        if self._errors:
            raise PlexopsError(self.errors)


def shows_secret(problem: Problem, line: str, others: Iterable[Problem] = ()) -> bool:
    """Tell whether a source line must not be printed beside a problem: it may hold a secret in clear.

    That is so when a secret's own code names this line, in this problem or in `others`, and when a key that looks
    like a secret's, well or badly spelt, has a plain text behind it.
    """
    here = [
        p for p in (problem, *others) if p.place and problem.place and _line(p.place) == _line(problem.place)
    ]
    hidden = any(p.code in HIDES_SOURCE or _names_secret_badly(p) for p in here)
    return hidden or _SECRET_TEXT.search(line) is not None


def _names_secret_badly(problem: Problem) -> bool:
    """Tell whether an unknown key (`tokn:`) is meant for one whose value is a secret."""
    return problem.code == "PLX-C101" and bool(nearest(problem.path.rpartition(".")[2], _SECRET_KEYS))


def _line(place: Place) -> tuple[str, int]:
    return place.file, place.line


def _identity(problem: Problem) -> tuple[str, str, str]:
    """Without the path where there is a place: what `defaults:` gives many sites is one error, not many."""
    return problem.code, str(problem.place or problem.path), problem.reason


def _order(problem: Problem) -> tuple[str, int, int]:
    place = problem.place
    return (place.file, place.line, place.column) if place else ("", 0, 0)
