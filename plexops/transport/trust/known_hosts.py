"""OpenSSH's known_hosts, read only: plain, hashed and wildcard entries, `[host]:port`, `@revoked`.

`@cert-authority` lines are passed over: host certificates are not used here.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import hmac
from collections.abc import Iterable
from pathlib import Path

from plexops.transport.trust.verdict import Source, TrustedKey, TrustedKeys, fingerprint

#: A file larger than this is nobody's known_hosts.
_MAX_BYTES = 16 * 1024 * 1024
_SSH_PORT = 22


def known_hosts_keys(paths: tuple[Path, ...], host: str, port: int) -> TrustedKeys:
    """Give the keys that known_hosts files hold for a host, by the name and port that ssh looks up.

    A file that is missing or unreadable holds nothing; a line that cannot be understood is passed over, as ssh does.
    """
    name = host.lower() if port == _SSH_PORT else f"[{host.lower()}]:{port}"
    keys: list[TrustedKey] = []
    revoked: list[TrustedKey] = []
    for path in paths:
        for number, line in enumerate(_lines(path), start=1):
            mark, names, kind, blob = _fields(line)
            if blob is None or not _names(names, name):
                continue
            shown = f"{_short(path)}:{number}"
            key = TrustedKey(fingerprint(blob), Source.KNOWN_HOSTS, shown, kind)
            if mark == "@revoked":
                revoked.append(key)
            elif not mark:
                keys.append(key)
    return TrustedKeys(tuple(keys), tuple(revoked))


def _lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_BYTES).decode("utf-8", "replace").splitlines()
    except OSError:
        return []


def _fields(line: str) -> tuple[str, str, str, bytes | None]:
    """Split a line into mark, host patterns, key type and key; no key where the line is no entry."""
    words = line.split()
    mark = words.pop(0) if words and words[0].startswith("@") else ""
    if len(words) < 3 or words[0].startswith("#"):  # names, type, key
        return mark, "", "", None
    try:
        return mark, words[0], words[1], base64.b64decode(words[2], validate=True)
    except binascii.Error:
        return mark, "", "", None


def _names(patterns: str, name: str) -> bool:
    """Tell whether host patterns mean a name. A hashed one stands alone (sshd(8))."""
    if patterns.startswith("|1|"):
        return _hashed(patterns, name)
    return matches(name, patterns.lower().split(","))


def matches(subject: str, patterns: Iterable[str]) -> bool:
    """Tell whether patterns of OpenSSH mean a name: a negated one that matches (`!host`) excludes it."""
    found = False
    for pattern in patterns:
        # Only * and ? are special: brackets are literal ([host]:port).
        if fnmatch.fnmatchcase(subject, pattern.removeprefix("!").replace("[", "[[]")):
            if pattern.startswith("!"):
                return False
            found = True
    return found


def _hashed(pattern: str, name: str) -> bool:
    """Compare with a hashed entry, `|1|salt|HMAC-SHA1(salt, name)` (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
    parts = pattern.split("|")
    if len(parts) != 4:  # "", "1", salt, hash
        return False
    try:
        salt, wanted = base64.b64decode(parts[2]), base64.b64decode(parts[3])
    except binascii.Error:
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), wanted)


def _short(path: Path) -> str:
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
