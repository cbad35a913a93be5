"""Simulated stores for `profiles prove`: what a sample answers becomes the content of a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from plexops.lab.stored import StoredNvram
from plexops.model.exchange import Command, Read, Reply, Write

if TYPE_CHECKING:
    from plexops.config.samples import Said
    from plexops.engine.proving_life import Device, Family
    from plexops.model.profile import Profile

_NVRAM = "nvram get "


class _Nvram:
    """A router whose lists are texts of its nvram."""

    def __init__(self, profile: Profile, reads: Sequence[Read], answers: Mapping[str, str | Said]) -> None:
        self._names = {
            read.id: read.ask.text.removeprefix(_NVRAM)
            for read in reads
            if isinstance(read.ask, Command) and read.ask.text.startswith(_NVRAM)
        }
        values = {name: str(answers.get(read, "")) for read, name in self._names.items()}
        for spec in (
            spec for ways in profile.resources.values() for spec in ways if spec.write and spec.write.count
        ):
            step = profile.list_step(spec.write.nvram) if spec.write else None
            if spec.write and step:
                items = values.get(spec.write.nvram, "").split(step.items)
                values[spec.write.count] = str(len([item for item in items if item]))
        self._store = StoredNvram(values)

    def answer(self, read: Read) -> Reply | None:
        if read.id not in self._names:
            return None
        return Reply(read.id, 0, self._store.run(_NVRAM + self._names[read.id]).stdout.decode())

    def send(self, write: Write) -> Reply:
        text = write.ask.text if isinstance(write.ask, Command) else "false"
        ended = self._store.run(text)
        return Reply("write", ended.status, ended.stdout.decode(), ended.stderr.decode())

    def content(self) -> str:
        return self._store.content()


def store_for(profile: Family, reads: Sequence[Read], answers: Mapping[str, str | Said]) -> Device | None:
    """Make the store of a family in one state; None where there is none: its own dialect, or nothing, judges it."""
    kept = [
        spec.write for ways in profile.profile.resources.values() for spec in ways if spec.write is not None
    ]
    if kept and all(write.nvram for write in kept):
        return _Nvram(profile.profile, reads, answers)
    return None
