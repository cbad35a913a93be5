"""Private keys to log in with. Imports paramiko: load this module only when a connection is made."""

from __future__ import annotations

import contextlib
import io
from base64 import b64decode
from collections.abc import Generator, Mapping
from pathlib import Path

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from msgspec import Struct

from plexops.model.paths import from_home
from plexops.model.secret import Secret
from plexops.transport.net import within
from plexops.transport.problems import failure
from plexops.transport.ssh_settings import SshSettings

_DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
#: OpenSSH's server closes after six failures (MaxAuthTries), and one is left for a password.
_MAX_OFFERED = 5
_AGENT_SECONDS = 5.0
_MAX_KEY_BYTES = 64 * 1024


_KINDS: Mapping[type, type[paramiko.PKey]] = {
    ed25519.Ed25519PrivateKey: paramiko.Ed25519Key,
    ec.EllipticCurvePrivateKey: paramiko.ECDSAKey,
    rsa.RSAPrivateKey: paramiko.RSAKey,
}


class _ProtectedError(Exception):
    """The key needs a passphrase."""


class Passed(Struct):
    """The keys that were passed over, for the message when nothing worked."""

    protected: list[str] = []
    unusable: list[str] = []


def candidates(settings: SshSettings, passed: Passed) -> Generator[tuple[str, paramiko.PKey], None, None]:
    """Give the keys to offer, each with a name for people: key text, key files, the agent's, the default files.

    Raises PlexopsError PLX-D205 for protected key text and PLX-D206 for a named key that cannot be read. Protected
    files are passed over: the agent may hold the same key.
    """
    seen: set[bytes] = set()
    with contextlib.closing(_all(settings, passed)) as keys:
        for label, key in keys:
            blob = key.asbytes()
            if blob in seen:
                continue
            if len(seen) == _MAX_OFFERED:
                return
            seen.add(blob)
            yield label, key


def _all(settings: SshSettings, passed: Passed) -> Generator[tuple[str, paramiko.PKey], None, None]:
    if settings.key_text is not None:
        yield settings.key_text.reference, _from_secret(settings.key_text, settings.where)
    for path in settings.key_files:
        try:
            data = _read(path)
            if settings.use_agent and _public_blob(data) is not None:
                continue  # the public half of a key that the agent holds
            yield str(path), parse_key(data)
        except _ProtectedError:
            passed.protected.append(str(path))
        except (OSError, ValueError) as error:
            raise failure(
                "PLX-D206",
                f"the private key {path} cannot be read: {_why(error)}",
                "give a private key in OpenSSH or PEM format",
                settings.where,
            ) from None
    if settings.use_agent:
        chosen = _public_halves(settings.key_files) if settings.only_key_files else None
        yield from _from_agent(chosen)
    if settings.use_default_keys and not settings.key_files and settings.key_text is None:
        yield from _from_default_files(passed)


def _from_secret(secret: Secret, where: str) -> paramiko.PKey:
    try:
        return parse_key(secret.reveal().encode())
    except _ProtectedError:
        raise failure(
            "PLX-D205",
            f"the key in {secret.reference} is protected by a passphrase",
            "give a key without one, or load it into an agent with ssh-add",
            where,
        ) from None
    except ValueError as error:
        raise failure(
            "PLX-D206",
            f"{secret.reference} holds no private key: {_why(error)}",
            "give the whole text of the key file, line breaks included",
            where,
        ) from None


def _public_halves(paths: tuple[Path, ...]) -> frozenset[bytes]:
    """Give the public halves of key files: what stands in them, or in the file beside them."""
    found: set[bytes | None] = set()
    for path in paths:
        for candidate in (path, path.with_name(f"{path.name}.pub")):
            with contextlib.suppress(OSError):
                found.add(_public_blob(_read(candidate)))
    return frozenset(blob for blob in found if blob is not None)


def _public_blob(data: bytes) -> bytes | None:
    """Give the key of a line like `ssh-ed25519 AAAA… comment`; None for anything else."""
    words = data.split(None, 2)
    if len(words) < 2:
        return None
    try:
        blob = b64decode(words[1], validate=True)
    except ValueError:
        return None
    return blob if blob[4:].startswith(words[0]) else None  # the type, after its length


def _from_agent(chosen: frozenset[bytes] | None) -> Generator[tuple[str, paramiko.PKey], None, None]:
    """Give the agent's keys; with `chosen`, only these."""
    try:
        agent = within(_AGENT_SECONDS, paramiko.Agent)
    except (paramiko.SSHException, OSError):  # an agent that hangs, or none that is of use
        return
    with contextlib.closing(agent):
        for key in agent.get_keys():
            if chosen is None or key.asbytes() in chosen:
                yield f"agent {key.comment}".strip(), key


def _from_default_files(passed: Passed) -> Generator[tuple[str, paramiko.PKey], None, None]:
    for name in _DEFAULT_KEYS:
        path = Path.home() / ".ssh" / name
        try:
            yield f"~/.ssh/{name}", parse_key(_read(path))
        except FileNotFoundError:
            continue
        except _ProtectedError:
            passed.protected.append(f"~/.ssh/{name}")
        except (OSError, ValueError):
            passed.unusable.append(f"~/.ssh/{name}")


def _read(path: Path) -> bytes:
    with from_home(path).open("rb") as file:
        return file.read(_MAX_KEY_BYTES)


def parse_key(data: bytes) -> paramiko.PKey:
    """Read a private key in OpenSSH or PEM format (PKCS#1, PKCS#8, SEC1).

    Raises ValueError for what is no usable key.
    """
    load = (
        serialization.load_ssh_private_key
        if b"OPENSSH PRIVATE KEY" in data
        else serialization.load_pem_private_key
    )
    try:
        key = load(data.strip() + b"\n", password=None)
    except (TypeError, ValueError) as error:
        if "password" in str(error).lower() or b"ENCRYPTED" in data:
            raise _ProtectedError from None
        raise ValueError("not a private key") from None
    except Exception as error:  # noqa: BLE001  cryptography's UnsupportedAlgorithm and OpenSSL's own errors
        raise ValueError(type(error).__name__) from None
    kind = next((ours for theirs, ours in _KINDS.items() if isinstance(key, theirs)), None)
    if kind is None:
        raise ValueError("only Ed25519, ECDSA and RSA keys can be used")
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    try:
        return kind.from_private_key(io.StringIO(text.decode()))
    except paramiko.SSHException as error:
        raise ValueError(str(error)) from None


def _why(error: Exception) -> str:
    return str(error.strerror) if isinstance(error, OSError) else str(error)
