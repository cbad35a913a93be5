"""Reading one table of an inventory, field by field: the schema has judged shapes, values are judged here."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from plexops.config import typed
from plexops.config.nodes import Listing, Node, Scalar, Table, join
from plexops.config.problems import Problems, misspelt, shown
from plexops.config.templates import is_template
from plexops.config.typed import Misfit
from plexops.model.errors import Place, Places
from plexops.model.paths import from_home
from plexops.model.site import SecretReference, SecretSource
from plexops.pattern import Pattern

Word = TypeVar("Word", bound=StrEnum)
Found = TypeVar("Found")

NOTHING = Table(MappingProxyType({}), Place("", 1, 1))
_VARIABLE = Pattern(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_PARAM = Pattern(r"[A-Za-z0-9_./-]{1,64}", re.ASCII)
_KEY_KINDS = Pattern(r"ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)|sk-[a-z0-9@.-]+", re.ASCII)
_PIN = Pattern(r"sha256//[A-Za-z0-9+/]{43}=", re.ASCII)


class Reader:
    """One table with its path. A value of the wrong type reads as absent: it has been complained about."""

    def __init__(self, table: Table, path: str, directory: str, problems: Problems) -> None:
        self.table = table
        self.path = path
        self.directory = directory
        self.problems = problems

    def has(self, name: str) -> bool:
        """Whether the key is there, whatever it holds."""
        return name in self.table.entries

    def need(self, name: str, example: str) -> None:
        """Complain where a key is missing, unless a misspelt one is complained about already."""
        if not self.has(name) and not misspelt(name, self.table.entries):
            reason = f"“{name}:” is missing here"
            self.problems.add("PLX-C102", self.table.place, self.path, reason, f"Add “{name}: {example}”.")

    def node(self, name: str) -> Node | None:
        """Give the value as it stands."""
        return self.table.get(name)

    def inside(self, table: Table, name: str) -> Reader:
        """Give a reader of a table inside this one."""
        return Reader(table, join(self.path, name), self.directory, self.problems)

    def below(self, name: str) -> Reader | None:
        """Give a reader of the table under a key, if one is there."""
        node = self.node(name)
        return self.inside(node, name) if isinstance(node, Table) else None

    def places(self) -> Places:
        """Give the place of every value by its key."""
        return Places({key: entry.value.place for key, entry in self.table.entries.items()})

    def text(self, name: str) -> str:
        """Give a text; empty where there is none, or where a template stands (which is refused elsewhere)."""
        node = self.node(name)
        if not isinstance(node, Scalar) or not isinstance(node.value, str) or is_template(node.value):
            return ""
        return self.judged(name, lambda: typed.as_text(node.text)) or ""

    def value(self, name: str, judge: Callable[[str], Found]) -> Found | None:
        """Give what a text means by `judge`, or None."""
        text = self.text(name)
        return self.judged(name, lambda: judge(text)) if text else None

    def port(self, name: str) -> int | None:
        """Give a port, or None."""
        node = self.node(name)
        value = node.value if isinstance(node, Scalar) else None
        return (
            value if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65535 else None
        )

    def flag(self, name: str) -> bool:
        """Tell whether a switch is on; one that is not there is off."""
        node = self.node(name)
        return isinstance(node, Scalar) and node.value is True

    def choice(self, name: str, words: type[Word], default: Word) -> Word:
        """Give one of some words."""
        text = self.text(name)
        return words(text) if text in {str(word) for word in words} else default

    def words(self, name: str) -> tuple[str, ...]:
        """Give a list of texts."""
        node = self.node(name)
        items = node.items if isinstance(node, Listing) else ()
        return tuple(item.text for item in items if isinstance(item, Scalar) and isinstance(item.value, str))

    def file(self, name: str) -> str:
        """Give an absolute path; a relative one starts at the inventory. Empty where there is none."""
        text = self.text(name)
        return str(Path(self.directory, from_home(text))) if text else ""

    def secret(self, name: str) -> SecretReference | None:
        """Give a reference to a secret, or None. The secret itself is not looked at."""
        reader = self.below(name)
        if reader is None or len(reader.table.entries) != 1:
            return None
        key, entry = next(iter(reader.table.entries.items()))
        known = {str(source) for source in SecretSource} | {"from"}
        if key not in known or not isinstance(entry.value, Scalar):
            return None
        source = SecretSource.SERVER if key == "from" else SecretSource(key)
        written = reader.text(key)
        if source is SecretSource.ENVIRONMENT and not _VARIABLE.fullmatch(written):
            # Not repeated: you may have put the secret itself here.
            reason, cure = (
                "this is not the name of an environment variable",
                "Write {env: PLEX_TOKEN}: only its name.",
            )
            self.problems.add("PLX-C208", entry.value.place, reader.path, reason, cure)
        if source is SecretSource.FILE and not written:
            reason, cure = "this names no file", "Write {file: PATH}."
            self.problems.add("PLX-C208", entry.value.place, reader.path, reason, cure)
        named = source in {SecretSource.ENVIRONMENT, SecretSource.FILE}
        return SecretReference(
            source=source,
            name=written if named else "",
            place=entry.place,
            wanted=join(self.path, name),
            directory=self.directory if source is SecretSource.FILE else "",
        )

    def params(self, name: str) -> Mapping[str, str]:
        """Give a profile's params: words that are safe in every language."""
        reader = self.below(name)
        found = {}
        for key, entry in reader.table.entries.items() if reader else ():
            if not isinstance(entry.value, Scalar) or not isinstance(entry.value.value, (str, int)):
                continue
            if not _PARAM.fullmatch(entry.value.text):
                reason = f"{shown(entry.value.text)} cannot be a param"
                cure = "Use letters, digits and . / - _, at most 64: it becomes part of a command."
                self.problems.add(
                    "PLX-C108", entry.value.place, join(self.path, f"{name}.{key}"), reason, cure
                )
            found[key] = entry.value.text
        return MappingProxyType(found)

    def urls(self, name: str) -> tuple[str, ...] | None:
        """Give a list of web addresses; None where the key is absent."""
        node = self.node(name)
        if not isinstance(node, Listing):
            return None
        found = []
        for index, item in enumerate(node.items):
            if isinstance(item, Scalar) and isinstance(item.value, str):
                try:
                    found.append(web_address(item.value).geturl())
                except Misfit as misfit:
                    path = join(join(self.path, name), index)
                    self.problems.add(misfit.code, item.place, path, misfit.reason, misfit.cure)
        return tuple(found)

    def judged(self, name: str, judge: Callable[[], Found]) -> Found | None:
        """Give what a judge makes of the field; None where it refuses, which has been complained about then."""
        try:
            return judge()
        except Misfit as misfit:
            self.complain(name, misfit.code, misfit.reason, misfit.cure)
            return None

    def complain(self, name: str, code: str, reason: str, cure: str) -> None:
        """Say what is wrong with the field."""
        self.problems.add(code, self.place(name), join(self.path, name), reason, cure)

    def place(self, name: str) -> Place:
        """Give where the field's value stands, or the table where it has none."""
        node = self.node(name)
        return self.table.place if node is None else node.place


def web_address(text: str) -> SplitResult:
    """Give the parts of an http or https address. Raises Misfit; a login inside is never repeated."""
    cure = "Write it as http://192.168.1.50:32400."
    if "@" in text:
        raise Misfit("PLX-C206", "a web address cannot hold a login", "Take the part before @ out.")
    if "x-plex-token" in text.lower():
        raise Misfit("PLX-C206", "a web address cannot hold a token", "Take it out; use “token:”.")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise Misfit("PLX-C204", f"{shown(text)} is no web address", cure) from None
    if "://" not in text and parts.path[:1] != "/":
        raise Misfit(
            "PLX-C204", f"{shown(text)} does not start with http:// or https://", f"Write http://{text[:60]}."
        )
    if parts.scheme not in {"http", "https"}:
        raise Misfit("PLX-C204", f"{shown(text)} does not start with http:// or https://", cure)
    if not parts.hostname or port == 0:
        raise Misfit("PLX-C204", f"{shown(text)} is no web address", cure)
    if parts.fragment:
        raise Misfit("PLX-C204", f"{shown(text)} has a # part, which no server ever sees", cure)
    typed.host(parts.hostname)
    return parts


def tls_pin(text: str) -> str:
    """Give a pin as curl takes it. Raises Misfit."""
    if not _PIN.fullmatch(text):
        cure = "Write sha256// and 44 characters of base64; “plexops trust” shows it."
        raise Misfit("PLX-C210", "this is no pin of a certificate's key", cure)
    return text


def host_key(text: str) -> str:
    """Give a public host key as known_hosts has it. Raises Misfit."""
    text = " ".join(text.split()[:2])
    kind, _, blob = text.partition(" ")
    cure = "Copy it from known_hosts or from the device: ssh-ed25519 AAAA…"
    if text.startswith("SHA256:"):
        raise Misfit("PLX-C210", "this is a key's fingerprint, and the key itself is wanted", cure)
    if not _KEY_KINDS.fullmatch(kind):
        raise Misfit("PLX-C210", f"{shown(kind)} is no kind of host key", cure)
    try:
        data = b64decode(blob, validate=True)
    except ValueError:
        data = b""
    name = kind.encode()
    if data[: 4 + len(name)] != len(name).to_bytes(4, "big") + name or len(data) < len(name) + 36:
        raise Misfit("PLX-C210", "this host key is damaged or cut off", cure)
    return text
