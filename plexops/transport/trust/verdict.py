"""Whose key it is: the keys that are known for a device, and the verdict on the one that it offers.

The same rules hold for SSH host keys (`SHA256:…`) and for the keys of TLS certificates (`sha256//…`).
"""

from __future__ import annotations

import base64
import hashlib
from enum import StrEnum

from msgspec import Struct

from plexops.model.errors import PlexopsError
from plexops.transport.problems import failure


class Source(StrEnum):
    """Where a key is pinned. What is outside the repository cannot be changed by a pull request."""

    INVENTORY = "inventory"
    STORE = "store"
    KNOWN_HOSTS = "known_hosts"

    @property
    def outside(self) -> bool:
        """Whether it lies outside the repository, so that a secret may be sent."""
        return self is not Source.INVENTORY


class TrustedKey(Struct, frozen=True):
    """One pinned key. `type` is empty where only the fingerprint is known; `shown` says where it stands."""

    fingerprint: str
    source: Source
    shown: str
    type: str = ""


class TrustedKeys(Struct, frozen=True):
    """All keys that are pinned for one device, and those that must never be trusted."""

    keys: tuple[TrustedKey, ...] = ()
    revoked: tuple[TrustedKey, ...] = ()

    def of(self, source: Source) -> tuple[TrustedKey, ...]:
        """Give the keys that one source pins."""
        return tuple(key for key in self.keys if key.source is source)

    @property
    def types(self) -> tuple[str, ...]:
        """The types of the pinned keys, to be asked for first: a device that has several keys then shows that one."""
        return tuple(dict.fromkeys(key.type for key in self.keys if key.type))


class OfferedKey(Struct, frozen=True):
    """The key that a device showed: `type` (`ssh-ed25519`, or `tls`) and fingerprint."""

    type: str
    fingerprint: str


class Trust(StrEnum):
    """The verdict on an offered key. A secret is only sent when it is `PINNED_OUTSIDE`."""

    PINNED_OUTSIDE = "pinned outside the repository"
    PINNED_INSIDE = "pinned in the repository"
    CHANGED = "changed"
    UNKNOWN = "unknown"
    REVOKED = "revoked"


def fingerprint(key: bytes) -> str:
    """Give the fingerprint of an SSH public key in wire format, as `ssh-keygen -l` prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def judge(trusted: TrustedKeys, offered: OfferedKey) -> Trust:
    """Judge an offered key. The inventory's key, if there is one, must match, and so must our own store's.

    The store is kept by a device's name and so decides alone among the sources outside the repository: two homes
    may share an address, and known_hosts knows addresses only.
    """
    if _holds(trusted.revoked, offered):
        return Trust.REVOKED
    inventory, store = trusted.of(Source.INVENTORY), trusted.of(Source.STORE)
    if (inventory and not _holds(inventory, offered)) or (store and not _holds(store, offered)):
        return Trust.CHANGED
    if store:
        return Trust.PINNED_OUTSIDE
    known = trusted.of(Source.KNOWN_HOSTS)
    if _holds(known, offered):
        return Trust.PINNED_OUTSIDE
    if inventory:
        return Trust.PINNED_INSIDE
    return Trust.CHANGED if known else Trust.UNKNOWN


def require_known(trusted: TrustedKeys, offered: OfferedKey, device: str, where: str, address: str) -> Trust:
    """Give the verdict if the key is known.

    Raises PlexopsError PLX-D201 (changed), PLX-D202 (unknown), PLX-D211 (revoked); the caller has sent nothing yet.
    """
    verdict = judge(trusted, offered)
    if verdict is Trust.REVOKED:
        raise failure(
            "PLX-D211",
            f"{device} presented a key that is marked as revoked; nothing was sent",
            "make a new host key on the device and pin that one",
            where,
            *(f"revoked   {key.fingerprint}   {key.shown}" for key in trusted.revoked),
        )
    if verdict is Trust.CHANGED:
        raise _changed(trusted, offered, device, where, address)
    if verdict is Trust.UNKNOWN:
        raise failure(
            "PLX-D202",
            f"the key of {device} is not known; nothing was sent",
            f"compare it on the device itself, then: plexops trust {device} --fingerprint {offered.fingerprint}",
            where,
            _line("offered", offered.fingerprint, offered.type, f"{address} now"),
        )
    return verdict


def require_outside(verdict: Trust, what: str, device: str, where: str) -> None:
    """Refuse to send a secret to a key that only the repository vouches for.

    Raises PlexopsError PLX-D203. `what` names the secret (`the password`).
    """
    if verdict is Trust.PINNED_OUTSIDE:
        return
    raise failure(
        "PLX-D203",
        f"{what} was not sent: the key of {device} is pinned in the repository only",
        f"compare the key on the device itself, then: plexops trust {device}",
        where,
    )


def _holds(keys: tuple[TrustedKey, ...], offered: OfferedKey) -> bool:
    return any(key.fingerprint == offered.fingerprint for key in keys)


def _changed(
    trusted: TrustedKeys, offered: OfferedKey, device: str, where: str, address: str
) -> PlexopsError:
    # Fingerprints of TLS keys and of SSH keys never meet in one set, so the offered form tells which advice fits.
    compare = (
        "compare in the device's own web interface, opened by cable: certificate, public key, SHA-256"
        if offered.type == "tls"
        else "compare on the device itself: OpenWrt `dropbearkey -y -f /etc/dropbear/dropbear_ed25519_host_key`, "
        "Linux `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`"
    )
    inventory = trusted.of(Source.INVENTORY)
    stale = "" if not inventory or _holds(inventory, offered) else f", and correct {inventory[0].shown}"
    return failure(
        "PLX-D201",
        f"{device} presented a different {'certificate' if offered.type == 'tls' else 'SSH host key'}; "
        "nothing was sent (no user name, no password)",
        f"if it matches what was offered: plexops trust {device} --fingerprint {offered.fingerprint}{stale}",
        where,
        *(_line("pinned ", key.fingerprint, key.type, key.shown) for key in trusted.keys),
        _line("offered", offered.fingerprint, offered.type, f"{address} now"),
        "This happens after a factory reset or firmware reinstall, and also when someone sits in between.",
        compare,
    )


def _line(word: str, print_: str, kind: str, shown: str) -> str:
    return "   ".join(part for part in (word, print_, kind, shown) if part)
