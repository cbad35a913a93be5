"""The configuration tree of VyOS and EdgeOS, as lines typed on a terminal.

The shell behind it is bash with commands of its own: in single quotes a text is literal, and no value of the tree may hold
a single quote. `?` asks for help while a line is typed, also within quotes, and `!` outside of them recalls history.

A commit that waits for `confirm` is a timer of systemd on VyOS (config_mgmt.py of vyos-1x, `commit-confirm.timer`) and
a job of at on EdgeOS (vyatta-config-mgmt.pl): no `show` of either tells whether it waits. `confirm` itself says so, and
`compare saved` whether anything is in force that a restart would take back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

from plexops.languages.base import quoted_unless
from plexops.languages.contracts import refuse_read
from plexops.model.fields import FieldType, Typed
from plexops.pattern import Pattern

_WORD = r"[A-Za-z0-9_.:/,@=+%-]+"
_HARMLESS = Pattern(_WORD)
_UNTYPED = Pattern(r"['?]|[^\x20-\x7e]")
_EDIT = Pattern(rf"(?:show|set|delete)(?: (?:{_WORD}|'[ -&(->@-~]*'))+")
_END = Pattern(r"commit|commit-confirm [1-9][0-9]{0,2}|confirm|save")
#: How a visit with an edit ends, and how one without. To save what is not confirmed would make it last.
_EDITED = Pattern(r"commit(?:\nsave)?|commit-confirm [0-9]+")
_SETTLED = Pattern(r"(?:confirm\n)?save|confirm")
#: How these consoles, and FRR's, say no in words: they raise nothing and go on.
_NO = Pattern(
    r"^\s*(?:%|error\b|(?:set|delete|commit|save) failed|failed to |invalid |unknown |ambiguous |incomplete "
    r"|cannot |(?:vbash: )?[\w/.-]+: command not found|another confirm is pending|no confirm pending"
    r"|commit-revisions is not configured|commit-confirm cancel+ed|no configuration changes to commit"
    r"|configuration path: .* (?:is not valid|is not a valid)|configuration system (?:is )?(?:temporarily )?locked)"
    r"|permission denied|does not have permission|not authorized|is not valid\s*$",
    re.IGNORECASE | re.MULTILINE,
)
_SAME = Pattern(r"\s*configuration path: .* already exists\s*", re.IGNORECASE)
#: What `compare` and `compare saved` say where there is nothing to compare.
CLEAN: Mapping[str, str] = MappingProxyType(
    {
        "compare": "No changes between working and active configurations",
        "compare saved": "No changes between working and saved configurations",
    }
)
#: What a `show` in configuration mode says where nothing is (vyatta-cfg, cstore-node).
_EMPTY = "Configuration under specified path is empty"
_NOTHING_WAITS = Pattern(r"^\s*no confirm pending", re.IGNORECASE | re.MULTILINE)
_ANOTHER_WAITS = Pattern(r"another confirm is pending", re.IGNORECASE)
#: How a change ends that no window holds.
SAVED = ("commit", "save")
#: An answer of more lines than this is none that says no.
_SHORT = 5
#: Of a line that is typed, in characters.
_LONGEST = 1000


class Edit(Struct, frozen=True):
    """One visit to configuration mode: what is set and deleted, then what ends it (`commit`, `commit-confirm 3`, `save`).

    `show PLACE` among the lines goes on only where nothing is there.
    """

    lines: tuple[str, ...]
    ends: tuple[str, ...]

    @property
    def text(self) -> str:
        """The visit as it is typed."""
        return "\n".join(("configure", *self.lines, *self.ends, "exit"))


class Tree:
    """Words, and text in single quotes."""

    def quote(self, value: Typed) -> str:
        """Write numbers, addresses and words bare, text in single quotes. ValueError for what cannot be typed."""
        return quoted_unless(_HARMLESS, value, _quote_text)

    def refuse_text_at(self, before: str, after: str, kind: FieldType = FieldType.TEXT) -> str | None:
        """Refuse text that is not a word of its own."""
        del kind
        if any(mark in before for mark in "'\"\\"):
            return "behind quotes: only plain words may stand before it"
        if before and not before[-1].isspace():
            return "inside a word: only white space may stand before it"
        if after and not after[0].isspace():
            return "inside a word: only white space may stand after it"
        return None

    def refuse_read(self, text: str) -> str | None:
        """Tell why this is not `show` and plain words."""
        return (
            refuse_read("tree", text) if len(text) <= _LONGEST else f"it is longer than {_LONGEST} characters"
        )


def edit_of(text: str) -> Edit:
    """Read a write: `configure`, lines to set and delete, how it ends, `exit`. ValueError for anything else."""
    first, *lines = text.split("\n")
    last = lines.pop() if lines else ""
    ends = [line for line in lines if _END.fullmatch(line)]
    edits = lines[: len(lines) - len(ends)]
    good = all(_EDIT.fullmatch(line) and len(line) <= _LONGEST for line in edits)
    ended = (_EDITED if edits else _SETTLED).fullmatch("\n".join(ends))
    if (first, last) != ("configure", "exit") or ended is None or lines != [*edits, *ends] or not good:
        raise ValueError("no visit to configuration mode: configure, set and delete, an end to it, exit")
    return Edit(tuple(edits), tuple(ends))


def refuses(line: str, answer: str) -> bool:
    """Tell whether an answer says no to a line.

    A `set` or `delete` that was taken says nothing, or that the value was there already; `save` ends with “Done”.
    """
    said = [text for text in answer.split("\n") if text.strip() and not text.startswith("[edit")]
    if line.startswith("show "):
        return bool(said) and _NO.search("\n".join(said[:3])) is not None and len(said) <= _SHORT
    if line.startswith(("set ", "delete ")):
        return any(_SAME.fullmatch(text) is None for text in said)
    return _NO.search("\n".join(said)) is not None or (line == "save" and "Done" not in said)


def stops(line: str, answer: str) -> bool:
    """Tell whether a visit must not go on after what was answered to one of its lines."""
    return _EMPTY not in answer if line.startswith("show ") else refuses(line, answer)


def waits(line: str, answer: str) -> bool:
    """Tell whether a commit that failed has left a timer of ours behind; it is armed before anything is committed."""
    return line.startswith("commit-confirm") and _ANOTHER_WAITS.search(answer) is None


def nothing_waits(line: str, answer: str) -> bool:
    """Tell whether there is nothing to confirm: it was, or the device has taken it back."""
    return line == "confirm" and _NOTHING_WAITS.search(answer) is not None


def _quote_text(text: str) -> str:
    wrong = _UNTYPED.search(text)
    if wrong is not None:
        raise ValueError(f"{wrong[0]!r} cannot be typed into a value of the configuration tree")
    return f"'{text}'"
