"""Tables of port mappings by SOAP: one action adds a mapping or writes over it, one takes it away."""

from __future__ import annotations

from collections.abc import Mapping

from plexops.drivers.router.stores.base import Store, Wanted, constant
from plexops.languages.base import plain
from plexops.model.change import Action
from plexops.model.exchange import Expect, SoapCall, Write
from plexops.model.fields import Typed
from plexops.model.profile import ResourceSpec
from plexops.model.store import WriteSpec

#: The arguments of AddPortMapping as its service describes them: UPnP takes them in this order alone
#: (WANIPConnection:1, 2.4.16; Device Architecture 1.1, 3.1.1).
_ARGUMENTS = (
    "NewRemoteHost", "NewExternalPort", "NewProtocol", "NewInternalPort", "NewInternalClient", "NewEnabled",
    "NewPortMappingDescription", "NewLeaseDuration",
)  # fmt: skip


class MappingStore(Store, frozen=True):
    """One table. Ours bear their tag as description; a mapping is what its key says, and has no other name.

    An action cannot be made to depend on what stands in the table: between the fresh read and the request another may
    take a port, or ours. A device that keeps to UPnP then refuses what would write over another host's mapping.
    """

    spec: ResourceSpec
    write: WriteSpec

    def can_set(self, theirs: str) -> bool:
        """All that an addition says, but for what marks ours."""
        return theirs != self.spec.mark and theirs in _ARGUMENTS

    def writes(self, wanted: Wanted) -> tuple[Write, ...]:
        """Give the requests of a change. Raises ValueError for one that would take two requests, or another's place."""
        action, held = wanted.change.action, self._held(wanted)
        if action is Action.DELETE:
            return (
                *self._switched_off(wanted, held),
                self._call(wanted, self.write.delete, self.write.by, held),
            )
        row = {**held, **_texts(wanted.words)}
        if action is Action.CREATE:
            self._require_free(wanted, row)
        elif moved := [name for name in self._fixed if row.get(name) != held.get(name)]:
            raise ValueError(
                f"{', '.join(moved)}: a table of mappings knows no change of that. Take the forward away first "
                "(`state: absent`), and make it again"
            )
        return (self._call(wanted, self.write.add, _ARGUMENTS, row),)

    @property
    def _fixed(self) -> tuple[str, ...]:
        """What an addition cannot change: it writes over a mapping of the same key to the same host, and no other."""
        host = self.spec.fields.get("address")
        return (*self.write.by, *(() if host is None else (host.name,)))

    def _held(self, wanted: Wanted) -> dict[str, str]:
        """Give the mapping as it stands; as it will be, where it is still to be made."""
        made = {name: str(constant(value).value) for name, value in wanted.constants.items()}
        made |= {**_texts(wanted.words), self.spec.mark: wanted.tag}
        seen = wanted.change.raw if wanted.entry is None else wanted.entry.raw
        return made | {name: word if isinstance(word, str) else "" for name, word in seen.items()}

    def _switched_off(self, wanted: Wanted, held: Mapping[str, str]) -> tuple[Write, ...]:
        switch = self.spec.fields.get("enabled")
        off = "" if switch is None else next(iter(switch.values.get("false", ())), "")
        if not self.write.off_first or switch is None or held.get(switch.name) == off:
            return ()
        return (self._call(wanted, self.write.add, _ARGUMENTS, {**held, switch.name: off}),)

    def _require_free(self, wanted: Wanted, row: Mapping[str, str]) -> None:
        """A mapping of another's at the same port stays: an addition to the same host would write over it."""
        key = [name for name in self.write.by if name in wanted.words]
        for other in wanted.others:
            if all(str(other.raw.get(name)).lower() == row[name].lower() for name in key):
                raise ValueError(f"{other.called} has {' '.join(row[name] for name in key)} already")

    def _call(self, wanted: Wanted, action: str, names: tuple[str, ...], row: Mapping[str, str]) -> Write:
        service, _, path = wanted.service.partition(" ")
        if not path:
            raise ValueError(f"where the router keeps {self.write.soap} is not known")
        arguments = tuple((name, row[name]) for name in names if name in row)
        return Write(SoapCall(service, path, action, arguments), Expect(frozenset({200}), action=action))


def _texts(words: Mapping[str, object]) -> dict[str, str]:
    return {name: plain(word) for name, word in words.items() if isinstance(word, Typed)}
