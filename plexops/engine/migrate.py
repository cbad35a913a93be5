"""A profile of format 1, rewritten to format 2: word for word where that is possible, and what is not stays as a comment."""

from __future__ import annotations

import re
from typing import Any, cast

from plexops.config.nodes import Node, plain
from plexops.config.profiles import OLD_WORDS, is_old
from plexops.config.yaml import as_yaml
from plexops.languages.contracts import CONTRACTS, refuse_read
from plexops.model.errors import PlexopsError, Problem
from plexops.model.exchange import Json
from plexops.model.resources import KINDS
from plexops.model.snapshot import Kind
from plexops.pattern import Pattern

Part = dict[str, Any]
_PARAM = re.compile(r"(\{\{ \w+ \}\})")
#: Of an expression: a literal text, a literal of JSON, a name in quotes, and what stands between.
_PIECE = re.compile(r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|\"(?:[^\"\\]|\\.)*\"|[^'`\"]+")
_EXPORT = Pattern(r"(/(?:ip|ipv6|interface|system)(?: [a-z-]+)+) export terse")
_WRITES = ("put", "create", "update", "delete")
_TURNED = ("from", "with", "take", "part", "parse", "call", "whole", "rows", "ids", "apply", *_WRITES)
#: What a template may name besides the fields of its kind.
_ALWAYS = frozenset({"key", "tag", "handle", "window"})
_BY_STORE = "a store does that: see docs/profiles.md, “Stores”"
_HEAD = """\
# Rewritten from format 1 by plexops profiles migrate. Comments were not taken over. An entry of which nothing here
# accounts for some field is not understood any more: name the field in `harmless`, or in `limits`.
"""


# fmt: off
def migrated(document: Node) -> tuple[str, int]:
    """Give the file in format 2, and how many things are left for a person, which stand as comments before it.

    Raises PlexopsError PLX-C103 for what is no profile of format 1.
    """
    try:
        if not is_old(document):
            raise ValueError("it says another format, or has no resources")
        migration = _Migration(cast("Part", plain(document)))
        new = migration.whole()
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as reason:
        cure = "It takes a file that plexops loaded when format 1 was the only one."
        wrong = f"this is no profile of format 1: {reason}"
        raise PlexopsError(Problem("PLX-C103", wrong, cure, document.place)) from None
    lines = (f"# {line}\n" for said in migration.left for line in said.splitlines())
    return _HEAD + "".join(lines) + as_yaml(new), len(migration.left)


class _Migration:
    """One file on its way. `left` is what was not turned: where, why, and what stood there."""

    def __init__(self, old: Part) -> None:
        self.left: list[str] = []
        self._old = old
        self._reads: Part = {name: self._read(name, spec) for name, spec in old.get("reads", {}).items()}
        self._ids: set[str] = set()

    def whole(self) -> Part:
        old, speaks = self._old, OLD_WORDS.get(self._old["speaks"], self._old["speaks"])
        parts: Part = {"kinds": {kind: self._kind(kind, s, f"kinds.{kind}") for kind, s in old.get("resources", {}).items()}}
        parts["facts"] = {name: self._fact(f"facts.{name}", spec) for name, spec in old.get("facts", {}).items()}
        parts["reads"] = {n: spec for n, spec in self._reads.items() if n not in self._ids or n in str(parts)}
        parts["steps"] = {kind: [re.sub(r"(?<!\{)\{(\w+)\}", r"{{ \1 }}", line) for line in lines]
            for kind, lines in old.get("steps", {}).items()}
        new: Part = {"profile": old["profile"], "format": 2, "title": old["title"], "speaks": speaks}
        new |= {"contract": self._contract()} if speaks == "rest" else {}
        for key, value in old.items():
            name = "kinds" if key == "resources" else key
            new.setdefault(name, parts.get(name, value))
        return new

    def _contract(self) -> str:
        """Give the first table by which all that is asked only reads."""
        asked = [spec["call"] for spec in self._old.get("reads", {}).values()]
        sound = (name for name in CONTRACTS if name != "json" and not any(refuse_read(name, call) for call in asked))
        return next(sound, "rest")

    def _leave(self, path: str, why: str, stood: Json) -> None:
        self.left.append(f"{path}: {why}\n" + re.sub(r"(?m)^", "  ", as_yaml(stood).rstrip()))

    def _read(self, name: str, spec: Part) -> Part:
        method, _, path = spec.get("call", "").partition(" ")
        new = {**({method.lower(): path} if path else {}), **_kept(spec), "as": spec["parse"]}
        return new | ({"must": self._expression(f"reads.{name}", "", spec["whole"])} if "whole" in spec else {})

    def _fact(self, path: str, spec: Part) -> Part | str:
        take = self._expression(path, "" if "with" in spec else spec["from"], spec["take"])
        if part := spec.get("part"):
            take = f"split({take}, '-')" + ("[0]" if part == "first" else " | not_null([1], [0])")
        return {"take": take, **_kept(spec)} if _kept(spec) else take

    def _expression(self, path: str, read: str, old: str) -> str:
        """Give an expression over all reads. In a literal a param was a part of the text; it is a literal itself now."""
        new = "".join(self._piece(path, piece) for piece in _PIECE.findall(old)).strip()
        return new if not read else read if new in ("", "@") else f"{read} | {new}"

    def _piece(self, path: str, piece: str) -> str:
        if piece[0] == "'" and "{{" in piece:
            parts = [t if t.startswith("{{") else f"'{t}'" for t in _PARAM.split(piece[1:-1]) if t]
            return parts[0] if len(parts) == 1 else f"join('', [{', '.join(parts)}])"
        if piece[0] in "`\"" and "{{" in piece:
            self._leave(path, "a param stands inside a literal of JSON or a name: write it as a value", piece)
        # A name that is a param: the columns of a table by a value.
        return re.sub(r"\.(\{\{ \w+ \}\})", r".item(@, \1)", piece)

    def _kind(self, kind: str, spec: Part, path: str) -> Part:
        new: Part = {"rows": self._rows(path, spec)} if "from" in spec else {}
        for key, value in _kept(spec).items():
            if key in ("adopt", "adopt_unset", "again"):
                self._leave(f"{path}.{key}", _BY_STORE, value)
            elif key == "backends":
                new[key] = {name: self._kind(kind, one, f"{path}.backends.{name}") for name, one in value.items()}
            elif key in ("where", "unless"):
                new[key] = {field: [word if word != "" else None for word in words] for field, words in value.items()}
            elif key == "owner":
                new[key] = {value["field"]: value["like"].replace("{key}", "{{ key }}")}
            elif key == "fields":
                new[key] = {name: one["is"] if set(one) == {"is"} else one for name, one in value.items()}
            else:
                new["harmless" if key == "ignores" else key] = value
        return new | self._write(kind, spec, path)

    def _rows(self, path: str, spec: Part) -> str:
        """Give where the rows are. An export with its ids is a menu now."""
        read = spec["from"]
        if "ids" in spec:
            self._ids.add(spec["ids"])
            if menu := _EXPORT.fullmatch(self._old["reads"][read].get("run", "")):
                self._reads[read] = {"menu": menu[1]}
            else:
                self._leave(f"{path}.ids", "a read `menu` gives entries with their ids", spec["ids"])
        return self._expression(path, read, spec.get("rows", ""))

    def _write(self, kind: str, spec: Part, path: str) -> Part:
        """Give the requests as they stand, each list with what made it act; none where one of them is of the old kind."""
        lists: Part = {key: [*spec[key], *spec.get("apply", [])] for key in _WRITES if key in spec}
        fields = KINDS[Kind(kind)].fields if lists else ()
        known = {*_ALWAYS, *self._old.get("params", {}), *(field.name for field in fields)}
        strange = sorted({found[3:-3] for found in _PARAM.findall(str(lists))} - known)
        files = any("file" in one for requests in lists.values() for one in requests)
        if not files and not strange:
            return {"write": {"requests": lists}} if lists else {}
        why = "a `file` is a store now" if files else f"{', '.join(strange)} is no word of a request: {_BY_STORE}"
        self._leave(f"{path}.write", f"{why}; without it the kind is only read", lists)
        return {}


def _kept(spec: Part) -> Part:
    return {key: value for key, value in spec.items() if key not in _TURNED}
