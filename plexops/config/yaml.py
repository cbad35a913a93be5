"""YAML 1.2's core schema with decimal integers only, read from parser events so that every value has its place.

PyYAML's own loaders follow YAML 1.1: a MAC address becomes a base-60 number, `no` becomes false, of two equal keys
the last one wins in silence. Here a word stays a word, and what can only hurt (aliases, tags, merge keys) is refused.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plexops.config.files import read_regular
from plexops.config.nodes import Entry, Listing, Node, Scalar, Table
from plexops.config.problems import SHOWN, Problems, ascii_safe, shown
from plexops.model.errors import Place, PlexopsError, Problem
from plexops.model.exchange import Json
from plexops.pattern import Pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 40
MAX_NODES = 200_000

_INTEGER = Pattern(r"0|-?[1-9][0-9]{0,17}", re.ASCII)
_NULLS = frozenset({"", "~", "null"})
#: libyaml calls a plain style '', PyYAML's own parser None.
_QUOTES = frozenset({"'", '"', "|", ">"})
_UNCLOSED = Pattern("unexpected end of stream|expected ',' or")
#: The slips that people make most: the parser's words, the cause and the cure.
_SLIPS = (
    (Pattern("mapping values are not allowed"), "a colon does not fit here",
     "Indent the line like its neighbours; quote a text that holds “: ”."),
    (Pattern("could not find expected ':'"), "a key without its colon",
     "Write “name: value”, with a space after the colon."),
    (Pattern("cannot start any token"), "a value cannot start with this character", "Put the value into quotes."),
    (_UNCLOSED, "a bracket or quote was opened and not closed properly", "Close it, or quote the text that holds it."),
    (Pattern("block (?:end|collection|mapping)"), "this line is not indented like its neighbours",
     "Give all keys of one block the same indentation."),
    (Pattern("alias"), "a value that starts with * is an alias, which is not read", "Put the value into quotes."),
)  # fmt: skip
_BOOLEANS = {"true": True, "false": False}

#: C0 (but tab and line feed), DEL, C1, and what turns the reading direction or is invisible: a text that looks
#: different from what it says can hide a setting from a reviewer. Line and paragraph separators would shift lines.
_UNSEEN = Pattern(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\ufffe\uffff]"
)


def load_yaml_document(path: Path, name: str | None = None) -> Node:
    """Read a file's only document. `name` is what places call the file (default: the path as given).

    Raises PlexopsError with all problems found; nothing else, whatever the file holds. PLX-C307 for a link that leads
    out of its folder: a repository could have any file of this machine shown, by what is wrong in it.
    """
    file = name if name is not None else str(path)
    if _leads_out(path):
        cure = "Name the file itself, or put a copy in place of the link."
        raise PlexopsError(
            Problem("PLX-C307", "this is a link that leads elsewhere", cure, Place(file, 1, 1))
        )
    return parse_yaml(read_text(path, file), file)


def _leads_out(path: Path) -> bool:
    """Tell whether a link leads out: of the folder in which plexops runs, for a path that starts there, else of its own."""
    if path.is_relative_to("/dev"):  # /dev/stdin, and what a shell makes of <(…)
        return False
    whole = path.is_absolute() or ".." in path.parts
    try:
        inside = (path.parent if whole else Path()).resolve()
        return path.is_file() and not path.resolve().is_relative_to(inside)
    except (OSError, RuntimeError, ValueError):
        return False  # reading it says what is wrong


def read_text(path: Path, file: str) -> str:
    """Read a file as UTF-8 with Unix or Windows line ends. Raises PlexopsError."""
    try:
        data = read_regular(path, MAX_BYTES + 1)
    except OSError as error:
        reason, cure = _unreadable(error)
        raise PlexopsError(Problem("PLX-C001", reason, cure, Place(file, 1, 1))) from error
    except ValueError as error:  # a null byte in the path
        raise PlexopsError(
            Problem("PLX-C001", "this is no path of a file", place=Place(file, 1, 1))
        ) from error
    return decode(data, file)


def decode(data: bytes, file: str) -> str:
    """Turn the bytes of a file into text. Raises PlexopsError."""
    start = Place(file, 1, 1)
    if len(data) > MAX_BYTES:
        raise PlexopsError(
            Problem("PLX-C002", "the file is larger than 4 MB", "Split it into several files.", start)
        )
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise PlexopsError(Problem("PLX-C003", "the file is UTF-16", "Save it as UTF-8.", start))
    if data.startswith(b"\xef\xbb\xbf"):
        reason = "the file starts with a byte order mark"
        raise PlexopsError(Problem("PLX-C003", reason, "Save it as “UTF-8”, not “UTF-8 with BOM”.", start))
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        reason = f"the byte 0x{data[error.start]:02x} is not UTF-8"
        raise PlexopsError(
            Problem("PLX-C003", reason, "Save the file as UTF-8.", Place(file, line, column))
        ) from error
    return text


def parse_yaml(text: str, file: str) -> Node:
    """Parse a text's only document. Raises PlexopsError with all problems found, and nothing else."""
    if len(text) > MAX_BYTES:
        reason = "the text is longer than 4 MB"
        raise PlexopsError(Problem("PLX-C002", reason, "Split it.", Place(file, 1, 1)))
    text = text.replace("\r\n", "\n")
    _refuse_unseen(text, file)
    return _Builder(text, file).document()


def yaml_loader() -> Any:
    """Give PyYAML's safe loader. That of libyaml, where PyYAML was built with it, is some forty times faster."""
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def scalar_value(text: str) -> bool | int | str | None:
    """Give what an unquoted word means: null, true, false, a decimal integer, or itself."""
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    return int(text) if _INTEGER.fullmatch(text) else text


class _TooMuchError(Exception):
    """A limit was hit: reading on would only cost time."""


class _Builder:
    """Builds the tree from parser events and refuses what we do not read."""

    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self._file = file
        self._problems = Problems()
        self._nodes = 0
        self._events: Iterator[Any] = iter(())

    def document(self) -> Node:
        import yaml

        self._events = yaml.parse(self._text, Loader=yaml_loader())
        root: Node | None = None
        try:
            root = self._first()
        except yaml.MarkedYAMLError as error:
            self._syntax(error)
        except yaml.YAMLError as error:
            detail = (ascii_safe(str(error))[:200],)
            self._problems.add("PLX-C004", Place(self._file, 1, 1), "", "this is not YAML", detail=detail)
        except _TooMuchError:
            pass
        self._problems.raise_if_any()
        if root is None or (isinstance(root, Scalar) and root.value is None):
            place = Place(self._file, 1, 1)
            raise PlexopsError(
                Problem("PLX-C009", "the file is empty", "See “plexops explain PLX-C009”.", place)
            )
        return root

    def _first(self) -> Node | None:
        import yaml

        root: Node | None = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                place = self._place(event.start_mark)
                if root is not None:
                    self._problems.add("PLX-C008", place, "", "a second document starts here",
                                       "Keep one document per file: take “---” out, or split the file.")  # fmt: skip
                    return root
                if event.tags:
                    self._problems.add(
                        "PLX-C006", place, "", "%TAG directives are not read", "Take the line out."
                    )
                root = self._node(next(self._events), 1)
        return root

    def _node(self, event: Any, depth: int) -> Node:
        import yaml

        place = self._place(event.start_mark)
        self._count(place, depth)
        if isinstance(event, yaml.AliasEvent):
            self._problems.add("PLX-C005", place, "", f"aliases (*{ascii_safe(str(event.anchor))}) are not read",
                               "Write the value out, or give it once under “defaults:” or “vars:”.")  # fmt: skip
            return Scalar(None, "", place)
        self._refuse_decoration(event, place)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, place)
        if isinstance(event, yaml.SequenceStartEvent):
            items = []
            while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
                items.append(self._node(event, depth + 1))
            return Listing(tuple(items), place)
        return self._table(place, depth)

    def _table(self, place: Place, depth: int) -> Table:
        import yaml

        entries: dict[str, Entry] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            value = self._node(next(self._events), depth + 1)
            if not isinstance(key, Scalar) or (not key.quoted and key.value is None):
                self._odd_key(key, place)
            elif key.text == "<<" and not key.quoted:
                self._problems.add("PLX-C010", key.place, "", "merge keys (<<) are not read",
                                   "Write the values out, or give them once under “defaults:”.")  # fmt: skip
            elif key.text in entries:
                first = entries[key.text].place
                reason = f"the key {shown(key.text)} is here twice: first in line {first.line}, column {first.column}"
                self._problems.add(
                    "PLX-C007", key.place, "", reason, "Keep one of them.", detail=(f"first: {first}",)
                )
            else:
                entries[key.text] = Entry(value, key.place)
        return Table(entries, place)

    def _odd_key(self, key: Node, table: Place) -> None:
        line = self._text.split("\n")[table.line - 1]
        if line[table.column - 1 :].startswith("{{"):
            reason = "a value that starts with {{ needs quotes, else YAML reads a table"
            self._problems.add("PLX-C004", table, "", reason, 'Write it as "{{ name }}".')
        else:
            self._problems.add("PLX-C010", key.place, "", "a key must be a word", "Write “name: value”.")

    def _scalar(self, event: Any, place: Place) -> Scalar:
        quoted = event.style in _QUOTES
        text: str = event.value
        unseen = next(_unseen(text), None)
        if unseen:
            reason = f"the text holds the invisible character U+{ord(unseen[0]):04X}, written as an escape"
            self._problems.add("PLX-C003", place, "", reason, "Take it out.")
        return Scalar(text if quoted else scalar_value(text), text, place, quoted)

    def _refuse_decoration(self, event: Any, place: Place) -> None:
        if event.anchor is not None:
            reason = f"anchors (&{ascii_safe(str(event.anchor))}) are not read"
            self._problems.add("PLX-C005", place, "", reason, "Take the anchor out.")
        if event.tag is not None:
            tag = ascii_safe(str(event.tag)).replace("tag:yaml.org,2002:", "!!")
            self._problems.add("PLX-C006", place, "", f"tags ({tag[:60]}) are not read",
                               "Take the tag out; quotes make a text of anything.")  # fmt: skip

    def _count(self, place: Place, depth: int) -> None:
        self._nodes += 1
        if depth > MAX_DEPTH:
            self._problems.add("PLX-C002", place, "", f"more than {MAX_DEPTH} levels deep", "Nest less.")
            raise _TooMuchError
        if self._nodes > MAX_NODES:
            self._problems.add("PLX-C002", place, "", f"more than {MAX_NODES:,} values", "Split the file.")
            raise _TooMuchError

    def _place(self, mark: Any) -> Place:
        return Place(self._file, mark.line + 1, mark.column + 1)

    def _syntax(self, error: Any) -> None:
        mark = error.problem_mark or error.context_mark
        place = self._place(mark) if mark is not None else Place(self._file, 1, 1)
        lines = self._text.split("\n")
        if place.line > len(lines):  # what was noticed at the end of the file
            place = Place(self._file, len(lines), len(lines[-1]) + 1)
        line = lines[place.line - 1]
        said = ascii_safe(error.problem or error.context or "").strip()
        if "maximum nesting depth" in said:  # newer libyaml has a limit of its own
            self._problems.add("PLX-C002", place, "", f"more than {MAX_DEPTH} levels deep", "Nest less.")
            return
        detail = (f"the parser says: {said}",) if said else ()
        began = error.context_mark
        if began is not None and began.line + 1 != place.line:
            if _UNCLOSED.search(said):
                detail = (*detail, f"noticed in line {place.line}")
                place = self._place(began)
            else:
                detail = (*detail, f"it began in line {began.line + 1}")
        indent = line[: len(line) - len(line.lstrip())]
        if "\t" in indent:
            here = Place(self._file, place.line, indent.index("\t") + 1)
            self._problems.add(
                "PLX-C004", here, "", "this line is indented with a tab", "Use spaces.", detail=detail
            )
            return
        reason, cure = _explain_syntax(said, line)
        self._problems.add("PLX-C004", place, "", reason, cure, detail=detail)


def _explain_syntax(said: str, line: str) -> tuple[str, str]:
    """Put the parser's words into a cause and a cure."""
    for slip, cause, cure in _SLIPS:
        if slip.search(said):
            return cause, cure
    if "{{" in line:
        return "a value that starts with {{ needs quotes", 'Write it as "{{ name }}".'
    return (
        "this is not YAML",
        "Look at the indentation, colons, quotes and brackets of this line and the one before.",
    )


def _unseen(text: str) -> Iterator[re.Match[str]]:
    """Give what cannot be seen in a text. Nearly every text holds only what can, and needs no expression."""
    return iter(()) if text.replace("\n", "").replace("\t", "").isprintable() else _UNSEEN.finditer(text)


def _refuse_unseen(text: str, file: str) -> None:
    problems = Problems()
    for count, match in enumerate(_unseen(text)):
        line = text.count("\n", 0, match.start()) + 1
        column = match.start() - text.rfind("\n", 0, match.start())
        what = "an old Mac line end" if match[0] == "\r" else f"the invisible character U+{ord(match[0]):04X}"
        problems.add("PLX-C003", Place(file, line, column), "", f"the file holds {what}", "Take it out.")
        if count == SHOWN:  # the rest would only be counted
            break
    problems.raise_if_any()


def _unreadable(error: OSError) -> tuple[str, str]:
    for kind, reason, cure in _UNREADABLE:
        if isinstance(error, kind):
            return reason, cure
    return f"this file cannot be read: {error.strerror or type(error).__name__}", ""


_UNREADABLE = (
    (FileNotFoundError, "there is no such file",
     "Check the path, or name the file with -i (inventory) or as an argument (playbook)."),
    (IsADirectoryError, "this is a directory, not a file", "Name a file in it."),
    (PermissionError, "this file may not be read", "Give yourself the right to read it."),
)  # fmt: skip


def as_yaml(document: Json) -> str:
    """Write a document as YAML, in its order, and texts of several lines as such."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes texts of several lines as such, and what occurs twice in full."""

        def ignore_aliases(self, data: object) -> bool:
            return True

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        style = "|" if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    return yaml.dump(document, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=4096)
