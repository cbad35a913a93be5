"""Our own store of pinned keys: one JSON file, by the name of a device and never by its address.

Two homes may both have a router at 192.168.1.1; a name is what the user means.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Literal

from msgspec import Struct, json

from plexops.files import write_file
from plexops.transport.problems import failure
from plexops.transport.trust.known_hosts import known_hosts_keys
from plexops.transport.trust.verdict import OfferedKey, Source, TrustedKey, TrustedKeys

_FILE = "trusted_keys.json"
#: The type of what is no key: where a device's login may go (`http://192.168.1.50:32400`).
ORIGIN = "origin"


class Pin(Struct, frozen=True):
    """One pinned key of a device, or its approved origin (type `origin`), and the day on which the user said so."""

    type: str
    fingerprint: str
    since: str


class _Kept(Struct, frozen=True):
    """The file."""

    schema: Literal["plexops.trust/1"]
    devices: dict[str, tuple[Pin, ...]]


class TrustStore(Struct, frozen=True):
    """What `plexops trust` pinned. A changed store is a new value; `save` writes it."""

    path: Path
    pins: Mapping[str, tuple[Pin, ...]]

    @classmethod
    def load(cls, folder: Path) -> TrustStore:
        """Read the store from a state folder; a missing file is an empty store.

        Raises PlexopsError PLX-D213 when the file is damaged, or when others may change it.
        """
        path = folder / _FILE
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0))
        except FileNotFoundError:
            return cls(path, {})
        except OSError as error:
            raise _unusable(path, str(error.strerror)) from None
        with os.fdopen(descriptor, encoding="utf-8") as file:
            status = os.fstat(file.fileno())
            if hasattr(os, "getuid") and status.st_uid != os.getuid():
                raise _unusable(path, "it belongs to another user")
            if os.name == "posix" and stat.S_IMODE(status.st_mode) & 0o022:
                raise _unusable(path, "others may write to it")
            try:
                return cls(path, json.decode(file.read(), type=_Kept).devices)
            except ValueError:
                raise _unusable(path, "its content is damaged") from None

    def pin(self, device: str, offered: OfferedKey, today: date) -> TrustStore:
        """Give a store in which a device has this key, and no older one of the same type."""
        kept = tuple(pin for pin in self.pins.get(device, ()) if pin.type != offered.type)
        new = Pin(offered.type, offered.fingerprint, today.isoformat())
        return TrustStore(self.path, {**self.pins, device: (*kept, new)})

    def remove(self, device: str) -> TrustStore:
        """Give a store that knows nothing of a device."""
        return TrustStore(self.path, {name: pins for name, pins in self.pins.items() if name != device})

    def save(self) -> None:
        """Write the store, for its owner alone. Raises PlexopsError PLX-R101 or PLX-R102; the old one then stays."""
        content = _Kept("plexops.trust/1", dict(sorted(self.pins.items())))
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_file(self.path, json.format(json.encode(content), indent=2) + b"\n")

    def keys(self, device: str, *, tls: bool) -> tuple[TrustedKey, ...]:
        """Give the pinned keys of a device, of its certificates or of its SSH server."""
        return tuple(
            TrustedKey(p.fingerprint, Source.STORE, f"plexops trust, since {p.since}", p.type)
            for p in self.pins.get(device, ())
            if p.type != ORIGIN and (p.type == "tls") == tls
        )

    def approves(self, device: str, origin: str) -> bool:
        """Tell whether a device's login may go to this scheme, host and port."""
        return any((p.type, p.fingerprint) == (ORIGIN, origin) for p in self.pins.get(device, ()))


def ssh_trust(
    store: TrustStore, device: str, host: str, port: int, *, known_hosts: tuple[Path, ...]
) -> TrustedKeys:
    """Gather what is known of a device's SSH host key from store and known_hosts files."""
    found = known_hosts_keys(known_hosts, host, port)
    return TrustedKeys((*store.keys(device, tls=False), *found.keys), found.revoked)


def tls_trust(store: TrustStore, device: str, inventory: tuple[TrustedKey, ...] = ()) -> TrustedKeys:
    """Gather the pins of a device's TLS certificate from inventory and store."""
    return TrustedKeys((*inventory, *store.keys(device, tls=True)))


def _unusable(path: Path, why: str) -> Exception:
    return failure(
        "PLX-D213", f"{path} cannot be used: {why}", "restore it, or remove it and pin anew", str(path)
    )
