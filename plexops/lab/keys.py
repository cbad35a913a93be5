"""Host and user keys of a simulated home, made anew at each start."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from msgspec import Struct

if TYPE_CHECKING:
    import paramiko


class KeyPair(Struct, frozen=True):
    """An ed25519 key; `private` is in OpenSSH's format, `public` as `authorized_keys` has it."""

    private: bytes
    public: str

    def key(self) -> paramiko.PKey:
        """Give it as paramiko wants it."""
        import io

        import paramiko

        return paramiko.Ed25519Key.from_private_key(io.StringIO(self.private.decode()))

    def write(self, path: Path) -> None:
        """Write `path` (0600) and `path`.pub."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(self.private)
        path.with_name(path.name + ".pub").write_text(self.public + "\n")


def new_key() -> KeyPair:
    """Make an ed25519 key (under a millisecond)."""
    secret = ed25519.Ed25519PrivateKey.generate()
    private = secret.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    public = secret.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return KeyPair(private, public.decode())
