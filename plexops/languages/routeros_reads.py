"""The allow-list of RouterOS commands that only read.

/path … print [detail|terse|without-paging|…] [where CONDITIONS]
/path … export [terse|compact|verbose|hide-sensitive]
:put [/path … get NAME …]     :put [/path … find [where CONDITIONS]]
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from plexops.pattern import Pattern

_TOKEN = Pattern(
    r"""(?P<space>[ \t]+)
      | (?P<word>[A-Za-z0-9_.:/*@,!-]+)
      | (?P<string>"(?:[^"\\$\x00-\x1f\x7f]|\\["\\?_$])*")
      | (?P<operator>[=~<>]+)
      | (?P<bracket>[\[\]])""",
    re.VERBOSE,
)

_PATH_WORD = Pattern(r"[a-z0-9]+(?:-[a-z0-9]+)*")
#: Words that do something wherever they stand in a path.
_ACTING = frozenset(
    {
        *("set", "add", "remove", "enable", "disable", "move", "reset", "reset-configuration"),
        *("reset-counters", "make-static", "run", "import", "fetch", "tool", "unset", "comment"),
        *("edit", "save", "load", "reboot", "shutdown", "upgrade", "downgrade", "install", "uninstall"),
        *("release", "renew", "flush", "send", "ping", "undo", "redo", "password", "quit"),
        *("export-certificate", "sign"),
    }
)
_PRINT = Pattern("detail|terse|brief|without-paging|value-list|count-only|all|show-ids|stats")
#: What may follow each verb, before its conditions.
_FLAGS: Mapping[str, Pattern] = MappingProxyType(
    {
        "print": _PRINT,
        "find": _PRINT,
        "export": Pattern("terse|compact|verbose|hide-sensitive"),
        "get": Pattern(r'".*|[A-Za-z0-9_.*-]+'),
    }
)
_CONDITION = Pattern(r"[A-Za-z0-9_.:/*@,!-]+")


def refuse_read(text: str) -> str | None:
    """Tell why this is not one command that is known to only read; None when it is."""
    try:
        tokens = _tokens(text.strip(" \t"))
    except ValueError as error:
        return str(error)
    if tokens[:1] == [":put"]:
        inner = tokens[1:]
        if inner[:1] != ["["] or inner[-1:] != ["]"] or "[" in inner[1:] or "]" in inner[:-1]:
            return "only `:put [/path get …]` and `:put [/path find …]` are on the list"
        return _command(inner[1:-1], frozenset({"get", "find"}))
    if "[" in tokens or "]" in tokens:
        return "brackets run a command; they may stand only around all that `:put` prints"
    return _command(tokens, frozenset({"print", "export"}))


def _tokens(text: str) -> list[str]:
    """Split into words, strings, operators and brackets; a value sticks to its operator by order alone."""
    wrong = _TOKEN.sub("", text)
    if wrong:
        raise ValueError(f"{wrong[0]!r} may not stand in a read")
    return [match[0] for match in _TOKEN.finditer(text) if match.lastgroup != "space"]


def _command(tokens: list[str], verbs: frozenset[str]) -> str | None:
    path, verb, rest = _path(tokens, verbs)
    if verb is None:
        return f"only {' and '.join(sorted(verbs))} of a menu are on the list"
    wrong = [word for word in path if _PATH_WORD.fullmatch(word) is None or word in _ACTING]
    if wrong:
        return f"{wrong[0]!r} is no menu that may be read"
    if not path and verb != "export":
        return "names no menu"
    flags, conditions = rest, list[str]()
    if verb in ("print", "find") and "where" in rest:
        at = rest.index("where")
        flags, conditions = rest[:at], rest[at + 1 :]
    elif verb == "find":
        flags, conditions = [], rest
    unknown = [word for word in flags if _FLAGS[verb].fullmatch(word) is None]
    return f"{verb} {unknown[0]!r} is not on the list" if unknown else _conditions(conditions)


def _path(tokens: list[str], verbs: frozenset[str]) -> tuple[list[str], str | None, list[str]]:
    """Take `/ip firewall nat print …` or `/ip/firewall/nat/print …` apart at its verb."""
    words: list[str] = []
    if not tokens or not tokens[0].startswith("/"):
        return [], None, []
    for at, token in enumerate(tokens):
        pieces = token.split("/")
        if at == 0:
            pieces = pieces[1:]
        for place, piece in enumerate(pieces):
            if piece in verbs:
                last = place == len(pieces) - 1
                return words, piece if last else None, tokens[at + 1 :]
            words.append(piece)
    return words, None, []


def _conditions(tokens: list[str]) -> str | None:
    """Check `key=value`, `key!=value`, `key~"…"`, flags, and, or."""
    for token in tokens:
        if re.fullmatch(r"=|!=|~|<|>|<=|>=", token) or token.startswith('"'):
            continue
        if _CONDITION.fullmatch(token) is None:
            return f"the condition {token!r} is not on the list"
        if token.startswith((":", "/")):
            return f"the condition {token!r} looks like a command"
    return None
