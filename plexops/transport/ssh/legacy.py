"""What old devices speak and current paramiko has dropped: SHA-1 key exchange, and RSA that signs with SHA-1.

Only for a device for which the inventory says `legacy_ssh: true`. Its host key is pinned and judged like any other, and
each of these comes after everything that is better. ssh-dss is not among them. Imports paramiko: load it late.
"""

from __future__ import annotations

import threading
from hashlib import sha1
from typing import Any

import paramiko
from cryptography.hazmat.primitives import hashes
from paramiko.kex_gex import KexGexSHA256
from paramiko.kex_group14 import KexGroup14SHA256

from plexops.transport.ssh.offer import TellingTransport

SSH_RSA = "ssh-rsa"


class _Group14(KexGroup14SHA256):
    """RFC 4253, 8.2."""

    name = "diffie-hellman-group14-sha1"
    hash_algo = sha1


class _Group1(_Group14):
    """RFC 4253, 8.1; the prime is RFC 2409's second Oakley group, of 1024 bits."""

    name = "diffie-hellman-group1-sha1"
    P = int(
        "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
        "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
        "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF",
        16,
    )


class _GroupExchange(KexGexSHA256):
    """RFC 4419, 4.1."""

    name = "diffie-hellman-group-exchange-sha1"
    hash_algo = sha1


class OldRSAKey(paramiko.RSAKey):
    """An RSA key, of a device or to log in with, that may also sign with SHA-1 (RFC 4253, 6.6)."""

    HASHES = {**paramiko.RSAKey.HASHES, SSH_RSA: hashes.SHA1}  # type: ignore[misc]  # noqa: RUF012  as paramiko has it


_EXCHANGES = (_GroupExchange, _Group14, _Group1)
_BASE: Any = paramiko.Transport  # the stubs leave its tables out


class OldTransport(TellingTransport):
    """A connection that agrees to these too, last of all. paramiko looks its algorithms up in these tables."""

    _kex_info = _BASE._kex_info | {kind.name: kind for kind in _EXCHANGES}
    _preferred_kex = (*_BASE._preferred_kex, *(kind.name for kind in _EXCHANGES))
    _key_info = _BASE._key_info | dict.fromkeys((SSH_RSA, f"{SSH_RSA}-cert-v01@openssh.com"), OldRSAKey)
    _preferred_keys = (*_BASE._preferred_keys, SSH_RSA)

    @property
    def preferred_pubkeys(self) -> tuple[str, ...]:
        """How keys sign a login. A server that does not say what it takes (RFC 8308) is old: the oldest way first."""
        usual: tuple[str, ...] = _BASE._preferred_pubkeys
        told = getattr(self, "server_extensions", None)  # the stubs leave it out
        return (*usual, SSH_RSA) if told else (SSH_RSA, *usual)

    def auth_publickey(
        self, username: str, key: paramiko.PKey, event: threading.Event | None = None
    ) -> list[str]:
        """Log in with a key; an RSA key signs as `preferred_pubkeys` says."""
        able = OldRSAKey(key=key.key) if isinstance(key, paramiko.RSAKey) else key
        return super().auth_publickey(username, able, event)
