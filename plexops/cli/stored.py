"""Simulated stores for `profiles prove`: what a sample answers becomes the content of a store."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from plexops.config.samples import Said
from plexops.engine.proving import reply_of
from plexops.lab.stored import StoredJson, StoredMappings, StoredNvram
from plexops.lab.tree import StoredTree
from plexops.model.exchange import Call, Command, Read, Reply, SoapCall, Write
from plexops.model.profile import Speaks

if TYPE_CHECKING:
    from plexops.engine.proving_life import Device, Family
    from plexops.model.profile import Profile

_NVRAM = "nvram get "


class NvramDevice:
    """A router whose lists are texts of its nvram: `store` is its shell."""

    def __init__(self, profile: Profile, reads: Sequence[Read], answers: Mapping[str, str | Said]) -> None:
        self._names = {
            read.id: read.ask.text.removeprefix(_NVRAM)
            for read in reads
            if isinstance(read.ask, Command) and read.ask.text.startswith(_NVRAM)
        }
        values = {name: str(answers.get(read, "")) for read, name in self._names.items()}
        for _, write in profile.stores:
            step = profile.list_step(write.nvram) if write.count else None
            if step is not None:
                items = values.get(write.nvram, "").split(step.items)
                values[write.count] = str(len([item for item in items if item]))
        self.store = StoredNvram(values)

    def answer(self, read: Read) -> Reply | None:
        """Answer a read of its store; None for another."""
        if read.id not in self._names:
            return None
        return Reply(read.id, 0, self.store.run(_NVRAM + self._names[read.id]).stdout.decode())

    def send(self, write: Write) -> Reply:
        """Carry out a write."""
        text = write.ask.text if isinstance(write.ask, Command) else "false"
        ended = self.store.run(text)
        return Reply("write", ended.status, ended.stdout.decode(), ended.stderr.decode())

    def content(self) -> str:
        """Give all that it keeps."""
        return self.store.content()


class JsonDevice:
    """A router whose lists are collections of JSON."""

    def __init__(self, profile: Profile, reads: Sequence[Read], answers: Mapping[str, str | Said]) -> None:
        self._paths = {
            read.id: read.ask.path
            for read in reads
            if isinstance(read.ask, Call) and read.ask.method == "GET"
        }
        texts = {path: answers.get(read) for read, path in self._paths.items()}
        documents = {path: json.loads(text) for path, text in texts.items() if isinstance(text, str)}
        data = profile.envelope.data if profile.envelope else ""
        kept: dict[str, tuple[str, str, str]] = {}
        for spec, write in profile.stores:
            path = write.collection
            document = next((known for read, known in self._paths.items() if _names(spec.rows, read)), path)
            if isinstance(documents.get(document), dict) and data:
                documents[document].setdefault(data, [])
            kept[path] = (document, data, spec.handle)
        wrapped = (json.dumps(documents[name]) for name, _, _ in kept.values() if name in documents and data)
        self._store = StoredJson(documents, kept, next(wrapped, "{}"))

    def answer(self, read: Read) -> Reply | None:
        """Answer a read of its store; None for another."""
        text = self._store.get(self._paths[read.id]) if read.id in self._paths else None
        return None if text is None else Reply(read.id, 200, text)

    def send(self, write: Write) -> Reply:
        """Carry out a write."""
        call = write.ask
        if not isinstance(call, Call):
            return Reply("write", 404, "")
        body: Any = call.body
        status, text = self._store.send(call.method, call.path, dict(call.query), body)
        return Reply("write", status, text)

    def content(self) -> str:
        """Give all that it keeps."""
        return self._store.content()


class _Mappings:
    """A router that keeps a table of mappings behind each service that is written."""

    def __init__(self, profile: Profile, answers: Mapping[str, str | Said]) -> None:
        self._profile = profile
        self._tables: dict[str, StoredMappings] = {}
        for spec, write in profile.stores:
            rows: list[Mapping[str, str]] = []
            while (told := getattr(answers.get(f"{spec.rows}.{len(rows)}"), "soap", None)) is not None:
                rows.append(told)
            self._tables[spec.rows] = self._tables[write.soap] = StoredMappings(rows)

    def answer(self, read: Read) -> Reply | None:
        name, _, place = read.id.partition(".")
        if name not in self._tables or not place or not isinstance(read.ask, SoapCall):
            return None
        rows = self._tables[name].rows[int(place) : int(place) + 1]
        return reply_of(read, Said(soap=rows[0]) if rows else Said(fault=713))

    def send(self, write: Write) -> Reply:
        call = write.ask
        if not isinstance(call, SoapCall):
            return Reply("write", 404, "")
        said = {name: str(value) for name, value in call.arguments}
        kind = call.service.rpartition(":")[0]
        of = next(
            one for _, one in self._profile.stores if self._profile.services[one.soap].type.startswith(kind)
        )
        table = self._tables[of.soap]
        refused = table.add(said) if call.action == of.add else table.delete(said)
        return reply_of(Read("write", call), Said(fault=refused) if refused else Said(soap={}))

    def content(self) -> str:
        return "\n".join(table.content() for table in self._tables.values())


class _Tree(StoredTree):
    """A router with a configuration tree, at its console."""

    def __init__(self, config: str, read: str) -> None:
        super().__init__(config)
        self._read = read

    def answer(self, read: Read) -> Reply | None:
        return Reply(read.id, 0, self.shown()) if read.id == self._read else None

    def send(self, write: Write) -> Reply:
        status, said = self.visit(write.ask.text if isinstance(write.ask, Command) else "")
        return Reply("write", status, said)


def _names(expression: str, read: str) -> bool:
    return re.search(rf"\b{re.escape(read)}\b", expression) is not None


def store_for(profile: Family, reads: Sequence[Read], answers: Mapping[str, str | Said]) -> Device | None:
    """Make the store of a family in one state; None where there is none: its own dialect, or nothing, judges it."""
    kept = [write for _, write in profile.profile.stores]
    if kept and all(write.soap for write in kept):
        return _Mappings(profile.profile, answers)
    if kept and all(write.nvram for write in kept):
        return NvramDevice(profile.profile, reads, answers)
    if kept and profile.profile.speaks is Speaks.REST and not any(write.noun for write in kept):
        return JsonDevice(profile.profile, reads, answers)
    config = next((read for read in reads if read.ask == Command("show configuration commands")), None)
    if kept and config is not None and all(write.tree for write in kept):
        text = answers.get(config.id)
        return _Tree(text, config.id) if isinstance(text, str) else _Tree("", "")
    return None
